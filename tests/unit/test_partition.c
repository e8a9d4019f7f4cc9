/* test_partition.c: the objects of a small heap, their sizes and owners, and what sets of them have in common. */
#include "support.h"

#include <kucha/partition.h>

#include <string.h>

/* root -> "modules" -> module -> its namespace -> a list with a buffer, whose items are two numbers and the list's own
 * tool; the tool holds a third number that nothing else does; "C or unknown" -> a text; two garbage dicts. */
enum {
    MODULE = 1,
    SPACE,
    LIST,
    BUFFER,
    ONE,
    TWO,
    TOOL,
    THREE,
    TEXT,
    LEFT,
    RIGHT,
    MODULES,
    UNSEEN,
    THREAD,
    FRAME,
    NODES,
};

typedef struct heap {
    ku_graph_builder *builder;
    uint32_t types[7];
} heap;

enum { MODULE_TYPE, DICT, LIST_TYPE, INT, STR, SYSTEM, OWN };

static void add(heap *h, uint32_t address, uint32_t type, uint64_t size, uint8_t flags, const char *label) {
    ku_node node = {.address = 64 * (uint64_t)address, .type = h->types[type], .size = size, .count = 1};
    node.flags = flags;
    node.age = KU_GRAPH_AGE_UNKNOWN;
    node.label = label == NULL ? KU_GRAPH_NONE : ku_graph_builder_text(h->builder, label, strlen(label));
    ku_graph_builder_node(h->builder, &node);
}

static void edge(heap *h, uint32_t from, uint32_t to, uint32_t kind, const char *text, uint64_t number) {
    ku_edge_name name = {.kind = kind, .text = KU_GRAPH_NONE, .number = number};
    if (text != NULL) name.text = ku_graph_builder_text(h->builder, text, strlen(text));
    ku_graph_builder_edge(h->builder, from, to, &name);
}

static void add_types(heap *h) {
    static const char *const names[] = {"module", "dict", "list", "int", "str"};
    for (uint32_t i = 0; i < 5; i++) h->types[i] = ku_graph_builder_type(h->builder, "builtins", names[i], 0);
    h->types[SYSTEM] = ku_graph_builder_type(h->builder, NULL, "<system>", KU_NODE_TYPE_SYSTEM);
    h->types[OWN] = ku_graph_builder_type(h->builder, "tool", "Set", KU_NODE_TYPE_HEAP);
}

static void add_nodes(heap *h) {
    add(h, MODULE, MODULE_TYPE, 72, 0, "app");
    add(h, SPACE, DICT, 64, 0, NULL);
    add(h, LIST, LIST_TYPE, 56, 0, NULL);
    add(h, BUFFER, SYSTEM, 800, KU_NODE_BUFFER, NULL);
    add(h, ONE, INT, 28, 0, NULL);
    add(h, TWO, INT, 28, 0, NULL);
    add(h, TOOL, OWN, 48, 0, NULL);
    add(h, THREE, INT, 32, 0, NULL);
    add(h, TEXT, STR, 50, 0, NULL);
    add(h, LEFT, DICT, 64, 0, NULL);
    add(h, RIGHT, DICT, 64, 0, NULL);
    add(h, MODULES, SYSTEM, 0, KU_NODE_PLACE, "modules");
    add(h, UNSEEN, SYSTEM, 0, KU_NODE_PLACE, "C or unknown");
    add(h, THREAD, SYSTEM, 0, KU_NODE_PLACE, "thread 1");
    add(h, FRAME, SYSTEM, 0, KU_NODE_PLACE, "f at app.py:3");
}

static void add_edges(heap *h) {
    for (uint32_t place = MODULES; place <= THREAD; place++) edge(h, 0, place, KU_EDGE_ROOT, NULL, 0);
    edge(h, MODULES, MODULE, KU_EDGE_ROOT, "module app", 0);
    edge(h, MODULE, SPACE, KU_EDGE_SLOT, "__dict__", 0);
    edge(h, SPACE, LIST, KU_EDGE_VALUE, "items", 0);
    edge(h, LIST, BUFFER, KU_EDGE_BUFFER, NULL, 0);
    edge(h, LIST, ONE, KU_EDGE_ITEM, NULL, 0);
    edge(h, LIST, TWO, KU_EDGE_ITEM, NULL, 1);
    edge(h, LIST, TOOL, KU_EDGE_ITEM, NULL, 2);
    edge(h, LIST, ONE, KU_EDGE_ITEM, NULL, 3);
    edge(h, TOOL, THREE, KU_EDGE_SLOT, "node", 0);
    edge(h, TOOL, TWO, KU_EDGE_SLOT, "node", 0);
    edge(h, UNSEEN, TEXT, KU_EDGE_UNKNOWN, NULL, 0);
    edge(h, LEFT, RIGHT, KU_EDGE_VALUE, "x", 0);
    edge(h, RIGHT, LEFT, KU_EDGE_VALUE, "x", 0);
    edge(h, THREAD, FRAME, KU_EDGE_ROOT, NULL, 0);
    edge(h, FRAME, TWO, KU_EDGE_LOCAL, "n", 0);
}

