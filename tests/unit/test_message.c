/* test_message.c: graphs as bytes and back: what is shared stays shared, cycles stay cycles, nothing damaged passes.
 *
 * Two graphs are the same when their messages are: objects are numbered in the order of a walk from the root, so a
 * message is a canonical form of the graph (sets and dicts keep their order).
 */
#include "graphs.h"

#include "isolate/wire.h"

#include <string.h>

static ku_message written(ku_isolate *isolate, ku_object *object) {
    ku_message message;
    if (!ku_message_write(isolate, object, &message)) {
        fail_msg("%s", ku_pending_error(isolate)->message);
    }
    return message;
}

static ku_object *read_back(ku_isolate *isolate, const ku_message *message) {
    ku_message_types types = graph_types();
    ku_object *copy = ku_message_read(isolate, message->bytes, message->length, &types);
    if (copy == NULL) {
        fail_msg("%s", ku_pending_error(isolate)->message);
    }
    return copy;
}

/* Copies the graph from one isolate to another and compares. Gives the copy. */
static ku_object *copy_to(ku_isolate *from, ku_isolate *to, ku_object *object) {
    ku_message message = written(from, object);
    ku_object *copy = read_back(to, &message);
    ku_message again = written(to, copy);
    assert_int_equal(again.length, message.length);
    assert_memory_equal(again.bytes, message.bytes, message.length);
    ku_message_free(&again);
    ku_message_free(&message);
    return copy;
}

static void test_every_kind_of_value_arrives(void **state) {
    (void)state;
    ku_isolate *a = open_isolate("a"), *b = open_isolate("b");
    {
        KU_SCOPE(a, scope);
        KU_SCOPE(b, there);
        ku_object *all = ku_own(&scope, ku_list_new(a, NULL, 0));
        for (uint64_t r = 0; r < 900; r++) {
            assert_true(ku_list_append(a, all, ku_own(&scope, make_atom(a, r))));
        }
        ku_object *copy = ku_own(&there, copy_to(a, b, all));
        KU_SCOPE(a, texts);
        ku_object *here_text = ku_own(&texts, ku_repr(a, all)), *there_text = ku_own(&there, ku_repr(b, copy));
        assert_string_equal(ku_str_text(here_text), ku_str_text(there_text));
    }
    close_isolate(b);
    close_isolate(a);
}

static void test_cycles_and_shared_parts_are_kept(void **state) {
    (void)state;
    ku_isolate *a = open_isolate("a"), *b = open_isolate("b");
    {
        KU_SCOPE(a, scope);
        KU_SCOPE(b, there);
        ku_object *shared = ku_own(&scope, ku_list_new(a, NULL, 0));
        ku_object *pair[] = {shared, shared};
        ku_object *tuple = ku_own(&scope, ku_tuple_new(a, pair, 2));
        ku_list_append(a, shared, tuple); /* a cycle through a tuple */
        ku_object *copy = ku_own(&there, copy_to(a, b, tuple));
        ku_object *list = ku_tuple_at(copy, 0);
        assert_ptr_equal(ku_tuple_at(copy, 1), list);
        assert_ptr_equal(ku_list_at(list, 0), copy);
        assert_ptr_not_equal(copy, tuple);
        ku_list_clear(a, shared);
        ku_list_clear(b, list);
    }
    close_isolate(b);
    close_isolate(a);
}

static void test_instances_arrive_with_fields_arrays_and_attributes(void **state) {
    (void)state;
    ku_isolate *a = open_isolate("a"), *b = open_isolate("b");
    {
        KU_SCOPE(a, scope);
        KU_SCOPE(b, there);
        ku_object *thing = ku_own(&scope, ku_new(a, type_of_spec(&open_spec)));
        ku_object *held = ku_own(&scope, ku_new(a, type_of_spec(&holder_spec)));
        ku_object *tail = ku_own(&scope, ku_new_sized(a, type_of_spec(&record_spec), 200));
        ((holder *)held)->weight = 0.5;
        ku_tail(tail, offsetof(record, items), 200)[199] = ku_new_reference(held);
        assert_true(fill_holder(a, (holder *)held, thing));
        assert_true(ku_set(a, thing, "tail", tail) && ku_set(a, thing, "size", ku_own(&scope, ku_int(a, 7))));
        ku_object *copy = ku_own(&there, copy_to(a, b, thing));
        ku_object *tail_there = ku_own(&there, ku_get(b, copy, "tail"));
        assert_int_equal(((record *)tail_there)->length, 200);
        assert_null(ku_tail(tail_there, offsetof(record, items), 200)[0]);
        holder *held_there = (holder *)ku_tail(tail_there, offsetof(record, items), 200)[199];
        assert_true(held_there->weight == 0.5 && held_there->length == 1 && held_there->items[0] == copy);
    }
    ku_gc_collect(a, 2);
    ku_gc_collect(b, 2);
    close_isolate(b);
    close_isolate(a);
}

static void test_random_graphs_arrive_as_they_were(void **state) {
    (void)state;
    ku_isolate *a = open_isolate("a"), *b = open_isolate("b");
    uint64_t random = 4711;
    for (size_t round = 0; round < OPERATIONS / 2000; round++) {
        KU_FRAME(a, frame, 1);
        KU_FRAME(b, there, 1);
        size_t size = 1 + next_random(&random) % 200;
        ku_object *graph = ku_hold(&frame, 0, random_graph(a, size, size * 2, &random));
        assert_non_null(graph);
        ku_hold(&there, 0, copy_to(a, b, graph));
    }
    ku_gc_collect(a, 2);
    ku_gc_collect(b, 2);
    close_isolate(b);
    close_isolate(a);
}

