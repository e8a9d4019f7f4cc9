/* analysis_read.c: nodes, edges, birthplaces and columns of a heap as Python values. */
#include "cpython/analysis.h"

#include <kucha/histogram.h>
#include <string.h>

typedef unsigned long long wide;

static ku__analysis *of(PyObject *self) {
    return (ku__analysis *)self;
}

static PyObject *text_number(const ku_graph *graph, uint32_t number) {
    ku_text text = ku_graph_text(graph, number);
    return number == KU_GRAPH_NONE ? Py_NewRef(Py_None) : ku__text(text.bytes, text.size);
}

PyObject *ku__analysis_info(PyObject *self, PyObject *arguments) {
    (void)arguments;
    const ku_graph *graph = of(self)->graph;
    ku_graph_info info;
    ku_graph_info_read(graph, &info);
    return Py_BuildValue("{s:I,s:I,s:I,s:I,s:d,s:I,s:s,s:d,s:d,s:K,s:N,s:N,s:N,s:O}", "nodes",
                         ku_graph_node_count(graph), "edges", ku_graph_edge_count(graph), "types",
                         ku_graph_type_count(graph), "sites", ku_graph_site_count(graph), "taken", info.taken,
                         "process", info.process, "reason", ku_graph_reason_name(info.reason), "stopped", info.stopped,
                         "lasted", info.lasted, "allocated", (wide)info.allocated, "program",
                         text_number(graph, info.program), "runtime", text_number(graph, info.runtime), "note",
                         text_number(graph, info.note), "has_values", info.has_values != 0 ? Py_True : Py_False);
}

static PyObject *describe(const ku_graph *graph, uint32_t number) {
    char type[KU__NODE_TEXT], text[KU__NODE_TEXT];
    ku_node node;
    ku_graph_node_read(graph, number, &node);
    ku_graph_type_text(graph, node.type, type, sizeof type);
    ku_graph_node_text(graph, number, text, sizeof text);
    return Py_BuildValue("(KNKKIIIINN)", (wide)node.address, ku__analysis_text(type), (wide)node.size, (wide)node.slack,
                         (unsigned)node.count, (unsigned)node.flags, (unsigned)node.age, (unsigned)node.site,
                         text_number(graph, node.label), ku__analysis_text(text));
}

PyObject *ku__analysis_node(PyObject *self, PyObject *arguments) {
    PyObject *number;
    uint32_t node;
    if (!PyArg_ParseTuple(arguments, "O:node", &number) || !ku__analysis_node_of(of(self), number, &node)) {
        return NULL;
    }
    return describe(of(self)->graph, node);
}

/* ---- edges ---- */

static PyObject *edge_text(const ku_graph *graph, uint32_t node, uint32_t position) {
    char text[KU_GRAPH_EDGE_TEXT];
    return ku__analysis_text(ku_graph_edge_text(graph, node, position, text, sizeof text));
}

static bool append(PyObject *list, PyObject *item) {
    bool done = item != NULL && PyList_Append(list, item) == 0;
    Py_XDECREF(item);
    return done;
}

static bool parse_node_and_most(PyObject *self, PyObject *arguments, uint32_t *node, uint32_t *most) {
    PyObject *number;
    unsigned int limit;
    if (!PyArg_ParseTuple(arguments, "OI", &number, &limit) || !ku__analysis_node_of(of(self), number, node)) {
        return false;
    }
    *most = limit;
    return true;
}

PyObject *ku__analysis_references(PyObject *self, PyObject *arguments) {
    uint32_t node, most, count;
    if (!parse_node_and_most(self, arguments, &node, &most)) {
        return NULL;
    }
    const ku_graph *graph = of(self)->graph;
    const uint32_t *targets = ku_graph_targets(graph, node, &count);
    PyObject *list = PyList_New(0);
    for (uint32_t i = 0; list != NULL && i < count && i < most; i++) {
        if (!append(list, Py_BuildValue("(NI)", edge_text(graph, node, i), (unsigned)targets[i]))) {
            Py_CLEAR(list);
        }
    }
    return list;
}

/* The name of the first edge of `from` that leads to `to`, at or after *position, which goes on behind it. */
static PyObject *name_between(const ku_graph *graph, uint32_t from, uint32_t to, uint32_t *position) {
    uint32_t count;
    const uint32_t *targets = ku_graph_targets(graph, from, &count);
    while (*position < count && targets[*position] != to) {
        ++*position;
    }
    return *position < count ? edge_text(graph, from, (*position)++) : ku__analysis_text("");
}

PyObject *ku__analysis_referrers(PyObject *self, PyObject *arguments) {
    uint32_t node, most, count, position = 0;
    ku_error error;
    if (!parse_node_and_most(self, arguments, &node, &most)) {
        return NULL;
    }
    const uint32_t *holders = ku_graph_referrers(of(self)->graph, node, &count, &error);
    if (holders == NULL) {
        return ku__analysis_raise(&error);
    }
    PyObject *list = PyList_New(0);
    for (uint32_t i = 0; list != NULL && i < count && i < most; i++) {
        position = i > 0 && holders[i - 1] == holders[i] ? position : 0;
        PyObject *name = name_between(of(self)->graph, holders[i], node, &position);
        if (!append(list, Py_BuildValue("(IN)", (unsigned)holders[i], name))) {
            Py_CLEAR(list);
        }
    }
    return list == NULL ? NULL : Py_BuildValue("(IN)", (unsigned)count, list);
}

