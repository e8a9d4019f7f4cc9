/* aside.c: see aside.h. */
#define _GNU_SOURCE
#include "os/aside.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

/* What runs here reads files of /proc through buffers of some ten thousand bytes. */
enum { STACK_BYTES = 1 << 20 };

typedef struct errand {
    void (*run)(void *argument);
    void *argument;
    bool done;
} errand;

static int go(void *argument) {
    errand *of = argument;
    setpgid(0, 0);
    of->run(of->argument);
    of->done = true;
    return 0;
}

/* All signals are blocked in the process that begins, which has the mask of the thread that makes it. */
static pid_t begin(errand *of, char *stack_end) {
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    pid_t made = clone(go, stack_end, CLONE_VM | CLONE_VFORK | CLONE_FILES, of);
    int why = errno;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    errno = why;
    return made;
}

bool ku__aside_run(void (*run)(void *argument), void *argument) {
    errand of = {.run = run, .argument = argument};
    char *stack = mmap(NULL, STACK_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
    if (stack == MAP_FAILED) {
        return false;
    }
    pid_t made = begin(&of, stack + STACK_BYTES);
    int why = made < 0 ? errno : ECANCELED;
    while (made > 0 && waitpid(made, NULL, __WCLONE) < 0 && errno == EINTR) {}
    munmap(stack, STACK_BYTES);
    errno = why;
    return of.done;
}
