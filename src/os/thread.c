/* thread.c: see thread.h. Sources: pthread_create(3), tgkill(2); kernel/exit.c of Linux (exit_mm(), exit_notify()). */
#include "os/thread.h"

#include "os/clock.h"

#include <signal.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* The kernel needs microseconds for it, once the thread has a processor: on the busiest machine that was tried some
 * hundred milliseconds. Who is kept waiting longer goes on: it is a matter of a count. */
#define GONE_SECONDS_MOST 10.0
#define GONE_LOOK_NANOSECONDS 20000L

static void *run_numbered(void *argument) {
    ku__thread *thread = argument;
    thread->number = (int)syscall(SYS_gettid);
    return thread->run(thread->argument);
}

int ku__thread_start(ku__thread *thread, void *(*run)(void *argument), void *argument, size_t stack) {
    sigset_t all, before;
    pthread_attr_t attributes;
    *thread = (ku__thread){.run = run, .argument = argument};
    sigfillset(&all);
    pthread_attr_init(&attributes);
    if (stack > 0) pthread_attr_setstacksize(&attributes, stack);
    pthread_sigmask(SIG_SETMASK, &all, &before); /* the thread inherits it */
    int why = pthread_create(&thread->handle, &attributes, run_numbered, thread);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    return why;
}

/* A signal of number 0 is not sent; the answer tells whether there is such a thread. */
static int is_listed(int number) {
    return syscall(SYS_tgkill, getpid(), number, 0) == 0;
}

void ku__thread_end(ku__thread *thread) {
    pthread_join(thread->handle, NULL);
    if (!is_listed(thread->number)) return;
    double until = ku__clock_monotonic() + GONE_SECONDS_MOST;
    while (is_listed(thread->number) && ku__clock_monotonic() < until) {
        nanosleep(&(struct timespec){.tv_nsec = GONE_LOOK_NANOSECONDS}, NULL);
    }
}
