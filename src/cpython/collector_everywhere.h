/* collector_everywhere.h: kucha's collector in every interpreter of the process.
 *
 * Each interpreter has generations, roots and callbacks of its own, so each has a collector of its own (collector.h):
 * lists, marks, roll, pacing, pauses. They share no state but what is here: the list of them, and what the main
 * interpreter has asked for. gc_install() there is for all interpreters, those that exist and those to come.
 *
 * How another interpreter is got into. A collector is put in charge by the interpreter's own thread, under its own
 * lock, where code of the program may run: gc is imported and objects are made. The interpreter's function for
 * evaluating frames (PEP 523) leads there: it belongs to one interpreter, it is called by the thread that is about to
 * run a function, and all versions have it. From an interpreter's beginning until its collector has come that function
 * is ours, which looks whether the interpreter is far enough (it has a __main__, so its imports and codecs work, and
 * it is not collecting), puts the collector in charge, gives the function back, and goes on with the interpreter's.
 * That is before the first line of the program's in it. What was weighed and left:
 *
 *     audit hook      Cannot be taken out, every event of the process pays for it from then on, and programs that audit
 *                     see it come.
 *     pending call    Until 3.11 only the main thread makes them. From 3.12 on an interpreter has its own, but whoever
 *                     asks from outside takes the lock of the list of threads, and nothing keeps the interpreter alive
 *                     meanwhile.
 *     first import    The program need not import kucha, or anything.
 *
 * Whose beginning is heard of how. From 3.12 on each interpreter has heaps of its own, and its first allocation, made
 * under its lock, asks for a house (many.c). In 3.11, where all share one lock, the thread that makes it asks for its
 * memory, and for that of its first thread state (many.c too). Interpreters that exist already when the collector is
 * asked for are given the function from outside: the list's lock is held, under which none of them can go, one pointer
 * is stored, and whoever reads it meanwhile sees it or does not. An interpreter whose frames are evaluated by somebody
 * else's function is left alone then; a function that is put in front of ours later, and goes on with it, stays.
 *
 * How all are given back. Each collector knows the era that it came in. When the main interpreter's is taken out, the
 * era ends, and every other collector goes by itself: when its interpreter next begins to collect, before anything is
 * done, it puts back what was there, and that collection is the interpreter's own.
 *
 * An interpreter's end. It drops its list of callbacks, which owns the collector (_PyGC_Fini() in Modules/gcmodule.c,
 * Python/gc.c); nothing of the lists or the heap is touched. Collections while it is ending are its own.
 *
 * What interpreters share. Marking begins at the interpreter's own roots, and nothing is read from an object that no
 * list of that interpreter has led to: to a shared one (a static type, an immortal tuple of its bases, a function of a
 * module with single-phase initialisation) marking compares an address and goes on. Where interpreters share a lock
 * they can also share objects that come to be tracked by another interpreter than before, with their memory not freed
 * in between: from a free list, or a dict that was untracked. A roll says that a list led to an object since its
 * birth, and not whose. So while two interpreters share a lock, a full collection of either walks its own lists, and
 * takes nobody from the roll: a candidate is then in a list of the interpreter that collects, as under the stock
 * collector. Those that have a lock to themselves share nothing but what is immortal.
 *
 * Lock: the list's own, which is held while nothing else is called; all else as is said. Sources:
 * _PyInterpreterState_SetEvalFrameFunc() in Python/pystate.c and _PyEval_EvalFrame() in
 * Include/internal/pycore_ceval.h, v3.11.7 to v3.15.2; invoke_gc_callback().
 */
#ifndef KU__COLLECTOR_EVERYWHERE_H
#define KU__COLLECTOR_EVERYWHERE_H

#include "cpython/facts.h"

#include "gc/pauses.h"

#if KU__FACTS_SUPPORTED

struct ku__collector;

/* What the main interpreter wants of the others. */
typedef struct ku__wish {
    uint64_t era; /* never twice the same; 0: nothing is wanted */
    bool eager;
    unsigned threads; /* that mark, by the program; 0: as many as there are processors for */
    size_t together;  /* objects, below which one thread marks them */
} ku__wish;

/* The pauses of some collectors, added up. */
typedef struct ku__pauses_sum {
    ku__pauses generations[3];
    uint64_t in_charge; /* nanoseconds that the collectors were, together */
} ku__pauses_sum;

/* From now on all interpreters are taken in, with what is wanted of them but the era; by the main one. And no longer:
 * those that were go by themselves. */
void ku__everywhere_open(const ku__wish *wanted);
void ku__everywhere_close(void);

/* So many threads are to mark from the next collection on, in every interpreter. */
void ku__everywhere_threads(unsigned threads);

/* Whether a collector that came in `era` is still wanted; and what is wanted now. Any thread may ask. */
bool ku__everywhere_wants(uint64_t era);
ku__wish ku__everywhere_wish(void);

/* An interpreter has begun. The caller holds its lock, or nobody runs in it yet. */
void ku__everywhere_begun(PyInterpreterState *interpreter);

/* A collector has come, and goes: its pauses are remembered. */
void ku__everywhere_add(struct ku__collector *collector);
void ku__everywhere_remove(struct ku__collector *collector);

/* The collector of an interpreter; NULL when it has none. The caller holds its lock. */
struct ku__collector *ku__everywhere_find(const PyInterpreterState *interpreter);

/* The pauses of one collector; or of all that came in this era, those that have ended too, where it is NULL. */
void ku__everywhere_pauses(const struct ku__collector *one, ku__pauses_sum *sum);

#endif

#endif
