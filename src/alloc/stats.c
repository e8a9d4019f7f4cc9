/* stats.c: statistics as data, walks over live blocks, and purging. See kucha/stats.h. */
#include "alloc/arenas.h"
#include "alloc/check.h"
#include "alloc/fences.h"
#include "alloc/large.h"
#include "alloc/tables.h"
#include "os/pages.h"

#include <kucha/stats.h>
#include <stdlib.h>
#include <string.h>

/* ---- arenas of a heap, in order of address ---- */

typedef bool arena_visitor(ku_heap *heap, uint32_t arena, void *argument);

/* The heap's first arena from this number on, of which there is one. Whose an arena is changes under the process's
 * lock: those of other heaps come and go meanwhile. */
static uint32_t arena_from(const ku_heap *heap, uint32_t number) {
    ku__process_lock();
    while (number < ku__process_tables.arena_slots && ku__process_tables.arenas[number].heap != heap) {
        number++;
    }
    ku__process_unlock();
    return number;
}

static bool each_arena_in_order(ku_heap *heap, arena_visitor *visit, void *argument) {
    uint32_t number = 0;
    for (size_t left = heap->arenas; left > 0; left--, number++) {
        number = arena_from(heap, number);
        if (number >= ku__process_tables.arena_slots || !visit(heap, number, argument)) {
            return false;
        }
    }
    return true;
}

static uint64_t pools_in_use(uint32_t arena) {
    return ~ku__process_tables.arenas[arena].free_pools;
}

/* ---- statistics ---- */

static void add_pool(ku_heap_stats *stats, const ku__pool *pool) {
    ku_class_stats *of = &stats->classes[pool->class_index];
    of->pools++;
    size_t taken = pool->taken, capacity = pool->capacity, bytes = capacity * of->block_size;
    of->blocks_used += taken;
    of->blocks_free += capacity > taken ? capacity - taken : 0;
    of->tail_bytes += KU__POOL_SIZE > bytes ? KU__POOL_SIZE - bytes : 0;
}

static bool add_arena(ku_heap *heap, uint32_t arena, void *argument) {
    (void)heap;
    ku_heap_stats *stats = argument;
    const ku__arena *facts = &ku__process_tables.arenas[arena];
    stats->pools_free += facts->free_count;
    stats->arenas_huge += facts->ahead;
    stats->metadata_bytes += facts->has_sites ? KU__ARENA_SIZE / KU_CLASS_STEP * sizeof(uint32_t) : 0;
    for (uint64_t left = pools_in_use(arena); left != 0; left &= left - 1) {
        add_pool(stats, ku__pool_at(arena * KU__POOLS_PER_ARENA + (uint32_t)__builtin_ctzll(left)));
    }
    return true;
}

static void add_totals(const ku_heap *heap, ku_heap_stats *stats) {
    for (unsigned c = 0; c < KU_CLASS_COUNT; c++) {
        const ku_class_stats *of = &stats->classes[c];
        stats->blocks_used += of->blocks_used;
        stats->blocks_free += of->blocks_free;
        stats->bytes_used += of->blocks_used * of->block_size;
        stats->bytes_free += of->blocks_free * of->block_size;
    }
    stats->bytes_held = heap->pools_used * KU__POOL_SIZE + heap->large_bytes;
    stats->bytes_mapped = heap->arenas * KU__ARENA_SIZE + heap->large_bytes;
    stats->metadata_bytes += heap->arenas * KU__POOLS_PER_ARENA * (sizeof(ku__pool) + sizeof(uint16_t)) +
                             heap->mapping_bytes + ku__large_metadata_bytes(heap->large);
}

/* Blocks that wait in magazines are no program's. */
static void take_out_magazines(const ku_heap *heap, ku_heap_stats *stats) {
    for (unsigned c = 0; c < KU_CLASS_COUNT; c++) {
        ku_class_stats *of = &stats->classes[c];
        size_t waiting = ku__magazine_blocks(heap, c);
        waiting = waiting < of->blocks_used ? waiting : of->blocks_used;
        of->blocks_used -= waiting;
        of->blocks_free += waiting;
    }
}

static void make_exact(ku_heap *heap, ku__reading reading) {
    if (reading == KU__READ_OWN) {
        ku__heap_flush(heap);
        ku__heap_check(heap);
    }
}

