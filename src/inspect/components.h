/* components.h: strongly connected components: the sets of nodes each of which can be reached from every other; and the
 * shortest cycle through a node.
 *
 * Source: R. E. Tarjan, "Depth-first search and linear graph algorithms", SIAM Journal on Computing 1(2), 1972; with a
 * path of its own in place of recursion, so that a list of a million nodes needs no stack of the system's.
 */
#ifndef KU__COMPONENTS_H
#define KU__COMPONENTS_H

#include "inspect/links.h"

#include <stdbool.h>

/* No node, and no component. */
#define KU__COMPONENT_NONE UINT32_MAX

typedef struct ku__components {
    uint32_t nodes, count;
    uint32_t *of;      /* by node: its component; higher than those of all components that it refers to */
    uint32_t *first;   /* count + 1: where a component's members begin */
    uint32_t *members; /* ascending within a component */
    uint32_t *from;    /* of ku__components_cycle(): who led to the node; KU__COMPONENT_NONE between calls */
    uint32_t *row;     /* likewise: the nodes that were met */
    uint32_t *cycle;   /* its result */
    uint32_t *memory;  /* all of it, and what the search needed */
    size_t bytes;
} ku__components;

/* Finds the components; node 0 is a node like all others. In time and memory linear in nodes and edges. `components` is
 * zero, or what an earlier call left, whose memory is then used again if it is enough. False when the system refuses
 * memory: nothing is to be closed then. */
bool ku__components_find(const ku__links *links, ku__components *components);
void ku__components_close(ku__components *components);

/* Whether the component has a cycle: more than one member, or one that refers to itself. */
bool ku__components_cyclic(const ku__links *links, const ku__components *components, uint32_t component);

/* A shortest cycle through the node: each refers to the next, and the last one to the first, which is `start`. NULL:
 * there is none. Good until the next call. In time linear in the component. */
const uint32_t *ku__components_cycle(const ku__links *links, ku__components *components, uint32_t start,
                                     uint32_t *length);

#endif
