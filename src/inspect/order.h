/* order.h: numbers in order of the addresses that they stand for, without memory beside them.
 *
 * Millions of addresses of one heap differ in few of their bits, so they are dealt out by eight bits at a time, from
 * the highest in which any two differ: a step looks at each once, where sorting by comparison would look at each as
 * often as their number has bits, at places far apart.
 *
 * Source: McIlroy, Bostic, McIlroy, "Engineering Radix Sort", Computing Systems 6(1), 1993 ("American flag sort").
 */
#ifndef KU__ORDER_H
#define KU__ORDER_H

#include <stddef.h>
#include <stdint.h>

typedef struct ku__placed {
    uintptr_t address;
    uint32_t number;
} ku__placed;

/* Puts the lowest address first; asks for no memory, and takes 16 KiB of the stack. */
void ku__order_placed(ku__placed *items, size_t count);

#endif
