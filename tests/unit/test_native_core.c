/* test_native_core.c: the heaps of a program of the C library, out of its core file: the same graph as of the living
 * program at the same moment; and cores that are damaged.
 *
 * The core is this program's own (core_writer.h).
 */
#include "native.h"

#include "alloc/tables.h"
#include "core_writer.h"
#include "corefile/corefile.h"

#include <fcntl.h>
#include <kucha/heap_dump.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

enum { NODES = 300 };

typedef struct world {
    ku_isolate *isolate, *other;
    ku_object *all, *far;
    char path[64];
    ku_graph *live; /* of `isolate`, at the moment of the core */
} world;

static ku_object *make_list(ku_isolate *isolate) {
    ku_object *list = ku_list_new(isolate, NULL, 0);
    for (int i = 0; i < NODES; i++) {
        ku_object *made = new_node(isolate, i), *dict = ku_dict_new(isolate);
        ku_object *key = ku_intern_text(isolate, "a name");
        as_node(made)->left = ku_int(isolate, 100000 + i);
        assert_true(ku_dict_set(isolate, dict, key, list));
        as_node(made)->right = dict;
        assert_true(ku_list_append(isolate, list, made));
        ku_decref(isolate, key);
        ku_decref(isolate, made);
    }
    ku_object *text = ku_str_new(isolate, (char[2000]){'x'}, 2000);
    assert_true(ku_list_append(isolate, list, text));
    ku_decref(isolate, text);
    return list;
}

/* Frees some, so that magazines hold blocks that are free and not said to be. */
static void make_holes(ku_isolate *isolate) {
    ku_object *some[40];
    for (size_t i = 0; i < 40; i++) {
        some[i] = new_node(isolate, (int64_t)i);
    }
    for (size_t i = 0; i < 40; i += 2) {
        ku_decref(isolate, some[i]);
    }
    for (size_t i = 1; i < 40; i += 2) {
        ku_decref(isolate, some[i]);
    }
}

static void write_from_a_frame(world *of) {
    KU_FRAME(of->isolate, frame, 1);
    ku_hold(&frame, 0, ku_new_reference(of->all));
    of->live = ku_graph_take(of->isolate, 0, NULL);
    assert_non_null(of->live);
    assert_true(core_write(of->path));
}

static int open_world(void **state) {
    static world made;
    ku_error error;
    made.isolate = ku_isolate_new(&(ku_isolate_options){.name = "first", .flags = KU_ISOLATE_BIRTHPLACES}, &error);
    made.other = ku_isolate_new(&(ku_isolate_options){.name = "second"}, &error);
    assert_non_null(made.isolate);
    assert_non_null(made.other);
    made.all = make_list(made.isolate);
    made.far = make_list(made.other);
    make_holes(made.isolate);
    strcpy(made.path, "/tmp/kucha-core-XXXXXX");
    int file = mkstemp(made.path);
    assert_true(file >= 0);
    close(file);
    write_from_a_frame(&made);
    *state = &made;
    return 0;
}

static void end_list(ku_isolate *isolate, ku_object *list) {
    ku_decref(isolate, list); /* a cycle, through the dicts */
    assert_int_equal(ku_isolate_delete(isolate), 0);
}

static int close_world(void **state) {
    world *of = *state;
    unlink(of->path);
    ku_graph_close(of->live);
    end_list(of->isolate, of->all);
    end_list(of->other, of->far);
    return 0;
}

static ku_graph *graph_of(const ku__core_order *order) {
    ku__core_outcome outcome;
    ku_error error = {.code = KU_OK};
    ku_graph *graph = ku__core_graph(order, &outcome, &error);
    if (graph == NULL) {
        fail_msg("%s", error.message);
    }
    assert_string_equal(outcome.runtime, "kucha's C library");
    assert_false(outcome.hosted);
    return graph;
}

static const char *text_of_type(const ku_graph *graph, uint32_t at) {
    ku_node_type type;
    ku_graph_type_read(graph, ku_graph_type(graph, at), &type);
    return ku_graph_text(graph, type.name).bytes;
}

static bool is_place(const ku_graph *graph, uint32_t at) {
    return (ku_graph_flags(graph, at) & KU_NODE_PLACE) != 0;
}

