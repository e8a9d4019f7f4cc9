/* method.c: bound methods, a function and the object it was read from; and cells. See kucha/function.h. */
#include "object/values.h"

#include <string.h>

/* ---- bound methods ---- */

static ku__method *method_of(const ku_object *object) {
    return (ku__method *)(void *)(uintptr_t)object;
}

/* Arguments that a call takes in the C stack beside the instance; more lie in a buffer. */
enum { FEW = 8 };

static ku_object *call_with(ku_isolate *isolate, ku__method *method, ku_object **room, ku_object *const *arguments,
                            size_t count) {
    room[0] = method->instance;
    if (count > 0) {
        memcpy(room + 1, arguments, count * sizeof *room);
    }
    return ku_call(isolate, method->function, room, count + 1);
}

static ku_object *method_call(ku_isolate *isolate, ku_object *self, ku_object *const *arguments, size_t count) {
    ku_object *few[FEW + 1], **room = few;
    if (count > FEW) {
        room = (ku_object **)ku_buffer_new(isolate, (count + 1) * sizeof *room);
        if (room == NULL) {
            return NULL;
        }
    }
    ku_incref(self); /* function and instance live as long as the call */
    ku_object *result = call_with(isolate, method_of(self), room, arguments, count);
    ku_decref(isolate, self);
    if (room != few) {
        ku_buffer_free(isolate, room);
    }
    return result;
}

static int method_equal(ku_isolate *isolate, ku_object *self, ku_object *other) {
    if (!ku_is_exactly(other, KU_BUILTIN_METHOD)) {
        return KU_NO_ANSWER;
    }
    if (method_of(self)->instance != method_of(other)->instance) {
        return 0;
    }
    return ku__same_or_equal(isolate, method_of(self)->function, method_of(other)->function);
}

/* By identity of the instance, and of the function (Objects/classobject.c: method_hash). */
static bool method_hash(ku_isolate *isolate, ku_object *self, uint64_t *hash) {
    if (!ku_hash(isolate, method_of(self)->function, hash)) {
        return false;
    }
    *hash ^= ku__hash_address(method_of(self)->instance);
    return true;
}

static ku_object *method_repr(ku_isolate *isolate, ku_object *self) {
    ku_object *name = ku_function_name(method_of(self)->function);
    ku_object *shown = ku_repr(isolate, method_of(self)->instance);
    ku_object *text = shown == NULL ? NULL
                                    : ku_str_format(isolate, "<bound method %s of %s>",
                                                    name == NULL ? "?" : ku_str_text(name), ku_str_text(shown));
    ku_release(isolate, shown);
    return text;
}

static const ku_field method_fields[] = {
    {"__func__", offsetof(ku__method, function), KU_FIELD_OWNED, KU_FIELD_READ_ONLY, 0},
    {"__self__", offsetof(ku__method, instance), KU_FIELD_OWNED, KU_FIELD_READ_ONLY, 0},
    {NULL},
};

const ku_type_spec ku__method_spec = {
    .name = "method",
    .size = sizeof(ku__method),
    .fields = method_fields,
    .flags = KU_TYPE_WEAKREFS | KU_TYPE_ABSTRACT,
    .doc = "A function and the object that it was read from.",
    .hash = method_hash,
    .equal = method_equal,
    .repr = method_repr,
    .call = method_call,
};

ku_object *ku_method_new(ku_isolate *isolate, ku_object *function, ku_object *instance) {
    ku__method *made = method_of(ku__object_new(isolate, KU_BUILTIN_METHOD));
    if (made != NULL) {
        made->function = ku_new_reference(function);
        made->instance = ku_new_reference(instance);
    }
    return (ku_object *)made;
}

ku_object *ku_method_function(const ku_object *method) {
    return ku_is_exactly(method, KU_BUILTIN_METHOD) ? method_of(method)->function : NULL;
}

ku_object *ku_method_instance(const ku_object *method) {
    return ku_is_exactly(method, KU_BUILTIN_METHOD) ? method_of(method)->instance : NULL;
}

/* ---- cells ---- */

static ku_object *cell_repr(ku_isolate *isolate, ku_object *self) {
    const ku_object *value = ku_cell_get(self);
    if (value == NULL) {
        return ku_str_format(isolate, "<cell at %p: empty>", (void *)self);
    }
    return ku_str_format(isolate, "<cell at %p: %s object at %p>", (void *)self, ku__type_name(value), (void *)value);
}

static const ku_field cell_fields[] = {
    {"cell_contents", offsetof(ku__cell, value), KU_FIELD_OWNED, 0, 0},
    {NULL},
};

const ku_type_spec ku__cell_spec = {
    .name = "cell",
    .size = sizeof(ku__cell),
    .fields = cell_fields,
    .doc = "A variable that several functions share.",
    .repr = cell_repr,
};

ku_object *ku_cell_new(ku_isolate *isolate, ku_object *value) {
    ku_object *made = ku__object_new(isolate, KU_BUILTIN_CELL);
    if (made != NULL) {
        ((ku__cell *)(void *)made)->value = ku_new_reference(value);
    }
    return made;
}

ku_object *ku_cell_get(const ku_object *cell) {
    return ku_is_exactly(cell, KU_BUILTIN_CELL) ? ((const ku__cell *)(const void *)cell)->value : NULL;
}

bool ku_cell_set(ku_isolate *isolate, ku_object *cell, ku_object *value) {
    if (!ku__expect(isolate, cell, KU_BUILTIN_CELL)) {
        return false;
    }
    ku_replace(isolate, &((ku__cell *)(void *)cell)->value, ku_new_reference(value));
    return true;
}
