/* test_object_weak.c: weak references, callbacks, proxies, finalize objects, and containers that hold weakly. */
#define CHECK_EVERY_CALL
#include "objects.h"

static ku_object *node_new(ku_isolate *isolate) {
    ku_object *made = ku_new(isolate, type_of_spec(&node_spec));
    assert_non_null(made);
    return made;
}

/* ---- callbacks that tell ---- */

static int called[64];
static size_t calls;

static void note(ku_isolate *isolate, ku_object *reference, void *argument) {
    assert_null(ku_weakref_get(isolate, reference));
    called[calls++] = (int)(intptr_t)argument;
}

static ku_object *note_call(ku_isolate *isolate, ku_object *self, ku_object *const *arguments, size_t count) {
    (void)self;
    (void)arguments;
    called[calls++] = (int)count;
    return ku_new_reference(ku_none(isolate));
}

static ku_object *fail_call(ku_isolate *isolate, ku_object *self, ku_object *const *arguments, size_t count) {
    (void)self;
    (void)arguments;
    (void)count;
    calls++;
    return ku_fail_null(isolate, KU_VALUE, "no");
}

static int unraisable;
static void hear(ku_isolate *isolate, const ku_unraisable *what, void *argument) {
    (void)isolate;
    (void)argument;
    assert_string_equal(what->error->message, "no");
    unraisable++;
}

static int begin(void **state) {
    calls = 0;
    unraisable = 0;
    return open_isolate(state);
}
#define WEAK(function) cmocka_unit_test_setup_teardown(function, begin, close_isolate)

/* ---- references ---- */

static void a_weak_reference_gives_its_referent_as_long_as_it_lives(void **state) {
    ku_isolate *isolate = *state;
    ku_object *object = node_new(isolate), *weak = ku_weakref_new(isolate, object, NULL);
    assert_int_equal(ku_reference_count(object), 1);
    assert_int_equal(ku_size_of(isolate, object), 32); /* nothing in the object */
    ku_object *got = ku_weakref_get(isolate, weak);
    assert_ptr_equal(got, object);
    ku_decref(isolate, got);
    ku_decref(isolate, object);
    assert_null(ku_weakref_get(isolate, weak));
    assert_null(ku_pending_error(isolate));
    ku_decref(isolate, weak);
}

static void without_callback_there_is_one(void **state) {
    ku_isolate *isolate = *state;
    ku_object *object = node_new(isolate);
    ku_object *one = ku_weakref_new(isolate, object, NULL), *other = ku_weakref_new(isolate, object, NULL);
    assert_ptr_equal(one, other);
    assert_int_equal(ku_weakref_count(isolate, object), 1);
    ku_object *mine = ku_weakref_new_c(isolate, object, note, NULL);
    assert_ptr_not_equal(mine, one);
    assert_int_equal(ku_weakref_count(isolate, object), 2);
    ku_object *list = ku_weakref_list(isolate, object);
    assert_int_equal(ku_list_length(list), 2);
    assert_ptr_equal(ku_list_at(list, 0), one);
    ku_object *all[] = {list, mine, one, other};
    for (size_t i = 0; i < 4; i++) {
        ku_decref(isolate, all[i]);
    }
    assert_int_equal(ku_weakref_count(isolate, object), 0);
    ku_decref(isolate, object);
    assert_int_equal(calls, 0); /* a reference that died before never calls */
}

static void callbacks_are_called_newest_first(void **state) {
    ku_isolate *isolate = *state;
    ku_object *object = node_new(isolate), *weak[10];
    for (intptr_t i = 0; i < 10; i++) {
        weak[i] = ku_weakref_new_c(isolate, object, note, (void *)i);
    }
    ku_decref(isolate, weak[4]);
    ku_decref(isolate, object);
    assert_int_equal(calls, 9);
    for (int i = 0, next = 9; i < 9; i++, next--) {
        next -= next == 4;
        assert_int_equal(called[i], next);
    }
    for (int i = 0; i < 10; i++) {
        if (i != 4) {
            ku_decref(isolate, weak[i]);
        }
    }
}

