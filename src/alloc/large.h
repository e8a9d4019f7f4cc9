/* large.h: blocks over 512 bytes, from the system's allocator, and the registry that knows them.
 *
 * The registry is a hash table with open addressing and linear probing, keyed by address; sites lie in a second array
 * beside it, present only while tracing. Deletion moves later entries of the run back, so there are no tombstones
 * (Knuth, The Art of Computer Programming, volume 3, section 6.4, algorithm R). Its memory comes from pages, never from
 * malloc.
 *
 * Two heaps under one lock may share a registry, so that an address is looked up once; each entry says which heap made
 * it.
 *
 * Invariants: used <= capacity * 5 / 8; every entry is reachable from its home without passing an empty one.
 *
 * Lock: the heap's holder, and the registry's own mutex as well once the heap is shared (ku__heap_share).
 */
#ifndef KU__LARGE_H
#define KU__LARGE_H

#include "alloc/fast.h"

typedef struct ku__large_entry {
    uintptr_t address; /* 0: empty */
    uint64_t size : 48;
    uint64_t heap : 16; /* number of the heap that made it */
} ku__large_entry;

/* Where a registry has its entries, its sites and its capacity, for ku__anchor_fill(). */
void ku__large_describe(uint32_t *entries, uint32_t *sites, uint32_t *capacity);

/* An empty registry, owned by one heap; NULL when refused. */
ku__large *ku__large_new(void);
/* A second owner; the last one that deletes it frees it. */
ku__large *ku__large_retain(ku__large *large);
/* Frees what is left of this heap's blocks, and the registry with its last owner. */
void ku__large_delete(ku_heap *heap);

void *ku__large_malloc(ku_heap *heap, size_t alignment, size_t size, bool zeroed);
/* False: not in the registry. */
bool ku__large_free(ku_heap *heap, void *block);
/* NULL with *known false: not in the registry; with *known true: refused, and the block is as it was. */
void *ku__large_realloc(ku_heap *heap, void *block, size_t size, bool *known);

/* A copy of the block's entry, and its site slot (NULL when sites are off); false when it is not there. */
bool ku__large_find(ku_heap *heap, const void *block, ku__large_entry *entry, uint32_t **site);

/* Calls visit for every entry of the heap until it says false; the visitor must not change the registry. */
typedef bool ku__large_visitor(const ku__large_entry *entry, uint32_t site, void *argument);
void ku__large_walk(ku_heap *heap, ku__large_visitor *visit, void *argument);

/* Sites for the blocks of one owner, all 0 at first. Off again only where they are on. */
bool ku__large_sites_enable(ku_heap *heap);
void ku__large_sites_disable(ku_heap *heap);
size_t ku__large_metadata_bytes(const ku__large *large);

#ifdef KU_CHECKING
void ku__large_check(ku_heap *heap);
#endif

/* Around fork(2): every registry's lock is held once, by the thread that forks, however many heaps share it. */
void ku__large_lock_for_fork(ku__large *large);
void ku__large_unlock_after_fork(ku__large *large);

#endif
