/* fuzz_heap.c: whatever the bytes, opening a heap file gives a graph that can be asked everything, or an error. The
 * bytes are taken as they are, and again with sizes and checksums made right.
 *
 * make fuzz runs this under libFuzzer; replay_heap (replay.c) runs it over seeds and mutations.
 */
#include "heap_corpus.h"
#include "target.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size) {
    static uint8_t bytes[HEAP_SIZE_MOST];
    size = size < sizeof bytes ? size : sizeof bytes;
    memcpy(bytes, input, size);
    heap_use(bytes, size);
    heap_repair(bytes, size);
    heap_use(bytes, size);
    return 0;
}
