/* weak_containers.c: dictionaries that hold their values or keys weakly, and the weak set.
 *
 * Each is an object around an ordinary dict or set:
 *
 *     weak values   key -> weak reference to the value, whose callback holds the key
 *     weak keys     weak reference to the key -> value
 *     weak set      weak references to the items
 *
 * The callback takes the entry out when what is held weakly dies. It knows its container by a weak reference, as the
 * container may be gone by then. Between the death and the callback (other callbacks may run first) an entry is there
 * whose reference is empty: it counts as absent.
 *
 * A weak reference without a callback is equal to one with a callback to an equal referent and has its hash, so that a
 * shared one serves to look keys and items up.
 *
 * Lock: the isolate's. Source: the Python library reference, "weakref"; Lib/weakref.py and Lib/_weakrefset.py of 3.14.
 */
#include "object/weak.h"

#include <kucha/container.h>
#include <kucha/operations.h>
#include <kucha/text.h>

typedef struct container {
    ku_object header;
    ku_object *table; /* a dict or a set */
} container;

static ku_object *table_of(const ku_object *object) {
    return ((const container *)(const void *)object)->table;
}

static ku_object *container_new(ku_isolate *isolate, ku_builtin kind) {
    ku_object *table = kind == KU_BUILTIN_WEAK_SET ? ku_set_new(isolate) : ku_dict_new(isolate);
    container *made = table != NULL ? (container *)(void *)ku__object_new(isolate, kind) : NULL;
    if (made == NULL) {
        ku_release(isolate, table);
        return NULL;
    }
    made->table = table;
    return &made->header;
}

ku_object *ku_weak_value_dict_new(ku_isolate *isolate) {
    return container_new(isolate, KU_BUILTIN_WEAK_VALUE_DICT);
}

ku_object *ku_weak_key_dict_new(ku_isolate *isolate) {
    return container_new(isolate, KU_BUILTIN_WEAK_KEY_DICT);
}

ku_object *ku_weak_set_new(ku_isolate *isolate) {
    return container_new(isolate, KU_BUILTIN_WEAK_SET);
}

static bool is_weak_dict(ku_isolate *isolate, const ku_object *object) {
    return ku_is_exactly(object, KU_BUILTIN_WEAK_VALUE_DICT) || ku_is_exactly(object, KU_BUILTIN_WEAK_KEY_DICT) ||
           ku_fail(isolate, KU_TYPE, "expected a weak dictionary, got '%s'", ku_type_name(ku_type_of(object)));
}

static bool is_weak_set(ku_isolate *isolate, const ku_object *object) {
    return ku_is_exactly(object, KU_BUILTIN_WEAK_SET) ||
           ku_fail(isolate, KU_TYPE, "expected a weak set, got '%s'", ku_type_name(ku_type_of(object)));
}

static bool holds_values(const ku_object *dict) {
    return ku_is_exactly(dict, KU_BUILTIN_WEAK_VALUE_DICT);
}

/* ---- entries go ---- */

/* The container of a callback, new; NULL: gone. */
static ku_object *owner_of(const ku__callback *callback) {
    return ku_new_reference(ku__weak_peek((const ku__weakref *)(const void *)callback->owner));
}

/* Whether a dict has exactly this reference under the key. */
static bool has_this(ku_isolate *isolate, ku_object *table, ku_object *key, const ku_object *reference) {
    ku_object *there = NULL;
    bool found = ku_dict_find(isolate, table, key, &there) && there == reference;
    ku_release(isolate, there);
    return found;
}

static void value_dies(ku_isolate *isolate, ku_object *reference, void *argument) {
    const ku__callback *callback = (const ku__callback *)argument;
    ku_object *dict = owner_of(callback);
    if (dict != NULL && has_this(isolate, table_of(dict), callback->held, reference)) {
        ku_dict_delete(isolate, table_of(dict), callback->held);
    }
    ku_release(isolate, dict);
}

static void key_dies(ku_isolate *isolate, ku_object *reference, void *argument) {
    ku_object *dict = owner_of((const ku__callback *)argument);
    if (dict != NULL && ku_dict_contains(isolate, table_of(dict), reference) == 1) {
        ku_dict_delete(isolate, table_of(dict), reference);
    }
    ku_release(isolate, dict);
}

static void item_dies(ku_isolate *isolate, ku_object *reference, void *argument) {
    ku_object *set = owner_of((const ku__callback *)argument);
    if (set != NULL) {
        ku_set_discard(isolate, table_of(set), reference);
    }
    ku_release(isolate, set);
}

