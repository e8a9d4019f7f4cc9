/* system.c: the machine's memory, processors, disks and processes; see kucha/system.h. */
#include "files.h"
#include "os/failure.h"
#include "os/machine.h"
#include "os/proc.h"
#include "text.h"

#include <errno.h>
#include <kucha/system.h>

static const char *shown(const char *root) {
    return root != NULL ? root : "/proc";
}

static ku_code cannot_read(const char *root, const char *name, int why, ku_error *error) {
    ku_code code = why == EACCES || why == EPERM ? KU_DENIED : KU_IO;
    ku__error_format(error, code, why, "%s/%s cannot be read: %s", shown(root), name, strerror(why));
    return code;
}

/* ---- memory ---- */

typedef struct meminfo {
    uint64_t total, free, available, buffers, cached, reclaimable, shared, active, inactive, slab;
    uint64_t active_files, inactive_files, swap_total, swap_free;
    uint32_t seen; /* a bit for each entry of the table below */
} meminfo;

enum {
    TOTAL,
    FREE,
    AVAILABLE,
    BUFFERS,
    CACHED,
    RECLAIMABLE,
    SHARED,
    ACTIVE,
    INACTIVE,
    SLAB,
    SWAP_TOTAL = 12,
    SWAP_FREE
};

static const ku__text_field meminfo_fields[] = {
    {"MemTotal:", offsetof(meminfo, total)},
    {"MemFree:", offsetof(meminfo, free)},
    {"MemAvailable:", offsetof(meminfo, available)},
    {"Buffers:", offsetof(meminfo, buffers)},
    {"Cached:", offsetof(meminfo, cached)},
    {"SReclaimable:", offsetof(meminfo, reclaimable)},
    {"Shmem:", offsetof(meminfo, shared)},
    {"Active:", offsetof(meminfo, active)},
    {"Inactive:", offsetof(meminfo, inactive)},
    {"Slab:", offsetof(meminfo, slab)},
    {"Active(file):", offsetof(meminfo, active_files)},
    {"Inactive(file):", offsetof(meminfo, inactive_files)},
    {"SwapTotal:", offsetof(meminfo, swap_total)},
    {"SwapFree:", offsetof(meminfo, swap_free)},
};

static bool has(const meminfo *info, int field) {
    return info->seen >> field & 1;
}

static void read_field(meminfo *info, const char *line) {
    for (size_t index = 0; index < sizeof meminfo_fields / sizeof meminfo_fields[0]; index++) {
        const char *at = ku__text_after(line, meminfo_fields[index].name);
        if (at == NULL) continue;
        *(uint64_t *)(void *)((char *)info + meminfo_fields[index].offset) = ku__text_value(at) << 10;
        info->seen |= 1u << index;
        return;
    }
}

static ku_code read_meminfo(const char *root, meminfo *info, ku_error *error) {
    ku__lines lines;
    size_t size;
    const char *line;
    *info = (meminfo){0};
    ku__lines_start(&lines, ku__proc_open(root, 0, "meminfo"));
    while ((line = ku__lines_next(&lines, &size)) != NULL) read_field(info, line);
    ku__lines_end(&lines);
    if (lines.failure != 0) return cannot_read(root, "meminfo", lines.failure, error);
    if (has(info, TOTAL) && has(info, FREE)) return KU_OK;
    ku__error_format(error, KU_CORRUPT, 0, "%s/meminfo does not say how much memory there is", shown(root));
    return KU_CORRUPT;
}

/* Pages that the kernel keeps free for itself, in bytes: the sum of the zones' low watermarks. */
static uint64_t low_watermarks(const char *root) {
    ku__lines lines;
    size_t size;
    uint64_t pages = 0;
    const char *line;
    ku__lines_start(&lines, ku__proc_open(root, 0, "zoneinfo"));
    while ((line = ku__lines_next(&lines, &size)) != NULL) {
        while (*line == ' ') line++;
        const char *at = ku__text_after(line, "low ");
        if (at != NULL) pages += ku__text_value(at);
    }
    ku__lines_end(&lines);
    return pages * ku__page_bytes();
}

