/* pairs.c: a malloc and the free of the same block, over and over, sizes of 16 to 512 bytes mixed at random.
 *
 * The shortest path through an allocator: the block that was freed last is asked for again, and everything is in the
 * first-level cache. The figure is nanoseconds per call, so a pair costs twice that; loading the size and storing the
 * word are in it for every allocator alike.
 *
 * usage: pairs [pairs per round = 10^7] [rounds = 5]
 */
#include "measure.h"

enum { SIZES = 4096 }; /* 8 KiB: stays in the first-level cache, and is too long a sequence to be predicted whole */

static uint16_t sizes[SIZES];

__attribute__((noinline)) static void measure_pairs(uint64_t pairs) {
    for (uint64_t i = 0; i < pairs; i++) {
        void *block = bench_malloc(sizes[i % SIZES]);
        touch(block, i);
        bench_free(block);
    }
}

int main(int argc, char **argv) {
    uint64_t pairs = argument(argc, argv, 1, 10 * 1000 * 1000);
    size_t rounds = argument(argc, argv, 2, 5);
    double results[ROUNDS_MAX];
    bench_start();
    fill_sizes(sizes, SIZES, 42);
    measure_pairs(SIZES * 4);
    for (size_t round = 0; round < rounds && round < ROUNDS_MAX; round++) {
        double start = cpu_seconds();
        measure_pairs(pairs);
        results[round] = (cpu_seconds() - start) * 1e9 / (double)(2 * pairs);
    }
    print_rounds("pairs", results, rounds);
    return 0;
}
