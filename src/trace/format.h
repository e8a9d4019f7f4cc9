/* format.h: the capture file, byte by byte; docs/capture-file.md explains it for people. Only for src/trace.
 *
 * All numbers are little-endian (a host that is not is refused by the writer and the reader), all structures have the
 * same layout on x86-64 and aarch64, without padding. Checksums are XXH64 with seed 0.
 *
 *     0     header
 *     512   state 0 ┐ written alternately: a state with an even sequence number goes to the first place, one with an
 *     1024  state 1 ┘ odd number to the second. The valid one with the higher number counts
 *     4096  chunks, one after another, up to the state's `end`
 *
 * Chunks only grow in number and never change, except the payload of PLAC chunks: room for the counts of sites. Two
 * such places are in use; a new state's counts go to the place that the last state does not use, then the state is
 * written. So at every moment one whole state is in the file.
 */
#ifndef KU__TRACE_FORMAT_H
#define KU__TRACE_FORMAT_H

#include <kucha/capture.h>

enum {
    KU__FILE_STATE_OFFSET = 512,
    KU__FILE_STATE_STEP = 512,
    KU__FILE_CHUNKS_OFFSET = 4096,
    KU__FILE_PAGE_ROWS = 512, /* rows of counts with a checksum of their own, 28 KiB: what one changed site rewrites */
};

#define KU__FILE_MAGIC "KUCHACAP"
#define KU__STATE_MAGIC "STATE\0\0\0"
#define KU__FILE_BYTE_ORDER 0x01020304u

typedef struct ku__file_header {
    char magic[8];
    uint32_t version;
    uint32_t byte_order;
    uint32_t process;
    uint32_t frames;
    uint32_t mode;
    uint32_t block_unit;
    uint64_t sample_interval;
    double started;
    uint64_t identity; /* drawn when the file was made; both states repeat it */
    uint64_t checksum; /* of what comes before */
} ku__file_header;

enum { KU__STATE_FINISHED = 1, KU__STATE_FAILED = 2 };

typedef struct ku__file_state {
    char magic[8];
    uint64_t identity;
    uint64_t sequence;
    double updated;
    uint32_t flags;
    int32_t exit_code;
    uint64_t live_bytes;
    uint64_t peak_bytes;
    uint64_t end;     /* bytes of the file that this state needs */
    uint64_t strings; /* entries of each kind, entry 0 (which is not in the file) included */
    uint64_t codes;
    uint64_t frames;
    uint64_t nodes;
    uint64_t sites;
    uint64_t points; /* of the timeline; there is no entry 0 */
    uint64_t place;  /* where the counts are: offset of the payload of a PLAC chunk */
    uint64_t table;  /* bytes of that payload's table, and their checksum */
    uint64_t table_checksum;
    uint64_t command; /* numbers of strings */
    uint64_t python;
    uint64_t checksum; /* of what comes before */
} ku__file_state;

/* In front of every chunk; the payload is followed by zeros up to a multiple of 8. */
typedef struct ku__file_chunk {
    char type[4];
    uint32_t reserved;
    uint64_t size;     /* bytes of payload */
    uint64_t count;    /* entries */
    uint64_t checksum; /* of the payload; 0 for PLAC */
} ku__file_chunk;

/* Types of chunks and what their payloads are:
 *   TEXT  count lengths (u32), then the bytes of each, each followed by a zero byte that its length does not count
 *   CODE  ku__file_code      FRAM  ku__file_pair (code, instruction)      NODE  ku__file_pair (parent, frame)
 *   SITE  u32 (node)         TIME  ku_capture_point                       COLL  ku_capture_collections
 *   PLAC  see ku__file_table
 * Other types are skipped, so that later writers can add to what this version reads. */

typedef struct ku__file_code {
    uint32_t filename; /* numbers of strings */
    uint32_t qualname;
    uint32_t line_table;
    int32_t first_line;
} ku__file_code;

typedef struct ku__file_pair {
    uint32_t first;
    uint32_t second;
} ku__file_pair;

/* The start of a PLAC payload; `pages` checksums (u64) and `heaps` records (ku_capture_heap) follow it and belong to
 * the table. At `rows_offset` in the payload lie the rows, ku_capture_counts each, in pages of KU__FILE_PAGE_ROWS; the
 * last page is filled with zeros. Row 0 belongs to site 0. */
typedef struct ku__file_table {
    uint64_t rows;
    uint64_t pages;
    uint64_t heaps;
    uint64_t rows_offset;
} ku__file_table;

#define KU__FILE_PAGE_SIZE (sizeof(ku_capture_counts) * KU__FILE_PAGE_ROWS)

_Static_assert(sizeof(ku__file_header) == 64, "no padding");
_Static_assert(sizeof(ku__file_state) == 160, "no padding");
_Static_assert(sizeof(ku__file_chunk) == 32, "no padding");
_Static_assert(sizeof(ku_capture_counts) == 56, "no padding");
_Static_assert(sizeof(ku_capture_point) == 40, "no padding");
_Static_assert(sizeof(ku_capture_collections) == 80, "no padding");
_Static_assert(sizeof(ku_capture_heap) == 32 + 30 * 8, "no padding");

#endif
