/* leaks.h: what is left of an isolate when it ends. See leaks.c. */
#ifndef KU__LEAKS_H
#define KU__LEAKS_H

#include "object/object.h"

/* Tells the leak hook (or standard error) what lives and is not immortal, by type and birthplace. Returns how many
 * objects. */
size_t ku__leaks_report(ku_isolate *isolate);

#endif
