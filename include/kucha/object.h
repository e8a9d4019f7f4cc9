/* object.h: objects: the header, counting, attributes, and what every object can be asked.
 *
 * An object is a block of memory that begins with a ku_object: 4 bytes of count and 4 bytes of kind. It belongs to one
 * isolate (isolate.h), and so do all objects that it refers to. Its type (type.h) says what else is in it.
 *
 * References. A *new* reference is the caller's: it ends with ku_decref(). A *borrowed* one is somebody else's and is
 * good as long as theirs. Functions here give new references unless they say "borrowed"; arguments are borrowed; a
 * container takes references of its own. When the last reference goes, the object is freed at once (type.h says in what
 * order); what only refers to itself waits for the collector (gc.h).
 *
 * Errors. Whatever may allocate, free or fail takes the isolate first. A function that fails returns NULL, false or -1
 * and leaves the isolate with a *pending error*: ku_pending_error(), ku_clear_error(). Messages read as CPython 3.14's
 * do.
 *
 * Freeing and allocating may run code of the program (finalizers, callbacks of weak references, the collector): before
 * ku_decref() and before anything that makes an object, leave your own structures whole.
 *
 * Lock: every function needs the isolate's lock, unless it says otherwise. The count is an ordinary word.
 *
 * Source of the rules: the Python/C API reference, "Reference Counting" and "Objects, Types and Reference Counts".
 */
#ifndef KUCHA_OBJECT_H
#define KUCHA_OBJECT_H

#include <kucha/error.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct ku_isolate ku_isolate;
typedef struct ku_type ku_type;

/* What every object begins with. Read through the functions below; written by the library alone. 8 bytes make an int of
 * 16, an instance with three slots of 32, and a list of three of 64. */
typedef struct ku_object {
    uint32_t count; /* references; with bit 31 set, the object is immortal and the rest means nothing */
    uint32_t kind;  /* bits 0-23 the number of its type, bits 24-31 its state, the library's own */
} ku_object;

#define KU_IMMORTAL 0x80000000u       /* of `count` */
#define KU_TYPE_NUMBER_MASK 0xFFFFFFu /* of `kind` */

/* ---- counting ---- */

/* The slow half of ku_decref(): ends an object whose count has come to zero. Not for programs. */
KU_API void ku_object_end(ku_isolate *isolate, ku_object *object);

#ifdef KU_CHECKING
/* The checking build looks at every object that is used (not freed) and counted (alive: not at zero, not at its end).
 * It says which, of which type and made where, and ends the program. Compile with -DKU_CHECKING against a checking
 * library. */
KU_API void ku_object_check(const ku_object *object);
KU_API void ku_object_check_count(const ku_object *object);
#define KU_OBJECT_CHECK(object) ku_object_check(object)
#define KU_OBJECT_CHECK_COUNT(object) ku_object_check_count(object)
#else
#define KU_OBJECT_CHECK(object) ((void)0)
#define KU_OBJECT_CHECK_COUNT(object) ((void)0)
#endif

/* Takes one more reference. A count that would pass 2^31 - 1 makes the object immortal: never freed, never wrong. */
static inline void ku_incref(ku_object *object) {
    KU_OBJECT_CHECK_COUNT(object);
    object->count += (int32_t)object->count >= 0;
}

/* As ku_incref(), and gives the object; NULL gives NULL. */
static inline ku_object *ku_new_reference(ku_object *object) {
    if (object != NULL) {
        ku_incref(object);
    }
    return object;
}

/* Gives up one reference. When it was the last, the object is freed before the call returns (PEP 683 for immortals). */
static inline void ku_decref(ku_isolate *isolate, ku_object *object) {
    KU_OBJECT_CHECK_COUNT(object);
    if ((int32_t)object->count >= 0 && --object->count == 0) {
        ku_object_end(isolate, object);
    }
}

/* As ku_decref(); NULL does nothing. */
static inline void ku_release(ku_isolate *isolate, ku_object *object) {
    if (object != NULL) {
        ku_decref(isolate, object);
    }
}

/* Puts `value` (whose reference is taken over; may be NULL) into a place that holds a reference or NULL, and only then
 * gives up what was there: whoever looks while that dies sees the new value (cf. Py_XSETREF). */
static inline void ku_replace(ku_isolate *isolate, ku_object **place, ku_object *value) {
    ku_object *old = *place;
    *place = value;
    ku_release(isolate, old);
}

/* Empties a place that holds a reference or NULL, in the same order (cf. Py_CLEAR). */
static inline void ku_clear(ku_isolate *isolate, ku_object **place) {
    ku_replace(isolate, place, NULL);
}

/* The count, for people and tests: what the caller holds is in it. UINT32_MAX for an immortal. */
KU_API uint32_t ku_reference_count(const ku_object *object);

/* From now on counting leaves the object alone, and it lives as long as its isolate. What it refers to is not made
 * immortal. */
KU_API void ku_make_immortal(ku_isolate *isolate, ku_object *object);
static inline bool ku_is_immortal(const ku_object *object) {
    return (object->count & KU_IMMORTAL) != 0;
}

/* ---- identity, type, size ---- */

/* Identity: Python's `is`. Equality is ku_equal() (operations.h). */
static inline bool ku_is(const ku_object *a, const ku_object *b) {
    return a == b;
}

/* A number that no other living object of the process has: its address. */
static inline uintptr_t ku_id(const ku_object *object) {
    return (uintptr_t)object;
}

/* The object's type. Lives as long as the object. Any thread. */
KU_API ku_type *ku_type_of(const ku_object *object);

