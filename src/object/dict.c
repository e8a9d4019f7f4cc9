/* dict.c: dicts: tables from keys to values, in order of insertion (table.h). */
#include "object/values.h"

static ku__table *table_of(const ku_object *dict) {
    ku__table *table = ku__table_of(dict);
    table->width = 2; /* an instance that ku_new() made has zeros */
    return table;
}

bool ku__key_hash(ku_isolate *isolate, ku_object *key, const char *as, uint64_t *hash) {
    if (ku_is_exactly(key, KU_BUILTIN_STR)) {
        *hash = ku__str_hash(key);
        return true;
    }
    if (ku_hash(isolate, key, hash)) {
        return true;
    }
    if (ku_pending_error(isolate)->code == KU_TYPE) { /* CPython 3.14 says what for */
        ku_fail(isolate, KU_TYPE, "cannot use '%s' as a %s (%s)", ku__type_name(key), as,
                ku_pending_error(isolate)->message);
    }
    return false;
}

/* The entry of a key: as ku__table_find(), -2 also for what is no dict or cannot be hashed. */
static int64_t find(ku_isolate *isolate, ku_object *dict, ku_object *key, uint64_t *hash) {
    if (!ku__expect(isolate, dict, KU_BUILTIN_DICT) || !ku__key_hash(isolate, key, "dict key", hash)) {
        return -2;
    }
    return ku__table_find(isolate, table_of(dict), key, *hash);
}

static ku_object *make(ku_isolate *isolate, uint32_t number, uint8_t width) {
    ku__hashed *made = (ku__hashed *)ku__object_raw(isolate, number, sizeof *made);
    if (made == NULL) {
        return NULL;
    }
    made->table = (ku__table){.width = width};
    return &made->header;
}

ku_object *ku_dict_new(ku_isolate *isolate) {
    return make(isolate, KU_BUILTIN_DICT, 2);
}

bool ku_is_dict(const ku_object *object) {
    return ku__is_a(object, KU_BUILTIN_DICT);
}
size_t ku_dict_length(const ku_object *dict) {
    return ku_is_dict(dict) ? ku__table_length(ku__table_of(dict)) : 0;
}

/* ---- entries ---- */

bool ku_dict_find(ku_isolate *isolate, ku_object *dict, ku_object *key, ku_object **value) {
    uint64_t hash;
    int64_t entry = find(isolate, dict, key, &hash);
    *value = entry >= 0 ? ku_new_reference(*ku__table_value(table_of(dict), (size_t)entry)) : NULL;
    return entry != -2;
}

ku_object *ku_dict_get(ku_isolate *isolate, ku_object *dict, ku_object *key) {
    ku_object *value;
    if (ku_dict_find(isolate, dict, key, &value) && value == NULL) {
        ku__fail_key(isolate, key);
    }
    return value;
}

bool ku_dict_set(ku_isolate *isolate, ku_object *dict, ku_object *key, ku_object *value) {
    uint64_t hash;
    int64_t entry = find(isolate, dict, key, &hash);
    if (entry == -1) {
        return ku__table_add(isolate, table_of(dict), key, hash, value);
    }
    if (entry < 0) {
        return false;
    }
    ku_replace(isolate, ku__table_value(table_of(dict), (size_t)entry), ku_new_reference(value));
    return true;
}

/* Takes the entry of a key out; its value, new, or NULL with the error pending: KU_KEY when there is none. */
ku_object *ku_dict_pop(ku_isolate *isolate, ku_object *dict, ku_object *key) {
    uint64_t hash;
    int64_t entry = find(isolate, dict, key, &hash);
    if (entry < 0) {
        if (entry == -1) {
            ku__fail_key(isolate, key);
        }
        return NULL;
    }
    ku_object *own, *value;
    ku__table_take(table_of(dict), (size_t)entry, &own, &value);
    ku_decref(isolate, own);
    return value;
}

bool ku_dict_delete(ku_isolate *isolate, ku_object *dict, ku_object *key) {
    ku_object *value = ku_dict_pop(isolate, dict, key);
    ku_release(isolate, value);
    return value != NULL;
}

