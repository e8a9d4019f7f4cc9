/* heap.c: heaps, the slow paths behind the magazines, and the public calls. See kucha/heap.h and fast.h. */
#include "alloc/check.h"
#include "alloc/fault.h"
#include "alloc/fences.h"
#include "alloc/large.h"
#include "alloc/roll.h"
#include "alloc/tables.h"
#include "alloc/watch.h"
#include "os/pages.h"

#include <string.h>

/* A magazine holds blocks worth 32 KiB (a core's first-level cache), but at least 64, so that the slow path is rare
 * for every class, and at most 512; twice and four times as much changed no benchmark. The hostile build has 2, so
 * that every path is the slow one. */
#ifdef KU_HOSTILE
enum { MAGAZINE_BYTES = 32, MAGAZINE_LEAST = 2, MAGAZINE_MOST = 2 };
#else
enum { MAGAZINE_BYTES = 1 << 15, MAGAZINE_LEAST = 64, MAGAZINE_MOST = 512 };
#endif

static size_t magazine_capacity(unsigned class_index) {
    size_t blocks = MAGAZINE_BYTES / ku__class_size(class_index);
    blocks = blocks > MAGAZINE_MOST ? MAGAZINE_MOST : blocks;
    return blocks < MAGAZINE_LEAST ? MAGAZINE_LEAST : blocks;
}

static void **magazine_items(const ku__magazines *magazines, unsigned class_index) {
    return magazines->limit[class_index] - magazine_capacity(class_index);
}

static size_t items_bytes(void) {
    size_t items = 0;
    for (unsigned c = 0; c < KU_CLASS_COUNT; c++) {
        items += magazine_capacity(c);
    }
    return items * sizeof(void *);
}

/* ---- making and ending heaps ---- */

/* Blocks at the beginnings of pools are at the beginnings of pages. The heap's own hot words are elsewhere in
 * theirs, so that a load of one does not wait for a store to a block that has the same low twelve bits. */
enum { PAGE_OFFSET = 2048 };

static void lay_magazines(ku__magazines *magazines, void **items) {
    for (unsigned c = 0; c < KU_CLASS_COUNT; c++) {
        magazines->top[c] = items;
        items += magazine_capacity(c);
        magazines->limit[c] = items;
    }
}

/* Front magazines that are empty and full at once: pop finds NULL, push finds no room. */
static void close_front(ku_heap *heap) {
    memset(&heap->magazines, 0, sizeof heap->magazines);
    heap->tag = (KU__HEAPS_MAX + 1) << KU__MAP_SHIFT; /* no class-map entry has this number */
}

void ku__heap_close_front(ku_heap *heap) {
    if (heap->inner != &heap->hidden) {
        heap->hidden = heap->magazines;
        heap->inner = &heap->hidden;
        close_front(heap);
    }
}

void ku__heap_open_front(ku_heap *heap) {
    heap->magazines = heap->hidden;
    heap->inner = &heap->magazines;
    heap->tag = heap->number << KU__MAP_SHIFT;
}

static void fail(ku_error *error, ku_code code, const char *message) {
    if (error != NULL) {
        error->code = code;
        error->os_error = 0;
        strncpy(error->message, message, sizeof error->message - 1);
        error->message[sizeof error->message - 1] = '\0';
    }
}

