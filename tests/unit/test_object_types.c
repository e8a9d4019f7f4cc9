/* test_object_types.c: types: tables that contradict themselves, lay-out, inheritance, order, hooks, types made at run
 * time and their end. */
#define CHECK_EVERY_CALL
#include "objects.h"

/* ---- tables ---- */

static void assert_refused(const ku_type_spec *spec, ku_code code, const char *message) {
    ku_error error = {0};
    assert_null(ku_type_static(spec, &error));
    assert_string_equal(error.message, message);
    assert_int_equal(error.code, code);
}

typedef struct pair {
    ku_object header;
    ku_object *first, *second;
    size_t length;
} pair;

static void a_table_that_contradicts_itself_is_refused_by_field(void **state) {
    (void)state;
    static const ku_field outside[] = {{"first", sizeof(pair), KU_FIELD_OWNED}, {NULL}};
    static const ku_type_spec outside_spec = {.name = "outside", .size = sizeof(pair), .fields = outside};
    assert_refused(&outside_spec, KU_INVALID, "field 'first' of type 'outside' lies behind the end");

    static const ku_field early[] = {{"first", 4, KU_FIELD_OWNED}, {NULL}};
    static const ku_type_spec early_spec = {.name = "early", .size = sizeof(pair), .fields = early};
    assert_refused(&early_spec, KU_INVALID, "field 'first' of type 'early' lies inside of what it inherits");

    static const ku_field crooked[] = {{"first", 12, KU_FIELD_OWNED}, {NULL}};
    static const ku_type_spec crooked_spec = {.name = "crooked", .size = sizeof(pair), .fields = crooked};
    assert_refused(&crooked_spec, KU_INVALID, "field 'first' of type 'crooked' is not aligned to its size");

    static const ku_field twice[] = {{"first", 8, KU_FIELD_OWNED}, {"again", 8, KU_FIELD_INT32}, {NULL}};
    static const ku_type_spec twice_spec = {.name = "twice", .size = sizeof(pair), .fields = twice};
    assert_refused(&twice_spec, KU_INVALID, "field 'again' of type 'twice' overlaps another one");

    static const ku_field odd[] = {{"first", 8, 77}, {NULL}};
    static const ku_type_spec odd_spec = {.name = "odd", .size = sizeof(pair), .fields = odd};
    assert_refused(&odd_spec, KU_INVALID, "field 'first' of type 'odd' has a kind that kucha/type.h does not name");
}

static void arrays_are_checked(void **state) {
    (void)state;
    static const ku_field lost[] = {{"items", 8, KU_FIELD_ITEMS, 0, 400}, {NULL}};
    static const ku_type_spec lost_spec = {.name = "lost", .size = sizeof(pair), .fields = lost};
    assert_refused(&lost_spec, KU_INVALID, "field 'items' of type 'lost' has its length_offset outside of the object");

    static const ku_field two[] = {{"items", 8, KU_FIELD_ITEMS, 0, 24}, {"more", 16, KU_FIELD_ITEMS, 0, 24}, {NULL}};
    static const ku_type_spec two_spec = {.name = "two", .size = sizeof(pair), .fields = two};
    assert_refused(&two_spec, KU_INVALID,
                   "field 'more' of type 'two' is a second array; a type has one at most (see KU_FIELD_ITEMS)");

    static const ku_field middle[] = {{"items", 16, KU_FIELD_TAIL, 0, 8}, {NULL}};
    static const ku_type_spec middle_spec = {.name = "middle", .size = sizeof(pair), .fields = middle};
    assert_refused(&middle_spec, KU_INVALID,
                   "field 'items' of type 'middle' is a tail, and does not begin where the fixed part ends");
}

static void a_type_needs_a_name_a_size_and_both_hooks(void **state) {
    (void)state;
    static const ku_type_spec nameless = {.size = sizeof(pair)};
    assert_refused(&nameless, KU_INVALID, "a type needs a name");
    static const ku_type_spec sizeless = {.name = "sizeless"};
    assert_refused(&sizeless, KU_INVALID, "type 'sizeless' has no size: a static type says sizeof its structure");
    static const ku_type_spec huge = {.name = "huge", .size = 600};
    assert_refused(&huge, KU_INVALID,
                   "type 'huge' has a fixed part of 600 bytes; 512 are possible, put the rest into a buffer");
}

