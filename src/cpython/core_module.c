/* core_module.c: the extension module kucha._corefile: core files (corefile/corefile.h) for Python.
 *
 * It stands apart from kucha._core because it needs libelf, which is not on every machine and is not bundled: where it
 * was built without, or the library is missing, importing it fails, and kucha says what to install. It uses public
 * calls of the interpreter only.
 */
#include "cpython/core_module.h"

#include "corefile/corefile.h"
#include "inspect/graph.h"

#include <errno.h>
#include <kucha/heap_file.h>
#include <limits.h>
#include <stdio.h>

/* A core's own texts, names of files among them, need not be UTF-8. */
static PyObject *text_of(const char *bytes) {
    return PyUnicode_DecodeFSDefault(bytes);
}

/* Raises what fits: OSError with errno and the path, MemoryError, ValueError with the sentence. Returns NULL. */
static PyObject *raise(const ku_error *error, PyObject *path) {
    if (error->code == KU_IO || error->code == KU_GONE || error->code == KU_DENIED) {
        errno = error->code == KU_GONE ? ESRCH : error->os_error;
        return PyErr_SetFromErrnoWithFilenameObject(PyExc_OSError, path);
    }
    PyObject *sentence = text_of(error->message);
    if (sentence != NULL) {
        PyErr_SetObject(error->code == KU_NO_MEMORY ? PyExc_MemoryError : PyExc_ValueError, sentence);
        Py_DECREF(sentence);
    }
    return NULL;
}

typedef struct request {
    ku__core_order order;
    const char *out;
    ku__core_outcome outcome;
    uint32_t nodes, edges;
    bool read; /* the core was; what failed then is the writing */
} request;

static bool serve(request *what, ku_error *error) {
    ku_graph *graph = ku__core_graph(&what->order, &what->outcome, error);
    if (graph == NULL) {
        return false;
    }
    what->read = true;
    what->nodes = graph->nodes;
    what->edges = graph->edges;
    bool written = ku_heap_file_write(graph, what->out, error) == KU_OK;
    ku_graph_close(graph);
    return written;
}

static PyObject *answer_of(const request *what) {
    return Py_BuildValue("{s:I,s:I,s:N,s:O,s:n,s:N,s:d}", "nodes", (unsigned)what->nodes, "edges",
                         (unsigned)what->edges, "runtime", text_of(what->outcome.runtime), "hosted",
                         what->outcome.hosted ? Py_True : Py_False, "missing", (Py_ssize_t)what->outcome.missing,
                         "first_missing", text_of(what->outcome.first_missing), "stopped", what->outcome.stopped);
}

static PyObject *run(request *what, PyObject *paths[4]) {
    ku_error error = {0};
    bool served;
    what->order.path = PyBytes_AS_STRING(paths[0]);
    what->out = PyBytes_AS_STRING(paths[1]);
    what->order.program = paths[2] == NULL ? NULL : PyBytes_AS_STRING(paths[2]);
    what->order.root = paths[3] == NULL ? NULL : PyBytes_AS_STRING(paths[3]);
    Py_BEGIN_ALLOW_THREADS;
    served = serve(what, &error);
    Py_END_ALLOW_THREADS;
    return served ? answer_of(what) : raise(&error, paths[what->read ? 1 : 0]);
}

/* None stands for nothing. */
static int path_or_none(PyObject *value, void *place) {
    return value == Py_None ? 1 : PyUnicode_FSConverter(value, place);
}

static PyObject *write_call(PyObject *module, PyObject *arguments, PyObject *keywords) {
    static const char *const names[] = {"core", "out", "program", "root", NULL};
    PyObject *paths[4] = {NULL};
    request what = {.read = false};
    (void)module;
    PyObject *answer = NULL;
    if (PyArg_ParseTupleAndKeywords(arguments, keywords, "O&O&|O&O&:write", (char **)(uintptr_t)names,
                                    PyUnicode_FSConverter, &paths[0], PyUnicode_FSConverter, &paths[1], path_or_none,
                                    &paths[2], path_or_none, &paths[3])) {
        answer = run(&what, paths);
    }
    for (int i = 0; i < 4; i++) {
        Py_XDECREF(paths[i]);
    }
    return answer;
}

PyDoc_STRVAR(write_doc,
             "write(core, out, program=None, root=None) -> dict\n\n"
             "Writes the heap file `out` of the process that left the core file. `program` is its executable where\n"
             "the core's own name for it is wrong here; `root` is put before the names of its libraries. Raises\n"
             "ValueError with one sentence for what is no core, or one that cannot be read.");

