/* test_values.c: what values do that no comparison of reprs shows: identity, what changes in place, recursion, changes
 * while walking, copies, calls, caches, bytes; and that every request for memory may be refused. */
#define CHECK_EVERY_CALL
#include "native.h"

#include "object/values.h"

#include <kucha/cache.h>
#include <kucha/namespace.h>

static ku_isolate *home;

static int open_home(void **state) {
    (void)state;
    home = open_isolate("values");
    return 0;
}
static int close_home(void **state) {
    (void)state;
    close_isolate(home);
    return 0;
}

static void assert_text(ku_object *object, const char *wanted) {
    ku_object *shown = object != NULL ? ku_repr(home, object) : NULL;
    if (shown == NULL) {
        fail_msg("wanted %s, got %s", wanted, ku_pending_error(home)->message);
    }
    assert_string_equal(ku_str_text(shown), wanted);
    ku_decref(home, shown);
}

static void assert_error(ku_code code, const char *message) {
    const ku_error *error = ku_pending_error(home);
    assert_non_null(error);
    assert_string_equal(error->message, message);
    assert_int_equal(error->code, code);
    ku_clear_error(home);
}

/* A list of small ints. */
static ku_object *numbers(int64_t count) {
    ku_object *list = ku_list_new(home, NULL, 0);
    for (int64_t i = 0; i < count; i++) {
        ku_object *number = ku_int(home, i);
        assert_true(ku_list_append(home, list, number));
        ku_decref(home, number);
    }
    return list;
}

/* ---- identity ---- */

static void small_ints_exist_once(void **state) {
    (void)state;
    for (int64_t value = -6; value <= 257; value++) {
        ku_object *a = ku_int(home, value), *b = ku_int(home, value);
        assert_int_equal(a == b, value >= -5 && value <= 256);
        ku_decref(home, a);
        ku_decref(home, b);
    }
    ku_object *big = ku_int_parse(home, "100000000000000000000", 21, 10);
    ku_object *zero = ku_subtract(home, big, big);
    assert_ptr_equal(zero, ku_int(home, 0));
    ku_decref(home, big);
}

static void text_that_looks_like_a_name_exists_once(void **state) {
    (void)state;
    ku_object *a = ku_str(home, "some_name"), *b = ku_str(home, "some_name");
    ku_object *c = ku_str(home, "some name"), *d = ku_str(home, "some name");
    assert_ptr_equal(a, b);
    assert_ptr_not_equal(c, d);
    assert_int_equal(ku_equal(home, c, d), 1);
    ku_object *e = ku_str_new(home, "\xc3\xa9", 2), *f = ku_str_from_code_point(home, 0xE9);
    assert_ptr_equal(e, f);
    assert_ptr_equal(ku_str_new(home, "", 0), ku_str(home, ""));
    ku_object *all[] = {a, b, c, d};
    for (size_t i = 0; i < 4; i++) {
        ku_decref(home, all[i]);
    }
}

static void in_place_changes_what_can_change(void **state) {
    (void)state;
    ku_object *list = numbers(2), *more = numbers(1), *text = ku_str(home, "a b"), *number = ku_int(home, 1000);
    ku_object *same = ku_add_in_place(home, list, more);
    assert_ptr_equal(same, list);
    assert_text(list, "[0, 1, 0]");
    ku_object *longer = ku_add_in_place(home, text, text);
    assert_ptr_not_equal(longer, text);
    assert_text(text, "'a b'");
    ku_object *sum = ku_add_in_place(home, number, ku_int(home, 1));
    assert_ptr_not_equal(sum, number);
    assert_text(number, "1000");
    ku_object *all[] = {list, more, text, number, same, longer, sum};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        ku_decref(home, all[i]);
    }
}

/* ---- bytes ---- */

static void values_are_small(void **state) {
    (void)state;
    size_t before, after;
    ku_isolate_objects(home, &before);
    ku_object *number = ku_int(home, INT64_MAX);
    ku_isolate_objects(home, &after);
    assert_int_equal(after - before, 16);
    ku_object *items[] = {ku_int(home, 1), ku_int(home, 2), ku_int(home, 3)};
    ku_object *list = ku_list_new(home, items, 3);
    ku_isolate_objects(home, &before);
    assert_true(before - after <= 80);
    ku_decref(home, number);
    ku_decref(home, list);
}

/* ---- containers inside of themselves ---- */

