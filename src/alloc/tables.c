/* tables.c: the window of addresses, the process's lock, and arenas. See tables.h. */
#include "alloc/tables.h"
#include "alloc/anchor.h"

#include "alloc/annotate.h"
#include "alloc/large.h"
#include "os/clock.h"
#include "os/pages.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>

enum {
    ARENAS_PER_CLAIM =
        16, /* pool records are taken for so many arenas: whole pages, even of 64 KiB, in every geometry */
    TABLE_ALIGN = 1 << 16, /* largest page size in use */
    /* An idle arena stays so long before it goes back: a program that swings between full and empty in less would
     * pay for the page faults each time (10^6 blocks of 64 bytes, filled and emptied: 16 ns a call when arenas went
     * back at once, 6 when they stayed). */
    IDLE_MILLISECONDS = 200,
    /* Free pools may keep their pages up to so many: half of what one arena of CPython's has. Beyond, a program that
     * freed most of what it held kept it for good where every arena held something: pyflate of pyperformance had
     * 12 MiB of small blocks in place of 6 when it took its largest buffers. */
    DIRTY_KEPT = 8,
};

ku__tables ku__process_tables;

static pthread_mutex_t process_lock = PTHREAD_MUTEX_INITIALIZER;
static bool is_open;
static ku_heap *heaps;
static ku_heap *by_number[KU__HEAPS_MAX + 1];
static uint32_t first_candidate; /* no free arena slot lies below */
static uint64_t records_taken[KU__RANGE_SIZE >> KU__ARENA_BITS >> 6];

void ku__process_lock(void) {
    pthread_mutex_lock(&process_lock);
}

void ku__process_unlock(void) {
    pthread_mutex_unlock(&process_lock);
}

/* fork(2) copies locks as they are. Whoever forks first waits for all of ours, so that the child finds them free. */
static void before_fork(void) {
    ku__process_lock();
    for (ku_heap *heap = heaps; heap != NULL; heap = heap->next) {
        ku__large_lock_for_fork(heap->large);
    }
}

static void after_fork(void) {
    for (ku_heap *heap = heaps; heap != NULL; heap = heap->next) {
        ku__large_unlock_after_fork(heap->large);
    }
    ku__process_unlock();
}

static size_t aligned(size_t bytes) {
    return (bytes + TABLE_ALIGN - 1) & ~(size_t)(TABLE_ALIGN - 1);
}

static size_t class_map_bytes(size_t arenas_bytes) {
    return aligned((arenas_bytes >> KU__POOL_BITS) * sizeof(uint16_t));
}

static size_t arena_table_bytes(size_t arenas_bytes) {
    return aligned((arenas_bytes >> KU__ARENA_BITS) * sizeof(ku__arena));
}

static size_t records_bytes(size_t arenas_bytes) {
    return aligned((arenas_bytes >> KU__POOL_BITS) * sizeof(ku__pool));
}

static size_t tables_for(size_t arenas_bytes) {
    return class_map_bytes(arenas_bytes) + arena_table_bytes(arenas_bytes) + records_bytes(arenas_bytes) +
           arenas_bytes / KU_CLASS_STEP * sizeof(uint32_t);
}

static bool open_tables(void) {
    ku__tables *tables = &ku__process_tables;
    size_t least = KU__ARENA_SIZE * 64;
    /* a multiple of 1 GiB suits huge pages and keeps page tables of the window apart from others */
    if (!ku__range_find(&tables->range, KU__RANGE_SIZE, least, (size_t)1 << 30, tables_for)) {
        return false;
    }
    size_t arenas_bytes = tables->range.arenas_bytes;
    char *at = (char *)tables->range.base + arenas_bytes;
    size_t mapped = class_map_bytes(arenas_bytes) + arena_table_bytes(arenas_bytes);
    if (!ku__range_take(&tables->range, at, mapped)) {
        ku__range_drop(&tables->range);
        return false;
    }
    tables->class_map = (uint16_t *)(void *)at;
    at += class_map_bytes(arenas_bytes);
    tables->arenas = (ku__arena *)(void *)at;
    at += arena_table_bytes(arenas_bytes);
    tables->pools = (ku__pool *)(void *)at;
    at += records_bytes(arenas_bytes);
    tables->sites = (uint32_t *)(void *)at;
    tables->arena_slots = (uint32_t)(arenas_bytes >> KU__ARENA_BITS);
    if (pthread_atfork(before_fork, after_fork, after_fork) != 0) {
        ku__range_give(&tables->range, tables->class_map, mapped);
        ku__range_drop(&tables->range);
        return false;
    }
    return true;
}

