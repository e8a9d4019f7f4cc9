/* free_lists.h: the interpreter's free lists, closed while every object is to have its own birthplace.
 *
 * An object from a free list makes no call to the allocator, so its block would keep the birthplace of whoever used it
 * first. From 3.14 on a list can be closed: then the objects that would lie on it are freed, and those that would be
 * taken from it are allocated, and each is traced as what it is, with no hook in the way of every other object (an
 * *empty* reference tracer costs 1.2 to 1.4 times on loops that make objects, there). What lies on the lists when they
 * are closed is put aside, and back when they are opened again.
 *
 * Only the main interpreter's are closed. Lock: its GIL.
 */
#ifndef KU__FREE_LISTS_H
#define KU__FREE_LISTS_H

#include <stdbool.h>

/* Whether this interpreter has lists that can be closed, and they lie where they are expected: asked of the interpreter
 * once, by objects that are made and dropped. They must be open. */
bool ku__free_lists_known(void);

/* They must be known. */
void ku__free_lists_close(void);
void ku__free_lists_open(void);

#endif
