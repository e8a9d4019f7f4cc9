/* weakref.h: references that do not keep what they refer to.
 *
 * A weak reference is an object that gives its referent as long as that lives, and nothing afterwards. It can have a
 * callback, any object that can be called (function.h), called with the weak reference as its one argument when the
 * referent is about to die; callbacks run newest first, and an error in one goes to the unraisable hook. A weak
 * reference that dies before its referent never calls. Without a callback there is one weak reference for an object,
 * which is shared.
 *
 * Only instances of types with KU_TYPE_WEAKREFS can be referred to: "cannot create weak reference to 'Point' object"
 * (KU_TYPE) else. It costs nothing in the object: the references to an object are found in a table of the isolate.
 *
 * Two weak references are equal when their referents are equal as long as both live, else when they are the same; the
 * hash is that of the referent, if it was asked for while it lived.
 *
 * Source: the Python library reference, "weakref"; PEP 205; Objects/weakrefobject.c of CPython 3.14.
 */
#ifndef KUCHA_WEAKREF_H
#define KUCHA_WEAKREF_H

#include <kucha/object.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A weak reference; `callback` may be NULL. New reference. KU_TYPE for a type without support, or memory. */
KU_API ku_object *ku_weakref_new(ku_isolate *isolate, ku_object *object, ku_object *callback);

/* The same with a function of C. `argument` is passed on. */
typedef void ku_weakref_callback(ku_isolate *isolate, ku_object *reference, void *argument);
KU_API ku_object *ku_weakref_new_c(ku_isolate *isolate, ku_object *object, ku_weakref_callback *callback,
                                   void *argument);

/* The referent, new; NULL without an error when it is gone (or `reference` is no weak reference: KU_TYPE). */
KU_API ku_object *ku_weakref_get(ku_isolate *isolate, ku_object *reference);

/* How many weak references and proxies there are to the object (weakref.getweakrefcount). */
KU_API size_t ku_weakref_count(const ku_isolate *isolate, const ku_object *object);

/* All of them, as a list (weakref.getweakrefs). */
KU_API ku_object *ku_weakref_list(ku_isolate *isolate, ku_object *object);

/* A proxy: an object that does what its referent does: attributes, calls, items, arithmetic. Once the referent is gone,
 * "weakly-referenced object no longer exists" (KU_REFERENCE). It cannot be hashed. */
KU_API ku_object *ku_proxy_new(ku_isolate *isolate, ku_object *object, ku_object *callback);

/* ---- finalize ---- */

/* An object that calls `function` with `arguments` (a tuple, or NULL) when `object` dies, or when the isolate is
 * deleted (unless atexit is switched off), and at most once. It keeps itself alive until then. (weakref.finalize) */
KU_API ku_object *ku_finalize_new(ku_isolate *isolate, ku_object *object, ku_object *function, ku_object *arguments);

/* Calls it now, if it is alive: its result, new; none when it was dead already. */
KU_API ku_object *ku_finalize_call(ku_isolate *isolate, ku_object *finalize);

/* If it is alive, makes it dead without calling and gives (object, function, arguments) as a tuple; else none. */
KU_API ku_object *ku_finalize_detach(ku_isolate *isolate, ku_object *finalize);

/* As detach, and leaves it alive. */
KU_API ku_object *ku_finalize_peek(ku_isolate *isolate, ku_object *finalize);

KU_API bool ku_finalize_is_alive(const ku_object *finalize);

/* Whether the deletion of the isolate calls it. True at first. Returns what it was. */
KU_API bool ku_finalize_set_atexit(ku_object *finalize, bool atexit);

/* ---- containers that hold weakly ---- each entry goes when what it holds weakly dies */

KU_API ku_object *ku_weak_value_dict_new(ku_isolate *isolate);
KU_API ku_object *ku_weak_key_dict_new(ku_isolate *isolate);

/* For both kinds of dictionary. get: new; NULL with KU_KEY when there is no such entry. */
KU_API ku_object *ku_weak_dict_get(ku_isolate *isolate, ku_object *dict, ku_object *key);
KU_API bool ku_weak_dict_set(ku_isolate *isolate, ku_object *dict, ku_object *key, ku_object *value);
KU_API bool ku_weak_dict_delete(ku_isolate *isolate, ku_object *dict, ku_object *key);
KU_API int ku_weak_dict_contains(ku_isolate *isolate, ku_object *dict, ku_object *key); /* 1, 0, -1 */
KU_API size_t ku_weak_dict_length(const ku_object *dict);
/* The entries as a list of (key, value) tuples: strong references, so that nothing changes while it is walked. */
KU_API ku_object *ku_weak_dict_items(ku_isolate *isolate, ku_object *dict);

KU_API ku_object *ku_weak_set_new(ku_isolate *isolate);
KU_API bool ku_weak_set_add(ku_isolate *isolate, ku_object *set, ku_object *item);
KU_API bool ku_weak_set_discard(ku_isolate *isolate, ku_object *set, ku_object *item); /* absent: nothing */
KU_API int ku_weak_set_contains(ku_isolate *isolate, ku_object *set, ku_object *item); /* 1, 0, -1 */
KU_API size_t ku_weak_set_length(const ku_object *set);
KU_API ku_object *ku_weak_set_items(ku_isolate *isolate, ku_object *set); /* a list */

#ifdef __cplusplus
}
#endif

#endif
