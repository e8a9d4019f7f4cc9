/* blocks.c: see blocks.h. */
#include "corefile/blocks.h"

#include "os/failure.h"
#include "os/pages.h"

/* What a structure of the program's may say at most: a range of more pools, or larger ones, no build of kucha has. */
enum { POOL_BITS_MOST = 20, POOLS_MOST = 1 << 22, CLASSES = 32, LARGE_LOG2_MOST = 32 };

/* ---- kucha's own tables ---- */

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
            if (is_sane(anchor) && (native ? anchor->heaps != NULL : anchor->objects != NULL)) {
                return true;
            }
        }
    }
    return false;
}

static uintptr_t field(const ku__blocks *blocks, const void *structure, uint32_t offset) {
    return ku__image_word(blocks->image, (uintptr_t)structure + offset);
}

/* ---- pools ---- */

typedef struct arena_view {
    uint64_t used; /* pools, a bit each */
    bool has_sites;
} arena_view;

static const ku__heap_choice *chosen(const ku__heap_choice *heaps, size_t count, uintptr_t heap) {
    for (size_t i = 0; i < count; i++) {
        if (heaps[i].heap == heap) {
            return &heaps[i];
        }
    }
    return NULL;
}

static const char *pool_record(const ku__blocks *blocks, uintptr_t records, uint32_t number) {
    return ku__image_at(blocks->image, records + (uintptr_t)number * blocks->anchor.pool_bytes,
                        blocks->anchor.pool_bytes);
}

static void add_pool(ku__blocks *blocks, uint32_t number, const char *record, const ku__core_pool *like) {
    ku__core_pool pool = *like;
    memcpy(&pool.capacity, record + blocks->anchor.pool_capacity, sizeof pool.capacity);
    unsigned class_index = (uint8_t)record[blocks->anchor.pool_class];
    pool.class_size = (uint16_t)((class_index + 1) * KU_CLASS_STEP);
    size_t room = ((size_t)1 << blocks->anchor.pool_bits) - ku__blocks_pool_first(blocks, number);
    size_t bits = (size_t)(blocks->anchor.pool_bytes - blocks->anchor.pool_free_bits) * 8;
    if (class_index >= CLASSES || pool.capacity * (size_t)pool.class_size > room || pool.capacity > bits ||
        blocks->pool_slots + pool.capacity >= KU_GRAPH_NODES_MAX) {
        return;
    }
    pool.first_slot = blocks->pool_slots + 1;
    blocks->pool_slots += pool.capacity;
    blocks->pools[number] = pool;
}

static void add_arena(ku__blocks *blocks, uint32_t arena, uintptr_t records, const char *entry,
                      const ku__heap_choice *heaps, size_t count) {
    uintptr_t heap;
    uint64_t free_pools;
    memcpy(&heap, entry + blocks->anchor.arena_heap, sizeof heap);
    memcpy(&free_pools, entry + blocks->anchor.arena_free_pools, sizeof free_pools);
    const ku__heap_choice *choice = heap == 0 ? NULL : chosen(heaps, count, heap);
    if (choice == NULL) {
        return;
    }
    bool sites = entry[blocks->anchor.arena_has_sites] != 0 &&
                 ku__image_u8(blocks->image, heap + blocks->anchor.heap_sites_on) != 0;
    ku__core_pool like = {.is_buffer = choice->is_buffer, .has_sites = sites};
    for (uint64_t used = ~free_pools; used != 0; used &= used - 1) {
        uint32_t number = arena * blocks->anchor.pools_per_arena + (uint32_t)__builtin_ctzll(used);
        const char *record = pool_record(blocks, records, number);
        if (record != NULL) {
            add_pool(blocks, number, record, &like);
        }
    }
}

