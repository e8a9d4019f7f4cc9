/* intern.h: the table of interned strings. See intern.c. */
#ifndef KU__INTERN_H
#define KU__INTERN_H

#include "object/object.h"

bool ku__interns_open(ku_isolate *isolate, ku_error *error);
void ku__interns_close(ku_isolate *isolate);

/* The one str with these bytes (UTF-8, valid), new; with `immortal` it is kept for good. NULL without memory. */
ku_object *ku__intern_bytes(ku_isolate *isolate, const char *bytes, size_t length, bool immortal);

/* The interned str with these bytes, borrowed; NULL when there is none. */
ku_object *ku__intern_find(const ku_isolate *isolate, const char *bytes, size_t length);

/* Takes a dying str out of the table. */
void ku__intern_forget(ku_isolate *isolate, ku_object *text);

static inline bool ku__is_interned(const ku_object *object) {
    return (object->kind & (KU__INTERNED | KU_TYPE_NUMBER_MASK)) == (KU__INTERNED | KU_BUILTIN_STR);
}

/* How many strings are interned, and the bytes of the table. */
size_t ku__intern_count(const ku_isolate *isolate, size_t *bytes);

#endif
