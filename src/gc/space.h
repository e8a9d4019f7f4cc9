/* space.h: what the collector keeps about the blocks of a heap: generations, candidates, and what is left of counts.
 *
 * Nothing of it lies in the objects, so a collection that finds nothing writes to none of them: their cache lines stay
 * clean, and their pages stay shared with a child that looks at a copy-on-write image.
 *
 * Slots. A pool in which the collector has seen an object has a slot; a table by number of the pool finds it, 4 bytes a
 * pool, that a processor's first-level cache holds for heaps of hundreds of megabytes:
 *
 *     entries[pool] = slot << 5 | class of its blocks; 0: no object seen there. During a pass of trial deletion that
 *                     counts by pools, KU__ENTRY_WHOLE as well where all that is taken is a candidate
 *
 * A block of slot s has the number s * KU__BLOCKS_MAX + i, where i is its distance from the beginning of its pool in
 * whole blocks. Pools do not begin with their first block, so i is the block's index in the pool and `shift` more, the
 * same for all blocks of a pool; that saves each reference the way to where the first block begins. Bitmaps and bytes
 * below are indexed by it, so that all that one pool needs lies together, and walking by number is walking in order of
 * address.
 *
 * Generations. Two bitmaps, low and high, hold two bits for a block:
 *
 *     low 0, high 0   unknown: free, or an object of generation 0
 *     low 1, high 0   generation 1
 *     low 0, high 1   generation 2
 *     low 1, high 1   permanent (frozen)
 *
 * A block's bits are cleared when it is freed (ku__space_forget), which costs young objects a look at the table of
 * entries, and old ones some writes. So generation 0 is what is taken and not known, and is looked for only in dirty
 * slots: those of pools that blocks were taken from since, and of known blocks that were freed since.
 *
 * A collection. ku__space_begin() sets `candidates` to the objects of the generations asked for, and moves them up:
 * survivors need nothing more, and the dead are forgotten when they are freed. `scope` lists the slots that matter.
 * `rest` has a byte for each block, meaningful inside of a collection (trial.h).
 *
 * Invariants outside of a collection: all candidates 0; a known block is taken; a taken block that is not known lies in
 * a dirty slot or in a pool that is touched (alloc/walk.h).
 *
 * Lock: the heap's holder.
 */
#ifndef KU__SPACE_H
#define KU__SPACE_H

#include "alloc/walk.h"

enum {
    KU__BLOCK_BITS = KU__POOL_BITS - 4,   /* of the index of a block in its pool */
    KU__SLOT_WORDS = KU__BLOCKS_MAX / 64, /* words of a bitmap that belong to one slot */
    KU__SLOT_DIRTY = 1,                   /* may have objects of generation 0 */
    KU__SLOT_AGED = 2,                    /* may have objects of generation 1 */
    KU__SPACE_TABLES = 12,                /* those that grow with the number of slots (space.c) */
};

#define KU__ENTRY_WHOLE 0x80000000u

#define KU__NOWHERE UINT64_MAX /* the number of what is no block of a slot */

typedef struct ku__slot {
    uintptr_t first; /* where a block with i == 0 would lie */
    uint32_t pool;   /* its number */
    uint32_t size;   /* of a block */
    uint32_t words;  /* of the bitmaps that are in use */
    uint32_t shift;  /* i of the pool's first block, below 64 */
} ku__slot;

typedef struct ku__slot_list {
    uint32_t *slots; /* room for all slots */
    uint32_t count;
} ku__slot_list;

typedef struct ku__space {
    ku_heap *heap;
    uintptr_t base; /* of the range of arenas */
    size_t range;
    uint32_t *entries;
    uint64_t *low, *high;
    uint64_t *candidates;
    uint64_t *standing; /* a second set of candidates, of a collection in steps; NULL: none is under way */
    uint64_t *stood;    /* what was in it at the beginning and was not freed since */
    uint8_t *rest;
    uint64_t *sums; /* by slot: of a whole pool, counts less references found (trial.h) */
    uint8_t *marks; /* KU__SLOT_*, by slot */
    ku__slot *slots;
    ku__slot_list dirty, aged, scope;
    uint32_t slot_count, slot_capacity;     /* slot 0 is nobody's */
    uint32_t table_slots[KU__SPACE_TABLES]; /* slots that each table has room for: at least the capacity */
} ku__space;

/* The heap's pools are watched from now on. False when the system refuses memory. */
bool ku__space_open(ku__space *space, ku_heap *heap);
void ku__space_close(ku__space *space);

/* Brings slots up to date with the heap: magazines are emptied, touched pools get slots and are dirty. False without
 * memory: nothing is lost, ask again later. */
bool ku__space_sync(ku__space *space);

/* Sets candidates to the objects of generations 0 to `generation`, moves them into the next older one, and makes the
 * scope. Returns how many there are. After ku__space_sync(). */
size_t ku__space_begin(ku__space *space, int generation);

/* Whether all blocks that are taken from the slot's pool are candidates. Blocks in magazines count as taken. */
bool ku__space_is_whole(const ku__space *space, uint32_t slot);

