/* churn.c: 10^6 live blocks of 16 to 512 bytes; one chosen at random is freed and replaced by one of a random size.
 *
 * The working set, some 260 MiB, is far larger than the caches, so the figure is mostly how many lines of memory an
 * allocator touches for each call. With `read` set, the first word of a block is read before it is freed, as a program
 * that looks at an object before dropping it does (CPython reads and writes the reference count): this takes from
 * allocators that never touch freed memory the part of their lead that such a program would not see.
 *
 * The indexes and sizes of each step come from a generator inside the loop; its cost, about a nanosecond, is in every
 * figure. The figure is nanoseconds per call (two calls a step).
 *
 * usage: churn [steps per round = 4*10^6] [rounds = 5] [live = 10^6] [read = 0]
 */
#include "measure.h"

enum {
    LIVE_MAX = 4 * 1000 * 1000,
    SIZES = 4096,
};

static void *blocks[LIVE_MAX];
static uint16_t sizes[SIZES];
static volatile uint64_t sink;

__attribute__((noinline)) static void measure_churn(uint64_t steps, uint32_t live, uint64_t *state) {
    for (uint64_t i = 0; i < steps; i++) {
        uint32_t index = random_below(state, live);
        bench_free(blocks[index]);
        blocks[index] = bench_malloc(sizes[i % SIZES]);
        touch(blocks[index], i);
    }
}

__attribute__((noinline)) static void measure_churn_read(uint64_t steps, uint32_t live, uint64_t *state) {
    for (uint64_t i = 0; i < steps; i++) {
        uint32_t index = random_below(state, live);
        sink = *(volatile uint64_t *)blocks[index];
        bench_free(blocks[index]);
        blocks[index] = bench_malloc(sizes[i % SIZES]);
        touch(blocks[index], i);
    }
}

int main(int argc, char **argv) {
    uint64_t steps = argument(argc, argv, 1, 4 * 1000 * 1000);
    size_t rounds = argument(argc, argv, 2, 5);
    uint64_t live = argument(argc, argv, 3, 1000 * 1000);
    uint64_t read = argument(argc, argv, 4, 0);
    double results[ROUNDS_MAX];
    if (live == 0 || live > LIVE_MAX || rounds > ROUNDS_MAX) {
        fprintf(stderr, "churn: at most %d live blocks and %d rounds\n", LIVE_MAX, ROUNDS_MAX);
        return 2;
    }
    bench_start();
    uint64_t state = 4711;
    fill_sizes(sizes, SIZES, 42);
    for (uint64_t i = 0; i < live; i++) {
        blocks[i] = bench_malloc(random_size(&state));
        touch(blocks[i], i);
    }
    measure_churn(live, (uint32_t)live, &state);
    for (size_t round = 0; round < rounds; round++) {
        double start = cpu_seconds();
        if (read != 0) {
            measure_churn_read(steps, (uint32_t)live, &state);
        } else {
            measure_churn(steps, (uint32_t)live, &state);
        }
        results[round] = (cpu_seconds() - start) * 1e9 / (double)(2 * steps);
    }
    print_rounds(read != 0 ? "churn-read" : "churn", results, rounds);
    return 0;
}
