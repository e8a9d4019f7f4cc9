/* pending.h: letting the interpreter's main thread look after the capture, soon and at a safe point.
 *
 * The capture has work that only a holder of the GIL may do: reading the heaps' statistics, and starting its helper
 * thread again after a fork. Slow paths of the allocator do it in passing (ku__capture_touch()). A program that takes
 * none for a while, because it only frees, or waits for its child, is reached by a pending call (Py_AddPendingCall()),
 * which the interpreter makes between two instructions of its main thread.
 *
 * After a fork it is made when os.fork() has returned, and not in a function of os.register_at_fork(): until then
 * os.fork() may still count the threads of the process (warn_about_fork_with_threads() in Modules/posixmodule.c), and
 * the capture's must not be among them. The frame that called os.fork() tells: it is the innermost again.
 */
#ifndef KU__PENDING_H
#define KU__PENDING_H

#include <stdbool.h>

/* Asks for a call of the capture's duties. Any thread may; nothing happens where one is waiting already, or where the
 * interpreter has no room for it. */
void ku__pending_ask(void *ignored);

/* The same, by the thread that has just forked, in the parent. */
void ku__pending_ask_after_fork(void *ignored);

void ku__pending_after_fork_in_child(void);

#endif
