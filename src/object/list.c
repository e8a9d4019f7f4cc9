/* list.c: lists: sequences that change. What walks and sorts them is in sequence.c and sort.c.
 *
 * Growth. A list that grows item by item gets room for an eighth more than it needs, and at least for 4, as in CPython
 * (Objects/listobject.c, list_resize): each of n appends then copies less than nine items on average, and at most an
 * eighth is unused. A list made with its items at once has room for just these. Room is given back when less than half
 * of it is used.
 *
 * Invariants: length <= room where there are items; items from 0 to length - 1 are not NULL, except while the collector
 * takes the list apart.
 */
#include "object/values.h"

#include <string.h>

static ku__list *list_of(const ku_object *object) {
    return (ku__list *)(uintptr_t)object;
}

/* ---- making, growing ---- */

ku_object *ku__list_room(ku_isolate *isolate, size_t length) {
    ku_object **items = NULL;
    if (length > SIZE_MAX / 2 / sizeof(ku_object *)) {
        return ku_fail_null(isolate, KU_NO_MEMORY, "isolate '%s' cannot hold %zu items", isolate->name, length);
    }
    if (length > 0 && (items = (ku_object **)ku_buffer_new(isolate, length * sizeof *items)) == NULL) {
        return NULL;
    }
    ku__list *made = (ku__list *)ku__object_raw(isolate, KU_BUILTIN_LIST, sizeof *made);
    if (made == NULL) {
        ku_buffer_free(isolate, items);
        return NULL;
    }
    if (length > 0) {
        memset(items, 0, length * sizeof *items);
    }
    made->items = items;
    made->length = made->room = length;
    return &made->header;
}

static bool set_room(ku_isolate *isolate, ku__list *list, size_t length);

/* Where the heap refuses: asking for memory then may collect, which may run code of the program, which may change this
 * very list. So the items are moved only after that, and if it is not the same list any more, all begins anew. */
static bool set_room_slowly(ku_isolate *isolate, ku__list *list, size_t length, size_t wanted) {
    ku_object **old = list->items;
    size_t before = list->length;
    ku_object **items = (ku_object **)ku_buffer_new(isolate, wanted * sizeof *items);
    if (items == NULL) {
        return false;
    }
    if (list->items != old || list->length != before) {
        ku_buffer_free(isolate, items);
        return set_room(isolate, list, length - before + list->length);
    }
    if (old != NULL) {
        memcpy(items, old, before * sizeof *items);
    }
    list->items = items;
    list->room = wanted;
    ku_buffer_free(isolate, old);
    return true;
}

/* Sets the length to at most the room for it; items beyond the old length are to be written by the caller. */
static bool set_room(ku_isolate *isolate, ku__list *list, size_t length) {
    size_t room = list->items != NULL ? list->room : 0;
    if (length <= room && length >= room / 2) {
        return true;
    }
    size_t wanted = length + length / 8 + (length < 9 ? 3 : 6);
    wanted = length == 0 ? 0 : wanted & ~(size_t)3; /* CPython's steps: 4, 8, 16, 24, 32, 40, 52, 64, 76, ... */
    if (wanted == 0 || wanted > SIZE_MAX / 2 / sizeof(ku_object *)) {
        return length == 0 ||
               ku_fail(isolate, KU_NO_MEMORY, "isolate '%s' cannot hold %zu items", isolate->name, length);
    }
    ku_object **items = (ku_object **)ku__buffer_try(isolate, list->items, wanted * sizeof *items);
    if (items == NULL) {
        return length <= room || set_room_slowly(isolate, list, length, wanted); /* a smaller one may stay as it is */
    }
    list->items = items;
    list->room = wanted;
    return true;
}

ku_object *ku_list_new(ku_isolate *isolate, ku_object *const *items, size_t length) {
    ku_object *made = ku__list_room(isolate, length);
    for (size_t i = 0; made != NULL && i < length; i++) {
        list_of(made)->items[i] = ku_new_reference(items[i]);
    }
    return made;
}

