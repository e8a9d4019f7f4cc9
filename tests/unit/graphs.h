/* graphs.h: object graphs for tests of messages: one of everything, and random ones. */
#ifndef TESTS_GRAPHS_H
#define TESTS_GRAPHS_H

#include "native.h"

/* An instance with attributes in a dict; one with an array in a buffer; one with a tail. */
typedef struct holder {
    ku_object header;
    ku_object **items;
    size_t length;
    double weight;
} holder;
typedef struct record {
    ku_object header;
    size_t length;
    ku_object *items[];
} record;

static const ku_field holder_fields[] = {
    {"items", offsetof(holder, items), KU_FIELD_ITEMS, KU_FIELD_HIDDEN, offsetof(holder, length)},
    {"length", offsetof(holder, length), KU_FIELD_SIZE, KU_FIELD_READ_ONLY},
    {"weight", offsetof(holder, weight), KU_FIELD_DOUBLE},
    {NULL},
};
static const ku_field record_fields[] = {
    {"length", offsetof(record, length), KU_FIELD_SIZE, KU_FIELD_READ_ONLY},
    {"items", offsetof(record, items), KU_FIELD_TAIL, KU_FIELD_HIDDEN, offsetof(record, length)},
    {NULL},
};
static const ku_type_spec open_spec = {.name = "open", .size = sizeof(ku_object), .flags = KU_TYPE_DICT};
static const ku_type_spec holder_spec = {.name = "holder", .size = sizeof(holder), .fields = holder_fields};
static const ku_type_spec record_spec = {.name = "record", .size = sizeof(record), .fields = record_fields};

enum { GRAPH_TYPES = 5 };

/* The types that the graphs have instances of. */
static inline ku_message_types graph_types(void) {
    static ku_type *types[GRAPH_TYPES];
    const ku_type_spec *const specs[GRAPH_TYPES] = {&node_spec, &watched_spec, &open_spec, &holder_spec, &record_spec};
    for (int i = 0; i < GRAPH_TYPES; i++) {
        types[i] = type_of_spec(specs[i]);
    }
    return (ku_message_types){types, GRAPH_TYPES};
}

/* A value without references; `r` chooses which. */
static inline ku_object *make_atom(ku_isolate *isolate, uint64_t r) {
    switch (r % 9) {
    case 0: return ku_new_reference(ku_none(isolate));
    case 1: return ku_new_reference(ku_bool(isolate, r / 16 % 2));
    case 2: return ku_int(isolate, (int64_t)(r / 16 % 600) - 300);
    case 3: return ku_int(isolate, (int64_t)(r * 0x9E3779B97F4A7C15u));
    case 4: return ku_float(isolate, (double)r / 7);
    case 5: return ku_str_format(isolate, "text %u \xC3\xA9", (unsigned)(r / 16 % 50));
    case 6: return ku_str_format(isolate, "name%u", (unsigned)(r / 16 % 20));
    case 7: return ku_int_parse(isolate, "-123456789012345678901234567890123456789", 40, 10);
    default: return ku_bytes_new(isolate, &r, r / 16 % 9);
    }
}

/* An object that can be filled later. */
static inline ku_object *make_shell(ku_isolate *isolate, uint64_t r) {
    switch (r % 8) {
    case 0: return ku_list_new(isolate, NULL, 0);
    case 1: return ku_dict_new(isolate);
    case 2: return ku_set_new(isolate);
    case 3: return ku_cell_new(isolate, NULL);
    case 4: return new_node(isolate, (int64_t)r);
    case 5: return ku_new(isolate, type_of_spec(&open_spec));
    case 6: return ku_new_sized(isolate, type_of_spec(&record_spec), r / 16 % 80);
    default: return ku_new(isolate, type_of_spec(&holder_spec));
    }
}

static inline bool fill_holder(ku_isolate *isolate, holder *held, ku_object *object) {
    ku_object **items = (ku_object **)ku_buffer_resize(isolate, held->items, (held->length + 1) * sizeof *items);
    if (items != NULL) {
        held->items = items;
        held->items[held->length++] = ku_new_reference(object);
    }
    return items != NULL;
}

/* Puts a reference to `object` somewhere into `into`; a tuple of it where only what can be hashed goes. */
static inline bool connect(ku_isolate *isolate, ku_object *into, ku_object *object, ku_object *key, uint64_t r) {
    if (ku_is_list(into)) {
        return ku_list_append(isolate, into, object);
    }
    if (ku_is_dict(into)) {
        return ku_dict_set(isolate, into, key, object);
    }
    if (ku_is_set(into)) {
        return ku_set_add(isolate, into, key);
    }
    if (ku_is_exactly(into, KU_BUILTIN_CELL)) {
        return ku_cell_set(isolate, into, object);
    }
    ku_type *type = ku_type_of(into);
    if (type == type_of_spec(&open_spec)) {
        return ku_set_attribute(isolate, into, key, object);
    }
    if (type == type_of_spec(&holder_spec)) {
        return fill_holder(isolate, (holder *)into, object);
    }
    if (type == type_of_spec(&record_spec)) {
        size_t length = ((record *)into)->length;
        ku_object **items = ku_tail(into, offsetof(record, items), length);
        if (length != 0) {
            ku_replace(isolate, &items[r % length], ku_new_reference(object));
        }
        return true;
    }
    ku_replace(isolate, r % 2 ? &as_node(into)->left : &as_node(into)->right, ku_new_reference(object));
    return true;
}

/* A list of `size` objects with `edges` references among them, drawn from `random`. Cyclic, mostly. New reference;
 * NULL with the error pending. */
static inline ku_object *random_graph(ku_isolate *isolate, size_t size, size_t edges, uint64_t *random) {
    KU_SCOPE(isolate, scope);
    ku_object *all = ku_own(&scope, ku_list_new(isolate, NULL, 0));
    for (size_t i = 0; i < size; i++) {
        KU_SCOPE(isolate, round);
        uint64_t r = next_random(random);
        ku_object *made = ku_own(&round, r % 3 == 0 ? make_atom(isolate, r / 3) : make_shell(isolate, r / 3));
        if (made != NULL && r % 29 == 0 && ku_list_length(all) > 2) {
            ku_object *items[] = {made, ku_list_at(all, 0), ku_list_at(all, 1)};
            made = ku_own(&round, ku_tuple_new(isolate, items, 3));
        }
        if (made == NULL || !ku_list_append(isolate, all, made)) {
            return NULL;
        }
    }
    for (size_t i = 0; i < edges && size != 0; i++) {
        KU_SCOPE(isolate, round);
        uint64_t r = next_random(random);
        ku_object *into = ku_list_at(all, r % size), *object = ku_list_at(all, next_random(random) % size);
        ku_object *key = ku_own(&round, ku_str_format(isolate, "key%u", (unsigned)(r / 64 % 40)));
        bool is_leaf = ku_is_tuple(into) || !ku_gc_is_tracked(into);
        if (key == NULL || (!is_leaf && !connect(isolate, into, object, key, r / 4096))) {
            return NULL;
        }
    }
    return ku_scope_escape(&scope, all);
}

#endif
