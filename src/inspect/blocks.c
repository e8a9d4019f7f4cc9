/* blocks.c: see blocks.h.
 *
 * What is read may be another program's, and damaged: every number is held against what the allocator can mean by it.
 */
#include "inspect/blocks.h"

#include "alloc/fast.h"
#include "os/pages.h"

#include <string.h>

/* Beyond these, no build of kucha has any. */
enum { POOLS_MOST = 1 << 22, CLASSES = 32, LARGE_LOG2_MOST = 32 };

static uintptr_t field(const ku__blocks *blocks, const void *structure, uint32_t offset) {
    return ku__memory_word(blocks->memory, (uintptr_t)structure + offset);
}

/* ---- pools ---- */

/* The number of a heap among those chosen; `count`: none. */
static size_t chosen(const ku__heap_choice *heaps, size_t count, uintptr_t heap) {
    size_t i = 0;
    while (i < count && heaps[i].heap != heap) {
        i++;
    }
    return heap != 0 ? i : count;
}

static const char *pool_record(const ku__blocks *blocks, uintptr_t records, uint32_t number) {
    return ku__memory_at(blocks->memory, records + (uintptr_t)number * blocks->anchor.pool_bytes,
                         blocks->anchor.pool_bytes);
}

static void add_pool(ku__blocks *blocks, uint32_t number, const char *record, const ku__heap_pool *like) {
    ku__heap_pool pool = *like;
    memcpy(&pool.capacity, record + blocks->anchor.pool_capacity, sizeof pool.capacity);
    unsigned class_index = (uint8_t)record[blocks->anchor.pool_class];
    pool.class_size = (uint16_t)((class_index + 1) * KU_CLASS_STEP);
    pool.reciprocal = KU__RECIPROCAL(pool.class_size);
    pool.begin = (uint16_t)(blocks->anchor.pool_shift + number % blocks->anchor.pool_colours * 64);
    size_t whole = (size_t)1 << blocks->anchor.pool_bits, room = whole > pool.begin ? whole - pool.begin : 0;
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
    size_t choice = chosen(heaps, count, heap);
    if (choice == count) {
        return;
    }
    blocks->arenas_end = arena + 1; /* they come in order */
    bool sites = entry[blocks->anchor.arena_has_sites] != 0 &&
                 ku__memory_u8(blocks->memory, heap + blocks->anchor.heap_sites_on) != 0;
    ku__heap_pool like = {.heap = (uint8_t)choice, .is_buffer = heaps[choice].is_buffer, .has_sites = sites};
    for (uint64_t used = ~free_pools; used != 0; used &= used - 1) {
        uint32_t number = arena * blocks->anchor.pools_per_arena + (uint32_t)__builtin_ctzll(used);
        const char *record = pool_record(blocks, records, number);
        if (record != NULL) {
            add_pool(blocks, number, record, &like);
        }
    }
}

/* Bits of a pool's blocks that are free, from the 64th `word` on; those behind the last block are none. */
static uint64_t free_bits(const ku__blocks *blocks, const char *record, const ku__heap_pool *pool, uint32_t word) {
    uint32_t at = blocks->anchor.pool_free_bits + word * 8, left = pool->capacity - word * 64;
    uint64_t bits = 0;
    memcpy(&bits, record + at, blocks->anchor.pool_bytes - at < 8 ? blocks->anchor.pool_bytes - at : 8);
    return left < 64 ? bits & (((uint64_t)1 << left) - 1) : bits;
}

