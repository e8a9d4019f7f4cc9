/* test_analysis.c: dominators, paths, histograms and sets of random graphs, against what is plain to see and slow. */
#include "support.h"

#include <kucha/dominators.h>
#include <kucha/graph.h>
#include <kucha/histogram.h>
#include <kucha/paths.h>

#include <string.h>

enum { NODES_MOST = 40, TYPES = 4, GRAPHS = 1000 };

static const char *const type_names[TYPES] = {"list", "dict", "str", "Thing"};

static ku_graph_builder *new_builder(void) {
    ku_graph_builder *builder = ku_graph_builder_new(NULL);
    assert_non_null(builder);
    for (int i = 0; i < TYPES; i++)
        ku_graph_builder_type(builder, i == TYPES - 1 ? "app.models" : "builtins", type_names[i], 0);
    return builder;
}

static uint32_t add_node(ku_graph_builder *builder, uint32_t index, uint32_t type, uint64_t size, uint8_t flags,
                         const char *label) {
    ku_node node = {.address = 4096 + 64 * (uint64_t)index, .type = type, .size = size, .slack = index % 7};
    node.flags = flags;
    node.age = (uint8_t)(index % 3);
    node.count = 1;
    node.label = label == NULL ? KU_GRAPH_NONE : ku_graph_builder_text(builder, label, strlen(label));
    return ku_graph_builder_node(builder, &node);
}

static void add_edge(ku_graph_builder *builder, uint32_t from, uint32_t to, uint64_t number) {
    ku_edge_name name = {.kind = KU_EDGE_ITEM, .text = KU_GRAPH_NONE, .number = number};
    ku_graph_builder_edge(builder, from, to, &name);
}

/* Types are numbered as they are made: one more tells the number of the first of ours. */
static uint32_t first_type(ku_graph_builder *builder) {
    return ku_graph_builder_type(builder, "builtins", "int", 0) - TYPES;
}

/* Nodes 1 to nodes - 1 in order of address; each edge is thrown at random, the root's too. */
static ku_graph *random_graph(uint64_t *state, uint32_t nodes, uint32_t edges) {
    ku_graph_builder *builder = new_builder();
    uint32_t type = first_type(builder);
    for (uint32_t v = 1; v < nodes; v++)
        add_node(builder, v, type + (uint32_t)(next_random(state) % TYPES), 16 + next_random(state) % 600, 0, NULL);
    for (uint32_t e = 0; e < edges; e++)
        add_edge(builder, (uint32_t)(next_random(state) % nodes), (uint32_t)(next_random(state) % nodes), e);
    ku_graph *graph = ku_graph_builder_finish(builder, NULL);
    assert_non_null(graph);
    return graph;
}

/* ---- the plain ways ---- */

/* Marks what the root reaches without going through `without`. */
static void reach(const ku_graph *graph, uint32_t without, bool *met) {
    uint32_t waiting[NODES_MOST], depth = 0, count;
    memset(met, 0, NODES_MOST * sizeof *met);
    if (without == 0) return;
    met[0] = true;
    waiting[depth++] = 0;
    while (depth > 0) {
        const uint32_t *targets = ku_graph_targets(graph, waiting[--depth], &count);
        for (uint32_t i = 0; i < count; i++) {
            if (targets[i] == without || met[targets[i]]) continue;
            met[targets[i]] = true;
            waiting[depth++] = targets[i];
        }
    }
}

typedef struct plain {
    bool reached[NODES_MOST];
    bool dominates[NODES_MOST][NODES_MOST]; /* [d][v]: without d, v is not reached */
} plain;

static void dominate_plainly(const ku_graph *graph, plain *out) {
    uint32_t nodes = ku_graph_node_count(graph);
    bool met[NODES_MOST];
    reach(graph, KU_GRAPH_NONE, out->reached);
    for (uint32_t d = 0; d < nodes; d++) {
        reach(graph, d, met);
        for (uint32_t v = 0; v < nodes; v++) out->dominates[d][v] = out->reached[d] && out->reached[v] && !met[v];
    }
}

