/* test_object_attributes.c: attributes by name: slots, dict lay-outs, types, fields of all kinds, errors and
 * suggestions, interning. */
#define CHECK_EVERY_CALL
#include "objects.h"

/* ---- types ---- */

typedef struct facts {
    ku_object header;
    ku_object *owned, *weak;
    int64_t whole;
    double real;
    size_t size;
    const char *text;
    int32_t small;
    bool flag;
} facts;

static const ku_field facts_fields[] = {
    {"owned", offsetof(facts, owned), KU_FIELD_OWNED},
    {"weak", offsetof(facts, weak), KU_FIELD_WEAK},
    {"whole", offsetof(facts, whole), KU_FIELD_INT64},
    {"real", offsetof(facts, real), KU_FIELD_DOUBLE},
    {"size", offsetof(facts, size), KU_FIELD_SIZE},
    {"text", offsetof(facts, text), KU_FIELD_TEXT},
    {"small", offsetof(facts, small), KU_FIELD_INT32},
    {"flag", offsetof(facts, flag), KU_FIELD_BOOL},
    {NULL},
};

static ku_object *twice(ku_isolate *isolate, ku_object *self, ku_object *const *arguments, size_t count) {
    (void)arguments;
    (void)count;
    return ku_int(isolate, 2 * ((facts *)(void *)self)->whole);
}
static const ku_method facts_methods[] = {{"twice", twice, 0, 0}, {NULL}};
static const ku_type_spec facts_spec = {.name = "facts",
                                        .size = sizeof(facts),
                                        .fields = facts_fields,
                                        .methods = facts_methods,
                                        .flags = KU_TYPE_WEAKREFS};

static ku_object *bag_type(ku_isolate *isolate) {
    const ku_type_spec spec = {.name = "Bag", .flags = KU_TYPE_DICT};
    return ku_type_new(isolate, &spec, NULL, 0);
}

static ku_object *slots_type(ku_isolate *isolate, const char *name, const char *a, const char *b) {
    const ku_field fields[] = {{a, KU_OFFSET_NEXT, KU_FIELD_OWNED}, {b, KU_OFFSET_NEXT, KU_FIELD_OWNED}, {NULL}};
    const ku_type_spec spec = {.name = name, .fields = fields};
    return ku_type_new(isolate, &spec, NULL, 0);
}

static int64_t int_of(ku_isolate *isolate, ku_object *object) {
    int64_t value = INT64_MIN;
    assert_non_null(object);
    assert_true(ku_int_value(isolate, object, &value));
    ku_decref(isolate, object);
    return value;
}

/* Sets an attribute to a number. */
static void put(ku_isolate *isolate, ku_object *object, const char *name, int64_t value) {
    ku_object *number = ku_int(isolate, value);
    assert_true(ku_set(isolate, object, name, number));
    ku_decref(isolate, number);
}

/* ---- slots ---- */

static void a_slot_that_was_not_set_is_not_there(void **state) {
    ku_isolate *isolate = *state;
    ku_object *type = slots_type(isolate, "S", "abc", "xyz"), *object = ku_new(isolate, ku_type_from(type));
    assert_null(ku_get(isolate, object, "abc"));
    assert_error(isolate, KU_ATTRIBUTE, "'S' object has no attribute 'abc'");
    put(isolate, object, "abc", 4);
    assert_int_equal(int_of(isolate, ku_get(isolate, object, "abc")), 4);
    assert_true(ku_delete(isolate, object, "abc"));
    assert_false(ku_delete(isolate, object, "abc"));
    assert_error(isolate, KU_ATTRIBUTE, "'S' object has no attribute 'abc'");
    ku_decref(isolate, object);
    ku_decref(isolate, type);
}

