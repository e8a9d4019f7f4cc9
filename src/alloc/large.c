/* large.c: see large.h. */
#define _GNU_SOURCE
#include "alloc/large.h"

#include "alloc/check.h"
#include "alloc/fences.h"
#include "alloc/tables.h"
#include "os/pages.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { FIRST_CAPACITY = 256 }; /* entries: one page */

struct ku__large {
    ku__large_entry *entries;
    uint32_t *sites; /* NULL: off */
    size_t capacity; /* a power of two */
    size_t used;
    unsigned shift; /* 64 - log2(capacity) */
    unsigned owners;
    unsigned traced; /* owners that have sites; 0: `sites` is NULL */
    bool held_for_fork;
    pthread_mutex_t lock; /* used only while the heap is shared, and around fork(2) */
};

void ku__large_describe(uint32_t *entries, uint32_t *sites, uint32_t *capacity) {
    *entries = (uint32_t)offsetof(ku__large, entries);
    *sites = (uint32_t)offsetof(ku__large, sites);
    *capacity = (uint32_t)offsetof(ku__large, capacity);
}

ku__large *ku__large_new(void) {
    ku__large *large = ku__pages_map(sizeof *large);
    if (large == NULL) {
        return NULL;
    }
    large->capacity = FIRST_CAPACITY;
    large->shift = 64 - (unsigned)__builtin_ctzll(FIRST_CAPACITY);
    large->entries = ku__pages_map(large->capacity * sizeof *large->entries);
    if (large->entries == NULL) {
        ku__pages_unmap(large, sizeof *large);
        return NULL;
    }
    large->owners = 1;
    pthread_mutex_init(&large->lock, NULL);
    return large;
}

ku__large *ku__large_retain(ku__large *large) {
    large->owners++;
    return large;
}

static void lock_shared(ku_heap *heap) {
    if (heap->shared) {
        pthread_mutex_lock(&heap->large->lock);
    }
}

static void unlock_shared(ku_heap *heap) {
    if (heap->shared) {
        pthread_mutex_unlock(&heap->large->lock);
    }
}

void ku__large_lock_for_fork(ku__large *large) {
    if (!large->held_for_fork) {
        pthread_mutex_lock(&large->lock);
        large->held_for_fork = true;
    }
}

void ku__large_unlock_after_fork(ku__large *large) {
    if (large->held_for_fork) {
        large->held_for_fork = false;
        pthread_mutex_unlock(&large->lock);
    }
}

/* ---- the table ---- */

static size_t home_of(const ku__large *large, uintptr_t address) {
    return (size_t)((uint64_t)(address >> 4) * 0x9E3779B97F4A7C15u >> large->shift);
}

/* The index of the address, or of the empty place where it would go. */
static size_t place_of(const ku__large *large, uintptr_t address) {
    size_t mask = large->capacity - 1, at = home_of(large, address);
    while (large->entries[at].address != address && large->entries[at].address != 0) {
        at = (at + 1) & mask;
    }
    return at;
}

static bool map_tables(size_t capacity, bool with_sites, ku__large_entry **entries, uint32_t **sites) {
    *entries = ku__pages_map(capacity * sizeof **entries);
    *sites = with_sites && *entries != NULL ? ku__pages_map(capacity * sizeof **sites) : NULL;
    if (*entries != NULL && with_sites && *sites == NULL) {
        ku__pages_unmap(*entries, capacity * sizeof **entries);
        return false;
    }
    return *entries != NULL;
}

static void unmap_tables(ku__large_entry *entries, uint32_t *sites, size_t capacity) {
    ku__pages_unmap(entries, capacity * sizeof *entries);
    ku__pages_unmap(sites, capacity * sizeof *sites);
}

