/* collector_marks.c: see collector_marks.h. */
#include "cpython/collector_marks.h"

#include "os/pages.h"

#include <string.h>

enum {
    PAGES_LEAST = 1 << 11,                   /* a starting interpreter has some 13,000 tracked objects on 700 pages */
    PLACES_PER_PAGE = 4,                     /* so that few pages share one */
    ALIGNED = (1 << KU__MARK_UNIT_BITS) - 1, /* the bits of an address that must be 0 */
};

/* ---- the bits ---- */

/* Copies words to where all are 0, and touches no page there for words that are 0 too: tables are as long as the window
 * of addresses, and much of that is of no object, or was marked. */
static void copy_to_zeros(void *to, const void *from, size_t bytes) {
    enum { PIECE = 1 << 12 };
    static const char zeros[PIECE];
    for (size_t at = 0; at < bytes; at += PIECE) {
        size_t piece = bytes - at < PIECE ? bytes - at : PIECE;
        if (memcmp((const char *)from + at, zeros, piece) != 0) {
            memcpy((char *)to + at, (const char *)from + at, piece);
        }
    }
}

static size_t bytes_for(size_t span) {
    return span >> (KU__MARK_UNIT_BITS + 3);
}

static bool open_bits(ku__marks *marks, size_t span) {
    size_t bytes = bytes_for(span);
    if (bytes > marks->bits_bytes) {
        bytes += bytes / 4; /* heaps grow: not a new mapping for every collection */
        ku__pages_unmap(marks->bits, marks->bits_bytes);
        marks->bits_bytes = 0;
        marks->bits = ku__pages_map(bytes);
        if (marks->bits == NULL) {
            marks->span = 0;
            return false;
        }
        marks->bits_bytes = bytes;
    }
    marks->span = span;
    return true;
}

/* Room for so many pages, and no fewer places than that makes; nobody is there. */
static bool map_pages(ku__marks *to, size_t capacity) {
    *to = (ku__marks){.pages_capacity = capacity, .places_mask = capacity * PLACES_PER_PAGE - 1};
    to->pages_bytes = (capacity + 1) * sizeof *to->pages;
    to->places_bytes = capacity * PLACES_PER_PAGE * sizeof *to->places;
    to->pages = ku__pages_map(to->pages_bytes);
    to->places = ku__pages_map(to->places_bytes);
    return to->pages != NULL && to->places != NULL;
}

static void unmap_pages(ku__marks *marks) {
    ku__pages_unmap(marks->pages, marks->pages_bytes);
    ku__pages_unmap(marks->places, marks->places_bytes);
}

/* Appends a page that is not there. */
static ku__mark_page *append_page(ku__marks *marks, uintptr_t number) {
    uint32_t *place = &marks->places[number & marks->places_mask];
    ku__mark_page *page = &marks->pages[++marks->pages_count];
    *page = (ku__mark_page){.number = number, .next = *place};
    *place = (uint32_t)marks->pages_count;
    return page;
}

/* Room for twice as many pages, or the first. False when the system refuses memory: nothing changes. */
static bool widen_pages(ku__marks *marks) {
    ku__marks wider = {0};
    size_t capacity = marks->pages_capacity != 0 ? marks->pages_capacity * 2 : PAGES_LEAST;
    if (capacity >= UINT32_MAX || !map_pages(&wider, capacity)) {
        unmap_pages(&wider);
        return false;
    }
    size_t count = marks->pages != NULL ? marks->pages_count : 0;
    for (size_t i = 1; i <= count; i++) {
        ku__mark_page *page = append_page(&wider, marks->pages[i].number);
        memcpy(page->members, marks->pages[i].members, sizeof page->members);
        memcpy(page->left, marks->pages[i].left, sizeof page->left);
    }
    unmap_pages(marks);
    marks->pages = wider.pages;
    marks->pages_capacity = wider.pages_capacity;
    marks->pages_bytes = wider.pages_bytes;
    marks->places = wider.places;
    marks->places_mask = wider.places_mask;
    marks->places_bytes = wider.places_bytes;
    return true;
}

bool ku__marks_open(ku__marks *marks, uintptr_t base, size_t span) {
    marks->base = base;
    return open_bits(marks, span) && (marks->pages != NULL || widen_pages(marks));
}

void ku__marks_copy(ku__marks *marks, const uint64_t *bits) {
    if (marks->span != 0) {
        copy_to_zeros(marks->bits, bits, bytes_for(marks->span));
    }
}

static size_t count_words(const uint64_t *words, size_t count) {
    size_t bits = 0;
    for (size_t i = 0; i < count; i++) {
        bits += words[i] != 0 ? (size_t)__builtin_popcountll(words[i]) : 0; /* after marking most are empty */
    }
    return bits;
}

static size_t count_bits(const ku__marks *marks) {
    return count_words(marks->bits, bytes_for(marks->span) / sizeof(uint64_t));
}

size_t ku__marks_count(const ku__marks *marks) {
    return count_bits(marks) + marks->others_count;
}

size_t ku__marks_left(const ku__marks *marks) {
    size_t count = count_bits(marks);
    for (size_t i = 1; i <= marks->pages_count; i++) {
        count += count_words(marks->pages[i].left, KU__MARK_PAGE_WORDS);
    }
    return count;
}

void ku__marks_clear(ku__marks *marks) {
    if (marks->bits != NULL) {
        memset(marks->bits, 0, bytes_for(marks->span));
    }
    for (size_t i = 1; i <= marks->pages_count; i++) {
        marks->places[marks->pages[i].number & marks->places_mask] = 0;
    }
    marks->pages_count = marks->others_count = 0;
}

void ku__marks_close(ku__marks *marks) {
    ku__pages_unmap(marks->bits, marks->bits_bytes);
    unmap_pages(marks);
    *marks = (ku__marks){0};
}