static void fill(ku_heap *heap, const ku_heap_options *options) {
    heap->base = ku__process_tables.range.base;
    heap->range = ku__process_tables.range.arenas_bytes;
    heap->class_map = (uintptr_t)ku__process_tables.class_map - (heap->base >> KU__POOL_BITS) * sizeof(uint16_t);
    heap->site_table =
        (uintptr_t)ku__process_tables.sites - (heap->base >> KU__POOL_BITS) * (KU__SITES_PER_POOL * sizeof(uint32_t));
    for (unsigned c = 0; c < KU_CLASS_COUNT; c++) {
        heap->reciprocals[c] = ku__reciprocals[c];
    }
    memset(heap->partial, 0xff, sizeof heap->partial); /* KU__NONE */
    memset(heap->apart, 0xff, sizeof heap->apart);
    memset(heap->by_free, 0xff, sizeof heap->by_free);
    heap->touched = KU__NONE;
    heap->flags = options->flags;
    heap->domain = options->domain != 0 ? options->domain : KU_DOMAIN_NATIVE;
    heap->limit = options->limit != 0 ? options->limit : SIZE_MAX;
    heap->lease = SIZE_MAX;
    ku__backing_open(&heap->backing, options->huge_pages);
    strncpy(heap->name, options->name != NULL ? options->name : "heap", sizeof heap->name - 1);
    bool fenced = (heap->flags & KU_HEAP_FENCES) != 0;
    heap->inner = fenced ? &heap->hidden : &heap->magazines;
    lay_magazines(heap->inner, (void **)(void *)(heap + 1));
    if (fenced) {
        close_front(heap);
    } else {
        heap->tag = heap->number << KU__MAP_SHIFT;
    }
    ku__note_heap_made(heap);
}

static ku_heap *new_heap(const ku_heap_options *options, ku_error *error) {
    size_t bytes = PAGE_OFFSET + sizeof(ku_heap) + items_bytes();
    char *mapping = ku__tables_open() ? ku__pages_map(bytes) : NULL;
    if (mapping == NULL) {
        fail(error, KU_NO_MEMORY,
             "a heap could not be made: the system refused memory; free some or raise the limit (ulimit -v)");
        return NULL;
    }
    ku_heap *heap = (ku_heap *)(void *)(mapping + PAGE_OFFSET);
    heap->mapping = mapping;
    heap->mapping_bytes = bytes;
    heap->large = ku__large_new();
    bool whole = heap->large != NULL && ((options->flags & KU_HEAP_FENCES) == 0 || ku__fences_open(heap));
    if (whole && !ku__heap_enlist(heap)) {
        fail(error, KU_LIMIT, "a heap could not be made: 1023 heaps are alive already; delete one first");
        whole = false;
    } else if (!whole) {
        fail(error, KU_NO_MEMORY, "a heap could not be made: the system refused memory for its registry");
    }
    if (!whole) {
        ku__fences_close(heap);
        if (heap->large != NULL) {
            ku__large_delete(heap);
        }
        ku__pages_unmap(mapping, bytes);
        return NULL;
    }
    fill(heap, options);
    return heap;
}

ku_heap *ku_heap_new(const ku_heap_options *options, ku_error *error) {
    static const ku_heap_options plain;
    options = options != NULL ? options : &plain;
    if ((unsigned)options->domain > KU_DOMAIN_NATIVE || (unsigned)options->huge_pages > KU_HUGE_NEVER ||
        (options->flags & ~(unsigned)(KU_HEAP_FENCES | KU_HEAP_SHARED)) != 0) {
        fail(error, KU_INVALID, "a heap could not be made: an option has a value that kucha/heap.h does not name");
        return NULL;
    }
    ku_heap *heap = new_heap(options, error);
    if (heap != NULL && (options->flags & KU_HEAP_SHARED) != 0) {
        ku__heap_share(heap);
    }
    return heap;
}

static void give_arenas(ku_heap *heap) {
    for (unsigned free_count = 0; free_count <= KU__POOLS_PER_ARENA; free_count++) {
        while (heap->by_free[free_count] != KU__NONE) {
            uint32_t arena = heap->by_free[free_count];
            memset(&ku__process_tables.class_map[(size_t)arena * KU__POOLS_PER_ARENA], 0,
                   KU__POOLS_PER_ARENA * sizeof(uint16_t));
            ku__arena_give(heap, arena);
        }
    }
}

void ku_heap_delete(ku_heap *heap) {
    if (heap == NULL) {
        return;
    }
    ku__heap_check(heap);
    if (heap->watcher != NULL) {
        heap->watcher->heap_ends(heap->watcher, heap);
    }
    ku__heap_delist(heap);
    ku__fences_close(heap);
    ku__large_delete(heap);
    ku__note_heap_ended(heap);
    give_arenas(heap);
    ku__heap_number_release(heap);
    ku__pages_unmap(heap->mapping, heap->mapping_bytes);
}

/* ---- magazines ---- */

