/* int_arithmetic.c: sums, products, quotients and powers of whole numbers.
 *
 * Each operation first tries 64 bits, with the compiler's overflow checks, and then goes to magnitudes (digits.h) and
 * signs. Results are written straight into the object that becomes the int. Division rounds down, and the remainder has
 * the sign of the divisor, as in Python: a == (a // b) * b + a % b.
 */
#include "object/values.h"

#include <math.h>
#include <string.h>

/* ---- sums ---- */

/* |x| + |y|, with a sign. */
static ku_object *add_magnitudes(ku_isolate *isolate, const ku__magnitude *x, const ku__magnitude *y, bool negative) {
    if (x->length < y->length) {
        const ku__magnitude *swap = x;
        x = y;
        y = swap;
    }
    ku__int *made = ku__int_room(isolate, x->length + 1);
    if (made == NULL) {
        return NULL;
    }
    made->limbs[x->length] = ku__digits_add(made->limbs, x->limbs, x->length, y->limbs, y->length);
    return ku__int_settle(isolate, made, x->length + 1, negative);
}

/* |x| - |y|, negated when `negative`. */
static ku_object *subtract_magnitudes(ku_isolate *isolate, const ku__magnitude *x, const ku__magnitude *y,
                                      bool negative) {
    if (ku__digits_compare(x->limbs, x->length, y->limbs, y->length) < 0) {
        return subtract_magnitudes(isolate, y, x, !negative);
    }
    ku__int *made = ku__int_room(isolate, x->length);
    if (made == NULL) {
        return NULL;
    }
    ku__digits_subtract(made->limbs, x->limbs, x->length, y->limbs, y->length);
    return ku__int_settle(isolate, made, x->length, negative);
}

ku_object *ku__int_add(ku_isolate *isolate, ku_object *a, ku_object *b, bool subtract) {
    int64_t sum;
    if (ku__is_small(a) && ku__is_small(b)) {
        bool overflows = subtract ? __builtin_sub_overflow(ku__small(a), ku__small(b), &sum)
                                  : __builtin_add_overflow(ku__small(a), ku__small(b), &sum);
        if (!overflows) {
            return ku_int(isolate, sum);
        }
    }
    ku__magnitude x, y;
    ku__magnitude_of(a, &x);
    ku__magnitude_of(b, &y);
    bool y_negative = y.negative != subtract;
    return x.negative == y_negative ? add_magnitudes(isolate, &x, &y, x.negative)
                                    : subtract_magnitudes(isolate, &x, &y, x.negative);
}

ku_object *ku__int_negative(ku_isolate *isolate, ku_object *a) {
    if (ku__is_small(a) && ku__small(a) != INT64_MIN) {
        return ku_int(isolate, -ku__small(a));
    }
    ku__magnitude x;
    ku__magnitude_of(a, &x);
    ku__int *made = ku__int_room(isolate, x.length);
    if (made == NULL) {
        return NULL;
    }
    memcpy(made->limbs, x.limbs, x.length * sizeof(ku__limb));
    return ku__int_settle(isolate, made, x.length, !x.negative);
}

/* ---- products ---- */

static ku_object *multiply_magnitudes(ku_isolate *isolate, const ku__magnitude *x, const ku__magnitude *y) {
    if (x->length < y->length) {
        return multiply_magnitudes(isolate, y, x);
    }
    if (y->length == 0) {
        return ku_int(isolate, 0);
    }
    ku__work work;
    ku__int *made = ku__int_room(isolate, x->length + y->length);
    if (made == NULL) {
        return NULL;
    }
    if (!ku__work_begin(isolate, &work, ku__digits_multiply_work(x->length, y->length))) {
        ku__object_abandon(isolate, &made->header);
        return NULL;
    }
    ku__digits_multiply(made->limbs, x->limbs, x->length, y->limbs, y->length, &work);
    ku__work_end(isolate, &work);
    return ku__int_settle(isolate, made, x->length + y->length, x->negative != y->negative);
}

ku_object *ku__int_multiply(ku_isolate *isolate, ku_object *a, ku_object *b) {
    int64_t product;
    if (ku__is_small(a) && ku__is_small(b) && !__builtin_mul_overflow(ku__small(a), ku__small(b), &product)) {
        return ku_int(isolate, product);
    }
    ku__magnitude x, y;
    ku__magnitude_of(a, &x);
    ku__magnitude_of(b, &y);
    return multiply_magnitudes(isolate, &x, &y);
}

/* ---- quotients ---- */

