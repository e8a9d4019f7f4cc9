/* clock.h: time. Any thread may ask. Source: clock_gettime(2). */
#ifndef KU__CLOCK_H
#define KU__CLOCK_H

#include <stdint.h>

/* Milliseconds since some fixed point, a few milliseconds coarse, at the price of reading memory
 * (CLOCK_MONOTONIC_COARSE where the system has it). Never goes back. */
uint64_t ku__clock_milliseconds(void);

/* Nanoseconds since some fixed point, as fine as the system has them. Never goes back. */
uint64_t ku__clock_nanoseconds(void);

/* Seconds on a clock that only moves forward, and seconds since 1970. */
double ku__clock_monotonic(void);
double ku__clock_calendar(void);

/* Seconds of a processor that the calling thread has used. */
double ku__clock_thread(void);

#endif
