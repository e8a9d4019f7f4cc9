/* group.h: statistics over sites: by line, by file, by stack, alone or cumulative.
 *
 * Rows are groups of sites with equal keys. Alone, a site belongs to the group of its innermost frame; cumulative, to
 * the group of every frame of its stack, once each (as tracemalloc's Snapshot.statistics()). The same code groups a
 * program from inside and a capture. Time is linear in sites (times frames when cumulative); nothing depends on the
 * number of blocks.
 */
#ifndef KUCHA_GROUP_H
#define KUCHA_GROUP_H

#include <kucha/capture.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum ku_group_key {
    KU_GROUP_LINE, /* file and line */
    KU_GROUP_FILE,
    KU_GROUP_STACK, /* every site by itself, except that equal lines make equal stacks; never cumulative */
} ku_group_key;

typedef struct ku_group_row {
    ku_text filename; /* of the key's frame; for stacks the innermost */
    int32_t line;     /* 0 for files */
    uint32_t site;    /* a site of the group: its stack is the key for stacks */
    ku_capture_counts counts;
} ku_group_row;

typedef struct ku_groups {
    size_t count;
    ku_group_row *rows; /* by live bytes, largest first; then by file and line */
} ku_groups;

/* Groups a capture. The result is one block, to be given to ku_groups_free(), and refers to texts of the capture. NULL
 * with `error` filled: KU_INVALID, KU_NO_MEMORY. */
KU_API ku_groups *ku_capture_group(const ku_capture *capture, ku_group_key key, bool cumulative, ku_error *error);

KU_API void ku_groups_free(ku_groups *groups);

/* The line of the instruction at byte offset `instruction`, from a location table of CPython 3.11 or later
 * (Objects/locations.md in CPython's source). 0 where the table says that the instruction has no line; first_line where
 * the table is empty. A table that is cut or damaged gives the line as far as it could be read. */
KU_API int32_t ku_line_of(const uint8_t *line_table, size_t size, int32_t first_line, uint32_t instruction);

#ifdef __cplusplus
}
#endif

#endif
