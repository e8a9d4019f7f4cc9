/* test_pins.c: arenas of a graph, what is in the nearly empty ones, and who holds all of it, against the definition. */
#include "support.h"

#include <kucha/arena_map.h>
#include <kucha/heap_file.h>
#include <kucha/pins.h>

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { ARENA = 1 << 16, POOL = 1 << 12, ARENAS = 8, BASE = 1 << 20, NODES = 60, ROUNDS = 200 };

static void add_arenas(ku_graph_builder *builder) {
    uint32_t heap = ku_graph_builder_text(builder, "objects", 7);
    for (uint32_t i = 0; i < ARENAS; i++) {
        ku_graph_arena arena = {
            .address = BASE + (uint64_t)i * ARENA, .bytes = ARENA, .pool_bytes = POOL, .free_pools = i, .heap = heap};
        ku_graph_builder_arena(builder, &arena);
    }
}

static uint32_t add_node(ku_graph_builder *builder, uint64_t address, uint32_t type, uint64_t size, uint8_t flags) {
    ku_node node = {
        .address = address, .type = type, .size = size, .slack = 8, .count = 1, .label = KU_GRAPH_NONE, .flags = flags};
    return ku_graph_builder_node(builder, &node);
}

static void add_edge(ku_graph_builder *builder, uint32_t from, uint32_t to) {
    ku_graph_builder_edge(builder, from, to, &(ku_edge_name){.kind = KU_EDGE_ITEM, .text = KU_GRAPH_NONE});
}

static ku_graph *finish(ku_graph_builder *builder) {
    ku_error error = {0};
    ku_graph *graph = ku_graph_builder_finish(builder, &error);
    assert_non_null(graph);
    return graph;
}

static void arenas_come_back_out_of_a_file(void **state) {
    (void)state;
    char path[] = "/tmp/kucha-pins-XXXXXX";
    ku_error error = {0};
    int descriptor = mkstemp(path);
    assert_true(descriptor >= 0);
    close(descriptor);
    ku_graph_builder *builder = ku_graph_builder_new(&error);
    add_arenas(builder);
    ku_graph *graph = finish(builder);
    assert_int_equal(ku_heap_file_write(graph, path, &error), KU_OK);
    ku_graph_close(graph);
    graph = ku_heap_file_open(path, &error);
    unlink(path);
    assert_non_null(graph);
    assert_int_equal(ku_graph_arena_count(graph), ARENAS);
    for (uint32_t i = 0; i < ARENAS; i++) {
        ku_graph_arena arena;
        ku_graph_arena_read(graph, i, &arena);
        assert_int_equal(arena.address, BASE + (uint64_t)i * ARENA);
        assert_int_equal(arena.free_pools, i);
        assert_string_equal(ku_graph_text(graph, arena.heap).bytes, "objects");
    }
    ku_graph_close(graph);
}

static void arenas_that_overlap_or_name_nothing_are_refused(void **state) {
    (void)state;
    static const ku_graph_arena wrong[] = {
        {.address = BASE, .bytes = ARENA, .pool_bytes = 0, .heap = KU_GRAPH_NONE},
        {.address = BASE, .bytes = ARENA + 1, .pool_bytes = POOL, .heap = KU_GRAPH_NONE},
        {.address = BASE - ARENA / 2, .bytes = ARENA, .pool_bytes = POOL, .heap = KU_GRAPH_NONE},
        {.address = BASE + ARENA, .bytes = ARENA, .pool_bytes = POOL, .heap = 99},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        ku_error error = {0};
        ku_graph_builder *builder = ku_graph_builder_new(&error);
        ku_graph_builder_arena(
            builder,
            &(ku_graph_arena){.address = BASE - ARENA, .bytes = ARENA, .pool_bytes = POOL, .heap = KU_GRAPH_NONE});
        ku_graph_builder_arena(builder, &wrong[i]);
        assert_null(ku_graph_builder_finish(builder, &error));
        assert_int_equal(error.code, KU_INVALID);
    }
}

