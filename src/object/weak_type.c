/* weak_type.c: weak references and proxies as types: what can be done with them.
 *
 * A weak reference is called to give its referent, is equal to another one whose referent is equal, and has the hash of
 * its referent from the first time it was asked for it while that lived.
 *
 * A proxy hands everything to its referent: attributes, calls, operations, iteration, text. It has no hash, as its
 * referent may change its mind about equality by dying (Objects/weakrefobject.c of CPython 3.14).
 */
#include "object/weak.h"

#include <kucha/function.h>
#include <kucha/operations.h>
#include <kucha/text.h>
#include <kucha/value.h>

static ku__weakref *as_reference(const ku_object *object) {
    return (ku__weakref *)(uintptr_t)object;
}

/* ---- both ---- */

static ku_object *repr(ku_isolate *isolate, ku_object *self) {
    const ku_object *referent = ku__weak_peek(as_reference(self));
    const char *kind = ku_is_exactly(self, KU_BUILTIN_PROXY) ? "weakproxy" : "weakref";
    if (referent == NULL) {
        return ku_str_format(isolate, "<%s at %p; dead>", kind, (void *)self);
    }
    return ku_str_format(isolate, "<%s at %p; to '%s' at %p>", kind, (void *)self, ku__type_of(referent)->own.name,
                         (const void *)referent);
}

/* ---- weak references ---- */

static ku_object *reference_call(ku_isolate *isolate, ku_object *self, ku_object *const *arguments, size_t count) {
    (void)arguments;
    if (count != 0) {
        return ku_fail_null(isolate, KU_TYPE, "weakref expected 0 arguments, got %zu", count);
    }
    ku_object *referent = ku__weak_peek(as_reference(self));
    return ku_new_reference(referent != NULL ? referent : ku_none(isolate));
}

static bool reference_hash(ku_isolate *isolate, ku_object *self, uint64_t *hash) {
    ku__weakref *reference = as_reference(self);
    if ((reference->header.kind & KU__HAS_HASH) == 0) {
        ku_object *referent = ku_new_reference(ku__weak_peek(reference));
        if (referent == NULL) {
            return ku_fail(isolate, KU_TYPE, "weak object has gone away");
        }
        bool hashed = ku_hash(isolate, referent, &reference->hash);
        reference->header.kind |= hashed ? KU__HAS_HASH : 0;
        ku_decref(isolate, referent);
        if (!hashed) {
            return false;
        }
    }
    *hash = reference->hash;
    return true;
}

static int reference_equal(ku_isolate *isolate, ku_object *self, ku_object *other) {
    if (!ku_is_instance(other, ku_builtin_type(KU_BUILTIN_WEAKREF))) {
        return KU_NO_ANSWER;
    }
    ku_object *mine = ku_new_reference(ku__weak_peek(as_reference(self)));
    ku_object *theirs = ku_new_reference(ku__weak_peek(as_reference(other)));
    int equal = mine != NULL && theirs != NULL ? ku_equal(isolate, mine, theirs) : self == other;
    ku_release(isolate, mine);
    ku_release(isolate, theirs);
    return equal;
}

static const ku_field reference_fields[] = {
    {"__callback__", offsetof(ku__weakref, callback), KU_FIELD_OWNED, KU_FIELD_HIDDEN},
    {"referent", offsetof(ku__weakref, referent), KU_FIELD_PLAIN, KU_FIELD_HIDDEN},
    {NULL},
};

const ku_type_spec ku__weakref_spec = {
    .name = "weakref",
    .size = sizeof(ku__weakref),
    .fields = reference_fields,
    .flags = KU_TYPE_ABSTRACT | KU_TYPE_WEAKREFS,
    .release = ku__weak_unlink,
    .hash = reference_hash,
    .equal = reference_equal,
    .repr = repr,
    .call = reference_call,
};

