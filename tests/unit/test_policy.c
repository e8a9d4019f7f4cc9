/* test_policy.c: when younger collections come where pauses shall be short (gc/policy.h): by arithmetic alone, and in
 * an isolate whose full collection is done by a child that does not get on. */
#include "native.h"

#include "gc/policy.h"
#include "object/collect.h"

#include <signal.h>
#include <sys/wait.h>

enum {
    MILLISECOND = 1000000,
    LIVED = 4000000, /* objects: `most` is 8,000,000 as long as nothing was found dead */
};

/* ---- arithmetic ---- */

static ku__policy policy_of(uint64_t pause) {
    ku__policy policy;
    ku__policy_open(&policy);
    ku__policy_set_pause(&policy, pause);
    ku__policy_note(&policy, 2, &(ku__yield){.candidates = LIVED}, true);
    return policy;
}

static void note_young(ku__policy *policy, size_t young, size_t found) {
    ku__policy_note(policy, 0, &(ku__yield){.young = young, .candidates = young, .found = found}, true);
}

/* Distances that are doubled each time stop at a piece; what finds nothing leaves it to the full collection. */
static void a_young_collection_looks_at_a_piece_at_most(void **state) {
    (void)state;
    ku__policy policy = policy_of(10 * MILLISECOND), unbound = policy_of(0);
    assert_in_range(policy.piece, 100000, 1000000);
    policy.distance = unbound.distance = 2000;
    for (int i = 0; i < 20; i++) {
        note_young(&policy, policy.distance, policy.distance / 10);
        assert_in_range(policy.distance, 2000, policy.piece);
        note_young(&unbound, 2000, 200);
    }
    assert_int_equal(policy.distance, policy.piece);
    assert_int_equal(unbound.distance, ku__policy_most(&unbound));
    note_young(&policy, policy.distance, 0);
    assert_int_equal(policy.distance, ku__policy_most(&policy));
}

static void while_a_child_works_pieces_are_due(void **state) {
    (void)state;
    ku__policy policy = policy_of(10 * MILLISECOND);
    assert_true(policy.distance > policy.piece); /* nothing was found: the full one shall do it */
    assert_int_equal(ku__policy_choose_young(&policy, policy.piece + 1, false), -1);
    assert_int_equal(ku__policy_choose_young(&policy, policy.piece, true), -1);
    assert_int_equal(ku__policy_choose_young(&policy, policy.piece + 1, true), 0);
    ku__policy unbound = policy_of(0);
    assert_int_equal(ku__policy_choose_young(&unbound, policy.piece + 1, true), -1);
}

static void a_generation_that_has_grown_too_large_waits(void **state) {
    (void)state;
    ku__policy policy = policy_of(10 * MILLISECOND), unbound = policy_of(0);
    for (int i = 0; i <= policy.thresholds[1]; i++) {
        note_young(&policy, policy.piece / 4, 0);
        note_young(&unbound, policy.piece / 4, 0);
    }
    assert_int_equal(ku__policy_choose_young(&policy, policy.piece + 1, true), 0);
    assert_int_equal(ku__policy_choose_young(&unbound, SIZE_MAX, true), 1);
    ku__policy_note(&policy, 2, &(ku__yield){.candidates = LIVED}, true); /* which took it along */
    for (int i = 0; i <= policy.thresholds[1]; i++) {
        note_young(&policy, policy.piece / 100, 0);
    }
    policy.distance = 2000;
    assert_int_equal(ku__policy_choose_young(&policy, 2001, true), 1);
}

static void thresholds_that_were_set_hold(void **state) {
    (void)state;
    ku__policy policy = policy_of(10 * MILLISECOND);
    const int thresholds[KU__GENERATIONS] = {5000000, 0, 0};
    ku__policy_set_thresholds(&policy, thresholds);
    assert_int_equal(ku__policy_choose_young(&policy, 5000000, true), -1);
    note_young(&policy, 5000000, 0);
    assert_int_equal(ku__policy_choose_young(&policy, 5000001, true), 1);
}

static void a_piece_is_never_tiny(void **state) {
    (void)state;
    ku__policy policy = policy_of(1);
    assert_int_equal(policy.piece, 10000);
    ku__policy_set_pause(&policy, 0);
    assert_int_equal(policy.piece, 0);
}

/* ---- in an isolate ---- */

#ifndef KU_HOSTILE /* where every object collects */

typedef struct looks {
    size_t collections, largest;
} looks;

static void look(ku_isolate *isolate, ku_gc_phase phase, const ku_gc_info *info, void *argument) {
    (void)isolate;
    looks *seen = argument;
    if (phase == KU_GC_STOP && info->generation < 2) {
        seen->collections++;
        seen->largest = info->candidates > seen->largest ? info->candidates : seen->largest;
    }
}

static void grow_list(ku_isolate *isolate, ku_object **list) {
    ku_object *item = new_node(isolate, 0);
    as_node(item)->left = *list;
    *list = item;
}

/* Stops the child, so that it cannot be done before the heap has grown; false when it was done already. */
static bool hold_child(int child) {
    siginfo_t how = {.si_code = 0};
    kill(child, SIGSTOP);
    return waitid(P_PID, (id_t)child, &how, WSTOPPED | WEXITED | WNOWAIT | __WCLONE) == 0 && how.si_code == CLD_STOPPED;
}

/* Grows the list until a child is at work, and held; false where none may be made, or each was too quick. */
static bool grow_until_held(ku_isolate *isolate, ku_object **list) {
    enum { NODES_MOST = 1000000 };
    int tried = 0;
    for (int i = 0; i < NODES_MOST; i++) {
        grow_list(isolate, list);
        int child = (int)isolate->gc->child;
        if (child != 0 && child != tried && hold_child(child)) {
            return true;
        }
        tried = child;
    }
    return false;
}

static void pauses_stay_short_while_a_child_works(void **state) {
    (void)state;
    enum {
        NODES = 60000,
        MORE = 100000,
        BETWEEN = 4096 + 64
    }; /* objects between two looks at what is due, and an
                                                                  isolate's own */
    const double pause = 0.0005;
    ku_isolate *isolate = open_isolate("pieces");
    ku_object *list = NULL;
    assert_true(ku_root_add(isolate, &list));
    for (int i = 0; i < NODES; i++) {
        grow_list(isolate, &list);
    }
    ku_gc_collect(isolate, 2);
    assert_true(ku_gc_set_mode(isolate, KU_GC_FORKED, pause));
    if (grow_until_held(isolate, &list)) {
        looks seen = {0, 0};
        assert_true(ku_gc_add_callback(isolate, look, &seen));
        for (int i = 0; i < MORE; i++) {
            grow_list(isolate, &list);
        }
        assert_in_range(seen.largest, 1, isolate->gc->policy.piece + BETWEEN);
        assert_true(seen.collections >= MORE / (isolate->gc->policy.piece + BETWEEN) - 1);
        ku_gc_remove_callback(isolate, look, &seen);
    }
    ku_gc_set_mode(isolate, KU_GC_WHOLE, 0);
    ku_clear(isolate, &list);
    ku_root_remove(isolate, &list);
    close_isolate(isolate);
}

#endif

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_young_collection_looks_at_a_piece_at_most),
        cmocka_unit_test(while_a_child_works_pieces_are_due),
        cmocka_unit_test(a_generation_that_has_grown_too_large_waits),
        cmocka_unit_test(thresholds_that_were_set_hold),
        cmocka_unit_test(a_piece_is_never_tiny),
#ifndef KU_HOSTILE
        cmocka_unit_test(pauses_stay_short_while_a_child_works),
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