static void a_callback_can_be_any_object_and_its_error_is_swallowed(void **state) {
    ku_isolate *isolate = *state;
    ku_isolate_set_unraisable(isolate, hear, NULL);
    ku_object *object = node_new(isolate);
    ku_object *good = ku_function_new(isolate, "good", note_call, 0, KU_ANY_COUNT, NULL);
    ku_object *bad = ku_function_new(isolate, "bad", fail_call, 0, KU_ANY_COUNT, NULL);
    ku_object *one = ku_weakref_new(isolate, object, good), *other = ku_weakref_new(isolate, object, bad);
    ku_decref(isolate, good);
    ku_decref(isolate, bad);
    ku_fail(isolate, KU_KEY, "before");
    ku_decref(isolate, object);
    assert_error(isolate, KU_KEY, "before");
    assert_int_equal(calls, 2);
    assert_int_equal(called[1], 1); /* one argument: the reference */
    assert_int_equal(unraisable, 1);
    ku_decref(isolate, one);
    ku_decref(isolate, other);
}

static void references_made_and_dropped_at_random_are_exact(void **state) {
    ku_isolate *isolate = *state;
    enum { OBJECTS = 500, STEPS = 50000 };
    static ku_object *objects[OBJECTS], *weak[OBJECTS], *owner[OBJECTS];
    uint64_t seed = 7;
    memset(objects, 0, sizeof objects);
    memset(weak, 0, sizeof weak);
    for (size_t step = 0; step < STEPS; step++) {
        size_t i = next_random(&seed) % OBJECTS, j = next_random(&seed) % OBJECTS;
        switch (next_random(&seed) % 4) {
        case 0: ku_replace(isolate, &objects[i], node_new(isolate)); break;
        case 1: ku_clear(isolate, &objects[i]); break;
        case 2:
            ku_clear(isolate, &weak[i]);
            if (objects[j] != NULL) {
                bool shared = next_random(&seed) % 2 != 0;
                weak[i] = shared ? ku_weakref_new(isolate, objects[j], NULL)
                                 : ku_weakref_new_c(isolate, objects[j], note, NULL);
                owner[i] = objects[j];
            }
            break;
        default:
            calls = 0;
            if (weak[i] != NULL) {
                ku_object *got = ku_weakref_get(isolate, weak[i]);
                bool lives = false;
                for (size_t k = 0; k < OBJECTS; k++) {
                    lives |= objects[k] != NULL && objects[k] == got;
                }
                assert_true(got == NULL || (lives && got == owner[i]));
                ku_release(isolate, got);
            }
        }
        calls = 0;
    }
    for (size_t i = 0; i < OBJECTS; i++) {
        calls = 0;
        ku_clear(isolate, &objects[i]);
        ku_clear(isolate, &weak[i]);
    }
}

static void references_are_called_compared_and_hashed(void **state) {
    ku_isolate *isolate = *state;
    ku_object *object = node_new(isolate), *weak = ku_weakref_new(isolate, object, NULL);
    ku_object *watched = ku_weakref_new_c(isolate, object, note, NULL),
              *late = ku_weakref_new_c(isolate, object, note, NULL);
    uint64_t hash = 0, other = 0;
    ku_object *got = ku_call(isolate, weak, NULL, 0);
    assert_ptr_equal(got, object);
    ku_decref(isolate, got);
    assert_int_equal(ku_equal(isolate, weak, watched), 1);
    assert_true(ku_hash(isolate, weak, &hash) && ku_hash(isolate, watched, &other));
    assert_true(hash == other);
    ku_decref(isolate, object);
    assert_int_equal(ku_equal(isolate, weak, watched), 0); /* dead ones are equal to themselves only */
    assert_int_equal(ku_equal(isolate, weak, weak), 1);
    assert_true(ku_hash(isolate, weak, &other) && hash == other);
    assert_false(ku_hash(isolate, late, &other));
    assert_error(isolate, KU_TYPE, "weak object has gone away");
    got = ku_call(isolate, weak, NULL, 0);
    assert_ptr_equal(got, ku_none(isolate));
    ku_decref(isolate, weak);
    ku_decref(isolate, watched);
    ku_decref(isolate, late);
}

/* ---- the order of an end ---- */

static ku_object *watcher;
static bool seen_by_finalizer;
static bool look(ku_isolate *isolate, ku_object *self) {
    ku_object *got = ku_weakref_get(isolate, watcher);
    seen_by_finalizer = got == self;
    called[calls++] = 100;
    ku_release(isolate, got);
    return true;
}