/* Drops what is left of the candidates. */
void ku__space_end(ku__space *space);

/* A collection in steps begins: the candidates (of everything: ku__space_begin(space, 2) before) become `standing` and
 * `stood`, and are none any more; blocks that are freed leave both. Younger collections may run meanwhile. False
 * without memory, and the candidates are as they were. */
bool ku__space_stand(ku__space *space);
/* It comes to its end: candidates become what is left of `standing`, as far as it is not frozen, and the scope all
 * slots with some. Returns how many. */
size_t ku__space_resume(ku__space *space);
/* Gives both up. */
void ku__space_fall(ku__space *space);

/* Moves all objects into the permanent generation, and back into the oldest. */
void ku__space_freeze(ku__space *space);
void ku__space_unfreeze(ku__space *space);

/* Objects in generation 0 to 2, or 3 for the permanent one; 0 needs ku__space_sync() before. */
size_t ku__space_count(const ku__space *space, int generation);

/* Calls visit(block, argument) for each object of a generation; nothing may be allocated or freed meanwhile. */
typedef void ku__space_visitor(void *block, void *argument);
void ku__space_each(const ku__space *space, int generation, ku__space_visitor *visit, void *argument);

/* Gives back the blocks of a slot that are still candidates, and forgets them. */
void ku__space_free_slot(ku__space *space, uint32_t slot);

void ku__space_forget_known(ku__space *space, const void *block, uint32_t entry);

#ifdef KU_CHECKING
void ku__space_check(ku__space *space);
#else
#define ku__space_check(space) ((void)(space))
#endif

/* What a number is computed from, in a structure that a compiler keeps in registers: stores to bitmaps and bytes could
 * otherwise be to the space itself, and would have it read anew for each reference. */
typedef struct ku__lens {
    uintptr_t base;
    size_t range;
    const uint32_t *entries;
    uint64_t *bits;
    uint8_t *rest;
} ku__lens;

static inline ku__lens ku__space_lens(const ku__space *space, uint64_t *bits) {
    return (ku__lens){space->base, space->range, space->entries, bits, space->rest};
}

static inline uint32_t ku__entry_slot(uint32_t entry) {
    return (entry & ~KU__ENTRY_WHOLE) >> 5;
}

/* The number that an entry gives to an address with this offset from the base of the range. */
static inline uint64_t ku__entry_number(uint32_t entry, uintptr_t offset) {
    uint64_t index = (offset & (KU__POOL_SIZE - 1)) * ku__reciprocals[entry & KU__MAP_CLASS] >> 32;
    return (uint64_t)(entry >> 5) << KU__BLOCK_BITS | index;
}

/* A number that is a candidate's only if the address is one: outside of all slots, some number of slot 0, which has no
 * candidates. */
static inline uint64_t ku__lens_candidate(const ku__lens *lens, const void *address) {
    uintptr_t offset = (uintptr_t)address - lens->base;
    if (KU__UNLIKELY(offset >= lens->range)) {
        return 0;
    }
    return ku__entry_number(lens->entries[offset >> KU__POOL_BITS], offset);
}

/* The number of a block; KU__NOWHERE for an address outside of all slots. Of an address in a slot's pool that is no
 * block, some number of that slot. */
static inline uint64_t ku__lens_number(const ku__lens *lens, const void *address) {
    uintptr_t offset = (uintptr_t)address - lens->base;
    if (KU__UNLIKELY(offset >= lens->range)) {
        return KU__NOWHERE;
    }
    uint32_t entry = lens->entries[offset >> KU__POOL_BITS];
    return KU__LIKELY(entry != 0) ? ku__entry_number(entry, offset) : KU__NOWHERE;
}

static inline uint64_t ku__space_number(const ku__space *space, const void *address) {
    ku__lens lens = ku__space_lens(space, NULL);
    return ku__lens_number(&lens, address);
}

static inline uint32_t ku__slot_of(uint64_t number) {
    return (uint32_t)(number >> KU__BLOCK_BITS);
}

/* The block with a number. */
static inline void *ku__space_block(const ku__space *space, uint64_t number) {
    const ku__slot *slot = &space->slots[ku__slot_of(number)];
    return (void *)(slot->first + (number & (KU__BLOCKS_MAX - 1)) * slot->size);
}

static inline bool ku__bit(const uint64_t *bits, uint64_t number) {
    return (bits[number / 64] >> (number % 64) & 1) != 0;
}
/* Whether the block is an object of a generation beyond 0. */
static inline bool ku__space_is_known(const ku__space *space, uint64_t number) {
    return ku__bit(space->low, number) || ku__bit(space->high, number);
}
static inline void ku__bit_clear(uint64_t *bits, uint64_t number) {
    bits[number / 64] &= ~((uint64_t)1 << (number % 64));
}

/* For every free of a block of the heap, just before it. */
static inline void ku__space_forget(ku__space *space, const void *block) {
    uint32_t entry = space->entries[((uintptr_t)block - space->base) >> KU__POOL_BITS];
    if (entry != 0) {
        ku__space_forget_known(space, block, entry);
    }
}

#endif
