/* census.c: how many objects of each type live, and what they take: a walk over the pools of the obj domain.
 *
 * Every live block is looked at once, whatever the collector thinks of it: numbers and strings are counted like
 * containers. Blocks that are on a free list of their type are told apart. What a block is, types.h says; a block that
 * no type explains is counted apart (a dict's table of keys lies in the obj domain, too). Objects that were born before
 * kucha was installed are in no pool of ours and are not counted: whoever wants them takes a heap file.
 *
 * A walk costs one read or two of a block's first cache line; nothing is allocated in the heaps meanwhile. Blocks of
 * one pool are mostly of one type: what the last one was is tried first, in a way that gives the same answer.
 */
#include "cpython/module.h"

#include "alloc/pools.h"
#include "cpython/bridge.h"
#include "cpython/many.h"
#include "cpython/types.h"
#include "os/pages.h"

typedef unsigned long long wide; /* what "K" of Py_BuildValue takes */

/* How far ahead memory is fetched, in bytes: over the border of a page, where the machine's own prefetching ends. */
enum { AHEAD = 2048 };

typedef struct tally {
    uint64_t objects, bytes; /* blocks, and their bytes */
    uint64_t kept, kept_bytes;
} tally;

typedef struct census {
    ku__type_table types;
    tally *tallies; /* one a type, and one for what is no object */
    tally buffers;
} census;

static void count_sighted(census *work, const char *block, size_t size, ku__sighting seen) {
    bool known = seen.type != KU__NO_TYPE;
    tally *of = &work->tallies[known ? seen.type : ku__type_table_count(&work->types)];
    if (ku__is_kept(*(const uint64_t *)(const void *)(block + seen.front)) && known) {
        of->kept++;
        of->kept_bytes += size;
    } else {
        of->objects++;
        of->bytes += size;
    }
}

/* What was seen last in a pool. */
typedef struct recent {
    ku__sighting seen;
    uintptr_t type; /* its address; 0: no object was seen yet */
} recent;

static void count_next(census *work, const char *block, size_t size, recent *last) {
    if (last->type == 0 || !ku__sight_again(&work->types, block, last->seen, last->type)) {
        ku__sighting seen = ku__sight(&work->types, block, size);
        if (seen.type == KU__NO_TYPE) {
            count_sighted(work, block, size, seen);
            return;
        }
        *last = (recent){seen, ku__type_table_at(&work->types, seen.type)->address};
    }
    count_sighted(work, block, size, last->seen);
}

static void count_pool(const ku__pool_view *pool, void *argument) {
    recent last = {.type = 0};
    for (size_t word = 0; word * 64 < pool->capacity; word++) {
        for (uint64_t left = ku__pool_view_taken(pool, word); left != 0; left &= left - 1) {
            const char *block = pool->first + (word * 64 + (size_t)__builtin_ctzll(left)) * pool->size;
            __builtin_prefetch(block + AHEAD);
            count_next(argument, block, pool->size, &last);
        }
    }
}

static bool count_large(const ku__large_entry *entry, uint32_t site, void *argument) {
    (void)site;
    const char *block = (const char *)entry->address;
    count_sighted(argument, block, entry->size, ku__sight(&((census *)argument)->types, block, entry->size));
    return true;
}

static void count_buffers(census *work, ku_heap *heap) {
    ku_heap_stats stats;
    ku_heap_stats_read(heap, &stats);
    work->buffers.objects += stats.blocks_used + stats.large_blocks;
    work->buffers.bytes += stats.bytes_used + stats.large_bytes;
}

static void count_heaps(census *work) {
    bool others = ku__bridge_state.many && ku__interpreter_count() > 1;
    for (ku__house *house = atomic_load(&ku__bridge_state.houses); house != NULL; house = house->next) {
        if (house->objects == NULL || (others && house != ku__bridge_state.main_house)) {
            continue;
        }
        ku__heap_flush(house->objects);
        ku__pools_visit(house->objects, count_pool, work);
        ku__large_walk(house->objects, count_large, work);
        count_buffers(work, house->buffers);
    }
}

/* ---- the answer ---- */

static PyObject *row_of(PyObject *type, const tally *of) {
    return Py_BuildValue("(OKKKK)", type, (wide)of->objects, (wide)of->bytes, (wide)of->kept, (wide)of->kept_bytes);
}

static PyObject *rows_of(const census *work) {
    PyObject *rows = PyList_New(0);
    for (uint32_t i = 0; rows != NULL && i < ku__type_table_count(&work->types); i++) {
        const tally *of = &work->tallies[i];
        if (of->objects + of->kept == 0) {
            continue;
        }
        PyObject *row = row_of((PyObject *)ku__python_type(&work->types, i), of);
        if (row == NULL || PyList_Append(rows, row) != 0) {
            Py_CLEAR(rows);
        }
        Py_XDECREF(row);
    }
    return rows;
}

static PyObject *answer_of(const census *work) {
    const tally *rest = &work->tallies[ku__type_table_count(&work->types)];
    return Py_BuildValue("(N(KK)(KK))", rows_of(work), (wide)rest->objects, (wide)rest->bytes,
                         (wide)work->buffers.objects, (wide)work->buffers.bytes);
}

PyObject *ku__census_call(PyObject *module, PyObject *ignored) {
    (void)ignored;
    if (!ku__require_main(module)) {
        return NULL;
    }
    if (!ku__bridge_state.installed) {
        return ku__refuse(module, "kucha is not installed under this interpreter; call install() first");
    }
    census work = {0};
    if (!ku__collect_types(&work.types)) {
        return NULL;
    }
    size_t bytes = ((size_t)ku__type_table_count(&work.types) + 1) * sizeof *work.tallies;
    work.tallies = ku__pages_map(bytes);
    PyObject *answer = NULL;
    if (work.tallies == NULL) {
        PyErr_NoMemory();
    } else {
        count_heaps(&work);
        answer = answer_of(&work);
    }
    ku__pages_unmap(work.tallies, bytes);
    ku__type_table_close(&work.types);
    return answer;
}
