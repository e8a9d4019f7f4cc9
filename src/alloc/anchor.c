/* anchor.c: see anchor.h. */
#include "alloc/anchor.h"

#include "alloc/large.h"

#include <stddef.h>

/* Not zero, so that it lies in the data of the file that has it, where a reader looks; and used by address alone, so
 * that no copy of the text is anywhere else. */
ku__anchor ku__process_anchor = {.magic = KU__ANCHOR_MAGIC};

#define AT(structure, member) (uint32_t) offsetof(structure, member)

static void fill_tables(ku__anchor *anchor) {
    anchor->pool_bits = KU__POOL_BITS;
    anchor->pools_per_arena = KU__POOLS_PER_ARENA;
    anchor->pool_shift = KU__POOL_SHIFT;
    anchor->pool_colours = KU__POOL_COLOURS;
    anchor->class_step = KU_CLASS_STEP;
    anchor->sites_per_pool = KU__SITES_PER_POOL;
    anchor->range_base = AT(ku__tables, range.base);
    anchor->range_arenas = AT(ku__tables, range.arenas_bytes);
    anchor->table_arenas = AT(ku__tables, arenas);
    anchor->table_pools = AT(ku__tables, pools);
    anchor->table_sites = AT(ku__tables, sites);
    anchor->table_slots = AT(ku__tables, arena_slots);
    anchor->arena_bytes = sizeof(ku__arena);
    anchor->arena_heap = AT(ku__arena, heap);
    anchor->arena_free_pools = AT(ku__arena, free_pools);
    anchor->arena_has_sites = AT(ku__arena, has_sites);
    anchor->pool_bytes = sizeof(ku__pool);
    anchor->pool_heap = AT(ku__pool, heap);
    anchor->pool_capacity = AT(ku__pool, capacity);
    anchor->pool_class = AT(ku__pool, class_index);
    anchor->pool_free_bits = AT(ku__pool, free_bits);
}

void ku__anchor_fill(ku_heap *const *heaps) {
    ku__anchor *anchor = &ku__process_anchor;
    fill_tables(anchor);
    anchor->heap_inner = AT(ku_heap, inner);
    anchor->heap_returns = AT(ku_heap, returns);
    anchor->heap_large = AT(ku_heap, large);
    anchor->heap_sites_on = AT(ku_heap, sites_on);
    anchor->heap_number = AT(ku_heap, number);
    anchor->heap_domain = AT(ku_heap, domain);
    anchor->heap_name = AT(ku_heap, name);
    anchor->heap_next = AT(ku_heap, next);
    anchor->heap_fences = AT(ku_heap, fences);
    anchor->magazine_top = AT(ku__magazines, top);
    ku__large_describe(&anchor->large_entries, &anchor->large_sites, &anchor->large_capacity);
    anchor->tables = &ku__process_tables;
    anchor->heaps = heaps;
    anchor->bytes = sizeof *anchor;
}