static int64_t usable(uint64_t part, uint64_t kept) {
    return (int64_t)(part - (part / 2 < kept ? part / 2 : kept));
}

/* The kernel's own estimate, which kernels before 3.14 do not give and some give as 0 (commit 34e431b0ae39). */
static uint64_t estimate_available(const char *root, const meminfo *info) {
    uint64_t low = low_watermarks(root);
    int64_t available = (int64_t)info->free - (int64_t)low + usable(info->active_files + info->inactive_files, low) +
                        usable(info->reclaimable, low);
    return available > 0 ? (uint64_t)available : 0;
}

ku_code ku_system_memory_read(const char *root, ku_system_memory *memory, ku_error *error) {
    meminfo info;
    ku_code code = read_meminfo(root, &info, error);
    if (code != KU_OK) return code;
    uint64_t available = info.available;
    if (available == 0) available = estimate_available(root, &info);
    if (available > info.total) available = info.free; /* a container whose meminfo is half the machine's */
    *memory = (ku_system_memory){
        .total = info.total,
        .available = available,
        .free = info.free,
        .active = info.active,
        .inactive = info.inactive,
        .buffers = info.buffers,
        .cached = info.cached + (has(&info, CACHED) ? info.reclaimable : 0),
        .shared = info.shared,
        .slab = info.slab,
        .missing = (has(&info, BUFFERS) ? 0u : (unsigned)KU_SYSTEM_NO_BUFFERS) |
                   (has(&info, CACHED) ? 0u : (unsigned)KU_SYSTEM_NO_CACHED) |
                   (has(&info, SHARED) ? 0u : (unsigned)KU_SYSTEM_NO_SHARED) |
                   (has(&info, ACTIVE) ? 0u : (unsigned)KU_SYSTEM_NO_ACTIVE) |
                   (has(&info, INACTIVE) ? 0u : (unsigned)KU_SYSTEM_NO_INACTIVE),
    };
    return KU_OK;
}

/* vmstat counts these in units of 4 KiB, whatever the page. */
static void read_traffic(const char *root, ku_system_swap *swap) {
    ku__lines lines;
    size_t size;
    int seen = 0;
    const char *line;
    ku__lines_start(&lines, ku__proc_open(root, 0, "vmstat"));
    while (seen < 2 && (line = ku__lines_next(&lines, &size)) != NULL) {
        const char *at;
        if ((at = ku__text_after(line, "pswpin ")) != NULL) {
            swap->in = ku__text_value(at) << 12;
            seen++;
        } else if ((at = ku__text_after(line, "pswpout ")) != NULL) {
            swap->out = ku__text_value(at) << 12;
            seen++;
        }
    }
    ku__lines_end(&lines);
    swap->has_traffic = seen == 2;
}

ku_code ku_system_swap_read(const char *root, ku_system_swap *swap, ku_error *error) {
    meminfo info;
    ku_code code = read_meminfo(root, &info, error);
    if (code != KU_OK) return code;
    *swap = (ku_system_swap){.total = info.swap_total, .free = info.swap_free};
    read_traffic(root, swap);
    return KU_OK;
}

/* ---- processors ---- */

static bool read_times(const char *at, ku_cpu_times *times) {
    double *field = (double *)times;
    double ticks = (double)ku__clock_ticks();
    *times = (ku_cpu_times){0};
    for (int number = 0; number < KU_CPU_FIELDS; number++) {
        uint64_t value;
        at = ku__text_number(at, &value);
        if (at == NULL) return number >= 4; /* older kernels have fewer */
        field[number] = (double)value / ticks;
    }
    return true;
}

_Static_assert(sizeof(ku_cpu_times) == KU_CPU_FIELDS * sizeof(double), "read as an array");

