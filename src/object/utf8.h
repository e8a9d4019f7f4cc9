/* utf8.h: UTF-8: checking, counting, code points. Source: RFC 3629; the Unicode Standard, table 3-7. */
#ifndef KU__UTF8_H
#define KU__UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { KU__UTF8_MAX = 4 }; /* bytes of one code point */

/* What is wrong with bytes that are not UTF-8, as CPython's decoder says it. */
typedef struct ku__utf8_fault {
    size_t start, end; /* the bytes that cannot be decoded */
    const char *reason;
} ku__utf8_fault;

/* Whether it is valid; *length then has the number of code points, else *fault what is wrong first. */
bool ku__utf8_check(const char *bytes, size_t size, size_t *length, ku__utf8_fault *fault);

/* Of valid UTF-8, all of these: */

/* Code points in `size` bytes that begin and end between code points. */
size_t ku__utf8_count(const char *bytes, size_t size);

/* Where the code point number `index` begins, index being at most the number of code points. */
size_t ku__utf8_offset(const char *bytes, size_t size, size_t index);

/* Bytes of the code point that begins with this byte. */
static inline size_t ku__utf8_step(char first) {
    uint8_t byte = (uint8_t)first;
    return byte < 0x80 ? 1 : byte < 0xE0 ? 2 : byte < 0xF0 ? 3 : 4;
}

/* The code point that begins there. */
uint32_t ku__utf8_get(const char *bytes);

/* Writes a code point; returns the number of bytes. */
size_t ku__utf8_put(char bytes[KU__UTF8_MAX], uint32_t code_point);

/* Whether repr() shows the code point as it is: not a control, format, private, unassigned one or a surrogate, and of
 * separators only the space (str.isprintable; the Unicode character database 16.0, which is CPython 3.14's). */
bool ku__is_printable(uint32_t code_point);

#endif
