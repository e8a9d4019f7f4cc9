/* pauses.h: how long collections kept the program waiting.
 *
 * A histogram by powers of two: place n counts pauses of 2^n to 2^(n+1) - 1 microseconds, place 0 also shorter ones,
 * the last one also longer ones. Each generation has its own.
 *
 * One thread notes at a time. Others may read meanwhile (ku__pauses_read()): each number is then one that it had.
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
    size_t *place = &pauses->histogram[ku__pause_place(nanoseconds)];
    __atomic_store_n(&pauses->count, pauses->count + 1, __ATOMIC_RELAXED);
    __atomic_store_n(&pauses->total, pauses->total + nanoseconds, __ATOMIC_RELAXED);
    __atomic_store_n(&pauses->longest, nanoseconds > pauses->longest ? nanoseconds : pauses->longest, __ATOMIC_RELAXED);
    __atomic_store_n(place, *place + 1, __ATOMIC_RELAXED);
}

/* A copy, while another thread may note. */
static inline ku__pauses ku__pauses_read(const ku__pauses *pauses) {
    ku__pauses copy = {.count = __atomic_load_n(&pauses->count, __ATOMIC_RELAXED),
                       .total = __atomic_load_n(&pauses->total, __ATOMIC_RELAXED),
                       .longest = __atomic_load_n(&pauses->longest, __ATOMIC_RELAXED)};
    for (int i = 0; i < KU__PAUSE_PLACES; i++) {
        copy.histogram[i] = __atomic_load_n(&pauses->histogram[i], __ATOMIC_RELAXED);
    }
    return copy;
}

static inline void ku__pauses_add(ku__pauses *to, const ku__pauses *more) {
    to->count += more->count;
    to->total += more->total;
    to->longest = more->longest > to->longest ? more->longest : to->longest;
    for (int i = 0; i < KU__PAUSE_PLACES; i++) {
        to->histogram[i] += more->histogram[i];
    }
}

#endif
