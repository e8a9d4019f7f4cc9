/* aside.h: work done in a process beside this one, which shares its memory and its files, and not its signals.
 *
 * Whoever holds something that others wait for must not be stopped meanwhile. A thread is, with its whole process: by
 * Ctrl-Z, by SIGSTOP, by a shell that stops a job. A process beside it is not: it is of no job that anybody stops (it
 * has a process group of its own), and it blocks every signal that can be. Nothing can be done about a control group
 * that is frozen.
 *
 * It is made as posix_spawn(3) makes one before the new program begins: with the same memory, while the thread that
 * made it stands still and lends it its thread-local storage, errno among it; so it may allocate, and fill in what the
 * caller gave it. Its own are the stack and its number, by which ptrace(2) and setpgid(2) know it.
 * Its end sends no signal, and wait(2) of the program's does not see it. What ends this process does not end it.
 *
 * Sources: clone(2) (CLONE_VM, CLONE_VFORK, an exit signal of 0), waitpid(2) (__WCLONE), setpgid(2), signal(7).
 */
#ifndef KU__ASIDE_H
#define KU__ASIDE_H

#include <stdbool.h>

/* Runs run(argument) there, and returns when that process is over. False with errno where the system gave none; and
 * with ECANCELED where it was ended before `run` returned. */
bool ku__aside_run(void (*run)(void *argument), void *argument);

#endif
