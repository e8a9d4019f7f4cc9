/* fields.c: fields as attributes: what is at an offset, as an object, and back.
 *
 * An owned field is a reference or empty, and empty is an attribute that is not there, as a slot of Python's that was
 * not set. A weak field reads as its referent, or none when that is gone. Plain data is converted; a number that does
 * not fit the field is refused (CPython's Python/structmember.c cuts some, and warns).
 */
#include "object/fields.h"

#include "object/weak.h"

#include <kucha/operations.h>
#include <kucha/text.h>
#include <kucha/value.h>
#include <string.h>

static void *place_of(ku_object *object, const ku_field *field) {
    return (char *)object + field->offset;
}

/* ---- reading ---- */

static ku_object *get_weak(ku_isolate *isolate, ku_object *reference) {
    ku_object *referent = reference != NULL ? ku__weak_peek((const ku__weakref *)(const void *)reference) : NULL;
    return ku_new_reference(referent != NULL ? referent : ku_none(isolate));
}

static ku_object *get_text(ku_isolate *isolate, const char *text) {
    return text != NULL ? ku_str_new(isolate, text, strlen(text)) : ku_new_reference(ku_none(isolate));
}

static ku_object *get_plain(ku_isolate *isolate, const void *place, ku_field_kind kind) {
    switch (kind) {
    case KU_FIELD_BOOL: return ku_new_reference(ku_bool(isolate, *(const bool *)place));
    case KU_FIELD_INT32: return ku_int(isolate, *(const int32_t *)place);
    case KU_FIELD_INT64: return ku_int(isolate, *(const int64_t *)place);
    case KU_FIELD_SIZE: return ku_int_unsigned(isolate, *(const size_t *)place);
    case KU_FIELD_DOUBLE: return ku_float(isolate, *(const double *)place);
    case KU_FIELD_TEXT: return get_text(isolate, *(const char *const *)place);
    default: return ku_fail_null(isolate, KU_TYPE, "a field of this kind is no attribute");
    }
}

ku_object *ku__field_get(ku_isolate *isolate, ku_object *object, const ku_field *field) {
    void *place = place_of(object, field);
    if (KU__LIKELY(field->kind == KU_FIELD_OWNED)) {
        return ku_new_reference(*(ku_object **)place);
    }
    if (field->kind == KU_FIELD_WEAK) {
        return get_weak(isolate, *(ku_object **)place);
    }
    return get_plain(isolate, place, (ku_field_kind)field->kind);
}

/* ---- writing ---- */

static bool set_weak(ku_isolate *isolate, ku_object **place, ku_object *value) {
    ku_object *reference = NULL;
    if (!ku_is_none(value)) {
        reference = ku_weakref_new(isolate, value, NULL);
        if (reference == NULL) {
            return false;
        }
    }
    ku_replace(isolate, place, reference);
    return true;
}

static bool out_of_range(ku_isolate *isolate, const ku_field *field) {
    return ku_fail(isolate, KU_OVERFLOW, "the value does not fit the field '%s'", field->name);
}

static bool set_whole(ku_isolate *isolate, void *place, const ku_field *field, ku_object *value) {
    int64_t number;
    if (!ku_int_value(isolate, value, &number)) {
        return false;
    }
    switch ((ku_field_kind)field->kind) {
    case KU_FIELD_INT32:
        if (number < INT32_MIN || number > INT32_MAX) {
            return out_of_range(isolate, field);
        }
        *(int32_t *)place = (int32_t)number;
        return true;
    case KU_FIELD_SIZE:
        if (number < 0) {
            return out_of_range(isolate, field);
        }
        *(size_t *)place = (size_t)number;
        return true;
    default: *(int64_t *)place = number; return true;
    }
}

static bool set_bool(ku_isolate *isolate, bool *place, ku_object *value) {
    if (!ku_is_exactly(value, KU_BUILTIN_BOOL)) {
        return ku_fail(isolate, KU_TYPE, "attribute value type must be bool");
    }
    *place = value == ku_bool(isolate, true);
    return true;
}

bool ku__field_set(ku_isolate *isolate, ku_object *object, const ku_field *field, ku_object *value) {
    void *place = place_of(object, field);
    if (KU__UNLIKELY((field->flags & KU_FIELD_READ_ONLY) != 0)) {
        return ku_fail(isolate, KU_ATTRIBUTE, "readonly attribute");
    }
    switch ((ku_field_kind)field->kind) {
    case KU_FIELD_OWNED: ku_replace(isolate, (ku_object **)place, ku_new_reference(value)); return true;
    case KU_FIELD_WEAK: return set_weak(isolate, (ku_object **)place, value);
    case KU_FIELD_BOOL: return set_bool(isolate, (bool *)place, value);
    case KU_FIELD_INT32:
    case KU_FIELD_INT64:
    case KU_FIELD_SIZE: return set_whole(isolate, place, field, value);
    case KU_FIELD_DOUBLE: return ku_float_value(isolate, value, (double *)place);
    default: return ku_fail(isolate, KU_ATTRIBUTE, "readonly attribute");
    }
}

int ku__field_delete(ku_isolate *isolate, ku_object *object, const ku_field *field) {
    bool is_reference = field->kind == KU_FIELD_OWNED || field->kind == KU_FIELD_WEAK;
    if ((field->flags & KU_FIELD_READ_ONLY) != 0 || !is_reference) {
        ku_fail(isolate, is_reference ? KU_ATTRIBUTE : KU_TYPE,
                is_reference ? "readonly attribute" : "can't delete numeric/char attribute");
        return -1;
    }
    ku_object **place = (ku_object **)place_of(object, field);
    if (*place == NULL) {
        return 0;
    }
    ku_clear(isolate, place);
    return 1;
}
