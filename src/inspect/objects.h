/* objects.h: what partitions know of the objects of a graph beyond the graph; kucha/partition.h has the notions. */
#ifndef KU__INSPECT_OBJECTS_H
#define KU__INSPECT_OBJECTS_H

#include <kucha/partition.h>

#include "inspect/graph.h"
#include "inspect/selection.h"

struct ku_objects {
    const ku_graph *graph;
    ku_selection *alive, *stray;
    ku_selection *hidden; /* NULL */
    uint32_t *owner;      /* by node: the owner of a namespace or of a buffer, 0 for none: the root owns nothing */
    uint32_t dict_type;   /* KU_GRAPH_NONE */
    uint8_t *shape_parts; /* by shape: KU__SHAPE_... */
};

enum {
    KU__SHAPE_BUFFERS = 1, /* nodes of this shape may own buffers */
    KU__SHAPE_SPACE = 2,   /* and have a namespace */
};

/* Whether the node is what the language calls an object, alive or not. */
static inline bool ku__is_object(const ku_graph *graph, uint32_t node) {
    const uint8_t none = KU_NODE_FREE_LISTED | KU_NODE_BUFFER | KU_NODE_UNKNOWN | KU_NODE_PLACE;
    return (graph->flags[node] & none) == 0;
}

/* Whether the node's references count as those of a holder: an object that lives, or a frame that runs. */
bool ku__is_holder(const ku_objects *objects, uint32_t node);

/* False with `error` filled where the selection is of another graph. */
bool ku__selection_fits(const ku_graph *graph, const ku_selection *selection, ku_error *error);

#endif
