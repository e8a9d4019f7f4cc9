/* float_text.c: doubles as decimal text, and back, exactly and whatever the locale.
 *
 * Writing. Of all decimal numbers that read back as the same double, the shortest is wanted, and of those the nearest:
 * Raffaello Giulietti's Schubfach ("The Schubfach way to render doubles", 2020, which is what the JDK does since 19).
 * The double is v = c 2^q; its neighbours' midpoints bound an interval; k is chosen so that an interval of this width
 * has at least one and at most ten multiples of 10^k, and the candidates are floor(v / 10^k), the next, and the same
 * with k + 1. All is decided on 4 v / 10^k, 4 (bounds) / 10^k rounded to odd, computed with one 128-bit approximation
 * of 10^-k.
 *
 * The approximations, 617 of them, are computed with digits.h when they are first needed, and kept. Two threads that
 * compute the same one store the same words.
 *
 * Reading. Up to 19 digits and a small power of ten are exact in one operation (Clinger 1990). Everything else is an
 * exact quotient of two whole numbers (ratio.c), for which 800 digits are kept and "there was more" is one digit at the
 * end: halfway between two doubles lies no number with more than 767 significant digits.
 */
#include "object/values.h"

#include <math.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- powers of ten ---- */

enum { POWER_LEAST = -292, POWER_MOST = 324, POWERS = POWER_MOST - POWER_LEAST + 1 };
enum { POWER_LIMBS = 20 }; /* 10^324 has 1,077 bits, and 2^128 * 10^292 1,098 */

typedef struct power {
    _Atomic(uint64_t) high; /* 0: not computed; written last */
    _Atomic(uint64_t) low;
} power;

static power powers[POWERS];

typedef struct approximation {
    uint64_t high, low; /* ceil(10^k 2^s), for the s that gives it 128 bits */
} approximation;

/* limbs = 10^exponent; returns the length. */
static size_t power_of_ten(ku__limb *limbs, unsigned exponent) {
    size_t length = 1;
    limbs[0] = 1;
    for (unsigned left = exponent; left > 0;) {
        unsigned step = left < 19 ? left : 19;
        ku__limb factor = 1;
        for (unsigned i = 0; i < step; i++) {
            factor *= 10;
        }
        ku__limb above = ku__digits_multiply_limb(limbs, limbs, length, factor, 0);
        if (above != 0) {
            limbs[length++] = above;
        }
        left -= step;
    }
    return length;
}

/* The 128 highest bits of a number, rounded up. */
static approximation top_bits(ku__limb *a, size_t length, bool sticky) {
    size_t bits = ku__digits_bits(a, length);
    ku__limb shifted[POWER_LIMBS + 3] = {0}; /* put so that the top is a limb's top */
    unsigned shift = (unsigned)(length * KU__LIMB_BITS - bits);
    ku__digits_shift_left(shifted + 2, a, length, shift);
    approximation top = {shifted[length + 1], shifted[length]};
    for (size_t i = 0; i < length; i++) {
        sticky = sticky || shifted[i] != 0;
    }
    top.low += sticky;
    top.high += sticky && top.low == 0;
    return top;
}

static approximation compute_power(int exponent) {
    ku__limb ten[POWER_LIMBS];
    size_t length = power_of_ten(ten, (unsigned)(exponent < 0 ? -exponent : exponent));
    if (exponent >= 0) {
        return top_bits(ten, length, false);
    }
    ku__limb one[POWER_LIMBS + 3] = {0}, q[POWER_LIMBS + 3], r[POWER_LIMBS], room[2 * POWER_LIMBS + 8];
    size_t one_length = length + 3;
    one[one_length - 1] = 1;
    ku__work work = {room, sizeof room / sizeof *room, 0};
    ku__digits_divide(q, r, one, one_length, ten, length, &work);
    return top_bits(q, ku__digits_trim(q, one_length - length + 1), ku__digits_trim(r, length) != 0);
}

