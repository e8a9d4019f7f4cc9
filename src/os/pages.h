/* pages.h: memory from the operating system, in pages.
 *
 * Everything the library keeps beside the heap (tables, registries, magazines) and the arenas themselves comes from
 * here, never from malloc, so that an instrument never disturbs what it measures. All memory arrives zeroed. Any thread
 * may call; nothing is locked.
 *
 * Sources: mmap(2), madvise(2); MAP_FIXED_NOREPLACE is Linux 4.17 (an older kernel takes the address as a hint, which
 * is seen and undone).
 */
#ifndef KU__PAGES_H
#define KU__PAGES_H

#include <stdbool.h>
#include <stddef.h>

/* The smallest unit of the functions below, in bytes. */
size_t ku__page_size(void);

/* Zeroed memory at an address of the system's choice; NULL when refused. `bytes` is rounded up to whole pages. */
void *ku__pages_map(size_t bytes);

/* Makes what ku__pages_map() gave larger or smaller; it may move, and nothing is copied. NULL when refused: then it is
 * as it was. Source: mremap(2). */
void *ku__pages_resize(void *address, size_t old_bytes, size_t new_bytes);

/* Gives back what ku__pages_map() or ku__pages_claim() gave; NULL does nothing. */
void ku__pages_unmap(void *address, size_t bytes);

/* Makes exactly [address, address + bytes) readable and writable if nothing lies there; false, and no change, if
 * something does or the system refuses. Both must be multiples of the page size. */
bool ku__pages_claim(void *address, size_t bytes);

/* Reserves addresses without memory, of the system's choice; NULL when refused. Counts against RLIMIT_AS. */
void *ku__pages_reserve(size_t bytes);

/* Makes part of a reservation readable and writable, and back. */
bool ku__pages_commit(void *address, size_t bytes);
void ku__pages_decommit(void *address, size_t bytes);

/* Gives the memory behind the pages back; the addresses stay and read as zero. Only whole pages inside are affected. */
void ku__pages_discard(void *address, size_t bytes);

/* Asks for huge pages, or that there be none from now on. A system that does not know them ignores it. */
void ku__pages_advise_huge(void *address, size_t bytes);
void ku__pages_advise_small(void *address, size_t bytes);

/* Gives the range huge pages, and copies into them what is there (Linux 6.1). False where the system cannot, or its
 * administrator wants none (transhuge.rst: "never"), or the range was advised to lie on small ones. */
bool ku__pages_gather(void *address, size_t bytes);

/* Takes the pages from the system that the range touches and does not have yet, by one call, as if every one were
 * written to (Linux 5.14). False where that cannot be done, with no harm. */
bool ku__pages_populate(void *address, size_t bytes);

/* Bytes of the range that are resident now; 0 where the system cannot tell. */
size_t ku__pages_resident(void *address, size_t bytes);

/* Bytes of memory that the machine has; SIZE_MAX where the system does not tell. Source: sysconf(3). */
size_t ku__memory_physical(void);

#ifdef KU_CHECKING
/* Fault injection: the request number `countdown` from now (1 is the next) is refused, and only that one; 0 switches
 * it off. Returns how many requests were counted since the last call. A copy of the process counts on for itself. */
size_t ku__pages_fail_at(size_t countdown);

/* One more request, made by other means than those above: whether it is that one. */
bool ku__pages_refused(void);
#endif

#endif
