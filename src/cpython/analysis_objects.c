/* analysis_objects.c: the type kucha._core.Objects: the objects of a heap file as the program that it was taken of sees
 * them, and what sets of them have in common. kucha/partition.h has the notions; kucha.guppy is made of it.
 */
#include "cpython/analysis.h"

#include <kucha/partition.h>
#include <stdlib.h>
#include <string.h>

typedef unsigned long long wide;

typedef struct objects_object {
    PyObject_HEAD PyObject *analysis; /* keeps the graph open */
    ku_objects *objects;
    ku_dominators *dominators; /* NULL until asked for */
} objects_object;

static objects_object *of(PyObject *self) {
    return (objects_object *)self;
}

static ku__analysis *analysis_of(PyObject *self) {
    return (ku__analysis *)of(self)->analysis;
}

static ku_graph *graph_of(PyObject *self) {
    return analysis_of(self)->graph;
}

static bool append(PyObject *list, PyObject *item) {
    bool done = item != NULL && PyList_Append(list, item) == 0;
    Py_XDECREF(item);
    return done;
}

/* ---- names of what can be asked ---- */

static const char *const relations[KU_OBJECTS_RELATIONS] = {"held", "holders", "within", "owners", "spaces"};
static const char *const keys[KU_PARTITION_KEYS] = {"type", "kind", "size", "site", "line", "holders", "names"};

static int number_of(const char *name, const char *const *names, int count, const char *what) {
    for (int i = 0; i < count; i++) {
        if (strcmp(name, names[i]) == 0) {
            return i;
        }
    }
    PyErr_Format(PyExc_ValueError, "there is no %s '%s'", what, name);
    return -1;
}

/* The selection that a call was given as its first argument; NULL with an exception. */
static ku_selection *given_selection(PyObject *self, PyObject *given) {
    ku_selection *selection;
    if (given == Py_None) {
        PyErr_SetString(PyExc_ValueError, "a selection is wanted");
        return NULL;
    }
    return ku__analysis_selection(analysis_of(self), given, &selection) ? selection : NULL;
}

/* Ends both. */
static PyObject *bytes_and_free(ku_selection *found, ku_selection *given, const ku_error *error) {
    PyObject *bytes = found == NULL ? ku__analysis_raise(error) : ku__analysis_selection_bytes(found);
    ku_selection_delete(found);
    ku_selection_delete(given);
    return bytes;
}

/* ---- sets ---- */

static PyObject *alive_call(PyObject *self, PyObject *unused) {
    (void)unused;
    return ku__analysis_selection_bytes(ku_objects_alive(of(self)->objects));
}

static PyObject *stray_call(PyObject *self, PyObject *unused) {
    (void)unused;
    return ku__analysis_selection_bytes(ku_objects_stray(of(self)->objects));
}

static PyObject *amount_call(PyObject *self, PyObject *given) {
    ku_selection *selection = given_selection(self, given);
    if (selection == NULL) {
        return NULL;
    }
    PyObject *amount = Py_BuildValue("(IK)", (unsigned)ku_selection_count(selection),
                                     (wide)ku_objects_bytes(of(self)->objects, selection));
    ku_selection_delete(selection);
    return amount;
}

static PyObject *related_call(PyObject *self, PyObject *arguments) {
    PyObject *given;
    const char *name;
    ku_error error = {0};
    ku_selection *selection;
    if (!PyArg_ParseTuple(arguments, "Ss:related", &given, &name)) {
        return NULL;
    }
    int relation = number_of(name, relations, KU_OBJECTS_RELATIONS, "relation");
    if (relation < 0 || (selection = given_selection(self, given)) == NULL) {
        return NULL;
    }
    ku_selection *found = ku_objects_related(of(self)->objects, selection, (ku_objects_relation)relation, &error);
    return bytes_and_free(found, selection, &error);
}

static PyObject *again_call(PyObject *self, PyObject *arguments) {
    PyObject *given, *to;
    ku_error error = {0};
    ku_selection *selection;
    if (!PyArg_ParseTuple(arguments, "SO!:again", &given, Py_TYPE(self), &to) ||
        (selection = given_selection(self, given)) == NULL) {
        return NULL;
    }
    return bytes_and_free(ku_objects_again(graph_of(self), selection, graph_of(to), &error), selection, &error);
}

