/* diff.c: two or three graphs compared; see kucha/diff.h.
 *
 * Numbers of types and birthplaces differ from graph to graph, so names are given common numbers first, through a hash
 * table over their texts. Nodes are in order of address in every graph: the first and the last are walked side by side,
 * as two sorted lists are merged.
 */
#include <kucha/diff.h>

#include "inspect/graph.h"
#include "inspect/links.h"

#include <stdlib.h>
#include <string.h>

enum { TEXT = 1024 };

/* Common numbers for the names of one key: of[g][index], where index is a type (also for modules) or a site of graph g.
 * */
typedef struct unified {
    ku_histogram_key key;
    const ku_graph *const *graphs;
    size_t graph_count;
    uint32_t *of[KU_DIFF_GRAPHS];
    uint32_t *slots; /* open addressing, number plus 1 */
    size_t mask, capacity;
    ku_diff_row *rows; /* by common number */
    uint64_t *hashes;
    uint32_t count;
} unified;

/* ---- common numbers ---- */

static uint32_t indices_of(ku_histogram_key key, const ku_graph *graph) {
    return key == KU_HISTOGRAM_SITE ? graph->sites + 1 : graph->types;
}

static uint32_t key_at(ku_histogram_key key, const ku_graph *graph, uint32_t index) {
    return key == KU_HISTOGRAM_MODULE ? graph->type_table[index].module : index;
}

static char *text_of(const unified *all, uint32_t graph, uint32_t key, char *out) {
    if (all->key == KU_HISTOGRAM_SITE && key >= all->graphs[graph]->sites) key = 0;
    return ku_histogram_text(all->graphs[graph], all->key, key, out, TEXT);
}

/* FNV-1a (Fowler, Noll, Vo): short texts, and not many. */
static uint64_t hash_text(const char *text) {
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    for (; *text != '\0'; text++) hash = (hash ^ (uint8_t)*text) * UINT64_C(0x100000001b3);
    return hash;
}

static bool is_row(const unified *all, uint32_t number, uint64_t hash, const char *text) {
    char other[TEXT];
    if (all->hashes[number] != hash) return false;
    return strcmp(text_of(all, all->rows[number].graph, all->rows[number].key, other), text) == 0;
}

static uint32_t number_of(unified *all, uint32_t graph, uint32_t index) {
    char text[TEXT];
    uint32_t key = key_at(all->key, all->graphs[graph], index);
    uint64_t hash = hash_text(text_of(all, graph, key, text));
    size_t slot = (hash ^ hash >> 32) & all->mask;
    for (; all->slots[slot] != 0; slot = (slot + 1) & all->mask)
        if (is_row(all, all->slots[slot] - 1, hash, text)) return all->slots[slot] - 1;
    uint32_t number = all->count++;
    all->slots[slot] = number + 1;
    all->hashes[number] = hash;
    all->rows[number] = (ku_diff_row){.graph = graph, .key = key};
    return number;
}

static void release(unified *all) {
    for (size_t g = 0; g < all->graph_count; g++)
        ku__array_unmap(all->of[g], indices_of(all->key, all->graphs[g]), sizeof(uint32_t));
    ku__array_unmap(all->slots, all->mask + 1, sizeof(uint32_t));
    ku__array_unmap(all->rows, all->capacity, sizeof(ku_diff_row));
    ku__array_unmap(all->hashes, all->capacity, sizeof(uint64_t));
}

static bool prepare(unified *all) {
    bool whole = true;
    for (size_t g = 0; g < all->graph_count; g++) {
        uint32_t indices = indices_of(all->key, all->graphs[g]);
        all->of[g] = ku__array_map(indices, sizeof(uint32_t));
        whole = whole && all->of[g] != NULL;
        all->capacity += indices;
    }
    size_t slots = 64;
    while (slots < all->capacity * 2) slots *= 2;
    all->mask = slots - 1;
    all->slots = ku__array_map(slots, sizeof(uint32_t));
    all->rows = ku__array_map(all->capacity, sizeof(ku_diff_row));
    all->hashes = ku__array_map(all->capacity, sizeof(uint64_t));
    return whole && all->slots != NULL && all->rows != NULL && all->hashes != NULL;
}

static bool unify(unified *all, ku_histogram_key key, const ku_graph *const *graphs, size_t count, ku_error *error) {
    *all = (unified){.key = key, .graphs = graphs, .graph_count = count};
    if (!prepare(all)) {
        release(all);
        *all = (unified){0};
        return ku__inspect_no_memory(error);
    }
    for (uint32_t g = 0; g < count; g++)
        for (uint32_t i = 0; i < indices_of(key, graphs[g]); i++) all->of[g][i] = number_of(all, g, i);
    return true;
}

static uint32_t number_in(const unified *all, size_t g, uint32_t node) {
    const ku_graph *graph = all->graphs[g];
    return all->of[g][all->key == KU_HISTOGRAM_SITE ? ku__graph_site(graph, node) : ku__graph_type(graph, node)];
}