static void a_static_type_is_made_once(void **state) {
    (void)state;
    assert_ptr_equal(type_of_spec(&node_spec), type_of_spec(&node_spec));
    assert_true(ku_type_is_static(type_of_spec(&node_spec)));
    assert_string_equal(ku_type_name(type_of_spec(&node_spec)), "node");
    assert_int_equal(ku_type_size(type_of_spec(&node_spec)), 32);
    assert_int_equal(ku_type_offset_of(type_of_spec(&node_spec), "right"), 16);
    assert_int_equal(ku_type_offset_of(type_of_spec(&node_spec), "none"), 0);
}

/* ---- static inheritance ---- */

typedef struct leaf {
    node base;
    double weight;
} leaf;
static const ku_field leaf_fields[] = {{"weight", offsetof(leaf, weight), KU_FIELD_DOUBLE}, {NULL}};
static const ku_type_spec *const leaf_bases[] = {&node_spec, NULL};
static const ku_type_spec leaf_spec = {
    .name = "leaf", .size = sizeof(leaf), .fields = leaf_fields, .bases = leaf_bases};

static void a_type_has_the_fields_of_its_bases(void **state) {
    ku_isolate *isolate = *state;
    ku_type *type = type_of_spec(&leaf_spec);
    const ku_field *fields;
    assert_int_equal(ku_type_fields(type, &fields), 4);
    assert_string_equal(fields[0].name, "left");
    assert_string_equal(fields[3].name, "weight");
    assert_true(ku_type_is_subtype(type, type_of_spec(&node_spec)));
    assert_false(ku_type_is_subtype(type_of_spec(&node_spec), type));
    assert_true((ku_type_flags_of(type) & KU_TYPE_WEAKREFS) != 0);
    ku_object *object = ku_new(isolate, type);
    assert_true(ku_is_instance(object, type_of_spec(&node_spec)));
    as_node(object)->left = ku_new(isolate, type);
    ku_decref(isolate, object);
}

/* ---- run time ---- */

static ku_object *slots_type(ku_isolate *isolate, const char *name, const char *slot, unsigned flags,
                             ku_type *const *bases, size_t count) {
    const ku_field fields[] = {{slot, KU_OFFSET_NEXT, KU_FIELD_OWNED}, {NULL}};
    const ku_type_spec spec = {.name = name, .fields = slot != NULL ? fields : NULL, .flags = flags};
    return ku_type_new(isolate, &spec, bases, count);
}

static ku_object *made_from(ku_isolate *isolate, const char *name, const char *slot, ku_object *one, ku_object *other) {
    ku_type *bases[] = {one != NULL ? ku_type_from(one) : NULL, other != NULL ? ku_type_from(other) : NULL};
    return slots_type(isolate, name, slot, 0, bases, (one != NULL) + (other != NULL));
}

static void a_type_is_an_object_and_goes_with_its_last_reference(void **state) {
    ku_isolate *isolate = *state;
    ku_object *type = slots_type(isolate, "point", "x", 0, NULL, 0);
    assert_non_null(type);
    assert_ptr_equal(ku_type_of(type), ku_builtin_type(KU_BUILTIN_TYPE));
    assert_false(ku_type_is_static(ku_type_from(type)));
    ku_object *instance = ku_new(isolate, ku_type_from(type));
    assert_int_equal(ku_size_of(isolate, instance), 16);
    assert_int_equal(ku_reference_count(type), 2);
    ku_decref(isolate, type); /* the instance keeps it */
    assert_string_equal(ku_type_name(ku_type_of(instance)), "point");
    ku_decref(isolate, instance);
}

static void numbers_of_types_are_given_again(void **state) {
    ku_isolate *isolate = *state;
    uint32_t most = 0;
    for (int i = 0; i < 5000; i++) {
        ku_object *type = slots_type(isolate, "brief", "x", 0, NULL, 0);
        ku_object *instance = ku_new(isolate, ku_type_from(type));
        uint32_t number = instance->kind & KU_TYPE_NUMBER_MASK;
        most = number > most ? number : most;
        ku_decref(isolate, instance);
        ku_decref(isolate, type);
    }
    assert_true(most < 2000);
}

