/* attributes.c: attributes of instances beyond their slots. See attributes.h. */
#include "object/attributes.h"

#include <kucha/container.h>
#include <string.h>

/* Rooms for values that leave nothing of a block of their size class unused, header and order bytes counted: 32, 48,
 * 80, 96, 128, 160, 208, 272 bytes. */
static const uint8_t capacities[] = {3, 5, 8, 10, 14, 17, 22, KU__SHARED_MOST};

static size_t shared_bytes(uint8_t capacity) {
    return ((2u + capacity + 7u) & ~7u) + capacity * sizeof(ku_object *);
}

static uint8_t capacity_for(size_t values) {
    size_t i = 0;
    while (capacities[i] < values) {
        i++;
    }
    return capacities[i];
}

static bool is_dict(const uintptr_t *word) {
    return (*word & 1) != 0;
}
static ku_object *dict_of(const uintptr_t *word) {
    return (ku_object *)(*word - 1);
}
static ku__shared *shared_of(const uintptr_t *word) {
    return (ku__shared *)*word;
}

/* Where the value of a shared name is; NULL when there is no room for it, or no such name. */
static inline ku_object **place_of(ku__shared *shared, const ku__entry *entry) {
    bool has_room = shared != NULL && entry->shared - 1u < shared->capacity; /* 0 wraps around */
    return has_room ? &ku__shared_values(shared)[entry->shared - 1] : NULL;
}

/* ---- reading ---- */

ku_object *ku__attributes_get(ku_isolate *isolate, const uintptr_t *word, const ku__entry *entry, ku_object *name,
                              bool *failed) {
    if (KU__UNLIKELY(is_dict(word))) {
        ku_object *value = NULL;
        *failed = !ku_dict_find(isolate, dict_of(word), name, &value);
        if (value != NULL) {
            ku_decref(isolate, value); /* the dict has another: nothing runs between a look-up and its use */
        }
        return value;
    }
    ku_object **place = place_of(shared_of(word), entry);
    return place != NULL ? *place : NULL;
}

size_t ku__attributes_count(const uintptr_t *word) {
    if (is_dict(word)) {
        return ku_dict_length(dict_of(word));
    }
    return shared_of(word) != NULL ? shared_of(word)->used : 0;
}

/* ---- becoming a dict ---- */

static bool fill_dict(ku_isolate *isolate, const ku__class *class, ku__shared *shared, ku_object *dict) {
    for (uint8_t i = 0; shared != NULL && i < shared->used; i++) {
        uint8_t number = shared->order[i];
        if (!ku_dict_set(isolate, dict, class->names[number], ku__shared_values(shared)[number])) {
            return false;
        }
    }
    return true;
}

ku_object *ku__attributes_dict(ku_isolate *isolate, ku__class *class, uintptr_t *word) {
    if (is_dict(word)) {
        return dict_of(word);
    }
    ku_object *dict = ku_dict_new(isolate);
    if (dict == NULL) {
        return NULL;
    }
    if (is_dict(word)) { /* making it ran code that came here first */
        ku_decref(isolate, dict);
        return dict_of(word);
    }
    /* The instance has the dict before that is filled: filling may run code that looks at it. */
    uintptr_t before = *word;
    *word = (uintptr_t)dict | 1;
    if (!fill_dict(isolate, class, shared_of(&before), dict)) {
        *word = before;
        ku_decref(isolate, dict);
        return NULL;
    }
    ku__attributes_clear(isolate, &before); /* the dict has references of its own */
    return dict;
}

/* ---- shared names ---- */

/* Gives a name the next number; false when there is none left, or no memory for it (no error: a dict will do). */
static bool name_add(ku_isolate *isolate, ku__class *class, ku_object *name) {
    if (class->name_count == KU__SHARED_MOST) {
        return false;
    }
    if (class->names == NULL) {
        class->names = ku_heap_malloc(isolate->buffers, KU__SHARED_MOST * sizeof *class->names);
    }
    if (class->names == NULL) {
        return false;
    }
    class->names[class->name_count++] = ku_new_reference(name);
    ku__lookup_drop(isolate, class);
    return true;
}

/* The number of a name, a fresh one if it has none; false when there is none left. */
static bool number_for(ku_isolate *isolate, ku__class *class, const ku__entry *entry, ku_object *name,
                       uint8_t *number) {
    bool has_one = KU__LIKELY(entry->shared != 0);
    if (!has_one && !name_add(isolate, class, name)) {
        return false;
    }
    *number = (uint8_t)((has_one ? entry->shared : class->name_count) - 1);
    return true;
}

/* ---- writing ---- */

