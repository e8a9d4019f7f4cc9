/* tables.h: arenas and pools, and the tables in which they are described.
 *
 * The process has one window of addresses (os/range.h). Behind the arenas lie, each at a fixed place, so that an
 * address finds its entry by a subtraction and a shift:
 *
 *     class map     16 bits a pool       whole, mapped at start (8 MiB of addresses, touched where pools are)
 *     arena table   64 bytes an arena    whole, mapped at start
 *     pool records  ku__pool each        taken for 16 arenas at a time
 *     site table    a quarter of an arena, taken for arenas of heaps that trace
 *
 * A pool is known by its number in the range, an arena by its own.
 *
 * Invariants of a pool in use:
 *     taken + (bits set in free_bits) == capacity
 *     it is in its heap's partial list of its class, or in that of pools apart, exactly if taken < capacity
 *     class_map[number] == heap->number << 6 | sampled << 5 | class_index
 * of a pool not in use: class_map[number] == 0 and its bit is set in its arena's free_pools.
 * of an arena: free_count == bits set in free_pools; it is in its heap's list by_free[free_count].
 *
 * Locks: the process's lock guards which arenas are taken, and the list of heaps; everything about an arena or a pool
 * belongs to the holder of its heap.
 */
#ifndef KU__TABLES_H
#define KU__TABLES_H

#include "alloc/fast.h"
#include "os/range.h"

#define KU__NONE UINT32_MAX /* no pool, no arena */

struct ku__arena {
    ku_heap *heap;        /* NULL: the slot is free (or, with `blocked`, not ours to use) */
    uint64_t free_pools;  /* bit set: the pool has no class */
    uint64_t dirty_pools; /* bit set: the pool is free and has pages that were touched */
    uint64_t stale_pools; /* bit set: it has been so since the heap's pools_check before the last one */
    uint32_t next, prev;  /* arenas of the heap with the same free_count */
    uint32_t free_count;
    uint64_t idle_since; /* milliseconds: when its last pool became free */
    bool has_sites;      /* its part of the site table is there */
    bool ahead;          /* it was to lie on huge pages: pages of it may be there that nobody touched */
    bool small;          /* it was advised to lie on small pages, and must stay there */
    bool blocked;        /* something else lies at these addresses */
};

struct ku__pool {
    ku_heap *heap;
    uint32_t next, prev; /* partial list */
    uint16_t capacity;
    uint16_t taken;      /* blocks that are not in free_bits: live, or in a magazine */
    uint16_t first_word; /* no bit is set in words below */
    uint8_t class_index;
    bool listed;
    bool apart; /* for samples alone: listed in its heap's apart instead of partial, and its blocks pass no magazine */
    bool touched; /* in the heap's list of pools that blocks were taken from (walk.h) */
    uint32_t touched_next, touched_prev;
    _Alignas(64) uint64_t free_bits[KU__BLOCKS_MAX / 64];
};

typedef struct ku__tables {
    ku__range range;
    uint16_t *class_map;
    ku__arena *arenas;
    ku__pool *pools;
    uint32_t *sites;
    uint32_t arena_slots;
} ku__tables;

/* Set up once, by the first heap; read-only afterwards. */
extern ku__tables ku__process_tables;
bool ku__tables_open(void);

static inline uint32_t ku__pool_number(const void *address) {
    return (uint32_t)(((uintptr_t)address - ku__process_tables.range.base) >> KU__POOL_BITS);
}
static inline ku__pool *ku__pool_at(uint32_t number) {
    return &ku__process_tables.pools[number];
}
static inline char *ku__pool_address(uint32_t number) {
    return (char *)ku__process_tables.range.base + ((size_t)number << KU__POOL_BITS);
}
static inline bool ku__in_range(const void *address) {
    return (uintptr_t)address - ku__process_tables.range.base < ku__process_tables.range.arenas_bytes;
}
static inline uint32_t ku__arena_of_pool(uint32_t number) {
    return number / KU__POOLS_PER_ARENA;
}
static inline char *ku__arena_address(uint32_t arena) {
    return (char *)ku__process_tables.range.base + ((size_t)arena << KU__ARENA_BITS);
}

