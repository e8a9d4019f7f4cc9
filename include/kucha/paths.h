/* paths.h: how a node is reached: shortest chains of references, from the root or between two nodes, and the chains of
 * many nodes laid over each other.
 *
 * Chains through the places called "immortal" (what never dies) and "C or unknown" (holders that could not be seen)
 * explain little, so they count only for nodes that nothing else leads to, the second after the first.
 */
#ifndef KUCHA_PATHS_H
#define KUCHA_PATHS_H

#include <kucha/progress.h>
#include <kucha/selection.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The labels of the places that stand for what never dies, and for holders that could not be seen. */
#define KU_PATHS_IMMORTAL "immortal"
#define KU_PATHS_UNSEEN "C or unknown"

/* The tree of shortest paths from the root: 12 bytes a node. One made is read by any thread. */
typedef struct ku_paths ku_paths;

/* NULL with `error` filled: KU_NO_MEMORY, KU_STATE when `progress` stopped it. */
KU_API ku_paths *ku_paths_new(const ku_graph *graph, const ku_progress *progress, ku_error *error);
KU_API void ku_paths_delete(ku_paths *paths); /* NULL does nothing */

/* How many references the node is away from the root, which is 0; KU_GRAPH_NONE: not reached. */
KU_API uint32_t ku_paths_distance(const ku_paths *paths, uint32_t node);

/* The node before it on the shortest path; KU_GRAPH_NONE for the root and for what is not reached. */
KU_API uint32_t ku_paths_parent(const ku_paths *paths, uint32_t node);

/* ---- several paths to one node ---- */

typedef struct ku_path {
    uint32_t length; /* nodes of it, both ends included */
    const uint32_t *nodes;
} ku_path;

typedef struct ku_path_list {
    uint32_t count;
    ku_path *paths; /* shortest first */
} ku_path_list;

/* The `most` shortest paths from the root to a node that meet no node twice; none for a node that is not reached. Fills
 * in the graph's index of referrers. NULL with `error` filled: KU_NO_MEMORY. */
KU_API ku_path_list *ku_paths_to(const ku_paths *paths, ku_graph *graph, uint32_t node, uint32_t most, ku_error *error);

/* The shortest path from one node to another, as a list of one, or of none where there is none. Nodes in `avoid` are
 * not passed through (NULL: nothing is avoided). NULL with `error` filled: KU_NO_MEMORY. */
KU_API ku_path_list *ku_path_between(const ku_graph *graph, uint32_t from, uint32_t to, const ku_selection *avoid,
                                     ku_error *error);

KU_API void ku_path_list_delete(ku_path_list *list); /* NULL does nothing */

/* ---- paths of many nodes, merged ---- */

/* Nodes at the same place of the merged paths: they have one type, and so have their holders, all the way up to the
 * root. Places (a thread, a frame, "modules") stay apart, each is itself. */
typedef struct ku_merged_row {
    uint32_t parent;  /* row; always a lower number; KU_GRAPH_NONE for the root's, which is row 0 */
    uint32_t type;    /* number of the type */
    uint32_t example; /* a node of it */
    uint32_t through; /* different nodes at this place */
    uint64_t count;   /* nodes of the selection that are here or below, and their bytes */
    uint64_t bytes;
} ku_merged_row;

typedef struct ku_merged {
    uint32_t count;
    ku_merged_row *rows;
} ku_merged;

/* Lays the shortest paths of all nodes of the selection over each other. NULL with `error` filled: KU_NO_MEMORY,
 * KU_INVALID for a selection of another graph. */
KU_API ku_merged *ku_paths_merge(const ku_paths *paths, const ku_graph *graph, const ku_selection *selection,
                                 ku_error *error);
KU_API void ku_merged_delete(ku_merged *merged); /* NULL does nothing */

#ifdef __cplusplus
}
#endif

#endif