/* Of 64 bits. INT64_MIN / -1 does not fit and goes the long way. */
static bool divmod_small(ku_isolate *isolate, int64_t a, int64_t b, ku_object **quotient, ku_object **remainder) {
    int64_t q = a / b, r = a % b;
    if (r != 0 && (r < 0) != (b < 0)) {
        q--;
        r += b;
    }
    *quotient = ku_int(isolate, q);
    *remainder = *quotient != NULL ? ku_int(isolate, r) : NULL;
    return *remainder != NULL;
}

/* Of magnitudes, cut towards zero: the two ints get their limbs, and are not settled yet. */
static bool divide_magnitudes(ku_isolate *isolate, const ku__magnitude *x, const ku__magnitude *y, ku__int **q,
                              ku__int **r) {
    size_t q_length = x->length - y->length + 1;
    ku__work work;
    if (!ku__work_begin(isolate, &work, ku__digits_divide_work(x->length, y->length))) {
        return false;
    }
    *q = ku__int_room(isolate, q_length + 1); /* rounding down may carry */
    *r = *q != NULL ? ku__int_room(isolate, y->length) : NULL;
    if (*r == NULL) {
        if (*q != NULL) {
            ku__object_abandon(isolate, &(*q)->header);
        }
        ku__work_end(isolate, &work);
        return false;
    }
    ku__digits_divide((*q)->limbs, (*r)->limbs, x->limbs, x->length, y->limbs, y->length, &work);
    (*q)->limbs[q_length] = 0;
    ku__work_end(isolate, &work);
    return true;
}

/* Rounds down what was cut: one more in the quotient's magnitude, and the remainder the divisor's rest. */
static void round_down(ku__int *q, size_t q_length, ku__int *r, const ku__magnitude *y) {
    const ku__limb one = 1;
    ku__digits_add(q->limbs, q->limbs, q_length, &one, 1);
    ku__limb borrow = 0; /* r = y - r */
    for (size_t i = 0; i < y->length; i++) {
        ku__limb2 difference = (ku__limb2)y->limbs[i] - r->limbs[i] - borrow;
        r->limbs[i] = (ku__limb)difference;
        borrow = (ku__limb)(difference >> KU__LIMB_BITS) & 1;
    }
}

static bool divmod_long(ku_isolate *isolate, const ku__magnitude *x, const ku__magnitude *y, ku_object **quotient,
                        ku_object **remainder) {
    ku__int *q, *r;
    size_t q_length = x->length - y->length + 2;
    if (!divide_magnitudes(isolate, x, y, &q, &r)) {
        return false;
    }
    bool rest = ku__digits_trim(r->limbs, y->length) != 0;
    if (rest && x->negative != y->negative) {
        round_down(q, q_length, r, y);
    }
    *quotient = ku__int_settle(isolate, q, q_length, x->negative != y->negative);
    *remainder = *quotient != NULL ? ku__int_settle(isolate, r, y->length, y->negative) : NULL;
    if (*quotient == NULL) {
        ku__object_abandon(isolate, &r->header);
    }
    return *remainder != NULL;
}

bool ku__int_divmod(ku_isolate *isolate, ku_object *a, ku_object *b, ku_object **quotient, ku_object **remainder) {
    *quotient = *remainder = NULL;
    ku__magnitude x, y;
    bool done;
    if (ku_int_sign(b) == 0) {
        ku_fail(isolate, KU_ZERO_DIVISION, "division by zero");
        return false;
    }
    ku__magnitude_of(a, &x);
    ku__magnitude_of(b, &y);
    if (ku__is_small(a) && ku__is_small(b) && !(ku__small(a) == INT64_MIN && ku__small(b) == -1)) {
        done = divmod_small(isolate, ku__small(a), ku__small(b), quotient, remainder);
    } else if (x.length < y.length) { /* |a| < |b|: 0 and a, or -1 and a + b */
        bool differ = x.length != 0 && x.negative != y.negative;
        *quotient = ku_int(isolate, differ ? -1 : 0);
        *remainder = differ ? ku__int_add(isolate, a, b, false) : ku_unary(isolate, KU_POSITIVE, a);
        done = *remainder != NULL;
    } else {
        done = divmod_long(isolate, &x, &y, quotient, remainder);
    }
    if (!done) {
        ku_release(isolate, *quotient);
        *quotient = NULL;
    }
    return done;
}

