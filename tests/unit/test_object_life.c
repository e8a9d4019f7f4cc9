/* test_object_life.c: counting, the end of objects, its depth and order, finalizers, resurrection, immortals. */
#include "objects.h"

/* ---- a type whose finalizer tells ---- */

typedef struct teller {
    ku_object header;
    ku_object *held;
    int64_t number;
} teller;

static int64_t told[256];
static size_t told_count;
static ku_object *rescued;

static bool tell(ku_isolate *isolate, ku_object *self) {
    (void)isolate;
    assert_true(told_count < sizeof told / sizeof *told);
    told[told_count++] = ((teller *)(void *)self)->number;
    return true;
}

static const ku_field teller_fields[] = {
    {"held", offsetof(teller, held), KU_FIELD_OWNED},
    {"number", offsetof(teller, number), KU_FIELD_INT64},
    {NULL},
};
static const ku_type_spec teller_spec = {
    .name = "teller", .size = sizeof(teller), .fields = teller_fields, .flags = KU_TYPE_WEAKREFS, .finalize = tell};

static ku_object *teller_new(ku_isolate *isolate, int64_t number, ku_object *held) {
    ku_object *made = ku_new(isolate, type_of_spec(&teller_spec));
    assert_non_null(made);
    ((teller *)(void *)made)->number = number;
    ((teller *)(void *)made)->held = held;
    return made;
}

/* ---- counting ---- */

static void an_object_starts_with_one_reference(void **state) {
    ku_isolate *isolate = *state;
    ku_object *object = ku_new(isolate, type_of_spec(&node_spec));
    assert_int_equal(ku_reference_count(object), 1);
    ku_incref(object);
    assert_int_equal(ku_reference_count(object), 2);
    ku_decref(isolate, object);
    assert_int_equal(ku_reference_count(object), 1);
    assert_ptr_equal(ku_type_of(object), type_of_spec(&node_spec));
    assert_null(as_node(object)->left);
    ku_decref(isolate, object);
}

static void the_last_reference_frees_at_once(void **state) {
    ku_isolate *isolate = *state;
    size_t before = ku_isolate_objects(isolate, NULL);
    ku_object *object = ku_new(isolate, type_of_spec(&node_spec));
    as_node(object)->left = ku_new(isolate, type_of_spec(&node_spec));
    assert_int_equal(ku_isolate_objects(isolate, NULL), before + 2);
    ku_decref(isolate, object);
    assert_int_equal(ku_isolate_objects(isolate, NULL), before);
}

static void a_count_that_runs_over_becomes_immortal(void **state) {
    ku_isolate *isolate = *state;
    ku_object *object = ku_new(isolate, type_of_spec(&node_spec));
    object->count = INT32_MAX;
    ku_incref(object);
    assert_true(ku_is_immortal(object));
    ku_decref(isolate, object);
    ku_decref(isolate, object);
    assert_true(ku_is_immortal(object));
    assert_int_equal(ku_reference_count(object), UINT32_MAX);
}

static void immortals_ignore_counting(void **state) {
    ku_isolate *isolate = *state;
    ku_object *object = ku_new(isolate, type_of_spec(&node_spec));
    ku_make_immortal(isolate, object);
    uint32_t count = object->count;
    for (int i = 0; i < 10; i++) {
        ku_decref(isolate, object);
    }
    ku_incref(object);
    assert_int_equal(object->count, count);
}

static void what_only_an_immortal_holds_is_no_leak(void **state) {
    ku_isolate *isolate = *state;
    ku_object *object = ku_new(isolate, type_of_spec(&node_spec));
    as_node(object)->left = ku_new(isolate, type_of_spec(&node_spec));
    ku_make_immortal(isolate, object);
}

static void slots_are_small(void **state) {
    ku_isolate *isolate = *state;
    ku_object *object = ku_new(isolate, type_of_spec(&node_spec));
    assert_int_equal(ku_size_of(isolate, object), 32);
    ku_decref(isolate, object);
}

/* ---- depth ---- */

/* A tenth where every allocation collects first: recursion would end at the stack's 8 MiB there, too. */
#ifdef KU_HOSTILE
enum { CHAIN = 100000 };
#else
enum { CHAIN = 1000000 };
#endif

static void a_chain_of_a_million_ends_in_bounded_stack(void **state) {
    ku_isolate *isolate = *state;
    ku_type *type = type_of_spec(&node_spec);
    size_t before = ku_isolate_objects(isolate, NULL);
    ku_object *chain = NULL;
    for (int i = 0; i < CHAIN; i++) {
        ku_object *link = ku_new(isolate, type);
        as_node(link)->left = chain;
        chain = link;
    }
    assert_int_equal(ku_isolate_objects(isolate, NULL), before + CHAIN);
    ku_decref(isolate, chain);
    assert_int_equal(ku_isolate_objects(isolate, NULL), before);
}