/* Arena 0: a full one; 1: three of one type and one of another, which the holder outside keeps; 2: dead; 3: empty. */
static void nearly_empty_arenas_are_told_with_what_is_in_them(void **state) {
    (void)state;
    ku_error error = {0};
    ku_graph_builder *builder = ku_graph_builder_new(&error);
    uint32_t row = ku_graph_builder_type(builder, "app", "Row", 0),
             cell = ku_graph_builder_type(builder, "", "Cell", 0);
    add_arenas(builder);
    uint32_t holder = add_node(builder, 4096, row, 100, 0);
    add_edge(builder, 0, holder);
    add_edge(builder, 0, add_node(builder, BASE, row, ARENA - 64, 0));
    for (uint32_t i = 0; i < 3; i++) {
        add_edge(builder, holder, add_node(builder, BASE + ARENA + 64 * (uint64_t)i, row, 40 + i, 0));
    }
    add_edge(builder, holder, add_node(builder, BASE + 2 * ARENA - 64, cell, 24, 0));
    add_node(builder, BASE + 2 * ARENA, cell, 24, KU_NODE_FREE_LISTED);
    ku_graph *graph = finish(builder);
    ku_dominators *tree = ku_dominators_new(graph, NULL, &error);
    ku_pins *pins = ku_pins_new(graph, tree, 0.25, &error);
    assert_non_null(pins);
    assert_int_equal(pins->arenas, ARENAS);
    assert_int_equal(pins->bytes, ARENAS * ARENA);
    assert_int_equal(pins->used, ARENA - 64 + 8 + 48 + 49 + 50 + 32 + 32);
    assert_int_equal(pins->count, ARENAS - 1);
    const ku_pinned_arena *last = &pins->list[ARENAS - 2];
    assert_int_equal(last->arena.address, BASE + ARENA);
    assert_int_equal(last->nodes, 4);
    assert_int_equal(last->pins, 2);
    assert_int_equal(ku_graph_address(graph, last->holder), 4096);
    assert_int_equal(last->list[0].nodes, 3);
    assert_int_equal(last->list[0].bytes, 48 + 49 + 50);
    assert_int_equal(ku_graph_address(graph, last->list[0].example), BASE + ARENA + 128);
    assert_int_equal(last->list[1].nodes, 1);
    assert_int_equal(pins->list[ARENAS - 3].used, 32);
    assert_int_equal(pins->list[ARENAS - 3].holder, KU_GRAPH_NONE);
    assert_int_equal(pins->list[0].pins, 0);
    ku_pins_delete(pins);
    pins = ku_pins_new(graph, NULL, 1, &error);
    assert_int_equal(pins->count, ARENAS);
    assert_int_equal(pins->list[ARENAS - 1].holder, KU_GRAPH_NONE);
    ku_pins_delete(pins);
    assert_null(ku_pins_new(graph, NULL, -0.5, &error));
    assert_int_equal(error.code, KU_INVALID);
    ku_dominators_delete(tree);
    ku_graph_close(graph);
}

/* ---- holders, against the definition ---- */

static bool dominates(const ku_dominators *tree, uint32_t above, uint32_t node) {
    while (node != above && node != KU_GRAPH_NONE) node = ku_dominators_parent(tree, node);
    return node == above;
}

static void check_holder(const ku_graph *graph, const ku_dominators *tree, const ku_pinned_arena *arena) {
    uint32_t first = KU_GRAPH_NONE;
    for (uint32_t node = 0; node < ku_graph_node_count(graph); node++) {
        uint64_t address = ku_graph_address(graph, node);
        bool inside = address >= arena->arena.address && address < arena->arena.address + ARENA;
        if (!inside || (ku_graph_flags(graph, node) & KU_NODE_DEAD) != 0) continue;
        first = first == KU_GRAPH_NONE ? node : first;
        assert_true(dominates(tree, arena->holder, node));
    }
    /* the nearest: none of its children dominates all of them, which the one above the first node would */
    for (uint32_t below = first; below != arena->holder && below != KU_GRAPH_NONE;) {
        bool all = true;
        for (uint32_t node = 0; node < ku_graph_node_count(graph); node++) {
            uint64_t address = ku_graph_address(graph, node);
            bool inside = address >= arena->arena.address && address < arena->arena.address + ARENA;
            all = all && (!inside || (ku_graph_flags(graph, node) & KU_NODE_DEAD) != 0 || dominates(tree, below, node));
        }
        assert_false(all);
        below = ku_dominators_parent(tree, below);
    }
    assert_true(first != KU_GRAPH_NONE || arena->holder == KU_GRAPH_NONE);
}