ku_object *ku_list_from(ku_isolate *isolate, ku_object *iterable) {
    ku_object *made = ku__list_room(isolate, 0);
    if (made != NULL && !ku_list_extend(isolate, made, iterable)) {
        ku_decref(isolate, made);
        return NULL;
    }
    return made;
}

bool ku_is_list(const ku_object *object) {
    return ku__is_a(object, KU_BUILTIN_LIST);
}
size_t ku_list_length(const ku_object *list) {
    return ku_is_list(list) ? list_of(list)->length : 0;
}
ku_object *ku_list_at(const ku_object *list, size_t index) {
    return index < ku_list_length(list) ? list_of(list)->items[index] : NULL;
}

/* ---- changing ---- */

bool ku_list_append(ku_isolate *isolate, ku_object *list, ku_object *item) {
    if (!ku__expect(isolate, list, KU_BUILTIN_LIST)) {
        return false;
    }
    ku__list *l = list_of(list);
    if ((l->items == NULL || l->length == l->room) && !set_room(isolate, l, l->length + 1)) {
        return false;
    }
    ku_incref(item);
    l->items[l->length++] = item;
    return true;
}

/* Items of an array, which may be the list's own: its length is read once. */
static bool extend_array(ku_isolate *isolate, ku_object *list, ku_object *other, size_t count) {
    ku__list *l = list_of(list);
    if (count > SIZE_MAX / 16 || !set_room(isolate, l, l->length + count)) {
        return false;
    }
    ku_object **items = ku_is_tuple(other) ? ku__tuple_items(other) : list_of(other)->items;
    for (size_t i = 0; i < count; i++) {
        l->items[l->length++] = ku_new_reference(items[i]);
    }
    return true;
}

bool ku_list_extend(ku_isolate *isolate, ku_object *list, ku_object *iterable) {
    if (!ku__expect(isolate, list, KU_BUILTIN_LIST)) {
        return false;
    }
    if (ku_is_tuple(iterable) || ku_is_exactly(iterable, KU_BUILTIN_LIST)) {
        size_t count = ku_is_tuple(iterable) ? ku_tuple_length(iterable) : ku_list_length(iterable);
        return extend_array(isolate, list, iterable, count);
    }
    return ku__take_all(isolate, iterable, list, ku_list_append);
}

bool ku_list_insert(ku_isolate *isolate, ku_object *list, int64_t index, ku_object *item) {
    if (!ku_list_append(isolate, list, item)) { /* makes the room, and checks */
        return false;
    }
    ku__list *l = list_of(list);
    int64_t length = (int64_t)l->length - 1;
    index = index < 0 ? index + length : index;
    index = index < 0 ? 0 : index > length ? length : index;
    memmove(l->items + index + 1, l->items + index, (size_t)(length - index) * sizeof *l->items);
    l->items[index] = item;
    return true;
}

/* Takes items [at, at + count) out of the list into `out`, which gets their references. */
static void take_out(ku__list *l, size_t at, size_t count, ku_object **out) {
    memcpy(out, l->items + at, count * sizeof *out);
    memmove(l->items + at, l->items + at + count, (l->length - at - count) * sizeof *out);
    l->length -= count;
}

ku_object *ku_list_pop(ku_isolate *isolate, ku_object *list, int64_t index) {
    if (!ku__expect(isolate, list, KU_BUILTIN_LIST)) {
        return NULL;
    }
    ku__list *l = list_of(list);
    size_t position;
    if (l->length == 0) {
        return ku_fail_null(isolate, KU_INDEX, "pop from empty list");
    }
    if (!ku__position_of(isolate, index, l->length, "pop index out of range", &position)) {
        return NULL;
    }
    ku_object *item;
    take_out(l, position, 1, &item);
    set_room(isolate, l, l->length); /* smaller: cannot fail */
    return item;
}

