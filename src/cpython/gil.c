/* gil.c: see gil.h. */
#include "cpython/facts_gil.h"

#include "cpython/gil.h"

#include "cpython/collections.h"
#include "cpython/pending.h"
#include "os/clock.h"
#include "os/process.h"
#include "os/thread.h"

#include <math.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#if KU__FACTS_SUPPORTED

enum {
    THREADS_MOST = 1024, /* of one look, and of one measurement; others are left out, and counted as such */
    BATCH_LOOKS = 50,    /* looks of one batch: 50 ms, ten switch intervals */
    BATCHES_LEAST = 4,   /* fewer say nothing about their scatter */
    PRICE_SHARE = 20,    /* looking takes one part in so many, at most */
};

#define CONFIDENCE 1.96                  /* standard errors on each side of 95 % of a normal distribution */
#define THREAD_STACK ((size_t)256 << 10) /* the table of one look is 24 KiB */

/* Seconds of something: in all, in the batch that is being filled; sums of the batches' shares and their squares. */
typedef struct tally {
    double seconds, batch, shares, squares;
} tally;

typedef struct watched {
    unsigned long native, ident; /* the kernel's number, and threading.get_ident() */
    tally held, waiting;
    tally running; /* without the lock, or about to wait on */
} watched;

/* What a measurement came to. */
typedef struct sums {
    double seconds, price;
    tally held; /* by any thread */
    uint64_t looks, batches, left_out;
} sums;

typedef struct seen {
    unsigned long native, ident;
    bool holds;
} seen;

/* All under `guard`, but for what the comment says. */
static struct {
    pthread_mutex_t guard;
    pthread_cond_t wake;
    ku__thread thread; /* under the GIL */
    bool on;           /* under the GIL: a measurement was started, and not stopped */
    bool has_thread;   /* under the GIL */
    atomic_bool stop;  /* without a lock: who sets it may wait for `guard` next */
    const ku__gil_of_python *gil;
    double interval; /* seconds between two looks, on average */
    double last;     /* monotonic, of the last look */
    double batch_seconds;
    sums sums;
    unsigned long switches; /* when it began */
    uint64_t random;
    bool waits_known;
    watched *threads;
    size_t count, capacity;
    ku_capture_collections before; /* what collections had done at the start */
} state = {.guard = PTHREAD_MUTEX_INITIALIZER, .wake = PTHREAD_COND_INITIALIZER};

static pthread_once_t prepare_once = PTHREAD_ONCE_INIT;

/* ---- one look ---- */

static void add_threads(const PyInterpreterState *interpreter, const void *holder, seen *found, size_t *count) {
    const PyThreadState *thread = ku__fact_threads(interpreter);
    for (; thread != NULL; thread = thread->next) {
        if (*count == THREADS_MOST) {
            state.sums.left_out++;
            return;
        }
        if (thread->native_thread_id != 0) {
            found[(*count)++] = (seen){thread->native_thread_id, thread->thread_id, thread == holder};
        }
    }
}

/* Into the lists. From 3.13 on who forks holds their lock, and ends this thread first: nobody may wait for that one.
 * Source: PyOS_BeforeFork() in Modules/posixmodule.c. */
static bool enter_lists(void) {
    while (!ku__fact_threads_try_lock()) {
        if (atomic_load(&state.stop)) {
            return false;
        }
        sched_yield();
    }
    return true;
}

/* The threads that share the lock, and which of them holds it at this moment. False: this thread is to end. */
static bool look_at_threads(seen *found, size_t *count) {
    *count = 0;
    if (!enter_lists()) {
        return false;
    }
    const void *holder = ku__fact_gil_holder(state.gil);
    const PyInterpreterState *interpreter = ku__fact_interpreters();
    for (; interpreter != NULL; interpreter = ku__fact_interpreter_after(interpreter)) {
        if (ku__fact_gil(interpreter) == state.gil) {
            add_threads(interpreter, holder, found, count);
        }
    }
    ku__fact_threads_unlock();
    return true;
}

