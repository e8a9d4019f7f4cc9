/* histogram.h: how many objects of a graph there are, and how large they are, by what they have in common.
 *
 * One pass over the columns of the graph, and over nothing else: a few nanoseconds a node. Nodes that stand for places
 * (KU_NODE_PLACE) are left out, as they are no memory; objects that a type keeps for reuse (KU_NODE_FREE_LISTED) are
 * counted apart.
 */
#ifndef KUCHA_HISTOGRAM_H
#define KUCHA_HISTOGRAM_H

#include <kucha/selection.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum ku_histogram_key {
    KU_HISTOGRAM_TYPE,   /* key: number of the type */
    KU_HISTOGRAM_MODULE, /* number of the text that names the type's module; KU_GRAPH_NONE */
    KU_HISTOGRAM_SIZE,   /* most bytes of the class: multiples of 16 up to 512, powers of two above */
    KU_HISTOGRAM_SITE,   /* number of the birthplace, 0 unknown */
    KU_HISTOGRAM_AGE,    /* as the graph has it; KU_GRAPH_AGE_UNKNOWN */
    KU_HISTOGRAM_KEYS,
} ku_histogram_key;

typedef struct ku_histogram_row {
    uint64_t key;
    uint64_t count, bytes, slack; /* live nodes, their sizes, and what the allocator gave out beyond */
    uint64_t free_listed;         /* nodes that are dead and kept for reuse; in none of the others */
    uint64_t largest;             /* bytes of the largest */
    uint32_t example;             /* that node */
} ku_histogram_row;

typedef struct ku_histogram {
    size_t count;
    ku_histogram_row *rows; /* by bytes, largest first; then by key */
} ku_histogram;

/* Of the nodes in `selection`, or of all when it is NULL. NULL with `error` filled: KU_INVALID, KU_NO_MEMORY. */
KU_API ku_histogram *ku_histogram_new(const ku_graph *graph, ku_histogram_key key, const ku_selection *selection,
                                      ku_error *error);
KU_API void ku_histogram_delete(ku_histogram *histogram);

/* The key of a row for people: "dict", "json.decoder", "64 bytes", "parse (feed.py:12)", "3". Writes at most `size`
 * bytes, terminated; returns `out`. */
KU_API char *ku_histogram_text(const ku_graph *graph, ku_histogram_key key, uint64_t value, char *out, size_t size);

/* The name of a type with its module, but for builtins: "collections.OrderedDict", "dict"; the innermost line of a
 * birthplace: "parse (feed.py:12)". As above. */
KU_API char *ku_graph_type_text(const ku_graph *graph, uint32_t type, char *out, size_t size);
KU_API char *ku_graph_site_text(const ku_graph *graph, uint32_t site, char *out, size_t size);

/* A node for people: its label where it has one, else "dict at 0x7f..". As above. */
KU_API char *ku_graph_node_text(const ku_graph *graph, uint32_t node, char *out, size_t size);

#ifdef __cplusplus
}
#endif

#endif