static size_t magazine_count(const ku__magazines *magazines, unsigned class_index) {
    return (size_t)(magazines->top[class_index] - magazine_items(magazines, class_index));
}

size_t ku__magazine_blocks(const ku_heap *heap, unsigned class_index) {
    return heap->inner->first[class_index] != NULL ? magazine_count(heap->inner, class_index) : 0;
}

/* Gives the `count` oldest blocks of a magazine back to their pools; `count` is below what it holds. */
static void give_oldest(ku__magazines *magazines, unsigned class_index, size_t count) {
    void **items = magazine_items(magazines, class_index);
    ku__pool_give_back(items + 1, count, class_index);
    size_t left = magazine_count(magazines, class_index) - count;
    memmove(items + 1, items + 1 + count, (left - 1) * sizeof *items);
    magazines->top[class_index] = items + left;
}

void ku__heap_flush(ku_heap *heap) {
    ku__magazines *magazines = heap->inner;
    ku__returns_drain(heap);
    for (unsigned c = 0; c < KU_CLASS_COUNT; c++) {
        if (magazines->first[c] != NULL) {
            give_oldest(magazines, c, magazine_count(magazines, c) - 1);
            ku__pool_give_back(&magazines->first[c], 1, c);
            magazines->first[c] = NULL;
            magazines->top[c]--;
        }
    }
}

bool ku__heap_make_room(ku_heap *heap) {
    size_t pools = heap->pools_used, arenas = heap->arenas, large = heap->large_bytes;
    ku__heap_flush(heap);
    ku__pools_release_empty(heap);
    while (heap->last_refusal == KU_NO_MEMORY && heap->by_free[KU__POOLS_PER_ARENA] != KU__NONE) {
        ku__arena_give(heap, heap->by_free[KU__POOLS_PER_ARENA]);
    }
    return heap->pools_used < pools || heap->arenas < arenas || heap->large_bytes < large;
}

/* Frees a block of this heap that its class map entry vouches for. */
static void put(ku_heap *heap, void *block, unsigned class_index) {
    ku__magazines *magazines = heap->inner;
    ku__roll_end(heap, block, class_index);
    if (magazines->top[class_index] == magazines->limit[class_index]) {
        give_oldest(magazines, class_index, magazine_capacity(class_index) / 2);
        ku__arenas_decay(heap);
    }
    *magazines->top[class_index]++ = magazines->first[class_index];
    magazines->first[class_index] = block;
    ku__note_freed(heap, block, ku__class_size(class_index));
    ku__class_check(heap, class_index);
}

/* Where a returned block keeps its link: in its first word, which is free for use, but for fenced ones. */
static void *return_link(const ku_heap *owner, void *block) {
    return owner->fences != NULL ? (void *)ku__fence_return_link(block) : block;
}

void ku__returns_drain(ku_heap *heap) {
    if (KU__LIKELY(atomic_load_explicit(&heap->returns, memory_order_relaxed) == NULL)) {
        return;
    }
    void *block = atomic_exchange_explicit(&heap->returns, NULL, memory_order_acquire);
    while (block != NULL) {
        void *next;
        memcpy(&next, return_link(heap, block), sizeof next);
        if (heap->on_return != NULL) {
            heap->on_return(block);
        }
        if (heap->fences != NULL) {
            ku__fence_take_return(heap, block);
        } else if (heap->watcher != NULL || !ku__in_range(block)) {
            ku__watched_take_return(heap, block);
        } else {
            put(heap, block, ku__pool_at(ku__pool_number(block))->class_index);
        }
        block = next;
    }
}

static bool has_pool(ku_heap *heap, unsigned class_index) {
    return heap->partial[class_index] != KU__NONE || ku__pool_take(heap, class_index, false) != NULL;
}

/* A pool with room, if need be out of what other classes keep for their next malloc. */
static bool find_pool(ku_heap *heap, unsigned class_index) {
    ku_code refusal = heap->last_refusal;
    if (has_pool(heap, class_index)) {
        return true;
    }
    bool found = ku__heap_make_room(heap) && has_pool(heap, class_index);
    heap->last_refusal = found ? refusal : heap->last_refusal;
    return found;
}

