/* rows.h: live blocks by site, size and domain: what a snapshot knows of single blocks.
 *
 * Counts by site need no look at blocks (snapshot.h). Only who wants sizes of single blocks, as tracemalloc's `traces`
 * has them, walks the heap: each block is added here, and blocks that are alike become one row with a count, so that
 * millions of blocks make some thousand rows. Blocks that lie side by side are mostly alike: the row that was added to
 * last is looked at first.
 *
 * Lock: the caller's own, throughout. Memory comes from pages, so that nothing of it is in the heap that is walked.
 */
#ifndef KU__TRACE_ROWS_H
#define KU__TRACE_ROWS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct ku__row {
    uint32_t site;
    uint32_t domain;
    uint64_t size;  /* bytes of one block, as asked for */
    uint64_t count; /* blocks; 0: an empty place of the table */
} ku__row;

typedef struct ku__rows {
    ku__row *table; /* open addressing, at most half full; after ku__rows_finish() an array, sorted */
    size_t capacity;
    size_t used;
    ku__row *last; /* added to last */
    bool failed;   /* memory was refused: rows are missing */
} ku__rows;

/* An empty table; false when memory is refused. Ends with ku__rows_close(). */
bool ku__rows_open(ku__rows *rows);
void ku__rows_close(ku__rows *rows);

/* `count` more blocks; nothing once the table has failed. */
void ku__rows_add(ku__rows *rows, uint32_t site, uint32_t domain, uint64_t size, uint64_t count);

/* Makes the table an array of `used` rows, most bytes first, then by site, domain, size. False when it had failed. */
bool ku__rows_finish(ku__rows *rows);

#endif
