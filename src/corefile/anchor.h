/* anchor.h: where kucha's heaps are in a core: alloc/anchor.h, found by the text that it begins with. */
#ifndef KU__COREFILE_ANCHOR_H
#define KU__COREFILE_ANCHOR_H

#include "alloc/anchor.h"
#include "corefile/image.h"

/* Finds kucha's anchor: that of an interpreter under kucha, or (`native`) of a program of its own; false: there is
 * none. */
bool ku__anchor_find(ku__image *image, bool native, ku__anchor *anchor);

#endif
