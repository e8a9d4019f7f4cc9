/* process.h: what the running process can ask about itself: resident memory, its end. Any thread may call.
 *
 * Sources: proc_pid_statm(5), on_exit(3).
 */
#ifndef KU__PROCESS_H
#define KU__PROCESS_H

#include <stdbool.h>
#include <stdint.h>

/* Bytes of this process that are in memory now; 0 where the system does not tell. */
uint64_t ku__process_resident(void);

/* What a thread of this process is doing: running or ready to, asleep in futex(2) on the word at `address`, asleep
 * elsewhere in the kernel; or the system does not tell. */
typedef enum ku__doing { KU__DOING_RUNS, KU__DOING_FUTEX, KU__DOING_ELSE, KU__DOING_UNKNOWN } ku__doing;

/* Of the thread with the kernel's number `thread`. Some microseconds. Source: proc_pid_syscall(5). */
ku__doing ku__process_thread_doing(long thread, uintptr_t *address);

/* Has `call` called with what was given to exit(3), when the process ends by it; functions that were registered later
 * are called earlier. False where the system cannot do that. One function in a process;
 * the library that it is in must not be unloaded. */
bool ku__process_at_exit(void (*call)(int status));

#endif
