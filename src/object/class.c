/* class.c: making and ending type objects. See class.h. */
#include "object/class.h"

#include "object/lookup.h"
#include "object/types.h"

#include <kucha/function.h>
#include <kucha/text.h>
#include <string.h>

/* ---- the table ---- */

bool ku__classes_open(ku_isolate *isolate, ku_error *error) {
    isolate->classes = (ku__classes *)ku_heap_calloc(isolate->buffers, 1, sizeof(ku__classes));
    return isolate->classes != NULL ||
           ku__error_fill(error, KU_NO_MEMORY, "an isolate could not be made: the system refused memory");
}

/* Types whose objects leaked give their numbers back, too. */
void ku__classes_close(ku_isolate *isolate) {
    for (uint32_t number = 1; number < isolate->classes->capacity; number++) {
        ku__class *class = isolate->classes->by_number[number];
        if (class != NULL && class->type->isolate != NULL) {
            ku__type_unmake(class->type);
        }
    }
    ku_heap_free(isolate->buffers, isolate->classes->by_number);
    ku_heap_free(isolate->buffers, isolate->classes);
    isolate->classes = NULL;
}

/* Room for a type's number: twice what there was, as types come one by one. */
static bool reserve(ku_isolate *isolate, uint32_t number) {
    enum { LEAST = 64 };
    ku__classes *classes = isolate->classes;
    if (number < classes->capacity) {
        return true;
    }
    uint32_t capacity = classes->capacity != 0 ? classes->capacity : LEAST;
    while (capacity <= number) {
        capacity *= 2;
    }
    ku__class **larger = (ku__class **)ku_buffer_resize(isolate, classes->by_number, capacity * sizeof *larger);
    if (larger == NULL) {
        return false;
    }
    memset(larger + classes->capacity, 0, (capacity - classes->capacity) * sizeof *larger);
    classes->by_number = larger;
    classes->capacity = capacity;
    return true;
}

/* A type object that nobody knows yet. */
static ku__class *class_new(ku_isolate *isolate, ku_type *type) {
    ku__class *class = (ku__class *)(void *)ku__object_new(isolate, KU_BUILTIN_TYPE);
    if (class != NULL) {
        class->type = type;
    }
    return class;
}

ku__class *ku__class_of_type(ku_isolate *isolate, ku_type *type) {
    if (type->object != NULL) {
        return (ku__class *)(void *)type->object;
    }
    if (!reserve(isolate, type->number)) {
        return NULL;
    }
    ku__class *known = isolate->classes->by_number[type->number];
    if (known != NULL) {
        return known;
    }
    ku__class *class = class_new(isolate, type);
    if (class != NULL) {
        ku_make_immortal(isolate, &class->header);
        isolate->classes->by_number[type->number] = class;
    }
    return class;
}

ku_object *ku_type_object(ku_isolate *isolate, ku_type *type) {
    return (ku_object *)ku__class_of_type(isolate, type);
}

ku_type *ku_type_from(const ku_object *object) {
    return ku_is_exactly(object, KU_BUILTIN_TYPE) ? ((const ku__class *)(const void *)object)->type : NULL;
}

/* ---- types made at run time ---- */

static void retain_bases(const ku_type *type) {
    for (uint32_t b = 0; b < type->base_count; b++) {
        if (type->bases[b]->object != NULL) {
            ku_incref(type->bases[b]->object);
        }
    }
}

static void traverse(ku_object *self, ku_visit *visit, void *argument) {
    const ku_type *type = ((const ku__class *)(const void *)self)->type;
    for (uint32_t b = 0; type != NULL && type->isolate != NULL && b < type->base_count; b++) {
        if (type->bases[b]->object != NULL) {
            visit(&type->bases[b]->object, argument);
        }
    }
    ku__class *class = (ku__class *)(void *)self;
    ku__visit_array(class->names, class->name_count, visit, argument);
}

/* Severs the type from its bases, and only then lets them go. */
static void release_bases(ku_isolate *isolate, ku_type *type) {
    uint32_t count = type->base_count;
    type->base_count = 0;
    type->order_count = 1;
    type->layout = type;
    for (uint32_t b = 0; b < count; b++) {
        ku_release(isolate, type->bases[b]->object);
    }
}

static void clear(ku_isolate *isolate, ku_object *self) {
    ku__class *class = (ku__class *)(void *)self;
    isolate->classes->version++; /* tables of subtypes know this one by its address */
    ku__lookup_drop(isolate, class);
    while (class->name_count > 0) {
        ku_clear(isolate, &class->names[--class->name_count]);
    }
    if (class->type != NULL && class->type->isolate != NULL) {
        release_bases(isolate, class->type);
    }
}

/* The copy of the spec begins with its fields (copy_spec()). */
static void unmake(ku_isolate *isolate, ku_type *type) {
    const ku_field *copy = type->own.fields;
    ku__type_unmake(type);
    ku_buffer_free(isolate, (void *)(uintptr_t)copy);
}

/* The type goes with its object. */
static void release(ku_isolate *isolate, ku_object *self) {
    ku__class *class = (ku__class *)(void *)self;
    if (class->type != NULL && class->type->isolate != NULL) {
        isolate->classes->by_number[class->type->number] = NULL;
        unmake(isolate, class->type);
    }
}

static ku_object *repr(ku_isolate *isolate, ku_object *self) {
    return ku_str_format(isolate, "<class '%s'>", ((const ku__class *)(const void *)self)->type->own.name);
}