#ifdef KU_CHECKING
void ku__large_check(ku_heap *heap) {
    size_t used = 0, blocks = 0, bytes = 0;
    lock_shared(heap);
    const ku__large *large = heap->large;
    KU__CHECK((large->capacity & (large->capacity - 1)) == 0 && large->capacity >> (64 - large->shift) == 1);
    for (size_t i = 0; i < large->capacity; i++) {
        const ku__large_entry *entry = &large->entries[i];
        if (entry->address == 0) {
            continue;
        }
        KU__CHECK(place_of(large, entry->address) == i);
        KU__CHECK(ku__heap_numbered(entry->heap) != NULL);
        used++;
        blocks += entry->heap == heap->number;
        bytes += entry->heap == heap->number ? entry->size : 0;
    }
    KU__CHECK(used == large->used && used <= large->capacity / 8 * 5);
    KU__CHECK(blocks == heap->large_blocks && bytes == heap->large_bytes && bytes <= heap->large_bytes_peak);
    unlock_shared(heap);
}
#endif

static bool grow(ku__large *large) {
    ku__large old = *large;
    size_t capacity = old.capacity * 2;
    ku__large_entry *entries;
    uint32_t *sites;
    if (!map_tables(capacity, old.sites != NULL, &entries, &sites)) {
        return false;
    }
    large->entries = entries;
    large->sites = sites;
    large->capacity = capacity;
    large->shift--;
    for (size_t i = 0; i < old.capacity; i++) {
        if (old.entries[i].address != 0) {
            size_t at = place_of(large, old.entries[i].address);
            large->entries[at] = old.entries[i];
            if (sites != NULL) {
                sites[at] = old.sites[i];
            }
        }
    }
    unmap_tables(old.entries, old.sites, old.capacity);
    return true;
}

/* Room for one more; a table that is over 5/8 full has long runs. */
static bool make_room(ku__large *large) {
    return large->used < large->capacity / 8 * 5 || grow(large);
}

/* Sums change under the registry's lock but are read by the heap's holder, who need not have it: hence atomic stores.
 * */
static void count(ku_heap *heap, size_t blocks, size_t bytes) {
    size_t now = atomic_load_explicit(&heap->large_bytes, memory_order_relaxed) + bytes;
    atomic_store_explicit(&heap->large_bytes, now, memory_order_relaxed);
    blocks += atomic_load_explicit(&heap->large_blocks, memory_order_relaxed);
    atomic_store_explicit(&heap->large_blocks, blocks, memory_order_relaxed);
    ku__heap_trim_limit(heap);
    if (now > heap->large_bytes_peak) { /* never after a remote free, which must not write what the holder reads */
        heap->large_bytes_peak = now;
    }
}

/* The heap that made an entry: `heap` itself, or one that shares its registry and so its lock. */
static ku_heap *maker_of(ku_heap *heap, const ku__large_entry *entry) {
    return entry->heap == heap->number ? heap : ku__heap_numbered(entry->heap);
}

/* The system gives out an address that is registered: its block was freed behind our back. CPython's own allocator lets
 * a program get away with PyMem_RawFree() of a large block from PyMem_Malloc(), so ours does, too. */
static void forget_stale(ku_heap *heap, const ku__large_entry *entry) {
    ku_heap *maker = maker_of(heap, entry);
    count(maker, (size_t)0 - 1, (size_t)0 - entry->size);
    heap->large->used--;
}

static void insert(ku_heap *heap, uintptr_t address, size_t size) {
    ku__large *large = heap->large;
    size_t at = place_of(large, address);
    if (large->entries[at].address != 0) {
        forget_stale(heap, &large->entries[at]);
    }
    large->entries[at] = (ku__large_entry){.address = address, .size = size, .heap = heap->number};
    if (large->sites != NULL) {
        large->sites[at] = 0;
    }
    large->used++;
    count(heap, 1, size);
}

/* Whether an entry whose home is `home` may move from `from` back to `to` without its run being broken. */
static bool may_move(size_t home, size_t from, size_t to, size_t mask) {
    return ((from - home) & mask) >= ((from - to) & mask);
}

