/* lines.h: CPython's location tables (3.11 and later), decoded one entry at a time; see lines.c. */
#ifndef KU__TRACE_LINES_H
#define KU__TRACE_LINES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct ku__line_cursor {
    const uint8_t *next;
    const uint8_t *end;
    uint64_t covered; /* bytes of instructions that the entries read so far cover */
    int32_t current;  /* the line that the next entry's difference is added to */
    int32_t line;     /* of the entry that ends at `covered`; 0 where it has none */
} ku__line_cursor;

void ku__line_start(ku__line_cursor *cursor, const uint8_t *line_table, size_t size, int32_t first_line);

/* Reads entries until they cover the instruction at this byte offset, which must not be lower than the last one asked
 * for. */
int32_t ku__line_seek(ku__line_cursor *cursor, uint32_t instruction);

#endif
