/* replay_message.c: the fuzz target of messages without a fuzzer.
 *
 *     replay_message                  every seed must be a message; then mutations of each
 *     replay_message --write FOLDER   writes the seeds
 *     replay_message FILE...          runs the target on files
 */
#include "message_corpus.h"

#include <stdio.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MUTATIONS = 20000 };

static uint64_t state = 88172645463325252u;

static uint64_t random_word(void) { /* xorshift64 (Marsaglia 2003) */
    state ^= state << 13;
    state ^= state >> 7;
    return state ^= state << 17;
}

/* Changes bytes, cuts, and repeats a part: numbers, lengths and tags all get wrong this way. */
static size_t mutate(uint8_t *bytes, size_t size) {
    for (uint64_t changes = 1 + random_word() % 4; changes > 0; changes--) {
        size_t at = random_word() % size;
        switch (random_word() % 6) {
        case 0: size = at + 1; break;
        case 1: bytes[at] = 255; break;
        case 2: bytes[at] ^= (uint8_t)(1u << random_word() % 8); break;
        case 3: memmove(bytes + at / 2, bytes + at, size - at); break;
        default: bytes[at] = (uint8_t)(random_word() % 20); break;
        }
    }
    return size;
}

static int replay_seeds(void) {
    static uint8_t seed[MESSAGE_SIZE_MOST], bytes[MESSAGE_SIZE_MOST];
    for (unsigned number = 0; number < MESSAGE_SEEDS; number++) {
        size_t size = message_seed(number, seed);
        if (!message_use(seed, size)) {
            fprintf(stderr, "seed %u is no message\n", number);
            return 1;
        }
        for (int i = 0; i < MUTATIONS; i++) {
            memcpy(bytes, seed, size);
            LLVMFuzzerTestOneInput(bytes, mutate(bytes, size));
        }
    }
    ku_gc_collect(message_isolate(), 2);
    return ku_isolate_delete(message_isolate()) != 0;
}

static int write_seeds(const char *folder) {
    static uint8_t seed[MESSAGE_SIZE_MOST];
    for (unsigned number = 0; number < MESSAGE_SEEDS; number++) {
        char path[4096];
        size_t size = message_seed(number, seed);
        snprintf(path, sizeof path, "%s/seed-%u", folder, number);
        FILE *file = fopen(path, "wb");
        if (file == NULL || fwrite(seed, 1, size, file) != size || fclose(file) != 0) {
            perror(path);
            return 1;
        }
    }
    return 0;
}

static int replay_file(const char *path) {
    static uint8_t bytes[MESSAGE_SIZE_MOST];
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        perror(path);
        return 1;
    }
    size_t size = fread(bytes, 1, sizeof bytes, file);
    fclose(file);
    return LLVMFuzzerTestOneInput(bytes, size);
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
