/* text.h: str, text in UTF-8, and bytes.
 *
 * Both are immutable. A str is always valid UTF-8 (RFC 3629: no surrogates, no overlong forms), with its length in code
 * points and, once it was asked for, its hash kept beside the text: 32 bytes, the text, and a terminator. Text of
 * ASCII alone is indexed in constant time; in other text the place of a code point is counted, 8 bytes at a time.
 *
 * Interning. The empty str and those of one code point up to U+00FF exist once. ku_str(), which is for text that stands
 * in a program, interns what looks like a name (letters, digits, underscores of ASCII), as CPython's compiler does with
 * constants; text from elsewhere is interned on request only: ku_intern(). Interned text of the same isolate is equal
 * exactly when it is the same object.
 *
 * Lock: the isolate's, for what takes one; the rest reads an object and needs it only to be alive.
 *
 * Source: the Python library reference, "Text Sequence Type" and "Binary Sequence Types".
 */
#ifndef KUCHA_TEXT_H
#define KUCHA_TEXT_H

#include <kucha/object.h>
#include <stdarg.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- str ---- */

/* A str from terminated text that stands in the program; interned when it looks like a name. KU_VALUE as below. */
KU_API ku_object *ku_str(ku_isolate *isolate, const char *text);

/* A str from `length` bytes of UTF-8; they may contain zeros. KU_VALUE for what is not UTF-8: "'utf-8' codec can't
 * decode byte 0xff in position 0: invalid start byte". */
KU_API ku_object *ku_str_new(ku_isolate *isolate, const char *bytes, size_t length);

/* A str made as by printf. What the format makes must be UTF-8. */
KU_API ku_object *ku_str_format(ku_isolate *isolate, const char *format, ...)
#if defined(__GNUC__)
    __attribute__((format(printf, 2, 3)))
#endif
    ;
KU_API ku_object *ku_str_format_list(ku_isolate *isolate, const char *format, va_list arguments);

/* A str of one code point, as chr(). KU_VALUE for a surrogate and above U+10FFFF: "chr() arg not in range(0x110000)".
 * */
KU_API ku_object *ku_str_from_code_point(ku_isolate *isolate, uint32_t code_point);

KU_API bool ku_is_str(const ku_object *object);

/* The text, UTF-8 and terminated: borrowed, as long as the str lives. NULL for what is no str. */
KU_API const char *ku_str_text(const ku_object *text);

/* Bytes of the text without the terminator; 0 for what is no str. */
KU_API size_t ku_str_size(const ku_object *text);

/* Code points of the text; 0 for what is no str. */
KU_API size_t ku_str_length(const ku_object *text);

/* The code point at `index` (from 0), as ord(text[index]); 0xFFFFFFFF outside of the text. */
KU_API uint32_t ku_str_code_point(const ku_object *text, size_t index);

/* Whether it is a str with exactly this (terminated) text. */
KU_API bool ku_str_is(const ku_object *object, const char *text);

/* The index in code points of the first place at or after `start` where `part` is found; -1 when nowhere; -2 with the
 * error pending: KU_TYPE. (str.find; an empty `part` is found anywhere up to the end.) */
KU_API int64_t ku_str_find(ku_isolate *isolate, ku_object *text, ku_object *part, size_t start);

/* The items of an iterable, all str, with `separator` between them. KU_TYPE: "sequence item 1: expected str instance,
 * int found". */
KU_API ku_object *ku_str_join(ku_isolate *isolate, ku_object *separator, ku_object *iterable);

/* ---- bytes ---- */

/* `data` may be NULL: the bytes are zero. */
KU_API ku_object *ku_bytes_new(ku_isolate *isolate, const void *data, size_t length);
KU_API bool ku_is_bytes(const ku_object *object);

/* The bytes, borrowed, with a zero behind them; NULL for what is no bytes object. */
KU_API const char *ku_bytes_data(const ku_object *bytes);
KU_API size_t ku_bytes_length(const ku_object *bytes); /* 0 for what is no bytes object */

/* UTF-8 of a str as bytes, and back. */
KU_API ku_object *ku_str_encode(ku_isolate *isolate, ku_object *text);
KU_API ku_object *ku_bytes_decode(ku_isolate *isolate, ku_object *bytes);

#ifdef __cplusplus
}
#endif

#endif
