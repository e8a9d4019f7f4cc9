/* paths.c: shortest paths from the root, and between two nodes; see kucha/paths.h.
 *
 * Breadth-first search; the queue is the order in which nodes are met. Places that explain little wait until nothing
 * else is left to look at, and then lead to whatever was not met yet: first that of what never dies, then that of
 * unseen holders.
 */
#include "inspect/paths.h"

#include "inspect/graph.h"
#include "inspect/links.h"
#include "inspect/selection.h"

#include <stdlib.h>
#include <string.h>

enum { AHEAD = 8 }; /* edges whose target is fetched early */

void ku_paths_delete(ku_paths *paths) {
    if (paths == NULL) return;
    ku__array_unmap(paths->parent, paths->nodes, sizeof(uint32_t));
    ku__array_unmap(paths->distance, paths->nodes, sizeof(uint32_t));
    ku__array_unmap(paths->order, paths->nodes, sizeof(uint32_t));
    free(paths);
}

static ku_paths *allocate(uint32_t nodes, ku_error *error) {
    ku_paths *made = calloc(1, sizeof *made);
    if (made != NULL) {
        made->nodes = nodes;
        made->parent = ku__array_map(nodes, sizeof(uint32_t));
        made->distance = ku__array_map(nodes, sizeof(uint32_t));
        made->order = ku__array_map(nodes, sizeof(uint32_t));
    }
    if (made == NULL || made->parent == NULL || made->distance == NULL || made->order == NULL) {
        ku_paths_delete(made);
        ku__inspect_no_memory(error);
        return NULL;
    }
    memset(made->parent, 0xff, nodes * sizeof(uint32_t));
    memset(made->distance, 0xff, nodes * sizeof(uint32_t));
    return made;
}

static bool is_place(const ku_graph *graph, uint32_t node, const char *name) {
    if ((graph->flags[node] & KU_NODE_PLACE) == 0) return false;
    ku_node read;
    ku_graph_node_read(graph, node, &read);
    ku_text label = ku_graph_text(graph, read.label);
    return label.size == strlen(name) && memcmp(label.bytes, name, label.size) == 0;
}

static void meet(ku_paths *paths, uint32_t node, uint32_t parent) {
    paths->parent[node] = parent;
    paths->distance[node] = parent == KU_GRAPH_NONE ? 0 : paths->distance[parent] + 1;
    paths->order[paths->reached++] = node;
}

/* Meets everything that the queue from `at` on leads to. Places that wait are met, and not gone through. */
static bool spread(ku_paths *paths, const ku_graph *graph, uint32_t at, const ku_progress *progress, ku_error *error) {
    for (; at < paths->reached; at++) {
        uint32_t count, node = paths->order[at];
        if (ku__path_waits(paths, node)) continue;
        const uint32_t *targets = ku__graph_targets(graph, node, &count);
        for (uint32_t i = 0; i < count; i++) {
            if (i + AHEAD < count) __builtin_prefetch(&paths->distance[targets[i + AHEAD]]);
            if (paths->distance[targets[i]] == KU_GRAPH_NONE) meet(paths, targets[i], node);
        }
        if (at % KU__TELL_EVERY == 0 && !ku__tell(progress, "paths", at, graph->nodes, error)) return false;
    }
    return true;
}

/* Meets what a place that waited holds and nothing else led to, and all that is behind it. */
static bool resort_to(ku_paths *paths, const ku_graph *graph, uint32_t place, const ku_progress *progress,
                      ku_error *error) {
    uint32_t count, end = paths->reached;
    if (place == KU_GRAPH_NONE) return true;
    const uint32_t *targets = ku__graph_targets(graph, place, &count);
    for (uint32_t i = 0; i < count; i++)
        if (paths->distance[targets[i]] == KU_GRAPH_NONE) meet(paths, targets[i], place);
    return spread(paths, graph, end, progress, error);
}

