/* heap_corpus.h: what the fuzz target of heap files and its replay share. */
#ifndef FUZZ_HEAP_CORPUS_H
#define FUZZ_HEAP_CORPUS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { HEAP_SIZE_MOST = 1 << 16 };

/* Opens the bytes as a heap file and, where they are one, asks it everything. Returns whether they were. */
bool heap_use(const uint8_t *bytes, size_t size);

/* Makes size and checksums right, so that what lies behind them is reached. */
void heap_repair(uint8_t *bytes, size_t size);

#endif
