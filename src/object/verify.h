/* verify.h: the checking build's watch over objects. See verify.c. */
#ifndef KU__VERIFY_H
#define KU__VERIFY_H

#include "object/object.h"

#ifdef KU_CHECKING
bool ku__verify_open(ku_isolate *isolate, ku_error *error);
void ku__verify_close(ku_isolate *isolate);

/* Makes allocation `n` from now on (1: the next), of an object or a buffer, fail with KU_NO_MEMORY, and only that one;
 * 0 calls it off. Returns what was left of the last order: 0 when it was carried out. */
uint64_t ku__refuse_at(ku_isolate *isolate, uint64_t n);

/* As ku_object_check(), but for calls that may come from any thread. */
void ku__object_check_anywhere(const ku_object *object);

/* Keeps the block of an object that ended back for a while, marked as freed. */
void ku__quarantine_put(ku_isolate *isolate, ku_heap *heap, ku_object *object);
/* Frees what is kept back. */
void ku__quarantine_flush(ku_isolate *isolate);
#else
#define ku__quarantine_flush(isolate) ((void)(isolate))
#endif

#endif
