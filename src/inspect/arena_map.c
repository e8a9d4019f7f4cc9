/* arena_map.c: what the pools of arenas hold; see kucha/arena_map.h.
 *
 * Arenas and nodes are both sorted by address, so that one pass over nodes meets each pool's together. They are sorted
 * by key, equal ones make a cell, and the cells of a pool are sorted by bytes.
 */
#include <kucha/arena_map.h>

#include "inspect/arenas.h"
#include "inspect/growing.h"
#include "inspect/links.h"

#include <stdlib.h>
#include <string.h>

typedef struct mapping {
    const ku_graph *graph;
    ku_arena_map_key key;
    ku__growing cells, members; /* ku_arena_cell; of one pool, a cell for each node */
} mapping;

uint32_t ku__graph_first_at(const ku_graph *graph, uint32_t from, uint64_t address) {
    uint32_t low = from, high = graph->nodes;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (ku_graph_address(graph, middle) < address) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static uint32_t key_of(const mapping *work, uint32_t node) {
    switch (work->key) {
    case KU_ARENA_MAP_TYPE: return ku__graph_type(work->graph, node);
    case KU_ARENA_MAP_SITE: return ku__graph_site(work->graph, node);
    case KU_ARENA_MAP_AGE: return work->graph->ages[node];
    default: return (uint32_t)ku__graph_block_bytes(work->graph, node);
    }
}

static int by_key(const void *left, const void *right) {
    const ku_arena_cell *a = left, *b = right;
    return a->key < b->key ? -1 : a->key > b->key;
}

static int by_bytes(const void *left, const void *right) {
    const ku_arena_cell *a = left, *b = right;
    if (a->bytes != b->bytes) return a->bytes < b->bytes ? 1 : -1;
    return by_key(left, right);
}

static bool merge(mapping *work) {
    ku_arena_cell *members = KU__GROWING_ITEMS(&work->members, ku_arena_cell);
    size_t count = KU__GROWING_COUNT(&work->members, ku_arena_cell), before = work->cells.used;
    ku_arena_cell *cell = NULL;
    if (count != 0) qsort(members, count, sizeof *members, by_key);
    for (size_t i = 0; i < count; i++) {
        if (cell != NULL && members[i].key == cell->key) {
            cell->nodes++;
            cell->bytes += members[i].bytes;
            continue;
        }
        cell = ku__growing_push(&work->cells, sizeof *cell);
        if (cell == NULL) return false;
        *cell = members[i];
    }
    size_t made = (work->cells.used - before) / sizeof *cell;
    if (made != 0) qsort(work->cells.bytes + before, made, sizeof *cell, by_bytes);
    return true;
}

static bool add_pool(mapping *work, uint32_t arena, uint32_t pool, uint32_t first, uint32_t end) {
    work->members.used = 0;
    for (uint32_t node = first; node < end; node++) {
        ku_arena_cell *one = ku__growing_push(&work->members, sizeof *one);
        if (one == NULL) return false;
        *one = (ku_arena_cell){arena, pool, key_of(work, node), 1, ku__graph_block_bytes(work->graph, node)};
    }
    return merge(work);
}

static bool add_all(mapping *work) {
    uint32_t node = 0;
    for (uint32_t i = 0; i < work->graph->arenas; i++) {
        const ku_graph_arena *arena = &work->graph->arena_table[i];
        uint32_t end = ku__graph_first_at(work->graph, node, arena->address + arena->bytes);
        node = ku__graph_first_at(work->graph, node, arena->address);
        while (node < end) {
            uint32_t pool = (uint32_t)((ku_graph_address(work->graph, node) - arena->address) / arena->pool_bytes);
            uint32_t first = node;
            node = ku__graph_first_at(work->graph, node, arena->address + ((uint64_t)pool + 1) * arena->pool_bytes);
            node = node < end ? node : end;
            if (!add_pool(work, i, pool, first, node)) return false;
        }
    }
    return true;
}

ku_arena_map *ku_arena_map_new(const ku_graph *graph, ku_arena_map_key key, ku_error *error) {
    if (key >= KU_ARENA_MAP_KEYS) {
        ku__inspect_fail(error, KU_INVALID, "a map of arenas is by type, birthplace, age or size of blocks");
        return NULL;
    }
    mapping work = {.graph = graph, .key = key};
    bool done = add_all(&work);
    ku_arena_map *map = done ? malloc(sizeof *map + work.cells.used) : NULL;
    if (map != NULL) {
        *map = (ku_arena_map){KU__GROWING_COUNT(&work.cells, ku_arena_cell), (ku_arena_cell *)(void *)(map + 1)};
        if (map->count != 0) memcpy(map->cells, work.cells.bytes, work.cells.used);
    } else {
        ku__inspect_no_memory(error);
    }
    ku__growing_release(&work.cells);
    ku__growing_release(&work.members);
    return map;
}

void ku_arena_map_delete(ku_arena_map *map) {
    free(map);
}
