/* radix.c: natural numbers as text in bases 2 to 36, and back (digits.h).
 *
 * A *chunk* is as many digits as a limb always holds: 19 in base 10. With P(0) = base^chunk and P(i + 1) = P(i)^2, a
 * number below P(i)^2 is two numbers below P(i): text comes from dividing by P(i) and going on with both halves, a
 * number from multiplying the upper half by P(i) and adding the lower. Both take as long as one multiplication of the
 * whole, times a logarithm, where digit by digit they take the square of the length. Bases that are powers of two go by
 * their bits.
 *
 * Source: Knuth, The Art of Computer Programming 2, 4.4, with the divide and conquer of its exercise 14 (Schönhage).
 */
#include "object/digits.h"

#include <assert.h>
#include <string.h>

enum {
    LEVELS = 60,       /* P(60) has 2^60 limbs */
    TEXT_SPLIT = 15,   /* limbs from which dividing in two pays: a tenth at 20 limbs, a fifth at 40, half at 120 */
    CHUNK_BINARY = 64, /* most digits of a chunk: base 2 has 63 */
};

typedef struct radix {
    unsigned base;
    unsigned chunk;       /* digits */
    ku__limb chunk_power; /* base^chunk */
    unsigned bits;        /* of a digit, when the base is a power of two; else 0 */
} radix;

typedef struct powers {
    ku__limb *of[LEVELS]; /* P(i) */
    size_t length[LEVELS];
    int count;
} powers;

static radix radix_of(unsigned base) {
    radix r = {.base = base, .chunk_power = base, .chunk = 1};
    while (r.chunk_power <= UINT64_MAX / base) {
        r.chunk_power *= base;
        r.chunk++;
    }
    if ((base & (base - 1)) == 0) {
        r.bits = (unsigned)__builtin_ctz(base);
    }
    return r;
}

/* P(0) to P(count - 1), on the stack of work. */
static void powers_make(powers *p, const radix *r, int count, ku__work *work) {
    p->count = count;
    for (int i = 0; i < count; i++) {
        if (i == 0) {
            p->of[0] = ku__work_take(work, 1);
            p->of[0][0] = r->chunk_power;
            p->length[0] = 1;
            continue;
        }
        size_t half = p->length[i - 1];
        p->of[i] = ku__work_take(work, 2 * half);
        ku__digits_multiply(p->of[i], p->of[i - 1], half, p->of[i - 1], half, work);
        p->length[i] = ku__digits_trim(p->of[i], 2 * half);
    }
}

/* ---- to text ---- */

size_t ku__digits_text_size(size_t bits, unsigned base) {
    /* A digit has at least floor(64 log2(base)) / 64 bits; the largest power below 2^64 says how many fit a limb. */
    radix r = radix_of(base);
    return bits / (KU__LIMB_BITS - 1) * (r.chunk + 1) + r.chunk + 2;
}

static char digit_text(unsigned value) {
    return (char)(value < 10 ? '0' + value : 'a' + (value - 10));
}

/* Writes `count` digits of a limb that end before `end`; zeros in front. */
static void limb_text(char *end, ku__limb value, unsigned count, unsigned base) {
    for (unsigned i = 0; i < count; i++) {
        *--end = digit_text((unsigned)(value % base));
        value /= base;
    }
}

/* Limb by limb: writes exactly `count` digits that end before `end`. `a` is destroyed. */
static void text_school(char *end, ku__limb *a, size_t length, size_t count, const radix *r) {
    while (count > 0) {
        length = ku__digits_trim(a, length);
        ku__limb low = ku__digits_divide_limb(a, a, length, r->chunk_power);
        unsigned digits = count < r->chunk ? (unsigned)count : r->chunk;
        limb_text(end, low, digits, r->base);
        end -= digits;
        count -= digits;
    }
}

