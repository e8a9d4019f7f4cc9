/* utf8.c: checking and counting UTF-8. See utf8.h.
 *
 * Most text is ASCII, so both go by words of 8 bytes: a word without high bits is 8 valid code points. Code points are
 * counted as the bytes that do not continue one (10xxxxxx).
 */
#include "object/utf8.h"

#include <string.h>

#define HIGH_BITS 0x8080808080808080u
#define LOW_BITS 0x0101010101010101u

static inline uint64_t word_at(const char *bytes) {
    uint64_t word;
    memcpy(&word, bytes, sizeof word);
    return word;
}

static inline bool is_continuation(uint8_t byte) {
    return (byte & 0xC0) == 0x80;
}

/* How many bytes of a word do not continue a code point. */
static inline size_t starts_in(uint64_t word) {
    uint64_t continues = (word >> 7) & ~(word >> 6) & LOW_BITS; /* bit 7 set, bit 6 clear */
    return 8 - (size_t)((continues * LOW_BITS) >> 56);
}

size_t ku__utf8_count(const char *bytes, size_t size) {
    size_t count = 0, at = 0;
    for (; at + 8 <= size; at += 8) {
        count += starts_in(word_at(bytes + at));
    }
    for (; at < size; at++) {
        count += !is_continuation((uint8_t)bytes[at]);
    }
    return count;
}

size_t ku__utf8_offset(const char *bytes, size_t size, size_t index) {
    size_t at = 0, left = index;
    while (at + 8 <= size) {
        size_t starts = starts_in(word_at(bytes + at));
        if (starts > left) {
            break;
        }
        left -= starts;
        at += 8;
    }
    for (; at < size; at++) { /* the place where one more would begin */
        if (!is_continuation((uint8_t)bytes[at]) && left-- == 0) {
            break;
        }
    }
    return at;
}

/* The least and the most that the second byte may be (table 3-7): no overlong forms, surrogates, or above U+10FFFF. */
static bool second_fits(uint8_t first, uint8_t second) {
    switch (first) {
    case 0xE0: return second >= 0xA0 && second <= 0xBF;
    case 0xED: return second >= 0x80 && second <= 0x9F;
    case 0xF0: return second >= 0x90 && second <= 0xBF;
    case 0xF4: return second >= 0x80 && second <= 0x8F;
    default: return is_continuation(second);
    }
}

static bool fail(ku__utf8_fault *fault, size_t start, size_t end, const char *reason) {
    *fault = (ku__utf8_fault){start, end, reason};
    return false;
}

/* One code point of several bytes at *at; moves on behind it. */
static bool check_one(const uint8_t *bytes, size_t size, size_t *at, ku__utf8_fault *fault) {
    uint8_t first = bytes[*at];
    if (first < 0xC2 || first > 0xF4) {
        return fail(fault, *at, *at + 1, "invalid start byte");
    }
    size_t step = ku__utf8_step((char)first);
    for (size_t i = 1; i < step; i++) {
        if (*at + i >= size) {
            return fail(fault, *at, size, "unexpected end of data");
        }
        uint8_t byte = bytes[*at + i];
        if (i == 1 ? !second_fits(first, byte) : !is_continuation(byte)) {
            return fail(fault, *at, *at + i, "invalid continuation byte");
        }
    }
    *at += step;
    return true;
}

bool ku__utf8_check(const char *bytes, size_t size, size_t *length, ku__utf8_fault *fault) {
    size_t at = 0, count = 0;
    while (at < size) {
        if (at + 8 <= size && (word_at(bytes + at) & HIGH_BITS) == 0) {
            at += 8;
            count += 8;
        } else if ((uint8_t)bytes[at] < 0x80) {
            at++;
            count++;
        } else if (check_one((const uint8_t *)bytes, size, &at, fault)) {
            count++;
        } else {
            return false;
        }
    }
    *length = count;
    return true;
}

uint32_t ku__utf8_get(const char *bytes) {
    const uint8_t *b = (const uint8_t *)bytes;
    switch (ku__utf8_step(bytes[0])) {
    case 1: return b[0];
    case 2: return (b[0] & 0x1Fu) << 6 | (b[1] & 0x3Fu);
    case 3: return (b[0] & 0x0Fu) << 12 | (b[1] & 0x3Fu) << 6 | (b[2] & 0x3Fu);
    default: return (b[0] & 0x07u) << 18 | (b[1] & 0x3Fu) << 12 | (b[2] & 0x3Fu) << 6 | (b[3] & 0x3Fu);
    }
}

size_t ku__utf8_put(char bytes[KU__UTF8_MAX], uint32_t c) {
    if (c < 0x80) {
        bytes[0] = (char)c;
        return 1;
    }
    if (c < 0x800) {
        bytes[0] = (char)(0xC0 | c >> 6);
        bytes[1] = (char)(0x80 | (c & 0x3F));
        return 2;
    }
    if (c < 0x10000) {
        bytes[0] = (char)(0xE0 | c >> 12);
        bytes[1] = (char)(0x80 | (c >> 6 & 0x3F));
        bytes[2] = (char)(0x80 | (c & 0x3F));
        return 3;
    }
    bytes[0] = (char)(0xF0 | c >> 18);
    bytes[1] = (char)(0x80 | (c >> 12 & 0x3F));
    bytes[2] = (char)(0x80 | (c >> 6 & 0x3F));
    bytes[3] = (char)(0x80 | (c & 0x3F));
    return 4;
}
