/* collector_marker.h: one that marks: takes the candidate bit of an object, and goes on with what that refers to.
 *
 * To mark is to take the bit (collector_marks.h), so nothing is written into objects, and a reference that leads to a
 * string or a number costs one look at a bit. Marked objects wait on a stack and leave it in handfuls: the headers of
 * one are fetched while those of the one before are looked at; lists, dicts and what else has a second part are fetched
 * then, and looked at with the next handful. That hides most of the time of memory. (Cher, Hosking and Vitek, "Software
 * prefetching for mark-sweep garbage collection", ASPLOS 2004; a ring, as there, needs more instructions.) Large arrays
 * are looked at in pieces, so that the stack stays short.
 *
 * Exact lists, tuples and dicts and instances of classes written in Python (collector_layout.h) are read here; every
 * other object by its type's tp_traverse.
 *
 * Several can mark at once (collector_team.h). Two that take bits of one word at the same moment may lose one of them:
 * the object is marked twice then, or stays a candidate although it was marked. Both cost a little time, as a root does
 * that nobody knew; so bits are taken without a lock or an atomic change. But who takes a marked object out of its list
 * takes the bit again, and who may not stay a candidate is taken before there are several (frozen objects).
 *
 * Lock: the interpreter's GIL, held by whoever has the world stand still.
 */
#ifndef KU__COLLECTOR_MARKER_H
#define KU__COLLECTOR_MARKER_H

#include "cpython/collector_layout.h"
#include "cpython/collector_marks.h"
#include "cpython/collector_roll.h"
#include "cpython/collector_stack.h"

#if KU__FACTS_SUPPORTED

struct ku__guesses;
struct ku__team;

enum {
    KU__HANDFUL = 16,     /* objects: about as many fetches as a processor has under way at a time */
    KU__PIECE = 1024,     /* references of an array that are looked at in one go */
    KU__PIECES_MOST = 64, /* arrays that wait for their next piece; beyond, they are looked at whole */
};

typedef struct ku__handful {
    PyObject *items[KU__HANDFUL];
    unsigned count;
} ku__handful;

/* What a look at a reference needs. Copied before a row is gone through: the compiler keeps the copy in registers,
 * which it must not do with the original, since a store to the bits could be one to that. */
typedef struct ku__lens {
    uintptr_t base;
    size_t span;
    uint64_t *bits;
    uint64_t guessed; /* a bit for each guess whose references are counted: few references lead to one */
} ku__lens;

/* What is left of a large array. */
typedef struct ku__piece {
    PyObject **at, **end;
    unsigned step;
    bool keys_too;
} ku__piece;

static inline size_t ku__piece_left(const ku__piece *piece) {
    return (size_t)(piece->end - piece->at) / piece->step;
}

typedef struct ku__marker {
    ku__lens see;
    PyObject **top, **end; /* of the stack: where the next one goes, and where there is no room */
    ku__marks *marks;
    struct ku__guesses *guesses; /* NULL; or references to these are counted */
    struct ku__team *team;       /* NULL: nobody else marks */
    const ku__roll *roll;        /* NULL: nobody keeps one */
    ku__mark_stack *stack, *doubtful;
    ku__mark_stack *foreign;            /* NULL; or where objects go that are left to the one who has the GIL */
    ku__handful headers[2], seconds[2]; /* on their way from the stack; empty between two runs */
    ku__piece pieces[KU__PIECES_MOST];
    unsigned pieces_count;
    unsigned unasked; /* handfuls after which nothing was given, since what was given came back */
#ifdef KU_HOSTILE
    unsigned taken; /* bits, so far */
#endif
    ku__layouts layouts;
} ku__marker;

/* Begins with a stack and one for tuples and dicts that are perhaps of atoms, both opened. */
void ku__marker_open(ku__marker *by, ku__mark_stack *stack, ku__mark_stack *doubtful);

/* Marks an object. Whether it was a candidate. */
bool ku__marker_mark(ku__marker *by, PyObject *item);

/* The same for a tp_traverse: `argument` is the marker. */
int ku__marker_visit(PyObject *item, void *argument);

/* Puts an object on the stack whose bit was taken. */
void ku__marker_push(ku__marker *by, PyObject *item);

/* Goes on until all is marked that those on the stack lead to, and the stack is empty; but for what others of the team
 * have taken over. */
void ku__marker_run(ku__marker *by);

/* Objects on the stack. */
static inline size_t ku__marker_depth(const ku__marker *by) {
    return (size_t)(by->top - by->stack->items);
}

#endif
#endif
