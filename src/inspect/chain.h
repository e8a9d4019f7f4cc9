/* chain.h: following links in memory that may be damaged: a chain that leads in a circle ends.
 *
 * What was met at the last power of two of steps is remembered and compared with (Brent, "An improved Monte Carlo
 * factorization algorithm", BIT 20, 1980): a circle is noticed after a few times as many steps as it has links, with no
 * memory for what was seen.
 */
#ifndef KU__CHAIN_H
#define KU__CHAIN_H

#include <stdint.h>

typedef struct ku__chain {
    uintptr_t at; /* 0: it has ended */
    uintptr_t seen;
    uint64_t steps, next_look;
} ku__chain;

static inline ku__chain ku__chain_from(uintptr_t first) {
    return (ku__chain){.at = first, .seen = first, .next_look = 1};
}

/* Goes on to what is linked to where the chain is; 0 ends it, as does what was met before. */
static inline void ku__chain_step(ku__chain *chain, uintptr_t next) {
    if (chain->steps++ == chain->next_look) {
        chain->next_look *= 2;
        chain->seen = chain->at;
    }
    chain->at = next == chain->seen ? 0 : next;
}

#endif
