/* paths.h: the tree of shortest paths, for loops inside the library; kucha/paths.h has the notions. */
#ifndef KU__PATHS_H
#define KU__PATHS_H

#include <kucha/paths.h>

struct ku_paths {
    uint32_t nodes, reached;
    uint32_t *parent;   /* KU_GRAPH_NONE for the root and where nothing leads */
    uint32_t *distance; /* KU_GRAPH_NONE: not reached */
    uint32_t *order;    /* `reached` nodes by the time they were met: each comes after its parent */
};

#endif
