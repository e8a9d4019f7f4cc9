/* finalize.h: objects that call a function when another one dies. See finalize.c. */
#ifndef KU__FINALIZE_H
#define KU__FINALIZE_H

#include "object/object.h"

/* Of the list of those that are alive, newest first, which has a reference to each. */
typedef struct ku__finalize {
    ku_object header;
    ku_object *reference; /* a weakref to the object; NULL: dead */
    ku_object *function;
    ku_object *arguments;      /* a tuple, or NULL */
    struct ku__finalize *next; /* in the isolate's list: made before this one */
    struct ku__finalize *before;
    bool atexit;
} ku__finalize;

extern const ku_type_spec ku__finalize_spec;

/* Calls those that are alive and want it, newest first, and makes the others dead; for the end of the isolate. */
void ku__finalize_at_exit(ku_isolate *isolate);

/* Visits the references that the list of living finalize objects holds. */
void ku__finalize_visit(ku_isolate *isolate, ku_visit *visit, void *argument);

#endif
