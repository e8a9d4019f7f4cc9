/* process_fork.h: threads of kucha._process that are not there while the program forks.
 *
 * From 3.12 on os.fork() warns where the process has more threads than its own, and it counts them after the fork, in
 * the parent. So a thread of ours ends before a fork, and comes back when os.fork() has returned: by a pending call of
 * the interpreter's main thread, which is made between two instructions, and tells by the innermost frame that
 * os.fork() and the functions of os.register_at_fork() are over. A fork in any other thread, or without the GIL, is
 * warned of anyway, or by nobody: then the thread comes back at once. In a forked child it does not.
 *
 * The same as pending.h does for the allocator's module, with public calls of the interpreter alone.
 *
 * Sources: warn_about_fork_with_threads() in Modules/posixmodule.c (3.12 to 3.15); pthread_atfork(3);
 * Doc/c-api/init.rst (Py_AddPendingCall).
 */
#ifndef KU__PROCESS_FORK_H
#define KU__PROCESS_FORK_H

#include <stdbool.h>

/* Whoever has a thread. The functions get the guest; they are called with the lock of the list held, so they must not
 * come back here, and without the GIL perhaps. */
typedef struct ku__fork_guest {
    void (*pause)(struct ku__fork_guest *self);  /* before a fork: end the thread */
    void (*resume)(struct ku__fork_guest *self); /* later, in the parent: start it again */
    void (*lose)(struct ku__fork_guest *self);   /* in a child: it was paused, and stays so */
    struct ku__fork_guest *next;
    bool paused;
} ku__fork_guest;

/* From now on the guest is told of forks. False: the system has no memory for that. With the GIL. */
bool ku__fork_enter(ku__fork_guest *guest);

/* It is not told any more; nothing happens where it was not told. A guest that was paused stays so. With the GIL. */
void ku__fork_leave(ku__fork_guest *guest);

#endif
