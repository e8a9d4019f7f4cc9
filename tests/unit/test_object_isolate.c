/* test_object_isolate.c: isolates as the object room sees them: leak reports by birthplace, errors nobody can be given,
 * roots, buffers; and what a call leaks. */
#include "objects.h"

#include <unistd.h>

/* ---- leak reports ---- */

typedef struct report {
    size_t lines, objects;
    ku_leak leaks[8];
    char function[8][80];
} report;

static void keep_leak(const ku_leak *leak, void *argument) {
    report *into = argument;
    assert_true(into->lines < 8);
    into->leaks[into->lines] = *leak;
    snprintf(into->function[into->lines], sizeof into->function[0], "%s",
             leak->place.function != NULL ? leak->place.function : "?");
    into->lines++;
    into->objects += leak->objects;
}

static ku_object *leak_from_here(ku_isolate *isolate) {
    KU_FRAME(isolate, frame, 0);
    return ku_new(isolate, type_of_spec(&node_spec));
}

static void a_deleted_isolate_tells_what_leaked_and_where_it_was_made(void **state) {
    (void)state;
    report told = {0};
    ku_isolate_options options = {
        .name = "leaky", .flags = KU_ISOLATE_BIRTHPLACES, .leaks = keep_leak, .leaks_argument = &told};
    ku_isolate *isolate = isolate_with(&options);
    assert_string_equal(ku_isolate_name(isolate), "leaky");
    for (int i = 0; i < 10; i++) {
        leak_from_here(isolate);
    }
    {
        KU_FRAME(isolate, frame, 0);
        ku_object *other = ku_new(isolate, type_of_spec(&node_spec));
        ku_place place;
        assert_true(ku_birthplace(isolate, other, &place));
        assert_string_equal(place.function, __func__);
        assert_true(place.line > 0 && strstr(place.file, "test_object_isolate.c") != NULL);
    }
    assert_int_equal(ku_isolate_delete(isolate), 11);
    assert_int_equal(told.lines, 2);
    assert_int_equal(told.objects, 11);
    assert_string_equal(told.leaks[0].type, "node"); /* most bytes first */
    assert_int_equal(told.leaks[0].objects, 10);
    assert_int_equal(told.leaks[0].bytes, 320);
    assert_string_equal(told.function[0], "leak_from_here");
    assert_string_equal(told.function[1], "a_deleted_isolate_tells_what_leaked_and_where_it_was_made");
}

static void without_birthplaces_the_types_are_told(void **state) {
    (void)state;
    report told = {0};
    ku_isolate_options options = {.leaks = keep_leak, .leaks_argument = &told};
    ku_isolate *isolate = isolate_with(&options);
    ku_object *object = leak_from_here(isolate);
    ku_place place;
    assert_false(ku_birthplace(isolate, object, &place));
    assert_null(place.file);
    assert_int_equal(ku_isolate_delete(isolate), 1);
    assert_int_equal(told.lines, 1);
    assert_string_equal(told.function[0], "?");
}

static void cycles_are_no_leaks(void **state) {
    (void)state;
    ku_isolate *isolate = isolate_with(NULL);
    ku_object *one = ku_new(isolate, type_of_spec(&node_spec)), *other = ku_new(isolate, type_of_spec(&node_spec));
    as_node(one)->left = other;
    as_node(other)->left = one;
    ku_incref(one);
    ku_decref(isolate, one);
    assert_int_equal(ku_isolate_delete(isolate), 0);
}

static void an_option_that_is_not_there_is_refused(void **state) {
    (void)state;
    ku_error error = {0};
    assert_null(ku_isolate_new(&(ku_isolate_options){.flags = 1u << 30}, &error));
    assert_int_equal(error.code, KU_INVALID);
#ifndef KU_CHECKING
    assert_null(ku_isolate_new(&(ku_isolate_options){.flags = KU_ISOLATE_CHECK_CALLS}, &error));
    assert_non_null(strstr(error.message, "needs the checking build"));
#endif
    assert_int_equal(ku_isolate_delete(NULL), 0);
}

/* ---- default texts ---- */

/* What `act` writes to standard error. */
static void written_by(void (*act)(void), char *text, size_t size) {
    fflush(stderr);
    int saved = dup(STDERR_FILENO), ends[2];
    assert_int_equal(pipe(ends), 0);
    dup2(ends[1], STDERR_FILENO);
    act();
    fflush(stderr);
    dup2(saved, STDERR_FILENO);
    close(ends[1]);
    close(saved);
    ssize_t length = read(ends[0], text, size - 1);
    text[length > 0 ? length : 0] = '\0';
    close(ends[0]);
}

static bool fail_at_the_end(ku_isolate *isolate, ku_object *self) {
    (void)self;
    return ku_fail(isolate, KU_ZERO_DIVISION, "division by zero");
}
static const ku_type_spec failing_spec = {.name = "failing", .size = sizeof(ku_object), .finalize = fail_at_the_end};

static void end_a_failing_one(void) {
    ku_isolate *isolate = isolate_with(NULL);
    ku_decref(isolate, ku_new(isolate, type_of_spec(&failing_spec)));
    ku_isolate_delete(isolate);
}

static void an_error_in_a_finalizer_is_told_on_standard_error(void **state) {
    (void)state;
    char text[400];
    written_by(end_a_failing_one, text, sizeof text);
    assert_non_null(strstr(text, "Exception ignored while calling deallocator <failing object at 0x"));
    assert_non_null(strstr(text, ">:\nZeroDivisionError: division by zero\n"));
}

static void leak_two(void) {
    ku_isolate *isolate = isolate_with(&(ku_isolate_options){.name = "mine", .flags = KU_ISOLATE_BIRTHPLACES});
    leak_from_here(isolate);
    leak_from_here(isolate);
    ku_isolate_delete(isolate);
}

