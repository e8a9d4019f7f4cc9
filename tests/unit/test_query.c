/* test_query.c: queries over a small graph that is plain to see; wrong queries; graphs compared. */
#include "support.h"

#include <kucha/diff.h>
#include <kucha/query.h>
#include <kucha/suspects.h>

#include <string.h>

/* Nodes by number: 1 module "app", 2 dict "cache" of it, 3 to 7 strings in it, 8 a Feed born at feed.py:12 that holds
 * 7, 9 and 10 garbage that holds itself. */
enum { NODES = 11, EVERY = (1 << NODES) - 1 };

static uint32_t add_node(ku_graph_builder *b, uint32_t index, uint32_t type, uint64_t size, uint32_t site,
                         const char *label) {
    ku_node node = {.address = 4096 * (uint64_t)index, .type = type, .size = size, .site = site, .count = 2};
    node.age = (uint8_t)index;
    node.label = label == NULL ? KU_GRAPH_NONE : ku_graph_builder_text(b, label, strlen(label));
    return ku_graph_builder_node(b, &node);
}

static void add_edge(ku_graph_builder *b, uint32_t from, uint32_t to) {
    ku_graph_builder_edge(b, from, to, &(ku_edge_name){.kind = KU_EDGE_UNKNOWN, .text = KU_GRAPH_NONE});
}

/* `strings` of them instead of 5 at 3 to 7; `shift` moves everything else up in memory. */
static ku_graph *small_graph(uint32_t strings, uint32_t shift) {
    ku_graph_builder *b = ku_graph_builder_new(NULL);
    for (uint32_t i = 0; i < shift; i++) ku_graph_builder_type(b, "other", "Unused", 0); /* other numbers, same names */
    uint32_t module = ku_graph_builder_type(b, "builtins", "module", 0);
    uint32_t dict = ku_graph_builder_type(b, "builtins", "dict", 0);
    uint32_t str = ku_graph_builder_type(b, "builtins", "str", 0);
    uint32_t feed = ku_graph_builder_type(b, "app.feeds", "Feed", 0);
    ku_graph_frame frames[] = {{ku_graph_builder_text(b, "parse", 5), ku_graph_builder_text(b, "lib/feed.py", 11), 12},
                               {ku_graph_builder_text(b, "main", 4), ku_graph_builder_text(b, "app.py", 6), 3}};
    uint32_t site = ku_graph_builder_site(b, frames, 2);
    uint32_t app = add_node(b, 1, module, 80, 0, "app"), cache = add_node(b, 2, dict, 2048, 0, "cache"), last = 0;
    add_edge(b, 0, app);
    add_edge(b, app, cache);
    for (uint32_t i = 0; i < strings; i++) {
        last = add_node(b, 3 + i, str, 100 + i, 0, NULL);
        add_edge(b, cache, last);
    }
    uint32_t one = add_node(b, 100 + shift, feed, 64, site, NULL);
    add_edge(b, one, last);
    add_edge(b, cache, one);
    uint32_t left = add_node(b, 200, dict, 64, 0, NULL), right = add_node(b, 201, dict, 64, 0, NULL);
    add_edge(b, left, right);
    add_edge(b, right, left);
    ku_graph *graph = ku_graph_builder_finish(b, NULL);
    assert_non_null(graph);
    return graph;
}