static uint64_t retained_plainly(const ku_graph *graph, const plain *known, uint32_t d, uint32_t *held) {
    uint64_t bytes = 0;
    *held = 0;
    for (uint32_t v = 0; v < ku_graph_node_count(graph); v++) {
        if (!known->dominates[d][v]) continue;
        bytes += ku_graph_size(graph, v);
        ++*held;
    }
    return bytes;
}

/* ---- dominators ---- */

static void check_dominators(const ku_graph *graph, const ku_dominators *tree) {
    static plain known;
    dominate_plainly(graph, &known);
    for (uint32_t v = 0; v < ku_graph_node_count(graph); v++) {
        if (!known.reached[v]) continue;
        uint32_t held;
        for (uint32_t d = 0; d < ku_graph_node_count(graph); d++)
            if (known.reached[d]) assert_int_equal(ku_dominators_within(tree, d, v), known.dominates[d][v]);
        assert_int_equal(ku_dominators_retained(tree, v), retained_plainly(graph, &known, v, &held));
        assert_int_equal(ku_dominators_held(tree, v), held);
    }
}

static void check_children(const ku_graph *graph, const ku_dominators *tree) {
    uint32_t seen = 0, tops = 0, count, largest[NODES_MOST];
    for (uint32_t v = 0; v < ku_graph_node_count(graph); v++) {
        const uint32_t *children = ku_dominators_children(tree, v, &count);
        for (uint32_t i = 0; i < count; i++) assert_int_equal(ku_dominators_parent(tree, children[i]), v);
        uint32_t most = count < 3 ? count : 3;
        assert_int_equal(ku_dominators_largest(tree, v, largest, 3), most);
        for (uint32_t i = 1; i < most; i++)
            assert_true(ku_dominators_retained(tree, largest[i - 1]) >= ku_dominators_retained(tree, largest[i]));
        for (uint32_t i = 0; i < count && most > 0; i++)
            assert_true(ku_dominators_retained(tree, children[i]) <= ku_dominators_retained(tree, largest[0]));
        seen += count;
        tops += ku_dominators_parent(tree, v) == KU_GRAPH_NONE;
    }
    assert_int_equal(seen + tops, ku_graph_node_count(graph));
}

static void test_dominators_of_random_graphs_are_those_of_the_definition(void **unused) {
    (void)unused;
    uint64_t state = 20260101;
    for (int i = 0; i < GRAPHS; i++) {
        uint32_t nodes = 2 + (uint32_t)(next_random(&state) % (NODES_MOST - 2));
        ku_graph *graph = random_graph(&state, nodes, (uint32_t)(next_random(&state) % (3 * nodes)));
        ku_error error;
        ku_dominators *tree = ku_dominators_new(graph, NULL, &error);
        assert_non_null(tree);
        check_dominators(graph, tree);
        check_children(graph, tree);
        ku_dominators_delete(tree);
        ku_graph_close(graph);
    }
}

/* A chain as long as any list that a program links by hand: nothing may recurse. */
static void test_a_chain_of_a_million_is_dominated_link_by_link(void **unused) {
    (void)unused;
    enum { LENGTH = 1000000 };
    ku_graph_builder *builder = new_builder();
    uint32_t type = first_type(builder);
    for (uint32_t v = 1; v <= LENGTH; v++) add_node(builder, v, type, 56, 0, NULL);
    for (uint32_t v = 0; v < LENGTH; v++) add_edge(builder, v, v + 1, 0);
    for (uint32_t v = LENGTH; v > 1; v--) add_edge(builder, v, v - 1, 1); /* doubly linked */
    ku_graph *graph = ku_graph_builder_finish(builder, NULL);
    ku_dominators *tree = ku_dominators_new(graph, NULL, NULL);
    assert_non_null(tree);
    for (uint32_t v = 1; v <= LENGTH; v++) {
        assert_int_equal(ku_dominators_parent(tree, v), v - 1);
        assert_int_equal(ku_dominators_retained(tree, v), (uint64_t)(LENGTH - v + 1) * 56);
    }
    ku_dominators_delete(tree);
    ku_graph_close(graph);
}

