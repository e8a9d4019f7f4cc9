/* class_attributes.c: attributes of types: methods of their specs, and what is set at run time.
 *
 * They stand in a dict of the type object, by interned name. A name that comes or goes outdates the tables of all
 * types of the isolate (lookup.h): there may be subtypes anywhere, and types change rarely once a program runs. Static
 * types cannot be changed; theirs are the methods of the spec.
 *
 * `__del__` of a type made at run time is the finalizer of its instances, before the hook. Whether there is one stands
 * in the map of the type and of all its subtypes, so that instances of others end without looking.
 */
#include "object/lookup.h"

#include "object/suggest.h"
#include "object/types.h"

#include <kucha/container.h>
#include <kucha/function.h>
#include <kucha/text.h>
#include <string.h>

static bool have_dict(ku_isolate *isolate, ku__class *class) {
    if (class->attributes != NULL) {
        return true;
    }
    ku_object *dict = ku_dict_new(isolate);
    if (dict != NULL && class->attributes != NULL) { /* making it ran code that came here first */
        ku_decref(isolate, dict);
    } else {
        class->attributes = dict;
    }
    return dict != NULL;
}

/* ---- methods ---- */

static bool add_method(ku_isolate *isolate, ku__class *class, const ku_method *method) {
    ku_object *name = ku_intern_text(isolate, method->name);
    ku_object *function = name != NULL ? ku_function_from_method(isolate, method) : NULL;
    bool added = function != NULL && ku_dict_set(isolate, class->attributes, name, function);
    ku_release(isolate, function);
    ku_release(isolate, name);
    return added;
}

bool ku__class_fill(ku_isolate *isolate, ku__class *class) {
    const ku_method *method = class->type->own.methods;
    if (class->is_filled) {
        return true;
    }
    class->is_filled = true; /* first: making methods may look attributes up */
    bool done = true;
    for (; method != NULL && method->name != NULL && done; method++) {
        done = have_dict(isolate, class) && add_method(isolate, class, method);
    }
    class->is_filled = done;
    return done;
}

/* ---- getting ---- */

/* True with *value new, or NULL: no type in the order has it. */
static bool find_in_order(ku_isolate *isolate, const ku_type *type, ku_object *name, ku_object **value) {
    *value = NULL;
    for (uint32_t i = 0; i < type->order_count && *value == NULL; i++) {
        ku__class *class = ku__class_of_type(isolate, type->order[i]);
        if (class == NULL || !ku__class_fill(isolate, class)) {
            return false;
        }
        if (class->attributes != NULL && !ku_dict_find(isolate, class->attributes, name, value)) {
            return false;
        }
    }
    return true;
}

static ku_object *order_as_tuple(ku_isolate *isolate, ku_type *const *types, size_t count) {
    ku_object *list = ku_list_new(isolate, NULL, 0);
    for (size_t i = 0; list != NULL && i < count; i++) {
        ku_object *object = ku_type_object(isolate, types[i]);
        if (object == NULL || !ku_list_append(isolate, list, object)) {
            ku_decref(isolate, list);
            return NULL;
        }
    }
    ku_object *tuple = list != NULL ? ku_tuple_from(isolate, list) : NULL;
    ku_release(isolate, list);
    return tuple;
}

/* What every type can be asked. True with *value NULL: not `name`. */
static bool find_common(ku_isolate *isolate, const ku_type *type, ku_object *name, ku_object **value) {
    if (ku_str_is(name, "__name__")) {
        *value = ku_str_new(isolate, type->own.name, strlen(type->own.name));
    } else if (ku_str_is(name, "__doc__") && type->own.doc != NULL) {
        *value = ku_str_new(isolate, type->own.doc, strlen(type->own.doc));
    } else if (ku_str_is(name, "__mro__")) {
        *value = order_as_tuple(isolate, type->order, type->order_count);
    } else if (ku_str_is(name, "__bases__")) {
        *value = order_as_tuple(isolate, type->bases, type->base_count);
    } else {
        return true;
    }
    return *value != NULL;
}

bool ku__class_find_attribute(ku_isolate *isolate, ku_object *self, ku_object *name, ku_object **value) {
    const ku_type *type = ((const ku__class *)(const void *)self)->type;
    if (!find_in_order(isolate, type, name, value)) {
        return false;
    }
    return *value != NULL || find_common(isolate, type, name, value);
}

/* ---- setting ---- */

static bool has_finalizer(ku_isolate *isolate, const ku_type *type) {
    ku_object *name = ku__intern_find(isolate, "__del__", strlen("__del__"));
    bool has = type->finalize != NULL;
    for (uint32_t i = 0; i < type->order_count && name != NULL && !has; i++) {
        const ku__class *class = ku__class_of_type(isolate, type->order[i]);
        has = class != NULL && class->attributes != NULL && ku_dict_contains(isolate, class->attributes, name) == 1;
    }
    return has;
}

static void note_finalizer(ku_isolate *isolate, const ku_type *type) {
    ku__type_map *map = &ku__type_maps[type->number];
    unsigned finalize = has_finalizer(isolate, type) ? KU__MAP_FINALIZE : 0;
    map->flags = (uint8_t)((map->flags & ~(unsigned)KU__MAP_FINALIZE) | finalize);
}

/* Subtypes of a type that can be changed are of the same isolate. */
static void note_finalizers(ku_isolate *isolate, const ku_type *type) {
    for (uint32_t number = 1; number < isolate->classes->capacity; number++) {
        const ku__class *class = isolate->classes->by_number[number];
        if (class != NULL && class->type->isolate != NULL && ku_type_is_subtype(class->type, type)) {
            note_finalizer(isolate, class->type);
        }
    }
}

static bool change(ku_isolate *isolate, ku__class *class, ku_object *name, ku_object *value, bool is_there) {
    if (value != NULL) {
        return have_dict(isolate, class) && ku_dict_set(isolate, class->attributes, name, value);
    }
    return is_there ? ku_dict_delete(isolate, class->attributes, name)
                    : ku__fail_no_attribute(isolate, &class->header, name);
}

int ku__class_set_attribute(ku_isolate *isolate, ku_object *self, ku_object *name, ku_object *value) {
    ku__class *class = (ku__class *)(void *)self;
    if (class->type->isolate == NULL) {
        ku_fail(isolate, KU_TYPE, "cannot set '%s' attribute of immutable type '%s'", ku_str_text(name),
                class->type->own.name);
        return -1;
    }
    if (!ku__class_fill(isolate, class)) {
        return -1;
    }
    bool is_there = class->attributes != NULL && ku_dict_contains(isolate, class->attributes, name) == 1;
    if (!change(isolate, class, name, value, is_there)) {
        return -1;
    }
    if (!is_there || value == NULL) {
        isolate->classes->version++;
    }
    if (ku_str_is(name, "__del__")) {
        note_finalizers(isolate, class->type);
    }
    return 1;
}

/* ---- finalizers of types made at run time ---- */

bool ku__class_finalize(ku_isolate *isolate, ku_object *object) {
    const ku_type *type = ku__type_of(object);
    ku_object *name = ku__intern_find(isolate, "__del__", strlen("__del__")), *function = NULL;
    if (name != NULL && !find_in_order(isolate, type, name, &function)) {
        return false;
    }
    if (function == NULL) {
        return type->finalize == NULL || type->finalize(isolate, object);
    }
    ku_object *result = ku_call(isolate, function, &object, 1);
    ku_decref(isolate, function);
    ku_release(isolate, result);
    return result != NULL;
}
