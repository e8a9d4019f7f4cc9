/* arena_map.h: what the pools of a heap's arenas hold, by what it is, where it was born, or how old it is.
 *
 * For each pool with blocks in it there is a cell for each kind of block: the blocks of one type, birthplace, age or
 * size. A picture of the arenas is drawn of them (kucha map).
 *
 * Only a graph of a heap of kucha's knows arenas (ku_graph_arena_count()).
 */
#ifndef KUCHA_ARENA_MAP_H
#define KUCHA_ARENA_MAP_H

#include <kucha/graph.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum ku_arena_map_key {
    KU_ARENA_MAP_TYPE,  /* key: a type of the graph */
    KU_ARENA_MAP_SITE,  /* a birthplace of the graph, 0 unknown */
    KU_ARENA_MAP_AGE,   /* the collector's generation, KU_GRAPH_AGE_UNKNOWN for what it does not know */
    KU_ARENA_MAP_CLASS, /* bytes of the block */
    KU_ARENA_MAP_KEYS,
} ku_arena_map_key;

typedef struct ku_arena_cell {
    uint32_t arena; /* its number in the graph */
    uint32_t pool;  /* in the arena, from 0 */
    uint32_t key;
    uint32_t nodes;
    uint64_t bytes; /* of the blocks: with what the allocator gave out beyond */
} ku_arena_cell;

typedef struct ku_arena_map {
    size_t count;
    ku_arena_cell *cells; /* by arena, then pool; in a pool most bytes first */
} ku_arena_map;

/* NULL with `error` filled: KU_INVALID for a key that does not exist, KU_NO_MEMORY. Deleted by
 * ku_arena_map_delete(). */
KU_API ku_arena_map *ku_arena_map_new(const ku_graph *graph, ku_arena_map_key key, ku_error *error);
KU_API void ku_arena_map_delete(ku_arena_map *map); /* NULL does nothing */

#ifdef __cplusplus
}
#endif

#endif
