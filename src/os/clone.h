/* clone.h: a copy of the process that the program does not notice: for an instrument that reads memory at rest.
 *
 * The copy is a child without an exit signal: no SIGCHLD comes when it ends, and wait(2) and waitpid(-1) do not see it
 * (clone(2), "__WCLONE"). No handler of pthread_atfork(3) runs. In the copy only the calling thread exists, and locks
 * that others held stay locked for ever: so it must take no lock of libc's (no malloc, no stdio), and run no code that
 * might. Its descriptors are closed at once, so that nobody who waits for the end of a pipe waits for the copy; its
 * signals are blocked, and those of a crash end it quietly, without a core file. Where memory runs out, the system
 * shall take the copy first.
 *
 * Sources: clone(2), waitpid(2), close_range(2), prctl(2) (PR_SET_DUMPABLE), proc_pid_oom_score_adj(5).
 */
#ifndef KU__CLONE_H
#define KU__CLONE_H

#include <stdbool.h>
#include <sys/resource.h>
#include <sys/types.h>

/* 0 in the copy, its process id in the program; -1 with errno set. */
pid_t ku__clone_copy(void);

/* The same for a copy that makes a copy of itself, which keeps its descriptors and signals as they are. */
pid_t ku__clone_again(void);

/* Soft limits of the program's memory (RLIMIT_AS, RLIMIT_DATA) as they were. */
typedef struct ku__soft_limits {
    struct rlimit kept[2];
    bool lifted[2];
} ku__soft_limits;

/* Lifts them to the hard ones: what looks at a program works with more than may be left to it. A copy keeps it so and
 * passes NULL; whoever makes one puts them back, and what its other threads ask for in between is granted. */
void ku__clone_lift_limits(ku__soft_limits *before);
void ku__clone_put_limits_back(ku__soft_limits *before); /* nothing at the second time */

/* In a copy: a crash ends it, and neither a handler of the program's nor a core file tells of it. */
void ku__clone_crash_quietly(void);

/* Waits until the copy has ended, at most so long (negative: for ever; 0: not at all); one that takes longer goes on.
 * Returns whether it has ended, with how in `status` as waitpid(2) tells it. */
bool ku__clone_wait(pid_t copy, double seconds, int *status);

#endif