/* As CPython 3.14.10 does it, seen there. */
static void by_count_the_finalizer_comes_before_weak_references_are_cleared(void **state) {
    ku_isolate *isolate = *state;
    static const ku_type_spec spec = {
        .name = "looker", .size = sizeof(node), .fields = node_fields, .flags = KU_TYPE_WEAKREFS, .finalize = look};
    ku_object *object = ku_new(isolate, type_of_spec(&spec));
    watcher = ku_weakref_new_c(isolate, object, note, (void *)1);
    ku_decref(isolate, object);
    assert_true(seen_by_finalizer);
    assert_int_equal(calls, 2);
    assert_int_equal(called[0], 100);
    assert_int_equal(called[1], 1);
    ku_decref(isolate, watcher);
}

/* ---- proxies ---- */

static void a_proxy_does_what_its_referent_does(void **state) {
    ku_isolate *isolate = *state;
    ku_object *object = node_new(isolate), *proxy = ku_proxy_new(isolate, object, NULL);
    assert_int_equal(ku_reference_count(object), 1);
    assert_true(ku_set(isolate, proxy, "left", ku_none(isolate)));
    assert_ptr_equal(as_node(object)->left, ku_none(isolate));
    ku_object *value = ku_get(isolate, proxy, "left");
    assert_ptr_equal(value, ku_none(isolate));
    assert_null(ku_get(isolate, proxy, "lef"));
    assert_error(isolate, KU_ATTRIBUTE, "'node' object has no attribute 'lef'. Did you mean: 'left'?");
    assert_int_equal(ku_equal(isolate, proxy, object), 1);
    ku_object *name = ku_intern_text(isolate, "nothing");
    assert_true(ku_find_attribute(isolate, proxy, name, &value));
    assert_null(value);
    ku_decref(isolate, name);
    uint64_t hash;
    assert_false(ku_hash(isolate, proxy, &hash));
    assert_error(isolate, KU_TYPE, "unhashable type: 'weakref.ProxyType'");
    ku_decref(isolate, object);
    assert_null(ku_get(isolate, proxy, "left"));
    assert_error(isolate, KU_REFERENCE, "weakly-referenced object no longer exists");
    assert_false(ku_set(isolate, proxy, "left", proxy));
    assert_error(isolate, KU_REFERENCE, "weakly-referenced object no longer exists");
    ku_decref(isolate, proxy);
}

/* ---- finalize ---- */

static ku_object *sum_call(ku_isolate *isolate, ku_object *self, ku_object *const *arguments, size_t count) {
    (void)self;
    int64_t sum = 0, value;
    for (size_t i = 0; i < count; i++) {
        assert_true(ku_int_value(isolate, arguments[i], &value));
        sum += value;
    }
    called[calls++] = (int)sum;
    return ku_int(isolate, sum);
}

static ku_object *finalize_with(ku_isolate *isolate, ku_object *object, int64_t a, int64_t b) {
    ku_object *items[] = {ku_int(isolate, a), ku_int(isolate, b)};
    ku_object *arguments = ku_tuple_new(isolate, items, 2);
    ku_object *function = ku_function_new(isolate, "sum", sum_call, 0, KU_ANY_COUNT, NULL);
    ku_object *made = ku_finalize_new(isolate, object, function, arguments);
    assert_non_null(made);
    ku_object *all[] = {items[0], items[1], arguments, function};
    for (size_t i = 0; i < 4; i++) {
        ku_decref(isolate, all[i]);
    }
    return made;
}

static void finalize_calls_with_its_arguments_once(void **state) {
    ku_isolate *isolate = *state;
    ku_object *object = node_new(isolate), *made = finalize_with(isolate, object, 1, 2);
    assert_true(ku_finalize_is_alive(made));
    ku_object *peeked = ku_finalize_peek(isolate, made);
    assert_ptr_equal(ku_tuple_at(peeked, 0), object);
    ku_decref(isolate, peeked);
    ku_decref(isolate, made); /* it keeps itself */
    ku_decref(isolate, object);
    assert_int_equal(calls, 1);
    assert_int_equal(called[0], 3);
}

