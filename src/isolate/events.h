/* events.h: heap files that are written by themselves. See kucha/heap_dump.h, events.c. */
#ifndef KU__EVENTS_H
#define KU__EVENTS_H

#include "object/object.h"

/* The hard limit has refused a request. */
void ku__events_at_limit(ku_isolate *isolate);

#endif