static void recursive_containers_are_shown_once(void **state) {
    (void)state;
    ku_object *list = numbers(1), *dict = ku_dict_new(home), *tuple = ku_tuple_new(home, &list, 1);
    ku_list_append(home, list, list);
    ku_dict_set(home, dict, ku_int(home, 1), dict);
    ku_list_append(home, list, dict);
    ku_list_append(home, list, tuple);
    assert_text(list, "[0, [...], {1: {...}}, ([...],)]");
    ku_list_clear(home, list);
    ku_dict_clear(home, dict);
    ku_decref(home, tuple);
    ku_decref(home, list);
    ku_decref(home, dict);
}

static ku_object *nested(size_t depth) {
    ku_object *list = ku_list_new(home, NULL, 0);
    for (size_t i = 0; i < depth; i++) {
        ku_object *outer = ku_list_new(home, &list, 1);
        ku_decref(home, list);
        list = outer;
    }
    return list;
}

static void what_is_too_deep_is_an_error(void **state) {
    (void)state;
    ku_object *a = nested(100000), *b = nested(100000);
    assert_null(ku_repr(home, a));
    assert_error(KU_RECURSION, "maximum recursion depth exceeded while getting the repr of an object");
    assert_int_equal(ku_equal(home, a, b), -1);
    assert_error(KU_RECURSION, "maximum recursion depth exceeded in comparison");
    ku_object *copy = ku_deepcopy(home, a);
    assert_non_null(copy);
    ku_decref(home, a);
    ku_decref(home, b);
    ku_decref(home, copy);
}

/* ---- walking ---- */

static void a_list_may_grow_while_it_is_walked(void **state) {
    (void)state;
    ku_object *list = numbers(3), *walk = ku_iter(home, list), *item;
    size_t seen = 0;
    while ((item = ku_next(home, walk)) != NULL) {
        if (seen++ < 4) {
            ku_list_append(home, list, item);
        }
        ku_decref(home, item);
    }
    assert_int_equal(seen, 7);
    ku_list_append(home, list, ku_none(home));
    assert_null(ku_next(home, walk)); /* at its end for good */
    ku_decref(home, walk);
    ku_decref(home, list);
}

static void a_dict_or_set_that_changes_its_size_ends_the_walk(void **state) {
    (void)state;
    ku_object *dict = ku_dict_new(home), *set = ku_set_new(home);
    ku_dict_set(home, dict, ku_int(home, 1), ku_none(home));
    ku_set_add(home, set, ku_int(home, 1));
    ku_object *over_dict = ku_iter(home, dict), *over_set = ku_iter(home, set);
    ku_dict_set(home, dict, ku_int(home, 1), ku_bool(home, true)); /* a value may change */
    assert_ptr_equal(ku_next(home, over_dict), ku_int(home, 1));
    ku_dict_set(home, dict, ku_int(home, 2), ku_none(home));
    ku_set_add(home, set, ku_int(home, 2));
    for (size_t i = 0; i < 2; i++) {
        assert_null(ku_next(home, over_dict));
        assert_error(KU_RUNTIME, "dictionary changed size during iteration");
        assert_null(ku_next(home, over_set));
        assert_error(KU_RUNTIME, "Set changed size during iteration");
    }
    ku_object *all[] = {over_dict, over_set, dict, set};
    for (size_t i = 0; i < 4; i++) {
        ku_decref(home, all[i]);
    }
}

/* ---- dict against a model ---- */

enum { KEYS = 300 };

static void a_dict_keeps_order_through_any_changes(void **state) {
    (void)state;
    uint64_t random = 7;
    ku_object *dict = ku_dict_new(home);
    int64_t order[KEYS], present = 0;
    for (size_t step = 0; step < 40000; step++) {
        int64_t number = (int64_t)(next_random(&random) % KEYS) * 1024, at = 0;
        ku_object *key = ku_int(home, number);
        while (at < present && order[at] != number) {
            at++;
        }
        if (next_random(&random) % 2 == 0) {
            assert_true(ku_dict_set(home, dict, key, key));
            present += at == present;
            order[at] = number;
        } else {
            assert_int_equal(ku_dict_delete(home, dict, key), at < present);
            ku_clear_error(home);
            for (; at + 1 < present; at++) {
                order[at] = order[at + 1];
            }
            present -= at < present;
        }
        ku_decref(home, key);
        assert_int_equal(ku_dict_length(dict), present);
        size_t position = 0;
        for (int64_t i = 0; step % 100 == 0 && i < present; i++) {
            ku_object *own;
            assert_true(ku_dict_next(dict, &position, &own, NULL));
            assert_int_equal(ku__small(own), order[i]);
        }
    }
    ku_decref(home, dict);
}

