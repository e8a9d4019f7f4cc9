/* float.c: floating-point numbers as objects: IEEE 754 doubles, with Python's division, remainder and comparison.
 *
 * Comparison with whole numbers is exact: 2^53 + 1 is not equal to 2.0^53, although it rounds to it. Division by zero
 * is an error, and so are results of powers that do not fit; sums and products become infinite, as the hardware does
 * it. (Objects/floatobject.c of CPython 3.14.) There are no complex numbers: a fractional power of a negative number is
 * KU_VALUE here.
 */
#include "object/values.h"

#include <math.h>
#include <string.h>

ku_object *ku_float(ku_isolate *isolate, double value) {
    ku__float *made = (ku__float *)ku__object_raw(isolate, KU_BUILTIN_FLOAT, sizeof *made);
    if (made == NULL) {
        return NULL;
    }
    made->value = value;
    return &made->header;
}

bool ku_float_value(ku_isolate *isolate, const ku_object *number, double *value) {
    if (ku__is_float(number)) {
        *value = ku__double(number);
        return true;
    }
    if (!ku__is_int(number)) {
        return ku_fail(isolate, KU_TYPE, "must be real number, not %s", ku__type_name(number));
    }
    *value = ku__int_to_double(number);
    return isfinite(*value) || ku_fail(isolate, KU_OVERFLOW, "int too large to convert to float");
}

ku_object *ku_float_parse(ku_isolate *isolate, const char *text, size_t length) {
    double value;
    if (ku__double_read(text, length, &value)) {
        return ku_float(isolate, value);
    }
    ku_object *part = ku_str_new(isolate, text, length < 120 ? length : 120);
    ku_object *shown = part != NULL ? ku_repr(isolate, part) : NULL;
    if (shown != NULL || ku_pending_error(isolate)->code == KU_VALUE) { /* what is no UTF-8 is not shown */
        ku_fail(isolate, KU_VALUE, "could not convert string to float: %s",
                shown != NULL ? ku_str_text(shown) : "not UTF-8");
    }
    ku_release(isolate, part);
    ku_release(isolate, shown);
    return NULL;
}

/* ---- arithmetic ---- */

/* The remainder has the divisor's sign, and a zero too. */
static double remainder_of(double a, double b) {
    double rest = fmod(a, b);
    if (rest == 0) {
        return copysign(0.0, b);
    }
    return (b < 0) != (rest < 0) ? rest + b : rest;
}

bool ku__float_divmod(ku_isolate *isolate, double a, double b, double *quotient, double *remainder) {
    if (b == 0) {
        return ku_fail(isolate, KU_ZERO_DIVISION, "division by zero");
    }
    double rest = fmod(a, b), cut = (a - rest) / b; /* whole, but for rounding */
    if (rest != 0 && (b < 0) != (rest < 0)) {
        cut -= 1.0;
    }
    *remainder = remainder_of(a, b);
    if (cut == 0) {
        *quotient = copysign(0.0, a / b);
        return true;
    }
    double whole = floor(cut);
    *quotient = cut - whole > 0.5 ? whole + 1.0 : whole;
    return true;
}

static bool power(ku_isolate *isolate, double a, double b, double *result) {
    if (a == 0 && b < 0) {
        return ku_fail(isolate, KU_ZERO_DIVISION, "zero to a negative power");
    }
    if (a < 0 && isfinite(a) && isfinite(b) && b != floor(b)) {
        return ku_fail(isolate, KU_VALUE, "negative number cannot be raised to a fractional power");
    }
    *result = pow(a, b);
    if (isinf(*result) && isfinite(a) && isfinite(b)) {
        return ku_fail(isolate, KU_OVERFLOW, "(34, 'Numerical result out of range')");
    }
    return true;
}

/* For operators up to KU_POWER; false with an error. */
static bool reckon(ku_isolate *isolate, ku_operator which, double a, double b, double *result) {
    double other;
    switch (which) {
    case KU_ADD: *result = a + b; return true;
    case KU_SUBTRACT: *result = a - b; return true;
    case KU_MULTIPLY: *result = a * b; return true;
    case KU_DIVIDE:
        if (b == 0) {
            return ku_fail(isolate, KU_ZERO_DIVISION, "division by zero");
        }
        *result = a / b;
        return true;
    case KU_FLOOR_DIVIDE: return ku__float_divmod(isolate, a, b, result, &other);
    case KU_REMAINDER: return ku__float_divmod(isolate, a, b, &other, result);
    default: return power(isolate, a, b, result);
    }
}

static bool is_number(const ku_object *object) {
    return ku__is_float(object) || ku__is_int(object);
}

