/* sample.h: tracing by samples. A Poisson process drops points on the bytes that a program allocates, `interval` bytes
 * apart in the mean; a block that a point falls on is a sample. So a block of n bytes is sampled with probability
 * p(n) = 1 - exp(-n / interval), whatever went before, and each sample is counted as 1/p(n) blocks: sums over samples
 * are unbiased estimates of sums over all blocks (Horvitz and Thompson, JASA 47, 1952). Gaps are exponential; because
 * the process has no memory, the next gap starts behind the sampled block.
 *
 * 1/p(n) depends on the size alone, so a freed sample gives back exactly what it was counted with.
 *
 * Use: entry points call ku__sample_due() (fast.h) at every allocation. When it is due: find the site, allocate, write
 * the slot, ku__sample_allocated(). When the allocation failed: ku__sample_skip(). A freed block whose slot is not 0:
 * ku__sample_freed(). A resize is a free and an allocation with a draw of its own.
 */
#ifndef KU__SAMPLE_H
#define KU__SAMPLE_H

#include "trace.h"

/* Counts a sample, and draws the gap to the next one. */
void ku__sample_allocated(ku__tracer *tracer, ku__lane_id lane, uint32_t site, size_t bytes, const void *block);

/* Draws the next gap without counting: the allocation that was due failed, or its site is unknown. */
void ku__sample_skip(ku__tracer *tracer, ku__lane_id lane);

/* Gives back what ku__sample_allocated() counted for the same site and bytes. */
void ku__sample_freed(ku__tracer *tracer, ku__lane_id lane, uint32_t site, size_t bytes, const void *block);

/* What a sample of `bytes` stands for: blocks in units of KU__SAMPLED_UNIT, and bytes. */
void ku__sample_weight(double interval, size_t bytes, uint64_t *weighted_bytes, uint64_t *weighted_blocks);

/* Seeds a lane's generator and draws its first gap. */
void ku__sample_seed(ku__tracer *tracer, ku__lane_id lane, uint64_t seed);

#endif