/* Edges of one node, with their names, are those of the other; places lie at different addresses. */
static void compare_edges(const ku_graph *live, uint32_t here, const ku_graph *core, uint32_t there) {
    uint32_t count, found;
    const uint32_t *targets = ku_graph_targets(live, here, &count), *others = ku_graph_targets(core, there, &found);
    assert_int_equal(count, found);
    for (uint32_t i = 0; i < count; i++) {
        char one[KU_GRAPH_EDGE_TEXT], other[KU_GRAPH_EDGE_TEXT];
        assert_int_equal(ku_graph_address(live, targets[i]), ku_graph_address(core, others[i]));
        assert_string_equal(ku_graph_edge_text(live, here, i, one, sizeof one),
                            ku_graph_edge_text(core, there, i, other, sizeof other));
    }
}

static void compare_birthplaces(const ku_graph *live, uint32_t here, const ku_graph *core, uint32_t there) {
    ku_graph_frame one, other;
    size_t count = ku_graph_site_read(live, ku_graph_site(live, here), &one, 1);
    assert_int_equal(ku_graph_site_read(core, ku_graph_site(core, there), &other, 1), count);
    if (count != 0) {
        assert_string_equal(ku_graph_text(live, one.function).bytes, ku_graph_text(core, other.function).bytes);
        assert_int_equal(one.line, other.line);
    }
}

static void test_a_core_has_what_the_living_program_had(void **state) {
    const world *of = *state;
    ku_graph *core = graph_of(&(ku__core_order){.path = of->path});
    uint32_t compared = 0;
    for (uint32_t here = 1; here < ku_graph_node_count(of->live); here++) {
        if (is_place(of->live, here)) {
            continue;
        }
        ku_node one, other;
        uint32_t there = ku_graph_node_at(core, ku_graph_address(of->live, here));
        assert_int_not_equal(there, KU_GRAPH_NONE);
        ku_graph_node_read(of->live, here, &one);
        ku_graph_node_read(core, there, &other);
        assert_int_equal(one.size, other.size);
        assert_int_equal(one.slack, other.slack);
        assert_int_equal(one.count, other.count);
        assert_int_equal(one.flags, other.flags);
        assert_string_equal(text_of_type(of->live, here), text_of_type(core, there));
        compare_edges(of->live, here, core, there);
        compare_birthplaces(of->live, here, core, there);
        compared++;
    }
    assert_true(compared > 3 * NODES);
    ku_graph_close(core);
}

static uint32_t place_named(const ku_graph *graph, const char *name) {
    for (uint32_t at = 0; at < ku_graph_node_count(graph); at++) {
        ku_node read;
        ku_graph_node_read(graph, at, &read);
        if (is_place(graph, at) && read.label != KU_GRAPH_NONE &&
            strcmp(ku_graph_text(graph, read.label).bytes, name) == 0) {
            return at;
        }
    }
    fail_msg("no place '%s'", name);
    return KU_GRAPH_NONE;
}

static void test_a_core_has_all_isolates_and_their_frames(void **state) {
    const world *of = *state;
    ku_graph *core = graph_of(&(ku__core_order){.path = of->path});
    uint32_t count, thread = place_named(core, "thread 1 of first");
    const uint32_t *frames = ku_graph_targets(core, thread, &count);
    assert_int_equal(count, 1);
    const uint32_t *held = ku_graph_targets(core, frames[0], &count);
    assert_int_equal(count, 1);
    assert_int_equal(ku_graph_address(core, held[0]), (uintptr_t)of->all);
    place_named(core, "isolate first");
    place_named(core, "isolate second");
    uint32_t far = ku_graph_node_at(core, (uintptr_t)of->far);
    assert_int_not_equal(far, KU_GRAPH_NONE);
    ku_graph_targets(core, far, &count);
    assert_int_equal(count, NODES + 2); /* the items, the text, the buffer */
    ku_graph_close(core);
}

/* ---- damage ---- */

static char *read_core(const char *path, size_t *size) {
    struct stat facts;
    int file = open(path, O_RDONLY);
    assert_true(file >= 0 && fstat(file, &facts) == 0);
    *size = (size_t)facts.st_size;
    char *bytes = mmap(NULL, *size, PROT_READ | PROT_WRITE, MAP_PRIVATE, file, 0);
    assert_true(bytes != MAP_FAILED);
    close(file);
    return bytes;
}

/* Any outcome is right but a crash, and an error without a sentence. */
static void read_damaged(const char *bytes, size_t size) {
    ku__core_outcome outcome;
    ku_error error = {.code = KU_OK};
    ku_graph *graph = ku__core_graph(&(ku__core_order){.bytes = bytes, .size = size}, &outcome, &error);
    assert_true(graph != NULL || error.message[0] != '\0');
    ku_graph_close(graph);
}

