/* dominators.c: retained sizes out of the dominator tree; see kucha/dominators.h, and tree.c for the tree.
 *
 * The order in which the tree's algorithm met the nodes has every node after its dominator. So one pass from its end
 * adds each node's bytes to its dominator's, and one pass forward lists the children of each.
 */
#include <kucha/dominators.h>

#include "inspect/graph.h"
#include "inspect/tree.h"

#include <stdlib.h>

struct ku_dominators {
    uint32_t nodes;
    uint32_t *parent;
    uint64_t *retained;
    uint32_t *held;
    uint32_t *first_child; /* nodes + 1: where the children of a node begin */
    uint32_t *children;
};

void ku_dominators_delete(ku_dominators *dominators) {
    if (dominators == NULL) return;
    size_t nodes = dominators->nodes;
    ku__array_unmap(dominators->parent, nodes, sizeof(uint32_t));
    ku__array_unmap(dominators->retained, nodes, sizeof(uint64_t));
    ku__array_unmap(dominators->held, nodes, sizeof(uint32_t));
    ku__array_unmap(dominators->first_child, nodes, sizeof(uint32_t));
    ku__array_unmap(dominators->children, nodes, sizeof(uint32_t));
    free(dominators);
}

static ku_dominators *allocate(uint32_t nodes, ku_error *error) {
    ku_dominators *made = calloc(1, sizeof *made);
    if (made == NULL) {
        ku__inspect_no_memory(error);
        return NULL;
    }
    made->nodes = nodes;
    made->parent = ku__array_map(nodes, sizeof(uint32_t));
    made->retained = ku__array_map(nodes, sizeof(uint64_t));
    made->held = ku__array_map(nodes, sizeof(uint32_t));
    made->first_child = ku__array_map(nodes, sizeof(uint32_t));
    made->children = ku__array_map(nodes, sizeof(uint32_t));
    if (made->parent != NULL && made->retained != NULL && made->held != NULL && made->first_child != NULL &&
        made->children != NULL)
        return made;
    ku_dominators_delete(made);
    ku__inspect_no_memory(error);
    return NULL;
}

static void add_up(ku_dominators *made, const ku_graph *graph, const uint32_t *order) {
    for (uint32_t v = 0; v < made->nodes; v++) made->retained[v] = ku__graph_size(graph, v);
    for (uint32_t i = made->nodes; i-- > 0;) {
        uint32_t node = order[i], above = made->parent[node];
        made->held[node]++;
        if (above == KU_GRAPH_NONE) continue;
        made->retained[above] += made->retained[node];
        made->held[above] += made->held[node];
    }
}

/* Counted, summed up, and filled from the end, so that children keep the order that they were met in. */
static void list_children(ku_dominators *made, const uint32_t *order) {
    uint32_t sum = 0;
    for (uint32_t v = 0; v < made->nodes; v++)
        if (made->parent[v] != KU_GRAPH_NONE) made->first_child[made->parent[v]]++;
    for (uint32_t v = 0; v < made->nodes; v++) made->first_child[v] = sum += made->first_child[v];
    made->first_child[made->nodes] = sum;
    for (uint32_t i = made->nodes; i-- > 0;) {
        uint32_t above = made->parent[order[i]];
        if (above != KU_GRAPH_NONE) made->children[--made->first_child[above]] = order[i];
    }
}

ku_dominators *ku_dominators_new(ku_graph *graph, const ku_progress *progress, ku_error *error) {
    if (!ku__tell(progress, "referrers", 0, 1, error) || !ku__graph_index_referrers(graph, error)) return NULL;
    ku_dominators *made = allocate(graph->nodes, error);
    if (made == NULL) return NULL;
    uint32_t *order = ku__array_map(graph->nodes, sizeof(uint32_t)), reached;
    ku__links links = {.nodes = graph->nodes, .first = graph->first, .target = graph->targets};
    ku__reversed reversed = {.first = graph->referrer_first, .source = graph->referrer_list};
    bool whole = order != NULL || ku__inspect_no_memory(error);
    whole = whole && ku__dominate(&links, &reversed, made->parent, order, &reached, progress, error);
    if (whole) {
        add_up(made, graph, order);
        list_children(made, order);
    }
    ku__array_unmap(order, graph->nodes, sizeof(uint32_t));
    if (whole) return made;
    ku_dominators_delete(made);
    return NULL;
}

/* ---- reading ---- */

uint32_t ku_dominators_parent(const ku_dominators *dominators, uint32_t node) {
    return dominators->parent[node];
}

uint64_t ku_dominators_retained(const ku_dominators *dominators, uint32_t node) {
    return dominators->retained[node];
}

uint32_t ku_dominators_held(const ku_dominators *dominators, uint32_t node) {
    return dominators->held[node];
}

const uint32_t *ku_dominators_children(const ku_dominators *dominators, uint32_t node, uint32_t *count) {
    *count = dominators->first_child[node + 1] - dominators->first_child[node];
    return dominators->children + dominators->first_child[node];
}

/* Larger first, then the lower node. */
static bool goes_before(const ku_dominators *d, uint32_t a, uint32_t b) {
    return d->retained[a] != d->retained[b] ? d->retained[a] > d->retained[b] : a < b;
}

/* A heap with the one to be thrown out first at its top. */
static void sift(const ku_dominators *d, uint32_t *heap, uint32_t count, uint32_t at) {
    for (;;) {
        uint32_t last = at, left = 2 * at + 1;
        if (left < count && goes_before(d, heap[last], heap[left])) last = left;
        if (left + 1 < count && goes_before(d, heap[last], heap[left + 1])) last = left + 1;
        if (last == at) return;
        uint32_t kept = heap[at];
        heap[at] = heap[last];
        heap[last] = kept;
        at = last;
    }
}

uint32_t ku_dominators_largest(const ku_dominators *dominators, uint32_t node, uint32_t *children, uint32_t capacity) {
    uint32_t all, count = 0;
    const uint32_t *list = ku_dominators_children(dominators, node, &all);
    if (capacity == 0) return 0;
    while (count < all && count < capacity) children[count] = list[count], count++;
    for (uint32_t i = count / 2; i-- > 0;) sift(dominators, children, count, i);
    for (uint32_t i = count; i < all; i++) {
        if (!goes_before(dominators, list[i], children[0])) continue;
        children[0] = list[i];
        sift(dominators, children, count, 0);
    }
    for (uint32_t left = count; left > 1;) { /* the heap sorts itself, last ones first */
        uint32_t last = children[0];
        children[0] = children[--left];
        children[left] = last;
        sift(dominators, children, left, 0);
    }
    return count;
}

bool ku_dominators_within(const ku_dominators *dominators, uint32_t above, uint32_t node) {
    while (node != above && node != KU_GRAPH_NONE) node = dominators->parent[node];
    return node == above;
}
