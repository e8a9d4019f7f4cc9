/* test_components.c: strongly connected components and shortest cycles, against what every node can reach. */
#include "support.h"

#include "inspect/components.h"

#include <stdlib.h>
#include <string.h>

enum { MOST = 40, EDGES = 200 };

typedef struct drawing {
    uint32_t first[MOST + 1], target[EDGES];
    bool reaches[MOST][MOST];
    ku__links links;
} drawing;

static void close_over(drawing *d, uint32_t nodes) {
    memset(d->reaches, 0, sizeof d->reaches);
    for (uint32_t v = 0; v < nodes; v++) {
        for (uint32_t i = d->first[v]; i < d->first[v + 1]; i++) d->reaches[v][d->target[i]] = true;
    }
    for (uint32_t k = 0; k < nodes; k++) {
        for (uint32_t i = 0; i < nodes; i++) {
            for (uint32_t j = 0; j < nodes; j++) d->reaches[i][j] |= d->reaches[i][k] && d->reaches[k][j];
        }
    }
}

static void draw(drawing *d, uint64_t *state) {
    uint32_t nodes = 1 + (uint32_t)(next_random(state) % MOST), edges = 0;
    for (uint32_t v = 0; v < nodes; v++) {
        d->first[v] = edges;
        for (uint64_t i = next_random(state) % 4; i-- > 0;) d->target[edges++] = (uint32_t)(next_random(state) % nodes);
    }
    d->first[nodes] = edges;
    d->links = (ku__links){.nodes = nodes, .first = d->first, .target = d->target};
    close_over(d, nodes);
}

static bool has_edge(const drawing *d, uint32_t from, uint32_t to) {
    for (uint32_t i = d->first[from]; i < d->first[from + 1]; i++) {
        if (d->target[i] == to) return true;
    }
    return false;
}

static void check_partition(const drawing *d, const ku__components *found) {
    for (uint32_t v = 0; v < d->links.nodes; v++) {
        for (uint32_t w = 0; w < d->links.nodes; w++) {
            bool same = v == w || (d->reaches[v][w] && d->reaches[w][v]);
            assert_int_equal(found->of[v] == found->of[w], same);
            if (has_edge(d, v, w)) assert_true(found->of[v] >= found->of[w]);
        }
    }
    for (uint32_t c = 0; c < found->count; c++) {
        assert_true(found->first[c] < found->first[c + 1]);
        for (uint32_t i = found->first[c]; i < found->first[c + 1]; i++) {
            assert_int_equal(found->of[found->members[i]], c);
            if (i > found->first[c]) assert_true(found->members[i] > found->members[i - 1]);
        }
    }
    assert_int_equal(found->first[found->count], d->links.nodes);
}

static void check_cycles(const drawing *d, ku__components *found) {
    for (uint32_t v = 0; v < d->links.nodes; v++) {
        uint32_t length;
        const uint32_t *cycle = ku__components_cycle(&d->links, found, v, &length);
        assert_int_equal(cycle != NULL, d->reaches[v][v]);
        assert_int_equal(ku__components_cyclic(&d->links, found, found->of[v]), d->reaches[v][v]);
        for (uint32_t i = 0; i < length; i++) assert_true(has_edge(d, cycle[i], cycle[(i + 1) % length]));
        if (cycle != NULL) assert_int_equal(cycle[0], v);
    }
}

static void test_components_are_those_that_reach_each_other(void **state) {
    (void)state;
    drawing d;
    uint64_t seed = 1;
    for (int round = 0; round < 300; round++) {
        ku__components found = {0};
        draw(&d, &seed);
        assert_true(ku__components_find(&d.links, &found));
        check_partition(&d, &found);
        check_cycles(&d, &found);
        ku__components_close(&found);
    }
}

static void test_a_ring_of_a_million_is_one_component(void **state) {
    (void)state;
    const uint32_t nodes = 1000000;
    uint32_t *first = malloc((nodes + 1) * sizeof *first), *target = malloc(nodes * sizeof *target);
    assert_true(first != NULL && target != NULL);
    for (uint32_t v = 0; v < nodes; v++) {
        first[v] = v;
        target[v] = (v + 1) % nodes;
    }
    first[nodes] = nodes;
    ku__links links = {.nodes = nodes, .first = first, .target = target};
    ku__components found = {0};
    assert_true(ku__components_find(&links, &found));
    assert_int_equal(found.count, 1);
    uint32_t length;
    const uint32_t *cycle = ku__components_cycle(&links, &found, 7, &length);
    assert_int_equal(length, nodes);
    assert_true(cycle[0] == 7 && cycle[nodes - 1] == 6);
    ku__components_close(&found);
    free(first);
    free(target);
}

static void test_no_nodes_no_components(void **state) {
    (void)state;
    const uint32_t first[] = {0};
    ku__links links = {.first = first, .target = first};
    ku__components found = {0};
    assert_true(ku__components_find(&links, &found));
    assert_int_equal(found.count, 0);
    ku__components_close(&found);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_components_are_those_that_reach_each_other),
        cmocka_unit_test(test_a_ring_of_a_million_is_one_component),
        cmocka_unit_test(test_no_nodes_no_components),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
