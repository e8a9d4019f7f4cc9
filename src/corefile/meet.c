/* meet.c: see meet.h. */
#include "corefile/meet.h"

enum { POOL_BITS_MOST = 20 }; /* larger pools no build of kucha has */

/* ---- the anchor ---- */

static bool is_sane(const ku__anchor *anchor) {
    return anchor->bytes == sizeof *anchor && anchor->pool_bits >= 12 && anchor->pool_bits <= POOL_BITS_MOST &&
           anchor->pools_per_arena == 64 && anchor->pool_colours != 0 && anchor->pool_colours <= 64 &&
           anchor->class_step == KU_CLASS_STEP && anchor->pool_shift < 4096 && anchor->tables != NULL;
}

bool ku__anchor_find(ku__image *image, bool native, ku__anchor *anchor) {
    for (uintptr_t at = 0; (at = ku__image_search(image, KU__ANCHOR_MAGIC, sizeof anchor->magic, at)) != 0; at++) {
        const void *found = ku__image_at(image, at, sizeof *anchor);
        if (found != NULL) {
            memcpy(anchor, found, sizeof *anchor);
            if (is_sane(anchor) && (native ? anchor->native != NULL : anchor->objects != NULL)) {
                return true;
            }
        }
    }
    return false;
}

/* ---- objects ---- */

void ku__core_sight_large(void *argument, uintptr_t address, uint64_t size, uint32_t *front, uint8_t *marks) {
    enum { WORDS = KU__FRONT_MOST / sizeof(uintptr_t) + 2 };
    ku__core_sight_argument *by = argument;
    const uintptr_t *words = ku__memory_words(by->memory, address, WORDS);
    ku__core_sighting seen =
        words == NULL ? (ku__core_sighting){KU__NO_TYPE, 0} : ku__core_sight(by->types, words, (size_t)size);
    *front = seen.front;
    *marks = seen.type != KU__NO_TYPE ? KU__SLOT_OBJECT : 0;
}

uint32_t ku__core_meet(ku__blocks *blocks, const ku__core_types *types, uintptr_t object) {
    uint32_t slot = ku__blocks_find(blocks, object);
    if (slot != KU__NO_SLOT || object == 0 || object % sizeof(uintptr_t) != 0 || ku__blocks_in_range(blocks, object)) {
        return slot;
    }
    const uintptr_t *words = ku__memory_words(blocks->memory, object, 2);
    uint32_t type = words == NULL ? KU__NO_TYPE : ku__core_type_find(types, words[1]);
    if (type == KU__NO_TYPE) {
        return KU__NO_SLOT;
    }
    uint32_t front = ku__core_type_at(types, type)->front;
    return ku__blocks_add(blocks, (ku__elsewhere){.address = object, .front = front, .marks = KU__SLOT_OBJECT});
}

bool ku__core_note_tracked(ku__blocks *blocks, const ku__core_types *types, uintptr_t object, unsigned generation) {
    uint32_t slot = ku__core_meet(blocks, types, object);
    if (slot == KU__NO_SLOT || (*ku__blocks_marks(blocks, slot) & KU__SLOT_TRACKED) != 0) {
        return false;
    }
    *ku__blocks_marks(blocks, slot) |= (uint8_t)(KU__SLOT_TRACKED | generation << KU__SLOT_GENERATION);
    return true;
}

static void claim_slot(ku__blocks *blocks, uint32_t slot, ku__buffer_kind kind) {
    uint8_t *marks = ku__blocks_marks(blocks, slot);
    if ((*marks & (KU__SLOT_OBJECT | KU__SLOT_TRACKED)) != 0) {
        return;
    }
    *marks = (uint8_t)((*marks & ~KU__SLOT_KIND) | KU__SLOT_CLAIMED | (unsigned)kind);
}

void ku__core_claim(ku__blocks *blocks, uintptr_t block, size_t size, ku__buffer_kind kind) {
    uint32_t slot = ku__blocks_find(blocks, block);
    if (slot == KU__NO_SLOT) {
        bool is_new = !ku__blocks_in_range(blocks, block) && size != 0 && block % 8 == 0 && block != 0 &&
                      ku__memory_at(blocks->memory, block, size) != NULL;
        slot = is_new ? ku__blocks_add(blocks, (ku__elsewhere){.address = block, .owned = size, .is_buffer = true})
                      : KU__NO_SLOT;
    }
    if (slot == KU__NO_SLOT) {
        return;
    }
    claim_slot(blocks, slot, kind);
    if (slot < blocks->pool_slots) {
        size_t given = ku__blocks_pool_of(blocks, block)->class_size;
        blocks->slacks[slot] = size <= given && given - size < KU_CLASS_STEP ? (uint8_t)(given - size) : 0;
    }
}

bool ku__core_is_object(ku__blocks *blocks, const ku__core_types *types, uintptr_t address) {
    if (address == 0 || address % sizeof(uintptr_t) != 0) {
        return false;
    }
    const uintptr_t *words = ku__memory_words(blocks->memory, address, 2);
    uint32_t type = words == NULL || ku__core_is_kept(words[0]) ? KU__NO_TYPE : ku__core_type_find(types, words[1]);
    if (type == KU__NO_TYPE || !ku__blocks_in_range(blocks, address)) {
        return type != KU__NO_TYPE;
    }
    const ku__heap_pool *pool = ku__blocks_pool_of(blocks, address);
    uintptr_t first = ku__blocks_pool_first(blocks, (uint32_t)(pool - blocks->pools));
    uint32_t front = ku__core_type_at(types, type)->front;
    return ku__blocks_find(blocks, address) != KU__NO_SLOT && !pool->is_buffer &&
           (address - front - first) % pool->class_size == 0;
}
