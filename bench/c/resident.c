/* resident.c: what 112 MiB of mixed sizes weigh in resident memory, and what stays after most of it is freed.
 *
 * Blocks of 16 to 512 bytes are allocated until 112 MiB were asked for; every byte is written. Then 90 % of them,
 * chosen at random, are freed and the allocator is asked to give back what it can. Resident size is Rss of
 * /proc/self/smaps_rollup, which counts pages when it is read (the counters of /proc/self/status lag).
 *
 * Printed, in bytes: payload asked for; `before`, with the program's own table (3.4 MiB) in place and nothing
 * allocated; `peak`; `freed`, after 90 % and the purge; `payload_left`; seconds of CPU, user and system, for filling.
 *
 * usage: resident [MiB of payload = 112] [per cent freed = 90]
 */
#include "measure.h"
#include <string.h>
#include <sys/mman.h>

enum {
    MEAN_SIZE = (SIZE_MIN + SIZE_MAX_SMALL) / 2, /* of the sizes drawn */
    SLACK = 1024, /* entries beyond payload / mean; the draw stays within a few hundred */
};

static const uint64_t SIZE_SEED = 7;

static void **blocks; /* one entry per block, in pages of its own: part of `before` */
static size_t blocks_max;

static uint64_t resident_bytes(void) {
    char line[256];
    unsigned long long kib = 0;
    FILE *file = fopen("/proc/self/smaps_rollup", "r");
    if (file == NULL) {
        return 0;
    }
    while (fgets(line, sizeof line, file) != NULL) {
        if (sscanf(line, "Rss: %llu kB", &kib) == 1) {
            break;
        }
    }
    fclose(file);
    return kib * 1024;
}

static void make_table(uint64_t payload) {
    blocks_max = payload / MEAN_SIZE + SLACK;
    size_t bytes = blocks_max * sizeof *blocks;
    blocks = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (blocks == MAP_FAILED) {
        fprintf(stderr, "resident: no memory for the table\n");
        exit(2);
    }
    memset(blocks, 0xff, bytes);
}

static size_t fill(uint64_t payload, uint64_t *asked) {
    uint64_t state = SIZE_SEED;
    size_t count = 0;
    while (*asked < payload && count < blocks_max) {
        uint16_t size = random_size(&state);
        blocks[count] = bench_malloc(size);
        touch(blocks[count], count);
        memset(blocks[count], 0x5a, size);
        *asked += size;
        count++;
    }
    return count;
}

static uint64_t free_most(size_t count, uint32_t percent) {
    uint64_t state = 99;
    uint64_t size_state = SIZE_SEED;
    uint64_t left = 0;
    for (size_t i = 0; i < count; i++) {
        uint16_t size = random_size(&size_state);
        if (random_below(&state, 100) < percent) {
            bench_free(blocks[i]);
        } else {
            left += size;
        }
    }
    return left;
}

int main(int argc, char **argv) {
    uint64_t payload = argument(argc, argv, 1, 112) << 20;
    uint32_t percent = (uint32_t)argument(argc, argv, 2, 90);
    uint64_t asked = 0;
    bench_start();
    make_table(payload);
    uint64_t before = resident_bytes();
    double start = cpu_seconds();
    size_t count = fill(payload, &asked);
    double seconds = cpu_seconds() - start;
    uint64_t peak = resident_bytes();
    uint64_t left = free_most(count, percent);
    bench_purge();
    uint64_t freed = resident_bytes();
    printf(
        "{\"program\": \"resident\", \"kind\": \"%s\", \"payload\": %llu, \"blocks\": %zu, \"before\": %llu, "
        "\"peak\": %llu, \"freed\": %llu, \"payload_left\": %llu, \"fill_seconds\": %.4f}\n",
        bench_kind(), (unsigned long long)asked, count, (unsigned long long)before, (unsigned long long)peak,
        (unsigned long long)freed, (unsigned long long)left, seconds);
    return 0;
}