static approximation power_at(int exponent) {
    power *kept = &powers[exponent - POWER_LEAST];
    approximation p = {atomic_load_explicit(&kept->high, memory_order_acquire), 0};
    if (p.high != 0) {
        p.low = atomic_load_explicit(&kept->low, memory_order_relaxed);
        return p;
    }
    p = compute_power(exponent);
    atomic_store_explicit(&kept->low, p.low, memory_order_relaxed);
    atomic_store_explicit(&kept->high, p.high, memory_order_release);
    return p;
}

/* ---- the shortest digits ---- */

typedef struct decimal {
    uint64_t digits;
    int exponent; /* of ten */
} decimal;

/* floor(log10(2^q)), or of 3/4 of it; floor(log2(10^e)): exact for all exponents of doubles (Giulietti, section 9.8).
 * */
static int log10_pow2(int q, bool three_quarters) {
    return (int)(((int64_t)q * 1262611 - (three_quarters ? 524031 : 0)) >> 22);
}
static int log2_pow10(int e) {
    return (int)(((int64_t)e * 1741647) >> 19);
}

/* floor(p c / 2^128), with the lowest bit set when something was cut off. */
static uint64_t round_to_odd(approximation p, uint64_t c) {
    ku__limb2 low = (ku__limb2)p.low * c, high = (ku__limb2)p.high * c;
    high += (uint64_t)(low >> 64);
    return (uint64_t)(high >> 64) | ((uint64_t)high > 1);
}

static decimal choose(uint64_t lower, uint64_t value, uint64_t upper, int k) {
    uint64_t s = value / 4, tens = s / 10;
    if (s >= 10) {
        bool down = lower <= 40 * tens, up = 40 * tens + 40 <= upper;
        if (down != up) {
            return (decimal){tens + up, k + 1};
        }
    }
    bool down = lower <= 4 * s, up = 4 * s + 4 <= upper;
    if (down != up) {
        return (decimal){s + up, k};
    }
    uint64_t middle = 4 * s + 2;
    bool nearer_up = value > middle || (value == middle && (s & 1) != 0);
    return (decimal){s + nearer_up, k};
}

/* Of a positive, finite number. */
static decimal shortest(double value) {
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    uint64_t fraction = bits & (((uint64_t)1 << 52) - 1), c = fraction;
    int exponent = (int)(bits >> 52), q = -1074;
    if (exponent != 0) {
        c |= (uint64_t)1 << 52;
        q = exponent - 1075;
    }
    if (q <= 0 && q > -53 && (c & (((uint64_t)1 << -q) - 1)) == 0) {
        return (decimal){c >> -q, 0}; /* a small whole number */
    }
    bool near_below = fraction == 0 && exponent > 1; /* the neighbour below is half as far as the one above */
    int k = log10_pow2(q, near_below), h = q + log2_pow10(-k) + 1;
    approximation p = power_at(-k);
    uint64_t odd = c & 1; /* the bounds themselves read back as v only when v is even */
    uint64_t lower = round_to_odd(p, (4 * c - 2 + near_below) << h);
    uint64_t upper = round_to_odd(p, (4 * c + 2) << h);
    return choose(lower + odd, round_to_odd(p, (4 * c) << h), upper - odd, k);
}

/* ---- lay-out ---- */

/* With an exponent, of at least two digits. `point` is the place of the point after the first digit. */
static size_t write_scientific(char *text, const char *digits, int count, int exponent) {
    char *at = text;
    *at++ = digits[0];
    if (count > 1) {
        *at++ = '.';
        memcpy(at, digits + 1, (size_t)count - 1);
        at += count - 1;
    }
    return (size_t)(at - text) + (size_t)snprintf(at, 8, "e%c%02d", exponent < 0 ? '-' : '+', abs(exponent));
}

