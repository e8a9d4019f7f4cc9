/* analysis_memory.c: questions to a heap about the memory itself: what keeps nearly empty arenas, what is there twice,
 * and what is room that nothing is in. */
#include "cpython/analysis.h"

#include <kucha/arena_map.h>
#include <kucha/duplicates.h>
#include <kucha/histogram.h>
#include <kucha/pins.h>

typedef unsigned long long wide;

static const ku_graph *graph_in(PyObject *self) {
    return ((ku__analysis *)(void *)self)->graph;
}

/* A list of `count` items that `make` gives for each index; NULL with an exception. */
static PyObject *list_of(size_t count, PyObject *(*make)(const void *argument, size_t index), const void *argument) {
    PyObject *list = PyList_New((Py_ssize_t)count);
    for (size_t i = 0; list != NULL && i < count; i++) {
        PyObject *item = make(argument, i);
        if (item == NULL) {
            Py_CLEAR(list);
        } else {
            PyList_SET_ITEM(list, (Py_ssize_t)i, item);
        }
    }
    return list;
}

/* ---- pins ---- */

typedef struct pinned {
    const ku_graph *graph;
    const ku_pinned_arena *arena;
} pinned;

static PyObject *pin_row(const void *argument, size_t index) {
    const pinned *of = argument;
    const ku_pin *pin = &of->arena->list[index];
    char type[KU__NODE_TEXT];
    ku_graph_type_text(of->graph, pin->type, type, sizeof type);
    return Py_BuildValue("(NIIKI)", ku__analysis_text(type), (unsigned)pin->site, (unsigned)pin->nodes,
                         (wide)pin->bytes, (unsigned)pin->example);
}

typedef struct pins_of {
    const ku_graph *graph;
    const ku_pins *pins;
} pins_of;

static PyObject *number_or_none(uint32_t node) {
    return node == KU_GRAPH_NONE ? Py_NewRef(Py_None) : PyLong_FromUnsignedLong(node);
}

static PyObject *arena_row(const void *argument, size_t index) {
    const pins_of *of = argument;
    const ku_pinned_arena *arena = &of->pins->list[index];
    ku_text heap = ku_graph_text(of->graph, arena->arena.heap);
    PyObject *pins = list_of(arena->pins, pin_row, &(pinned){of->graph, arena});
    return pins == NULL ? NULL
                        : Py_BuildValue("(KKKINNN)", (wide)arena->arena.address, (wide)arena->arena.bytes,
                                        (wide)arena->used, (unsigned)arena->nodes, ku__text(heap.bytes, heap.size),
                                        number_or_none(arena->holder), pins);
}

PyObject *ku__analysis_pins(PyObject *self, PyObject *arguments) {
    double share;
    ku_error error = {0};
    const ku_dominators *tree;
    if (!PyArg_ParseTuple(arguments, "d:pins", &share) ||
        (tree = ku__analysis_dominators((ku__analysis *)(void *)self)) == NULL) {
        return NULL;
    }
    ku_pins *pins = ku_pins_new(graph_in(self), tree, share, &error);
    if (pins == NULL) {
        return ku__analysis_raise(&error);
    }
    PyObject *rows = list_of(pins->count, arena_row, &(pins_of){graph_in(self), pins});
    PyObject *result =
        rows == NULL ? NULL : Py_BuildValue("(KKKN)", (wide)pins->arenas, (wide)pins->bytes, (wide)pins->used, rows);
    ku_pins_delete(pins);
    return result;
}

/* ---- the map of arenas ---- */

static PyObject *arena_facts(const void *argument, size_t index) {
    const ku_graph *graph = argument;
    ku_graph_arena arena;
    ku_graph_arena_read(graph, (uint32_t)index, &arena);
    ku_text heap = ku_graph_text(graph, arena.heap);
    return Py_BuildValue("(KKIIN)", (wide)arena.address, (wide)arena.bytes, (unsigned)arena.pool_bytes,
                         (unsigned)arena.free_pools, ku__text(heap.bytes, heap.size));
}

PyObject *ku__analysis_arenas(PyObject *self, PyObject *ignored) {
    (void)ignored;
    return list_of(ku_graph_arena_count(graph_in(self)), arena_facts, graph_in(self));
}