/* Fills an empty magazine to half from one pool, so that as many frees as mallocs fit before the next slow path. */
static bool refill(ku_heap *heap, unsigned class_index) {
    ku__magazines *magazines = heap->inner;
    ku__class_check(heap, class_index);
    ku__returns_drain(heap);
    if (magazines->first[class_index] != NULL) {
        return true;
    }
    ku__arenas_decay(heap);
    if (!find_pool(heap, class_index)) {
        return false;
    }
    uint32_t number = heap->partial[class_index];
    void **items = magazine_items(magazines, class_index);
    size_t wanted = magazine_capacity(class_index) / 2;
    size_t count = ku__pool_gather(ku__pool_at(number), number, items + 1, wanted);
    magazines->first[class_index] = items[count];
    magazines->top[class_index] = items + count;
    ku__class_check(heap, class_index);
    return true;
}

/* ---- slow paths ---- */

static void *refuse(ku_heap *heap, ku_code code) {
    heap->last_refusal = code;
    return NULL;
}

void *ku__plain_malloc(ku_heap *heap, size_t size) {
    if (KU__UNLIKELY(size > PTRDIFF_MAX)) {
        return refuse(heap, KU_INVALID);
    }
    if (size > KU_SMALL_MAX) {
        ku__arenas_decay(heap);
        return ku__large_malloc(heap, KU_CLASS_STEP, size, false);
    }
    unsigned class_index = size == 0 ? 0 : (unsigned)((size - 1) / KU_CLASS_STEP);
    ku__magazines *magazines = heap->inner;
    if (magazines->first[class_index] == NULL && !refill(heap, class_index)) {
        return NULL;
    }
    void *block = magazines->first[class_index];
    magazines->first[class_index] = *--magazines->top[class_index];
    ku__note_taken(heap, block, ku__class_size(class_index));
    return block;
}

/* Whether nobody is to be asked about each block. */
static inline bool is_plain(const ku_heap *heap) {
    return heap->fences == NULL && heap->watcher == NULL;
}

void *ku__slow_malloc(ku_heap *heap, size_t size) {
    if (KU__LIKELY(is_plain(heap))) {
        return ku__plain_malloc(heap, size);
    }
    return heap->watcher != NULL ? ku__watched_malloc(heap, size) : ku__fence_malloc(heap, size);
}

/* The class of a small block of this heap, sampled or not; KU_CLASS_COUNT for everything else. */
static unsigned own_class(const ku_heap *heap, const void *block) {
    if ((uintptr_t)block - heap->base >= heap->range) {
        return KU_CLASS_COUNT;
    }
    unsigned entry = *ku__class_entry(heap, block);
    return entry >> KU__MAP_SHIFT == heap->number ? entry & KU__MAP_CLASS : KU_CLASS_COUNT;
}

static void push_return(ku_heap *owner, void *block) {
    if (owner->fences != NULL && !ku__fence_note_return(block)) {
        return; /* it is on the list already, which a second link would close to a ring */
    }
    void *head = atomic_load_explicit(&owner->returns, memory_order_relaxed);
    do {
        memcpy(return_link(owner, block), &head, sizeof head);
    } while (!atomic_compare_exchange_weak_explicit(&owner->returns, &head, block, memory_order_release,
                                                    memory_order_relaxed));
}

/* A large block that is not in this heap's registry may stand in that of another shared heap. */
static bool free_large_elsewhere(const ku_heap *heap, void *block) {
    bool freed = false;
    ku__process_lock();
    for (ku_heap *other = ku__heaps_first(); other != NULL && !freed; other = other->next) {
        if (!other->shared || (heap != NULL && other->large == heap->large)) {
            continue;
        }
        bool told = __atomic_load_n(&other->on_return, __ATOMIC_RELAXED) != NULL;
        if (is_plain(other) && !told) {
            freed = ku__large_free(other, block);
        } else if (other->fences == NULL ? ku__watched_owns_large(other, block) : ku__fence_owns_large(other, block)) {
            push_return(other, block); /* its guards, or who is told of it, are its owner's to look at */
            freed = true;
        }
    }
    ku__process_unlock();
    return freed;
}