static void delete_at(ku__large *large, size_t at) {
    size_t mask = large->capacity - 1, gap = at;
    for (size_t next = (gap + 1) & mask; large->entries[next].address != 0; next = (next + 1) & mask) {
        if (may_move(home_of(large, large->entries[next].address), next, gap, mask)) {
            large->entries[gap] = large->entries[next];
            if (large->sites != NULL) {
                large->sites[gap] = large->sites[next];
            }
            gap = next;
        }
    }
    large->entries[gap].address = 0;
    large->used--;
}

static void forget(ku_heap *heap, size_t at) {
    ku__large_entry *entry = &heap->large->entries[at];
    ku_heap *maker = maker_of(heap, entry);
    KU__CHECK(maker != NULL && maker->large_bytes >= entry->size);
    count(maker, (size_t)0 - 1, (size_t)0 - entry->size);
    delete_at(heap->large, at);
}

/* ---- blocks ---- */

static bool over_limit(ku_heap *heap, size_t more) {
    size_t held = ku__heap_held(heap);
    if (held > heap->limit || more > heap->limit - held) {
        heap->last_refusal = KU_LIMIT;
        return true;
    }
    return false;
}

static void *system_block(size_t alignment, size_t size, bool zeroed) {
    if (alignment <= KU_CLASS_STEP) {
        return zeroed ? calloc(1, size) : malloc(size);
    }
    void *block = NULL;
    if (posix_memalign(&block, alignment, size) != 0) {
        return NULL;
    }
    return zeroed ? memset(block, 0, size) : block;
}

static void *unregistered(ku_heap *heap, size_t alignment, size_t size, bool zeroed) {
    if (over_limit(heap, size)) {
        return NULL;
    }
    void *block = system_block(alignment, size, zeroed);
    heap->last_refusal = block != NULL ? heap->last_refusal : KU_NO_MEMORY;
    return block;
}

/* A block from the system, if need be after what only waits was given up. */
static void *obtain(ku_heap *heap, size_t alignment, size_t size, bool zeroed) {
    ku_code refusal = heap->last_refusal;
    void *block = unregistered(heap, alignment, size, zeroed);
    if (block == NULL && ku__heap_make_room(heap)) {
        block = unregistered(heap, alignment, size, zeroed);
        heap->last_refusal = block != NULL ? refusal : heap->last_refusal;
    }
    return block;
}

void *ku__large_malloc(ku_heap *heap, size_t alignment, size_t size, bool zeroed) {
    void *block = obtain(heap, alignment, size, zeroed);
    if (block == NULL) {
        return NULL;
    }
    lock_shared(heap);
    if (make_room(heap->large)) {
        insert(heap, (uintptr_t)block, size);
    } else {
        free(block);
        block = NULL;
        heap->last_refusal = KU_NO_MEMORY;
    }
    unlock_shared(heap);
    return block;
}

bool ku__large_free(ku_heap *heap, void *block) {
    lock_shared(heap);
    size_t at = place_of(heap->large, (uintptr_t)block);
    bool known = heap->large->entries[at].address != 0;
    if (known) {
        forget(heap, at);
    }
    unlock_shared(heap);
    if (known) {
        free(block);
    }
    return known;
}

/* Takes the entry out, and puts it back where the block is after realloc(3), so that no other thread can be given the
 * old address and register it in between. */
static void *realloc_known(ku_heap *heap, size_t at, void *block, size_t size) {
    ku__large *large = heap->large;
    ku__large_entry old = large->entries[at];
    uint32_t site = large->sites != NULL ? large->sites[at] : 0;
    ku_heap *maker = maker_of(heap, &old);
    forget(heap, at);
    void *moved = realloc(block, size);
    size_t now = moved != NULL ? size : old.size;
    uintptr_t address = moved != NULL ? (uintptr_t)moved : old.address;
    insert(maker, address, now);
    if (large->sites != NULL) {
        large->sites[place_of(large, address)] = site;
    }
    if (moved == NULL) {
        heap->last_refusal = KU_NO_MEMORY;
    }
    return moved;
}