/* Garbage that points at a living object takes nothing from the one that really holds it. */
static void test_garbage_changes_no_retained_size(void **unused) {
    (void)unused;
    ku_graph_builder *builder = new_builder();
    uint32_t type = first_type(builder);
    for (uint32_t v = 1; v <= 4; v++) add_node(builder, v, type, 100, 0, NULL);
    add_edge(builder, 0, 1, 0);
    add_edge(builder, 1, 2, 0);
    add_edge(builder, 3, 4, 0); /* 3 and 4: a cycle that nothing holds, with a reference to 2 */
    add_edge(builder, 4, 3, 0);
    add_edge(builder, 4, 2, 1);
    ku_graph *graph = ku_graph_builder_finish(builder, NULL);
    ku_dominators *tree = ku_dominators_new(graph, NULL, NULL);
    assert_int_equal(ku_dominators_parent(tree, 2), 1);
    assert_int_equal(ku_dominators_retained(tree, 1), 200);
    assert_int_equal(ku_dominators_retained(tree, 0), 200);
    assert_int_equal(ku_dominators_parent(tree, 3), KU_GRAPH_NONE);
    assert_int_equal(ku_dominators_retained(tree, 3), 200);
    ku_dominators_delete(tree);
    ku_graph_close(graph);
}

static bool stop(void *context, const char *stage, double done) {
    assert_non_null(stage);
    assert_true(done >= 0 && done <= 1);
    return ++*(int *)context < 2;
}

static void test_work_that_is_told_to_stop_stops(void **unused) {
    (void)unused;
    uint64_t state = 7;
    ku_graph *graph = random_graph(&state, 30, 60);
    int told = 0;
    ku_progress progress = {.tell = stop, .context = &told};
    ku_error error = {0};
    assert_null(ku_dominators_new(graph, &progress, &error));
    assert_int_equal(error.code, KU_STATE);
    assert_int_equal(told, 2);
    ku_graph_close(graph);
}

/* ---- paths ---- */

/* Counts simple paths from the root to `to` by length, by trying all: `from` is the last node of the path so far. */
static void try_all(const ku_graph *graph, uint32_t from, uint32_t to, uint32_t length, bool *on, uint32_t *counts) {
    uint32_t count;
    if (from == to) {
        counts[length]++;
        return;
    }
    on[from] = true;
    const uint32_t *targets = ku_graph_targets(graph, from, &count);
    for (uint32_t i = 0; i < count; i++) {
        bool again = false;
        for (uint32_t j = 0; j < i; j++) again = again || targets[j] == targets[i];
        if (!again && !on[targets[i]]) try_all(graph, targets[i], to, length + 1, on, counts);
    }
    on[from] = false;
}

static bool has_edge(const ku_graph *graph, uint32_t from, uint32_t to) {
    uint32_t count;
    const uint32_t *targets = ku_graph_targets(graph, from, &count);
    for (uint32_t i = 0; i < count; i++)
        if (targets[i] == to) return true;
    return false;
}

static void check_path(const ku_graph *graph, const ku_path *path, uint32_t from, uint32_t to) {
    assert_int_equal(path->nodes[0], from);
    assert_int_equal(path->nodes[path->length - 1], to);
    for (uint32_t i = 1; i < path->length; i++) assert_true(has_edge(graph, path->nodes[i - 1], path->nodes[i]));
}

enum { SMALL = 9, PATHS = 6 };

/* Lengths are known by trying all: the list must have the least of them, as often as they occur. */
static void check_paths_to(ku_graph *graph, const ku_paths *paths, uint32_t node) {
    uint32_t counts[SMALL + 2] = {0}, at = 0;
    bool on[SMALL + 1] = {false};
    try_all(graph, 0, node, 0, on, counts);
    ku_path_list *list = ku_paths_to(paths, graph, node, PATHS, NULL);
    assert_non_null(list);
    for (uint32_t i = 0; i < list->count; i++) {
        check_path(graph, &list->paths[i], 0, node);
        while (counts[at] == 0) assert_true(++at <= SMALL);
        assert_int_equal(list->paths[i].length, at + 1);
        counts[at]--;
    }
    if (list->count < PATHS)
        for (uint32_t i = 0; i <= SMALL; i++) assert_int_equal(counts[i], 0);
    assert_int_equal(list->count == 0, ku_paths_distance(paths, node) == KU_GRAPH_NONE);
    ku_path_list_delete(list);
}

