/* check.h: finding references that a call takes and nobody gives up.
 *
 * A reference is *held from outside* when no object of the heap and no known root (ku_root_add, frames) holds it: a C
 * variable does. A function that keeps its promises leaves as many of those as it found, and one more on what it
 * returns. So:
 *
 *     ku_references *before = ku_references_take(isolate);
 *     ku_object *result = parse(isolate, text);
 *     ku_references_compare(isolate, before, result, NULL, NULL);    // tells of each object with more than before
 *
 * Works in every build; each call walks the whole heap. With KU_ISOLATE_BIRTHPLACES the report says where an object was
 * made.
 *
 * The checking build (meson setup -Dchecking=true) does the same around every call of the library that a program makes,
 * in an isolate with KU_ISOLATE_CHECK_CALLS, and ends the program at the first that leaks: "kucha: ku_call leaked 1
 * reference: object of type 'node' at 0x..., made at tree.c:31, insert". That is mostly a function or a hook of the
 * program, which the call called. What such a one means to keep in a variable of C must be a root (ku_root_add). Calls
 * are compared as long as the isolate has at most some thousand objects: the first two thousand, then one in sixty; not
 * those during which the lock changed hands.
 */
#ifndef KUCHA_CHECK_H
#define KUCHA_CHECK_H

#include <kucha/object.h>

#ifdef __cplusplus
extern "C" {
#endif

/* References held from outside, of every object, at a moment. Not of the isolate's heaps. */
typedef struct ku_references ku_references;

/* NULL with KU_NO_MEMORY pending. The caller ends it with ku_references_compare() or ku_references_free(). */
KU_API ku_references *ku_references_take(ku_isolate *isolate);
KU_API void ku_references_free(ku_references *references);

/* An object that is held from outside more often than before. */
typedef struct ku_reference_leak {
    ku_object *object; /* borrowed */
    const char *type;
    ku_place place;      /* where it was made; all unknown without birthplaces */
    uint32_t references; /* so many more */
} ku_reference_leak;

typedef void ku_reference_leak_hook(const ku_reference_leak *leak, void *argument);

/* Compares with now, and ends `before`. `result` (may be NULL) is what the call returned: one reference more of it is
 * right. Calls `hook` for each leak, or writes a line to standard error where it is NULL. Returns how many objects
 * leaked; SIZE_MAX with KU_NO_MEMORY pending when that could not be found out. */
KU_API size_t ku_references_compare(ku_isolate *isolate, ku_references *before, const ku_object *result,
                                    ku_reference_leak_hook *hook, void *argument);

#ifdef __cplusplus
}
#endif

#endif
