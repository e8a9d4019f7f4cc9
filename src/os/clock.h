/* clock.h: time, for intervals only. */
#ifndef KU__CLOCK_H
#define KU__CLOCK_H

#include <stdint.h>

/* Milliseconds since some fixed point, a few milliseconds coarse, at the price of reading memory
 * (CLOCK_MONOTONIC_COARSE where the system has it). Never goes back. */
uint64_t ku__clock_milliseconds(void);

/* Nanoseconds since some fixed point, as fine as the system has them. Never goes back. */
uint64_t ku__clock_nanoseconds(void);

#endif
