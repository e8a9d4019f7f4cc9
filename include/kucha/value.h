/* value.h: none, true and false, whole numbers of any size, and floating-point numbers.
 *
 * All are immutable. None, true, false and the whole numbers -5 to 256 exist once in an isolate and are immortal. A
 * whole number that fits 64 bits takes a block of 16 bytes; a larger one 16 and 8 for each 64 bits of its magnitude.
 * Arithmetic, order and text of all values are in operations.h.
 *
 * Text of whole numbers. CPython refuses to convert more than 4,300 digits between a number and decimal text, because
 * its algorithms take time in the square of the length (sys.set_int_max_str_digits, CVE-2020-10735). Here both
 * directions divide and conquer over Karatsuba's multiplication and Burnikel and Ziegler's division, and there is no
 * limit: docs/native/values.md has the figures.
 *
 * Lock: the isolate's, for what takes one; the rest reads an object and needs it only to be alive.
 *
 * Source: the Python library reference, "Built-in Types", numeric types.
 */
#ifndef KUCHA_VALUE_H
#define KUCHA_VALUE_H

#include <kucha/object.h>
#include <kucha/type.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- none, true, false ---- immortal: a reference to them need not be given up, and may be */

KU_API ku_object *ku_none(ku_isolate *isolate);
KU_API ku_object *ku_bool(ku_isolate *isolate, bool value);

static inline bool ku_is_none(const ku_object *object) {
    return ku_is_exactly(object, KU_BUILTIN_NONE);
}

/* ---- whole numbers ---- */

/* New references; NULL without memory. */
KU_API ku_object *ku_int(ku_isolate *isolate, int64_t value);
KU_API ku_object *ku_int_unsigned(ku_isolate *isolate, uint64_t value);

/* The number cut towards zero. KU_OVERFLOW for an infinity, KU_VALUE for what is no number. */
KU_API ku_object *ku_int_from_double(ku_isolate *isolate, double value);

/* The number that `length` bytes of text say, as int(text, base): blanks around, a sign, single underscores between
 * digits; `base` is 2 to 36, or 0 for what the prefix 0b, 0o or 0x says. KU_VALUE: "invalid literal for int() with base
 * 10: 'x'". */
KU_API ku_object *ku_int_parse(ku_isolate *isolate, const char *text, size_t length, int base);

/* The text of a number in a base of 2 to 36, without prefix: a str object. */
KU_API ku_object *ku_int_text(ku_isolate *isolate, ku_object *number, int base);

/* The value of an int or bool in 64 bits. False: KU_TYPE for anything else ("'str' object cannot be interpreted as an
 * integer"), KU_OVERFLOW when it does not fit ("int too big to convert"). */
KU_API bool ku_int_value(ku_isolate *isolate, const ku_object *number, int64_t *value);

/* Whether it is an int or a bool. */
KU_API bool ku_is_int(const ku_object *object);

/* -1, 0, 1; 0 for what is no int. */
KU_API int ku_int_sign(const ku_object *number);

/* Bits of the magnitude (int.bit_length()); 0 for 0 and for what is no int. */
KU_API size_t ku_int_bits(const ku_object *number);

/* ---- floating-point numbers ---- */

KU_API ku_object *ku_float(ku_isolate *isolate, double value);

/* The value of a float, an int or a bool, rounded to nearest. False: KU_TYPE ("must be real number, not str"),
 * KU_OVERFLOW ("int too large to convert to float"). */
KU_API bool ku_float_value(ku_isolate *isolate, const ku_object *number, double *value);

/* The number that the text says, as float(text), correctly rounded whatever the locale: decimal digits with single
 * underscores between them, a point, an exponent, "inf", "infinity", "nan". KU_VALUE: "could not convert string to
 * float: 'x'". */
KU_API ku_object *ku_float_parse(ku_isolate *isolate, const char *text, size_t length);

/* The shortest decimal text that reads back as the same number, and of those the nearest to it, laid out as Python's
 * repr(): "0.1", "1e+16", "-0.0", "inf", "nan". Writes at most KU_FLOAT_TEXT bytes with the terminator; returns the
 * length without it. Any thread. */
enum { KU_FLOAT_TEXT = 32 };
KU_API size_t ku_float_text(double value, char text[KU_FLOAT_TEXT]);

#ifdef __cplusplus
}
#endif

#endif
