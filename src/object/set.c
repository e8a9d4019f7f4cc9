/* set.c: sets: tables of items, in the order in which they were added (table.h). */
#include "object/values.h"

static ku__table *table_of(const ku_object *set) {
    ku__table *table = ku__table_of(set);
    table->width = 1; /* an instance that ku_new() made has zeros */
    return table;
}

static int64_t find(ku_isolate *isolate, ku_object *set, ku_object *item, uint64_t *hash) {
    if (!ku__expect(isolate, set, KU_BUILTIN_SET) || !ku__key_hash(isolate, item, "set element", hash)) {
        return -2;
    }
    return ku__table_find(isolate, table_of(set), item, *hash);
}

ku_object *ku_set_new(ku_isolate *isolate) {
    ku__hashed *made = (ku__hashed *)ku__object_raw(isolate, KU_BUILTIN_SET, sizeof *made);
    if (made == NULL) {
        return NULL;
    }
    made->table = (ku__table){.width = 1};
    return &made->header;
}

ku_object *ku_set_from(ku_isolate *isolate, ku_object *iterable) {
    ku_object *made = ku_set_new(isolate);
    if (made != NULL && !ku__take_all(isolate, iterable, made, ku_set_add)) {
        ku_decref(isolate, made);
        return NULL;
    }
    return made;
}

bool ku_is_set(const ku_object *object) {
    return ku__is_a(object, KU_BUILTIN_SET);
}
size_t ku_set_length(const ku_object *set) {
    return ku_is_set(set) ? ku__table_length(ku__table_of(set)) : 0;
}

bool ku_set_add(ku_isolate *isolate, ku_object *set, ku_object *item) {
    uint64_t hash;
    int64_t entry = find(isolate, set, item, &hash);
    return entry == -1 ? ku__table_add(isolate, table_of(set), item, hash, NULL) : entry >= 0;
}

/* Takes an item out: 1, 0 when it is not there, -1. */
static int take(ku_isolate *isolate, ku_object *set, ku_object *item) {
    uint64_t hash;
    int64_t entry = find(isolate, set, item, &hash);
    if (entry < 0) {
        return entry == -1 ? 0 : -1;
    }
    ku_object *own, *none;
    ku__table_take(table_of(set), (size_t)entry, &own, &none);
    ku_decref(isolate, own);
    return 1;
}

bool ku_set_discard(ku_isolate *isolate, ku_object *set, ku_object *item) {
    return take(isolate, set, item) >= 0;
}

bool ku_set_remove(ku_isolate *isolate, ku_object *set, ku_object *item) {
    int taken = take(isolate, set, item);
    return taken > 0 || (taken == 0 && ku__fail_key(isolate, item));
}

int ku_set_contains(ku_isolate *isolate, ku_object *set, ku_object *item) {
    uint64_t hash;
    int64_t entry = find(isolate, set, item, &hash);
    return entry == -2 ? -1 : entry >= 0;
}

ku_object *ku_set_pop(ku_isolate *isolate, ku_object *set) {
    size_t entry = 0;
    if (!ku__expect(isolate, set, KU_BUILTIN_SET)) {
        return NULL;
    }
    if (!ku__table_next(table_of(set), &entry)) {
        return ku_fail_null(isolate, KU_KEY, "'pop from an empty set'");
    }
    ku_object *own, *none;
    ku__table_take(table_of(set), entry, &own, &none);
    return own;
}

bool ku_set_clear(ku_isolate *isolate, ku_object *set) {
    if (!ku__expect(isolate, set, KU_BUILTIN_SET)) {
        return false;
    }
    ku__table_clear(isolate, table_of(set));
    return true;
}

bool ku_set_next(const ku_object *set, size_t *position, ku_object **item) {
    const ku__table *table = ku_is_set(set) ? table_of(set) : NULL;
    if (table == NULL || !ku__table_next(table, position)) {
        return false;
    }
    *item = ku__table_key(table, (*position)++);
    return true;
}

/* ---- algebra ---- */

/* Adds to `made` the items of `from` of which "is in `other`" is what is wanted; all without `other`. */
static bool add_where(ku_isolate *isolate, ku_object *made, ku_object *from, ku_object *other, bool wanted) {
    bool good = true;
    for (size_t entry = 0; good && ku__table_next(table_of(from), &entry); entry++) {
        ku_object *item = ku_new_reference(ku__table_key(table_of(from), entry));
        int is_in = other != NULL ? ku_set_contains(isolate, other, item) : wanted;
        good = is_in >= 0 && (is_in != wanted || ku_set_add(isolate, made, item));
        ku_decref(isolate, item);
    }
    return good;
}

