/* cgroup.c: what the control group of a process may use; see kucha/limits.h.
 *
 * /proc/PID/cgroup says which group a process lies in, by hierarchy ("4:memory:/a/b", or "0::/a/b" for version 2);
 * /proc/self/mountinfo says where each hierarchy is mounted, and from which of its groups on ("/" or "/a"). A container
 * often sees its own group as the root of the mount, and sometimes the host's path in the first file: a path that the
 * mount does not have is taken for the mount's root.
 *
 * A limit of a group higher up holds for all below, so each limit is the least on the way to the mount's root. What is
 * used is that of the group itself.
 */
#include "os/failure.h"
#include "os/machine.h"
#include "os/proc.h"
#include "text.h"

#include <errno.h>
#include <kucha/limits.h>
#include <stdio.h>

enum { FOLDER_CAPACITY = 1024 };

/* Where a controller's groups are to be found. */
typedef struct hierarchy {
    int version;                  /* 0: not mounted */
    char mount[FOLDER_CAPACITY];  /* folder of the mount's root */
    char top[FOLDER_CAPACITY];    /* the group that the mount's root is */
    char member[FOLDER_CAPACITY]; /* the process's group */
    char folder[FOLDER_CAPACITY]; /* of that group */
} hierarchy;

/* ---- finding ---- */

/* Whether the comma-separated list has the word. */
static bool list_has(const char *list, size_t size, const char *word) {
    size_t length = strlen(word);
    const char *end = list + size;
    while (list < end) {
        const char *comma = memchr(list, ',', (size_t)(end - list));
        const char *stop = comma != NULL ? comma : end;
        if ((size_t)(stop - list) == length && memcmp(list, word, length) == 0) return true;
        list = stop + 1;
    }
    return false;
}

static void copy(char *to, const char *from, size_t size) {
    if (size >= FOLDER_CAPACITY) size = FOLDER_CAPACITY - 1;
    memcpy(to, from, size);
    to[size] = 0;
}

/* The `number`-th word of a line, from 0. */
static const char *word_of(const char *line, int number, size_t *size) {
    *size = 0;
    for (; number > 0; number--) {
        line = strchr(line, ' ');
        if (line == NULL) return NULL;
        line++;
    }
    *size = strcspn(line, " ");
    return line;
}

/* proc_pid_mountinfo(5): id parent device ROOT POINT options [optional ...] - TYPE source SUPER-OPTIONS. True when the
 * line is a mount of the controller; version 2 has all controllers in one mount. */
static bool read_mount(hierarchy *found, const char *line, const char *controller) {
    size_t top_size, mount_size, type_size, options_size;
    const char *top = word_of(line, 3, &top_size);
    const char *mount = word_of(line, 4, &mount_size);
    const char *rest = strstr(line, " - ");
    if (top == NULL || mount == NULL || rest == NULL) return false;
    const char *type = word_of(rest + 3, 0, &type_size);
    const char *options = word_of(rest + 3, 2, &options_size);
    bool is_second = type_size == 7 && memcmp(type, "cgroup2", 7) == 0;
    bool is_first = type_size == 6 && memcmp(type, "cgroup", 6) == 0;
    if (!is_second && !(is_first && options != NULL && list_has(options, options_size, controller))) return false;
    found->version = is_second ? 2 : 1;
    copy(found->top, top, top_size);
    copy(found->mount, mount, mount_size);
    return true;
}

/* ID:CONTROLLERS:PATH; version 2 has no controllers. */
static bool read_member(hierarchy *found, const char *line, const char *controller) {
    const char *controllers = strchr(line, ':');
    const char *path = controllers != NULL ? strchr(controllers + 1, ':') : NULL;
    if (path == NULL) return false;
    size_t size = (size_t)(path - controllers - 1);
    bool is_it = found->version == 2 ? size == 0 : list_has(controllers + 1, size, controller);
    if (is_it) copy(found->member, path + 1, strlen(path + 1));
    return is_it;
}

static bool group_has(const char *folder, const char *file) {
    char path[FOLDER_CAPACITY + 64];
    snprintf(path, sizeof path, "%s/%s", folder, file);
    return ku__path_exists(path);
}

