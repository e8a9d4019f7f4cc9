/* collector_calls.c: the collector as functions of kucha._core: gc_install, gc_uninstall, gc_status, gc_pauses. */
#include "cpython/collector.h"

#include "cpython/collector_team.h"
#include "cpython/module.h"
#include "cpython/producers.h"
#include "cpython/selfcheck.h"

#include <limits.h>

#if KU__FACTS_SUPPORTED

enum {
    SENTENCE = 256,
    UNSAID = INT_MIN, /* a number that nobody gave */
};
static const double nanoseconds = 1e9; /* in a second */

static bool prepare(PyObject *module) {
    static int ready; /* 1: the types are */
    char reason[SENTENCE];
    if (!ku__bridge_state.installed) {
        ku__refuse(module, "kucha's collector needs kucha's allocator: call install() first");
        return false;
    }
    if (!ku__collector_selfcheck(reason, sizeof reason)) {
        ku__refuse(module, reason);
        return false;
    }
    if (ready == 0 && (ku__sentinel_ready() != 0 || ku__finder_ready() != 0)) {
        return false;
    }
    ready = 1;
    return true;
}

/* Here now, and in every other interpreter before it next runs a function. False with an exception set. */
static bool install_everywhere(const ku__wish *wanted) {
    if (ku__collector_here() != NULL) {
        return true;
    }
    ku__everywhere_open(wanted);
    ku__wish wish = ku__everywhere_wish();
    if (ku__collector_install(&wish) != 0) {
        ku__everywhere_close();
        return false;
    }
    return true;
}

PyObject *ku__gc_install_call(PyObject *module, PyObject *arguments, PyObject *keywords) {
    static const char *const names[] = {"eager", "concurrent", "least", "threads", "together", NULL};
    int eager = 0, concurrent = 0, threads = UNSAID;
    Py_ssize_t least = -1, together = KU__TEAM_LEAST; /* -1: not said */
    if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "|$ppnin:gc_install", KU__KEYWORDS(names), &eager,
                                     &concurrent, &least, &threads, &together)) {
        return NULL;
    }
    bool said = threads != UNSAID;
    threads = said ? threads : 0;
    if (threads < 0 || together < 0) {
        PyErr_SetString(PyExc_ValueError, "threads must be 0 (one for each processor), 1 (no others), or more");
        return NULL;
    }
    ku__wish wanted = {.eager = eager != 0, .threads = (unsigned)threads, .together = (size_t)together};
    if (!ku__require_main(module) || !prepare(module) || !install_everywhere(&wanted)) {
        return NULL;
    }
    if (said) {
        ku__everywhere_threads((unsigned)threads); /* also where it was in charge before */
    }
    if (concurrent) {
        ku__concurrent_open(ku__collector_here(), least);
    }
    Py_RETURN_NONE;
}

PyObject *ku__gc_uninstall_call(PyObject *module, PyObject *ignored) {
    (void)ignored;
    if (!ku__collector_uninstall()) {
        return ku__refuse(module, "a collection is running: the collector cannot be taken out in the middle of it");
    }
    Py_RETURN_NONE;
}

static PyObject *describe_concurrent(const ku__concurrent *on) {
    static const char *const phases[] = {"idle", "child", "hold", "decide"};
    if (!on->on) {
        Py_RETURN_NONE;
    }
    return Py_BuildValue("{s:s,s:i,s:n,s:n,s:n,s:n,s:n,s:n}", "phase", phases[on->phase], "child", on->child, "begun",
                         (Py_ssize_t)on->begun, "done", (Py_ssize_t)on->done, "lost", (Py_ssize_t)on->lost, "refused",
                         (Py_ssize_t)on->refused, "given_up", (Py_ssize_t)on->given_up, "slices",
                         (Py_ssize_t)on->slices);
}

/* NULL also for one that is to go. */
static const ku__collector *in_charge(void) {
    const ku__collector *collector = ku__collector_here();
    return collector != NULL && ku__everywhere_wants(collector->era) ? collector : NULL;
}

PyObject *ku__gc_status_call(PyObject *module, PyObject *ignored) {
    (void)module;
    (void)ignored;
    const ku__collector *collector = in_charge();
    if (collector == NULL) {
        Py_RETURN_NONE;
    }
    return Py_BuildValue("{s:n,s:n,s:n,s:n,s:I,s:N}", "full", (Py_ssize_t)collector->taken_count, "marked",
                         (Py_ssize_t)collector->marked, "candidates", (Py_ssize_t)collector->candidates, "tables",
                         (Py_ssize_t)ku__collector_tables(collector), "threads", collector->threads_used, "concurrent",
                         describe_concurrent(&collector->concurrent));
}

PyObject *ku__gc_settle_call(PyObject *module, PyObject *ignored) {
    (void)module;
    (void)ignored;
    ku__collector *collector = ku__collector_here();
    if (collector != NULL && collector->generation < 0) {
        ku__concurrent_give_up(collector);
    }
    Py_RETURN_NONE;
}

/* ---- pauses ---- */

static PyObject *histogram_of(const ku__pauses *pauses) {
    PyObject *list = PyList_New(KU__PAUSE_PLACES);
    for (int i = 0; list != NULL && i < KU__PAUSE_PLACES; i++) {
        PyObject *number = PyLong_FromSize_t(pauses->histogram[i]);
        if (number == NULL) {
            Py_CLEAR(list);
        } else {
            PyList_SET_ITEM(list, i, number);
        }
    }
    return list;
}

static PyObject *describe(const ku__pauses *pauses) {
    return Py_BuildValue("{s:n,s:d,s:d,s:N}", "count", (Py_ssize_t)pauses->count, "total",
                         (double)pauses->total / nanoseconds, "longest", (double)pauses->longest / nanoseconds,
                         "histogram", histogram_of(pauses));
}

PyObject *ku__gc_pauses_call(PyObject *module, PyObject *arguments) {
    int everywhere = 0;
    if (!PyArg_ParseTuple(arguments, "|p:gc_pauses", &everywhere)) {
        return NULL;
    }
    const ku__collector *collector = in_charge();
    if (collector == NULL) {
        return ku__refuse(module, "kucha's collector is not in charge here: install(gc=\"kucha\") puts it there");
    }
    ku__pauses_sum sum;
    ku__everywhere_pauses(everywhere ? NULL : collector, &sum);
    PyObject *generations = Py_BuildValue("[NNN]", describe(&sum.generations[0]), describe(&sum.generations[1]),
                                          describe(&sum.generations[2]));
    return Py_BuildValue("{s:d,s:N}", "since", (double)sum.in_charge / nanoseconds, "generations", generations);
}

#else

static PyObject *refuse(PyObject *module) {
    return ku__refuse(module, "kucha's collector does not know this interpreter");
}

PyObject *ku__gc_install_call(PyObject *module, PyObject *arguments, PyObject *keywords) {
    (void)arguments;
    (void)keywords;
    return refuse(module);
}

PyObject *ku__gc_uninstall_call(PyObject *module, PyObject *ignored) {
    (void)module;
    (void)ignored;
    Py_RETURN_NONE;
}

PyObject *ku__gc_status_call(PyObject *module, PyObject *ignored) {
    (void)module;
    (void)ignored;
    Py_RETURN_NONE;
}

PyObject *ku__gc_settle_call(PyObject *module, PyObject *ignored) {
    (void)module;
    (void)ignored;
    Py_RETURN_NONE;
}

PyObject *ku__gc_pauses_call(PyObject *module, PyObject *arguments) {
    (void)arguments;
    return refuse(module);
}

#endif
