/* process_module.c: the extension module kucha._process, its classes and its table; see process_module.h. */
#include "cpython/process_module.h"

#include <errno.h>

/* ---- named tuples ---- */

#define MEMORY "rss vms shared text lib data dirty"
#define MAP "path rss size pss shared_clean shared_dirty private_clean private_dirty referenced anonymous swap"

/* psutil's names and orders (7.2, Linux), and cgroup, which is ours. */
static const struct {
    const char *name, *fields;
} shapes[KU__TUPLES] = {
    [KU__PMEM] = {"pmem", MEMORY},
    [KU__PFULLMEM] = {"pfullmem", MEMORY " uss pss swap"},
    [KU__PFOOTPRINT] = {"pfootprint", "uss pss swap"},
    [KU__PMMAP_GROUPED] = {"pmmap_grouped", MAP},
    [KU__PMMAP_EXT] = {"pmmap_ext", "addr perms " MAP},
    [KU__PCPUTIMES] = {"pcputimes", "user system children_user children_system iowait"},
    [KU__PCTXSW] = {"pctxsw", "voluntary involuntary"},
    [KU__PUIDS] = {"puids", "real effective saved"},
    [KU__PGIDS] = {"pgids", "real effective saved"},
    [KU__SCPUTIMES] = {"scputimes", "user nice system idle iowait irq softirq steal guest guest_nice"},
    [KU__CGROUP] = {"cgroup_limits",
                    "version cpu_version pids_version path memory_limit memory_high memory_used memory_peak "
                    "memory_reclaimable swap_limit memory_swap_limit swap_used oom_kills cpus pids_limit "
                    "pids_used"},
};

static PyObject *make_tuple(PyObject *factory, const char *name, const char *fields) {
    PyObject *arguments = Py_BuildValue("(ss)", name, fields);
    PyObject *keywords = Py_BuildValue("{s:s}", "module", "kucha.psutil");
    PyObject *made = arguments != NULL && keywords != NULL ? PyObject_Call(factory, arguments, keywords) : NULL;
    Py_XDECREF(arguments);
    Py_XDECREF(keywords);
    return made;
}

static int make_tuples(PyObject *module) {
    ku__process_module *state = ku__process_module_of(module);
    PyObject *collections = PyImport_ImportModule("collections");
    PyObject *factory = collections != NULL ? PyObject_GetAttrString(collections, "namedtuple") : NULL;
    int result = factory != NULL ? 0 : -1;
    for (int kind = 0; kind < KU__TUPLES && result == 0; kind++) {
        state->tuples[kind] = make_tuple(factory, shapes[kind].name, shapes[kind].fields);
        result =
            state->tuples[kind] != NULL ? PyModule_AddObjectRef(module, shapes[kind].name, state->tuples[kind]) : -1;
    }
    Py_XDECREF(factory);
    Py_XDECREF(collections);
    return result;
}

/* By way of tuple's own constructor, which is what the class's does: memory for a tuple of a subclass, filled in by
 * hand, would miss what newer interpreters keep in it beside the items (3.14: the hash). */
PyObject *ku__named(const ku__process_module *state, ku__tuple kind, PyObject **values, Py_ssize_t count) {
    PyObject *plain = PyTuple_New(count);
    bool failed = plain == NULL;
    for (Py_ssize_t index = 0; index < count; index++) {
        failed = failed || values[index] == NULL;
        if (plain != NULL) {
            PyTuple_SET_ITEM(plain, index, values[index]);
        } else {
            Py_XDECREF(values[index]);
        }
    }
    PyObject *arguments = failed ? NULL : PyTuple_Pack(1, plain);
    PyObject *named =
        arguments != NULL ? PyTuple_Type.tp_new((PyTypeObject *)state->tuples[kind], arguments, NULL) : NULL;
    Py_XDECREF(arguments);
    Py_XDECREF(plain);
    return named;
}

enum { MOST_VALUES = 16 };

