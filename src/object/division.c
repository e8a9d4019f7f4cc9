/* division.c: dividing natural numbers (digits.h).
 *
 * By one limb: with the limb's reciprocal, one multiplication a step (Möller and Granlund, algorithm 4). By more:
 * Knuth's algorithm D. By many: Burnikel and Ziegler, who divide 2 n limbs by n through two divisions of 3 n/2 by n
 * limbs, each of which is one of n by n/2 and one multiplication; so division costs what multiplication does, times the
 * logarithm.
 *
 * All three want the divisor normalised, its top bit set: divisor and dividend are shifted to the left first, which
 * leaves the quotient as it was, and the remainder is shifted back.
 */
#include "object/digits.h"

#include <string.h>

/* ---- by one limb ---- */

/* floor((2^128 - 1) / d) - 2^64, for d with its top bit set. */
static ku__limb reciprocal(ku__limb d) {
    return (ku__limb)(~(ku__limb2)0 / d - ((ku__limb2)1 << KU__LIMB_BITS));
}

/* (high, low) / d for high < d, d normalised, v its reciprocal. */
static inline ku__limb divide_two_by_one(ku__limb high, ku__limb low, ku__limb d, ku__limb v, ku__limb *remainder) {
    ku__limb2 q = (ku__limb2)v * high + (((ku__limb2)high << KU__LIMB_BITS) | low);
    ku__limb quotient = (ku__limb)(q >> KU__LIMB_BITS) + 1;
    ku__limb r = low - quotient * d;
    if (r > (ku__limb)q) {
        quotient--;
        r += d;
    }
    if (r >= d) {
        quotient++;
        r -= d;
    }
    *remainder = r;
    return quotient;
}

ku__limb ku__digits_divide_limb(ku__limb *q, const ku__limb *a, size_t length, ku__limb divisor) {
    unsigned shift = (unsigned)__builtin_clzll(divisor);
    ku__limb d = divisor << shift, v = reciprocal(d), r = 0;
    if (shift != 0 && length > 0) {
        r = a[length - 1] >> (KU__LIMB_BITS - shift);
    }
    for (size_t i = length; i-- > 0;) {
        ku__limb low = a[i] << shift;
        if (shift != 0 && i > 0) {
            low |= a[i - 1] >> (KU__LIMB_BITS - shift);
        }
        q[i] = divide_two_by_one(r, low, d, v, &r);
    }
    return r >> shift;
}

/* ---- Knuth's D ---- */

/* u (length + 1 limbs) -= v * factor; returns the borrow out of it: 1 where that was too much. */
static ku__limb subtract_product(ku__limb *u, const ku__limb *v, size_t length, ku__limb factor) {
    ku__limb carry = 0;
    for (size_t i = 0; i < length; i++) {
        ku__limb2 product = (ku__limb2)v[i] * factor + carry;
        ku__limb low = (ku__limb)product;
        carry = (ku__limb)(product >> KU__LIMB_BITS) + (u[i] < low);
        u[i] -= low;
    }
    ku__limb before = u[length];
    u[length] = before - carry;
    return before < carry;
}

/* The quotient digit for the top three limbs of u and two of v, at most one too large (Knuth, exercises 19 and 20). */
static ku__limb guess(const ku__limb *u, const ku__limb *v, size_t length, ku__limb v_reciprocal) {
    ku__limb top = v[length - 1], next = v[length - 2];
    if (u[length] >= top) {
        return ~(ku__limb)0; /* the remainder below would not fit, and the digit is at most one too large */
    }
    ku__limb r;
    ku__limb q = divide_two_by_one(u[length], u[length - 1], top, v_reciprocal, &r);
    while ((ku__limb2)q * next > (((ku__limb2)r << KU__LIMB_BITS) | u[length - 2])) {
        q--;
        r += top;
        if (r < top) {
            break;
        }
    }
    return q;
}

/* q (q_length limbs) = u / v, u becomes the remainder. v is normalised, of length >= 2; u has q_length + length limbs,
 * of which the upper `length` are less than v. */
static void divide_school(ku__limb *q, ku__limb *u, size_t q_length, const ku__limb *v, size_t length) {
    ku__limb v_reciprocal = reciprocal(v[length - 1]);
    for (size_t i = q_length; i-- > 0;) {
        ku__limb digit = guess(u + i, v, length, v_reciprocal);
        ku__limb borrow = subtract_product(u + i, v, length, digit);
        while (borrow != 0) {
            digit--;
            borrow -= ku__digits_add(u + i, u + i, length + 1, v, length);
        }
        q[i] = digit;
    }
}

/* ---- Burnikel and Ziegler ---- */

static void divide_two_by_one_long(ku__limb *q, ku__limb *u, const ku__limb *v, size_t length, ku__work *work);

/* q (half limbs) = u / v; the remainder is left in the lower 2 half limbs of u, and its upper half is zero. u has 3
 * half limbs, v 2 half, and u's upper two thirds are less than v. */
