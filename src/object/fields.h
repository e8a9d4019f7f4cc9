/* fields.h: fields as attributes: what is at an offset, as an object, and back. See fields.c. */
#ifndef KU__FIELDS_H
#define KU__FIELDS_H

#include "object/object.h"

/* The value of a field, new. NULL without an error: an owned field that is empty. */
ku_object *ku__field_get(ku_isolate *isolate, ku_object *object, const ku_field *field);

/* Sets a field to what `value` says, by its kind. False with the error pending. */
bool ku__field_set(ku_isolate *isolate, ku_object *object, const ku_field *field, ku_object *value);

/* Empties a field that holds a reference: 1, 0 when it is empty, -1 with the error pending for other kinds. */
int ku__field_delete(ku_isolate *isolate, ku_object *object, const ku_field *field);

#endif
