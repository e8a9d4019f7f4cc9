/* image.c: see image.h. */
#define _GNU_SOURCE
#include "os/image.h"

#ifdef __linux__

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

/* The end of a process whose C library knows nothing of it. */
static _Noreturn void leave(int status) {
    for (;;) {
        syscall(SYS_exit_group, status);
    }
}

/* SIGALRM ends the child, whatever the program has made of it; all others stay blocked. */
static void set_watchdog(unsigned seconds) {
    struct sigaction standard = {.sa_handler = SIG_DFL};
    struct itimerval once = {.it_value = {.tv_sec = seconds}};
    sigset_t alarm_only;
    sigemptyset(&alarm_only);
    sigaddset(&alarm_only, SIGALRM);
    sigaction(SIGALRM, &standard, NULL);
    setitimer(ITIMER_REAL, &once, NULL);
    sigprocmask(SIG_UNBLOCK, &alarm_only, NULL);
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
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != parent) {
            leave(1); /* it ended before that was said */
        }
        set_watchdog(seconds);
        work(argument);
        leave(0);
    }
    sigprocmask(SIG_SETMASK, &before, NULL);
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