static void divide_three_by_two(ku__limb *q, ku__limb *u, const ku__limb *v, size_t half, ku__work *work) {
    size_t mark = work->used;
    const ku__limb *v_high = v + half;
    if (memcmp(u + 2 * half, v_high, half * sizeof *u) == 0) { /* q would overflow: take 2^(64 half) - 1 */
        memset(q, 0xff, half * sizeof *q);
        /* the upper part minus q * v_high: [u2, u1] - v_high * B + v_high, where u2 == v_high */
        memset(u + 2 * half, 0, half * sizeof *u);
        u[2 * half] = ku__digits_add(u + half, u + half, half, v_high, half);
    } else {
        divide_two_by_one_long(q, u + half, v_high, half, work);
    }
    ku__limb *product = ku__work_take(work, 2 * half);
    ku__digits_multiply(product, q, half, v, half, work);
    ku__limb borrow = ku__digits_subtract(u, u, 3 * half, product, 2 * half);
    while (borrow != 0) { /* at most twice */
        const ku__limb one = 1;
        ku__digits_subtract(q, q, half, &one, 1);
        borrow -= ku__digits_add(u, u, 3 * half, v, 2 * half);
    }
    work->used = mark;
}

/* q (length limbs) = u / v; the remainder is left in the lower limbs of u, and its upper half is zero. u has 2 length
 * limbs, the upper half less than v. */
static void divide_two_by_one_long(ku__limb *q, ku__limb *u, const ku__limb *v, size_t length, ku__work *work) {
    if (length % 2 != 0 || length < KU__RECURSIVE_DIVISION_LIMBS) {
        divide_school(q, u, length, v, length);
        return;
    }
    size_t half = length / 2;
    divide_three_by_two(q + half, u + half, v, half, work);
    divide_three_by_two(q, u, v, half, work);
}

/* ---- any lengths ---- */

/* Limbs to put below a divisor so that it can be halved until it is short enough for algorithm D. */
static size_t padding(size_t length) {
    if (length < KU__RECURSIVE_DIVISION_LIMBS) {
        return 0;
    }
    size_t unit = 1;
    while (length / unit >= KU__RECURSIVE_DIVISION_LIMBS) {
        unit *= 2;
    }
    return (unit - length % unit) % unit;
}

/* Of numbers padded and shifted: v of `length` limbs, u of as many as a multiple of that, and one piece more. What the
 * shift brought at the top makes a quotient of 0 or 1 there, v being normalised: no division for that. */
static void divide_pieces(ku__limb *q, ku__limb *u, size_t pieces, const ku__limb *v, size_t length, ku__work *work) {
    for (size_t i = pieces; i-- > 0;) {
        ku__limb *part = u + i * length;
        size_t trimmed = ku__digits_trim(part, 2 * length);
        if (trimmed > length) {
            divide_two_by_one_long(q + i * length, part, v, length, work);
            continue;
        }
        memset(q + i * length, 0, length * sizeof *q);
        if (ku__digits_compare(part, trimmed, v, length) >= 0) {
            ku__digits_subtract(part, part, length, v, length);
            q[i * length] = 1;
        }
    }
}

static size_t pieces_of(size_t a_length, size_t b_length) {
    return (a_length + 1 + b_length - 1) / b_length; /* one limb more: what the shift brings */
}

size_t ku__digits_divide_work(size_t a_length, size_t b_length) {
    if (b_length < 2) {
        return 0;
    }
    if (b_length < KU__RECURSIVE_DIVISION_LIMBS) {
        return a_length + 1 + b_length;
    }
    size_t pad = padding(b_length), length = b_length + pad, pieces = pieces_of(a_length + pad, length);
    /* u, v, q; then, for each level, a product of its length, and one multiplication's work */
    return (pieces + 1) * length + length + pieces * length + 2 * length + ku__digits_multiply_work(length, length);
}

static void divide_recursive(ku__limb *q, ku__limb *r, const ku__limb *a, size_t a_length, const ku__limb *b,
                             size_t b_length, ku__work *work) {
    size_t pad = padding(b_length), length = b_length + pad, pieces = pieces_of(a_length + pad, length);
    unsigned shift = (unsigned)__builtin_clzll(b[b_length - 1]);
    ku__limb *u = ku__work_take(work, (pieces + 1) * length);
    ku__limb *v = ku__work_take(work, length);
    ku__limb *quotient = ku__work_take(work, pieces * length);
    memset(v, 0, pad * sizeof *v);
    ku__digits_shift_left(v + pad, b, b_length, shift);
    memset(u, 0, (pieces + 1) * length * sizeof *u);
    u[pad + a_length] = ku__digits_shift_left(u + pad, a, a_length, shift);
    divide_pieces(quotient, u, pieces, v, length, work);
    memcpy(q, quotient, (a_length - b_length + 1) * sizeof *q);
    ku__digits_shift_right(r, u + pad, b_length, shift);
}

void ku__digits_divide(ku__limb *q, ku__limb *r, const ku__limb *a, size_t a_length, const ku__limb *b, size_t b_length,
                       ku__work *work) {
    assert(a_length >= b_length && b_length >= 1 && b[b_length - 1] != 0);
    if (b_length == 1) {
        r[0] = ku__digits_divide_limb(q, a, a_length, b[0]);
        return;
    }
    size_t mark = work->used;
    if (b_length >= KU__RECURSIVE_DIVISION_LIMBS && a_length - b_length >= KU__RECURSIVE_DIVISION_LIMBS / 2) {
        divide_recursive(q, r, a, a_length, b, b_length, work);
    } else {
        unsigned shift = (unsigned)__builtin_clzll(b[b_length - 1]);
        ku__limb *u = ku__work_take(work, a_length + 1);
        ku__limb *v = ku__work_take(work, b_length);
        ku__digits_shift_left(v, b, b_length, shift);
        u[a_length] = ku__digits_shift_left(u, a, a_length, shift);
        divide_school(q, u, a_length + 1 - b_length, v, b_length);
        ku__digits_shift_right(r, u, b_length, shift);
    }
    work->used = mark;
}
