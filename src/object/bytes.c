/* bytes.c: bytes as objects, immutable. Items are whole numbers of 0 to 255. */
#include "object/values.h"

#include <string.h>

static const ku__bytes *bytes_of(const ku_object *object) {
    return (const ku__bytes *)(const void *)object;
}

static ku__bytes *room(ku_isolate *isolate, size_t length) {
    if (length > SIZE_MAX / 4) {
        ku_fail(isolate, KU_NO_MEMORY, "isolate '%s' cannot hold %zu bytes", isolate->name, length);
        return NULL;
    }
    ku__bytes *made = (ku__bytes *)ku__object_raw(isolate, KU_BUILTIN_BYTES, sizeof *made + length + 1);
    if (made != NULL) {
        made->hash = 0;
        made->length = length;
        made->data[length] = '\0';
    }
    return made;
}

ku_object *ku_bytes_new(ku_isolate *isolate, const void *data, size_t length) {
    if (length == 0 && isolate->values->empty_bytes != NULL) {
        return isolate->values->empty_bytes;
    }
    ku__bytes *made = room(isolate, length);
    if (made == NULL) {
        return NULL;
    }
    if (data != NULL) {
        memcpy(made->data, data, length);
    } else {
        memset(made->data, 0, length);
    }
    return &made->header;
}

bool ku_is_bytes(const ku_object *object) {
    return ku_is_exactly(object, KU_BUILTIN_BYTES);
}
const char *ku_bytes_data(const ku_object *bytes) {
    return ku_is_bytes(bytes) ? bytes_of(bytes)->data : NULL;
}
size_t ku_bytes_length(const ku_object *bytes) {
    return ku_is_bytes(bytes) ? bytes_of(bytes)->length : 0;
}

ku_object *ku_str_encode(ku_isolate *isolate, ku_object *text) {
    if (!ku__expect(isolate, text, KU_BUILTIN_STR)) {
        return NULL;
    }
    return ku_bytes_new(isolate, ku_str_text(text), ku_str_size(text));
}

ku_object *ku_bytes_decode(ku_isolate *isolate, ku_object *bytes) {
    if (!ku__expect(isolate, bytes, KU_BUILTIN_BYTES)) {
        return NULL;
    }
    return ku_str_new(isolate, bytes_of(bytes)->data, bytes_of(bytes)->length);
}

/* ---- operations ---- */

static ku_object *concatenate(ku_isolate *isolate, const ku__bytes *a, const ku__bytes *b) {
    ku__bytes *made = room(isolate, a->length + b->length);
    if (made == NULL) {
        return NULL;
    }
    memcpy(made->data, a->data, a->length);
    memcpy(made->data + a->length, b->data, b->length);
    return &made->header;
}

static ku_object *repeat(ku_isolate *isolate, ku_object *self, ku_object *number) {
    const ku__bytes *b = bytes_of(self);
    size_t length, times;
    if (!ku__times(isolate, number, &times)) {
        return NULL;
    }
    if (times == 0 || b->length == 0) {
        return isolate->values->empty_bytes;
    }
    if (__builtin_mul_overflow(b->length, times, &length)) {
        length = SIZE_MAX;
    }
    ku__bytes *made = room(isolate, length);
    if (made == NULL) {
        return NULL;
    }
    for (size_t i = 0; i < times; i++) {
        memcpy(made->data + i * b->length, b->data, b->length);
    }
    return &made->header;
}

static bool bytes_binary(ku_isolate *isolate, ku_operator which, ku_object *left, ku_object *right,
                         ku_object **result) {
    *result = NULL;
    bool left_is = ku_is_bytes(left), right_is = ku_is_bytes(right);
    if (which == KU_ADD && left_is && right_is) {
        *result = concatenate(isolate, bytes_of(left), bytes_of(right));
        return *result != NULL;
    }
    if (which == KU_MULTIPLY && (ku__is_int(left) || ku__is_int(right))) {
        *result = left_is ? repeat(isolate, left, right) : repeat(isolate, right, left);
        return *result != NULL;
    }
    return true;
}

