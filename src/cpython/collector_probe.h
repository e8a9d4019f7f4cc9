/* collector_probe.h: how much of what is tracked is dead, estimated from a few objects.
 *
 * A look at all objects costs some 20 nanoseconds for each, as much as a tenth of making one. Most heaps that grow are
 * full of what lives, and a few hundred objects tell so at a thousandth of that cost.
 *
 * Asking. A set of objects begins with those that are asked about, and grows by what they refer to, up to a limit.
 * References from within the set are taken off its objects' counts; whoever has references left, or is reached from one
 * that has, may live. All others are dead, whatever lies beyond the limit, since every reference to them was seen. So an
 * object that is found dead is dead; one that is not may be held by what is dead and was not asked about.
 *
 * What has more than MANY references (classes, modules' dicts, what a whole program shares) is taken for alive, so that
 * the set does not spread over the program by way of its code.
 *
 * Who is asked. Every so many objects some of the youngest are asked, and put on a list of known objects, of which each
 * object ever made is one with about the same probability: where the list is full, every second one is dropped, and
 * every second one of those that come later. They stand on the roll, which tells when one was freed.
 *
 * Lock: the GIL of the interpreter.
 */
#ifndef KU__COLLECTOR_PROBE_H
#define KU__COLLECTOR_PROBE_H

#include "cpython/facts_gc.h"

#include "cpython/collector_roll.h"

#if KU__FACTS_SUPPORTED

enum {
    KU__PROBE_NEW = 32,     /* of the youngest are asked at a time */
    KU__PROBE_KNOWN = 2048, /* on the list */
    KU__PROBE_ASKED = 512,  /* of them at a time: a share of 2 % is missed once in 30,000 times */
};

/* An object of the set. */
typedef struct ku__probed {
    PyObject *item;
    int32_t left; /* references that were not seen */
    bool lives;   /* or may */
} ku__probed;

typedef struct ku__probe {
    PyObject *known[KU__PROBE_KNOWN];
    size_t known_count;
    uint64_t come, step; /* of those that come every step-th is put on the list; a power of two */
    uint64_t dice;

    ku__probed *set;
    uint32_t *places; /* hash table: number in the set + 1; 0 is empty */
    uint32_t *queue;  /* of numbers */
    size_t count, limit, queued;
    bool cut; /* the set reached its limit */
} ku__probe;

typedef struct ku__found {
    size_t asked, dead;
    bool cut; /* the answer is worth less: more may be dead */
} ku__found;

/* Asks about some of the youngest of a list, and puts them on the roll and the list of known ones; `heap` is NULL where
 * no roll is kept. Nobody is asked when memory is refused. */
ku__found ku__probe_young(ku__probe *probe, const PyGC_Head *young, ku_heap *heap);

/* Asks about those that are known, and are still there. */
ku__found ku__probe_known(ku__probe *probe, const ku_heap *heap);

/* Gives memory back. */
void ku__probe_close(ku__probe *probe);

#endif
#endif
