/* refusal.c: see refusal.h. */
#include "cpython/facts.h"

#include "cpython/refusal.h"

#include "cpython/bridge.h"
#include "cpython/graph_copies.h"
#include "cpython/module.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

bool ku__refusal_armed;

static struct {
    char path[PATH_MAX], program[512];
    pid_t process;          /* that was armed: its children have heaps of their own */
    ku__dump_outcome began; /* of the dump that came of it */
    bool seen;
} state;

static void dump(void) {
    PyObject *type, *value, *traceback;
    int collects = PyGC_Disable();
    PyErr_Fetch(&type, &value, &traceback);
    state.seen = true;
    if (!ku__dump_heap(state.path, KU_GRAPH_MEMORY_ERROR, state.program, false, true, &state.began) &&
        state.began.error.code == KU_OK) {
        state.began.error = (ku_error){.code = KU_NO_MEMORY, .message = "there was no memory left for preparing it"};
    }
    PyErr_Restore(type, value, traceback);
    if (collects != 0) {
        PyGC_Enable();
    }
}

void ku__refusal_seen(void) {
    if (ku__refusal_armed && ku__fact_holds_lock() && getpid() == state.process &&
        PyInterpreterState_Get() == PyInterpreterState_Main()) {
        ku__refusal_armed = false; /* what prepares the dump may be refused memory, too */
        dump();
    }
}

/* ---- the module's functions ---- */

PyObject *ku__heap_at_refusal_call(PyObject *module, PyObject *arguments) {
    PyObject *path;
    const char *program = "";
    if (!PyArg_ParseTuple(arguments, "O&|s:heap_at_refusal", PyUnicode_FSConverter, &path, &program)) {
        return NULL;
    }
    bool fits = (size_t)PyBytes_GET_SIZE(path) < sizeof state.path;
    if (fits) {
        memcpy(state.path, PyBytes_AS_STRING(path), (size_t)PyBytes_GET_SIZE(path) + 1);
    }
    Py_DECREF(path);
    if (!ku__require_main(module)) {
        return NULL;
    }
    if (!fits || !ku__bridge_state.installed) {
        errno = ENAMETOOLONG;
        return fits ? ku__refuse(module, "kucha is not installed under this interpreter; call install() first")
                    : PyErr_SetFromErrno(PyExc_OSError);
    }
    snprintf(state.program, sizeof state.program, "%s", program);
    state.process = getpid();
    state.seen = false;
    ku__refusal_armed = true;
    Py_RETURN_NONE;
}

PyObject *ku__heap_refused_call(PyObject *module, PyObject *ignored) {
    (void)ignored;
    ku__refusal_armed = false;
    if (!state.seen || getpid() != state.process) {
        Py_RETURN_NONE;
    }
    state.seen = false;
    ku__dump_outcome outcome = state.began;
    if (outcome.error.code == KU_OK && !ku__copies_wait(outcome.copy, &outcome, NULL)) {
        Py_RETURN_NONE;
    }
    return outcome.error.code == KU_OK ? ku__dump_outcome_object(&outcome)
                                       : ku__raise(module, &outcome.error, state.path);
}
