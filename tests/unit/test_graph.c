/* test_graph.c: graphs that are built, read, written and read back; damaged files. */
#include "support.h"

#include "inspect/graph.h"
#include <kucha/heap_file.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static uint32_t add_node(ku_graph_builder *builder, uint64_t address, uint32_t type, uint64_t size) {
    ku_node node = {.address = address, .type = type, .size = size, .slack = 3, .count = 1, .label = KU_GRAPH_NONE};
    return ku_graph_builder_node(builder, &node);
}

static void add_edge(ku_graph_builder *builder, uint32_t from, uint32_t to, uint32_t kind, uint32_t text,
                     uint64_t number) {
    ku_edge_name name = {.kind = kind, .text = text, .number = number};
    ku_graph_builder_edge(builder, from, to, &name);
}

enum { ITEMS = 300 };

/* root -> list (at a high address) -> 300 ints; root -> dict of two entries; a pair that only holds itself. */
static ku_graph *example(void) {
    ku_error error = {0};
    ku_graph_builder *builder = ku_graph_builder_new(&error);
    assert_non_null(builder);
    uint32_t list = ku_graph_builder_type(builder, "builtins", "list", 0);
    uint32_t number = ku_graph_builder_type(builder, "builtins", "int", 0);
    uint32_t dict = ku_graph_builder_type(builder, "builtins", "dict", 0);
    uint32_t cache = ku_graph_builder_text(builder, "cache", 5);
    ku_graph_frame frame = {.function = cache, .file = ku_graph_builder_text(builder, "a.py", 4), .line = 7};
    assert_int_equal(ku_graph_builder_site(builder, &frame, 1), 1);
    uint32_t the_list = add_node(builder, (uint64_t)1 << 45, list, 70000);
    ku_node table = {.address = 4096, .type = dict, .size = 64, .site = 1, .count = 70000, .label = cache};
    uint32_t the_dict = ku_graph_builder_node(builder, &table);
    add_edge(builder, 0, the_list, KU_EDGE_ROOT, cache, 0);
    add_edge(builder, 0, the_dict, KU_EDGE_ROOT, KU_GRAPH_NONE, 0);
    for (uint32_t i = 0; i < ITEMS; i++) {
        uint32_t item = add_node(builder, 8192 + 32 * (uint64_t)(ITEMS - i), number, 28);
        add_edge(builder, the_list, item, KU_EDGE_ITEM, KU_GRAPH_NONE, i);
    }
    for (uint32_t i = 0; i < 4; i++) {
        add_edge(builder, the_dict, the_list, i % 2 == 0 ? KU_EDGE_KEY : KU_EDGE_VALUE, KU_GRAPH_NONE, i / 2);
    }
    uint32_t left = add_node(builder, 100000, list, 56), right = add_node(builder, 100064, list, 56);
    add_edge(builder, left, right, KU_EDGE_ATTRIBUTE, cache, 0);
    add_edge(builder, right, left, KU_EDGE_ATTRIBUTE, cache, 0);
    ku_graph *graph = ku_graph_builder_finish(builder, &error);
    assert_non_null(graph);
    return graph;
}

static void check_example(const ku_graph *graph) {
    char text[KU_GRAPH_EDGE_TEXT];
    uint32_t count, nodes = ku_graph_node_count(graph);
    assert_int_equal(nodes, 1 + 2 + ITEMS + 2);
    assert_int_equal(ku_graph_edge_count(graph), 2 + ITEMS + 4 + 2);
    uint32_t list = ku_graph_node_at(graph, (uint64_t)1 << 45), dict = ku_graph_node_at(graph, 4096);
    assert_int_equal(list, nodes - 1);
    assert_int_equal(dict, 1);
    assert_int_equal(ku_graph_node_at(graph, 4097), KU_GRAPH_NONE);
    assert_int_equal(ku_graph_node_at(graph, 4104), KU_GRAPH_NONE);
    assert_int_equal(ku_graph_size(graph, list), 70000);
    const uint32_t *items = ku_graph_targets(graph, list, &count);
    assert_int_equal(count, ITEMS);
    assert_int_equal(ku_graph_address(graph, items[0]), 8192 + 32 * ITEMS);
    assert_string_equal(ku_graph_edge_text(graph, list, 299, text, sizeof text), "item 299");
    assert_string_equal(ku_graph_edge_text(graph, dict, 3, text, sizeof text), "value 1");
    assert_string_equal(ku_graph_edge_text(graph, dict, 2, text, sizeof text), "key 1");
    uint32_t left = ku_graph_node_at(graph, 100000);
    assert_string_equal(ku_graph_edge_text(graph, left, 0, text, sizeof text), "attribute cache");
    assert_true(ku_graph_flags(graph, left) & KU_NODE_DEAD);
    assert_false(ku_graph_flags(graph, items[5]) & KU_NODE_DEAD);
    ku_node read;
    ku_graph_node_read(graph, dict, &read);
    assert_int_equal(read.count, KU_GRAPH_COUNT_MAX);
    assert_int_equal(read.site, 1);
    assert_string_equal(ku_graph_text(graph, read.label).bytes, "cache");
    ku_graph_frame frame;
    assert_int_equal(ku_graph_site_read(graph, 1, &frame, 1), 1);
    assert_int_equal(frame.line, 7);
}