static bool combine(ku_isolate *isolate, ku_operator which, ku_object *made, ku_object *a, ku_object *b) {
    switch (which) {
    case KU_AND: return add_where(isolate, made, a, b, true);
    case KU_OR: return add_where(isolate, made, a, NULL, true) && add_where(isolate, made, b, NULL, true);
    case KU_SUBTRACT: return add_where(isolate, made, a, b, false);
    default: return add_where(isolate, made, a, b, false) && add_where(isolate, made, b, a, false);
    }
}

static bool set_binary(ku_isolate *isolate, ku_operator which, ku_object *left, ku_object *right, ku_object **result) {
    *result = NULL;
    bool known = which == KU_AND || which == KU_OR || which == KU_XOR || which == KU_SUBTRACT;
    if (!known || !ku_is_set(left) || !ku_is_set(right)) {
        return true;
    }
    ku_object *made = ku_set_new(isolate);
    if (made != NULL && !combine(isolate, which, made, left, right)) {
        ku_decref(isolate, made);
        made = NULL;
    }
    *result = made;
    return made != NULL;
}

/* The result is made apart and then exchanged with what the set had. */
static bool set_in_place(ku_isolate *isolate, ku_operator which, ku_object *left, ku_object *right,
                         ku_object **result) {
    if (!set_binary(isolate, which, left, right, result)) {
        return false;
    }
    if (*result == NULL) {
        return true;
    }
    ku__table *own = table_of(left), *made = table_of(*result), swap = *own;
    *own = *made;
    own->changes = (uint16_t)(swap.changes + 1);
    *made = swap;
    ku_decref(isolate, *result);
    *result = ku_new_reference(left);
    return true;
}

/* Whether all items of a are in b: 1, 0, -1. */
static int is_part(ku_isolate *isolate, ku_object *a, ku_object *b) {
    int answer = 1;
    if (ku_set_length(a) > ku_set_length(b)) {
        return 0;
    }
    for (size_t entry = 0; answer > 0 && ku__table_next(table_of(a), &entry); entry++) {
        ku_object *item = ku_new_reference(ku__table_key(table_of(a), entry));
        answer = ku_set_contains(isolate, b, item);
        ku_decref(isolate, item);
    }
    return answer;
}

static int set_equal(ku_isolate *isolate, ku_object *self, ku_object *other) {
    if (!ku_is_set(other)) {
        return KU_NO_ANSWER;
    }
    return ku_set_length(self) != ku_set_length(other) ? 0 : is_part(isolate, self, other);
}

/* Parts: < and <= of a set ask whether it is part of the other. */
static int set_compare(ku_isolate *isolate, ku_comparison which, ku_object *self, ku_object *other) {
    if (!ku_is_set(other)) {
        return KU_NO_ANSWER;
    }
    bool strict = which == KU_LESS || which == KU_GREATER, up = which == KU_LESS || which == KU_LESS_EQUAL;
    if (strict && ku_set_length(self) == ku_set_length(other)) {
        return 0;
    }
    return up ? is_part(isolate, self, other) : is_part(isolate, other, self);
}

static int64_t set_length(ku_isolate *isolate, ku_object *self) {
    (void)isolate;
    return (int64_t)ku_set_length(self);
}

static ku_object *set_iter(ku_isolate *isolate, ku_object *self) {
    return ku__iterator_new(isolate, self, KU__WALK_KEYS);
}

static const ku_operations set_operations = {
    .binary = set_binary,
    .in_place = set_in_place,
    .compare = set_compare,
    .length = set_length,
    .contains = ku_set_contains,
    .iter = set_iter,
};

static const ku_field set_fields[] = {
    {"items", offsetof(ku__hashed, table.items), KU_FIELD_ITEMS, KU_FIELD_HIDDEN, offsetof(ku__hashed, table.used)},
    {"used", offsetof(ku__hashed, table.used), KU_FIELD_SIZE, KU_FIELD_READ_ONLY | KU_FIELD_HIDDEN, 0},
    {"hashes", offsetof(ku__hashed, table.hashes), KU_FIELD_BUFFER, KU_FIELD_HIDDEN, 0},
    {"state", offsetof(ku__hashed, table.live), KU_FIELD_PLAIN, KU_FIELD_HIDDEN, 0},
    {NULL},
};

const ku_type_spec ku__set_spec = {
    .name = "set",
    .size = sizeof(ku__hashed),
    .fields = set_fields,
    .doc = "Items, each once.",
    .equal = set_equal,
    .repr = ku__set_repr,
    .clear = ku__hashed_clear,
    .operations = &set_operations,
};