static void a_type_may_not_be_made_from_another_isolates(void **state) {
    ku_isolate *isolate = *state;
    ku_object *type = slots_type(isolate, "ours", "x", 0, NULL, 0);
    ku_isolate *other = isolate_with(NULL);
    ku_type *bases[] = {ku_type_from(type)};
    assert_null(slots_type(other, "theirs", NULL, 0, bases, 1));
    assert_error(other, KU_TYPE, "type 'ours' belongs to another isolate");
    assert_null(ku_new(other, ku_type_from(type)));
    assert_error(other, KU_TYPE, "type 'ours' belongs to another isolate");
    assert_int_equal(ku_isolate_delete(other), 0);
    ku_decref(isolate, type);
}

static void two_bases_with_slots_conflict(void **state) {
    ku_isolate *isolate = *state;
    ku_object *s = slots_type(isolate, "S", "s", 0, NULL, 0), *t = slots_type(isolate, "T", "t", 0, NULL, 0);
    assert_null(made_from(isolate, "U", NULL, s, t));
    assert_error(isolate, KU_TYPE, "multiple bases have instance lay-out conflict");
    ku_object *below = made_from(isolate, "below", "more", s, NULL);
    ku_object *both = made_from(isolate, "both", NULL, s, below);
    assert_null(both); /* S before a subtype of S */
    assert_error(isolate, KU_TYPE, "Cannot create a consistent method resolution order (MRO) for bases S, below");
    both = made_from(isolate, "both", NULL, below, s);
    assert_non_null(both);
    ku_decref(isolate, both);
    ku_decref(isolate, below);
    ku_decref(isolate, t);
    ku_decref(isolate, s);
}

static void bases_without_slots_mix_with_one_that_has(void **state) {
    ku_isolate *isolate = *state;
    ku_object *mixin = slots_type(isolate, "mixin", NULL, KU_TYPE_DICT, NULL, 0);
    ku_object *s = slots_type(isolate, "S", "s", 0, NULL, 0);
    assert_int_equal(ku_type_size(ku_type_from(mixin)), 16);
    ku_object *both = made_from(isolate, "both", "more", mixin, s);
    assert_non_null(both);
    assert_int_equal(ku_type_offset_of(ku_type_from(both), "s"), ku_type_offset_of(ku_type_from(s), "s"));
    assert_int_equal(ku_type_size(ku_type_from(both)), 8 + 8 + 8 + 8);
    assert_true((ku_type_flags_of(ku_type_from(both)) & KU_TYPE_DICT) != 0);
    ku_decref(isolate, both);
    ku_decref(isolate, s);
    ku_decref(isolate, mixin);
}

static void assert_order(ku_object *of, const char *expected) {
    ku_type *const *order;
    size_t count = ku_type_order(ku_type_from(of), &order);
    char text[200] = "";
    for (size_t i = 0; i < count; i++) {
        size_t length = strlen(text);
        snprintf(text + length, sizeof text - length, "%s%s", i != 0 ? " " : "", ku_type_name(order[i]));
    }
    assert_string_equal(text, expected);
}

/* The examples of "The Python 2.3 Method Resolution Order", with what Python says to them. */
static void the_order_is_c3(void **state) {
    ku_isolate *isolate = *state;
    ku_object *f = made_from(isolate, "F", NULL, NULL, NULL), *e = made_from(isolate, "E", NULL, NULL, NULL);
    ku_object *d = made_from(isolate, "D", NULL, NULL, NULL);
    ku_object *c = made_from(isolate, "C", NULL, d, f), *b = made_from(isolate, "B", NULL, d, e);
    ku_object *a = made_from(isolate, "A", NULL, b, c);
    assert_order(a, "A B C D E F object");
    ku_object *b2 = made_from(isolate, "B2", NULL, e, d);
    ku_object *a2 = made_from(isolate, "A2", NULL, b2, c);
    assert_order(a2, "A2 B2 E C D F object");
    ku_object *x = made_from(isolate, "X", NULL, d, e), *y = made_from(isolate, "Y", NULL, e, d);
    assert_null(made_from(isolate, "Z", NULL, x, y));
    assert_error(isolate, KU_TYPE, "Cannot create a consistent method resolution order (MRO) for bases X, Y");
    assert_null(made_from(isolate, "Z", NULL, x, x));
    assert_error(isolate, KU_TYPE, "duplicate base class X");
    ku_object *all[] = {a, a2, b, b2, c, d, e, f, x, y};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        ku_decref(isolate, all[i]);
    }
}

/* ---- hooks ---- */