static void a_call_by_hand_is_the_one_call(void **state) {
    ku_isolate *isolate = *state;
    ku_object *object = node_new(isolate), *made = finalize_with(isolate, object, 4, 5);
    ku_object *result = ku_call(isolate, made, NULL, 0);
    int64_t value;
    assert_true(ku_int_value(isolate, result, &value));
    assert_int_equal(value, 9);
    ku_decref(isolate, result);
    assert_false(ku_finalize_is_alive(made));
    assert_ptr_equal(ku_finalize_call(isolate, made), ku_none(isolate));
    assert_ptr_equal(ku_finalize_detach(isolate, made), ku_none(isolate));
    ku_decref(isolate, object);
    assert_int_equal(calls, 1);
    ku_decref(isolate, made);
}

static void a_detached_finalize_never_calls(void **state) {
    ku_isolate *isolate = *state;
    ku_object *object = node_new(isolate), *made = finalize_with(isolate, object, 4, 5);
    ku_object *parts = ku_finalize_detach(isolate, made);
    assert_int_equal(ku_tuple_length(parts), 3);
    assert_ptr_equal(ku_tuple_at(parts, 0), object);
    ku_decref(isolate, parts);
    ku_decref(isolate, made);
    ku_decref(isolate, object);
    assert_int_equal(calls, 0);
}

static ku_object *victim;
static ku_object *detach_call(ku_isolate *isolate, ku_object *self, ku_object *const *arguments, size_t count) {
    (void)self;
    (void)arguments;
    (void)count;
    ku_release(isolate, ku_finalize_detach(isolate, victim));
    ku_clear(isolate, &victim);
    return ku_new_reference(ku_none(isolate));
}

static void a_finalize_may_detach_another_whose_turn_is_next(void **state) {
    ku_isolate *isolate = *state;
    ku_object *object = node_new(isolate);
    victim = finalize_with(isolate, object, 1, 1);
    ku_object *function = ku_function_new(isolate, "detach", detach_call, 0, KU_ANY_COUNT, NULL);
    ku_object *newest = ku_finalize_new(isolate, object, function, NULL);
    ku_decref(isolate, function);
    ku_decref(isolate, newest);
    ku_decref(isolate, object);
    assert_int_equal(calls, 0);
}

static void at_the_end_of_the_isolate_finalize_calls_newest_first(void **state) {
    (void)state;
    ku_isolate *isolate = isolate_with(NULL);
    ku_object *object = node_new(isolate);
    ku_make_immortal(isolate, object);
    calls = 0;
    for (int i = 0; i < 3; i++) {
        ku_object *made = finalize_with(isolate, object, i, 0);
        if (i == 1) {
            assert_true(ku_finalize_set_atexit(made, false));
        }
        ku_decref(isolate, made);
    }
    assert_int_equal(ku_isolate_delete(isolate), 0);
    assert_int_equal(calls, 2);
    assert_int_equal(called[0], 2);
    assert_int_equal(called[1], 0);
    calls = 0;
}

/* ---- containers ---- */

static void a_weak_value_dictionary_forgets_values_that_die(void **state) {
    ku_isolate *isolate = *state;
    ku_object *dict = ku_weak_value_dict_new(isolate), *a = node_new(isolate), *b = node_new(isolate);
    ku_object *one = ku_intern_text(isolate, "one"), *two = ku_intern_text(isolate, "two");
    assert_true(ku_weak_dict_set(isolate, dict, one, a));
    assert_true(ku_weak_dict_set(isolate, dict, two, b));
    assert_int_equal(ku_weak_dict_length(dict), 2);
    ku_object *got = ku_weak_dict_get(isolate, dict, one);
    assert_ptr_equal(got, a);
    ku_decref(isolate, got);
    assert_true(ku_weak_dict_set(isolate, dict, one, b)); /* a's reference goes without a callback */
    ku_decref(isolate, a);
    assert_int_equal(ku_weak_dict_length(dict), 2);
    ku_object *items = ku_weak_dict_items(isolate, dict);
    assert_int_equal(ku_list_length(items), 2);
    ku_decref(isolate, items);
    assert_true(ku_weak_dict_delete(isolate, dict, two));
    assert_int_equal(ku_weak_dict_contains(isolate, dict, two), 0);
    ku_decref(isolate, b);
    assert_int_equal(ku_weak_dict_length(dict), 0);
    assert_null(ku_weak_dict_get(isolate, dict, one));
    assert_error(isolate, KU_KEY, "'one'");
    ku_object *all[] = {one, two, dict};
    for (size_t i = 0; i < 3; i++) {
        ku_decref(isolate, all[i]);
    }
}

