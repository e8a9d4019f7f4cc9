/* selfcheck.c: see selfcheck.h.
 *
 * The probe is a piece of Python that calls back from places where frames differ: a plain call, a call through C (map,
 * which makes an entry frame from 3.12 on), a generator, a coroutine, a method of a class. At each the stack is walked
 * twice, by the facts and by the public functions of Doc/c-api/frame.rst, and must agree in every code object and every
 * instruction; and the line decoded from the line table must be the one that the interpreter gives.
 */
#include "cpython/facts.h"

#include "cpython/selfcheck.h"

#include <kucha/group.h>
#include <stdio.h>

static const char PROBE[] =
    "def called():\n"
    "    return check()\n"
    "class Holder:\n"
    "    def method(self, x):\n"
    "        y = [x,\n"
    "             called()]\n"
    "        return y\n"
    "def generator():\n"
    "    yield Holder().method(1)\n"
    "async def coroutine():\n"
    "    return list(map(Holder().method, (1, 2)))\n"
    "def run():\n"
    "    check()\n"
    "    list(map(lambda x: called(), (1, 2)))\n"
    "    sorted((2, 1), key=Holder().method)\n"
    "    next(generator())\n"
    "    c = coroutine()\n"
    "    try:\n"
    "        c.send(None)\n"
    "    except StopIteration:\n"
    "        pass\n"
    "for i in range(3):\n"
    "    run()\n";

enum { PROBE_CALLS_LEAST = 3 * 8 }; /* how often `check` is called above, so that a probe that does nothing is seen */

typedef struct findings {
    char reason[200];
    int calls;
} findings;

static findings found;

static void mismatch(const char *what) {
    if (found.reason[0] == '\0') {
        snprintf(found.reason, sizeof found.reason,
                 "this interpreter (%d.%d.%d) does not answer as kucha expects of its version: %s",
                 (int)(Py_Version >> 24), (int)(Py_Version >> 16 & 0xff), (int)(Py_Version >> 8 & 0xff), what);
    }
}

/* ---- the stack, walked twice ---- */

static const ku__frame_of_python *skip_entries(const ku__frame_of_python *frame) {
    while (frame != NULL && !ku__fact_has_code(frame)) {
        frame = ku__fact_back(frame);
    }
    return frame;
}

static int decoded_line(PyCodeObject *code, int offset) {
    return ku_line_of((const uint8_t *)PyBytes_AS_STRING(code->co_linetable),
                      (size_t)PyBytes_GET_SIZE(code->co_linetable), code->co_firstlineno, (uint32_t)offset);
}

static void compare_frame(const ku__frame_of_python *frame, PyFrameObject *public_frame) {
    PyCodeObject *code = PyFrame_GetCode(public_frame);
    int offset = PyFrame_GetLasti(public_frame);
    if (ku__fact_code(frame) != code) {
        mismatch("a frame's code object is not where it should be");
    } else if ((intptr_t)(ku__fact_instruction(frame) - ku__fact_bytecode(code)) != offset) {
        mismatch("a frame's instruction is not where it should be");
    } else if (decoded_line(code, offset) != PyFrame_GetLineNumber(public_frame)) {
        mismatch("a code object's line table does not give the line that the interpreter gives");
    }
    Py_DECREF(code);
}

/* Called by the probe. Stops at the first mismatch, because a wrong frame must not be followed. */
static PyObject *check(PyObject *self, PyObject *arguments) {
    (void)self;
    (void)arguments;
    found.calls++;
    PyThreadState *thread = PyThreadState_Get();
    if (ku__fact_thread() != thread || !ku__fact_holds_lock()) {
        mismatch("the running thread's state is not where it should be");
        Py_RETURN_NONE;
    }
    const ku__frame_of_python *frame = skip_entries(ku__fact_top(thread));
    PyFrameObject *public_frame = PyThreadState_GetFrame(thread);
    while (found.reason[0] == '\0' && frame != NULL && public_frame != NULL) {
        compare_frame(frame, public_frame);
        PyFrameObject *back = PyFrame_GetBack(public_frame);
        Py_DECREF(public_frame);
        public_frame = back;
        frame = skip_entries(ku__fact_back(frame));
    }
    if (found.reason[0] == '\0' && (frame != NULL) != (public_frame != NULL)) {
        mismatch("the stack of frames does not end where it should");
    }
    Py_XDECREF(public_frame);
    Py_RETURN_NONE;
}

static PyMethodDef check_method = {"check", check, METH_NOARGS, NULL};

/* ---- what needs no frames ---- */

static void check_version(void) {
    unsigned long compiled = PY_VERSION_HEX >> 16, running = Py_Version >> 16;
    if (compiled != running) {
        snprintf(found.reason, sizeof found.reason, "this kucha was built for CPython %lu.%lu and runs under %lu.%lu",
                 compiled >> 8, compiled & 0xff, running >> 8, running & 0xff);
    } else if (!KU__FACTS_SUPPORTED) {
#ifdef Py_GIL_DISABLED
        snprintf(found.reason, sizeof found.reason,
                 "free-threaded builds of CPython are not supported: without a GIL "
                 "objects must come from the interpreter's own allocator");
#else
        snprintf(found.reason, sizeof found.reason, "CPython %lu.%lu is not a version that kucha knows (3.11 to 3.15)",
                 running >> 8, running & 0xff);
#endif
    } else if ((int)(Py_Version >> 8 & 0xff) < KU__FACTS_LEAST_MICRO) {
        snprintf(found.reason, sizeof found.reason, "CPython %lu.%lu.%lu is too old: kucha needs %lu.%lu.%d or later",
                 running >> 8, running & 0xff, Py_Version >> 8 & 0xff, running >> 8, running & 0xff,
                 KU__FACTS_LEAST_MICRO);
    }
}

