/* process_fork.c: see process_fork.h. */
#include "cpython/process_fork.h"

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "os/clock.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/syscall.h>
#include <unistd.h>

/* After that long it does not matter any more where os.fork() is: it takes well under a millisecond, and longer only
 * where others have the processor or a function of os.register_at_fork() works for long. */
#define FORK_SECONDS 0.1

static pthread_mutex_t guard = PTHREAD_MUTEX_INITIALIZER; /* the list; held while the process forks */
static ku__fork_guest *guests;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static bool watching;

static atomic_bool waiting; /* the interpreter has a call of ours that it has not made */

/* Where the last fork was called. The frame is only compared: another at its address is not inside os.fork() either. */
static struct {
    const PyFrameObject *frame;
    double started; /* monotonic */
} forking;

static int call(void *ignored);

static void ask(void) {
    bool none = false;
    if (atomic_compare_exchange_strong(&waiting, &none, true) && Py_AddPendingCall(call, NULL) != 0) {
        atomic_store(&waiting, false); /* no room: guests stay paused until the next fork */
    }
}

static void resume_all(void) {
    for (ku__fork_guest *guest = guests; guest != NULL; guest = guest->next) {
        if (guest->paused) {
            guest->paused = false;
            guest->resume(guest);
        }
    }
}

/* In the main thread, with the GIL. */
static int call(void *ignored) {
    (void)ignored;
    atomic_store(&waiting, false);
    if (PyEval_GetFrame() != forking.frame && ku__clock_monotonic() - forking.started < FORK_SECONDS) {
        ask();
        return 0;
    }
    pthread_mutex_lock(&guard);
    resume_all();
    pthread_mutex_unlock(&guard);
    return 0;
}

/* ---- around a fork ---- */

static void before_fork(void) {
    pthread_mutex_lock(&guard);
    for (ku__fork_guest *guest = guests; guest != NULL; guest = guest->next) {
        if (!guest->paused) {
            guest->pause(guest);
            guest->paused = true;
        }
    }
}

static bool is_main_thread(void) {
    return syscall(SYS_gettid) == (long)getpid() && PyGILState_Check();
}

static void after_fork_in_parent(void) {
    if (guests != NULL && is_main_thread()) {
        forking.frame = PyEval_GetFrame();
        forking.started = ku__clock_monotonic();
        ask();
    } else {
        resume_all();
    }
    pthread_mutex_unlock(&guard);
}

static void after_fork_in_child(void) {
    for (ku__fork_guest *guest = guests; guest != NULL; guest = guest->next) {
        guest->lose(guest);
    }
    guests = NULL;
    atomic_store(&waiting, false);
    pthread_mutex_unlock(&guard);
}

static void watch(void) {
    watching = pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child) == 0;
}

/* ---- guests ---- */

bool ku__fork_enter(ku__fork_guest *guest) {
    pthread_once(&once, watch);
    if (!watching) {
        return false;
    }
    pthread_mutex_lock(&guard);
    guest->paused = false;
    guest->next = guests;
    guests = guest;
    pthread_mutex_unlock(&guard);
    return true;
}

void ku__fork_leave(ku__fork_guest *guest) {
    pthread_mutex_lock(&guard);
    ku__fork_guest **link = &guests;
    while (*link != NULL && *link != guest) {
        link = &(*link)->next;
    }
    if (*link != NULL) {
        *link = guest->next;
    }
    pthread_mutex_unlock(&guard);
}
