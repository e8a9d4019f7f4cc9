/* space.c: see space.h. */
#include "gc/space.h"

#include "alloc/check.h"
#include "os/pages.h"

#include <string.h>

/* No heap has every pool of the range, so no slot reaches the bit of KU__ENTRY_WHOLE. */
_Static_assert(KU__RANGE_BITS - KU__POOL_BITS + 5 <= 31, "an entry has room for every slot");

/* A shift is within one word: pools begin at most 48 + 15 * 64 bytes in (alloc/geometry.h). */
_Static_assert(KU__POOL_SHIFT + (KU__POOL_COLOURS - 1) * 64 < 64 * KU_CLASS_STEP, "first / size is below 64");

enum { SLOTS_LEAST = 64 }; /* the first tables serve one arena; they double from there */

/* ---- tables that grow ---- */

enum { BITMAP_BYTES = KU__SLOT_WORDS * sizeof(uint64_t) };

/* Where the pointer to a table is, and the bytes that each slot has in it. */
static const struct table {
    size_t at, each;
} tables[] = {
    {offsetof(ku__space, low), BITMAP_BYTES},
    {offsetof(ku__space, high), BITMAP_BYTES},
    {offsetof(ku__space, candidates), BITMAP_BYTES},
    {offsetof(ku__space, standing), BITMAP_BYTES},
    {offsetof(ku__space, stood), BITMAP_BYTES},
    {offsetof(ku__space, rest), KU__BLOCKS_MAX},
    {offsetof(ku__space, sums), sizeof(uint64_t)},
    {offsetof(ku__space, marks), sizeof(uint8_t)},
    {offsetof(ku__space, slots), sizeof(ku__slot)},
    {offsetof(ku__space, dirty.slots), sizeof(uint32_t)},
    {offsetof(ku__space, aged.slots), sizeof(uint32_t)},
    {offsetof(ku__space, scope.slots), sizeof(uint32_t)},
};
enum { CANDIDATES = 2, STANDING = 3, STOOD = 4 };
_Static_assert(sizeof tables / sizeof *tables == KU__SPACE_TABLES, "space.h knows how many there are");

static void *table_get(const ku__space *space, size_t i) {
    void *table;
    memcpy(&table, (const char *)space + tables[i].at, sizeof table);
    return table;
}

static void table_set(ku__space *space, size_t i, void *table) {
    memcpy((char *)space + tables[i].at, &table, sizeof table);
}

/* Those of a collection in steps are there only while one is under way. */
static bool is_absent(const ku__space *space, size_t i) {
    return (i == STANDING || i == STOOD) && space->standing == NULL;
}

/* Pages move, and their contents with them: nothing is copied. */
static bool table_grow(ku__space *space, size_t i, uint32_t wanted) {
    size_t each = tables[i].each, old = space->table_slots[i] * each;
    if (is_absent(space, i) || space->table_slots[i] >= wanted) {
        return true;
    }
    void *larger = old == 0 ? ku__pages_map(wanted * each) : ku__pages_resize(table_get(space, i), old, wanted * each);
    if (larger != NULL) {
        table_set(space, i, larger);
        space->table_slots[i] = wanted;
    }
    return larger != NULL;
}

static void table_drop(ku__space *space, size_t i) {
    ku__pages_unmap(table_get(space, i), space->table_slots[i] * tables[i].each);
    table_set(space, i, NULL);
    space->table_slots[i] = 0;
}

/* Where memory ends half way, those that have grown stay so, and the space as it is. */
static bool grow(ku__space *space) {
    uint32_t wanted = space->slot_capacity != 0 ? space->slot_capacity * 2 : SLOTS_LEAST;
    for (size_t i = 0; i < KU__SPACE_TABLES; i++) {
        if (!table_grow(space, i, wanted)) {
            return false;
        }
    }
    space->slot_capacity = wanted;
    return true;
}

static size_t entries_bytes(const ku__space *space) {
    return (space->range >> KU__POOL_BITS) * sizeof(uint32_t);
}

bool ku__space_open(ku__space *space, ku_heap *heap) {
    *space = (ku__space){.heap = heap, .base = heap->base, .range = heap->range, .slot_count = 1};
    space->entries = (uint32_t *)ku__pages_map(entries_bytes(space));
    if (space->entries == NULL || !grow(space)) {
        ku__space_close(space);
        return false;
    }
    ku__walk_watch(heap);
    return true;
}

void ku__space_close(ku__space *space) {
    for (size_t i = 0; i < KU__SPACE_TABLES; i++) {
        table_drop(space, i);
    }
    ku__pages_unmap(space->entries, entries_bytes(space));
    space->entries = NULL;
}

