/* range.h: the one window of addresses in which all arenas and the tables beside them lie.
 *
 * Layout, from `base`:
 *
 *     [ arenas: `arenas_bytes` ][ tables: `tables_bytes` ]
 *
 * Normally nothing is reserved: parts are claimed when they are needed, in a window that the system does not use by
 * itself. The base is drawn from the address that the system gave to a page of ours, so it is as random as every other
 * mapping of the process, and fixed when address randomisation is off. Where the system refuses such addresses, the
 * largest window that it will give is reserved, and parts are committed; the rest of the library sees no difference.
 */
#ifndef KU__RANGE_H
#define KU__RANGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct ku__range {
    uintptr_t base;
    size_t arenas_bytes;
    size_t tables_bytes;
    bool reserved; /* the window is one reservation; else its parts are claimed */
} ku__range;

/* Finds a window for `arenas_bytes` of arenas (a power of two) and `tables_for(arenas_bytes)` of tables, at a
 * multiple of `alignment`. The result may be smaller, halved down to `least` bytes of arenas. False when the system
 * gives nothing. */
bool ku__range_find(ku__range *range, size_t arenas_bytes, size_t least, size_t alignment,
                    size_t (*tables_for)(size_t arenas_bytes));

/* Gives up a window of which no part is taken. */
void ku__range_drop(ku__range *range);

/* Makes part of the window usable, zeroed; false when the system refuses, with errno EEXIST where something else lies
 * there. */
bool ku__range_take(const ku__range *range, void *address, size_t bytes);

/* Gives a part back. */
void ku__range_give(const ku__range *range, void *address, size_t bytes);

#endif
