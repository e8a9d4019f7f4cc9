/* limits.c: limits of a process; see kucha/limits.h. */
#include "os/failure.h"
#include "os/machine.h"

#include <errno.h>
#include <kucha/limits.h>
#include <string.h>
#include <strings.h>

#define LIMIT(name, constant, unit, meaning)                                                                           \
    { RLIMIT_##constant, name, "RLIMIT_" #constant, unit, meaning }

static const ku_limit_info limits[] = {
    LIMIT("as", AS, "bytes", "Addresses that are mapped; more is refused."),
    LIMIT("core", CORE, "bytes", "Size of a core file; 0 writes none."),
    LIMIT("cpu", CPU, "seconds", "CPU time; SIGXCPU at the soft limit, SIGKILL at the hard one."),
    LIMIT("data", DATA, "bytes", "Private writable memory, the heap among it; more is refused."),
    LIMIT("fsize", FSIZE, "bytes", "Size of a file that is written; SIGXFSZ, or the error EFBIG."),
    LIMIT("locks", LOCKS, "locks", "File locks and leases; Linux since 2.4.25 ignores it."),
    LIMIT("memlock", MEMLOCK, "bytes", "Memory that may be kept from swapping."),
    LIMIT("msgqueue", MSGQUEUE, "bytes", "Messages in POSIX queues of this user."),
    LIMIT("nice", NICE, "", "How far the priority may be raised: to nice value 20 minus this."),
    LIMIT("nofile", NOFILE, "files", "Open files: one more than the highest descriptor."),
    LIMIT("nproc", NPROC, "threads", "Threads of this user; more cannot be started."),
    LIMIT("rss", RSS, "bytes", "Memory in use; Linux since 2.4.30 ignores it."),
    LIMIT("rtprio", RTPRIO, "", "Real-time priority that may be set."),
    LIMIT("rttime", RTTIME, "microseconds", "CPU time of a real-time thread without waiting once."),
    LIMIT("sigpending", SIGPENDING, "signals", "Signals of this user that wait to be delivered."),
    LIMIT("stack", STACK, "bytes", "Stack of the main thread, and the default of others; SIGSEGV."),
};

const ku_limit_info *ku_limits_list(size_t *count) {
    *count = sizeof limits / sizeof limits[0];
    return limits;
}

const ku_limit_info *ku_limits_find(const char *name) {
    for (size_t index = 0; index < sizeof limits / sizeof limits[0]; index++)
        if (strcasecmp(name, limits[index].name) == 0 || strcasecmp(name, limits[index].constant) == 0)
            return &limits[index];
    return NULL;
}

static const char *name_of(int resource) {
    for (size_t index = 0; index < sizeof limits / sizeof limits[0]; index++)
        if (limits[index].resource == resource) return limits[index].name;
    return "that";
}

_Static_assert(RLIM_INFINITY == KU_UNLIMITED, "the system's numbers are passed through");

static ku_code failed(int pid, int resource, const ku_limit *wanted, int why, ku_error *error) {
    if (why == ESRCH) {
        ku__error_format(error, KU_GONE, why, "process %d does not exist, or no longer", pid);
        return KU_GONE;
    }
    if (why == EINVAL && wanted != NULL && wanted->soft > wanted->hard) {
        ku__error_format(error, KU_INVALID, why, "the soft limit of %s may not be above the hard one",
                         name_of(resource));
        return KU_INVALID;
    }
    if (why == EINVAL) {
        ku__error_format(error, KU_INVALID, why, "this system has no limit with the number %d", resource);
        return KU_INVALID;
    }
    if (why == EPERM && wanted != NULL && (pid == 0 || ku__limit(pid, resource, NULL, &(struct rlimit){0}) == 0)) {
        ku__error_format(error, KU_DENIED, why, "only root may raise the hard limit of %s, or set one above fs.nr_open",
                         name_of(resource));
        return KU_DENIED;
    }
    ku__error_format(error, KU_DENIED, why, "this user may not touch the limits of process %d", pid);
    return KU_DENIED;
}

ku_code ku_limits_read(int pid, int resource, ku_limit *limit, ku_error *error) {
    struct rlimit read;
    if (ku__limit(pid, resource, NULL, &read) != 0) return failed(pid, resource, NULL, errno, error);
    *limit = (ku_limit){read.rlim_cur, read.rlim_max};
    return KU_OK;
}

ku_code ku_limits_set(int pid, int resource, const ku_limit *limit, ku_limit *old, ku_error *error) {
    struct rlimit wanted = {limit->soft, limit->hard}, before;
    if (ku__limit(pid, resource, &wanted, &before) != 0) return failed(pid, resource, limit, errno, error);
    if (old != NULL) *old = (ku_limit){before.rlim_cur, before.rlim_max};
    return KU_OK;
}
