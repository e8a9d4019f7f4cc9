/* concurrent.h: full collections of which a child of the process finds the dead, while the program goes on.
 *
 *     begin    When a full collection is due by itself, what is young joins the oldest list, as in any full collection,
 *              and a child is made that shares no memory with us but copies of pages (os/image.h). From here on a watch
 *              (watch.h) notes which blocks are freed. The pause is the time of the clone.
 *     child    Marks, in its image, from the same roots as a collection at one go; finds out by trial deletion which of
 *              the rest are dead; and puts these in such an order that whoever is referred to comes after those that
 *              refer to him, members of one cycle together (concurrent_child.c). The answer lies in shared memory.
 *     hold     A reference is taken to each object of the answer whose block was not freed and that is tracked, some
 *              hundred thousand at a time. From here on nothing can go away behind our back.
 *     decide   The interpreter is shown so many of them, in that order, as take one slice of time, at each chance to
 *              collect, and decides: as in a collection at one go all others are elsewhere, and what they refer to
 *              lives. The references that we hold are explained to it by the sentinel, which refers to them, and end
 *              when it clears what is dead. What was brought back by a weak reference or a listing stays.
 *
 * Why the same objects die: the interpreter decides about a set of tracked objects, by its own code, and is right
 * whatever the set is. What the child says is a hint; what holds is that an object of the answer is tracked then: the
 * child was led to it by a generation's list, and its block was not freed since. Why all die: dead objects are
 * referred to by dead ones alone, and these are decided about before, or in the same slice. A weak reference with a
 * callback counts as referring to its object there, so that of two dead ones the callback's end is decided first, as
 * if they had been looked at together.
 *
 * Why slices are short: freeing an object lets go of those that it refers to, and their memory would be freed with it,
 * millions at a time. All of them are held, so each is freed in its own slice. What cannot be divided is one cycle: all
 * objects of which each can be reached from each other are decided at one go.
 *
 * Slices take at most half of the time, measured from the end of one to the beginning of the next.
 *
 * Given up: before everything that takes the question out of our hands: gc.collect(), a debug flag, gc.freeze(), the
 * interpreter's end, uninstalling. Then the child is ended, what is held is let go, and the next collection looks at
 * all. In a child that the program forks, too, the copy of our child's answer is dropped; what is held is its own.
 *
 * tp_traverse in the child. It calls those of all types: an image is private, so nothing that is written there can be
 * seen. What a foreign one could do is to wait for a lock that another thread held, or to touch memory that children do
 * not have (MADV_DONTFORK): the watchdog or the crash ends the child, which is one of the failures.
 *
 * Pages. A clone copies the table of all pages. So from IMAGED_FROM bytes on, in which small ones are copied in some
 * milliseconds, the interpreter's heaps ask for huge ones at any price (alloc/backing.h).
 *
 * Failures. Where the child cannot be made, is lost or would not fit into memory (concurrent_room.c), the collection is
 * made at one go, and so are the next ones: one after the first failure, then two, four, to 64.
 *
 * Other interpreters. The main one alone has concurrent collections: the watch is one for the process. Others may
 * exist, and come and go meanwhile.
 *
 *     With a lock of their own they run while the process is cloned, and in the image their heaps are in the middle of
 *     something. The child looks at none of them: it goes along the main interpreter's lists and marks from its roots,
 *     and reads nothing of an object that neither has led to. It takes no lock but that of the list of interpreters,
 *     which the parent has taken for it: what comes home to the heap is brought home before the clone.
 *
 *     Under the same lock they stand still meanwhile. What they refer to has more references than the child can
 *     explain, and lives. What they free is told to the watch. And the child is led to objects by the main
 *     interpreter's lists alone, never by the roll. An object of the answer can come to be another interpreter's
 *     without being freed, if it is brought back, and taken out of the lists, and its memory used again by code that
 *     keeps free memory for all interpreters. Then it is tracked there, and deciding about it moves it, which must not
 *     be while that interpreter has it in a collection of its own that has called code of the program's. So nothing is
 *     decided before that has ended.
 *
 * Lock: the main interpreter's GIL.
 */
#ifndef KU__CONCURRENT_H
#define KU__CONCURRENT_H

#include "cpython/facts_gc.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#if KU__FACTS_SUPPORTED

struct ku__collector;

/* What the child answers, in shared memory. An item is the address of an object; with bit 0 set it is the last of those
 * that must be decided at one go. */
