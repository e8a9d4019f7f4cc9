/* analysis_calls.c: questions to a heap: histograms, queries, retained sizes, paths, differences. */
#include "cpython/analysis.h"

#include <kucha/diff.h>
#include <kucha/histogram.h>
#include <kucha/query.h>
#include <kucha/suspects.h>
#include <stdlib.h>
#include <string.h>

typedef unsigned long long wide;

static ku__analysis *of(PyObject *self) {
    return (ku__analysis *)self;
}

static bool append(PyObject *list, PyObject *item) {
    bool done = item != NULL && PyList_Append(list, item) == 0;
    Py_XDECREF(item);
    return done;
}

static bool key_named(const char *name, ku_histogram_key *key) {
    static const char *const names[KU_HISTOGRAM_KEYS] = {"type", "module", "size", "site", "age"};
    for (int i = 0; i < KU_HISTOGRAM_KEYS; i++) {
        if (strcmp(name, names[i]) == 0) {
            *key = (ku_histogram_key)i;
            return true;
        }
    }
    PyErr_Format(PyExc_ValueError, "no key '%s': type, module, size, site or age", name);
    return false;
}

/* ---- histograms ---- */

static PyObject *histogram_rows(const ku_graph *graph, ku_histogram_key key, const ku_histogram *made) {
    char text[KU__NODE_TEXT];
    PyObject *list = PyList_New(0);
    for (size_t i = 0; list != NULL && i < made->count; i++) {
        const ku_histogram_row *row = &made->rows[i];
        ku_histogram_text(graph, key, row->key, text, sizeof text);
        PyObject *item =
            Py_BuildValue("(KNKKKKKI)", (wide)row->key, ku__analysis_text(text), (wide)row->count, (wide)row->bytes,
                          (wide)row->slack, (wide)row->free_listed, (wide)row->largest, (unsigned)row->example);
        if (!append(list, item)) {
            Py_CLEAR(list);
        }
    }
    return list;
}

PyObject *ku__analysis_histogram(PyObject *self, PyObject *arguments) {
    const char *name;
    PyObject *given = Py_None, *list = NULL;
    ku_selection *selection;
    ku_histogram_key key;
    ku_error error;
    if (!PyArg_ParseTuple(arguments, "s|O:histogram", &name, &given) || !key_named(name, &key) ||
        !ku__analysis_selection(of(self), given, &selection)) {
        return NULL;
    }
    ku_histogram *made = ku_histogram_new(of(self)->graph, key, selection, &error);
    ku_selection_delete(selection);
    if (made == NULL) {
        return ku__analysis_raise(&error);
    }
    list = histogram_rows(of(self)->graph, key, made);
    ku_histogram_delete(made);
    return list;
}

/* ---- queries ---- */

PyObject *ku__analysis_selection_bytes(const ku_selection *selection) {
    Py_ssize_t size = ((Py_ssize_t)ku_selection_nodes(selection) + 7) / 8;
    PyObject *bytes = PyBytes_FromStringAndSize(NULL, size);
    if (bytes == NULL) {
        return NULL;
    }
    uint8_t *out = (uint8_t *)PyBytes_AS_STRING(bytes);
    memset(out, 0, (size_t)size);
    for (uint32_t v = 0; (v = ku_selection_next(selection, v)) != KU_GRAPH_NONE; v++) {
        out[v / 8] = (uint8_t)(out[v / 8] | 1u << v % 8);
    }
    return bytes;
}

static bool prepare(ku__analysis *self, const char *query, ku_query_context *context) {
    unsigned needs;
    ku_error error = {0};
    *context = (ku_query_context){.graph = self->graph};
    if (ku_query_check(query, &needs, &error) != KU_OK) {
        ku__analysis_raise(&error);
        return false;
    }
    if ((needs & KU_QUERY_NEEDS_DOMINATORS) != 0 && (context->dominators = ku__analysis_dominators(self)) == NULL) {
        return false;
    }
    return (needs & KU_QUERY_NEEDS_PATHS) == 0 || (context->paths = ku__analysis_paths(self)) != NULL;
}

PyObject *ku__analysis_select(PyObject *self, PyObject *arguments) {
    const char *query;
    ku_query_context context;
    ku_error error = {0};
    if (!PyArg_ParseTuple(arguments, "s:select", &query) || !prepare(of(self), query, &context)) {
        return NULL;
    }
    ku_selection *found = ku_query_run(&context, query, &error);
    if (found == NULL) {
        return ku__analysis_raise(&error);
    }
    PyObject *bytes = ku__analysis_selection_bytes(found);
    ku_selection_delete(found);
    return bytes;
}

