/* sequence.c: what sequences have in common: indices, slices, comparison item by item, and iterators over all that is
 * built in.
 *
 * While two sequences are compared or one is walked, code of the program may run and change them. So nothing is kept
 * over a call but an index: lengths and items are read anew each time, and the item in hand is held.
 */
#include "object/values.h"

#include <string.h>

/* ---- indices and slices ---- */

bool ku__position_of(ku_isolate *isolate, int64_t index, size_t length, const char *outside, size_t *position) {
    if (index < 0) {
        index += (int64_t)length;
    }
    if (index < 0 || (uint64_t)index >= length) {
        return ku_fail(isolate, KU_INDEX, "%s", outside);
    }
    *position = (size_t)index;
    return true;
}

bool ku__index_of(ku_isolate *isolate, ku_object *key, size_t length, const char *indices, const char *outside,
                  size_t *index) {
    if (!ku__is_int(key)) {
        return ku_fail(isolate, KU_TYPE, "%s must be integers or slices, not %s", indices, ku__type_name(key));
    }
    if (!ku__is_small(key)) {
        return ku_fail(isolate, KU_INDEX, "cannot fit 'int' into an index-sized integer");
    }
    return ku__position_of(isolate, ku__small(key), length, outside, index);
}

bool ku__times(ku_isolate *isolate, ku_object *number, size_t *times) {
    if (!ku__is_small(number)) {
        *times = 0;
        return ku_int_sign(number) < 0 || ku_fail(isolate, KU_OVERFLOW, "cannot fit 'int' into an index-sized integer");
    }
    *times = ku__small(number) > 0 ? (size_t)ku__small(number) : 0;
    return true;
}

/* A bound as a place of the sequence: from the end when negative, and cut. */
static int64_t cut(int64_t bound, int64_t least, int64_t most, int64_t length) {
    bound = bound < 0 ? bound + length : bound;
    return bound < least ? least : bound > most ? most : bound;
}

bool ku__range_of(ku_isolate *isolate, int64_t start, int64_t stop, int64_t step, size_t length, ku__slice *range) {
    int64_t count = (int64_t)length;
    step = step == KU_OMITTED ? 1 : step;
    if (step == 0) {
        return ku_fail(isolate, KU_VALUE, "slice step cannot be zero");
    }
    bool up = step > 0;
    int64_t least = up ? 0 : -1, most = up ? count : count - 1;
    range->start = start == KU_OMITTED ? (up ? least : most) : cut(start, least, most, count);
    range->stop = stop == KU_OMITTED ? (up ? most : least) : cut(stop, least, most, count);
    range->step = step;
    int64_t span = up ? range->stop - range->start : range->start - range->stop;
    uint64_t stride = up ? (uint64_t)step : 0 - (uint64_t)step;
    range->count = span > 0 ? (size_t)(((uint64_t)span - 1) / stride + 1) : 0;
    if (range->count == 0 && up) {
        range->stop = range->start; /* an empty part lies where it starts */
    }
    return true;
}

/* ---- comparison ---- */

static ku_object *item_at(const ku_object *sequence, size_t index) {
    ku_object *item = ku_is_tuple(sequence) ? ku_tuple_at(sequence, index) : ku_list_at(sequence, index);
    return ku_new_reference(item);
}
static size_t length_of(const ku_object *sequence) {
    return ku_is_tuple(sequence) ? ku_tuple_length(sequence) : ku_list_length(sequence);
}

/* The first index at which they differ, or where one ends. False with the error pending. */
static bool first_difference(ku_isolate *isolate, ku_object *a, ku_object *b, size_t *index) {
    int answer = 1;
    size_t i = 0;
    for (; i < length_of(a) && i < length_of(b); i++) {
        ku_object *x = item_at(a, i), *y = item_at(b, i);
        answer = ku__same_or_equal(isolate, x, y);
        ku_decref(isolate, x);
        ku_decref(isolate, y);
        if (answer <= 0) {
            break;
        }
    }
    *index = i;
    return answer >= 0;
}

int ku__equal_sequences(ku_isolate *isolate, ku_object *a, ku_object *b) {
    size_t index;
    if (!ku__deeper(isolate, " in comparison")) {
        return -1;
    }
    bool good = first_difference(isolate, a, b, &index);
    ku__back(isolate);
    return good ? index >= length_of(a) && index >= length_of(b) : -1;
}

bool ku__order_holds(ku_comparison which, int order) {
    switch (which) {
    case KU_LESS: return order < 0;
    case KU_LESS_EQUAL: return order <= 0;
    case KU_EQUAL: return order == 0;
    case KU_NOT_EQUAL: return order != 0;
    case KU_GREATER: return order > 0;
    default: return order >= 0;
    }
}

int ku__compare_sequences(ku_isolate *isolate, ku_comparison which, ku_object *a, ku_object *b) {
    size_t index;
    if (!ku__deeper(isolate, " in comparison")) {
        return -1;
    }
    int answer = -1;
    if (first_difference(isolate, a, b, &index)) {
        ku_object *x = item_at(a, index), *y = item_at(b, index);
        if (x != NULL && y != NULL) {
            answer = ku_compare(isolate, which, x, y);
        } else {
            answer = ku__order_holds(which, (length_of(a) > length_of(b)) - (length_of(a) < length_of(b)));
        }
        ku_release(isolate, x);
        ku_release(isolate, y);
    }
    ku__back(isolate);
    return answer;
}

