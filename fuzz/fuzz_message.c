/* fuzz_message.c: whatever the bytes, reading a message gives a graph or an error. The input is the body of a message.
 *
 * make fuzz runs this under libFuzzer; replay_message (replay.c) runs it over seeds and mutations.
 */
#include "message_corpus.h"
#include "target.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static unsigned runs;
    message_use(data, size);
    if (++runs % 64 == 0) {
        ku_gc_collect(message_isolate(), 2); /* most graphs are cyclic */
    }
    return 0;
}