/* Calls `__init__` of a new instance, if there is one; without one no arguments are taken. */
static bool init(ku_isolate *isolate, ku_object *instance, ku_object *const *arguments, size_t count) {
    ku_object *name = ku_intern_text(isolate, "__init__"), *function = NULL;
    bool done = name != NULL && ku_find_attribute(isolate, instance, name, &function);
    if (done && function != NULL) {
        ku_object *result = ku_call(isolate, function, arguments, count);
        done = result != NULL;
        ku_release(isolate, result);
    } else if (done && count != 0) {
        done = ku_fail(isolate, KU_TYPE, "%s() takes no arguments", ku__type_of(instance)->own.name);
    }
    ku_release(isolate, function);
    ku_release(isolate, name);
    return done;
}

/* Calling a type makes an instance. */
static ku_object *call(ku_isolate *isolate, ku_object *self, ku_object *const *arguments, size_t count) {
    ku_object *instance = ku_new(isolate, ((const ku__class *)(const void *)self)->type);
    if (instance != NULL && !init(isolate, instance, arguments, count)) {
        ku_decref(isolate, instance);
        return NULL;
    }
    return instance;
}

static const ku_field class_fields[] = {
    {"__dict__", offsetof(ku__class, attributes), KU_FIELD_OWNED, KU_FIELD_HIDDEN},
    {"names", offsetof(ku__class, names), KU_FIELD_BUFFER, KU_FIELD_HIDDEN},
    {"lookup", offsetof(ku__class, lookup), KU_FIELD_PLAIN, KU_FIELD_HIDDEN},
    {NULL},
};

const ku_type_spec ku__class_spec = {
    .name = "type",
    .size = sizeof(ku__class),
    .fields = class_fields,
    .flags = KU_TYPE_ABSTRACT | KU_TYPE_WEAKREFS | KU_TYPE_FINAL,
    .release = release,
    .repr = repr,
    .call = call,
    .find = ku__class_find_attribute,
    .set = ku__class_set_attribute,
    .traverse = traverse,
    .clear = clear,
};

/* ---- a spec that lives as long as the type ---- */

static size_t text_bytes(const char *text) {
    return text != NULL ? strlen(text) + 1 : 0;
}

static size_t fields_of(const ku_type_spec *spec, size_t *names_bytes) {
    size_t count = 0;
    for (; spec->fields != NULL && spec->fields[count].name != NULL; count++) {
        *names_bytes += text_bytes(spec->fields[count].name);
    }
    return count;
}

static size_t methods_of(const ku_type_spec *spec, size_t *names_bytes) {
    size_t count = 0;
    for (; spec->methods != NULL && spec->methods[count].name != NULL; count++) {
        *names_bytes += text_bytes(spec->methods[count].name);
    }
    return count;
}

/* Copies a text to *to and moves that behind it. */
static const char *copy_text(char **to, const char *text) {
    char *copy = *to;
    if (text == NULL) {
        return NULL;
    }
    size_t bytes = text_bytes(text);
    memcpy(copy, text, bytes);
    *to += bytes;
    return copy;
}

/* Copies a spec and all it points to into one buffer, which begins with the fields and methods; *memory is to be freed.
 * False with the error pending. */
static bool copy_spec(ku_isolate *isolate, const ku_type_spec *spec, ku_type_spec *copy, void **memory) {
    size_t text = text_bytes(spec->name) + text_bytes(spec->doc);
    size_t fields = fields_of(spec, &text), methods = methods_of(spec, &text);
    size_t methods_at = (fields + 1) * sizeof(ku_field);
    methods_at = (methods_at + sizeof(void *) - 1) / sizeof(void *) * sizeof(void *);
    size_t text_at = methods_at + (methods + 1) * sizeof(ku_method);
    char *buffer = (char *)ku_buffer_new(isolate, text_at + text);
    if (buffer == NULL) {
        return false;
    }
    memset(buffer, 0, text_at);
    ku_field *field = (ku_field *)(void *)buffer;
    ku_method *method = (ku_method *)(void *)(buffer + methods_at);
    char *to = buffer + text_at;
    *copy = *spec;
    copy->fields = field;
    copy->methods = method;
    copy->name = copy_text(&to, spec->name);
    copy->doc = copy_text(&to, spec->doc);
    for (size_t i = 0; i < fields; i++) {
        field[i] = spec->fields[i];
        field[i].name = copy_text(&to, spec->fields[i].name);
    }
    for (size_t i = 0; i < methods; i++) {
        method[i] = spec->methods[i];
        method[i].name = copy_text(&to, spec->methods[i].name);
    }
    *memory = buffer;
    return true;
}

/* The type object of a type that is whole: takes over the type. */
static ku_object *class_for(ku_isolate *isolate, ku_type *type) {
    ku__class *class = reserve(isolate, type->number) ? class_new(isolate, type) : NULL;
    if (class == NULL) {
        unmake(isolate, type);
        return NULL;
    }
    type->object = &class->header;
    isolate->classes->by_number[type->number] = class;
    retain_bases(type);
    return &class->header;
}

ku_object *ku_type_new(ku_isolate *isolate, const ku_type_spec *spec, ku_type *const *bases, size_t count) {
    if (spec->name == NULL || spec->bases != NULL) {
        return ku_fail_null(isolate, KU_INVALID, "a type made at run time needs a name, and its bases as arguments");
    }
    ku_type_spec copy;
    void *memory;
    if (!copy_spec(isolate, spec, &copy, &memory)) {
        return NULL;
    }
    ku_type *object_type = ku_builtin_type(KU_BUILTIN_OBJECT);
    ku_error error;
    ku_type *type = ku__type_make(isolate, &copy, count != 0 ? bases : &object_type, count != 0 ? count : 1, &error);
    if (type == NULL) {
        ku_buffer_free(isolate, memory);
        return ku_fail_null(isolate, error.code, "%s", error.message);
    }
    return class_for(isolate, type);
}
