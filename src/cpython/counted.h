/* counted.h: exact bytes that a thread allocates and frees, while somebody wants to know.
 *
 * A set of entry points in front of whichever set is in place (plain, traced, sampled, for one GIL or for many): it
 * passes the call on, and adds the block's size to the counts of the calling thread. Sizes are those of blocks, what
 * was asked for rounded up to 16 bytes up to 512, so that what a block adds is what it takes away. While nobody
 * counts, the set is not in place and costs nothing; a thread that does not count pays a thread-local read.
 *
 * Of a thread: `allocated` and `freed` only grow; live is their difference, and may be below 0 in a thread that frees
 * what another made. `high` is the highest live since its owner set it to live (ku__counts_mark). Blocks that were born
 * before kucha was installed have sizes that are not known to us: their end is not counted. A block that is resized is
 * one freed and one allocated at once: a high is never made of both.
 *
 * What an instrument itself makes the interpreter allocate. From 3.12 on the interpreter makes ints to tell a callback
 * where the program is, and on 3.11 a frame object for each call that is traced. They are of the program's thread, and
 * would stand in its lines. ku__counts_forget() takes the last block that was counted out again, and sees to it that
 * its end is not counted either; two blocks can wait for that.
 *
 * Lock: none but the calling thread's own; the switch needs the main interpreter's GIL.
 */
#ifndef KU__COUNTED_H
#define KU__COUNTED_H

#include "cpython/bridge.h"

enum { KU__FORGOTTEN_MOST = 2 }; /* ints of one event that are told apart: a jump's two ends */

typedef struct ku__counts {
    int64_t allocated, freed; /* bytes since the thread began to count */
    int64_t high;             /* of allocated - freed */
    const void *last;         /* the block that was counted last, and the one before it */
    const void *earlier;
    int64_t high_before; /* what `high` was before `last` was counted, and before `earlier` was */
    int64_t high_earlier;
    const void *forgotten[KU__FORGOTTEN_MOST];
    bool on; /* this thread counts */
} ku__counts;

/* Of the calling thread. Found by one load, as few events of a line cost more than a call of __tls_get_addr(); there is
 * room for it in what the C library keeps for modules that come late (it has 1,664 bytes). */
#define KU__QUICK_THREAD __thread __attribute__((tls_model("initial-exec")))
extern KU__HIDDEN KU__QUICK_THREAD ku__counts ku__thread_counts;

extern KU__HIDDEN const ku__entry_set ku__entries_counted;

static inline int64_t ku__counts_live(const ku__counts *counts) {
    return counts->allocated - counts->freed;
}

/* Begins a stretch of which the highest is wanted. */
static inline void ku__counts_mark(ku__counts *counts) {
    counts->high = ku__counts_live(counts);
}

/* If `block` is what was counted last, it never was, and its end will not be; then the one before it is the last.
 * False: it was not counted last. */
bool ku__counts_forget(ku__counts *counts, const void *block);

/* The next end of `block` is not counted. */
void ku__counts_expect(ku__counts *counts, const void *block);

/* One more who counts, or one less; the first and the last exchange the entry points. False: kucha's allocator is not
 * there, or another tool stands in front of it, so nothing is counted. */
bool ku__counted_start(void);
void ku__counted_stop(void);

#endif
