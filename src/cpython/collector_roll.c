/* collector_roll.c: see collector_roll.h. */
#include "cpython/collector_roll.h"

#include "alloc/fences.h"
#include "alloc/tables.h"
#include "os/pages.h"

#include <string.h>

void ku__roll_window(const ku_heap *heap, uintptr_t *base, size_t *span) {
    uint32_t first = 0, last = 0;
    for (unsigned free = 0; heap != NULL && free <= KU__POOLS_PER_ARENA; free++) {
        for (uint32_t at = heap->by_free[free]; at != KU__NONE; at = ku__process_tables.arenas[at].next) {
            first = last == 0 || at < first ? at : first;
            last = at + 1 > last ? at + 1 : last;
        }
    }
    *base = (uintptr_t)ku__arena_address(first);
    *span = (size_t)(last - first) << KU__ARENA_BITS;
}

/* One word more than the window: the bits that end with a block may be those of the next unit. */
static size_t bytes_for(size_t span) {
    return (span >> (KU__ROLL_UNIT_BITS + 3)) + sizeof(uint64_t);
}

/* A window of at least [base, base + span), with the bits of the one before it. */
static bool move_window(ku__roll *roll, uintptr_t base, size_t span) {
    uintptr_t end = base + span;
    if (roll->span != 0) {
        base = roll->base < base ? roll->base : base;
        end = roll->base + roll->span > end ? roll->base + roll->span : end;
    }
    ku__roll wider = {.base = base, .span = end - base};
    wider.span += wider.span / 4 & ~(KU__ARENA_SIZE - 1); /* heaps grow: not a new mapping for every arena */
    wider.bytes = bytes_for(wider.span);
    wider.bits = ku__pages_map(wider.bytes);
    if (wider.bits == NULL) {
        return false;
    }
    if (roll->span != 0) {
        size_t at = (roll->base - base) >> KU__ROLL_UNIT_BITS;
        memcpy(wider.bits + at / KU__ROLL_WORD, roll->bits, roll->span >> (KU__ROLL_UNIT_BITS + 3));
    }
    ku__pages_unmap(roll->bits, roll->bytes);
    *roll = wider;
    return true;
}

bool ku__roll_cover(ku_heap *heap) {
    uintptr_t base;
    size_t span;
    ku__returns_drain(heap); /* what others freed is on the roll until it comes home */
    ku__roll_window(heap, &base, &span);
    if (base >= heap->roll.base && base + span <= heap->roll.base + heap->roll.span) {
        return true;
    }
    return move_window(&heap->roll, base, span);
}

bool ku__roll_begin(ku_heap *heap) {
    ku__roll_close(heap);
    return ku__roll_cover(heap);
}

void ku__roll_close(ku_heap *heap) {
    ku__pages_unmap(heap->roll.bits, heap->roll.bytes);
    heap->roll = (ku__roll){0};
}

bool ku__roll_admits(const ku_heap *heap, const void *item) {
    const uintptr_t address = (uintptr_t)item;
    if (address - heap->roll.base >= heap->roll.span) {
        return false;
    }
    unsigned entry = *ku__class_entry(heap, item), class_index = entry & KU__MAP_CLASS;
    if (entry >> KU__MAP_SHIFT != heap->number || class_index == 0) {
        return false;
    }
    uint32_t in_pool = (uint32_t)(address & (KU__POOL_SIZE - 1)), first = ku__pool_first(ku__pool_number(item));
    if (in_pool < first) {
        return false;
    }
    uint32_t offset = in_pool - first;
    uint32_t index = (uint32_t)(offset * heap->reciprocals[class_index] >> 32);
    uint32_t in_block = offset - index * (uint32_t)ku__class_size(class_index);
    return in_block == KU_CLASS_STEP || in_block == 2 * KU_CLASS_STEP;
}
