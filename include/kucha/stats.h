/* stats.h: what a heap holds, as data, as text, as a picture, and block by block.
 *
 * Every call needs the heap's lock. None allocates from the heap it reports on.
 */
#ifndef KUCHA_STATS_H
#define KUCHA_STATS_H

#include <kucha/heap.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct ku_class_stats {
    size_t block_size;  /* bytes per block */
    size_t pools;       /* pools of this class now */
    size_t blocks_used; /* live blocks */
    size_t blocks_free; /* blocks in those pools that are not live */
    size_t tail_bytes;  /* bytes at the ends of those pools that no block fits into */
} ku_class_stats;

typedef struct ku_arena_stats {
    uintptr_t address;
    size_t pools_used;  /* pools that have a size class */
    size_t pools_free;  /* pools without one, available to any class */
    size_t blocks_used; /* live blocks in the arena */
    size_t bytes_used;  /* bytes of those blocks, rounding included */
} ku_arena_stats;

typedef struct ku_heap_stats {
    char name[32];
    ku_domain domain;
    size_t limit;      /* bytes; 0 is none */
    size_t arena_size; /* bytes of an arena and of a pool in this build */
    size_t pool_size;
    size_t arenas; /* arenas now, at most, and ever taken from the system */
    size_t arenas_peak;
    size_t arenas_taken;
    size_t arenas_huge;     /* arenas now that were asked to lie on huge pages */
    size_t bytes_populated; /* bytes of pools that were taken from the system whole, before they were used, in all */
    size_t pools_used;
    size_t pools_free;
    size_t blocks_used; /* live small blocks, and their bytes with rounding */
    size_t bytes_used;
    size_t blocks_free; /* blocks of pools in use that are not live */
    size_t bytes_free;
    size_t large_blocks; /* live large blocks, and the bytes that were asked for */
    size_t large_bytes;
    size_t large_bytes_peak;
    size_t bytes_held;     /* pools in use, whole, plus large blocks: what the limit is compared with */
    size_t bytes_mapped;   /* arenas, whole, plus large blocks */
    size_t metadata_bytes; /* side tables that were touched: pool records, class map, registry, sites */
    ku_class_stats classes[KU_CLASS_COUNT]; /* [0] is 16 bytes, [31] is 512 */
} ku_heap_stats;

/* Fills `stats`. Blocks waiting in the heap's magazines count as free. */
KU_API void ku_heap_stats_read(ku_heap *heap, ku_heap_stats *stats);

/* Fills up to `capacity` entries, in order of address, and returns how many arenas there are. */
KU_API size_t ku_heap_arenas_read(ku_heap *heap, ku_arena_stats *arenas, size_t capacity);

/* Writes the statistics as a table for people. Returns 0, or -1 when the stream refuses. */
KU_API int ku_heap_stats_print(ku_heap *heap, FILE *stream);

typedef struct ku_block {
    void *address;
    size_t size; /* block size in bytes: the class for a small block, what was asked for of a large one */
    bool is_large;
    uint32_t site; /* the block's slot of the site table, as the tracer wrote it; 0 when it is unknown */
} ku_block;

/* Called once for each live block; returns false to stop the walk. It must not use the heap. */
typedef bool ku_block_visitor(const ku_block *block, void *argument);

/* Visits every live block: small ones in order of address, then large ones in no order. Returns the number visited. */
KU_API size_t ku_heap_walk(ku_heap *heap, ku_block_visitor *visit, void *argument);

/* Writes an SVG picture of the heap's arenas: a row of pools for each arena, coloured by size class, filled by
 * occupancy, with a legend. Returns 0, or -1 when the stream refuses. */
KU_API int ku_heap_map_svg(ku_heap *heap, FILE *stream);

#ifdef __cplusplus
}
#endif

#endif
