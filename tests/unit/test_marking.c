/* test_marking.c: what marking reaches, against a walk of the same graph by the test itself (gc/mark.h).
 *
 * Objects have their turn pool by pool, or one by one, whichever suits the graph. So the graphs here fill many pools:
 * one in which references lead anywhere, one in which they stay near, and one that changes from the one to the other
 * and back. Each is marked at one go, in slices, and with what is reached first being noted. */
#include "support.h"

#include "model_toy.h"

#include "gc/run.h"

#include "gc/mark.h"

#include <string.h>

enum {
    TOYS = 24576, /* of 64 bytes: 24 pools of the widest geometry */
    STRETCH = 4096,
    NONE = UINT32_MAX,
};

typedef struct graph {
    toys toys;
    toy *by_id[TOYS];
    uint32_t targets[TOYS][TOY_FIELDS];
    bool reached[TOYS];
    ku__run run;
} graph;

/* ---- graphs ---- */

typedef void shape(graph *g, uint32_t id, uint64_t *state);

/* Half of all is not reached: what is odd refers to odd ones only, and what is even to even ones. */
static void to_anywhere(graph *g, uint32_t id, uint64_t *state) {
    for (int i = 0; i < TOY_FIELDS; i++) {
        g->targets[id][i] = ((uint32_t)(next_random(state) % TOYS) & ~1u) | (id & 1);
    }
}

static void to_the_next(graph *g, uint32_t id, uint64_t *state) {
    (void)state;
    g->targets[id][0] = id + 2 < TOYS ? id + 2 : NONE;
    g->targets[id][1] = id >= 2 ? id - 2 : NONE;
    g->targets[id][2] = NONE;
}

/* Stretches of the one and of the other. */
static void to_both(graph *g, uint32_t id, uint64_t *state) {
    (id / STRETCH % 2 != 0 ? to_anywhere : to_the_next)(g, id, state);
}

static void graph_open(graph *g, shape *refer) {
    uint64_t state = 88172645463325252u;
    memset(g, 0, sizeof *g);
    g->toys.heap = ku_heap_new(&(ku_heap_options){.name = "marking", .domain = KU_DOMAIN_OBJECT}, NULL);
    assert_non_null(g->toys.heap);
    assert_true(ku__space_open(&g->toys.space, g->toys.heap));
    for (uint32_t id = 0; id < TOYS; id++) {
        g->by_id[id] = ku_heap_calloc(g->toys.heap, 1, sizeof(toy));
        assert_non_null(g->by_id[id]);
        g->by_id[id]->id = id;
    }
    for (uint32_t id = 0; id < TOYS; id++) {
        refer(g, id, &state);
        for (int i = 0; i < TOY_FIELDS; i++) {
            uint32_t target = g->targets[id][i];
            g->by_id[id]->fields[i] = target != NONE ? g->by_id[target] : NULL;
        }
    }
    assert_true(ku__space_sync(&g->toys.space));
    assert_int_equal(ku__space_begin(&g->toys.space, 2), TOYS);
    g->run = (ku__run){.space = &g->toys.space, .bits = g->toys.space.candidates};
}

static void graph_close(graph *g) {
    ku__space_end(&g->toys.space);
    ku__run_close(&g->run);
    ku__space_close(&g->toys.space);
    ku_heap_delete(g->toys.heap);
}

/* ---- the test's own walk ---- */

static void reach_from(graph *g, uint32_t first) {
    static uint32_t waiting[TOYS];
    size_t count = 1;
    waiting[0] = first;
    g->reached[first] = true;
    while (count != 0) {
        const uint32_t *targets = g->targets[waiting[--count]];
        for (int i = 0; i < TOY_FIELDS; i++) {
            if (targets[i] != NONE && !g->reached[targets[i]]) {
                g->reached[targets[i]] = true;
                waiting[count++] = targets[i];
            }
        }
    }
}

static void expect_marked(graph *g) {
    size_t left = 0;
    for (uint32_t id = 0; id < TOYS; id++) {
        bool is_candidate = ku__bit(g->run.bits, ku__space_number(&g->toys.space, g->by_id[id]));
        if (is_candidate == g->reached[id]) {
            fail_msg("object %u: %s", (unsigned)id, is_candidate ? "it was not reached" : "nothing leads to it");
        }
        left += is_candidate;
    }
    assert_int_equal(left, TOYS / 2); /* all that is odd, and nothing else */
}

typedef enum way { AT_ONCE, IN_SLICES, FEW_FIRST } way;

static void mark_and_compare(shape *refer, way how) {
    static graph g;
    graph_open(&g, refer);
    g.run.deadline = how == IN_SLICES ? 1 : 0; /* long ago: a slice is one round */
    for (uint32_t id = 0; id < TOYS; id += STRETCH) {
        reach_from(&g, id);
        mark_place(&g.by_id[id], &g.run);
    }
    for (uint32_t id = 0; id < TOYS; id += 2) { /* what references at random missed */
        if (!g.reached[id]) {
            reach_from(&g, id);
            mark_place(&g.by_id[id], &g.run);
        }
    }
    if (how == FEW_FIRST) {
        mark_few(&g.run);
        assert_int_equal(g.run.few_count, KU__FEW);
        assert_true(g.run.leaves); /* they were not all */
    }
    size_t slices = 1;
    while (!mark_all(&g.run)) {
        slices++;
    }
    assert_true(how == IN_SLICES ? slices > 2 : slices == 1);
    expect_marked(&g);
    graph_close(&g);
}

static void compare_all(way how) {
    mark_and_compare(to_anywhere, how);
    mark_and_compare(to_the_next, how);
    mark_and_compare(to_both, how);
}

static void what_is_reached_is_no_candidate(void **state) {
    (void)state;
    compare_all(AT_ONCE);
}

static void slices_reach_the_same(void **state) {
    (void)state;
    compare_all(IN_SLICES);
}

static void so_does_marking_that_notes_the_first(void **state) {
    (void)state;
    compare_all(FEW_FIRST);
}

/* ---- pool by pool, or one by one ---- */

/* Rounds one by one that a first round by pools decides on. */
static unsigned singly_after_a_round(shape *refer) {
    static graph g;
    static uint16_t near[KU__BLOCKS_MAX];
    graph_open(&g, refer);
    mark_place(&g.by_id[0], &g.run);
    marker by = marker_of(&g.run);
    assert_true(round_by_pools(&by, near));
    unsigned singly = by.singly;
    marker_leave(&by);
    graph_close(&g);
    return singly;
}

static void pools_are_set_up_where_references_stay_in_them(void **state) {
    (void)state;
    assert_int_equal(singly_after_a_round(to_the_next), 0);
    assert_int_equal(singly_after_a_round(to_anywhere), SINGLY_ROUNDS);
}

/* Objects that refer to nothing: nobody's stack was ever given room. */
static void marking_nothing_needs_no_stack(void **state) {
    (void)state;
    ku__run run = {.space = NULL};
    marker by = {.run = &run};
    marker_take(&by);
    assert_null(by.top);
    assert_null(by.end);
    marker_leave(&by);
    assert_int_equal(run.stack.count, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_reached_is_no_candidate),
        cmocka_unit_test(slices_reach_the_same),
        cmocka_unit_test(so_does_marking_that_notes_the_first),
        cmocka_unit_test(pools_are_set_up_where_references_stay_in_them),
        cmocka_unit_test(marking_nothing_needs_no_stack),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
