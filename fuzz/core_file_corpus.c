/* core_file_corpus.c: seeds of the fuzz target of whole core files, and changes that leave most of a core what it was:
 * words are set, exchanged, and made to point elsewhere, since nearly all that a core holds is words. */
#include "core_use.h"
#include "target.h"

#include <elf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WORD = sizeof(uint64_t), SIZE_MOST = 1 << 18 };

/* ---- seeds ---- */

/* CORE_SEEDS is the folder that they are in. */
static size_t seed(unsigned number, uint8_t *bytes) {
    char path[4096];
    snprintf(path, sizeof path, "%s/seed-%u", CORE_SEEDS, number);
    FILE *file = fopen(path, "rb");
    size_t size = file != NULL ? fread(bytes, 1, SIZE_MOST, file) : 0;
    if (file == NULL || fclose(file) != 0) {
        perror(path);
        exit(1);
    }
    return size;
}

static bool accepts(const uint8_t *bytes, size_t size) {
    ku_graph *graph = core_read((const char *)bytes, size);
    bool is_core = graph != NULL;
    if (is_core) {
        core_ask(graph);
    }
    ku_graph_close(graph);
    return is_core;
}

/* ---- changes ---- */

static uint64_t word_at(const uint8_t *bytes, size_t word) {
    uint64_t value;
    memcpy(&value, bytes + word * WORD, WORD);
    return value;
}

static void set_word(uint8_t *bytes, size_t word, uint64_t value) {
    memcpy(bytes + word * WORD, &value, WORD);
}

/* A word, mostly one that is not 0: of the others most are never read. */
static size_t any_word(const uint8_t *bytes, size_t count) {
    enum { LOOKS = 8 };
    size_t word = fuzz_random() % count;
    for (int i = 0; i < LOOKS && word_at(bytes, word) == 0; i++) {
        word = fuzz_random() % count;
    }
    return word;
}

/* An address in one of the core's segments. */
static uint64_t any_address(const uint8_t *bytes, size_t size) {
    Elf64_Ehdr header;
    Elf64_Phdr segment;
    if (size < sizeof header) {
        return 0;
    }
    memcpy(&header, bytes, sizeof header);
    uint64_t at = header.e_phnum == 0 ? 0 : header.e_phoff + fuzz_random() % header.e_phnum * sizeof segment;
    if (at > size || size - at < sizeof segment) {
        return 0;
    }
    memcpy(&segment, bytes + at, sizeof segment);
    return segment.p_vaddr + (segment.p_filesz == 0 ? 0 : fuzz_random() % segment.p_filesz & ~(uint64_t)(WORD - 1));
}

static uint64_t any_number(void) {
    static const uint64_t far[] = {
        0, 1, 2, 3, 0xff, 4096, 1 << 20, INT32_MAX, UINT32_MAX, INT64_MAX, (uint64_t)1 << 47, UINT64_MAX};
    return fuzz_random() % 4 != 0 ? far[fuzz_random() % (sizeof far / sizeof far[0])] : fuzz_random();
}

static void set_half(uint8_t *bytes, size_t word) {
    uint32_t value = (uint32_t)any_number();
    memcpy(bytes + word * WORD + fuzz_random() % 2 * sizeof value, &value, sizeof value);
}

static void exchange(uint8_t *bytes, size_t word, size_t other) {
    uint64_t value = word_at(bytes, word);
    set_word(bytes, word, word_at(bytes, other));
    set_word(bytes, other, value);
}

static void copy_some(uint8_t *bytes, size_t count, size_t to, size_t from) {
    size_t most = count - (to > from ? to : from), words = 1 + fuzz_random() % 16;
    memmove(bytes + to * WORD, bytes + from * WORD, (words < most ? words : most) * WORD);
}

static void change(uint8_t *bytes, size_t size) {
    static const int64_t steps[] = {1, -1, 8, -8, 16, -16, 64, 4096};
    size_t count = size / WORD, word = any_word(bytes, count), other = any_word(bytes, count);
    uint64_t value = word_at(bytes, word);
    switch (fuzz_random() % 9) {
    case 0: set_word(bytes, word, any_number()); break;
    case 1: set_word(bytes, word, value ^ (uint64_t)1 << fuzz_random() % 64); break;
    case 2: set_word(bytes, word, word_at(bytes, other)); break;
    case 3: exchange(bytes, word, other); break;
    case 4: set_word(bytes, word, value + (uint64_t)steps[fuzz_random() % (sizeof steps / sizeof steps[0])]); break;
    case 5: set_word(bytes, word, any_address(bytes, size)); break;
    case 6: set_half(bytes, word); break;
    case 7: bytes[word * WORD + fuzz_random() % WORD] = (uint8_t)fuzz_random(); break;
    default: copy_some(bytes, count, word, other); break;
    }
}

static size_t mutate(uint8_t *bytes, size_t size) {
    enum { CHANGES = 4, ONE_CUT_IN = 256 };
    uint64_t changes = size < WORD ? 0 : 1 + fuzz_random() % CHANGES;
    for (uint64_t i = 0; i < changes; i++) {
        change(bytes, size);
    }
    return size > 0 && fuzz_random() % ONE_CUT_IN == 0 ? fuzz_random() % size : size;
}

const fuzz_corpus corpus = {
    .what = "core file",
    .seeds = 2,
    .mutations = 100,
    .size_most = SIZE_MOST,
    .seed = seed,
    .accepts = accepts,
    .mutate = mutate,
};