static const struct {
    const char *query;
    uint32_t nodes; /* a bit each */
} cases[] = {
    {"type = \"str\"", 0xf8},
    {"type ~ 'i' and not dead", 1 << 2},
    {"type != \"str\" and type !~ \"dict\" and not place", 1 << 1 | 1 << 8},
    {"module = \"app.feeds\"", 1 << 8},
    {"type = 'app.feeds.Feed'", 1 << 8},
    {"size > 2k", 0},
    {"size >= 2k", 1 << 2},
    {"size = 0x40", 1 << 8 | 1 << 9 | 1 << 10},
    {"size<=101 and size>=100", 1 << 3 | 1 << 4},
    {"label = 'cache' or label = \"app\"", 1 << 1 | 1 << 2},
    {"label != 'cache'", EVERY ^ (1 << 2)},
    {"label !~ 'p'", EVERY ^ (1 << 1)},
    {"label = '' and not place", EVERY ^ (1 << 0 | 1 << 1 | 1 << 2)},
    {"site ~ \"feed.py:12\"", 1 << 8},
    {"site ~ 'main (app.py:3)'", 1 << 8},
    {"site !~ 'app.py' and type = 'app.feeds.Feed'", 0},
    {"retained > 2560 and size > 0", 1 << 1 | 1 << 2},
    {"held = 8 and size > 0", 1 << 1},
    {"held by label = 'cache'", 0x1f8},
    {"held by (type = 'app.feeds.Feed')", 1 << 7},
    {"holds type = 'str'", 1 << 2 | 1 << 8},
    {"within label = 'cache'", 0x1fc},
    {"within type = 'app.feeds.Feed'", 1 << 8},
    {"distance = 3 and refs = 1", 1 << 8},
    {"referrers = 2", 1 << 7},
    {"age < 3 and size > 0", 1 << 1 | 1 << 2},
    {"dead", 1 << 9 | 1 << 10},
    {"not (dead or type = 'str') and count = 2 and size < 1M", 1 << 1 | 1 << 2 | 1 << 8},
    {"address = 4096", 1 << 1},
    {"slack > 0", 0},
};

static void check_query(const ku_query_context *context, const char *text, uint32_t expected) {
    ku_error error = {0};
    ku_selection *set = ku_query_run(context, text, &error);
    if (set == NULL) print_error("%s: %s\n", text, error.message);
    assert_non_null(set);
    for (uint32_t v = 0; v < NODES; v++) {
        if (ku_selection_has(set, v) == (expected >> v & 1)) continue;
        print_error("%s: node %u\n", text, v);
        fail();
    }
    ku_selection_delete(set);
}

static void test_queries_find_what_they_describe(void **unused) {
    (void)unused;
    ku_graph *graph = small_graph(5, 0);
    assert_int_equal(ku_graph_node_count(graph), NODES);
    ku_dominators *dominators = ku_dominators_new(graph, NULL, NULL);
    ku_paths *paths = ku_paths_new(graph, NULL, NULL);
    ku_query_context context = {.graph = graph, .dominators = dominators, .paths = paths};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) check_query(&context, cases[i].query, cases[i].nodes);
    ku_paths_delete(paths);
    ku_dominators_delete(dominators);
    ku_graph_close(graph);
}