static void test_a_damaged_core_is_read_or_refused(void **state) {
    enum { ROUNDS = 24, WORDS = 64 };
    const world *of = *state;
    size_t size;
    unsigned random = 12345;
    char *bytes = read_core(of->path, &size);
    for (int round = 0; round < ROUNDS; round++) {
        size_t at[WORDS];
        unsigned long kept[WORDS];
        for (int i = 0; i < WORDS; i++) {
            random = random * 1103515245 + 12345;
            unsigned long place = ((unsigned long)random << 20 ^ random >> 7) % (size / 8), value = random % 4;
            at[i] = place * 8;
            memcpy(&kept[i], bytes + at[i], 8);
            value = value == 0   ? ~0ul
                    : value == 1 ? 0
                    : value == 2 ? (uintptr_t)of->all + 4
                                 : kept[i] ^ 1ul << random % 64;
            memcpy(bytes + at[i], &value, 8);
        }
        read_damaged(bytes, size);
        for (int i = WORDS; i-- > 0;) {
            memcpy(bytes + at[i], &kept[i], 8);
        }
    }
    read_damaged(bytes, size / 2 & ~(size_t)7);
    read_damaged(bytes, 64);
    munmap(bytes, size);
}

/* Where the core has what lies at an address of this program. */
static char *place_in(char *bytes, const void *address) {
    const Elf64_Ehdr *head = (const Elf64_Ehdr *)(const void *)bytes;
    const Elf64_Phdr *part = (const Elf64_Phdr *)(const void *)(bytes + head->e_phoff);
    const Elf64_Phdr *end = part + head->e_phnum;
    while (part != end && (part->p_type != PT_LOAD || (uintptr_t)address - part->p_vaddr >= part->p_filesz)) {
        part++;
    }
    assert_true(part != end);
    return bytes + part->p_offset + ((uintptr_t)address - part->p_vaddr);
}

/* Words of objects and of the library's own structures, each in turn. */
static void test_damage_where_it_matters(void **state) {
    const world *of = *state;
    static const unsigned long values[] = {~0ul, 0, 0x10, 1ul << 47};
    size_t size, isolate_words = 64;
    char *bytes = read_core(of->path, &size);
    const void *const places[] = {of->isolate, of->all, ku_type_of(of->all)};
    for (size_t p = 0; p < sizeof places / sizeof places[0]; p++) {
        char *words = place_in(bytes, places[p]);
        for (size_t i = 0; i < (p == 0 ? isolate_words : 4); i++) {
            unsigned long kept;
            memcpy(&kept, words + i * 8, 8);
            memcpy(words + i * 8, &values[i % 4], 8);
            read_damaged(bytes, size);
            memcpy(words + i * 8, &kept, 8);
        }
    }
    munmap(bytes, size);
}

/* It was told of as a lack of memory. */
static void test_a_heap_that_says_it_has_no_pools_is_read(void **state) {
    const world *of = *state;
    size_t size;
    char *bytes = read_core(of->path, &size);
    memset(place_in(bytes, &ku__process_tables.arena_slots), 0, sizeof ku__process_tables.arena_slots);
    ku__core_outcome outcome;
    ku_error error = {.code = KU_OK};
    ku_graph *graph = ku__core_graph(&(ku__core_order){.bytes = bytes, .size = size}, &outcome, &error);
    assert_true(graph != NULL || error.code != KU_NO_MEMORY);
    ku_graph_close(graph);
    munmap(bytes, size);
}

/* With a name as argument this program only leaves its core under it, for tests of commands. */
int main(int count, char **arguments) {
    if (count == 2) {
        ku_isolate *isolate = open_isolate("left behind");
        ku_object *kept = make_list(isolate);
        bool written = core_write(arguments[1]);
        end_list(isolate, kept);
        return written ? 0 : 1;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_core_has_what_the_living_program_had),
        cmocka_unit_test(test_a_core_has_all_isolates_and_their_frames),
        cmocka_unit_test(test_a_damaged_core_is_read_or_refused),
        cmocka_unit_test(test_damage_where_it_matters),
        cmocka_unit_test(test_a_heap_that_says_it_has_no_pools_is_read),
    };
    return cmocka_run_group_tests(tests, open_world, close_world);
}
