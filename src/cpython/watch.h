/* watch.h: which blocks of the main interpreter's were freed since some moment; while somebody wants to know.
 *
 * Each block of a window of addresses that is freed or resized gets a bit, and large ones stand in a table. So an
 * object that lay at an address when the watch began, and whose block was not freed since, still lies there, and its
 * words can be read; whether the collector tracks it stands in them.
 *
 * Who tells of it. While there is one GIL, a set of entry points in front of whichever is in place, and nothing while
 * nobody watches. Where there are many (many.h), functions cannot be exchanged, and the set for many tells of what the
 * main interpreter frees itself. What interpreters free that share its lock comes home by the heap's list of returns,
 * which tells of it (on_return in alloc/fast.h). What is on the list is not yet known: whoever asks drains it first. An
 * interpreter with a lock of its own has no object of the main one to free; a buffer of its would come home the same
 * way, so the table is touched under one lock alone.
 *
 * An object begins 16 or 32 bytes behind its block's first byte: behind a collector's header, and behind two words more
 * where its type has a dict or weak references of its own.
 *
 * Where an interpreter with a lock of its own comes while another tool's functions are in front, the watch is blind
 * from then on, and says of every object that its block was freed.
 *
 * Lock: the main interpreter's GIL.
 */
#ifndef KU__WATCH_H
#define KU__WATCH_H

#include "cpython/bridge.h"

extern KU__HIDDEN const ku__entry_set ku__entries_watched;

/* Begins to watch blocks: those in the window by bits, large ones by a table that may overflow. False: it is not
 * possible (another tool's functions are in front, no memory). */
bool ku__watch_begin(uintptr_t base, size_t span);

/* Ends the watch, if there is one. Where another tool's functions are in front by now, the set stays behind them and
 * only passes calls on. */
void ku__watch_end(void);

/* Whether the block in which the object lies was freed since the beginning, or may have been. An object outside of the
 * window counts as freed unless it is a large block of the main interpreter's heap. */
bool ku__watch_freed(const void *item);

/* A block of the main interpreter's is freed or resized, or was. Nothing while nobody watches. */
KU__COLD void ku__watch_note(const void *block);

/* Not all that is freed can be told of any more. */
void ku__watch_blind(void);

#endif
