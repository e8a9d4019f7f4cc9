/* census.c: how many objects of each type live, and what they take: a walk over the pools of the obj domain.
 *
 * Every live block is looked at once, whatever the collector thinks of it: numbers and strings are counted like
 * containers. Blocks that are on a free list of their type are told apart. What a block is, types.h says; a block that
 * no type explains is counted apart (a dict's table of keys lies in the obj domain, too). Objects that were born before
 * kucha was installed are in no pool of ours and are not counted: whoever wants them takes a heap file.
 *
 * A walk costs one read or two of a block's first cache line; nothing is allocated in the heaps meanwhile. Blocks of
 * one pool are mostly of one type: what the last one was is tried first, in a way that gives the same answer.
 *
 * In a large heap a second thread takes half of the arenas. It only reads, and calls nothing of the interpreter's,
 * whose lock the caller holds until both have ended: 3.3 million objects take 33 ms of processor time, of which the
 * caller's share is then 17.
 */
#include "cpython/module.h"

#include "alloc/pools.h"
#include "cpython/bridge.h"
#include "cpython/many.h"
#include "cpython/types.h"
#include "os/machine.h"
#include "os/pages.h"
#include "os/thread.h"

#include <stdatomic.h>

typedef unsigned long long wide; /* what "K" of Py_BuildValue takes */

/* How far ahead memory is fetched, in bytes: over the border of a page, where the machine's own prefetching ends. */
enum { AHEAD = 2048 };

/* A heap of so many arenas holds a million objects, which take one thread about 10 ms: a hundred times what starting
 * and ending another one does. */
enum { COUNTERS = 2, SHARED_FROM = (64 << 20) >> KU__ARENA_BITS, HELPER_STACK = 64 << 10 };

typedef struct tally {
    uint64_t objects, bytes; /* blocks, and their bytes */
    uint64_t kept, kept_bytes;
} tally;

/* Who counts: the caller, and in a large heap a thread beside it. */
typedef struct counter {
    const ku__type_table *types;
    tally *tallies; /* one a type, and one for what is no object */
} counter;

typedef struct census {
    ku__type_table types;
    counter counters[COUNTERS];
    tally buffers;
} census;