static int finalized_by;
static bool finalize_a(ku_isolate *isolate, ku_object *self) {
    (void)isolate;
    (void)self;
    finalized_by = 'a';
    return true;
}
static bool finalize_c(ku_isolate *isolate, ku_object *self) {
    (void)isolate;
    (void)self;
    finalized_by = 'c';
    return true;
}

/* A diamond: the second base overrides what the first one only inherits. */
static void hooks_follow_the_order(void **state) {
    ku_isolate *isolate = *state;
    const ku_type_spec a_spec = {.name = "A", .finalize = finalize_a}, c_spec = {.name = "C", .finalize = finalize_c};
    ku_object *a = ku_type_new(isolate, &a_spec, NULL, 0);
    ku_object *b = made_from(isolate, "B", NULL, a, NULL);
    ku_object *c = ku_type_new(isolate, &c_spec, (ku_type *[]){ku_type_from(a)}, 1);
    ku_object *d = made_from(isolate, "D", NULL, b, c);
    finalized_by = 0;
    ku_decref(isolate, ku_new(isolate, ku_type_from(d)));
    assert_int_equal(finalized_by, 'c');
    ku_decref(isolate, ku_new(isolate, ku_type_from(b)));
    assert_int_equal(finalized_by, 'a');
    ku_object *all[] = {a, b, c, d};
    for (size_t i = 0; i < 4; i++) {
        ku_decref(isolate, all[i]);
    }
}

static void final_types_are_no_bases(void **state) {
    ku_isolate *isolate = *state;
    const ku_type_spec spec = {.name = "last", .flags = KU_TYPE_FINAL};
    ku_object *last = ku_type_new(isolate, &spec, NULL, 0);
    assert_null(made_from(isolate, "later", NULL, last, NULL));
    assert_error(isolate, KU_TYPE, "type 'last' is not an acceptable base type");
    ku_decref(isolate, last);
}

static void what_has_a_tail_takes_no_more_fields(void **state) {
    ku_isolate *isolate = *state;
    static const ku_field fields[] = {{"items", 16, KU_FIELD_TAIL, KU_FIELD_HIDDEN, 8}, {NULL}};
    static const ku_type_spec spec = {.name = "row", .size = 16, .fields = fields};
    ku_type *bases[] = {type_of_spec(&spec)};
    assert_null(slots_type(isolate, "wider", "x", 0, bases, 1));
    assert_error(isolate, KU_TYPE, "nonempty __slots__ not supported for subtype of 'row'");
    ku_object *same = slots_type(isolate, "same", NULL, 0, bases, 1);
    ku_object *instance = ku_new_sized(isolate, ku_type_from(same), 5);
    ku_tail(instance, 16, 5)[4] = ku_new(isolate, type_of_spec(&node_spec));
    ku_decref(isolate, instance);
    ku_decref(isolate, same);
}

/* ---- a world of types, at random, against a model of C3 that is written differently ---- */

enum { WORLD = 40, BASES = 3 };

/* C3 by its definition, with lists of numbers. Returns how many, 0: there is no order. */
static size_t model_order(size_t own, const size_t *bases, size_t count, size_t orders[][WORLD + 1],
                          const size_t *lengths, size_t *out) {
    size_t heads[BASES + 1] = {0}, length = 0;
    out[length++] = own;
    for (;;) {
        bool any = false, taken = false;
        for (size_t l = 0; l <= count && !taken; l++) {
            size_t l_length = l < count ? lengths[bases[l]] : count;
            if (heads[l] == l_length) {
                continue;
            }
            any = true;
            size_t candidate = l < count ? orders[bases[l]][heads[l]] : bases[heads[l]];
            bool in_tail = false;
            for (size_t m = 0; m <= count; m++) {
                size_t m_length = m < count ? lengths[bases[m]] : count;
                for (size_t i = heads[m] + 1; i < m_length; i++) {
                    in_tail |= (m < count ? orders[bases[m]][i] : bases[i]) == candidate;
                }
            }
            if (in_tail) {
                continue;
            }
            out[length++] = candidate;
            taken = true;
            for (size_t m = 0; m <= count; m++) {
                size_t m_length = m < count ? lengths[bases[m]] : count;
                heads[m] +=
                    heads[m] < m_length && (m < count ? orders[bases[m]][heads[m]] : bases[heads[m]]) == candidate;
            }
        }
        if (!any) {
            return length;
        }
        if (!taken) {
            return 0;
        }
    }
}

