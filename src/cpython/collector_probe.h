/* collector_probe.h: how much of what is tracked is dead, estimated from a few objects.
 *
 * A look at all objects costs some 20 nanoseconds for each, as much as a tenth of making one. Most heaps that grow are
 * full of what lives, and a few hundred objects tell so at a thousandth of that cost.
 *
 * Asking. A set of objects begins with those that are asked about, and grows by what they refer to, up to a limit.
 * References from within the set are taken off its objects' counts; whoever has references left, or is reached from
 * one that has, may live. All others are dead, whatever lies beyond the limit, since every reference to them was
 * seen. So an object that is found dead is dead; one that is not may be held by what is dead and was not asked
 * about.
 *
 * What a whole program shares is taken for alive, so that the set does not spread over the program: modules and their
 * dicts, classes, what has many references or many entries; and what is old, where the youngest are asked.
 *
 * Who is asked. What was made together mostly dies together, and what hangs on a dead cycle is found dead only with
 * that cycle in the set: so rows of objects are asked that were made one after the other. Every so many objects some
 * rows of the youngest are, and become known rows, of which each object ever made is in one with about the same
 * probability: when there are too many, every second one is dropped, and of later ones only every second is taken
 * up. What is known stands on the roll, which tells when it was freed.
 *
 * Lock: the GIL of the interpreter.
 */
#ifndef KU__COLLECTOR_PROBE_H
#define KU__COLLECTOR_PROBE_H

#include "cpython/facts_gc.h"

#include "cpython/collector_roll.h"

#if KU__FACTS_SUPPORTED

enum {
    KU__PROBE_ROW = 32,    /* objects: a record with what hangs on it, and some of a document */
    KU__PROBE_NEW = 2,     /* rows of the youngest that are asked at a time */
    KU__PROBE_KNOWN = 256, /* rows, at most */
    KU__PROBE_ASKED = 32, /* of them at a time: where a fifth of the rows is dead, all are missed once in 1,200 times */
};

typedef struct ku__row {
    PyObject *items[KU__PROBE_ROW]; /* NULL: none, or none that can be known */
} ku__row;

/* An object of the set. */
typedef struct ku__probed {
    PyObject *item;
    int32_t left; /* references that were not seen */
    bool lives;   /* or may */
} ku__probed;

typedef struct ku__probe {
    ku__row *known;
    size_t known_count;
    uint64_t come, step; /* of the rows that come every step-th is taken up; a power of two */
    uint64_t dice;

    ku__probed *set;
    uint32_t *places; /* hash table: number in the set + 1; 0 is empty */
    uint32_t *queue;  /* of numbers */
    size_t count, limit, queued;
    bool cut;              /* the set reached its limit */
    const ku_heap *heap;   /* NULL: none whose roll tells what is old */
    bool is_young;         /* only what is young comes into the set; else only what is on the roll */
    PyObject *passed_over; /* and so is this */
} ku__probe;

typedef struct ku__found {
    size_t asked, dead;
    bool cut; /* the answer is worth less: more may be dead */
} ku__found;

/* Asks about some of the youngest of a list, which become known; `heap` is NULL where no roll is kept, and nobody is
 * known. Nobody is asked when memory is refused. */
ku__found ku__probe_young(ku__probe *probe, const PyGC_Head *young, ku_heap *heap);

/* Asks about those that are known, and are still there. What is tracked is on the roll now. */
ku__found ku__probe_known(ku__probe *probe, const ku_heap *heap);

/* Gives back the memory that only a question needs; nothing is forgotten. And all memory. */
void ku__probe_rest(ku__probe *probe);
void ku__probe_close(ku__probe *probe);

#endif
#endif