typedef struct ku__answer {
    _Atomic uint32_t is_whole;
    size_t capacity; /* items; more than those are left for the next collection */
    size_t count;
    size_t seen;      /* objects that were tracked */
    size_t elsewhere; /* of them outside of small blocks of kucha's */
    uintptr_t items[];
} ku__answer;

typedef enum ku__phase { KU__PHASE_IDLE, KU__PHASE_CHILD, KU__PHASE_HOLD, KU__PHASE_DECIDE } ku__phase;

/* Memory that could be had, and when. */
typedef struct ku__room {
    uint64_t bytes, seen; /* nanoseconds */
} ku__room;

typedef struct ku__concurrent {
    bool on;
    bool weighs;  /* whether a child is made is decided by what that and a look at one go would take; else: */
    size_t least; /* objects: smaller heaps are collected at one go */
    ku__phase phase;

    int child;
    pid_t owner;    /* the process whose child it is */
    unsigned looks; /* since it began, for its answer */
    bool in_image;  /* this is the child */
    ku__answer *answer;
    size_t answer_bytes;
    ku__room room;
    uintptr_t frozen; /* the last node of the permanent list, by which gc.freeze() is noticed */

    uintptr_t *held; /* objects with a reference of ours, and bit 0 as in the answer */
    size_t held_bytes, held_count;
    size_t asked;   /* items of the answer that were looked at, to hold them */
    size_t missed;  /* of them could not be held */
    size_t decided; /* of the held: those before have been let go */

    /* the slice that runs */
    bool works;                    /* it is not only put by */
    size_t slice_first, slice_end; /* of the held; equal: none runs */
    bool aside;                    /* what is young waits in these lists */
    PyGC_Head lists[3];
    int generation;                        /* of the collection that the interpreter has begun */
    Py_ssize_t lived_total, lived_pending; /* as it counted, of a full one */
    uint64_t slice_began, slice_ended, slice_took;
    uint64_t stands;               /* since when chances are left to a neighbour's collection; 0: they are not */
    double hold_rate, decide_rate; /* objects in a nanosecond, of the last ones */

    /* the collection that runs */
    size_t step_young, step_seen, step_found;

    unsigned failures; /* one after another */
    unsigned wait;     /* full collections at one go before the next try */
    size_t begun, done, lost, given_up, refused, slices;
} ku__concurrent;

/* Full collections are made by children from now on: of heaps of at least so many objects; where that is negative, by
 * what a child is worth. */
void ku__concurrent_open(struct ku__collector *collector, Py_ssize_t least);

/* No more, and what is under way is given up. May run code of the program's. */
void ku__concurrent_close(struct ku__collector *collector);

/* What became of a chance to collect. */
typedef enum ku__turn {
    KU__TURN_NOT_OURS,  /* the collection is what it would be without us */
    KU__TURN_AT_ONE_GO, /* it is to be a full one, at one go */
    KU__TURN_NOT_YET,   /* a full one is under way: it is to be put by */
    KU__TURN_TAKEN,     /* the interpreter has been shown what we want it to see */
} ku__turn;

/* A collection of `generation` begins; `wanted`: the pacer wants all looked at. `automatic`: nobody asked for it. */
ku__turn ku__concurrent_turn(struct ku__collector *collector, int generation, bool automatic, bool wanted);

/* A collection that was taken: the lists are to be whole again; and it is over, `found` dead objects (the sentinel
 * among them, which is taken off). Returns how many that are. */
void ku__concurrent_show(struct ku__collector *collector);
size_t ku__concurrent_taken(struct ku__collector *collector, size_t found);

/* Whether a slice is being decided; its objects shown to the interpreter's visitor; and let go. */
bool ku__concurrent_decides(const ku__concurrent *concurrent);
int ku__concurrent_visit(const ku__concurrent *concurrent, visitproc visit, void *argument);
void ku__concurrent_let_go(ku__concurrent *concurrent);

/* Ends what is under way, if anything, and lets all go. May run code of the program's. */
void ku__concurrent_give_up(struct ku__collector *collector);

/* The interpreter ends: the child, and what is kept for it. Nothing of the interpreter's is touched. */
void ku__concurrent_abandon(ku__concurrent *concurrent);

/* ---- concurrent_child.c ---- */

/* In the child: finds the dead of the collector's interpreter, and answers. */
void ku__concurrent_find(struct ku__collector *collector, ku__answer *answer);

/* ---- concurrent_room.c ---- */

/* Whether copies of all pages of this process would fit into the memory that it may use. `known` is what was found the
 * last time. */
bool ku__concurrent_has_room(ku__room *known);

#endif
#endif
