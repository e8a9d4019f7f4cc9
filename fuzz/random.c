/* random.c: the numbers that mutations are made of. */
#include "target.h"

uint64_t fuzz_random(void) { /* xorshift64 (Marsaglia, "Xorshift RNGs", 2003) */
    static uint64_t state = 88172645463325252u;
    state ^= state << 13;
    state ^= state >> 7;
    return state ^= state << 17;
}