PyObject *ku__analysis_edge(PyObject *self, PyObject *arguments) {
    PyObject *first, *second;
    uint32_t from, to, position = 0;
    if (!PyArg_ParseTuple(arguments, "OO:edge", &first, &second) || !ku__analysis_node_of(of(self), first, &from) ||
        !ku__analysis_node_of(of(self), second, &to)) {
        return NULL;
    }
    return name_between(of(self)->graph, from, to, &position);
}

PyObject *ku__analysis_node_at(PyObject *self, PyObject *arguments) {
    unsigned long long address;
    if (!PyArg_ParseTuple(arguments, "K:node_at", &address)) {
        return NULL;
    }
    uint32_t node = ku_graph_node_at(of(self)->graph, address);
    return node == KU_GRAPH_NONE ? Py_NewRef(Py_None) : PyLong_FromUnsignedLong(node);
}

PyObject *ku__analysis_site(PyObject *self, PyObject *arguments) {
    enum { FRAMES = 256 };
    ku_graph_frame frames[FRAMES];
    unsigned int site;
    if (!PyArg_ParseTuple(arguments, "I:site", &site)) {
        return NULL;
    }
    const ku_graph *graph = of(self)->graph;
    size_t count =
        site == 0 || site >= ku_graph_site_count(graph) ? 0 : ku_graph_site_read(graph, site, frames, FRAMES);
    PyObject *list = PyList_New(0);
    for (size_t i = 0; list != NULL && i < count && i < FRAMES; i++) {
        PyObject *frame = Py_BuildValue("(NNi)", text_number(graph, frames[i].function),
                                        text_number(graph, frames[i].file), (int)frames[i].line);
        if (!append(list, frame)) {
            Py_CLEAR(list);
        }
    }
    return list;
}

PyObject *ku__analysis_type_names(PyObject *self, PyObject *arguments) {
    (void)arguments;
    const ku_graph *graph = of(self)->graph;
    PyObject *list = PyList_New(0);
    for (uint32_t i = 0; list != NULL && i < ku_graph_type_count(graph); i++) {
        ku_node_type type;
        ku_graph_type_read(graph, i, &type);
        if (!append(list, Py_BuildValue("(NN)", text_number(graph, type.module), text_number(graph, type.name)))) {
            Py_CLEAR(list);
        }
    }
    return list;
}

/* ---- columns ---- */

static const struct column {
    const char *name;
    uint8_t width; /* bytes an entry */
} columns[] = {{"address", 8}, {"size", 8}, {"type", 4}, {"site", 4}, {"flags", 1}, {"age", 1}, {"first", 4}};

static uint64_t entry(const ku_graph *graph, size_t column, uint32_t node) {
    ku_node read;
    switch (column) {
    case 0: return ku_graph_address(graph, node);
    case 1: return ku_graph_size(graph, node);
    case 2: return ku_graph_type(graph, node);
    case 3: return ku_graph_site(graph, node);
    case 4: return ku_graph_flags(graph, node);
    default: ku_graph_node_read(graph, node, &read); return read.age;
    }
}

static void fill_column(const ku_graph *graph, size_t column, uint8_t *out) {
    uint32_t sum = 0, count;
    for (uint32_t v = 0; v < ku_graph_node_count(graph); v++) {
        bool edges = column == sizeof columns / sizeof columns[0] - 1;
        uint64_t value = edges ? sum : entry(graph, column, v);
        memcpy(out + (size_t)v * columns[column].width, &value,
               columns[column].width); /* little-endian, as all we run on */
        if (edges) {
            ku_graph_targets(graph, v, &count);
            sum += count;
        }
    }
}

static PyObject *targets_column(const ku_graph *graph) {
    PyObject *bytes = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)ku_graph_edge_count(graph) * 4);
    char *out = bytes != NULL ? PyBytes_AS_STRING(bytes) : NULL;
    for (uint32_t v = 0; bytes != NULL && v < ku_graph_node_count(graph); v++) {
        uint32_t count;
        const uint32_t *targets = ku_graph_targets(graph, v, &count);
        memcpy(out, targets, (size_t)count * sizeof *targets);
        out += (size_t)count * sizeof *targets;
    }
    return bytes;
}

PyObject *ku__analysis_column(PyObject *self, PyObject *arguments) {
    const char *name;
    if (!PyArg_ParseTuple(arguments, "s:column", &name)) {
        return NULL;
    }
    const ku_graph *graph = of(self)->graph;
    if (strcmp(name, "targets") == 0) {
        return targets_column(graph);
    }
    for (size_t i = 0; i < sizeof columns / sizeof columns[0]; i++) {
        if (strcmp(name, columns[i].name) != 0) {
            continue;
        }
        PyObject *bytes = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)ku_graph_node_count(graph) * columns[i].width);
        if (bytes != NULL) {
            fill_column(graph, i, (uint8_t *)PyBytes_AS_STRING(bytes));
        }
        return bytes;
    }
    PyErr_Format(PyExc_ValueError, "no column '%s'", name);
    return NULL;
}
