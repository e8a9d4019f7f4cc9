/* backing.h: how a heap's pools and arenas come by their pages.
 *
 * The system gives memory page by page as it is touched, and each first touch is a fault: 2 µs for 4 KiB on the
 * machine of docs/benchmarks.md. A heap that grows large pays that for a quarter of a million pages each GiB. Two ways
 * of paying less, both of which take memory before it is known to be needed, so both wait until the heap is so large
 * that what they take too much is a small share:
 *
 *     pools     A class that has KU__AHEAD_POOLS pools takes its next one whole, by one call (MADV_POPULATE_WRITE). At
 *               most one pool of each class is not used yet, so what is taken too much is at most 1/64 of the class.
 *     arenas    From KU__HUGE_FROM bytes of arenas on, new arenas may lie on huge pages. What is taken too much is at
 *               most one huge page, 2 MiB, or 3 % of the heap.
 *
 * Whether huge pages are cheaper is not known beforehand: a huge page costs a third of the same memory in small pages
 * where the kernel has one ready, and five times as much where it must move other pages out of the way first, or where
 * a hypervisor must find the memory. So it is measured. Each pool and each huge page that is taken ahead is timed; huge
 * pages are tried once, go on while they are the cheaper of the two, and are tried again when the heap has doubled.
 * That bounds what a wrong guess costs: one huge page for each doubling.
 *
 *     gathered   A heap whose holder waits for its memory more than anything else, because it is read in no order, is
 *                better off on huge pages at almost any price: where page tables are nested, as in a virtual machine,
 *                a read that misses the processor's own table took 50 ns there and 10 on a huge page. Arenas of which
 *                every pool is in use are then copied to huge pages, some at a time, as long as the holder says.
 *
 * A program decides otherwise by ku_heap_options.huge_pages: always (every arena is advised) or never (neither). A heap
 * of which images are made (a collection by a child) asks for huge pages at any price: a clone copies the table of its
 * pages, 512 entries for each huge one, and keeps the program waiting meanwhile.
 *
 * Lock: the heap's holder. Sources: madvise(2), Documentation/admin-guide/mm/transhuge.rst of Linux.
 */
#ifndef KU__BACKING_H
#define KU__BACKING_H

#include "alloc/geometry.h"

enum {
    KU__AHEAD_POOLS = 64,        /* 1/64: what a heap may be too large by in this way */
    KU__HUGE_FROM = 64 << 20,    /* bytes of arenas: 2 MiB are 3 % of it */
    KU__HUGE_IMAGED = 16 << 20,  /* the same of a heap of which images are made: their clone takes a millisecond */
    KU__HUGE_PAGE = 2 << 20,     /* where a huge page is larger, it is seen that none came, and that is that */
    KU__PRICED_BYTES = 64 << 10, /* prices are nanoseconds for so many bytes */
};

typedef struct ku__backing {
    ku_huge_pages wish;
    bool on_huge;       /* new arenas are advised */
    size_t imaged_from; /* bytes of arenas from which on they are, whatever it costs; 0: none */
    bool cannot_gather; /* the system refused it once */
    double small_price; /* of small pages taken ahead, smoothed; 0: not known yet */
    size_t trial_at;    /* bytes of arenas at which huge pages are tried (again) */
    size_t populated;   /* bytes of pools that were taken whole, in all */
} ku__backing;

void ku__backing_open(ku__backing *backing, ku_huge_pages wish);

/* A pool of the heap that was never touched, or not since its pages went back, got its class: takes its pages, if they
 * are to be taken ahead. */
void ku__backing_pool(ku_heap *heap, uint32_t pool);

/* The heap was given an arena, which it counts already: advises it, if it is to lie on huge pages. Returns whether
 * pages may be there now, or come later, that nobody touched. */
bool ku__backing_arena(ku_heap *heap, uint32_t arena);

/* Copies arenas that lie on small pages, and of which every pool is in use, to huge ones, for about so many seconds of
 * this thread's time. Addresses stay. Nothing happens where the heap's options said otherwise, or the system cannot. */
void ku__backing_gather(ku_heap *heap, double seconds);

/* An arena goes back to small pages: the kernel must not make huge pages again of what is given back out of it. */
void ku__backing_make_small(uint32_t arena);

/* What is made of a price: of small pages; and of a huge page that was tried in a heap with `held` bytes of arenas
 * (negative: none came). For the functions above, and tests. */
void ku__backing_note_small(ku__backing *backing, double price);
void ku__backing_note_huge(ku__backing *backing, double price, size_t held);

#endif