bool ku__tables_open(void) {
    ku__process_lock();
    if (!is_open && open_tables()) {
        is_open = true;
        ku__anchor_fill(&heaps);
    }
    ku__process_unlock();
    return is_open;
}

bool ku__heap_enlist(ku_heap *heap) {
    ku__process_lock();
    unsigned number = 1;
    while (number <= KU__HEAPS_MAX && by_number[number] != NULL) {
        number++;
    }
    bool found = number <= KU__HEAPS_MAX;
    if (found) {
        by_number[number] = heap;
        heap->number = number;
        heap->next = heaps;
        heaps = heap;
    }
    ku__process_unlock();
    return found;
}

void ku__heap_delist(ku_heap *heap) {
    ku__process_lock();
    ku_heap **link = &heaps;
    while (*link != heap) {
        link = &(*link)->next;
    }
    *link = heap->next;
    ku__process_unlock();
}

void ku__heap_number_release(const ku_heap *heap) {
    ku__process_lock();
    by_number[heap->number] = NULL;
    ku__process_unlock();
}

ku_heap *ku__heaps_first(void) {
    return heaps;
}

ku_heap *ku__heap_numbered(unsigned number) {
    return by_number[number];
}

/* ---- arenas ---- */

void ku__arena_list(ku_heap *heap, uint32_t number) {
    ku__arena *arena = &ku__process_tables.arenas[number];
    uint32_t *head = &heap->by_free[arena->free_count];
    arena->prev = KU__NONE;
    arena->next = *head;
    if (*head != KU__NONE) {
        ku__process_tables.arenas[*head].prev = number;
    }
    *head = number;
}

void ku__arena_unlist(ku_heap *heap, uint32_t number) {
    ku__arena *arena = &ku__process_tables.arenas[number];
    if (arena->prev == KU__NONE) {
        heap->by_free[arena->free_count] = arena->next;
    } else {
        ku__process_tables.arenas[arena->prev].next = arena->next;
    }
    if (arena->next != KU__NONE) {
        ku__process_tables.arenas[arena->next].prev = arena->prev;
    }
}

static size_t arena_site_bytes(void) {
    return KU__ARENA_SIZE / KU_CLASS_STEP * sizeof(uint32_t);
}

static void *arena_site_address(uint32_t number) {
    return (char *)ku__process_tables.sites + number * arena_site_bytes();
}

bool ku__arena_sites_take(uint32_t number) {
    ku__arena *arena = &ku__process_tables.arenas[number];
    if (!arena->has_sites) {
        arena->has_sites = ku__range_take(&ku__process_tables.range, arena_site_address(number), arena_site_bytes());
    }
    return arena->has_sites;
}

void ku__arena_sites_give(uint32_t number) {
    ku__arena *arena = &ku__process_tables.arenas[number];
    if (arena->has_sites) {
        ku__range_give(&ku__process_tables.range, arena_site_address(number), arena_site_bytes());
        arena->has_sites = false;
    }
}

static bool records_take(uint32_t number) {
    uint32_t claim = number / ARENAS_PER_CLAIM;
    uint64_t bit = (uint64_t)1 << (claim % 64);
    if ((records_taken[claim / 64] & bit) != 0) {
        return true;
    }
    size_t bytes = sizeof(ku__pool) * KU__POOLS_PER_ARENA * ARENAS_PER_CLAIM;
    if (!ku__range_take(&ku__process_tables.range, (char *)ku__process_tables.pools + claim * bytes, bytes)) {
        return false;
    }
    records_taken[claim / 64] |= bit;
    return true;
}

/* The lowest free slot whose addresses could be taken, under the process's lock. A slot on which something else lies,
 * or on whose pool records, is passed over for good; any other refusal ends the search. */
static uint32_t claim_slot(void) {
    for (uint32_t n = first_candidate; n < ku__process_tables.arena_slots; n++) {
        ku__arena *arena = &ku__process_tables.arenas[n];
        if (arena->heap != NULL || arena->blocked) {
            continue;
        }
        first_candidate = n;
        if (records_take(n) && ku__range_take(&ku__process_tables.range, ku__arena_address(n), KU__ARENA_SIZE)) {
            first_candidate = n + 1;
            return n;
        }
        if (errno != EEXIST) {
            return KU__NONE;
        }
        arena->blocked = true;
    }
    return KU__NONE;
}

