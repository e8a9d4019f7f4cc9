/* halt.h: another process stopped for a moment, all of its threads, without its parent or its shell being told.
 *
 * Threads are taken by PTRACE_SEIZE and stopped by PTRACE_INTERRUPT: no signal is sent, so nothing of the process's
 * own is changed by it; a call that it waits in is begun again, or returns EINTR as after SIGSTOP and SIGCONT
 * (signal(7), "Interruption of system calls ... by stop signals"). A signal that comes for a thread at that moment is
 * handed to it when it goes on. Whatever ends the one who stopped it, the kernel lets the process go on.
 *
 * A thread that waits in the kernel for a disk, a server's files, or the child of a vfork(2), stops only when that is
 * over, which may be never. The others are not kept standing for it: after a moment all are let go.
 *
 * Who asks needs the right to trace: the same user, and what kernel.yama.ptrace_scope allows; or CAP_SYS_PTRACE.
 *
 * All calls for one process come from one thread, to which ptrace(2) binds, and which ends soon afterwards: only then
 * does the kernel let go a thread that could not be stopped in time, and tell the parent of a process that was killed
 * while it stood still. It should be the only one of a process that nobody stops (os/aside.h): a tracer that is stopped
 * itself keeps standing still what it holds. Sources: ptrace(2), waitid(2) (WNOWAIT, __WALL); proc_pid_stat(5) (the
 * states of threads); exit_ptrace() in kernel/ptrace.c of Linux.
 */
#ifndef KU__HALT_H
#define KU__HALT_H

#include "inspect/growing.h"

#include <kucha/error.h>
#include <stdbool.h>
#include <sys/types.h>

typedef struct ku__halted {
    ku__growing threads;
    double since; /* monotonic: when the first thread was asked to stop */
    double stood; /* seconds that they stood still, once they were let go */
    pid_t stuck;  /* the thread that kept it from being stopped, because it waits in the kernel; 0: none did */
} ku__halted;

/* Stops all threads of a process; those that have stopped stand still for `hold` seconds, at most, for the sake of one
 * that waits in the kernel. False with `error` filled, and nothing stopped once the calling thread has ended: KU_GONE,
 * KU_ZOMBIE, KU_DENIED (with errno), KU_STATE (a thread could not be stopped), KU_NO_MEMORY, KU_IO. */
bool ku__halt(ku__halted *halted, pid_t process, double hold, ku_error *error);

/* Lets them go on. */
void ku__halt_end(ku__halted *halted);

/* Whether a thread of a process waits in the kernel, where it cannot be stopped. */
bool ku__halt_waits(pid_t process, pid_t thread);

#endif
