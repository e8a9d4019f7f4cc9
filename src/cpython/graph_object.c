/* graph_object.c: kucha._core.Graph, which is a heap file that is open, and heap_dump(), which writes one. */
#include "cpython/graph_object.h"

#include "cpython/bridge.h"
#include "cpython/graph_copies.h"
#include "cpython/module.h"
#include "inspect/graph.h"

#include <kucha/heap_file.h>
#include <string.h>

typedef unsigned long long wide; /* what "K" of Py_BuildValue takes */

typedef struct graph_object {
    PyObject_HEAD ku_graph *graph;
} graph_object;

static ku_graph *graph_in(PyObject *self) {
    return ((graph_object *)(void *)self)->graph;
}

static void dealloc(PyObject *self) {
    PyTypeObject *type = Py_TYPE(self);
    ku_graph_close(graph_in(self));
    type->tp_free(self);
    Py_DECREF(type);
}

ku_graph *ku__graph_of(PyObject *module, PyObject *object) {
    if (!Py_IS_TYPE(object, (PyTypeObject *)ku__state_of(module)->graph_type)) {
        PyErr_SetString(PyExc_TypeError, "a kucha._core.Graph is needed");
        return NULL;
    }
    return graph_in(object);
}

/* ---- reading ---- */

static PyObject *text(const ku_graph *graph, uint32_t number) {
    if (number == KU_GRAPH_NONE) {
        return Py_NewRef(Py_None);
    }
    ku_text found = ku_graph_text(graph, number);
    return ku__text(found.bytes, found.size);
}

static PyObject *info_call(PyObject *self, PyObject *ignored) {
    (void)ignored;
    const ku_graph *graph = graph_in(self);
    ku_graph_info info;
    ku_graph_info_read(graph, &info);
    return Py_BuildValue("{s:d,s:I,s:s,s:d,s:d,s:K,s:N,s:N,s:N,s:I,s:I,s:I,s:I}", "taken", info.taken, "process",
                         (unsigned)info.process, "reason", ku_graph_reason_name(info.reason), "stopped", info.stopped,
                         "lasted", info.lasted, "allocated", (wide)info.allocated, "program", text(graph, info.program),
                         "runtime", text(graph, info.runtime), "note", text(graph, info.note), "nodes",
                         (unsigned)graph->nodes, "edges", (unsigned)graph->edges, "types", (unsigned)graph->types,
                         "sites", (unsigned)graph->sites);
}

/* A number below `most`, as an argument; KU_GRAPH_NONE with an exception. */
static uint32_t number_below(PyObject *argument, uint32_t most, const char *what) {
    unsigned long number = PyLong_AsUnsignedLong(argument);
    if (number == (unsigned long)-1 && PyErr_Occurred()) {
        return KU_GRAPH_NONE;
    }
    if (number >= most) {
        PyErr_Format(PyExc_IndexError, "there is no %s %lu", what, number);
        return KU_GRAPH_NONE;
    }
    return (uint32_t)number;
}

static PyObject *node_call(PyObject *self, PyObject *argument) {
    const ku_graph *graph = graph_in(self);
    uint32_t node = number_below(argument, graph->nodes, "node");
    if (node == KU_GRAPH_NONE) {
        return NULL;
    }
    ku_node read;
    ku_graph_node_read(graph, node, &read);
    const ku_node_type *type = &graph->type_table[read.type];
    return Py_BuildValue("{s:K,s:I,s:N,s:N,s:K,s:K,s:I,s:N,s:I,s:I,s:I}", "address", (wide)read.address, "type_number",
                         (unsigned)read.type, "module", text(graph, type->module), "type", text(graph, type->name),
                         "size", (wide)read.size, "slack", (wide)read.slack, "count", (unsigned)read.count, "label",
                         text(graph, read.label), "flags", (unsigned)read.flags, "age", (unsigned)read.age, "site",
                         (unsigned)read.site);
}

static PyObject *edge_of(const ku_graph *graph, uint32_t node, uint32_t position, uint32_t target) {
    char name[KU_GRAPH_EDGE_TEXT];
    ku_graph_edge_text(graph, node, position, name, sizeof name);
    return Py_BuildValue("(IN)", (unsigned)target, ku__text(name, strlen(name)));
}