/* Writes exactly `count` digits of a number below P(level)^2. */
static void text_split(char *end, ku__limb *a, size_t length, size_t count, int level, const powers *p, const radix *r,
                       ku__work *work) {
    length = ku__digits_trim(a, length);
    assert(level < p->count);
    if (level < 0 || length < TEXT_SPLIT) {
        text_school(end, a, length, count, r);
        return;
    }
    const ku__limb *divisor = p->of[level];
    size_t half = p->length[level], lower = (size_t)r->chunk << level;
    if (ku__digits_compare(a, length, divisor, half) < 0 || count <= lower) {
        size_t low_count = count < lower ? count : lower;
        memset(end - count, '0', count - low_count);
        text_split(end, a, length, low_count, level - 1, p, r, work);
        return;
    }
    size_t mark = work->used;
    size_t q_length = length - half + 1;
    ku__limb *q = ku__work_take(work, q_length);
    ku__limb *rest = ku__work_take(work, half);
    ku__digits_divide(q, rest, a, length, divisor, half, work);
    text_split(end - lower, q, q_length, count - lower, level - 1, p, r, work);
    text_split(end, rest, half, lower, level - 1, p, r, work);
    work->used = mark;
}

/* By bits, for powers of two. Returns the number of digits. */
static size_t text_bits(char *text, const ku__limb *a, size_t length, const radix *r) {
    size_t bits = ku__digits_bits(a, length), count = (bits + r->bits - 1) / r->bits;
    for (size_t i = 0; i < count; i++) {
        size_t at = (count - 1 - i) * r->bits, limb = at / KU__LIMB_BITS;
        unsigned shift = at % KU__LIMB_BITS;
        ku__limb value = a[limb] >> shift;
        if (shift + r->bits > KU__LIMB_BITS && limb + 1 < length) {
            value |= a[limb + 1] << (KU__LIMB_BITS - shift);
        }
        text[i] = digit_text((unsigned)(value & (r->base - 1)));
    }
    return count;
}

/* How many powers are needed so that a number of `length` limbs is below the square of the last. */
static int text_levels(size_t length, const radix *r) {
    int levels = 0;
    /* P(i) has more than (bits of the chunk - 1) 2^i bits, of which there are at least 58 to a limb (base 36: 62) */
    unsigned power_bits = KU__LIMB_BITS - 1 - (unsigned)__builtin_clzll(r->chunk_power);
    while (((size_t)power_bits << (levels + 1)) < length * KU__LIMB_BITS + KU__LIMB_BITS) {
        levels++;
    }
    return levels + 1;
}

size_t ku__digits_to_text(char *text, ku__limb *a, size_t length, unsigned base, ku__work *work) {
    radix r = radix_of(base);
    if (length == 0) {
        text[0] = '0';
        return 1;
    }
    if (r.bits != 0) {
        return text_bits(text, a, length, &r);
    }
    size_t mark = work->used;
    size_t count = ku__digits_text_size(ku__digits_bits(a, length), base);
    if (length < TEXT_SPLIT) {
        text_school(text + count, a, length, count, &r);
    } else {
        powers p;
        powers_make(&p, &r, text_levels(length, &r), work);
        text_split(text + count, a, length, count, p.count - 1, &p, &r, work);
    }
    work->used = mark;
    size_t zeros = 0;
    while (zeros + 1 < count && text[zeros] == '0') {
        zeros++;
    }
    memmove(text, text + zeros, count - zeros);
    return count - zeros;
}

/* Powers: the last is of at most twice the number's length, all together of twice that. Quotients and remainders: at
 * each level one more limb than the number has, half as many at the next. And what one division takes. */
size_t ku__digits_to_text_work(size_t length, unsigned base) {
    radix r = radix_of(base);
    if (r.bits != 0 || length < TEXT_SPLIT) {
        return 0;
    }
    size_t most = 0;
    for (int level = 0, levels = text_levels(length, &r); level < levels; level++) {
        size_t half = (size_t)1 << level;
        size_t work = ku__digits_multiply_work(half, half);
        size_t division =
            half <= length ? ku__digits_divide_work(2 * half + 2 > length ? 2 * half + 2 : length, half) : 0;
        most = work > most ? work : most;
        most = division > most ? division : most;
    }
    return ((size_t)2 << text_levels(length, &r)) + 4 * length + 4 * LEVELS + 2 * most;
}