static void a_deep_tree_with_two_deep_branches_ends(void **state) {
    ku_isolate *isolate = *state;
    ku_type *type = type_of_spec(&node_spec);
    size_t before = ku_isolate_objects(isolate, NULL);
    ku_object *chain = NULL;
    for (int i = 0; i < 100000; i++) {
        ku_object *link = ku_new(isolate, type), *side = ku_new(isolate, type);
        as_node(side)->right = ku_new(isolate, type);
        as_node(link)->left = chain;
        as_node(link)->right = side;
        chain = link;
    }
    ku_decref(isolate, chain);
    assert_int_equal(ku_isolate_objects(isolate, NULL), before);
}

static void a_deep_chain_is_finalized_from_its_head_on(void **state) {
    ku_isolate *isolate = *state;
    told_count = 0;
    ku_object *chain = NULL;
    for (int i = 200; i-- > 0;) {
        chain = teller_new(isolate, i, chain);
    }
    ku_decref(isolate, chain);
    assert_int_equal(told_count, 200);
    for (int i = 0; i < 200; i++) {
        assert_int_equal(told[i], i);
    }
}

/* ---- finalizers ---- */

static void a_finalizer_runs_once_with_the_object_whole(void **state) {
    ku_isolate *isolate = *state;
    told_count = 0;
    ku_decref(isolate, teller_new(isolate, 7, teller_new(isolate, 8, NULL)));
    assert_int_equal(told_count, 2);
    assert_int_equal(told[0], 7);
    assert_int_equal(told[1], 8);
}

static void a_call_by_hand_is_an_ordinary_call(void **state) {
    ku_isolate *isolate = *state;
    told_count = 0;
    ku_object *object = teller_new(isolate, 1, NULL);
    assert_true(ku_call_finalizer(isolate, object));
    assert_true(ku_call_finalizer(isolate, object));
    assert_int_equal(told_count, 2);
    assert_false(ku_is_finalized(object));
    ku_decref(isolate, object);
    assert_int_equal(told_count, 3);
}

static void a_type_without_finalizer_says_so(void **state) {
    ku_isolate *isolate = *state;
    ku_object *object = ku_new(isolate, type_of_spec(&node_spec));
    assert_false(ku_call_finalizer(isolate, object));
    assert_error(isolate, KU_ATTRIBUTE, "'node' object has no attribute '__del__'");
    ku_decref(isolate, object);
}

static bool rescue(ku_isolate *isolate, ku_object *self) {
    (void)isolate;
    told_count++;
    ku_incref(self);
    rescued = self;
    return true;
}

static const ku_type_spec rescuer_spec = {
    .name = "rescuer", .size = sizeof(teller), .fields = teller_fields, .flags = KU_TYPE_WEAKREFS, .finalize = rescue};

static void a_resurrected_object_lives_and_is_not_finalized_again(void **state) {
    ku_isolate *isolate = *state;
    told_count = 0;
    ku_object *object = ku_new(isolate, type_of_spec(&rescuer_spec));
    ku_object *weak = ku_weakref_new(isolate, object, NULL);
    ku_decref(isolate, object);
    assert_ptr_equal(rescued, object);
    assert_true(ku_is_finalized(object));
    assert_int_equal(ku_reference_count(object), 1);
    ku_object *still = ku_weakref_get(isolate, weak);
    assert_ptr_equal(still, object);
    ku_decref(isolate, still);
    ku_decref(isolate, object);
    assert_int_equal(told_count, 1);
    assert_null(ku_weakref_get(isolate, weak));
    ku_decref(isolate, weak);
}

/* ---- errors in finalizers ---- */

static ku_error heard;
static char heard_where[64];
static ku_object *heard_object;

static void hear(ku_isolate *isolate, const ku_unraisable *what, void *argument) {
    (void)isolate;
    heard = *what->error;
    heard_object = what->object;
    snprintf(heard_where, sizeof heard_where, "%s", what->where);
    ++*(int *)argument;
}

static bool fail_at_the_end(ku_isolate *isolate, ku_object *self) {
    (void)self;
    return ku_fail(isolate, KU_VALUE, "no good end");
}

static const ku_type_spec failing_spec = {.name = "failing", .size = sizeof(ku_object), .finalize = fail_at_the_end};

static void an_error_in_a_finalizer_goes_to_the_hook_and_is_swallowed(void **state) {
    ku_isolate *isolate = *state;
    int times = 0;
    ku_isolate_set_unraisable(isolate, hear, &times);
    ku_object *object = ku_new(isolate, type_of_spec(&failing_spec));
    ku_fail(isolate, KU_KEY, "pending before");
    ku_decref(isolate, object);
    assert_int_equal(times, 1);
    assert_string_equal(heard.message, "no good end");
    assert_int_equal(heard.code, KU_VALUE);
    assert_string_equal(heard_where, "calling deallocator");
    assert_ptr_equal(heard_object, object);
    assert_error(isolate, KU_KEY, "pending before");
}