/* ---- the largest of a selection ---- */

typedef struct weighed {
    uint64_t weight;
    uint32_t node;
} weighed;

/* More weight first, then the lower node. */
static int compare_weighed(const void *left, const void *right) {
    const weighed *a = left, *b = right;
    if (a->weight != b->weight) {
        return a->weight < b->weight ? 1 : -1;
    }
    return a->node < b->node ? -1 : 1;
}

/* Keeps the `most` heaviest: those met are collected in twice that room, and the lighter half is thrown away whenever
 * it is full. */
static void keep(weighed *list, size_t *count, size_t most, weighed one) {
    list[(*count)++] = one;
    if (*count == 2 * most) {
        qsort(list, *count, sizeof *list, compare_weighed);
        *count = most;
    }
}

static PyObject *node_list(const weighed *list, size_t count) {
    PyObject *nodes = PyList_New(0);
    for (size_t i = 0; nodes != NULL && i < count; i++) {
        if (!append(nodes, PyLong_FromUnsignedLong(list[i].node))) {
            Py_CLEAR(nodes);
        }
    }
    return nodes;
}

static PyObject *largest(const ku_graph *graph, const ku_selection *selection, const ku_dominators *dominators,
                         bool by_size, size_t most) {
    weighed *list = PyMem_RawMalloc((2 * most + 1) * sizeof *list);
    size_t count = 0;
    uint32_t all = 0;
    uint64_t bytes = 0;
    if (list == NULL) {
        return PyErr_NoMemory();
    }
    for (uint32_t v = 0; v < ku_graph_node_count(graph); v++) {
        if (selection != NULL && !ku_selection_has(selection, v)) {
            continue;
        }
        uint64_t size = ku_graph_size(graph, v);
        bytes += size;
        all++;
        if (most > 0) {
            keep(list, &count, most,
                 (weighed){dominators != NULL ? ku_dominators_retained(dominators, v)
                           : by_size          ? size
                                              : 0,
                           v});
        }
    }
    qsort(list, count, sizeof *list, compare_weighed);
    PyObject *nodes = node_list(list, count < most ? count : most);
    PyMem_RawFree(list);
    return nodes == NULL ? NULL : Py_BuildValue("(IKN)", (unsigned)all, (wide)bytes, nodes);
}

enum { NODES_MOST = 100000000 };

PyObject *ku__analysis_nodes(PyObject *self, PyObject *arguments) {
    PyObject *given;
    const char *by;
    unsigned int most;
    ku_selection *selection;
    const ku_dominators *dominators = NULL;
    if (!PyArg_ParseTuple(arguments, "OsI:nodes", &given, &by, &most)) {
        return NULL;
    }
    bool retained = strcmp(by, "retained") == 0, size = strcmp(by, "size") == 0;
    if (!retained && !size && strcmp(by, "address") != 0) {
        PyErr_SetString(PyExc_ValueError, "nodes are ordered by size, retained or address");
        return NULL;
    }
    if (retained && (dominators = ku__analysis_dominators(of(self))) == NULL) {
        return NULL;
    }
    if (!ku__analysis_selection(of(self), given, &selection)) {
        return NULL;
    }
    PyObject *result = largest(of(self)->graph, selection, dominators, size, most < NODES_MOST ? most : NODES_MOST);
    ku_selection_delete(selection);
    return result;
}

/* ---- retained sizes ---- */

static PyObject *node_or_none(uint32_t node) {
    return node == KU_GRAPH_NONE ? Py_NewRef(Py_None) : PyLong_FromUnsignedLong(node);
}

PyObject *ku__analysis_retained(PyObject *self, PyObject *arguments) {
    PyObject *number;
    uint32_t node;
    if (!PyArg_ParseTuple(arguments, "O:retained", &number) || !ku__analysis_node_of(of(self), number, &node)) {
        return NULL;
    }
    const ku_dominators *tree = ku__analysis_dominators(of(self));
    return tree == NULL ? NULL
                        : Py_BuildValue("(KIN)", (wide)ku_dominators_retained(tree, node),
                                        (unsigned)ku_dominators_held(tree, node),
                                        node_or_none(ku_dominators_parent(tree, node)));
}