/* Values under another capacity. NULL without memory, and no error. */
static ku__shared *shared_resized(ku_isolate *isolate, ku__shared *old, uint8_t capacity) {
    ku__shared *made = ku_heap_malloc(isolate->buffers, shared_bytes(capacity));
    if (made == NULL) {
        return NULL;
    }
    memset(made, 0, shared_bytes(capacity));
    made->capacity = capacity;
    if (old != NULL) {
        made->used = old->used;
        memcpy(made->order, old->order, old->used);
        memcpy((void *)ku__shared_values(made), (void *)ku__shared_values(old), old->capacity * sizeof(ku_object *));
        ku_buffer_free(isolate, old);
    }
    return made;
}

/* Whether values up to `number` would leave most of the room empty: then a dict is smaller, or soon will be. */
static bool is_sparse(const ku__shared *shared, uint8_t number) {
    enum { SLACK = 8 }; /* what a small dict takes beyond its entries */
    size_t used = shared != NULL ? shared->used : 0;
    return number >= 2 * (used + 1) + SLACK;
}

/* The values, with room for `number`; NULL: it has to be a dict. */
static ku__shared *shared_with_room(ku_isolate *isolate, const ku__class *class, uintptr_t *word, uint8_t number) {
    ku__shared *shared = shared_of(word);
    if (KU__LIKELY(shared != NULL && number < shared->capacity)) {
        return shared;
    }
    if (is_sparse(shared, number)) {
        return NULL;
    }
    /* most instances get all the names that the first ones had */
    size_t wanted = shared == NULL && !is_sparse(NULL, (uint8_t)(class->name_count - 1)) ? class->name_count : 0;
    ku__shared *larger = shared_resized(isolate, shared, capacity_for(wanted > number ? wanted : number + 1u));
    *word = larger != NULL ? (uintptr_t)larger : *word;
    return larger;
}

static void shared_set(ku_isolate *isolate, ku__shared *shared, uint8_t number, ku_object *value) {
    ku_object **place = &ku__shared_values(shared)[number];
    ku_incref(value);
    if (*place == NULL) {
        shared->order[shared->used++] = number;
        *place = value;
    } else {
        ku_replace(isolate, place, value);
    }
}

bool ku__attributes_set(ku_isolate *isolate, ku__class *class, uintptr_t *word, const ku__entry *entry, ku_object *name,
                        ku_object *value) {
    if (KU__LIKELY(!is_dict(word))) {
        uint8_t number;
        bool has_number = number_for(isolate, class, entry, name, &number);
        ku__shared *shared = has_number ? shared_with_room(isolate, class, word, number) : NULL;
        if (KU__LIKELY(shared != NULL)) {
            shared_set(isolate, shared, number, value);
            return true;
        }
    }
    ku_object *dict = ku__attributes_dict(isolate, class, word);
    return dict != NULL && ku_dict_set(isolate, dict, name, value);
}

static int dict_delete(ku_isolate *isolate, ku_object *dict, ku_object *name) {
    int there = ku_dict_contains(isolate, dict, name);
    return there == 1 && !ku_dict_delete(isolate, dict, name) ? -1 : there;
}

int ku__attributes_delete(ku_isolate *isolate, uintptr_t *word, const ku__entry *entry, ku_object *name) {
    if (is_dict(word)) {
        return dict_delete(isolate, dict_of(word), name);
    }
    ku__shared *shared = shared_of(word);
    ku_object **place = place_of(shared, entry);
    if (place == NULL || *place == NULL) {
        return 0;
    }
    uint8_t *at = memchr(shared->order, entry->shared - 1, shared->used);
    memmove(at, at + 1, (size_t)(shared->order + shared->used - (at + 1)));
    shared->used--;
    ku_clear(isolate, place);
    return 1;
}

/* ---- the end ---- */

void ku__attributes_free(ku_isolate *isolate, uintptr_t *word) {
    if (!is_dict(word)) {
        ku_buffer_free(isolate, shared_of(word));
    }
    *word = 0;
}

/* In the order in which they were set, as a dict would. The instance is empty before the first value goes. */
void ku__attributes_clear(ku_isolate *isolate, uintptr_t *word) {
    uintptr_t held = *word;
    *word = 0;
    if (is_dict(&held)) {
        ku_decref(isolate, dict_of(&held));
        return;
    }
    ku__shared *shared = shared_of(&held);
    for (uint8_t i = 0; shared != NULL && i < shared->used; i++) {
        ku_decref(isolate, ku__shared_values(shared)[shared->order[i]]);
    }
    ku_buffer_free(isolate, shared);
}

size_t ku__attributes_size(ku_isolate *isolate, const uintptr_t *word) {
    return is_dict(word) ? 0 : ku_heap_usable_size(isolate->buffers, (const void *)*word);
}
