/* check.c: the invariants of heaps, arenas and pools as code. See check.h; the invariants are those of fast.h and
 * tables.h. */
#include "alloc/check.h"

#ifdef KU_CHECKING

#include "alloc/large.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

_Noreturn void ku__check_failed(const char *condition, const char *file, int line, const char *function) {
    char text[400];
    int length =
        snprintf(text, sizeof text, "kucha: %s:%d: %s: this does not hold: %s\n", file, line, function, condition);
    if (length > 0) {
        size_t bytes = (size_t)length < sizeof text ? (size_t)length : sizeof text - 1;
        ssize_t written = write(STDERR_FILENO, text, bytes);
        (void)written;
    }
    abort();
}

static size_t free_bits_of(const ku__pool *pool) {
    size_t bits = 0;
    for (size_t word = 0; word * 64 < pool->capacity; word++) {
        size_t here = pool->capacity - word * 64 < 64 ? pool->capacity - word * 64 : 64;
        uint64_t these = pool->free_bits[word] & (UINT64_MAX >> (64 - here));
        KU__CHECK(these == 0 || word >= pool->first_word);
        bits += (size_t)__builtin_popcountll(these);
    }
    return bits;
}

void ku__pool_check(uint32_t number) {
    const ku__pool *pool = ku__pool_at(number);
    unsigned entry = ku__process_tables.class_map[number];
    KU__CHECK(entry != 0);
    KU__CHECK((entry & KU__MAP_CLASS) == pool->class_index);
    KU__CHECK(entry >> KU__MAP_SHIFT == pool->heap->number);
    KU__CHECK(pool->capacity == (KU__POOL_SIZE - ku__pool_first(number)) / ku__class_size(pool->class_index));
    KU__CHECK(pool->taken <= pool->capacity);
    KU__CHECK(free_bits_of(pool) + pool->taken == pool->capacity);
    KU__CHECK(pool->listed == (pool->taken < pool->capacity));
    KU__CHECK(!pool->listed || pool->next == KU__NONE || ku__pool_at(pool->next)->prev == number);
    KU__CHECK(!pool->listed || pool->prev == KU__NONE || ku__pool_at(pool->prev)->next == number);
    KU__CHECK(!pool->listed || pool->prev != KU__NONE || *ku__pool_list(pool->heap, pool) == number);
    KU__CHECK(!pool->apart || (entry & KU__MAP_SAMPLED) != 0);
}

void ku__arena_check(uint32_t number) {
    const ku__arena *arena = &ku__process_tables.arenas[number];
    KU__CHECK(arena->heap != NULL && !arena->blocked);
    KU__CHECK((unsigned)__builtin_popcountll(arena->free_pools) == arena->free_count);
    KU__CHECK((arena->dirty_pools & ~arena->free_pools) == 0);
    KU__CHECK((arena->stale_pools & ~arena->dirty_pools) == 0);
    KU__CHECK(arena->prev != KU__NONE || arena->heap->by_free[arena->free_count] == number);
    KU__CHECK(arena->next == KU__NONE || ku__process_tables.arenas[arena->next].prev == number);
    KU__CHECK(arena->prev == KU__NONE || ku__process_tables.arenas[arena->prev].next == number);
    for (unsigned i = 0; i < KU__POOLS_PER_ARENA; i++) {
        unsigned entry = ku__process_tables.class_map[number * KU__POOLS_PER_ARENA + i];
        bool is_free = (arena->free_pools >> i & 1) != 0;
        KU__CHECK(is_free == (entry == 0));
        KU__CHECK(is_free || entry >> KU__MAP_SHIFT == arena->heap->number);
    }
}

static void check_magazine(const ku_heap *heap, unsigned class_index) {
    const ku__magazines *magazines = heap->inner;
    void *first = magazines->first[class_index];
    KU__CHECK(magazines->top[class_index] <= magazines->limit[class_index]);
    if (first == NULL) {
        return;
    }
    uint32_t number = ku__pool_number(first);
    KU__CHECK(ku__in_range(first));
    KU__CHECK((ku__process_tables.class_map[number] & KU__MAP_CLASS) == class_index);
    KU__CHECK(ku__pool_at(number)->heap == heap);
    KU__CHECK(ku__pool_at(number)->taken > 0);
    KU__CHECK(magazines->top[class_index][-1] != first || magazines->top[class_index][-1] == NULL);
}

void ku__class_check(const ku_heap *heap, unsigned class_index) {
    check_magazine(heap, class_index);
    if (heap->partial[class_index] != KU__NONE) {
        ku__pool_check(heap->partial[class_index]);
        ku__arena_check(ku__arena_of_pool(heap->partial[class_index]));
    }
}

/* Checks an arena and its pools; returns the pools that are in use. */
static size_t check_arena_whole(const ku_heap *heap, uint32_t number) {
    ku__arena_check(number);
    KU__CHECK(ku__process_tables.arenas[number].heap == heap);
    size_t pools = 0;
    for (uint64_t left = ~ku__process_tables.arenas[number].free_pools; left != 0; left &= left - 1) {
        ku__pool_check(number * KU__POOLS_PER_ARENA + (uint32_t)__builtin_ctzll(left));
        pools++;
    }
    return pools;
}

void ku__heap_check(ku_heap *heap) {
    size_t arenas = 0, pools = 0, idle = 0, dirty = 0;
    KU__CHECK(ku__heap_numbered(heap->number) == heap);
    for (unsigned c = 0; c < KU_CLASS_COUNT; c++) {
        check_magazine(heap, c);
    }
    for (unsigned free_count = 0; free_count <= KU__POOLS_PER_ARENA; free_count++) {
        for (uint32_t a = heap->by_free[free_count]; a != KU__NONE; a = ku__process_tables.arenas[a].next) {
            KU__CHECK(ku__process_tables.arenas[a].free_count == free_count);
            pools += check_arena_whole(heap, a);
            arenas++;
            idle += free_count == KU__POOLS_PER_ARENA;
            dirty += (size_t)__builtin_popcountll(ku__process_tables.arenas[a].dirty_pools);
        }
    }
    KU__CHECK(arenas == heap->arenas && arenas <= heap->arenas_peak && arenas <= heap->arenas_taken);
    KU__CHECK(pools == heap->pools_used);
    for (unsigned c = 0; c < KU_CLASS_COUNT; c++) {
        pools -= heap->pools_of[c];
    }
    KU__CHECK(pools == 0);
    KU__CHECK(idle == heap->arenas_idle && dirty == heap->pools_dirty);
    ku__large_check(heap);
}

#else
typedef int ku__nothing_to_check; /* C asks for something in every file */
#endif
