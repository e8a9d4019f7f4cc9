/* fuzz_core_file.c: whatever the bytes, reading them as a core file gives a graph, which can be asked everything and is
 * a whole heap file, or an error with a sentence.
 *
 * The input is a whole core. The seeds in corpus/core_file are real interpreters' (3.13 and 3.15, which need no file
 * beside the core), made small by core_reduce. fuzz_core is the same for a core of a program of the C library.
 *
 * make fuzz runs this under libFuzzer; replay_core_file (replay.c) runs it over seeds and mutations.
 */
#include "core_use.h"
#include "target.h"

#include <stdlib.h>
#include <string.h>

size_t LLVMFuzzerCustomMutator(uint8_t *input, size_t size, size_t most, unsigned seed);

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size) {
    char *bytes = malloc(size > 0 ? size : 1); /* of its own, so that what is read behind its end is noticed; aligned */
    if (bytes == NULL) {
        abort();
    }
    memcpy(bytes, input, size);
    ku_graph *graph = core_read(bytes, size);
    if (graph != NULL) {
        core_ask(graph);
        ku_graph_close(graph);
    }
    free(bytes);
    return 0;
}

/* libFuzzer's own changes move bytes, after which nothing in a core is where it was. */
size_t LLVMFuzzerCustomMutator(uint8_t *input, size_t size, size_t most, unsigned seed) {
    (void)most; /* no change makes an input longer */
    fuzz_random_from(seed);
    return corpus.mutate(input, size);
}