static void a_weak_key_dictionary_forgets_keys_that_die(void **state) {
    ku_isolate *isolate = *state;
    ku_object *dict = ku_weak_key_dict_new(isolate), *key = node_new(isolate), *other = node_new(isolate);
    ku_object *value = node_new(isolate);
    assert_true(ku_weak_dict_set(isolate, dict, key, value));
    assert_true(ku_weak_dict_set(isolate, dict, other, value));
    assert_int_equal(ku_reference_count(value), 3);
    assert_int_equal(ku_weak_dict_contains(isolate, dict, key), 1);
    ku_decref(isolate, key);
    assert_int_equal(ku_reference_count(value), 2);
    assert_int_equal(ku_weak_dict_length(dict), 1);
    assert_true(ku_weak_dict_delete(isolate, dict, other));
    assert_int_equal(ku_reference_count(value), 1);
    ku_decref(isolate, other);
    ku_decref(isolate, value);
    ku_decref(isolate, dict);
}

static void a_weak_set_forgets_items_that_die(void **state) {
    ku_isolate *isolate = *state;
    ku_object *set = ku_weak_set_new(isolate), *items[20];
    for (int i = 0; i < 20; i++) {
        items[i] = node_new(isolate);
        assert_true(ku_weak_set_add(isolate, set, items[i]));
        assert_true(ku_weak_set_add(isolate, set, items[i]));
    }
    assert_int_equal(ku_weak_set_length(set), 20);
    assert_true(ku_weak_set_discard(isolate, set, items[3]));
    for (int i = 0; i < 20; i += 2) {
        ku_decref(isolate, items[i]);
    }
    assert_int_equal(ku_weak_set_length(set), 9);
    assert_int_equal(ku_weak_set_contains(isolate, set, items[3]), 0);
    assert_int_equal(ku_weak_set_contains(isolate, set, items[5]), 1);
    ku_object *list = ku_weak_set_items(isolate, set);
    assert_int_equal(ku_list_length(list), 9);
    ku_decref(isolate, list);
    ku_decref(isolate, set);
    for (int i = 1; i < 20; i += 2) {
        ku_decref(isolate, items[i]);
    }
}

static ku_object *dropped;
static void drop_container(ku_isolate *isolate, ku_object *reference, void *argument) {
    (void)reference;
    (void)argument;
    ku_clear(isolate, &dropped);
}

static void a_container_may_be_gone_when_its_callbacks_turn_comes(void **state) {
    ku_isolate *isolate = *state;
    dropped = ku_weak_set_new(isolate);
    ku_object *object = node_new(isolate);
    assert_true(ku_weak_set_add(isolate, dropped, object));
    ku_object *newest = ku_weakref_new_c(isolate, object, drop_container, NULL);
    ku_decref(isolate, object);
    assert_null(dropped);
    ku_decref(isolate, newest);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        WEAK(a_weak_reference_gives_its_referent_as_long_as_it_lives),
        WEAK(without_callback_there_is_one),
        WEAK(callbacks_are_called_newest_first),
        WEAK(a_callback_can_be_any_object_and_its_error_is_swallowed),
        WEAK(references_made_and_dropped_at_random_are_exact),
        WEAK(references_are_called_compared_and_hashed),
        WEAK(by_count_the_finalizer_comes_before_weak_references_are_cleared),
        WEAK(a_proxy_does_what_its_referent_does),
        WEAK(finalize_calls_with_its_arguments_once),
        WEAK(a_call_by_hand_is_the_one_call),
        WEAK(a_detached_finalize_never_calls),
        WEAK(a_finalize_may_detach_another_whose_turn_is_next),
        WEAK(at_the_end_of_the_isolate_finalize_calls_newest_first),
        WEAK(a_weak_value_dictionary_forgets_values_that_die),
        WEAK(a_weak_key_dictionary_forgets_keys_that_die),
        WEAK(a_weak_set_forgets_items_that_die),
        WEAK(a_container_may_be_gone_when_its_callbacks_turn_comes),
    };
    return cmocka_run_group_tests_name("objects: weak references", tests, NULL, NULL);
}
