/* measure.h: what the C programs share: the clock, the random numbers, the arguments and the result line.
 *
 * The clock is the process's own CPU time, so that another process on the same core does not count. It is read once
 * before and once after thousands of calls. The random generator is xorshift64* (Vigna, "An experimental exploration
 * of Marsaglia's xorshift generators, scrambled", 2016) with a fixed seed: every allocator is given the same requests
 * in the same order.
 *
 * Each program prints one line of JSON and exits with 0; the driver (bench/harness) reads it.
 */
#ifndef KUCHA_BENCH_MEASURE_H
#define KUCHA_BENCH_MEASURE_H

#include "calls.h"
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum {
    SIZE_MIN = 16,
    SIZE_MAX_SMALL = 512,
    ROUNDS_MAX = 64, /* more than any caller asks for; the results lie in an array, not in the heap under test */
};

static inline double cpu_seconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static inline uint64_t random_next(uint64_t *state) {
    uint64_t x = *state;
    x ^= x >> 12;
    x ^= x << 25;
    x ^= x >> 27;
    *state = x;
    return x * UINT64_C(0x2545F4914F6CDD1D);
}

/* A number below `bound`, by the multiply-and-shift reduction: no division on the measured path. */
static inline uint32_t random_below(uint64_t *state, uint32_t bound) {
    return (uint32_t)(((random_next(state) >> 32) * bound) >> 32);
}

static inline uint16_t random_size(uint64_t *state) {
    return (uint16_t)(SIZE_MIN + random_below(state, SIZE_MAX_SMALL - SIZE_MIN + 1));
}

/* Tables of the program itself come from static storage, never from the allocator under test. Touching them before
 * the clock starts keeps their page faults out of the figures. */
static inline void fill_sizes(uint16_t *sizes, size_t count, uint64_t seed) {
    uint64_t state = seed;
    for (size_t i = 0; i < count; i++) {
        sizes[i] = random_size(&state);
    }
}

/* What a user does first with a block: writes to it. The volatile keeps the store. */
static inline void touch(void *block, uint64_t value) {
    if (block == NULL) {
        fprintf(stderr, "bench: out of memory\n");
        exit(2);
    }
    *(volatile uint64_t *)block = value;
}

static inline uint64_t argument(int argc, char **argv, int index, uint64_t fallback) {
    return argc > index ? strtoull(argv[index], NULL, 10) : fallback;
}

static inline void print_rounds(const char *name, const double *nanoseconds, size_t rounds) {
    printf("{\"program\": \"%s\", \"kind\": \"%s\", \"rounds\": [", name, bench_kind());
    for (size_t i = 0; i < rounds; i++) {
        printf("%s%.4f", i > 0 ? ", " : "", nanoseconds[i]);
    }
    printf("]}\n");
}

#endif
