/* image.h: a child that works on a copy-on-write image of the process.
 *
 * The child is made by a raw clone, with nobody told: no handlers of fork run, no signal is sent when it ends, the
 * program's own wait(2) never meets it, and it shares the table of open files, so that no pipe stays open because of
 * it. It must neither open nor close nor write a file: the table is the program's. It has this thread alone, with all
 * but its own signals blocked, and may use its memory and system calls, nothing that another thread could have been in
 * the middle of (no malloc, no stdio, no locks).
 *
 * Its end comes when the work is done; by a crash, of which nothing tells but ku__image_poll(); or by its watchdog,
 * which looks at every tick of a timer whether the time is over, the parent has ended, or has become another program.
 * The system is asked to tell when the parent ends, too; it does so when the thread that made the child ends, which is
 * why the parent is looked at again before the child gives up.
 *
 * Where memory runs out while it lives, the system is asked to end the child before any other process.
 *
 * clone.h makes copies that have their own table of files, which they close, and whose owner waits for them.
 *
 * Sources: clone(2), with CLONE_FILES and an exit signal of 0; wait(2), __WCLONE; prctl(2), PR_SET_PDEATHSIG;
 * setitimer(2); kcmp(2), KCMP_FILES (execve(2): a program that is replaced leaves its table of files behind, where it
 * was shared; where kcmp is not allowed, such a child lives on until its work is done); proc_pid_oom_score_adj(5). A
 * system without these makes none.
 */
#ifndef KU__IMAGE_H
#define KU__IMAGE_H

#include <stdbool.h>
#include <stddef.h>

/* Starts the work in a child, which may take so long. Returns its number, or 0 when none can be made. */
int ku__image_start(void (*work)(void *argument), void *argument, unsigned seconds);

typedef enum ku__image_state { KU__IMAGE_WORKS, KU__IMAGE_DONE, KU__IMAGE_LOST } ku__image_state;

/* Whether it is done; afterwards, done or lost, there is no such child any more. Any thread of the parent. */
ku__image_state ku__image_poll(int child);

/* Ends it, and waits until it is gone. */
void ku__image_stop(int child);

#endif