static void holders_are_the_nearest_common_dominators(void **state) {
    (void)state;
    uint64_t random = 42;
    for (int round = 0; round < ROUNDS; round++) {
        ku_error error = {0};
        ku_graph_builder *builder = ku_graph_builder_new(&error);
        uint32_t type = ku_graph_builder_type(builder, "app", "Row", 0);
        add_arenas(builder);
        for (uint32_t i = 1; i <= NODES; i++) {
            add_node(builder, BASE + next_random(&random) % (ARENAS * ARENA / 4096) * 4096 + 16 * (uint64_t)i, type, 16,
                     0);
        }
        for (uint32_t i = 1; i <= NODES; i++) {
            if (next_random(&random) % 8 != 0) add_edge(builder, (uint32_t)(next_random(&random) % i), i);
            if (next_random(&random) % 4 == 0) add_edge(builder, (uint32_t)(next_random(&random) % NODES) + 1, i);
        }
        ku_graph *graph = finish(builder);
        ku_dominators *tree = ku_dominators_new(graph, NULL, &error);
        ku_pins *pins = ku_pins_new(graph, tree, 1, &error);
        assert_int_equal(pins->count, ARENAS);
        for (size_t i = 0; i < pins->count; i++) check_holder(graph, tree, &pins->list[i]);
        ku_pins_delete(pins);
        ku_dominators_delete(tree);
        ku_graph_close(graph);
    }
}

/* ---- the map ---- */

/* Against the definition: bytes and nodes of one pool and key, and the order of cells. */
static void check_cells(const ku_graph *graph, const ku_arena_map *map, ku_arena_map_key key) {
    uint64_t nodes = 0;
    for (size_t i = 0; i < map->count; i++) {
        const ku_arena_cell *cell = &map->cells[i], *before = i == 0 ? NULL : cell - 1;
        uint64_t start = BASE + (uint64_t)cell->arena * ARENA + (uint64_t)cell->pool * POOL, bytes = 0;
        uint32_t count = 0;
        for (uint32_t node = 0; node < ku_graph_node_count(graph); node++) {
            ku_node read;
            ku_graph_node_read(graph, node, &read);
            uint64_t of[] = {read.type, read.site, read.age, read.size + read.slack};
            if (read.address >= start && read.address < start + POOL && of[key] == cell->key) {
                count++;
                bytes += read.size + read.slack;
            }
        }
        assert_int_equal(cell->nodes, count);
        assert_int_equal(cell->bytes, bytes);
        if (before != NULL) {
            uint64_t place = (uint64_t)cell->arena * ARENA + cell->pool;
            uint64_t last = (uint64_t)before->arena * ARENA + before->pool;
            assert_true(place > last || (place == last && before->bytes >= cell->bytes && before->key != cell->key));
        }
        nodes += count;
    }
    assert_int_equal(nodes, NODES);
}

static void cells_are_what_pools_hold_by_any_key(void **state) {
    (void)state;
    uint64_t random = 6;
    for (int round = 0; round < ROUNDS / 4; round++) {
        ku_error error = {0};
        ku_graph_builder *builder = ku_graph_builder_new(&error);
        uint32_t types[] = {ku_graph_builder_type(builder, "app", "Row", 0),
                            ku_graph_builder_type(builder, "app", "Cell", 0)};
        uint32_t sites[] = {0, ku_graph_builder_site(builder, &(ku_graph_frame){KU_GRAPH_NONE, KU_GRAPH_NONE, 7}, 1)};
        add_arenas(builder);
        add_node(builder, 4096, types[0], 4000, 0); /* in front of all arenas, and behind them */
        add_node(builder, BASE + ARENAS * ARENA, types[0], 4000, 0);
        for (uint32_t i = 0; i < NODES; i++) {
            ku_node node = {.address = BASE + next_random(&random) % 6 * (ARENA + POOL) + 16 * (uint64_t)i,
                            .type = types[next_random(&random) % 2],
                            .site = sites[next_random(&random) % 2],
                            .age = (uint8_t)(next_random(&random) % 3),
                            .size = 8 + 8 * (next_random(&random) % 4),
                            .slack = 8,
                            .count = 1,
                            .label = KU_GRAPH_NONE};
            ku_graph_builder_node(builder, &node);
        }
        ku_graph *graph = finish(builder);
        for (ku_arena_map_key key = 0; key < KU_ARENA_MAP_KEYS; key++) {
            ku_arena_map *map = ku_arena_map_new(graph, key, &error);
            assert_non_null(map);
            check_cells(graph, map, key);
            ku_arena_map_delete(map);
        }
        assert_null(ku_arena_map_new(graph, KU_ARENA_MAP_KEYS, &error));
        assert_int_equal(error.code, KU_INVALID);
        ku_graph_close(graph);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(arenas_come_back_out_of_a_file),
        cmocka_unit_test(arenas_that_overlap_or_name_nothing_are_refused),
        cmocka_unit_test(nearly_empty_arenas_are_told_with_what_is_in_them),
        cmocka_unit_test(holders_are_the_nearest_common_dominators),
        cmocka_unit_test(cells_are_what_pools_hold_by_any_key),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