static ku_graph *small_heap(void) {
    heap h = {.builder = ku_graph_builder_new(NULL)};
    add_types(&h);
    add_nodes(&h);
    add_edges(&h);
    ku_graph *graph = ku_graph_builder_finish(h.builder, NULL);
    assert_non_null(graph);
    return graph;
}

static ku_selection *set_of(const ku_graph *graph, const uint32_t *nodes, size_t count) {
    ku_selection *made = ku_selection_new(ku_graph_node_count(graph), false, NULL);
    for (size_t i = 0; i < count; i++) ku_selection_add(made, nodes[i]);
    return made;
}

#define SET(graph, ...)                                                                                                \
    set_of((graph), (const uint32_t[]){__VA_ARGS__}, sizeof((const uint32_t[]){__VA_ARGS__}) / sizeof(uint32_t))

static uint64_t bits(const ku_selection *selection) {
    uint64_t set = 0;
    for (uint32_t v = 0; (v = ku_selection_next(selection, v)) != KU_GRAPH_NONE; v++) set |= (uint64_t)1 << v;
    return set;
}

#define BIT(node) ((uint64_t)1 << (node))

static void test_what_is_alive_and_what_is_stray(void **unused) {
    (void)unused;
    ku_graph *graph = small_heap();
    ku_objects *objects = ku_objects_new(graph, NULL, NULL);
    uint64_t held = BIT(MODULE) | BIT(SPACE) | BIT(LIST) | BIT(ONE) | BIT(TWO) | BIT(TOOL) | BIT(THREE);
    assert_int_equal(bits(ku_objects_alive(objects)), held | BIT(TEXT));
    assert_int_equal(bits(ku_objects_stray(objects)), BIT(TEXT) | BIT(LEFT) | BIT(RIGHT));
    ku_objects_delete(objects);
    ku_selection *tool = SET(graph, TOOL);
    objects = ku_objects_new(graph, tool, NULL);
    assert_int_equal(bits(ku_objects_alive(objects)), (held | BIT(TEXT)) & ~(BIT(TOOL) | BIT(THREE)));
    ku_objects_delete(objects);
    ku_selection_delete(tool);
    ku_graph_close(graph);
}

static void test_sizes_have_buffers_in_them(void **unused) {
    (void)unused;
    ku_graph *graph = small_heap();
    ku_objects *objects = ku_objects_new(graph, NULL, NULL);
    assert_int_equal(ku_objects_size(objects, LIST), 856);
    assert_int_equal(ku_objects_size(objects, SPACE), 64);
    assert_int_equal(ku_objects_owner(objects, SPACE), MODULE);
    assert_int_equal(ku_objects_owner(objects, BUFFER), LIST);
    assert_int_equal(ku_objects_owner(objects, LEFT), KU_GRAPH_NONE);
    ku_selection *some = SET(graph, LIST, ONE);
    assert_int_equal(ku_objects_bytes(objects, some), 884);
    ku_selection_delete(some);
    ku_objects_delete(objects);
    ku_graph_close(graph);
}

static void check_related(const ku_objects *objects, ku_selection *of, ku_objects_relation relation, uint64_t wanted) {
    ku_selection *found = ku_objects_related(objects, of, relation, NULL);
    assert_non_null(found);
    assert_int_equal(bits(found), wanted);
    ku_selection_delete(found);
    ku_selection_delete(of);
}

static void test_relations_of_sets(void **unused) {
    (void)unused;
    ku_graph *graph = small_heap();
    ku_selection *tool = SET(graph, TOOL);
    ku_objects *objects = ku_objects_new(graph, tool, NULL);
    check_related(objects, SET(graph, LIST), KU_OBJECTS_HELD, BIT(ONE) | BIT(TWO) | BIT(TOOL));
    check_related(objects, SET(graph, TWO, LIST), KU_OBJECTS_HOLDERS, BIT(LIST) | BIT(SPACE));
    check_related(objects, SET(graph, SPACE), KU_OBJECTS_WITHIN,
                  BIT(SPACE) | BIT(LIST) | BIT(ONE) | BIT(TOOL) | BIT(THREE));
    check_related(objects, SET(graph, SPACE, LEFT), KU_OBJECTS_OWNERS, BIT(MODULE));
    check_related(objects, SET(graph, MODULE, LIST), KU_OBJECTS_SPACES, BIT(SPACE));
    ku_selection *wrong = ku_selection_new(3, false, NULL);
    assert_null(ku_objects_related(objects, wrong, KU_OBJECTS_HELD, NULL));
    assert_null(ku_objects_new(graph, wrong, NULL));
    ku_selection_delete(wrong);
    ku_dominators *tree = ku_objects_dominators(objects, NULL, NULL);
    assert_int_equal(ku_dominators_parent(tree, ONE), LIST);
    assert_int_equal(ku_dominators_parent(tree, THREE), KU_GRAPH_NONE); /* only what is hidden holds it */
    ku_dominators_delete(tree);
    ku_objects_delete(objects);
    ku_selection_delete(tool);
    ku_graph_close(graph);
}

