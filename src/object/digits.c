/* digits.c: comparing, adding, shifting and multiplying natural numbers (digits.h).
 *
 * Karatsuba. With a = a1 B + a0, b = b1 B + b0 and B = 2^(64 h),
 *
 *     a b = a1 b1 (B^2 + B) - (a1 - a0)(b1 - b0) B + a0 b0 (B + 1)
 *
 * three products of half the length. The middle one is made of absolute values and its sign kept apart, so that nothing
 * ever needs a limb more than half. Lengths need not be even: the upper halves may be one limb shorter. Factors of
 * different lengths are multiplied in pieces as long as the shorter.
 */
#include "object/digits.h"

#include <string.h>

int ku__digits_compare(const ku__limb *a, size_t a_length, const ku__limb *b, size_t b_length) {
    if (a_length != b_length) {
        return a_length < b_length ? -1 : 1;
    }
    for (size_t i = a_length; i-- > 0;) {
        if (a[i] != b[i]) {
            return a[i] < b[i] ? -1 : 1;
        }
    }
    return 0;
}

size_t ku__digits_bits(const ku__limb *a, size_t length) {
    if (length == 0) {
        return 0;
    }
    return length * KU__LIMB_BITS - (size_t)__builtin_clzll(a[length - 1]);
}

ku__limb ku__digits_add(ku__limb *r, const ku__limb *a, size_t a_length, const ku__limb *b, size_t b_length) {
    ku__limb carry = 0;
    for (size_t i = 0; i < b_length; i++) {
        ku__limb2 sum = (ku__limb2)a[i] + b[i] + carry;
        r[i] = (ku__limb)sum;
        carry = (ku__limb)(sum >> KU__LIMB_BITS);
    }
    for (size_t i = b_length; i < a_length; i++) {
        r[i] = a[i] + carry;
        carry = r[i] < carry;
    }
    return carry;
}

ku__limb ku__digits_subtract(ku__limb *r, const ku__limb *a, size_t a_length, const ku__limb *b, size_t b_length) {
    ku__limb borrow = 0;
    for (size_t i = 0; i < b_length; i++) {
        ku__limb2 difference = (ku__limb2)a[i] - b[i] - borrow;
        r[i] = (ku__limb)difference;
        borrow = (ku__limb)(difference >> KU__LIMB_BITS) & 1;
    }
    for (size_t i = b_length; i < a_length; i++) {
        ku__limb before = a[i];
        r[i] = before - borrow;
        borrow = before < borrow;
    }
    return borrow;
}

ku__limb ku__digits_shift_left(ku__limb *r, const ku__limb *a, size_t length, unsigned bits) {
    if (bits == 0) {
        memmove(r, a, length * sizeof *r);
        return 0;
    }
    ku__limb above = 0;
    for (size_t i = length; i-- > 0;) { /* from the top: r may be a */
        ku__limb limb = a[i];
        if (i + 1 == length) {
            above = limb >> (KU__LIMB_BITS - bits);
        } else {
            r[i + 1] |= limb >> (KU__LIMB_BITS - bits);
        }
        r[i] = limb << bits;
    }
    return above;
}

void ku__digits_shift_right(ku__limb *r, const ku__limb *a, size_t length, unsigned bits) {
    if (bits == 0) {
        memmove(r, a, length * sizeof *r);
        return;
    }
    for (size_t i = 0; i < length; i++) {
        ku__limb above = i + 1 < length ? a[i + 1] : 0;
        r[i] = a[i] >> bits | above << (KU__LIMB_BITS - bits);
    }
}

ku__limb ku__digits_multiply_limb(ku__limb *r, const ku__limb *a, size_t length, ku__limb factor, ku__limb carry) {
    for (size_t i = 0; i < length; i++) {
        ku__limb2 product = (ku__limb2)a[i] * factor + carry;
        r[i] = (ku__limb)product;
        carry = (ku__limb)(product >> KU__LIMB_BITS);
    }
    return carry;
}

/* r += a * factor, of `length` limbs. Returns the carry. */
static ku__limb add_product(ku__limb *r, const ku__limb *a, size_t length, ku__limb factor) {
    ku__limb carry = 0;
    for (size_t i = 0; i < length; i++) {
        ku__limb2 product = (ku__limb2)a[i] * factor + r[i] + carry;
        r[i] = (ku__limb)product;
        carry = (ku__limb)(product >> KU__LIMB_BITS);
    }
    return carry;
}

/* Knuth's algorithm M: as at school. */
static void multiply_school(ku__limb *r, const ku__limb *a, size_t a_length, const ku__limb *b, size_t b_length) {
    r[a_length] = ku__digits_multiply_limb(r, a, a_length, b[0], 0);
    for (size_t i = 1; i < b_length; i++) {
        r[a_length + i] = add_product(r + i, a, a_length, b[i]);
    }
}

