/* collector_everywhere.c: see collector_everywhere.h. */
#include "cpython/collector.h"

#include "cpython/collector_everywhere.h"
#include "cpython/module.h"
#include "os/clock.h"

#include <pthread.h>
#include <stdatomic.h>

static pthread_mutex_t list_lock = PTHREAD_MUTEX_INITIALIZER;

void ku__everywhere_before_fork(void) {
    pthread_mutex_lock(&list_lock);
}

void ku__everywhere_after_fork(void) {
    pthread_mutex_unlock(&list_lock);
}

#if KU__FACTS_SUPPORTED

static ku__collector *collectors;
static ku__pauses_sum past; /* of collectors that have gone, in this era */

static struct {
    uint64_t eras; /* under the main interpreter's lock */
    atomic_uint_fast64_t era;
    atomic_bool eager;
    atomic_uint threads;
    atomic_size_t together;
} wish;

/* ---- the list ---- */

void ku__everywhere_add(ku__collector *collector) {
    pthread_mutex_lock(&list_lock);
    collector->next = collectors;
    collectors = collector;
    pthread_mutex_unlock(&list_lock);
}

/* An address is used again; a number is not. */
ku__collector *ku__everywhere_find(const PyInterpreterState *interpreter) {
    int64_t id = PyInterpreterState_GetID((PyInterpreterState *)(uintptr_t)interpreter);
    pthread_mutex_lock(&list_lock);
    ku__collector *at = collectors;
    while (at != NULL && at->id != id) {
        at = at->next;
    }
    pthread_mutex_unlock(&list_lock);
    return at;
}

/* ---- pauses ---- */

/* Another interpreter may be writing to them. */
static void add_pauses(const ku__collector *collector, ku__pauses_sum *sum) {
    for (size_t i = 0; i < sizeof sum->generations / sizeof sum->generations[0]; i++) {
        ku__pauses now = ku__pauses_read(&collector->pauses[i]);
        ku__pauses_add(&sum->generations[i], &now);
    }
    sum->in_charge += ku__clock_nanoseconds() - collector->installed;
}

void ku__everywhere_pauses(const ku__collector *one, ku__pauses_sum *sum) {
    *sum = (ku__pauses_sum){0};
    if (one != NULL) {
        add_pauses(one, sum);
        return;
    }
    pthread_mutex_lock(&list_lock);
    *sum = past;
    for (const ku__collector *at = collectors; at != NULL; at = at->next) {
        if (ku__everywhere_wants(at->era)) {
            add_pauses(at, sum);
        }
    }
    pthread_mutex_unlock(&list_lock);
}

void ku__everywhere_remove(ku__collector *collector) {
    pthread_mutex_lock(&list_lock);
    ku__collector **at = &collectors;
    while (*at != NULL && *at != collector) {
        at = &(*at)->next;
    }
    if (*at != NULL) {
        *at = collector->next;
        if (ku__everywhere_wants(collector->era)) {
            add_pauses(collector, &past);
        }
    }
    pthread_mutex_unlock(&list_lock);
}

/* ---- what is wanted ---- */

bool ku__everywhere_wants(uint64_t era) {
    return era != 0 && atomic_load_explicit(&wish.era, memory_order_acquire) == era;
}

ku__wish ku__everywhere_wish(void) {
    uint64_t era = atomic_load_explicit(&wish.era, memory_order_acquire);
    return (ku__wish){.era = era,
                      .eager = atomic_load_explicit(&wish.eager, memory_order_relaxed),
                      .threads = atomic_load_explicit(&wish.threads, memory_order_relaxed),
                      .together = atomic_load_explicit(&wish.together, memory_order_relaxed)};
}

/* ---- getting into an interpreter ---- */

/* The number of modules of the interpreter that this thread looked at last: it cannot have got further without one
 * more, and most frames come before that. */
static _Thread_local struct {
    int64_t id;
    Py_ssize_t modules;
} looked;

static bool has_main_module(PyInterpreterState *interpreter) {
    PyObject *modules = PyImport_GetModuleDict();
    int64_t id = PyInterpreterState_GetID(interpreter);
    if (modules == NULL || !PyDict_Check(modules) || (looked.id == id && looked.modules == PyDict_GET_SIZE(modules))) {
        return false;
    }
    bool has = PyDict_GetItemString(modules, "__main__") != NULL;
    looked.id = id;
    looked.modules = has ? -1 : PyDict_GET_SIZE(modules);
    return has;
}

