/* test_budget.c: limits of an isolate: the collection, the hook, the refusal, and that everything works afterwards. */
#include "native.h"

#include <string.h>

static const size_t MIB = (size_t)1 << 20;

/* Links nodes to a chain until one is refused or `most` are there. Returns how many; *chain owns them. */
static size_t grow(ku_isolate *isolate, ku_object **chain, size_t most) {
    for (size_t made = 0; made < most; made++) {
        ku_object *next = new_node(isolate, (int64_t)made);
        if (next == NULL) {
            return made;
        }
        as_node(next)->left = *chain;
        *chain = next;
    }
    return most;
}

static size_t held(ku_isolate *isolate) {
    ku_budget_stats stats;
    ku_budget_get_stats(isolate, &stats);
    return stats.held;
}

static void test_the_hard_limit_refuses_and_everything_goes_on(void **state) {
    (void)state;
    ku_isolate *isolate = open_isolate("hard");
    assert_true(ku_budget_set(isolate, &(ku_budget){.hard = 4 * MIB}));
    ku_object *chain = NULL;
    size_t made = grow(isolate, &chain, SIZE_MAX);
    assert_true(made > 4 * MIB / 64 && made < 4 * MIB / 32);
    assert_int_equal(pending_code(isolate), KU_LIMIT);
    ku_clear_error(isolate);
    assert_true(held(isolate) <= 4 * MIB);
    ku_budget_stats stats;
    ku_budget_get_stats(isolate, &stats);
    assert_true(stats.refusals >= 1 && stats.collections >= 1);
    size_t length = 0;
    for (ku_object *each = chain; each != NULL; each = as_node(each)->left) {
        length++;
    }
    assert_int_equal(length, made);
    ku_decref(isolate, chain);
    chain = NULL;
    assert_int_equal(grow(isolate, &chain, made / 2), made / 2); /* there is room again */
    ku_decref(isolate, chain);
    close_isolate(isolate);
}

static void test_buffers_count_and_a_large_one_that_does_not_fit_is_refused(void **state) {
    (void)state;
    ku_isolate *isolate = open_isolate("buffers");
    assert_true(ku_budget_set(isolate, &(ku_budget){.hard = 4 * MIB}));
    assert_null(ku_buffer_new(isolate, 5 * MIB));
    assert_int_equal(pending_code(isolate), KU_LIMIT);
    ku_clear_error(isolate);
    void *half = ku_buffer_new(isolate, 2 * MIB);
    assert_non_null(half);
    assert_null(ku_buffer_resize(isolate, half, 5 * MIB));
    assert_int_equal(pending_code(isolate), KU_LIMIT);
    ku_clear_error(isolate);
    memset(half, 1, 2 * MIB); /* it stayed as it was */
    void *more = ku_buffer_resize(isolate, half, 3 * MIB);
    assert_non_null(more);
    assert_true(held(isolate) >= 3 * MIB && held(isolate) <= 4 * MIB);
    ku_buffer_free(isolate, more);
    assert_true(ku_budget_set(isolate, NULL));
    void *now = ku_buffer_new(isolate, 5 * MIB);
    assert_non_null(now);
    ku_buffer_free(isolate, now);
    close_isolate(isolate);
}

typedef struct crossing {
    size_t calls, held;
    ku_object **drop; /* what the hook lets go of */
} crossing;

static void note_crossing(ku_isolate *isolate, size_t held_now, size_t soft, void *argument) {
    crossing *seen = argument;
    assert_int_equal(soft, 2 * MIB);
    seen->calls++;
    seen->held = held_now;
    ku_object *scratch = new_node(isolate, 0); /* the isolate is usable */
    assert_non_null(scratch);
    ku_decref(isolate, scratch);
    ku_fail(isolate, KU_VALUE, "of the hook, dropped");
    if (seen->drop != NULL) {
        ku_clear(isolate, seen->drop);
    }
}

static void test_the_soft_limit_calls_once_and_again_after_room_was_made(void **state) {
    (void)state;
    ku_isolate *isolate = open_isolate("soft");
    crossing seen = {0};
    assert_true(ku_budget_set(
        isolate, &(ku_budget){.soft = 2 * MIB, .hard = 8 * MIB, .hook = note_crossing, .argument = &seen}));
    ku_object *chain = NULL;
    size_t most = 4 * MIB / sizeof(node);
    assert_int_equal(grow(isolate, &chain, most), most);
    assert_null(ku_pending_error(isolate));
    assert_int_equal(seen.calls, 1);
    assert_true(seen.held > MIB && seen.held <= 2 * MIB);
    ku_clear(isolate, &chain);
    assert_int_equal(grow(isolate, &chain, most), most);
    assert_int_equal(seen.calls, 2);
    seen.drop = &chain;
    ku_clear(isolate, &chain);
    ku_budget_stats stats;
    ku_budget_get_stats(isolate, &stats);
    assert_int_equal(stats.soft_passed, 2);
    assert_int_equal(stats.refusals, 0);
    close_isolate(isolate);
}

static void test_a_limit_that_contradicts_itself_is_refused(void **state) {
    (void)state;
    ku_isolate *isolate = open_isolate("rules");
    assert_false(ku_budget_set(isolate, &(ku_budget){.soft = 2, .hard = 1}));
    assert_int_equal(pending_code(isolate), KU_INVALID);
    ku_clear_error(isolate);
    assert_true(ku_budget_set(isolate, &(ku_budget){.hard = 1})); /* under what is held: growth is refused */
    ku_object *chain = NULL;
    assert_true(grow(isolate, &chain, 1000000) < 1000000);
    ku_clear_error(isolate);
    ku_release(isolate, chain);
    ku_budget budget;
    ku_budget_get(isolate, &budget);
    assert_int_equal(budget.hard, 1);
    close_isolate(isolate);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_hard_limit_refuses_and_everything_goes_on),
        cmocka_unit_test(test_buffers_count_and_a_large_one_that_does_not_fit_is_refused),
        cmocka_unit_test(test_the_soft_limit_calls_once_and_again_after_room_was_made),
        cmocka_unit_test(test_a_limit_that_contradicts_itself_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
