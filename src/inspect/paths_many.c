/* paths_many.c: the k shortest paths from the root to one node; see kucha/paths.h.
 *
 * Backwards from the node, best first: a *walk* is a node and the walk it continues; its promise is what it has come so
 * far plus the distance of its node from the root, which the tree of shortest paths knows exactly. So walks that are
 * taken up in order of promise reach the root in order of length (Hart, Nilsson and Raphael, "A formal basis for the
 * heuristic determination of minimum cost paths", 1968), and nearly only nodes of the answers are looked at. Of a walk
 * that would meet a node twice nothing is kept.
 *
 * A heap can have more paths than anybody can try, where fewer are asked for than there are of short ones. So there are
 * limits, far beyond what an answer of some paths needs: holders of one node, walks through one node, walks.
 */
#include "inspect/paths.h"

#include "inspect/graph.h"
#include "inspect/links.h"

#include <stdlib.h>
#include <string.h>

/* Holders that are looked at of one node (None has millions), walks through one node, and walks altogether, of 20 bytes
 * each. What is left out are long ways round; the shortest path itself is always among what is kept (see extend()). */
enum { HOLDERS_MOST = 100000, THROUGH_MOST = 1000, WALKS_MOST = 2000000 };

typedef struct walk {
    uint32_t node;
    uint32_t from;    /* the walk that it continues, nearer to the goal; KU_GRAPH_NONE for the goal itself */
    uint32_t steps;   /* from the goal */
    uint32_t promise; /* steps and what is left to the root */
} walk;

typedef struct hunt {
    const ku_paths *paths;
    const ku_graph *graph;
    walk *walks;     /* room for WALKS_MOST, touched as far as used */
    uint32_t *queue; /* a heap of walks, the least promise first */
    uint16_t *taken; /* by node: how often it was taken up */
    uint32_t made, waiting, most;
    uint32_t *found; /* walks that reached the root */
    uint32_t found_count;
} hunt;

static bool before(const hunt *work, uint32_t a, uint32_t b) {
    const walk *left = &work->walks[a], *right = &work->walks[b];
    return left->promise != right->promise ? left->promise < right->promise : a < b;
}

static void put(hunt *work, uint32_t number) {
    uint32_t at = work->waiting++;
    while (at > 0 && before(work, number, work->queue[(at - 1) / 2])) {
        work->queue[at] = work->queue[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    work->queue[at] = number;
}

static uint32_t take(hunt *work) {
    uint32_t first = work->queue[0], last = work->queue[--work->waiting], at = 0;
    for (;;) {
        uint32_t child = 2 * at + 1;
        if (child >= work->waiting) break;
        if (child + 1 < work->waiting && before(work, work->queue[child + 1], work->queue[child])) child++;
        if (!before(work, work->queue[child], last)) break;
        work->queue[at] = work->queue[child];
        at = child;
    }
    work->queue[at] = last;
    return first;
}

static bool was_met(const hunt *work, uint32_t number, uint32_t node) {
    for (; number != KU_GRAPH_NONE; number = work->walks[number].from)
        if (work->walks[number].node == node) return true;
    return false;
}

static void start(hunt *work, uint32_t node, uint32_t from) {
    if (work->made == WALKS_MOST) return;
    uint32_t steps = from == KU_GRAPH_NONE ? 0 : work->walks[from].steps + 1;
    work->walks[work->made] =
        (walk){.node = node, .from = from, .steps = steps, .promise = steps + work->paths->distance[node]};
    put(work, work->made++);
}

/* The next node of the shortest path first, so that no limit leaves it out. */
static void extend(hunt *work, uint32_t number) {
    uint32_t count, last = KU_GRAPH_NONE, node = work->walks[number].node, best = work->paths->parent[node];
    const uint32_t *referrers = ku__graph_referrers(work->graph, node, &count);
    if (best != KU_GRAPH_NONE && !was_met(work, number, best)) start(work, best, number);
    for (uint32_t i = 0; i < count && i < HOLDERS_MOST; i++) {
        uint32_t holder = referrers[i];
        if (holder == last || holder == best || work->paths->distance[holder] == KU_GRAPH_NONE) continue;
        if (ku__path_waits(work->paths, holder)) continue;
        last = holder;
        if (work->taken[holder] < THROUGH_MOST && !was_met(work, number, holder)) start(work, holder, number);
    }
}

static void go(hunt *work, uint32_t node) {
    if (work->paths->distance[node] == KU_GRAPH_NONE) return;
    start(work, node, KU_GRAPH_NONE);
    while (work->waiting > 0 && work->found_count < work->most) {
        uint32_t number = take(work), at = work->walks[number].node;
        if (at == KU_GRAPH_ROOT) {
            work->found[work->found_count++] = number;
        } else if (work->taken[at] < THROUGH_MOST) {
            work->taken[at]++;
            extend(work, number);
        }
    }
}

/* The list, its paths and their nodes in one block. */
static ku_path_list *collect(const hunt *work) {
    size_t nodes = 0;
    for (uint32_t i = 0; i < work->found_count; i++) nodes += work->walks[work->found[i]].steps + (size_t)1;
    ku_path_list *list = malloc(sizeof *list + work->found_count * sizeof(ku_path) + nodes * sizeof(uint32_t));
    if (list == NULL) return NULL;
    *list = (ku_path_list){.count = work->found_count, .paths = (ku_path *)(list + 1)};
    uint32_t *next = (uint32_t *)(list->paths + work->found_count);
    for (uint32_t i = 0; i < work->found_count; i++) {
        list->paths[i] = (ku_path){.length = work->walks[work->found[i]].steps + 1, .nodes = next};
        for (uint32_t w = work->found[i]; w != KU_GRAPH_NONE; w = work->walks[w].from) *next++ = work->walks[w].node;
    }
    return list;
}

enum { PATHS_MOST = 1000 }; /* nobody reads more */

ku_path_list *ku_paths_to(const ku_paths *paths, ku_graph *graph, uint32_t node, uint32_t most, ku_error *error) {
    if (!ku__graph_index_referrers(graph, error)) return NULL;
    uint32_t found[PATHS_MOST];
    hunt work = {.paths = paths, .graph = graph, .found = found, .most = most < PATHS_MOST ? most : PATHS_MOST};
    work.walks = ku__pages_map(WALKS_MOST * sizeof(walk));
    work.queue = ku__pages_map(WALKS_MOST * sizeof(uint32_t));
    work.taken = ku__array_map(graph->nodes, sizeof(uint16_t));
    ku_path_list *list = NULL;
    if (work.walks != NULL && work.queue != NULL && work.taken != NULL) {
        go(&work, node);
        list = collect(&work);
    }
    ku__pages_unmap(work.walks, WALKS_MOST * sizeof(walk));
    ku__pages_unmap(work.queue, WALKS_MOST * sizeof(uint32_t));
    ku__array_unmap(work.taken, graph->nodes, sizeof(uint16_t));
    if (list == NULL) ku__inspect_no_memory(error);
    return list;
}
