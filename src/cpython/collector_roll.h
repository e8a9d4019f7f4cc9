/* collector_roll.h: which objects of a heap are tracked, known without a walk along the generations' lists.
 *
 * The walk is a chain of cache misses, and takes most of a full collection's time in a heap whose order is shuffled. So
 * an object is put on the roll (alloc/roll.h) once, when a list leads to it for the first time, and its bit stays until
 * its block is freed. Later collections walk what is young, and copy the bits of the rest.
 *
 * What a bit says: the block holds an object that the collector could track, since a list led to it. It may not be
 * tracked any more (an object that waits in one of the interpreter's free lists, a tuple of atoms): whoever wants to
 * know reads its node, which is safe. Nothing that is not tracked is traversed or shown to the interpreter, except that
 * an exact dict, list or tuple is traversed that something refers to.
 *
 * What is on no roll. Objects outside of small blocks of the heap (large ones, those born before kucha came) and those
 * that do not begin where roll.h expects it. Nobody tells of their end. They are kept together at the head of the
 * oldest list, and walked each time:
 *
 *     oldest list = objects that are on no roll, then objects that are on it
 *
 * Where that may not be so (the interpreter has looked at all generations by itself, gc.unfreeze()), the whole list is
 * walked the next time; and every so often in any case. An object that is missed is not collected until then, and
 * nothing else: it is "elsewhere", and what it refers to lives.
 *
 * Lock: the GIL of the interpreter whose collector this is.
 */
#ifndef KU__COLLECTOR_ROLL_H
#define KU__COLLECTOR_ROLL_H

#include "alloc/roll.h"

#include <stdbool.h>

/* The window of addresses in which the arenas of a heap lie; a span of 0 for NULL. */
void ku__roll_window(const ku_heap *heap, uintptr_t *base, size_t *span);

/* Begins a roll, with nobody on it; false when the system refuses memory. */
bool ku__roll_begin(ku_heap *heap);

/* Makes the window cover all arenas that the heap has now. False when the system refuses memory: nothing changes. */
bool ku__roll_cover(ku_heap *heap);

/* Ends it. */
void ku__roll_close(ku_heap *heap);

/* Whether an object at this address can be on the roll: it lies in the window, in a small block of the heap, 16 or 32
 * bytes behind its beginning. */
bool ku__roll_admits(const ku_heap *heap, const void *item);

/* Only what the roll admits. */
static inline void ku__roll_add(ku__roll *roll, const void *item) {
    size_t unit = ((uintptr_t)item - roll->base) >> KU__ROLL_UNIT_BITS;
    roll->bits[unit / KU__ROLL_WORD] |= (uint64_t)1 << (unit % KU__ROLL_WORD);
}

/* Of any address. */
static inline bool ku__roll_has(const ku__roll *roll, const void *item) {
    uintptr_t offset = (uintptr_t)item - roll->base;
    if (offset >= roll->span) {
        return false;
    }
    size_t unit = offset >> KU__ROLL_UNIT_BITS;
    return (roll->bits[unit / KU__ROLL_WORD] >> (unit % KU__ROLL_WORD) & 1) != 0;
}

static inline void ku__roll_drop(ku__roll *roll, const void *item) {
    uintptr_t offset = (uintptr_t)item - roll->base;
    if (offset < roll->span) {
        size_t unit = offset >> KU__ROLL_UNIT_BITS;
        roll->bits[unit / KU__ROLL_WORD] &= ~((uint64_t)1 << (unit % KU__ROLL_WORD));
    }
}

#endif