static const ku_field callback_fields[] = {
    {"owner", offsetof(ku__callback, owner), KU_FIELD_OWNED, KU_FIELD_HIDDEN},
    {"held", offsetof(ku__callback, held), KU_FIELD_OWNED, KU_FIELD_HIDDEN},
    {NULL},
};

const ku_type_spec ku__callback_spec = {
    .name = "callback",
    .size = sizeof(ku__callback),
    .fields = callback_fields,
    .flags = KU_TYPE_ABSTRACT | KU_TYPE_FINAL,
};

/* ---- proxies ---- */

ku_object *ku_proxy_new(ku_isolate *isolate, ku_object *object, ku_object *callback) {
    return (ku_object *)ku__weak_make(isolate, KU_BUILTIN_PROXY, object, callback);
}

ku_object *ku__proxy_referent(ku_isolate *isolate, const ku_object *self) {
    ku_object *referent = ku__weak_peek(as_reference(self));
    if (referent == NULL) {
        return ku_fail_null(isolate, KU_REFERENCE, "weakly-referenced object no longer exists");
    }
    return ku_new_reference(referent);
}

/* The same for an operand that may be a proxy or not. */
static ku_object *operand(ku_isolate *isolate, ku_object *object) {
    return ku_is_exactly(object, KU_BUILTIN_PROXY) ? ku__proxy_referent(isolate, object) : ku_new_reference(object);
}

static bool proxy_find(ku_isolate *isolate, ku_object *self, ku_object *name, ku_object **value) {
    ku_object *referent = ku__proxy_referent(isolate, self);
    *value = referent != NULL ? ku_get_attribute(isolate, referent, name) : NULL;
    ku_release(isolate, referent);
    return *value != NULL;
}

static int proxy_set(ku_isolate *isolate, ku_object *self, ku_object *name, ku_object *value) {
    ku_object *referent = ku__proxy_referent(isolate, self);
    if (referent == NULL) {
        return -1;
    }
    bool done =
        value != NULL ? ku_set_attribute(isolate, referent, name, value) : ku_delete_attribute(isolate, referent, name);
    ku_decref(isolate, referent);
    return done ? 1 : -1;
}

static ku_object *proxy_call(ku_isolate *isolate, ku_object *self, ku_object *const *arguments, size_t count) {
    ku_object *referent = ku__proxy_referent(isolate, self);
    ku_object *result = referent != NULL ? ku_call(isolate, referent, arguments, count) : NULL;
    ku_release(isolate, referent);
    return result;
}

static int proxy_equal(ku_isolate *isolate, ku_object *self, ku_object *other) {
    ku_object *mine = ku__proxy_referent(isolate, self);
    ku_object *theirs = mine != NULL ? operand(isolate, other) : NULL;
    int equal = theirs != NULL ? ku_equal(isolate, mine, theirs) : -1;
    ku_release(isolate, theirs);
    ku_release(isolate, mine);
    return equal;
}

static bool proxy_binary_by(ku_isolate *isolate, ku_operator which, ku_object *left, ku_object *right,
                            ku_object **result,
                            ku_object *(*act)(ku_isolate *, ku_operator, ku_object *, ku_object *)) {
    ku_object *a = operand(isolate, left), *b = a != NULL ? operand(isolate, right) : NULL;
    *result = b != NULL ? act(isolate, which, a, b) : NULL;
    ku_release(isolate, b);
    ku_release(isolate, a);
    return *result != NULL;
}

static bool proxy_binary(ku_isolate *isolate, ku_operator which, ku_object *left, ku_object *right,
                         ku_object **result) {
    return proxy_binary_by(isolate, which, left, right, result, ku_binary);
}

static bool proxy_in_place(ku_isolate *isolate, ku_operator which, ku_object *left, ku_object *right,
                           ku_object **result) {
    return proxy_binary_by(isolate, which, left, right, result, ku_binary_in_place);
}

static bool proxy_unary(ku_isolate *isolate, ku_unary_operator which, ku_object *self, ku_object **result) {
    ku_object *referent = ku__proxy_referent(isolate, self);
    *result = referent != NULL ? ku_unary(isolate, which, referent) : NULL;
    ku_release(isolate, referent);
    return *result != NULL;
}

