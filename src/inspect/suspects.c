/* suspects.c: accumulation points, and groups that retain much; see kucha/suspects.h.
 *
 * One walk over the dominator tree, from the root down and back up. On the way it is known how many nodes of each group
 * are open above: the retained size of a node counts for its group only where there is none, so nothing counts twice.
 */
#include <kucha/suspects.h>

#include "inspect/graph.h"
#include "inspect/links.h"

#include <stdlib.h>

/* A point whose largest child retains more than this part of it only passes on what that child holds. */
static const double passes_on = 0.8;

enum { OLD = 2 }; /* generation, or collections survived: what is younger may be about to go */

typedef struct group {
    ku_suspect sum;
    uint32_t open; /* nodes of it between the root and where the walk is */
} group;

typedef struct walk {
    const ku_graph *graph;
    const ku_dominators *tree;
    uint64_t least; /* bytes that make a suspect */
    group *types, *sites;
    uint32_t *stack, *next; /* nodes on the way from the root, and how many children of each were visited */
    ku_suspect *points;
    size_t point_count, point_room;
} walk;

/* ---- points ---- */

/* A place is no memory, and a buffer (a dict's table of keys, a list's items) is a part of its owner. */
static bool is_nobodys_suspect(const walk *w, uint32_t node) {
    return (w->graph->flags[node] & (KU_NODE_PLACE | KU_NODE_BUFFER)) != 0;
}

/* What the object among the node's children that retains most retains; its buffers are not asked. */
static uint64_t most_below(const walk *w, uint32_t node) {
    uint32_t count;
    uint64_t most = 0;
    const uint32_t *children = ku_dominators_children(w->tree, node, &count);
    for (uint32_t i = 0; i < count; i++) {
        uint64_t retained = ku_dominators_retained(w->tree, children[i]);
        if (retained > most && !is_nobodys_suspect(w, children[i])) most = retained;
    }
    return most;
}

static bool is_point(const walk *w, uint32_t node) {
    uint64_t retained = ku_dominators_retained(w->tree, node);
    return retained >= w->least && (double)most_below(w, node) < passes_on * (double)retained;
}

static bool add_point(walk *w, uint32_t node) {
    if (w->point_count == w->point_room) {
        size_t room = w->point_room * 2 + 16;
        ku_suspect *grown = realloc(w->points, room * sizeof *grown);
        if (grown == NULL) return false;
        w->points = grown;
        w->point_room = room;
    }
    w->points[w->point_count++] = (ku_suspect){.kind = KU_SUSPECT_POINT,
                                               .key = node,
                                               .example = node,
                                               .count = ku_dominators_held(w->tree, node),
                                               .retained = ku_dominators_retained(w->tree, node)};
    return true;
}

/* ---- groups ---- */

static void enter_group(const walk *w, group *into, uint32_t node) {
    uint64_t retained = ku_dominators_retained(w->tree, node);
    uint8_t age = w->graph->ages[node];
    if (into->open++ == 0) into->sum.retained += retained;
    if (into->sum.count++ == 0 || retained > ku_dominators_retained(w->tree, into->sum.example))
        into->sum.example = node;
    into->sum.old += age >= OLD && age != KU_GRAPH_AGE_UNKNOWN;
}

static bool enter(walk *w, uint32_t node) {
    if (is_nobodys_suspect(w, node)) return true;
    enter_group(w, &w->types[ku__graph_type(w->graph, node)], node);
    enter_group(w, &w->sites[ku__graph_site(w->graph, node)], node);
    return !is_point(w, node) || add_point(w, node);
}

static void leave(walk *w, uint32_t node) {
    if (is_nobodys_suspect(w, node)) return;
    w->types[ku__graph_type(w->graph, node)].open--;
    w->sites[ku__graph_site(w->graph, node)].open--;
}

/* From the root down and back, without recursion. */
static bool go(walk *w) {
    uint32_t depth = 0, count;
    w->stack[0] = KU_GRAPH_ROOT;
    for (;;) {
        uint32_t node = w->stack[depth];
        const uint32_t *children = ku_dominators_children(w->tree, node, &count);
        if (w->next[depth] < count) {
            uint32_t child = children[w->next[depth]++];
            if (!enter(w, child)) return false;
            w->stack[++depth] = child;
            w->next[depth] = 0;
            continue;
        }
        if (depth == 0) return true;
        leave(w, node);
        depth--;
    }
}

/* ---- the list ---- */

static int compare(const void *left, const void *right) {
    const ku_suspect *a = left, *b = right;
    if (a->retained != b->retained) return a->retained < b->retained ? 1 : -1;
    if (a->kind != b->kind) return a->kind < b->kind ? -1 : 1;
    return (a->key > b->key) - (a->key < b->key);
}

static void take_groups(ku_suspects *made, const walk *w, const group *groups, uint32_t from, uint32_t count,
                        ku_suspect_kind kind) {
    for (uint32_t i = from; i < count; i++) {
        if (groups[i].sum.count < 2 || groups[i].sum.retained < w->least) continue;
        made->list[made->count] = groups[i].sum;
        made->list[made->count].kind = kind;
        made->list[made->count++].key = i;
    }
}

static ku_suspects *collect(const walk *w) {
    size_t most = w->point_count + w->graph->types + w->graph->sites;
    ku_suspects *made = malloc(sizeof *made + (most + 1) * sizeof *made->list);
    if (made == NULL) return NULL;
    *made = (ku_suspects){.list = (ku_suspect *)(made + 1), .whole = ku_dominators_retained(w->tree, KU_GRAPH_ROOT)};
    for (size_t i = 0; i < w->point_count; i++) made->list[made->count++] = w->points[i];
    take_groups(made, w, w->types, 0, w->graph->types, KU_SUSPECT_TYPE);
    take_groups(made, w, w->sites, 1, w->graph->sites, KU_SUSPECT_SITE);
    qsort(made->list, made->count, sizeof *made->list, compare);
    return made;
}

ku_suspects *ku_suspects_new(const ku_graph *graph, const ku_dominators *dominators, double share, ku_error *error) {
    if (!(share > 0)) {
        ku__inspect_fail(error, KU_INVALID, "the share that makes a suspect must be above 0");
        return NULL;
    }
    walk w = {.graph = graph, .tree = dominators};
    w.least = (uint64_t)(share * (double)ku_dominators_retained(dominators, KU_GRAPH_ROOT));
    w.types = ku__array_map(graph->types, sizeof(group));
    w.sites = ku__array_map(graph->sites, sizeof(group));
    w.stack = ku__array_map(graph->nodes, sizeof(uint32_t));
    w.next = ku__array_map(graph->nodes, sizeof(uint32_t));
    bool whole = w.types != NULL && w.sites != NULL && w.stack != NULL && w.next != NULL && go(&w);
    ku_suspects *made = whole ? collect(&w) : NULL;
    ku__array_unmap(w.types, graph->types, sizeof(group));
    ku__array_unmap(w.sites, graph->sites, sizeof(group));
    ku__array_unmap(w.stack, graph->nodes, sizeof(uint32_t));
    ku__array_unmap(w.next, graph->nodes, sizeof(uint32_t));
    free(w.points);
    if (made == NULL) ku__inspect_no_memory(error);
    return made;
}

void ku_suspects_delete(ku_suspects *suspects) {
    free(suspects);
}