/* The module gc takes the list of callbacks that it finds in the interpreter's state: it must find the program's. */
static bool has_module_gc(PyInterpreterState *interpreter) {
    PyObject *gc = PyImport_ImportModuleLevel("gc", NULL, NULL, NULL, 0);
    PyObject *callbacks = gc != NULL ? PyObject_GetAttrString(gc, "callbacks") : NULL;
    bool same = callbacks != NULL && callbacks == ku__fact_gc(interpreter)->callbacks && PyList_CheckExact(callbacks);
    Py_XDECREF(callbacks);
    Py_XDECREF(gc);
    return same;
}

/* Where this thread put a collector in charge last, or failed to: it does not try again. */
static _Thread_local struct {
    int64_t id;
    uint64_t era;
} tried;

/* One that came in another era has not noticed yet. */
static void take_in(PyInterpreterState *interpreter, const ku__wish *wanted) {
    tried.id = PyInterpreterState_GetID(interpreter);
    tried.era = wanted->era;
    if (ku__collector_uninstall() && has_module_gc(interpreter) && ku__everywhere_wants(wanted->era)) {
        ku__collector_install(wanted);
    }
    PyErr_Clear(); /* it keeps its own collector */
}

static bool is_due(PyInterpreterState *interpreter, const ku__wish *wanted) {
    const ku__collector *there = ku__everywhere_find(interpreter);
    bool before = tried.era == wanted->era && tried.id == PyInterpreterState_GetID(interpreter);
    return wanted->era != 0 && !before && (there == NULL || there->era != wanted->era) &&
           !ku__fact_is_ending(interpreter);
}

static PyObject *first_frames(PyThreadState *thread, struct _PyInterpreterFrame *frame, int throwing);

/* Where a tool has put its own function in front of ours, which it goes on with, that one stays, and we are called for
 * each frame from then on; the first of them are our own, by gc's import. */
static void look_in(PyInterpreterState *interpreter) {
    ku__wish wanted = ku__everywhere_wish();
    bool due = is_due(interpreter, &wanted);
    const ku__gc_state *state = ku__fact_gc(interpreter);
    if (due && (state->callbacks == NULL || state->collecting || !has_main_module(interpreter))) {
        return;
    }
    if (__atomic_load_n(&interpreter->eval_frame, __ATOMIC_RELAXED) == first_frames) {
        _PyInterpreterState_SetEvalFrameFunc(interpreter, _PyEval_EvalFrameDefault);
    }
    if (due) {
        take_in(interpreter, &wanted);
    }
}

/* What evaluates frames until then. */
static PyObject *first_frames(PyThreadState *thread, struct _PyInterpreterFrame *frame, int throwing) {
    if (throwing == 0 && PyErr_Occurred() == NULL) {
        look_in(thread->interp);
    }
    return _PyEval_EvalFrameDefault(thread, frame, throwing);
}

/* The interpreter's own word for its own function is NULL. */
static void send(PyInterpreterState *interpreter) {
    _PyFrameEvalFunction its_own = NULL;
    __atomic_compare_exchange_n(&interpreter->eval_frame, &its_own, first_frames, false, __ATOMIC_RELEASE,
                                __ATOMIC_RELAXED);
}

void ku__everywhere_begun(PyInterpreterState *interpreter) {
    if (ku__everywhere_wish().era != 0 && interpreter != PyInterpreterState_Main()) {
        send(interpreter);
    }
}

void ku__everywhere_threads(unsigned threads) {
    atomic_store_explicit(&wish.threads, threads, memory_order_relaxed);
}

void ku__everywhere_open(const ku__wish *wanted) {
    pthread_mutex_lock(&list_lock);
    past = (ku__pauses_sum){0};
    pthread_mutex_unlock(&list_lock);
    atomic_store_explicit(&wish.eager, wanted->eager, memory_order_relaxed);
    ku__everywhere_threads(wanted->threads);
    atomic_store_explicit(&wish.together, wanted->together, memory_order_relaxed);
    atomic_store_explicit(&wish.era, ++wish.eras, memory_order_release);
    ku__interpreters_lock();
    for (PyInterpreterState *at = PyInterpreterState_Head(); at != NULL; at = PyInterpreterState_Next(at)) {
        if (at != PyInterpreterState_Main()) {
            send(at);
        }
    }
    ku__interpreters_unlock();
}

void ku__everywhere_close(void) {
    atomic_store_explicit(&wish.era, 0, memory_order_release);
}

#endif