static PyObject *edges_call(PyObject *self, PyObject *argument) {
    const ku_graph *graph = graph_in(self);
    uint32_t count, node = number_below(argument, graph->nodes, "node");
    if (node == KU_GRAPH_NONE) {
        return NULL;
    }
    const uint32_t *targets = ku_graph_targets(graph, node, &count);
    PyObject *list = PyList_New((Py_ssize_t)count);
    for (uint32_t i = 0; list != NULL && i < count; i++) {
        PyObject *edge = edge_of(graph, node, i, targets[i]);
        if (edge == NULL) {
            Py_CLEAR(list);
        } else {
            PyList_SET_ITEM(list, (Py_ssize_t)i, edge);
        }
    }
    return list;
}

static PyObject *referrers_call(PyObject *self, PyObject *argument) {
    ku_graph *graph = graph_in(self);
    uint32_t count, node = number_below(argument, graph->nodes, "node");
    if (node == KU_GRAPH_NONE) {
        return NULL;
    }
    ku_error error = {0};
    const uint32_t *holders = ku_graph_referrers(graph, node, &count, &error);
    if (holders == NULL) {
        return PyErr_NoMemory();
    }
    PyObject *list = PyList_New((Py_ssize_t)count);
    for (uint32_t i = 0; list != NULL && i < count; i++) {
        PyObject *number = PyLong_FromUnsignedLong(holders[i]);
        if (number == NULL) {
            Py_CLEAR(list);
        } else {
            PyList_SET_ITEM(list, (Py_ssize_t)i, number);
        }
    }
    return list;
}

static PyObject *find_call(PyObject *self, PyObject *argument) {
    wide address = PyLong_AsUnsignedLongLong(argument);
    if (address == (wide)-1 && PyErr_Occurred()) {
        return NULL;
    }
    uint32_t node = ku_graph_node_at(graph_in(self), address);
    return node == KU_GRAPH_NONE ? Py_NewRef(Py_None) : PyLong_FromUnsignedLong(node);
}

/* Objects and bytes by type, in one walk: (module, name, objects, bytes, slack), most bytes first is the caller's. */
static PyObject *types_call(PyObject *self, PyObject *ignored) {
    (void)ignored;
    const ku_graph *graph = graph_in(self);
    struct sums {
        uint64_t nodes, bytes, slack;
    } *sums = PyMem_RawCalloc(graph->types, sizeof *sums);
    if (sums == NULL) {
        return PyErr_NoMemory();
    }
    for (uint32_t node = 0; node < graph->nodes; node++) {
        struct sums *of = &sums[ku__graph_type(graph, node)];
        of->nodes++;
        of->bytes += ku__graph_size(graph, node);
        of->slack += ku__graph_slack(graph, node);
    }
    PyObject *list = PyList_New(0);
    for (uint32_t i = 0; list != NULL && i < graph->types; i++) {
        const ku_node_type *type = &graph->type_table[i];
        PyObject *row = Py_BuildValue("(NNKKK)", text(graph, type->module), text(graph, type->name),
                                      (wide)sums[i].nodes, (wide)sums[i].bytes, (wide)sums[i].slack);
        if (row == NULL || PyList_Append(list, row) != 0) {
            Py_CLEAR(list);
        }
        Py_XDECREF(row);
    }
    PyMem_RawFree(sums);
    return list;
}

static PyMethodDef methods[] = {
    {"info", info_call, METH_NOARGS, "info() -> dict\n\nWhen and why it was taken, and how much is in it."},
    {"node", node_call, METH_O, "node(number) -> dict"},
    {"edges", edges_call, METH_O, "edges(number) -> list[(target, name)]\n\nWhat a node holds."},
    {"referrers", referrers_call, METH_O, "referrers(number) -> list[int]\n\nWho holds a node."},
    {"find", find_call, METH_O, "find(address) -> int | None\n\nThe node that begins at an address."},
    {"types", types_call, METH_NOARGS, "types() -> list[(module, name, objects, bytes, slack)]"},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_dealloc, dealloc},
    {Py_tp_methods, methods},
    {Py_tp_doc, (void *)(uintptr_t) "A heap file that is open: nodes and the edges between them."},
    {0, NULL},
};

