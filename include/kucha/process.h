/* process.h: a process of this machine: its memory, its state, who it is.
 *
 * A ku_process is the caller's own structure: ku_process_open() fills it in, nothing is allocated, and reading it
 * disturbs nothing that is measured. It names the process, not the number: a pid that the system has given to another
 * process since is noticed by the time the process was started, and told as KU_GONE.
 *
 * What is read more than once keeps a descriptor (up to four a process, and one in eight of what the program may open,
 * for all of them together); then a call is one pread(2). A descriptor that the program closed behind the library's
 * back is noticed and opened again.
 *
 * One thread at a time may use a ku_process; different ones need no lock. All calls return KU_OK or fill in the error:
 * KU_GONE (no such process, or no longer; os_error is ESTALE where another has its number), KU_ZOMBIE (ended, and what
 * was asked for went with it), KU_DENIED, KU_IO.
 * Numbers of bytes are bytes, times are seconds.
 *
 * Sources: proc_pid_stat(5), proc_pid_statm(5), proc_pid_status(5), proc_pid_smaps(5); Linux' Documentation,
 * filesystems/proc.rst.
 */
#ifndef KUCHA_PROCESS_H
#define KUCHA_PROCESS_H

#include <kucha/error.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { KU_PROCESS_KEPT = 4 }; /* the folder, and the files statm, stat and status */

/* All fields are the library's, but for reading pid and started. */
typedef struct ku_process {
    int pid;
    uint32_t opened;  /* files opened by now */
    uint64_t started; /* when, in clock ticks since the system's start: with the pid, which process this is */
    const char *root; /* where the system's /proc lies; the caller's */
    struct {
        int descriptor;
        uint64_t device, inode;
    } kept[KU_PROCESS_KEPT];
    uint8_t reads[KU_PROCESS_KEPT];
} ku_process;

/* Finds a process. `root` is where /proc is mounted, NULL for /proc itself; the text must outlive the structure. A pid
 * below 1 is KU_GONE as any other that does not exist. A zombie is found. After KU_OK, close it. */
KU_API ku_code ku_process_open(ku_process *process, const char *root, int pid, ku_error *error);

/* Lets go of descriptors; the process itself goes on. Closing twice is harmless. */
KU_API void ku_process_close(ku_process *process);

/* KU_OK while the process is there (as a zombie, too), KU_GONE once it is not or another has its number. */
KU_API ku_code ku_process_check(ku_process *process, ku_error *error);

/* ---- memory ---- */

typedef struct ku_process_memory {
    uint64_t rss;    /* in memory now */
    uint64_t vms;    /* addresses that are mapped */
    uint64_t shared; /* of rss: pages of files and of shared memory, whether or not another process has them too */
    uint64_t text;   /* the program's code, as mapped */
    uint64_t lib;    /* 0 since Linux 2.6 */
    uint64_t data;   /* data and stack, as mapped */
    uint64_t dirty;  /* 0 since Linux 2.6 */
} ku_process_memory;

/* Of a zombie, and of a thread of the kernel, all are 0. Linux since 6.2 counts pages per processor, and rss can lag by
 * some pages for each of them. */
KU_API ku_code ku_process_memory_read(ku_process *process, ku_process_memory *memory, ku_error *error);

typedef struct ku_process_footprint {
    uint64_t uss;  /* in memory and this process's alone: what would come back if it ended now */
    uint64_t pss;  /* in memory, what is shared divided by the number of those who share it */
    uint64_t swap; /* swapped out */
} ku_process_footprint;

/* The system walks all pages of the process for this, so the price grows with it. Needs the right to look into the
 * process (KU_DENIED). Of a zombie, and of a thread of the kernel, all are 0. */
KU_API ku_code ku_process_footprint_read(ku_process *process, ku_process_footprint *footprint, ku_error *error);

typedef struct ku_process_map {
    uint64_t start, end; /* addresses */
    char permissions[5]; /* such as r-xp */
    const char *path;    /* file, or a name in brackets such as [heap]; "" for memory without a name */
    uint64_t rss;        /* bytes, from here on; what a kernel does not tell is 0 */
    uint64_t size;
    uint64_t pss;
    uint64_t shared_clean;
    uint64_t shared_dirty;
    uint64_t private_clean;
    uint64_t private_dirty;
    uint64_t referenced;
    uint64_t anonymous;
    uint64_t swap;
} ku_process_map;

/* Called once for each mapping, in order of address; false stops. Texts are valid until it returns. */
typedef bool ku_process_map_visitor(const ku_process_map *map, void *argument);

/* Visits the mappings. A thread of the kernel has none; a zombie is KU_ZOMBIE. A process that ends meanwhile is
 * KU_GONE or KU_ZOMBIE, however many were visited. */
KU_API ku_code ku_process_maps_walk(ku_process *process, ku_process_map_visitor *visit, void *argument,
                                    ku_error *error);

/* ---- state ---- */

typedef struct ku_process_state {
    char name[64]; /* the system's short name, 15 bytes of it for what is no thread of the kernel */
    char state;    /* R, S, D, T, t, Z, X, I, ... as proc_pid_stat(5) has them */
    int parent;
    int terminal; /* number of the terminal's device, 0 without one */
    int threads;
    int processor;             /* where it ran last */
    bool is_kernels;           /* a thread of the kernel, without memory of its own */
    bool is_ending;            /* on its way out: its memory is gone or about to go, and it may be a zombie already */
    double user, system;       /* CPU time */
    double children_user;      /* of children that were waited for */
    double children_system;    /* likewise */
    double io_wait;            /* waiting for disks; 0 where the kernel does not count it */
    uint64_t started;          /* in clock ticks since the system's start */
    double started_after_boot; /* the same in seconds */
} ku_process_state;

KU_API ku_code ku_process_state_read(ku_process *process, ku_process_state *state, ku_error *error);

typedef struct ku_process_status {
    int uid, effective_uid, saved_uid;
    int gid, effective_gid, saved_gid;
    int threads;
    uint64_t rss_peak;             /* the most that was ever in memory; 0 where there is no memory, here and below */
    uint64_t vms_peak;             /* the most that was ever mapped */
    uint64_t rss_anonymous;        /* in memory: heap, stack and the like */
    uint64_t rss_file;             /* in memory: pages of files */
    uint64_t rss_shared;           /* in memory: shared memory */
    uint64_t locked;               /* in memory for good (mlock) */
    uint64_t page_tables;          /* the system's own tables about it */
    uint64_t swap;                 /* swapped out, shared memory not counted */
    uint64_t voluntary_switches;   /* the process waited for something */
    uint64_t involuntary_switches; /* the system took the processor away */
} ku_process_status;

KU_API ku_code ku_process_status_read(ku_process *process, ku_process_status *status, ku_error *error);

/* The arguments it was started with, or has written there since: as the system keeps them, usually each with a 0 behind
 * it. `size` is how many bytes there are, 0 for threads of the kernel; what does not fit into `capacity` is cut. A
 * zombie is KU_ZOMBIE. */
KU_API ku_code ku_process_command_line(ku_process *process, char *text, size_t capacity, size_t *size, ku_error *error);

/* What /proc says the program's file is ("exe") or the current directory ("cwd"), terminated; "" for threads of the
 * kernel. A zombie is KU_ZOMBIE. */
KU_API ku_code ku_process_link(ku_process *process, const char *name, char *path, size_t capacity, ku_error *error);

#ifdef __cplusplus
}
#endif

#endif