static void note_live(ku__blocks *blocks, uintptr_t records) {
    for (uint32_t number = 0; number < blocks->pool_count; number++) {
        const ku__core_pool *pool = &blocks->pools[number];
        const char *record = pool->first_slot == 0 ? NULL : pool_record(blocks, records, number);
        for (uint32_t i = 0; record != NULL && i < pool->capacity; i++) {
            bool is_free = (record[blocks->anchor.pool_free_bits + i / 8] >> i % 8 & 1) != 0;
            blocks->nodes[pool->first_slot - 1 + i] = is_free ? KU_GRAPH_NONE : 0;
        }
    }
}

/* A block that waits in a magazine, or was freed by another thread, counts as taken in its pool, and is free. */
static void note_free(ku__blocks *blocks, uintptr_t block) {
    uint32_t slot = ku__blocks_in_range(blocks, block) ? ku__blocks_find(blocks, block) : KU__NO_SLOT;
    if (slot != KU__NO_SLOT) {
        blocks->nodes[slot] = KU_GRAPH_NONE;
    }
}

static void note_magazines(ku__blocks *blocks, uintptr_t heap) {
    enum { MOST = 1 << 16 }; /* blocks: a magazine has 512 */
    uintptr_t magazines = ku__image_word(blocks->image, heap + blocks->anchor.heap_inner);
    for (unsigned c = 0; c < CLASSES; c++) {
        uintptr_t first = ku__image_word(blocks->image, magazines + c * sizeof(uintptr_t));
        uintptr_t top = ku__image_word(blocks->image, magazines + blocks->anchor.magazine_top + c * sizeof(uintptr_t));
        note_free(blocks, first);
        uintptr_t item = 1;
        for (int i = 0; first != 0 && i < MOST && item != 0; i++) {
            top -= sizeof(uintptr_t);
            item = ku__image_word(blocks->image, top);
            note_free(blocks, item);
        }
    }
    uintptr_t returned = ku__image_word(blocks->image, heap + blocks->anchor.heap_returns);
    for (uint32_t i = 0; returned != 0 && i < blocks->pool_slots; i++) {
        uintptr_t next = ku__image_word(blocks->image, returned);
        note_free(blocks, returned);
        returned = next;
    }
}

static bool take_slots(ku__blocks *blocks) {
    size_t slots = (size_t)blocks->pool_slots + 1;
    blocks->nodes = ku__pages_map(slots * sizeof *blocks->nodes);
    blocks->marks = ku__pages_map(slots);
    blocks->slacks = ku__pages_map(slots);
    if (blocks->nodes == NULL || blocks->marks == NULL || blocks->slacks == NULL) {
        return false;
    }
    memset(blocks->slacks, KU__SLACK_UNKNOWN, slots);
    return true;
}

static bool open_pools(ku__blocks *blocks, const ku__heap_choice *heaps, size_t count) {
    const ku__anchor *anchor = &blocks->anchor;
    uintptr_t records = field(blocks, anchor->tables, anchor->table_pools);
    uintptr_t arenas = field(blocks, anchor->tables, anchor->table_arenas);
    uint32_t slots = ku__image_u32(blocks->image, (uintptr_t)anchor->tables + anchor->table_slots);
    blocks->base = field(blocks, anchor->tables, anchor->range_base);
    blocks->site_table = field(blocks, anchor->tables, anchor->table_sites);
    slots = slots < POOLS_MOST / anchor->pools_per_arena ? slots : POOLS_MOST / anchor->pools_per_arena;
    blocks->pool_count = slots * anchor->pools_per_arena;
    blocks->pools = ku__pages_map((size_t)blocks->pool_count * sizeof *blocks->pools);
    if (blocks->pools == NULL) {
        return false;
    }
    for (uint32_t arena = 0; arena < slots; arena++) {
        const char *entry =
            ku__image_at(blocks->image, arenas + (uintptr_t)arena * anchor->arena_bytes, anchor->arena_bytes);
        if (entry != NULL) {
            add_arena(blocks, arena, records, entry, heaps, count);
        }
    }
    if (!take_slots(blocks)) {
        return false;
    }
    note_live(blocks, records);
    for (size_t i = 0; i < count; i++) {
        note_magazines(blocks, heaps[i].heap);
    }
    return true;
}

