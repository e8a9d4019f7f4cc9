/* blocks.h: what lay in the memory of a core, block by block; the counterpart of cpython/graph_heap.h.
 *
 * A *slot* stands for a block of kucha's pools, or for something that lies elsewhere: a large block, an object of
 * another allocator. Slots of pools are numbered pool by pool; those elsewhere follow, in the order they were met.
 *
 * A program that did not run under kucha has no pools: then every slot is one elsewhere, there is one for each object
 * that something leads to, and the buffers that objects own have the sizes that their owners give them.
 */
#ifndef KU__BLOCKS_H
#define KU__BLOCKS_H

#include "alloc/anchor.h"
#include "corefile/types.h"
#include "inspect/python_graph.h"

#include <kucha/graph.h>

typedef struct ku__elsewhere {
    uintptr_t address; /* of the object, or of the buffer */
    uint64_t size;     /* of the large block; 0: not kucha's */
    uint64_t owned;    /* what its owner says of a buffer that is not kucha's */
    uint32_t front;
    uint32_t node;
    uint32_t site;
    uint8_t marks;
    bool is_buffer;
} ku__elsewhere;

typedef struct ku__core_pool {
    uint32_t first_slot; /* 1 more than the first slot; 0: not in use, or of another heap */
    uint16_t capacity;
    uint16_t class_size;
    bool is_buffer;
    bool has_sites;
} ku__core_pool;

typedef struct ku__blocks {
    ku__image *image;
    const ku__core_types *types;
    ku__anchor anchor;
    uintptr_t base;      /* of the range of arenas */
    uint32_t pool_count; /* of the whole range; 0: the program did not run under kucha */
    uintptr_t site_table;
    ku__core_pool *pools; /* by number */
    uint32_t pool_slots;
    uint32_t *nodes; /* by slot of a pool; KU_GRAPH_NONE: not live */
    uint8_t *marks, *slacks;
    ku__growing others; /* ku__elsewhere */
    ku__pointer_map by_address;
    bool failed;
} ku__blocks;

/* The heaps that are looked at: two of an interpreter's, or all of a native program's. */
typedef struct ku__heap_choice {
    uintptr_t heap;
    bool is_buffer;
} ku__heap_choice;

/* Finds kucha's anchor: that of an interpreter under kucha, or (`native`) of a program of its own; false: there is
 * none. */
bool ku__anchor_find(ku__image *image, bool native, ku__anchor *anchor);

/* Takes stock of these heaps. `blocks` has image, types and anchor. False with `error` filled. */
bool ku__blocks_open(ku__blocks *blocks, const ku__heap_choice *heaps, size_t count, ku_error *error);
void ku__blocks_close(ku__blocks *blocks);

/* The slot of an address that may be an object or a buffer; KU__NO_SLOT. */
uint32_t ku__blocks_find(const ku__blocks *blocks, uintptr_t address);

/* The slot of an object that something refers to; one that is new is looked at first. KU__NO_SLOT: it is none. */
uint32_t ku__blocks_meet(ku__blocks *blocks, uintptr_t object);

/* Notes what the collector's lists lead to; false: it was noted before, or is no object. */
bool ku__blocks_note_tracked(ku__blocks *blocks, uintptr_t object, unsigned generation);

void ku__blocks_claim(ku__blocks *blocks, uintptr_t block, size_t size, ku__buffer_kind kind);

/* Where an object at this address begins exactly, and lives: what a word that may be a reference must be. */
bool ku__blocks_is_object(ku__blocks *blocks, uintptr_t address);

static inline uintptr_t ku__blocks_pool_address(const ku__blocks *blocks, uint32_t number) {
    return blocks->base + ((uintptr_t)number << blocks->anchor.pool_bits);
}
static inline uint32_t ku__blocks_pool_first(const ku__blocks *blocks, uint32_t number) {
    return blocks->anchor.pool_shift + number % blocks->anchor.pool_colours * 64;
}
static inline bool ku__blocks_in_range(const ku__blocks *blocks, uintptr_t address) {
    return blocks->pool_count != 0 && address >= blocks->base &&
           (address - blocks->base) >> blocks->anchor.pool_bits < blocks->pool_count;
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
static inline uint32_t ku__blocks_node(const ku__blocks *blocks, uint32_t slot) {
    return slot < blocks->pool_slots ? blocks->nodes[slot] : ku__blocks_other(blocks, slot)->node;
}

#endif
