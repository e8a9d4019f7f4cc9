/* anchor.h: where a reader of this process's memory finds the heaps: one structure that says, by number, where things
 * lie in those of the allocator.
 *
 * A debugger has types; a reader of core files (src/corefile) has none, and may be of another build or version than the
 * program that left the core. So the program carries this structure: it begins with a text that is nowhere else, lies
 * in the data of the library or module that has the heaps, and is filled in with them. KU__ANCHOR_MAGIC ends with the
 * number of the structure's version: who changes a member, or the meaning of one, counts it up.
 */
#ifndef KU__ANCHOR_H
#define KU__ANCHOR_H

#include "alloc/tables.h"

#define KU__ANCHOR_MAGIC "\177kucha-anchor-2" /* 16 bytes with its zero */

typedef struct ku__anchor {
    char magic[16];
    uint64_t bytes; /* of this structure; 0: no heap was made yet */
    /* geometry */
    uint32_t pool_bits, pools_per_arena, pool_shift, pool_colours, class_step, sites_per_pool;
    /* ku__tables, ku__range */
    uint32_t range_base, range_arenas, table_arenas, table_pools, table_sites, table_slots;
    /* ku__arena */
    uint32_t arena_bytes, arena_heap, arena_free_pools, arena_has_sites;
    /* ku__pool */
    uint32_t pool_bytes, pool_heap, pool_capacity, pool_class, pool_free_bits;
    /* ku_heap, ku__magazines */
    uint32_t heap_inner, heap_returns, heap_large, heap_sites_on, heap_number, heap_domain, heap_name, heap_next,
        heap_fences, magazine_top;
    /* ku__large; an entry is an address, then 48 bits of size and 16 of the heap's number */
    uint32_t large_entries, large_sites, large_capacity, spare;
    const ku__tables *tables;
    ku_heap *const *heaps; /* the first of all */
    /* Under CPython: the heaps of the main interpreter, where the tracer stands, and how it keeps sites. */
    const ku_heap *objects, *buffers;
    const void *tracer; /* struct ku__tracer *const * */
    const void *trace;  /* const ku__trace_anchor * (trace/anchor.h) */
    /* With isolates: where things lie in those. */
    const void *native; /* const ku__native_layout * (isolate/native_layout.h) */
} ku__anchor;

extern ku__anchor ku__process_anchor;

/* Fills in what the allocator knows. Once, under the process's lock. */
void ku__anchor_fill(ku_heap *const *heaps);

#endif