uint32_t ku__arena_take(ku_heap *heap) {
    ku__process_lock();
    uint32_t number = claim_slot();
    if (number != KU__NONE) {
        ku__process_tables.arenas[number] = (ku__arena){.heap = heap,
                                                        .free_pools = UINT64_MAX,
                                                        .free_count = KU__POOLS_PER_ARENA,
                                                        .next = KU__NONE,
                                                        .prev = KU__NONE};
    }
    ku__process_unlock();
    if (number == KU__NONE) {
        return number;
    }
    ku__note_arena_taken(ku__arena_address(number), KU__ARENA_SIZE);
    heap->arenas++;
    heap->arenas_idle++;
    heap->arenas_taken++;
    heap->arenas_peak = heap->arenas > heap->arenas_peak ? heap->arenas : heap->arenas_peak;
    ku__process_tables.arenas[number].ahead = ku__backing_arena(heap, number);
    if (heap->sites_on && !ku__arena_sites_take(number)) {
        heap->sites_lost = true;
    }
    ku__arena_list(heap, number);
    return number;
}

void ku__arena_give(ku_heap *heap, uint32_t number) {
    ku__arena_unlist(heap, number);
    ku__arena_sites_give(number);
    ku__note_arena_given(ku__arena_address(number), KU__ARENA_SIZE);
    ku__range_give(&ku__process_tables.range, ku__arena_address(number), KU__ARENA_SIZE);
    heap->pools_dirty -= (size_t)__builtin_popcountll(ku__process_tables.arenas[number].dirty_pools);
    heap->arenas--;
    heap->arenas_idle -= ku__process_tables.arenas[number].free_count == KU__POOLS_PER_ARENA;
    ku__process_lock();
    ku__process_tables.arenas[number].heap = NULL;
    first_candidate = number < first_candidate ? number : first_candidate;
    ku__process_unlock();
}

static void decay(ku_heap *heap, uint64_t now) {
    heap->idle_check = now + IDLE_MILLISECONDS;
    uint32_t next;
    for (uint32_t n = heap->by_free[KU__POOLS_PER_ARENA]; n != KU__NONE && heap->arenas_idle > 1; n = next) {
        next = ku__process_tables.arenas[n].next;
        uint64_t due = ku__process_tables.arenas[n].idle_since + IDLE_MILLISECONDS;
        if (due <= now) {
            ku__arena_give(heap, n);
        } else if (due < heap->idle_check) {
            heap->idle_check = due;
        }
    }
}

/* The pages of free pools, given as bits, row by row. */
static void discard_pools(uint32_t arena, uint64_t pools) {
    while (pools != 0) {
        unsigned first = (unsigned)__builtin_ctzll(pools);
        uint64_t rest = ~(pools >> first);
        unsigned count = rest != 0 ? (unsigned)__builtin_ctzll(rest) : KU__POOLS_PER_ARENA;
        ku__pages_discard(ku__arena_address(arena) + first * KU__POOL_SIZE, count * KU__POOL_SIZE);
        pools = count < KU__POOLS_PER_ARENA ? pools & ~((((uint64_t)1 << count) - 1) << first) : 0;
    }
}

/* Pools that are free since the check before: whoever takes one takes its bit away. Of an arena on huge pages none are
 * given back, which would break them up. */
static void decay_pools(ku_heap *heap, uint64_t now) {
    heap->pools_check = now + IDLE_MILLISECONDS;
    for (unsigned free_count = 1; free_count <= KU__POOLS_PER_ARENA; free_count++) {
        for (uint32_t n = heap->by_free[free_count]; n != KU__NONE; n = ku__process_tables.arenas[n].next) {
            ku__arena *arena = &ku__process_tables.arenas[n];
            uint64_t stale = arena->ahead ? 0 : arena->stale_pools;
            discard_pools(n, stale);
            heap->pools_dirty -= (size_t)__builtin_popcountll(stale);
            arena->dirty_pools &= ~stale;
            arena->stale_pools = arena->dirty_pools;
        }
    }
}

void ku__arenas_decay(ku_heap *heap) {
    if (KU__LIKELY(heap->arenas_idle <= 1 && heap->pools_dirty <= DIRTY_KEPT)) {
        return;
    }
    uint64_t now = ku__clock_milliseconds();
    if (heap->arenas_idle > 1 && now >= heap->idle_check) {
        decay(heap, now);
    }
    if (heap->pools_dirty > DIRTY_KEPT && now >= heap->pools_check) {
        decay_pools(heap, now);
    }
}
