/* tuple.c: tuples: fixed sequences. Up to 62 items lie in the object, more in a buffer (ku_tail()).
 *
 * A tuple of nothing but what can be in no cycle (numbers, text, tuples of such) can be in none either, and since its
 * items never change it is decided once, when they are there: the collector never looks at it.
 */
#include "object/values.h"

#include <string.h>

static size_t length_of(const ku_object *tuple) {
    return ((const ku__tuple *)(const void *)tuple)->length;
}

ku_object *ku__tuple_room(ku_isolate *isolate, size_t length) {
    if (length == 0 && isolate->values->empty_tuple != NULL) {
        return isolate->values->empty_tuple;
    }
    bool spills = length > (KU_OBJECT_MAX - offsetof(ku__tuple, items)) / sizeof(ku_object *);
    if (length > SIZE_MAX / 2 / sizeof(ku_object *)) {
        return ku_fail_null(isolate, KU_NO_MEMORY, "isolate '%s' cannot hold %zu items", isolate->name, length);
    }
    ku_object **items = spills ? (ku_object **)ku_buffer_new(isolate, length * sizeof *items) : NULL;
    if (spills && items == NULL) {
        return NULL;
    }
    ku__tuple *made = (ku__tuple *)ku__object_raw(isolate, KU_BUILTIN_TUPLE,
                                                  sizeof *made + (spills ? 1 : length) * sizeof(ku_object *));
    if (made == NULL) {
        ku_buffer_free(isolate, items);
        return NULL;
    }
    made->length = length;
    if (spills) {
        memcpy(made->items, &items, sizeof items); /* the tail is the pointer then */
    } else {
        items = made->items;
    }
    memset(items, 0, length * sizeof *items);
    return &made->header;
}

void ku__tuple_settle(ku_object *tuple) {
    ku_object **items = ku__tuple_items(tuple);
    for (size_t i = 0; i < length_of(tuple); i++) {
        bool simple = ku__is_atom(items[i]) ||
                      (ku_is_exactly(items[i], KU_BUILTIN_TUPLE) && (items[i]->kind & KU__UNTRACKED) != 0);
        if (!simple) {
            return;
        }
    }
    tuple->kind |= KU__UNTRACKED;
}

ku_object *ku_tuple_new(ku_isolate *isolate, ku_object *const *items, size_t length) {
    ku_object *made = ku__tuple_room(isolate, length);
    if (made == NULL || length == 0) {
        return made;
    }
    ku_object **own = ku__tuple_items(made);
    for (size_t i = 0; i < length; i++) {
        own[i] = ku_new_reference(items[i]);
    }
    ku__tuple_settle(made);
    return made;
}

ku_object *ku_tuple_from(ku_isolate *isolate, ku_object *iterable) {
    if (ku_is_tuple(iterable)) {
        return ku_new_reference(iterable);
    }
    ku_object *list = ku_list_from(isolate, iterable);
    if (list == NULL) {
        return NULL;
    }
    const ku__list *l = (const ku__list *)(const void *)list;
    ku_object *made = ku_tuple_new(isolate, l->items, l->length);
    ku_decref(isolate, list);
    return made;
}

bool ku_is_tuple(const ku_object *object) {
    return ku_is_exactly(object, KU_BUILTIN_TUPLE);
}
size_t ku_tuple_length(const ku_object *tuple) {
    return ku_is_tuple(tuple) ? length_of(tuple) : 0;
}
ku_object *ku_tuple_at(const ku_object *tuple, size_t index) {
    return index < ku_tuple_length(tuple) ? ku__tuple_items(tuple)[index] : NULL;
}

/* ---- operations ---- */

static ku_object *concatenate(ku_isolate *isolate, ku_object *a, ku_object *b) {
    size_t a_length = length_of(a), b_length = length_of(b);
    if (a_length == 0 || b_length == 0) {
        return ku_new_reference(a_length == 0 ? b : a);
    }
    ku_object *made = ku__tuple_room(isolate, a_length + b_length);
    if (made == NULL) {
        return NULL;
    }
    ku_object **own = ku__tuple_items(made);
    for (size_t i = 0; i < a_length + b_length; i++) {
        own[i] = ku_new_reference(i < a_length ? ku__tuple_items(a)[i] : ku__tuple_items(b)[i - a_length]);
    }
    ku__tuple_settle(made);
    return made;
}