/* Makes the check sum right again, so that what is behind it is tested too. */
static void sign(ku_message *message) {
    unsigned char *bytes = message->bytes;
    uint64_t length = message->length - KU_MESSAGE_HEADER;
    memcpy(bytes + 16, &length, sizeof length);
    uint64_t hash = ku__message_hash(bytes, bytes + KU_MESSAGE_HEADER, length);
    memcpy(bytes + 24, &hash, sizeof hash);
}

static void read_damaged(ku_isolate *isolate, const void *bytes, size_t length) {
    ku_message_types types = graph_types();
    ku_object *object = ku_message_read(isolate, bytes, length, &types);
    assert_true(object != NULL || ku_pending_error(isolate) != NULL);
    ku_clear_error(isolate);
    ku_release(isolate, object);
}

static void test_damaged_messages_are_refused_or_read_but_never_harm(void **state) {
    (void)state;
    ku_isolate *isolate = open_isolate("hostile");
    uint64_t random = 99;
    for (size_t round = 0; round < OPERATIONS / 20000; round++) {
        ku_object *graph = random_graph(isolate, 40, 80, &random);
        assert_non_null(graph);
        ku_message good = written(isolate, graph);
        ku_decref(isolate, graph);
        for (int i = 0; i < 300; i++) {
            ku_message bad = {malloc(good.length), good.length};
            memcpy(bad.bytes, good.bytes, good.length);
            for (uint64_t n = 1 + next_random(&random) % 3; n > 0; n--) {
                size_t at = KU_MESSAGE_HEADER + next_random(&random) % (good.length - KU_MESSAGE_HEADER);
                ((unsigned char *)bad.bytes)[at] = (unsigned char)next_random(&random);
            }
            bad.length -= i % 4 == 0 ? next_random(&random) % (good.length - KU_MESSAGE_HEADER) : 0;
            sign(&bad);
            read_damaged(isolate, bad.bytes, bad.length);
            ku_message_free(&bad);
        }
        ku_message_free(&good);
    }
    ku_gc_collect(isolate, 2);
    close_isolate(isolate);
}

static ku_code refused_with(ku_isolate *isolate, const ku_message *message, size_t length) {
    ku_object *object = ku_message_read(isolate, message->bytes, length, NULL);
    ku_code code = pending_code(isolate);
    assert_null(object);
    ku_clear_error(isolate);
    return code;
}

static void test_headers_are_checked(void **state) {
    (void)state;
    ku_isolate *isolate = open_isolate("headers");
    ku_object *number = ku_int(isolate, 5);
    ku_message message = written(isolate, number);
    unsigned char *bytes = message.bytes;
    for (size_t length = 0; length < message.length; length++) {
        assert_int_equal(refused_with(isolate, &message, length), KU_CORRUPT);
    }
    for (size_t at = 0; at < message.length; at++) { /* every byte counts */
        bytes[at] ^= 1;
        assert_int_equal(refused_with(isolate, &message, message.length), KU_CORRUPT);
        bytes[at] ^= 1;
    }
    bytes[8] = 2; /* a version to come */
    sign(&message);
    ku_object *object = ku_message_read(isolate, bytes, message.length, NULL);
    assert_null(object);
    assert_non_null(strstr(ku_pending_error(isolate)->message, "version 2"));
    ku_clear_error(isolate);
    ku_message_free(&message);
    ku_decref(isolate, number);
    close_isolate(isolate);
}

static void test_what_cannot_be_copied_is_named(void **state) {
    (void)state;
    ku_isolate *isolate = open_isolate("refused");
    {
        KU_SCOPE(isolate, scope);
        ku_object *one = ku_own(&scope, new_node(isolate, 1));
        ku_object *weak = ku_own(&scope, ku_weakref_new(isolate, one, NULL));
        ku_message message;
        assert_false(ku_message_write(isolate, weak, &message));
        assert_null(message.bytes);
        assert_int_equal(pending_code(isolate), KU_TYPE);
        ku_clear_error(isolate);
        message = written(isolate, one); /* a type that nobody named */
        assert_int_equal(refused_with(isolate, &message, message.length), KU_TYPE);
        ku_message_free(&message);
    }
    close_isolate(isolate);
}

static void test_a_key_that_cannot_be_hashed_is_an_error(void **state) {
    (void)state;
    ku_isolate *isolate = open_isolate("keys");
    /* one type, none; two objects: a dict with the second as key and value, a list that is empty */
    const unsigned char body[] = {0, 2, KU__TAG_DICT, 1, 2, 2, KU__TAG_LIST, 0};
    ku_message message = {calloc(1, KU_MESSAGE_HEADER + sizeof body), KU_MESSAGE_HEADER + sizeof body};
    memcpy(message.bytes, ku__message_magic, sizeof ku__message_magic);
    ((unsigned char *)message.bytes)[8] = KU_MESSAGE_VERSION;
    memcpy((unsigned char *)message.bytes + KU_MESSAGE_HEADER, body, sizeof body);
    sign(&message);
    assert_int_equal(refused_with(isolate, &message, message.length), KU_TYPE);
    ku_message_free(&message);
    close_isolate(isolate);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_kind_of_value_arrives),
        cmocka_unit_test(test_cycles_and_shared_parts_are_kept),
        cmocka_unit_test(test_instances_arrive_with_fields_arrays_and_attributes),
        cmocka_unit_test(test_random_graphs_arrive_as_they_were),
        cmocka_unit_test(test_damaged_messages_are_refused_or_read_but_never_harm),
        cmocka_unit_test(test_headers_are_checked),
        cmocka_unit_test(test_what_cannot_be_copied_is_named),
        cmocka_unit_test(test_a_key_that_cannot_be_hashed_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
