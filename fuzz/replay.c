/* replay.c: a fuzz target without a fuzzer, for compilers that have none and as a test.
 *
 *     replay_NAME                  every seed must be accepted; then thousands of repeatable mutations of each
 *     replay_NAME FILE...          these inputs, such as what a fuzzer has found
 *     replay_NAME --write FOLDER   writes the seeds there, for a fuzzer to start from
 */
#include "target.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint8_t *room(void) {
    uint8_t *bytes = calloc(1, corpus.size_most);
    if (bytes == NULL) {
        perror("replay");
        exit(1);
    }
    return bytes;
}

static bool replay_seed(unsigned number, uint8_t *seed, uint8_t *bytes) {
    memset(seed, 0, corpus.size_most);
    size_t size = corpus.seed(number, seed);
    if (!corpus.accepts(seed, size)) {
        fprintf(stderr, "seed %u is no %s\n", number, corpus.what);
        return false;
    }
    for (unsigned i = 0; i < corpus.mutations; i++) {
        memcpy(bytes, seed, size);
        LLVMFuzzerTestOneInput(bytes, corpus.mutate(bytes, size));
    }
    return true;
}

static int replay_seeds(void) {
    uint8_t *seed = room(), *bytes = room();
    bool whole = true;
    for (unsigned number = 0; number < corpus.seeds && whole; number++) {
        whole = replay_seed(number, seed, bytes);
    }
    free(seed);
    free(bytes);
    return whole ? 0 : 1;
}

static int write_seeds(const char *folder) {
    uint8_t *seed = room();
    int status = 0;
    for (unsigned number = 0; number < corpus.seeds && status == 0; number++) {
        char path[4096];
        memset(seed, 0, corpus.size_most);
        size_t size = corpus.seed(number, seed);
        snprintf(path, sizeof path, "%s/seed-%u", folder, number);
        FILE *file = fopen(path, "wb");
        bool written = file != NULL && fwrite(seed, 1, size, file) == size;
        if (file == NULL || fclose(file) != 0 || !written) {
            perror(path);
            status = 1;
        }
    }
    free(seed);
    return status;
}

static int replay_file(const char *path) {
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        perror(path);
        return 1;
    }
    uint8_t *bytes = room();
    size_t size = fread(bytes, 1, corpus.size_most, file);
    fclose(file);
    int status = LLVMFuzzerTestOneInput(bytes, size);
    free(bytes);
    return status;
}

int main(int count, char **arguments) {
    if (count == 1) {
        return replay_seeds();
    }
    if (count == 3 && strcmp(arguments[1], "--write") == 0) {
        return write_seeds(arguments[2]);
    }
    int status = 0;
    for (int i = 1; i < count; i++) {
        status |= replay_file(arguments[i]);
    }
    return status;
}
