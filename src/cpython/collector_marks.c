/* collector_marks.c: see collector_marks.h. */
#include "cpython/collector_marks.h"

#include "os/pages.h"

#include <string.h>

enum {
    OTHERS_LEAST = 1 << 14, /* places: a starting interpreter has some 10,000 tracked objects */
    TAKEN = 1,              /* in an address's lowest bit */
};

/* ---- the bits ---- */

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

static bool open_others(ku__marks *marks, size_t places) {
    uintptr_t *table = ku__pages_map(places * sizeof *table);
    if (table == NULL) {
        return false;
    }
    marks->others = table;
    marks->others_bytes = places * sizeof *table;
    marks->others_mask = places - 1;
    return true;
}

bool ku__marks_open(ku__marks *marks, uintptr_t base, size_t span) {
    marks->base = base;
    return open_bits(marks, span) && (marks->others != NULL || open_others(marks, OTHERS_LEAST));
}

void ku__marks_copy(ku__marks *marks, const uint64_t *bits) {
    if (marks->span != 0) {
        memcpy(marks->bits, bits, bytes_for(marks->span));
    }
}

static size_t count_bits(const ku__marks *marks) {
    size_t count = 0;
    for (size_t i = 0; i < bytes_for(marks->span) / sizeof(uint64_t); i++) {
        count += (size_t)__builtin_popcountll(marks->bits[i]);
    }
    return count;
}

size_t ku__marks_count(const ku__marks *marks) {
    return count_bits(marks) + marks->others_count;
}

size_t ku__marks_left(const ku__marks *marks) {
    size_t count = count_bits(marks);
    for (size_t i = 0; marks->others_count != 0 && i <= marks->others_mask; i++) {
        count += marks->others[i] != 0 && (marks->others[i] & TAKEN) == 0;
    }
    return count;
}

void ku__marks_clear(ku__marks *marks) {
    if (marks->bits != NULL) {
        memset(marks->bits, 0, bytes_for(marks->span));
    }
    if (marks->others_count != 0) {
        memset(marks->others, 0, marks->others_bytes);
        memset(marks->pages, 0, sizeof marks->pages);
        marks->others_count = 0;
    }
}

void ku__marks_close(ku__marks *marks) {
    ku__pages_unmap(marks->bits, marks->bits_bytes);
    ku__pages_unmap(marks->others, marks->others_bytes);
    *marks = (ku__marks){0};
}

/* ---- the table ---- */

/* The object's place, or the empty one where it would lie. Fibonacci hashing (Knuth, volume 3, 6.4): the low bits of
 * an address say little. */
static uintptr_t *place_of(const ku__marks *marks, uintptr_t item) {
    size_t at = (size_t)((item * UINT64_C(0x9E3779B97F4A7C15)) >> 20);
    for (;; at++) {
        uintptr_t *place = &marks->others[at & marks->others_mask];
        if (*place == 0 || (*place & ~(uintptr_t)TAKEN) == item) {
            return place;
        }
    }
}

static bool grow_others(ku__marks *marks) {
    uintptr_t *old = marks->others;
    size_t bytes = marks->others_bytes;
    if (!open_others(marks, (marks->others_mask + 1) * 2)) {
        return false;
    }
    for (size_t i = 0; i < bytes / sizeof *old; i++) {
        if (old[i] != 0) {
            *place_of(marks, old[i] & ~(uintptr_t)TAKEN) = old[i];
        }
    }
    ku__pages_unmap(old, bytes);
    return true;
}

bool ku__marks_add_other(ku__marks *marks, const void *item) {
    if (marks->others_count * 2 > marks->others_mask && !grow_others(marks)) {
        return false;
    }
    uintptr_t *place = place_of(marks, (uintptr_t)item);
    marks->others_count += *place == 0;
    *place = (uintptr_t)item;
    uintptr_t page = (uintptr_t)item >> KU__MARK_PAGE_BITS;
    marks->pages[page % KU__MARK_PAGES / 64] |= (uint64_t)1 << (page % 64);
    return true;
}

bool ku__marks_take_other(ku__marks *marks, const void *item) {
    if (item == NULL) {
        return false;
    }
    uintptr_t *place = place_of(marks, (uintptr_t)item);
    if (*place == 0 || (*place & TAKEN) != 0) {
        return false;
    }
    *place |= TAKEN;
    return true;
}

bool ku__marks_other_place(const ku__marks *marks, const void *item, size_t *place) {
    const uintptr_t *entry = place_of(marks, (uintptr_t)item);
    *place = (size_t)(entry - marks->others);
    return *entry != 0 && (*entry & TAKEN) == 0;
}

bool ku__marks_save(const ku__marks *marks, ku__saved_marks *saved) {
    size_t bits = bytes_for(marks->span), bytes = bits + marks->others_bytes;
    if (bytes > saved->bytes) {
        ku__pages_unmap(saved->copy, saved->bytes);
        saved->copy = ku__pages_map(bytes);
        saved->bytes = saved->copy != NULL ? bytes : 0;
    }
    if (saved->copy == NULL) {
        return false;
    }
    if (bits != 0) {
        memcpy(saved->copy, marks->bits, bits);
    }
    memcpy(saved->copy + bits, marks->others, marks->others_bytes);
    return true;
}

void ku__marks_restore(ku__marks *marks, const ku__saved_marks *saved) {
    size_t bits = bytes_for(marks->span);
    if (bits != 0) {
        memcpy(marks->bits, saved->copy, bits);
    }
    memcpy(marks->others, saved->copy + bits, marks->others_bytes);
}

bool ku__marks_has(const ku__marks *marks, const void *item) {
    uintptr_t offset = (uintptr_t)item - marks->base;
    if (offset >= marks->span) {
        uintptr_t entry = *place_of(marks, (uintptr_t)item);
        return entry != 0 && (entry & TAKEN) == 0;
    }
    offset >>= KU__MARK_UNIT_BITS;
    return (marks->bits[offset / 64] >> (offset % 64) & 1) != 0;
}

void ku__marks_each(const ku__marks *marks, ku__marks_visitor *found, void *argument) {
    for (size_t i = 0; i < bytes_for(marks->span) / sizeof(uint64_t); i++) {
        for (uint64_t word = marks->bits[i]; word != 0; word &= word - 1) {
            size_t unit = i * 64 + (size_t)__builtin_ctzll(word);
            found((void *)(marks->base + (unit << KU__MARK_UNIT_BITS)), argument);
        }
    }
    for (size_t i = 0; i <= marks->others_mask; i++) {
        if (marks->others[i] != 0 && (marks->others[i] & TAKEN) == 0) {
            found((void *)marks->others[i], argument);
        }
    }
}

void ku__marks_each_taken(const ku__marks *marks, const uint64_t *bits, ku__marks_visitor *found, void *argument) {
    for (size_t i = 0; marks->others_count != 0 && i <= marks->others_mask; i++) {
        if ((marks->others[i] & TAKEN) != 0) {
            found((void *)(marks->others[i] & ~(uintptr_t)TAKEN), argument);
        }
    }
    for (size_t i = 0; i < bytes_for(marks->span) / sizeof(uint64_t); i++) {
        for (uint64_t word = bits[i] & ~marks->bits[i]; word != 0; word &= word - 1) {
            size_t unit = i * 64 + (size_t)__builtin_ctzll(word);
            found((void *)(marks->base + (unit << KU__MARK_UNIT_BITS)), argument);
        }
    }
}

void ku__marks_take_all(ku__marks *marks, ku__marks_visitor *found, void *argument) {
    ku__marks_each(marks, found, argument);
    ku__marks_clear(marks);
}