bool ku__float_binary(ku_isolate *isolate, ku_operator which, ku_object *left, ku_object *right, ku_object **result) {
    double a = 0, b = 0, value = 0;
    *result = NULL;
    if (which > KU_POWER || !is_number(left) || !is_number(right)) {
        return true;
    }
    if (!ku_float_value(isolate, left, &a) || !ku_float_value(isolate, right, &b) ||
        !reckon(isolate, which, a, b, &value)) {
        return false;
    }
    *result = ku_float(isolate, value);
    return *result != NULL;
}

static bool float_unary(ku_isolate *isolate, ku_unary_operator which, ku_object *self, ku_object **result) {
    double value = ku__double(self);
    switch (which) {
    case KU_NEGATIVE: *result = ku_float(isolate, -value); break;
    case KU_POSITIVE: *result = ku_new_reference(self); break;
    case KU_ABSOLUTE: *result = ku_float(isolate, fabs(value)); break;
    default: *result = NULL; return true;
    }
    return *result != NULL;
}

/* ---- order ---- */

/* The magnitudes of a double of 2^53 or more and of a big int: -1, 0, 1. */
static int compare_magnitudes(const ku__magnitude *a, double b) {
    int exponent;
    uint64_t mantissa = (uint64_t)ldexp(frexp(b, &exponent), 53);
    size_t bits = ku__digits_bits(a->limbs, a->length);
    if (bits != (size_t)exponent) {
        return bits < (size_t)exponent ? -1 : 1;
    }
    ku__limb limbs[18] = {0}; /* 1,024 bits at most, and what a shift over a limb's end needs */
    size_t shift = bits - 53;
    ku__limb2 shifted = (ku__limb2)mantissa << (shift % KU__LIMB_BITS);
    limbs[shift / KU__LIMB_BITS] = (ku__limb)shifted;
    limbs[shift / KU__LIMB_BITS + 1] = (ku__limb)(shifted >> KU__LIMB_BITS);
    return ku__digits_compare(a->limbs, a->length, limbs, ku__digits_trim(limbs, 18));
}

int ku__int_compare_double(const ku_object *a, double b) {
    int sign = ku_int_sign(a), other = (b > 0) - (b < 0);
    if (sign != other || isinf(b)) {
        return isinf(b) ? -other : sign < other ? -1 : 1;
    }
    if (fabs(b) < 0x1p53) { /* its whole part is exact in 64 bits; a big int is further out */
        if (!ku__is_small(a)) {
            return sign;
        }
        int64_t whole = (int64_t)b;
        if (ku__small(a) != whole) {
            return ku__small(a) < whole ? -1 : 1;
        }
        return ((double)whole > b) - ((double)whole < b);
    }
    ku__magnitude m;
    ku__magnitude_of(a, &m);
    return sign * compare_magnitudes(&m, fabs(b));
}

static bool holds(ku_comparison which, double a, double b) {
    switch (which) {
    case KU_LESS: return a < b;
    case KU_LESS_EQUAL: return a <= b;
    case KU_EQUAL: return a == b;
    case KU_NOT_EQUAL: return a != b;
    case KU_GREATER: return a > b;
    default: return a >= b;
    }
}

static int float_compare(ku_isolate *isolate, ku_comparison which, ku_object *self, ku_object *other) {
    (void)isolate;
    double a = ku__double(self);
    if (ku__is_float(other)) {
        return holds(which, a, ku__double(other));
    }
    if (!ku__is_int(other)) {
        return KU_NO_ANSWER;
    }
    return isnan(a) ? which == KU_NOT_EQUAL : holds(which, -ku__int_compare_double(other, a), 0);
}

static int float_equal(ku_isolate *isolate, ku_object *self, ku_object *other) {
    return float_compare(isolate, KU_EQUAL, self, other);
}

static bool float_hash(ku_isolate *isolate, ku_object *self, uint64_t *hash) {
    (void)isolate;
    *hash = ku__hash_double(self, ku__double(self));
    return true;
}

static ku_object *float_repr(ku_isolate *isolate, ku_object *self) {
    char text[KU_FLOAT_TEXT];
    size_t size = ku_float_text(ku__double(self), text);
    return ku_str_new(isolate, text, size);
}

static int float_truth(ku_isolate *isolate, ku_object *self) {
    (void)isolate;
    return ku__double(self) != 0;
}

static const ku_operations float_operations = {
    .binary = ku__float_binary, .unary = float_unary, .compare = float_compare, .truth = float_truth};

static const ku_field float_fields[] = {
    {"value", offsetof(ku__float, value), KU_FIELD_DOUBLE, KU_FIELD_READ_ONLY | KU_FIELD_HIDDEN, 0},
    {NULL},
};

const ku_type_spec ku__float_spec = {
    .name = "float",
    .size = sizeof(ku__float),
    .fields = float_fields,
    .flags = KU_TYPE_ACYCLIC | KU_TYPE_FINAL | KU_TYPE_ABSTRACT,
    .doc = "A floating-point number of 64 bits.",
    .hash = float_hash,
    .equal = float_equal,
    .repr = float_repr,
    .operations = &float_operations,
};
