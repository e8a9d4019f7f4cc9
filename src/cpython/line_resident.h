/* line_resident.h: this process's resident size, as often as a profiler of lines asks.
 *
 * A reading is one pread(2) of /proc/self/statm with a descriptor that is kept: some 300 ns, which is more than most
 * lines take. So there are two ways to ask.
 *
 *     KU__RESIDENT_EVERY   read at each line
 *     KU__RESIDENT_MOVED   read where the size may have moved: the thread allocated or freed a page's worth of bytes
 *                          since the last reading, or the line took longer than KU__RESIDENT_STEP ns, or
 *                          the last reading is older than KU__RESIDENT_AGE ns; else the last reading stands
 *
 * Resident memory grows by page faults alone, and a fault costs more than 250 ns of a processor's time (0.5 us
 * measured, of which the exception itself is 0.1). A line that was quicker than KU__RESIDENT_STEP had fewer than eight,
 * so what a line is shown can be late by eight faults (32 KiB; a fault on a mapped file can bring 16 pages, one on a
 * huge page 2 MiB, but zeroing that takes 50 us), and is made good at the next reading, at most KU__RESIDENT_AGE later.
 * Memory that other threads touch is seen with the same delay. Without kucha's allocator the first condition is not
 * there, and the delay is what counts.
 *
 * Lock: the GIL. A forked child opens its own file.
 */
#ifndef KU__LINE_RESIDENT_H
#define KU__LINE_RESIDENT_H

#include "cpython/counted.h"

enum {
    KU__RESIDENT_STEP = 2000,    /* ns; eight faults at the least each can cost */
    KU__RESIDENT_AGE = 100000,   /* ns; a reading each so often adds 0.3 in a hundred */
    KU__RESIDENT_MOVEMENT = 4096 /* bytes; what cannot be seen in a size that is counted in pages */
};

typedef enum ku__resident_when {
    KU__RESIDENT_OFF, /* not asked for: always 0 */
    KU__RESIDENT_EVERY,
    KU__RESIDENT_MOVED,
} ku__resident_when;

/* What one thread knows; all 0 at first. */
typedef struct ku__resident {
    int64_t bytes;    /* the last reading */
    int64_t movement; /* allocated + freed at that moment */
    uint64_t read_at; /* ticks */
    uint64_t seen_at; /* ticks at the last question */
} ku__resident;

/* The resident size in bytes, read now; -1 where /proc cannot be read. */
int64_t ku__resident_read(void);

/* The resident size as `when` wants it. */
int64_t ku__resident_ask(ku__resident *resident, ku__resident_when when, const ku__counts *counts);

#endif