/* `point` digits stand before the point; it may be 0 or less, or beyond the last. */
static size_t write_plain(char *text, const char *digits, int count, int point) {
    char *at = text;
    if (point <= 0) {
        static const char zeros[] = {'0', '.', '0', '0', '0'}; /* no terminated text: more follows */
        memcpy(at, zeros, sizeof zeros);
        at += 2 - point;
        memcpy(at, digits, (size_t)count);
        return (size_t)(at - text) + (size_t)count;
    }
    for (int i = 0; i < point || i < count; i++) {
        if (i == point) {
            *at++ = '.';
        }
        *at++ = i < count ? digits[i] : '0';
    }
    if (point >= count) {
        *at++ = '.';
        *at++ = '0';
    }
    return (size_t)(at - text);
}

size_t ku_float_text(double value, char text[KU_FLOAT_TEXT]) {
    if (isnan(value)) {
        memcpy(text, "nan", 4);
        return 3;
    }
    size_t sign = signbit(value) != 0, size;
    text[0] = '-';
    if (isinf(value) || value == 0) {
        memcpy(text + sign, isinf(value) ? "inf" : "0.0", 4);
        return sign + 3;
    }
    decimal shown = shortest(fabs(value));
    while (shown.digits % 10 == 0) {
        shown.digits /= 10;
        shown.exponent++;
    }
    char digits[24];
    int count = snprintf(digits, sizeof digits, "%llu", (unsigned long long)shown.digits);
    int point = count + shown.exponent;
    if (point > -4 && point <= 16) { /* as repr(): 1e-05 and 1e+16 are the first with exponents */
        size = write_plain(text + sign, digits, count, point);
    } else {
        size = write_scientific(text + sign, digits, count, point - 1);
    }
    text[sign + size] = '\0';
    return sign + size;
}

/* ---- reading ---- */

enum {
    READ_DIGITS = 800,      /* significant digits that are kept */
    READ_LIMBS = 48,        /* of them: 10^800 has 2,658 bits */
    READ_POWER_LIMBS = 68,  /* of 10^1150: the smallest double over 800 digits */
    READ_EXPONENT = 100000, /* what an exponent is cut to: beyond everything either way, also with 800 digits */
};

typedef struct reading {
    uint8_t digits[READ_DIGITS + 1];
    size_t count;
    int64_t exponent; /* of ten, of the last digit that was kept */
    bool more;        /* a digit that was not kept is not zero */
    bool any;
} reading;

static bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

static void take_digit(reading *r, unsigned digit, bool after_point) {
    r->any = true;
    if (r->count == 0 && digit == 0) {
        r->exponent -= after_point;
    } else if (r->count < READ_DIGITS) {
        r->digits[r->count++] = (uint8_t)digit;
        r->exponent -= after_point;
    } else {
        r->more = r->more || digit != 0;
        r->exponent += !after_point;
    }
}

/* Digits with single underscores between them. Where they end, or NULL when an underscore stands wrong. */
static const char *take_digits(reading *r, const char *at, const char *end, bool after_point) {
    const char *start = at;
    while (at < end && (is_digit(*at) || *at == '_')) {
        if (*at == '_' && (at == start || !is_digit(at[-1]) || at + 1 == end || !is_digit(at[1]))) {
            return NULL;
        }
        if (*at != '_') {
            take_digit(r, (unsigned)(*at - '0'), after_point);
        }
        at++;
    }
    return at;
}

/* "e+12" up to the end. */
static bool take_exponent(reading *r, const char *at, const char *end) {
    if (at == end) {
        return true;
    }
    if ((*at | 0x20) != 'e') {
        return false;
    }
    at++;
    bool negative = at < end && *at == '-';
    at += at < end && (*at == '-' || *at == '+');
    int64_t exponent = 0;
    const char *start = at;
    for (; at < end && (is_digit(*at) || (*at == '_' && at > start && is_digit(at[-1]))); at++) {
        if (*at != '_' && exponent < READ_EXPONENT) {
            exponent = exponent * 10 + (*at - '0');
        }
    }
    r->exponent += negative ? -exponent : exponent;
    return at == end && at > start && at[-1] != '_';
}