/* ---- elsewhere ---- */

static uint32_t add_other(ku__blocks *blocks, ku__elsewhere other) {
    uint32_t slot = ku__blocks_slots(blocks);
    ku__elsewhere *room = slot >= KU_GRAPH_NODES_MAX ? NULL : ku__growing_push(&blocks->others, sizeof *room);
    if (room == NULL || !ku__pointer_add(&blocks->by_address, other.address, slot)) {
        blocks->failed = true;
        return KU__NO_SLOT;
    }
    *room = other;
    return slot;
}

static void add_large(ku__blocks *blocks, uintptr_t address, uint64_t size, uint32_t site, bool is_buffer) {
    ku__elsewhere other = {.address = address, .size = size, .site = site, .is_buffer = is_buffer};
    const uintptr_t *words = is_buffer ? NULL : ku__image_words(blocks->image, address, 6);
    if (words != NULL) {
        ku__core_sighting seen = ku__core_sight(blocks->types, words, (size_t)size);
        other.address += seen.front;
        other.front = seen.front;
        other.marks = seen.type != KU__NO_TYPE ? KU__SLOT_OBJECT : 0;
    }
    if (ku__pointer_find(&blocks->by_address, other.address) == KU__POINTER_NONE) {
        add_other(blocks, other);
    }
}

/* A registry may be shared: an entry says which heap made it. */
static void add_registry(ku__blocks *blocks, const ku__heap_choice *choice) {
    const ku__anchor *anchor = &blocks->anchor;
    uintptr_t large = ku__image_word(blocks->image, choice->heap + anchor->heap_large);
    uint32_t number = ku__image_u32(blocks->image, choice->heap + anchor->heap_number);
    uint64_t capacity = ku__image_word(blocks->image, large + anchor->large_capacity);
    uintptr_t sites = ku__image_word(blocks->image, large + anchor->large_sites);
    if (large == 0 || capacity > (uint64_t)1 << LARGE_LOG2_MOST) {
        return;
    }
    const uintptr_t *entries =
        ku__image_words(blocks->image, ku__image_word(blocks->image, large + anchor->large_entries), capacity * 2);
    for (uint64_t i = 0; entries != NULL && i < capacity && !blocks->failed; i++) {
        uintptr_t address = entries[2 * i], facts = entries[2 * i + 1];
        if (address != 0 && address % 8 == 0 && facts >> 48 == number) {
            uint32_t site = sites == 0 ? 0 : ku__image_u32(blocks->image, sites + i * sizeof(uint32_t));
            add_large(blocks, address, facts & (((uint64_t)1 << 48) - 1), site, choice->is_buffer);
        }
    }
}

bool ku__blocks_open(ku__blocks *blocks, const ku__heap_choice *heaps, size_t count, ku_error *error) {
    if (count != 0 && open_pools(blocks, heaps, count)) {
        for (size_t i = 0; i < count; i++) {
            add_registry(blocks, &heaps[i]);
        }
    } else {
        blocks->failed = count != 0;
    }
    if (blocks->failed) {
        ku__error_format(error, KU_NO_MEMORY, 0, "no memory to read the heap with");
    }
    return !blocks->failed;
}

void ku__blocks_close(ku__blocks *blocks) {
    ku__pages_unmap(blocks->pools, (size_t)blocks->pool_count * sizeof *blocks->pools);
    ku__pages_unmap(blocks->nodes, ((size_t)blocks->pool_slots + 1) * sizeof *blocks->nodes);
    ku__pages_unmap(blocks->marks, (size_t)blocks->pool_slots + 1);
    ku__pages_unmap(blocks->slacks, (size_t)blocks->pool_slots + 1);
    ku__growing_release(&blocks->others);
    ku__pointer_close(&blocks->by_address);
}

/* ---- finding ---- */

