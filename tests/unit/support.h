/* support.h: what every unit test starts with. */
#ifndef TESTS_SUPPORT_H
#define TESTS_SUPPORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "alloc/geometry.h"

/* Operations of a test against a model. KUCHA_OPERATIONS in the environment asks for more: a long campaign takes
 * millions. */
static inline size_t operations_wanted(void) {
    const char *text = getenv("KUCHA_OPERATIONS");
    unsigned long long number = text != NULL ? strtoull(text, NULL, 10) : 0;
    return number != 0 ? (size_t)number : 400000;
}
#define OPERATIONS operations_wanted()

/* xorshift64* (Marsaglia 2003, Vigna 2016): small, and the same everywhere. */
static inline uint64_t next_random(uint64_t *state) {
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return *state * 0x2545F4914F6CDD1Du >> 11;
}

#endif