static void slots_refuse_other_attributes(void **state) {
    ku_isolate *isolate = *state;
    ku_object *type = slots_type(isolate, "S", "abc", "xyz"), *object = ku_new(isolate, ku_type_from(type));
    assert_false(ku_set(isolate, object, "other", type));
    assert_error(isolate, KU_ATTRIBUTE,
                 "'S' object has no attribute 'other' and no __dict__ for setting new attributes");
    assert_false(ku_delete(isolate, object, "other"));
    assert_error(isolate, KU_ATTRIBUTE,
                 "'S' object has no attribute 'other' and no __dict__ for setting new attributes");
    assert_null(ku_get_dict(isolate, object));
    assert_error(isolate, KU_ATTRIBUTE, "'S' object has no attribute '__dict__'");
    assert_null(ku_weakref_new(isolate, object, NULL));
    assert_error(isolate, KU_TYPE, "cannot create weak reference to 'S' object");
    ku_decref(isolate, object);
    ku_decref(isolate, type);
}

static void the_nearest_name_is_suggested(void **state) {
    ku_isolate *isolate = *state;
    ku_object *type = slots_type(isolate, "Point", "vertical", "horizontal");
    ku_object *object = ku_new(isolate, ku_type_from(type));
    assert_null(ku_get(isolate, object, "vertcal"));
    assert_error(isolate, KU_ATTRIBUTE, "'Point' object has no attribute 'vertcal'. Did you mean: 'vertical'?");
    assert_null(ku_get(isolate, object, "Horizontal"));
    assert_error(isolate, KU_ATTRIBUTE, "'Point' object has no attribute 'Horizontal'. Did you mean: 'horizontal'?");
    assert_null(ku_get(isolate, object, "something"));
    assert_error(isolate, KU_ATTRIBUTE, "'Point' object has no attribute 'something'");
    ku_decref(isolate, object);
    ku_decref(isolate, type);
}

static void of_equally_near_names_the_one_of_equal_length_is_suggested(void **state) {
    ku_isolate *isolate = *state;
    ku_object *type = slots_type(isolate, "Scales", "right", "weight"), *object = ku_new(isolate, ku_type_from(type));
    assert_null(ku_get(isolate, object, "wieght"));
    assert_error(isolate, KU_ATTRIBUTE, "'Scales' object has no attribute 'wieght'. Did you mean: 'weight'?");
    ku_decref(isolate, object);
    ku_decref(isolate, type);
}

static void what_is_not_there_can_be_asked_for_without_an_error(void **state) {
    ku_isolate *isolate = *state;
    ku_object *type = slots_type(isolate, "S", "a", "b"), *object = ku_new(isolate, ku_type_from(type)), *value;
    ku_object *name = ku_intern_text(isolate, "nothing");
    assert_true(ku_find_attribute(isolate, object, name, &value));
    assert_null(value);
    assert_null(ku_pending_error(isolate));
    ku_decref(isolate, name);
    name = ku_int(isolate, 3);
    assert_false(ku_find_attribute(isolate, object, name, &value));
    assert_error(isolate, KU_TYPE, "attribute name must be string, not 'int'");
    ku_decref(isolate, name);
    ku_decref(isolate, object);
    ku_decref(isolate, type);
}

static void names_need_not_be_interned(void **state) {
    ku_isolate *isolate = *state;
    ku_object *type = slots_type(isolate, "S", "some attribute", "b"), *object = ku_new(isolate, ku_type_from(type));
    ku_object *name = ku_str_new(isolate, "some attribute", strlen("some attribute"));
    assert_false(ku_is_interned(name));
    assert_true(ku_set_attribute(isolate, object, name, type));
    ku_object *value = ku_get_attribute(isolate, object, name);
    assert_ptr_equal(value, type);
    ku_decref(isolate, value);
    assert_true(ku_delete_attribute(isolate, object, name));
    ku_decref(isolate, name);
    ku_decref(isolate, object);
    ku_decref(isolate, type);
}

/* ---- fields of C ---- */