/* Exact, of digits and a power of ten that are both exact as doubles: below 2^53 and 10^22. */
static bool read_exactly(const reading *r, double *value) {
    static const double tens[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                                  1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
    if (r->more || r->count > 19 || r->exponent > 22 || r->exponent < -22) {
        return false;
    }
    uint64_t digits = 0;
    for (size_t i = 0; i < r->count; i++) {
        digits = digits * 10 + r->digits[i];
    }
    if (digits > (uint64_t)1 << 53) {
        return false;
    }
    *value = r->exponent < 0 ? (double)digits / tens[-r->exponent] : (double)digits * tens[r->exponent];
    return true;
}

/* The quotient of the digits and of a power of ten. */
static double read_ratio(reading *r) {
    if (r->more) {
        r->digits[r->count++] = 1;
        r->exponent--;
    }
    int64_t highest = r->exponent + (int64_t)r->count; /* the number is below 10^highest, and 10^(highest-1) or more */
    if (highest > 310 || highest < -330) {
        return highest > 0 ? HUGE_VAL : 0;
    }
    ku__limb number[READ_LIMBS + READ_POWER_LIMBS], ten[READ_POWER_LIMBS], product[READ_LIMBS + READ_POWER_LIMBS];
    ku__limb room[4096]; /* what ratio and conversion ask for with these lengths is below half of that */
    ku__work work = {room, sizeof room / sizeof *room, 0};
    size_t length = ku__digits_from_text(number, r->digits, r->count, 10, &work);
    size_t ten_length = power_of_ten(ten, (unsigned)(r->exponent < 0 ? -r->exponent : r->exponent));
    if (r->exponent < 0) {
        return ku__digits_ratio(number, length, ten, ten_length, &work);
    }
    if (length >= ten_length) {
        ku__digits_multiply(product, number, length, ten, ten_length, &work);
    } else {
        ku__digits_multiply(product, ten, ten_length, number, length, &work);
    }
    return ku__digits_to_double(product, ku__digits_trim(product, length + ten_length));
}

static bool same_word(const char *at, const char *end, const char *word) {
    while (at < end && *word != '\0' && (*at | 0x20) == *word) {
        at++;
        word++;
    }
    return at == end && *word == '\0';
}

static bool read_word(const char *at, const char *end, double *value) {
    if (same_word(at, end, "nan")) {
        *value = NAN;
        return true;
    }
    *value = HUGE_VAL;
    return same_word(at, end, "inf") || same_word(at, end, "infinity");
}

static bool read_number(const char *at, const char *end, double *value) {
    reading r = {.count = 0};
    at = take_digits(&r, at, end, false);
    if (at != NULL && at < end && *at == '.') {
        at = take_digits(&r, at + 1, end, true);
    }
    if (at == NULL || !r.any || !take_exponent(&r, at, end)) {
        return false;
    }
    if (r.count == 0) {
        *value = 0;
    } else if (!read_exactly(&r, value)) {
        *value = read_ratio(&r);
    }
    return true;
}

static bool is_blank(char c) {
    return c == ' ' || (c >= '\t' && c <= '\r');
}

bool ku__double_read(const char *text, size_t length, double *value) {
    const char *at = text, *end = text + length;
    while (at < end && is_blank(*at)) {
        at++;
    }
    while (end > at && is_blank(end[-1])) {
        end--;
    }
    bool negative = at < end && *at == '-';
    at += at < end && (*at == '-' || *at == '+');
    if (at == end || !((is_digit(*at) || *at == '.') ? read_number(at, end, value) : read_word(at, end, value))) {
        return false;
    }
    *value = negative ? -*value : *value;
    return true;
}
