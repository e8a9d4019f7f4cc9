/* collector.h: kucha's collector under a stock CPython; one for each interpreter.
 *
 * The interpreter's own collector stays in charge of what a program can see: when a collection begins, weak references,
 * callbacks, finalizers, clearing, gc.garbage, statistics. kucha takes from it what costs the time of a full
 * collection, which is to look at millions of objects that live:
 *
 *     "start"    At the call of gc.callbacks that announces a full collection, every tracked object becomes a candidate
 *                (collector_marks.h), and what can be reached from known roots is marked as living
 *                (collector_mark.c). What is left is usually a few thousand objects.
 *     splice     The candidates alone stay in the list that the interpreter is about to look at; all others wait in a
 *                list of ours.
 *     decide     The interpreter finds out which candidates are dead. To it all others are "elsewhere", and what they
 *                refer to lives.
 *     show       Before any code of the program can run, the lists are whole again: a sentinel, a cycle of its own
 *                that is always garbage, is the first of the candidates; the callback of its weak reference and its
 *                finalizer are called before all others.
 *
 * Why the same objects die: what is marked can be reached from something that lives, so no dead object is marked; and
 * a candidate that something marked refers to would have been marked itself, so references from elsewhere are real
 * roots. A root that is not known costs time and never an object.
 *
 * Young collections are the interpreter's own; those that are not worth it are left out, and a full one may take place
 * where the interpreter begins a young one (collector_when.h). Collections that print what they find (DEBUG_STATS,
 * DEBUG_COLLECTABLE) and those of an interpreter that is ending are left to it as they are, and so is every collection
 * for which memory cannot be had.
 *
 * The program does not see that it is called: the interpreter's list of callbacks is one of ours, untracked, with one
 * entry, which calls those in the list that the program knows as gc.callbacks.
 *
 * Other interpreters. Each has a collector of its own (collector_everywhere.h), and nothing here is shared by two.
 *
 * Lock: everything belongs to the GIL of the interpreter.
 */
#ifndef KU__COLLECTOR_H
#define KU__COLLECTOR_H

#include "cpython/facts_gc.h"

#include "cpython/bridge.h"
#include "cpython/collector_everywhere.h"
#include "cpython/collector_marks.h"
#include "cpython/collector_probe.h"
#include "cpython/collector_roll.h"
#include "cpython/collector_stack.h"
#include "cpython/collector_when.h"
#include "cpython/concurrent.h"
#include "gc/pauses.h"

#if KU__FACTS_SUPPORTED

typedef struct ku__collector ku__collector;
struct ku__team;

/* An object that only refers to itself. Its memory is the collector's: it is never freed by its count. */
typedef struct ku__sentinel {
    PyGC_Head node;
    PyObject item;
    PyObject *weak_references;
    ku__collector *collector;
} ku__sentinel;

/* Nodes in the order of a list, as long as it was walked; compared with nothing and never followed. */
typedef struct ku__gc_nodes {
    const PyGC_Head **items;
    size_t count, capacity, bytes;
} ku__gc_nodes;

struct ku__collector {
    PyInterpreterState *interpreter;
    int64_t id;       /* the interpreter's: no other is given the same */
    bool is_main;     /* the main interpreter's */
    bool eager;       /* for tests: every collection looks at all generations */
    uint64_t era;     /* in which it came (collector_everywhere.h) */
    ku_heap *heap;    /* where most objects of the interpreter lie; NULL: the system refused it one */
    PyObject *theirs; /* gc.callbacks as the program knows it */
    PyObject *ours;   /* the interpreter's list of callbacks: [call], untracked. Borrowed: the interpreter owns it */
    PyObject *shower; /* the sentinel's weak reference calls it */

    ku__marks marks;
    ku__mark_stack stack;    /* objects that were marked and whose references were not */
    ku__mark_stack doubtful; /* tuples and dicts from which marking led to nothing new: perhaps of atoms */
    struct ku__team *team;   /* the memory of the threads that mark together; NULL: there never were any */
    unsigned threads_quota;  /* processors that the control group has for marking; 0: not asked for yet */
    unsigned threads_used;   /* by the last full collection */
    size_t together;         /* objects from which on there is more than one */

