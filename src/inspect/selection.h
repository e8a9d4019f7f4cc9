/* selection.h: the words of a selection, for loops inside the library; kucha/selection.h has the notion.
 *
 * Invariant: bits beyond the last node are 0.
 */
#ifndef KU__SELECTION_H
#define KU__SELECTION_H

#include <kucha/selection.h>

struct ku_selection {
    uint32_t nodes;
    uint32_t words;
    uint64_t *bits;
};

static inline bool ku__selected(const ku_selection *selection, uint32_t node) {
    return selection == NULL || (selection->bits[node / 64] >> node % 64 & 1) != 0;
}

#endif
