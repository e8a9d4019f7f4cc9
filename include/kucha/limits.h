/* limits.h: what a process may use: the limits of each process, and those of the control group that it lies in.
 *
 * A limit of a process has two values: the soft one holds, and the process itself may move it up to the hard one; the
 * hard one may be lowered by everybody, and raised by root alone. Control groups limit all processes in them together:
 * that is what a container may use, and what the kernel kills for.
 *
 * Any thread may call; nothing is allocated. Sources: prlimit(2), cgroups(7), Linux' Documentation,
 * admin-guide/cgroup-v1/memory.rst and admin-guide/cgroup-v2.rst.
 */
#ifndef KUCHA_LIMITS_H
#define KUCHA_LIMITS_H

#include <kucha/error.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define KU_UNLIMITED UINT64_MAX

/* ---- limits of a process ---- */

typedef struct ku_limit {
    uint64_t soft, hard; /* KU_UNLIMITED: none */
} ku_limit;

typedef struct ku_limit_info {
    int resource;         /* the system's number, RLIMIT_CORE and so on */
    const char *name;     /* such as "core" */
    const char *constant; /* such as "RLIMIT_CORE" */
    const char *unit;     /* "bytes", "seconds", ... */
    const char *meaning;  /* in a sentence */
} ku_limit_info;

/* Every limit that this system has, in alphabetical order; static storage. */
KU_API const ku_limit_info *ku_limits_list(size_t *count);

/* The limit of that name or constant, in any case of letters; NULL when there is none. */
KU_API const ku_limit_info *ku_limits_find(const char *name);

/* Reads a limit of a process; pid 0 is the calling one. KU_GONE, KU_DENIED (another user's process), KU_INVALID (no
 * such resource). */
KU_API ku_code ku_limits_read(int pid, int resource, ku_limit *limit, ku_error *error);

/* Sets a limit; `old` (may be NULL) gets what it was. KU_INVALID where soft is above hard, KU_DENIED where hard would
 * rise and this user may not raise it; then nothing has changed. */
KU_API ku_code ku_limits_set(int pid, int resource, const ku_limit *limit, ku_limit *old, ku_error *error);

/* ---- control groups ---- */

/* Version 1 and version 2 can be mounted side by side, each with controllers of its own: `version` is that of the
 * memory controller, `cpu_version` and `pids_version` of the other two; 0 where there is none. The tightest limit
 * between the process's group and the mount's root holds, and is what is given here. */
typedef struct ku_cgroup {
    int version, cpu_version, pids_version;
    char path[512];        /* the process's group, as the memory controller's mount shows it: a folder to look into */
    uint64_t memory_limit; /* bytes; more is an OOM kill (memory.max, memory.limit_in_bytes) */
    uint64_t memory_high;  /* bytes; more is slowed down (v2: memory.high); v1: the soft limit, a wish */
    uint64_t memory_used;  /* bytes that the group uses now, its files in memory included */
    uint64_t memory_peak;  /* the most it ever used; 0 where the kernel does not tell */
    uint64_t memory_reclaimable; /* of memory_used: pages of files not used lately, which the kernel takes back first */
    uint64_t swap_limit;         /* bytes of swap (v2: memory.swap.max); v1 limits both together, see the next */
    uint64_t memory_swap_limit;  /* bytes of memory and swap together (v1: memory.memsw.limit_in_bytes) */
    uint64_t swap_used;          /* bytes; 0 where the kernel does not tell */
    uint64_t oom_kills;          /* processes of the group that the kernel has killed for memory */
    double cpus;                 /* processors' worth of time it may use; 0: no limit */
    uint64_t pids_limit;         /* processes and threads */
    uint64_t pids_used;
} ku_cgroup;

/* The control group of a process (pid 0: the calling one). Where no groups are mounted, all versions are 0 and nothing
 * is limited: that is KU_OK. `root` is where /proc is mounted, NULL for /proc. */
KU_API ku_code ku_cgroup_read(const char *root, int pid, ku_cgroup *group, ku_error *error);

#ifdef __cplusplus
}
#endif

#endif
