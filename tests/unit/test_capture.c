/* test_capture.c: the capture file from both ends: what is written is what is read; kills, forks, full disks, programs
 * that close descriptors; damaged files. */
#include "os/clock.h"
#include "os/file.h"
#include "trace/capture.h"
#include "trace/format.h"
#include "trace/sample.h"
#include "trace/snapshot.h"

#include <kucha/group.h>

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static char folder[64];

static int make_folder(void **state) {
    (void)state;
    strcpy(folder, "/tmp/kucha-test-XXXXXX");
    return mkdtemp(folder) == NULL;
}

static int remove_folder(void **state) {
    (void)state;
    DIR *entries = opendir(folder);
    char path[512];
    for (struct dirent *entry; entries != NULL && (entry = readdir(entries)) != NULL;) {
        snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        unlink(path);
    }
    if (entries != NULL) closedir(entries);
    return rmdir(folder);
}

static const char *path_of(const char *name) {
    static char path[256];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static ku__tracer *tracer_of(unsigned frames) {
    ku__tracer *tracer = ku__tracer_new(&(ku__tracer_options){.frames = frames}, NULL);
    assert_non_null(tracer);
    return tracer;
}

static ku__capture *capture_of(ku__tracer *tracer, const char *path) {
    ku_error error = {0};
    ku__capture_options options = {.path = path, .command = "app.py --fast", .python = "3.11.7"};
    ku__capture *capture = ku__capture_start(tracer, &options, &error);
    if (capture == NULL) print_error("%s\n", error.message);
    assert_non_null(capture);
    return capture;
}

static ku_capture *open_well(const char *path) {
    ku_error error = {0};
    ku_capture *capture = ku_capture_open(path, &error);
    if (capture == NULL) print_error("%s\n", error.message);
    assert_non_null(capture);
    return capture;
}

/* A two-line table: two code units on first_line, two on the line after. */
static const uint8_t TWO_LINES[] = {0x80 | 10 << 3 | 1, 0, 0, 0x80 | 11 << 3 | 1, 0, 0};

static uint32_t site_of(ku__tracer *tracer, unsigned number, unsigned depth) {
    static char places[1 << 17];
    ku__frame frames[KU__FRAMES_MAX];
    for (unsigned i = 0; i < depth; i++) {
        unsigned function = number + i;
        char name[32], file[32];
        snprintf(name, sizeof name, "function_%u", function);
        snprintf(file, sizeof file, "module_%u.py", function / 10);
        ku__code_facts facts = {
            file, strlen(file), name, strlen(name), TWO_LINES, sizeof TWO_LINES, (int32_t)(100 * function)};
        uint32_t code = ku__code_find(tracer, &places[function]);
        frames[i] = (ku__frame){code ? code : ku__code_add(tracer, &places[function], &facts), 2 * (number % 4)};
    }
    return ku__site_intern(tracer, frames, depth, 0);
}

static void compare_capture(const ku_capture *capture, const ku__tracer *tracer) {
    uint32_t sites = ku__site_count(tracer);
    assert_int_equal(ku_capture_site_count(capture), sites);
    ku__site_sums *sums = calloc(sites, sizeof *sums);
    ku__sites_read(tracer, 0, sites, sums);
    assert_memory_equal(sums, ku_capture_counts_of(capture), sites * sizeof *sums);
    free(sums);
    for (uint32_t site = 1; site < sites; site++) {
        ku__frame expected[8];
        uint32_t frames[8];
        unsigned depth = ku__site_frames(tracer, site, expected, 8);
        assert_int_equal(ku_capture_stack_read(capture, site, frames, 8), depth);
        for (unsigned i = 0; i < depth; i++) {
            ku_capture_frame frame;
            ku_capture_code code;
            ku__code_facts facts;
            ku_capture_frame_read(capture, frames[i], &frame);
            ku_capture_code_read(capture, frame.code, &code);
            assert_true(ku__code_read(tracer, expected[i].code, &facts));
            assert_string_equal(code.filename.bytes, facts.filename);
            assert_string_equal(code.qualname.bytes, facts.qualname);
            assert_int_equal(code.first_line, facts.first_line);
            assert_int_equal(frame.instruction, expected[i].instruction);
            assert_int_equal(frame.line, facts.first_line + (frame.instruction >= 4));
        }
    }
}

static void test_what_is_written_is_read(void **state) {
    (void)state;
    ku__tracer *tracer = tracer_of(4);
    ku__capture *writer = capture_of(tracer, path_of("round"));
    char block;
    for (unsigned round = 0; round < 6; round++) { /* grows through several sizes of places */
        for (unsigned i = 0; i < 1500; i++) {
            uint32_t site = site_of(tracer, round * 1500 + i, 1 + i % 4);
            ku__count_allocated(tracer, KU__LANE_MAIN, site, i + 1, &block);
            if (i % 3 == 0) ku__count_freed(tracer, KU__LANE_MAIN, site, i + 1, &block);
            if (i % 5 == 0) ku__count_allocated(tracer, KU__LANE_RAW, site, 7, &block);
        }
        assert_true(ku__capture_flush(writer, NULL));
        ku_capture *capture = open_well(path_of("round"));
        compare_capture(capture, tracer);
        ku_capture_info info;
        ku_capture_info_read(capture, &info);
        assert_false(info.finished);
        ku_capture_close(capture);
    }
    assert_true(ku__capture_finish(writer, 3, NULL));
    ku_capture *capture = open_well(path_of("round"));
    compare_capture(capture, tracer);
    ku_capture_info info;
    ku_capture_info_read(capture, &info);
    assert_true(info.finished);
    assert_int_equal(info.exit_code, 3);
    assert_int_equal(info.process, getpid());
    assert_int_equal(info.frames, 4);
    assert_int_equal(info.block_unit, 1);
    assert_string_equal(info.command.bytes, "app.py --fast");
    assert_string_equal(info.python.bytes, "3.11.7");
    uint64_t live, peak;
    ku__traced_memory(tracer, &live, &peak);
    assert_int_equal(info.live_bytes, live);
    assert_int_equal(info.peak_bytes, peak);
    assert_true(ku_capture_point_count(capture) >= 1);
    ku_capture_point point;
    ku_capture_point_read(capture, ku_capture_point_count(capture) - 1, &point);
    assert_int_equal(point.live_bytes, live);
    assert_true(point.resident_bytes > 0);
    ku_capture_close(capture);
    struct stat status;
    assert_int_equal(stat(path_of("round"), &status), 0);
    assert_int_equal(status.st_mode & 0777, 0600);
    ku__tracer_delete(tracer);
}

static void memory_callback(void *context, uint64_t *arena_bytes, uint64_t *large_bytes) {
    *arena_bytes = *(uint64_t *)context;
    *large_bytes = 2;
}

static size_t heaps_callback(void *context, ku_capture_heap *heaps, size_t capacity) {
    assert_true(capacity >= 12);
    for (unsigned i = 0; i < 12; i++) {
        heaps[i] = (ku_capture_heap){.name = "heap", .arenas = i, .bytes_used = *(uint64_t *)context};
        heaps[i].occupancy[KU_CAPTURE_HISTOGRAM - 1] = i;
    }
    return 12;
}

static void test_callbacks_supply_heaps_and_memory(void **state) {
    (void)state;
    ku__tracer *tracer = tracer_of(1);
    uint64_t amount = 12345;
    ku__capture_options options = {
        .path = path_of("heaps"), .memory = memory_callback, .heaps = heaps_callback, .context = &amount};
    ku__capture *writer = ku__capture_start(tracer, &options, NULL);
    assert_non_null(writer);
    ku_error error;
    assert_null(ku__capture_start(tracer, &options, &error)); /* one at a time */
    assert_int_equal(error.code, KU_STATE);
    ku__capture_touch();
    assert_true(ku__capture_finish(writer, 0, NULL));
    ku_capture *capture = open_well(path_of("heaps"));
    assert_int_equal(ku_capture_heap_count(capture), 12);
    ku_capture_heap heap;
    ku_capture_heap_read(capture, 11, &heap);
    assert_string_equal(heap.name, "heap");
    assert_int_equal(heap.arenas, 11);
    assert_int_equal(heap.bytes_used, amount);
    assert_int_equal(heap.occupancy[KU_CAPTURE_HISTOGRAM - 1], 11);
    ku_capture_point point;
    ku_capture_point_read(capture, ku_capture_point_count(capture) - 1, &point);
    assert_int_equal(point.arena_bytes, amount);
    assert_int_equal(point.large_bytes, 2);
    ku_capture_close(capture);
    ku__tracer_delete(tracer);
}

static void test_nothing_is_written_over(void **state) {
    (void)state;
    ku__tracer *tracer = tracer_of(1);
    ku_error error;
    int descriptor = open(path_of("taken"), O_WRONLY | O_CREAT, 0644);
    assert_int_equal(write(descriptor, "mine", 4), 4);
    close(descriptor);
    assert_null(ku__capture_start(tracer, &(ku__capture_options){.path = path_of("taken")}, &error));
    assert_int_equal(error.code, KU_IO);
    assert_int_equal(error.os_error, EEXIST);
    struct stat status;
    assert_int_equal(stat(path_of("taken"), &status), 0);
    assert_int_equal(status.st_size, 4);
    assert_null(ku__capture_start(tracer, &(ku__capture_options){.path = path_of("no/such/folder")}, &error));
    assert_int_equal(error.os_error, ENOENT);
    ku__tracer_delete(tracer);
}

/* ---- errors while writing ---- */

static int quiet_begin(void) { /* the message to standard error is wanted, but not in the test's output */
    int saved = dup(STDERR_FILENO), null = open("/dev/null", O_WRONLY);
    dup2(null, STDERR_FILENO);
    close(null);
    return saved;
}

static void quiet_end(int saved) {
    dup2(saved, STDERR_FILENO);
    close(saved);
}

static void test_a_full_disk_switches_the_capture_off(void **state) {
    (void)state;
    ku__tracer *tracer = tracer_of(1);
    ku__capture *writer = capture_of(tracer, path_of("full"));
    site_of(tracer, 1, 1);
    assert_true(ku__capture_flush(writer, NULL));
    struct rlimit before, limit;
    getrlimit(RLIMIT_FSIZE, &before);
    struct stat status;
    assert_int_equal(stat(path_of("full"), &status), 0);
    limit = (struct rlimit){.rlim_cur = (rlim_t)status.st_size + 100000, .rlim_max = before.rlim_max};
    int saved = quiet_begin();
    setrlimit(RLIMIT_FSIZE, &limit);                            /* its signal would end this test if it came through */
    for (unsigned i = 0; i < 30000; i++) site_of(tracer, i, 1); /* the thread may be the one that fails */
    ku_error error = {0};
    bool written = ku__capture_flush(writer, &error);
    setrlimit(RLIMIT_FSIZE, &before);
    assert_false(ku__capture_flush(writer, NULL)); /* it stays off */
    quiet_end(saved);
    assert_false(written);
    assert_int_equal(error.code, KU_IO);
    assert_int_equal(error.os_error, EFBIG);
    assert_non_null(ku__capture_failure(writer));
    ku_capture *capture = open_well(path_of("full")); /* the last whole state is there */
    assert_int_equal(ku_capture_site_count(capture), 2);
    ku_capture_close(capture);
    assert_false(ku__capture_finish(writer, 0, NULL));
    ku__tracer_delete(tracer);
}

static void test_a_program_that_closes_all_descriptors_keeps_its_files(void **state) {
    (void)state;
    ku__tracer *tracer = tracer_of(1);
    ku__capture *writer = capture_of(tracer, path_of("closed"));
    char theirs[256];
    strcpy(theirs, path_of("theirs"));
    int first = open(theirs, O_RDWR | O_CREAT, 0600);
    assert_int_equal(write(first, "theirs", 6), 6);
    for (int descriptor = 200; descriptor < 300; descriptor++)
        if (fcntl(descriptor, F_GETFD) >= 0) dup2(first, descriptor); /* closes ours, takes its number */
    site_of(tracer, 1, 1);
    assert_true(ku__capture_flush(writer, NULL)); /* found again by name */
    assert_true(ku__capture_finish(writer, 0, NULL));
    struct stat status;
    assert_int_equal(stat(theirs, &status), 0);
    assert_int_equal(status.st_size, 6);
    for (int descriptor = 200; descriptor < 300; descriptor++) close(descriptor);
    close(first);
    ku_capture *capture = open_well(path_of("closed"));
    assert_int_equal(ku_capture_site_count(capture), 2);
    ku_capture_close(capture);
    ku__tracer_delete(tracer);
}

static void test_a_file_that_was_replaced_is_left_alone(void **state) {
    (void)state;
    ku__tracer *tracer = tracer_of(1);
    ku__capture *writer = capture_of(tracer, path_of("replaced"));
    for (int descriptor = 200; descriptor < 300; descriptor++) close(descriptor);
    unlink(path_of("replaced"));
    int other = open(path_of("replaced"), O_WRONLY | O_CREAT | O_EXCL, 0600);
    close(other);
    int saved = quiet_begin();
    ku_error error;
    assert_false(ku__capture_flush(writer, &error));
    quiet_end(saved);
    assert_int_equal(error.code, KU_IO);
    struct stat status;
    assert_int_equal(stat(path_of("replaced"), &status), 0);
    assert_int_equal(status.st_size, 0);
    ku__capture_abandon(writer);
    ku__tracer_delete(tracer);
}

static void test_refused_memory_switches_the_capture_off(void **state) {
    (void)state;
    int refusals = 0;
    bool whole = false;
    for (int64_t n = 0; !whole; n++) {
        ku__tracer *tracer = tracer_of(2);
        for (unsigned i = 0; i < 20; i++) assert_int_not_equal(site_of(tracer, i, 2), 0);
        unlink(path_of("memory"));
        int saved = quiet_begin();
        ku__trace_fail_at(n);
        ku_error error = {0};
        ku__capture *writer = ku__capture_start(tracer, &(ku__capture_options){.path = path_of("memory")}, &error);
        if (writer != NULL) whole = ku__capture_flush(writer, &error);
        ku__trace_fail_at(-1);
        quiet_end(saved);
        refusals += !whole;
        if (!whole) assert_int_equal(error.code, KU_NO_MEMORY);
        if (writer != NULL)
            ku__capture_abandon(writer);
        else
            assert_int_equal(access(path_of("memory"), F_OK), -1);
        ku__tracer_delete(tracer);
    }
    assert_true(refusals >= 3);
}

static void test_refused_memory_is_an_error_of_the_reader(void **state) {
    (void)state;
    ku__tracer *tracer = tracer_of(2);
    ku__capture *writer = capture_of(tracer, path_of("refused"));
    char block;
    for (unsigned i = 0; i < 50; i++) ku__count_allocated(tracer, KU__LANE_MAIN, site_of(tracer, i, 2), 10, &block);
    assert_true(ku__capture_finish(writer, 0, NULL));
    int refusals = 0;
    bool whole = false;
    for (int64_t n = 0; !whole; n++) {
        ku_error error = {0};
        ku__trace_fail_at(n);
        ku_capture *capture = ku_capture_open(path_of("refused"), &error);
        ku_groups *groups = capture == NULL ? NULL : ku_capture_group(capture, KU_GROUP_STACK, false, &error);
        ku_capture *snapshot = groups == NULL ? NULL : ku__snapshot_take(tracer, &error);
        ku__trace_fail_at(-1);
        whole = snapshot != NULL;
        if (!whole) assert_int_equal(error.code, KU_NO_MEMORY);
        refusals += !whole;
        ku_groups_free(groups);
        ku_capture_close(capture);
        ku_capture_close(snapshot);
    }
    assert_true(refusals >= 8);
    ku__tracer_delete(tracer);
}

/* ---- processes ---- */

static int thread_count(void) {
    int count = 0;
    DIR *tasks = opendir("/proc/self/task");
    for (struct dirent *entry; (entry = readdir(tasks)) != NULL;) count += entry->d_name[0] != '.';
    closedir(tasks);
    return count;
}

static void sleep_milliseconds(int milliseconds) {
    nanosleep(&(struct timespec){.tv_sec = milliseconds / 1000, .tv_nsec = milliseconds % 1000 * 1000000L}, NULL);
}

static int exit_code_of(pid_t child) {
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void test_a_fork_finds_one_thread_and_the_child_writes_nothing(void **state) {
    (void)state;
    ku__tracer *tracer = tracer_of(1);
    int threads = thread_count();
    ku__capture *writer = capture_of(tracer, path_of("fork"));
    assert_int_equal(thread_count(), threads + 1);
    uint64_t hash = ku__stack_hash_add(ku__stack_hash_start(tracer), tracer);
    assert_int_not_equal(ku__site_intern(tracer, &(ku__frame){0, 1}, 1, hash), 0);
    pid_t child = fork();
    if (child == 0) {
        bool silent =
            thread_count() <= threads && !ku__capture_flush(writer, NULL) && ku__capture_finish(writer, 9, NULL);
        _exit(silent ? 0 : 1);
    }
    assert_int_equal(thread_count(), threads);
    assert_int_equal(ku__site_cached(tracer, ku__stack_hash_add(ku__stack_hash_start(tracer), tracer)), 0);
    assert_int_equal(exit_code_of(child), 0);
    sleep_milliseconds(150); /* more than os.fork() is given */
    ku__capture_touch();
    assert_int_equal(thread_count(), threads + 1);
    assert_true(ku__capture_finish(writer, 4, NULL));
    assert_int_equal(thread_count(), threads);
    ku_capture *capture = open_well(path_of("fork"));
    ku_capture_info info;
    ku_capture_info_read(capture, &info);
    assert_int_equal(info.exit_code, 4);
    ku_capture_close(capture);
    ku__tracer_delete(tracer);
}

/* A process that finishes its capture, may fork a child that exits otherwise, and exits with 7. */
static void exit_after_capture(bool expected, bool forking) {
    ku__tracer *tracer = tracer_of(1);
    ku__capture *writer = capture_of(tracer, path_of("exit"));
    if (expected) ku__capture_expect_exit(writer);
    ku__capture_finish(writer, 130, NULL);
    ku__tracer_delete(tracer);
    pid_t child = forking ? fork() : -1;
    if (child == 0) exit(9);
    if (child > 0) waitpid(child, NULL, 0);
    exit(7);
}

static void test_the_exit_code_comes_at_the_very_end(void **state) {
    (void)state;
    for (int way = 0; way < 3; way++) {
        pid_t child = fork();
        if (child == 0) exit_after_capture(way > 0, way > 1);
        assert_int_equal(exit_code_of(child), 7);
        ku_capture *capture = open_well(path_of("exit"));
        ku_capture_info info;
        ku_capture_info_read(capture, &info);
        assert_true(info.finished);
        assert_int_equal(info.exit_code, way > 0 ? 7 : 130);
        ku_capture_close(capture);
        unlink(path_of("exit"));
    }
}

static void test_a_following_child_has_a_file_of_its_own(void **state) {
    (void)state;
    ku__tracer *tracer = tracer_of(1);
    ku__capture_options options = {.path = path_of("follow"), .follow_fork = true, .command = "follow"};
    ku__capture *writer = ku__capture_start(tracer, &options, NULL);
    assert_non_null(writer);
    char block;
    ku__count_allocated(tracer, KU__LANE_MAIN, site_of(tracer, 1, 1), 100, &block);
    double forked = ku__clock_monotonic();
    pid_t child = fork();
    if (child == 0) {
        int threads = thread_count(); /* a sanitizer may have one of its own */
        ku__count_allocated(tracer, KU__LANE_MAIN, site_of(tracer, 2, 1), 50, &block);
        ku__capture_touch();
        bool late = thread_count() == threads; /* it may still call exec, for 20 ms */
        late = late || ku__clock_monotonic() - forked >= 0.020;
        sleep_milliseconds(40);
        ku__capture_touch();
        bool running = thread_count() == threads + 1;
        pid_t grandchild = fork();
        if (grandchild == 0) _exit(ku__capture_finish(writer, 6, NULL) ? 0 : 1); /* at once: the end makes the file */
        bool deep = exit_code_of(grandchild) == 0;
        char name[32];
        snprintf(name, sizeof name, "follow.%ld", (long)grandchild);
        deep = deep && access(path_of(name), F_OK) == 0;
        _exit(late && running && deep && ku__capture_finish(writer, 5, NULL) ? 0 : 1);
    }
    assert_int_equal(exit_code_of(child), 0);
    assert_true(ku__capture_finish(writer, 0, NULL));
    char name[32];
    snprintf(name, sizeof name, "follow.%ld", (long)child);
    ku_capture *own = open_well(path_of(name)), *parent = open_well(path_of("follow"));
    ku_capture_info info;
    ku_capture_info_read(own, &info);
    assert_int_equal(info.process, child);
    assert_int_equal(info.exit_code, 5);
    assert_int_equal(info.live_bytes, 150);
    assert_string_equal(info.command.bytes, "follow");
    ku_capture_info_read(parent, &info);
    assert_int_equal(info.live_bytes, 100);
    assert_int_equal(info.process, getpid());
    ku_capture_close(own);
    ku_capture_close(parent);
    ku__tracer_delete(tracer);
}

/* What a killed program leaves: written as fast as possible, so that most kills hit an update half done. */
static void busy_until_killed(const char *path, _Atomic unsigned *updates) {
    ku__tracer *tracer = tracer_of(3);
    ku__capture *writer = capture_of(tracer, path);
    char block;
    for (unsigned i = 0;; i++) {
        uint32_t site = site_of(tracer, i % 20000, 1 + i % 3);
        ku__count_allocated(tracer, KU__LANE_MAIN, site, 100 + i % 50, &block);
        if (i % 2) ku__count_freed(tracer, KU__LANE_MAIN, site, 100 + i % 50, &block);
        if (i % 300 == 0) {
            ku__capture_flush(writer, NULL);
            ++*updates;
        }
    }
}

static void test_a_kill_at_any_moment_leaves_a_whole_state(void **state) {
    (void)state;
    const char *rounds_text = getenv("KUCHA_TEST_KILLS");
    int rounds = rounds_text == NULL ? 60 : atoi(rounds_text);
    char path[256];
    strcpy(path, path_of("killed"));
    _Atomic unsigned *updates = mmap(NULL, sizeof *updates, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(updates != MAP_FAILED);
    for (int round = 0; round < rounds; round++) {
        *updates = 0;
        pid_t child = fork();
        if (child == 0) busy_until_killed(path, updates);
        /* However slow the machine is, the kill comes after some updates, and while others are being written. */
        for (unsigned wanted = 4 + (unsigned)rand() % 16; *updates < wanted;) {
            nanosleep(&(struct timespec){.tv_nsec = 50 * 1000L}, NULL);
        }
        nanosleep(&(struct timespec){.tv_nsec = rand() % 1000 * 1000L}, NULL);
        kill(child, SIGKILL);
        int status;
        waitpid(child, &status, 0);
        assert_true(WIFSIGNALED(status));
        ku_capture *capture = open_well(path);
        ku_capture_info info;
        ku_capture_info_read(capture, &info);
        assert_false(info.finished);
        uint64_t live = 0; /* one thread flushes what it counted itself: sums are exact in every state */
        for (size_t site = 0; site < ku_capture_site_count(capture); site++)
            live += ku_capture_counts_of(capture)[site].live_bytes;
        assert_int_equal(live, info.live_bytes);
        assert_true(info.updates >= 4);
        ku_capture_close(capture);
        unlink(path);
    }
    munmap((void *)updates, sizeof *updates);
}

static void test_the_thread_writes_by_itself(void **state) {
    (void)state;
    ku__tracer *tracer = tracer_of(1);
    ku__capture *writer = capture_of(tracer, path_of("alone"));
    char block;
    ku__count_allocated(tracer, KU__LANE_MAIN, site_of(tracer, 1, 1), 4711, &block);
    uint64_t live = 0;
    for (int tries = 0; tries < 1200 && live != 4711; tries++) {
        sleep_milliseconds(50);
        ku_capture *capture = open_well(path_of("alone"));
        ku_capture_info info;
        ku_capture_info_read(capture, &info);
        live = info.live_bytes;
        ku_capture_close(capture);
    }
    assert_int_equal(live, 4711);
    ku__capture_abandon(writer);
    ku_capture *capture = open_well(path_of("alone"));
    ku_capture_info info;
    ku_capture_info_read(capture, &info);
    assert_false(info.finished);
    ku_capture_close(capture);
    ku__tracer_delete(tracer);
}

/* The program interns and counts while the thread and a flusher write: for ThreadSanitizer, and for half-read
 * entries. */
static void test_the_program_runs_on_while_it_is_written(void **state) {
    (void)state;
    ku__tracer *tracer = tracer_of(3);
    ku__capture *writer = capture_of(tracer, path_of("beside"));
    char block;
    struct timespec begun, now;
    clock_gettime(CLOCK_MONOTONIC, &begun);
    unsigned i = 0;
    do {
        for (unsigned k = 0; k < 500; k++, i++) {
            uint32_t site = site_of(tracer, i % 100000, 1 + i % 3);
            ku__count_allocated(tracer, KU__LANE_MAIN, site, 1 + i % 50, &block);
            if (i % 4) ku__count_freed(tracer, KU__LANE_MAIN, site, 1 + i % 50, &block);
            ku__lane_lock(tracer, KU__LANE_RAW);
            ku__count_allocated(tracer, KU__LANE_RAW, 1, 8, &block);
            ku__count_freed(tracer, KU__LANE_RAW, 1, 8, &block);
            ku__lane_unlock(tracer, KU__LANE_RAW);
            ku__capture_touch();
        }
        if (i % 50000 == 0) ku_capture_close(open_well(path_of("beside")));
        clock_gettime(CLOCK_MONOTONIC, &now);
    } while (now.tv_sec - begun.tv_sec < 2);
    assert_null(ku__capture_failure(writer));
    assert_true(ku__capture_finish(writer, 0, NULL));
    ku_capture *capture = open_well(path_of("beside"));
    compare_capture(capture, tracer);
    ku_capture_close(capture);
    ku__tracer_delete(tracer);
}

/* ---- damage ---- */

static uint8_t *small_capture(size_t *size) {
    ku__tracer *tracer = tracer_of(3);
    ku__capture *writer = capture_of(tracer, path_of("small"));
    char block;
    for (unsigned i = 0; i < 12; i++) ku__count_allocated(tracer, KU__LANE_MAIN, site_of(tracer, i, 3), 1 + i, &block);
    assert_true(ku__capture_finish(writer, 0, NULL));
    ku__tracer_delete(tracer);
    FILE *file = fopen(path_of("small"), "rb");
    assert_non_null(file);
    uint8_t *bytes = malloc(1 << 20);
    *size = fread(bytes, 1, 1 << 20, file);
    assert_true(*size < 1 << 20);
    fclose(file);
    unlink(path_of("small"));
    return bytes;
}

static void use_all_of(const ku_capture *capture) {
    for (size_t site = 0; site < ku_capture_site_count(capture); site++) {
        uint32_t frames[4];
        ku_capture_frame frame;
        ku_capture_code code;
        size_t depth = ku_capture_stack_read(capture, site, frames, 4);
        for (size_t i = 0; i < depth && i < 4; i++) {
            ku_capture_frame_read(capture, frames[i], &frame);
            ku_capture_code_read(capture, frame.code, &code);
            assert_int_equal(code.filename.bytes[code.filename.size], 0);
        }
    }
    for (int key = KU_GROUP_LINE; key <= KU_GROUP_STACK; key++)
        ku_groups_free(ku_capture_group(capture, (ku_group_key)key, key != KU_GROUP_STACK, NULL));
}

/* Every byte of the header and the states, and many of the rest, changed in turn; many lengths tried: the older state
 * is taken, or the damage is named; nothing else happens. The fuzzer (fuzz/fuzz_capture.c) goes further. */
static size_t step_at(size_t at) {
    if (at < 64 || (at >= 512 && at < 672) || (at >= 1024 && at < 1184)) return 1; /* header and states */
    return at < KU__FILE_CHUNKS_OFFSET ? 16 : at < 8192 ? 3 : 101;
}

static void test_damage_is_named_and_nothing_is_read_outside(void **state) {
    (void)state;
    size_t size;
    uint8_t *bytes = small_capture(&size);
    unsigned refused = 0, read = 0;
    for (size_t at = 0; at < size; at += step_at(at)) {
        ku_error error = {0};
        bytes[at] ^= 0x41;
        ku_capture *capture = ku_capture_open_bytes(bytes, size, &error);
        bytes[at] ^= 0x41;
        if (capture == NULL) {
            assert_true(error.code == KU_CORRUPT && strlen(error.message) > 10);
            refused++;
        } else {
            use_all_of(capture);
            ku_capture_close(capture);
            read++;
        }
    }
    assert_true(refused > 300 && read > 150);
    for (size_t length = 0; length < size; length += length < 6000 ? 13 : 997) {
        ku_error error = {0};
        assert_null(ku_capture_open_bytes(bytes, length, &error));
        assert_int_equal(error.code, KU_CORRUPT);
    }
    free(bytes);
}

/* Files of the system may be larger than its memory: holes take no room. */
static void test_only_what_the_states_speak_of_is_read(void **state) {
    (void)state;
    const off_t huge = (off_t)1 << 43;
    ku_error error = {0};
    ku__tracer *tracer = tracer_of(3);
    assert_true(ku__capture_finish(capture_of(tracer, path_of("long")), 0, NULL));
    ku__tracer_delete(tracer);
    if (truncate(path_of("long"), huge) != 0) skip(); /* a file system that has no such files */
    ku_capture_close(open_well(path_of("long")));
    ku__file_state states[2];
    int file = open(path_of("long"), O_RDWR);
    for (int place = 0; place < 2; place++) {
        off_t offset = KU__FILE_STATE_OFFSET + place * KU__FILE_STATE_STEP;
        assert_int_equal(pread(file, &states[place], sizeof states[place], offset), sizeof states[place]);
        states[place].end = (uint64_t)huge;
        assert_int_equal(pwrite(file, &states[place], sizeof states[place], offset), sizeof states[place]);
    }
    close(file);
    assert_null(ku_capture_open(path_of("long"), &error));
    assert_int_equal(error.code, KU_NO_MEMORY);
}

static void test_files_that_are_no_captures_are_refused(void **state) {
    (void)state;
    ku_error error;
    assert_null(ku_capture_open(path_of("missing"), &error));
    assert_int_equal(error.code, KU_IO);
    assert_int_equal(error.os_error, ENOENT);
    assert_null(ku_capture_open(folder, &error));
    assert_int_equal(error.code, KU_INVALID);
    assert_null(ku_capture_open("/dev/zero", &error));
    assert_int_equal(error.code, KU_INVALID);
    assert_null(ku_capture_open_bytes("#!/bin/sh\n", 10, &error));
    assert_string_equal(error.message, "this is not a capture of kucha");
    assert_null(ku_capture_open_bytes("", 0, NULL));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_written_is_read),
        cmocka_unit_test(test_callbacks_supply_heaps_and_memory),
        cmocka_unit_test(test_nothing_is_written_over),
        cmocka_unit_test(test_a_full_disk_switches_the_capture_off),
        cmocka_unit_test(test_a_program_that_closes_all_descriptors_keeps_its_files),
        cmocka_unit_test(test_a_file_that_was_replaced_is_left_alone),
        cmocka_unit_test(test_refused_memory_switches_the_capture_off),
        cmocka_unit_test(test_refused_memory_is_an_error_of_the_reader),
        cmocka_unit_test(test_a_fork_finds_one_thread_and_the_child_writes_nothing),
        cmocka_unit_test(test_the_exit_code_comes_at_the_very_end),
        cmocka_unit_test(test_a_following_child_has_a_file_of_its_own),
        cmocka_unit_test(test_a_kill_at_any_moment_leaves_a_whole_state),
        cmocka_unit_test(test_the_thread_writes_by_itself),
        cmocka_unit_test(test_the_program_runs_on_while_it_is_written),
        cmocka_unit_test(test_damage_is_named_and_nothing_is_read_outside),
        cmocka_unit_test(test_files_that_are_no_captures_are_refused),
        cmocka_unit_test(test_only_what_the_states_speak_of_is_read),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
