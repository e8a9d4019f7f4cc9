/* collections.h: what the interpreter's collections cost: how many of each generation, and how long they took.
 *
 * Two functions in gc.callbacks see every collection of the main interpreter begin and end: the first of the list and
 * the last, so that what others do in theirs counts as the collection's. Each takes the clock; nothing is allocated but
 * what the interpreter itself makes to call them. Who asks for it pays about a microsecond a collection.
 *
 * Source: the documentation of gc.callbacks. A program that empties the list ends the counting.
 */
#ifndef KU__COLLECTIONS_H
#define KU__COLLECTIONS_H

#include "cpython/module.h"

#include <kucha/capture.h>

/* Starts counting, for one more who asks. Holds the GIL of the main interpreter. 0, or -1 with an exception. */
int ku__collections_start(void);

/* One fewer; with the last the functions are taken out of the list. The counts stay. Never raises. */
void ku__collections_stop(void);

/* The counts since the process began; `seconds` is left alone. Any thread may ask, without a lock: a collection that
 * ends meanwhile is in all of them or in some. `longest` is since the last call with `forget`. */
void ku__collections_read(ku_capture_collections *collections, bool forget);

#endif