static void fields_of_all_kinds_are_attributes(void **state) {
    ku_isolate *isolate = *state;
    ku_object *object = ku_new(isolate, type_of_spec(&facts_spec));
    facts *inside = (facts *)(void *)object;
    inside->text = "forty-two";
    put(isolate, object, "whole", -42);
    put(isolate, object, "size", 42);
    put(isolate, object, "small", INT32_MIN);
    assert_true(ku_set(isolate, object, "flag", ku_bool(isolate, true)));
    ku_object *real = ku_float(isolate, 4.25);
    assert_true(ku_set(isolate, object, "real", real));
    ku_decref(isolate, real);
    assert_int_equal(inside->whole, -42);
    assert_int_equal(inside->size, 42);
    assert_int_equal(inside->small, INT32_MIN);
    assert_true(inside->flag && inside->real == 4.25);
    assert_int_equal(int_of(isolate, ku_get(isolate, object, "whole")), -42);
    assert_int_equal(int_of(isolate, ku_get(isolate, object, "small")), INT32_MIN);
    ku_object *text = ku_get(isolate, object, "text");
    assert_string_equal(ku_str_text(text), "forty-two");
    ku_decref(isolate, text);
    ku_object *flag = ku_get(isolate, object, "flag");
    assert_ptr_equal(flag, ku_bool(isolate, true));
    ku_decref(isolate, object);
}

static void fields_refuse_what_does_not_fit(void **state) {
    ku_isolate *isolate = *state;
    ku_object *object = ku_new(isolate, type_of_spec(&facts_spec)), *large = ku_int(isolate, (int64_t)1 << 40);
    ku_object *negative = ku_int(isolate, -1);
    assert_false(ku_set(isolate, object, "small", large));
    assert_error(isolate, KU_OVERFLOW, "the value does not fit the field 'small'");
    assert_false(ku_set(isolate, object, "size", negative));
    assert_error(isolate, KU_OVERFLOW, "the value does not fit the field 'size'");
    assert_false(ku_set(isolate, object, "flag", large));
    assert_error(isolate, KU_TYPE, "attribute value type must be bool");
    assert_false(ku_set(isolate, object, "whole", object));
    assert_error(isolate, KU_TYPE, "'facts' object cannot be interpreted as an integer");
    assert_false(ku_set(isolate, object, "text", object));
    assert_error(isolate, KU_ATTRIBUTE, "readonly attribute");
    assert_false(ku_delete(isolate, object, "whole"));
    assert_error(isolate, KU_TYPE, "can't delete numeric/char attribute");
    ku_decref(isolate, negative);
    ku_decref(isolate, large);
    ku_decref(isolate, object);
}

static void a_weak_field_reads_none_once_its_referent_is_gone(void **state) {
    ku_isolate *isolate = *state;
    ku_object *object = ku_new(isolate, type_of_spec(&facts_spec)), *other = ku_new(isolate, type_of_spec(&facts_spec));
    assert_true(ku_set(isolate, object, "weak", other));
    assert_int_equal(ku_reference_count(other), 1);
    ku_object *value = ku_get(isolate, object, "weak");
    assert_ptr_equal(value, other);
    ku_decref(isolate, value);
    ku_decref(isolate, other);
    value = ku_get(isolate, object, "weak");
    assert_ptr_equal(value, ku_none(isolate));
    ku_decref(isolate, value);
    ku_decref(isolate, object);
}

/* ---- methods and types ---- */

static void a_method_of_the_table_is_bound_to_its_object(void **state) {
    ku_isolate *isolate = *state;
    ku_object *object = ku_new(isolate, type_of_spec(&facts_spec));
    ((facts *)(void *)object)->whole = 21;
    ku_object *method = ku_get(isolate, object, "twice");
    ku_decref(isolate, object); /* the method keeps it */
    assert_int_equal(int_of(isolate, ku_call(isolate, method, NULL, 0)), 42);
    ku_decref(isolate, method);
}

