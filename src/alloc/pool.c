/* pool.c: pools: taking one for a class, taking blocks out of it, giving them back. See tables.h for the invariants. */
#include "alloc/fault.h"
#include "alloc/tables.h"
#include "os/clock.h"

#include <string.h>

static void list_partial(ku_heap *heap, uint32_t number) {
    ku__pool *pool = ku__pool_at(number);
    uint32_t *head = ku__pool_list(heap, pool);
    pool->prev = KU__NONE;
    pool->next = *head;
    pool->listed = true;
    if (*head != KU__NONE) {
        ku__pool_at(*head)->prev = number;
    }
    *head = number;
}

static void unlist_partial(ku_heap *heap, uint32_t number) {
    ku__pool *pool = ku__pool_at(number);
    if (pool->prev == KU__NONE) {
        *ku__pool_list(heap, pool) = pool->next;
    } else {
        ku__pool_at(pool->prev)->next = pool->next;
    }
    if (pool->next != KU__NONE) {
        ku__pool_at(pool->next)->prev = pool->prev;
    }
    pool->listed = false;
}

/* ---- pools that blocks were taken from, for whoever watches (walk.h) ---- */

void ku__pool_touch(ku_heap *heap, uint32_t number) {
    ku__pool *pool = ku__pool_at(number);
    if (pool->touched) {
        return;
    }
    pool->touched = true;
    pool->touched_prev = KU__NONE;
    pool->touched_next = heap->touched;
    if (heap->touched != KU__NONE) {
        ku__pool_at(heap->touched)->touched_prev = number;
    }
    heap->touched = number;
}

static void untouch(ku_heap *heap, uint32_t number) {
    ku__pool *pool = ku__pool_at(number);
    if (pool->touched_prev == KU__NONE) {
        heap->touched = pool->touched_next;
    } else {
        ku__pool_at(pool->touched_prev)->touched_next = pool->touched_next;
    }
    if (pool->touched_next != KU__NONE) {
        ku__pool_at(pool->touched_next)->touched_prev = pool->touched_prev;
    }
    pool->touched = false;
}

uint32_t ku__pool_untouch(ku_heap *heap) {
    uint32_t number = heap->touched;
    if (number != KU__NONE) {
        untouch(heap, number);
    }
    return number;
}

/* ---- taking ---- */

/* The arena with the fewest free pools, so that others may empty; a new one when there is none. */
static uint32_t arena_with_room(ku_heap *heap) {
    for (unsigned free_count = 1; free_count <= KU__POOLS_PER_ARENA; free_count++) {
        if (heap->by_free[free_count] != KU__NONE) {
            return heap->by_free[free_count];
        }
    }
    return ku__arena_take(heap);
}

static void move_arena(ku_heap *heap, uint32_t number, uint32_t free_count) {
    ku__arena_unlist(heap, number);
    ku__process_tables.arenas[number].free_count = free_count;
    ku__arena_list(heap, number);
}

/* The lowest free pool, one whose pages were touched before if there is any; else it is fresh. */
static uint32_t take_from_arena(ku_heap *heap, uint32_t number, bool *fresh) {
    ku__arena *arena = &ku__process_tables.arenas[number];
    uint64_t choice = arena->free_pools & arena->dirty_pools;
    *fresh = choice == 0;
    choice = *fresh ? arena->free_pools : choice;
    uint64_t bit = choice & -choice;
    heap->arenas_idle -= arena->free_count == KU__POOLS_PER_ARENA;
    arena->free_pools &= ~bit;
    heap->pools_dirty -= !*fresh;
    arena->dirty_pools &= ~bit;
    arena->stale_pools &= ~bit;
    move_arena(heap, number, arena->free_count - 1);
    return number * KU__POOLS_PER_ARENA + (uint32_t)__builtin_ctzll(bit);
}