ku_code ku_system_cpu_read(const char *root, ku_cpu_times *total, ku_cpu_times *each, size_t capacity, size_t *count,
                           ku_error *error) {
    ku__lines lines;
    size_t size, found = 0;
    const char *line, *at;
    ku_cpu_times sum = {0}, one;
    bool has_sum = false;
    ku__lines_start(&lines, ku__proc_open(root, 0, "stat"));
    /* "cpu  N N ...", then "cpu0 N N ..." for each; they come first */
    while ((line = ku__lines_next(&lines, &size)) != NULL && (at = ku__text_after(line, "cpu")) != NULL) {
        if (*at == ' ') {
            has_sum = read_times(at, &sum);
        } else if ((at = strchr(at, ' ')) != NULL && read_times(at, &one)) {
            if (found < capacity) each[found] = one;
            found++;
        }
    }
    ku__lines_end(&lines);
    if (lines.failure != 0) return cannot_read(root, "stat", lines.failure, error);
    if (total != NULL) *total = sum;
    if (count != NULL) *count = found;
    if (has_sum) return KU_OK;
    ku__error_format(error, KU_CORRUPT, 0, "%s/stat has no times of processors", shown(root));
    return KU_CORRUPT;
}

int ku_system_cpu_count(void) {
    long count = ku__processors();
    return count > 0 ? (int)count : 0;
}

ku_code ku_system_boot_time(const char *root, double *seconds, ku_error *error) {
    ku__lines lines;
    size_t size;
    const char *line, *at = NULL;
    ku__lines_start(&lines, ku__proc_open(root, 0, "stat"));
    while (at == NULL && (line = ku__lines_next(&lines, &size)) != NULL) at = ku__text_after(line, "btime ");
    if (at != NULL) *seconds = (double)ku__text_value(at);
    ku__lines_end(&lines);
    if (at != NULL) return KU_OK;
    if (lines.failure != 0) return cannot_read(root, "stat", lines.failure, error);
    ku__error_format(error, KU_CORRUPT, 0, "%s/stat does not say when the system was started", shown(root));
    return KU_CORRUPT;
}

/* ---- disks ---- */

ku_code ku_system_disk_read(const char *path, ku_system_disk *disk, ku_error *error) {
    ku__disk read;
    if (ku__disk_read(path, &read) != 0) {
        ku_code code = errno == EACCES || errno == EPERM ? KU_DENIED : KU_IO;
        ku__error_format(error, code, errno, "the disk of %s cannot be looked at: %s", path, strerror(errno));
        return code;
    }
    *disk = (ku_system_disk){read.total, read.free, read.available};
    return KU_OK;
}

/* ---- processes ---- */

ku_code ku_system_pids(const char *root, int *pids, size_t capacity, size_t *count, ku_error *error) {
    ssize_t found = ku__proc_list(root, pids, capacity);
    *count = found > 0 ? (size_t)found : 0;
    return found >= 0 ? KU_OK : cannot_read(root, "", errno, error);
}

static void read_process(const char *root, ku_system_process *process) {
    char text[KU__STAT_CAPACITY];
    const char *state;
    if (ku__proc_text(root, process->pid, "stat", text, sizeof text) <= 0 ||
        !ku__stat_started(text, &process->started) || (state = ku__stat_after_name(text)) == NULL) {
        process->pid = 0;
        return;
    }
    process->parent = (int)ku__text_value(state + 1);
}

void ku_system_processes_read(const char *root, ku_system_process *processes, size_t count) {
    for (size_t index = 0; index < count; index++) read_process(root, &processes[index]);
}

/* A number can be that of a thread: kill(2) finds it, and so does /proc, but its folder names the process in Tgid. */
bool ku_system_pid_exists(const char *root, int pid) {
    char text[KU__STATUS_CAPACITY];
    if (!ku__pid_exists(pid)) return false;
    if (ku__proc_text(root, pid, "status", text, sizeof text) <= 0) return true; /* hidden: the system's word holds */
    const char *group = strstr(text, "\nTgid:");
    return group == NULL || ku__text_value(group + 6) == (uint64_t)pid;
}
