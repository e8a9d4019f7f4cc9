/* target.h: what a fuzz target brings with it, so that one program can replay any of them without a fuzzer.
 *
 * A target is fuzz_NAME.c, libFuzzer's entry, and NAME_corpus.c, which makes seeds and changes them. See replay.c.
 */
#ifndef FUZZ_TARGET_H
#define FUZZ_TARGET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct fuzz_corpus {
    const char *what; /* one input, in a word */
    unsigned seeds;
    unsigned mutations; /* of each seed, when replayed */
    size_t size_most;   /* bytes that a seed or a mutation may have */
    /* Writes a seed into `bytes`, which are zero; returns its size. */
    size_t (*seed)(unsigned number, uint8_t *bytes);
    /* Reads a seed; whether it is what it should be. */
    bool (*accepts)(const uint8_t *bytes, size_t size);
    /* Changes an input, which has at least a byte; returns its new size. */
    size_t (*mutate)(uint8_t *bytes, size_t size);
} fuzz_corpus;

extern const fuzz_corpus corpus;

/* Repeatable: the same numbers in every run. */
uint64_t fuzz_random(void);
/* Begins again, elsewhere: for fuzzers that say themselves which numbers are next. */
void fuzz_random_from(uint64_t seed);

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size);

#endif
