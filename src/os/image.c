/* image.c: see image.h. */
#define _GNU_SOURCE
#include "os/image.h"

#ifdef __linux__

#include "os/clone.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    TICKS_A_SECOND = 25,
    TICK = 1000000 / TICKS_A_SECOND, /* microseconds; a look takes three */
    SHARED_FILES = 2,                /* KCMP_FILES of linux/kcmp.h, which not every system has */
};

/* The end of a process whose C library knows nothing of it. */
static _Noreturn void leave(int status) {
    for (;;) {
        syscall(SYS_exit_group, status);
    }
}

/* Of the child. */
static struct {
    pid_t parent;
    unsigned ticks_left;
} life;

/* Whether the parent is still the program that it was: one that is replaced has files of its own then. A negative
 * answer says that the system does not tell. */
static bool shares_files(void) {
#ifdef SYS_kcmp
    return syscall(SYS_kcmp, life.parent, getpid(), SHARED_FILES, 0ul, 0ul) <= 0;
#else
    return true;
#endif
}

static void on_tick(int signal) {
    (void)signal;
    if (getppid() != life.parent || life.ticks_left-- == 0 || !shares_files()) {
        leave(1);
    }
}

/* The timer's signal, which is also that of the parent's end, is the only one that is let through. */
static void set_watchdog(pid_t parent, unsigned seconds) {
    struct sigaction look = {.sa_handler = on_tick, .sa_flags = SA_RESTART};
    struct itimerval tick = {.it_value = {.tv_usec = TICK}, .it_interval = {.tv_usec = TICK}};
    sigset_t alarm_only;
    sigemptyset(&alarm_only);
    sigaddset(&alarm_only, SIGALRM);
    life.parent = parent;
    life.ticks_left = seconds * TICKS_A_SECOND;
    sigaction(SIGALRM, &look, NULL);
    prctl(PR_SET_PDEATHSIG, SIGALRM);
    setitimer(ITIMER_REAL, &tick, NULL);
    sigprocmask(SIG_UNBLOCK, &alarm_only, NULL);
}

/* Where memory runs out, the system shall take the child, which is of use to nobody else. The child may open no file,
 * so that is done for it; not where it belongs to the administrator by now (PR_SET_DUMPABLE) and we do not. */
static void have_taken_first(pid_t child) {
    char path[sizeof "/proc/-2147483648/oom_score_adj"];
    snprintf(path, sizeof path, "/proc/%d/oom_score_adj", child);
    int file = open(path, O_WRONLY | O_CLOEXEC);
    if (file >= 0) {
        ssize_t ignored = write(file, "1000", 4);
        (void)ignored;
        close(file);
    }
}

int ku__image_start(void (*work)(void *argument), void *argument, unsigned seconds) {
    sigset_t all, before;
    sigfillset(&all);
    if (sigprocmask(SIG_SETMASK, &all, &before) != 0) {
        return 0;
    }
    pid_t parent = getpid();
    long child = syscall(SYS_clone, (unsigned long)CLONE_FILES, NULL, NULL, NULL, NULL);
    if (child == 0) {
        ku__clone_crash_quietly();
        set_watchdog(parent, seconds);
        if (getppid() != parent) {
            leave(1); /* it ended before that was said */
        }
        work(argument);
        leave(0);
    }
    sigprocmask(SIG_SETMASK, &before, NULL);
    if (child > 0) {
        have_taken_first((pid_t)child);
    }
    return child > 0 ? (int)child : 0;
}

ku__image_state ku__image_poll(int child) {
    int status = 0;
    pid_t found = waitpid(child, &status, __WCLONE | WNOHANG);
    if (found == 0) {
        return KU__IMAGE_WORKS;
    }
    return found == child && WIFEXITED(status) && WEXITSTATUS(status) == 0 ? KU__IMAGE_DONE : KU__IMAGE_LOST;
}

void ku__image_stop(int child) {
    kill(child, SIGKILL);
    while (waitpid(child, NULL, __WCLONE) < 0 && errno == EINTR) {}
}

#else

int ku__image_start(void (*work)(void *argument), void *argument, unsigned seconds) {
    (void)work;
    (void)argument;
    (void)seconds;
    return 0;
}

ku__image_state ku__image_poll(int child) {
    (void)child;
    return KU__IMAGE_LOST;
}

void ku__image_stop(int child) {
    (void)child;
}

#endif
