/* objects.h: what tests of the native object model share: an isolate that must end without leaks, and a few types. */
#ifndef TESTS_OBJECTS_H
#define TESTS_OBJECTS_H

#include "support.h"

#include <kucha/kucha.h>
#include <stdio.h>
#include <string.h>

/* A node of a graph: three slots, weak references, a finalizer that tests set. */
typedef struct node {
    ku_object header;
    ku_object *left, *right, *parent;
} node;

static inline node *as_node(ku_object *object) {
    return (node *)(void *)object;
}

static const ku_field node_fields[] = {
    {"left", offsetof(node, left), KU_FIELD_OWNED},
    {"right", offsetof(node, right), KU_FIELD_OWNED},
    {"parent", offsetof(node, parent), KU_FIELD_OWNED},
    {NULL},
};
static const ku_type_spec node_spec = {
    .name = "node", .size = sizeof(node), .fields = node_fields, .flags = KU_TYPE_WEAKREFS};

/* The static type of a spec, which must be right. */
static inline ku_type *type_of_spec(const ku_type_spec *spec) {
    ku_error error = {0};
    ku_type *type = ku_type_static(spec, &error);
    if (type == NULL) {
        fprintf(stderr, "%s\n", error.message);
    }
    assert_non_null(type);
    return type;
}

static inline ku_isolate *isolate_with(const ku_isolate_options *options) {
    ku_error error = {0};
    ku_isolate *isolate = ku_isolate_new(options, &error);
    if (isolate == NULL) {
        fprintf(stderr, "%s\n", error.message);
    }
    assert_non_null(isolate);
    return isolate;
}

/* Where a test asks for it, the checking build looks at every call whether it leaks a reference. That is for tests of
 * many functions with few calls each; the hostile build and sanitizers are slow enough. */
#if defined(CHECK_EVERY_CALL) && defined(KU_CHECKING) && !defined(KU_HOSTILE) && !defined(__SANITIZE_ADDRESS__) &&     \
    !defined(__SANITIZE_THREAD__)
enum { CHECKED_CALLS = KU_ISOLATE_CHECK_CALLS };
#else
enum { CHECKED_CALLS = 0 };
#endif

static inline int open_isolate(void **state) {
    *state = isolate_with(&(ku_isolate_options){.flags = CHECKED_CALLS});
    return 0;
}

/* Whatever a test does, nothing may be left. */
static inline int close_isolate(void **state) {
    assert_null(ku_pending_error((ku_isolate *)*state));
    assert_int_equal(ku_isolate_delete((ku_isolate *)*state), 0);
    return 0;
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, open_isolate, close_isolate)

/* The pending error must be this one; it is cleared. */
static inline void assert_error(ku_isolate *isolate, ku_code code, const char *message) {
    const ku_error *error = ku_pending_error(isolate);
    assert_non_null(error);
    assert_string_equal(error->message, message);
    assert_int_equal(error->code, code);
    ku_clear_error(isolate);
}

#endif
