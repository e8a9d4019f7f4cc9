/* str.c: text as objects: making, interning, slicing, joining, and what a str answers.
 *
 * Invariants: the bytes are valid UTF-8, `length` counts their code points, a zero follows them. The empty str and,
 * once they were asked for, those of one code point up to U+00FF are the isolate's own; the latter are interned.
 *
 * Comparing bytes compares code points: UTF-8 keeps their order. Text that is ASCII has as many bytes as code points,
 * and that is how it is known.
 */
#include "object/values.h"

#include "object/intern.h"
#include "object/utf8.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const ku__str *str_of(const ku_object *object) {
    return (const ku__str *)(const void *)object;
}

/* ---- making ---- */

ku__str *ku__str_room(ku_isolate *isolate, size_t size, size_t length) {
    if (size > SIZE_MAX / 4) {
        ku_fail(isolate, KU_NO_MEMORY, "isolate '%s' cannot hold a str of %zu bytes", isolate->name, size);
        return NULL;
    }
    ku__str *made = (ku__str *)ku__object_raw(isolate, KU_BUILTIN_STR, sizeof *made + size + 1);
    if (made != NULL) {
        made->hash = 0;
        made->size = size;
        made->length = length;
        made->text[size] = '\0';
    }
    return made;
}

ku_object *ku__str_made(ku_isolate *isolate, const char *bytes, size_t size, size_t length) {
    ku__str *made = ku__str_room(isolate, size, length);
    if (made == NULL) {
        return NULL;
    }
    memcpy(made->text, bytes, size);
    return &made->header;
}

ku_object *ku__str_raw(ku_isolate *isolate, const char *bytes, size_t size) {
    return ku__str_made(isolate, bytes, size, ku__utf8_count(bytes, size));
}

/* The isolate's str of one code point. */
static ku_object *character(ku_isolate *isolate, const char *bytes, size_t size, uint32_t code_point) {
    ku_object **place = &isolate->values->characters[code_point];
    if (*place == NULL) {
        *place = ku__intern_bytes(isolate, bytes, size, true);
    }
    return *place;
}

/* A str of valid UTF-8: the isolate's own where it has one. */
static ku_object *from_valid(ku_isolate *isolate, const char *bytes, size_t size, size_t length) {
    if (length == 0) {
        return isolate->values->empty_str;
    }
    if (length == 1 && ku__utf8_get(bytes) < 256) {
        return character(isolate, bytes, size, ku__utf8_get(bytes));
    }
    return ku__str_made(isolate, bytes, size, length);
}

static ku_object *not_utf8(ku_isolate *isolate, const char *bytes, const ku__utf8_fault *fault) {
    if (fault->end - fault->start == 1) {
        return ku_fail_null(isolate, KU_VALUE, "'utf-8' codec can't decode byte 0x%02x in position %zu: %s",
                            (unsigned)(uint8_t)bytes[fault->start], fault->start, fault->reason);
    }
    return ku_fail_null(isolate, KU_VALUE, "'utf-8' codec can't decode bytes in position %zu-%zu: %s", fault->start,
                        fault->end - 1, fault->reason);
}

ku_object *ku_str_new(ku_isolate *isolate, const char *bytes, size_t length) {
    ku__utf8_fault fault;
    size_t count;
    if (!ku__utf8_check(bytes, length, &count, &fault)) {
        return not_utf8(isolate, bytes, &fault);
    }
    return from_valid(isolate, bytes, length, count);
}