/* Numbers of nodes, as many as `most`; a list, as those who ask want few. */
static PyObject *members_call(PyObject *self, PyObject *arguments) {
    PyObject *given;
    unsigned int most;
    ku_selection *selection;
    if (!PyArg_ParseTuple(arguments, "SI:members", &given, &most) ||
        (selection = given_selection(self, given)) == NULL) {
        return NULL;
    }
    PyObject *list = PyList_New(0);
    for (uint32_t v = 0; list != NULL && most-- > 0 && (v = ku_selection_next(selection, v)) != KU_GRAPH_NONE; v++) {
        if (!append(list, PyLong_FromUnsignedLong(v))) {
            Py_CLEAR(list);
        }
    }
    ku_selection_delete(selection);
    return list;
}

typedef struct sized {
    uint64_t size;
    uint32_t node;
} sized;

static int compare_sized(const void *left, const void *right) {
    const sized *a = left, *b = right;
    if (a->size != b->size) {
        return a->size < b->size ? 1 : -1;
    }
    return (a->node > b->node) - (a->node < b->node);
}

static PyObject *sorted_nodes(const ku_objects *objects, const ku_selection *selection) {
    uint32_t count = ku_selection_count(selection), used = 0;
    sized *list = malloc(((size_t)count + 1) * sizeof *list);
    if (list == NULL) {
        return PyErr_NoMemory();
    }
    PyObject *bytes = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)count * 4);
    if (bytes != NULL) {
        for (uint32_t v = 0; (v = ku_selection_next(selection, v)) != KU_GRAPH_NONE; v++) {
            list[used++] = (sized){.size = ku_objects_size(objects, v), .node = v};
        }
        qsort(list, count, sizeof *list, compare_sized);
        for (uint32_t i = 0; i < count; i++) {
            memcpy(PyBytes_AS_STRING(bytes) + (size_t)i * 4, &list[i].node, 4);
        }
    }
    free(list);
    return bytes;
}

static PyObject *ordered_call(PyObject *self, PyObject *given) {
    ku_selection *selection = given_selection(self, given);
    if (selection == NULL) {
        return NULL;
    }
    PyObject *bytes = sorted_nodes(of(self)->objects, selection);
    ku_selection_delete(selection);
    return bytes;
}

/* ---- one object ---- */

static PyObject *number_or_none(uint32_t node) {
    return node == KU_GRAPH_NONE ? Py_NewRef(Py_None) : PyLong_FromUnsignedLong(node);
}

static PyObject *size_call(PyObject *self, PyObject *number) {
    uint32_t node;
    return ku__analysis_node_of(analysis_of(self), number, &node)
               ? PyLong_FromUnsignedLongLong(ku_objects_size(of(self)->objects, node))
               : NULL;
}

static PyObject *type_of_call(PyObject *self, PyObject *number) {
    uint32_t node;
    return ku__analysis_node_of(analysis_of(self), number, &node)
               ? PyLong_FromUnsignedLong(ku_graph_type(graph_of(self), node))
               : NULL;
}

static PyObject *owner_call(PyObject *self, PyObject *number) {
    uint32_t node;
    return ku__analysis_node_of(analysis_of(self), number, &node)
               ? number_or_none(ku_objects_owner(of(self)->objects, node))
               : NULL;
}

static PyObject *dominator_call(PyObject *self, PyObject *number) {
    uint32_t node;
    ku_error error = {0};
    if (!ku__analysis_node_of(analysis_of(self), number, &node)) {
        return NULL;
    }
    if (of(self)->dominators == NULL) {
        of(self)->dominators = ku_objects_dominators(of(self)->objects, NULL, &error);
    }
    return of(self)->dominators == NULL ? ku__analysis_raise(&error)
                                        : number_or_none(ku_dominators_parent(of(self)->dominators, node));
}

/* ---- partitions ---- */

static PyObject *token_tuple(const uint64_t *tokens, size_t count) {
    PyObject *tuple = PyTuple_New((Py_ssize_t)count);
    for (size_t i = 0; tuple != NULL && i < count; i++) {
        PyObject *token = PyLong_FromUnsignedLongLong(tokens[i]);
        if (token == NULL) {
            Py_CLEAR(tuple);
        } else {
            PyTuple_SET_ITEM(tuple, (Py_ssize_t)i, token);
        }
    }
    return tuple;
}

static PyObject *partition_rows(const ku_partition *made) {
    PyObject *list = PyList_New(0);
    for (size_t i = 0; list != NULL && i < made->count; i++) {
        const ku_partition_row *row = &made->rows[i];
        if (!append(list, Py_BuildValue("(NKKI)", token_tuple(made->tokens + row->first_token, row->tokens),
                                        (wide)row->count, (wide)row->bytes, (unsigned)row->example))) {
            Py_CLEAR(list);
        }
    }
    return list;
}

