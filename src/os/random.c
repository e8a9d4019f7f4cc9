/* random.c: random numbers that nobody can guess. See random.h. */
#include "os/random.h"

#include "os/clock.h"

#include <sys/random.h>
#include <unistd.h>

uint64_t ku__random_word(void) {
    uint64_t word;
    if (getrandom(&word, sizeof word, GRND_NONBLOCK) == (ssize_t)sizeof word) {
        return word;
    }
    /* A machine that has just started, or a sandbox: at least no two processes have the same. */
    word = ku__clock_nanoseconds() ^ (uint64_t)getpid() << 32 ^ (uintptr_t)&word;
    return word * 0x9E3779B97F4A7C15u;
}
