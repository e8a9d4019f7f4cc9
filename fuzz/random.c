/* random.c: the numbers that mutations are made of. */
#include "target.h"

static uint64_t state = 88172645463325252u;

void fuzz_random_from(uint64_t seed) {
    enum { FIRST = 16 }; /* numbers after which seeds that are alike no longer show */
    state = seed * 0x9e3779b97f4a7c15u ^ 88172645463325252u;
    state = state != 0 ? state : 1;
    for (int i = 0; i < FIRST; i++) {
        fuzz_random();
    }
}

uint64_t fuzz_random(void) { /* xorshift64 (Marsaglia, "Xorshift RNGs", 2003) */
    state ^= state << 13;
    state ^= state >> 7;
    return state ^= state << 17;
}