static void a_set_used_as_a_queue_takes_constant_time(void **state) {
    (void)state;
    ku_object *set = ku_set_new(home);
    for (int64_t i = 0; i < 200000; i++) { /* in time in the square of the length this would not end */
        ku_object *number = ku_int(home, i);
        ku_set_add(home, set, number);
        ku_decref(home, number);
    }
    for (int64_t i = 0; i < 200000; i++) {
        ku_object *number = ku_set_pop(home, set);
        assert_int_equal(ku__small(number), i);
        ku_decref(home, number);
    }
    ku_decref(home, set);
}

/* A key that empties the dict while it is compared. */
static ku_object *victim;
static int hostile_equal(ku_isolate *isolate, ku_object *self, ku_object *other) {
    (void)self;
    (void)other;
    ku_dict_clear(isolate, victim);
    return 0;
}
static bool hostile_hash(ku_isolate *isolate, ku_object *self, uint64_t *hash) {
    (void)isolate;
    (void)self;
    *hash = 1;
    return true;
}
static const ku_type_spec hostile_spec = {
    .name = "hostile", .size = sizeof(ku_object), .hash = hostile_hash, .equal = hostile_equal};

static void a_dict_survives_keys_that_change_it(void **state) {
    (void)state;
    victim = ku_dict_new(home);
    ku_object *key = ku_new(home, type_of_spec(&hostile_spec)), *other = ku_new(home, type_of_spec(&hostile_spec));
    for (size_t i = 0; i < 20; i++) {
        ku_dict_set(home, victim, key, ku_none(home));
        ku_dict_set(home, victim, other, ku_none(home));
        assert_int_equal(ku_dict_length(victim), 1);
        ku_dict_clear(home, victim);
    }
    ku_decref(home, key);
    ku_decref(home, other);
    ku_decref(home, victim);
}

/* ---- copies ---- */

static void a_deep_copy_keeps_what_is_shared_and_cyclic(void **state) {
    (void)state;
    ku_object *inner = numbers(1), *outer = ku_list_new(home, NULL, 0), *dict = ku_dict_new(home);
    ku_object *instance = new_node(home, 5);
    ku_set(home, instance, "left", inner);
    ku_list_append(home, outer, inner);
    ku_list_append(home, outer, instance);
    ku_dict_set_text(home, dict, "self", outer);
    ku_list_append(home, outer, dict);
    ku_object *copy = ku_deepcopy(home, outer);
    assert_ptr_not_equal(copy, outer);
    ku_object *inner_copy = ku_list_at(copy, 0), *instance_copy = ku_list_at(copy, 1);
    assert_ptr_not_equal(inner_copy, inner);
    assert_ptr_equal(as_node(instance_copy)->left, inner_copy);
    assert_int_equal(as_node(instance_copy)->number, 5);
    ku_object *back = ku_dict_get_text(home, ku_list_at(copy, 2), "self");
    assert_ptr_equal(back, copy);
    ku_decref(home, back);
    ku_dict_clear(home, dict);
    ku_dict_clear(home, ku_list_at(copy, 2));
    ku_object *all[] = {inner, outer, dict, instance, copy};
    for (size_t i = 0; i < 5; i++) {
        ku_decref(home, all[i]);
    }
}

/* ---- functions ---- */

static ku_object *add_all(ku_isolate *isolate, ku_object *self, ku_object *const *arguments, size_t count) {
    ku_object *sum = ku_new_reference(self);
    for (size_t i = 0; i < count && sum != NULL; i++) {
        ku_object *next = ku_add(isolate, sum, arguments[i]);
        ku_decref(isolate, sum);
        sum = next;
    }
    return sum;
}

