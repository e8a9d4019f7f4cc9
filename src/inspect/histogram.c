/* histogram.c: counts by type, module, size, birthplace, age; see kucha/histogram.h.
 *
 * Every key is turned into an index into a table of rows that is as large as keys can be, so that a node costs a few
 * loads and adds; empty rows are squeezed out at the end.
 */
#include <kucha/histogram.h>

#include "inspect/graph.h"
#include "inspect/links.h"
#include "inspect/selection.h"

#include <stdlib.h>

enum {
    SMALL_STEP = 16, /* classes of the allocator */
    SMALL_MOST = 512,
    SMALL_CLASSES = SMALL_MOST / SMALL_STEP + 1,
    SIZE_CLASSES = SMALL_CLASSES + 64,
    AGES = 256,
};

static uint32_t size_class(uint64_t size) {
    if (size <= SMALL_MOST) return (uint32_t)((size + SMALL_STEP - 1) / SMALL_STEP);
    return SMALL_CLASSES + 63 - (uint32_t)__builtin_clzll(size - 1); /* 2^k < size <= 2^(k+1) has k */
}

static uint64_t class_most(uint32_t index) {
    if (index < SMALL_CLASSES) return (uint64_t)index * SMALL_STEP;
    return index - SMALL_CLASSES >= 63 ? UINT64_MAX : (uint64_t)2 << (index - SMALL_CLASSES);
}

/* ---- indices ---- */

typedef struct counting {
    const ku_graph *graph;
    ku_histogram_key key;
    ku_histogram_row *rows;
    size_t capacity;
} counting;

static size_t capacity_of(const ku_graph *graph, ku_histogram_key key) {
    switch (key) {
    case KU_HISTOGRAM_TYPE: return graph->types;
    case KU_HISTOGRAM_MODULE: return (size_t)graph->texts + 1; /* the last for none */
    case KU_HISTOGRAM_SIZE: return SIZE_CLASSES;
    case KU_HISTOGRAM_SITE: return (size_t)graph->sites + 1;
    case KU_HISTOGRAM_AGE: return AGES;
    default: return 0;
    }
}

static size_t module_index(const ku_graph *graph, uint32_t node) {
    uint32_t module = graph->type_table[ku__graph_type(graph, node)].module;
    return module == KU_GRAPH_NONE ? graph->texts : module;
}

static size_t index_of(const ku_graph *graph, ku_histogram_key key, uint32_t node, uint64_t size) {
    switch (key) {
    case KU_HISTOGRAM_TYPE: return ku__graph_type(graph, node);
    case KU_HISTOGRAM_MODULE: return module_index(graph, node);
    case KU_HISTOGRAM_SIZE: return size_class(size);
    case KU_HISTOGRAM_SITE: return ku__graph_site(graph, node);
    default: return graph->ages[node];
    }
}

static uint64_t key_of(const counting *work, size_t index) {
    switch (work->key) {
    case KU_HISTOGRAM_MODULE: return index == work->graph->texts ? KU_GRAPH_NONE : index;
    case KU_HISTOGRAM_SIZE: return class_most((uint32_t)index);
    default: return index;
    }
}

/* ---- counting ---- */

static inline void count_node(counting *work, uint32_t node) {
    uint8_t flags = work->graph->flags[node];
    if ((flags & KU_NODE_PLACE) != 0) return;
    uint64_t size = ku__graph_size(work->graph, node);
    ku_histogram_row *row = &work->rows[index_of(work->graph, work->key, node, size)];
    if ((flags & KU_NODE_FREE_LISTED) != 0) {
        row->free_listed++;
        return;
    }
    row->count++;
    row->bytes += size;
    row->slack += ku__graph_slack(work->graph, node);
    if (size > row->largest) {
        row->largest = size;
        row->example = node;
    }
}

static void count_nodes(counting *work, const ku_selection *selection) {
    if (selection == NULL) {
        for (uint32_t v = 0; v < work->graph->nodes; v++) count_node(work, v);
    } else {
        for (uint32_t v = 0; (v = ku_selection_next(selection, v)) != KU_GRAPH_NONE; v++) count_node(work, v);
    }
}

static int compare_rows(const void *left, const void *right) {
    const ku_histogram_row *a = left, *b = right;
    if (a->bytes != b->bytes) return a->bytes < b->bytes ? 1 : -1;
    return a->key < b->key ? -1 : a->key > b->key;
}

static ku_histogram *squeeze(const counting *work, ku_error *error) {
    size_t count = 0;
    for (size_t i = 0; i < work->capacity; i++) count += work->rows[i].count + work->rows[i].free_listed != 0;
    ku_histogram *made = malloc(sizeof *made + count * sizeof *made->rows);
    if (made == NULL) {
        ku__inspect_no_memory(error);
        return NULL;
    }
    *made = (ku_histogram){.rows = (ku_histogram_row *)(made + 1)};
    for (size_t i = 0; i < work->capacity; i++) {
        if (work->rows[i].count + work->rows[i].free_listed == 0) continue;
        made->rows[made->count] = work->rows[i];
        made->rows[made->count++].key = key_of(work, i);
    }
    qsort(made->rows, made->count, sizeof *made->rows, compare_rows);
    return made;
}

ku_histogram *ku_histogram_new(const ku_graph *graph, ku_histogram_key key, const ku_selection *selection,
                               ku_error *error) {
    counting work = {.graph = graph, .key = key, .capacity = capacity_of(graph, key)};
    if ((unsigned)key >= KU_HISTOGRAM_KEYS || (selection != NULL && selection->nodes != graph->nodes)) {
        ku__inspect_fail(error, KU_INVALID, "no such key of a histogram, or a selection of another graph");
        return NULL;
    }
    work.rows = ku__array_map(work.capacity, sizeof *work.rows);
    if (work.rows == NULL) {
        ku__inspect_no_memory(error);
        return NULL;
    }
    count_nodes(&work, selection);
    ku_histogram *made = squeeze(&work, error);
    ku__array_unmap(work.rows, work.capacity, sizeof *work.rows);
    return made;
}

void ku_histogram_delete(ku_histogram *histogram) {
    free(histogram);
}