static ku__freed free_elsewhere(ku_heap *heap, void *block) {
    ku_heap *owner = ku_heap_find(block);
    if (owner == NULL) {
        bool freed = (heap == NULL || heap->shared) && free_large_elsewhere(heap, block);
        return freed ? KU__FREED_REMOTE : KU__FOREIGN;
    }
    if (ku__process_tables.class_map[ku__pool_number(block)] == 0) {
        return KU__FOREIGN; /* in an arena, but in no pool: never given out, or freed long ago */
    }
    push_return(owner, block);
    return KU__FREED_REMOTE;
}

/* Whether a small block lies in a pool for samples alone. */
static bool is_apart(const void *block) {
    uint32_t number = ku__pool_number(block);
    return (ku__process_tables.class_map[number] & KU__MAP_SAMPLED) != 0 && ku__pool_at(number)->apart;
}

ku__freed ku__plain_free(ku_heap *heap, void *block) {
    unsigned class_index = own_class(heap, block);
    if (class_index < KU_CLASS_COUNT && is_apart(block)) {
        ku__roll_end(heap, block, class_index);
        ku__note_freed(heap, block, ku__class_size(class_index));
        ku__pool_give_back(&block, 1, class_index);
        return KU__FREED;
    }
    if (class_index < KU_CLASS_COUNT) {
        put(heap, block, class_index);
        return KU__FREED;
    }
    if (!ku__in_range(block) && ku__large_free(heap, block)) {
        return KU__FREED;
    }
    return free_elsewhere(heap, block);
}

ku__freed ku__slow_free(ku_heap *heap, void *block) {
    if (KU__LIKELY(is_plain(heap))) {
        return ku__plain_free(heap, block);
    }
    return heap->watcher != NULL ? ku__watched_free(heap, block) : ku__fence_free(heap, block);
}

/* Moves a block's contents into a block of another class or kind, and frees the old one. */
static void *move(ku_heap *heap, void *block, size_t old_size, size_t size) {
    void *moved = ku__plain_malloc(heap, size);
    if (moved != NULL) {
        memcpy(moved, block, old_size < size ? old_size : size);
        ku__plain_free(heap, block);
    }
    return moved;
}

static void *resize_large(ku_heap *heap, void *block, size_t old_size, size_t size) {
    if (size <= KU_SMALL_MAX) {
        return move(heap, block, old_size, size);
    }
    bool known;
    ku_code refusal = heap->last_refusal;
    void *moved = ku__large_realloc(heap, block, size, &known);
    if (moved == NULL && ku__heap_make_room(heap)) {
        moved = ku__large_realloc(heap, block, size, &known);
        heap->last_refusal = moved != NULL ? refusal : heap->last_refusal;
    }
    return moved;
}

void *ku__plain_resize(ku_heap *heap, void *block, size_t size, bool *foreign) {
    *foreign = false;
    if (size > PTRDIFF_MAX) {
        return refuse(heap, KU_INVALID);
    }
    unsigned class_index = own_class(heap, block);
    if (class_index < KU_CLASS_COUNT) {
        size_t old_size = ku__class_size(class_index), wanted = size == 0 ? 1 : size;
        bool fits = wanted <= old_size && wanted > old_size - KU_CLASS_STEP;
        return fits ? block : move(heap, block, old_size, wanted);
    }
    ku__block_facts facts;
    if (!ku__block_find(heap, block, &facts)) {
        *foreign = true;
        return NULL;
    }
    bool mine = facts.is_large && facts.owner->large == heap->large;
    return mine ? resize_large(heap, block, facts.size, size) : move(heap, block, facts.size, size);
}

void *ku__resize(ku_heap *heap, void *block, size_t size, bool *foreign) {
    if (KU__LIKELY(is_plain(heap))) {
        return ku__plain_resize(heap, block, size, foreign);
    }
    return heap->watcher != NULL ? heap->watcher->resize(heap->watcher, heap, block, size, foreign)
                                 : ku__fence_resize(heap, block, size, foreign);
}

/* ---- finding ---- */

ku_heap *ku_heap_find(const void *address) {
    if (!ku__in_range(address)) {
        return NULL;
    }
    return ku__process_tables.arenas[ku__arena_of_pool(ku__pool_number(address))].heap;
}