void *ku__large_realloc(ku_heap *heap, void *block, size_t size, bool *known) {
    lock_shared(heap);
    size_t at = place_of(heap->large, (uintptr_t)block);
    size_t old_size = heap->large->entries[at].size;
    *known = heap->large->entries[at].address != 0;
    void *moved = NULL;
    ku_heap *maker = *known ? maker_of(heap, &heap->large->entries[at]) : NULL;
    if (*known && size > old_size && over_limit(maker, size - old_size)) {
        heap->last_refusal = KU_LIMIT;
    } else if (*known) {
        moved = realloc_known(heap, at, block, size);
    }
    unlock_shared(heap);
    return moved;
}

bool ku__large_find(ku_heap *heap, const void *block, ku__large_entry *entry, uint32_t **site) {
    lock_shared(heap);
    ku__large *large = heap->large;
    size_t at = place_of(large, (uintptr_t)block);
    *entry = large->entries[at];
    *site = large->sites != NULL ? &large->sites[at] : NULL;
    unlock_shared(heap);
    return entry->address != 0;
}

/* A fenced block is not where the registry says. */
bool ku__block_is_foreign(const ku_heap *heap, const void *block) {
    if (ku__in_range(block) || heap->shared || heap->fences != NULL) {
        return false;
    }
    return heap->large->entries[place_of(heap->large, (uintptr_t)block)].address == 0;
}

void ku__large_walk(ku_heap *heap, ku__large_visitor *visit, void *argument) {
    lock_shared(heap);
    ku__large *large = heap->large;
    for (size_t i = 0; i < large->capacity; i++) {
        const ku__large_entry *entry = &large->entries[i];
        uint32_t site = large->sites != NULL ? large->sites[i] : 0;
        if (entry->address != 0 && entry->heap == heap->number && !visit(entry, site, argument)) {
            break;
        }
    }
    unlock_shared(heap);
}

/* ---- the registry as a whole ---- */

static void free_blocks_of(ku_heap *heap) {
    ku__large *large = heap->large;
    for (size_t i = 0; i < large->capacity; i++) {
        /* Deleting may move a later entry of the run to this place, so the place is looked at until it holds still.
         * An entry that moves from the start of the table to its end, where a run wraps around, was looked at before
         * and is another heap's. */
        while (large->entries[i].address != 0 && large->entries[i].heap == heap->number) {
            void *block = (void *)large->entries[i].address;
            forget(heap, i);
            free(block);
        }
    }
}

void ku__large_delete(ku_heap *heap) {
    ku__large *large = heap->large;
    if (heap->sites_on) {
        ku__large_sites_disable(heap);
    }
    lock_shared(heap);
    free_blocks_of(heap);
    unlock_shared(heap);
    heap->large = NULL;
    if (--large->owners == 0) {
        unmap_tables(large->entries, large->sites, large->capacity);
        pthread_mutex_destroy(&large->lock);
        ku__pages_unmap(large, sizeof *large);
    }
}

bool ku__large_sites_enable(ku_heap *heap) {
    lock_shared(heap);
    ku__large *large = heap->large;
    if (large->sites == NULL) {
        large->sites = ku__pages_map(large->capacity * sizeof *large->sites);
    }
    bool there = large->sites != NULL;
    large->traced += there;
    unlock_shared(heap);
    return there;
}

void ku__large_sites_disable(ku_heap *heap) {
    lock_shared(heap);
    ku__large *large = heap->large;
    if (--large->traced == 0) {
        ku__pages_unmap(large->sites, large->capacity * sizeof *large->sites);
        large->sites = NULL;
    }
    for (size_t i = 0; large->sites != NULL && i < large->capacity; i++) {
        if (large->entries[i].heap == heap->number) {
            large->sites[i] = 0;
        }
    }
    unlock_shared(heap);
}

size_t ku__large_metadata_bytes(const ku__large *large) {
    size_t entry = sizeof *large->entries + (large->sites != NULL ? sizeof *large->sites : 0);
    return large->capacity * entry;
}
