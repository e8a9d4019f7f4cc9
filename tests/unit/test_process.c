/* test_process.c: processes, the machine, limits and usage: on the running system, and on made-up trees of files. */
#include "support.h"

#include "os/proc.h"

#include <errno.h>
#include <fcntl.h>
#include <kucha/kucha.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MIB = 1 << 20 };

/* ---- children and made-up trees ---- */

/* A child that waits until it is killed. */
static pid_t start_child(void) {
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        for (;;) pause();
    }
    return child;
}

static void end_child(pid_t child) {
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
}

/* Waits until the child is a zombie, and leaves it one. */
static void make_zombie(pid_t child) {
    siginfo_t info;
    kill(child, SIGKILL);
    assert_int_equal(waitid(P_PID, (id_t)child, &info, WEXITED | WNOWAIT), 0);
}

static char tree[] = "/tmp/kucha-process-XXXXXX";

static void write_file(const char *name, const char *text) {
    char path[512];
    snprintf(path, sizeof path, "%s/%s", tree, name);
    for (char *slash = path + sizeof tree; (slash = strchr(slash, '/')) != NULL; slash++) {
        *slash = 0;
        mkdir(path, 0700);
        *slash = '/';
    }
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static int make_tree(void **state) {
    (void)state;
    strcpy(tree, "/tmp/kucha-process-XXXXXX");
    return mkdtemp(tree) != NULL ? 0 : -1;
}

static int drop_tree(void **state) {
    (void)state;
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", tree);
    return system(command);
}

/* A line of stat with a name, a state and a time of start. */
static void write_stat(const char *name, char state, unsigned long started) {
    char text[512];
    snprintf(
        text, sizeof text,
        "77 (%s) %c 1 2 3 34816 4 5 6 7 8 9 250 150 30 20 20 0 3 0 %lu 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 "
        "26 1 28 29 500 31\n",
        name, state, started);
    write_file("77/stat", text);
}

/* ---- a process ---- */

static void test_memory_is_that_of_statm(void **state) {
    (void)state;
    ku_process self;
    ku_process_memory before, after;
    assert_int_equal(ku_process_open(&self, NULL, getpid(), NULL), KU_OK);
    assert_int_equal(ku_process_memory_read(&self, &before, NULL), KU_OK);
    char *block = mmap(NULL, 64 * MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(block, MAP_FAILED);
    memset(block, 1, 64 * MIB);
    assert_int_equal(ku_process_memory_read(&self, &after, NULL), KU_OK);
    munmap(block, 64 * MIB);
    assert_true(after.rss > before.rss + 60 * MIB && after.vms >= before.vms + 64 * MIB);
    assert_true(before.text > 0 && before.data > 0 && before.shared > 0 && before.lib == 0 && before.dirty == 0);
    ku_process_close(&self);
}

static void test_footprint_is_the_sum_of_the_maps(void **state) {
    (void)state;
    ku_process child;
    ku_process_footprint footprint;
    pid_t pid = start_child();
    assert_int_equal(ku_process_open(&child, NULL, pid, NULL), KU_OK);
    assert_int_equal(ku_process_footprint_read(&child, &footprint, NULL), KU_OK);
    assert_true(footprint.uss > 0 && footprint.pss >= footprint.uss);
    end_child(pid);
    ku_process_close(&child);
}

typedef struct seen {
    size_t maps, stacks;
    uint64_t last, rss;
    bool stop;
} seen;

static bool look(const ku_process_map *map, void *argument) {
    seen *so_far = argument;
    assert_true(map->start >= so_far->last && map->end > map->start && strlen(map->permissions) == 4);
    assert_true(map->size == map->end - map->start || strcmp(map->path, "[vsyscall]") == 0);
    assert_true(map->rss >= map->private_clean + map->private_dirty);
    so_far->last = map->end;
    so_far->maps++;
    so_far->rss += map->rss;
    so_far->stacks += strcmp(map->path, "[stack]") == 0;
    return !so_far->stop;
}

static void test_maps_are_visited_in_order(void **state) {
    (void)state;
    ku_process self;
    seen all = {0}, first = {.stop = true};
    assert_int_equal(ku_process_open(&self, NULL, getpid(), NULL), KU_OK);
    assert_int_equal(ku_process_maps_walk(&self, look, &all, NULL), KU_OK);
    assert_true(all.maps > 10 && all.stacks == 1 && all.rss > 0);
    assert_int_equal(ku_process_maps_walk(&self, look, &first, NULL), KU_OK);
    assert_int_equal(first.maps, 1);
    ku_process_close(&self);
}

static void test_state_and_status(void **state) {
    (void)state;
    ku_process self;
    ku_process_state now;
    ku_process_status status;
    assert_int_equal(ku_process_open(&self, NULL, getpid(), NULL), KU_OK);
    assert_int_equal(ku_process_state_read(&self, &now, NULL), KU_OK);
    assert_int_equal(now.parent, getppid());
    assert_true(now.state == 'R' && !now.is_ending && !now.is_kernels && now.threads == 1 &&
                now.started == self.started);
    assert_true(strncmp(now.name, "test_process", 12) == 0);
    assert_int_equal(ku_process_status_read(&self, &status, NULL), KU_OK);
    assert_int_equal(status.uid, (int)getuid());
    assert_int_equal(status.effective_gid, (int)getegid());
    assert_true(status.threads == 1 && status.rss_peak > 0 && status.rss_anonymous > 0);
    assert_true(status.voluntary_switches + status.involuntary_switches > 0);
    ku_process_close(&self);
}

static void test_command_line_and_links(void **state) {
    (void)state;
    ku_process self;
    char text[4096];
    size_t size;
    assert_int_equal(ku_process_open(&self, NULL, getpid(), NULL), KU_OK);
    assert_int_equal(ku_process_command_line(&self, text, sizeof text, &size, NULL), KU_OK);
    assert_true(size == strlen(text) + 1 && strstr(text, "test_process") != NULL);
    assert_int_equal(ku_process_link(&self, "exe", text, sizeof text, NULL), KU_OK);
    assert_non_null(strstr(text, "/test_process"));
    ku_process_close(&self);
}

/* ---- who it is ---- */

static void test_what_does_not_exist_is_gone(void **state) {
    (void)state;
    static const int pids[] = {-1, 0, INT32_MAX};
    ku_process process;
    ku_error error;
    for (size_t index = 0; index < 3; index++) {
        assert_int_equal(ku_process_open(&process, NULL, pids[index], &error), KU_GONE);
        assert_non_null(strstr(error.message, "does not exist"));
        ku_process_close(&process);
    }
}

static void test_a_process_that_ends_while_it_is_watched(void **state) {
    (void)state;
    ku_process child;
    ku_process_memory memory;
    ku_process_footprint footprint;
    ku_process_state now;
    ku_error error;
    seen all = {0};
    pid_t pid = start_child();
    assert_int_equal(ku_process_open(&child, NULL, pid, NULL), KU_OK);
    for (int time = 0; time < 3; time++) assert_int_equal(ku_process_memory_read(&child, &memory, NULL), KU_OK);
    make_zombie(pid);
    assert_int_equal(ku_process_memory_read(&child, &memory, NULL), KU_OK);
    assert_int_equal(memory.rss, 0);
    assert_int_equal(ku_process_state_read(&child, &now, NULL), KU_OK);
    assert_true(now.state == 'Z' && now.is_ending);
    assert_int_equal(ku_process_footprint_read(&child, &footprint, &error), KU_OK);
    assert_int_equal(footprint.uss + footprint.pss + footprint.swap, 0);
    assert_int_equal(ku_process_maps_walk(&child, look, &all, &error), KU_ZOMBIE);
    assert_int_equal(ku_process_check(&child, NULL), KU_OK);
    waitpid(pid, NULL, 0);
    assert_int_equal(ku_process_memory_read(&child, &memory, &error), KU_GONE);
    assert_int_equal(ku_process_state_read(&child, &now, &error), KU_GONE);
    assert_int_equal(ku_process_maps_walk(&child, look, &all, &error), KU_GONE);
    assert_int_equal(ku_process_check(&child, &error), KU_GONE);
    ku_process_close(&child);
    ku_process_close(&child);
}

static void test_a_number_that_was_given_away(void **state) {
    (void)state;
    ku_process process;
    ku_process_memory memory;
    ku_error error;
    write_stat("first", 'S', 1000);
    write_file("77/statm", "10 9 8 7 0 5 0\n");
    assert_int_equal(ku_process_open(&process, tree, 77, NULL), KU_OK);
    assert_int_equal(ku_process_memory_read(&process, &memory, NULL), KU_OK);
    assert_int_equal(memory.rss, 9 * ku_usage_page_size());
    write_stat("second", 'S', 2000);
    assert_int_equal(ku_process_memory_read(&process, &memory, &error), KU_GONE);
    assert_non_null(strstr(error.message, "given to another"));
    assert_int_equal(error.os_error, ESTALE);
    assert_int_equal(ku_process_check(&process, NULL), KU_GONE);
    ku_process_close(&process);
}

static void test_names_with_brackets_and_newlines(void **state) {
    (void)state;
    ku_process process;
    ku_process_state now;
    write_stat("a) S (b\nc", 'S', 1000);
    assert_int_equal(ku_process_open(&process, tree, 77, NULL), KU_OK);
    assert_int_equal(ku_process_state_read(&process, &now, NULL), KU_OK);
    assert_string_equal(now.name, "a) S (b\nc");
    assert_true(now.parent == 1 && now.terminal == 34816 && now.threads == 3 && now.started == 1000);
    double ticks = (double)sysconf(_SC_CLK_TCK);
    assert_true(now.user == 250 / ticks && now.system == 150 / ticks && now.children_user == 30 / ticks);
    assert_true(now.io_wait == 500 / ticks && now.processor == 1);
    ku_process_close(&process);
}

static void test_texts_that_are_none(void **state) {
    (void)state;
    static const char *const texts[] = {"", "77", "77 (a", "77 (a) ", "77 (a) S", "77 (a) S 1 2 x", "nonsense\n"};
    ku_process process;
    for (size_t index = 0; index < sizeof texts / sizeof texts[0]; index++) {
        write_file("77/stat", texts[index]);
        assert_int_not_equal(ku_process_open(&process, tree, 77, NULL), KU_OK);
        ku_process_close(&process);
    }
}

/* ---- descriptors ---- */

static int open_descriptors(void) {
    int count = 0;
    for (int descriptor = 0; descriptor < 1024; descriptor++) count += fcntl(descriptor, F_GETFD) >= 0;
    return count;
}

static void test_descriptors_that_the_program_closed(void **state) {
    (void)state;
    ku_process self;
    ku_process_memory memory;
    ku_process_state now;
    char pattern[] = "/tmp/kucha-foreign-XXXXXX";
    assert_int_equal(ku_process_open(&self, NULL, getpid(), NULL), KU_OK);
    for (int time = 0; time < 3; time++) {
        assert_int_equal(ku_process_memory_read(&self, &memory, NULL), KU_OK);
        assert_int_equal(ku_process_state_read(&self, &now, NULL), KU_OK);
    }
    int foreign = mkstemp(pattern);
    unlink(pattern);
    assert_int_equal(write(foreign, "1 2 3\n", 6), 6);
    for (int file = 0; file < KU_PROCESS_KEPT; file++)
        if (self.kept[file].descriptor >= 0) assert_true(dup2(foreign, self.kept[file].descriptor) >= 0);
    int taken = self.kept[1].descriptor;
    assert_true(taken >= 0);
    uint64_t rss = memory.rss;
    assert_int_equal(ku_process_memory_read(&self, &memory, NULL), KU_OK);
    assert_true(memory.rss >= rss / 2);
    assert_int_equal(ku_process_state_read(&self, &now, NULL), KU_OK);
    assert_int_equal(now.parent, getppid());
    ku_process_close(&self);
    assert_true(fcntl(taken, F_GETFD) >= 0); /* the program's own now: not ours to close */
    for (int descriptor = 100; descriptor < 1024; descriptor++) close(descriptor);
    close(foreign);
}

static void test_kept_descriptors_are_few_and_given_back(void **state) {
    (void)state;
    enum { MANY = 300 };
    static ku_process processes[MANY];
    ku_process_memory memory;
    int before = open_descriptors();
    for (int index = 0; index < MANY; index++) {
        assert_int_equal(ku_process_open(&processes[index], NULL, getpid(), NULL), KU_OK);
        for (int time = 0; time < 3; time++)
            assert_int_equal(ku_process_memory_read(&processes[index], &memory, NULL), KU_OK);
    }
    assert_true(open_descriptors() - before <= ku__proc_keep_most());
    assert_true(processes[0].kept[1].descriptor >= 0 && processes[MANY - 1].kept[1].descriptor < 0);
    for (int index = 0; index < MANY; index++) ku_process_close(&processes[index]);
    assert_int_equal(open_descriptors(), before);
}

/* ---- the machine ---- */

static void test_memory_of_the_machine(void **state) {
    (void)state;
    ku_system_memory memory;
    ku_system_swap swap;
    assert_int_equal(ku_system_memory_read(NULL, &memory, NULL), KU_OK);
    assert_true(memory.total > memory.available && memory.available > 0 && memory.missing == 0);
    assert_int_equal(ku_system_swap_read(NULL, &swap, NULL), KU_OK);
    assert_true(swap.total >= swap.free);
}

static void test_memory_of_an_old_kernel(void **state) {
    (void)state;
    ku_system_memory memory;
    ku_error error;
    write_file("meminfo", "MemTotal: 1000 kB\nMemFree: 100 kB\nActive(file): 40 kB\nInactive(file): 60 kB\n");
    write_file("zoneinfo", "Node 0, zone DMA\n  pages free 5\n        low      2\n");
    assert_int_equal(ku_system_memory_read(tree, &memory, NULL), KU_OK);
    uint64_t low = 2 * ku_usage_page_size();
    assert_int_equal(memory.available, (100 << 10) - low + (100 << 10) - low);
    assert_int_equal(memory.missing, KU_SYSTEM_NO_BUFFERS | KU_SYSTEM_NO_CACHED | KU_SYSTEM_NO_SHARED |
                                         KU_SYSTEM_NO_ACTIVE | KU_SYSTEM_NO_INACTIVE);
    write_file("meminfo", "nothing\n");
    assert_int_equal(ku_system_memory_read(tree, &memory, &error), KU_CORRUPT);
    assert_int_equal(ku_system_memory_read("/nowhere", &memory, &error), KU_IO);
    assert_int_equal(error.os_error, ENOENT);
}

static void test_processors(void **state) {
    (void)state;
    ku_cpu_times total, each[4];
    size_t count;
    double boot;
    char text[5000];
    assert_int_equal(ku_system_cpu_read(NULL, &total, NULL, 0, &count, NULL), KU_OK);
    assert_true(count == (size_t)ku_system_cpu_count() && total.idle > 0 && total.user > 0);
    assert_int_equal(ku_system_boot_time(NULL, &boot, NULL), KU_OK);
    assert_true(boot > 1e9);
    int used = snprintf(text, sizeof text, "cpu  10 0 20 30\ncpu0 1 0 2 3\ncpu1 9 0 18 27\nintr 1");
    memset(text + used, ' ', 4000);
    snprintf(text + used + 4000, 100, "\nbtime 1234567890\n");
    write_file("stat", text);
    assert_int_equal(ku_system_cpu_read(tree, &total, each, 4, &count, NULL), KU_OK);
    double ticks = (double)sysconf(_SC_CLK_TCK);
    assert_true(count == 2 && total.system == 20 / ticks && each[1].idle == 27 / ticks && each[1].guest == 0);
    assert_int_equal(ku_system_boot_time(tree, &boot, NULL), KU_OK);
    assert_true(boot == 1234567890);
}

static void test_processes_and_their_parents(void **state) {
    (void)state;
    enum { MOST = 20000 };
    static int pids[MOST];
    size_t count;
    bool found = false;
    pid_t child = start_child();
    assert_int_equal(ku_system_pids(NULL, pids, MOST, &count, NULL), KU_OK);
    for (size_t index = 0; index < count && index < MOST; index++) found = found || pids[index] == child;
    assert_true(found && ku_system_pid_exists(NULL, child));
    ku_system_process pair[] = {{.pid = child}, {.pid = INT32_MAX}};
    ku_system_processes_read(NULL, pair, 2);
    assert_true(pair[0].parent == getpid() && pair[0].started > 0 && pair[1].pid == 0);
    end_child(child);
    assert_false(ku_system_pid_exists(NULL, child));
    assert_false(ku_system_pid_exists(NULL, -5));
}

static void test_disks(void **state) {
    (void)state;
    ku_system_disk disk;
    ku_error error;
    assert_int_equal(ku_system_disk_read("/", &disk, NULL), KU_OK);
    assert_true(disk.total >= disk.free && disk.free >= disk.available);
    assert_int_equal(ku_system_disk_read("/nowhere", &disk, &error), KU_IO);
    assert_int_equal(error.os_error, ENOENT);
}

/* ---- limits and usage ---- */

static void test_limits_of_another_process(void **state) {
    (void)state;
    ku_limit limit, old;
    ku_error error;
    pid_t child = start_child();
    int core = ku_limits_find("core")->resource;
    assert_ptr_equal(ku_limits_find("rlimit_core"), ku_limits_find("core"));
    assert_null(ku_limits_find("cores"));
    assert_int_equal(ku_limits_set(child, core, &(ku_limit){4096, 8192}, NULL, NULL), KU_OK);
    assert_int_equal(ku_limits_set(child, core, &(ku_limit){0, 8192}, &old, NULL), KU_OK);
    assert_true(old.soft == 4096 && old.hard == 8192);
    assert_int_equal(ku_limits_read(child, core, &limit, NULL), KU_OK);
    assert_true(limit.soft == 0 && limit.hard == 8192);
    assert_int_equal(ku_limits_set(child, core, &(ku_limit){9000, 8192}, NULL, &error), KU_INVALID);
    assert_non_null(strstr(error.message, "soft limit of core"));
    assert_int_equal(ku_limits_read(child, 99, &limit, &error), KU_INVALID);
    end_child(child);
    assert_int_equal(ku_limits_read(child, core, &limit, &error), KU_GONE);
}

static void test_every_limit_can_be_read(void **state) {
    (void)state;
    size_t count;
    const ku_limit_info *list = ku_limits_list(&count);
    assert_int_equal(count, RLIM_NLIMITS);
    for (size_t index = 0; index < count; index++) {
        ku_limit limit;
        struct rlimit theirs;
        assert_int_equal(ku_limits_read(0, list[index].resource, &limit, NULL), KU_OK);
        assert_int_equal(getrlimit(list[index].resource, &theirs), 0);
        assert_true(limit.soft == theirs.rlim_cur && limit.hard == theirs.rlim_max);
        if (index > 0) assert_true(strcmp(list[index - 1].name, list[index].name) < 0);
    }
}

static void test_usage(void **state) {
    (void)state;
    ku_usage usage;
    ku_error error;
    size_t count;
    const ku_usage_field *fields = ku_usage_fields(&count);
    assert_int_equal(count, 16);
    assert_int_equal(ku_usage_read(KU_USAGE_SELF, &usage, NULL), KU_OK);
    assert_true(usage.maxrss > 0 && usage.minflt > 0 && usage.utime + usage.stime >= 0);
    for (size_t index = 0; index < count; index++) {
        if (!fields[index].always_zero) continue;
        assert_int_equal(*(int64_t *)(void *)((char *)&usage + fields[index].offset), 0);
    }
    assert_int_equal(ku_usage_read(KU_USAGE_CHILDREN, &usage, NULL), KU_OK);
    assert_int_equal(ku_usage_read(KU_USAGE_THREAD, &usage, NULL), KU_OK);
    assert_int_equal(ku_usage_read(7, &usage, &error), KU_INVALID);
}

/* ---- control groups ---- */

static void mount_line(char *text, size_t size, const char *top, const char *point, const char *type) {
    snprintf(text, size, "30 20 0:25 %s %s%s rw,nosuid shared:9 - %s\n", top, tree, point, type);
}

static void test_groups_of_the_second_version(void **state) {
    (void)state;
    char mounts[1024];
    ku_cgroup group;
    mount_line(mounts, sizeof mounts, "/", "/groups", "cgroup2 cgroup2 rw");
    write_file("self/mountinfo", mounts);
    write_file("77/cgroup", "0::/outer/inner\n");
    write_file("groups/cgroup.controllers", "memory cpu pids\n");
    write_file("groups/outer/memory.max", "1048576\n");
    write_file("groups/outer/cpu.max", "150000 100000\n");
    write_file("groups/outer/inner/memory.max", "max\n");
    write_file("groups/outer/inner/memory.high", "max\n");
    write_file("groups/outer/inner/memory.current", "4096\n");
    write_file("groups/outer/inner/memory.peak", "8192\n");
    write_file("groups/outer/inner/memory.stat", "anon 1\ninactive_file 512\n");
    write_file("groups/outer/inner/memory.events", "low 0\noom 3\noom_kill 2\n");
    write_file("groups/outer/inner/memory.swap.max", "2097152\n");
    write_file("groups/outer/inner/cpu.max", "max 100000\n");
    write_file("groups/outer/inner/cpu.weight", "100\n");
    write_file("groups/outer/inner/pids.max", "50\n");
    write_file("groups/outer/inner/pids.current", "7\n");
    assert_int_equal(ku_cgroup_read(tree, 77, &group, NULL), KU_OK);
    assert_true(group.version == 2 && group.cpu_version == 2 && group.pids_version == 2);
    assert_true(group.memory_limit == 1048576 && group.memory_high == KU_UNLIMITED);
    assert_true(group.memory_used == 4096 && group.memory_peak == 8192 && group.memory_reclaimable == 512);
    assert_true(group.swap_limit == 2097152 && group.memory_swap_limit == KU_UNLIMITED && group.oom_kills == 2);
    assert_true(group.cpus == 1.5 && group.pids_limit == 50 && group.pids_used == 7);
    assert_non_null(strstr(group.path, "/groups/outer/inner"));
}

static void test_groups_of_the_first_version(void **state) {
    (void)state;
    char mounts[1024];
    ku_cgroup group;
    mount_line(mounts, sizeof mounts, "/docker/abc", "/memory", "cgroup cgroup rw,memory");
    size_t used = strlen(mounts);
    mount_line(mounts + used, sizeof mounts - used, "/", "/cpu", "cgroup cgroup rw,cpuacct,cpu");
    used = strlen(mounts);
    mount_line(mounts + used, sizeof mounts - used, "/", "/unified", "cgroup2 cgroup2 rw");
    write_file("self/mountinfo", mounts);
    write_file("77/cgroup", "5:cpu,cpuacct:/\n4:memory:/docker/abc/task\n0::/\n");
    write_file("memory/memory.limit_in_bytes", "1000000\n");
    write_file("memory/task/memory.limit_in_bytes", "9223372036854771712\n");
    write_file("memory/task/memory.memsw.limit_in_bytes", "2000000\n");
    write_file("memory/task/memory.usage_in_bytes", "5000\n");
    write_file("memory/task/memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 4\n");
    write_file("cpu/cpu.cfs_quota_us", "-1\n");
    write_file("unified/cgroup.controllers", "\n");
    assert_int_equal(ku_cgroup_read(tree, 77, &group, NULL), KU_OK);
    assert_true(group.version == 1 && group.cpu_version == 1 && group.pids_version == 0);
    assert_true(group.memory_limit == 1000000 && group.memory_swap_limit == 2000000 && group.memory_used == 5000);
    assert_true(group.oom_kills == 4 && group.cpus == 0 && group.swap_limit == KU_UNLIMITED);
}

static void test_no_groups(void **state) {
    (void)state;
    ku_cgroup group;
    ku_error error;
    write_file("self/mountinfo", "30 20 0:25 / / rw - ext4 disk rw\n");
    assert_int_equal(ku_cgroup_read(tree, 77, &group, NULL), KU_OK);
    assert_true(group.version == 0 && group.memory_limit == KU_UNLIMITED && group.pids_limit == KU_UNLIMITED);
    assert_int_equal(ku_cgroup_read(NULL, 0, &group, NULL), KU_OK);
    char mounts[1024];
    mount_line(mounts, sizeof mounts, "/", "/groups", "cgroup2 cgroup2 rw");
    write_file("self/mountinfo", mounts);
    assert_int_equal(ku_cgroup_read(tree, 78, &group, &error), KU_GONE);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_memory_is_that_of_statm),
        cmocka_unit_test(test_footprint_is_the_sum_of_the_maps),
        cmocka_unit_test(test_maps_are_visited_in_order),
        cmocka_unit_test(test_state_and_status),
        cmocka_unit_test(test_command_line_and_links),
        cmocka_unit_test(test_what_does_not_exist_is_gone),
        cmocka_unit_test(test_a_process_that_ends_while_it_is_watched),
        cmocka_unit_test_setup_teardown(test_a_number_that_was_given_away, make_tree, drop_tree),
        cmocka_unit_test_setup_teardown(test_names_with_brackets_and_newlines, make_tree, drop_tree),
        cmocka_unit_test_setup_teardown(test_texts_that_are_none, make_tree, drop_tree),
        cmocka_unit_test(test_descriptors_that_the_program_closed),
        cmocka_unit_test(test_kept_descriptors_are_few_and_given_back),
        cmocka_unit_test(test_memory_of_the_machine),
        cmocka_unit_test_setup_teardown(test_memory_of_an_old_kernel, make_tree, drop_tree),
        cmocka_unit_test_setup_teardown(test_processors, make_tree, drop_tree),
        cmocka_unit_test(test_processes_and_their_parents),
        cmocka_unit_test(test_disks),
        cmocka_unit_test(test_limits_of_another_process),
        cmocka_unit_test(test_every_limit_can_be_read),
        cmocka_unit_test(test_usage),
        cmocka_unit_test_setup_teardown(test_groups_of_the_second_version, make_tree, drop_tree),
        cmocka_unit_test_setup_teardown(test_groups_of_the_first_version, make_tree, drop_tree),
        cmocka_unit_test_setup_teardown(test_no_groups, make_tree, drop_tree),
    };
    return cmocka_run_group_tests_name("process", tests, NULL, NULL);
}
