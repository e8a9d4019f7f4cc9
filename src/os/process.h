/* process.h: what the running process can ask about itself: clocks and resident memory. Any thread may call.
 *
 * Sources: clock_gettime(2), proc_pid_statm(5).
 */
#ifndef KU__PROCESS_H
#define KU__PROCESS_H

#include <stdint.h>

/* Seconds on a clock that only moves forward, and seconds since 1970. */
double ku__clock_monotonic(void);
double ku__clock_calendar(void);

/* Bytes of this process that are in memory now; 0 where the system does not tell. */
uint64_t ku__process_resident(void);

#endif