static void test_the_shortest_paths_are_the_shortest_of_all(void **unused) {
    (void)unused;
    uint64_t state = 99;
    for (int i = 0; i < GRAPHS; i++) {
        ku_graph *graph = random_graph(&state, SMALL, (uint32_t)(next_random(&state) % 26));
        ku_paths *paths = ku_paths_new(graph, NULL, NULL);
        assert_non_null(paths);
        for (uint32_t v = 0; v < SMALL; v++) check_paths_to(graph, paths, v);
        ku_paths_delete(paths);
        ku_graph_close(graph);
    }
}

static void test_a_path_between_two_nodes_goes_round_what_is_avoided(void **unused) {
    (void)unused;
    ku_graph_builder *builder = new_builder();
    uint32_t type = first_type(builder);
    for (uint32_t v = 1; v <= 5; v++) add_node(builder, v, type, 100, 0, NULL);
    static const uint32_t edges[][2] = {{0, 1}, {1, 2}, {2, 5}, {1, 3}, {3, 4}, {4, 5}};
    for (size_t i = 0; i < sizeof edges / sizeof edges[0]; i++) add_edge(builder, edges[i][0], edges[i][1], i);
    ku_graph *graph = ku_graph_builder_finish(builder, NULL);
    ku_selection *avoid = ku_selection_new(6, false, NULL);
    ku_path_list *list = ku_path_between(graph, 1, 5, avoid, NULL);
    assert_int_equal(list->paths[0].length, 3);
    check_path(graph, &list->paths[0], 1, 5);
    ku_path_list_delete(list);
    ku_selection_add(avoid, 2);
    list = ku_path_between(graph, 1, 5, avoid, NULL);
    assert_int_equal(list->paths[0].length, 4);
    ku_path_list_delete(list);
    ku_selection_add(avoid, 3);
    list = ku_path_between(graph, 1, 5, avoid, NULL);
    assert_int_equal(list->count, 0);
    ku_path_list_delete(list);
    ku_selection_delete(avoid);
    ku_graph_close(graph);
}

/* root -> unseen -> 3; root -> modules -> 2 -> 3: the longer way says more. 4 is held by the unseen alone. */
static void test_unseen_holders_are_asked_last(void **unused) {
    (void)unused;
    ku_graph_builder *builder = new_builder();
    uint32_t type = first_type(builder);
    uint32_t modules = add_node(builder, 1, type, 0, KU_NODE_PLACE, "modules");
    uint32_t module = add_node(builder, 2, type, 10, 0, NULL), thing = add_node(builder, 3, type, 10, 0, NULL);
    uint32_t lost = add_node(builder, 4, type, 10, 0, NULL);
    uint32_t unseen = add_node(builder, 5, type, 0, KU_NODE_PLACE, KU_PATHS_UNSEEN);
    add_edge(builder, 0, unseen, 0);
    add_edge(builder, 0, modules, 1);
    add_edge(builder, modules, module, 0);
    add_edge(builder, module, thing, 0);
    add_edge(builder, unseen, thing, 0);
    add_edge(builder, unseen, lost, 1);
    ku_graph *graph = ku_graph_builder_finish(builder, NULL);
    ku_paths *paths = ku_paths_new(graph, NULL, NULL);
    assert_int_equal(ku_paths_parent(paths, 3), 2);
    assert_int_equal(ku_paths_distance(paths, 3), 3);
    assert_int_equal(ku_paths_parent(paths, 4), 5);
    ku_path_list *list = ku_paths_to(paths, graph, 3, PATHS, NULL);
    assert_int_equal(list->count, 1);
    assert_int_equal(list->paths[0].length, 4);
    ku_path_list_delete(list);
    list = ku_paths_to(paths, graph, 4, PATHS, NULL);
    assert_int_equal(list->count, 1);
    ku_path_list_delete(list);
    ku_paths_delete(paths);
    ku_graph_close(graph);
}