static PyObject *serve_process(request *what, PyObject *number, PyObject *paths[2]) {
    char program[32], root[32];
    ku_error error = {0};
    bool served;
    snprintf(program, sizeof program, "/proc/%u/exe", (unsigned)what->order.process);
    snprintf(root, sizeof root, "/proc/%u/root", (unsigned)what->order.process);
    what->order.program = program;
    what->order.root = root;
    what->out = PyBytes_AS_STRING(paths[0]);
    what->order.folder = PyBytes_AS_STRING(paths[1]);
    Py_BEGIN_ALLOW_THREADS;
    served = serve(what, &error);
    Py_END_ALLOW_THREADS;
    what->order.program = what->order.root = NULL;
    return served ? answer_of(what) : raise(&error, what->read ? paths[0] : number);
}

/* What a thread waits in the kernel for is mostly there in milliseconds, so a tenth of a second is enough to stop those
 * that will stop at all; and a program that stands still for longer is missed. Ten seconds is about the longest that a
 * disk or a server that lives keeps anybody waiting. */
#define HOLD_SECONDS 0.1
#define PATIENCE_SECONDS 10.0

static PyObject *copy_call(PyObject *module, PyObject *arguments, PyObject *keywords) {
    static const char *const names[] = {"process", "out", "folder", "hold", "patience", NULL};
    PyObject *paths[2] = {NULL}, *answer = NULL, *number = NULL;
    request what = {.order = {.hold = HOLD_SECONDS, .patience = PATIENCE_SECONDS}};
    (void)module;
    if (PyArg_ParseTupleAndKeywords(arguments, keywords, "IO&O&|dd:copy", (char **)(uintptr_t)names,
                                    &what.order.process, PyUnicode_FSConverter, &paths[0], PyUnicode_FSConverter,
                                    &paths[1], &what.order.hold, &what.order.patience)) {
        number = PyLong_FromUnsignedLong(what.order.process);
    }
    if (number != NULL && (what.order.process == 0 || what.order.process > INT_MAX)) {
        PyErr_SetString(PyExc_ValueError, "there is no process of this number");
    } else if (number != NULL) {
        answer = serve_process(&what, number, paths);
    }
    Py_XDECREF(number);
    Py_XDECREF(paths[0]);
    Py_XDECREF(paths[1]);
    return answer;
}

PyDoc_STRVAR(
    copy_doc,
    "copy(process, out, folder, hold=0.1, patience=10.0) -> dict\n\n"
    "Writes the heap file `out` of a process that goes on: it is stopped (ptrace) while its memory is copied,\n"
    "into a file without a name in `folder` where that is too large for memory. As write(), and `stopped`,\n"
    "the seconds that it stood still: for `hold` seconds at most if a thread waits in the kernel and cannot be\n"
    "stopped, which is then waited for, with nothing held, for `patience` seconds. Raises ProcessLookupError and\n"
    "PermissionError, too.");

PyDoc_STRVAR(layout_doc,
             "layout_differences() -> list[(name, here, table)]\n\n"
             "Where this interpreter's own headers and the table that cores of its version are read by differ.");

static PyMethodDef methods[] = {
    {"write", (PyCFunction)(void (*)(void))write_call, METH_VARARGS | METH_KEYWORDS, write_doc},
    {"copy", (PyCFunction)(void (*)(void))copy_call, METH_VARARGS | METH_KEYWORDS, copy_doc},
    {"layout_differences", ku__core_layout_call, METH_NOARGS, layout_doc},
    {NULL, NULL, 0, NULL},
};

static PyModuleDef_Slot slots[] = {
#ifdef Py_mod_multiple_interpreters
    {Py_mod_multiple_interpreters, Py_MOD_PER_INTERPRETER_GIL_SUPPORTED},
#endif
    {0, NULL},
};

PyDoc_STRVAR(module_doc, "Core files into heap files. Use `kucha heap core`, or kucha.corefile.");

static PyModuleDef definition = {
    .m_base = PyModuleDef_HEAD_INIT,
    .m_name = "kucha._corefile",
    .m_doc = module_doc,
    .m_size = 0,
    .m_methods = methods,
    .m_slots = slots,
};

PyMODINIT_FUNC PyInit__corefile(void) {
    return PyModuleDef_Init(&definition);
}
