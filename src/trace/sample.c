/* sample.c: which allocations are samples, and what each stands for; see sample.h.
 *
 * The generator is xoroshiro128+ (Blackman and Vigna, "Scrambled linear pseudorandom number generators", ACM TOMS 47,
 * 2021), seeded through splitmix64 as its authors advise: two words of state, no division, and its upper 53 bits, all
 * that is used, pass every test they know.
 */
#include "sample.h"
#include "fast.h"

#include <math.h>

static uint64_t rotate(uint64_t word, int by) {
    return word << by | word >> (64 - by);
}

static uint64_t random_next(uint64_t state[2]) {
    uint64_t first = state[0], second = state[1], result = first + second;
    second ^= first;
    state[0] = rotate(first, 24) ^ second ^ second << 16;
    state[1] = rotate(second, 37);
    return result;
}

static uint64_t splitmix(uint64_t *state) {
    uint64_t word = *state += 0x9E3779B97F4A7C15u;
    word = (word ^ word >> 30) * 0xBF58476D1CE4E5B9u;
    word = (word ^ word >> 27) * 0x94D049BB133111EBu;
    return word ^ word >> 31;
}

/* An exponential gap in whole bytes. The byte that makes the countdown negative is the sampled one, so the gap is
 * rounded down: P(gap < n) = P(E < n) = 1 - exp(-n / interval), as the weights assume. The uniform number is never
 * 0. */
static void draw_gap(ku__tracer *tracer, ku__lane *lane) {
    double uniform = ((double)(random_next(lane->random) >> 11) + 0.5) * 0x1p-53;
    lane->countdown = (int64_t)(-log(uniform) * tracer->sample_interval);
}

void ku__sample_seed(ku__tracer *tracer, ku__lane_id lane, uint64_t seed) {
    ku__lane *own = &tracer->lanes[lane];
    own->random[0] = splitmix(&seed);
    own->random[1] = splitmix(&seed) | 1; /* the state must not be all zeros */
    if (tracer->sample_interval > 0)
        draw_gap(tracer, own);
    else
        own->countdown = INT64_MAX;
}

void ku__sample_weight(double interval, size_t bytes, uint64_t *weighted_bytes, uint64_t *weighted_blocks) {
    double size = bytes == 0 ? 1.0 : (double)bytes;
    double blocks = interval > 0 ? -1.0 / expm1(-size / interval) : 1.0;
    *weighted_bytes = (uint64_t)llround(blocks * (double)bytes);
    *weighted_blocks = (uint64_t)llround(blocks * KU__SAMPLED_UNIT);
}

void ku__sample_allocated(ku__tracer *tracer, ku__lane_id lane, uint32_t site, size_t bytes, const void *block) {
    uint64_t weighted_bytes, weighted_blocks;
    ku__sample_weight(tracer->sample_interval, bytes, &weighted_bytes, &weighted_blocks);
    ku__counts_add(tracer, lane, ku__site_counts_of(tracer, lane, site), weighted_bytes, weighted_blocks);
    ku__lane *own = &tracer->lanes[lane];
    draw_gap(tracer, own);
    own->last_block = block;
    own->last_countdown = own->countdown;
}

void ku__sample_skip(ku__tracer *tracer, ku__lane_id lane) {
    draw_gap(tracer, &tracer->lanes[lane]);
}

/* A countdown that has not moved since the sample was taken says that nothing at all was allocated in between. */
void ku__sample_freed(ku__tracer *tracer, ku__lane_id lane, uint32_t site, size_t bytes, const void *block) {
    uint64_t weighted_bytes, weighted_blocks;
    ku__sample_weight(tracer->sample_interval, bytes, &weighted_bytes, &weighted_blocks);
    ku__site_counts *counts = ku__site_counts_of(tracer, lane, site);
    ku__counts_take(tracer, lane, counts, weighted_bytes, weighted_blocks);
    ku__lane *own = &tracer->lanes[lane];
    if (own->last_block == block && own->last_countdown == own->countdown) {
        ku__cell_add(&counts->temporary_blocks, weighted_blocks);
        own->last_block = NULL;
    }
}