/* r = |high - low|, of `length` limbs; high may be one limb shorter. Returns whether high was the smaller. */
static bool difference(ku__limb *r, const ku__limb *high, size_t high_length, const ku__limb *low, size_t length) {
    size_t high_trimmed = ku__digits_trim(high, high_length);
    size_t low_trimmed = ku__digits_trim(low, length);
    bool negative = ku__digits_compare(high, high_trimmed, low, low_trimmed) < 0;
    if (negative) {
        ku__digits_subtract(r, low, length, high, high_trimmed);
    } else {
        memcpy(r, high, high_length * sizeof *r);
        memset(r + high_length, 0, (length - high_length) * sizeof *r);
        ku__digits_subtract(r, r, length, low, low_trimmed);
    }
    return negative;
}

static void multiply_equal(ku__limb *r, const ku__limb *a, const ku__limb *b, size_t length, ku__work *work);

/* Adds a number to r at `place`; what carries out of it goes on to the end of r. */
static void add_at(ku__limb *r, size_t length, size_t place, const ku__limb *a, size_t a_length) {
    a_length = ku__digits_trim(a, a_length);
    ku__digits_add(r + place, r + place, length - place, a, a_length);
}

static void multiply_karatsuba(ku__limb *r, const ku__limb *a, const ku__limb *b, size_t length, ku__work *work) {
    size_t half = length - length / 2; /* of the lower part; the upper has length - half, the same or one less */
    size_t upper = length - half;
    size_t mark = work->used;
    ku__limb *differences = ku__work_take(work, 2 * half);
    bool negative = difference(differences, a + half, upper, a, half);
    negative ^= difference(differences + half, b + half, upper, b, half);
    ku__limb *middle = ku__work_take(work, 2 * half + 1); /* a1 b1 + a0 b0 - (a1 - a0)(b1 - b0), never negative */
    ku__limb *product = ku__work_take(work, 2 * half);
    multiply_equal(product, differences, differences + half, half, work);
    multiply_equal(r, a, b, half, work);
    multiply_equal(r + 2 * half, a + half, b + half, upper, work);
    middle[2 * half] = ku__digits_add(middle, r, 2 * half, r + 2 * half, 2 * upper);
    if (negative) {
        middle[2 * half] += ku__digits_add(middle, middle, 2 * half, product, 2 * half);
    } else {
        middle[2 * half] -= ku__digits_subtract(middle, middle, 2 * half, product, 2 * half);
    }
    add_at(r, 2 * length, half, middle, 2 * half + 1);
    work->used = mark;
}

static void multiply_equal(ku__limb *r, const ku__limb *a, const ku__limb *b, size_t length, ku__work *work) {
    if (length < KU__KARATSUBA_LIMBS) {
        multiply_school(r, a, length, b, length);
    } else {
        multiply_karatsuba(r, a, b, length, work);
    }
}

/* Limbs of work for two factors of this length: each level takes 6 half + 1, half at most (length + 1) / 2, and only
 * one of its three products at a time goes deeper: less than 6 length + 8 for each of at most 64 levels. */
static size_t equal_work(size_t length) {
    return length < KU__KARATSUBA_LIMBS ? 0 : 6 * length + 8 * KU__LIMB_BITS;
}

/* Pieces: twice the shorter factor, then, for the last piece, twice the remainder, and so on as in Euclid's algorithm,
 * where any two of the numbers that follow b sum up to no more than the one before them: less than 2 * 3 b in all. */
size_t ku__digits_multiply_work(size_t a_length, size_t b_length) {
    size_t shorter = a_length < b_length ? a_length : b_length;
    return shorter < KU__KARATSUBA_LIMBS ? 0 : 6 * shorter + equal_work(shorter);
}

void ku__digits_multiply(ku__limb *r, const ku__limb *a, size_t a_length, const ku__limb *b, size_t b_length,
                         ku__work *work) {
    assert(a_length >= b_length && b_length >= 1);
    if (b_length < KU__KARATSUBA_LIMBS) {
        multiply_school(r, a, a_length, b, b_length);
        return;
    }
    multiply_equal(r, a, b, b_length, work);
    size_t done = b_length;
    memset(r + 2 * b_length, 0, (a_length - b_length) * sizeof *r);
    size_t mark = work->used;
    ku__limb *piece = a_length > b_length ? ku__work_take(work, 2 * b_length) : NULL;
    while (done < a_length) {
        size_t length = a_length - done < b_length ? a_length - done : b_length;
        if (length == b_length) {
            multiply_equal(piece, a + done, b, b_length, work);
        } else { /* the last piece is the shorter factor now */
            ku__digits_multiply(piece, b, b_length, a + done, length, work);
        }
        add_at(r, a_length + b_length, done, piece, length + b_length);
        done += length;
    }
    work->used = mark;
}