/* Checks that the row with the node has so many objects and bytes, and that its tokens select just its nodes. */
static void check_row(const ku_objects *objects, const ku_selection *of, ku_partition_key key, uint32_t node,
                      uint64_t nodes, uint64_t bytes) {
    ku_partition *made = ku_partition_new(objects, of, key, NULL);
    for (size_t i = 0; i < made->count; i++) {
        const ku_partition_row *row = &made->rows[i];
        ku_selection *found = ku_partition_select(objects, of, key, made->tokens + row->first_token, row->tokens, NULL);
        assert_int_equal(ku_selection_count(found), row->count);
        assert_int_equal(ku_objects_bytes(objects, found), row->bytes);
        if (ku_selection_has(found, node)) {
            assert_int_equal(bits(found), nodes);
            assert_int_equal(row->bytes, bytes);
        }
        ku_selection_delete(found);
    }
    ku_partition_delete(made);
}

static void test_partitions_by_everything(void **unused) {
    (void)unused;
    ku_graph *graph = small_heap();
    ku_objects *objects = ku_objects_new(graph, NULL, NULL);
    const ku_selection *all = ku_objects_alive(objects);
    check_row(objects, all, KU_PARTITION_TYPE, ONE, BIT(ONE) | BIT(TWO) | BIT(THREE), 88);
    check_row(objects, all, KU_PARTITION_KIND, SPACE, BIT(SPACE), 64);
    check_row(objects, ku_objects_stray(objects), KU_PARTITION_KIND, LEFT, BIT(LEFT) | BIT(RIGHT), 128);
    check_row(objects, all, KU_PARTITION_SIZE, ONE, BIT(ONE) | BIT(TWO), 56);
    check_row(objects, all, KU_PARTITION_HOLDERS, ONE, BIT(ONE) | BIT(TOOL), 76); /* not TWO: a frame has it too */
    check_row(objects, all, KU_PARTITION_HOLDERS, MODULE, BIT(MODULE) | BIT(TEXT), 122);
    check_row(objects, all, KU_PARTITION_NAMES, THREE, BIT(THREE), 32);
    check_row(objects, all, KU_PARTITION_LINE, ONE, bits(all), ku_objects_bytes(objects, all));
    check_row(objects, all, KU_PARTITION_SITE, ONE, bits(all), ku_objects_bytes(objects, all));
    assert_null(ku_partition_new(objects, all, KU_PARTITION_KEYS, NULL));
    ku_objects_delete(objects);
    ku_graph_close(graph);
}

static void test_names_of_references(void **unused) {
    (void)unused;
    ku_graph *graph = small_heap();
    ku_objects *objects = ku_objects_new(graph, NULL, NULL);
    ku_selection *one = SET(graph, ONE);
    ku_partition *made = ku_partition_new(objects, one, KU_PARTITION_NAMES, NULL);
    assert_int_equal(made->count, 1);
    assert_int_equal(made->rows[0].tokens, 2);
    assert_int_equal(ku_partition_name(made->tokens[1]).kind, KU_EDGE_ITEM);
    assert_int_equal(ku_partition_name(made->tokens[1]).number, 3);
    ku_partition_delete(made);
    ku_selection_delete(one);
    ku_objects_delete(objects);
    ku_graph_close(graph);
}

static void test_the_same_objects_in_another_heap(void **unused) {
    (void)unused;
    ku_graph *graph = small_heap(), *other = small_heap();
    ku_selection *some = SET(graph, ONE, BUFFER, TEXT);
    ku_selection *found = ku_objects_again(graph, some, other, NULL);
    assert_int_equal(bits(found), BIT(ONE) | BIT(TEXT)); /* a buffer is no object */
    ku_selection_delete(found);
    ku_selection_delete(some);
    ku_graph_close(graph);
    ku_graph_close(other);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_alive_and_what_is_stray),
        cmocka_unit_test(test_sizes_have_buffers_in_them),
        cmocka_unit_test(test_relations_of_sets),
        cmocka_unit_test(test_partitions_by_everything),
        cmocka_unit_test(test_names_of_references),
        cmocka_unit_test(test_the_same_objects_in_another_heap),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