static PyObject *partition_call(PyObject *self, PyObject *arguments) {
    PyObject *given;
    const char *name;
    ku_error error = {0};
    ku_selection *selection;
    if (!PyArg_ParseTuple(arguments, "Ss:partition", &given, &name)) {
        return NULL;
    }
    int key = number_of(name, keys, KU_PARTITION_KEYS, "key");
    if (key < 0 || (selection = given_selection(self, given)) == NULL) {
        return NULL;
    }
    ku_partition *made = ku_partition_new(of(self)->objects, selection, (ku_partition_key)key, &error);
    ku_selection_delete(selection);
    if (made == NULL) {
        return ku__analysis_raise(&error);
    }
    PyObject *list = partition_rows(made);
    ku_partition_delete(made);
    return list;
}

/* The tokens in a tuple; NULL with an exception. */
static uint64_t *tokens_in(PyObject *tuple) {
    Py_ssize_t count = PyTuple_GET_SIZE(tuple);
    uint64_t *tokens = PyMem_RawMalloc(((size_t)count + 1) * sizeof *tokens);
    if (tokens == NULL) {
        PyErr_NoMemory();
        return NULL;
    }
    for (Py_ssize_t i = 0; i < count; i++) {
        tokens[i] = PyLong_AsUnsignedLongLong(PyTuple_GET_ITEM(tuple, i));
        if (PyErr_Occurred() != NULL) {
            PyMem_RawFree(tokens);
            return NULL;
        }
    }
    return tokens;
}

static PyObject *selected_call(PyObject *self, PyObject *arguments) {
    PyObject *given, *tuple;
    const char *name;
    ku_error error = {0};
    ku_selection *selection = NULL;
    if (!PyArg_ParseTuple(arguments, "SsO!:selected", &given, &name, &PyTuple_Type, &tuple)) {
        return NULL;
    }
    int key = number_of(name, keys, KU_PARTITION_KEYS, "key");
    uint64_t *tokens = key < 0 ? NULL : tokens_in(tuple);
    PyObject *bytes = NULL;
    if (tokens != NULL && (selection = given_selection(self, given)) != NULL) {
        ku_selection *found = ku_partition_select(of(self)->objects, selection, (ku_partition_key)key, tokens,
                                                  (size_t)PyTuple_GET_SIZE(tuple), &error);
        bytes = bytes_and_free(found, selection, &error);
    }
    PyMem_RawFree(tokens);
    return bytes;
}

static PyObject *text_of(const ku_graph *graph, uint32_t number) {
    ku_text text = ku_graph_text(graph, number);
    return number == KU_GRAPH_NONE ? Py_NewRef(Py_None) : ku__text(text.bytes, text.size);
}

static bool is_text(const ku_graph *graph, uint32_t number) {
    return number == KU_GRAPH_NONE || number < ku_graph_text_count(graph);
}

static PyObject *types_call(PyObject *self, PyObject *unused) {
    (void)unused;
    const ku_graph *graph = graph_of(self);
    PyObject *list = PyList_New(0);
    for (uint32_t i = 0; list != NULL && i < ku_graph_type_count(graph); i++) {
        ku_node_type type;
        ku_graph_type_read(graph, i, &type);
        wide address = type.node == KU_GRAPH_NONE ? 0 : ku_graph_address(graph, type.node);
        if (!append(list, Py_BuildValue("(NNK)", text_of(graph, type.module), text_of(graph, type.name), address))) {
            Py_CLEAR(list);
        }
    }
    return list;
}

static PyObject *name_call(PyObject *self, PyObject *argument) {
    wide token = PyLong_AsUnsignedLongLong(argument);
    if (PyErr_Occurred() != NULL) {
        return NULL;
    }
    ku_edge_name name = ku_partition_name(token);
    if (!is_text(graph_of(self), name.text)) {
        PyErr_SetString(PyExc_ValueError, "no name of this heap");
        return NULL;
    }
    return Py_BuildValue("(sNK)", ku_edge_kind_name(name.kind), text_of(graph_of(self), name.text), (wide)name.number);
}

static PyObject *line_call(PyObject *self, PyObject *argument) {
    wide token = PyLong_AsUnsignedLongLong(argument);
    if (PyErr_Occurred() != NULL) {
        return NULL;
    }
    uint32_t file = (uint32_t)(token >> 32);
    if (!is_text(graph_of(self), file)) {
        PyErr_SetString(PyExc_ValueError, "no line of this heap");
        return NULL;
    }
    return Py_BuildValue("(Ni)", text_of(graph_of(self), file), (int)(uint32_t)token);
}

/* ---- life ---- */

