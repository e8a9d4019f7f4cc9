/* graph_heap.h: a heap that stands still, block by block: what is known of each, and which node it becomes.
 *
 * Used in the child of a clone alone (graph_dump.c): nothing changes any more, no lock can be taken, and all memory
 * comes from pages.
 *
 * A *slot* stands for a block of our pools, or for something that lies elsewhere: a large block, an object that was
 * born before kucha was installed, a static type. Slots of pools are numbered pool by pool, so that an address finds
 * its slot by two reads; those elsewhere follow, in the order they were met, and are found by a hash table.
 *
 * What may be followed. That a block looks like an object counts it. An object's references are read only if one of the
 * collector's lists leads to it, or if it is of an exact builtin type whose lay-out is known; an address that comes out
 * of such a lay-out and is in none of our pools is first read by process_vm_readv(2), which fails where a read would
 * end the process, and must have a known type.
 */
#ifndef KU__GRAPH_HEAP_H
#define KU__GRAPH_HEAP_H

#include "alloc/pools.h"
#include "cpython/types.h"
#include "inspect/pointer_map.h"
#include "inspect/python_graph.h"

typedef struct ku__elsewhere {
    uintptr_t address; /* of the object, or of the buffer */
    uint64_t size;     /* of the large block; 0: not ours */
    uint64_t owned;    /* of a buffer that is not ours: its bytes, as its owner says */
    uint32_t front;    /* bytes in front of the object */
    uint32_t node;
    uint32_t site;
    uint8_t marks;
    bool is_buffer; /* of the mem domain */
} ku__elsewhere;

typedef struct ku__still {
    ku__types types;
    ku_heap *objects, *buffers;
    uint32_t *first_slot; /* by number of pool; 1 more than the first slot, 0: not ours */
    uint32_t pool_slots;  /* slots of pools, all together */
    uint32_t *nodes;      /* by slot of a pool; KU_GRAPH_NONE: not live */
    uint8_t *marks;
    uint8_t *slacks;
    ku__growing others; /* ku__elsewhere */
    ku__pointer_map by_address;
    bool failed; /* memory was refused */
} ku__still;

/* Takes stock of the heaps; `still` has types and heaps. False when memory is refused. */
bool ku__still_open(ku__still *still);

/* Notes the objects of a list of the collector's: the interpreter's generations by number. */
void ku__still_note_tracked(ku__still *still, uintptr_t object, unsigned generation);

/* The slot of an address that may be an object or a buffer; KU__NO_SLOT. */
uint32_t ku__still_find(const ku__still *still, uintptr_t address);

/* The slot of an object that something refers to; one that is new is looked at first. KU__NO_SLOT: it is none. */
uint32_t ku__still_meet(ku__still *still, uintptr_t object);

/* Notes what a buffer is, and how many bytes of it were asked for (0: unknown). False: no such block. */
bool ku__still_claim(ku__still *still, uintptr_t block, size_t size, ku__buffer_kind kind);

/* What looks like an object in the pools or elsewhere, and is alive; NULL. `type` is its number. */
PyObject *ku__still_object(const ku__still *still, const char *block, size_t size, uint32_t *type);

static inline ku__elsewhere *ku__still_other(const ku__still *still, uint32_t slot) {
    return KU__GROWING_ITEMS(&still->others, ku__elsewhere) + (slot - still->pool_slots);
}

static inline uint32_t ku__still_slots(const ku__still *still) {
    return still->pool_slots + (uint32_t)KU__GROWING_COUNT(&still->others, ku__elsewhere);
}

static inline uint8_t *ku__still_marks(const ku__still *still, uint32_t slot) {
    return slot < still->pool_slots ? &still->marks[slot] : &ku__still_other(still, slot)->marks;
}

static inline uint32_t ku__still_node(const ku__still *still, uint32_t slot) {
    return slot < still->pool_slots ? still->nodes[slot] : ku__still_other(still, slot)->node;
}

#endif
