/* machine.c: see machine.h. */
#define _GNU_SOURCE
#include "machine.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

uint64_t ku__page_bytes(void) {
    static uint64_t known; /* the same for the life of the machine, so it does not matter who writes it */
    if (known == 0) known = (uint64_t)sysconf(_SC_PAGESIZE);
    return known;
}

long ku__clock_ticks(void) {
    static long known;
    if (known == 0) known = sysconf(_SC_CLK_TCK);
    return known;
}

long ku__processors(void) {
    return sysconf(_SC_NPROCESSORS_ONLN);
}

/* A machine with more processors than the set has room for is said to have all of them. */
long ku__processors_here(void) {
    cpu_set_t set;
    long count = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : ku__processors();
    return count < 1 ? 1 : count;
}

int ku__limit(int pid, int resource, const struct rlimit *new, struct rlimit *old) {
    return prlimit(pid, resource, new, old);
}

int ku__usage(int who, struct rusage *usage) {
    return getrusage(who, usage);
}

int ku__disk_read(const char *path, ku__disk *disk) {
    struct statvfs status;
    if (statvfs(path, &status) != 0) return -1;
    disk->total = (uint64_t)status.f_blocks * status.f_frsize;
    disk->free = (uint64_t)status.f_bfree * status.f_frsize;
    disk->available = (uint64_t)status.f_bavail * status.f_frsize;
    return 0;
}

bool ku__pid_exists(int pid) {
    return pid > 0 && (kill(pid, 0) == 0 || errno == EPERM);
}

bool ku__path_exists(const char *path) {
    struct stat status;
    return stat(path, &status) == 0;
}
