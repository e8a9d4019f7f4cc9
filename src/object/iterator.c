/* iterator.c: walking: one iterator type for all built-in containers and text. See kucha/operations.h.
 *
 * An iterator keeps what it walks over and an index; at the end it lets go and stays at its end. A list is walked by
 * index as long as it is, so that items appended meanwhile are met; a dict or set that has another number of entries than
 * at the start ends the walk with an error, as CPython's do (Objects/listobject.c, dictobject.c, setobject.c).
 */
#include "object/values.h"

static ku__iterator *walk_of(ku_object *object) {
    return (ku__iterator *)(void *)object;
}

/* ---- one item ---- new, or NULL at the end */

static ku_object *next_of_tuple(ku__iterator *walk) {
    ku_object *item = ku_tuple_at(walk->over, walk->index);
    walk->index += item != NULL;
    return ku_new_reference(item);
}

static ku_object *next_of_list(ku__iterator *walk) {
    ku_object *item = ku_list_at(walk->over, walk->index);
    walk->index += item != NULL;
    return ku_new_reference(item);
}

/* `index` counts bytes here, so that no code point is looked for twice. */
static ku_object *next_of_str(ku_isolate *isolate, ku__iterator *walk) {
    const ku__str *text = (const ku__str *)(const void *)walk->over;
    if (walk->index >= text->size) {
        return NULL;
    }
    size_t size = 1;
    while (walk->index + size < text->size && ((unsigned char)text->text[walk->index + size] & 0xC0) == 0x80) {
        size++; /* continuation bytes, 10xxxxxx */
    }
    ku_object *character = ku_str_new(isolate, text->text + walk->index, size);
    walk->index += character != NULL ? size : 0;
    return character;
}

static ku_object *next_of_bytes(ku_isolate *isolate, ku__iterator *walk) {
    const ku__bytes *bytes = (const ku__bytes *)(const void *)walk->over;
    return walk->index < bytes->length ? ku_int(isolate, (unsigned char)bytes->data[walk->index++]) : NULL;
}

static ku_object *next_of_dict(ku_isolate *isolate, ku__iterator *walk) {
    ku_object *pair[2];
    if (ku_dict_length(walk->over) != walk->expected) {
        walk->expected = SIZE_MAX; /* and so says every further call */
        return ku_fail_null(isolate, KU_RUNTIME, "dictionary changed size during iteration");
    }
    if (!ku_dict_next(walk->over, &walk->index, &pair[0], &pair[1])) {
        return NULL;
    }
    if (walk->walk == KU__WALK_PAIRS) {
        return ku_tuple_new(isolate, pair, 2);
    }
    return ku_new_reference(pair[walk->walk == KU__WALK_VALUES]);
}

static ku_object *next_of_set(ku_isolate *isolate, ku__iterator *walk) {
    ku_object *item;
    if (ku_set_length(walk->over) != walk->expected) {
        walk->expected = SIZE_MAX;
        return ku_fail_null(isolate, KU_RUNTIME, "Set changed size during iteration");
    }
    return ku_set_next(walk->over, &walk->index, &item) ? ku_new_reference(item) : NULL;
}

static ku_object *next_item(ku_isolate *isolate, ku__iterator *walk) {
    if (ku_is_tuple(walk->over)) {
        return next_of_tuple(walk);
    }
    if (ku_is_list(walk->over)) {
        return next_of_list(walk);
    }
    if (ku_is_str(walk->over)) {
        return next_of_str(isolate, walk);
    }
    if (ku_is_bytes(walk->over)) {
        return next_of_bytes(isolate, walk);
    }
    return ku_is_dict(walk->over) ? next_of_dict(isolate, walk) : next_of_set(isolate, walk);
}

/* ---- the type ---- */

static ku_object *iterator_next(ku_isolate *isolate, ku_object *self) {
    ku__iterator *walk = walk_of(self);
    if (walk->over == NULL) {
        return NULL;
    }
    ku_object *item = next_item(isolate, walk);
    if (item == NULL && ku_pending_error(isolate) == NULL) {
        ku_clear(isolate, &walk->over);
    }
    return item;
}

static ku_object *iterator_iter(ku_isolate *isolate, ku_object *self) {
    (void)isolate;
    return ku_new_reference(self);
}

static const ku_operations iterator_operations = {.iter = iterator_iter, .next = iterator_next};

static const ku_field iterator_fields[] = {
    {"over", offsetof(ku__iterator, over), KU_FIELD_OWNED, KU_FIELD_HIDDEN, 0},
    {"index", offsetof(ku__iterator, index), KU_FIELD_SIZE, KU_FIELD_HIDDEN, 0},
    {"expected", offsetof(ku__iterator, expected), KU_FIELD_SIZE, KU_FIELD_HIDDEN, 0},
    {"walk", offsetof(ku__iterator, walk), KU_FIELD_INT32, KU_FIELD_HIDDEN, 0},
    {NULL},
};

const ku_type_spec ku__iterator_spec = {
    .name = "iterator",
    .size = sizeof(ku__iterator),
    .fields = iterator_fields,
    .flags = KU_TYPE_ABSTRACT | KU_TYPE_FINAL,
    .doc = "A walk over a container or a text.",
    .operations = &iterator_operations,
};

ku_object *ku__iterator_new(ku_isolate *isolate, ku_object *over, ku__walk kind) {
    ku__iterator *walk = walk_of(ku__object_new(isolate, KU_BUILTIN_ITERATOR));
    if (walk == NULL) {
        return NULL;
    }
    walk->over = ku_new_reference(over);
    walk->walk = (int32_t)kind;
    walk->expected = ku_is_dict(over) ? ku_dict_length(over) : ku_set_length(over);
    return &walk->header;
}

/* ---- the calls ---- */

static ku_object *walk_dict(ku_isolate *isolate, ku_object *dict, ku__walk kind) {
    return ku__expect(isolate, dict, KU_BUILTIN_DICT) ? ku__iterator_new(isolate, dict, kind) : NULL;
}

ku_object *ku_dict_iter_values(ku_isolate *isolate, ku_object *dict) {
    return walk_dict(isolate, dict, KU__WALK_VALUES);
}

ku_object *ku_dict_iter_items(ku_isolate *isolate, ku_object *dict) {
    return walk_dict(isolate, dict, KU__WALK_PAIRS);
}

ku_object *ku_iter(ku_isolate *isolate, ku_object *iterable) {
    const ku_operations *operations = ku__type_of(iterable)->operations;
    if (operations == NULL || operations->iter == NULL) {
        return ku_fail_null(isolate, KU_TYPE, "'%s' object is not iterable", ku__type_name(iterable));
    }
    return operations->iter(isolate, iterable);
}

ku_object *ku_next(ku_isolate *isolate, ku_object *iterator) {
    const ku_operations *operations = ku__type_of(iterator)->operations;
    if (operations == NULL || operations->next == NULL) {
        return ku_fail_null(isolate, KU_TYPE, "'%s' object is not an iterator", ku__type_name(iterator));
    }
    return operations->next(isolate, iterator);
}

bool ku__take_all(ku_isolate *isolate, ku_object *iterable, ku_object *into, ku__take *take) {
    ku_object *walk = ku_iter(isolate, iterable);
    bool taken = walk != NULL;
    while (taken) {
        ku_object *item = ku_next(isolate, walk);
        if (item == NULL) {
            taken = ku_pending_error(isolate) == NULL;
            break;
        }
        taken = take(isolate, into, item);
        ku_decref(isolate, item);
    }
    ku_release(isolate, walk);
    return taken;
}