/* ---- lists of slots: each slot is in a list at most once, by its mark ---- */

static void list_slot(ku__space *space, ku__slot_list *list, uint32_t slot, uint8_t mark) {
    if ((space->marks[slot] & mark) == 0) {
        space->marks[slot] |= mark;
        list->slots[list->count++] = slot;
    }
}

static void empty_list(ku__space *space, ku__slot_list *list, uint8_t mark) {
    for (uint32_t i = 0; i < list->count; i++) {
        space->marks[list->slots[i]] &= (uint8_t)~mark;
    }
    list->count = 0;
}

/* ---- slots ---- */

/* Says which blocks a slot's numbers are. Where the pool had another class before, all of those blocks were freed, and
 * forgotten. */
static void bind_slot(ku__space *space, uint32_t slot, uint32_t pool_number) {
    const ku__pool *pool = ku__pool_at(pool_number);
    uint32_t size = (uint32_t)ku__class_size(pool->class_index), first = ku__pool_first(pool_number);
    space->slots[slot] = (ku__slot){
        .first = (uintptr_t)ku__pool_address(pool_number) + first % size,
        .pool = pool_number,
        .size = size,
        .words = (first / size + pool->capacity + 63) / 64,
        .shift = first / size,
    };
    space->entries[pool_number] = slot << 5 | pool->class_index;
}

/* The slot of a pool, made if need be; 0 without memory. */
static uint32_t take_slot(ku__space *space, uint32_t pool_number) {
    uint32_t slot = space->entries[pool_number] >> 5;
    if (slot == 0) {
        if (space->slot_count == space->slot_capacity && !grow(space)) {
            return 0;
        }
        slot = space->slot_count++;
    }
    bind_slot(space, slot, pool_number);
    return slot;
}

bool ku__space_sync(ku__space *space) {
    ku__walk_settle(space->heap);
    for (uint32_t pool = ku__walk_next_touched(space->heap); pool != KU__NONE;
         pool = ku__walk_next_touched(space->heap)) {
        uint32_t slot = take_slot(space, pool);
        if (slot == 0) {
            ku__pool_touch(space->heap, pool);
            return false;
        }
        list_slot(space, &space->dirty, slot, KU__SLOT_DIRTY);
    }
    return true;
}

void ku__space_forget_known(ku__space *space, const void *block, uint32_t entry) {
    uint64_t number = ku__space_number(space, block);
    ku__bit_clear(space->low, number);
    ku__bit_clear(space->high, number);
    ku__bit_clear(space->candidates, number);
    if (space->standing != NULL) {
        ku__bit_clear(space->standing, number);
        ku__bit_clear(space->stood, number);
    }
    list_slot(space, &space->dirty, entry >> 5, KU__SLOT_DIRTY);
}

/* ---- generations ---- */

static inline size_t first_word(uint32_t slot) {
    return (size_t)slot * KU__SLOT_WORDS;
}

/* Word `word` of a slot's blocks that are taken: of those of its pool, moved up by `shift`. */
static uint64_t taken_word(const ku__space *space, const ku__slot *of, size_t word) {
    if (!ku__walk_owns(space->heap, of->pool)) {
        return 0; /* the pool was given back: nothing is left in it */
    }
    const ku__pool *pool = ku__pool_at(of->pool);
    uint64_t here = word * 64 < pool->capacity ? ku__walk_taken(pool, word) : 0;
    if (of->shift == 0) {
        return here;
    }
    uint64_t before = word != 0 ? ku__walk_taken(pool, word - 1) : 0;
    return here << of->shift | before >> (64 - of->shift);
}

/* Of them, those of generation 0: what is not known. */
static uint64_t young_word(const ku__space *space, uint32_t slot, size_t word) {
    size_t at = first_word(slot) + word;
    return taken_word(space, &space->slots[slot], word) & ~(space->low[at] | space->high[at]);
}

/* Moves generation 0 into 1. When nothing older is asked for, it becomes the candidates. Returns how many. */
static size_t absorb_slot(ku__space *space, uint32_t slot, bool as_candidates) {
    size_t count = 0;
    for (size_t word = 0; word < space->slots[slot].words; word++) {
        uint64_t young = young_word(space, slot, word);
        space->low[first_word(slot) + word] |= young;
        if (as_candidates) {
            space->candidates[first_word(slot) + word] = young;
        }
        count += (size_t)__builtin_popcountll(young);
    }
    return count;
}