/* Where the time of a thread belongs that does not hold the lock; NULL: asleep elsewhere, or not known. */
static tally *tally_of(watched *thread) {
    uintptr_t address = 0;
    ku__doing doing = ku__process_thread_doing((long)thread->native, &address);
    if (doing == KU__DOING_RUNS) {
        return &thread->running;
    }
    bool inside = address >= (uintptr_t)state.gil && address < (uintptr_t)(state.gil + 1);
    return doing == KU__DOING_FUTEX && inside ? &thread->waiting : NULL;
}

static watched *watched_of(const seen *thread) {
    for (size_t i = 0; i < state.count; i++) {
        if (state.threads[i].native == thread->native && state.threads[i].ident == thread->ident) {
            return &state.threads[i];
        }
    }
    if (state.count == state.capacity) {
        size_t capacity = state.capacity == 0 ? 16 : state.capacity * 2;
        watched *more = capacity > THREADS_MOST ? NULL : realloc(state.threads, capacity * sizeof *more);
        if (more == NULL) {
            state.sums.left_out++;
            return NULL;
        }
        state.threads = more;
        state.capacity = capacity;
    }
    state.threads[state.count] = (watched){.native = thread->native, .ident = thread->ident};
    return &state.threads[state.count++];
}

static void tally_add(tally *sum, double seconds) {
    sum->seconds += seconds;
    sum->batch += seconds;
}

static void tally_end_batch(tally *sum, double seconds) {
    double share = sum->batch / seconds;
    sum->shares += share;
    sum->squares += share * share;
    sum->batch = 0;
}

static void end_batch(void) {
    for (size_t i = 0; i < state.count; i++) {
        tally_end_batch(&state.threads[i].held, state.batch_seconds);
        tally_end_batch(&state.threads[i].waiting, state.batch_seconds);
    }
    tally_end_batch(&state.sums.held, state.batch_seconds);
    state.batch_seconds = 0;
    state.sums.batches++;
}

/* With `guard` held. */
static void look(void) {
    seen found[THREADS_MOST];
    double used = ku__clock_thread(), now = ku__clock_monotonic(), passed = now - state.last;
    size_t count;
    if (!look_at_threads(found, &count)) {
        return;
    }
    state.last = now;
    state.sums.seconds += passed;
    state.batch_seconds += passed;
    for (size_t i = 0; i < count; i++) {
        watched *thread = watched_of(&found[i]);
        if (thread == NULL) continue;
        if (found[i].holds) {
            tally_add(&thread->held, passed);
            tally_add(&state.sums.held, passed);
            continue;
        }
        tally *place = tally_of(thread);
        if (place != NULL) tally_add(place, passed);
    }
    if (++state.sums.looks % BATCH_LOOKS == 0) {
        end_batch();
    }
    state.sums.price += ku__clock_thread() - used;
}

/* ---- the thread ---- */

/* A number from 0 to 1 (xorshift64*, Vigna 2016). */
static double next_random(void) {
    state.random ^= state.random >> 12;
    state.random ^= state.random << 25;
    state.random ^= state.random >> 27;
    return (double)((state.random * 0x2545F4914F6CDD1Du) >> 11) * 0x1p-53;
}

/* From half to one and a half times the interval, which grows with the mean price of a look. */
static struct timespec next_look(void) {
    double mean = state.sums.looks == 0 ? 0 : state.sums.price / (double)state.sums.looks * PRICE_SHARE;
    double interval = mean > state.interval ? mean : state.interval;
    double when = ku__clock_monotonic() + interval * (0.5 + next_random());
    return (struct timespec){.tv_sec = (time_t)when, .tv_nsec = (long)((when - floor(when)) * 1e9)};
}

static void *run_thread(void *ignored) {
    (void)ignored;
    pthread_mutex_lock(&state.guard);
    state.last = ku__clock_monotonic();
    while (!atomic_load(&state.stop)) {
        struct timespec when = next_look();
        int woken = 0;
        while (!atomic_load(&state.stop) && woken == 0) {
            woken = pthread_cond_timedwait(&state.wake, &state.guard, &when);
        }
        if (!atomic_load(&state.stop)) {
            look();
        }
    }
    pthread_mutex_unlock(&state.guard);
    return NULL;
}

