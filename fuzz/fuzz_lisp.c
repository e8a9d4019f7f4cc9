/* fuzz_lisp.c: whatever the text, the reader of the Lisp and its analyzer give data or an error, and leave nothing
 * behind. */
#include "lisp_corpus.h"

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size) {
    lisp_use(input, size);
    return 0;
}