int ku_dict_contains(ku_isolate *isolate, ku_object *dict, ku_object *key) {
    uint64_t hash;
    int64_t entry = find(isolate, dict, key, &hash);
    return entry == -2 ? -1 : entry >= 0;
}

ku_object *ku_dict_set_default(ku_isolate *isolate, ku_object *dict, ku_object *key, ku_object *value) {
    uint64_t hash;
    int64_t entry = find(isolate, dict, key, &hash);
    if (entry == -2 || (entry == -1 && !ku__table_add(isolate, table_of(dict), key, hash, value))) {
        return NULL;
    }
    return ku_new_reference(entry >= 0 ? *ku__table_value(table_of(dict), (size_t)entry) : value);
}

bool ku_dict_clear(ku_isolate *isolate, ku_object *dict) {
    if (!ku__expect(isolate, dict, KU_BUILTIN_DICT)) {
        return false;
    }
    ku__table_clear(isolate, table_of(dict));
    return true;
}

/* By position, since setting may run code of the program that changes `other`. */
bool ku_dict_update(ku_isolate *isolate, ku_object *dict, ku_object *other) {
    if (!ku__expect(isolate, dict, KU_BUILTIN_DICT) || !ku__expect(isolate, other, KU_BUILTIN_DICT)) {
        return false;
    }
    size_t length = ku_dict_length(other);
    for (size_t entry = 0; ku__table_next(table_of(other), &entry); entry++) {
        ku_object *key = ku_new_reference(ku__table_key(table_of(other), entry));
        ku_object *value = ku_new_reference(*ku__table_value(table_of(other), entry));
        bool done = ku_dict_set(isolate, dict, key, value);
        ku_decref(isolate, key);
        ku_decref(isolate, value);
        if (!done) {
            return false;
        }
        if (dict != other && ku_dict_length(other) != length) {
            return ku_fail(isolate, KU_RUNTIME, "dict mutated during update");
        }
    }
    return true;
}

ku_object *ku_dict_copy(ku_isolate *isolate, ku_object *dict) {
    ku_object *made = ku_dict_new(isolate);
    if (made != NULL && ku__table_reserve(isolate, table_of(made), ku_dict_length(dict)) &&
        ku_dict_update(isolate, made, dict)) {
        return made;
    }
    ku_release(isolate, made);
    return NULL;
}

bool ku_dict_next(const ku_object *dict, size_t *position, ku_object **key, ku_object **value) {
    const ku__table *table = ku_is_dict(dict) ? table_of(dict) : NULL;
    if (table == NULL || !ku__table_next(table, position)) {
        return false;
    }
    size_t entry = (*position)++;
    if (key != NULL) {
        *key = ku__table_key(table, entry);
    }
    if (value != NULL) {
        *value = *ku__table_value(table, entry);
    }
    return true;
}

bool ku_dict_set_text(ku_isolate *isolate, ku_object *dict, const char *key, ku_object *value) {
    ku_object *text = ku_str(isolate, key);
    bool done = text != NULL && ku_dict_set(isolate, dict, text, value);
    ku_release(isolate, text);
    return done;
}

ku_object *ku_dict_get_text(ku_isolate *isolate, ku_object *dict, const char *key) {
    ku_object *text = ku_str(isolate, key);
    ku_object *value = text != NULL ? ku_dict_get(isolate, dict, text) : NULL;
    ku_release(isolate, text);
    return value;
}

/* ---- operations ---- */

static bool dict_set_item(ku_isolate *isolate, ku_object *self, ku_object *key, ku_object *value) {
    return value != NULL ? ku_dict_set(isolate, self, key, value) : ku_dict_delete(isolate, self, key);
}

static int64_t dict_length(ku_isolate *isolate, ku_object *self) {
    (void)isolate;
    return (int64_t)ku_dict_length(self);
}

static ku_object *dict_iter(ku_isolate *isolate, ku_object *self) {
    return ku__iterator_new(isolate, self, KU__WALK_KEYS);
}

