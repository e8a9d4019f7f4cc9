/* int_bits.c: shifts and bitwise operations of whole numbers.
 *
 * Bits are those of two's complement with endless sign bits, so -1 has all bits set. Numbers are kept as sign and
 * magnitude; a negative operand is turned into limbs of two's complement first, long enough that the sign's limb is
 * there, and a negative result is turned back. Shifting right rounds down: -(((|a| - 1) >> n) + 1) for a below zero.
 */
#include "object/values.h"

#include <string.h>

/* ---- two's complement ---- */

/* limbs = -limbs, of two's complement. */
static void complement(ku__limb *limbs, size_t length) {
    ku__limb carry = 1;
    for (size_t i = 0; i < length; i++) {
        limbs[i] = ~limbs[i] + carry;
        carry = carry != 0 && limbs[i] == 0;
    }
}

/* Limb i of the number in two's complement, for ascending i: `carry` is 1 before the first. */
static inline ku__limb limb_of(const ku__magnitude *m, size_t i, ku__limb *carry) {
    ku__limb limb = i < m->length ? m->limbs[i] : 0;
    if (m->negative) {
        limb = ~limb + *carry;
        *carry = *carry != 0 && limb == 0;
    }
    return limb;
}

static inline ku__limb combine(ku_operator which, ku__limb a, ku__limb b) {
    switch (which) {
    case KU_AND: return a & b;
    case KU_OR: return a | b;
    default: return a ^ b;
    }
}

ku_object *ku__int_bitwise(ku_isolate *isolate, ku_operator which, ku_object *a, ku_object *b) {
    if (ku__is_small(a) && ku__is_small(b)) {
        return ku_int(isolate, (int64_t)combine(which, (ku__limb)ku__small(a), (ku__limb)ku__small(b)));
    }
    ku__magnitude x, y;
    ku__magnitude_of(a, &x);
    ku__magnitude_of(b, &y);
    size_t length = (x.length > y.length ? x.length : y.length) + 1; /* one more for the signs */
    ku__int *made = ku__int_room(isolate, length);
    if (made == NULL) {
        return NULL;
    }
    ku__limb x_carry = 1, y_carry = 1;
    for (size_t i = 0; i < length; i++) {
        ku__limb x_limb = limb_of(&x, i, &x_carry), y_limb = limb_of(&y, i, &y_carry);
        made->limbs[i] = combine(which, x_limb, y_limb);
    }
    bool negative = made->limbs[length - 1] >> (KU__LIMB_BITS - 1) != 0;
    if (negative) {
        complement(made->limbs, length);
    }
    return ku__int_settle(isolate, made, length, negative);
}

/* ---- shifts ---- */

static ku_object *shift_left(ku_isolate *isolate, ku_object *a, uint64_t bits) {
    if (ku__is_small(a) && bits < 63) {
        int64_t value = ku__small(a), most = INT64_MAX >> bits;
        if (value <= most && value >= -most) {
            return ku_int(isolate, value * ((int64_t)1 << bits));
        }
    }
    ku__magnitude x;
    ku__magnitude_of(a, &x);
    size_t limbs = bits / KU__LIMB_BITS, length = x.length + limbs + 1;
    ku__int *made = ku__int_room(isolate, length);
    if (made == NULL) {
        return NULL;
    }
    memset(made->limbs, 0, limbs * sizeof(ku__limb));
    made->limbs[length - 1] = ku__digits_shift_left(made->limbs + limbs, x.limbs, x.length, bits % KU__LIMB_BITS);
    return ku__int_settle(isolate, made, length, x.negative);
}

/* Whether any of the lowest bits is set. */
static bool loses_bits(const ku__magnitude *m, size_t limbs, unsigned bits) {
    for (size_t i = 0; i < limbs; i++) {
        if (m->limbs[i] != 0) {
            return true;
        }
    }
    return bits != 0 && m->limbs[limbs] << (KU__LIMB_BITS - bits) != 0;
}

static ku_object *shift_right(ku_isolate *isolate, ku_object *a, uint64_t bits) {
    if (ku__is_small(a)) {
        return ku_int(isolate, ku__small(a) >> (bits < 63 ? bits : 63));
    }
    ku__magnitude x;
    ku__magnitude_of(a, &x);
    size_t limbs = bits / KU__LIMB_BITS;
    if (limbs >= x.length) {
        return ku_int(isolate, x.negative ? -1 : 0);
    }
    size_t length = x.length - limbs;
    ku__int *made = ku__int_room(isolate, length + 1);
    if (made == NULL) {
        return NULL;
    }
    ku__digits_shift_right(made->limbs, x.limbs + limbs, length, bits % KU__LIMB_BITS);
    made->limbs[length] = 0;
    if (x.negative && loses_bits(&x, limbs, bits % KU__LIMB_BITS)) {
        const ku__limb one = 1;
        ku__digits_add(made->limbs, made->limbs, length + 1, &one, 1);
    }
    return ku__int_settle(isolate, made, length + 1, x.negative);
}

ku_object *ku__int_shift(ku_isolate *isolate, ku_object *a, ku_object *b, bool left) {
    if (ku_int_sign(b) < 0) {
        return ku_fail_null(isolate, KU_VALUE, "negative shift count");
    }
    if (ku_int_sign(a) == 0) {
        return ku_int(isolate, 0);
    }
    if (!ku__is_small(b)) {
        return left ? ku_fail_null(isolate, KU_OVERFLOW, "too many digits in integer")
                    : ku_int(isolate, ku_int_sign(a) < 0 ? -1 : 0);
    }
    uint64_t bits = (uint64_t)ku__small(b);
    return left ? shift_left(isolate, a, bits) : shift_right(isolate, a, bits);
}
