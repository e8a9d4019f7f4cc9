/* fuzz_capture.c: libFuzzer's entry to the reader of captures: the bytes as they are, and again with checksums made
 * right, so that what lies behind them is reached. Seeds: replay_capture --write FOLDER. */
#include "capture_corpus.h"
#include "target.h"

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size) {
    static uint8_t bytes[CORPUS_SIZE_MOST];
    size_t whole = corpus_extend(input, size, bytes);
    corpus_use(bytes, whole);
    corpus_repair(bytes, whole);
    corpus_use(bytes, whole);
    return 0;
}
