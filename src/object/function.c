/* function.c: functions of C as objects, bound methods, and cells. See kucha/function.h. */
#include "object/values.h"

#include <string.h>

/* ---- calling ---- */

ku_object *ku_call(ku_isolate *isolate, ku_object *callable, ku_object *const *arguments, size_t count) {
    return ku__call(isolate, callable, arguments, count);
}

bool ku_is_callable(const ku_object *object) {
    return ku__type_of(object)->call != NULL;
}

ku_object *ku_call_method(ku_isolate *isolate, ku_object *object, const char *name, ku_object *const *arguments,
                          size_t count) {
    ku_object *method = ku_get(isolate, object, name);
    ku_object *result = method != NULL ? ku__call(isolate, method, arguments, count) : NULL;
    ku_release(isolate, method);
    return result;
}

/* ---- functions ---- */

static ku__function *function_of(const ku_object *object) {
    return (ku__function *)(uintptr_t)object;
}

static ku_object *make(ku_isolate *isolate, const char *name, ku__function like) {
    ku_object *text = ku_str(isolate, name);
    ku__function *made = NULL;
    if (text != NULL) {
        made = (ku__function *)ku__object_raw(isolate, KU_BUILTIN_FUNCTION, sizeof *made);
    }
    if (made == NULL) {
        ku_release(isolate, text);
        return NULL;
    }
    ku_object header = made->header;
    *made = like;
    made->header = header;
    made->name = text;
    ku_new_reference(made->self);
    return &made->header;
}

ku_object *ku_function_new(ku_isolate *isolate, const char *name, ku_c_method *code, size_t least, size_t most,
                           ku_object *self) {
    size_t bound = most < KU_ANY_COUNT ? most : KU_ANY_COUNT;
    if (code == NULL || least > bound) {
        return ku_fail_null(isolate, KU_INVALID, "function '%s' needs C code, and no more arguments than it takes",
                            name);
    }
    return make(isolate, name,
                (ku__function){.self = self, .code = code, .least = (uint16_t)least, .most = (uint16_t)bound});
}

ku_object *ku_function_from_method(ku_isolate *isolate, const ku_method *method) {
    return make(
        isolate, method->name,
        (ku__function){.code = method->function, .least = method->least, .most = method->most, .takes_instance = true});
}

ku_object *ku_function_name(const ku_object *function) {
    return ku_is_exactly(function, KU_BUILTIN_FUNCTION) ? function_of(function)->name : NULL;
}
ku_object *ku_function_self(const ku_object *function) {
    return ku_is_exactly(function, KU_BUILTIN_FUNCTION) ? function_of(function)->self : NULL;
}

/* Checks the number of arguments, in the words of _PyArg_CheckPositional(), and calls. */
static ku_object *run(ku_isolate *isolate, const ku__function *f, ku_object *self, ku_object *const *arguments,
                      size_t count) {
    bool few = count < f->least, many = f->most != KU_ANY_COUNT && count > f->most;
    if (few || many) {
        size_t wanted = few ? f->least : f->most;
        return ku_fail_null(isolate, KU_TYPE, "%s expected %s%zu argument%s, got %zu", ku_str_text(f->name),
                            f->least == f->most ? ""
                            : few               ? "at least "
                                                : "at most ",
                            wanted, wanted == 1 ? "" : "s", count);
    }
    return f->code(isolate, self, arguments, count);
}

static ku_object *function_call(ku_isolate *isolate, ku_object *self, ku_object *const *arguments, size_t count) {
    const ku__function *f = function_of(self);
    if (!f->takes_instance) {
        return run(isolate, f, f->self, arguments, count);
    }
    if (count == 0) {
        return ku_fail_null(isolate, KU_TYPE, "unbound method %s() needs an argument", ku_str_text(f->name));
    }
    return run(isolate, f, arguments[0], arguments + 1, count - 1);
}

static ku_object *function_bind(ku_isolate *isolate, ku_object *self, ku_object *instance) {
    return ku_method_new(isolate, self, instance);
}

static ku_object *function_repr(ku_isolate *isolate, ku_object *self) {
    return ku_str_format(isolate, "<function %s at %p>", ku_str_text(function_of(self)->name), (void *)self);
}

static const ku_field function_fields[] = {
    {"__name__", offsetof(ku__function, name), KU_FIELD_OWNED, KU_FIELD_READ_ONLY, 0},
    {"__self__", offsetof(ku__function, self), KU_FIELD_OWNED, KU_FIELD_READ_ONLY, 0},
    {"code", offsetof(ku__function, code), KU_FIELD_PLAIN, KU_FIELD_HIDDEN, 0},
    {NULL},
};

const ku_type_spec ku__function_spec = {
    .name = "function",
    .size = sizeof(ku__function),
    .fields = function_fields,
    .flags = KU_TYPE_WEAKREFS | KU_TYPE_FINAL | KU_TYPE_ABSTRACT,
    .doc = "A function of C with a name and a number of arguments.",
    .repr = function_repr,
    .call = function_call,
    .bind = function_bind,
};

/* ---- bound methods ---- */

