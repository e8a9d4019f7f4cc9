/* lookup.c: making the tables by which attributes are found. See lookup.h.
 *
 * Types are entered from the end of the order to its beginning, so that what comes first in the order is entered last,
 * over what it hides. Of one type, attributes hide fields: setting an attribute on a type replaces its slot.
 */
#include "object/lookup.h"

#include <kucha/container.h>
#include <string.h>

/* The type objects in a type's order; making them may run code of the program, so they are made before the table. */
static bool prepare(ku_isolate *isolate, const ku_type *type) {
    for (uint32_t i = 0; i < type->order_count; i++) {
        ku__class *class = ku__class_of_type(isolate, type->order[i]);
        if (class == NULL || !ku__class_fill(isolate, class)) {
            return false;
        }
    }
    return true;
}

static size_t own_field_count(const ku_type *type) {
    size_t count = 0;
    while (type->own.fields != NULL && type->own.fields[count].name != NULL) {
        count++;
    }
    return count;
}

/* Entries that the table will have at most. */
static size_t names_most(ku_isolate *isolate, const ku__class *class) {
    size_t count = class->name_count;
    for (uint32_t i = 0; i < class->type->order_count; i++) {
        ku__class *from = ku__class_of_type(isolate, class->type->order[i]);
        count += own_field_count(from->type) + (from->attributes != NULL ? ku_dict_length(from->attributes) : 0);
    }
    return count;
}

/* The entry of a name, made if need be; takes a reference for a new one. */
static ku__entry *enter(ku__lookup *lookup, ku_object *name) {
    ku__entry *entry = (ku__entry *)(uintptr_t)ku__lookup_find(lookup, name);
    if (entry->name == NULL) {
        ku_incref(name);
        *entry = (ku__entry){.name = name};
        lookup->used++;
    }
    return entry;
}

/* The fields that a type adds to its bases', which are the last ones it has. */
static bool enter_fields(ku_isolate *isolate, ku__lookup *lookup, const ku_type *type) {
    size_t own = own_field_count(type);
    for (size_t i = type->field_count - own; i < type->field_count; i++) {
        const ku_field *field = &type->fields[i];
        bool hidden = (field->flags & KU_FIELD_HIDDEN) != 0 || field->kind == KU_FIELD_ITEMS ||
                      field->kind == KU_FIELD_TAIL || field->kind == KU_FIELD_BUFFER || field->kind == KU_FIELD_PLAIN;
        if (hidden) {
            continue;
        }
        ku_object *name = ku_intern_text(isolate, field->name);
        if (name == NULL) {
            return false;
        }
        ku__entry *entry = enter(lookup, name);
        entry->field = field;
        entry->owner = NULL;
        ku_decref(isolate, name);
    }
    return true;
}

static void enter_attributes(ku__lookup *lookup, ku__class *from) {
    size_t position = 0;
    ku_object *name;
    while (from->attributes != NULL && ku_dict_next(from->attributes, &position, &name, NULL)) {
        if (ku__is_interned(name)) { /* others were put in through the dict: nobody can ask for them by name */
            ku__entry *entry = enter(lookup, name);
            entry->owner = from;
            entry->field = NULL;
        }
    }
}

static bool fill(ku_isolate *isolate, ku__lookup *lookup, const ku__class *class) {
    const ku_type *type = class->type;
    for (uint32_t i = type->order_count; i-- > 0;) {
        ku__class *from = ku__class_of_type(isolate, type->order[i]);
        if (!enter_fields(isolate, lookup, from->type)) {
            return false;
        }
        enter_attributes(lookup, from);
    }
    for (size_t i = 0; i < class->name_count; i++) {
        enter(lookup, class->names[i])->shared = (uint8_t)(i + 1);
    }
    return true;
}

static void free_lookup(ku_isolate *isolate, ku__lookup *lookup) {
    for (uint32_t i = 0; i <= lookup->mask; i++) {
        ku_release(isolate, lookup->entries[i].name);
    }
    ku_buffer_free(isolate, lookup);
}

void ku__lookup_drop(ku_isolate *isolate, ku__class *class) {
    ku__lookup *lookup = class->lookup;
    class->lookup = NULL;
    if (lookup != NULL) {
        free_lookup(isolate, lookup);
    }
}

/* A table without entries and with room for `most`, at most half full. */
static ku__lookup *empty_lookup(ku_isolate *isolate, size_t most) {
    enum { LEAST = 8 };
    size_t places = LEAST;
    while (places < most * 2) {
        places *= 2;
    }
    size_t bytes = sizeof(ku__lookup) + places * sizeof(ku__entry);
    ku__lookup *lookup = ku_buffer_new(isolate, bytes);
    if (lookup != NULL) {
        memset(lookup, 0, bytes);
        lookup->mask = (uint32_t)places - 1;
        lookup->version = isolate->classes->version;
    }
    return lookup;
}

/* Nothing is collected meanwhile, so that no code of the program runs that changes what is being entered. */
static bool fill_quietly(ku_isolate *isolate, ku__lookup *lookup, const ku__class *class) {
    bool collecting = isolate->collecting;
    isolate->collecting = true;
    bool filled = fill(isolate, lookup, class);
    isolate->collecting = collecting;
    return filled;
}

ku__lookup *ku__lookup_make(ku_isolate *isolate, ku__class *class) {
    ku__lookup *lookup = prepare(isolate, class->type) ? empty_lookup(isolate, names_most(isolate, class)) : NULL;
    if (lookup == NULL) {
        return NULL;
    }
    if (!fill_quietly(isolate, lookup, class)) {
        free_lookup(isolate, lookup);
        return NULL;
    }
    ku__lookup_drop(isolate, class);
    class->lookup = lookup;
    return lookup;
}

void ku__lookup_visit(const ku_isolate *isolate, ku_visit *visit, void *argument) {
    const ku__classes *classes = isolate->classes;
    for (uint32_t number = 0; classes != NULL && number < classes->capacity; number++) {
        ku__lookup *lookup = classes->by_number[number] != NULL ? classes->by_number[number]->lookup : NULL;
        for (uint32_t at = 0; lookup != NULL && at <= lookup->mask; at++) {
            if (lookup->entries[at].name != NULL) {
                visit(&lookup->entries[at].name, argument);
            }
        }
    }
}