/* ---- the process's lock, and the list of heaps ---- */
void ku__process_lock(void);
void ku__process_unlock(void);
bool ku__heap_enlist(ku_heap *heap); /* gives it a number; false when 1023 heaps are alive */
/* Ending goes in two steps: first no other thread finds the heap any more, at last its number may be given again. */
void ku__heap_delist(ku_heap *heap);
void ku__heap_number_release(const ku_heap *heap);
ku_heap *ku__heaps_first(void);              /* walk with heap->next, under the lock */
ku_heap *ku__heap_numbered(unsigned number); /* NULL: none has this number now */

/* ---- arenas ---- */

/* Takes an arena from the system for the heap and lists it as wholly free; KU__NONE when refused. */
uint32_t ku__arena_take(ku_heap *heap);
/* Gives back an arena whose pools are all free. */
void ku__arena_give(ku_heap *heap, uint32_t arena);
/* Gives back arenas that have been idle for a while, all but one, and the pages of pools that have been free for a
 * while in arenas that are not; cheap when there is nothing to do. */
void ku__arenas_decay(ku_heap *heap);
void ku__arena_list(ku_heap *heap, uint32_t arena);
void ku__arena_unlist(ku_heap *heap, uint32_t arena);
bool ku__arena_sites_take(uint32_t arena);
void ku__arena_sites_give(uint32_t arena);

/* ---- pools ---- */

/* A fresh pool for a class, at the head of its list of pools with room; NULL when refused (last_refusal is set). */
ku__pool *ku__pool_take(ku_heap *heap, unsigned class_index, bool apart);
/* Makes a pool that was apart one like all others. */
void ku__pool_join(ku_heap *heap, uint32_t number);
/* The list of pools with room that this one belongs to. */
static inline uint32_t *ku__pool_list(ku_heap *heap, const ku__pool *pool) {
    return pool->apart ? &heap->apart[pool->class_index] : &heap->partial[pool->class_index];
}
/* Takes up to `count` free blocks, lowest addresses first, into items[0 .. n-1] such that items[n-1] is the lowest. */
size_t ku__pool_gather(ku__pool *pool, uint32_t number, void **items, size_t count);
/* Gives blocks of one class back to their pools, and pools of which nothing is taken any more to their arenas. The
 * pools may be of any heap whose lock is held. */
void ku__pool_give_back(void *const *blocks, size_t count, unsigned class_index);
/* The same for blocks of one pool by number, a bit for each: `taken` has a word for every word of free_bits. */
void ku__pool_give_back_bits(uint32_t number, const uint64_t *taken);
/* Takes one pool out of the heap's list of those that blocks were taken from; KU__NONE when it is empty. */
uint32_t ku__pool_untouch(ku_heap *heap);
/* Puts a pool in use into that list. */
void ku__pool_touch(ku_heap *heap, uint32_t number);
/* Releases the pools of which nothing is taken, which the normal path keeps as the last of their class. */
void ku__pools_release_empty(ku_heap *heap);

#ifdef KU_CHECKING
void ku__pool_check(uint32_t number);
void ku__arena_check(uint32_t arena);
#endif

/* What a heap's limit is compared with: the bytes of pools in use, whole, and of large blocks. */
static inline size_t ku__heap_held(const ku_heap *heap) {
    return heap->pools_used * KU__POOL_SIZE + atomic_load_explicit(&heap->large_bytes, memory_order_relaxed);
}

/* After memory went back: a heap with a lease keeps no more than that of its limit. */
static inline void ku__heap_trim_limit(ku_heap *heap) {
    if (KU__UNLIKELY(heap->lease != SIZE_MAX)) {
        size_t held = ku__heap_held(heap);
        bool beyond = heap->limit > held && heap->limit - held > heap->lease;
        heap->limit = beyond ? held + heap->lease : heap->limit;
    }
}

#endif