static PyObject *cell_row(const void *argument, size_t index) {
    const ku_arena_cell *cell = &((const ku_arena_map *)argument)->cells[index];
    return Py_BuildValue("(IIIIK)", (unsigned)cell->arena, (unsigned)cell->pool, (unsigned)cell->key,
                         (unsigned)cell->nodes, (wide)cell->bytes);
}

PyObject *ku__analysis_arena_map(PyObject *self, PyObject *arguments) {
    static const char *const names[KU_ARENA_MAP_KEYS] = {
        [KU_ARENA_MAP_TYPE] = "type",
        [KU_ARENA_MAP_SITE] = "site",
        [KU_ARENA_MAP_AGE] = "age",
        [KU_ARENA_MAP_CLASS] = "class",
    };
    const char *name;
    ku_error error = {0};
    if (!PyArg_ParseTuple(arguments, "s:arena_map", &name)) {
        return NULL;
    }
    ku_arena_map_key key = 0;
    while (key < KU_ARENA_MAP_KEYS && strcmp(name, names[key]) != 0) {
        key++;
    }
    ku_arena_map *map = ku_arena_map_new(graph_in(self), key, &error);
    if (map == NULL) {
        return ku__analysis_raise(&error);
    }
    PyObject *rows = list_of(map->count, cell_row, map);
    ku_arena_map_delete(map);
    return rows;
}

/* ---- duplicates and room ---- */

static PyObject *duplicate_row(const void *argument, size_t index) {
    const ku_duplicate *one = &((const ku_duplicates *)argument)->list[index];
    return Py_BuildValue("(IIKK)", (unsigned)one->example, (unsigned)one->count, (wide)one->bytes, (wide)one->wasted);
}

PyObject *ku__analysis_duplicates(PyObject *self, PyObject *arguments) {
    Py_ssize_t most;
    ku_error error = {0};
    if (!PyArg_ParseTuple(arguments, "n:duplicates", &most)) {
        return NULL;
    }
    ku_duplicates *made = ku_duplicates_new(graph_in(self), &error);
    if (made == NULL) {
        return ku__analysis_raise(&error);
    }
    size_t shown = most >= 0 && (size_t)most < made->count ? (size_t)most : made->count;
    PyObject *rows = list_of(shown, duplicate_row, made);
    PyObject *result = rows == NULL ? NULL
                                    : Py_BuildValue("(KKKKN)", (wide)made->count, (wide)made->nodes, (wide)made->bytes,
                                                    (wide)made->wasted, rows);
    ku_duplicates_delete(made);
    return result;
}

typedef struct rooms_of {
    const ku_graph *graph;
    const ku_rooms *rooms;
} rooms_of;

static PyObject *room_row(const void *argument, size_t index) {
    const rooms_of *of = argument;
    const ku_room *one = &of->rooms->list[index];
    char type[KU__NODE_TEXT];
    ku_graph_type_text(of->graph, one->type, type, sizeof type);
    return Py_BuildValue("(NIIKI)", ku__analysis_text(type), (unsigned)one->site, (unsigned)one->nodes,
                         (wide)one->bytes, (unsigned)one->example);
}

PyObject *ku__analysis_rooms(PyObject *self, PyObject *ignored) {
    (void)ignored;
    ku_error error = {0};
    ku_rooms *made = ku_rooms_new(graph_in(self), &error);
    if (made == NULL) {
        return ku__analysis_raise(&error);
    }
    PyObject *rows = list_of(made->count, room_row, &(rooms_of){graph_in(self), made});
    PyObject *result = rows == NULL ? NULL : Py_BuildValue("(KKN)", (wide)made->nodes, (wide)made->bytes, rows);
    ku_rooms_delete(made);
    return result;
}

PyObject *ku__analysis_room(PyObject *self, PyObject *arguments) {
    PyObject *number;
    uint32_t node;
    if (!PyArg_ParseTuple(arguments, "O:room", &number) ||
        !ku__analysis_node_of((ku__analysis *)(void *)self, number, &node)) {
        return NULL;
    }
    return PyLong_FromUnsignedLongLong(ku_graph_room(graph_in(self), node));
}

/* The number of the first node that is equal, which may be itself; None. */
PyObject *ku__analysis_equal(PyObject *self, PyObject *arguments) {
    PyObject *number;
    uint32_t node;
    if (!PyArg_ParseTuple(arguments, "O:equal", &number) ||
        !ku__analysis_node_of((ku__analysis *)(void *)self, number, &node)) {
        return NULL;
    }
    return number_or_none(ku_graph_equal(graph_in(self), node));
}
