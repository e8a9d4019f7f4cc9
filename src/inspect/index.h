/* index.h: numbers by content: (32 bits of hash, number) in open addressing, at most half full, in pages.
 *
 * Whoever looks something up compares the contents of each number that comes out. Numbers are 1 and up.
 */
#ifndef KU__INDEX_H
#define KU__INDEX_H

#include "os/pages.h"

#include <stdint.h>

typedef struct ku__by_hash {
    uint64_t *slots; /* hash in the upper half, number in the lower; 0 is empty. NULL: not open */
    uint64_t mask, used;
} ku__by_hash;

static inline bool ku__by_hash_open(ku__by_hash *index, uint64_t slots) {
    *index = (ku__by_hash){.slots = ku__pages_map(slots * sizeof(uint64_t)), .mask = slots - 1};
    return index->slots != NULL;
}

static inline void ku__by_hash_close(ku__by_hash *index) {
    if (index->slots != NULL) {
        ku__pages_unmap(index->slots, (index->mask + 1) * sizeof(uint64_t));
        index->slots = NULL;
    }
}

static inline void ku__by_hash_place(ku__by_hash *index, uint64_t slot) {
    uint64_t at = slot >> 32 & index->mask;
    while (index->slots[at] != 0) {
        at = (at + 1) & index->mask;
    }
    index->slots[at] = slot;
    index->used++;
}

/* Adds a number; false when memory is refused. */
static inline bool ku__by_hash_add(ku__by_hash *index, uint64_t hash, uint32_t number) {
    if ((index->used + 1) * 2 > index->mask + 1) {
        ku__by_hash larger;
        if (!ku__by_hash_open(&larger, (index->mask + 1) * 2)) {
            return false;
        }
        for (uint64_t i = 0; i <= index->mask; i++) {
            if (index->slots[i] != 0) {
                ku__by_hash_place(&larger, index->slots[i]);
            }
        }
        ku__by_hash_close(index);
        *index = larger;
    }
    ku__by_hash_place(index, hash << 32 | number);
    return true;
}

/* Walks the numbers whose hash may be `hash`: start with *at = (uint32_t)hash; ends with 0. */
static inline uint32_t ku__by_hash_next(const ku__by_hash *index, uint64_t hash, uint64_t *at) {
    for (;;) {
        uint64_t slot = index->slots[*at & index->mask];
        if (slot == 0) {
            return 0;
        }
        ++*at;
        if (slot >> 32 == (hash & UINT32_MAX)) {
            return (uint32_t)slot;
        }
    }
}

#endif