static size_t absorb(ku__space *space, bool as_candidates) {
    size_t count = 0;
    for (uint32_t i = 0; i < space->dirty.count; i++) {
        uint32_t slot = space->dirty.slots[i];
        size_t here = absorb_slot(space, slot, as_candidates);
        if (here != 0) {
            list_slot(space, &space->aged, slot, KU__SLOT_AGED);
        }
        if (here != 0 && as_candidates) {
            space->scope.slots[space->scope.count++] = slot;
        }
        count += here;
    }
    empty_list(space, &space->dirty, KU__SLOT_DIRTY);
    return count;
}

/* Generation 1 of a slot, and 2 if `all`, become candidates and generation 2. */
static size_t promote_slot(ku__space *space, uint32_t slot, bool all) {
    size_t count = 0;
    for (size_t at = first_word(slot), end = at + space->slots[slot].words; at < end; at++) {
        uint64_t low = space->low[at], high = space->high[at];
        uint64_t found = all ? low ^ high : low & ~high;
        space->candidates[at] = found;
        space->high[at] = high | found;
        space->low[at] = low & ~found;
        count += (size_t)__builtin_popcountll(found);
    }
    return count;
}

static size_t promote(ku__space *space, bool all) {
    size_t count = 0;
    uint32_t slots = all ? space->slot_count - 1 : space->aged.count;
    for (uint32_t i = 0; i < slots; i++) {
        uint32_t slot = all ? i + 1 : space->aged.slots[i];
        size_t here = promote_slot(space, slot, all);
        if (here != 0) {
            space->scope.slots[space->scope.count++] = slot;
        }
        count += here;
    }
    empty_list(space, &space->aged, KU__SLOT_AGED);
    return count;
}

size_t ku__space_begin(ku__space *space, int generation) {
    space->scope.count = 0;
    size_t count = absorb(space, generation == 0);
    return generation == 0 ? count : promote(space, generation >= 2);
}

bool ku__space_is_whole(const ku__space *space, uint32_t slot) {
    const ku__slot *of = &space->slots[slot];
    const uint64_t *bits = &space->candidates[first_word(slot)];
    unsigned count = 0;
    for (uint32_t word = 0; word < of->words; word++) {
        count += (unsigned)__builtin_popcountll(bits[word]);
    }
    return count != 0 && ku__walk_owns(space->heap, of->pool) && count == ku__pool_at(of->pool)->taken;
}

void ku__space_end(ku__space *space) {
    for (uint32_t i = 0; i < space->scope.count; i++) {
        memset(&space->candidates[first_word(space->scope.slots[i])], 0, BITMAP_BYTES);
    }
    space->scope.count = 0;
}

/* ---- a collection in steps ---- */

/* A pause: so the candidates stay where they are, under another name, and of what is copied the pages come by one
 * call. */
bool ku__space_stand(ku__space *space) {
    size_t bytes = space->slot_count * (size_t)BITMAP_BYTES;
    void *fresh = ku__pages_map(space->slot_capacity * (size_t)BITMAP_BYTES);
    void *copy = fresh != NULL ? ku__pages_map(space->slot_capacity * (size_t)BITMAP_BYTES) : NULL;
    if (copy == NULL) {
        ku__pages_unmap(fresh, space->slot_capacity * (size_t)BITMAP_BYTES);
        return false;
    }
    ku__pages_populate(copy, bytes);
    memcpy(copy, space->candidates, bytes);
    space->standing = space->candidates;
    space->table_slots[STANDING] = space->table_slots[CANDIDATES];
    space->stood = (uint64_t *)copy;
    space->candidates = (uint64_t *)fresh;
    space->table_slots[STOOD] = space->table_slots[CANDIDATES] = space->slot_capacity;
    space->scope.count = 0;
    return true;
}

static size_t resume_slot(ku__space *space, uint32_t slot) {
    size_t count = 0;
    for (size_t at = first_word(slot), end = at + space->slots[slot].words; at < end; at++) {
        uint64_t left = space->standing[at] & (space->low[at] ^ space->high[at]);
        space->candidates[at] = left;
        count += (size_t)__builtin_popcountll(left);
    }
    return count;
}

size_t ku__space_resume(ku__space *space) {
    size_t count = 0;
    space->scope.count = 0;
    for (uint32_t slot = 1; slot < space->slot_count; slot++) {
        size_t here = resume_slot(space, slot);
        if (here != 0) {
            space->scope.slots[space->scope.count++] = slot;
        }
        count += here;
    }
    ku__space_fall(space);
    return count;
}

void ku__space_fall(ku__space *space) {
    table_drop(space, STANDING);
    table_drop(space, STOOD);
}