PyObject *ku__analysis_retained_by(PyObject *self, PyObject *arguments) {
    PyObject *given;
    ku_selection *selection;
    uint32_t held;
    ku_error error = {0};
    if (!PyArg_ParseTuple(arguments, "S:retained_by", &given) || !ku__analysis_selection(of(self), given, &selection)) {
        return NULL;
    }
    uint64_t bytes = ku_selection_retained(selection, of(self)->graph, &held, &error);
    ku_selection_delete(selection);
    return error.code != KU_OK ? ku__analysis_raise(&error) : Py_BuildValue("(KI)", (wide)bytes, (unsigned)held);
}

PyObject *ku__analysis_dominated(PyObject *self, PyObject *arguments) {
    PyObject *number, *list = NULL;
    uint32_t node, count;
    unsigned int most;
    if (!PyArg_ParseTuple(arguments, "OI:dominated", &number, &most) ||
        !ku__analysis_node_of(of(self), number, &node)) {
        return NULL;
    }
    const ku_dominators *tree = ku__analysis_dominators(of(self));
    if (tree == NULL) {
        return NULL;
    }
    ku_dominators_children(tree, node, &count);
    uint32_t wanted = most < count ? most : count;
    uint32_t *children = PyMem_RawMalloc((wanted + (size_t)1) * sizeof *children);
    if (children == NULL) {
        return PyErr_NoMemory();
    }
    wanted = ku_dominators_largest(tree, node, children, wanted);
    list = PyList_New(0);
    for (uint32_t i = 0; list != NULL && i < wanted; i++) {
        if (!append(list, PyLong_FromUnsignedLong(children[i]))) {
            Py_CLEAR(list);
        }
    }
    PyMem_RawFree(children);
    return list == NULL ? NULL : Py_BuildValue("(IN)", (unsigned)count, list);
}

/* ---- paths ---- */

static PyObject *path_nodes(const ku_path *path) {
    PyObject *nodes = PyList_New(0);
    for (uint32_t i = 0; nodes != NULL && i < path->length; i++) {
        if (!append(nodes, PyLong_FromUnsignedLong(path->nodes[i]))) {
            Py_CLEAR(nodes);
        }
    }
    return nodes;
}

PyObject *ku__analysis_paths_to(PyObject *self, PyObject *arguments) {
    PyObject *number;
    uint32_t node;
    unsigned int most;
    ku_error error;
    if (!PyArg_ParseTuple(arguments, "OI:paths_to", &number, &most) || !ku__analysis_node_of(of(self), number, &node)) {
        return NULL;
    }
    const ku_paths *paths = ku__analysis_paths(of(self));
    if (paths == NULL) {
        return NULL;
    }
    ku_path_list *found = ku_paths_to(paths, of(self)->graph, node, most, &error);
    if (found == NULL) {
        return ku__analysis_raise(&error);
    }
    PyObject *list = PyList_New(0);
    for (uint32_t i = 0; list != NULL && i < found->count; i++) {
        if (!append(list, path_nodes(&found->paths[i]))) {
            Py_CLEAR(list);
        }
    }
    ku_path_list_delete(found);
    return list;
}

PyObject *ku__analysis_between(PyObject *self, PyObject *arguments) {
    PyObject *first, *second;
    uint32_t from, to;
    ku_error error;
    if (!PyArg_ParseTuple(arguments, "OO:between", &first, &second) || !ku__analysis_node_of(of(self), first, &from) ||
        !ku__analysis_node_of(of(self), second, &to)) {
        return NULL;
    }
    ku_path_list *found = ku_path_between(of(self)->graph, from, to, NULL, &error);
    if (found == NULL) {
        return ku__analysis_raise(&error);
    }
    PyObject *result = found->count == 0 ? Py_NewRef(Py_None) : path_nodes(&found->paths[0]);
    ku_path_list_delete(found);
    return result;
}

static PyObject *merged_rows(const ku_graph *graph, const ku_merged *made) {
    char text[KU__NODE_TEXT];
    PyObject *list = PyList_New(0);
    for (uint32_t i = 0; list != NULL && i < made->count; i++) {
        const ku_merged_row *row = &made->rows[i];
        ku_graph_type_text(graph, row->type, text, sizeof text);
        PyObject *item =
            Py_BuildValue("(NNIIKK)", node_or_none(row->parent), ku__analysis_text(text), (unsigned)row->example,
                          (unsigned)row->through, (wide)row->count, (wide)row->bytes);
        if (!append(list, item)) {
            Py_CLEAR(list);
        }
    }
    return list;
}