bool ku__small_is_taken(const void *block) {
    uint32_t number = ku__pool_number(block);
    if (ku__process_tables.class_map[number] == 0) {
        return false;
    }
    const ku__pool *pool = ku__pool_at(number);
    size_t size = ku__class_size(pool->class_index);
    size_t offset = (size_t)((const char *)block - ku__pool_address(number)) - ku__pool_first(number);
    size_t index = offset / size; /* before the first block, the difference wraps around and is far over any index */
    return offset % size == 0 && index < pool->capacity && (pool->free_bits[index / 64] >> (index % 64) & 1) == 0;
}

static bool sites_readable(const ku_heap *heap) {
    return heap->sites_on && !atomic_load_explicit(&heap->sites_old, memory_order_relaxed);
}

static bool small_find(const void *block, ku__block_facts *facts) {
    uint32_t number = ku__pool_number(block);
    unsigned entry = ku__process_tables.class_map[number];
    ku_heap *owner = entry != 0 ? ku__heap_numbered(entry >> KU__MAP_SHIFT) : NULL;
    if (owner == NULL) {
        return false;
    }
    unsigned class_index = entry & KU__MAP_CLASS;
    bool has_site = sites_readable(owner) && ku__process_tables.arenas[ku__arena_of_pool(number)].has_sites;
    *facts = (ku__block_facts){.owner = owner,
                               .size = ku__class_size(class_index),
                               .site = has_site ? ku__site_slot(owner, block, class_index) : NULL,
                               .is_sampled = (entry & KU__MAP_SAMPLED) != 0};
    return true;
}

static bool large_find(ku_heap *heap, const void *block, ku__block_facts *facts) {
    ku__large_entry entry;
    uint32_t *site;
    if (!ku__large_find(heap, block, &entry, &site)) {
        return false;
    }
    ku_heap *owner = ku__heap_numbered(entry.heap);
    site = owner != NULL && sites_readable(owner) ? site : NULL;
    *facts = (ku__block_facts){.owner = owner, .size = entry.size, .site = site, .is_large = true};
    return true;
}

bool ku__block_find(ku_heap *heap, const void *block, ku__block_facts *facts) {
    if (ku__in_range(block)) {
        return small_find(block, facts);
    }
    bool found = large_find(heap, block, facts);
    if (!found && heap->shared) {
        ku__process_lock();
        for (ku_heap *other = ku__heaps_first(); other != NULL && !found; other = other->next) {
            found = other->shared && other->large != heap->large && large_find(other, block, facts);
        }
        ku__process_unlock();
    }
    return found;
}

/* ---- sharing and sites ---- */

/* Whoever shares a registry shares its lock: all of them take it, or none. */
static void share_registry(const ku__large *large) {
    for (ku_heap *heap = ku__heaps_first(); heap != NULL; heap = heap->next) {
        if (heap->large == large) { /* no other heap is written to: its holder reads without this lock */
            heap->shared = true;
        }
    }
}

void ku__heap_share(ku_heap *heap) {
    ku__process_lock(); /* other threads look for shared heaps under it */
    share_registry(heap->large);
    ku__process_unlock();
}

void ku__heap_join_registry(ku_heap *heap, ku_heap *sibling) {
    ku__process_lock(); /* and for registries: a fork, a free of a large block elsewhere */
    ku__large_delete(heap);
    heap->large = ku__large_retain(sibling->large);
    if (heap->shared || sibling->shared) {
        share_registry(heap->large);
    }
    ku__process_unlock();
}

static void each_arena(ku_heap *heap, void (*act)(ku_heap *heap, uint32_t arena)) {
    for (unsigned free_count = 0; free_count <= KU__POOLS_PER_ARENA; free_count++) {
        for (uint32_t a = heap->by_free[free_count]; a != KU__NONE; a = ku__process_tables.arenas[a].next) {
            act(heap, a);
        }
    }
}

static void take_sites(ku_heap *heap, uint32_t arena) {
    heap->sites_lost = heap->sites_lost || !ku__arena_sites_take(arena);
}