static PyObject *make(PyTypeObject *type, PyObject *arguments, PyObject *keywords) {
    static const char *const names[] = {"analysis", "hidden", NULL};
    PyObject *analysis, *given = Py_None, *module = PyType_GetModule(type);
    ku_selection *hidden;
    ku_error error = {0};
    if (module == NULL ||
        !PyArg_ParseTupleAndKeywords(arguments, keywords, "O!|O:Objects", KU__KEYWORDS(names),
                                     ku__state_of(module)->analysis_type, &analysis, &given) ||
        !ku__analysis_selection((ku__analysis *)analysis, given, &hidden)) {
        return NULL;
    }
    objects_object *self = (objects_object *)type->tp_alloc(type, 0);
    if (self != NULL) {
        self->analysis = Py_NewRef(analysis);
        self->objects = ku_objects_new(((ku__analysis *)analysis)->graph, hidden, &error);
        if (self->objects == NULL) {
            ku__analysis_raise(&error);
            Py_CLEAR(self);
        }
    }
    ku_selection_delete(hidden);
    return (PyObject *)self;
}

static int traverse(PyObject *object, visitproc visit, void *arg) {
    Py_VISIT(Py_TYPE(object));
    Py_VISIT(of(object)->analysis);
    return 0;
}

static void dealloc(PyObject *object) {
    PyTypeObject *type = Py_TYPE(object);
    PyObject_GC_UnTrack(object);
    ku_dominators_delete(of(object)->dominators);
    ku_objects_delete(of(object)->objects);
    Py_CLEAR(of(object)->analysis);
    type->tp_free(object);
    Py_DECREF(type);
}

/* ---- the type ---- */

static PyMethodDef methods[] = {
    {"alive", alive_call, METH_NOARGS, "alive() -> bytes\n\nObjects that live, a bit a node."},
    {"stray", stray_call, METH_NOARGS, "stray() -> bytes\n\nObjects that no reference leads to that was seen."},
    {"amount", amount_call, METH_O, "amount(selection) -> (objects, bytes)"},
    {"related", related_call, METH_VARARGS,
     "related(selection, relation) -> bytes\n\nWhat is 'held' by it, its 'holders', what is 'within' it and would go "
     "with it, 'owners' of namespaces, namespaces ('spaces') of owners."},
    {"again", again_call, METH_VARARGS, "again(selection, to) -> bytes\n\nThe same objects in another heap."},
    {"members", members_call, METH_VARARGS, "members(selection, most) -> list[int]"},
    {"ordered", ordered_call, METH_O, "ordered(selection) -> bytes\n\nNodes, 4 bytes each, largest object first."},
    {"size", size_call, METH_O, "size(node) -> int\n\nBytes of an object, with the buffers that it owns."},
    {"type_of", type_of_call, METH_O, "type_of(node) -> int\n\nThe number of its type among types()."},
    {"owner", owner_call, METH_O, "owner(node) -> int | None\n\nThe object that has this dict as its namespace."},
    {"dominator", dominator_call, METH_O,
     "dominator(node) -> int | None\n\nThe nearest node without which it would not live."},
    {"partition", partition_call, METH_VARARGS,
     "partition(selection, key) -> list[(tokens, objects, bytes, example)]\n\nBy type, kind, size, site, line, holders "
     "or names; most bytes first."},
    {"selected", selected_call, METH_VARARGS,
     "selected(selection, key, tokens) -> bytes\n\nThose of the selection that are in the row with these tokens."},
    {"types", types_call, METH_NOARGS, "types() -> list[(module | None, name, address | 0)]"},
    {"name", name_call, METH_O, "name(token) -> (kind, text | None, number)\n\nWhat a token of 'names' stands for."},
    {"line", line_call, METH_O, "line(token) -> (file | None, line)\n\nWhat a token of 'line' stands for."},
    {NULL, NULL, 0, NULL},
};

PyDoc_STRVAR(type_doc,
             "Objects(analysis, hidden=None)\n\nThe objects of a heap; nothing is reached through what is "
             "hidden.");

static PyType_Slot slots[] = {
    {Py_tp_new, (void *)(uintptr_t)make},          {Py_tp_dealloc, (void *)(uintptr_t)dealloc},
    {Py_tp_traverse, (void *)(uintptr_t)traverse}, {Py_tp_methods, methods},
    {Py_tp_doc, (void *)(uintptr_t)type_doc},      {0, NULL},
};

static PyType_Spec spec = {
    .name = "kucha._core.Objects",
    .basicsize = sizeof(objects_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = slots,
};

KU__AT_IMPORT PyObject *ku__objects_type_new(PyObject *module) {
    return PyType_FromModuleAndSpec(module, &spec, NULL);
}