static void a_graph_that_was_built_is_read(void **state) {
    (void)state;
    ku_graph *graph = example();
    check_example(graph);
    ku_graph_close(graph);
}

static void who_holds_a_node_is_told(void **state) {
    (void)state;
    ku_graph *graph = example();
    uint32_t count, list = ku_graph_node_at(graph, (uint64_t)1 << 45);
    const uint32_t *holders = ku_graph_referrers(graph, list, &count, NULL);
    assert_int_equal(count, 5); /* the root, and four times the dict */
    assert_int_equal(holders[0], KU_GRAPH_ROOT);
    assert_int_equal(holders[4], 1);
    holders = ku_graph_referrers(graph, ku_graph_node_at(graph, 8192 + 32), &count, NULL);
    assert_int_equal(count, 1);
    assert_int_equal(holders[0], list);
    ku_graph_close(graph);
}

static void numbers_that_were_not_made_are_refused(void **state) {
    (void)state;
    ku_error error = {0};
    ku_graph_builder *builder = ku_graph_builder_new(&error);
    add_edge(builder, 0, 1, KU_EDGE_ITEM, KU_GRAPH_NONE, 0);
    assert_null(ku_graph_builder_finish(builder, &error));
    assert_int_equal(error.code, KU_INVALID);
    builder = ku_graph_builder_new(&error);
    uint32_t type = ku_graph_builder_type(builder, NULL, "t", 0);
    add_node(builder, 64, type, 1);
    add_node(builder, 64, type, 1);
    assert_null(ku_graph_builder_finish(builder, &error));
    assert_int_equal(error.code, KU_INVALID);
}

/* ---- files ---- */

static const char *file_name(void) {
    static char name[64];
    snprintf(name, sizeof name, "/tmp/kucha-test-graph-%ld.heap", (long)getpid());
    return name;
}

static void a_graph_comes_back_out_of_its_file(void **state) {
    (void)state;
    ku_error error = {0};
    ku_graph *graph = example();
    assert_int_equal(ku_heap_file_write(graph, file_name(), &error), KU_OK);
    ku_graph_close(graph);
    struct stat facts;
    assert_int_equal(stat(file_name(), &facts), 0);
    assert_int_equal(facts.st_mode & 0777, 0600);
    graph = ku_heap_file_open(file_name(), &error);
    assert_non_null(graph);
    check_example(graph);
    ku_graph_close(graph);
    unlink(file_name());
}

static void a_file_that_cannot_be_written_leaves_nothing(void **state) {
    (void)state;
    ku_error error = {0};
    ku_graph *graph = example();
    assert_int_equal(ku_heap_file_write(graph, "/nowhere/at/all", &error), KU_IO);
    assert_non_null(strstr(error.message, "/nowhere/at/all"));
    ku_graph_close(graph);
    assert_null(ku_heap_file_open("/nowhere/at/all", &error));
    assert_int_equal(error.code, KU_IO);
    assert_null(ku_heap_file_open("/dev/null", &error));
    assert_int_equal(error.code, KU_CORRUPT);
}

static uint8_t *read_file(size_t *size) {
    ku_error error = {0};
    ku_graph *graph = example();
    assert_int_equal(ku_heap_file_write(graph, file_name(), &error), KU_OK);
    ku_graph_close(graph);
    struct stat facts;
    int descriptor = open(file_name(), O_RDONLY);
    fstat(descriptor, &facts);
    *size = (size_t)facts.st_size;
    uint8_t *bytes = malloc(*size);
    assert_int_equal(read(descriptor, bytes, *size), facts.st_size);
    close(descriptor);
    unlink(file_name());
    return bytes;
}

static void every_damaged_byte_is_found(void **state) {
    (void)state;
    size_t size;
    uint8_t *bytes = read_file(&size);
    ku_error error = {0};
    for (size_t at = 0; at < size; at += at < 1024 ? 1 : 13) {
        bytes[at] ^= 0x41;
        ku_graph *graph = ku_heap_file_open_bytes(bytes, size, &error);
        if (graph != NULL) { /* zeros between sections belong to none */
            check_example(graph);
            ku_graph_close(graph);
        } else {
            assert_int_equal(error.code, KU_CORRUPT);
            assert_true(strlen(error.message) > 20);
        }
        bytes[at] ^= 0x41;
    }
    for (size_t cut = 0; cut < size; cut += 97) {
        assert_null(ku_heap_file_open_bytes(bytes, cut, &error));
    }
    free(bytes);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_graph_that_was_built_is_read),
        cmocka_unit_test(who_holds_a_node_is_told),
        cmocka_unit_test(numbers_that_were_not_made_are_refused),
        cmocka_unit_test(a_graph_comes_back_out_of_its_file),
        cmocka_unit_test(a_file_that_cannot_be_written_leaves_nothing),
        cmocka_unit_test(every_damaged_byte_is_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
