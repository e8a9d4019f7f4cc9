/* lifo.c: 10^6 blocks of 64 bytes, allocated one after the other, then freed last in first out.
 *
 * The allocator cannot live from its cache: each round takes 61 MiB from it and gives 61 MiB back. The first round also
 * pays for the page faults of memory that was never used; later rounds pay for whatever the allocator returned to the
 * system in between. All rounds are printed. The driver takes the median of the rounds after the first, and shows
 * the first beside it. The figure is nanoseconds per call.
 *
 * usage: lifo [blocks = 10^6] [rounds = 10] [size = 64]
 */
#include "measure.h"

enum { BLOCKS_MAX = 4 * 1000 * 1000 };

static void *blocks[BLOCKS_MAX];

__attribute__((noinline)) static void measure_lifo(uint64_t count, size_t size) {
    for (uint64_t i = 0; i < count; i++) {
        blocks[i] = bench_malloc(size);
        touch(blocks[i], i);
    }
    for (uint64_t i = count; i > 0; i--) {
        bench_free(blocks[i - 1]);
    }
}

int main(int argc, char **argv) {
    uint64_t count = argument(argc, argv, 1, 1000 * 1000);
    size_t rounds = argument(argc, argv, 2, 10);
    size_t size = argument(argc, argv, 3, 64);
    double results[ROUNDS_MAX];
    if (count > BLOCKS_MAX || rounds > ROUNDS_MAX) {
        fprintf(stderr, "lifo: at most %d blocks and %d rounds\n", BLOCKS_MAX, ROUNDS_MAX);
        return 2;
    }
    bench_start();
    for (uint64_t i = 0; i < count; i++) {
        blocks[i] = blocks; /* any value: the table's pages are there before the clock starts */
    }
    for (size_t round = 0; round < rounds; round++) {
        double start = cpu_seconds();
        measure_lifo(count, size);
        results[round] = (cpu_seconds() - start) * 1e9 / (double)(2 * count);
    }
    print_rounds("lifo", results, rounds);
    return 0;
}
