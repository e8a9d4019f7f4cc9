/* weak.h: weak references inside: the objects, and the table that finds them by their referent.
 *
 * A referent has nothing of its references but the flag KU__WEAK. The table of the isolate has its chain, linked both
 * ways through the references, in the order of CPython's (Objects/weakrefobject.c): the shared reference without a
 * callback, the shared proxy, then those with callbacks, newest first.
 *
 * Invariants: a live object has KU__WEAK exactly if the table has an entry for it; `referent` of everything in a chain
 * is the key of its entry; what is in no chain has referent NULL.
 */
#ifndef KU__WEAK_H
#define KU__WEAK_H

#include "object/object.h"

/* A weak reference, or a proxy. 48 bytes: the size of its block. */
typedef struct ku__weakref {
    ku_object header;
    ku_object *referent;        /* not counted; NULL: gone */
    ku_object *callback;        /* NULL: none */
    struct ku__weakref *next;   /* in the chain, or in a queue of callbacks to be called */
    struct ku__weakref *before; /* in the chain */
    uint64_t hash;              /* of the referent, with KU__HAS_HASH */
} ku__weakref;

/* Of a weak reference's kind: a type's own bit, which is INTERNED of a str. */
enum { KU__HAS_HASH = KU__INTERNED };

/* A function of C as callback, with what it needs to know. Containers say who they are through a weak reference to
 * themselves: they may be gone when the callback's turn comes. */
typedef struct ku__callback {
    ku_object header;
    ku_weakref_callback *function;
    void *argument;
    ku_object *owner; /* a weak reference, or NULL */
    ku_object *held;  /* a key, or NULL */
} ku__callback;

extern const ku_type_spec ku__weakref_spec, ku__callback_spec, ku__proxy_spec;
extern const ku_type_spec ku__weak_value_dict_spec, ku__weak_key_dict_spec, ku__weak_set_spec;

/* A callback; `owner` and `held` are borrowed and may be NULL. */
ku__callback *ku__callback_new(ku_isolate *isolate, ku_weakref_callback *function, ku_object *owner, ku_object *held);

bool ku__weak_open(ku_isolate *isolate, ku_error *error);
void ku__weak_close(ku_isolate *isolate);

/* A weak reference or proxy (`kind` says which built-in type) to an object. New; NULL with the error pending. */
ku__weakref *ku__weak_make(ku_isolate *isolate, ku_builtin kind, ku_object *object, ku_object *callback);

/* The referent, borrowed; NULL when it is gone or its end has begun. */
static inline ku_object *ku__weak_peek(const ku__weakref *reference) {
    ku_object *referent = reference->referent;
    return referent != NULL && (referent->kind & KU__DYING) == 0 ? referent : NULL;
}

/* The referent of a proxy, new: it must not die of what is done with it. NULL with KU_REFERENCE. */
ku_object *ku__proxy_referent(ku_isolate *isolate, const ku_object *self);

/* The `release` hook of both: takes the reference out of its chain. */
void ku__weak_unlink(ku_isolate *isolate, ku_object *self);

/* Clears the references to an object that dies by count, and calls the callbacks. */
void ku__weak_end(ku_isolate *isolate, ku_object *object);

#ifdef KU_CHECKING
void ku__weak_check(const ku_isolate *isolate);
#else
#define ku__weak_check(isolate) ((void)0)
#endif

#endif
