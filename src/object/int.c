/* int.c: whole numbers: making them, reading them, their text, and what they answer as objects.
 *
 * The arithmetic itself is in int_arithmetic.c and int_bits.c, over digits.h. Invariants: a number that fits an int64_t
 * is small; the limbs of a big one are trimmed; -5 to 256 are the isolate's own objects and nobody else's.
 */
#include "object/values.h"

#include <math.h>
#include <string.h>

/* ---- making ---- */

ku_object *ku_int(ku_isolate *isolate, int64_t value) {
    if (value >= KU__INT_LEAST && value <= KU__INT_MOST) {
        return isolate->values->ints[value - KU__INT_LEAST];
    }
    ku__int *made = (ku__int *)ku__object_raw(isolate, KU_BUILTIN_INT, sizeof *made);
    if (made == NULL) {
        return NULL;
    }
    made->value = value;
    return &made->header;
}

ku__int *ku__int_room(ku_isolate *isolate, size_t limbs) {
    if (limbs > (SIZE_MAX >> 8) / sizeof(ku__limb)) {
        ku_fail(isolate, KU_OVERFLOW, "too many digits in integer");
        return NULL;
    }
    ku__int *made = (ku__int *)ku__object_raw(isolate, KU_BUILTIN_INT, sizeof *made + limbs * sizeof(ku__limb));
    if (made != NULL) {
        made->header.kind |= KU__BIG;
        made->value = 0;
    }
    return made;
}

/* Whether a magnitude of one limb is an int64_t with this sign. */
static bool fits_small(ku__limb limb, bool negative) {
    return limb <= (ku__limb)INT64_MAX || (negative && limb == (ku__limb)1 << 63);
}

static int64_t signed_limb(ku__limb limb, bool negative) {
    return (int64_t)(negative ? 0 - limb : limb);
}

ku_object *ku__int_settle(ku_isolate *isolate, ku__int *made, size_t length, bool negative) {
    length = ku__digits_trim(made->limbs, length);
    ku__limb limb = length > 0 ? made->limbs[0] : 0;
    if (length <= 1 && fits_small(limb, negative)) {
        ku__object_abandon(isolate, &made->header);
        return ku_int(isolate, signed_limb(limb, negative));
    }
    made->value = negative ? -(int64_t)length : (int64_t)length;
    return &made->header;
}

ku_object *ku_int_unsigned(ku_isolate *isolate, uint64_t value) {
    if (value <= (uint64_t)INT64_MAX) {
        return ku_int(isolate, (int64_t)value);
    }
    ku__int *made = ku__int_room(isolate, 1);
    if (made == NULL) {
        return NULL;
    }
    made->limbs[0] = value;
    return ku__int_settle(isolate, made, 1, false);
}

ku_object *ku_int_from_double(ku_isolate *isolate, double value) {
    if (isinf(value) || isnan(value)) {
        return isinf(value) ? ku_fail_null(isolate, KU_OVERFLOW, "cannot convert float infinity to integer")
                            : ku_fail_null(isolate, KU_VALUE, "cannot convert float NaN to integer");
    }
    if (fabs(value) < 0x1p62) {
        return ku_int(isolate, (int64_t)value);
    }
    int exponent;
    double fraction = frexp(fabs(value), &exponent); /* at least 2^62: a whole number */
    uint64_t mantissa = (uint64_t)ldexp(fraction, 53);
    size_t shift = (size_t)exponent - 53, length = shift / KU__LIMB_BITS + 2;
    ku__int *made = ku__int_room(isolate, length);
    if (made == NULL) {
        return NULL;
    }
    memset(made->limbs, 0, length * sizeof(ku__limb));
    ku__limb2 shifted = (ku__limb2)mantissa << (shift % KU__LIMB_BITS);
    made->limbs[length - 2] = (ku__limb)shifted;
    made->limbs[length - 1] = (ku__limb)(shifted >> KU__LIMB_BITS);
    return ku__int_settle(isolate, made, length, value < 0);
}

/* ---- reading ---- */

