/* gil.h: how long each thread held the GIL and waited for it, estimated by looking.
 *
 * Nothing can be hooked where the interpreter takes and drops its lock. So a thread of ours, which never takes the GIL,
 * looks at it about every millisecond, at moments drawn at random so that they keep no step with the switch interval:
 * who holds it stands in the interpreter's own state (facts_gil.h); who waits for it stands in the kernel's account of
 * what each thread sleeps on (/proc/self/task/TID/syscall), since a thread that waits sleeps in futex(2) on a word
 * inside the lock. Each look stands for the time since the one before.
 *
 * Error. Shares come with the half width of a 95 % interval, from the scatter between batches of looks (batch means:
 * neighbouring looks are not independent, batches nearly are). A thread that was woken and has not got a processor yet
 * looks as one that runs without the lock: seconds of those are told apart, and the time waited lies between `waiting`
 * and `waiting` with `running`. How often the GIL changed hands is the interpreter's own count, and exact.
 *
 * Price. One look is a few microseconds a thread; the distance between two grows so that looking never takes more than
 * a twentieth of a processor.
 *
 * Fork: the thread is joined before, so that os.fork() finds a single-threaded program, and comes back in the parent
 * with a pending call; a child does not look.
 */
#ifndef KU__GIL_H
#define KU__GIL_H

#include "cpython/module.h"

PyObject *ku__gil_start_call(PyObject *module, PyObject *arguments, PyObject *keywords);
PyObject *ku__gil_stop_call(PyObject *module, PyObject *ignored);
PyObject *ku__gil_read_call(PyObject *module, PyObject *ignored);

/* Starts the thread again after a fork, where one is to be started. By the thread that forked, with the GIL. */
void ku__gil_resume(void);

#endif