bool ku_list_remove(ku_isolate *isolate, ku_object *list, ku_object *item) {
    if (!ku__expect(isolate, list, KU_BUILTIN_LIST)) {
        return false;
    }
    for (size_t i = 0; i < list_of(list)->length; i++) {
        ku_object *own = ku_new_reference(list_of(list)->items[i]);
        int answer = ku__same_or_equal(isolate, own, item);
        ku_decref(isolate, own);
        if (answer < 0) {
            return false;
        }
        if (answer > 0) {
            own = i < list_of(list)->length ? ku_list_pop(isolate, list, (int64_t)i) : NULL;
            ku_release(isolate, own);
            return true;
        }
    }
    return ku_fail(isolate, KU_VALUE, "list.remove(x): x not in list");
}

bool ku_list_clear(ku_isolate *isolate, ku_object *list) {
    if (!ku__expect(isolate, list, KU_BUILTIN_LIST)) {
        return false;
    }
    ku__list *l = list_of(list);
    ku_object **items = l->items;
    size_t length = l->length;
    l->items = NULL;
    l->length = l->room = 0; /* empty before anything is freed */
    for (size_t i = length; i-- > 0;) {
        ku_release(isolate, items[i]);
    }
    ku_buffer_free(isolate, items);
    return true;
}

bool ku_list_reverse(ku_isolate *isolate, ku_object *list) {
    if (!ku__expect(isolate, list, KU_BUILTIN_LIST)) {
        return false;
    }
    ku__list *l = list_of(list);
    for (size_t low = 0, high = l->length; low + 1 < high; low++, high--) {
        ku_object *swap = l->items[low];
        l->items[low] = l->items[high - 1];
        l->items[high - 1] = swap;
    }
    return true;
}

/* ---- slices ---- */

ku_object *ku__list_slice(ku_isolate *isolate, ku_object *self, const ku__slice *range) {
    ku_object *made = ku__list_room(isolate, range->count); /* may run finalizers, and those may change the list */
    size_t length = list_of(self)->length, count = made != NULL ? range->count : 0, filled = 0;
    for (size_t i = 0; i < count; i++) {
        size_t at = (size_t)(range->start + (int64_t)i * range->step);
        if (at < length) {
            list_of(made)->items[filled++] = ku_new_reference(list_of(self)->items[at]);
        }
    }
    if (made != NULL) {
        list_of(made)->length = filled;
    }
    return made;
}

/* Puts the items of `with`, a list or tuple that is not this list, in the place of [start, start + count). */
static bool replace_part(ku_isolate *isolate, ku_object *list, size_t start, size_t count, ku_object *const *with,
                         size_t with_length) {
    ku__list *l = list_of(list);
    size_t rest = l->length - start - count, length = l->length - count + with_length;
    ku_object *old = ku__list_room(isolate, count); /* what is taken out dies with it, after all is in place */
    if (old == NULL || (with_length > count && !set_room(isolate, l, length))) {
        ku_release(isolate, old);
        return false;
    }
    if (count > 0) {
        memcpy(list_of(old)->items, l->items + start, count * sizeof *l->items);
    }
    if (rest > 0) {
        memmove(l->items + start + with_length, l->items + start + count, rest * sizeof *l->items);
    }
    for (size_t i = 0; i < with_length; i++) {
        l->items[start + i] = ku_new_reference(with[i]);
    }
    l->length = length;
    set_room(isolate, l, length);
    ku_decref(isolate, old);
    return true;
}

static bool replace_stepped(ku_isolate *isolate, ku__list *l, const ku__slice *range, ku_object *const *with,
                            size_t with_length) {
    if (with_length != range->count) {
        return ku_fail(isolate, KU_VALUE, "attempt to assign sequence of size %zu to extended slice of size %zu",
                       with_length, range->count);
    }
    for (size_t i = 0; i < range->count; i++) {
        size_t at = (size_t)(range->start + (int64_t)i * range->step);
        if (at < l->length) { /* what died may have made the list shorter */
            ku_replace(isolate, &l->items[at], ku_new_reference(with[i]));
        }
    }
    return true;
}

