/* image.h: a child that works on a copy-on-write image of the process.
 *
 * The child is made by a raw clone, with nobody told: no handlers of fork run, no signal is sent when it ends, the
 * program's own wait(2) never meets it, and it shares the table of open files, so that no pipe stays open because of
 * it. It has this thread alone, with every signal blocked, and may use its memory and system calls, nothing that
 * another thread could have been in the middle of (no malloc, no stdio, no locks). It ends by itself when the work is
 * done, when its parent ends, or by a watchdog.
 *
 * Sources: clone(2), with CLONE_FILES and an exit signal of 0; wait(2), __WCLONE; prctl(2), PR_SET_PDEATHSIG;
 * setitimer(2). A system without these makes none.
 */
#ifndef KU__IMAGE_H
#define KU__IMAGE_H

#include <stdbool.h>
#include <stddef.h>

/* Starts the work in a child. Returns its number, or 0 when none can be made. */
int ku__image_start(void (*work)(void *argument), void *argument, unsigned seconds);

typedef enum ku__image_state { KU__IMAGE_WORKS, KU__IMAGE_DONE, KU__IMAGE_LOST } ku__image_state;

/* Whether it is done; afterwards, done or lost, there is no such child any more. */
ku__image_state ku__image_poll(int child);

/* Ends it, and waits until it is gone. */
void ku__image_stop(int child);

#endif