void ku__magnitude_of(const ku_object *number, ku__magnitude *m) {
    const ku__int *from = (const ku__int *)(const void *)number;
    m->negative = from->value < 0;
    uint64_t size = from->value < 0 ? 0 - (uint64_t)from->value : (uint64_t)from->value;
    if (ku__is_small(number)) {
        m->one = size;
        m->limbs = &m->one;
        m->length = size != 0;
    } else {
        m->limbs = from->limbs;
        m->length = size;
    }
}

bool ku_is_int(const ku_object *object) {
    return ku__is_int(object);
}

bool ku_int_value(ku_isolate *isolate, const ku_object *number, int64_t *value) {
    if (!ku__is_int(number)) {
        return ku_fail(isolate, KU_TYPE, "'%s' object cannot be interpreted as an integer", ku__type_name(number));
    }
    if (!ku__is_small(number)) {
        return ku_fail(isolate, KU_OVERFLOW, "int too big to convert");
    }
    *value = ku__small(number);
    return true;
}

int ku_int_sign(const ku_object *number) {
    if (!ku__is_int(number)) {
        return 0;
    }
    int64_t value = ku__small(number); /* of a big one, its signed length */
    return (value > 0) - (value < 0);
}

size_t ku_int_bits(const ku_object *number) {
    if (!ku__is_int(number)) {
        return 0;
    }
    ku__magnitude m;
    ku__magnitude_of(number, &m);
    return ku__digits_bits(m.limbs, m.length);
}

/* ---- intermediate results ---- */

bool ku__work_begin(ku_isolate *isolate, ku__work *work, size_t limbs) {
    *work = (ku__work){NULL, limbs, 0};
    if (limbs == 0) {
        return true;
    }
    work->limbs = (ku__limb *)ku_buffer_new(isolate, limbs * sizeof(ku__limb));
    return work->limbs != NULL;
}

void ku__work_end(ku_isolate *isolate, ku__work *work) {
    ku_buffer_free(isolate, work->limbs);
}

/* ---- text ---- */

/* Decimal text of 64 bits, without a buffer: most numbers are small. */
static ku_object *small_text(ku_isolate *isolate, int64_t value) {
    char digits[24], *at = digits + sizeof digits;
    uint64_t left = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
    do {
        *--at = (char)('0' + left % 10);
        left /= 10;
    } while (left != 0);
    if (value < 0) {
        *--at = '-';
    }
    size_t size = (size_t)(digits + sizeof digits - at);
    return ku_str_new(isolate, at, size);
}

/* A copy of the limbs, which conversion destroys, then the work; and behind both the text. */
static ku_object *any_text(ku_isolate *isolate, const ku__magnitude *m, unsigned base) {
    ku__work work;
    size_t size = ku__digits_text_size(ku__digits_bits(m->limbs, m->length), base) + 1;
    size_t text_limbs = size / sizeof(ku__limb) + 1;
    if (!ku__work_begin(isolate, &work, m->length + text_limbs + ku__digits_to_text_work(m->length, base))) {
        return NULL;
    }
    ku__limb *copy = ku__work_take(&work, m->length);
    char *text = (char *)ku__work_take(&work, text_limbs);
    if (m->length > 0) {
        memcpy(copy, m->limbs, m->length * sizeof *copy);
    }
    text[0] = '-';
    size_t count = ku__digits_to_text(text + 1, copy, m->length, base, &work);
    ku_object *made = ku_str_new(isolate, text + !m->negative, count + m->negative);
    ku__work_end(isolate, &work);
    return made;
}

ku_object *ku_int_text(ku_isolate *isolate, ku_object *number, int base) {
    if (base < 2 || base > 36) {
        return ku_fail_null(isolate, KU_VALUE, "base must be >= 2 and <= 36");
    }
    if (!ku__is_int(number)) {
        return ku_fail_null(isolate, KU_TYPE, "'%s' object cannot be interpreted as an integer", ku__type_name(number));
    }
    if (base == 10 && ku__is_small(number)) {
        return small_text(isolate, ku__small(number));
    }
    ku__magnitude m;
    ku__magnitude_of(number, &m);
    return any_text(isolate, &m, (unsigned)base);
}