static void note_live(ku__blocks *blocks, uintptr_t records) {
    for (uint32_t number = 0; number < blocks->arenas_end * blocks->anchor.pools_per_arena; number++) {
        const ku__heap_pool *pool = &blocks->pools[number];
        const char *record = pool->first_slot == 0 ? NULL : pool_record(blocks, records, number);
        for (uint32_t word = 0; record != NULL && word * 64 < pool->capacity; word++) {
            uint32_t *nodes = &blocks->nodes[pool->first_slot - 1 + word * 64];
            for (uint64_t left = free_bits(blocks, record, pool, word); left != 0; left &= left - 1) {
                nodes[__builtin_ctzll(left)] = KU_GRAPH_NONE;
            }
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
    uintptr_t magazines = ku__memory_word(blocks->memory, heap + blocks->anchor.heap_inner);
    for (unsigned c = 0; c < CLASSES; c++) {
        uintptr_t first = ku__memory_word(blocks->memory, magazines + c * sizeof(uintptr_t));
        uintptr_t top =
            ku__memory_word(blocks->memory, magazines + blocks->anchor.magazine_top + c * sizeof(uintptr_t));
        note_free(blocks, first);
        uintptr_t item = 1;
        for (int i = 0; first != 0 && i < MOST && item != 0; i++) {
            top -= sizeof(uintptr_t);
            item = ku__memory_word(blocks->memory, top);
            note_free(blocks, item);
        }
    }
    uintptr_t returned = ku__memory_word(blocks->memory, heap + blocks->anchor.heap_returns);
    for (uint32_t i = 0; returned != 0 && i < blocks->pool_slots; i++) {
        uintptr_t next = ku__memory_word(blocks->memory, returned);
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
    uint32_t slots = ku__memory_u32(blocks->memory, (uintptr_t)anchor->tables + anchor->table_slots);
    blocks->base = field(blocks, anchor->tables, anchor->range_base);
    blocks->arena_table = field(blocks, anchor->tables, anchor->table_arenas);
    blocks->site_table = field(blocks, anchor->tables, anchor->table_sites);
    slots = slots < POOLS_MOST / anchor->pools_per_arena ? slots : POOLS_MOST / anchor->pools_per_arena;
    blocks->pool_count = slots * anchor->pools_per_arena;
    /* and one more: a damaged heap that says that it has none has not run out of memory */
    blocks->pools = ku__pages_map(((size_t)blocks->pool_count + 1) * sizeof *blocks->pools);
    if (blocks->pools == NULL) {
        return false;
    }
    for (uint32_t arena = 0; arena < slots; arena++) {
        const char *entry = ku__memory_at(blocks->memory, blocks->arena_table + (uintptr_t)arena * anchor->arena_bytes,
                                          anchor->arena_bytes);
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

uint32_t ku__blocks_add(ku__blocks *blocks, ku__elsewhere other) {
    uint32_t slot = ku__blocks_slots(blocks);
    ku__elsewhere *room = slot >= KU_GRAPH_NODES_MAX ? NULL : ku__growing_push(&blocks->others, sizeof *room);
    if (room == NULL || !ku__pointer_add(&blocks->by_address, other.address, slot)) {
        blocks->failed = true;
        return KU__NO_SLOT;
    }
    *room = other;
    return slot;
}

typedef struct sighting {
    ku__block_sight *sight;
    void *argument;
} sighting;

static void add_large(ku__blocks *blocks, ku__elsewhere other, const sighting *by) {
    if (by->sight != NULL && !other.is_buffer) {
        by->sight(by->argument, other.address, other.size, &other.front, &other.marks);
        other.address += other.front;
    }
    if (ku__pointer_find(&blocks->by_address, other.address) == KU__POINTER_NONE) {
        ku__blocks_add(blocks, other);
    }
}

/* A registry may be shared: an entry says which heap made it. */
static void add_registry(ku__blocks *blocks, const ku__heap_choice *heaps, size_t choice, const sighting *by) {
    const ku__anchor *anchor = &blocks->anchor;
    uintptr_t large = ku__memory_word(blocks->memory, heaps[choice].heap + anchor->heap_large);
    uint32_t number = ku__memory_u32(blocks->memory, heaps[choice].heap + anchor->heap_number);
    uint64_t capacity = large == 0 ? 0 : ku__memory_word(blocks->memory, large + anchor->large_capacity);
    if (large == 0 || capacity > (uint64_t)1 << LARGE_LOG2_MOST) {
        return;
    }
    uintptr_t sites = ku__memory_word(blocks->memory, large + anchor->large_sites);
    const uintptr_t *entries =
        ku__memory_words(blocks->memory, ku__memory_word(blocks->memory, large + anchor->large_entries), capacity * 2);
    for (uint64_t i = 0; entries != NULL && i < capacity && !blocks->failed; i++) {
        uintptr_t address = entries[2 * i], facts = entries[2 * i + 1];
        if (address != 0 && address % 8 == 0 && facts >> 48 == number) {
            ku__elsewhere other = {.address = address,
                                   .size = facts & (((uint64_t)1 << 48) - 1),
                                   .site =
                                       sites == 0 ? 0 : ku__memory_u32(blocks->memory, sites + i * sizeof(uint32_t)),
                                   .heap = (uint8_t)choice,
                                   .is_buffer = heaps[choice].is_buffer};
            add_large(blocks, other, by);
        }
    }
}

bool ku__blocks_open(ku__blocks *blocks, const ku__heap_choice *heaps, size_t count, ku__block_sight *sight,
                     void *argument) {
    const sighting by = {sight, argument};
    if (count != 0 && !open_pools(blocks, heaps, count)) {
        blocks->failed = true;
    }
    for (size_t i = 0; i < count && !blocks->failed; i++) {
        add_registry(blocks, heaps, i, &by);
    }
    return !blocks->failed;
}

void ku__blocks_close(ku__blocks *blocks) {
    ku__pages_unmap(blocks->pools, ((size_t)blocks->pool_count + 1) * sizeof *blocks->pools);
    ku__pages_unmap(blocks->nodes, ((size_t)blocks->pool_slots + 1) * sizeof *blocks->nodes);
    ku__pages_unmap(blocks->marks, (size_t)blocks->pool_slots + 1);
    ku__pages_unmap(blocks->slacks, (size_t)blocks->pool_slots + 1);
    ku__pages_unmap(blocks->sorted, (blocks->sorted_count + 1) * sizeof *blocks->sorted);
    ku__growing_release(&blocks->others);
    ku__pointer_close(&blocks->by_address);
}

/* ---- finding ---- */

static uint32_t slot_in_pool(const ku__blocks *blocks, uintptr_t address) {
    uintptr_t offset = address - blocks->base;
    const ku__heap_pool *pool = &blocks->pools[offset >> blocks->anchor.pool_bits];
    offset &= ((uintptr_t)1 << blocks->anchor.pool_bits) - 1;
    if (pool->first_slot == 0 || offset < pool->begin) {
        return KU__NO_SLOT;
    }
    uint32_t index = (uint32_t)((offset - pool->begin) * pool->reciprocal >> 32);
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

/* ---- order ---- */

bool ku__blocks_sort(ku__blocks *blocks) {
    size_t count = KU__GROWING_COUNT(&blocks->others, ku__elsewhere);
    ku__placed *sorted = ku__pages_map((count + 1) * sizeof *sorted);
    if (sorted == NULL) {
        blocks->failed = true;
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        uint32_t slot = blocks->pool_slots + (uint32_t)i;
        sorted[i] = (ku__placed){ku__blocks_other(blocks, slot)->address, slot};
    }
    ku__order_placed(sorted, count);
    blocks->sorted = sorted;
    blocks->sorted_count = count;
    return true;
}

/* ---- walking ---- */

static uint32_t site_of(const ku__blocks *blocks, uint32_t number, uintptr_t block) {
    uintptr_t slots = blocks->site_table + (uintptr_t)number * blocks->anchor.sites_per_pool * sizeof(uint32_t);
    uintptr_t offset = block - ku__blocks_pool_address(blocks, number);
    uintptr_t index = offset * blocks->pools[number].reciprocal >> 32;
    return ku__memory_u32(blocks->memory, slots + index * sizeof(uint32_t));
}

static void walk_pool(ku__blocks *blocks, uint32_t number, ku__block_meeting *meet, void *argument) {
    const ku__heap_pool *pool = &blocks->pools[number];
    ku__block block = {.address = ku__blocks_pool_first(blocks, number),
                       .size = pool->class_size,
                       .slot = pool->first_slot - 1,
                       .heap = pool->heap,
                       .is_buffer = pool->is_buffer};
    for (uint32_t i = 0; i < pool->capacity; i++, block.slot++, block.address += pool->class_size) {
        if (blocks->nodes[block.slot] != KU_GRAPH_NONE) {
            block.marks = blocks->marks[block.slot];
            block.site = pool->has_sites ? site_of(blocks, number, block.address) : 0;
            meet(argument, &block);
        }
    }
}

void ku__blocks_walk_pools(ku__blocks *blocks, ku__block_meeting *meet, void *argument) {
    for (uint32_t number = 0; number < blocks->arenas_end * blocks->anchor.pools_per_arena; number++) {
        if (blocks->pools[number].first_slot != 0) {
            walk_pool(blocks, number, meet, argument);
        }
    }
}

static void meet_other(ku__blocks *blocks, uint32_t slot, ku__block_meeting *meet, void *argument) {
    const ku__elsewhere *other = ku__blocks_other(blocks, slot);
    ku__block block = {.slot = slot,
                       .address = other->address - other->front,
                       .size = other->size,
                       .owned = other->owned,
                       .front = other->front,
                       .site = other->site,
                       .marks = other->marks,
                       .heap = other->heap,
                       .is_buffer = other->is_buffer,
                       .is_elsewhere = true};
    meet(argument, &block);
}

void ku__blocks_walk_others(ku__blocks *blocks, ku__block_meeting *meet, void *argument) {
    for (uint32_t slot = blocks->pool_slots; slot < ku__blocks_slots(blocks); slot++) {
        meet_other(blocks, slot, meet, argument);
    }
}

/* What lies below the pools, the pools, what lies above. */
void ku__blocks_walk(ku__blocks *blocks, ku__block_meeting *meet, void *argument) {
    size_t i = 0;
    while (i < blocks->sorted_count && blocks->sorted[i].address < blocks->base) {
        meet_other(blocks, blocks->sorted[i++].number, meet, argument);
    }
    ku__blocks_walk_pools(blocks, meet, argument);
    while (i < blocks->sorted_count) {
        meet_other(blocks, blocks->sorted[i++].number, meet, argument);
    }
}

/* ---- arenas ---- */

void ku__blocks_arenas(ku__blocks *blocks, const ku__heap_choice *heaps, size_t count, ku__arena_telling *tell,
                       void *argument) {
    const ku__anchor *anchor = &blocks->anchor;
    uint32_t pools = blocks->pool_count == 0 ? 1 : anchor->pools_per_arena;
    for (uint32_t arena = 0; arena < blocks->arenas_end; arena++) {
        const char *entry = ku__memory_at(blocks->memory, blocks->arena_table + (uintptr_t)arena * anchor->arena_bytes,
                                          anchor->arena_bytes);
        uintptr_t heap = 0;
        uint64_t free_pools = 0;
        if (entry != NULL) {
            memcpy(&heap, entry + anchor->arena_heap, sizeof heap);
            memcpy(&free_pools, entry + anchor->arena_free_pools, sizeof free_pools);
        }
        size_t choice = chosen(heaps, count, heap);
        if (choice != count) {
            tell(argument, &(ku_graph_arena){.address = ku__blocks_pool_address(blocks, arena * pools),
                                             .bytes = (uint64_t)pools << anchor->pool_bits,
                                             .pool_bytes = (uint32_t)1 << anchor->pool_bits,
                                             .free_pools = (uint32_t)__builtin_popcountll(free_pools),
                                             .heap = (uint32_t)choice});
        }
    }
}