static int bytes_contains(ku_isolate *isolate, ku_object *self, ku_object *item) {
    const ku__bytes *b = bytes_of(self);
    if (ku_is_bytes(item)) {
        return memmem(b->data, b->length, bytes_of(item)->data, bytes_of(item)->length) != NULL;
    }
    if (!ku__is_int(item)) {
        ku_fail(isolate, KU_TYPE, "a bytes-like object is required, not '%s'", ku__type_name(item));
        return -1;
    }
    if (!ku__is_small(item) || ku__small(item) < 0 || ku__small(item) > 255) {
        ku_fail(isolate, KU_VALUE, "byte must be in range(0, 256)");
        return -1;
    }
    return memchr(b->data, (int)ku__small(item), b->length) != NULL;
}

static ku_object *bytes_get_item(ku_isolate *isolate, ku_object *self, ku_object *key) {
    size_t index;
    if (!ku__index_of(isolate, key, bytes_of(self)->length, "byte indices", "index out of range", &index)) {
        return NULL;
    }
    return ku_int(isolate, (uint8_t)bytes_of(self)->data[index]);
}

ku_object *ku__bytes_slice(ku_isolate *isolate, ku_object *self, const ku__slice *range) {
    const ku__bytes *b = bytes_of(self);
    if (range->count == b->length && range->step == 1) {
        return ku_new_reference(self);
    }
    if (range->count == 0) {
        return isolate->values->empty_bytes;
    }
    ku__bytes *made = room(isolate, range->count);
    if (made == NULL) {
        return NULL;
    }
    for (size_t i = 0; i < range->count; i++) {
        made->data[i] = b->data[range->start + (int64_t)i * range->step];
    }
    return &made->header;
}

static int64_t bytes_length(ku_isolate *isolate, ku_object *self) {
    (void)isolate;
    return (int64_t)bytes_of(self)->length;
}

static ku_object *bytes_iter(ku_isolate *isolate, ku_object *self) {
    return ku__iterator_new(isolate, self, KU__WALK_ITEMS);
}

static bool bytes_hash(ku_isolate *isolate, ku_object *self, uint64_t *hash) {
    (void)isolate;
    ku__bytes *b = (ku__bytes *)(void *)self;
    if (b->hash == 0) {
        b->hash = ku__hash_text(b->data, b->length);
    }
    *hash = b->hash;
    return true;
}

static int bytes_equal(ku_isolate *isolate, ku_object *self, ku_object *other) {
    (void)isolate;
    if (!ku_is_bytes(other)) {
        return KU_NO_ANSWER;
    }
    const ku__bytes *a = bytes_of(self), *b = bytes_of(other);
    return a->length == b->length && memcmp(a->data, b->data, a->length) == 0;
}

static int bytes_compare(ku_isolate *isolate, ku_comparison which, ku_object *self, ku_object *other) {
    (void)isolate;
    if (!ku_is_bytes(other)) {
        return KU_NO_ANSWER;
    }
    const ku__bytes *a = bytes_of(self), *b = bytes_of(other);
    return ku__ordered(which, a->data, a->length, b->data, b->length);
}

static const ku_operations bytes_operations = {
    .binary = bytes_binary,
    .compare = bytes_compare,
    .length = bytes_length,
    .contains = bytes_contains,
    .get_item = bytes_get_item,
    .iter = bytes_iter,
};

static const ku_field bytes_fields[] = {
    {"hash", offsetof(ku__bytes, hash), KU_FIELD_PLAIN, KU_FIELD_HIDDEN, 0},
    {"length", offsetof(ku__bytes, length), KU_FIELD_SIZE, KU_FIELD_READ_ONLY | KU_FIELD_HIDDEN, 0},
    {NULL},
};

const ku_type_spec ku__bytes_spec = {
    .name = "bytes",
    .size = sizeof(ku__bytes),
    .fields = bytes_fields,
    .flags = KU_TYPE_ACYCLIC | KU_TYPE_FINAL | KU_TYPE_ABSTRACT,
    .doc = "Bytes, immutable.",
    .hash = bytes_hash,
    .equal = bytes_equal,
    .repr = ku__bytes_repr,
    .operations = &bytes_operations,
};