/* A weak reference whose death of referent the container is told. New. */
static ku_object *watched(ku_isolate *isolate, ku_object *holder, ku_object *object, ku_weakref_callback *dies,
                          ku_object *key) {
    ku_object *owner = ku_weakref_new(isolate, holder, NULL);
    ku__callback *callback = owner != NULL ? ku__callback_new(isolate, dies, owner, key) : NULL;
    ku_object *reference = callback != NULL ? ku_weakref_new(isolate, object, &callback->header) : NULL;
    ku_release(isolate, (ku_object *)callback);
    ku_release(isolate, owner);
    return reference;
}

/* ---- dictionaries ---- */

/* What the dict has under the key: the value, new; NULL without an error where nothing is, or nothing lives. */
static bool find(ku_isolate *isolate, ku_object *dict, ku_object *key, ku_object **value) {
    *value = NULL;
    if (holds_values(dict)) {
        ku_object *reference;
        if (!ku_dict_find(isolate, table_of(dict), key, &reference)) {
            return false;
        }
        *value = reference != NULL ? ku_weakref_get(isolate, reference) : NULL;
        ku_release(isolate, reference);
        return true;
    }
    ku_object *reference = ku_weakref_new(isolate, key, NULL);
    bool done = reference != NULL && ku_dict_find(isolate, table_of(dict), reference, value);
    ku_release(isolate, reference);
    return done;
}

/* KeyError, with the key's repr as text and the key as value. */
static bool no_such_key(ku_isolate *isolate, ku_object *key) {
    ku_object *text = ku_repr(isolate, key);
    if (text != NULL) {
        ku_raise(isolate, key, ku_str_text(text));
        isolate->pending.error.code = KU_KEY;
        ku_decref(isolate, text);
    }
    return false;
}

ku_object *ku_weak_dict_get(ku_isolate *isolate, ku_object *dict, ku_object *key) {
    ku_object *value = NULL;
    if (is_weak_dict(isolate, dict) && find(isolate, dict, key, &value) && value == NULL) {
        no_such_key(isolate, key);
    }
    return value;
}

int ku_weak_dict_contains(ku_isolate *isolate, ku_object *dict, ku_object *key) {
    ku_object *value = NULL;
    if (!is_weak_dict(isolate, dict) || !find(isolate, dict, key, &value)) {
        return -1;
    }
    ku_release(isolate, value);
    return value != NULL;
}

bool ku_weak_dict_set(ku_isolate *isolate, ku_object *dict, ku_object *key, ku_object *value) {
    if (!is_weak_dict(isolate, dict)) {
        return false;
    }
    bool by_value = holds_values(dict);
    ku_object *reference =
        watched(isolate, dict, by_value ? value : key, by_value ? value_dies : key_dies, by_value ? key : NULL);
    bool done = reference != NULL &&
                ku_dict_set(isolate, table_of(dict), by_value ? key : reference, by_value ? reference : value);
    ku_release(isolate, reference);
    return done;
}

bool ku_weak_dict_delete(ku_isolate *isolate, ku_object *dict, ku_object *key) {
    int there = ku_weak_dict_contains(isolate, dict, key);
    if (there != 1) {
        return there == 0 && no_such_key(isolate, key);
    }
    if (holds_values(dict)) {
        return ku_dict_delete(isolate, table_of(dict), key);
    }
    ku_object *reference = ku_weakref_new(isolate, key, NULL);
    bool done = reference != NULL && ku_dict_delete(isolate, table_of(dict), reference);
    ku_release(isolate, reference);
    return done;
}

size_t ku_weak_dict_length(const ku_object *dict) {
    bool is_dict = ku_is_exactly(dict, KU_BUILTIN_WEAK_VALUE_DICT) || ku_is_exactly(dict, KU_BUILTIN_WEAK_KEY_DICT);
    return is_dict ? ku_dict_length(table_of(dict)) : 0;
}

/* Appends a tuple of two to a list. */
static bool append_pair(ku_isolate *isolate, ku_object *list, ku_object *key, ku_object *value) {
    ku_object *pair = ku_tuple_new(isolate, (ku_object *[]){key, value}, 2);
    bool done = pair != NULL && ku_list_append(isolate, list, pair);
    ku_release(isolate, pair);
    return done;
}