/* ---- counting and matching ---- */

static bool counts(const ku_graph *graph, uint32_t node) {
    return (graph->flags[node] & (KU_NODE_PLACE | KU_NODE_FREE_LISTED)) == 0;
}

static void count_nodes(unified *all) {
    for (size_t g = 0; g < all->graph_count; g++) {
        for (uint32_t v = 0; v < all->graphs[g]->nodes; v++) {
            if (!counts(all->graphs[g], v)) continue;
            ku_diff_row *row = &all->rows[number_in(all, g, v)];
            row->count[g]++;
            row->bytes[g] += ku__graph_size(all->graphs[g], v);
        }
    }
}

static void note_born(unified *rows, size_t last, uint32_t node) {
    if (!counts(rows->graphs[last], node)) return;
    ku_diff_row *row = &rows->rows[number_in(rows, last, node)];
    row->born++;
    row->born_bytes += ku__graph_size(rows->graphs[last], node);
}

static void note_gone(unified *rows, uint32_t node) {
    if (counts(rows->graphs[0], node)) rows->rows[number_in(rows, 0, node)].gone++;
}

static bool is_same(const unified *types, const unified *sites, size_t last, uint32_t before, uint32_t after) {
    return number_in(types, 0, before) == number_in(types, last, after) &&
           number_in(sites, 0, before) == number_in(sites, last, after) && counts(types->graphs[0], before) &&
           counts(types->graphs[last], after);
}

static void match_nodes(unified *rows, const unified *types, const unified *sites) {
    size_t last = rows->graph_count - 1;
    const ku_graph *old = rows->graphs[0], *new = rows->graphs[last];
    uint32_t before = 0, after = 0;
    while (before < old->nodes || after < new->nodes) {
        uint64_t left = before < old->nodes ? ku_graph_address(old, before) : UINT64_MAX;
        uint64_t right = after < new->nodes ? ku_graph_address(new, after) : UINT64_MAX;
        if (left == right && is_same(types, sites, last, before, after)) {
            rows->rows[number_in(rows, last, after)].kept++;
            before++, after++;
            continue;
        }
        if (left <= right) note_gone(rows, before++);
        if (right <= left) note_born(rows, last, after++);
    }
}

/* ---- the result ---- */

static int64_t growth(const ku_diff_row *row, size_t last) {
    return (int64_t)(row->bytes[last] - row->bytes[0]);
}

static int compare_two(const void *left, const void *right) {
    const ku_diff_row *a = left, *b = right;
    int64_t x = growth(a, 1), y = growth(b, 1);
    return x != y ? (x < y ? 1 : -1) : (a->key > b->key) - (a->key < b->key);
}

static int compare_three(const void *left, const void *right) {
    const ku_diff_row *a = left, *b = right;
    int64_t x = growth(a, 2), y = growth(b, 2);
    return x != y ? (x < y ? 1 : -1) : (a->key > b->key) - (a->key < b->key);
}

static ku_diff *collect(const unified *all, ku_error *error) {
    ku_diff *made = malloc(sizeof *made + all->count * sizeof *made->rows);
    if (made == NULL) {
        ku__inspect_no_memory(error);
        return NULL;
    }
    *made = (ku_diff){.graphs = all->graph_count, .rows = (ku_diff_row *)(made + 1)};
    for (uint32_t i = 0; i < all->count; i++) {
        ku_diff_row row = all->rows[i];
        if (row.count[0] + row.count[1] + row.count[2] == 0) continue;
        row.grew = row.count[1] > row.count[0] && (all->graph_count == 2 || row.count[2] > row.count[1]);
        made->rows[made->count++] = row;
    }
    qsort(made->rows, made->count, sizeof *made->rows, all->graph_count == 2 ? compare_two : compare_three);
    return made;
}

static bool is_asked_well(size_t count, ku_histogram_key key, ku_error *error) {
    bool known = key == KU_HISTOGRAM_TYPE || key == KU_HISTOGRAM_MODULE || key == KU_HISTOGRAM_SITE;
    return (known && count >= 2 && count <= KU_DIFF_GRAPHS) ||
           ku__inspect_fail(error, KU_INVALID, "two or three graphs are compared, by type, module or site");
}

ku_diff *ku_diff_new(const ku_graph *const *graphs, size_t count, ku_histogram_key key, ku_error *error) {
    unified rows = {0}, types = {0}, sites = {0};
    ku_diff *made = NULL;
    if (!is_asked_well(count, key, error)) return NULL;
    if (unify(&rows, key, graphs, count, error) && unify(&types, KU_HISTOGRAM_TYPE, graphs, count, error) &&
        unify(&sites, KU_HISTOGRAM_SITE, graphs, count, error)) {
        count_nodes(&rows);
        match_nodes(&rows, &types, &sites);
        made = collect(&rows, error);
    }
    release(&rows);
    release(&types);
    release(&sites);
    return made;
}

void ku_diff_delete(ku_diff *diff) {
    free(diff);
}
