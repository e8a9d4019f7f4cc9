/* system.h: the machine: its memory, swap, processors, disks, and which processes there are.
 *
 * These are the figures of the whole machine, also inside a container; what a container may use is in kucha/limits.h
 * (ku_cgroup_read). `root` is where /proc is mounted, NULL for /proc itself. Any thread may call, nothing is kept, and
 * nothing is allocated. Bytes and seconds.
 *
 * Sources: proc_meminfo(5), proc_stat(5), proc_vmstat(5), statvfs(3).
 */
#ifndef KUCHA_SYSTEM_H
#define KUCHA_SYSTEM_H

#include <kucha/error.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What this kernel did not tell is 0 and named in `missing`, one bit for each. */
enum {
    KU_SYSTEM_NO_BUFFERS = 1,
    KU_SYSTEM_NO_CACHED = 2,
    KU_SYSTEM_NO_SHARED = 4,
    KU_SYSTEM_NO_ACTIVE = 8,
    KU_SYSTEM_NO_INACTIVE = 16,
};

typedef struct ku_system_memory {
    uint64_t total;     /* what the kernel manages */
    uint64_t available; /* could be given to programs without swapping; the kernel's estimate */
    uint64_t free;      /* used for nothing */
    uint64_t active, inactive;
    uint64_t buffers;
    uint64_t cached; /* pages of files, and what the kernel's own caches can give back */
    uint64_t shared; /* shared memory and tmpfs */
    uint64_t slab;   /* the kernel's own structures */
    unsigned missing;
} ku_system_memory;

KU_API ku_code ku_system_memory_read(const char *root, ku_system_memory *memory, ku_error *error);

typedef struct ku_system_swap {
    uint64_t total, free;
    uint64_t in, out; /* bytes swapped since the system's start */
    bool has_traffic; /* false: the kernel tells neither, and both are 0 */
} ku_system_swap;

KU_API ku_code ku_system_swap_read(const char *root, ku_system_swap *swap, ku_error *error);

/* Seconds that processors have spent since the system's start. guest is part of user, guest_nice of nice. */
typedef struct ku_cpu_times {
    double user, nice, system, idle, iowait, irq, softirq, steal, guest, guest_nice;
} ku_cpu_times;

enum { KU_CPU_FIELDS = 10 };

/* `total` is the sum (NULL if not wanted); of the processors that are on line, up to `capacity` go into `each`, in
 * order, and `count` says how many there are (each and count may be NULL with a capacity of 0). */
KU_API ku_code ku_system_cpu_read(const char *root, ku_cpu_times *total, ku_cpu_times *each, size_t capacity,
                                  size_t *count, ku_error *error);

/* Processors that are on line, 0 where the system does not say. */
KU_API int ku_system_cpu_count(void);

/* When the system was started: seconds since 1970. Moves when somebody sets the clock. */
KU_API ku_code ku_system_boot_time(const char *root, double *seconds, ku_error *error);

typedef struct ku_system_disk {
    uint64_t total;     /* bytes of the file system that the path lies in, as root sees them */
    uint64_t free;      /* for root */
    uint64_t available; /* for everybody else */
} ku_system_disk;

KU_API ku_code ku_system_disk_read(const char *path, ku_system_disk *disk, ku_error *error);

typedef struct ku_system_process {
    int pid, parent;
    uint64_t started; /* clock ticks since the system's start */
} ku_system_process;

/* The numbers of all processes that /proc shows, up to `capacity` of them; `count` says how many there are. */
KU_API ku_code ku_system_pids(const char *root, int *pids, size_t capacity, size_t *count, ku_error *error);

/* Fills in parents and start times of those whose `pid` is set; one that has ended meanwhile gets pid 0. */
KU_API void ku_system_processes_read(const char *root, ku_system_process *processes, size_t count);

/* Whether there is a process (not only a thread) of that number, whoever owns it. */
KU_API bool ku_system_pid_exists(const char *root, int pid);

#ifdef __cplusplus
}
#endif

#endif
