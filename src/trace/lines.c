/* lines.c: from an instruction to its line, by CPython's location table (3.11 and later).
 *
 * The table is a row of entries, each for 1 to 8 code units of two bytes. The first byte of an entry has its highest
 * bit set, no other byte has; below are four bits of kind and three of length less one:
 *
 *     kind 0-9    the line stays; one more byte (columns)
 *     kind 10-12  the line moves by kind - 10; two more bytes (columns)
 *     kind 13     a signed varint moves the line
 *     kind 14     the same, then three more varints (end line, columns)
 *     kind 15     no line
 *
 * A varint is a row of 6-bit groups, lowest first, with bit 6 set on all but the last; a signed one has its sign in
 * the lowest bit. Since only first bytes have the highest bit, an entry's rest is skipped without decoding the columns.
 *
 * Source: CPython, Objects/locations.md (InternalDocs/code_objects.md from 3.13). The tests compare with co_lines().
 */
#include "lines.h"

#include <kucha/group.h>

enum { KIND_ONE_LINE = 10, KIND_NO_COLUMNS = 13, KIND_LONG = 14, KIND_NONE = 15, CODE_UNIT = 2 };

void ku__line_start(ku__line_cursor *cursor, const uint8_t *line_table, size_t size, int32_t first_line) {
    const uint8_t *end = size == 0 ? line_table : line_table + size; /* there may be no table */
    *cursor = (ku__line_cursor){.next = line_table, .end = end, .current = first_line, .line = first_line};
}

/* Unsigned arithmetic throughout: a damaged table may hold anything. More than 32 bits are dropped. */
static uint32_t varint(ku__line_cursor *cursor) {
    uint32_t value = 0;
    for (unsigned shift = 0; cursor->next < cursor->end && *cursor->next < 0x80; shift += 6) {
        uint8_t byte = *cursor->next++;
        if (shift < 32) value |= (uint32_t)(byte & 63) << shift;
        if ((byte & 64) == 0) break;
    }
    return value;
}

static uint32_t signed_varint(ku__line_cursor *cursor) {
    uint32_t value = varint(cursor);
    return value & 1 ? 0 - (value >> 1) : value >> 1;
}

static void read_entry(ku__line_cursor *cursor) {
    uint8_t first = *cursor->next++;
    unsigned kind = first >> 3 & 15;
    uint32_t difference = 0;
    if (kind == KIND_NO_COLUMNS || kind == KIND_LONG)
        difference = signed_varint(cursor);
    else if (kind >= KIND_ONE_LINE && kind < KIND_NO_COLUMNS)
        difference = kind - KIND_ONE_LINE;
    while (cursor->next < cursor->end && *cursor->next < 0x80) cursor->next++;
    cursor->current = (int32_t)((uint32_t)cursor->current + difference);
    cursor->line = kind == KIND_NONE ? 0 : cursor->current;
    cursor->covered += ((first & 7u) + 1u) * CODE_UNIT;
}

int32_t ku__line_seek(ku__line_cursor *cursor, uint32_t instruction) {
    while (cursor->covered <= instruction && cursor->next < cursor->end) read_entry(cursor);
    return cursor->line;
}

/* Cold, so that it lies with what is rare: under CPython the check at start asks for a line, in programs that need none
 * of the code around. */
__attribute__((cold)) int32_t ku_line_of(const uint8_t *line_table, size_t size, int32_t first_line,
                                         uint32_t instruction) {
    ku__line_cursor cursor;
    ku__line_start(&cursor, line_table, size, first_line);
    return ku__line_seek(&cursor, instruction);
}
