/* gc_watch.h: being told of what collections find dead. The collector's side is in collect.c; who is told is
 * src/isolate/producers.c.
 *
 * Lock: the isolate's. Nothing that is called may allocate from the isolate's heaps, or touch an object.
 */
#ifndef KU__GC_WATCH_H
#define KU__GC_WATCH_H

#include "object/object.h"

typedef struct ku__gc_watch {
    /* Each of the dead, as number `number` of `dead`, and then that these were all: they are whole. */
    void (*dead)(ku_isolate *isolate, const ku_object *object, size_t number, size_t dead);
    void (*found)(ku_isolate *isolate, size_t dead);
    /* `found` of them ended, or were kept for the program to see; 0 also where none was touched. */
    void (*ended)(ku_isolate *isolate, size_t found);
    /* The collector goes. */
    void (*close)(ku_isolate *isolate);
} ku__gc_watch;

/* From the next collection on; NULL: nobody is told. */
void ku__gc_set_watch(ku_isolate *isolate, const ku__gc_watch *watch);

/* Of an object that was found dead, when the collection has ended the dead: whether it lives on. */
bool ku__gc_lives(const ku_isolate *isolate, const void *object);

#endif
