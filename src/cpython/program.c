/* program.c: calling somebody's program from `kucha run` so that it cannot tell (python/kucha/program.py has the rest).
 *
 * The interpreter calls a script with no Python frame beneath it; under `kucha run` there are those of the command. They
 * are set aside for the time of the call: the thread's innermost frame becomes NULL, as it is in a new thread, and comes
 * back after it. The interpreter never looks beneath the frame it was called on, so nothing else has to be told. So
 * traceback.print_stack(), sys._getframe(), warnings and traced stacks end where the program begins.
 *
 * The field is that of the public header Include/cpython/pystate.h: `cframe->current_frame` in 3.11 and 3.12, and
 * `current_frame` from 3.13 on. It is known when this file is compiled, so no fact of it has to be checked at start.
 *
 * An exception that comes out is the interpreter's business: PyErr_Print() calls sys.excepthook, and ends the process for
 * SystemExit, as it does for a script (Python/pythonrun.c, run_file and _PyRun_SimpleFile).
 */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "cpython/module.h"

enum {
    ENDED = 0,
    FAILED = 1,
    INTERRUPTED = 130, /* KeyboardInterrupt: what a shell calls a process that SIGINT ended */
};

static int exit_code = -1; /* of the last program that was called; negative while there is none */

#if PY_VERSION_HEX >= 0x030D0000
#define CURRENT_FRAME(thread) ((thread)->current_frame)
#else
#define CURRENT_FRAME(thread) ((thread)->cframe->current_frame)
#endif

/* What the process will end with, for the capture: PyErr_Print() does not come back from a SystemExit. The rules are those
 * of sys.exit(): nothing is 0, a number is itself, anything else is 1. */
static int code_of_exit(PyObject *exit) {
    PyObject *code = PyObject_GetAttrString(exit, "code");
    int answer = 1;
    if (code == Py_None) {
        answer = 0;
    } else if (code != NULL && PyLong_Check(code)) {
        answer = (int)(PyLong_AsLong(code) & 0xff);
    }
    Py_XDECREF(code);
    PyErr_Clear();
    return answer;
}

/* The code of the SystemExit that is raised, which stays raised. */
static int code_of_raised_exit(void) {
#if PY_VERSION_HEX >= 0x030C0000
    PyObject *value = PyErr_GetRaisedException();
    int answer = code_of_exit(value);
    PyErr_SetRaisedException(value);
#else
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    PyErr_NormalizeException(&type, &value, &traceback);
    int answer = code_of_exit(value);
    PyErr_Restore(type, value, traceback);
#endif
    return answer;
}

static int conclude(void) {
    int answer = PyErr_ExceptionMatches(PyExc_KeyboardInterrupt) ? INTERRUPTED : FAILED;
    exit_code = PyErr_ExceptionMatches(PyExc_SystemExit) ? code_of_raised_exit() : answer;
    PyErr_Print();
    return answer;
}

PyObject *ku__call_program_call(PyObject *module, PyObject *arguments) {
    (void)module;
    PyObject *callable, *rest;
    if (!PyArg_ParseTuple(arguments, "OO!:call_program", &callable, &PyTuple_Type, &rest)) {
        return NULL;
    }
    PyThreadState *thread = PyThreadState_Get();
    void *aside = CURRENT_FRAME(thread);
    CURRENT_FRAME(thread) = NULL;
    PyObject *result = PyObject_Call(callable, rest, NULL);
    int answer = ENDED;
    exit_code = 0;
    if (result == NULL) {
        answer = conclude();
    }
    Py_XDECREF(result);
    CURRENT_FRAME(thread) = aside;
    return PyLong_FromLong(answer);
}

PyObject *ku__exit_code_call(PyObject *module, PyObject *ignored) {
    (void)module;
    (void)ignored;
    if (exit_code < 0) {
        Py_RETURN_NONE;
    }
    return PyLong_FromLong(exit_code);
}