static void fill_bits(ku__pool *pool) {
    size_t words = pool->capacity / 64, rest = pool->capacity % 64;
    memset(pool->free_bits, 0xff, words * sizeof(uint64_t));
    if (rest != 0) {
        pool->free_bits[words] = ((uint64_t)1 << rest) - 1;
    }
}

ku__pool *ku__pool_take(ku_heap *heap, unsigned class_index, bool apart) {
    if ((heap->pools_used + 1) * KU__POOL_SIZE + heap->large_bytes > heap->limit) {
        heap->last_refusal = KU_LIMIT;
        return NULL;
    }
    uint32_t arena = arena_with_room(heap);
    if (arena == KU__NONE) {
        heap->last_refusal = KU_NO_MEMORY;
        return NULL;
    }
    bool fresh;
    uint32_t number = take_from_arena(heap, arena, &fresh);
    ku__pool *pool = ku__pool_at(number);
    pool->heap = heap;
    pool->class_index = (uint8_t)class_index;
    pool->capacity = (uint16_t)((KU__POOL_SIZE - ku__pool_first(number)) / ku__class_size(class_index));
    pool->taken = 0;
    pool->first_word = 0;
    pool->touched = false;
    fill_bits(pool);
    pool->apart = apart;
    unsigned sampled = apart ? KU__MAP_SAMPLED : 0;
    ku__process_tables.class_map[number] = (uint16_t)(heap->number << KU__MAP_SHIFT | sampled | class_index);
    heap->pools_used++;
    heap->pools_of[class_index]++;
    list_partial(heap, number);
    if (fresh) {
        ku__backing_pool(heap, number);
    }
    return pool;
}

/* The blocks of one word of the bitmap, lowest first, written downwards from `end`; returns how many. */
static size_t gather_word(uint64_t bits, char *first, size_t block_size, void **end) {
    void **at = end;
    while (bits != 0) {
        *--at = first + (size_t)__builtin_ctzll(bits) * block_size;
        bits &= bits - 1;
    }
    return (size_t)(end - at);
}

/* The lowest `count` bits that are set. */
static uint64_t lowest_bits(uint64_t bits, size_t count) {
    uint64_t rest = bits;
    for (size_t i = 0; i < count; i++) {
        rest &= rest - 1;
    }
    return bits & ~rest;
}

size_t ku__pool_gather(ku__pool *pool, uint32_t number, void **items, size_t count) {
    size_t available = (size_t)(pool->capacity - pool->taken);
    count = count < available ? count : available;
    size_t block_size = ku__class_size(pool->class_index), left = count;
    char *first = ku__pool_address(number) + ku__pool_first(number);
    size_t word = pool->first_word;
    while (left > 0) {
        uint64_t bits = pool->free_bits[word];
        if ((size_t)__builtin_popcountll(bits) > left) {
            bits = lowest_bits(bits, left);
        }
        left -= gather_word(bits, first + word * 64 * block_size, block_size, items + left);
        pool->free_bits[word] &= ~bits;
        word += left > 0;
    }
    pool->first_word = (uint16_t)word;
    pool->taken = (uint16_t)(pool->taken + count);
    if (pool->taken == pool->capacity) {
        unlist_partial(pool->heap, number);
    }
    if (pool->heap->watched) {
        ku__pool_touch(pool->heap, number);
    }
    return count;
}

/* ---- giving back ---- */

static void release_pool(ku_heap *heap, uint32_t number) {
    uint32_t arena_number = ku__arena_of_pool(number);
    ku__arena *arena = &ku__process_tables.arenas[arena_number];
    uint64_t bit = (uint64_t)1 << (number % KU__POOLS_PER_ARENA);
    unlist_partial(heap, number);
    if (ku__pool_at(number)->touched) {
        untouch(heap, number);
    }
    ku__process_tables.class_map[number] = 0;
    heap->pools_used--;
    heap->pools_of[ku__pool_at(number)->class_index]--;
    ku__heap_trim_limit(heap);
    arena->free_pools |= bit;
    arena->dirty_pools |= bit;
    heap->pools_dirty++;
    move_arena(heap, arena_number, arena->free_count + 1);
    if (arena->free_count == KU__POOLS_PER_ARENA) {
        heap->arenas_idle++;
        arena->idle_since = ku__clock_milliseconds();
        ku__arenas_decay(heap);
    }
}