void ku__heap_stats_of(ku_heap *heap, ku__reading reading, ku_heap_stats *stats) {
    make_exact(heap, reading);
    *stats = (ku_heap_stats){.domain = heap->domain,
                             .limit = heap->limit != SIZE_MAX ? heap->limit : 0,
                             .arena_size = KU__ARENA_SIZE,
                             .pool_size = KU__POOL_SIZE,
                             .arenas = heap->arenas,
                             .arenas_peak = heap->arenas_peak,
                             .arenas_taken = heap->arenas_taken,
                             .bytes_populated = heap->backing.populated,
                             .pools_used = heap->pools_used,
                             .large_blocks = heap->large_blocks,
                             .large_bytes = heap->large_bytes,
                             .large_bytes_peak = heap->large_bytes_peak};
    memcpy(stats->name, heap->name, sizeof stats->name);
    for (unsigned c = 0; c < KU_CLASS_COUNT; c++) {
        stats->classes[c].block_size = ku__class_size(c);
    }
    each_arena_in_order(heap, add_arena, stats);
    if (reading == KU__READ_RUNNING) {
        take_out_magazines(heap, stats);
    }
    add_totals(heap, stats);
}

void ku_heap_stats_read(ku_heap *heap, ku_heap_stats *stats) {
    ku__heap_stats_of(heap, KU__READ_OWN, stats);
}

static ku_arena_stats arena_stats(uint32_t arena) {
    size_t pools_free = ku__process_tables.arenas[arena].free_count;
    ku_arena_stats stats = {.address = (uintptr_t)ku__arena_address(arena),
                            .pools_used = KU__POOLS_PER_ARENA - pools_free,
                            .pools_free = pools_free};
    for (uint64_t left = pools_in_use(arena); left != 0; left &= left - 1) {
        const ku__pool *pool = ku__pool_at(arena * KU__POOLS_PER_ARENA + (uint32_t)__builtin_ctzll(left));
        stats.blocks_used += pool->taken;
        stats.bytes_used += pool->taken * ku__class_size(pool->class_index);
    }
    return stats;
}

typedef struct arena_call {
    ku__arena_reader *read;
    void *argument;
} arena_call;

static bool call_reader(ku_heap *heap, uint32_t arena, void *argument) {
    (void)heap;
    const arena_call *call = argument;
    ku_arena_stats stats = arena_stats(arena);
    call->read(arena, &stats, call->argument);
    return true;
}

void ku__arenas_visit(ku_heap *heap, ku__arena_reader *read, void *argument) {
    arena_call call = {read, argument};
    each_arena_in_order(heap, call_reader, &call);
}

typedef struct arena_list {
    ku_arena_stats *arenas;
    size_t capacity, count;
} arena_list;

static void list_arena(uint32_t number, const ku_arena_stats *stats, void *argument) {
    (void)number;
    arena_list *list = argument;
    if (list->count < list->capacity) {
        list->arenas[list->count] = *stats;
    }
    list->count++;
}

size_t ku__heap_arenas_of(ku_heap *heap, ku__reading reading, ku_arena_stats *arenas, size_t capacity) {
    make_exact(heap, reading);
    arena_list list = {arenas, capacity, 0};
    ku__arenas_visit(heap, list_arena, &list);
    return list.count;
}

size_t ku_heap_arenas_read(ku_heap *heap, ku_arena_stats *arenas, size_t capacity) {
    return ku__heap_arenas_of(heap, KU__READ_OWN, arenas, capacity);
}

/* ---- walking ---- */

typedef struct walk {
    ku_heap *heap;
    ku_block_visitor *visit;
    void *argument;
    size_t count;
    bool stopped;
} walk;

static void visit_block(walk *run, ku_block block) {
    if (run->heap->fences != NULL) {
        block.address = ku__fence_payload(block.address, &block.size);
        if (block.address == NULL) {
            return;
        }
    }
    run->count++;
    run->stopped = !run->visit(&block, run->argument);
}

static void walk_pool(walk *run, uint32_t number, bool has_sites) {
    const ku__pool *pool = ku__pool_at(number);
    size_t size = ku__class_size(pool->class_index);
    char *first = ku__pool_address(number) + ku__pool_first(number);
    for (size_t word = 0; word * 64 < pool->capacity && !run->stopped; word++) {
        size_t here = pool->capacity - word * 64 < 64 ? pool->capacity - word * 64 : 64;
        uint64_t live = ~pool->free_bits[word] & (UINT64_MAX >> (64 - here));
        for (; live != 0 && !run->stopped; live &= live - 1) {
            char *address = first + (word * 64 + (size_t)__builtin_ctzll(live)) * size;
            uint32_t slot = has_sites ? *ku__site_slot(run->heap, address, pool->class_index) : 0;
            visit_block(run, (ku_block){.address = address, .size = size, .site = slot});
        }
    }
}

