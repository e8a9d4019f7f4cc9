/* blocks.h: what the allocator gave out, block by block, in memory that stands still: the process's own, in the child
 * of a clone or under the heaps' locks, or that of a core file. All is found through the anchor (alloc/anchor.h).
 *
 * A *slot* stands for a block of kucha's pools, or for something that lies elsewhere: a large block, an object of
 * another allocator. Slots of pools are numbered pool by pool; those elsewhere follow, in the order they were met.
 *
 * A program that did not run under kucha has no pools: then every slot is one elsewhere, which whoever walks has added.
 *
 * Nothing is locked, and all memory comes from pages. Blocks that wait in magazines, or were freed by other threads,
 * are told apart here: nothing has to be emptied before.
 */
#ifndef KU__BLOCKS_H
#define KU__BLOCKS_H

#include "alloc/anchor.h"
#include "inspect/growing.h"
#include "inspect/memory.h"
#include "inspect/order.h"
#include "inspect/pointer_map.h"
#include "inspect/python_graph.h" /* KU__NO_SLOT */

#include <kucha/graph.h>

typedef struct ku__elsewhere {
    uintptr_t address; /* of the object, or of the buffer */
    uint64_t size;     /* of the large block; 0: not kucha's */
    uint64_t owned;    /* what its owner says of a buffer that is not kucha's */
    uint32_t front;    /* bytes in front of the object */
    uint32_t node;
    uint32_t site;
    uint8_t marks;
    uint8_t heap; /* of the choice */
    bool is_buffer;
} ku__elsewhere;

typedef struct ku__heap_pool {
    uint32_t first_slot; /* 1 more than the first slot; 0: not in use, or of another heap */
    uint32_t reciprocal; /* of class_size, 2^32 rounded up: alloc/fast.h says why that divides exactly */
    uint16_t begin;      /* of the first block, from the pool's beginning */
    uint16_t capacity;
    uint16_t class_size;
    uint8_t heap; /* of the choice */
    bool is_buffer : 1;
    bool has_sites : 1;
} ku__heap_pool; /* 16 bytes: one is read for each reference */
_Static_assert(sizeof(ku__heap_pool) == 16, "four to a line of the cache");

/* The heaps that are looked at, 255 at most. */
typedef struct ku__heap_choice {
    uintptr_t heap;
    bool is_buffer; /* no block of it is an object */
} ku__heap_choice;

typedef struct ku__blocks {
    ku__memory *memory;
    ku__anchor anchor;
    uintptr_t base;      /* of the range of arenas */
    uint32_t pool_count; /* of the whole range; 0: the program did not run under kucha */
    uintptr_t arena_table, site_table;
    ku__heap_pool *pools; /* by number */
    uint32_t arenas_end;  /* all arenas of the heaps, and so all their pools, lie below this one */
    uint32_t pool_slots;
    uint32_t *nodes; /* by slot of a pool: the walker's; KU_GRAPH_NONE: not live */
    uint8_t *marks, *slacks;
    ku__growing others; /* ku__elsewhere */
    ku__pointer_map by_address;
    ku__placed *sorted; /* slots elsewhere, by address; ku__blocks_sort() */
    size_t sorted_count;
    bool failed; /* memory was refused */
} ku__blocks;

/* What a walk meets. */
typedef struct ku__block {
    uint32_t slot;
    uintptr_t address; /* where the block begins */
    uint64_t size;     /* of the block; 0: not kucha's */
    uint64_t owned;
    uint32_t front;
    uint32_t site; /* slot of the site table; 0: nothing is known */
    uint8_t marks;
    uint8_t heap;
    bool is_buffer;
    bool is_elsewhere;
} ku__block;
typedef void ku__block_meeting(void *argument, const ku__block *block);

/* Where in a large block an object begins, and its marks; leaves both as they are for one that is none. */
typedef void ku__block_sight(void *argument, uintptr_t address, uint64_t size, uint32_t *front, uint8_t *marks);

/* Takes stock of these heaps. `blocks` has memory and anchor. `sight` may be NULL. False: memory was refused. */
bool ku__blocks_open(ku__blocks *blocks, const ku__heap_choice *heaps, size_t count, ku__block_sight *sight,
                     void *argument);
void ku__blocks_close(ku__blocks *blocks);

/* The slot of an address in a block of a pool, or at one elsewhere; KU__NO_SLOT. */
uint32_t ku__blocks_find(const ku__blocks *blocks, uintptr_t address);

/* Adds something elsewhere; KU__NO_SLOT: memory was refused. */
uint32_t ku__blocks_add(ku__blocks *blocks, ku__elsewhere other);

/* Calls meet for the blocks of pools, in order of address; for all, when those elsewhere have been sorted, which no
 * more are added to; for those elsewhere, in the order in which they were met, those that meet adds included. */
void ku__blocks_walk_pools(ku__blocks *blocks, ku__block_meeting *meet, void *argument);
bool ku__blocks_sort(ku__blocks *blocks);
void ku__blocks_walk(ku__blocks *blocks, ku__block_meeting *meet, void *argument);
void ku__blocks_walk_others(ku__blocks *blocks, ku__block_meeting *meet, void *argument);

/* Calls tell for each arena of the heaps, by address; the heap's number of the choice stands in `heap`. */
typedef void ku__arena_telling(void *argument, const ku_graph_arena *arena);
void ku__blocks_arenas(ku__blocks *blocks, const ku__heap_choice *heaps, size_t count, ku__arena_telling *tell,
                       void *argument);

static inline uintptr_t ku__blocks_pool_address(const ku__blocks *blocks, uint32_t number) {
    return blocks->base + ((uintptr_t)number << blocks->anchor.pool_bits);
}
static inline uintptr_t ku__blocks_pool_first(const ku__blocks *blocks, uint32_t number) {
    return ku__blocks_pool_address(blocks, number) + blocks->pools[number].begin;
}
static inline bool ku__blocks_in_range(const ku__blocks *blocks, uintptr_t address) {
    return blocks->pool_count != 0 && address >= blocks->base &&
           (address - blocks->base) >> blocks->anchor.pool_bits < blocks->pool_count;
}
static inline const ku__heap_pool *ku__blocks_pool_of(const ku__blocks *blocks, uintptr_t address) {
    return &blocks->pools[(address - blocks->base) >> blocks->anchor.pool_bits];
}

static inline ku__elsewhere *ku__blocks_other(const ku__blocks *blocks, uint32_t slot) {
    return KU__GROWING_ITEMS(&blocks->others, ku__elsewhere) + (slot - blocks->pool_slots);
}
static inline uint32_t ku__blocks_slots(const ku__blocks *blocks) {
    return blocks->pool_slots + (uint32_t)KU__GROWING_COUNT(&blocks->others, ku__elsewhere);
}
static inline uint8_t *ku__blocks_marks(const ku__blocks *blocks, uint32_t slot) {
    return slot < blocks->pool_slots ? &blocks->marks[slot] : &ku__blocks_other(blocks, slot)->marks;
}
static inline uint32_t *ku__blocks_node(const ku__blocks *blocks, uint32_t slot) {
    return slot < blocks->pool_slots ? &blocks->nodes[slot] : &ku__blocks_other(blocks, slot)->node;
}

#endif