/* Every step-th item, forwards: the items between move down. */
static bool delete_stepped(ku_isolate *isolate, ku__list *l, ku__slice range) {
    if (range.step < 0) {
        range.start += (int64_t)(range.count - 1) * range.step;
        range.step = -range.step;
    }
    ku_object *old = ku__list_room(isolate, range.count);
    if (old == NULL) {
        return false;
    }
    size_t to = (size_t)range.start, taken = 0;
    for (size_t from = to; from < l->length; from++) {
        if (taken < range.count && from == (size_t)(range.start + (int64_t)taken * range.step)) {
            list_of(old)->items[taken++] = l->items[from];
        } else {
            l->items[to++] = l->items[from];
        }
    }
    l->length = to;
    list_of(old)->length = taken;
    ku_decref(isolate, old);
    return true;
}

bool ku_set_slice(ku_isolate *isolate, ku_object *list, int64_t start, int64_t stop, int64_t step,
                  ku_object *iterable) {
    ku__slice range;
    if (!ku__expect(isolate, list, KU_BUILTIN_LIST)) {
        return false;
    }
    if (iterable != NULL &&
        (ku__type_of(iterable)->operations == NULL || ku__type_of(iterable)->operations->iter == NULL)) {
        return ku_fail(isolate, KU_TYPE, "must assign iterable to extended slice");
    }
    ku_object *with = iterable != NULL ? ku_list_from(isolate, iterable) : NULL; /* a copy: it may be the list itself */
    if ((iterable != NULL && with == NULL) || !ku__range_of(isolate, start, stop, step, ku_list_length(list), &range)) {
        ku_release(isolate, with);
        return false;
    }
    ku_object **items = with != NULL ? list_of(with)->items : NULL;
    size_t length = with != NULL ? list_of(with)->length : 0;
    bool done;
    if (range.step == 1) {
        done = replace_part(isolate, list, (size_t)range.start, range.count, items, length);
    } else if (with == NULL) {
        done = range.count == 0 || delete_stepped(isolate, list_of(list), range);
    } else {
        done = replace_stepped(isolate, list_of(list), &range, items, length);
    }
    ku_release(isolate, with);
    return done;
}

/* ---- operations ---- */

static ku_object *concatenate(ku_isolate *isolate, ku_object *a, ku_object *b) {
    ku_object *made = ku__list_room(isolate, 0);
    if (made == NULL ||
        (extend_array(isolate, made, a, ku_list_length(a)) && extend_array(isolate, made, b, ku_list_length(b)))) {
        return made;
    }
    ku_decref(isolate, made);
    return NULL;
}

static ku_object *repeat(ku_isolate *isolate, ku_object *self, ku_object *number) {
    size_t length = list_of(self)->length, times, all;
    if (!ku__times(isolate, number, &times)) {
        return NULL;
    }
    ku_object *made = ku__list_room(isolate, __builtin_mul_overflow(length, times, &all) ? SIZE_MAX : all);
    if (made == NULL) {
        return NULL;
    }
    for (size_t i = 0; i < all && i % length < list_of(self)->length; i++) {
        list_of(made)->items[i] = ku_new_reference(list_of(self)->items[i % length]);
    }
    return made;
}

