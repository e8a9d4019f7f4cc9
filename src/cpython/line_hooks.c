/* line_hooks.c: see line_hooks.h. */
#include "cpython/facts.h"

#include "cpython/module.h"

#include "cpython/line_events.h"
#include "cpython/line_hooks.h"

#if PY_VERSION_HEX < 0x030C0000

/* What traced this thread before. */
static KU__QUICK_THREAD struct {
    Py_tracefunc function;
    PyObject *object; /* owned */
} former;

/* A frame object, which the interpreter makes because it traces, lies behind its collector's header: two words. */
static const void *block_of(PyFrameObject *frame) {
    return (const char *)frame - 2 * sizeof(uintptr_t);
}

/* The first time that a code object is traced, its table of lines is made after the frame object. */
static void forget_frame(PyFrameObject *frame) {
    ku__counts *counts = &ku__thread_counts;
    if (counts->earlier == block_of(frame)) {
        ku__counts_forget(counts, counts->last);
    }
    ku__counts_forget(counts, block_of(frame));
}

/* What PyFrame_GetLineNumber() gives: while a line is traced it lies in the frame object. */
static inline int line_of(PyFrameObject *frame) {
    return KU__LIKELY(frame->f_lineno != 0) ? frame->f_lineno : PyFrame_GetLineNumber(frame);
}

static int tell(PyFrameObject *frame, int what) {
    const PyCodeObject *code = ku__fact_code(frame->f_frame);
    switch (what) {
    case PyTrace_CALL: forget_frame(frame); return ku__line_called(code, line_of(frame));
    case PyTrace_LINE: return ku__line_reached(code, line_of(frame));
    case PyTrace_RETURN: {
        int result = ku__line_returned(code);
        ku__counts_expect(&ku__thread_counts, block_of(frame));
        return result;
    }
    default: return 0;
    }
}

static int trace(PyObject *ignored, PyFrameObject *frame, int what, PyObject *argument) {
    (void)ignored;
    if (KU__LIKELY(what == PyTrace_LINE && former.function == NULL)) {
        return ku__line_reached(ku__fact_code(frame->f_frame), line_of(frame));
    }
    int result = tell(frame, what);
    if (result == 0 && former.function != NULL) {
        result = former.function(former.object, frame, what, argument);
    }
    return result;
}

void ku__line_hook(void) {
    PyThreadState *thread = PyThreadState_Get();
    if (thread->c_tracefunc != trace) {
        Py_XSETREF(former.object, Py_XNewRef(thread->c_traceobj));
        former.function = thread->c_tracefunc;
        PyEval_SetTrace(trace, NULL);
    }
}

/* A tracer that the program has put in our place meanwhile stays. */
void ku__line_unhook(void) {
    if (PyThreadState_Get()->c_tracefunc == trace) {
        PyEval_SetTrace(former.function, former.object);
    }
    former.function = NULL;
    Py_CLEAR(former.object);
}

PyObject *ku__line_callbacks_call(PyObject *module, PyObject *disable) {
    (void)module;
    (void)disable;
    return PyDict_New();
}

#else

void ku__line_hook(void) {}

void ku__line_unhook(void) {}

/* sys.monitoring.DISABLE: this callback, at this instruction, never again. It lives as long as the interpreter. */
static PyObject *never_again;

static int number_of(PyObject *number) {
    return (int)PyLong_AsLong(number);
}

/* The ints that the interpreter made to call us, newest last. */
static void forget_ints(PyObject *const *numbers, Py_ssize_t count) {
    ku__counts *counts = &ku__thread_counts;
    while (count-- > 0) {
        ku__counts_forget(counts, numbers[count]);
    }
}

static PyObject *none_unless(int failed) {
    return failed != 0 ? NULL : Py_NewRef(Py_None);
}

/* (code, offset) at PY_START and PY_RESUME; (code, offset, exception) at PY_THROW. */
static PyObject *call_event(PyObject *self, PyObject *const *arguments, Py_ssize_t count) {
    (void)self;
    (void)count;
    if (!ku__line_any()) {
        Py_RETURN_NONE;
    }
    forget_ints(arguments + 1, 1);
    int line = PyCode_Addr2Line((PyCodeObject *)arguments[0], number_of(arguments[1]));
    return none_unless(ku__line_called(arguments[0], line));
}

/* PY_START, of all code while a recorder chooses: what nobody wants does not start here again. */
static PyObject *start_event(PyObject *self, PyObject *const *arguments, Py_ssize_t count) {
    PyObject *answer = call_event(self, arguments, count);
    if (answer == Py_None && ku__line_passed(arguments[0])) {
        Py_DECREF(answer);
        return Py_NewRef(never_again);
    }
    return answer;
}

/* (code, line). */
static PyObject *line_event(PyObject *self, PyObject *const *arguments, Py_ssize_t count) {
    (void)self;
    (void)count;
    if (!ku__line_any()) {
        Py_RETURN_NONE;
    }
    forget_ints(arguments + 1, 1);
    return none_unless(ku__line_reached(arguments[0], number_of(arguments[1])));
}

/* (code, offset, value) at PY_RETURN and PY_YIELD, (code, offset, exception) at PY_UNWIND. */
static PyObject *return_event(PyObject *self, PyObject *const *arguments, Py_ssize_t count) {
    (void)self;
    (void)count;
    if (!ku__line_any()) {
        Py_RETURN_NONE;
    }
    forget_ints(arguments + 1, 1);
    return none_unless(ku__line_returned(arguments[0]));
}

/* (code, from, to). */
static PyObject *jump_event(PyObject *self, PyObject *const *arguments, Py_ssize_t count) {
    (void)self;
    (void)count;
    int from = number_of(arguments[1]), to = number_of(arguments[2]);
    PyCodeObject *code = (PyCodeObject *)arguments[0];
    if (to > from) {
        return Py_NewRef(never_again);
    }
    int line = PyCode_Addr2Line(code, to);
    if (line != PyCode_Addr2Line(code, from)) {
        return Py_NewRef(never_again);
    }
    if (!ku__line_any()) {
        Py_RETURN_NONE;
    }
    forget_ints(arguments + 1, 2);
    return none_unless(ku__line_reached(arguments[0], line));
}

#define FAST(function) ((PyCFunction)(void (*)(void))(function))

static PyMethodDef callbacks[] = {
    {"call", FAST(call_event), METH_FASTCALL, NULL}, {"start", FAST(start_event), METH_FASTCALL, NULL},
    {"line", FAST(line_event), METH_FASTCALL, NULL}, {"return", FAST(return_event), METH_FASTCALL, NULL},
    {"jump", FAST(jump_event), METH_FASTCALL, NULL},
};

PyObject *ku__line_callbacks_call(PyObject *module, PyObject *disable) {
    (void)module;
    Py_XSETREF(never_again, Py_NewRef(disable));
    PyObject *all = PyDict_New();
    for (size_t i = 0; all != NULL && i < sizeof callbacks / sizeof *callbacks; i++) {
        PyObject *callback = PyCFunction_New(&callbacks[i], NULL);
        if (callback == NULL || PyDict_SetItemString(all, callbacks[i].ml_name, callback) != 0) {
            Py_CLEAR(all);
        }
        Py_XDECREF(callback);
    }
    return all;
}

#endif