static void check_interpreter(void) {
    PyInterpreterState *interpreter = PyInterpreterState_Get();
    enum { NEVER_GIVEN = -7 };
    int64_t id = ku__fact_interpreter_id(interpreter);
    bool one_pair_of_heaps = PY_VERSION_HEX < 0x030C0000;
    if (!one_pair_of_heaps && (id != PyInterpreterState_GetID(interpreter) || !ku__fact_interpreter_lives(id) ||
                               ku__fact_interpreter_lives(NEVER_GIVEN))) {
        mismatch("the list of interpreters is not where it should be");
    }
}

/* A thread that has given up the GIL must be seen to have done so. */
static void check_lock(void) {
    PyThreadState *thread = PyEval_SaveThread();
    bool holds = ku__fact_holds_lock();
    PyEval_RestoreThread(thread);
    if (holds) {
        mismatch("a thread that gave up the GIL still seems to hold it");
    }
}

static PyObject *run_probe(void) {
    PyObject *code = Py_CompileString(PROBE, "<kucha probe>", Py_file_input);
    PyObject *names = code == NULL ? NULL : PyDict_New();
    PyObject *function = names == NULL ? NULL : PyCFunction_New(&check_method, NULL);
    PyObject *result = NULL;
    if (function != NULL && PyDict_SetItemString(names, "check", function) == 0 &&
        PyDict_SetItemString(names, "__builtins__", PyEval_GetBuiltins()) == 0) {
        result = PyEval_EvalCode(code, names, names);
    }
    Py_XDECREF(function);
    if (names != NULL) {
        PyDict_Clear(names); /* its functions refer to it */
    }
    Py_XDECREF(names);
    Py_XDECREF(code);
    return result;
}

static void check_frames(void) {
    PyObject *result = run_probe();
    if (result == NULL) {
        PyErr_Clear();
        mismatch("a small piece of Python that checks frames could not be run");
    }
    Py_XDECREF(result);
    if (found.calls < PROBE_CALLS_LEAST) {
        mismatch("a small piece of Python that checks frames did not run to its end");
    }
}

/* Not a check that can fail: where the quick way is not found, the slow one is taken. */
static void find_thread_slot(void) {
#if KU__FACTS_SUPPORTED && PY_VERSION_HEX >= 0x030C0000
    ku__thread_slot_find();
#endif
}

bool ku__selfcheck(char *reason, size_t size) {
    static bool done;
    if (!done) {
        done = true;
        check_version();
        void (*const checks[])(void) = {find_thread_slot, check_interpreter, check_lock, check_frames};
        for (size_t i = 0; i < sizeof checks / sizeof checks[0] && found.reason[0] == '\0'; i++) {
            checks[i]();
        }
    }
    snprintf(reason, size, "%s", found.reason);
    return found.reason[0] == '\0';
}

/* ---- what is switched on in this process ---- */

/* from.method() as a truth; false where any of it is missing. */
static bool ask(PyObject *from, const char *method) {
    PyObject *answer = from == NULL ? NULL : PyObject_CallMethod(from, method, NULL);
    bool truth = answer != NULL && PyObject_IsTrue(answer) == 1;
    Py_XDECREF(answer);
    PyErr_Clear();
    return truth;
}

bool ku__jit_enabled(void) {
    return ask(PySys_GetObject("_jit"), "is_enabled");
}

/* Declared in Include/cpython/pymem.h until 3.12 and in Include/internal/pycore_pymem.h later; exported by all. */
extern const char *_PyMem_GetCurrentAllocatorName(void);

static bool module_loaded(const char *name) {
    PyObject *modules = PySys_GetObject("modules");
    return modules != NULL && PyDict_Check(modules) && PyDict_GetItemString(modules, name) != NULL;
}

bool ku__tracemalloc_runs(void) {
    PyObject *module = PyImport_ImportModule("_tracemalloc");
    bool runs = ask(module, "is_tracing");
    Py_XDECREF(module);
    PyErr_Clear();
    return runs;
}

bool ku__stock_allocators(char *reason, size_t size) {
    const char *name = _PyMem_GetCurrentAllocatorName();
    if (name != NULL && strcmp(name, "pymalloc") == 0) {
        return true;
    }
    if (ku__tracemalloc_runs()) {
        snprintf(reason, size,
                 "tracemalloc is tracing: stop it first, because it would later take kucha's memory for its own");
    } else if (name != NULL && strstr(name, "debug") != NULL) {
        snprintf(reason, size, "the interpreter's debug allocator is in place (-X dev or PYTHONMALLOC=%s)", name);
    } else if (name != NULL) {
        snprintf(reason, size, "PYTHONMALLOC=%s has chosen another allocator", name);
    } else if (module_loaded("memray")) {
        snprintf(reason, size, "memray is tracking: only one tool can stand in front of the interpreter's allocator");
    } else {
        snprintf(reason, size, "another tool has already put its own allocator in front of the interpreter's");
    }
    return false;
}
