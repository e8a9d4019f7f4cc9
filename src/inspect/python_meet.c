/* python_meet.c: which blocks are objects of CPython's, and what leads to them. See python_make.h. */
#include "inspect/python_make.h"

uint32_t ku__python_meet(ku__making *making, uintptr_t object) {
    ku__blocks *blocks = &making->blocks;
    uint32_t slot = ku__blocks_find(blocks, object);
    if (slot != KU__NO_SLOT || object == 0 || object % sizeof(uintptr_t) != 0 || ku__blocks_in_range(blocks, object)) {
        return slot;
    }
    uintptr_t words[2];
    if (!ku__memory_try(making->memory, object, words, sizeof words)) {
        return KU__NO_SLOT;
    }
    uint32_t type = ku__type_table_find(making->types, words[1]);
    if (type == KU__NO_TYPE) {
        return KU__NO_SLOT;
    }
    uint32_t front = ku__type_table_at(making->types, type)->front;
    return ku__blocks_add(blocks, (ku__elsewhere){.address = object, .front = front, .marks = KU__SLOT_OBJECT});
}

/* ---- the collector's lists ---- */

/* False: it was noted before, or is no object. */
static bool note_tracked(ku__making *making, uintptr_t object, unsigned generation) {
    uint32_t slot = ku__python_meet(making, object);
    if (slot == KU__NO_SLOT || (*ku__blocks_marks(&making->blocks, slot) & KU__SLOT_TRACKED) != 0) {
        return false;
    }
    *ku__blocks_marks(&making->blocks, slot) |= (uint8_t)(KU__SLOT_TRACKED | generation << KU__SLOT_GENERATION);
    return true;
}

/* Links are the first word of what the collector has in front of an object; their lowest bits are flags. In a core they
 * may be broken, where the program died; a living list is whole, whatever is in it. */
static void note_list(ku__making *making, uintptr_t head, unsigned generation) {
    enum { STRANGERS_MOST = 1000, FLAGS = 3 }; /* strangers follow each other and are no objects, or are met again */
    bool is_whole = ku__memory_is_own(making->memory);
    uintptr_t at = ku__memory_word(making->memory, head) & ~(uintptr_t)FLAGS;
    for (int strangers = 0; at != head && at != 0 && (is_whole || strangers < STRANGERS_MOST);) {
        strangers = note_tracked(making, at + KU__FRONT_PART, generation) ? 0 : strangers + 1;
        at = ku__memory_word(making->memory, at) & ~(uintptr_t)FLAGS;
    }
}

void ku__python_note_lists(ku__making *making) {
    enum { LISTS = 4 }; /* three generations, and what was frozen */
    for (unsigned list = 0; list < LISTS; list++) {
        note_list(making, making->rules->collector_list(making, list), list);
    }
}

/* ---- buffers ---- */

/* Memory of an object that was born before our allocator came, or where it never came: nothing leads to it but its
 * owner. */
static uint32_t add_foreign_buffer(ku__making *making, uintptr_t block, size_t size) {
    bool is_one = !ku__blocks_in_range(&making->blocks, block) && size != 0 && block % sizeof(uintptr_t) == 0 &&
                  block != 0 && ku__memory_at(making->memory, block, size) != NULL;
    ku__elsewhere buffer = {.address = block, .owned = size, .is_buffer = true};
    return is_one ? ku__blocks_add(&making->blocks, buffer) : KU__NO_SLOT;
}

void ku__python_claim(ku__making *making, uintptr_t block, size_t size, ku__buffer_kind kind) {
    ku__blocks *blocks = &making->blocks;
    uint32_t slot = ku__blocks_find(blocks, block);
    if (slot == KU__NO_SLOT) {
        slot = add_foreign_buffer(making, block, size);
    }
    uint8_t *marks = slot == KU__NO_SLOT ? NULL : ku__blocks_marks(blocks, slot);
    if (marks == NULL || (*marks & (KU__SLOT_OBJECT | KU__SLOT_TRACKED)) != 0) {
        return;
    }
    *marks = (uint8_t)((*marks & ~KU__SLOT_KIND) | KU__SLOT_CLAIMED | (unsigned)kind);
    if (slot < blocks->pool_slots) {
        size_t given = ku__blocks_pool_of(blocks, block)->class_size;
        blocks->slacks[slot] = size <= given && given - size < KU_CLASS_STEP ? (uint8_t)(given - size) : 0;
    }
}