/* The folder of the process's group: the mount's, and the part of the group's path that lies below the mount's top. */
static void place(hierarchy *found) {
    const char *below = found->member;
    size_t top = strlen(found->top);
    if (top > 1 && strncmp(below, found->top, top) == 0) below += top;
    if (strcmp(below, "/") == 0 || strstr(below, "/..") != NULL) below = "";
    int length = snprintf(found->folder, sizeof found->folder, "%s%s", found->mount, below);
    if (length >= (int)sizeof found->folder || !ku__path_exists(found->folder))
        snprintf(found->folder, sizeof found->folder, "%s", found->mount);
}

/* A hierarchy of version 1 with the controller has it for sure; one of version 2 has it where the group's files say so:
 * with both mounted, a controller is in one of them only. */
static bool find_mount(const char *root, const char *controller, hierarchy *found) {
    ku__lines lines;
    size_t size;
    const char *line;
    hierarchy one = {0};
    *found = one;
    ku__lines_start(&lines, ku__proc_open(root, 0, "self/mountinfo"));
    while (found->version != 1 && (line = ku__lines_next(&lines, &size)) != NULL)
        if (read_mount(&one, line, controller)) *found = one;
    ku__lines_end(&lines);
    return found->version != 0;
}

static int open_members(const char *root, int pid) {
    return pid == 0 ? ku__proc_open(root, 0, "self/cgroup") : ku__proc_open(root, pid, "cgroup");
}

/* 0, or errno when the process cannot be looked at. */
static int find_hierarchy(const char *root, int pid, const char *controller, hierarchy *found) {
    ku__lines lines;
    size_t size;
    const char *line;
    bool is_member = false;
    if (!find_mount(root, controller, found)) return 0;
    ku__lines_start(&lines, open_members(root, pid));
    while (!is_member && (line = ku__lines_next(&lines, &size)) != NULL)
        is_member = read_member(found, line, controller);
    ku__lines_end(&lines);
    if (!is_member) found->version = 0;
    if (is_member) place(found);
    return lines.failure;
}

/* ---- reading ---- */

/* A folder of groups is read as /proc is: short texts, made anew for each reading. */
static bool read_file(const char *folder, const char *name, char *text, size_t capacity) {
    return ku__proc_text(folder, 0, name, text, capacity) > 0;
}

/* "max", and in version 1 the largest multiple of a page that 63 bits hold, are no limit. */
static uint64_t as_limit(const char *text) {
    uint64_t value;
    if (ku__text_number(text, &value) == NULL) return KU_UNLIMITED;
    return value < (UINT64_C(1) << 62) ? value : KU_UNLIMITED;
}

static uint64_t read_value(const hierarchy *in, const char *name) {
    char text[64];
    return read_file(in->folder, name, text, sizeof text) ? ku__text_value(text) : 0;
}

/* Calls for each folder from the group to the mount's root. */
typedef void each_group(const char *folder, void *argument);

static void upwards(const hierarchy *in, each_group *look, void *argument) {
    char folder[FOLDER_CAPACITY];
    size_t mount = strlen(in->mount);
    copy(folder, in->folder, strlen(in->folder));
    for (;;) {
        look(folder, argument);
        char *slash = strrchr(folder, '/');
        if (strlen(folder) <= mount || slash == NULL) return;
        *slash = 0;
    }
}

typedef struct least {
    const char *name;
    uint64_t value;
} least;

static void take_least(const char *folder, void *argument) {
    least *wanted = argument;
    char text[64];
    if (!read_file(folder, wanted->name, text, sizeof text)) return;
    uint64_t value = as_limit(text);
    if (value < wanted->value) wanted->value = value;
}

static uint64_t read_limit(const hierarchy *in, const char *name) {
    least wanted = {name, KU_UNLIMITED};
    upwards(in, take_least, &wanted);
    return wanted.value;
}

/* A line "word number" of a file of such lines. */
static uint64_t read_line(const hierarchy *in, const char *name, const char *word) {
    char text[8192];
    if (!read_file(in->folder, name, text, sizeof text)) return 0;
    for (const char *line = text; line != NULL; line = ku__text_next_line(line)) {
        const char *at = ku__text_after(line, word);
        if (at != NULL && *at == ' ') return ku__text_value(at);
    }
    return 0;
}

/* ---- the controllers ---- */

static void read_memory_first(const hierarchy *in, ku_cgroup *group) {
    group->memory_limit = read_limit(in, "memory.limit_in_bytes");
    group->memory_high = read_limit(in, "memory.soft_limit_in_bytes");
    group->memory_used = read_value(in, "memory.usage_in_bytes");
    group->memory_peak = read_value(in, "memory.max_usage_in_bytes");
    group->memory_reclaimable = read_line(in, "memory.stat", "total_inactive_file");
    group->memory_swap_limit = read_limit(in, "memory.memsw.limit_in_bytes");
    group->swap_used = read_line(in, "memory.stat", "total_swap");
    group->oom_kills = read_line(in, "memory.oom_control", "oom_kill");
}

