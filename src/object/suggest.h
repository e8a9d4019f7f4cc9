/* suggest.h: the error for an attribute that is not there, with the nearest name. See suggest.c. */
#ifndef KU__SUGGEST_H
#define KU__SUGGEST_H

#include "object/object.h"

/* Sets KU_ATTRIBUTE: "'Point' object has no attribute 'xx'. Did you mean: 'x'?"; returns false. `name` is a str. */
bool ku__fail_no_attribute(ku_isolate *isolate, ku_object *object, ku_object *name);

#endif