/* What a pool that was full, or now is empty, asks for besides its bit. */
static void taken_changed(ku__pool *pool, uint32_t number) {
    if (!pool->listed) {
        list_partial(pool->heap, number);
    }
    /* the last pool of a class with room is kept: the next malloc would want it back */
    if (pool->taken == 0 && (pool->next != KU__NONE || pool->prev != KU__NONE)) {
        release_pool(pool->heap, number);
    }
}

/* Gives back those of the blocks, from the first on, that lie in the first one's pool; returns how many. Blocks that
 * were allocated one after the other are mostly freed so: what is said of a pool is written once for all of them. */
static size_t give_back_run(void *const *blocks, size_t count, uint64_t reciprocal) {
    uint32_t number = ku__pool_number(blocks[0]);
    ku__pool *pool = ku__pool_at(number);
    uintptr_t first = (uintptr_t)ku__pool_address(number) + ku__pool_first(number);
    uint32_t first_word = pool->first_word;
    size_t run = 0, twice = 0;
    for (; run < count && ku__pool_number(blocks[run]) == number; run++) {
        uint32_t index = (uint32_t)(((uintptr_t)blocks[run] - first) * reciprocal >> 32), word = index / 64;
        uint64_t bit = (uint64_t)1 << (index % 64);
        if (KU__UNLIKELY((pool->free_bits[word] & bit) != 0)) {
            ku__fault_report("a block was freed twice", blocks[run]);
            twice++;
        }
        pool->free_bits[word] |= bit;
        first_word = word < first_word ? word : first_word;
    }
    pool->first_word = (uint16_t)first_word;
    pool->taken = (uint16_t)(pool->taken - (run - twice));
    if (KU__UNLIKELY(run > twice && (!pool->listed || pool->taken == 0))) {
        taken_changed(pool, number);
    }
    return run;
}

void ku__pool_give_back(void *const *blocks, size_t count, unsigned class_index) {
    for (size_t done = 0; done < count;) {
        done += give_back_run(blocks + done, count - done, ku__reciprocals[class_index]);
    }
}

void ku__pool_give_back_bits(uint32_t number, const uint64_t *taken) {
    ku__pool *pool = ku__pool_at(number);
    size_t words = (pool->capacity + 63u) / 64, count = 0, first = words;
    for (size_t word = words; word-- > 0;) {
        pool->free_bits[word] |= taken[word];
        count += (size_t)__builtin_popcountll(taken[word]);
        first = taken[word] != 0 ? word : first;
    }
    if (count == 0) {
        return;
    }
    pool->first_word = first < pool->first_word ? (uint16_t)first : pool->first_word;
    pool->taken = (uint16_t)(pool->taken - count);
    taken_changed(pool, number);
}

void ku__pool_join(ku_heap *heap, uint32_t number) {
    ku__pool *pool = ku__pool_at(number);
    bool listed = pool->listed;
    if (listed) {
        unlist_partial(heap, number);
    }
    pool->apart = false;
    if (listed) {
        list_partial(heap, number);
    }
}

static void release_empty(ku_heap *heap, uint32_t first) {
    for (uint32_t number = first, next; number != KU__NONE; number = next) {
        next = ku__pool_at(number)->next;
        if (ku__pool_at(number)->taken == 0) {
            release_pool(heap, number);
        }
    }
}

void ku__pools_release_empty(ku_heap *heap) {
    for (unsigned c = 0; c < KU_CLASS_COUNT; c++) {
        release_empty(heap, heap->partial[c]);
        release_empty(heap, heap->apart[c]);
    }
}
