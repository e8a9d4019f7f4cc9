/* core_corpus.h: a core file, and changes to it: what the fuzz target of the reader of core files takes. */
#ifndef FUZZ_CORE_CORPUS_H
#define FUZZ_CORE_CORPUS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { CORE_CHANGES_MOST = 64 };

/* One change: of a word of the core's that is not 0, by its number, so that small inputs reach what matters. */
typedef struct core_change {
    uint32_t word;
    uint32_t how; /* by its two lowest bits: the value itself, exclusive or, plus, or the word of that number */
    uint64_t value;
} core_change;

/* Reads the core with these changes, and ends the program when what comes of it is neither a graph nor an error.
 * Returns whether it was a graph. */
bool core_read_changed(const uint8_t *changes, size_t size);

#endif
