/* random.h: random numbers that nobody can guess. Any thread. Source: getrandom(2). */
#ifndef KU__RANDOM_H
#define KU__RANDOM_H

#include <stdint.h>

uint64_t ku__random_word(void);

#endif
