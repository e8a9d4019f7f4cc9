/* birth.h: birthplaces inside. See birth.c. */
#ifndef KU__BIRTH_H
#define KU__BIRTH_H

#include "object/object.h"

bool ku__births_open(ku_isolate *isolate, ku_error *error);
void ku__births_close(ku_isolate *isolate); /* nothing when it was not opened */

/* The place of a site; false, and all unknown, for 0. Its texts live as long as the isolate. */
bool ku__place_of_site(const ku_isolate *isolate, uint32_t site, ku_place *place);

#endif