static void by_hand_the_error_is_the_callers(void **state) {
    ku_isolate *isolate = *state;
    int times = 0;
    ku_isolate_set_unraisable(isolate, hear, &times);
    ku_object *object = ku_new(isolate, type_of_spec(&failing_spec));
    assert_false(ku_call_finalizer(isolate, object));
    assert_error(isolate, KU_VALUE, "no good end");
    assert_int_equal(times, 0);
    ku_decref(isolate, object);
    assert_int_equal(times, 1);
}

/* ---- arrays, tails, buffers ---- */

typedef struct bag {
    ku_object header;
    size_t length;
    ku_object **items;
    void *buffer;
} bag;

static int released;
static void count_release(ku_isolate *isolate, ku_object *self) {
    (void)isolate;
    (void)self;
    released++;
}

static const ku_field bag_fields[] = {
    {"items", offsetof(bag, items), KU_FIELD_ITEMS, KU_FIELD_HIDDEN, offsetof(bag, length)},
    {"buffer", offsetof(bag, buffer), KU_FIELD_BUFFER, KU_FIELD_HIDDEN},
    {NULL},
};
static const ku_type_spec bag_spec = {
    .name = "bag", .size = sizeof(bag), .fields = bag_fields, .release = count_release};

static void items_and_buffers_go_with_their_object(void **state) {
    ku_isolate *isolate = *state;
    size_t bytes_before, bytes_after;
    released = 0;
    ku_isolate_objects(isolate, &bytes_before);
    bag *made = (bag *)(void *)ku_new(isolate, type_of_spec(&bag_spec));
    made->items = ku_buffer_new(isolate, 100 * sizeof *made->items);
    for (made->length = 0; made->length < 100; made->length++) {
        made->items[made->length] = made->length % 3 != 0 ? ku_new(isolate, type_of_spec(&node_spec)) : NULL;
    }
    made->buffer = ku_buffer_new(isolate, 3000);
    assert_true(ku_size_of(isolate, &made->header) >= 32 + 800 + 3000);
    ku_decref(isolate, &made->header);
    ku_isolate_objects(isolate, &bytes_after);
    assert_int_equal(bytes_after, bytes_before);
    assert_int_equal(released, 1);
}

typedef struct row {
    ku_object header;
    size_t length;
} row;
static const ku_field row_fields[] = {
    {"items", sizeof(row), KU_FIELD_TAIL, KU_FIELD_HIDDEN, offsetof(row, length)},
    {NULL},
};
static const ku_type_spec row_spec = {.name = "row", .size = sizeof(row), .fields = row_fields};

static void tails_of_any_length_hold_and_go(void **state) {
    ku_isolate *isolate = *state;
    size_t before, after;
    ku_isolate_objects(isolate, &before);
    for (size_t length = 0; length < 200; length += 1 + length / 8) {
        ku_object *made = ku_new_sized(isolate, type_of_spec(&row_spec), length);
        assert_int_equal(((row *)(void *)made)->length, length);
        ku_object **items = ku_tail(made, sizeof(row), length);
        for (size_t i = 0; i < length; i++) {
            assert_null(items[i]);
            items[i] = ku_new(isolate, type_of_spec(&node_spec));
        }
        ku_decref(isolate, made);
    }
    ku_isolate_objects(isolate, &after);
    assert_int_equal(after, before);
}

static void only_types_with_a_tail_are_sized(void **state) {
    ku_isolate *isolate = *state;
    assert_null(ku_new_sized(isolate, type_of_spec(&node_spec), 3));
    assert_error(isolate, KU_TYPE, "type 'node' has no tail");
    assert_null(ku_new(isolate, ku_builtin_type(KU_BUILTIN_WEAKREF)));
    assert_error(isolate, KU_TYPE, "cannot create 'weakref' instances");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(an_object_starts_with_one_reference),
        TEST(the_last_reference_frees_at_once),
        TEST(a_count_that_runs_over_becomes_immortal),
        TEST(immortals_ignore_counting),
        TEST(what_only_an_immortal_holds_is_no_leak),
        TEST(slots_are_small),
        TEST(a_chain_of_a_million_ends_in_bounded_stack),
        TEST(a_deep_tree_with_two_deep_branches_ends),
        TEST(a_deep_chain_is_finalized_from_its_head_on),
        TEST(a_finalizer_runs_once_with_the_object_whole),
        TEST(a_call_by_hand_is_an_ordinary_call),
        TEST(a_type_without_finalizer_says_so),
        TEST(a_resurrected_object_lives_and_is_not_finalized_again),
        TEST(an_error_in_a_finalizer_goes_to_the_hook_and_is_swallowed),
        TEST(by_hand_the_error_is_the_callers),
        TEST(items_and_buffers_go_with_their_object),
        TEST(tails_of_any_length_hold_and_go),
        TEST(only_types_with_a_tail_are_sized),
    };
    return cmocka_run_group_tests_name("objects: life", tests, NULL, NULL);
}