static void functions_check_the_number_of_arguments(void **state) {
    (void)state;
    ku_object *one = ku_int(home, 1), *arguments[] = {one, one, one};
    ku_object *function = ku_function_new(home, "add", add_all, 1, 2, one);
    ku_object *sum = ku_call(home, function, arguments, 2);
    assert_text(sum, "3");
    assert_null(ku_call(home, function, NULL, 0));
    assert_error(KU_TYPE, "add expected at least 1 argument, got 0");
    assert_null(ku_call(home, function, arguments, 3));
    assert_error(KU_TYPE, "add expected at most 2 arguments, got 3");
    assert_null(ku_call(home, one, NULL, 0));
    assert_error(KU_TYPE, "'int' object is not callable");
    ku_object *method = ku_method_new(home, function, one);
    sum = ku_call(home, method, arguments, 1);
    assert_text(sum, "3");
    ku_object *cell = ku_cell_new(home, NULL);
    assert_null(ku_cell_get(cell));
    assert_true(ku_cell_set(home, cell, method));
    assert_ptr_equal(ku_cell_get(cell), method);
    ku_decref(home, cell);
    ku_decref(home, method);
    ku_decref(home, function);
}

static void a_namespace_has_its_dict_as_attributes(void **state) {
    (void)state;
    ku_object *space = ku_namespace_new(home, "things");
    assert_text(space, "<module 'things'>");
    assert_true(ku_set(home, space, "answer", ku_int(home, 42)));
    assert_text(ku_get(home, space, "answer"), "42");
    assert_int_equal(ku_dict_length(ku_namespace_dict(space)), 1);
    assert_true(ku_delete(home, space, "answer"));
    assert_null(ku_get(home, space, "answer"));
    ku_clear_error(home);
    ku_decref(home, space);
}

/* ---- cache ---- */

static ku_object *square(ku_isolate *isolate, ku_object *self, ku_object *const *arguments, size_t count) {
    (void)self;
    (void)count;
    return ku_multiply(isolate, arguments[0], arguments[0]);
}

static void a_cache_forgets_what_was_used_least_recently(void **state) {
    (void)state;
    ku_object *cache = ku_cache_new(home, 2), *function = ku_function_new(home, "square", square, 1, 1, NULL);
    const int64_t asked[] = {1, 2, 1, 3, 1, 2}; /* 3 drives 2 out */
    for (size_t i = 0; i < 6; i++) {
        ku_object *key = ku_int(home, asked[i]), *value = ku_cache_call(home, cache, function, key);
        assert_int_equal(ku__small(value), asked[i] * asked[i]);
    }
    ku_cache_info info;
    assert_true(ku_cache_read(cache, &info));
    assert_int_equal(info.hits, 2);
    assert_int_equal(info.misses, 4);
    assert_int_equal(info.maxsize, 2);
    assert_int_equal(info.currsize, 2);
    assert_text(cache, "<cache hits=2, misses=4, maxsize=2, currsize=2>");
    assert_true(ku_cache_clear(home, cache));
    assert_text(cache, "<cache hits=0, misses=0, maxsize=2, currsize=0>");
    ku_decref(home, cache);
    ku_decref(home, function);
}

static void a_cache_holds_what_a_model_says(void **state) {
    (void)state;
    enum { MOST = 100, RANGE = 150 };
    ku_object *cache = ku_cache_new(home, MOST);
    uint64_t random = 3, used[RANGE] = {0}, now = 0;
    for (size_t step = 0; step < 20000; step++) {
        uint64_t number = next_random(&random) % RANGE, oldest = 0, size = 0;
        ku_object *key = ku_int(home, (int64_t)number * 100), *value;
        assert_true(ku_cache_get(home, cache, key, &value));
        assert_int_equal(value != NULL, used[number] != 0);
        if (value == NULL) {
            for (size_t i = 0; i < RANGE; i++) {
                size += used[i] != 0;
                oldest = used[i] != 0 && (used[oldest] == 0 || used[i] < used[oldest]) ? i : oldest;
            }
            used[oldest] = size == MOST ? 0 : used[oldest];
            assert_true(ku_cache_set(home, cache, key, key));
        }
        used[number] = ++now;
        ku_release(home, value);
        ku_decref(home, key);
    }
    ku_decref(home, cache);
}

/* ---- sorting ---- */

