/* test_frames.c: frames and scopes: what they hold, when they let go, how deep they go, what they tell. */
#include "native.h"

#include <string.h>

static ku_object *make_and_escape(ku_isolate *isolate, uint32_t *count_inside) {
    KU_FRAME(isolate, frame, 2);
    ku_object *kept = ku_hold(&frame, 0, new_node(isolate, 1));
    ku_hold(&frame, 1, new_watched(isolate));
    *count_inside = ku_reference_count(kept);
    return ku_escape(&frame, 0);
}

static void test_what_a_frame_holds_goes_when_it_is_left_and_what_escapes_stays(void **state) {
    (void)state;
    ku_isolate *isolate = open_isolate("frames");
    nodes_finalized = 0;
    uint32_t inside = 0;
    ku_object *kept = make_and_escape(isolate, &inside);
    assert_int_equal(nodes_finalized, 1);
    assert_int_equal(inside, 1);
    assert_int_equal(ku_reference_count(kept), 1);
    ku_decref(isolate, kept);
    close_isolate(isolate);
}

static void test_holding_gives_up_what_the_slot_held_and_passes_null_through(void **state) {
    (void)state;
    ku_isolate *isolate = open_isolate("frames");
    {
        KU_FRAME(isolate, frame, 1);
        nodes_finalized = 0;
        ku_object *first = ku_hold(&frame, 0, new_watched(isolate));
        assert_ptr_equal(ku_slot(&frame, 0), first);
        ku_hold(&frame, 0, new_watched(isolate));
        assert_int_equal(nodes_finalized, 1);
        assert_null(ku_hold(&frame, 0, NULL));
        assert_int_equal(nodes_finalized, 2);
    }
    close_isolate(isolate);
}

static void test_a_pending_error_survives_the_end_of_a_frame(void **state) {
    (void)state;
    ku_isolate *isolate = open_isolate("frames");
    {
        KU_FRAME(isolate, frame, 1);
        ku_hold(&frame, 0, new_watched(isolate));
        ku_fail(isolate, KU_VALUE, "seen");
    }
    assert_string_equal(ku_pending_error(isolate)->message, "seen");
    ku_clear_error(isolate);
    close_isolate(isolate);
}

static size_t descend(ku_isolate *isolate) {
    KU_FRAME(isolate, frame, 1);
    if (!ku_frame_entered(&frame)) {
        return 0;
    }
    ku_hold(&frame, 0, new_node(isolate, 0));
    return descend(isolate) + 1;
}

static void test_endless_recursion_ends_with_an_error_and_nothing_is_left(void **state) {
    (void)state;
    ku_isolate *isolate = open_isolate("frames");
    size_t depth = descend(isolate);
    assert_true(depth > 1000);
    assert_int_equal(pending_code(isolate), KU_RECURSION);
    ku_clear_error(isolate);
    assert_int_equal(ku_set_recursion_limit(isolate, 50), 0);
    assert_int_equal(descend(isolate), 50);
    assert_string_equal(ku_pending_error(isolate)->message, "maximum recursion depth exceeded");
    ku_clear_error(isolate);
    assert_int_equal(ku_set_recursion_limit(isolate, 0), 50);
    close_isolate(isolate);
}

static void test_a_scope_owns_any_number_and_gives_them_up(void **state) {
    (void)state;
    ku_isolate *isolate = open_isolate("scopes");
    nodes_finalized = 0;
    ku_object *kept = NULL;
    {
        KU_SCOPE(isolate, scope);
        for (int i = 0; i < 1000; i++) {
            ku_object *made = ku_own(&scope, new_watched(isolate));
            assert_int_equal(ku_reference_count(made), 1);
            kept = i == 500 ? made : kept;
        }
        assert_int_equal(ku_scope_length(&scope), 1000);
        assert_null(ku_own(&scope, NULL));
        assert_int_equal(ku_scope_length(&scope), 1000);
        kept = ku_scope_escape(&scope, kept);
        assert_int_equal(nodes_finalized, 0);
    }
    assert_int_equal(nodes_finalized, 999);
    ku_decref(isolate, kept);
    assert_int_equal(nodes_finalized, 1000);
    close_isolate(isolate);
}

