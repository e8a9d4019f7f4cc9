/* pools.h: the pools of a heap, one by one, for whoever reads blocks in bulk.
 *
 * For the holder of the heap's lock; or in the child of a clone, where nobody else runs, but where a lock of the
 * process's may be held by a thread that is not there: so no lock is taken. The arenas of other heaps may come and go
 * meanwhile; those of this one do not. Magazines are flushed before (ku__heap_flush).
 */
#ifndef KU__POOLS_H
#define KU__POOLS_H

#include "alloc/large.h"
#include "alloc/walk.h"

#include <kucha/stats.h>

typedef struct ku__pool_view {
    const ku__pool *pool;
    char *first; /* its first block */
    size_t size; /* of a block */
    uint32_t capacity;
    uint32_t number;
} ku__pool_view;

typedef void ku__pool_reader(const ku__pool_view *pool, void *argument);

static inline uint64_t ku__pool_view_taken(const ku__pool_view *view, size_t word) {
    return ku__walk_taken(view->pool, word);
}

static inline ku__pool_view ku__pool_view_of(uint32_t number) {
    const ku__pool *pool = ku__pool_at(number);
    return (ku__pool_view){.pool = pool,
                           .first = ku__pool_address(number) + ku__pool_first(number),
                           .size = ku__class_size(pool->class_index),
                           .capacity = pool->capacity,
                           .number = number};
}

/* In order of address. */
static inline void ku__pools_visit(const ku_heap *heap, ku__pool_reader *read, void *argument) {
    size_t left = heap->arenas;
    for (uint32_t arena = 0; left > 0 && arena < ku__process_tables.arena_slots; arena++) {
        if (ku__process_tables.arenas[arena].heap != heap) {
            continue;
        }
        left--;
        for (uint64_t used = ~ku__process_tables.arenas[arena].free_pools; used != 0; used &= used - 1) {
            ku__pool_view view = ku__pool_view_of(arena * KU__POOLS_PER_ARENA + (uint32_t)__builtin_ctzll(used));
            read(&view, argument);
        }
    }
}

#endif