static void static_types_cannot_be_changed(void **state) {
    ku_isolate *isolate = *state;
    ku_object *type = ku_type_object(isolate, type_of_spec(&facts_spec));
    assert_true(ku_is_immortal(type));
    assert_false(ku_set(isolate, type, "x", type));
    assert_error(isolate, KU_TYPE, "cannot set 'x' attribute of immutable type 'facts'");
    ku_object *object = ku_new(isolate, type_of_spec(&facts_spec));
    assert_false(ku_set(isolate, object, "twice", type));
    assert_error(isolate, KU_ATTRIBUTE, "'facts' object attribute 'twice' is read-only");
    ku_object *class = ku_get(isolate, object, "__class__");
    assert_ptr_equal(class, type);
    ku_decref(isolate, object);
}

static void attributes_of_types_are_seen_by_instances_of_subtypes(void **state) {
    ku_isolate *isolate = *state;
    ku_object *base = bag_type(isolate);
    const ku_type_spec spec = {.name = "Sub"};
    ku_object *sub = ku_type_new(isolate, &spec, (ku_type *[]){ku_type_from(base)}, 1);
    ku_object *object = ku_new(isolate, ku_type_from(sub));
    assert_null(ku_get(isolate, object, "shared"));
    ku_clear_error(isolate);
    put(isolate, base, "shared", 1);
    assert_int_equal(int_of(isolate, ku_get(isolate, object, "shared")), 1);
    put(isolate, base, "shared", 2); /* a new value of a known name */
    assert_int_equal(int_of(isolate, ku_get(isolate, object, "shared")), 2);
    put(isolate, sub, "shared", 3); /* hides it */
    assert_int_equal(int_of(isolate, ku_get(isolate, object, "shared")), 3);
    put(isolate, object, "shared", 4);
    assert_int_equal(int_of(isolate, ku_get(isolate, object, "shared")), 4);
    assert_true(ku_delete(isolate, object, "shared"));
    assert_true(ku_delete(isolate, sub, "shared"));
    assert_int_equal(int_of(isolate, ku_get(isolate, object, "shared")), 2);
    assert_int_equal(int_of(isolate, ku_get(isolate, sub, "shared")), 2);
    assert_null(ku_get(isolate, sub, "sharde"));
    assert_error(isolate, KU_ATTRIBUTE, "type object 'Sub' has no attribute 'sharde'. Did you mean: 'shared'?");
    assert_false(ku_delete(isolate, sub, "q"));
    assert_error(isolate, KU_ATTRIBUTE, "type object 'Sub' has no attribute 'q'");
    ku_object *name = ku_get(isolate, sub, "__name__"), *order = ku_get(isolate, sub, "__mro__");
    assert_string_equal(ku_str_text(name), "Sub");
    assert_int_equal(ku_tuple_length(order), 3);
    ku_object *all[] = {name, order, object, sub, base};
    for (size_t i = 0; i < 5; i++) {
        ku_decref(isolate, all[i]);
    }
}

static int dels;
static ku_object *count_del(ku_isolate *isolate, ku_object *self, ku_object *const *arguments, size_t count) {
    (void)self;
    (void)arguments;
    dels += (int)count;
    return ku_new_reference(ku_none(isolate));
}

static void del_set_on_a_type_finalizes_its_instances_and_those_of_subtypes(void **state) {
    ku_isolate *isolate = *state;
    ku_object *base = bag_type(isolate);
    const ku_type_spec spec = {.name = "Sub"};
    ku_object *sub = ku_type_new(isolate, &spec, (ku_type *[]){ku_type_from(base)}, 1);
    ku_object *early = ku_new(isolate, ku_type_from(sub));
    ku_object *function = ku_function_new(isolate, "__del__", count_del, 0, KU_ANY_COUNT, NULL);
    dels = 0;
    assert_true(ku_set(isolate, base, "__del__", function));
    ku_decref(isolate, early);
    ku_decref(isolate, ku_new(isolate, ku_type_from(base)));
    assert_int_equal(dels, 2);
    assert_true(ku_delete(isolate, base, "__del__"));
    ku_decref(isolate, ku_new(isolate, ku_type_from(sub)));
    assert_int_equal(dels, 2);
    ku_object *late = ku_new(isolate, ku_type_from(sub));
    assert_true(ku_set(isolate, sub, "__del__", function));
    assert_true(ku_call_finalizer(isolate, late));
    assert_int_equal(dels, 3);
    ku_decref(isolate, late);
    assert_int_equal(dels, 4);
    ku_decref(isolate, function);
    ku_decref(isolate, sub);
    ku_decref(isolate, base);
}

