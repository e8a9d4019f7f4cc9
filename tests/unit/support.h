/* support.h: what every unit test starts with. */
#ifndef TESTS_SUPPORT_H
#define TESTS_SUPPORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "alloc/geometry.h"

/* Operations of a test against a model; `make test-long` asks for more. */
#ifndef OPERATIONS
#define OPERATIONS 400000
#endif

/* xorshift64* (Marsaglia 2003, Vigna 2016): small, and the same everywhere. */
static inline uint64_t next_random(uint64_t *state) {
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return *state * 0x2545F4914F6CDD1Du >> 11;
}

#endif
