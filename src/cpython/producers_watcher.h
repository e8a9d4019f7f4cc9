/* producers_watcher.h: those who watch what collections find dead: one for each interpreter, and what all count.
 *
 * An interpreter has a watcher while somebody there asks for what it counts; and, while anybody asks for what is
 * counted everywhere, from its next collection on, where kucha's collector is in charge. All of a watcher is its
 * interpreter's: names are found, cycles counted and texts kept under that GIL, in tables that nobody else looks into.
 * At the end of each collection it adds what is new to the sum, in words, under a lock; so the sum holds nothing of any
 * interpreter's, and what one has counted stays in it when that one has ended.
 *
 * The interpreter's own dict (PyInterpreterState_GetDict()) owns the watcher, by a capsule, and with the interpreter it
 * ends. One that nobody needs any more goes when its interpreter next begins to collect.
 *
 * Lock: a watcher, its interpreter's GIL; the list of watchers and the sum, a lock of their own, which is held while
 * nothing else is called.
 */
#ifndef KU__PRODUCERS_WATCHER_H
#define KU__PRODUCERS_WATCHER_H

#include "cpython/facts_gc.h"

#include "cpython/producers.h"

#if KU__FACTS_SUPPORTED

/* An object that only refers to itself. Its memory is the watcher's: it is never freed by its count. */
typedef struct ku__finder {
    PyGC_Head node;
    PyObject item;
    PyObject *weak_references;
} ku__finder;

typedef struct ku__watcher ku__watcher;
struct ku__watcher {
    PyInterpreterState *interpreter;
    int64_t id;     /* the interpreter's: no other is given the same */
    unsigned users; /* who ask in this interpreter */
    unsigned wide;  /* of them, who ask for what is counted everywhere */
    ku__producers all;
    ku__words words;
    ku__growing beginnings;  /* PyGC_Head *, where windows of the dead begin; of one collection */
    PyObject *begins, *ends; /* the functions in gc.callbacks; NULL under kucha's collector */
    PyObject *found;         /* the weak reference to the finder calls it */
    PyObject *weak;          /* while a collection runs */
    ku__finder finder;

    ku__summed summed; /* what the sum has of `all`, */
    uint64_t era;      /* the sum of that number */
    ku__watcher *next;
};

/* ---- producers_everywhere.c ---- */

/* Whether there is any watcher, or should be. */
bool ku__watchers_any(void);

/* The running interpreter's; NULL. */
ku__watcher *ku__watcher_here(void);

/* Puts it on the list, with the interpreter's dict as its owner. False: it was refused memory, and is nobody's. */
bool ku__watcher_enlist(ku__watcher *watcher);

/* Takes it from the list, and from its owner, which frees it. */
void ku__watcher_dismiss(ku__watcher *watcher);

/* One more, and one fewer, who asks for the sum: 1, and what it was before, to be closed; 0: there was none; -1: memory
 * was refused. */
int ku__everyone_begin(ku__producers *before);
void ku__everyone_end(void);

/* Whether anybody does. */
bool ku__everyone_wanted(void);

/* Adds what the watcher has counted since there is this sum, or, the first time, since now. Nothing while nobody asks.
 */
void ku__everyone_add(ku__watcher *watcher);

/* A collection could not be looked at, as memory for a watcher was refused. */
void ku__everyone_missed(void);

/* ---- producers.c ---- */

/* Gives back all that it holds, and its memory. */
void ku__watcher_free(ku__watcher *watcher);

#endif
#endif