static void sorting_is_stable_and_complete(void **state) {
    (void)state;
    uint64_t random = 11;
    ku_object *list = ku_list_new(home, NULL, 0);
    for (int64_t i = 0; i < 1000; i++) {
        ku_object *key = ku_float(home, (double)(next_random(&random) % 10)), *single = ku_tuple_new(home, &key, 1);
        ku_list_append(home, list, single);
        ku_decref(home, key);
        ku_decref(home, single);
    }
    ku_object *before = ku_list_from(home, list);
    assert_true(ku_list_sort(home, list));
    for (size_t i = 1; i < 1000; i++) {
        assert_true(ku_compare(home, KU_LESS_EQUAL, ku_list_at(list, i - 1), ku_list_at(list, i)) == 1);
    }
    ku_object *first = ku_list_at(list, 0);
    size_t at = 0;
    while (ku_equal(home, ku_list_at(before, at), first) != 1) {
        at++;
    }
    assert_ptr_equal(ku_list_at(before, at), first); /* the first of the equal ones came first */
    ku_decref(home, before);
    ku_decref(home, list);
}

/* ---- every request for memory refused in turn ---- */

#ifdef KU_CHECKING
/* A piece of work; NULL when memory was refused. What it was given must be as before then. */
typedef ku_object *scenario(ku_object *given);

static ku_object *big_power(ku_object *given) {
    (void)given;
    ku_object *base = ku_int(home, 7), *exponent = ku_int(home, 5000);
    ku_object *power = exponent != NULL ? ku_power(home, base, exponent) : NULL;
    ku_object *text = power != NULL ? ku_repr(home, power) : NULL;
    ku_object *back = text != NULL ? ku_int_parse(home, ku_str_text(text), ku_str_size(text), 10) : NULL;
    ku_object *rest = back != NULL ? ku_remainder(home, back, exponent) : NULL;
    ku_release(home, exponent);
    ku_release(home, power);
    ku_release(home, text);
    ku_release(home, back);
    return rest;
}

static ku_object *list_grown(ku_object *given) {
    ku_object *list = ku_list_from(home, given), *sum = list != NULL ? ku_add(home, list, given) : NULL;
    bool done = sum != NULL && ku_list_extend(home, sum, given) && ku_list_insert(home, sum, 3, given) &&
                ku_set_slice(home, sum, 1, 4, 1, given) && ku_list_sort(home, list);
    ku_release(home, list);
    if (!done) {
        ku_release(home, sum);
    }
    return done ? sum : NULL;
}

static ku_object *dict_grown(ku_object *given) {
    ku_object *dict = ku_dict_new(home);
    bool done = dict != NULL;
    for (int64_t i = 0; done && i < 40; i++) {
        ku_object *key = ku_int(home, i * 1000);
        done = key != NULL && ku_dict_set(home, dict, key, given);
        ku_release(home, key);
    }
    ku_object *copy = done ? ku_dict_copy(home, dict) : NULL;
    ku_release(home, dict);
    return copy;
}

static ku_object *set_algebra(ku_object *given) {
    ku_object *a = ku_set_from(home, given), *two = ku_get_slice(home, given, 0, 2, 1);
    ku_object *b = two != NULL ? ku_set_from(home, two) : NULL;
    ku_object *result = a != NULL && b != NULL ? ku_binary(home, KU_XOR, a, b) : NULL;
    ku_release(home, a);
    ku_release(home, two);
    ku_release(home, b);
    return result;
}

static ku_object *text_work(ku_object *given) {
    ku_object *shown = ku_repr(home, given), *parts[] = {shown, shown, shown};
    ku_object *list = shown != NULL ? ku_list_new(home, parts, 3) : NULL;
    ku_object *joined = list != NULL ? ku_str_join(home, shown, list) : NULL;
    ku_object *part = joined != NULL ? ku_get_slice(home, joined, 90, 3, -3) : NULL;
    ku_object *three = part != NULL ? ku_multiply(home, part, ku_int(home, 3)) : NULL;
    ku_object *all[] = {shown, list, joined, part};
    for (size_t i = 0; i < 4; i++) {
        ku_release(home, all[i]);
    }
    return three;
}

static ku_object *deep_copy(ku_object *given) {
    ku_object *instance = new_node(home, 1), *outer = instance != NULL ? ku_tuple_new(home, &given, 1) : NULL;
    bool done = outer != NULL && ku_set(home, instance, "left", outer);
    ku_object *copy = done ? ku_deepcopy(home, instance) : NULL;
    ku_release(home, outer);
    ku_release(home, instance);
    return copy;
}