/* ---- instances with a dict ---- */

static void an_instance_with_three_attributes_takes_48_bytes(void **state) {
    ku_isolate *isolate = *state;
    ku_object *type = bag_type(isolate), *object = ku_new(isolate, ku_type_from(type));
    put(isolate, object, "x", 1);
    put(isolate, object, "y", 2);
    put(isolate, object, "z", 3);
    assert_int_equal(ku_size_of(isolate, object), 48);
    ku_decref(isolate, object);
    ku_decref(isolate, type);
}

/* The names of the instance's dict, in order, joined by blanks. */
static void assert_names(ku_isolate *isolate, ku_object *object, const char *expected) {
    ku_object *dict = ku_get_dict(isolate, object), *key;
    char text[600] = "";
    size_t position = 0;
    while (ku_dict_next(dict, &position, &key, NULL)) {
        size_t length = strlen(text);
        snprintf(text + length, sizeof text - length, "%s%s", length != 0 ? " " : "", ku_str_text(key));
    }
    ku_decref(isolate, dict);
    assert_string_equal(text, expected);
}

static void the_dict_has_attributes_in_the_order_in_which_they_were_set(void **state) {
    ku_isolate *isolate = *state;
    ku_object *type = bag_type(isolate);
    ku_object *first = ku_new(isolate, ku_type_from(type)), *second = ku_new(isolate, ku_type_from(type));
    put(isolate, first, "a", 1);
    put(isolate, first, "b", 2);
    put(isolate, first, "c", 3);
    put(isolate, second, "c", 3);
    put(isolate, second, "a", 1);
    put(isolate, second, "b", 1);
    assert_true(ku_delete(isolate, second, "a"));
    put(isolate, second, "a", 9);
    put(isolate, second, "c", 8);
    assert_names(isolate, first, "a b c");
    assert_names(isolate, second, "c b a");
    put(isolate, second, "d", 4); /* now a dict of its own */
    ku_object *dict = ku_get_dict(isolate, second);
    assert_int_equal(ku_dict_length(dict), 4);
    assert_int_equal(int_of(isolate, ku_get(isolate, second, "a")), 9);
    assert_true(ku_delete(isolate, second, "b"));
    assert_int_equal(ku_dict_length(dict), 3);
    ku_decref(isolate, dict);
    assert_null(ku_get(isolate, second, "b"));
    assert_error(isolate, KU_ATTRIBUTE, "'Bag' object has no attribute 'b'");
    ku_decref(isolate, first);
    ku_decref(isolate, second);
    ku_decref(isolate, type);
}

