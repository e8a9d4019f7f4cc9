/* reach.h: what the root reaches. */
#ifndef KU__REACH_H
#define KU__REACH_H

#include "inspect/graph.h"

/* Sets KU_NODE_DEAD on objects and buffers that nothing reaches from the root, but for those that their type keeps and
 * those of which nothing is known. For a graph that owns its columns. False with `error` filled when memory is
 * refused. */
bool ku__graph_mark_dead(ku_graph *graph, ku_error *error);

#endif