static void give_sites(ku_heap *heap, uint32_t arena) {
    ku__arena_sites_give(arena);
    for (uint32_t i = 0; i < KU__POOLS_PER_ARENA; i++) {
        uint32_t number = arena * KU__POOLS_PER_ARENA + i;
        if (ku__process_tables.class_map[number] != 0 && ku__pool_at(number)->apart) {
            ku__pool_join(heap, number);
        }
        ku__process_tables.class_map[number] &= (uint16_t)~KU__MAP_SAMPLED;
    }
}

static void drop_sites(ku_heap *heap) {
    heap->sites_on = false;
    heap->sites_lost = false;
    each_arena(heap, give_sites);
    ku__large_sites_disable(heap);
    atomic_store_explicit(&heap->sites_old, false, memory_order_relaxed);
}

bool ku__sites_enable(ku_heap *heap) {
    if (sites_readable(heap)) {
        return true;
    }
    ku__sites_disable(heap);
    if (!ku__large_sites_enable(heap)) {
        return false;
    }
    heap->sites_lost = false;
    atomic_store_explicit(&heap->sites_old, false, memory_order_relaxed); /* perhaps of a heap that had none yet */
    each_arena(heap, take_sites);
    heap->sites_on = !heap->sites_lost;
    if (heap->sites_lost) {
        drop_sites(heap);
        return false;
    }
    return true;
}

void ku__sites_disable(ku_heap *heap) {
    if (heap->sites_on) {
        drop_sites(heap);
    }
}

void ku__sites_outdate(ku_heap *heap) {
    atomic_store_explicit(&heap->sites_old, true, memory_order_relaxed);
}

void *ku__apart_malloc(ku_heap *heap, unsigned class_index) {
    if (heap->inner != &heap->magazines) {
        return NULL;
    }
    ku_code refusal = heap->last_refusal;
    if (heap->apart[class_index] == KU__NONE && ku__pool_take(heap, class_index, true) == NULL) {
        heap->last_refusal = refusal;
        return NULL;
    }
    void *block;
    uint32_t number = heap->apart[class_index];
    ku__pool_gather(ku__pool_at(number), number, &block, 1);
    ku__note_taken(heap, block, ku__class_size(class_index));
    return block;
}

void ku__pool_mark_sampled(ku_heap *heap, const void *block) {
    (void)heap;
    ku__process_tables.class_map[ku__pool_number(block)] |= KU__MAP_SAMPLED;
}

/* ---- the public calls ----
 *
 * The slow path is told who called, for fences and watchers. It costs nothing on the fast one. */

#define NOTE_CALLER(heap) ((heap)->caller = __builtin_extract_return_addr(__builtin_return_address(0)))

/* And where its frame record lies. That makes a function keep one, so those with a fast path do without: they end in a
 * jump to the slow one, whose own record is as good. */
#define NOTE_FRAME(heap) (NOTE_CALLER(heap), (heap)->frame = __builtin_frame_address(0))

KU__ALIGNED_CODE void *ku_heap_malloc(ku_heap *heap, size_t size) {
    void *block = ku__fast_malloc(heap, size);
    if (KU__LIKELY(block != NULL)) {
        return block;
    }
    NOTE_CALLER(heap);
    heap->frame = NULL;
    return ku__slow_malloc(heap, size);
}

void *ku_heap_calloc(ku_heap *heap, size_t count, size_t size) {
    size_t bytes;
    if (__builtin_mul_overflow(count, size, &bytes)) {
        return refuse(heap, KU_INVALID);
    }
    if (bytes > KU_SMALL_MAX && bytes <= PTRDIFF_MAX && is_plain(heap)) {
        return ku__large_malloc(heap, KU_CLASS_STEP, bytes, true);
    }
    NOTE_FRAME(heap);
    void *block = ku__fast_malloc(heap, bytes);
    block = block != NULL ? block : ku__slow_malloc(heap, bytes);
    return block != NULL ? memset(block, 0, bytes) : NULL;
}

