/* analysis_object.c: the type kucha._core.Analysis: a heap file that is open, and what was found out about it.
 *
 * Dominators and paths take seconds for millions of nodes: they are computed when first asked for, and kept.
 */
#include "cpython/analysis.h"

#include <kucha/heap_file.h>
#include <string.h>

PyObject *ku__analysis_raise(const ku_error *error) {
    PyObject *type = error->code == KU_NO_MEMORY ? PyExc_MemoryError
                     : error->code == KU_STATE   ? PyExc_KeyboardInterrupt
                                                 : PyExc_ValueError;
    if (PyErr_Occurred() == NULL) {
        PyErr_SetString(type, error->message);
    }
    return NULL;
}

PyObject *ku__analysis_text(const char *text) {
    return PyUnicode_DecodeUTF8(text, (Py_ssize_t)strlen(text), "surrogateescape");
}

/* ---- arguments ---- */

bool ku__analysis_node_of(const ku__analysis *self, PyObject *number, uint32_t *node) {
    unsigned long value = PyLong_AsUnsignedLong(number);
    if (PyErr_Occurred() != NULL) {
        return false;
    }
    if (value >= ku_graph_node_count(self->graph)) {
        PyErr_Format(PyExc_IndexError, "no node %lu in this heap", value);
        return false;
    }
    *node = (uint32_t)value;
    return true;
}

static bool read_bits(const ku__analysis *self, const uint8_t *bytes, ku_selection **selection) {
    uint32_t nodes = ku_graph_node_count(self->graph);
    ku_error error;
    *selection = ku_selection_new(nodes, false, &error);
    if (*selection == NULL) {
        ku__analysis_raise(&error);
        return false;
    }
    for (uint32_t v = 0; v < nodes; v++) {
        if (v % 8 == 0 && bytes[v / 8] == 0) {
            v += 7;
        } else if ((bytes[v / 8] >> v % 8 & 1) != 0) {
            ku_selection_add(*selection, v);
        }
    }
    return true;
}

bool ku__analysis_selection(const ku__analysis *self, PyObject *given, ku_selection **selection) {
    *selection = NULL;
    if (given == Py_None) {
        return true;
    }
    Py_ssize_t wanted = ((Py_ssize_t)ku_graph_node_count(self->graph) + 7) / 8;
    if (!PyBytes_Check(given) || PyBytes_GET_SIZE(given) != wanted) {
        PyErr_SetString(PyExc_ValueError, "a selection is None, or what select() of this heap gave");
        return false;
    }
    return read_bits(self, (const uint8_t *)PyBytes_AS_STRING(given), selection);
}

/* ---- what is computed on demand ---- */

static bool tell(void *context, const char *stage, double done) {
    ku__analysis *self = context;
    PyObject *answer = PyObject_CallFunction(self->tell, "sd", stage, done);
    Py_XDECREF(answer);
    return answer != NULL && PyErr_CheckSignals() == 0;
}

ku_dominators *ku__analysis_dominators(ku__analysis *self) {
    ku_progress progress = {.tell = self->tell == NULL ? NULL : tell, .context = self};
    ku_error error = {0};
    if (self->dominators == NULL) {
        self->dominators = ku_dominators_new(self->graph, &progress, &error);
        if (self->dominators == NULL) {
            ku__analysis_raise(&error);
        }
    }
    return self->dominators;
}

ku_paths *ku__analysis_paths(ku__analysis *self) {
    ku_progress progress = {.tell = self->tell == NULL ? NULL : tell, .context = self};
    ku_error error = {0};
    if (self->paths == NULL) {
        self->paths = ku_paths_new(self->graph, &progress, &error);
        if (self->paths == NULL) {
            ku__analysis_raise(&error);
        }
    }
    return self->paths;
}

/* ---- life ---- */

static ku_graph *open_file(PyObject *path) {
    PyObject *encoded;
    ku_error error = {0};
    if (PyUnicode_FSConverter(path, &encoded) == 0) {
        return NULL;
    }
    ku_graph *graph = ku_heap_file_open(PyBytes_AS_STRING(encoded), &error);
    Py_DECREF(encoded);
    if (graph == NULL && error.code == KU_IO && error.os_error != 0) {
        errno = error.os_error;
        PyErr_SetFromErrnoWithFilenameObject(PyExc_OSError, path);
    } else if (graph == NULL) {
        ku__analysis_raise(&error);
    }
    return graph;
}

static PyObject *make(PyTypeObject *type, PyObject *arguments, PyObject *keywords) {
    static const char *const names[] = {"path", "tell", NULL};
    PyObject *path, *told = Py_None;
    if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "O|O:Analysis", KU__KEYWORDS(names), &path, &told)) {
        return NULL;
    }
    ku__analysis *self = (ku__analysis *)type->tp_alloc(type, 0);
    if (self == NULL) {
        return NULL;
    }
    self->graph = open_file(path);
    if (self->graph == NULL) {
        Py_DECREF(self);
        return NULL;
    }
    self->tell = told == Py_None ? NULL : Py_NewRef(told);
    return (PyObject *)self;
}

static int traverse(PyObject *object, visitproc visit, void *arg) {
    Py_VISIT(Py_TYPE(object));
    Py_VISIT(((ku__analysis *)object)->tell);
    return 0;
}