/* As all_name_chars() of CPython's Objects/codeobject.c. */
static bool looks_like_name(const char *text, size_t size) {
    for (size_t i = 0; i < size; i++) {
        char c = text[i];
        if (!((c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_')) {
            return false;
        }
    }
    return size > 0;
}

ku_object *ku_str(ku_isolate *isolate, const char *text) {
    size_t size = strlen(text);
    if (size > 1 && looks_like_name(text, size)) {
        return ku__intern_bytes(isolate, text, size, false);
    }
    return ku_str_new(isolate, text, size);
}

ku_object *ku_str_format_list(ku_isolate *isolate, const char *format, va_list arguments) {
    char small[256];
    va_list again;
    va_copy(again, arguments);
    int size = vsnprintf(small, sizeof small, format, arguments);
    ku_object *made = NULL;
    if (size < 0) {
        ku_fail(isolate, KU_VALUE, "a format that printf refuses");
    } else if ((size_t)size < sizeof small) {
        made = ku_str_new(isolate, small, (size_t)size);
    } else {
        char *large = (char *)ku_buffer_new(isolate, (size_t)size + 1);
        if (large != NULL) {
            vsnprintf(large, (size_t)size + 1, format, again);
            made = ku_str_new(isolate, large, (size_t)size);
            ku_buffer_free(isolate, large);
        }
    }
    va_end(again);
    return made;
}

ku_object *ku_str_format(ku_isolate *isolate, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    ku_object *made = ku_str_format_list(isolate, format, arguments);
    va_end(arguments);
    return made;
}

ku_object *ku_str_from_code_point(ku_isolate *isolate, uint32_t code_point) {
    char bytes[KU__UTF8_MAX];
    if (code_point > 0x10FFFF || (code_point >= 0xD800 && code_point <= 0xDFFF)) {
        return ku_fail_null(isolate, KU_VALUE, "chr() arg not in range(0x110000)");
    }
    size_t size = ku__utf8_put(bytes, code_point);
    return from_valid(isolate, bytes, size, 1);
}

/* ---- reading ---- */

bool ku_is_str(const ku_object *object) {
    return ku_is_exactly(object, KU_BUILTIN_STR);
}
const char *ku_str_text(const ku_object *text) {
    return ku_is_str(text) ? str_of(text)->text : NULL;
}
size_t ku_str_size(const ku_object *text) {
    return ku_is_str(text) ? str_of(text)->size : 0;
}
size_t ku_str_length(const ku_object *text) {
    return ku_is_str(text) ? str_of(text)->length : 0;
}

bool ku_str_is(const ku_object *object, const char *text) {
    return ku_is_str(object) && str_of(object)->size == strlen(text) &&
           memcmp(str_of(object)->text, text, str_of(object)->size) == 0;
}

/* Where code point number `index`, at most the length, begins. */
static size_t offset_of(const ku__str *s, size_t index) {
    return s->size == s->length ? index : ku__utf8_offset(s->text, s->size, index);
}

uint32_t ku_str_code_point(const ku_object *text, size_t index) {
    if (index >= ku_str_length(text)) {
        return UINT32_MAX;
    }
    return ku__utf8_get(str_of(text)->text + offset_of(str_of(text), index));
}

uint64_t ku__str_hash(ku_object *text) {
    ku__str *s = (ku__str *)(void *)text;
    if (s->hash == 0) {
        s->hash = ku__hash_text(s->text, s->size);
    }
    return s->hash;
}

/* ---- finding ---- */

/* Both str, or KU_TYPE. */
static bool both_str(ku_isolate *isolate, const ku_object *a, const ku_object *b) {
    return ku__expect(isolate, a, KU_BUILTIN_STR) && ku__expect(isolate, b, KU_BUILTIN_STR);
}

int64_t ku_str_find(ku_isolate *isolate, ku_object *text, ku_object *part, size_t start) {
    if (!both_str(isolate, text, part)) {
        return -2;
    }
    const ku__str *s = str_of(text), *p = str_of(part);
    if (start > s->length) {
        return -1;
    }
    size_t from = offset_of(s, start);
    const char *found = (const char *)memmem(s->text + from, s->size - from, p->text, p->size);
    if (found == NULL) {
        return -1;
    }
    size_t at = (size_t)(found - s->text);
    return (int64_t)(s->size == s->length ? at : ku__utf8_count(s->text, at));
}

static int str_contains(ku_isolate *isolate, ku_object *self, ku_object *item) {
    if (!ku_is_str(item)) {
        ku_fail(isolate, KU_TYPE, "'in <string>' requires string as left operand, not %s", ku__type_name(item));
        return -1;
    }
    const ku__str *s = str_of(self), *p = str_of(item);
    return memmem(s->text, s->size, p->text, p->size) != NULL;
}

/* ---- putting together ---- */

static ku_object *concatenate(ku_isolate *isolate, ku_object *left, ku_object *right) {
    const ku__str *a = str_of(left), *b = str_of(right);
    if (a->size == 0 || b->size == 0) {
        return ku_new_reference(a->size == 0 ? right : left);
    }
    ku__str *made = ku__str_room(isolate, a->size + b->size, a->length + b->length);
    if (made == NULL) {
        return NULL;
    }
    memcpy(made->text, a->text, a->size);
    memcpy(made->text + a->size, b->text, b->size);
    return &made->header;
}

static ku_object *repeat(ku_isolate *isolate, ku_object *self, ku_object *number) {
    const ku__str *s = str_of(self);
    size_t size, length, times;
    if (!ku__times(isolate, number, &times)) {
        return NULL;
    }
    if (times == 0 || s->size == 0) {
        return isolate->values->empty_str;
    }
    if (times == 1) {
        return ku_new_reference(self);
    }
    if (__builtin_mul_overflow(s->size, times, &size) || __builtin_mul_overflow(s->length, times, &length)) {
        size = length = SIZE_MAX;
    }
    ku__str *made = ku__str_room(isolate, size, length);
    if (made == NULL) {
        return NULL;
    }
    for (size_t i = 0; i < times; i++) {
        memcpy(made->text + i * s->size, s->text, s->size);
    }
    return &made->header;
}

static bool str_binary(ku_isolate *isolate, ku_operator which, ku_object *left, ku_object *right, ku_object **result) {
    *result = NULL;
    bool left_is = ku_is_str(left), right_is = ku_is_str(right);
    if (which == KU_ADD && left_is && right_is) {
        *result = concatenate(isolate, left, right);
        return *result != NULL;
    }
    if (which == KU_MULTIPLY && (ku__is_int(left) || ku__is_int(right))) {
        *result = left_is ? repeat(isolate, left, right) : repeat(isolate, right, left);
        return *result != NULL;
    }
    return true;
}

/* Items of a list, which is nobody else's, with the separator between them. */
static ku_object *join_list(ku_isolate *isolate, const ku__str *separator, const ku_object *list) {
    size_t count = ku_list_length(list), size = 0, length = 0;
    for (size_t i = 0; i < count; i++) {
        const ku_object *item = ku_list_at(list, i);
        if (!ku_is_str(item)) {
            return ku_fail_null(isolate, KU_TYPE, "sequence item %zu: expected str instance, %s found", i,
                                ku__type_name(item));
        }
        size += str_of(item)->size + (i > 0 ? separator->size : 0);
        length += str_of(item)->length + (i > 0 ? separator->length : 0);
    }
    if (count <= 1) {
        return count == 0 ? isolate->values->empty_str : ku_new_reference(ku_list_at(list, 0));
    }
    ku__str *made = ku__str_room(isolate, size, length);
    char *at = made != NULL ? made->text : NULL;
    for (size_t i = 0; i < count && made != NULL; i++) {
        const ku__str *item = str_of(ku_list_at(list, i));
        if (i > 0) {
            memcpy(at, separator->text, separator->size);
            at += separator->size;
        }
        memcpy(at, item->text, item->size);
        at += item->size;
    }
    return made != NULL ? &made->header : NULL;
}

ku_object *ku_str_join(ku_isolate *isolate, ku_object *separator, ku_object *iterable) {
    if (!ku__expect(isolate, separator, KU_BUILTIN_STR)) {
        return NULL;
    }
    if (ku__type_of(iterable)->operations == NULL || ku__type_of(iterable)->operations->iter == NULL) {
        return ku_fail_null(isolate, KU_TYPE, "can only join an iterable");
    }
    ku_object *list = ku_list_from(isolate, iterable);
    ku_object *made = list != NULL ? join_list(isolate, str_of(separator), list) : NULL;
    ku_release(isolate, list);
    return made;
}

/* ---- items ---- */

/* Code points [start, stop). */
static ku_object *part(ku_isolate *isolate, const ku__str *s, size_t start, size_t stop) {
    size_t from = offset_of(s, start);
    size_t size = s->size == s->length ? stop - start : ku__utf8_offset(s->text + from, s->size - from, stop - start);
    return from_valid(isolate, s->text + from, size, stop - start);
}

static ku_object *str_get_item(ku_isolate *isolate, ku_object *self, ku_object *key) {
    size_t index;
    if (!ku__is_int(key)) {
        return ku_fail_null(isolate, KU_TYPE, "string indices must be integers, not '%s'", ku__type_name(key));
    }
    if (!ku__index_of(isolate, key, str_of(self)->length, "", "string index out of range", &index)) {
        return NULL;
    }
    return part(isolate, str_of(self), index, index + 1);
}

/* With a step: code point by code point. Text that is not ASCII is gone through once in either direction. */
static ku_object *stepped(ku_isolate *isolate, const ku__str *s, const ku__slice *range) {
    ku__text made = {.isolate = isolate};
    size_t at = offset_of(s, (size_t)range->start);
    for (size_t i = 0; i < range->count; i++) {
        ku__text_add(&made, s->text + at, ku__utf8_step(s->text[at]));
        for (int64_t left = range->step; left != 0 && i + 1 < range->count; left -= left > 0 ? 1 : -1) {
            if (left > 0) {
                at += ku__utf8_step(s->text[at]);
            } else {
                do {
                    at--;
                } while (((uint8_t)s->text[at] & 0xC0) == 0x80);
            }
        }
    }
    return ku__text_end(&made);
}

ku_object *ku__str_slice(ku_isolate *isolate, ku_object *self, const ku__slice *range) {
    const ku__str *s = str_of(self);
    if (range->count == 0) {
        return isolate->values->empty_str;
    }
    if (range->step != 1 && range->count > 1) {
        return stepped(isolate, s, range);
    }
    if (range->count == s->length) {
        return ku_new_reference(self);
    }
    return part(isolate, s, (size_t)range->start, (size_t)range->start + range->count);
}

static int64_t str_length(ku_isolate *isolate, ku_object *self) {
    (void)isolate;
    return (int64_t)str_of(self)->length;
}

static ku_object *str_iter(ku_isolate *isolate, ku_object *self) {
    return ku__iterator_new(isolate, self, KU__WALK_ITEMS);
}

ku_object *ku__str_next(ku_isolate *isolate, ku__iterator *walk) {
    const ku__str *s = str_of(walk->over);
    if (walk->index >= s->size) {
        return NULL;
    }
    const char *at = s->text + walk->index;
    size_t step = ku__utf8_step(*at);
    ku_object *made = from_valid(isolate, at, step, 1);
    walk->index += made != NULL ? step : 0;
    return made;
}

/* ---- comparing ---- */

static bool str_hash(ku_isolate *isolate, ku_object *self, uint64_t *hash) {
    (void)isolate;
    *hash = ku__str_hash(self);
    return true;
}

static int str_equal(ku_isolate *isolate, ku_object *self, ku_object *other) {
    (void)isolate;
    return ku_is_str(other) ? ku__str_equal(self, other) : KU_NO_ANSWER;
}

static int str_compare(ku_isolate *isolate, ku_comparison which, ku_object *self, ku_object *other) {
    (void)isolate;
    if (!ku_is_str(other)) {
        return KU_NO_ANSWER;
    }
    const ku__str *a = str_of(self), *b = str_of(other);
    return ku__ordered(which, a->text, a->size, b->text, b->size);
}

static ku_object *str_text(ku_isolate *isolate, ku_object *self) {
    (void)isolate;
    return ku_new_reference(self);
}

static const ku_operations str_operations = {
    .binary = str_binary,
    .compare = str_compare,
    .length = str_length,
    .contains = str_contains,
    .get_item = str_get_item,
    .iter = str_iter,
    .text = str_text,
};

static const ku_field str_fields[] = {
    {"hash", offsetof(ku__str, hash), KU_FIELD_PLAIN, KU_FIELD_HIDDEN, 0},
    {"size", offsetof(ku__str, size), KU_FIELD_SIZE, KU_FIELD_READ_ONLY | KU_FIELD_HIDDEN, 0},
    {"length", offsetof(ku__str, length), KU_FIELD_SIZE, KU_FIELD_READ_ONLY | KU_FIELD_HIDDEN, 0},
    {NULL},
};

const ku_type_spec ku__str_spec = {
    .name = "str",
    .size = sizeof(ku__str),
    .fields = str_fields,
    .flags = KU_TYPE_ACYCLIC | KU_TYPE_FINAL | KU_TYPE_ABSTRACT,
    .doc = "Text: code points in UTF-8.",
    .hash = str_hash,
    .equal = str_equal,
    .repr = ku__str_repr,
    .operations = &str_operations,
};