static ku__method *method_of(const ku_object *object) {
    return (ku__method *)(uintptr_t)object;
}

ku_object *ku_method_new(ku_isolate *isolate, ku_object *function, ku_object *instance) {
    ku__method *made = (ku__method *)ku__object_raw(isolate, KU_BUILTIN_METHOD, sizeof *made);
    if (made == NULL) {
        return NULL;
    }
    made->function = ku_new_reference(function);
    made->instance = ku_new_reference(instance);
    return &made->header;
}

ku_object *ku_method_function(const ku_object *method) {
    return ku_is_exactly(method, KU_BUILTIN_METHOD) ? method_of(method)->function : NULL;
}
ku_object *ku_method_instance(const ku_object *method) {
    return ku_is_exactly(method, KU_BUILTIN_METHOD) ? method_of(method)->instance : NULL;
}

/* Puts the instance before the arguments. */
static ku_object *call_with_instance(ku_isolate *isolate, const ku__method *m, ku_object *const *arguments,
                                     size_t count) {
    ku_object *few[8], **all = few;
    if (count + 1 > sizeof few / sizeof *few) {
        all = (ku_object **)ku_buffer_new(isolate, (count + 1) * sizeof *all);
        if (all == NULL) {
            return NULL;
        }
    }
    all[0] = m->instance;
    if (count > 0) {
        memcpy(all + 1, arguments, count * sizeof *all);
    }
    ku_object *result = ku__call(isolate, m->function, all, count + 1);
    if (all != few) {
        ku_buffer_free(isolate, all);
    }
    return result;
}

static ku_object *method_call(ku_isolate *isolate, ku_object *self, ku_object *const *arguments, size_t count) {
    const ku__method *m = method_of(self);
    if (ku_is_exactly(m->function, KU_BUILTIN_FUNCTION) && function_of(m->function)->takes_instance) {
        return run(isolate, function_of(m->function), m->instance, arguments, count);
    }
    return call_with_instance(isolate, m, arguments, count);
}

/* Two methods are equal when they are of the same object and function. */
static int method_equal(ku_isolate *isolate, ku_object *self, ku_object *other) {
    if (!ku_is_exactly(other, KU_BUILTIN_METHOD)) {
        return KU_NO_ANSWER;
    }
    if (method_of(self)->instance != method_of(other)->instance) {
        return 0;
    }
    return ku__same_or_equal(isolate, method_of(self)->function, method_of(other)->function);
}

static bool method_hash(ku_isolate *isolate, ku_object *self, uint64_t *hash) {
    uint64_t function;
    if (!ku_hash(isolate, method_of(self)->function, &function)) {
        return false;
    }
    *hash = ku__hash_address(method_of(self)->instance) ^ function;
    return true;
}

static ku_object *method_repr(ku_isolate *isolate, ku_object *self) {
    ku_object *name = ku_function_name(method_of(self)->function);
    return ku_str_format(isolate, "<bound method %s.%s at %p>", ku__type_name(method_of(self)->instance),
                         name != NULL ? ku_str_text(name) : "?", (void *)self);
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
    .flags = KU_TYPE_WEAKREFS | KU_TYPE_FINAL | KU_TYPE_ABSTRACT,
    .doc = "A function with the object that it is called for.",
    .hash = method_hash,
    .equal = method_equal,
    .repr = method_repr,
    .call = method_call,
};

/* ---- cells ---- */

static ku__cell *cell_of(const ku_object *object) {
    return (ku__cell *)(uintptr_t)object;
}

ku_object *ku_cell_new(ku_isolate *isolate, ku_object *value) {
    ku__cell *made = (ku__cell *)ku__object_raw(isolate, KU_BUILTIN_CELL, sizeof *made);
    if (made == NULL) {
        return NULL;
    }
    made->value = ku_new_reference(value);
    return &made->header;
}

ku_object *ku_cell_get(const ku_object *cell) {
    return ku_is_exactly(cell, KU_BUILTIN_CELL) ? cell_of(cell)->value : NULL;
}

bool ku_cell_set(ku_isolate *isolate, ku_object *cell, ku_object *value) {
    if (!ku__expect(isolate, cell, KU_BUILTIN_CELL)) {
        return false;
    }
    ku_replace(isolate, &cell_of(cell)->value, ku_new_reference(value));
    return true;
}

static ku_object *cell_repr(ku_isolate *isolate, ku_object *self) {
    const ku_object *value = cell_of(self)->value;
    if (value == NULL) {
        return ku_str_format(isolate, "<cell at %p: empty>", (void *)self);
    }
    return ku_str_format(isolate, "<cell at %p: %s object at %p>", (void *)self, ku__type_name(value),
                         (const void *)value);
}

static const ku_field cell_fields[] = {
    {"cell_contents", offsetof(ku__cell, value), KU_FIELD_OWNED, 0, 0},
    {NULL},
};

const ku_type_spec ku__cell_spec = {
    .name = "cell",
    .size = sizeof(ku__cell),
    .fields = cell_fields,
    .flags = KU_TYPE_FINAL,
    .doc = "A variable that several functions share.",
    .repr = cell_repr,
};