int ku__ordered(ku_comparison which, const char *a, size_t a_size, const char *b, size_t b_size) {
    int order = memcmp(a, b, a_size < b_size ? a_size : b_size);
    return ku__order_holds(which, order != 0 ? order : (a_size > b_size) - (a_size < b_size));
}

/* ---- iterators ---- */

ku_object *ku__iterator_new(ku_isolate *isolate, ku_object *over, ku__walk walk) {
    ku__iterator *made = (ku__iterator *)ku__object_raw(isolate, KU_BUILTIN_ITERATOR, sizeof *made);
    if (made == NULL) {
        return NULL;
    }
    made->over = ku_new_reference(over);
    made->index = 0;
    made->walk = (int32_t)walk;
    bool hashed = ku__is_a(over, KU_BUILTIN_DICT) || ku__is_a(over, KU_BUILTIN_SET);
    made->expected = hashed ? ku__table_length(ku__table_of(over)) : 0;
    return &made->header;
}

static ku_object *pair(ku_isolate *isolate, ku_object *key, ku_object *value) {
    ku_object *items[] = {ku_new_reference(key), ku_new_reference(value)};
    ku_object *made = ku_tuple_new(isolate, items, 2);
    ku_decref(isolate, items[0]);
    ku_decref(isolate, items[1]);
    return made;
}

static ku_object *next_entry(ku_isolate *isolate, ku__iterator *walk) {
    const ku__table *table = ku__table_of(walk->over);
    if (ku__table_length(table) != walk->expected) {
        walk->expected = SIZE_MAX; /* and never again anything else, as in CPython */
        return ku_fail_null(isolate, KU_RUNTIME,
                            ku__is_a(walk->over, KU_BUILTIN_SET) ? "Set changed size during iteration"
                                                                 : "dictionary changed size during iteration");
    }
    if (!ku__table_next(table, &walk->index)) {
        return NULL;
    }
    size_t entry = walk->index++;
    switch (walk->walk) {
    case KU__WALK_VALUES: return ku_new_reference(*ku__table_value(table, entry));
    case KU__WALK_PAIRS: return pair(isolate, ku__table_key(table, entry), *ku__table_value(table, entry));
    default: return ku_new_reference(ku__table_key(table, entry));
    }
}

static ku_object *next_of(ku_isolate *isolate, ku__iterator *walk) {
    const ku_object *over = walk->over;
    switch (ku__number_of(over)) {
    case KU_BUILTIN_STR: return ku__str_next(isolate, walk);
    case KU_BUILTIN_TUPLE: return ku_new_reference(ku_tuple_at(over, walk->index++));
    case KU_BUILTIN_LIST: return ku_new_reference(ku_list_at(over, walk->index++));
    case KU_BUILTIN_BYTES:
        if (walk->index >= ku_bytes_length(over)) {
            return NULL;
        }
        return ku_int(isolate, (uint8_t)ku_bytes_data(over)[walk->index++]);
    default: break;
    }
    return ku_is_list(over) ? ku_new_reference(ku_list_at(over, walk->index++)) : next_entry(isolate, walk);
}

static ku_object *iterator_next(ku_isolate *isolate, ku_object *self) {
    ku__iterator *walk = (ku__iterator *)(void *)self;
    if (walk->over == NULL) {
        return NULL;
    }
    ku_object *item = next_of(isolate, walk);
    if (item == NULL && ku_pending_error(isolate) == NULL) {
        ku_clear(isolate, &walk->over); /* once at its end, always at its end */
    }
    return item;
}

static ku_object *iterator_iter(ku_isolate *isolate, ku_object *self) {
    (void)isolate;
    return ku_new_reference(self);
}

static const ku_operations iterator_operations = {.iter = iterator_iter, .next = iterator_next};

static const ku_field iterator_fields[] = {
    {"over", offsetof(ku__iterator, over), KU_FIELD_OWNED, KU_FIELD_READ_ONLY | KU_FIELD_HIDDEN, 0},
    {"index", offsetof(ku__iterator, index), KU_FIELD_SIZE, KU_FIELD_READ_ONLY | KU_FIELD_HIDDEN, 0},
    {"expected", offsetof(ku__iterator, expected), KU_FIELD_SIZE, KU_FIELD_READ_ONLY | KU_FIELD_HIDDEN, 0},
    {"walk", offsetof(ku__iterator, walk), KU_FIELD_INT32, KU_FIELD_READ_ONLY | KU_FIELD_HIDDEN, 0},
    {NULL},
};

const ku_type_spec ku__iterator_spec = {
    .name = "iterator",
    .size = sizeof(ku__iterator),
    .fields = iterator_fields,
    .flags = KU_TYPE_FINAL | KU_TYPE_ABSTRACT,
    .doc = "A walk over a container.",
    .operations = &iterator_operations,
};

bool ku__take_all(ku_isolate *isolate, ku_object *iterable, ku_object *into, ku__take *take) {
    ku_object *walk = ku_iter(isolate, iterable), *item;
    bool good = walk != NULL;
    while (good && (item = ku_next(isolate, walk)) != NULL) {
        good = take(isolate, into, item);
        ku_decref(isolate, item);
    }
    ku_release(isolate, walk);
    return good && ku_pending_error(isolate) == NULL;
}