static ku_object *walk(ku_isolate *isolate, ku_object *dict, ku__walk what) {
    return ku__expect(isolate, dict, KU_BUILTIN_DICT) ? ku__iterator_new(isolate, dict, what) : NULL;
}
ku_object *ku_dict_iter_values(ku_isolate *isolate, ku_object *dict) {
    return walk(isolate, dict, KU__WALK_VALUES);
}
ku_object *ku_dict_iter_items(ku_isolate *isolate, ku_object *dict) {
    return walk(isolate, dict, KU__WALK_PAIRS);
}

/* a | b: a's entries, then b's over them. */
static bool dict_binary(ku_isolate *isolate, ku_operator which, ku_object *left, ku_object *right, ku_object **result) {
    *result = NULL;
    if (which != KU_OR || !ku_is_dict(left) || !ku_is_dict(right)) {
        return true;
    }
    ku_object *made = ku_dict_copy(isolate, left);
    if (made != NULL && !ku_dict_update(isolate, made, right)) {
        ku_decref(isolate, made);
        made = NULL;
    }
    *result = made;
    return made != NULL;
}

static bool dict_in_place(ku_isolate *isolate, ku_operator which, ku_object *left, ku_object *right,
                          ku_object **result) {
    *result = NULL;
    if (which != KU_OR || !ku_is_dict(right)) {
        return true;
    }
    bool done = ku_dict_update(isolate, left, right);
    *result = done ? ku_new_reference(left) : NULL;
    return done;
}

/* Whether an entry of one dict is in the other. */
static int has_entry(ku_isolate *isolate, ku_object *dict, ku_object *key, ku_object *value) {
    ku_object *other;
    if (!ku_dict_find(isolate, dict, key, &other)) {
        return -1;
    }
    int answer = other != NULL ? ku__same_or_equal(isolate, value, other) : 0;
    ku_release(isolate, other);
    return answer;
}

static int dict_equal(ku_isolate *isolate, ku_object *self, ku_object *other) {
    if (!ku_is_dict(other)) {
        return KU_NO_ANSWER;
    }
    if (ku_dict_length(self) != ku_dict_length(other)) {
        return 0;
    }
    if (!ku__deeper(isolate, " in comparison")) {
        return -1;
    }
    int answer = 1;
    for (size_t entry = 0; answer > 0 && ku__table_next(table_of(self), &entry); entry++) {
        ku_object *key = ku_new_reference(ku__table_key(table_of(self), entry));
        ku_object *value = ku_new_reference(*ku__table_value(table_of(self), entry));
        answer = has_entry(isolate, other, key, value);
        ku_decref(isolate, key);
        ku_decref(isolate, value);
    }
    ku__back(isolate);
    return answer;
}

void ku__hashed_clear(ku_isolate *isolate, ku_object *self) {
    ku__table_clear(isolate, ku__table_of(self));
}

static const ku_operations dict_operations = {
    .binary = dict_binary,
    .in_place = dict_in_place,
    .length = dict_length,
    .contains = ku_dict_contains,
    .get_item = ku_dict_get,
    .set_item = dict_set_item,
    .iter = dict_iter,
};

static const ku_field dict_fields[] = {
    {"entries", offsetof(ku__hashed, table.items), KU_FIELD_ITEMS, KU_FIELD_HIDDEN, offsetof(ku__hashed, table.used)},
    {"used", offsetof(ku__hashed, table.used), KU_FIELD_SIZE, KU_FIELD_READ_ONLY | KU_FIELD_HIDDEN, 0},
    {"hashes", offsetof(ku__hashed, table.hashes), KU_FIELD_BUFFER, KU_FIELD_HIDDEN, 0},
    {"state", offsetof(ku__hashed, table.live), KU_FIELD_PLAIN, KU_FIELD_HIDDEN, 0},
    {NULL},
};

const ku_type_spec ku__dict_spec = {
    .name = "dict",
    .size = sizeof(ku__hashed),
    .fields = dict_fields,
    .doc = "A table from keys to values, in the order in which keys were first set.",
    .equal = dict_equal,
    .repr = ku__dict_repr,
    .clear = ku__hashed_clear,
    .operations = &dict_operations,
};
