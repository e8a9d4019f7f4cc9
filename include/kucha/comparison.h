/* comparison.h: two captures compared, and a capture cut down to what somebody wants to see.
 *
 * As tracemalloc's Snapshot.compare_to() and filter_traces(): groups of both captures with equal keys are one row,
 * which says what is live in the newer one, and how much more that is than in the older. Keys are compared by what they
 * say (files, lines, stacks of them), so the captures may be of different runs of a program, or of different programs.
 *
 * Source: the Python library reference, tracemalloc (3.14).
 */
#ifndef KUCHA_COMPARISON_H
#define KUCHA_COMPARISON_H

#include <kucha/group.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct ku_change {
    ku_text filename; /* of the key, as in ku_group_row */
    int32_t line;
    uint32_t newer_site, older_site;  /* a site of the group in each; 0 where it has none */
    uint64_t live_bytes, live_blocks; /* in the newer capture */
    int64_t more_bytes, more_blocks;  /* than in the older */
} ku_change;

typedef struct ku_changes {
    size_t count;
    ku_change *rows; /* largest change of bytes first, whichever way; then most bytes; then by file and line */
} ku_changes;

/* Compares two captures. The result is one block, to be given to ku_changes_free(), and refers to texts of both. Groups
 * that have nothing live in either are left out. NULL with `error` filled: KU_INVALID, KU_NO_MEMORY. */
KU_API ku_changes *ku_capture_compare(const ku_capture *newer, const ku_capture *older, ku_group_key key,
                                      bool cumulative, ku_error *error);

KU_API void ku_changes_free(ku_changes *changes);

/* What ku_capture_filter() keeps. */
typedef struct ku_capture_filter_rule {
    bool inclusive;       /* true: keeps what matches; false: drops it */
    bool all_frames;      /* looks at the whole stack; else at its innermost frame alone */
    const char *filename; /* a pattern for fnmatch(3), such as a star and "/orders.c"; NULL: any */
    const char *function; /* likewise */
    int32_t line;         /* 0: any */
} ku_capture_filter_rule;

/* Keeps what matches one of the inclusive rules, or any where there are none, and none of the others: all counts of
 * other sites become 0, for good. Returns how many sites with anything in them are left. The capture must be of the
 * caller alone. */
KU_API size_t ku_capture_filter(ku_capture *capture, const ku_capture_filter_rule *rules, size_t count);

#ifdef __cplusplus
}
#endif

#endif
