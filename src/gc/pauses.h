/* pauses.h: how long collections kept the program waiting.
 *
 * A histogram by powers of two: place n counts pauses of 2^n to 2^(n+1) - 1 microseconds, place 0 also shorter ones,
 * the last one also longer ones. Each generation has its own.
 */
#ifndef KU__PAUSES_H
#define KU__PAUSES_H

#include <stddef.h>
#include <stdint.h>

enum { KU__PAUSE_PLACES = 24 }; /* up to 8 seconds and more */

typedef struct ku__pauses {
    size_t count;
    uint64_t total, longest; /* nanoseconds */
    size_t histogram[KU__PAUSE_PLACES];
} ku__pauses;

static inline unsigned ku__pause_place(uint64_t nanoseconds) {
    uint64_t micros = nanoseconds / 1000;
    unsigned place = micros != 0 ? 63u - (unsigned)__builtin_clzll(micros) : 0;
    return place < KU__PAUSE_PLACES ? place : KU__PAUSE_PLACES - 1;
}

static inline void ku__pause_note(ku__pauses *pauses, uint64_t nanoseconds) {
    pauses->count++;
    pauses->total += nanoseconds;
    pauses->longest = nanoseconds > pauses->longest ? nanoseconds : pauses->longest;
    pauses->histogram[ku__pause_place(nanoseconds)]++;
}

#endif