static void test_a_wrong_query_is_told_where_it_is_wrong(void **unused) {
    (void)unused;
    static const struct {
        const char *query, *message;
    } wrong[] = {
        {"", "query, character 1: the query ends where a field or a word should stand"},
        {"colour = 3",
         "query, character 1: no such field or word; see the list of fields in the documentation of queries"},
        {"type = dict", "query, character 8: expected a text in quotes"},
        {"type = 'dict", "query, character 8: the text has no closing quote"},
        {"type > 'dict'", "query, character 7: texts are compared by =, !=, ~ and !~"},
        {"size ~ 3", "query, character 7: numbers are compared by =, !=, <, <=, > and >="},
        {"size 3", "query, character 6: expected a comparison: =, !=, <, <=, >, >=, ~ or !~"},
        {"size > x", "query, character 8: expected a number"},
        {"size > 3x", "query, character 9: expected a number, such as 512, 10k or 0x7f00"},
        {"size > 99999999999999999999", "query, character 27: the number is too large"},
        {"size > 3 size < 4", "query, character 10: expected and, or, or the end"},
        {"(dead", "query, character 6: expected )"},
        {"not", "query, character 4: the query ends where a field or a word should stand"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        ku_error error = {0};
        unsigned needs;
        assert_int_equal(ku_query_check(wrong[i].query, &needs, &error), KU_VALUE);
        assert_string_equal(error.message, wrong[i].message);
    }
}

static void test_endless_queries_are_refused(void **unused) {
    (void)unused;
    char text[8192];
    unsigned needs;
    memset(text, '(', sizeof text);
    text[sizeof text - 1] = '\0';
    assert_int_equal(ku_query_check(text, &needs, NULL), KU_VALUE);
    for (size_t i = 0; i + 8 < sizeof text; i += 8) memcpy(text + i, "dead or ", 8);
    memcpy(text + sizeof text - 8, "dead   ", 8);
    assert_int_equal(ku_query_check(text, &needs, NULL), KU_VALUE);
}

static void test_a_query_says_what_it_needs(void **unused) {
    (void)unused;
    unsigned needs;
    ku_error error;
    assert_int_equal(ku_query_check("retained > 1M or distance < 3", &needs, NULL), KU_OK);
    assert_int_equal(needs, KU_QUERY_NEEDS_DOMINATORS | KU_QUERY_NEEDS_PATHS);
    ku_graph *graph = small_graph(5, 0);
    ku_query_context context = {.graph = graph};
    assert_null(ku_query_run(&context, "retained > 1M", &error));
    assert_int_equal(error.code, KU_INVALID);
    ku_graph_close(graph);
}

/* ---- differences ---- */

static const ku_diff_row *row_named(const ku_diff *diff, const ku_graph *const *graphs, ku_histogram_key key,
                                    const char *name) {
    char text[128];
    for (size_t i = 0; i < diff->count; i++) {
        const ku_diff_row *row = &diff->rows[i];
        ku_histogram_text(graphs[row->graph], key, row->key, text, sizeof text);
        if (strcmp(text, name) == 0) return row;
    }
    return NULL;
}

static void test_graphs_are_compared_by_name_and_identity(void **unused) {
    (void)unused;
    ku_graph *made[3] = {small_graph(5, 0), small_graph(9, 0), small_graph(7, 3)};
    const ku_graph *graphs[3] = {made[0], made[1], made[2]};
    ku_diff *diff = ku_diff_new(graphs, 2, KU_HISTOGRAM_TYPE, NULL);
    const ku_diff_row *row = row_named(diff, graphs, KU_HISTOGRAM_TYPE, "str");
    assert_int_equal(row->count[0], 5);
    assert_int_equal(row->count[1], 9);
    assert_int_equal(row->kept, 5);
    assert_int_equal(row->born, 4);
    assert_int_equal(row->born_bytes, 105 + 106 + 107 + 108);
    assert_true(row->grew);
    assert_ptr_equal(row, &diff->rows[0]); /* grew most */
    ku_diff_delete(diff);
    diff = ku_diff_new(graphs, 3, KU_HISTOGRAM_SITE, NULL);
    row = row_named(diff, graphs, KU_HISTOGRAM_SITE, "parse (lib/feed.py:12)");
    assert_int_equal(row->count[2], 1);
    assert_int_equal(row->gone, 1); /* the Feed lies elsewhere: another object */
    assert_int_equal(row->born, 1);
    assert_false(row->grew);
    row = row_named(diff, graphs, KU_HISTOGRAM_SITE, "unknown");
    assert_int_equal(row->kept, 9); /* 5 strings, the module, the cache, two dead dicts */
    ku_diff_delete(diff);
    diff = ku_diff_new(graphs, 3, KU_HISTOGRAM_MODULE, NULL);
    assert_non_null(row_named(diff, graphs, KU_HISTOGRAM_MODULE, "app.feeds"));
    ku_diff_delete(diff);
    assert_null(ku_diff_new(graphs, 1, KU_HISTOGRAM_TYPE, NULL));
    assert_null(ku_diff_new(graphs, 2, KU_HISTOGRAM_AGE, NULL));
    for (int i = 0; i < 3; i++) ku_graph_close(made[i]);
}

/* ---- suspects ---- */

/* The cache retains nearly all, and no child of it much: it is the point, not the module that only passes it on. */
static void test_the_point_where_memory_piles_up_is_found(void **unused) {
    (void)unused;
    ku_graph *graph = small_graph(50, 0);
    ku_dominators *tree = ku_dominators_new(graph, NULL, NULL);
    ku_suspects *found = ku_suspects_new(graph, tree, 0.5, NULL);
    uint64_t strings = 0;
    for (uint64_t i = 0; i < 50; i++) strings += 100 + i;
    assert_int_equal(found->whole, 80 + 2048 + 64 + strings);
    assert_int_equal(found->count, 2);
    assert_int_equal(found->list[0].kind, KU_SUSPECT_POINT);
    assert_int_equal(found->list[0].key, 2);
    assert_int_equal(found->list[0].count, 52);
    assert_int_equal(found->list[1].kind, KU_SUSPECT_TYPE);
    assert_int_equal(found->list[1].retained, strings);
    assert_int_equal(found->list[1].count, 50);
    assert_int_equal(found->list[1].old, 50);
    ku_suspects_delete(found);
    assert_null(ku_suspects_new(graph, tree, 0, NULL));
    ku_dominators_delete(tree);
    ku_graph_close(graph);
}

/* A chain of nodes of one type: each retains the next, and the group retains what the first does, once. */
static void test_a_group_inside_itself_counts_once(void **unused) {
    (void)unused;
    ku_graph_builder *b = ku_graph_builder_new(NULL);
    uint32_t type = ku_graph_builder_type(b, "app", "Link", 0), last = 0;
    for (uint32_t i = 1; i <= 100; i++) {
        uint32_t one = add_node(b, i, type, 10, 0, NULL);
        add_edge(b, last, one);
        last = one;
    }
    ku_graph *graph = ku_graph_builder_finish(b, NULL);
    ku_dominators *tree = ku_dominators_new(graph, NULL, NULL);
    ku_suspects *found = ku_suspects_new(graph, tree, 0.9, NULL);
    assert_int_equal(found->count, 1);
    assert_int_equal(found->list[0].kind, KU_SUSPECT_TYPE);
    assert_int_equal(found->list[0].retained, 1000);
    assert_int_equal(found->list[0].count, 100);
    ku_suspects_delete(found);
    ku_dominators_delete(tree);
    ku_graph_close(graph);
}

/* A dict whose table of keys is most of it: the dict is the point, and its table is no suspect. */
static void test_a_buffer_is_no_suspect_of_its_own(void **unused) {
    (void)unused;
    ku_graph_builder *b = ku_graph_builder_new(NULL);
    uint32_t dict = ku_graph_builder_type(b, "builtins", "dict", 0);
    uint32_t keys = ku_graph_builder_type(b, NULL, "<keys of dict>", KU_NODE_TYPE_SYSTEM);
    uint32_t owner = add_node(b, 1, dict, 64, 0, "cache");
    ku_node table = {.address = 8192, .type = keys, .size = 9000, .label = KU_GRAPH_NONE, .flags = KU_NODE_BUFFER};
    add_edge(b, 0, owner);
    add_edge(b, owner, ku_graph_builder_node(b, &table));
    ku_graph *graph = ku_graph_builder_finish(b, NULL);
    ku_dominators *tree = ku_dominators_new(graph, NULL, NULL);
    ku_suspects *found = ku_suspects_new(graph, tree, 0.1, NULL);
    assert_int_equal(found->count, 1);
    assert_int_equal(found->list[0].key, owner);
    assert_int_equal(found->list[0].retained, 9064);
    ku_suspects_delete(found);
    ku_dominators_delete(tree);
    ku_graph_close(graph);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_queries_find_what_they_describe),
        cmocka_unit_test(test_a_wrong_query_is_told_where_it_is_wrong),
        cmocka_unit_test(test_endless_queries_are_refused),
        cmocka_unit_test(test_a_query_says_what_it_needs),
        cmocka_unit_test(test_graphs_are_compared_by_name_and_identity),
        cmocka_unit_test(test_the_point_where_memory_piles_up_is_found),
        cmocka_unit_test(test_a_group_inside_itself_counts_once),
        cmocka_unit_test(test_a_buffer_is_no_suspect_of_its_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
