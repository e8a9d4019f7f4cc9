/* stats.c: what the heaps hold, for Python.
 *
 * A heap may be read by the holder of its interpreter's GIL only. While other interpreters run, their heaps are left
 * out: the main interpreter's are always shown.
 */
#include "cpython/module.h"

#include "cpython/bridge.h"
#include "cpython/many.h"

#include <kucha/stats.h>
#include <stdio.h>
#include <stdlib.h>

/* Calls `act` for every heap that may be read now; stops when it says false. */
static bool each_heap(bool (*act)(ku_heap *heap, void *argument), void *argument) {
    bool others = ku__bridge_state.many && ku__interpreter_count() > 1;
    for (ku__house *house = atomic_load(&ku__bridge_state.houses); house != NULL; house = house->next) {
        if (house->objects == NULL || (others && house != ku__bridge_state.main_house)) {
            continue;
        }
        if (!act(house->objects, argument) || !act(house->buffers, argument)) {
            return false;
        }
    }
    return true;
}

static int require_installed(PyObject *module) {
    if (!ku__require_main(module)) {
        return -1;
    }
    if (ku__bridge_state.installed) {
        return 0;
    }
    ku__refuse(module, "kucha is not installed under this interpreter; call install() first");
    return -1;
}

static const char *domain_name(ku_domain domain) {
    return domain == KU_DOMAIN_OBJECT ? "obj" : domain == KU_DOMAIN_BUFFER ? "mem" : "native";
}

static bool append(PyObject *list, PyObject *item) {
    bool done = item != NULL && PyList_Append(list, item) == 0;
    Py_XDECREF(item);
    return done;
}

/* ---- stats() ---- */

static PyObject *classes_of(const ku_heap_stats *stats) {
    PyObject *list = PyList_New(0);
    for (size_t i = 0; list != NULL && i < KU_CLASS_COUNT; i++) {
        const ku_class_stats *at = &stats->classes[i];
        PyObject *row =
            Py_BuildValue("{s:n,s:n,s:n,s:n,s:n}", "block_size", at->block_size, "pools", at->pools, "blocks_used",
                          at->blocks_used, "blocks_free", at->blocks_free, "tail_bytes", at->tail_bytes);
        if (!append(list, row)) {
            Py_CLEAR(list);
        }
    }
    return list;
}

/* The arenas are read into memory of the system's: a list that grows would change what it describes. */
static PyObject *arenas_of(ku_heap *heap) {
    size_t capacity = ku_heap_arenas_read(heap, NULL, 0);
    ku_arena_stats *arenas = calloc(capacity + 1, sizeof *arenas);
    if (arenas == NULL) {
        return PyErr_NoMemory();
    }
    size_t count = ku_heap_arenas_read(heap, arenas, capacity);
    count = count < capacity ? count : capacity;
    PyObject *list = PyList_New(0);
    for (size_t i = 0; list != NULL && i < count; i++) {
        const ku_arena_stats *at = &arenas[i];
        PyObject *row = Py_BuildValue("{s:K,s:n,s:n,s:n,s:n}", "address", (unsigned long long)at->address, "pools_used",
                                      at->pools_used, "pools_free", at->pools_free, "blocks_used", at->blocks_used,
                                      "bytes_used", at->bytes_used);
        if (!append(list, row)) {
            Py_CLEAR(list);
        }
    }
    free(arenas);
    return list;
}

static PyObject *describe(ku_heap *heap) {
    ku_heap_stats s;
    ku_heap_stats_read(heap, &s);
    PyObject *arenas = arenas_of(heap);
    PyObject *classes = arenas == NULL ? NULL : classes_of(&s);
    if (classes == NULL) {
        Py_XDECREF(arenas);
        return NULL;
    }
    return Py_BuildValue("{s:s,s:s,s:n,s:n,s:n,s:n,s:n,s:n,s:n,s:n,s:n,s:n,s:n,s:n,s:n,s:n,s:n,s:n,s:n,s:n,s:N,s:N}",
                         "name", s.name, "domain", domain_name(s.domain), "limit", s.limit, "arena_size", s.arena_size,
                         "pool_size", s.pool_size, "arenas", s.arenas, "arenas_peak", s.arenas_peak, "arenas_taken",
                         s.arenas_taken, "pools_used", s.pools_used, "pools_free", s.pools_free, "blocks_used",
                         s.blocks_used, "bytes_used", s.bytes_used, "blocks_free", s.blocks_free, "bytes_free",
                         s.bytes_free, "large_blocks", s.large_blocks, "large_bytes", s.large_bytes, "large_bytes_peak",
                         s.large_bytes_peak, "bytes_held", s.bytes_held, "bytes_mapped", s.bytes_mapped,
                         "metadata_bytes", s.metadata_bytes, "classes", classes, "arenas_list", arenas);
}

static bool append_description(ku_heap *heap, void *list) {
    return append(list, describe(heap));
}

PyObject *ku__stats_call(PyObject *module, PyObject *ignored) {
    (void)ignored;
    PyObject *list = require_installed(module) == 0 ? PyList_New(0) : NULL;
    if (list != NULL && !each_heap(append_description, list)) {
        Py_CLEAR(list);
    }
    return list;
}

/* ---- as text and as a picture ---- */

/* Writes through a stream in the system's memory, which the heaps that are described do not see. */
static PyObject *written(PyObject *module, bool (*act)(ku_heap *heap, void *stream)) {
    if (require_installed(module) != 0) {
        return NULL;
    }
    char *text = NULL;
    size_t size = 0;
    FILE *stream = open_memstream(&text, &size);
    if (stream == NULL) {
        return PyErr_NoMemory();
    }
    bool whole = each_heap(act, stream);
    whole = fclose(stream) == 0 && whole;
    PyObject *result = whole ? PyUnicode_DecodeUTF8(text, (Py_ssize_t)size, "replace") : PyErr_NoMemory();
    free(text);
    return result;
}

static bool print_heap(ku_heap *heap, void *stream) {
    return ku_heap_stats_print(heap, stream) == 0;
}

PyObject *ku__stats_text_call(PyObject *module, PyObject *ignored) {
    (void)ignored;
    return written(module, print_heap);
}

static bool draw_heap(ku_heap *heap, void *stream) {
    return ku_heap_map_svg(heap, stream) == 0;
}

PyObject *ku__map_svg_call(PyObject *module, PyObject *ignored) {
    (void)ignored;
    return written(module, draw_heap);
}

/* ---- purge() ---- */

static bool purge_heap(ku_heap *heap, void *given_back) {
    *(size_t *)given_back += ku_heap_purge(heap);
    return true;
}

PyObject *ku__purge_call(PyObject *module, PyObject *ignored) {
    (void)ignored;
    if (require_installed(module) != 0) {
        return NULL;
    }
    size_t given_back = 0;
    each_heap(purge_heap, &given_back);
    return PyLong_FromSize_t(given_back);
}
