/* program.c: calling somebody's program as if it were the first thing that the interpreter runs.
 *
 * `kucha run` loads a program into its own process, under frames of its own. The program must not see them: not in
 * tracebacks, in sys._getframe(), in warnings' stack levels, in the depth that recursion may have. So the frames are
 * set aside for the time of the call, which is the state that Modules/main.c calls a program in, and put back after it.
 * They stay alive: each belongs to a C function that is waiting, and every object that they hold is held by a counted
 * reference.
 *
 * An exception that comes out is printed as the interpreter does it (Python/pythonrun.c: PyErr_Print), through
 * sys.excepthook; SystemExit ends the process there, with its code, after the interpreter's own finalisation.
 */
#include "cpython/facts.h"

#include "cpython/module.h"
#include "cpython/refusal.h"

enum {
    PROGRAM_RAN = 0,
    PROGRAM_FAILED = 1,
    PROGRAM_INTERRUPTED = 130, /* KeyboardInterrupt: 128 + SIGINT, a shell's number for it */
};

static long print_failure(void) {
    bool interrupted = PyErr_ExceptionMatches(PyExc_KeyboardInterrupt);
    if (PyErr_ExceptionMatches(PyExc_MemoryError)) {
        ku__refusal_seen();
    }
    PyErr_Print();
    return interrupted ? PROGRAM_INTERRUPTED : PROGRAM_FAILED;
}

PyObject *ku__call_program_call(PyObject *module, PyObject *arguments) {
    (void)module;
    PyObject *call, *call_arguments;
    if (!PyArg_ParseTuple(arguments, "OO!:call_program", &call, &PyList_Type, &call_arguments)) {
        return NULL;
    }
    /* From here on the arguments, the program's globals among them, are held by this call alone, and let go before an
     * exception is printed: that may end the process, which finalises what nothing holds. */
    PyObject *own_arguments = PyList_AsTuple(call_arguments);
    if (own_arguments == NULL || PyList_SetSlice(call_arguments, 0, PyList_GET_SIZE(call_arguments), NULL) != 0) {
        Py_XDECREF(own_arguments);
        return NULL;
    }
    PyThreadState *thread = PyThreadState_Get();
    const ku__frame_of_python *top = NULL;
    bool known = KU__FACTS_SUPPORTED && PY_VERSION_HEX >> 16 == Py_Version >> 16;
    if (known) {
        top = ku__fact_top(thread);
        ku__fact_set_top(thread, ku__fact_bottom(thread));
    }
    PyObject *result = PyObject_Call(call, own_arguments, NULL);
    Py_DECREF(own_arguments);
    long status = result == NULL ? print_failure() : PROGRAM_RAN;
    Py_XDECREF(result);
    if (known) {
        ku__fact_set_top(thread, top);
    }
    return PyLong_FromLong(status);
}
