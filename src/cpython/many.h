/* many.h: processes in which several interpreters run at once, each with a GIL of its own (CPython 3.12 and later).
 *
 * The entry points' ctx is then only a domain: the heap is that of the running interpreter. An interpreter that the
 * list of houses does not know gets a house at its first allocation: that of an interpreter which has ended, or a new
 * one. A block that another interpreter's heap made goes home over that heap's list of returns.
 *
 * How the first of them is heard of. Before a second interpreter exists, the thread that makes it takes memory for it
 * from the raw domain: one zeroed block of the size of PyInterpreterState, which nothing else asks for. So the raw
 * domain's calloc is watched, and nothing else of it. Until 3.12 that thread holds the GIL; from 3.13 on it has just
 * given it up, and takes it again for a moment at its next request of that domain: that for the state of the new one's
 * own blocks or for a thread state, which comes after it has left the list of interpreters. (The audit event
 * cpython.PyInterpreterState_New is raised in 3.12 only, for the same reason.) In 3.11, where all share one GIL and one
 * pair of heaps, only kucha's collector wants to hear of them (collector_everywhere.h).
 *
 * Source: alloc_interpreter(), alloc_threadstate(), new_threadstate() in Python/pystate.c, new_interpreter() in
 * Python/pylifecycle.c and _PyMem_init_obmalloc() in Objects/obmalloc.c, v3.12.1 to v3.15.2.
 */
#ifndef KU__MANY_H
#define KU__MANY_H

#include "cpython/bridge.h"

/* Hears of new interpreters, and switches to the entry points for many when the first is made that can have its own
 * GIL. Once, at install, while the raw domain's allocator is the stock one. */
void ku__many_watch(void);

/* Whether `heap` is the main interpreter's and another interpreter, or none, runs in this thread. */
bool ku__many_elsewhere(const ku_heap *heap);

/* Whether this thread holds the lock of the house's heaps, so that they can be read exactly. Else they may be read as
 * KU__READ_RUNNING (alloc/arenas.h) only. */
bool ku__many_reads(const ku__house *house);

/* A house whose interpreter has ended, to be read exactly: another may be made at any moment, without the GIL, and
 * would move in. False where that has happened, or its interpreter lives. Its owner's number goes to `owner`, and comes
 * back with ku__many_give_back(). */
bool ku__many_borrow(ku__house *house, int64_t *owner);
void ku__many_give_back(ku__house *house, int64_t owner);

/* Held by traced entry points for many GILs, and by whoever starts, stops or reads tracing while there may be many. */
void ku__many_tracing_lock(void);
void ku__many_tracing_unlock(void);
void ku__many_after_fork_in_child(void);

/* Whether the running interpreter has made a traced call since tracing began; under that lock. Before, its code may not
 * be recorded: the slots of its blocks could not say that they hold recorded code, whose end would not be heard of. */
bool ku__many_takes_part(void);

/* Whether the entry points for one GIL may trace here; else those for many are used from the start. */
bool ku__one_can_trace(void);

/* Interpreters that exist now; a caller with a GIL. */
size_t ku__interpreter_count(void);

#endif