/* Under the GIL. */
static bool thread_start(void) {
    atomic_store(&state.stop, false);
    state.has_thread = ku__thread_start(&state.thread, run_thread, NULL, THREAD_STACK) == 0;
    return state.has_thread;
}

/* Under the GIL, which the thread never takes. */
static void thread_join(void) {
    if (!state.has_thread) {
        return;
    }
    atomic_store(&state.stop, true);
    pthread_mutex_lock(&state.guard); /* the thread is asleep, or about to look at the flag */
    pthread_cond_signal(&state.wake);
    pthread_mutex_unlock(&state.guard);
    ku__thread_end(&state.thread);
    state.has_thread = false;
}

/* ---- fork ---- */

static void before_fork(void) {
    thread_join();
}

static void after_fork_in_parent(void) {
    if (state.on) {
        ku__pending_ask_after_fork(NULL);
    }
}

static void after_fork_in_child(void) {
    pthread_mutex_init(&state.guard, NULL);
    state.on = false;
}

void ku__gil_resume(void) {
    if (state.on && !state.has_thread) {
        thread_start();
    }
}

/* The condition's clock is the one that only moves forward. */
static void prepare(void) {
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&state.wake, &attributes);
    pthread_condattr_destroy(&attributes);
    pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child);
    Py_AtExit(thread_join); /* the interpreter gives its locks back next, those of 3.11 and 3.12 with their memory */
}

/* ---- the calls ---- */

/* We hold the lock of this interpreter: does its memory say so? */
static bool facts_hold(void) {
    return ku__fact_gil_holder(state.gil) == (const void *)PyThreadState_Get();
}

static void reset(double interval) {
    state.interval = interval;
    state.sums = (sums){.seconds = 0};
    state.batch_seconds = 0;
    state.count = 0;
    state.switches = ku__fact_gil_switches(state.gil);
    state.random = ku__clock_nanoseconds() | 1;
    uintptr_t ignored;
    state.waits_known = ku__process_thread_doing((long)PyThread_get_thread_native_id(), &ignored) != KU__DOING_UNKNOWN;
    ku__collections_read(&state.before, false);
}

PyObject *ku__gil_start_call(PyObject *module, PyObject *arguments, PyObject *keywords) {
    static const char *const names[] = {"interval", NULL};
    double interval = 0.001;
    if (!ku__require_main(module) ||
        !PyArg_ParseTupleAndKeywords(arguments, keywords, "|d:gil_start", KU__KEYWORDS(names), &interval)) {
        return NULL;
    }
    if (!(interval >= 1e-4 && interval <= 10)) {
        PyErr_SetString(PyExc_ValueError, "the interval must be from 0.0001 to 10 seconds");
        return NULL;
    }
    if (state.on) {
        return ku__refuse(module, "the GIL is being watched already; stop that first");
    }
    pthread_once(&prepare_once, prepare);
    state.gil = ku__fact_gil(PyInterpreterState_Get());
    if (!facts_hold()) {
        return ku__refuse(module,
                          "the GIL of this interpreter does not lie where it is expected, so it is not watched");
    }
    if (ku__collections_start() != 0) {
        return NULL;
    }
    reset(interval);
    if (!thread_start()) {
        ku__collections_stop();
        return ku__refuse(module, "the thread that looks at the GIL cannot be started: the system refused it");
    }
    state.on = true;
    Py_RETURN_NONE;
}

PyObject *ku__gil_stop_call(PyObject *module, PyObject *ignored) {
    (void)module;
    (void)ignored;
    thread_join();
    if (state.on) {
        state.on = false;
        ku__collections_stop();
    }
    Py_RETURN_NONE;
}