static void check_merged(const ku_graph *graph, const ku_paths *paths, const ku_selection *selection,
                         const ku_merged *merged) {
    uint32_t reached = 0;
    uint64_t bytes = 0;
    for (uint32_t v = 0; v < ku_graph_node_count(graph); v++) {
        if (ku_paths_distance(paths, v) == KU_GRAPH_NONE || !ku_selection_has(selection, v)) continue;
        reached++;
        bytes += ku_graph_size(graph, v);
    }
    assert_int_equal(merged->count == 0, reached == 0);
    if (reached == 0) return;
    assert_int_equal(merged->rows[0].count, reached);
    assert_int_equal(merged->rows[0].bytes, bytes);
    for (uint32_t i = 1; i < merged->count; i++) {
        const ku_merged_row *row = &merged->rows[i];
        assert_true(row->parent < i);
        assert_int_equal(ku_graph_type(graph, row->example), row->type);
        for (uint32_t j = 1; j < i; j++)
            assert_false(merged->rows[j].parent == row->parent && merged->rows[j].type == row->type);
    }
}

static void test_merged_paths_add_up(void **unused) {
    (void)unused;
    uint64_t state = 3;
    for (int i = 0; i < GRAPHS; i++) {
        ku_graph *graph = random_graph(&state, 30, 50);
        ku_paths *paths = ku_paths_new(graph, NULL, NULL);
        ku_selection *some = ku_selection_new(30, false, NULL);
        for (int n = 0; n < 10; n++) ku_selection_add(some, (uint32_t)(next_random(&state) % 30));
        ku_merged *merged = ku_paths_merge(paths, graph, some, NULL);
        assert_non_null(merged);
        check_merged(graph, paths, some, merged);
        ku_merged_delete(merged);
        ku_selection_delete(some);
        ku_paths_delete(paths);
        ku_graph_close(graph);
    }
}

/* ---- sets and histograms ---- */

static void test_a_set_retains_what_only_it_leads_to(void **unused) {
    (void)unused;
    uint64_t state = 5;
    for (int i = 0; i < GRAPHS; i++) {
        ku_graph *graph = random_graph(&state, 30, 45);
        ku_dominators *tree = ku_dominators_new(graph, NULL, NULL);
        for (uint32_t v = 0; v < 30; v++) {
            if (!ku_dominators_within(tree, 0, v)) continue; /* garbage */
            ku_selection *one = ku_selection_new(30, false, NULL);
            ku_selection_add(one, v);
            uint32_t held;
            uint64_t bytes = ku_selection_retained(one, graph, &held, NULL);
            if (v != 0) assert_int_equal(held, ku_dominators_held(tree, v));
            if (v != 0) assert_int_equal(bytes, ku_dominators_retained(tree, v));
            ku_selection_delete(one);
        }
        ku_dominators_delete(tree);
        ku_graph_close(graph);
    }
}

static void test_sets_have_their_algebra(void **unused) {
    (void)unused;
    ku_selection *all = ku_selection_new(130, true, NULL), *some = ku_selection_new(130, false, NULL);
    assert_int_equal(ku_selection_count(all), 130);
    for (uint32_t v = 1; v < 130; v += 3) ku_selection_add(some, v);
    ku_selection *copy = ku_selection_copy(all, NULL);
    ku_selection_combine(copy, KU_SELECTION_MINUS, some);
    assert_int_equal(ku_selection_count(copy), 130 - 43);
    assert_false(ku_selection_has(copy, 1));
    ku_selection_combine(copy, KU_SELECTION_XOR, all);
    for (uint32_t v = 0; v < 130; v++) assert_int_equal(ku_selection_has(copy, v), v % 3 == 1);
    ku_selection_combine(copy, KU_SELECTION_OR, all);
    assert_int_equal(ku_selection_count(copy), 130);
    ku_selection_combine(copy, KU_SELECTION_AND, some);
    assert_int_equal(ku_selection_next(copy, 2), 4);
    assert_int_equal(ku_selection_next(copy, 128), KU_GRAPH_NONE);
    assert_int_equal(ku_selection_next(copy, 500), KU_GRAPH_NONE);
    ku_selection_delete(copy);
    ku_selection_delete(some);
    ku_selection_delete(all);
}