/* ---- parsing ---- */

typedef struct literal {
    const char *at, *end;
    bool negative, has_prefix;
    unsigned base;
} literal;

static bool is_blank(char c) {
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static unsigned digit_value(char c) {
    if (c >= '0' && c <= '9') {
        return (unsigned)(c - '0');
    }
    unsigned letter = (unsigned)(c | 0x20) - 'a';
    return letter < 26 ? letter + 10 : 99;
}

/* The base that a prefix says, 0 when there is none. */
static unsigned prefix_base(const char *at, const char *end) {
    if (end - at < 2 || at[0] != '0') {
        return 0;
    }
    switch (at[1] | 0x20) {
    case 'b': return 2;
    case 'o': return 8;
    case 'x': return 16;
    default: return 0;
    }
}

/* Takes blanks, sign and prefix away. False: no number can follow. */
static bool literal_open(literal *l, const char *text, size_t length, int base) {
    l->at = text;
    l->end = text + length;
    while (l->at < l->end && is_blank(*l->at)) {
        l->at++;
    }
    while (l->end > l->at && is_blank(l->end[-1])) {
        l->end--;
    }
    l->negative = l->at < l->end && *l->at == '-';
    l->at += l->at < l->end && (*l->at == '-' || *l->at == '+');
    unsigned prefix = prefix_base(l->at, l->end);
    l->base = base != 0 ? (unsigned)base : prefix != 0 ? prefix : 10;
    l->has_prefix = prefix != 0 && prefix == l->base;
    if (l->has_prefix) {
        l->at += 2;
        l->at += l->at < l->end && *l->at == '_';
    }
    return l->at < l->end;
}

/* Digits as values, without underscores. False for what is none. */
static bool literal_digits(const literal *l, uint8_t *digits, size_t *count) {
    bool underscore = true; /* none may come first */
    *count = 0;
    for (const char *at = l->at; at < l->end; at++) {
        if (*at == '_') {
            if (underscore) {
                return false;
            }
            underscore = true;
            continue;
        }
        unsigned value = digit_value(*at);
        if (value >= l->base) {
            return false;
        }
        digits[(*count)++] = (uint8_t)value;
        underscore = false;
    }
    return !underscore;
}

static ku_object *bad_literal(ku_isolate *isolate, const char *text, size_t length, int base) {
    ku_object *bytes = ku_str_new(isolate, text, length < 120 ? length : 120);
    ku_object *shown = bytes != NULL ? ku_repr(isolate, bytes) : NULL;
    if (shown != NULL || (ku_pending_error(isolate)->code == KU_VALUE)) { /* what is no UTF-8 is not shown */
        ku_fail(isolate, KU_VALUE, "invalid literal for int() with base %d: %s", base,
                shown != NULL ? ku_str_text(shown) : "not UTF-8");
    }
    ku_release(isolate, bytes);
    ku_release(isolate, shown);
    return NULL;
}

/* "0123" is no literal of base 0, zeros alone are. */
static bool leads_with_zero(const uint8_t *digits, size_t count) {
    for (size_t i = 0; count > 1 && digits[0] == 0 && i < count; i++) {
        if (digits[i] != 0) {
            return true;
        }
    }
    return false;
}

static ku_object *from_digits(ku_isolate *isolate, const uint8_t *digits, size_t count, const literal *l) {
    ku__work work;
    size_t limbs = ku__digits_from_text_size(count, l->base);
    ku__int *made = ku__int_room(isolate, limbs);
    if (made == NULL) {
        return NULL;
    }
    if (!ku__work_begin(isolate, &work, ku__digits_from_text_work(count, l->base))) {
        ku__object_abandon(isolate, &made->header);
        return NULL;
    }
    size_t length = ku__digits_from_text(made->limbs, digits, count, l->base, &work);
    ku__work_end(isolate, &work);
    return ku__int_settle(isolate, made, length, l->negative);
}

ku_object *ku_int_parse(ku_isolate *isolate, const char *text, size_t length, int base) {
    if (base != 0 && (base < 2 || base > 36)) {
        return ku_fail_null(isolate, KU_VALUE, "int() base must be >= 2 and <= 36, or 0");
    }
    literal l;
    if (!literal_open(&l, text, length, base)) {
        return bad_literal(isolate, text, length, base);
    }
    uint8_t *digits = (uint8_t *)ku_buffer_new(isolate, (size_t)(l.end - l.at));
    if (digits == NULL) {
        return NULL;
    }
    size_t count;
    bool good = literal_digits(&l, digits, &count) && (base != 0 || l.has_prefix || !leads_with_zero(digits, count));
    ku_object *made = good ? from_digits(isolate, digits, count, &l) : bad_literal(isolate, text, length, base);
    ku_buffer_free(isolate, digits);
    return made;
}

/* ---- as objects ---- */

static bool int_hash(ku_isolate *isolate, ku_object *self, uint64_t *hash) {
    (void)isolate;
    *hash = ku__hash_int(self);
    return true;
}

static ku_object *int_repr(ku_isolate *isolate, ku_object *self) {
    return ku_int_text(isolate, self, 10);
}

static int int_truth(ku_isolate *isolate, ku_object *self) {
    (void)isolate;
    return ku__small(self) != 0;
}

int ku__int_compare(const ku_object *a, const ku_object *b) {
    if (ku__is_small(a) && ku__is_small(b)) {
        return (ku__small(a) > ku__small(b)) - (ku__small(a) < ku__small(b));
    }
    ku__magnitude x, y;
    ku__magnitude_of(a, &x);
    ku__magnitude_of(b, &y);
    if (x.negative != y.negative) {
        return x.negative ? -1 : 1;
    }
    int order = ku__digits_compare(x.limbs, x.length, y.limbs, y.length);
    return x.negative ? -order : order;
}

static int int_equal(ku_isolate *isolate, ku_object *self, ku_object *other) {
    (void)isolate;
    if (ku__is_int(other)) {
        return ku__int_compare(self, other) == 0;
    }
    return KU_NO_ANSWER;
}

static int int_order(ku_isolate *isolate, ku_comparison which, ku_object *self, ku_object *other) {
    (void)isolate;
    if (!ku__is_int(other)) {
        return KU_NO_ANSWER;
    }
    int order = ku__int_compare(self, other);
    switch (which) {
    case KU_LESS: return order < 0;
    case KU_LESS_EQUAL: return order <= 0;
    case KU_GREATER: return order > 0;
    default: return order >= 0;
    }
}

static bool int_unary(ku_isolate *isolate, ku_unary_operator which, ku_object *self, ku_object **result) {
    switch (which) {
    case KU_POSITIVE:
        *result = ku_is_exactly(self, KU_BUILTIN_BOOL) ? ku_int(isolate, ku__small(self)) : ku_new_reference(self);
        break;
    case KU_ABSOLUTE:
        if (ku_int_sign(self) >= 0) {
            return int_unary(isolate, KU_POSITIVE, self, result);
        }
        *result = ku__int_negative(isolate, self);
        break;
    case KU_NEGATIVE: *result = ku__int_negative(isolate, self); break;
    default: { /* ~a is -(a + 1) */
        ku_object *next = ku__int_add(isolate, self, ku_int(isolate, 1), false);
        *result = next != NULL ? ku__int_negative(isolate, next) : NULL;
        ku_release(isolate, next);
    }
    }
    return *result != NULL;
}

static const ku_operations int_operations = {
    .binary = ku__int_binary, .unary = int_unary, .compare = int_order, .truth = int_truth};

static const ku_field int_fields[] = {
    {"value", offsetof(ku__int, value), KU_FIELD_PLAIN, KU_FIELD_HIDDEN, 0},
    {NULL},
};

const ku_type_spec ku__int_spec = {
    .name = "int",
    .size = sizeof(ku__int),
    .fields = int_fields,
    .flags = KU_TYPE_ACYCLIC | KU_TYPE_FINAL | KU_TYPE_ABSTRACT,
    .doc = "A whole number of any size.",
    .hash = int_hash,
    .equal = int_equal,
    .repr = int_repr,
    .operations = &int_operations,
};