/* ---- from text ---- */

size_t ku__digits_from_text_size(size_t count, unsigned base) {
    radix r = radix_of(base);
    return count / r.chunk + 1;
}

static size_t from_bits(ku__limb *a, const uint8_t *digits, size_t count, const radix *r) {
    size_t length = ku__digits_from_text_size(count, r->base);
    memset(a, 0, length * sizeof *a);
    for (size_t i = 0; i < count; i++) {
        size_t at = (count - 1 - i) * r->bits;
        unsigned shift = at % KU__LIMB_BITS;
        a[at / KU__LIMB_BITS] |= (ku__limb)digits[i] << shift;
        if (shift + r->bits > KU__LIMB_BITS && digits[i] >> (KU__LIMB_BITS - shift) != 0) {
            a[at / KU__LIMB_BITS + 1] |= (ku__limb)digits[i] >> (KU__LIMB_BITS - shift);
        }
    }
    return ku__digits_trim(a, length);
}

/* Chunks as limbs, the least significant first. */
static size_t read_chunks(ku__limb *a, const uint8_t *digits, size_t count, const radix *r) {
    size_t length = 0;
    while (count > 0) {
        size_t first = count > r->chunk ? count - r->chunk : 0;
        ku__limb value = 0;
        for (size_t i = first; i < count; i++) {
            value = value * r->base + digits[i];
        }
        a[length++] = value;
        count = first;
    }
    return length;
}

/* Puts pairs of numbers of `half` limbs below P(level) together, over the whole array. The last may be shorter. */
static void join_pairs(ku__limb *a, size_t length, size_t half, const ku__limb *power, size_t power_length,
                       ku__work *work) {
    size_t mark = work->used;
    ku__limb *product = ku__work_take(work, 2 * half);
    for (size_t at = 0; at + half < length; at += 2 * half) {
        size_t upper = length - at - half < half ? length - at - half : half;
        size_t trimmed = ku__digits_trim(a + at + half, upper);
        if (trimmed == 0) {
            continue; /* the upper part is zero, the lower stays */
        }
        if (trimmed >= power_length) {
            ku__digits_multiply(product, a + at + half, trimmed, power, power_length, work);
        } else {
            ku__digits_multiply(product, power, power_length, a + at + half, trimmed, work);
        }
        size_t room = half + upper, made = ku__digits_trim(product, trimmed + power_length);
        memset(product + made, 0, (2 * half - made) * sizeof *product);
        ku__digits_add(a + at, product, room, a + at, half);
    }
    work->used = mark;
}

size_t ku__digits_from_text(ku__limb *a, const uint8_t *digits, size_t count, unsigned base, ku__work *work) {
    radix r = radix_of(base);
    if (r.bits != 0) {
        return from_bits(a, digits, count, &r);
    }
    size_t length = read_chunks(a, digits, count, &r);
    size_t mark = work->used;
    powers p = {.count = 0};
    int levels = 0;
    while (((size_t)1 << levels) < length) {
        levels++;
    }
    powers_make(&p, &r, levels, work);
    for (int level = 0; level < levels; level++) {
        join_pairs(a, length, (size_t)1 << level, p.of[level], p.length[level], work);
    }
    work->used = mark;
    return ku__digits_trim(a, length);
}

/* Powers of twice the length of the number in all, a product of at most twice its length, one multiplication's work. */
size_t ku__digits_from_text_work(size_t count, unsigned base) {
    size_t length = ku__digits_from_text_size(count, base);
    return 8 * length + LEVELS + 2 * ku__digits_multiply_work(length, length);
}
