/* references.h: the inside of kucha/check.h, for the checking build's watch over calls. See references.c. */
#ifndef KU__REFERENCES_H
#define KU__REFERENCES_H

#include "object/object.h"

#include <kucha/check.h>

/* As ku_references_compare() for a call that gave `count` new references (NULL is none; an object may be there
 * twice). */
size_t ku__references_compare(ku_isolate *isolate, ku_references *before, const ku_object *const *given, size_t count,
                              ku_reference_leak_hook *hook, void *argument);

#endif
