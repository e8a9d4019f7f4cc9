/* collections.c: see collections.h. */
#include "cpython/collections.h"

#include "os/clock.h"

#include <stdatomic.h>

enum { GENERATIONS = 3 }; /* 3.13's and 3.14's young, old and permanent are numbered within these, too */

/* Changed by the holder of the GIL, read by any thread. */
static struct {
    atomic_uint_fast64_t collections[GENERATIONS], nanoseconds[GENERATIONS];
    atomic_uint_fast64_t longest, collected, uncollectable;
} counts;

/* Under the GIL. */
static struct {
    unsigned users;
    PyObject *first, *last; /* the functions in gc.callbacks */
    uint64_t begun;         /* nanoseconds; 0 while nothing is collected */
} watching;

/* ---- the functions in gc.callbacks ---- */

static void add(atomic_uint_fast64_t *cell, uint64_t amount) {
    atomic_fetch_add_explicit(cell, amount, memory_order_relaxed);
}

static bool phase_is(PyObject *arguments, const char *name) {
    PyObject *phase = PyTuple_GET_SIZE(arguments) == 2 ? PyTuple_GET_ITEM(arguments, 0) : NULL;
    return phase != NULL && PyUnicode_Check(phase) && PyUnicode_CompareWithASCIIString(phase, name) == 0;
}

static uint64_t number_of(PyObject *facts, const char *name) {
    PyObject *number = PyDict_Check(facts) ? PyDict_GetItemString(facts, name) : NULL;
    long long value = number == NULL ? 0 : PyLong_AsLongLong(number);
    if (value < 0) {
        PyErr_Clear();
        value = 0;
    }
    return (uint64_t)value;
}

static PyObject *begins(PyObject *ignored, PyObject *arguments) {
    (void)ignored;
    if (phase_is(arguments, "start")) {
        watching.begun = ku__clock_nanoseconds();
    }
    Py_RETURN_NONE;
}

static PyObject *ends(PyObject *ignored, PyObject *arguments) {
    (void)ignored;
    if (watching.begun == 0 || !phase_is(arguments, "stop")) {
        Py_RETURN_NONE;
    }
    uint64_t took = ku__clock_nanoseconds() - watching.begun;
    PyObject *facts = PyTuple_GET_ITEM(arguments, 1);
    uint64_t generation = number_of(facts, "generation");
    size_t slot = generation < GENERATIONS ? (size_t)generation : GENERATIONS - 1;
    watching.begun = 0;
    add(&counts.collections[slot], 1);
    add(&counts.nanoseconds[slot], took);
    add(&counts.collected, number_of(facts, "collected"));
    add(&counts.uncollectable, number_of(facts, "uncollectable"));
    if (took > atomic_load_explicit(&counts.longest, memory_order_relaxed)) {
        atomic_store_explicit(&counts.longest, took, memory_order_relaxed);
    }
    Py_RETURN_NONE;
}

/* ---- starting and stopping ---- */

static PyObject *callbacks(void) {
    PyObject *module = PyImport_ImportModule("gc");
    PyObject *list = module == NULL ? NULL : PyObject_GetAttrString(module, "callbacks");
    Py_XDECREF(module);
    if (list != NULL && !PyList_Check(list)) {
        Py_CLEAR(list);
        PyErr_SetString(PyExc_TypeError, "gc.callbacks is no list any more, so collections cannot be watched");
    }
    return list;
}

static void take_out(PyObject *list, const PyObject *function) {
    for (Py_ssize_t i = PyList_GET_SIZE(list); i-- > 0;) {
        if (PyList_GET_ITEM(list, i) == function && PyList_SetSlice(list, i, i + 1, NULL) != 0) {
            PyErr_Clear();
        }
    }
}

static void end(void) {
    PyObject *list = callbacks();
    if (list != NULL) {
        take_out(list, watching.first);
        take_out(list, watching.last);
        Py_DECREF(list);
    }
    PyErr_Clear();
    Py_CLEAR(watching.first);
    Py_CLEAR(watching.last);
}

static int begin(void) {
    static PyMethodDef definitions[] = {{"kucha_collection_begins", begins, METH_VARARGS, NULL},
                                        {"kucha_collection_ends", ends, METH_VARARGS, NULL}};
    PyObject *list = callbacks();
    if (list == NULL) {
        return -1;
    }
    watching.begun = 0;
    watching.first = PyCFunction_New(&definitions[0], NULL);
    watching.last = PyCFunction_New(&definitions[1], NULL);
    bool failed = watching.first == NULL || watching.last == NULL || PyList_Insert(list, 0, watching.first) != 0 ||
                  PyList_Append(list, watching.last) != 0;
    Py_DECREF(list);
    return failed ? (PyErr_Clear(), end(), PyErr_NoMemory(), -1) : 0;
}

int ku__collections_start(void) {
    if (watching.users == 0 && begin() != 0) {
        return -1;
    }
    watching.users++;
    return 0;
}

void ku__collections_stop(void) {
    if (watching.users > 0 && --watching.users == 0) {
        end();
    }
}

/* ---- reading ---- */

void ku__collections_read(ku_capture_collections *collections, bool forget) {
    for (size_t i = 0; i < GENERATIONS; i++) {
        collections->collections[i] = atomic_load_explicit(&counts.collections[i], memory_order_relaxed);
        collections->nanoseconds[i] = atomic_load_explicit(&counts.nanoseconds[i], memory_order_relaxed);
    }
    collections->collected = atomic_load_explicit(&counts.collected, memory_order_relaxed);
    collections->uncollectable = atomic_load_explicit(&counts.uncollectable, memory_order_relaxed);
    collections->longest = forget ? atomic_exchange_explicit(&counts.longest, 0, memory_order_relaxed)
                                  : atomic_load_explicit(&counts.longest, memory_order_relaxed);
}
