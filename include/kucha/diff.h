/* diff.h: what changed between two or three graphs of one program.
 *
 * Rows are types, modules or birthplaces, matched by their names. A node is taken for the same object in two graphs
 * when address, type and birthplace are the same: an address is used again, though seldom by an object that was born at
 * the same place and is of the same type. With three graphs, what grew from each to the next is told from what only
 * went up and down.
 */
#ifndef KUCHA_DIFF_H
#define KUCHA_DIFF_H

#include <kucha/histogram.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { KU_DIFF_GRAPHS = 3 };

typedef struct ku_diff_row {
    uint32_t graph; /* a graph that has the key, as an index */
    uint32_t key;   /* number there: of the type, the module's text, the birthplace */
    uint64_t count[KU_DIFF_GRAPHS], bytes[KU_DIFF_GRAPHS];
    uint64_t born, gone, kept; /* nodes: only in the last graph, only in the first, in both */
    uint64_t born_bytes;       /* sizes of those born */
    bool grew;                 /* more nodes in every graph than in the one before */
} ku_diff_row;

typedef struct ku_diff {
    size_t graphs, count;
    ku_diff_row *rows; /* by what they grew in bytes from the first to the last graph, most first */
} ku_diff;

/* Compares two or three graphs, oldest first, by type, module or birthplace. NULL with `error` filled: KU_INVALID,
 * KU_NO_MEMORY. */
KU_API ku_diff *ku_diff_new(const ku_graph *const *graphs, size_t count, ku_histogram_key key, ku_error *error);
KU_API void ku_diff_delete(ku_diff *diff); /* NULL does nothing */

#ifdef __cplusplus
}
#endif

#endif