static ku_object *repeat(ku_isolate *isolate, ku_object *self, ku_object *number) {
    size_t length = length_of(self), times, all;
    if (!ku__times(isolate, number, &times)) {
        return NULL;
    }
    if (times == 1 || length == 0) {
        return ku_new_reference(self);
    }
    ku_object *made = ku__tuple_room(isolate, __builtin_mul_overflow(length, times, &all) ? SIZE_MAX : all);
    if (made == NULL || times == 0) {
        return made;
    }
    for (size_t i = 0; i < length * times; i++) {
        ku__tuple_items(made)[i] = ku_new_reference(ku__tuple_items(self)[i % length]);
    }
    ku__tuple_settle(made);
    return made;
}

static bool tuple_binary(ku_isolate *isolate, ku_operator which, ku_object *left, ku_object *right,
                         ku_object **result) {
    *result = NULL;
    bool left_is = ku_is_tuple(left), right_is = ku_is_tuple(right);
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

static ku_object *tuple_get_item(ku_isolate *isolate, ku_object *self, ku_object *key) {
    size_t index;
    if (!ku__index_of(isolate, key, length_of(self), "tuple indices", "tuple index out of range", &index)) {
        return NULL;
    }
    return ku_new_reference(ku__tuple_items(self)[index]);
}

ku_object *ku__tuple_slice(ku_isolate *isolate, ku_object *self, const ku__slice *range) {
    if (range->count == length_of(self) && range->step == 1) {
        return ku_new_reference(self);
    }
    ku_object *made = ku__tuple_room(isolate, range->count);
    if (made == NULL || range->count == 0) {
        return made;
    }
    for (size_t i = 0; i < range->count; i++) {
        ku__tuple_items(made)[i] = ku_new_reference(ku__tuple_items(self)[range->start + (int64_t)i * range->step]);
    }
    ku__tuple_settle(made);
    return made;
}

static int64_t tuple_length(ku_isolate *isolate, ku_object *self) {
    (void)isolate;
    return (int64_t)length_of(self);
}

static ku_object *tuple_iter(ku_isolate *isolate, ku_object *self) {
    return ku__iterator_new(isolate, self, KU__WALK_ITEMS);
}

static bool tuple_hash(ku_isolate *isolate, ku_object *self, uint64_t *hash) {
    uint64_t few[8];
    size_t length = length_of(self);
    bool many = length > sizeof few / sizeof *few;
    uint64_t *hashes = many ? (uint64_t *)ku_buffer_new(isolate, length * sizeof *hashes) : few;
    if (hashes == NULL || !ku__deeper(isolate, "")) {
        ku_buffer_free(isolate, many ? hashes : NULL);
        return false;
    }
    bool good = true;
    for (size_t i = 0; i < length && good; i++) {
        good = ku_hash(isolate, ku__tuple_items(self)[i], &hashes[i]);
    }
    *hash = good ? ku__hash_items(hashes, length) : 0;
    ku__back(isolate);
    ku_buffer_free(isolate, many ? hashes : NULL);
    return good;
}

static int tuple_equal(ku_isolate *isolate, ku_object *self, ku_object *other) {
    if (!ku_is_tuple(other)) {
        return KU_NO_ANSWER;
    }
    return length_of(self) != length_of(other) ? 0 : ku__equal_sequences(isolate, self, other);
}

static int tuple_compare(ku_isolate *isolate, ku_comparison which, ku_object *self, ku_object *other) {
    return ku_is_tuple(other) ? ku__compare_sequences(isolate, which, self, other) : KU_NO_ANSWER;
}

static const ku_operations tuple_operations = {
    .binary = tuple_binary,
    .compare = tuple_compare,
    .length = tuple_length,
    .get_item = tuple_get_item,
    .iter = tuple_iter,
};

static const ku_field tuple_fields[] = {
    {"length", offsetof(ku__tuple, length), KU_FIELD_SIZE, KU_FIELD_READ_ONLY | KU_FIELD_HIDDEN, 0},
    {"items", offsetof(ku__tuple, items), KU_FIELD_TAIL, KU_FIELD_HIDDEN, offsetof(ku__tuple, length)},
    {NULL},
};

const ku_type_spec ku__tuple_spec = {
    .name = "tuple",
    .size = sizeof(ku__tuple),
    .fields = tuple_fields,
    .flags = KU_TYPE_FINAL | KU_TYPE_ABSTRACT,
    .doc = "A sequence of objects that does not change.",
    .hash = tuple_hash,
    .equal = tuple_equal,
    .repr = ku__tuple_repr,
    .operations = &tuple_operations,
};
