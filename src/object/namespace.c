/* namespace.c: names and what they stand for: a module. Its attributes are the entries of its dict. */
#include "object/values.h"

#include <kucha/namespace.h>

static ku__namespace *namespace_of(const ku_object *object) {
    return (ku__namespace *)(uintptr_t)object;
}

ku_object *ku_namespace_new(ku_isolate *isolate, const char *name) {
    ku_object *text = ku_str(isolate, name);
    ku_object *dict = text != NULL ? ku_dict_new(isolate) : NULL;
    ku__namespace *made = NULL;
    if (dict != NULL) {
        made = (ku__namespace *)ku__object_raw(isolate, KU_BUILTIN_NAMESPACE, sizeof *made);
    }
    if (made == NULL) {
        ku_release(isolate, dict);
        ku_release(isolate, text);
        return NULL;
    }
    made->name = text;
    made->dict = dict;
    return &made->header;
}

ku_object *ku_namespace_dict(const ku_object *space) {
    return ku_is_exactly(space, KU_BUILTIN_NAMESPACE) ? namespace_of(space)->dict : NULL;
}
ku_object *ku_namespace_name(const ku_object *space) {
    return ku_is_exactly(space, KU_BUILTIN_NAMESPACE) ? namespace_of(space)->name : NULL;
}

static bool namespace_find(ku_isolate *isolate, ku_object *self, ku_object *name, ku_object **value) {
    *value = NULL;
    ku_object *dict = namespace_of(self)->dict;
    return dict == NULL || ku_dict_find(isolate, dict, name, value); /* NULL: the collector has been here */
}

static int namespace_set(ku_isolate *isolate, ku_object *self, ku_object *name, ku_object *value) {
    ku_object *dict = namespace_of(self)->dict;
    if (dict == NULL) {
        return 0;
    }
    if (value != NULL) {
        return ku_dict_set(isolate, dict, name, value) ? 1 : -1;
    }
    int there = ku_dict_contains(isolate, dict, name);
    return there <= 0 ? there : ku_dict_delete(isolate, dict, name) ? 1 : -1;
}

static ku_object *namespace_repr(ku_isolate *isolate, ku_object *self) {
    ku_object *shown = ku_repr(isolate, namespace_of(self)->name);
    ku_object *made = shown != NULL ? ku_str_format(isolate, "<module %s>", ku_str_text(shown)) : NULL;
    ku_release(isolate, shown);
    return made;
}

static const ku_field namespace_fields[] = {
    {"__name__", offsetof(ku__namespace, name), KU_FIELD_OWNED, KU_FIELD_READ_ONLY, 0},
    {"__dict__", offsetof(ku__namespace, dict), KU_FIELD_OWNED, KU_FIELD_READ_ONLY, 0},
    {NULL},
};

const ku_type_spec ku__namespace_spec = {
    .name = "module",
    .size = sizeof(ku__namespace),
    .fields = namespace_fields,
    .flags = KU_TYPE_WEAKREFS | KU_TYPE_FINAL | KU_TYPE_ABSTRACT,
    .doc = "Names and what they stand for.",
    .repr = namespace_repr,
    .find = namespace_find,
    .set = namespace_set,
};
