/* test_object_memory.c: memory that is refused, at each allocation in turn (checking build): every call says so,
 * nothing leaks, and the isolate stays whole. In other builds the scenes run once, with all memory. */
#include "objects.h"

#include "object/verify.h"

/* A scene uses a part of the object room; false as soon as something fails, with the error pending, and everything
 * given up either way. */
typedef bool scene(ku_isolate *isolate);

/* ---- scenes ---- */

static ku_object *answer(ku_isolate *isolate, ku_object *self, ku_object *const *arguments, size_t count) {
    (void)self;
    (void)arguments;
    return ku_int(isolate, (int64_t)count + 1000);
}

static bool types_and_attributes(ku_isolate *isolate) {
    KU_FRAME(isolate, frame, 6);
    static const ku_method methods[] = {{"answer", answer, 0, 0}, {NULL}};
    const ku_field fields[] = {{"slot", KU_OFFSET_NEXT, KU_FIELD_OWNED}, {NULL}};
    const ku_type_spec base_spec = {.name = "Base", .fields = fields, .methods = methods};
    const ku_type_spec open_spec = {.name = "Open", .flags = KU_TYPE_DICT | KU_TYPE_WEAKREFS};
    ku_object *base = ku_hold(&frame, 0, ku_type_new(isolate, &base_spec, NULL, 0));
    ku_object *open = base != NULL
                          ? ku_hold(&frame, 1, ku_type_new(isolate, &open_spec, (ku_type *[]){ku_type_from(base)}, 1))
                          : NULL;
    ku_object *object = open != NULL ? ku_hold(&frame, 2, ku_new(isolate, ku_type_from(open))) : NULL;
    if (object == NULL || !ku_set(isolate, object, "slot", base) || !ku_set(isolate, open, "shared", base)) {
        return false;
    }
    for (int i = 0; i < 40; i++) { /* more than can be shared */
        char name[16];
        snprintf(name, sizeof name, "name%d", i);
        if (!ku_set(isolate, object, name, object->count % 2 != 0 ? base : open)) {
            return false;
        }
    }
    if (ku_hold(&frame, 3, ku_get_dict(isolate, object)) == NULL || !ku_delete(isolate, object, "name7")) {
        return false;
    }
    ku_object *method = ku_hold(&frame, 4, ku_get(isolate, object, "answer"));
    return method != NULL && ku_hold(&frame, 5, ku_call(isolate, method, NULL, 0)) != NULL;
}

static void nothing(ku_isolate *isolate, ku_object *reference, void *argument) {
    (void)isolate;
    (void)reference;
    (void)argument;
}

static bool weak_references(ku_isolate *isolate) {
    KU_FRAME(isolate, frame, 8);
    ku_object *object = ku_hold(&frame, 0, ku_new(isolate, type_of_spec(&node_spec)));
    ku_object *values = object != NULL ? ku_hold(&frame, 1, ku_weak_value_dict_new(isolate)) : NULL;
    ku_object *keys = values != NULL ? ku_hold(&frame, 2, ku_weak_key_dict_new(isolate)) : NULL;
    ku_object *set = keys != NULL ? ku_hold(&frame, 3, ku_weak_set_new(isolate)) : NULL;
    ku_object *name = set != NULL ? ku_hold(&frame, 4, ku_intern_text(isolate, "a weak name")) : NULL;
    if (name == NULL || !ku_weak_dict_set(isolate, values, name, object) ||
        !ku_weak_dict_set(isolate, keys, object, name) || !ku_weak_set_add(isolate, set, object)) {
        return false;
    }
    ku_object *items = ku_hold(&frame, 5, ku_weak_dict_items(isolate, values));
    ku_object *weak = items != NULL ? ku_hold(&frame, 6, ku_weakref_new_c(isolate, object, nothing, NULL)) : NULL;
    return weak != NULL && ku_hold(&frame, 7, ku_proxy_new(isolate, object, NULL)) != NULL;
}

static bool finalize_objects(ku_isolate *isolate) {
    KU_FRAME(isolate, frame, 5);
    ku_object *object = ku_hold(&frame, 0, ku_new(isolate, type_of_spec(&node_spec)));
    ku_object *function =
        object != NULL ? ku_hold(&frame, 1, ku_function_new(isolate, "f", answer, 0, KU_ANY_COUNT, NULL)) : NULL;
    ku_object *arguments = function != NULL ? ku_hold(&frame, 2, ku_tuple_new(isolate, &object, 0)) : NULL;
    ku_object *made =
        arguments != NULL ? ku_hold(&frame, 3, ku_finalize_new(isolate, object, function, arguments)) : NULL;
    return made != NULL && ku_hold(&frame, 4, ku_finalize_peek(isolate, made)) != NULL;
}

static bool tails_and_texts(ku_isolate *isolate) {
    KU_FRAME(isolate, frame, 4);
    static const ku_field fields[] = {{"items", 16, KU_FIELD_TAIL, KU_FIELD_HIDDEN, 8}, {NULL}};
    static const ku_type_spec spec = {.name = "row", .size = 16, .fields = fields};
    ku_object *row = ku_hold(&frame, 0, ku_new_sized(isolate, type_of_spec(&spec), 100));
    ku_object *text = row != NULL ? ku_hold(&frame, 1, ku_str_format(isolate, "%0300d", 7)) : NULL;
    ku_object *whole = text != NULL ? ku_hold(&frame, 2, ku_add(isolate, text, text)) : NULL;
    return whole != NULL && ku_hold(&frame, 3, ku_repr(isolate, whole)) != NULL;
}

/* ---- each allocation in turn ---- */

#ifdef KU_CHECKING
/* Whether the scene ran to its end, with allocation `n` refused. */
static bool run_refusing(scene *play, uint64_t n, bool *refused) {
    ku_isolate *isolate = isolate_with(NULL);
    ku__refuse_at(isolate, n);
    bool done = play(isolate);
    *refused = ku__refuse_at(isolate, 0) == 0;
    if (!done) {
        assert_non_null(ku_pending_error(isolate));
        assert_int_equal(ku_pending_error(isolate)->code, KU_NO_MEMORY);
        ku_clear_error(isolate);
    }
    assert_null(ku_pending_error(isolate));
    assert_true(play(isolate)); /* the isolate is whole: now it goes well */
    assert_int_equal(ku_isolate_delete(isolate), 0);
    return done;
}

static void each_in_turn(scene *play) {
    bool refused = true;
    uint64_t n = 1;
    for (; refused; n++) {
        run_refusing(play, n, &refused);
    }
    assert_true(n > 5);
}
#else
static void each_in_turn(scene *play) {
    ku_isolate *isolate = isolate_with(NULL);
    assert_true(play(isolate));
    assert_int_equal(ku_isolate_delete(isolate), 0);
}
#endif

static void types_and_attributes_bear_refusals(void **state) {
    (void)state;
    each_in_turn(types_and_attributes);
}
static void weak_references_bear_refusals(void **state) {
    (void)state;
    each_in_turn(weak_references);
}
static void finalize_objects_bear_refusals(void **state) {
    (void)state;
    each_in_turn(finalize_objects);
}
static void tails_and_texts_bear_refusals(void **state) {
    (void)state;
    each_in_turn(tails_and_texts);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(types_and_attributes_bear_refusals),
        cmocka_unit_test(weak_references_bear_refusals),
        cmocka_unit_test(finalize_objects_bear_refusals),
        cmocka_unit_test(tails_and_texts_bear_refusals),
    };
    return cmocka_run_group_tests_name("objects: refused memory", tests, NULL, NULL);
}