/* Random attributes of instances of one type against a table, beyond what names can be shared. */
static void random_attributes_are_as_in_a_table(void **state) {
    ku_isolate *isolate = *state;
    enum { INSTANCES = 12, NAMES = 45, STEPS = 20000 };
    ku_object *type = bag_type(isolate), *instances[INSTANCES];
    static int64_t model[INSTANCES][NAMES];
    uint64_t seed = 0x99;
    memset(model, 0, sizeof model);
    for (size_t i = 0; i < INSTANCES; i++) {
        instances[i] = ku_new(isolate, ku_type_from(type));
    }
    for (size_t step = 0; step < STEPS; step++) {
        size_t i = next_random(&seed) % INSTANCES;
        size_t n = next_random(&seed) % (i < INSTANCES / 2 ? 7 : NAMES);
        char name[16];
        snprintf(name, sizeof name, "name%zu", n);
        switch (next_random(&seed) % 16) {
        case 0: {
            bool deleted = ku_delete(isolate, instances[i], name);
            assert_int_equal(deleted, model[i][n] != 0);
            ku_clear_error(isolate);
            model[i][n] = 0;
            break;
        }
        case 1: {
            ku_object *dict = step % 50 == 0 ? ku_get_dict(isolate, instances[i]) : NULL;
            ku_release(isolate, dict);
            break;
        }
        case 2:
            ku_decref(isolate, instances[i]);
            instances[i] = ku_new(isolate, ku_type_from(type));
            memset(model[i], 0, sizeof model[i]);
            break;
        case 3:
        case 4:
        case 5:
        case 6:
            model[i][n] = (int64_t)step + 1;
            put(isolate, instances[i], name, (int64_t)step + 1);
            break;
        default: {
            ku_object *value = ku_get(isolate, instances[i], name);
            assert_int_equal(value != NULL, model[i][n] != 0);
            ku_clear_error(isolate);
            if (value != NULL) {
                assert_int_equal(int_of(isolate, value), model[i][n]);
            }
        }
        }
    }
    for (size_t i = 0; i < INSTANCES; i++) {
        ku_decref(isolate, instances[i]);
    }
    ku_decref(isolate, type);
}

/* ---- interning ---- */

static void interned_text_is_one_object(void **state) {
    ku_isolate *isolate = *state;
    ku_object *one = ku_intern_text(isolate, "some interned text"),
              *other = ku_str_new(isolate, "some interned text", 18);
    assert_true(ku_is_interned(one));
    assert_ptr_not_equal(one, other);
    other = ku_intern(isolate, other);
    assert_ptr_equal(one, other);
    ku_decref(isolate, one);
    ku_decref(isolate, other);
    assert_null(ku_intern(isolate, ku_new_reference(ku_none(isolate))));
    assert_error(isolate, KU_TYPE, "can't intern NoneType");
}

static void interned_strings_die_with_their_last_reference(void **state) {
    ku_isolate *isolate = *state;
    size_t before = ku_isolate_objects(isolate, NULL), peak = 0;
    ku_object *kept[200];
    for (int i = 0; i < 20000; i++) {
        char text[32];
        snprintf(text, sizeof text, "a name to intern %d", i);
        if (i >= 200) {
            ku_decref(isolate, kept[i % 200]);
        }
        kept[i % 200] = ku_intern_text(isolate, text);
    }
    peak = ku_isolate_objects(isolate, NULL);
    for (int i = 0; i < 200; i++) {
        ku_object *again = ku_intern(isolate, ku_str_new(isolate, ku_str_text(kept[i]), ku_str_size(kept[i])));
        assert_ptr_equal(again, kept[i]);
        ku_decref(isolate, again);
        ku_decref(isolate, kept[i]);
    }
    assert_true(peak <= before + 200);
    assert_int_equal(ku_isolate_objects(isolate, NULL), before);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_slot_that_was_not_set_is_not_there),
        TEST(slots_refuse_other_attributes),
        TEST(the_nearest_name_is_suggested),
        TEST(of_equally_near_names_the_one_of_equal_length_is_suggested),
        TEST(what_is_not_there_can_be_asked_for_without_an_error),
        TEST(names_need_not_be_interned),
        TEST(fields_of_all_kinds_are_attributes),
        TEST(fields_refuse_what_does_not_fit),
        TEST(a_weak_field_reads_none_once_its_referent_is_gone),
        TEST(a_method_of_the_table_is_bound_to_its_object),
        TEST(static_types_cannot_be_changed),
        TEST(attributes_of_types_are_seen_by_instances_of_subtypes),
        TEST(del_set_on_a_type_finalizes_its_instances_and_those_of_subtypes),
        TEST(an_instance_with_three_attributes_takes_48_bytes),
        TEST(the_dict_has_attributes_in_the_order_in_which_they_were_set),
        TEST(random_attributes_are_as_in_a_table),
        TEST(interned_text_is_one_object),
        TEST(interned_strings_die_with_their_last_reference),
    };
    return cmocka_run_group_tests_name("objects: attributes", tests, NULL, NULL);
}
