/* order.c: see order.h. */
#include "inspect/order.h"

/* Below FEW, counting would take longer than moving them one by one. */
enum { DIGIT_BITS = 8, DIGITS = 1 << DIGIT_BITS, FEW = 48 };

static void order_few(ku__placed *items, size_t count) {
    for (size_t i = 1; i < count; i++) {
        ku__placed moved = items[i];
        size_t at = i;
        for (; at > 0 && items[at - 1].address > moved.address; at--) {
            items[at] = items[at - 1];
        }
        items[at] = moved;
    }
}

static inline unsigned digit_of(ku__placed item, unsigned shift) {
    return (unsigned)(item.address >> shift) & (DIGITS - 1);
}

/* The lowest bit of the digit that ends with the highest bit in which two of them differ. */
static unsigned first_shift(const ku__placed *items, size_t count) {
    uintptr_t differing = 0;
    for (size_t i = 1; i < count; i++) {
        differing |= items[i].address ^ items[0].address;
    }
    unsigned bits = differing == 0 ? 0 : 64 - (unsigned)__builtin_clzll(differing);
    return bits > DIGIT_BITS ? bits - DIGIT_BITS : 0;
}

/* Deals items out by one digit; ends[d]: where those with digit d end. */
static void deal(ku__placed *items, size_t count, unsigned shift, uint32_t ends[DIGITS]) {
    uint32_t next[DIGITS];
    for (size_t d = 0; d < DIGITS; d++) {
        ends[d] = 0;
    }
    for (size_t i = 0; i < count; i++) {
        ends[digit_of(items[i], shift)]++;
    }
    for (uint32_t d = 0, sum = 0; d < DIGITS; d++) {
        next[d] = sum;
        sum += ends[d];
        ends[d] = sum;
    }
    for (unsigned d = 0; d < DIGITS; d++) {
        while (next[d] < ends[d]) {
            ku__placed item = items[next[d]];
            for (unsigned other; (other = digit_of(item, shift)) != d;) {
                ku__placed there = items[next[other]];
                items[next[other]++] = item;
                item = there;
            }
            items[next[d]++] = item;
        }
    }
}

/* As deep as an address has digits: each call looks at a lower one. */
void ku__order_placed(ku__placed *items, size_t count) { /* NOLINT(misc-no-recursion) */
    if (count < FEW) {
        order_few(items, count);
        return;
    }
    uint32_t ends[DIGITS];
    unsigned shift = first_shift(items, count);
    deal(items, count, shift, ends);
    for (size_t d = 0; d < DIGITS && shift > 0; d++) {
        size_t start = d == 0 ? 0 : ends[d - 1];
        ku__order_placed(items + start, ends[d] - start);
    }
}
