/* digits.h: arithmetic on natural numbers of any size, as arrays of limbs.
 *
 * A limb is 64 bits; the least significant comes first. Lengths are given, not stored. A number is *trimmed* when its
 * last limb is not zero; zero has length 0. Results are written to arrays of the caller's; nothing here allocates: what
 * needs room for intermediate results takes it from a ku__work, a stack of limbs that the caller made large enough by
 * asking ku__..._work() first.
 *
 * Sources: Knuth, The Art of Computer Programming 2, 4.3.1 (algorithms A, S, M, D); Karatsuba and Ofman 1962; Burnikel
 * and Ziegler, "Fast Recursive Division", MPI-I-98-1-022; Möller and Granlund, "Improved division by invariant
 * integers", IEEE Transactions on Computers 60 (2011).
 */
#ifndef KU__DIGITS_H
#define KU__DIGITS_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef uint64_t ku__limb;
__extension__ typedef unsigned __int128 ku__limb2; /* a product of two limbs */

enum {
    KU__LIMB_BITS = 64,
    /* From this many limbs on Karatsuba's three products of half the length are quicker than the four of the school:
     * equal at 24 to 28, 6 % less time at 32, 25 % at 64. */
    KU__KARATSUBA_LIMBS = 32,
    /* From this many limbs of divisor on Burnikel and Ziegler's recursion is quicker than Knuth's D: equal at 64 to 80,
     * a fifth less time at 96. */
    KU__RECURSIVE_DIVISION_LIMBS = 64,
};

/* A stack of limbs for intermediate results. */
typedef struct ku__work {
    ku__limb *limbs;
    size_t room, used;
} ku__work;

static inline ku__limb *ku__work_take(ku__work *work, size_t limbs) {
    assert(work->room - work->used >= limbs);
    ku__limb *taken = work->limbs + work->used;
    work->used += limbs;
    return taken;
}

/* ---- comparing and measuring ---- */

/* The length without zero limbs at the top. */
static inline size_t ku__digits_trim(const ku__limb *a, size_t length) {
    while (length > 0 && a[length - 1] == 0) {
        length--;
    }
    return length;
}

/* -1, 0, 1. Both trimmed. */
int ku__digits_compare(const ku__limb *a, size_t a_length, const ku__limb *b, size_t b_length);

/* Bits without leading zeros. Trimmed. */
size_t ku__digits_bits(const ku__limb *a, size_t length);

/* ---- adding and shifting ---- the result may be an operand */

/* r = a + b, of a_length limbs, a_length >= b_length. Returns the carry out of it. */
ku__limb ku__digits_add(ku__limb *r, const ku__limb *a, size_t a_length, const ku__limb *b, size_t b_length);

/* r = a - b, of a_length limbs, a_length >= b_length. Returns the borrow: 1 where b was greater. */
ku__limb ku__digits_subtract(ku__limb *r, const ku__limb *a, size_t a_length, const ku__limb *b, size_t b_length);

/* r = a * 2^bits for bits of 0 to 63, of `length` limbs. Returns what was shifted out at the top. */
ku__limb ku__digits_shift_left(ku__limb *r, const ku__limb *a, size_t length, unsigned bits);

/* r = a / 2^bits rounded down for bits of 0 to 63, of `length` limbs. */
void ku__digits_shift_right(ku__limb *r, const ku__limb *a, size_t length, unsigned bits);

/* ---- multiplying ---- */

/* r = a * factor + carry, of `length` limbs; r may be a. Returns the limb above. */
ku__limb ku__digits_multiply_limb(ku__limb *r, const ku__limb *a, size_t length, ku__limb factor, ku__limb carry);

/* r = a * b, of a_length + b_length limbs; a_length >= b_length >= 1; r is neither a nor b. */
void ku__digits_multiply(ku__limb *r, const ku__limb *a, size_t a_length, const ku__limb *b, size_t b_length,
                         ku__work *work);
size_t ku__digits_multiply_work(size_t a_length, size_t b_length);

/* ---- dividing ---- (division.c) */

/* q = a / divisor, of `length` limbs; q may be a. Returns the remainder. divisor is not 0. */
ku__limb ku__digits_divide_limb(ku__limb *q, const ku__limb *a, size_t length, ku__limb divisor);

/* q = a / b, of a_length - b_length + 1 limbs; r = a mod b, of b_length limbs. b is trimmed and not 0, a_length >=
 * b_length. None of the four overlap, except that r may be a. */
void ku__digits_divide(ku__limb *q, ku__limb *r, const ku__limb *a, size_t a_length, const ku__limb *b, size_t b_length,
                       ku__work *work);
size_t ku__digits_divide_work(size_t a_length, size_t b_length);

/* ---- text ---- (radix.c) bases 2 to 36, lower-case letters */

/* At least as many characters as the number has in this base. Trimmed. */
size_t ku__digits_text_size(size_t bits, unsigned base);

/* Writes the number, without leading zeros ("0" for zero), to `text`, which is as large as ku__digits_text_size() says.
 * Returns the number of characters. `a` is destroyed. Not terminated. */
size_t ku__digits_to_text(char *text, ku__limb *a, size_t length, unsigned base, ku__work *work);
size_t ku__digits_to_text_work(size_t length, unsigned base);

/* r = the number that `count` digits say, each byte a value below the base. Returns its trimmed length. r has room for
 * ku__digits_from_text_size() limbs. */
size_t ku__digits_from_text(ku__limb *r, const uint8_t *digits, size_t count, unsigned base, ku__work *work);
size_t ku__digits_from_text_size(size_t count, unsigned base);
size_t ku__digits_from_text_work(size_t count, unsigned base);

#endif