static void read_memory_second(const hierarchy *in, ku_cgroup *group) {
    group->memory_limit = read_limit(in, "memory.max");
    group->memory_high = read_limit(in, "memory.high");
    group->memory_used = read_value(in, "memory.current");
    group->memory_peak = read_value(in, "memory.peak");
    group->memory_reclaimable = read_line(in, "memory.stat", "inactive_file");
    group->swap_limit = read_limit(in, "memory.swap.max");
    group->swap_used = read_value(in, "memory.swap.current");
    group->oom_kills = read_line(in, "memory.events", "oom_kill");
}

/* The root group of version 2 has the file cgroup.controllers and no limits of its own. */
static bool has_controller(const hierarchy *in, const char *file) {
    return in->version == 1 || (in->version == 2 && (group_has(in->folder, file) || group_has(in->mount, file)));
}

static void read_memory(const hierarchy *in, ku_cgroup *group) {
    if (!has_controller(in, "memory.stat")) return;
    group->version = in->version;
    snprintf(group->path, sizeof group->path, "%.*s", (int)sizeof group->path - 1, in->folder);
    if (in->version == 1) {
        read_memory_first(in, group);
    } else {
        read_memory_second(in, group);
    }
}

/* Version 2: "QUOTA PERIOD" in one file, with "max" for none; version 1: a file for each, with -1 for none. */
static void take_quota(const char *folder, void *argument) {
    double *cpus = argument;
    char text[64];
    uint64_t quota, period;
    const char *at;
    if (read_file(folder, "cpu.max", text, sizeof text)) {
        at = ku__text_number(text, &quota);
        if (at == NULL || ku__text_number(at, &period) == NULL) return;
    } else {
        if (!read_file(folder, "cpu.cfs_quota_us", text, sizeof text)) return;
        if (ku__text_number(text, &quota) == NULL || (int64_t)quota < 0) return;
        if (!read_file(folder, "cpu.cfs_period_us", text, sizeof text)) return;
        period = ku__text_value(text);
    }
    if (period == 0) return;
    double share = (double)quota / (double)period;
    if (*cpus == 0 || share < *cpus) *cpus = share;
}

static void read_cpu(const hierarchy *in, ku_cgroup *group) {
    if (!has_controller(in, "cpu.weight") && !has_controller(in, "cpu.max")) return;
    group->cpu_version = in->version;
    upwards(in, take_quota, &group->cpus);
}

static void read_pids(const hierarchy *in, ku_cgroup *group) {
    if (!has_controller(in, "pids.current")) return;
    group->pids_version = in->version;
    group->pids_limit = read_limit(in, "pids.max");
    group->pids_used = read_value(in, "pids.current");
}

static ku_code cannot_read(int pid, int why, ku_error *error) {
    if (why == ENOENT || why == ESRCH) {
        ku__error_format(error, KU_GONE, ESRCH, "process %d does not exist, or no longer", pid);
        return KU_GONE;
    }
    ku_code code = why == EACCES || why == EPERM ? KU_DENIED : KU_IO;
    ku__error_format(error, code, why, "the control groups of process %d cannot be read: %s", pid, strerror(why));
    return code;
}

ku_code ku_cgroup_read(const char *root, int pid, ku_cgroup *group, ku_error *error) {
    static const struct {
        const char *controller;
        void (*read)(const hierarchy *in, ku_cgroup *group);
    } parts[] = {{"memory", read_memory}, {"cpu", read_cpu}, {"pids", read_pids}};
    *group = (ku_cgroup){
        .memory_limit = KU_UNLIMITED,
        .memory_high = KU_UNLIMITED,
        .swap_limit = KU_UNLIMITED,
        .memory_swap_limit = KU_UNLIMITED,
        .pids_limit = KU_UNLIMITED,
    };
    for (size_t part = 0; part < sizeof parts / sizeof parts[0]; part++) {
        hierarchy in;
        int why = find_hierarchy(root, pid, parts[part].controller, &in);
        if (why != 0) return cannot_read(pid, why, error);
        parts[part].read(&in, group);
    }
    return KU_OK;
}