bool ku__int_divide(ku_isolate *isolate, ku_object *a, ku_object *b, double *quotient) {
    const int64_t exact = (int64_t)1 << 53; /* below it a double is exact, and so is the rounding of one division */
    if (ku_int_sign(b) == 0) {
        ku_fail(isolate, KU_ZERO_DIVISION, "division by zero");
        return false;
    }
    if (ku__is_small(a) && ku__is_small(b) && ku__small(a) <= exact && ku__small(a) >= -exact &&
        ku__small(b) <= exact && ku__small(b) >= -exact) {
        *quotient = (double)ku__small(a) / (double)ku__small(b);
        return true;
    }
    ku__magnitude x, y;
    ku__work work;
    ku__magnitude_of(a, &x);
    ku__magnitude_of(b, &y);
    if (!ku__work_begin(isolate, &work, ku__digits_ratio_work(x.length, y.length))) {
        return false;
    }
    double value = ku__digits_ratio(x.limbs, x.length, y.limbs, y.length, &work);
    ku__work_end(isolate, &work);
    *quotient = x.negative != y.negative ? -value : value;
    return isfinite(value) || ku_fail(isolate, KU_OVERFLOW, "integer division result too large for a float");
}

/* ---- powers ---- */

/* Bits of the exponent from the top: square, and multiply where a bit is set. */
static ku_object *power_of(ku_isolate *isolate, ku_object *a, uint64_t exponent) {
    ku_object *power = ku_int(isolate, 1);
    for (uint64_t bit = exponent != 0 ? (uint64_t)1 << (63 - __builtin_clzll(exponent)) : 0; bit != 0; bit >>= 1) {
        ku_object *square = ku__int_multiply(isolate, power, power);
        ku_decref(isolate, power);
        power = square;
        if (power != NULL && (exponent & bit) != 0) {
            square = ku__int_multiply(isolate, power, a);
            ku_decref(isolate, power);
            power = square;
        }
        if (power == NULL) {
            return NULL;
        }
    }
    return power;
}

/* a^-b, a float. */
static ku_object *inverse_power(ku_isolate *isolate, ku_object *a, ku_object *b) {
    double base = ku__int_to_double(a), exponent = ku__int_to_double(b);
    if (base == 0) {
        return ku_fail_null(isolate, KU_ZERO_DIVISION, "zero to a negative power");
    }
    if (isinf(base) || isinf(exponent)) {
        return ku_fail_null(isolate, KU_OVERFLOW, "int too large to convert to float");
    }
    return ku_float(isolate, pow(base, exponent));
}

ku_object *ku__int_power(ku_isolate *isolate, ku_object *a, ku_object *b) {
    if (ku_int_sign(b) < 0) {
        return inverse_power(isolate, a, b);
    }
    if (ku__is_small(b)) {
        return power_of(isolate, a, (uint64_t)ku__small(b));
    }
    if (ku__is_small(a) && ku__small(a) >= -1 && ku__small(a) <= 1) { /* any others would not fit any memory */
        ku__magnitude y;
        ku__magnitude_of(b, &y);
        return power_of(isolate, a, 2 | (y.limbs[0] & 1));
    }
    return ku_fail_null(isolate, KU_OVERFLOW, "too many digits in integer");
}

/* ---- the hook ---- */

static ku_object *quotient_only(ku_isolate *isolate, ku_object *a, ku_object *b, bool remainder) {
    ku_object *q, *r;
    if (!ku__int_divmod(isolate, a, b, &q, &r)) {
        return NULL;
    }
    ku_decref(isolate, remainder ? q : r);
    return remainder ? r : q;
}

static ku_object *divide(ku_isolate *isolate, ku_object *a, ku_object *b) {
    double quotient;
    return ku__int_divide(isolate, a, b, &quotient) ? ku_float(isolate, quotient) : NULL;
}

bool ku__int_binary(ku_isolate *isolate, ku_operator which, ku_object *left, ku_object *right, ku_object **result) {
    *result = NULL;
    if (!ku__is_int(left) || !ku__is_int(right)) {
        return true;
    }
    switch (which) {
    case KU_ADD: *result = ku__int_add(isolate, left, right, false); break;
    case KU_SUBTRACT: *result = ku__int_add(isolate, left, right, true); break;
    case KU_MULTIPLY: *result = ku__int_multiply(isolate, left, right); break;
    case KU_DIVIDE: *result = divide(isolate, left, right); break;
    case KU_FLOOR_DIVIDE: *result = quotient_only(isolate, left, right, false); break;
    case KU_REMAINDER: *result = quotient_only(isolate, left, right, true); break;
    case KU_POWER: *result = ku__int_power(isolate, left, right); break;
    case KU_LEFT_SHIFT: *result = ku__int_shift(isolate, left, right, true); break;
    case KU_RIGHT_SHIFT: *result = ku__int_shift(isolate, left, right, false); break;
    default: *result = ku__int_bitwise(isolate, which, left, right);
    }
    return *result != NULL;
}
