/* clock.c: see clock.h. */
#define _GNU_SOURCE
#include "os/clock.h"

#include <time.h>

#ifdef CLOCK_MONOTONIC_COARSE
#define COARSE CLOCK_MONOTONIC_COARSE
#else
#define COARSE CLOCK_MONOTONIC
#endif

static uint64_t nanoseconds(clockid_t clock) {
    struct timespec now;
    clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

uint64_t ku__clock_milliseconds(void) {
    return nanoseconds(COARSE) / 1000000u;
}

uint64_t ku__clock_nanoseconds(void) {
    return nanoseconds(CLOCK_MONOTONIC);
}

double ku__clock_monotonic(void) {
    return (double)nanoseconds(CLOCK_MONOTONIC) * 1e-9;
}

double ku__clock_calendar(void) {
    return (double)nanoseconds(CLOCK_REALTIME) * 1e-9;
}

double ku__clock_thread(void) {
    return (double)nanoseconds(CLOCK_THREAD_CPUTIME_ID) * 1e-9;
}