static uint32_t slot_in_pool(const ku__blocks *blocks, uintptr_t address) {
    uint32_t number = (uint32_t)((address - blocks->base) >> blocks->anchor.pool_bits);
    const ku__core_pool *pool = &blocks->pools[number];
    if (pool->first_slot == 0) {
        return KU__NO_SLOT;
    }
    uint32_t offset = (uint32_t)(address - ku__blocks_pool_address(blocks, number));
    uint32_t begin = ku__blocks_pool_first(blocks, number);
    uint32_t index = offset < begin ? UINT32_MAX : (offset - begin) / pool->class_size;
    return index < pool->capacity && blocks->nodes[pool->first_slot - 1 + index] != KU_GRAPH_NONE
               ? pool->first_slot - 1 + index
               : KU__NO_SLOT;
}

uint32_t ku__blocks_find(const ku__blocks *blocks, uintptr_t address) {
    if (ku__blocks_in_range(blocks, address)) {
        return slot_in_pool(blocks, address);
    }
    uint32_t found = ku__pointer_find(&blocks->by_address, address);
    return found == KU__POINTER_NONE ? KU__NO_SLOT : found;
}

uint32_t ku__blocks_meet(ku__blocks *blocks, uintptr_t object) {
    uint32_t slot = ku__blocks_find(blocks, object);
    if (slot != KU__NO_SLOT || object == 0 || object % sizeof(uintptr_t) != 0 || ku__blocks_in_range(blocks, object)) {
        return slot;
    }
    const uintptr_t *words = ku__image_words(blocks->image, object, 2);
    uint32_t type = words == NULL ? KU__NO_TYPE : ku__core_type_find(blocks->types, words[1]);
    if (type == KU__NO_TYPE) {
        return KU__NO_SLOT;
    }
    uint32_t front = ku__core_type_at(blocks->types, type)->front;
    return add_other(blocks, (ku__elsewhere){.address = object, .front = front, .marks = KU__SLOT_OBJECT});
}

bool ku__blocks_note_tracked(ku__blocks *blocks, uintptr_t object, unsigned generation) {
    uint32_t slot = ku__blocks_meet(blocks, object);
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

void ku__blocks_claim(ku__blocks *blocks, uintptr_t block, size_t size, ku__buffer_kind kind) {
    uint32_t slot = ku__blocks_find(blocks, block);
    if (slot == KU__NO_SLOT) {
        bool is_new = !ku__blocks_in_range(blocks, block) && size != 0 && block % 8 == 0 && block != 0 &&
                      ku__image_at(blocks->image, block, size) != NULL;
        slot = is_new ? add_other(blocks, (ku__elsewhere){.address = block, .owned = size, .is_buffer = true})
                      : KU__NO_SLOT;
    }
    if (slot == KU__NO_SLOT) {
        return;
    }
    claim_slot(blocks, slot, kind);
    if (slot < blocks->pool_slots) {
        size_t given = blocks->pools[(block - blocks->base) >> blocks->anchor.pool_bits].class_size;
        blocks->slacks[slot] = size <= given && given - size < KU_CLASS_STEP ? (uint8_t)(given - size) : 0;
    }
}

bool ku__blocks_is_object(ku__blocks *blocks, uintptr_t address) {
    if (address == 0 || address % sizeof(uintptr_t) != 0) {
        return false;
    }
    const uintptr_t *words = ku__image_words(blocks->image, address, 2);
    uint32_t type =
        words == NULL || ku__core_is_kept(words[0]) ? KU__NO_TYPE : ku__core_type_find(blocks->types, words[1]);
    if (type == KU__NO_TYPE || !ku__blocks_in_range(blocks, address)) {
        return type != KU__NO_TYPE;
    }
    uint32_t number = (uint32_t)((address - blocks->base) >> blocks->anchor.pool_bits);
    const ku__core_pool *pool = &blocks->pools[number];
    uintptr_t first = ku__blocks_pool_address(blocks, number) + ku__blocks_pool_first(blocks, number);
    uint32_t front = ku__core_type_at(blocks->types, type)->front;
    return slot_in_pool(blocks, address) != KU__NO_SLOT && !pool->is_buffer &&
           (address - front - first) % pool->class_size == 0;
}