void *ku_heap_realloc(ku_heap *heap, void *block, size_t size) {
    NOTE_FRAME(heap);
    if (block == NULL) {
        return ku__slow_malloc(heap, size);
    }
    bool foreign;
    void *moved = ku__resize(heap, block, size, &foreign);
    if (foreign) {
        ku__fault_report("ku_heap_realloc: the address was never given out by this library", block);
        heap->last_refusal = KU_INVALID;
    }
    return moved;
}

KU__ALIGNED_CODE void ku_heap_free(ku_heap *heap, void *block) {
    if (KU__LIKELY(ku__fast_free(heap, block)) || block == NULL) {
        return;
    }
    NOTE_CALLER(heap);
    if (ku__slow_free(heap, block) == KU__FOREIGN) {
        ku__fault_report("ku_heap_free: the address was never given out by this library", block);
    }
}

#ifdef KU_CHECKING
static size_t multiple(size_t size, size_t of) {
    return size != 0 ? (size + of - 1) & ~(of - 1) : of;
}

/* Whether a block with this much room may be one for `size` bytes: of the size's class, or, aligned to 32 or 64 bytes,
 * of the class of the next multiple of that. A block that stayed where it was when it shrank is in its own class. */
static bool may_be_for(size_t usable, size_t size) {
    return usable >= size &&
           (usable > KU_SMALL_MAX || usable <= size + KU_CLASS_STEP || usable == multiple(size, 2 * KU_CLASS_STEP) ||
            usable == multiple(size, 4 * KU_CLASS_STEP));
}
#endif

void ku_heap_free_sized(ku_heap *heap, void *block, size_t size) {
#ifdef KU_CHECKING
    if (block != NULL && !may_be_for(ku_heap_usable_size(heap, block), size)) {
        ku__fault_report("ku_heap_free_sized: the size is not the one that was asked for", block);
    }
#else
    (void)size;
#endif
    ku_heap_free(heap, block);
}

void *ku_heap_aligned_alloc(ku_heap *heap, size_t alignment, size_t size) {
    enum { ALIGNMENT_MAX = 1 << 20 };
    if (alignment == 0 || (alignment & (alignment - 1)) != 0 || alignment > ALIGNMENT_MAX || size > PTRDIFF_MAX) {
        return refuse(heap, KU_INVALID);
    }
    NOTE_FRAME(heap);
    if (alignment <= KU_CLASS_STEP) {
        return ku__slow_malloc(heap, size);
    }
    /* blocks of a size that is a multiple of the alignment lie at multiples of it, where pools begin with one */
    size_t rounded = size != 0 ? (size + alignment - 1) & ~(alignment - 1) : alignment;
    bool fenced = (heap->flags & KU_HEAP_FENCES) != 0;
    if (!fenced && rounded <= KU_SMALL_MAX && 64 % alignment == 0 && KU__POOL_SHIFT % alignment == 0) {
        return ku__slow_malloc(heap, rounded);
    }
    if (fenced) {
        return ku__fence_aligned_alloc(heap, alignment, size);
    }
    size += size == 0;
    return heap->watcher != NULL ? ku__watched_large(heap, alignment, size)
                                 : ku__large_malloc(heap, alignment, size, false);
}

void ku_heap_free_remote(void *block) {
    if (block != NULL && free_elsewhere(NULL, block) == KU__FOREIGN) {
        ku__fault_report("ku_heap_free_remote: the address is not a block of a heap that others may free", block);
    }
}

size_t ku_heap_usable_size(const ku_heap *heap, const void *block) {
    ku_heap *asked = (ku_heap *)(uintptr_t)heap; /* looking takes the registry's lock where there is one */
    ku__block_facts facts;
    if (block == NULL) {
        return 0;
    }
    if (heap->fences != NULL) {
        return ku__fence_usable_size(asked, block);
    }
    bool live =
        ku__block_find(asked, block, &facts) && facts.owner == heap && (facts.is_large || ku__small_is_taken(block));
    return live ? facts.size : 0;
}

ku_code ku_heap_last_refusal(const ku_heap *heap) {
    return heap->last_refusal;
}

size_t ku_heap_set_limit(ku_heap *heap, size_t limit) {
    size_t before = heap->limit;
    heap->limit = limit != 0 ? limit : SIZE_MAX;
    return before != SIZE_MAX ? before : 0;
}