static void random_hierarchies_have_the_order_of_the_definition(void **state) {
    ku_isolate *isolate = *state;
    uint64_t seed = 0x1234567;
    for (int round = 0; round < 50; round++) {
        static size_t orders[WORLD][WORLD + 1];
        size_t lengths[WORLD], refused = 0;
        ku_object *types[WORLD];
        size_t made = 0;
        for (size_t tries = 0; tries < WORLD * 2 && made < WORLD; tries++) {
            size_t bases[BASES], count = made != 0 ? next_random(&seed) % (BASES + 1) : 0, kept = 0;
            ku_type *base_types[BASES];
            for (size_t i = 0; i < count; i++) {
                size_t base = next_random(&seed) % made;
                bool again = false;
                for (size_t j = 0; j < kept; j++) {
                    again |= bases[j] == base;
                }
                if (!again) {
                    base_types[kept] = ku_type_from(types[base]);
                    bases[kept++] = base;
                }
            }
            lengths[made] = model_order(made, bases, kept, orders, lengths, orders[made]);
            char name[16];
            snprintf(name, sizeof name, "%zu", made);
            ku_object *type = slots_type(isolate, name, NULL, 0, base_types, kept);
            assert_int_equal(type != NULL, lengths[made] != 0);
            if (type == NULL) {
                ku_clear_error(isolate);
                refused++;
                continue;
            }
            ku_type *const *order;
            assert_int_equal(ku_type_order(ku_type_from(type), &order), lengths[made] + 1);
            for (size_t i = 0; i < lengths[made]; i++) {
                assert_int_equal(strtoull(ku_type_name(order[i]), NULL, 10), orders[made][i]);
            }
            types[made++] = type;
        }
        assert_true(refused < WORLD * 2);
        for (size_t i = 0; i < made; i++) {
            ku_decref(isolate, types[i]);
        }
    }
}

/* ---- types as objects ---- */

static ku_object *init(ku_isolate *isolate, ku_object *self, ku_object *const *arguments, size_t count) {
    (void)count;
    return ku_set(isolate, self, "x", arguments[0]) ? ku_new_reference(ku_none(isolate)) : NULL;
}

static void calling_a_type_makes_an_instance(void **state) {
    ku_isolate *isolate = *state;
    static const ku_method methods[] = {{"__init__", init, 1, 1}, {NULL}};
    const ku_field fields[] = {{"x", KU_OFFSET_NEXT, KU_FIELD_OWNED}, {NULL}};
    const ku_type_spec spec = {.name = "Point", .fields = fields, .methods = methods};
    ku_object *type = ku_type_new(isolate, &spec, NULL, 0), *number = ku_int(isolate, 1000);
    ku_object *point = ku_call(isolate, type, &number, 1), *x = ku_get(isolate, point, "x");
    assert_ptr_equal(x, number);
    assert_null(ku_call(isolate, type, NULL, 0));
    assert_int_equal(ku_pending_error(isolate)->code, KU_TYPE);
    ku_clear_error(isolate);
    ku_object *plain = slots_type(isolate, "plain", NULL, 0, NULL, 0);
    assert_null(ku_call(isolate, plain, &number, 1));
    assert_error(isolate, KU_TYPE, "plain() takes no arguments");
    ku_object *text = ku_repr(isolate, plain);
    assert_string_equal(ku_str_text(text), "<class 'plain'>");
    ku_object *all[] = {text, plain, x, point, number, type};
    for (size_t i = 0; i < 6; i++) {
        ku_decref(isolate, all[i]);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_table_that_contradicts_itself_is_refused_by_field),
        TEST(arrays_are_checked),
        TEST(a_type_needs_a_name_a_size_and_both_hooks),
        TEST(a_static_type_is_made_once),
        TEST(a_type_has_the_fields_of_its_bases),
        TEST(a_type_is_an_object_and_goes_with_its_last_reference),
        TEST(numbers_of_types_are_given_again),
        TEST(a_type_may_not_be_made_from_another_isolates),
        TEST(two_bases_with_slots_conflict),
        TEST(bases_without_slots_mix_with_one_that_has),
        TEST(the_order_is_c3),
        TEST(hooks_follow_the_order),
        TEST(final_types_are_no_bases),
        TEST(what_has_a_tail_takes_no_more_fields),
        TEST(calling_a_type_makes_an_instance),
        TEST(random_hierarchies_have_the_order_of_the_definition),
    };
    return cmocka_run_group_tests_name("objects: types", tests, NULL, NULL);
}