/* Places lie next to the root: the one of this name is a target of it, if it is there. */
static uint32_t find_place(const ku_graph *graph, const char *name) {
    uint32_t count;
    const uint32_t *targets = ku__graph_targets(graph, KU_GRAPH_ROOT, &count);
    for (uint32_t i = 0; i < count; i++)
        if (is_place(graph, targets[i], name)) return targets[i];
    return KU_GRAPH_NONE;
}

ku_paths *ku_paths_new(const ku_graph *graph, const ku_progress *progress, ku_error *error) {
    static const char *const resorts[KU__PATH_RESORTS] = {KU_PATHS_IMMORTAL, KU_PATHS_UNSEEN};
    ku_paths *made = allocate(graph->nodes, error);
    if (made == NULL) return NULL;
    for (int i = 0; i < KU__PATH_RESORTS; i++) made->resorts[i] = find_place(graph, resorts[i]);
    meet(made, KU_GRAPH_ROOT, KU_GRAPH_NONE);
    bool whole = spread(made, graph, 0, progress, error);
    for (int i = 0; i < KU__PATH_RESORTS; i++)
        whole = whole && resort_to(made, graph, made->resorts[i], progress, error);
    if (whole) return made;
    ku_paths_delete(made);
    return NULL;
}

uint32_t ku_paths_distance(const ku_paths *paths, uint32_t node) {
    return paths->distance[node];
}

uint32_t ku_paths_parent(const ku_paths *paths, uint32_t node) {
    return paths->parent[node];
}

/* ---- between two nodes ---- */

/* `parent` is KU_GRAPH_NONE where nothing was met; the start is its own. True when `to` was met. */
static bool search(const ku_graph *graph, uint32_t from, uint32_t to, const ku_selection *avoid, uint32_t *parent,
                   uint32_t *queue) {
    uint32_t met = 0;
    parent[from] = from;
    queue[met++] = from;
    for (uint32_t at = 0; at < met && parent[to] == KU_GRAPH_NONE; at++) {
        uint32_t count;
        const uint32_t *targets = ku__graph_targets(graph, queue[at], &count);
        for (uint32_t i = 0; i < count; i++) {
            uint32_t next = targets[i];
            if (parent[next] != KU_GRAPH_NONE) continue;
            if (avoid != NULL && next != to && ku__selected(avoid, next)) continue;
            parent[next] = queue[at];
            queue[met++] = next;
        }
    }
    return parent[to] != KU_GRAPH_NONE;
}

/* One path, from its last node back along `parent`, in one block with the list. */
static ku_path_list *one_path(const uint32_t *parent, uint32_t to, bool found, ku_error *error) {
    uint32_t length = 0;
    for (uint32_t v = to; found; v = parent[v]) {
        length++;
        if (parent[v] == v) break;
    }
    ku_path_list *list = malloc(sizeof *list + sizeof(ku_path) + length * sizeof(uint32_t));
    if (list == NULL) {
        ku__inspect_no_memory(error);
        return NULL;
    }
    *list = (ku_path_list){.count = found, .paths = (ku_path *)(list + 1)};
    uint32_t *nodes = (uint32_t *)(list->paths + 1);
    list->paths[0] = (ku_path){.length = length, .nodes = nodes};
    for (uint32_t v = to, i = length; i-- > 0; v = parent[v]) nodes[i] = v;
    return list;
}

ku_path_list *ku_path_between(const ku_graph *graph, uint32_t from, uint32_t to, const ku_selection *avoid,
                              ku_error *error) {
    uint32_t *parent = ku__array_map(graph->nodes, sizeof(uint32_t));
    uint32_t *queue = ku__array_map(graph->nodes, sizeof(uint32_t));
    ku_path_list *list = NULL;
    if (parent == NULL || queue == NULL) {
        ku__inspect_no_memory(error);
    } else {
        memset(parent, 0xff, graph->nodes * sizeof(uint32_t));
        list = one_path(parent, to, search(graph, from, to, avoid, parent, queue), error);
    }
    ku__array_unmap(parent, graph->nodes, sizeof(uint32_t));
    ku__array_unmap(queue, graph->nodes, sizeof(uint32_t));
    return list;
}

void ku_path_list_delete(ku_path_list *list) {
    free(list);
}
