/* stats.c: what the heaps hold, for Python.
 *
 * The main interpreter asks, and its own heaps are read exactly. Those of other interpreters may be changing at this
 * moment: they are read as they stand (alloc/arenas.h), an operation late. Only their own interpreters can purge them.
 */
#include "cpython/module.h"

#include "alloc/arenas.h"
#include "cpython/bridge.h"
#include "cpython/many.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

/* A heap as it is shown. */
typedef struct shown {
    ku_heap *heap;
    ku__reading reading;
    int64_t interpreter;
} shown;

/* Calls `act` for every heap; stops when it says false. */
static bool each_heap(bool (*act)(const shown *of, void *argument), void *argument) {
    for (ku__house *house = ku__house_next(NULL); house != NULL; house = ku__house_next(house)) {
        shown of = {.reading = ku__many_reads(house) ? KU__READ_OWN : KU__READ_RUNNING,
                    .interpreter = atomic_load(&house->owner)};
        ku_heap *const heaps[] = {house->objects, house->buffers};
        for (size_t i = 0; i < 2; i++) {
            of.heap = heaps[i];
            if (!act(&of, argument)) {
                return false;
            }
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
static PyObject *arenas_of(const shown *of) {
    size_t capacity = ku__heap_arenas_of(of->heap, of->reading, NULL, 0);
    ku_arena_stats *arenas = calloc(capacity + 1, sizeof *arenas);
    if (arenas == NULL) {
        return PyErr_NoMemory();
    }
    size_t count = ku__heap_arenas_of(of->heap, of->reading, arenas, capacity);
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

static PyObject *describe(const shown *of) {
    ku_heap_stats s;
    ku__heap_stats_of(of->heap, of->reading, &s);
    PyObject *arenas = arenas_of(of);
    PyObject *classes = arenas == NULL ? NULL : classes_of(&s);
    if (classes == NULL) {
        Py_XDECREF(arenas);
        return NULL;
    }
    return Py_BuildValue(
        "{s:s,s:L,s:s,s:n,s:n,s:n,s:n,s:n,s:n,s:n,s:n,s:n,s:n,s:n,s:n,s:n,s:n,s:n,s:n,s:n,s:n,s:n,s:n,s:N,s:N}", "name",
        s.name, "interpreter", (long long)of->interpreter, "domain", domain_name(s.domain), "limit", s.limit,
        "arena_size", s.arena_size, "pool_size", s.pool_size, "arenas", s.arenas, "arenas_peak", s.arenas_peak,
        "arenas_taken", s.arenas_taken, "arenas_huge", s.arenas_huge, "bytes_populated", s.bytes_populated,
        "pools_used", s.pools_used, "pools_free", s.pools_free, "blocks_used", s.blocks_used, "bytes_used",
        s.bytes_used, "blocks_free", s.blocks_free, "bytes_free", s.bytes_free, "large_blocks", s.large_blocks,
        "large_bytes", s.large_bytes, "large_bytes_peak", s.large_bytes_peak, "bytes_held", s.bytes_held,
        "bytes_mapped", s.bytes_mapped, "metadata_bytes", s.metadata_bytes, "classes", classes, "arenas_list", arenas);
}

static bool append_description(const shown *of, void *list) {
    return append(list, describe(of));
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
static PyObject *written(PyObject *module, bool (*act)(const shown *of, void *stream)) {
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

static bool print_heap(const shown *of, void *stream) {
    if (of->interpreter != 0) {
        fprintf(stream, "Interpreter %" PRId64 "\n", of->interpreter);
    }
    return ku__heap_stats_write(of->heap, of->reading, stream) == 0;
}

PyObject *ku__stats_text_call(PyObject *module, PyObject *ignored) {
    (void)ignored;
    return written(module, print_heap);
}

static bool draw_heap(const shown *of, void *stream) {
    return ku__heap_map_write(of->heap, of->reading, stream) == 0;
}

PyObject *ku__map_svg_call(PyObject *module, PyObject *ignored) {
    (void)ignored;
    return written(module, draw_heap);
}

/* ---- purge() ---- */

static bool purge_heap(const shown *of, void *given_back) {
    if (of->reading == KU__READ_OWN) {
        *(size_t *)given_back += ku_heap_purge(of->heap);
    }
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
