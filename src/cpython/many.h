/* many.h: processes in which several interpreters run at once, each with a GIL of its own (CPython 3.12 and later).
 *
 * The entry points' ctx is then only a domain: the heap is that of the running interpreter. An interpreter that the list
 * of houses does not know gets a house at its first allocation: that of an interpreter which has ended, or a new one. A block
 * that another interpreter's heap made goes home over that heap's list of returns.
 *
 * Source: Python/pystate.c at v3.12.1 to v3.15.2: the audit event cpython.PyInterpreterState_New is raised by the creating
 * thread, with its GIL held, before the new interpreter exists.
 */
#ifndef KU__MANY_H
#define KU__MANY_H

#include "cpython/bridge.h"

/* Hears of new interpreters, and switches to the entry points for many when the first is made. False with `error` filled when
 * Python refuses the audit hook. Does nothing where interpreters cannot have their own GIL. */
bool ku__many_watch(ku_error *error);

/* Held by traced entry points for many GILs, and by whoever starts, stops or reads tracing while there may be many. */
void ku__many_tracing_lock(void);
void ku__many_tracing_unlock(void);
void ku__many_after_fork_in_child(void);

/* Whether the entry points for one GIL may trace here; else those for many are used from the start. */
bool ku__one_can_trace(void);

/* Interpreters that exist now; a caller with a GIL. */
size_t ku__interpreter_count(void);

#endif