/* Half the width of the interval that the share lies in; None where there are too few batches. */
static PyObject *error_of(const sums *all, const tally *sum) {
    if (all->batches < BATCHES_LEAST) {
        Py_RETURN_NONE;
    }
    double count = (double)all->batches, mean = sum->shares / count;
    double variance = sum->squares / count - mean * mean;
    return PyFloat_FromDouble(CONFIDENCE * sqrt((variance > 0 ? variance : 0) / (count - 1)));
}

static PyObject *thread_as_dict(const sums *all, const watched *thread) {
    return Py_BuildValue("{s:k,s:k,s:d,s:N,s:d,s:N,s:d}", "native_id", thread->native, "ident", thread->ident, "held",
                         thread->held.seconds, "held_error", error_of(all, &thread->held), "waiting",
                         thread->waiting.seconds, "waiting_error", error_of(all, &thread->waiting), "running",
                         thread->running.seconds);
}

static PyObject *threads_as_list(const sums *all, const watched *threads, size_t count) {
    PyObject *list = PyList_New((Py_ssize_t)count);
    for (size_t i = 0; list != NULL && i < count; i++) {
        PyObject *item = thread_as_dict(all, &threads[i]);
        if (item == NULL) {
            Py_CLEAR(list);
        } else {
            PyList_SET_ITEM(list, (Py_ssize_t)i, item);
        }
    }
    return list;
}

static PyObject *collections_since_start(void) {
    ku_capture_collections now;
    uint64_t nanoseconds = 0, count = 0;
    ku__collections_read(&now, false);
    for (size_t i = 0; i < 3; i++) {
        nanoseconds += now.nanoseconds[i] - state.before.nanoseconds[i];
        count += now.collections[i] - state.before.collections[i];
    }
    return Py_BuildValue("{s:K,s:d}", "count", (unsigned long long)count, "seconds", (double)nanoseconds / 1e9);
}

/* A copy, so that no Python object is made while the thread waits for `guard`. NULL where there is no memory. */
static watched *copy_of_threads(sums *all, size_t *count) {
    pthread_mutex_lock(&state.guard);
    *all = state.sums;
    *count = state.count;
    watched *threads = malloc(state.count * sizeof *threads + 1);
    if (threads != NULL && state.count != 0) {
        memcpy(threads, state.threads, state.count * sizeof *threads);
    }
    pthread_mutex_unlock(&state.guard);
    return threads;
}

PyObject *ku__gil_read_call(PyObject *module, PyObject *ignored) {
    (void)ignored;
    if (!ku__require_main(module)) {
        return NULL;
    }
    if (state.gil == NULL) {
        return ku__refuse(module, "the GIL has not been watched; call gil_start() first");
    }
    sums all;
    size_t count;
    watched *threads = copy_of_threads(&all, &count);
    if (threads == NULL) {
        return PyErr_NoMemory();
    }
    PyObject *list = threads_as_list(&all, threads, count);
    free(threads);
    return Py_BuildValue("{s:O,s:d,s:K,s:d,s:N,s:k,s:O,s:K,s:d,s:N,s:N}", "on", state.on ? Py_True : Py_False,
                         "seconds", all.seconds, "looks", (unsigned long long)all.looks, "held", all.held.seconds,
                         "held_error", error_of(&all, &all.held), "switches",
                         ku__fact_gil_switches(state.gil) - state.switches, "waits_known",
                         state.waits_known ? Py_True : Py_False, "left_out", (unsigned long long)all.left_out, "price",
                         all.price, "collections", collections_since_start(), "threads", list);
}

#else

static PyObject *refuse(PyObject *module) {
    return ku__refuse(module,
                      "this interpreter has no GIL, or one that kucha does not know, so there is nothing to watch");
}

PyObject *ku__gil_start_call(PyObject *module, PyObject *arguments, PyObject *keywords) {
    (void)arguments;
    (void)keywords;
    return refuse(module);
}

PyObject *ku__gil_stop_call(PyObject *module, PyObject *ignored) {
    (void)module;
    (void)ignored;
    Py_RETURN_NONE;
}

PyObject *ku__gil_read_call(PyObject *module, PyObject *ignored) {
    (void)ignored;
    return refuse(module);
}

void ku__gil_resume(void) {}

#endif
