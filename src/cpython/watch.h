/* watch.h: which blocks were freed since some moment; while somebody wants to know.
 *
 * A set of entry points in front of whichever is in place. It sets a bit for each block of a window of addresses that
 * is freed or resized, keeps others in a table, and passes the call on. So an object that lay at an address when the
 * watch began, and whose block was not freed since, still lies there, and its words can be read; whether the collector
 * tracks it stands in them. While nobody watches, the set is not in place and costs nothing.
 *
 * An object begins 16 or 32 bytes behind its block's first byte: behind a collector's header, and behind two words more
 * where its type has a dict or weak references of its own.
 *
 * A watch is of the main interpreter alone. Where an interpreter with a lock of its own comes, it is blind from then
 * on, and says of every object that its block was freed.
 *
 * Lock: the GIL.
 */
#ifndef KU__WATCH_H
#define KU__WATCH_H

#include "cpython/bridge.h"

extern KU__HIDDEN const ku__entry_set ku__entries_watched;

/* Begins to watch blocks: those in the window by bits, all others by a table that may overflow. False: it is not
 * possible (another tool's functions are in front, there are several GILs, no memory). */
bool ku__watch_begin(uintptr_t base, size_t span);

/* Ends the watch, if there is one. Where another tool's functions are in front by now, the set stays behind them and
 * only passes calls on. */
void ku__watch_end(void);

/* Whether the block in which the object lies was freed since the beginning, or may have been. An object outside of the
 * window counts as freed unless it is a large block of the main interpreter's heap. */
bool ku__watch_freed(const void *item);

/* There are several GILs now. */
void ku__watch_blind(void);

#endif