static PyType_Spec spec = {
    .name = "kucha._core.Graph",
    .basicsize = sizeof(graph_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = slots,
};

KU__AT_IMPORT PyObject *ku__graph_type_new(PyObject *module) {
    return PyType_FromModuleAndSpec(module, &spec, NULL);
}

/* ---- functions of the module ---- */

PyObject *ku__heap_open_call(PyObject *module, PyObject *argument) {
    PyObject *path;
    if (!PyUnicode_FSConverter(argument, &path)) {
        return NULL;
    }
    ku_error error = {0};
    ku_graph *graph;
    const char *name = PyBytes_AS_STRING(path);
    Py_BEGIN_ALLOW_THREADS;
    graph = ku_heap_file_open(name, &error);
    Py_END_ALLOW_THREADS;
    PyObject *made = NULL;
    if (graph == NULL && error.code == KU_CORRUPT) {
        PyErr_SetString(PyExc_ValueError, error.message);
    } else if (graph == NULL) {
        ku__raise(module, &error, name);
    } else {
        PyTypeObject *type = (PyTypeObject *)ku__state_of(module)->graph_type;
        made = type->tp_alloc(type, 0);
        if (made == NULL) {
            ku_graph_close(graph);
        } else {
            ((graph_object *)(void *)made)->graph = graph;
        }
    }
    Py_DECREF(path);
    return made;
}

PyObject *ku__dump_outcome_object(const ku__dump_outcome *outcome) {
    return Py_BuildValue("{s:d,s:d,s:K,s:K,s:K,s:I,s:l}", "stopped", outcome->stopped, "lasted", outcome->lasted,
                         "nodes", (wide)outcome->nodes, "edges", (wide)outcome->edges, "bytes", (wide)outcome->bytes,
                         "banned", (unsigned)outcome->banned, "copy", (long)outcome->copy);
}

PyObject *ku__heap_wait_call(PyObject *module, PyObject *arguments) {
    long copy = 0;
    char path[PATH_MAX];
    ku__dump_outcome outcome;
    if (!PyArg_ParseTuple(arguments, "|l:heap_wait", &copy) || !ku__require_main(module)) {
        return NULL;
    }
    if (!ku__copies_wait((pid_t)copy, &outcome, path)) {
        Py_RETURN_NONE;
    }
    return outcome.error.code == KU_OK ? ku__dump_outcome_object(&outcome) : ku__raise(module, &outcome.error, path);
}

PyObject *ku__heap_dump_call(PyObject *module, PyObject *arguments, PyObject *keywords) {
    static const char *const names[] = {"path", "reason", "program", "wait", "equals", NULL};
    PyObject *path;
    int reason = KU_GRAPH_REQUESTED, wait = 1, equals = 1;
    const char *program = "";
    if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "O&|ispp:heap_dump", KU__KEYWORDS(names),
                                     PyUnicode_FSConverter, &path, &reason, &program, &wait, &equals)) {
        return NULL;
    }
    PyObject *answer = NULL;
    ku__dump_outcome outcome = {0};
    if (!ku__require_main(module)) {
        answer = NULL;
    } else if (!ku__bridge_state.installed) {
        ku__refuse(module, "kucha is not installed under this interpreter; call install() first");
    } else if (reason < 0 || reason >= KU_GRAPH_REASONS) {
        PyErr_SetString(PyExc_ValueError, "there is no such reason");
    } else if (ku__dump_heap(PyBytes_AS_STRING(path), (ku_graph_reason)reason, program, wait != 0, equals != 0,
                             &outcome) &&
               outcome.error.code == KU_OK) {
        answer = ku__dump_outcome_object(&outcome);
    } else if (!PyErr_Occurred()) {
        ku__raise(module, &outcome.error, PyBytes_AS_STRING(path));
    }
    Py_DECREF(path);
    return answer;
}
