/* collector_guess.h: roots that nobody can name.
 *
 * What a running frame has on its evaluation stack is not known where the interpreter keeps the end of that stack in a
 * register: a list that a comprehension is filling, with the whole heap behind it. So the words that may belong to such
 * a stack are looked at, and those that are candidates still are marked from, tentatively, while the references to them
 * are counted: whoever has more references than the candidates together explain is held from outside, as the
 * interpreter itself would find, and is a root. What was marked from others is a candidate again.
 *
 * Where several mark at once an object may be looked at twice, and its references count twice: a guess is then taken
 * for explained that is a root, which costs time. None is counted too seldom, so none is taken for a root that is none.
 *
 * Lock: as collector_marker.h; counts are atomic.
 */
#ifndef KU__COLLECTOR_GUESS_H
#define KU__COLLECTOR_GUESS_H

#include "cpython/collector.h"
#include "cpython/collector_marker.h"

#if KU__FACTS_SUPPORTED

enum {
    KU__GUESSES_MOST = 64,  /* objects */
    KU__GUESS_PLACES = 256, /* of the table that says which they are: sparse, and small enough for the first cache */
};

typedef struct ku__guesses {
    const ku__marks *marks;
    size_t count;
    PyObject *items[KU__GUESSES_MOST];
    Py_ssize_t found[KU__GUESSES_MOST]; /* references from candidates */
    uint8_t table[KU__GUESS_PLACES];    /* number of the item + 1, by address; 0 is none */
} ku__guesses;

/* A tp_traverse's visitor: counts the reference if it is one to a guess. `argument` is the guesses. */
int ku__guess_count(PyObject *item, void *argument);

static inline uint64_t ku__guess_bit(const ku__lens *see, const PyObject *item) {
    return (uint64_t)1 << (((uintptr_t)item - see->base) >> KU__MARK_UNIT_BITS) % 64;
}

/* Marks from what running frames may hold. Afterwards no candidate is tracked no more: the number of those that were
 * taken for that. */
size_t ku__guesses_mark(ku__marker *by, ku__collector *collector);

#endif
#endif
