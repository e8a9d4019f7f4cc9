/* capture_corpus.h: small captures for the fuzzer to start from, and the repair of checksums that lets it go on.
 *
 * A capture made by the writer is a hundred kilobytes; these are built by hand, a few kilobytes each, so that a fuzzer
 * tries thousands a second. Bytes that are missing at the end are taken to be zeros up to the state's end: the pages
 * of counts, mostly zeros, need not be in the file.
 */
#ifndef KUCHA_FUZZ_CAPTURE_CORPUS_H
#define KUCHA_FUZZ_CAPTURE_CORPUS_H

#include <stddef.h>
#include <stdint.h>

enum { CORPUS_SEEDS = 8, CORPUS_SIZE_MOST = 1 << 18 };

/* Writes seed `number` into `bytes` (CORPUS_SIZE_MOST of them, zeroed) and returns its size. */
size_t corpus_seed(unsigned number, uint8_t *bytes);

/* Copies `size` bytes to `bytes` (CORPUS_SIZE_MOST of them), with zeros behind as far as the states ask for. Returns
 * the size. */
size_t corpus_extend(const uint8_t *input, size_t size, uint8_t *bytes);

/* Makes all checksums right that can be found, whatever the rest is: a mutated capture then gets past them. */
void corpus_repair(uint8_t *bytes, size_t size);

/* Reads the bytes as a capture and uses everything that can be used of it. Returns whether it was one. */
int corpus_use(const uint8_t *bytes, size_t size);

#endif