static int proxy_compare(ku_isolate *isolate, ku_comparison which, ku_object *self, ku_object *other) {
    ku_object *mine = ku__proxy_referent(isolate, self), *theirs = mine != NULL ? operand(isolate, other) : NULL;
    int answer = theirs != NULL ? ku_compare(isolate, which, mine, theirs) : -1;
    ku_release(isolate, theirs);
    ku_release(isolate, mine);
    return answer;
}

static int64_t proxy_length(ku_isolate *isolate, ku_object *self) {
    ku_object *referent = ku__proxy_referent(isolate, self);
    int64_t length = referent != NULL ? ku_length(isolate, referent) : -1;
    ku_release(isolate, referent);
    return length;
}

static int proxy_truth(ku_isolate *isolate, ku_object *self) {
    ku_object *referent = ku__proxy_referent(isolate, self);
    int truth = referent != NULL ? ku_truth(isolate, referent) : -1;
    ku_release(isolate, referent);
    return truth;
}

static int proxy_contains(ku_isolate *isolate, ku_object *self, ku_object *item) {
    ku_object *referent = ku__proxy_referent(isolate, self);
    int contains = referent != NULL ? ku_contains(isolate, referent, item) : -1;
    ku_release(isolate, referent);
    return contains;
}

static ku_object *proxy_get_item(ku_isolate *isolate, ku_object *self, ku_object *key) {
    ku_object *referent = ku__proxy_referent(isolate, self);
    ku_object *item = referent != NULL ? ku_get_item(isolate, referent, key) : NULL;
    ku_release(isolate, referent);
    return item;
}

static bool proxy_set_item(ku_isolate *isolate, ku_object *self, ku_object *key, ku_object *value) {
    ku_object *referent = ku__proxy_referent(isolate, self);
    if (referent == NULL) {
        return false;
    }
    bool done = value != NULL ? ku_set_item(isolate, referent, key, value) : ku_delete_item(isolate, referent, key);
    ku_decref(isolate, referent);
    return done;
}

static ku_object *proxy_iter(ku_isolate *isolate, ku_object *self) {
    ku_object *referent = ku__proxy_referent(isolate, self);
    ku_object *iterator = referent != NULL ? ku_iter(isolate, referent) : NULL;
    ku_release(isolate, referent);
    return iterator;
}

static ku_object *proxy_next(ku_isolate *isolate, ku_object *self) {
    ku_object *referent = ku__proxy_referent(isolate, self);
    ku_object *item = referent != NULL ? ku_next(isolate, referent) : NULL;
    ku_release(isolate, referent);
    return item;
}

static ku_object *proxy_text(ku_isolate *isolate, ku_object *self) {
    ku_object *referent = ku__proxy_referent(isolate, self);
    ku_object *text = referent != NULL ? ku_to_str(isolate, referent) : NULL;
    ku_release(isolate, referent);
    return text;
}

static const ku_operations proxy_operations = {
    .binary = proxy_binary,
    .in_place = proxy_in_place,
    .unary = proxy_unary,
    .compare = proxy_compare,
    .length = proxy_length,
    .truth = proxy_truth,
    .contains = proxy_contains,
    .get_item = proxy_get_item,
    .set_item = proxy_set_item,
    .iter = proxy_iter,
    .next = proxy_next,
    .text = proxy_text,
};

const ku_type_spec ku__proxy_spec = {
    .name = "weakref.ProxyType",
    .size = sizeof(ku__weakref),
    .fields = reference_fields,
    .flags = KU_TYPE_ABSTRACT | KU_TYPE_FINAL | KU_TYPE_WEAKREFS,
    .release = ku__weak_unlink,
    .equal = proxy_equal,
    .repr = repr,
    .call = proxy_call,
    .find = proxy_find,
    .set = proxy_set,
    .operations = &proxy_operations,
};