static bool list_binary(ku_isolate *isolate, ku_operator which, ku_object *left, ku_object *right, ku_object **result) {
    *result = NULL;
    bool left_is = ku_is_list(left), right_is = ku_is_list(right);
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

static bool multiply_in_place(ku_isolate *isolate, ku_object *self, ku_object *number) {
    size_t length = list_of(self)->length, times;
    if (!ku__times(isolate, number, &times)) {
        return false;
    }
    if (times == 0) {
        return ku_list_clear(isolate, self);
    }
    size_t all;
    if (__builtin_mul_overflow(length, times, &all) || all > SIZE_MAX / 16 || !set_room(isolate, list_of(self), all)) {
        return ku_pending_error(isolate) == NULL ? ku_fail(isolate, KU_NO_MEMORY, "a list of too many items") : false;
    }
    ku__list *l = list_of(self);
    for (size_t i = length; i < all; i++) {
        l->items[l->length++] = ku_new_reference(l->items[i % length]);
    }
    return true;
}

static bool list_in_place(ku_isolate *isolate, ku_operator which, ku_object *left, ku_object *right,
                          ku_object **result) {
    *result = NULL;
    bool done = false;
    if (which == KU_ADD) {
        done = ku_list_extend(isolate, left, right);
    } else if (which == KU_MULTIPLY && ku__is_int(right)) {
        done = multiply_in_place(isolate, left, right);
    } else {
        return true;
    }
    *result = done ? ku_new_reference(left) : NULL;
    return done;
}

static ku_object *list_get_item(ku_isolate *isolate, ku_object *self, ku_object *key) {
    size_t index;
    if (!ku__index_of(isolate, key, list_of(self)->length, "list indices", "list index out of range", &index)) {
        return NULL;
    }
    return ku_new_reference(list_of(self)->items[index]);
}

static bool list_set_item(ku_isolate *isolate, ku_object *self, ku_object *key, ku_object *value) {
    size_t index;
    ku__list *l = list_of(self);
    if (!ku__index_of(isolate, key, l->length, "list indices", "list assignment index out of range", &index)) {
        return false;
    }
    if (value != NULL) {
        ku_replace(isolate, &l->items[index], ku_new_reference(value));
        return true;
    }
    ku_object *item;
    take_out(l, index, 1, &item);
    ku_decref(isolate, item);
    return true;
}

static int64_t list_length(ku_isolate *isolate, ku_object *self) {
    (void)isolate;
    return (int64_t)list_of(self)->length;
}

static ku_object *list_iter(ku_isolate *isolate, ku_object *self) {
    return ku__iterator_new(isolate, self, KU__WALK_ITEMS);
}

static int list_equal(ku_isolate *isolate, ku_object *self, ku_object *other) {
    if (!ku_is_list(other)) {
        return KU_NO_ANSWER;
    }
    return list_of(self)->length != list_of(other)->length ? 0 : ku__equal_sequences(isolate, self, other);
}

static int list_compare(ku_isolate *isolate, ku_comparison which, ku_object *self, ku_object *other) {
    return ku_is_list(other) ? ku__compare_sequences(isolate, which, self, other) : KU_NO_ANSWER;
}

static const ku_operations list_operations = {
    .binary = list_binary,
    .in_place = list_in_place,
    .compare = list_compare,
    .length = list_length,
    .get_item = list_get_item,
    .set_item = list_set_item,
    .iter = list_iter,
};

static const ku_field list_fields[] = {
    {"items", offsetof(ku__list, items), KU_FIELD_ITEMS, KU_FIELD_HIDDEN, offsetof(ku__list, length)},
    {"length", offsetof(ku__list, length), KU_FIELD_SIZE, KU_FIELD_READ_ONLY | KU_FIELD_HIDDEN, 0},
    {"room", offsetof(ku__list, room), KU_FIELD_SIZE, KU_FIELD_READ_ONLY | KU_FIELD_HIDDEN, 0},
    {NULL},
};

const ku_type_spec ku__list_spec = {
    .name = "list",
    .size = sizeof(ku__list),
    .fields = list_fields,
    .doc = "A sequence of objects that can change.",
    .equal = list_equal,
    .repr = ku__list_repr,
    .operations = &list_operations,
};