/* ---- freezing, counting, listing ---- */

void ku__space_freeze(ku__space *space) {
    absorb(space, false);
    for (size_t at = first_word(1), end = first_word(space->slot_count); at < end; at++) {
        space->low[at] = space->high[at] = space->low[at] | space->high[at];
    }
    empty_list(space, &space->aged, KU__SLOT_AGED);
}

void ku__space_unfreeze(ku__space *space) {
    for (size_t at = first_word(1), end = first_word(space->slot_count); at < end; at++) {
        space->low[at] &= ~(space->low[at] & space->high[at]);
    }
}

/* Word `at` of a generation that is known. */
static uint64_t known_word(const ku__space *space, size_t at, int generation) {
    uint64_t low = space->low[at], high = space->high[at];
    switch (generation) {
    case 1: return low & ~high;
    case 2: return high & ~low;
    default: return low & high;
    }
}

static uint64_t word_of(const ku__space *space, uint32_t slot, size_t word, int generation) {
    if (generation == 0) {
        return (space->marks[slot] & KU__SLOT_DIRTY) != 0 ? young_word(space, slot, word) : 0;
    }
    return known_word(space, first_word(slot) + word, generation);
}

size_t ku__space_count(const ku__space *space, int generation) {
    size_t count = 0;
    for (uint32_t slot = 1; slot < space->slot_count; slot++) {
        for (size_t word = 0; word < space->slots[slot].words; word++) {
            count += (size_t)__builtin_popcountll(word_of(space, slot, word, generation));
        }
    }
    return count;
}

static void visit_word(const ku__slot *slot, size_t word, uint64_t bits, ku__space_visitor *visit, void *argument) {
    for (; bits != 0; bits &= bits - 1) {
        visit((void *)(slot->first + (word * 64 + (size_t)__builtin_ctzll(bits)) * slot->size), argument);
    }
}

void ku__space_each(const ku__space *space, int generation, ku__space_visitor *visit, void *argument) {
    for (uint32_t slot = 1; slot < space->slot_count; slot++) {
        for (size_t word = 0; word < space->slots[slot].words; word++) {
            visit_word(&space->slots[slot], word, word_of(space, slot, word, generation), visit, argument);
        }
    }
}

/* ---- freeing ---- */

/* Gives blocks back to their pool, where they are moved down by `shift`. */
static void free_blocks(ku__space *space, const ku__slot *of, const uint64_t *dead) {
    uint64_t moved[KU__SLOT_WORDS];
    if (of->shift == 0) {
        ku__walk_free(space->heap, of->pool, dead);
        return;
    }
    for (size_t word = 0; word < of->words; word++) {
        uint64_t after = word + 1 < of->words ? dead[word + 1] : 0;
        moved[word] = dead[word] >> of->shift | after << (64 - of->shift);
    }
    ku__walk_free(space->heap, of->pool, moved);
}

void ku__space_free_slot(ku__space *space, uint32_t slot) {
    uint64_t *dead = &space->candidates[first_word(slot)];
    uint64_t any = 0;
    for (size_t word = 0; word < space->slots[slot].words; word++) {
        size_t at = first_word(slot) + word;
        space->low[at] &= ~dead[word];
        space->high[at] &= ~dead[word];
        if (space->standing != NULL) {
            space->standing[at] &= ~dead[word];
            space->stood[at] &= ~dead[word];
        }
        any |= dead[word];
    }
    if (any != 0) {
        free_blocks(space, &space->slots[slot], dead);
    }
}

#ifdef KU_CHECKING
static void check_slot(const ku__space *space, uint32_t slot) {
    const ku__slot *of = &space->slots[slot];
    KU__CHECK(space->entries[of->pool] >> 5 == slot);
    for (size_t word = 0; word < KU__SLOT_WORDS; word++) {
        size_t at = first_word(slot) + word;
        uint64_t known = space->low[at] | space->high[at];
        uint64_t taken = word < of->words ? taken_word(space, of, word) : 0;
        KU__CHECK((known & ~taken) == 0);
        KU__CHECK(space->standing == NULL || (space->stood[at] & ~taken) == 0);
        KU__CHECK(space->standing == NULL || (space->standing[at] & ~space->stood[at]) == 0);
    }
}

void ku__space_check(ku__space *space) {
    ku__walk_settle(space->heap);
    KU__CHECK(space->slot_count <= space->slot_capacity);
    for (uint32_t slot = 1; slot < space->slot_count; slot++) {
        check_slot(space, slot);
    }
}
#endif