static void check_histogram(const ku_graph *graph, ku_histogram_key key, const ku_selection *only) {
    ku_histogram *made = ku_histogram_new(graph, key, only, NULL);
    uint64_t count = 0, bytes = 0, slack = 0, expected_count = 0, expected_bytes = 0, expected_slack = 0;
    assert_non_null(made);
    for (size_t i = 0; i < made->count; i++) {
        count += made->rows[i].count;
        bytes += made->rows[i].bytes;
        slack += made->rows[i].slack;
        assert_int_equal(ku_graph_size(graph, made->rows[i].example), made->rows[i].largest);
        if (i > 0) assert_true(made->rows[i - 1].bytes >= made->rows[i].bytes);
        if (key == KU_HISTOGRAM_SIZE) assert_true(made->rows[i].largest <= made->rows[i].key);
    }
    for (uint32_t v = 1; v < ku_graph_node_count(graph); v++) {
        if (only != NULL && !ku_selection_has(only, v)) continue;
        ku_node node;
        ku_graph_node_read(graph, v, &node);
        expected_count++;
        expected_bytes += node.size;
        expected_slack += node.slack;
    }
    assert_int_equal(count, expected_count);
    assert_int_equal(bytes, expected_bytes);
    assert_int_equal(slack, expected_slack);
    ku_histogram_delete(made);
}

static void test_histograms_count_every_node_once(void **unused) {
    (void)unused;
    uint64_t state = 11;
    ku_graph *graph = random_graph(&state, NODES_MOST, 60);
    ku_selection *some = ku_selection_new(NODES_MOST, false, NULL);
    for (uint32_t v = 0; v < NODES_MOST; v += 3) ku_selection_add(some, v);
    for (int key = 0; key < KU_HISTOGRAM_KEYS; key++) {
        check_histogram(graph, (ku_histogram_key)key, NULL);
        check_histogram(graph, (ku_histogram_key)key, some);
    }
    ku_error error;
    assert_null(ku_histogram_new(graph, KU_HISTOGRAM_KEYS, NULL, &error));
    assert_int_equal(error.code, KU_INVALID);
    ku_selection_delete(some);
    ku_graph_close(graph);
}

static void test_keys_are_named_for_people(void **unused) {
    (void)unused;
    ku_graph_builder *builder = new_builder();
    uint32_t type = first_type(builder);
    ku_graph_frame frame = {.function = ku_graph_builder_text(builder, "parse", 5),
                            .file = ku_graph_builder_text(builder, "feed.py", 7),
                            .line = 12};
    ku_node node = {.address = 4096, .type = type + 3, .site = ku_graph_builder_site(builder, &frame, 1), .size = 700};
    node.label = KU_GRAPH_NONE;
    ku_graph_builder_edge(builder, 0, ku_graph_builder_node(builder, &node),
                          &(ku_edge_name){.kind = KU_EDGE_ROOT, .text = KU_GRAPH_NONE});
    ku_graph *graph = ku_graph_builder_finish(builder, NULL);
    static const char *const expected[KU_HISTOGRAM_KEYS] = {"app.models.Thing", "app.models", "1024 bytes",
                                                            "parse (feed.py:12)", "0"};
    for (int key = 0; key < KU_HISTOGRAM_KEYS; key++) {
        char text[128];
        ku_histogram *made = ku_histogram_new(graph, (ku_histogram_key)key, NULL, NULL);
        assert_int_equal(made->count, 1);
        ku_histogram_text(graph, (ku_histogram_key)key, made->rows[0].key, text, sizeof text);
        assert_string_equal(text, expected[key]);
        ku_histogram_delete(made);
    }
    ku_graph_close(graph);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_dominators_of_random_graphs_are_those_of_the_definition),
        cmocka_unit_test(test_a_chain_of_a_million_is_dominated_link_by_link),
        cmocka_unit_test(test_garbage_changes_no_retained_size),
        cmocka_unit_test(test_work_that_is_told_to_stop_stops),
        cmocka_unit_test(test_the_shortest_paths_are_the_shortest_of_all),
        cmocka_unit_test(test_a_path_between_two_nodes_goes_round_what_is_avoided),
        cmocka_unit_test(test_unseen_holders_are_asked_last),
        cmocka_unit_test(test_merged_paths_add_up),
        cmocka_unit_test(test_a_set_retains_what_only_it_leads_to),
        cmocka_unit_test(test_sets_have_their_algebra),
        cmocka_unit_test(test_histograms_count_every_node_once),
        cmocka_unit_test(test_keys_are_named_for_people),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
