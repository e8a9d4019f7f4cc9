/* core_corpus.c: see core_corpus.h. */
#include "core_corpus.h"
#include "target.h"

#include "../tests/unit/core_writer.h"
#include "corefile/corefile.h"

#include <kucha/kucha.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>

/* ---- the core ---- */

static struct {
    char *bytes; /* a private mapping */
    size_t size;
    uint32_t *words; /* which are not 0, by their numbers */
    uint32_t count;
} core;

typedef struct pair {
    ku_object header;
    ku_object *left, *right;
} pair;

static const ku_field pair_fields[] = {
    {"left", offsetof(pair, left), KU_FIELD_OWNED}, {"right", offsetof(pair, right), KU_FIELD_OWNED}, {NULL}};
static const ku_type_spec pair_spec = {.name = "pair", .size = sizeof(pair), .fields = pair_fields};
static const ku_type_spec point_spec = {.name = "Point", .size = sizeof(ku_object), .flags = KU_TYPE_DICT};

static void keep(ku_isolate *isolate, ku_object *list, ku_object *made) {
    if (made == NULL || !ku_list_append(isolate, list, made)) {
        abort();
    }
    ku_decref(isolate, made);
}

static void keep_point(ku_isolate *isolate, ku_object *list) {
    ku_object *type = ku_type_new(isolate, &point_spec, NULL, 0);
    ku_object *point = type != NULL ? ku_call(isolate, type, NULL, 0) : NULL;
    if (point == NULL || !ku_set(isolate, point, "x", list)) {
        abort();
    }
    ku_decref(isolate, type);
    keep(isolate, list, point);
}

/* Something of each kind that the reader has a rule for. */
static ku_object *fill(ku_isolate *isolate) {
    ku_object *list = ku_list_new(isolate, NULL, 0), *dict = ku_dict_new(isolate);
    ku_object *items[100];
    for (int i = 0; i < 100; i++) {
        items[i] = list;
    }
    keep(isolate, list, ku_tuple_new(isolate, items, 3));
    keep(isolate, list, ku_tuple_new(isolate, items, 100));
    keep(isolate, list, ku_str(isolate, "some text"));
    keep(isolate, list, ku_new(isolate, ku_type_static(&pair_spec, NULL)));
    keep(isolate, list, ku_namespace_new(isolate, "a module"));
    keep(isolate, list, ku_set_new(isolate));
    keep_point(isolate, list);
    ku_object *key = ku_intern_text(isolate, "a name");
    if (!ku_dict_set(isolate, dict, key, list)) {
        abort();
    }
    ku_decref(isolate, key);
    keep(isolate, list, dict);
    return list;
}

static bool write_from_a_frame(ku_isolate *isolate, const char *path) {
    KU_FRAME(isolate, frame, 1);
    ku_hold(&frame, 0, fill(isolate));
    return core_write(path);
}

static void write_own(const char *path) {
    ku_isolate *isolate =
        ku_isolate_new(&(ku_isolate_options){.name = "fuzzed", .flags = KU_ISOLATE_BIRTHPLACES}, NULL);
    if (isolate == NULL || !write_from_a_frame(isolate, path) || ku_isolate_delete(isolate) != 0) {
        abort();
    }
}

static void map_core(const char *path) {
    struct stat facts;
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0 || fstat(file, &facts) != 0) {
        perror(path);
        exit(1);
    }
    core.size = (size_t)facts.st_size;
    core.bytes = mmap(NULL, core.size, PROT_READ | PROT_WRITE, MAP_PRIVATE, file, 0);
    close(file);
    core.words = malloc(core.size / sizeof(uint64_t) * sizeof *core.words);
    if (core.bytes == MAP_FAILED || core.words == NULL) {
        abort();
    }
}

static void open_core(void) {
    char own[] = "/tmp/kucha-fuzz-core-XXXXXX";
    const char *given = getenv("KUCHA_FUZZ_CORE");
    if (given == NULL) {
        close(mkstemp(own));
        write_own(own);
    }
    map_core(given != NULL ? given : own);
    if (given == NULL) {
        unlink(own);
    }
    for (size_t i = 0; i < core.size / sizeof(uint64_t); i++) {
        uint64_t word;
        memcpy(&word, core.bytes + i * sizeof word, sizeof word);
        if (word != 0) {
            core.words[core.count++] = (uint32_t)i;
        }
    }
}

/* ---- changes ---- */

static char *place_of(uint64_t number) {
    return core.bytes + (size_t)core.words[number % core.count] * sizeof(uint64_t);
}

static void apply(const core_change *change) {
    uint64_t word, value = change->value;
    char *place = place_of(change->word);
    memcpy(&word, place, sizeof word);
    switch (change->how % 4) {
    case 0: word = value; break;
    case 1: word ^= value; break;
    case 2: word += value; break;
    default: memcpy(&word, place_of(value), sizeof word); break;
    }
    memcpy(place, &word, sizeof word);
}

static bool read_core(void) {
    ku__core_outcome outcome;
    ku_error error = {.code = KU_OK};
    ku_graph *graph = ku__core_graph(&(ku__core_order){.bytes = core.bytes, .size = core.size}, &outcome, &error);
    if (graph == NULL && error.message[0] == '\0') {
        fprintf(stderr, "a core is refused without a word\n");
        abort();
    }
    ku_graph_close(graph);
    return graph != NULL;
}

bool core_read_changed(const uint8_t *changes, size_t size) {
    core_change list[CORE_CHANGES_MOST];
    uint64_t kept[CORE_CHANGES_MOST];
    size_t count = size / sizeof *list < CORE_CHANGES_MOST ? size / sizeof *list : CORE_CHANGES_MOST;
    if (core.bytes == NULL) {
        open_core();
    }
    memcpy(list, changes, count * sizeof *list);
    for (size_t i = 0; i < count; i++) {
        memcpy(&kept[i], place_of(list[i].word), sizeof kept[i]);
        apply(&list[i]);
    }
    bool read = read_core();
    for (size_t i = count; i-- > 0;) {
        memcpy(place_of(list[i].word), &kept[i], sizeof kept[i]);
    }
    return read;
}

/* ---- the corpus ---- */

/* No change at all, but for one that changes nothing. */
static size_t seed(unsigned number, uint8_t *bytes) {
    core_change none = {.word = number, .how = 1};
    memcpy(bytes, &none, sizeof none);
    return sizeof none;
}

static uint64_t random_value(void) {
    static const uint64_t far[] = {0, 1, 8, 0xff, 1u << 20, INT32_MAX, UINT32_MAX, (uint64_t)1 << 47, UINT64_MAX};
    return fuzz_random() % 2 == 0 ? far[fuzz_random() % (sizeof far / sizeof far[0])] : fuzz_random();
}

static size_t mutate(uint8_t *bytes, size_t size) {
    (void)size;
    size_t count = 1 + fuzz_random() % 8;
    for (size_t i = 0; i < count; i++) {
        core_change change = {.word = (uint32_t)fuzz_random(), .how = (uint32_t)fuzz_random(), .value = random_value()};
        memcpy(bytes + i * sizeof change, &change, sizeof change);
    }
    return count * sizeof(core_change);
}

const fuzz_corpus corpus = {
    .what = "core",
    .seeds = 1,
    .seed = seed,
    .accepts = core_read_changed,
    .mutate = mutate,
    .mutations = 60, /* each reads a core of some MiB */
    .size_most = CORE_CHANGES_MOST * sizeof(core_change),
};
