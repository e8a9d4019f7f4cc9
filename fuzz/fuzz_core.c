/* fuzz_core.c: whatever is wrong in a core file, reading it gives a graph or an error with a sentence.
 *
 * The input is a list of changes (core_corpus.h) that are made to a whole core: this program's own, with a heap of
 * kucha's in it, or, where KUCHA_FUZZ_CORE names one, another, such as an interpreter's.
 *
 * make fuzz runs this under libFuzzer; it is not replayed as a test, because each run's core is another one.
 */
#include "core_corpus.h"
#include "target.h"

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size) {
    core_read_changed(input, size);
    return 0;
}
