/* shared.h: memory that processes share with those that they fork, and waiting in it. Any thread may call.
 *
 * Waiting is by futex and not by a condition variable: a process that is killed while it waits at one of those leaves
 * it in a state that the others may wait for ever to see changed; a futex has no state but the word.
 *
 * Sources: mmap(2), futex(2).
 */
#ifndef KU__SHARED_H
#define KU__SHARED_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

/* Zeroed pages that this process and its children see; NULL when refused. Given back by ku__pages_unmap(). */
void *ku__shared_map(size_t bytes);

/* Sleeps while the word, which lies in shared memory, has this value, and at most until the deadline on the clock of
 * ku__clock_nanoseconds() (UINT64_MAX: none). May wake up for nothing. */
void ku__shared_wait(_Atomic uint32_t *word, uint32_t value, uint64_t deadline);

/* Wakes all who sleep at the word. */
void ku__shared_wake(_Atomic uint32_t *word);

#endif
