/* cost.h: what tracing has cost the program: counted where it can be counted, estimated where it cannot.
 *
 * A clock around every traced operation would cost more than what it measures, so the time is a model. How many blocks
 * were born and freed, and how deep their stacks were, is known exactly. What one of them costs is measured when
 * somebody asks: the same batch of blocks is made and freed through the traced and the untraced fast paths, on a heap
 * and a tracer made for it, beneath a stack of one frame and of as many as are kept; the differences are the prices,
 * with a straight line between the depths. Stacks that the cache did not know are rare and slow: they are timed as they
 * come.
 *
 *     seconds = born * price(mean depth) + freed * price + time of unknown stacks
 *
 * What the model leaves out: misses of the processor's caches that the side tables cause in the program, the overlap of
 * tracing with the program's own instructions, resizes (priced as a birth and a free), blocks over 512 bytes (priced as
 * small ones). docs/benchmarks.md compares it with measured differences.
 *
 * Lock: the main interpreter's GIL.
 */
#ifndef KU__COST_H
#define KU__COST_H

#include "cpython/tracing.h"

typedef struct ku__cost {
    ku__trace_cost tables;
    uint64_t raw_bytes;     /* tables of the raw domain */
    double born, freed;     /* blocks; estimates where blocks are sampled */
    double depth;           /* mean frames of a stack */
    double writing_seconds; /* CPU time of the thread that writes the capture */
    unsigned frames;        /* how tracing was started */
    bool sampled;
} ku__cost;

/* What is counted, of the tracer that there is. */
void ku__cost_read(ku__cost *cost);

/* The estimated seconds of the program's own threads; a negative number with an exception set where measuring failed.
 * Takes a few milliseconds and runs a few lines of Python code. Tracing may be off by now. */
double ku__cost_estimate(const ku__cost *cost);

#endif
