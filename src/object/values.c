/* values.c: the values' part of an isolate: what exists once, and how deep operations nest. */
#include "object/values.h"

#include <string.h>

/* ---- none, true, false ---- */

static ku_object *none_repr(ku_isolate *isolate, ku_object *self) {
    (void)self;
    return ku_str(isolate, "None");
}

static int none_truth(ku_isolate *isolate, ku_object *self) {
    (void)isolate;
    (void)self;
    return 0;
}

static const ku_operations none_operations = {.truth = none_truth};

const ku_type_spec ku__none_spec = {
    .name = "NoneType",
    .size = sizeof(ku_object),
    .flags = KU_TYPE_ACYCLIC | KU_TYPE_FINAL | KU_TYPE_ABSTRACT,
    .doc = "The type of none, which stands for no value. There is one object of it in an isolate.",
    .repr = none_repr,
    .operations = &none_operations,
};

static ku_object *bool_repr(ku_isolate *isolate, ku_object *self) {
    return ku_str(isolate, ku__small(self) != 0 ? "True" : "False");
}

static bool bool_hash(ku_isolate *isolate, ku_object *self, uint64_t *hash) {
    (void)isolate;
    *hash = ku__hash_int(self);
    return true;
}

/* Two bools: the bits; all else as int. */
static bool bool_binary(ku_isolate *isolate, ku_operator which, ku_object *left, ku_object *right, ku_object **result) {
    bool both = ku_is_exactly(left, KU_BUILTIN_BOOL) && ku_is_exactly(right, KU_BUILTIN_BOOL);
    bool a = both && ku__small(left) != 0, b = both && ku__small(right) != 0;
    switch (both ? which : KU_OPERATOR_COUNT) {
    case KU_AND: *result = ku_bool(isolate, a && b); return true;
    case KU_OR: *result = ku_bool(isolate, a || b); return true;
    case KU_XOR: *result = ku_bool(isolate, a != b); return true;
    default: return ku__int_spec.operations->binary(isolate, which, left, right, result);
    }
}

static bool bool_unary(ku_isolate *isolate, ku_unary_operator which, ku_object *self, ku_object **result) {
    return ku__int_spec.operations->unary(isolate, which, self, result);
}
static int bool_compare(ku_isolate *isolate, ku_comparison which, ku_object *self, ku_object *other) {
    return ku__int_spec.operations->compare(isolate, which, self, other);
}
static int bool_truth(ku_isolate *isolate, ku_object *self) {
    (void)isolate;
    return ku__small(self) != 0;
}
static int bool_equal(ku_isolate *isolate, ku_object *self, ku_object *other) {
    return ku__int_spec.equal(isolate, self, other);
}

static const ku_operations bool_operations = {
    .binary = bool_binary, .unary = bool_unary, .compare = bool_compare, .truth = bool_truth};

static const ku_type_spec *const bool_bases[] = {&ku__int_spec, NULL};

const ku_type_spec ku__bool_spec = {
    .name = "bool",
    .size = sizeof(ku__int),
    .flags = KU_TYPE_ACYCLIC | KU_TYPE_FINAL | KU_TYPE_ABSTRACT,
    .doc = "True or False: each exists once in an isolate. Where a number is wanted they are 1 and 0.",
    .hash = bool_hash,
    .equal = bool_equal,
    .repr = bool_repr,
    .operations = &bool_operations,
    .bases = bool_bases,
};

ku_object *ku_none(ku_isolate *isolate) {
    return isolate->values->none;
}

ku_object *ku_bool(ku_isolate *isolate, bool value) {
    return isolate->values->truth[value];
}

/* ---- opening and closing ---- */

static ku_object *immortal_int(ku_isolate *isolate, uint32_t number, int64_t value) {
    ku__int *made = (ku__int *)ku__object_raw(isolate, number, sizeof *made);
    if (made == NULL) {
        return NULL;
    }
    made->value = value;
    made->header.count = KU__IMMORTAL_COUNT;
    return &made->header;
}

static bool make_ints(ku_isolate *isolate) {
    for (int64_t value = KU__INT_LEAST; value <= KU__INT_MOST; value++) {
        ku_object *made = immortal_int(isolate, KU_BUILTIN_INT, value);
        if (made == NULL) {
            return false;
        }
        isolate->values->ints[value - KU__INT_LEAST] = made;
    }
    return true;
}

static bool make_singletons(ku_isolate *isolate) {
    ku__values *values = isolate->values;
    values->none = ku__object_raw(isolate, KU_BUILTIN_NONE, sizeof(ku_object));
    values->truth[0] = immortal_int(isolate, KU_BUILTIN_BOOL, 0);
    values->truth[1] = immortal_int(isolate, KU_BUILTIN_BOOL, 1);
    if (values->none == NULL || values->truth[0] == NULL || values->truth[1] == NULL || !make_ints(isolate)) {
        return false;
    }
    values->none->count = KU__IMMORTAL_COUNT;
    values->empty_str = ku__str_made(isolate, "", 0, 0);
    values->empty_bytes = values->empty_str != NULL ? ku_bytes_new(isolate, "", 0) : NULL;
    values->empty_tuple = values->empty_bytes != NULL ? ku__tuple_room(isolate, 0) : NULL;
    if (values->empty_tuple == NULL) {
        return false;
    }
    values->empty_str->count = values->empty_bytes->count = values->empty_tuple->count = KU__IMMORTAL_COUNT;
    values->empty_tuple->kind |= KU__UNTRACKED;
    return true;
}

bool ku__values_open(ku_isolate *isolate, ku_error *error) {
    ku__hash_open();
    isolate->values = (ku__values *)ku_heap_calloc(isolate->buffers, 1, sizeof(ku__values));
    if (isolate->values != NULL && make_singletons(isolate)) {
        return true;
    }
    ku_clear_error(isolate);
    ku_heap_free(isolate->buffers, isolate->values); /* the objects go with their heaps */
    isolate->values = NULL;
    if (error != NULL) {
        *error = (ku_error){.code = KU_NO_MEMORY, .message = "an isolate could not be made: the system refused memory"};
    }
    return false;
}

void ku__values_close(ku_isolate *isolate) {
    ku_buffer_free(isolate, isolate->values->showing);
    ku_heap_free(isolate->buffers, isolate->values);
    isolate->values = NULL;
}

/* ---- shared by the files of values ---- */

bool ku__expect(ku_isolate *isolate, const ku_object *object, ku_builtin which) {
    if (ku__is_a(object, which)) {
        return true;
    }
    return ku_fail(isolate, KU_TYPE, "%s expected, not '%s'", ku_type_name(ku_builtin_type(which)),
                   ku__type_name(object));
}

bool ku__deeper(ku_isolate *isolate, const char *doing) {
    if (isolate->values->depth >= KU_RECURSION_MAX) {
        return ku_fail(isolate, KU_RECURSION, "maximum recursion depth exceeded%s", doing);
    }
    isolate->values->depth++;
    return true;
}

bool ku__fail_key(ku_isolate *isolate, ku_object *key) {
    ku_object *shown = ku_repr(isolate, key);
    if (shown == NULL) {
        return false;
    }
    ku_fail(isolate, KU_KEY, "%s", ku_str_text(shown));
    isolate->pending.value = ku_new_reference(key);
    ku_decref(isolate, shown);
    return false;
}