static void count_sighted(const counter *work, const char *block, size_t size, ku__sighting seen) {
    bool known = seen.type != KU__NO_TYPE;
    tally *of = &work->tallies[known ? seen.type : ku__type_table_count(work->types)];
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

static void count_next(const counter *work, const char *block, size_t size, recent *last) {
    if (last->type == 0 || !ku__sight_again(work->types, block, last->seen, last->type)) {
        ku__sighting seen = ku__sight(work->types, block, size);
        if (seen.type == KU__NO_TYPE) {
            count_sighted(work, block, size, seen);
            return;
        }
        *last = (recent){seen, ku__type_table_at(work->types, seen.type)->address};
    }
    count_sighted(work, block, size, last->seen);
}

static void count_pool(const counter *work, const ku__pool_view *pool) {
    recent last = {.type = 0};
    for (size_t word = 0; word * 64 < pool->capacity; word++) {
        for (uint64_t left = ku__pool_view_taken(pool, word); left != 0; left &= left - 1) {
            const char *block = pool->first + (word * 64 + (size_t)__builtin_ctzll(left)) * pool->size;
            __builtin_prefetch(block + AHEAD);
            count_next(work, block, pool->size, &last);
        }
    }
}

static bool count_large(const ku__large_entry *entry, uint32_t site, void *argument) {
    (void)site;
    const counter *work = argument;
    const char *block = (const char *)entry->address;
    count_sighted(work, block, entry->size, ku__sight(work->types, block, entry->size));
    return true;
}

/* ---- a heap's pools, by all who count ---- */

/* The arenas of a heap: who counts takes the next one, until none is left. */
typedef struct sharing {
    uint32_t *arenas;
    size_t count;
    _Atomic size_t next;
} sharing;

typedef struct share {
    sharing *of;
    const counter *work;
} share;

static void *count_arenas(void *argument) {
    const share *by = argument;
    for (size_t i; (i = atomic_fetch_add_explicit(&by->of->next, 1, memory_order_relaxed)) < by->of->count;) {
        uint32_t arena = by->of->arenas[i];
        for (uint64_t used = ~ku__process_tables.arenas[arena].free_pools; used != 0; used &= used - 1) {
            ku__pool_view pool = ku__pool_view_of(arena * KU__POOLS_PER_ARENA + (uint32_t)__builtin_ctzll(used));
            count_pool(by->work, &pool);
        }
    }
    return NULL;
}

static void list_arenas(sharing *of, const ku_heap *heap) {
    for (uint32_t arena = 0; of->count < heap->arenas && arena < ku__process_tables.arena_slots; arena++) {
        if (ku__process_tables.arenas[arena].heap == heap) {
            of->arenas[of->count++] = arena;
        }
    }
}

/* The caller has the GIL all the while, so nothing changes; the thread beside it only reads. False: no memory. */
static bool count_pools(census *work, const ku_heap *heap) {
    size_t bytes = (heap->arenas + 1) * sizeof(uint32_t);
    sharing of = {.arenas = ku__pages_map(bytes)};
    if (of.arenas == NULL) {
        return false;
    }
    list_arenas(&of, heap);
    share own = {&of, &work->counters[0]}, beside = {&of, &work->counters[1]};
    ku__thread helper;
    bool helped = of.count >= SHARED_FROM && ku__processors() > 1 &&
                  ku__thread_start(&helper, count_arenas, &beside, HELPER_STACK) == 0;
    count_arenas(&own);
    if (helped) {
        ku__thread_end(&helper);
    }
    ku__pages_unmap(of.arenas, bytes);
    return true;
}

static void count_buffers(census *work, ku_heap *heap) {
    ku_heap_stats stats;
    ku_heap_stats_read(heap, &stats);
    work->buffers.objects += stats.blocks_used + stats.large_blocks;
    work->buffers.bytes += stats.bytes_used + stats.large_bytes;
}

static bool count_house(census *work, const ku__house *house) {
    ku__heap_flush(house->objects);
    if (!count_pools(work, house->objects)) {
        return false;
    }
    ku__large_walk(house->objects, count_large, &work->counters[0]);
    count_buffers(work, house->buffers);
    return true;
}

/* What interpreters that have ended left behind, where there is no other now. */
static bool count_left_behind(census *work) {
    bool counted = true;
    ku__house *house = ku__interpreter_count() > 1 ? NULL : ku__house_next(ku__bridge_state.main_house);
    for (; house != NULL && counted; house = ku__house_next(house)) {
        int64_t owner;
        if (ku__many_borrow(house, &owner)) {
            counted = count_house(work, house);
            ku__many_give_back(house, owner);
        }
    }
    return counted;
}

static bool count_heaps(census *work) {
    return count_house(work, ku__bridge_state.main_house) && (!ku__bridge_state.many || count_left_behind(work));
}

/* ---- the answer ---- */

static PyObject *row_of(PyObject *type, const tally *of) {
    return Py_BuildValue("(OKKKK)", type, (wide)of->objects, (wide)of->bytes, (wide)of->kept, (wide)of->kept_bytes);
}

/* Adds all counts to those of the first. */
static void add_up(census *work) {
    for (int i = 1; i < COUNTERS; i++) {
        for (uint32_t type = 0; type <= ku__type_table_count(&work->types); type++) {
            tally *sum = &work->counters[0].tallies[type];
            const tally *more = &work->counters[i].tallies[type];
            sum->objects += more->objects;
            sum->bytes += more->bytes;
            sum->kept += more->kept;
            sum->kept_bytes += more->kept_bytes;
        }
    }
}

static PyObject *rows_of(const census *work) {
    PyObject *rows = PyList_New(0);
    for (uint32_t i = 0; rows != NULL && i < ku__type_table_count(&work->types); i++) {
        const tally *of = &work->counters[0].tallies[i];
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
    const tally *rest = &work->counters[0].tallies[ku__type_table_count(&work->types)];
    return Py_BuildValue("(N(KK)(KK))", rows_of(work), (wide)rest->objects, (wide)rest->bytes,
                         (wide)work->buffers.objects, (wide)work->buffers.bytes);
}

static bool take_tallies(census *work, size_t bytes) {
    bool taken = true;
    for (int i = 0; i < COUNTERS; i++) {
        work->counters[i] = (counter){&work->types, ku__pages_map(bytes)};
        taken = taken && work->counters[i].tallies != NULL;
    }
    return taken;
}

static PyObject *take_census(census *work) {
    size_t bytes = ((size_t)ku__type_table_count(&work->types) + 1) * sizeof(tally);
    PyObject *answer = NULL;
    if (take_tallies(work, bytes) && count_heaps(work)) {
        add_up(work);
        answer = answer_of(work);
    } else {
        PyErr_NoMemory();
    }
    for (int i = 0; i < COUNTERS; i++) {
        ku__pages_unmap(work->counters[i].tallies, bytes);
    }
    return answer;
}

PyObject *ku__census_call(PyObject *module, PyObject *ignored) {
    (void)ignored;
    if (!ku__require_main(module)) {
        return NULL;
    }
    if (!ku__bridge_state.installed) {
        return ku__refuse(module, "kucha is not installed under this interpreter; call install() first");
    }
    census work = {.buffers = {0}};
    if (!ku__collect_types(&work.types)) {
        return NULL;
    }
    PyObject *answer = take_census(&work);
    ku__type_table_close(&work.types);
    return answer;
}
