/* native.h: the heaps of a program of kucha's C library, in a core. */
#ifndef KU__COREFILE_NATIVE_H
#define KU__COREFILE_NATIVE_H

#include "corefile/image.h"

#include <kucha/graph.h>

#define KU__CORE_NATIVE "kucha's C library"

/* The graph of all isolates that were alive. NULL: with *none true, no program of this library left the core; else
 * with `error` filled. `note` (may be NULL) is told with the graph. */
ku_graph *ku__core_native(ku__image *image, const char *note, bool *none, ku_error *error);

#endif
