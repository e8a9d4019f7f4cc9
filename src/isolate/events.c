/* events.c: heap files that are written at a signal, at a limit, at the end. See kucha/heap_dump.h.
 *
 * The signal's handler may do next to nothing, and the heap of the thread that it interrupts may be in any state. So it
 * posts a semaphore (sem_post(3) is one of the calls that handlers may make), and a thread that waits there enters the
 * isolate as any other thread does: it gets the lock where the program hands it over, with the heap whole.
 *
 * Isolates that have events stand in a list, for exit(3); slots of signals in a table, for handlers. Lock: `mutex`; the
 * slot's signal is read by handlers, atomically. The events of an isolate change under its lock.
 */
#include "isolate/events.h"

#include "isolate/graph_take.h"
#include "object/types.h"
#include "os/thread.h"

#include <errno.h>
#include <kucha/lock.h>
#include <limits.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { WATCHES_MOST = 16 };

/* A thread that waits for a signal. */
typedef struct watch {
    sem_t asked;
    struct sigaction before;
    ku_isolate *isolate; /* NULL: free */
    ku__thread thread;
    _Atomic int signal; /* 0: none */
    _Atomic bool ending;
} watch;

struct ku__events {
    ku_isolate *isolate;
    unsigned flags;
    bool at_limit, at_exit;
    pid_t process; /* that asked for them */
    unsigned written;
    watch *watch; /* NULL: none */
    struct ku__events *next;
    char path[PATH_MAX];
};

static watch watches[WATCHES_MOST];
static struct ku__events *all;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_once_t once = PTHREAD_ONCE_INIT;

/* ---- writing ---- */

/* The second file of app.heap is app.2.heap. */
static void number_path(const struct ku__events *events, char *path, size_t room) {
    const char *slash = strrchr(events->path, '/'), *dot = strrchr(events->path, '.');
    size_t stem = dot != NULL && (slash == NULL || dot > slash + 1) && dot != events->path
                      ? (size_t)(dot - events->path)
                      : strlen(events->path);
    if (events->written == 0) {
        snprintf(path, room, "%s", events->path);
    } else {
        snprintf(path, room, "%.*s.%u%s", (int)stem, events->path, events->written + 1, events->path + stem);
    }
}

/* Nobody is there to be told of an error but the person who waits for the file. */
static void write_file(struct ku__events *events, ku_graph_reason reason) {
    char path[PATH_MAX + 16];
    ku_error error;
    if (events->process != getpid()) {
        return;
    }
    number_path(events, path, sizeof path);
    events->written++;
    if (ku__heap_file_take(events->isolate, path, events->flags, reason, NULL, &error) != KU_OK) {
        fprintf(stderr, "kucha: no heap file of isolate '%s': %s\n", ku_isolate_name(events->isolate), error.message);
    }
}

void ku__events_at_limit(ku_isolate *isolate) {
    struct ku__events *events = isolate->events;
    if (events != NULL && events->at_limit) {
        events->at_limit = false; /* once */
        write_file(events, KU_GRAPH_LIMIT);
    }
}

/* ---- at exit ---- */

static void at_exit(ku_isolate *isolate) {
    struct ku__events *events = isolate->events;
    if (events != NULL && events->at_exit) {
        events->at_exit = false;
        write_file(events, KU_GRAPH_EXIT);
    }
}

static void at_program_exit(void) {
    pthread_mutex_lock(&mutex);
    for (struct ku__events *each = all; each != NULL; each = each->next) {
        if (ku_lock_is_held(each->isolate)) {
            at_exit(each->isolate);
        }
    }
    pthread_mutex_unlock(&mutex);
}

static void prepare(void) {
    atexit(at_program_exit);
    for (size_t i = 0; i < WATCHES_MOST; i++) {
        sem_init(&watches[i].asked, 0, 0); /* never destroyed: a handler may be about to post */
    }
}

/* ---- signals ---- */

static void on_signal(int number) {
    int error = errno;
    for (size_t i = 0; i < WATCHES_MOST; i++) {
        if (atomic_load(&watches[i].signal) == number) {
            sem_post(&watches[i].asked);
        }
    }
    errno = error;
}

static void *wait_for_signals(void *argument) {
    watch *own = argument;
    for (;;) {
        while (sem_wait(&own->asked) != 0) {}
        if (atomic_load(&own->ending)) {
            return NULL;
        }
        if (ku_thread_enter(own->isolate, NULL)) {
            if (own->isolate->events != NULL && own->isolate->events->watch == own) {
                write_file(own->isolate->events, KU_GRAPH_SIGNAL);
            }
            ku_thread_leave(own->isolate);
        }
    }
}

static watch *take_watch(void) {
    watch *taken = NULL;
    pthread_mutex_lock(&mutex);
    for (size_t i = 0; i < WATCHES_MOST && taken == NULL; i++) {
        taken = watches[i].isolate == NULL ? &watches[i] : NULL;
    }
    if (taken != NULL) {
        while (sem_trywait(&taken->asked) == 0) {}
        atomic_store(&taken->ending, false);
    }
    pthread_mutex_unlock(&mutex);
    return taken;
}