PyObject *ku__analysis_merged(PyObject *self, PyObject *arguments) {
    PyObject *given;
    ku_selection *selection;
    ku_error error;
    const ku_paths *paths;
    if (!PyArg_ParseTuple(arguments, "S:merged", &given) || (paths = ku__analysis_paths(of(self))) == NULL ||
        !ku__analysis_selection(of(self), given, &selection)) {
        return NULL;
    }
    ku_merged *made = ku_paths_merge(paths, of(self)->graph, selection, &error);
    ku_selection_delete(selection);
    if (made == NULL) {
        return ku__analysis_raise(&error);
    }
    PyObject *list = merged_rows(of(self)->graph, made);
    ku_merged_delete(made);
    return list;
}

/* ---- differences ---- */

static PyObject *amounts(const uint64_t *numbers, size_t count) {
    PyObject *tuple = PyTuple_New((Py_ssize_t)count);
    for (size_t i = 0; tuple != NULL && i < count; i++) {
        PyObject *number = PyLong_FromUnsignedLongLong(numbers[i]);
        if (number == NULL) {
            Py_CLEAR(tuple);
        } else {
            PyTuple_SET_ITEM(tuple, (Py_ssize_t)i, number);
        }
    }
    return tuple;
}

static PyObject *diff_rows(const ku_graph *const *graphs, ku_histogram_key key, const ku_diff *made) {
    char text[KU__NODE_TEXT];
    PyObject *list = PyList_New(0);
    for (size_t i = 0; list != NULL && i < made->count; i++) {
        const ku_diff_row *row = &made->rows[i];
        ku_histogram_text(graphs[row->graph], key, row->key, text, sizeof text);
        PyObject *item = Py_BuildValue("(NNNKKKKO)", ku__analysis_text(text), amounts(row->count, made->graphs),
                                       amounts(row->bytes, made->graphs), (wide)row->born, (wide)row->gone,
                                       (wide)row->kept, (wide)row->born_bytes, row->grew ? Py_True : Py_False);
        if (!append(list, item)) {
            Py_CLEAR(list);
        }
    }
    return list;
}

PyObject *ku__analysis_diff(PyObject *self, PyObject *arguments) {
    PyObject *others;
    const char *name;
    ku_histogram_key key;
    ku_error error;
    if (!PyArg_ParseTuple(arguments, "O!s:diff", &PyTuple_Type, &others, &name) || !key_named(name, &key)) {
        return NULL;
    }
    const ku_graph *graphs[KU_DIFF_GRAPHS] = {of(self)->graph};
    size_t count = 1;
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(others); i++) {
        PyObject *other = PyTuple_GET_ITEM(others, i);
        if (count == KU_DIFF_GRAPHS || Py_TYPE(other) != Py_TYPE(self)) {
            PyErr_SetString(PyExc_TypeError, "one or two other heaps are compared with");
            return NULL;
        }
        graphs[count++] = of(other)->graph;
    }
    ku_diff *made = ku_diff_new(graphs, count, key, &error);
    if (made == NULL) {
        return ku__analysis_raise(&error);
    }
    PyObject *list = diff_rows(graphs, key, made);
    ku_diff_delete(made);
    return list;
}

/* ---- suspects ---- */

static PyObject *suspect_row(const ku_graph *graph, const ku_suspect *one) {
    static const char *const kinds[] = {"point", "type", "site"};
    char text[KU__NODE_TEXT];
    switch (one->kind) {
    case KU_SUSPECT_TYPE: ku_graph_type_text(graph, one->key, text, sizeof text); break;
    case KU_SUSPECT_SITE: ku_graph_site_text(graph, one->key, text, sizeof text); break;
    default: ku_graph_node_text(graph, one->key, text, sizeof text); break;
    }
    return Py_BuildValue("(sNIIKK)", kinds[one->kind], ku__analysis_text(text), (unsigned)one->example,
                         (unsigned)one->old, (wide)one->count, (wide)one->retained);
}

PyObject *ku__analysis_suspects(PyObject *self, PyObject *arguments) {
    double share;
    ku_error error = {0};
    const ku_dominators *tree;
    if (!PyArg_ParseTuple(arguments, "d:suspects", &share) || (tree = ku__analysis_dominators(of(self))) == NULL) {
        return NULL;
    }
    ku_suspects *made = ku_suspects_new(of(self)->graph, tree, share, &error);
    if (made == NULL) {
        return ku__analysis_raise(&error);
    }
    PyObject *list = PyList_New(0);
    for (size_t i = 0; list != NULL && i < made->count; i++) {
        if (!append(list, suspect_row(of(self)->graph, &made->list[i]))) {
            Py_CLEAR(list);
        }
    }
    PyObject *result = list == NULL ? NULL : Py_BuildValue("(KN)", (wide)made->whole, list);
    ku_suspects_delete(made);
    return result;
}
