/* process.h: what the running process can ask about itself: clocks, resident memory, its end. Any thread may call.
 *
 * Sources: clock_gettime(2), proc_pid_statm(5), on_exit(3).
 */
#ifndef KU__PROCESS_H
#define KU__PROCESS_H

#include <stdbool.h>
#include <stdint.h>

/* Seconds on a clock that only moves forward, and seconds since 1970. */
double ku__clock_monotonic(void);
double ku__clock_calendar(void);

/* Bytes of this process that are in memory now; 0 where the system does not tell. */
uint64_t ku__process_resident(void);

/* Has `call` called with what was given to exit(3), when the process ends by it; functions that were registered later
 * are called earlier. False where the system cannot do that. One function in a process;
 * the library that it is in must not be unloaded. */
bool ku__process_at_exit(void (*call)(int status));

#endif