    bool rolled;          /* a roll is kept of the heap's tracked objects */
    bool entered_by_roll; /* so were the candidates of the collection that runs */
    bool unsure;          /* the oldest list may not be in its order: it is walked the next time */
    unsigned since_walk;  /* full collections */
    ku__gc_nodes head;    /* of the oldest list, as it was the last time */
    size_t moved;     /* objects that the interpreter's collection moves to the oldest list, some of them on no roll */
    size_t gone;      /* of those entered, what turned out to be tracked no more, or to be frozen */
    PyGC_Head *first; /* of the oldest list, after the last full collection: compared, and not followed */
    PyGC_Head frozen; /* the ends of the list of frozen objects, when it was last seen */
    traverseproc traverse;  /* of classes written in Python */
    PyTypeObject **statics; /* types that no list leads to, and whose dicts are roots */
    size_t statics_count;

    ku__pacer pacer;
    ku__probe probe;

    /* a collection that runs */
    int generation;    /* -1: none */
    bool put_by;       /* it is not to take place: what is young is hidden */
    bool full;         /* all generations were looked at */
    bool concurrently; /* it is a part of a concurrent one */
    uint64_t began;    /* nanoseconds */
    bool taken;        /* the candidates alone are in the interpreter's list */
    PyGC_Head hidden;
    size_t hidden_count;
    ku__sentinel sentinel;
    PyObject *weak; /* NULL, or the weak reference to the sentinel */

    ku__concurrent concurrent; /* full collections by a child */

    ku__pauses pauses[3];
    uint64_t installed;        /* nanoseconds: when it came */
    size_t candidates, marked; /* of the last full collection that was taken */
    size_t taken_count;        /* full collections that were */
    uint64_t rested;           /* nanoseconds: when the last of them was over, or when it came */

    ku__collector *next; /* list of all, under a lock of its own */
};

/* ---- collector.c ---- */

/* The collector of the running interpreter; NULL when it has none. */
ku__collector *ku__collector_here(void);

/* Puts a collector in charge of the running interpreter; nothing if there is one. -1 with an exception set. The module
 * gc must have been imported. */
int ku__collector_install(const ku__wish *wish);

/* Gives the running interpreter back to its own. False, and no change, while a collection runs. */
bool ku__collector_uninstall(void);

/* Bytes of tables that are needed in a full collection only. */
size_t ku__collector_tables(const ku__collector *collector);

/* Bytes of large blocks of the interpreter's. */
size_t ku__collector_large_bytes(const ku__collector *collector);

/* ---- collector_enter.c ---- */

/* The heap that most objects of the running interpreter come from; NULL when there is none. */
ku_heap *ku__collector_find_heap(void);

/* Keeps a roll from now on, if it can; and no longer. */
void ku__collector_roll_begin(ku__collector *collector);
void ku__collector_roll_end(ku__collector *collector);

/* Before and after a collection of `generation` that the interpreter makes by itself: what comes to the oldest list is
 * entered on the roll. */
void ku__collector_before(ku__collector *collector, int generation);
void ku__collector_after(ku__collector *collector);

/* What is young is old from now on, and on the roll, which must be kept. False when memory is refused: nothing
 * changes. */
bool ku__collector_age(ku__collector *collector);

/* Makes every tracked object a candidate. The number of them; SIZE_MAX when memory was refused (the marks are clear
 * then). */
size_t ku__collector_enter(ku__collector *collector);

/* After marking: untracks what was marked and can be in no cycle, which are tuples and dicts of atoms. How many. */
size_t ku__collector_untrack(ku__collector *collector);

/* Takes candidates that are tracked no more, which only the roll knows of. How many. */
size_t ku__collector_drop_untracked(ku__collector *collector);

/* ---- collector_mark.c ---- */

/* Takes the candidates that can be reached from known roots, with so many threads at the most. False when memory was
 * refused. */
bool ku__collector_mark(ku__collector *collector, unsigned threads);

/* ---- collector_full.c ---- */

/* To be called once: the sentinel's type. -1 with an exception set. */
int ku__sentinel_ready(void);
void ku__sentinel_open(ku__sentinel *sentinel, ku__collector *collector);

/* A collection of `generation` is about to begin: takes what lives, of all generations, out of the list that the
 * interpreter is going to look at, if it can; `full` says whether it could. What lives is hidden where that list is the
 * oldest one; else it is in the oldest list already, where the interpreter does not look. */
void ku__collector_take(ku__collector *collector, int generation);

/* The lists are whole again. Can be called at any time. */
void ku__collector_show(ku__collector *collector);

/* The collection is over. */
void ku__collector_done(ku__collector *collector);

/* ---- collector_selfcheck.c ---- */

/* Whether the interpreter's lists and tables are what facts_gc.h says. A sentence in `reason` when not. */
bool ku__collector_selfcheck(char *reason, size_t size);

#endif
#endif