/* Whether the object's type is `type` or inherits from it. Any thread. */
KU_API bool ku_is_instance(const ku_object *object, const ku_type *type);

/* Bytes that the object occupies in its heap, as asked for, without what it refers to; buffers that it owns (items of a
 * list, attributes in a dict lay-out) are counted in. */
KU_API size_t ku_size_of(ku_isolate *isolate, const ku_object *object);

/* ---- making ---- */

/* A new instance of `type` with every field zero (an owned field that is NULL is an attribute that is not there).
 * NULL: KU_NO_MEMORY or KU_LIMIT; KU_TYPE for a type that cannot be made this way. May collect first. */
KU_API ku_object *ku_new(ku_isolate *isolate, ku_type *type);

/* As ku_new() for a type with a tail (KU_FIELD_TAIL) of `length` references, all NULL; its length field is set. */
KU_API ku_object *ku_new_sized(ku_isolate *isolate, ku_type *type, size_t length);

/* ---- attributes ----
 *
 * An attribute is, in this order: a field of the type (a slot), an entry of the instance's dict where the type has one,
 * or an attribute of the type (a method, bound to the object) found in the order of its bases. `name` is a str object;
 * interned ones (ku_intern()) are found without comparing text. Forms with a C string intern it first.
 *
 * A name that is not there is KU_ATTRIBUTE: "'Point' object has no attribute 'xx'. Did you mean: 'x'?", with the
 * nearest name if there is one near enough. */
KU_API ku_object *ku_get_attribute(ku_isolate *isolate, ku_object *object, ku_object *name);
KU_API bool ku_set_attribute(ku_isolate *isolate, ku_object *object, ku_object *name, ku_object *value);
KU_API bool ku_delete_attribute(ku_isolate *isolate, ku_object *object, ku_object *name);

/* As ku_get_attribute(), but an attribute that is not there is no error: *value is NULL and the result true. False only
 * when something else failed. */
KU_API bool ku_find_attribute(ku_isolate *isolate, ku_object *object, ku_object *name, ku_object **value);

KU_API ku_object *ku_get(ku_isolate *isolate, ku_object *object, const char *name);
KU_API bool ku_set(ku_isolate *isolate, ku_object *object, const char *name, ku_object *value);
KU_API bool ku_delete(ku_isolate *isolate, ku_object *object, const char *name);

/* The instance's dict, as `__dict__`: changes in it are changes of the attributes. KU_ATTRIBUTE for a type without one.
 * The first call turns the shared lay-out (values only) into a dict of the object's own, which costs bytes. */
KU_API ku_object *ku_get_dict(ku_isolate *isolate, ku_object *object);

/* ---- finalizers ---- */

/* Calls the object's finalizer as `a.__del__()` does: an ordinary call, which does not count as its one finalization.
 * False with the finalizer's own error pending; KU_ATTRIBUTE where the type has none. */
KU_API bool ku_call_finalizer(ku_isolate *isolate, ku_object *object);

/* Whether the finalizer has been run by the library (cf. gc.is_finalized). */
KU_API bool ku_is_finalized(const ku_object *object);

/* ---- interning ---- */

/* The one str with this text: takes over the caller's reference to `text` and gives a reference to the interned one,
 * which may be the same. Interned strings die when nobody refers to them. NULL: KU_TYPE for what is no str, or no
 * memory; the reference is given up then too. (cf. sys.intern) */
KU_API ku_object *ku_intern(ku_isolate *isolate, ku_object *text);

/* The interned str with this text (UTF-8, terminated). */
KU_API ku_object *ku_intern_text(ku_isolate *isolate, const char *text);

/* Whether it is a str that stands in its isolate's table of interned ones. */
KU_API bool ku_is_interned(const ku_object *text);

/* ---- birthplaces ---- */

/* A place in the program: file, line and function of the innermost frame (frame.h) when the object was made. */
typedef struct ku_place {
    const char *file;     /* lives as long as the isolate; NULL when unknown */
    const char *function; /* likewise */
    int32_t line;         /* 0 when unknown */
} ku_place;

/* Where the object was made. False when unknown: the isolate keeps no birthplaces (ku_isolate_options), or no frame was
 * there. */
KU_API bool ku_birthplace(ku_isolate *isolate, const ku_object *object, ku_place *place);

/* ---- the pending error ---- */

/* The error that the last failing call left, or NULL. Borrowed; good until the next call that may fail. */
KU_API const ku_error *ku_pending_error(const ku_isolate *isolate);

/* The value that came with it, borrowed, or NULL. */
KU_API ku_object *ku_pending_value(const ku_isolate *isolate);

/* Forgets the pending error and gives up its value. Nothing when there is none. */
KU_API void ku_clear_error(ku_isolate *isolate);

/* Sets the pending error, over an older one; the text is made as by printf and cut to what ku_error holds. Returns
 * false, so that `return ku_fail(...)` reads well; in a function that returns an object, `return ku_fail_null(...)`. */
KU_API bool ku_fail(ku_isolate *isolate, ku_code code, const char *format, ...)
#if defined(__GNUC__)
    __attribute__((format(printf, 3, 4)))
#endif
    ;
KU_API ku_object *ku_fail_null(ku_isolate *isolate, ku_code code, const char *format, ...)
#if defined(__GNUC__)
    __attribute__((format(printf, 3, 4)))
#endif
    ;

/* As ku_fail() with KU_RAISED and a value (a reference is taken): for languages whose programs raise objects. */
KU_API bool ku_raise(ku_isolate *isolate, ku_object *value, const char *message);

#ifdef __cplusplus
}
#endif

#endif
