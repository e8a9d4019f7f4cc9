/* line_table.h: what a profiler of lines has found, line by line, and which code objects it looks at.
 *
 * A recorder has tables, one for each function that was added to it; a table has rows, one for each line that ran. The
 * code objects inside a function (comprehensions, inner functions) count in the function's own table. The rules are
 * those of memory_profiler 0.61, the original, whose numbers people know:
 *
 *     memory     the most that was resident when the line had run, over all its runs
 *     increment  the sum, over its runs, of what was resident when it had run less the *memory* of the line before it;
 *                0 stands for a line before it that has no row in this table
 *     count      how many times it ran
 *
 * so the first line's increment is the whole resident size, and a loop that gives memory back has increments below 0
 * that are larger than what it gave back. The bytes of kucha's allocator (allocated, freed, peak) have no such history:
 * they are exact for the line, with everything that it called.
 *
 * That is for a function or a few, chosen by hand. A recorder that is to see a whole program is asked for otherwise:
 *
 *     spans    increment is the sum, over its runs, of what was resident when the line had run less what was when it
 *              began: with most lines in tables of their own, the line that ran before has no row in the same table
 *     chooser  a function that is called with each code object that the recorder meets first; it adds it, or passes it
 *              by; False says that nobody else wants it either
 *
 * Nothing of the interpreter is held here but the addresses of code objects, which whoever adds them keeps alive.
 * Memory comes from the raw domain, which is not counted. Lock: the GIL.
 */
#ifndef KU__LINE_TABLE_H
#define KU__LINE_TABLE_H

#include "cpython/line_resident.h"

typedef struct ku__line_row {
    int64_t increment, memory;      /* resident bytes; see above */
    int64_t allocated, freed, peak; /* bytes of kucha's allocator; peak: the most above what was live when it began */
    uint64_t count;                 /* 0: the line has not run */
} ku__line_row;

typedef struct ku__line_table {
    int first; /* number of the line of rows[0] */
    size_t size;
    ku__line_row *rows;
} ku__line_table;

#define KU__LINE_PASSED UINT32_MAX /* in place of a table: the chooser did not want the code object */

typedef struct ku__line_code {
    const void *code; /* NULL: a free place */
    uint32_t table;
} ku__line_code;

typedef struct ku__recorder {
    ku__line_code *codes; /* open addressing, by address; `places` is a power of two, at most half of it taken */
    size_t places, code_count;
    const void *found_code; /* the one that was looked for last, and its table; NULL: none was found yet */
    uint32_t found_table;
    ku__line_table *tables;
    uint32_t table_count;
    ku__resident_when when;
    PyObject *reader;  /* a function of the code object that says bytes, in place of the resident size; or NULL */
    PyObject *chooser; /* or NULL */
    bool spans;
    int before;        /* the line that ran last, when the recorder was switched off; 0: none */
    bool counts;       /* kucha's allocator counted all the time */
    unsigned counting; /* in how many threads it does now */
} ku__recorder;

/* What happened between two events of a frame. */
typedef struct ku__line_stretch {
    int64_t memory; /* resident bytes at its end */
    int64_t grown;  /* and how much more that is than at its beginning; for spans */
    int64_t allocated, freed, peak;
    bool spans;
} ku__line_stretch;

/* A new table, by its number; UINT32_MAX without memory. */
uint32_t ku__recorder_add_table(ku__recorder *recorder, int first, size_t lines);

/* Lets `code` count in a table; a code object that is there already keeps its table. False without memory. */
bool ku__recorder_add_code(ku__recorder *recorder, const void *code, uint32_t table);

ku__line_table *ku__recorder_look_up(ku__recorder *recorder, const void *code);

/* The table of a code object, or NULL. Nearly every event is of the same code object as the one before. */
static inline ku__line_table *ku__recorder_find(ku__recorder *recorder, const void *code) {
    if (KU__LIKELY(recorder->found_code == code)) {
        return &recorder->tables[recorder->found_table];
    }
    return ku__recorder_look_up(recorder, code);
}

/* Whether the code object was added, wanted or not. */
bool ku__recorder_knows(const ku__recorder *recorder, const void *code);

/* The row of a line, whether or not it has run; NULL where it has none and there is no memory for more. */
ku__line_row *ku__line_table_stretch(ku__line_table *table, int line);

/* The row of a line that has run, or NULL. */
static inline const ku__line_row *ku__line_table_row(const ku__line_table *table, int line) {
    size_t index = (size_t)((int64_t)line - table->first); /* huge where the line lies before the first */
    return index < table->size && table->rows[index].count != 0 ? &table->rows[index] : NULL;
}

/* A line has run; `before` is the line that the recorder's thread ran before it (0: none). A line for whose row there
 * is no memory is left out. */
static inline void ku__line_table_add(ku__line_table *table, int line, int before, const ku__line_stretch *ran) {
    size_t index = (size_t)((int64_t)line - table->first);
    ku__line_row *row = KU__LIKELY(index < table->size) ? &table->rows[index] : ku__line_table_stretch(table, line);
    if (KU__UNLIKELY(row == NULL)) {
        return;
    }
    if (ran->spans) {
        row->increment += ran->grown;
    } else {
        const ku__line_row *previous = before == 0 ? NULL : ku__line_table_row(table, before);
        row->increment += ran->memory - (previous == NULL ? 0 : previous->memory);
    }
    row->memory = ran->memory > row->memory ? ran->memory : row->memory;
    row->allocated += ran->allocated;
    row->freed += ran->freed;
    row->peak = ran->peak > row->peak ? ran->peak : row->peak;
    row->count++;
}

/* Frees everything that the recorder owns. */
void ku__recorder_clear(ku__recorder *recorder);

#endif
