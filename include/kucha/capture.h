/* capture.h: reading a capture, the file that tracing leaves behind.
 *
 * A capture says where the live memory of a program was born, at its end (or, for a program that was killed or still
 * runs, a second ago at most) and at its peak, and what was allocated in all. docs/capture-file.md has the format.
 *
 * The reader trusts nothing: every offset, count, index and checksum of the file is checked when it is opened, and no
 * call reads outside of it. A file that is damaged, cut or hostile gives KU_CORRUPT and one sentence that says what is
 * wrong and where. Once a capture is open, everything below is safe to use and any thread may read it.
 */
#ifndef KUCHA_CAPTURE_H
#define KUCHA_CAPTURE_H

#include <kucha/error.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct ku_capture ku_capture;

enum { KU_CAPTURE_VERSION = 1, KU_CAPTURE_HISTOGRAM = 11 };

/* Text inside the capture: UTF-8 by convention, any bytes in a hostile file; followed by a zero byte that `size` does
 * not count. Lives as long as the capture. */
typedef struct ku_text {
    const char *bytes;
    size_t size;
} ku_text;

typedef struct ku_capture_info {
    uint32_t version;
    uint32_t process;         /* process id */
    double started;           /* seconds since 1970 */
    double updated;           /* of this state, seconds since the start */
    bool finished;            /* the program came to a clean end; else it was killed, or still runs */
    int32_t exit_code;        /* 128 + N where signal N ended the program; -1 where none is known */
    uint32_t frames;          /* frames per stack, at most */
    uint32_t mode;            /* 0 blocks, 1 objects */
    uint64_t sample_interval; /* mean bytes between samples; 0: every block is in */
    uint32_t block_unit;      /* what counts of blocks are to be divided by: 1 when exact */
    bool failed;              /* tracing ran out of memory: what came later is missing */
    ku_text command;
    ku_text python;
    uint64_t live_bytes; /* of the program, when the state was written, and at most ever */
    uint64_t peak_bytes;
    uint64_t updates; /* states written so far */
} ku_capture_info;

/* A code object. A line table is CPython's of 3.11 and later; see ku_line_of(). */
typedef struct ku_capture_code {
    ku_text filename;
    ku_text qualname;
    ku_text line_table;
    int32_t first_line;
} ku_capture_code;

typedef struct ku_capture_frame {
    uint32_t code;
    uint32_t instruction; /* byte offset in the code */
    int32_t line;         /* 0 where the code says that there is none */
} ku_capture_frame;

/* What one site stands for; blocks in units of block_unit. */
typedef struct ku_capture_counts {
    uint64_t live_bytes, live_blocks;
    uint64_t peak_bytes, peak_blocks; /* live when the program's total was highest */
    uint64_t total_bytes, total_blocks;
    uint64_t temporary_blocks; /* freed before any other block was allocated */
} ku_capture_counts;

typedef struct ku_capture_point {
    double seconds; /* since the start */
    uint64_t live_bytes;
    uint64_t resident_bytes;
    uint64_t arena_bytes;
    uint64_t large_bytes;
} ku_capture_point;

/* What collections did up to a moment, from the start on: the difference of two entries is what happened between them.
 * There is an entry for each point of the timeline before which collections took place, if they were watched. */
typedef struct ku_capture_collections {
    double seconds;          /* since the start */
    uint64_t collections[3]; /* of each generation, the youngest first */
    uint64_t nanoseconds[3]; /* that they took */
    uint64_t longest;        /* nanoseconds of the longest since the entry before */
    uint64_t collected;      /* objects that were found to be garbage */
    uint64_t uncollectable;
} ku_capture_collections;

/* A heap when the program last had time to say; the words are those of ku_heap_stats (kucha/stats.h). */
typedef struct ku_capture_heap {
    char name[32];
    uint64_t domain, limit, arena_size, pool_size;
    uint64_t arenas, arenas_peak, arenas_taken, pools_used, pools_free;
    uint64_t blocks_used, bytes_used, blocks_free, bytes_free;
    uint64_t large_blocks, large_bytes, large_bytes_peak;
    uint64_t bytes_held, bytes_mapped, metadata_bytes;
    uint64_t
        occupancy[KU_CAPTURE_HISTOGRAM]; /* arenas by bytes in use: 0 to 10 %, 10 to 20 %, ... and full ones last */
} ku_capture_heap;

/* Reads and checks a capture. NULL with `error` filled: KU_IO (with errno), KU_CORRUPT, KU_NO_MEMORY. */
KU_API ku_capture *ku_capture_open(const char *path, ku_error *error);

/* As ku_capture_open(), of bytes in memory, which are copied. */
KU_API ku_capture *ku_capture_open_bytes(const void *bytes, size_t size, ku_error *error);

KU_API void ku_capture_close(ku_capture *capture);

KU_API void ku_capture_info_read(const ku_capture *capture, ku_capture_info *info);

/* How many there are of each. Codes and sites are numbered from 0, where 0 stands for nothing. */
KU_API size_t ku_capture_code_count(const ku_capture *capture);
KU_API size_t ku_capture_frame_count(const ku_capture *capture);
KU_API size_t ku_capture_site_count(const ku_capture *capture);
KU_API size_t ku_capture_point_count(const ku_capture *capture);
KU_API size_t ku_capture_collections_count(const ku_capture *capture);
KU_API size_t ku_capture_heap_count(const ku_capture *capture);

/* The one with this number, which must be below the count. */
KU_API void ku_capture_code_read(const ku_capture *capture, size_t index, ku_capture_code *code);
KU_API void ku_capture_frame_read(const ku_capture *capture, size_t index, ku_capture_frame *frame);
KU_API void ku_capture_point_read(const ku_capture *capture, size_t index, ku_capture_point *point);
KU_API void ku_capture_collections_read(const ku_capture *capture, size_t index, ku_capture_collections *collections);
KU_API void ku_capture_heap_read(const ku_capture *capture, size_t index, ku_capture_heap *heap);

/* The counts of all sites, one entry a site; lives as long as the capture. */
KU_API const ku_capture_counts *ku_capture_counts_of(const ku_capture *capture);

/* The stack of a site as numbers of frames, innermost first; fills up to `capacity`, returns how many there are. */
KU_API size_t ku_capture_stack_read(const ku_capture *capture, size_t site, uint32_t *frames, size_t capacity);

#ifdef __cplusplus
}
#endif

#endif