/* Appends an entry if what it holds weakly lives. */
static bool append_entry(ku_isolate *isolate, ku_object *list, ku_object *key, ku_object *value, bool by_value) {
    ku_object *alive = ku_weakref_get(isolate, by_value ? value : key);
    bool done = alive == NULL || append_pair(isolate, list, by_value ? key : alive, by_value ? alive : value);
    ku_release(isolate, alive);
    return done;
}

/* The entries are copied before anything is made of them, so that the walk does not meet changes. */
ku_object *ku_weak_dict_items(ku_isolate *isolate, ku_object *dict) {
    if (!is_weak_dict(isolate, dict)) {
        return NULL;
    }
    ku_object *entries = ku_dict_copy(isolate, table_of(dict));
    ku_object *list = entries != NULL ? ku_list_new(isolate, NULL, 0) : NULL;
    bool by_value = holds_values(dict), done = list != NULL;
    size_t position = 0;
    for (ku_object *key, *value; done && ku_dict_next(entries, &position, &key, &value);) {
        done = append_entry(isolate, list, key, value, by_value);
    }
    if (!done) {
        ku_release(isolate, list);
        list = NULL;
    }
    ku_release(isolate, entries);
    return list;
}

/* ---- the set ---- */

int ku_weak_set_contains(ku_isolate *isolate, ku_object *set, ku_object *item) {
    if (!is_weak_set(isolate, set)) {
        return -1;
    }
    ku_object *reference = ku_weakref_new(isolate, item, NULL);
    int contains = reference != NULL ? ku_set_contains(isolate, table_of(set), reference) : -1;
    ku_release(isolate, reference);
    return contains;
}

bool ku_weak_set_add(ku_isolate *isolate, ku_object *set, ku_object *item) {
    int there = ku_weak_set_contains(isolate, set, item);
    if (there != 0) {
        return there == 1;
    }
    ku_object *reference = watched(isolate, set, item, item_dies, NULL);
    bool done = reference != NULL && ku_set_add(isolate, table_of(set), reference);
    ku_release(isolate, reference);
    return done;
}

bool ku_weak_set_discard(ku_isolate *isolate, ku_object *set, ku_object *item) {
    if (!is_weak_set(isolate, set)) {
        return false;
    }
    ku_object *reference = ku_weakref_new(isolate, item, NULL);
    bool done = reference != NULL && ku_set_discard(isolate, table_of(set), reference);
    ku_release(isolate, reference);
    return done;
}

size_t ku_weak_set_length(const ku_object *set) {
    return ku_is_exactly(set, KU_BUILTIN_WEAK_SET) ? ku_set_length(table_of(set)) : 0;
}

static bool append_living(ku_isolate *isolate, ku_object *list, ku_object *reference) {
    ku_object *item = ku_weakref_get(isolate, reference);
    bool done = item == NULL || ku_list_append(isolate, list, item);
    ku_release(isolate, item);
    return done;
}

ku_object *ku_weak_set_items(ku_isolate *isolate, ku_object *set) {
    if (!is_weak_set(isolate, set)) {
        return NULL;
    }
    ku_object *references = ku_list_from(isolate, table_of(set));
    ku_object *list = references != NULL ? ku_list_new(isolate, NULL, 0) : NULL;
    bool done = list != NULL;
    for (size_t i = 0; done && i < ku_list_length(references); i++) {
        done = append_living(isolate, list, ku_list_at(references, i));
    }
    if (!done) {
        ku_release(isolate, list);
        list = NULL;
    }
    ku_release(isolate, references);
    return list;
}

/* ---- the types ---- */

static const ku_field fields[] = {
    {"table", offsetof(container, table), KU_FIELD_OWNED, KU_FIELD_HIDDEN},
    {NULL},
};

const ku_type_spec ku__weak_value_dict_spec = {
    .name = "WeakValueDictionary",
    .size = sizeof(container),
    .fields = fields,
    .flags = KU_TYPE_ABSTRACT | KU_TYPE_WEAKREFS | KU_TYPE_FINAL,
};

const ku_type_spec ku__weak_key_dict_spec = {
    .name = "WeakKeyDictionary",
    .size = sizeof(container),
    .fields = fields,
    .flags = KU_TYPE_ABSTRACT | KU_TYPE_WEAKREFS | KU_TYPE_FINAL,
};

const ku_type_spec ku__weak_set_spec = {
    .name = "WeakSet",
    .size = sizeof(container),
    .fields = fields,
    .flags = KU_TYPE_ABSTRACT | KU_TYPE_WEAKREFS | KU_TYPE_FINAL,
};
