/* birth.h: birthplaces inside. See birth.c. */
#ifndef KU__BIRTH_H
#define KU__BIRTH_H

#include "object/object.h"

typedef struct ku__tracer ku__tracer; /* trace/trace.h */

enum { KU__KNOWN_PLACES = 1024 }; /* 24 KiB: as many lines of a program as make objects in a while */

typedef struct ku__known_place {
    const char *file, *function;
    int32_t line;
    uint32_t site;
} ku__known_place;

struct ku__births {
    ku__tracer *tracer;
    ku__known_place cache[KU__KNOWN_PLACES];
};

bool ku__births_open(ku_isolate *isolate, ku_error *error);
void ku__births_close(ku_isolate *isolate); /* nothing when it was not opened */

/* The place of a site; false, and all unknown, for 0. Its texts live as long as the isolate. */
bool ku__place_of_site(const ku_isolate *isolate, uint32_t site, ku_place *place);

#endif
