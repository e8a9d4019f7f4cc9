/* native.h: what tests of the native side share: isolates that must not leak, and a type with two references. */
#ifndef TESTS_NATIVE_H
#define TESTS_NATIVE_H

#include "support.h"

#include <kucha/kucha.h>

typedef struct node {
    ku_object header;
    ku_object *left, *right;
    int64_t number;
} node;

static const ku_field node_fields[] = {
    {"left", offsetof(node, left), KU_FIELD_OWNED},
    {"right", offsetof(node, right), KU_FIELD_OWNED},
    {"number", offsetof(node, number), KU_FIELD_INT64},
    {NULL},
};

static size_t nodes_finalized;
static bool count_finalized(ku_isolate *isolate, ku_object *self) {
    (void)isolate;
    (void)self;
    nodes_finalized++;
    return true;
}

static const ku_type_spec node_spec = {
    .name = "node", .size = sizeof(node), .fields = node_fields, .flags = KU_TYPE_WEAKREFS};
static const ku_type_spec watched_spec = {
    .name = "watched", .size = sizeof(node), .fields = node_fields, .finalize = count_finalized};

static inline ku_type *type_of_spec(const ku_type_spec *spec) {
    ku_error error;
    ku_type *type = ku_type_static(spec, &error);
    if (type == NULL) {
        fail_msg("%s", error.message);
    }
    return type;
}

static inline ku_object *new_node(ku_isolate *isolate, int64_t number) {
    node *made = (node *)ku_new(isolate, type_of_spec(&node_spec));
    if (made != NULL) {
        made->number = number;
    }
    return (ku_object *)made;
}
static inline ku_object *new_watched(ku_isolate *isolate) {
    return ku_new(isolate, type_of_spec(&watched_spec));
}
static inline node *as_node(ku_object *object) {
    return (node *)object;
}

/* Where a test asks for it, the checking build looks at every call whether it leaks a reference. That is for tests of
 * many functions with few calls each; the hostile build and sanitizers are slow enough. */
#if defined(CHECK_EVERY_CALL) && defined(KU_CHECKING) && !defined(KU_HOSTILE) && !defined(__SANITIZE_ADDRESS__) &&     \
    !defined(__SANITIZE_THREAD__)
enum { CHECKED_CALLS = KU_ISOLATE_CHECK_CALLS };
#else
enum { CHECKED_CALLS = 0 };
#endif

static inline ku_isolate *open_isolate(const char *name) {
    ku_error error = {.code = KU_OK};
    ku_isolate *isolate = ku_isolate_new(&(ku_isolate_options){.name = name, .flags = CHECKED_CALLS}, &error);
    if (isolate == NULL) {
        fail_msg("%s", error.message);
    }
    return isolate;
}

static inline void close_isolate(ku_isolate *isolate) {
    assert_int_equal(ku_isolate_delete(isolate), 0);
}

static inline ku_code pending_code(const ku_isolate *isolate) {
    const ku_error *error = ku_pending_error(isolate);
    return error != NULL ? error->code : KU_OK;
}

#endif