static int clear(PyObject *object) {
    Py_CLEAR(((ku__analysis *)object)->tell);
    return 0;
}

static void dealloc(PyObject *object) {
    ku__analysis *self = (ku__analysis *)object;
    PyTypeObject *type = Py_TYPE(object);
    PyObject_GC_UnTrack(object);
    clear(object);
    ku_paths_delete(self->paths);
    ku_dominators_delete(self->dominators);
    ku_graph_close(self->graph);
    type->tp_free(object);
    Py_DECREF(type);
}

/* ---- the type ---- */

#define METHOD(name, doc)                                                                                              \
    { #name, ku__analysis_##name, METH_VARARGS, PyDoc_STR(doc) }

PyMethodDef ku__analysis_methods[] = {
    METHOD(info, "info() -> dict\n\nHow many nodes, edges, types there are; when and why the heap was taken."),
    METHOD(node, "node(number) -> tuple\n\n(address, type, size, slack, count, flags, age, site, label, text)."),
    METHOD(references, "references(number, most) -> list[(name, node)]\n\nWhat a node holds, in order."),
    METHOD(referrers, "referrers(number, most) -> (how many, list[(node, name)])\n\nWho holds a node."),
    METHOD(edge, "edge(holder, held) -> str\n\nThe name of the first reference from one node to another, or ''."),
    METHOD(node_at, "node_at(address) -> int | None"),
    METHOD(site, "site(number) -> list[(function, file, line)]\n\nA birthplace, innermost first."),
    METHOD(column,
           "column(name) -> bytes\n\naddress, size (8 bytes), type, site (4), flags, age (1); or targets, "
           "first (4)."),
    METHOD(type_names, "type_names() -> list[(module, name)]"),
    METHOD(histogram,
           "histogram(key, selection) -> list[tuple]\n\n(key, text, count, bytes, slack, free-listed, "
           "largest, its node), most bytes first."),
    METHOD(select, "select(query) -> bytes\n\nThe nodes that answer, a bit each."),
    METHOD(nodes,
           "nodes(selection, by, most) -> (count, bytes, list[int])\n\nThe largest of a selection, by 'size' or "
           "'retained'; 'address' takes the first ones."),
    METHOD(retained, "retained(number) -> (bytes, nodes, dominator | None)"),
    METHOD(retained_by, "retained_by(selection) -> (bytes, nodes)\n\nWhat would go if all of them went."),
    METHOD(dominated, "dominated(number, most) -> (how many, list[int])\n\nThose that retain most come first."),
    METHOD(paths_to, "paths_to(number, most) -> list[list[int]]\n\nThe shortest paths from the root."),
    METHOD(between, "between(start, end) -> list[int] | None\n\nThe shortest path."),
    METHOD(merged, "merged(selection) -> list[(parent row, type, node, through, count, bytes)]"),
    METHOD(diff,
           "diff(others, key) -> list[tuple]\n\nThis heap and one or two newer ones: (text, counts, bytes, born, "
           "gone, kept, born bytes, grew)."),
    METHOD(pins,
           "pins(share) -> (arenas, bytes, used, list[(address, bytes, used, nodes, heap, holder, pins)])\n\nArenas of "
           "which at\n"
           "most this share is in use; a pin is (type, birthplace, nodes, bytes, example)."),
    METHOD(arenas, "arenas() -> list[(address, bytes, bytes of a pool, empty pools, heap)]"),
    METHOD(arena_map,
           "arena_map(key) -> list[(arena, pool, key, nodes, bytes)]\n\nWhat is in pools, by 'type', 'site', 'age' or "
           "'class', most bytes first; key is an index into type_names(), a birthplace, an age, bytes of a block."),
    METHOD(
        duplicates,
        "duplicates(most) -> (groups, nodes, bytes, wasted, list[(example, count, bytes, wasted)])\n\nEqual objects."),
    METHOD(rooms,
           "rooms() -> (nodes, bytes, list[(type, birthplace, nodes, bytes, example)])\n\nContainers with room."),
    METHOD(room, "room(number) -> int\n\nBytes that a container keeps for what is not in it."),
    METHOD(equal, "equal(number) -> int | None\n\nThe first of the nodes that have its type and value."),
    METHOD(suspects,
           "suspects(share) -> (whole, list[(kind, name, example, old, count, retained)])\n\nWhat retains at "
           "least this share: kind is point, type or site."),
    {NULL, NULL, 0, NULL},
};

PyDoc_STRVAR(type_doc,
             "Analysis(path, tell=None)\n\nA heap file that is open. tell(stage, done) is called during long work.");

static PyType_Slot slots[] = {
    {Py_tp_new, (void *)(uintptr_t)make},
    {Py_tp_dealloc, (void *)(uintptr_t)dealloc},
    {Py_tp_traverse, (void *)(uintptr_t)traverse},
    {Py_tp_clear, (void *)(uintptr_t)clear},
    {Py_tp_methods, ku__analysis_methods},
    {Py_tp_doc, (void *)(uintptr_t)type_doc},
    {0, NULL},
};

static PyType_Spec spec = {
    .name = "kucha._core.Analysis",
    .basicsize = sizeof(ku__analysis),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = slots,
};

KU__AT_IMPORT PyObject *ku__analysis_type_new(PyObject *module) {
    return PyType_FromModuleAndSpec(module, &spec, NULL);
}
