/* links.h: a graph as the algorithms see it: numbers that point at numbers; and memory for their arrays.
 *
 * The edges of node v are target[first[v]] up to, not including, target[first[v + 1]]. Node 0 is the root. The arrays
 * belong to the graph, in memory or in a mapped file.
 *
 * Arrays of the algorithms are mapped, not taken from malloc: an analysis inside a program must not disturb the heap
 * that it looks at; they arrive zeroed, and are touched only as far as used. Huge pages are asked for: nearly every
 * access is at random, and with 4 KiB pages each would miss the processor's table of pages too.
 */
#ifndef KU__LINKS_H
#define KU__LINKS_H

#include "os/pages.h"

#include <kucha/error.h>
#include <kucha/progress.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

typedef struct ku__links {
    uint32_t nodes;
    const uint32_t *first; /* nodes + 1 */
    const uint32_t *target;
} ku__links;

/* The same edges the other way round: of each node, the sources of the edges that lead to it. */
typedef struct ku__reversed {
    const uint32_t *first; /* nodes + 1 */
    const uint32_t *source;
} ku__reversed;

/* Below this an array is not worth a huge page. */
enum { KU__HUGE_WORTH = 4 << 20 };

static inline void *ku__array_map(size_t count, size_t item_size) {
    size_t bytes = (count + 1) * item_size; /* never of size 0 */
    void *array = ku__pages_map(bytes);
    if (array != NULL && bytes >= KU__HUGE_WORTH) ku__pages_advise_huge(array, bytes);
    return array;
}

static inline void ku__array_unmap(void *array, size_t count, size_t item_size) {
    ku__pages_unmap(array, (count + 1) * item_size);
}

/* Fills `error`, if any; returns false, for the caller to return. */
static inline bool ku__inspect_fail(ku_error *error, ku_code code, const char *sentence) {
    if (error != NULL) {
        *error = (ku_error){.code = code};
        snprintf(error->message, sizeof error->message, "%s", sentence);
    }
    return false;
}

static inline bool ku__inspect_no_memory(ku_error *error) {
    return ku__inspect_fail(error, KU_NO_MEMORY, "the system refused memory for the analysis of a heap");
}

/* Tells how far it is; false, with `error` filled, where the work is to stop. */
static inline bool ku__tell(const ku_progress *progress, const char *stage, size_t done, size_t all, ku_error *error) {
    double share = all == 0 ? 1 : (double)done / (double)all;
    if (progress == NULL || progress->tell == NULL || progress->tell(progress->context, stage, share)) return true;
    return ku__inspect_fail(error, KU_STATE, "the analysis was stopped");
}

/* Work is told of every so many nodes: often enough to look alive, seldom enough to cost nothing. */
enum { KU__TELL_EVERY = 1 << 18 };

#endif