static bool walk_arena(ku_heap *heap, uint32_t arena, void *argument) {
    walk *run = argument;
    bool has_sites = heap->sites_on && !heap->sites_old && ku__process_tables.arenas[arena].has_sites;
    for (uint64_t left = pools_in_use(arena); left != 0 && !run->stopped; left &= left - 1) {
        walk_pool(run, arena * KU__POOLS_PER_ARENA + (uint32_t)__builtin_ctzll(left), has_sites);
    }
    return !run->stopped;
}

static bool walk_large(const ku__large_entry *entry, uint32_t site, void *argument) {
    walk *run = argument;
    visit_block(run,
                (ku_block){.address = (void *)entry->address, .size = entry->size, .is_large = true, .site = site});
    return !run->stopped;
}

size_t ku_heap_walk(ku_heap *heap, ku_block_visitor *visit, void *argument) {
    ku__heap_flush(heap);
    ku__heap_check(heap);
    walk run = {.heap = heap, .visit = visit, .argument = argument};
    if (each_arena_in_order(heap, walk_arena, &run)) {
        ku__large_walk(heap, walk_large, &run);
    }
    return run.count;
}

/* ---- purging ---- */

static size_t purge_free_pools(uint32_t number) {
    ku__arena *arena = &ku__process_tables.arenas[number];
    size_t given = 0;
    arena->heap->pools_dirty -= (size_t)__builtin_popcountll(arena->dirty_pools);
    if (arena->ahead) {
        ku__backing_make_small(number);
        arena->dirty_pools = arena->free_pools; /* those that nobody touched may have pages, too */
        arena->ahead = false;
    }
    for (uint64_t left = arena->free_pools & arena->dirty_pools; left != 0; left &= left - 1) {
        uint32_t pool = number * KU__POOLS_PER_ARENA + (uint32_t)__builtin_ctzll(left);
        given += ku__pages_resident(ku__pool_address(pool), KU__POOL_SIZE);
        ku__pages_discard(ku__pool_address(pool), KU__POOL_SIZE);
    }
    arena->dirty_pools = arena->stale_pools = 0;
    return given;
}

/* The whole pages between two addresses. */
static size_t purge_span(char *from, char *to) {
    size_t mask = ku__page_size() - 1;
    char *first = (char *)(((uintptr_t)from + mask) & ~(uintptr_t)mask);
    char *end = (char *)((uintptr_t)to & ~(uintptr_t)mask);
    if (first >= end) {
        return 0;
    }
    size_t given = ku__pages_resident(first, (size_t)(end - first));
    if (given != 0) {
        ku__pages_discard(first, (size_t)(end - first));
    }
    return given;
}

/* Pages of a pool in use on which no block is live: the allocator keeps nothing in free blocks, so they may read as
 * zero. */
static size_t purge_pool_in_use(uint32_t number) {
    const ku__pool *pool = ku__pool_at(number);
    size_t size = ku__class_size(pool->class_index), given = 0;
    char *first = ku__pool_address(number) + ku__pool_first(number), *after_live = ku__pool_address(number);
    for (size_t i = 0; i < pool->capacity; i++) {
        if ((pool->free_bits[i / 64] >> (i % 64) & 1) == 0) {
            given += purge_span(after_live, first + i * size);
            after_live = first + (i + 1) * size;
        }
    }
    return given + purge_span(after_live, ku__pool_address(number) + KU__POOL_SIZE);
}

static size_t purge_pools_in_use(uint32_t arena) {
    size_t given = 0;
    for (uint64_t left = pools_in_use(arena); left != 0; left &= left - 1) {
        given += purge_pool_in_use(arena * KU__POOLS_PER_ARENA + (uint32_t)__builtin_ctzll(left));
    }
    return given;
}

static bool purge_arena(ku_heap *heap, uint32_t number, void *argument) {
    size_t *given = argument;
    if (ku__process_tables.arenas[number].free_count == KU__POOLS_PER_ARENA) {
        *given += ku__pages_resident(ku__arena_address(number), KU__ARENA_SIZE);
        ku__arena_give(heap, number);
    } else {
        *given += purge_free_pools(number) + purge_pools_in_use(number);
    }
    return true;
}

size_t ku_heap_purge(ku_heap *heap) {
    size_t given = 0;
    ku__heap_flush(heap);
    ku__heap_check(heap);
    ku__pools_release_empty(heap);
    each_arena_in_order(heap, purge_arena, &given);
    ku__heap_check(heap);
    return given;
}