/* ---- pages ---- */

bool ku__marks_add_other(ku__marks *marks, const void *item) {
    if (((uintptr_t)item & ALIGNED) != 0) {
        return false;
    }
    ku__mark_page *page = ku__marks_page(marks, item);
    if (page == NULL) {
        if (marks->pages_count == marks->pages_capacity && !widen_pages(marks)) {
            return false;
        }
        page = append_page(marks, (uintptr_t)item >> KU__MARK_PAGE_BITS);
    }
    uintptr_t unit = (uintptr_t)item >> KU__MARK_UNIT_BITS;
    size_t word = unit / 64 % KU__MARK_PAGE_WORDS;
    uint64_t bit = (uint64_t)1 << (unit % 64);
    marks->others_count += (page->members[word] & bit) == 0;
    page->members[word] |= bit;
    page->left[word] |= bit;
    return true;
}

static bool page_has(const ku__mark_page *page, const void *item) {
    uintptr_t unit = (uintptr_t)item >> KU__MARK_UNIT_BITS;
    return (page->left[unit / 64 % KU__MARK_PAGE_WORDS] >> (unit % 64) & 1) != 0;
}

bool ku__marks_other_place(const ku__marks *marks, const void *item, size_t *page, unsigned *before) {
    const ku__mark_page *on = ku__marks_page(marks, item);
    if (on == NULL || !page_has(on, item)) {
        return false;
    }
    uintptr_t unit = (uintptr_t)item >> KU__MARK_UNIT_BITS;
    size_t word = unit / 64 % KU__MARK_PAGE_WORDS;
    uint64_t front = on->left[word] & (((uint64_t)1 << (unit % 64)) - 1);
    *page = (size_t)(on - marks->pages);
    *before = (unsigned)(count_words(on->left, word) + count_words(&front, 1));
    return true;
}

static size_t pages_used(const ku__marks *marks) {
    return ku__marks_pages(marks) * sizeof *marks->pages;
}

bool ku__marks_save(const ku__marks *marks, ku__saved_marks *saved) {
    size_t bits = bytes_for(marks->span), bytes = bits + pages_used(marks);
    *saved = (ku__saved_marks){.copy = ku__pages_map(bytes), .bytes = bytes};
    if (saved->copy == NULL) {
        return false;
    }
    copy_to_zeros(saved->copy, marks->bits, bits);
    memcpy(saved->copy + bits, marks->pages, pages_used(marks));
    return true;
}

void ku__marks_restore(ku__marks *marks, const ku__saved_marks *saved) {
    size_t bits = bytes_for(marks->span);
    if (bits != 0) {
        memcpy(marks->bits, saved->copy, bits);
    }
    memcpy(marks->pages, saved->copy + bits, pages_used(marks));
}

void ku__saved_marks_close(ku__saved_marks *saved) {
    ku__pages_unmap(saved->copy, saved->bytes);
    *saved = (ku__saved_marks){0};
}

size_t ku__marks_bytes(const ku__marks *marks) {
    return marks->bits_bytes + marks->pages_bytes + marks->places_bytes;
}

bool ku__marks_has(const ku__marks *marks, const void *item) {
    uintptr_t offset = (uintptr_t)item - marks->base;
    if (((uintptr_t)item & ALIGNED) != 0) {
        return false;
    }
    if (offset >= marks->span) {
        const ku__mark_page *page = ku__marks_page(marks, item);
        return page != NULL && page_has(page, item);
    }
    offset >>= KU__MARK_UNIT_BITS;
    return (marks->bits[offset / 64] >> (offset % 64) & 1) != 0;
}

/* Calls found() for each bit of a word, the first of which is that of an address. */
static inline void each_bit(uint64_t word, uintptr_t first, ku__marks_visitor *found, void *argument) {
    for (; word != 0; word &= word - 1) {
        found((void *)(first + ((uintptr_t)__builtin_ctzll(word) << KU__MARK_UNIT_BITS)), argument);
    }
}

/* The address of the first bit of a word of the bits, or of a page's. */
static uintptr_t address_of(uintptr_t base, size_t word) {
    return base + (word << (KU__MARK_UNIT_BITS + 6));
}

/* Calls found() for each on a page that was taken, or that was not. */
static void each_on_page(const ku__mark_page *page, bool taken, ku__marks_visitor *found, void *argument) {
    for (size_t i = 0; i < KU__MARK_PAGE_WORDS; i++) {
        uint64_t word = taken ? page->members[i] & ~page->left[i] : page->left[i];
        each_bit(word, address_of(page->number << KU__MARK_PAGE_BITS, i), found, argument);
    }
}

void ku__marks_each(const ku__marks *marks, ku__marks_visitor *found, void *argument) {
    for (size_t i = 0; i < bytes_for(marks->span) / sizeof(uint64_t); i++) {
        each_bit(marks->bits[i], address_of(marks->base, i), found, argument);
    }
    for (size_t i = 1; i <= marks->pages_count; i++) {
        each_on_page(&marks->pages[i], false, found, argument);
    }
}

void ku__marks_each_taken(const ku__marks *marks, const uint64_t *bits, ku__marks_visitor *found, void *argument) {
    for (size_t i = 1; i <= marks->pages_count; i++) {
        each_on_page(&marks->pages[i], true, found, argument);
    }
    for (size_t i = 0; i < bytes_for(marks->span) / sizeof(uint64_t); i++) {
        each_bit(bits[i] & ~marks->bits[i], address_of(marks->base, i), found, argument);
    }
}

void ku__marks_take_all(ku__marks *marks, ku__marks_visitor *found, void *argument) {
    ku__marks_each(marks, found, argument);
    ku__marks_clear(marks);
}
