/* collector_marks.h: which objects are candidates of a collection: one bit for every 16 bytes of the heap's addresses,
 * and as many for each page on which objects lie elsewhere (large ones, and those born before kucha came). These pages
 * are found by their number, modulo; so a look at a reference that leads to neither, as to None, is one at a word.
 *
 * An object is a candidate because a generation's list led to it, never because of what its memory looks like. So a
 * reference is safe to look up whatever it is, and nothing is read from an object that has no bit.
 *
 * Invariant: outside of a collection no bit is set, and there are no pages.
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
    KU__MARK_UNIT_BITS = 4,  /* blocks lie at multiples of 16 bytes */
    KU__MARK_PAGE_BITS = 12, /* of the pages that objects elsewhere lie on */
    KU__MARK_PAGE_WORDS = 1 << (KU__MARK_PAGE_BITS - KU__MARK_UNIT_BITS - 6), /* of bits for a page */
};

/* A page with objects outside of the bits. */
typedef struct ku__mark_page {
    uintptr_t number;                      /* its address, shifted */
    uint32_t next;                         /* of those that begin at the same place; 0: none */
    uint64_t members[KU__MARK_PAGE_WORDS]; /* who was made a candidate, */
    uint64_t left[KU__MARK_PAGE_WORDS];    /* and is one still */
} ku__mark_page;

typedef struct ku__marks {
    uintptr_t base; /* of the addresses that have bits */
    size_t span;    /* their bytes */
    uint64_t *bits;
    size_t bits_bytes; /* mapped */

    ku__mark_page *pages; /* from 1 on */
    size_t pages_count, pages_capacity, pages_bytes;
    uint32_t *places; /* by a page's number modulo: the first page there; 0: none */
    size_t places_mask, places_bytes;
    size_t others_count; /* objects on pages, also those that were taken */
} ku__marks;

/* What a ku__marks was like. */
typedef struct ku__saved_marks {
    unsigned char *copy;
    size_t bytes; /* mapped */
} ku__saved_marks;

/* Makes room for bits of a window of addresses, of whole arenas (a span of 0: none has bits). False when the system
 * refuses memory. */
bool ku__marks_open(ku__marks *marks, uintptr_t base, size_t span);

/* Makes candidates of what has a bit in a map of the same window, where there were none. */
void ku__marks_copy(ku__marks *marks, const uint64_t *bits);

/* The candidates; those on pages also when they were taken. */
size_t ku__marks_count(const ku__marks *marks);

/* The candidates that were not taken. */
size_t ku__marks_left(const ku__marks *marks);

/* Takes every mark back. */
void ku__marks_clear(ku__marks *marks);

/* Gives back all memory; it can be opened again. And the bytes that are mapped. */
void ku__marks_close(ku__marks *marks);
size_t ku__marks_bytes(const ku__marks *marks);

/* Makes an object outside of the bits a candidate. False when the system refuses memory, or where the object lies at no
 * multiple of 16, which no allocator of the interpreter's does: then the collection must be left to the interpreter. */
bool ku__marks_add_other(ku__marks *marks, const void *item);

/* Whether an object that is not in the bits is a candidate; then `page` is the number of its page, below
 * ku__marks_pages(), and `before` how many candidates lie in front of it there. */
bool ku__marks_other_place(const ku__marks *marks, const void *item, size_t *page, unsigned *before);

static inline size_t ku__marks_pages(const ku__marks *marks) {
    return marks->pages_count + 1;
}

/* The page on which an address lies outside of the bits; NULL: there is none. */
static inline ku__mark_page *ku__marks_page(const ku__marks *marks, const void *item) {
    uintptr_t number = (uintptr_t)item >> KU__MARK_PAGE_BITS;
    uint32_t at = marks->places[number & marks->places_mask];
    while (at != 0 && marks->pages[at].number != number) {
        at = marks->pages[at].next;
    }
    return at != 0 ? &marks->pages[at] : NULL;
}

/* Words of bits, where several mark at once: what one loses of another's change is no mistake (collector_marker.h). */
static inline uint64_t ku__marks_load(const uint64_t *word) {
    return __atomic_load_n(word, __ATOMIC_RELAXED);
}

static inline void ku__marks_store(uint64_t *word, uint64_t bits) {
    __atomic_store_n(word, bits, __ATOMIC_RELAXED);
}

/* True, once, if the object on a page is a candidate. */
static inline bool ku__mark_page_take(ku__mark_page *page, const void *item) {
    uintptr_t unit = (uintptr_t)item >> KU__MARK_UNIT_BITS;
    uint64_t *place = &page->left[unit / 64 % KU__MARK_PAGE_WORDS], bit = (uint64_t)1 << (unit % 64);
    uint64_t word = ku__marks_load(place);
    if ((word & bit) == 0) {
        return false;
    }
    ku__marks_store(place, word & ~bit);
    return true;
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
        ku__mark_page *page = ku__marks_page(marks, item);
        return page != NULL && ku__mark_page_take(page, item);
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
 * were, if none has been added since. Then what was remembered is to be closed. */
bool ku__marks_save(const ku__marks *marks, ku__saved_marks *saved);
void ku__marks_restore(ku__marks *marks, const ku__saved_marks *saved);
void ku__saved_marks_close(ku__saved_marks *saved);

/* Whether an object lies at this address that is a candidate; any word can be asked about. */
bool ku__marks_has(const ku__marks *marks, const void *item);

typedef void ku__marks_visitor(void *item, void *argument);

/* Calls found() for each candidate. */
void ku__marks_each(const ku__marks *marks, ku__marks_visitor *found, void *argument);

/* Calls found() for each that is a candidate no more, of those on pages and then of those that a map of the same
 * window has. */
void ku__marks_each_taken(const ku__marks *marks, const uint64_t *bits, ku__marks_visitor *found, void *argument);

/* Takes all candidates, in the order of addresses, those outside of the bits last, and calls found() for each. */
void ku__marks_take_all(ku__marks *marks, ku__marks_visitor *found, void *argument);

#endif
