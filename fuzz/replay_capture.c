/* replay_capture.c: the fuzz target without a fuzzer, for compilers that have none and as a test.
 *
 *     replay_capture                 every seed, and thousands of repeatable mutations of each
 *     replay_capture FILE...         these inputs, such as what a fuzzer has found
 *     replay_capture --write FOLDER  writes the seeds there, for a fuzzer to start from
 */
#include "capture_corpus.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MUTATIONS = 1500 };

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size);

static uint64_t random_state = 88172645463325252u;

static uint64_t random_word(void) { /* xorshift64 */
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state;
}

/* A few bytes changed, or a word set to a number that is often one too far. */
static void mutate(uint8_t *bytes, size_t size) {
    static const uint64_t far[] = {
        0, 1, 7, 255, 256, 511, 512, 513, 4095, 65536, UINT32_MAX, INT64_MAX, UINT64_MAX - 7, UINT64_MAX};
    for (uint64_t changes = 1 + random_word() % 4; changes > 0; changes--) {
        size_t at = random_word() % 3 == 0 ? 512 + random_word() % 700 : random_word() % size;
        if (random_word() % 2)
            bytes[at] = (uint8_t)random_word();
        else if ((at &= ~(size_t)7) + 8 <= size)
            memcpy(bytes + at, &far[random_word() % (sizeof far / sizeof far[0])], 8);
    }
}

static int replay_seeds(void) {
    static uint8_t seed[CORPUS_SIZE_MOST], bytes[CORPUS_SIZE_MOST];
    for (unsigned number = 0; number < CORPUS_SEEDS; number++) {
        memset(seed, 0, sizeof seed);
        size_t size = corpus_seed(number, seed);
        size_t whole = corpus_extend(seed, size, bytes);
        if (!corpus_use(bytes, whole)) {
            fprintf(stderr, "seed %u is no capture\n", number);
            return 1;
        }
        for (int i = 0; i < MUTATIONS; i++) {
            memcpy(bytes, seed, size);
            mutate(bytes, size);
            LLVMFuzzerTestOneInput(bytes, size);
        }
    }
    return 0;
}

static int write_seeds(const char *folder) {
    static uint8_t seed[CORPUS_SIZE_MOST];
    for (unsigned number = 0; number < CORPUS_SEEDS; number++) {
        char path[4096];
        memset(seed, 0, sizeof seed);
        size_t size = corpus_seed(number, seed);
        snprintf(path, sizeof path, "%s/seed-%u", folder, number);
        FILE *file = fopen(path, "wb");
        if (file == NULL || fwrite(seed, 1, size, file) != size || fclose(file) != 0) {
            perror(path);
            return 1;
        }
    }
    return 0;
}

static int replay_file(const char *path) {
    static uint8_t bytes[CORPUS_SIZE_MOST];
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        perror(path);
        return 1;
    }
    size_t size = fread(bytes, 1, sizeof bytes, file);
    fclose(file);
    return LLVMFuzzerTestOneInput(bytes, size);
}

int main(int count, char **arguments) {
    if (count == 1) return replay_seeds();
    if (count == 3 && strcmp(arguments[1], "--write") == 0) return write_seeds(arguments[2]);
    int status = 0;
    for (int i = 1; i < count; i++) status |= replay_file(arguments[i]);
    return status;
}
