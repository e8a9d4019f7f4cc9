/* referrers.c: who holds a node: the edges turned round, made at the first question and kept.
 *
 * A counting sort over targets: count, sum up, place. Two passes over the edges; referrers of a node come out in order
 * of address because nodes are visited so.
 */
#include "inspect/graph.h"

#include "os/failure.h"
#include "os/pages.h"

void ku__graph_forget_referrers(ku_graph *graph) {
    ku__pages_unmap(graph->referrer_first, ((size_t)graph->nodes + 2) * sizeof(uint32_t));
    ku__pages_unmap(graph->referrer_list, ((size_t)graph->edges + 1) * sizeof(uint32_t));
    graph->referrer_first = graph->referrer_list = NULL;
}

static bool take_memory(ku_graph *graph) {
    graph->referrer_first = ku__pages_map(((size_t)graph->nodes + 2) * sizeof(uint32_t));
    graph->referrer_list = ku__pages_map(((size_t)graph->edges + 1) * sizeof(uint32_t));
    if (graph->referrer_first != NULL && graph->referrer_list != NULL) {
        return true;
    }
    ku__graph_forget_referrers(graph);
    return false;
}

bool ku__graph_index_referrers(ku_graph *graph, ku_error *error) {
    if (graph->referrer_first != NULL) {
        return true;
    }
    if (!take_memory(graph)) {
        ku__error_format(error, KU_NO_MEMORY, 0, "no memory for an index of who holds what");
        return false;
    }
    uint32_t *next = graph->referrer_first + 1; /* one further on, so that placing leaves what is wanted behind */
    for (uint32_t edge = 0; edge < graph->edges; edge++) {
        next[graph->targets[edge] + 1]++;
    }
    uint32_t sum = 0;
    for (uint32_t node = 0; node <= graph->nodes; node++) {
        sum += next[node];
        next[node] = sum;
    }
    for (uint32_t node = 0; node < graph->nodes; node++) {
        for (uint32_t edge = graph->first[node]; edge < graph->first[node + 1]; edge++) {
            graph->referrer_list[next[graph->targets[edge]]++] = node;
        }
    }
    return true;
}

const uint32_t *ku_graph_referrers(const ku_graph *graph, uint32_t node, uint32_t *count, ku_error *error) {
    if (!ku__graph_index_referrers((ku_graph *)(uintptr_t)graph, error)) {
        *count = 0;
        return NULL;
    }
    return ku__graph_referrers(graph, node, count);
}