PyObject *ku__named_sizes(const ku__process_module *state, ku__tuple kind, const uint64_t *values, Py_ssize_t count) {
    PyObject *objects[MOST_VALUES];
    for (Py_ssize_t index = 0; index < count; index++) {
        objects[index] = PyLong_FromUnsignedLongLong(values[index]);
    }
    return ku__named(state, kind, objects, count);
}

PyObject *ku__named_seconds(const ku__process_module *state, ku__tuple kind, const double *values, Py_ssize_t count) {
    PyObject *objects[MOST_VALUES];
    for (Py_ssize_t index = 0; index < count; index++) {
        objects[index] = PyFloat_FromDouble(values[index]);
    }
    return ku__named(state, kind, objects, count);
}

/* ---- errors ---- */

PyObject *ku__raise_system(const ku_error *error, const char *path) {
    if (error->code == KU_NO_MEMORY) {
        return PyErr_NoMemory();
    }
    if (error->os_error == 0 || error->code == KU_INVALID) {
        PyErr_SetString(error->code == KU_INVALID ? PyExc_ValueError : PyExc_OSError, error->message);
        return NULL;
    }
    /* OSError picks the class that fits errno. */
    PyObject *arguments = path != NULL ? Py_BuildValue("(isN)", error->os_error, strerror(error->os_error),
                                                       PyUnicode_DecodeFSDefault(path))
                                       : Py_BuildValue("(is)", error->os_error, error->message);
    PyObject *exception = arguments != NULL ? PyObject_Call(PyExc_OSError, arguments, NULL) : NULL;
    if (exception != NULL) {
        PyErr_SetObject((PyObject *)Py_TYPE(exception), exception);
    }
    Py_XDECREF(exception);
    Py_XDECREF(arguments);
    return NULL;
}

/* ---- the module ---- */

static int execute(PyObject *module) {
    ku__process_module *state = ku__process_module_of(module);
    if (make_tuples(module) != 0) {
        return -1;
    }
    state->process = ku__process_type_new(module);
    state->rusage = ku__rusage_type_new();
    if (state->process == NULL || state->rusage == NULL) {
        return -1;
    }
    if (PyModule_AddObjectRef(module, "Process", state->process) != 0 ||
        PyModule_AddObjectRef(module, "struct_rusage", state->rusage) != 0) {
        return -1;
    }
    if (PyModule_AddFunctions(module, ku__system_functions) != 0 ||
        PyModule_AddFunctions(module, ku__resource_functions) != 0 || ku__sampler_type_add(module) != 0) {
        return -1;
    }
    return ku__resource_constants(module);
}

static int traverse(PyObject *module, visitproc visit, void *arg) {
    ku__process_module *state = ku__process_module_of(module);
    for (int kind = 0; kind < KU__TUPLES; kind++) {
        Py_VISIT(state->tuples[kind]);
    }
    Py_VISIT(state->rusage);
    Py_VISIT(state->process);
    return 0;
}

static int clear(PyObject *module) {
    ku__process_module *state = ku__process_module_of(module);
    for (int kind = 0; kind < KU__TUPLES; kind++) {
        Py_CLEAR(state->tuples[kind]);
    }
    Py_CLEAR(state->rusage);
    Py_CLEAR(state->process);
    return 0;
}

static PyModuleDef_Slot slots[] = {
    {Py_mod_exec, execute},
#ifdef Py_mod_multiple_interpreters
    {Py_mod_multiple_interpreters, Py_MOD_PER_INTERPRETER_GIL_SUPPORTED},
#endif
    {0, NULL},
};

PyDoc_STRVAR(module_doc, "Processes, the machine, limits and usage. Use kucha.psutil and kucha.resource.");

static PyModuleDef definition = {
    .m_base = PyModuleDef_HEAD_INIT,
    .m_name = "kucha._process",
    .m_doc = module_doc,
    .m_size = sizeof(ku__process_module),
    .m_slots = slots,
    .m_traverse = traverse,
    .m_clear = clear,
};

PyMODINIT_FUNC PyInit__process(void) {
    return PyModuleDef_Init(&definition);
}
