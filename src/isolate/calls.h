/* calls.h: the checking build's watch over the calls that a program makes. See calls.c.
 *
 * Included by the functions that scripts/tools/checked_calls.py makes, and by nobody else.
 */
#ifndef KU__CALLS_H
#define KU__CALLS_H

#include <kucha/check.h>
#include <stdint.h>

/* A call of a public function, on the C stack of the one that it was made of. */
typedef struct ku__watch {
    const char *name;
    ku_isolate *isolate;   /* NULL: the function takes none */
    ku_references *before; /* NULL: they are not compared */
    uint64_t turns;        /* how often the lock had been taken */
} ku__watch;

/* Ends the program if the object was freed, or belongs to an isolate whose lock the calling thread does not hold. NULL
 * is left to the function itself. */
void ku__watch_takes(const ku_object *object);
void ku__watch_takes_anywhere(const ku_object *object);
void ku__watch_takes_all(ku_object *const *objects, size_t count);

void ku__watch_begin(ku__watch *call);
/* With the references that the call gave, each of which may be NULL. */
void ku__watch_end(ku__watch *call, const ku_object *const *given, size_t count);

#endif