static void leaks_are_told_on_standard_error(void **state) {
    (void)state;
    char text[600];
    written_by(leak_two, text, sizeof text);
    assert_non_null(strstr(text, "kucha: isolate 'mine' was deleted with 2 objects alive, 64 bytes\n"));
    assert_non_null(strstr(text, "         2           64  node, made at "));
    assert_non_null(strstr(text, ", leak_from_here\n"));
}

/* ---- errors, roots, buffers ---- */

static void errors_carry_a_code_a_text_and_a_value(void **state) {
    ku_isolate *isolate = *state;
    ku_object *value = ku_new(isolate, type_of_spec(&node_spec));
    assert_false(ku_raise(isolate, value, "raised"));
    assert_ptr_equal(ku_pending_value(isolate), value);
    assert_int_equal(ku_reference_count(value), 2);
    assert_null(ku_fail_null(isolate, KU_INDEX, "again: %s", ku_pending_error(isolate)->message));
    assert_int_equal(ku_reference_count(value), 1);
    assert_null(ku_pending_value(isolate));
    assert_error(isolate, KU_INDEX, "again: raised");
    assert_string_equal(ku_code_exception(KU_INDEX), "IndexError");
    assert_string_equal(ku_code_name(KU_INDEX), "KU_INDEX");
    ku_decref(isolate, value);
}

static void roots_come_and_go(void **state) {
    ku_isolate *isolate = *state;
    static ku_object *places[3000];
    for (size_t i = 0; i < 3000; i++) {
        places[i] = i % 3 == 0 ? ku_new(isolate, type_of_spec(&node_spec)) : NULL;
        assert_true(ku_root_add(isolate, &places[i]));
    }
    ku_gc_collect(isolate, 2);
    for (size_t i = 0; i < 3000; i++) {
        ku_root_remove(isolate, &places[i]);
        ku_clear(isolate, &places[i]);
    }
}

static void buffers_grow_with_their_contents(void **state) {
    ku_isolate *isolate = *state;
    char *buffer = NULL;
    for (size_t size = 1; size < 100000; size = size * 3 + 1) {
        buffer = ku_buffer_resize(isolate, buffer, size);
        assert_non_null(buffer);
        buffer[size - 1] = (char)size;
        assert_int_equal(buffer[0], 1);
    }
    ku_buffer_free(isolate, buffer);
    ku_buffer_free(isolate, NULL);
    assert_null(ku_buffer_new(isolate, SIZE_MAX));
    assert_int_equal(ku_pending_error(isolate)->code, KU_NO_MEMORY);
    ku_clear_error(isolate);
}

/* ---- what a call leaks ---- */

static size_t leaked;
static uint32_t leaked_references;
static void count_leak(const ku_reference_leak *leak, void *argument) {
    assert_ptr_equal(leak->object, argument);
    leaked_references = leak->references;
    leaked++;
}

static void a_reference_that_a_call_leaks_is_found(void **state) {
    ku_isolate *isolate = *state;
    ku_object *object = ku_new(isolate, type_of_spec(&node_spec)), *held = ku_new(isolate, type_of_spec(&node_spec));
    ku_references *before = ku_references_take(isolate);
    ku_incref(object);
    ku_incref(object);
    leaked = 0;
    assert_int_equal(ku_references_compare(isolate, before, NULL, count_leak, object), 1);
    assert_int_equal(leaked_references, 2);
    ku_decref(isolate, object);
    ku_decref(isolate, object);

    before = ku_references_take(isolate); /* a reference that went into the heap is none */
    as_node(object)->left = ku_new_reference(held);
    ku_object *result = ku_new(isolate, type_of_spec(&node_spec));
    as_node(result)->right = ku_new_reference(object);
    assert_int_equal(ku_references_compare(isolate, before, result, count_leak, result), 0);

    before = ku_references_take(isolate); /* a new object that nobody gave back */
    ku_object *lost = ku_new(isolate, type_of_spec(&node_spec));
    assert_int_equal(ku_references_compare(isolate, before, NULL, count_leak, lost), 1);
    ku_object *all[] = {lost, result, held, object};
    for (size_t i = 0; i < 4; i++) {
        ku_decref(isolate, all[i]);
    }
}

static void frames_and_roots_hold_rightly(void **state) {
    ku_isolate *isolate = *state;
    static ku_object *root;
    KU_FRAME(isolate, frame, 1);
    assert_true(ku_root_add(isolate, &root));
    ku_references *before = ku_references_take(isolate);
    root = ku_new(isolate, type_of_spec(&node_spec));
    ku_hold(&frame, 0, ku_new(isolate, type_of_spec(&node_spec)));
    assert_int_equal(ku_references_compare(isolate, before, NULL, count_leak, NULL), 0);
    ku_clear(isolate, &root);
    ku_root_remove(isolate, &root);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_deleted_isolate_tells_what_leaked_and_where_it_was_made),
        cmocka_unit_test(without_birthplaces_the_types_are_told),
        cmocka_unit_test(cycles_are_no_leaks),
        cmocka_unit_test(an_option_that_is_not_there_is_refused),
        cmocka_unit_test(an_error_in_a_finalizer_is_told_on_standard_error),
        cmocka_unit_test(leaks_are_told_on_standard_error),
        TEST(errors_carry_a_code_a_text_and_a_value),
        TEST(roots_come_and_go),
        TEST(buffers_grow_with_their_contents),
        TEST(a_reference_that_a_call_leaks_is_found),
        TEST(frames_and_roots_hold_rightly),
    };
    return cmocka_run_group_tests_name("objects: isolates", tests, NULL, NULL);
}