static ku_object *cache_work(ku_object *given) {
    ku_object *cache = ku_cache_new(home, 20);
    bool done = cache != NULL;
    for (int64_t i = 0; done && i < 40; i++) {
        ku_object *key = ku_int(home, i * 1000);
        done = key != NULL && ku_cache_set(home, cache, key, given);
        ku_release(home, key);
    }
    if (!done) {
        ku_release(home, cache);
    }
    return done ? cache : NULL;
}

static ku_object *call_work(ku_object *given) {
    ku_object *function = ku_function_new(home, "a_function", add_all, 0, KU_ANY_COUNT, given);
    ku_object *method = function != NULL ? ku_method_new(home, function, given) : NULL;
    ku_object *space = method != NULL ? ku_namespace_new(home, "a_module") : NULL;
    bool set = space != NULL && ku_set(home, space, "a_method", method);
    ku_object *result = set ? ku_call_method(home, space, "a_method", NULL, 0) : NULL;
    ku_object *all[] = {function, method, space};
    for (size_t i = 0; i < 3; i++) {
        ku_release(home, all[i]);
    }
    return result;
}

static void refuse_each(scenario *run) {
    ku_object *given = numbers(9);
    ku_object *whole = run(given); /* what is made once is made now, digits as text too */
    assert_text(given, "[0, 1, 2, 3, 4, 5, 6, 7, 8]");
    assert_non_null(whole);
    ku_decref(home, whole);
    ku_gc_collect(home, KU_GC_ALL);
    size_t objects = ku_isolate_objects(home, NULL), number = 1;
    for (;; number++) {
        home->refuse_in = number;
        ku_object *result = run(given);
        bool refused = home->refuse_in == 0;
        home->refuse_in = 0;
        assert_text(given, "[0, 1, 2, 3, 4, 5, 6, 7, 8]");
        if (result != NULL) {
            ku_decref(home, result);
        } else {
            assert_int_equal(pending_code(home), KU_NO_MEMORY);
            ku_clear_error(home);
        }
        ku_gc_collect(home, KU_GC_ALL);
        assert_int_equal(ku_isolate_objects(home, NULL), objects);
        if (!refused) {
            assert_non_null(result);
            break;
        }
    }
    assert_true(number > 3);
    ku_decref(home, given);
}

static void every_refusal_leaves_all_as_it_was(void **state) {
    (void)state;
    scenario *const all[] = {big_power, list_grown, dict_grown, set_algebra,
                             text_work, deep_copy,  cache_work, call_work};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        refuse_each(all[i]);
    }
}
#endif

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(small_ints_exist_once, open_home, close_home),
        cmocka_unit_test_setup_teardown(text_that_looks_like_a_name_exists_once, open_home, close_home),
        cmocka_unit_test_setup_teardown(in_place_changes_what_can_change, open_home, close_home),
        cmocka_unit_test_setup_teardown(values_are_small, open_home, close_home),
        cmocka_unit_test_setup_teardown(recursive_containers_are_shown_once, open_home, close_home),
        cmocka_unit_test_setup_teardown(what_is_too_deep_is_an_error, open_home, close_home),
        cmocka_unit_test_setup_teardown(a_list_may_grow_while_it_is_walked, open_home, close_home),
        cmocka_unit_test_setup_teardown(a_dict_or_set_that_changes_its_size_ends_the_walk, open_home, close_home),
        cmocka_unit_test_setup_teardown(a_dict_keeps_order_through_any_changes, open_home, close_home),
        cmocka_unit_test_setup_teardown(a_set_used_as_a_queue_takes_constant_time, open_home, close_home),
        cmocka_unit_test_setup_teardown(a_dict_survives_keys_that_change_it, open_home, close_home),
        cmocka_unit_test_setup_teardown(a_deep_copy_keeps_what_is_shared_and_cyclic, open_home, close_home),
        cmocka_unit_test_setup_teardown(functions_check_the_number_of_arguments, open_home, close_home),
        cmocka_unit_test_setup_teardown(a_namespace_has_its_dict_as_attributes, open_home, close_home),
        cmocka_unit_test_setup_teardown(a_cache_forgets_what_was_used_least_recently, open_home, close_home),
        cmocka_unit_test_setup_teardown(a_cache_holds_what_a_model_says, open_home, close_home),
        cmocka_unit_test_setup_teardown(sorting_is_stable_and_complete, open_home, close_home),
#ifdef KU_CHECKING
        cmocka_unit_test_setup_teardown(every_refusal_leaves_all_as_it_was, open_home, close_home),
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
