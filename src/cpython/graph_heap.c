/* graph_heap.c: see graph_heap.h. */
#include "cpython/graph_heap.h"

#include <kucha/graph.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

/* ---- pools ---- */

typedef struct opening {
    ku__still *still;
    uint64_t slots;
} opening;

static void number_pool(const ku__pool_view *pool, void *argument) {
    opening *work = argument;
    work->still->first_slot[pool->number] = (uint32_t)work->slots + 1;
    work->slots += pool->capacity;
}

static void note_live(const ku__pool_view *pool, void *argument) {
    ku__still *still = argument;
    uint32_t first = still->first_slot[pool->number] - 1;
    for (size_t word = 0; word * 64 < pool->capacity; word++) {
        for (uint64_t left = ku__pool_view_taken(pool, word); left != 0; left &= left - 1) {
            still->nodes[first + word * 64 + (size_t)__builtin_ctzll(left)] = 0;
        }
    }
}

static bool open_pools(ku__still *still) {
    size_t pools = (size_t)ku__process_tables.arena_slots * KU__POOLS_PER_ARENA;
    still->first_slot = ku__pages_map(pools * sizeof *still->first_slot);
    if (still->first_slot == NULL) {
        return false;
    }
    opening work = {.still = still};
    ku__pools_visit(still->objects, number_pool, &work);
    ku__pools_visit(still->buffers, number_pool, &work);
    if (work.slots >= KU_GRAPH_NODES_MAX) {
        return false;
    }
    still->pool_slots = (uint32_t)work.slots;
    still->nodes = ku__pages_map(((size_t)work.slots + 1) * sizeof *still->nodes);
    still->marks = ku__pages_map((size_t)work.slots + 1);
    still->slacks = ku__pages_map((size_t)work.slots + 1);
    if (still->nodes == NULL || still->marks == NULL || still->slacks == NULL) {
        return false;
    }
    memset(still->nodes, 0xff, (size_t)work.slots * sizeof *still->nodes);
    memset(still->slacks, KU__SLACK_UNKNOWN, (size_t)work.slots);
    ku__pools_visit(still->objects, note_live, still);
    ku__pools_visit(still->buffers, note_live, still);
    return true;
}

/* ---- elsewhere ---- */

static uint32_t add_other(ku__still *still, ku__elsewhere other) {
    uint32_t slot = ku__still_slots(still);
    ku__elsewhere *room = slot >= KU_GRAPH_NODES_MAX ? NULL : ku__growing_push(&still->others, sizeof *room);
    if (room == NULL || !ku__pointer_add(&still->by_address, other.address, slot)) {
        still->failed = true;
        return KU__NO_SLOT;
    }
    *room = other;
    return slot;
}

static bool add_large_object(const ku__large_entry *entry, uint32_t site, void *argument) {
    ku__still *still = argument;
    ku__sighting seen = ku__sight(&still->types, (const void *)entry->address, entry->size);
    bool known = seen.type != KU__NO_TYPE;
    add_other(still, (ku__elsewhere){.address = entry->address + seen.front,
                                     .size = entry->size,
                                     .front = seen.front,
                                     .site = site,
                                     .marks = known ? KU__SLOT_OBJECT : 0});
    return !still->failed;
}

static bool add_large_buffer(const ku__large_entry *entry, uint32_t site, void *argument) {
    ku__still *still = argument;
    add_other(still, (ku__elsewhere){.address = entry->address, .size = entry->size, .site = site, .is_buffer = true});
    return !still->failed;
}

bool ku__still_open(ku__still *still) {
    if (!open_pools(still)) {
        return false;
    }
    ku__large_walk(still->objects, add_large_object, still);
    ku__large_walk(still->buffers, add_large_buffer, still);
    return !still->failed;
}

/* ---- finding ---- */

