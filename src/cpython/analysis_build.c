/* analysis_build.c: a heap file out of Python's lists, for importers of other tools' files. */
#include "cpython/analysis.h"

#include <kucha/heap_file.h>

typedef struct building {
    ku_graph_builder *builder;
    uint32_t *types; /* number of ours for each of the caller's */
    size_t type_count;
    size_t node_count;
} building;

/* A text of the builder for a str; KU_GRAPH_NONE for None. False with an exception. */
static bool take_text(ku_graph_builder *builder, PyObject *text, uint32_t *number) {
    *number = KU_GRAPH_NONE;
    if (text == Py_None) {
        return true;
    }
    PyObject *bytes = PyUnicode_AsEncodedString(text, "utf-8", "surrogateescape");
    if (bytes == NULL) {
        return false;
    }
    *number = ku_graph_builder_text(builder, PyBytes_AS_STRING(bytes), (size_t)PyBytes_GET_SIZE(bytes));
    Py_DECREF(bytes);
    return true;
}

static bool add_types(building *work, PyObject *types) {
    work->type_count = (size_t)PyList_GET_SIZE(types);
    work->types = PyMem_RawCalloc(work->type_count + 1, sizeof *work->types);
    if (work->types == NULL) {
        PyErr_NoMemory();
        return false;
    }
    for (size_t i = 0; i < work->type_count; i++) {
        const char *module, *name;
        if (!PyArg_ParseTuple(PyList_GET_ITEM(types, (Py_ssize_t)i), "zs", &module, &name)) {
            return false;
        }
        work->types[i] = ku_graph_builder_type(work->builder, module, name, 0);
    }
    return true;
}

static bool take_frame(ku_graph_builder *builder, PyObject *from, ku_graph_frame *frame) {
    PyObject *function, *file;
    int line;
    if (!PyArg_ParseTuple(from, "UUi", &function, &file, &line)) {
        return false;
    }
    frame->line = line;
    return take_text(builder, function, &frame->function) && take_text(builder, file, &frame->file);
}

static bool add_sites(building *work, PyObject *sites) {
    enum { FRAMES = 255 };
    ku_graph_frame frames[FRAMES];
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(sites); i++) {
        PyObject *site = PyList_GET_ITEM(sites, i);
        if (!PyList_Check(site) || PyList_GET_SIZE(site) > FRAMES) {
            PyErr_SetString(PyExc_ValueError, "a birthplace is a list of at most 255 frames");
            return false;
        }
        for (Py_ssize_t f = 0; f < PyList_GET_SIZE(site); f++) {
            if (!take_frame(work->builder, PyList_GET_ITEM(site, f), &frames[f])) {
                return false;
            }
        }
        ku_graph_builder_site(work->builder, frames, (size_t)PyList_GET_SIZE(site));
    }
    return true;
}

static bool add_node(building *work, PyObject *from) {
    unsigned long long address, size;
    unsigned int type, site, count, flags, age;
    PyObject *label;
    ku_node node = {0};
    if (!PyArg_ParseTuple(from, "KIKIIIIO", &address, &type, &size, &site, &count, &flags, &age, &label) ||
        !take_text(work->builder, label, &node.label)) {
        return false;
    }
    if (type >= work->type_count) {
        PyErr_SetString(PyExc_ValueError, "a node has a type that is not in the list of types");
        return false;
    }
    node.address = address, node.size = size, node.type = work->types[type], node.site = site;
    node.count = count < KU_GRAPH_COUNT_MAX ? count : KU_GRAPH_COUNT_MAX;
    node.flags = (uint8_t)flags, node.age = (uint8_t)age;
    ku_graph_builder_node(work->builder, &node);
    return true;
}

static bool add_edge(building *work, PyObject *from) {
    unsigned int source, target, kind;
    PyObject *text;
    unsigned long long number;
    ku_edge_name name = {0};
    if (!PyArg_ParseTuple(from, "IIIOK", &source, &target, &kind, &text, &number) ||
        !take_text(work->builder, text, &name.text)) {
        return false;
    }
    if (source > work->node_count || target > work->node_count || kind >= KU_EDGE_KINDS) {
        PyErr_SetString(PyExc_ValueError, "an edge has an end or a kind that does not exist");
        return false;
    }
    name.kind = kind;
    name.number = number;
    ku_graph_builder_edge(work->builder, source, target, &name);
    return true;
}

static bool add_all(building *work, PyObject *list, bool (*add)(building *, PyObject *)) {
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(list); i++) {
        if (!add(work, PyList_GET_ITEM(list, i))) {
            return false;
        }
    }
    return true;
}

static bool add_info(building *work, PyObject *program, PyObject *runtime, double taken) {
    ku_graph_info info = {.taken = taken, .reason = KU_GRAPH_IMPORTED, .note = KU_GRAPH_NONE};
    if (!take_text(work->builder, program, &info.program) || !take_text(work->builder, runtime, &info.runtime)) {
        return false;
    }
    ku_graph_builder_info(work->builder, &info);
    return true;
}

static PyObject *write_file(ku_graph_builder *builder, const char *path) {
    ku_error error = {0};
    ku_graph *graph = ku_graph_builder_finish(builder, &error);
    if (graph == NULL) {
        return ku__analysis_raise(&error);
    }
    ku_code code = ku_heap_file_write(graph, path, &error);
    ku_graph_close(graph);
    if (code == KU_IO && error.os_error != 0) {
        errno = error.os_error;
        return PyErr_SetFromErrnoWithFilename(PyExc_OSError, path);
    }
    return code != KU_OK ? ku__analysis_raise(&error) : Py_NewRef(Py_None);
}

PyObject *ku__heap_build_call(PyObject *module, PyObject *arguments) {
    (void)module;
    PyObject *path, *types, *sites, *nodes, *edges, *program, *runtime, *result = NULL;
    double taken;
    if (!PyArg_ParseTuple(arguments, "O&O!O!O!O!OOd:heap_build", PyUnicode_FSConverter, &path, &PyList_Type, &types,
                          &PyList_Type, &sites, &PyList_Type, &nodes, &PyList_Type, &edges, &program, &runtime,
                          &taken)) {
        return NULL;
    }
    ku_error error = {0};
    building work = {.builder = ku_graph_builder_new(&error), .node_count = (size_t)PyList_GET_SIZE(nodes)};
    if (work.builder == NULL) {
        ku__analysis_raise(&error);
    } else if (add_types(&work, types) && add_sites(&work, sites) && add_all(&work, nodes, add_node) &&
               add_all(&work, edges, add_edge) && add_info(&work, program, runtime, taken)) {
        result = write_file(work.builder, PyBytes_AS_STRING(path));
    } else {
        ku_graph_builder_delete(work.builder);
    }
    PyMem_RawFree(work.types);
    Py_DECREF(path);
    return result;
}
