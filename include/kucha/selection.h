/* selection.h: a set of nodes of one graph.
 *
 * What a query finds, what a histogram or merged paths are asked about, and what set algebra over heaps is made of. One
 * bit a node. A selection refers to no graph: it fits every graph that has as many nodes, and means something for the
 * one it was made for. Reading is for any thread, changing for one.
 */
#ifndef KUCHA_SELECTION_H
#define KUCHA_SELECTION_H

#include <kucha/graph.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct ku_selection ku_selection;

typedef enum ku_selection_operation {
    KU_SELECTION_AND,
    KU_SELECTION_OR,
    KU_SELECTION_MINUS,
    KU_SELECTION_XOR,
} ku_selection_operation;

/* An empty set over nodes 0 to nodes - 1, or all of them. NULL with `error` filled: KU_NO_MEMORY. */
KU_API ku_selection *ku_selection_new(uint32_t nodes, bool full, ku_error *error);
KU_API ku_selection *ku_selection_copy(const ku_selection *selection, ku_error *error);

/* NULL does nothing. */
KU_API void ku_selection_delete(ku_selection *selection);

/* Nodes that the set is over, and nodes in it. */
KU_API uint32_t ku_selection_nodes(const ku_selection *selection);
KU_API uint32_t ku_selection_count(const ku_selection *selection);

/* `node` must be below ku_selection_nodes(). */
KU_API void ku_selection_add(ku_selection *selection, uint32_t node);
KU_API void ku_selection_remove(ku_selection *selection, uint32_t node);
KU_API bool ku_selection_has(const ku_selection *selection, uint32_t node);

/* The first node of the set that is not below `from`; KU_GRAPH_NONE. */
KU_API uint32_t ku_selection_next(const ku_selection *selection, uint32_t from);

/* Changes `into` by `other`, which must be over as many nodes. */
KU_API void ku_selection_combine(ku_selection *into, ku_selection_operation operation, const ku_selection *other);

/* Sum of the sizes of its nodes, in bytes. */
KU_API uint64_t ku_selection_bytes(const ku_selection *selection, const ku_graph *graph);

/* What would go if all of the set went: the bytes, and the nodes (in *held, unless NULL), that the root reaches only
 * through the set, its members included. One search over the graph. 0 with `error` filled when memory was refused. */
KU_API uint64_t ku_selection_retained(const ku_selection *selection, const ku_graph *graph, uint32_t *held,
                                      ku_error *error);

#ifdef __cplusplus
}
#endif

#endif
