/* machine.h: what the system is asked by calls rather than by files: limits, usage, disks, processors, other processes.
 *
 * Thin on purpose: numbers as the system gives them, errno where it says no. Any thread may call.
 *
 * Sources: prlimit(2), getrusage(2), statvfs(3), sysconf(3), kill(2), stat(2).
 */
#ifndef KU__MACHINE_H
#define KU__MACHINE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/resource.h>

/* Bytes of a page; ticks per second in /proc; processors that are on line (-1: unknown). */
uint64_t ku__page_bytes(void);
long ku__clock_ticks(void);
long ku__processors(void);

/* Processors that this process may run on, by its affinity; at least 1. Source: sched_setaffinity(2). */
long ku__processors_here(void);

/* Reads the old limit, if `old` is not NULL, and sets the new one, if `new` is not NULL. 0, or -1 with errno set. */
int ku__limit(int pid, int resource, const struct rlimit *new, struct rlimit *old);

/* getrusage(2). */
int ku__usage(int who, struct rusage *usage);

typedef struct ku__disk {
    uint64_t total, free, available; /* bytes; available: to those who are not root */
} ku__disk;

int ku__disk_read(const char *path, ku__disk *disk);

/* Whether the system knows a process of that number, whoever it belongs to, and whatever /proc shows. */
bool ku__pid_exists(int pid);

/* Whether the path leads to something that may be looked at. */
bool ku__path_exists(const char *path);

#endif
