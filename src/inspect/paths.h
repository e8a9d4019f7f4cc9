/* paths.h: the tree of shortest paths, for loops inside the library; kucha/paths.h has the notions. */
#ifndef KU__PATHS_H
#define KU__PATHS_H

#include <kucha/paths.h>

enum { KU__PATH_RESORTS = 2 };

struct ku_paths {
    uint32_t nodes, reached;
    uint32_t resorts[KU__PATH_RESORTS]; /* places that explain little, best first; KU_GRAPH_NONE: not there */
    uint32_t *parent;                   /* KU_GRAPH_NONE for the root and where nothing leads */
    uint32_t *distance;                 /* KU_GRAPH_NONE: not reached */
    uint32_t *order;                    /* `reached` nodes by the time they were met: each comes after its parent */
};

/* Whether the node is a place that is gone through only where nothing else leads to what it holds. */
static inline bool ku__path_waits(const ku_paths *paths, uint32_t node) {
    return node == paths->resorts[0] || node == paths->resorts[1];
}

#endif
