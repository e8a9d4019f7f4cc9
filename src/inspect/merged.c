/* merged.c: the shortest paths of many nodes, laid over each other by type; see kucha/paths.h.
 *
 * Two passes over the tree of shortest paths. From its leaves to the root every node learns how many nodes of the
 * selection are below it, and their bytes. From the root to the leaves each node with any gets its row: that of the
 * pair (row of its parent, its type), found in a hash table; a place is told apart by its own number. Rows are made at
 * their first node, so parents come first.
 */
#include "inspect/paths.h"

#include "inspect/graph.h"
#include "inspect/links.h"
#include "inspect/selection.h"

#include <stdlib.h>

typedef struct merging {
    const ku_paths *paths;
    const ku_graph *graph;
    uint32_t *count; /* by node: of the selection, here or below; then the row, plus 1 */
    uint64_t *bytes;
    uint32_t *slots; /* open addressing: row plus 1, 0 empty */
    size_t mask;
    uint64_t *keys; /* by row: parent's row, and type or place */
    ku_merged_row *rows;
    uint32_t made;
    size_t capacity;
} merging;

static void add_up(merging *work, const ku_selection *selection) {
    for (uint32_t i = work->paths->reached; i-- > 0;) {
        uint32_t node = work->paths->order[i], above = work->paths->parent[node];
        if (ku__selected(selection, node)) {
            work->count[node]++;
            work->bytes[node] += ku__graph_size(work->graph, node);
        }
        if (above == KU_GRAPH_NONE) continue;
        work->count[above] += work->count[node];
        work->bytes[above] += work->bytes[node];
    }
}

/* How many nodes have something below them: the most rows that there can be. */
static size_t count_passed(const merging *work) {
    size_t passed = 0;
    for (uint32_t i = 0; i < work->paths->reached; i++) passed += work->count[work->paths->order[i]] != 0;
    return passed;
}

static uint64_t key_of(const merging *work, uint32_t node, uint32_t parent_row) {
    bool place = (work->graph->flags[node] & KU_NODE_PLACE) != 0;
    uint32_t kind = place ? node | 0x80000000u : ku__graph_type(work->graph, node);
    return (uint64_t)parent_row << 32 | kind;
}

/* Fibonacci hashing: the golden ratio spreads keys that differ little (Knuth, volume 3, 6.4). */
static size_t slot_of(const merging *work, uint64_t key) {
    return (size_t)((key ^ key >> 29) * UINT64_C(0x9E3779B97F4A7C15) >> 20) & work->mask;
}

static uint32_t row_of(merging *work, uint32_t node, uint32_t parent_row) {
    uint64_t key = key_of(work, node, parent_row);
    size_t slot = slot_of(work, key);
    while (work->slots[slot] != 0) {
        if (work->keys[work->slots[slot] - 1] == key) return work->slots[slot] - 1;
        slot = (slot + 1) & work->mask;
    }
    uint32_t row = work->made++;
    work->slots[slot] = row + 1;
    work->keys[row] = key;
    work->rows[row] = (ku_merged_row){.parent = parent_row, .type = ku__graph_type(work->graph, node), .example = node};
    return row;
}

static void make_rows(merging *work) {
    for (uint32_t i = 0; i < work->paths->reached; i++) {
        uint32_t node = work->paths->order[i], above = work->paths->parent[node];
        if (work->count[node] == 0) continue;
        uint32_t row = row_of(work, node, above == KU_GRAPH_NONE ? KU_GRAPH_NONE : work->count[above] - 1);
        work->rows[row].count += work->count[node];
        work->rows[row].bytes += work->bytes[node];
        work->rows[row].through++;
        work->count[node] = row + 1; /* the count has been used: its children now find the row here */
    }
}

static bool prepare_rows(merging *work) {
    size_t slots = 64;
    work->capacity = count_passed(work);
    while (slots < work->capacity * 2) slots *= 2;
    work->mask = slots - 1;
    work->slots = ku__array_map(slots, sizeof(uint32_t));
    work->keys = ku__array_map(work->capacity, sizeof(uint64_t));
    work->rows = ku__array_map(work->capacity, sizeof(ku_merged_row));
    return work->slots != NULL && work->keys != NULL && work->rows != NULL;
}

static ku_merged *copy_rows(const merging *work) {
    ku_merged *made = malloc(sizeof *made + work->made * sizeof *made->rows);
    if (made == NULL) return NULL;
    *made = (ku_merged){.count = work->made, .rows = (ku_merged_row *)(made + 1)};
    for (uint32_t i = 0; i < work->made; i++) made->rows[i] = work->rows[i];
    return made;
}

static void release(merging *work) {
    ku__array_unmap(work->count, work->graph->nodes, sizeof(uint32_t));
    ku__array_unmap(work->bytes, work->graph->nodes, sizeof(uint64_t));
    ku__array_unmap(work->slots, work->mask + 1, sizeof(uint32_t));
    ku__array_unmap(work->keys, work->capacity, sizeof(uint64_t));
    ku__array_unmap(work->rows, work->capacity, sizeof(ku_merged_row));
}

ku_merged *ku_paths_merge(const ku_paths *paths, const ku_graph *graph, const ku_selection *selection,
                          ku_error *error) {
    if (selection->nodes != graph->nodes) {
        ku__inspect_fail(error, KU_INVALID, "the selection was made for another graph");
        return NULL;
    }
    merging work = {.paths = paths, .graph = graph};
    work.count = ku__array_map(graph->nodes, sizeof(uint32_t));
    work.bytes = ku__array_map(graph->nodes, sizeof(uint64_t));
    ku_merged *made = NULL;
    if (work.count != NULL && work.bytes != NULL) {
        add_up(&work, selection);
        if (prepare_rows(&work)) {
            make_rows(&work);
            made = copy_rows(&work);
        }
    }
    release(&work);
    if (made == NULL) ku__inspect_no_memory(error);
    return made;
}

void ku_merged_delete(ku_merged *merged) {
    free(merged);
}
