/* meet.h: which of the blocks in a core are objects of CPython's, and what leads to them; the counterpart of
 * cpython/graph_heap.h. Blocks and their slots: inspect/blocks.h. */
#ifndef KU__COREFILE_MEET_H
#define KU__COREFILE_MEET_H

#include "corefile/types.h"
#include "inspect/blocks.h"

/* Finds kucha's anchor: that of an interpreter under kucha, or (`native`) of a program of its own; false: there is
 * none. */
bool ku__anchor_find(ku__image *image, bool native, ku__anchor *anchor);

/* For ku__blocks_open(): what large blocks look like. */
typedef struct ku__core_sight_argument {
    ku__memory *memory;
    const ku__core_types *types;
} ku__core_sight_argument;
void ku__core_sight_large(void *argument, uintptr_t address, uint64_t size, uint32_t *front, uint8_t *marks);

/* The slot of an object that something refers to; one that is new is looked at first. KU__NO_SLOT: it is none. */
uint32_t ku__core_meet(ku__blocks *blocks, const ku__core_types *types, uintptr_t object);

/* Notes what the collector's lists lead to; false: it was noted before, or is no object. */
bool ku__core_note_tracked(ku__blocks *blocks, const ku__core_types *types, uintptr_t object, unsigned generation);

void ku__core_claim(ku__blocks *blocks, uintptr_t block, size_t size, ku__buffer_kind kind);

/* Where an object at this address begins exactly, and lives: what a word that may be a reference must be. */
bool ku__core_is_object(ku__blocks *blocks, const ku__core_types *types, uintptr_t address);

#endif
