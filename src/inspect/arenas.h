/* arenas.h: where the nodes of an arena begin among those of a graph. Both are sorted by address. */
#ifndef KU__ARENAS_OF_GRAPH_H
#define KU__ARENAS_OF_GRAPH_H

#include "inspect/graph.h"

/* The first node at or above an address, from a node on that does not lie above it. */
uint32_t ku__graph_first_at(const ku_graph *graph, uint32_t from, uint64_t address);

/* Bytes of a node's block: with what the allocator gave out beyond. */
static inline uint64_t ku__graph_block_bytes(const ku_graph *graph, uint32_t node) {
    return ku__graph_size(graph, node) + ku__graph_slack(graph, node);
}

#endif
