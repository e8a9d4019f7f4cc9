/* collector_marks.h: which objects are candidates of a collection: one bit for every 16 bytes of the heap's addresses,
 * and a hash table for objects that lie elsewhere (large ones, and those born before kucha came).
 *
 * An object is a candidate because a generation's list led to it, never because of what its memory looks like. So a
 * reference is safe to look up whatever it is, and nothing is read from an object that has no bit.
 *
 * Invariant: outside of a collection no bit is set, and the table is empty.
 *
 * Lock: the GIL of the interpreter whose collector this is.
 */
#ifndef KU__COLLECTOR_MARKS_H
#define KU__COLLECTOR_MARKS_H

#include "alloc/fast.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    KU__MARK_UNIT_BITS = 4,   /* blocks lie at multiples of 16 bytes */
    KU__MARK_PAGE_BITS = 12,  /* of the pages that objects elsewhere lie on */
    KU__MARK_PAGES = 1 << 15, /* that are told from each other: 4 KiB of bits, a tenth of the first cache */
};

typedef struct ku__marks {
    uintptr_t base; /* of the addresses that have bits */
    size_t span;    /* their bytes */
    uint64_t *bits;
    size_t bits_bytes; /* mapped */

    uintptr_t *others; /* open addressing; 0 is empty; bit 0 set: no candidate any more */
    size_t others_mask;
    size_t others_count;
    size_t others_bytes;
    uint64_t
        pages[KU__MARK_PAGES / 64]; /* those of objects in the table, by number modulo: most words lead to others */
} ku__marks;

/* What a ku__marks was like. */
typedef struct ku__saved_marks {
    unsigned char *copy;
    size_t bytes; /* mapped */
} ku__saved_marks;

/* Makes room for bits of a window of addresses, of whole arenas (a span of 0: none has bits). False when the system
 * refuses memory. */
bool ku__marks_open(ku__marks *marks, uintptr_t base, size_t span);

/* Makes candidates of what has a bit in a map of the same window, and of nothing else in it. */
void ku__marks_copy(ku__marks *marks, const uint64_t *bits);

/* The candidates; those in the table also when they were taken. */
size_t ku__marks_count(const ku__marks *marks);

/* The candidates that were not taken. */
size_t ku__marks_left(const ku__marks *marks);

/* Takes every mark back. */
void ku__marks_clear(ku__marks *marks);

/* Gives back all memory. */
void ku__marks_close(ku__marks *marks);

/* Of an object outside of the bits. ku__marks_add_other: false when the system refuses memory. */
bool ku__marks_add_other(ku__marks *marks, const void *item);
bool ku__marks_take_other(ku__marks *marks, const void *item);

/* Whether an object that is not in the bits is a candidate; then `place` is its place in the table. */
bool ku__marks_other_place(const ku__marks *marks, const void *item, size_t *place);

/* Whether the table may have something at this address. */
static inline bool ku__marks_has_page(const ku__marks *marks, const void *item) {
    uintptr_t page = (uintptr_t)item >> KU__MARK_PAGE_BITS;
    return (marks->pages[page % KU__MARK_PAGES / 64] >> (page % 64) & 1) != 0;
}

/* Makes an object a candidate. */
static inline bool ku__marks_add(ku__marks *marks, const void *item) {
    uintptr_t offset = (uintptr_t)item - marks->base;
    if (KU__UNLIKELY(offset >= marks->span)) {
        return ku__marks_add_other(marks, item);
    }
    offset >>= KU__MARK_UNIT_BITS;
    marks->bits[offset / 64] |= (uint64_t)1 << (offset % 64);
    return true;
}

/* True, once, if the object is a candidate: it is none afterwards. */
static inline bool ku__marks_take(ku__marks *marks, const void *item) {
    uintptr_t offset = (uintptr_t)item - marks->base;
    if (KU__UNLIKELY(offset >= marks->span)) {
        return KU__UNLIKELY(ku__marks_has_page(marks, item)) && ku__marks_take_other(marks, item);
    }
    offset >>= KU__MARK_UNIT_BITS;
    uint64_t word = marks->bits[offset / 64], bit = (uint64_t)1 << (offset % 64);
    if ((word & bit) == 0) {
        return false;
    }
    marks->bits[offset / 64] = word & ~bit;
    return true;
}

/* Remembers which objects are candidates; false when the system refuses memory. And makes those candidates again that
 * were, if none has been added since. */
bool ku__marks_save(const ku__marks *marks, ku__saved_marks *saved);
void ku__marks_restore(ku__marks *marks, const ku__saved_marks *saved);

/* Whether the object is a candidate. */
bool ku__marks_has(const ku__marks *marks, const void *item);

typedef void ku__marks_visitor(void *item, void *argument);

/* Calls found() for each candidate. */
void ku__marks_each(const ku__marks *marks, ku__marks_visitor *found, void *argument);

/* Calls found() for each that is a candidate no more, of those in the table and then of those that a map of the same
 * window has. */
void ku__marks_each_taken(const ku__marks *marks, const uint64_t *bits, ku__marks_visitor *found, void *argument);

/* Takes all candidates, in the order of addresses, those outside of the bits last, and calls found() for each. */
void ku__marks_take_all(ku__marks *marks, ku__marks_visitor *found, void *argument);

#endif
