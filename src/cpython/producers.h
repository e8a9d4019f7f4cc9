/* producers.h: who makes the cycles of a Python program: being there when its collector finds the dead, and what their
 * references are called. What is found out of them, and counted, is in inspect/producers.h.
 *
 * Nothing is asked beforehand what might die. The interpreter finds out what is dead, as always, and one of the dead is
 * ours:
 *
 *     "start"    A sentinel, an object that only refers to itself, becomes the first of the list that the interpreter
 *                is about to look at. So it is the first of what is dead, too.
 *     look       Before any code of the program runs, the interpreter calls the callback of the sentinel's weak
 *                reference. The dead are then a list of their own that begins with the sentinel: they are read here,
 *                from its first to its last. Nothing of them is called but their tp_traverse, which the collector has
 *                just called too; no reference to one of them is made, and nothing is written into them.
 *     finalizer  The sentinel's is the first that is called; it takes it out of the list, so that it is not counted,
 *                not cleared and not kept in gc.garbage.
 *     "stop"     What finalizers revived is in the oldest list that was looked at by now: where the interpreter says
 *                that fewer died than were looked at, that list is asked. The addresses are compared, never followed.
 *                A cycle of which something lives on is not counted, and nothing that it kept.
 *
 * Under kucha's collector (collector.h) the sentinel of that one serves where it is in the list; else ours is put there
 * after its work. A slice of a concurrent collection is a collection like any other.
 *
 * Collections that print what they find (DEBUG_STATS, DEBUG_COLLECTABLE) are left alone, as the sentinel would be
 * printed, and so are those of an interpreter that is ending. A collection for which memory cannot be had is counted as
 * not looked at.
 *
 * What is told of a collection of many dead is a sample: the list is gone along once, and of windows that lie evenly in
 * it the objects are looked at (`looked` against `dead`).
 *
 * Interpreters. Each has a watcher of its own; what all of them have counted is added up (producers_watcher.h).
 *
 * Lock: everything belongs to the GIL of the interpreter. While nobody watches there is nothing of it but a compared
 * word in kucha's own collector.
 *
 * Source of the order of things: gc_collect_main() in Modules/gcmodule.c and Python/gc.c, v3.11.7 to v3.15.2.
 */
#ifndef KU__CPYTHON_PRODUCERS_H
#define KU__CPYTHON_PRODUCERS_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "alloc/fast.h"
#include "inspect/producers.h"

/* How names are found; producers_words.c. */
typedef struct ku__words {
    ku__producers *all;
    ku_heap *heap;          /* of most objects of the interpreter; NULL */
    bool is_main;           /* they are the main interpreter's */
    ku__growing expected;   /* see graph_read.h */
    ku__pointer_map places; /* texts of birthplaces, by site and tracer */
    struct {
        const PyTypeObject *type;
        uint32_t text;
    } types[64]; /* by address, of one collection */
} ku__words;

/* ---- producers.c: being there when the dead are found ---- */

/* Makes the finder's type ready, once, in the main interpreter. -1 with an exception set. */
int ku__finder_ready(void);

/* Watches the running interpreter from now on, for one more who asks; with `everywhere`, all others that have kucha's
 * collector too. 1, and what had been counted before, to be closed; 0: nobody watched; -1 with an exception: Refused
 * from `module`. */
int ku__producers_start(PyObject *module, bool everywhere, ku__producers *before);

/* One fewer of these. With the last one everything that was counted is forgotten. */
void ku__producers_stop(bool everywhere);

/* From kucha's collector of the running interpreter: "start", before its own work and after it, unless a sentinel of
 * its own is in the list; the dead begin behind this node; "stop". Nothing while nobody watches. */
void ku__producers_begin(void);
void ku__producers_join(int generation);
void ku__producers_found(void *first_node);
void ku__producers_end(int generation, size_t found);

/* kucha's collector has come to the running interpreter, or gone: the functions in gc.callbacks are wanted only without
 * it. */
void ku__producers_collector(bool there);

/* ---- producers_everywhere.c ---- */

/* What the running interpreter's watcher has counted, or all of them, to be closed. 1; 0: nobody watches; -1 with an
 * exception set. */
int ku__producers_read(bool everywhere, ku__producers *copy);

/* ---- producers_words.c ---- */

/* Python's objects, of which `words` is a ku__words. */
extern const ku__producing ku__python_words;

/* Before the objects of a collection: what was known of types may be true no more. */
void ku__words_begin(ku__words *words);
void ku__words_close(ku__words *words);

#endif
