/* clone.c: see clone.h. */
#include "os/clone.h"

#include "os/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
    DESCRIPTORS_MOST = 65536, /* closed one by one, where the system has no close_range(2) */
    NAP = 1000000,            /* nanoseconds between two looks at a copy that runs */
};

/* All arguments are 0, the signal at the end among them: their order, which differs by machine, does not matter. */
static pid_t raw_clone(void) {
    return (pid_t)syscall(SYS_clone, 0, 0, 0, 0, 0);
}

static void close_all(void) {
#ifdef SYS_close_range
    if (syscall(SYS_close_range, 0u, ~0u, 0u) == 0) {
        return;
    }
#endif
    for (int descriptor = 0; descriptor < DESCRIPTORS_MOST; descriptor++) {
        close(descriptor);
    }
}

static void be_taken_first(void) {
    int descriptor = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
    if (descriptor >= 0) {
        ssize_t ignored = write(descriptor, "1000", 4);
        (void)ignored;
        close(descriptor);
    }
}

/* Handlers of the program's for a crash would speak, or wait, in its name. */
void ku__clone_crash_quietly(void) {
    static const int crashes[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP, SIGSYS, SIGXCPU};
    sigset_t unblocked;
    sigemptyset(&unblocked);
    for (size_t i = 0; i < sizeof crashes / sizeof crashes[0]; i++) {
        signal(crashes[i], SIG_DFL);
        sigaddset(&unblocked, crashes[i]);
    }
    sigprocmask(SIG_UNBLOCK, &unblocked, NULL);
    prctl(PR_SET_DUMPABLE, 0);
    setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
}

static const int limits_of_memory[] = {RLIMIT_AS, RLIMIT_DATA};
enum { LIMITS_OF_MEMORY = sizeof limits_of_memory / sizeof limits_of_memory[0] };

void ku__clone_lift_limits(ku__soft_limits *before) {
    for (size_t i = 0; i < LIMITS_OF_MEMORY; i++) {
        struct rlimit limit = {0};
        bool known = getrlimit(limits_of_memory[i], &limit) == 0;
        if (before != NULL) {
            before->kept[i] = limit;
            before->lifted[i] = known && limit.rlim_cur != limit.rlim_max;
        }
        if (known && limit.rlim_cur != limit.rlim_max) {
            limit.rlim_cur = limit.rlim_max;
            setrlimit(limits_of_memory[i], &limit);
        }
    }
}

void ku__clone_put_limits_back(ku__soft_limits *before) {
    for (size_t i = 0; i < LIMITS_OF_MEMORY; i++) {
        if (before->lifted[i]) {
            setrlimit(limits_of_memory[i], &before->kept[i]);
            before->lifted[i] = false;
        }
    }
}

pid_t ku__clone_copy(void) {
    sigset_t all, before;
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, &before);
    pid_t copy = raw_clone();
    if (copy == 0) {
        close_all();
        be_taken_first();
        ku__clone_crash_quietly();
        return 0;
    }
    int error = errno;
    sigprocmask(SIG_SETMASK, &before, NULL);
    errno = error;
    return copy;
}

pid_t ku__clone_again(void) {
    return raw_clone();
}

bool ku__clone_wait(pid_t copy, double seconds, int *status) {
    double deadline = ku__clock_monotonic() + seconds;
    for (;;) {
        pid_t ended = waitpid(copy, status, __WALL | (seconds < 0 ? 0 : WNOHANG));
        if (ended == copy || (ended < 0 && errno != EINTR)) {
            return true;
        }
        if (seconds >= 0 && ku__clock_monotonic() >= deadline) {
            return false;
        }
        if (seconds >= 0) {
            nanosleep(&(struct timespec){.tv_nsec = NAP}, NULL);
        }
    }
}
