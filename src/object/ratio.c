/* ratio.c: large numbers and quotients of them as doubles, rounded once: to nearest, ties to even.
 *
 * A quotient is divided out to 65 bits or more, with one sticky bit that says whether anything was left over; that is
 * more than the 53 bits of a double and the one that decides the rounding. Where the result is subnormal fewer bits are
 * kept, and the rounding is done here on integers, so that nothing is ever rounded twice (IEEE 754).
 */
#include "object/values.h"

#include <float.h>
#include <math.h>
#include <string.h>

/* The number of `bits` bits at `at` and up; at + 64 is at least where the number ends. */
static ku__limb top_limb(const ku__limb *a, size_t length, size_t at) {
    size_t limb = at / KU__LIMB_BITS;
    unsigned shift = at % KU__LIMB_BITS;
    ku__limb top = a[limb] >> shift;
    if (shift != 0 && limb + 1 < length) {
        top |= a[limb + 1] << (KU__LIMB_BITS - shift);
    }
    return top;
}

static bool any_below(const ku__limb *a, size_t at) {
    size_t limb = at / KU__LIMB_BITS;
    for (size_t i = 0; i < limb; i++) {
        if (a[i] != 0) {
            return true;
        }
    }
    return at % KU__LIMB_BITS != 0 && a[limb] << (KU__LIMB_BITS - at % KU__LIMB_BITS) != 0;
}

/* top * 2^exponent, where `sticky` says that something less than 1 is to be added to top, and then top has 64 bits. */
static double round_once(ku__limb top, bool sticky, int64_t exponent) {
    if (top == 0) {
        return 0;
    }
    int64_t highest = exponent + KU__LIMB_BITS - __builtin_clzll(top); /* the value is below 2^highest */
    if (highest > DBL_MAX_EXP + 1) {
        return HUGE_VAL;
    }
    int64_t lowest = highest - DBL_MANT_DIG; /* the place of the last bit that is kept */
    const int64_t last = DBL_MIN_EXP - DBL_MANT_DIG;
    lowest = lowest > last ? lowest : last;
    int64_t drop = lowest - exponent;
    if (drop <= 0) {
        return ldexp((double)top, (int)exponent);
    }
    if (drop > KU__LIMB_BITS) {
        return 0; /* less than half of the smallest */
    }
    ku__limb kept = drop < KU__LIMB_BITS ? top >> drop : 0;
    ku__limb rest = top << (KU__LIMB_BITS - drop); /* the dropped bits, at the top of a limb */
    const ku__limb half = (ku__limb)1 << (KU__LIMB_BITS - 1);
    if (rest > half || (rest == half && (sticky || (kept & 1) != 0))) {
        kept++;
    }
    return ldexp((double)kept, (int)lowest);
}

double ku__digits_to_double(const ku__limb *a, size_t length) {
    size_t bits = ku__digits_bits(a, length);
    if (bits <= KU__LIMB_BITS) {
        return length == 0 ? 0 : (double)a[0];
    }
    size_t at = bits - KU__LIMB_BITS;
    return at > DBL_MAX_EXP ? HUGE_VAL : round_once(top_limb(a, length, at), any_below(a, at), (int64_t)at);
}

double ku__int_to_double(const ku_object *number) {
    if (ku__is_small(number)) {
        return (double)ku__small(number);
    }
    ku__magnitude m;
    ku__magnitude_of(number, &m);
    double value = ku__digits_to_double(m.limbs, m.length);
    return m.negative ? -value : value;
}

/* Limbs by which the dividend is put up so that the quotient has two limbs at least. */
static size_t lift(size_t a_length, size_t b_length) {
    return a_length < b_length + 3 ? b_length + 3 - a_length : 0;
}

size_t ku__digits_ratio_work(size_t a_length, size_t b_length) {
    size_t length = a_length + lift(a_length, b_length);
    return length + (length - b_length + 1) + b_length + ku__digits_divide_work(length, b_length);
}

double ku__digits_ratio(const ku__limb *a, size_t a_length, const ku__limb *b, size_t b_length, ku__work *work) {
    if (a_length == 0) {
        return 0;
    }
    size_t up = lift(a_length, b_length), length = a_length + up, mark = work->used;
    ku__limb *lifted = ku__work_take(work, length);
    memset(lifted, 0, up * sizeof *lifted);
    memcpy(lifted + up, a, a_length * sizeof *lifted);
    ku__limb *q = ku__work_take(work, length - b_length + 1);
    ku__limb *r = ku__work_take(work, b_length);
    ku__digits_divide(q, r, lifted, length, b, b_length, work);
    size_t q_length = ku__digits_trim(q, length - b_length + 1);
    size_t at = ku__digits_bits(q, q_length) - KU__LIMB_BITS;
    bool sticky = any_below(q, at) || ku__digits_trim(r, b_length) != 0;
    double value = round_once(top_limb(q, q_length, at), sticky, (int64_t)at - (int64_t)up * KU__LIMB_BITS);
    work->used = mark;
    return value;
}