static uint32_t slot_in_pool(const ku__still *still, uintptr_t address) {
    uint32_t number = ku__pool_number((const void *)address);
    uint32_t first = still->first_slot[number];
    if (first == 0) {
        return KU__NO_SLOT;
    }
    const ku__pool *pool = ku__pool_at(number);
    uintptr_t offset = address - (uintptr_t)ku__pool_address(number);
    uint32_t begin = ku__pool_first(number);
    if (offset < begin) {
        return KU__NO_SLOT;
    }
    uint64_t index = (offset - begin) * ku__reciprocals[pool->class_index] >> 32;
    return index < pool->capacity && still->nodes[first - 1 + index] != KU_GRAPH_NONE ? first - 1 + (uint32_t)index
                                                                                      : KU__NO_SLOT;
}

uint32_t ku__still_find(const ku__still *still, uintptr_t address) {
    if (ku__in_range((const void *)address)) {
        return slot_in_pool(still, address);
    }
    uint32_t found = ku__pointer_find(&still->by_address, address);
    return found == KU__POINTER_NONE ? KU__NO_SLOT : found;
}

/* A copy of the first two words of what may be an object; false where nothing can be read. */
static bool peek(uintptr_t address, uintptr_t words[2]) {
    struct iovec local = {words, 2 * sizeof *words}, remote = {(void *)address, 2 * sizeof *words};
    return process_vm_readv(getpid(), &local, 1, &remote, 1, 0) == (ssize_t)(2 * sizeof *words);
}

uint32_t ku__still_meet(ku__still *still, uintptr_t object) {
    uint32_t slot = ku__still_find(still, object);
    if (slot != KU__NO_SLOT || object == 0 || object % sizeof(void *) != 0 || ku__in_range((const void *)object)) {
        return slot;
    }
    uintptr_t words[2];
    if (!peek(object, words)) {
        return KU__NO_SLOT;
    }
    uint32_t type = ku__types_find(&still->types, words[1]);
    if (type == KU__NO_TYPE) {
        return KU__NO_SLOT;
    }
    uint32_t front = ku__types_at(&still->types, type)->front;
    return add_other(still, (ku__elsewhere){.address = object, .front = front, .marks = KU__SLOT_OBJECT});
}

void ku__still_note_tracked(ku__still *still, uintptr_t object, unsigned generation) {
    uint32_t slot = ku__still_meet(still, object);
    if (slot != KU__NO_SLOT) {
        *ku__still_marks(still, slot) |= (uint8_t)(KU__SLOT_TRACKED | generation << KU__SLOT_GENERATION);
    }
}

/* Memory of an object that was born before our allocator came: nothing leads to it but its owner. */
static bool add_foreign_buffer(ku__still *still, uintptr_t block, size_t size, ku__buffer_kind kind) {
    if (size == 0 || block % sizeof(void *) != 0) {
        return false;
    }
    ku__elsewhere buffer = {
        .address = block, .owned = size, .marks = (uint8_t)(KU__SLOT_CLAIMED | kind), .is_buffer = true};
    return add_other(still, buffer) != KU__NO_SLOT;
}

bool ku__still_claim(ku__still *still, uintptr_t block, size_t size, ku__buffer_kind kind) {
    uint32_t slot = ku__still_find(still, block);
    if (slot == KU__NO_SLOT) {
        return !ku__in_range((const void *)block) && add_foreign_buffer(still, block, size, kind);
    }
    uint8_t *marks = ku__still_marks(still, slot);
    if ((*marks & (KU__SLOT_OBJECT | KU__SLOT_TRACKED)) != 0) {
        return false;
    }
    *marks = (uint8_t)((*marks & ~KU__SLOT_KIND) | KU__SLOT_CLAIMED | kind);
    if (slot < still->pool_slots) {
        size_t given = ku__class_size(ku__pool_at(ku__pool_number((const void *)block))->class_index);
        still->slacks[slot] = size <= given && given - size < KU_CLASS_STEP ? (uint8_t)(given - size) : 0;
    }
    return true;
}

PyObject *ku__still_object(const ku__still *still, const char *block, size_t size, uint32_t *type) {
    ku__sighting seen = ku__sight(&still->types, block, size);
    *type = seen.type;
    if (seen.type == KU__NO_TYPE || ku__is_kept(block + seen.front)) {
        return NULL;
    }
    return (PyObject *)(uintptr_t)(block + seen.front);
}
