/* producers.h: who makes the cycles of native objects: the inside of kucha/producers.h. What is found out of the dead,
 * and counted, is in inspect/producers.h; here are who watches, and what references of native objects are called.
 */
#ifndef KU__ISOLATE_PRODUCERS_H
#define KU__ISOLATE_PRODUCERS_H

#include "inspect/producers.h"
#include "object/object.h"

/* What is asked to name references; producers_words.c. */
typedef struct ku__native_words {
    ku_isolate *isolate;
    ku__producers *all;
} ku__native_words;

/* Native objects, of which `words` is a ku__native_words. */
extern const ku__producing ku__native_producing;

#endif