static void test_loops_with_a_scope_in_the_body_stay_bounded(void **state) {
    (void)state;
    ku_isolate *isolate = open_isolate("scopes");
    nodes_finalized = 0;
    {
        KU_SCOPE(isolate, outer);
        for (int i = 0; i < 10000; i++) {
            KU_SCOPE(isolate, round);
            for (int j = 0; j < 20; j++) {
                ku_own(&round, new_watched(isolate));
            }
            if (i % 1000 == 0) {
                ku_escape_to(&outer, ku_own(&round, new_node(isolate, i)));
            }
        }
        assert_int_equal(nodes_finalized, 200000);
        assert_int_equal(ku_scope_length(&outer), 10);
        ku_scope_clear(&outer);
        assert_int_equal(ku_scope_length(&outer), 0);
    }
    assert_true(ku_isolate_objects(isolate, NULL) < 1000);
    close_isolate(isolate);
}

typedef struct shown {
    size_t frames, references;
    const char *functions[4];
} shown;

static bool note_frame(const ku_stack_entry *entry, void *argument) {
    shown *seen = argument;
    assert_int_equal(entry->thread, 0);
    assert_int_equal(entry->depth, seen->frames);
    if (seen->frames < 4) {
        seen->functions[seen->frames] = entry->place.function;
    }
    seen->frames++;
    seen->references += ku_stack_references(entry);
    return true;
}

static void inner(ku_isolate *isolate, ku_object *shared) {
    KU_SCOPE(isolate, scope);
    for (int i = 0; i < 20; i++) {
        ku_own(&scope, ku_new_reference(shared));
    }
    shown seen = {.frames = 0};
    assert_int_equal(ku_stack_walk(isolate, note_frame, &seen), 2);
    assert_int_equal(seen.references, 21);
    assert_string_equal(seen.functions[0], "inner");
    assert_int_equal(ku_stack_holds(isolate, shared), 21);
}

static void test_the_stack_tells_what_it_holds(void **state) {
    (void)state;
    ku_isolate *isolate = open_isolate("stack");
    {
        KU_FRAME(isolate, frame, 2);
        ku_object *shared = ku_hold(&frame, 1, new_node(isolate, 7));
        inner(isolate, shared);
        char text[512] = "";
        FILE *stream = fmemopen(text, sizeof text, "w");
        assert_int_equal(ku_stack_print(isolate, stream), 0);
        fclose(stream);
        assert_non_null(strstr(text, "test_the_stack_tells_what_it_holds (test_frames.c:"));
        assert_non_null(strstr(text, ": node\n"));
    }
    assert_int_equal(ku_stack_walk(isolate, note_frame, &(shown){.frames = 0}), 0);
    close_isolate(isolate);
}

static void test_objects_know_the_frame_they_were_born_in(void **state) {
    (void)state;
    ku_isolate *isolate = ku_isolate_new(&(ku_isolate_options){.flags = KU_ISOLATE_BIRTHPLACES}, NULL);
    assert_non_null(isolate);
    {
        KU_FRAME(isolate, frame, 1);
        ku_object *made = ku_hold(&frame, 0, new_node(isolate, 1));
        int line = __LINE__ - 1;
        ku_place place;
        assert_true(ku_birthplace(isolate, made, &place));
        assert_int_equal(place.line, line);
        assert_string_equal(place.function, __func__);
    }
    close_isolate(isolate);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_a_frame_holds_goes_when_it_is_left_and_what_escapes_stays),
        cmocka_unit_test(test_holding_gives_up_what_the_slot_held_and_passes_null_through),
        cmocka_unit_test(test_a_pending_error_survives_the_end_of_a_frame),
        cmocka_unit_test(test_endless_recursion_ends_with_an_error_and_nothing_is_left),
        cmocka_unit_test(test_a_scope_owns_any_number_and_gives_them_up),
        cmocka_unit_test(test_loops_with_a_scope_in_the_body_stay_bounded),
        cmocka_unit_test(test_the_stack_tells_what_it_holds),
        cmocka_unit_test(test_objects_know_the_frame_they_were_born_in),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