/* Another one that waits for the signal; NULL. Under the mutex. */
static const watch *other_of(const watch *own, int signal) {
    for (size_t i = 0; i < WATCHES_MOST; i++) {
        if (&watches[i] != own && watches[i].isolate != NULL && atomic_load(&watches[i].signal) == signal) {
            return &watches[i];
        }
    }
    return NULL;
}

/* 0, or errno. */
static int catch_signal(watch *own, int signal) {
    struct sigaction ask = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    sigemptyset(&ask.sa_mask);
    pthread_mutex_lock(&mutex);
    const watch *other = other_of(own, signal);
    int error = other == NULL && sigaction(signal, &ask, &own->before) != 0 ? errno : 0;
    if (other != NULL) {
        own->before = other->before;
    }
    atomic_store(&own->signal, error == 0 ? signal : 0);
    pthread_mutex_unlock(&mutex);
    return error;
}

static void end_thread(watch *own) {
    atomic_store(&own->ending, true);
    sem_post(&own->asked);
    ku__thread_end(&own->thread);
}

/* 0, or errno. */
static int start_watch(watch *own, ku_isolate *isolate, int signal) {
    own->isolate = isolate;
    int error = ku__thread_start(&own->thread, wait_for_signals, own, 0);
    if (error == 0) {
        error = catch_signal(own, signal);
        if (error != 0) {
            end_thread(own); /* it has not been asked, and so wants no lock */
        }
    }
    if (error != 0) {
        own->isolate = NULL;
    }
    return error;
}

static void stop_watch(watch *own) {
    pthread_mutex_lock(&mutex);
    int signal = atomic_load(&own->signal);
    if (other_of(own, signal) == NULL) {
        sigaction(signal, &own->before, NULL);
    }
    atomic_store(&own->signal, 0);
    pthread_mutex_unlock(&mutex);
    KU_UNLOCKED(own->isolate) { /* the thread may wait for the lock that the caller holds */
        end_thread(own);
    }
    own->isolate = NULL;
}

/* ---- events of an isolate ---- */

static void drop(ku_isolate *isolate) {
    struct ku__events *events = isolate->events;
    if (events == NULL) {
        return;
    }
    isolate->events = NULL;
    isolate->ending = NULL;
    pthread_mutex_lock(&mutex);
    for (struct ku__events **at = &all; *at != NULL; at = &(*at)->next) {
        if (*at == events) {
            *at = events->next;
            break;
        }
    }
    pthread_mutex_unlock(&mutex);
    if (events->watch != NULL && events->process == getpid()) {
        stop_watch(events->watch);
    }
    free(events);
}

static void end_isolate(ku_isolate *isolate) {
    at_exit(isolate);
    drop(isolate);
}

static ku_code refuse(ku_error *error, ku_code code, int os_error, const char *message) {
    ku__error_fill(error, code, "%s", message);
    if (error != NULL) {
        error->os_error = os_error;
    }
    return code;
}

static ku_code add_watch(struct ku__events *events, int signal, ku_error *error) {
    if (signal == 0) {
        return KU_OK;
    }
    events->watch = take_watch();
    if (events->watch == NULL) {
        return refuse(error, KU_STATE, 0, "16 isolates wait for signals already");
    }
    int os_error = start_watch(events->watch, events->isolate, signal);
    if (os_error != 0) {
        return refuse(error, KU_IO, os_error, "this signal cannot be waited for");
    }
    return KU_OK;
}

static void enlist(struct ku__events *events) {
    events->isolate->events = events;
    events->isolate->ending = end_isolate;
    pthread_mutex_lock(&mutex);
    events->next = all;
    all = events;
    pthread_mutex_unlock(&mutex);
}

ku_code ku_heap_file_set_events(ku_isolate *isolate, const ku_heap_file_events *events, ku_error *error) {
    bool is_path = events == NULL || (events->path != NULL && events->path[0] != '\0' &&
                                      strlen(events->path) < PATH_MAX - 16 && (events->flags & ~1u) == 0);
    if (!is_path) {
        return refuse(error, KU_INVALID, 0,
                      "events need a path that is not empty nor too long, and no flag but values");
    }
    pthread_once(&once, prepare);
    drop(isolate);
    if (events == NULL) {
        return KU_OK;
    }
    struct ku__events *made = calloc(1, sizeof *made);
    if (made == NULL) {
        return refuse(error, KU_NO_MEMORY, 0, "the system refused memory for events");
    }
    *made = (struct ku__events){.isolate = isolate,
                                .flags = events->flags,
                                .at_limit = events->at_limit,
                                .at_exit = events->at_exit,
                                .process = getpid()};
    memcpy(made->path, events->path, strlen(events->path) + 1);
    ku_code code = add_watch(made, events->signal, error);
    if (code == KU_OK) {
        enlist(made);
    } else {
        free(made);
    }
    return code;
}
