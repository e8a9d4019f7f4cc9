/* roll.h: a bit for each object that somebody keeps a roll of, which ends with the block that the object lies in.
 *
 * Whoever keeps the roll sets bits, one for every 16 bytes of a window of addresses; freeing a block takes the bits of
 * whatever may begin in it away. So a bit says that its block was not freed since the bit was set, and nothing has to
 * be read from the block to know it.
 *
 * An object begins 16 or 32 bytes behind its block's first byte: behind a collector's header, and behind two words more
 * where it has a dict of its own. Blocks of 16 bytes hold no such object. Unit 0 of a block is nobody's, so that the
 * two bits that are cleared for a block of 32 bytes do not touch the next one.
 *
 * The slow paths of a heap keep every roll; of the fast paths those entry points do that call ku__roll_end() before
 * they push a block. A roll's window is empty while nobody keeps one.
 *
 * Lock: the heap's holder. Blocks on the list of returns are still on the roll: drain it first (ku__returns_drain()).
 */
#ifndef KU__ROLL_H
#define KU__ROLL_H

#include "alloc/fast.h"

enum { KU__ROLL_UNIT_BITS = 4, KU__ROLL_WORD = 64 };

/* A block of a class of this heap is freed. */
static inline void ku__roll_end(ku_heap *heap, const void *block, unsigned class_index) {
    uintptr_t offset = (uintptr_t)block - heap->roll.base;
    if (offset >= heap->roll.span || class_index == 0) {
        return;
    }
    size_t unit = (offset >> KU__ROLL_UNIT_BITS) + 1;
    uint64_t *word = &heap->roll.bits[unit / KU__ROLL_WORD];
    uint64_t mask = (uint64_t)3 << (unit % KU__ROLL_WORD);
    if ((*word & mask) != 0) { /* most blocks are on no roll: their words stay clean in the caches */
        *word &= ~mask;
    }
    if (KU__UNLIKELY(unit % KU__ROLL_WORD == KU__ROLL_WORD - 1)) {
        word[1] &= ~(uint64_t)1;
    }
}

#endif
