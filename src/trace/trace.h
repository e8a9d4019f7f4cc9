/* trace.h: birthplaces and counts. The engine that every tracing mode shares; it knows nothing of CPython.
 *
 * A *site* is the number of an interned stack of frames, innermost first. Number 0 is "unknown". A *frame* is a code record and
 * the offset in bytes of an instruction in it; lines are computed from the record's line table when somebody reads.
 *
 * Locking: everything here belongs to the holder of the traced heaps' lock (the GIL), except what says otherwise.
 * The capture thread only reads, through published counts: entries below a published count never change or move.
 */
#ifndef KU__TRACE_H
#define KU__TRACE_H

#include <kucha/error.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    KU__FRAMES_MAX = 255,
    KU__SITE_BITS = 27,       /* a slot of the site table: site, slack << 27, code flag << 31 */
    KU__SLACK_SHIFT = 27,     /* block size less requested size, 0 to 15 */
    KU__SITE_LAST = (1 << 27) - 1,
};
#define KU__SLOT_CODE 0x80000000u /* the block is a code object that a code record refers to */

typedef struct ku__tracer ku__tracer;

typedef struct ku__frame {
    uint32_t code;        /* code record, 0 is none */
    uint32_t instruction; /* byte offset of the instruction in the code */
} ku__frame;

/* What a code record keeps; everything is copied. Line tables are CPython's location table of 3.11 and later
 * (Objects/locations.md in CPython); an empty one means that every instruction is on first_line. */
typedef struct ku__code_facts {
    const char *filename; /* UTF-8, need not be terminated */
    size_t filename_bytes;
    const char *qualname;
    size_t qualname_bytes;
    const uint8_t *line_table;
    size_t line_table_bytes;
    int32_t first_line;
} ku__code_facts;

/* The counts of one site; one cache line. In sampled mode the counts are estimates (each sample stands for 1/p blocks). */
typedef struct ku__site_counts {
    uint64_t live_bytes;
    uint64_t live_blocks;
    uint64_t peak_bytes; /* what was live when the program's total was highest: valid if peak_number is the tracer's */
    uint64_t peak_blocks;
    uint64_t peak_number;
    uint64_t total_bytes;
    uint64_t total_blocks;
    uint64_t temporary_blocks; /* freed before any other block was allocated */
} ku__site_counts;

#endif
