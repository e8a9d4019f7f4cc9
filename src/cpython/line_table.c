/* line_table.c: see line_table.h. */
#include "cpython/line_table.h"

#include <string.h>

enum { PLACES_FIRST = 8, LINES_SPARE = 16 };

/* ---- code objects ---- */

static size_t place_of(const ku__recorder *recorder, const void *code) {
    size_t mask = recorder->places - 1;
    size_t place = ((uintptr_t)code >> 4) * 0x9E3779B97F4A7C15u >> 32 & mask;
    while (recorder->codes[place].code != NULL && recorder->codes[place].code != code) {
        place = (place + 1) & mask;
    }
    return place;
}

ku__line_table *ku__recorder_look_up(ku__recorder *recorder, const void *code) {
    if (KU__UNLIKELY(recorder->places == 0)) {
        return NULL;
    }
    const ku__line_code *found = &recorder->codes[place_of(recorder, code)];
    if (found->code == NULL || found->table == KU__LINE_PASSED) {
        return NULL;
    }
    recorder->found_code = code;
    recorder->found_table = found->table;
    return &recorder->tables[found->table];
}

bool ku__recorder_knows(const ku__recorder *recorder, const void *code) {
    return recorder->places != 0 && recorder->codes[place_of(recorder, code)].code != NULL;
}

static bool grow_codes(ku__recorder *recorder) {
    ku__recorder grown = *recorder;
    grown.places = recorder->places == 0 ? PLACES_FIRST : recorder->places * 2;
    grown.codes = PyMem_RawCalloc(grown.places, sizeof *grown.codes);
    if (grown.codes == NULL) {
        return false;
    }
    for (size_t i = 0; i < recorder->places; i++) {
        if (recorder->codes[i].code != NULL) {
            grown.codes[place_of(&grown, recorder->codes[i].code)] = recorder->codes[i];
        }
    }
    PyMem_RawFree(recorder->codes);
    *recorder = grown;
    return true;
}

bool ku__recorder_add_code(ku__recorder *recorder, const void *code, uint32_t table) {
    if (recorder->code_count * 2 >= recorder->places && !grow_codes(recorder)) {
        return false;
    }
    ku__line_code *place = &recorder->codes[place_of(recorder, code)];
    if (place->code == NULL) {
        *place = (ku__line_code){.code = code, .table = table};
        recorder->code_count++;
    } else if (place->table == KU__LINE_PASSED) {
        place->table = table;
    }
    return true;
}

/* ---- tables and rows ---- */

uint32_t ku__recorder_add_table(ku__recorder *recorder, int first, size_t lines) {
    size_t bytes = (recorder->table_count + (size_t)1) * sizeof *recorder->tables;
    ku__line_table *tables = PyMem_RawRealloc(recorder->tables, bytes);
    if (tables == NULL) {
        return UINT32_MAX;
    }
    recorder->tables = tables;
    ku__line_table table = {.first = first, .size = lines, .rows = PyMem_RawCalloc(lines, sizeof *table.rows)};
    if (table.rows == NULL) {
        return UINT32_MAX;
    }
    tables[recorder->table_count] = table;
    return recorder->table_count++;
}

/* Makes room for lines from `first` to `last`, a few more on the side that grows. */
static bool stretch(ku__line_table *table, int first, int last) {
    size_t lines = (size_t)(last - first) + 1;
    ku__line_row *rows = PyMem_RawCalloc(lines, sizeof *rows);
    if (rows == NULL) {
        return false;
    }
    memcpy(rows + (table->first - first), table->rows, table->size * sizeof *rows);
    PyMem_RawFree(table->rows);
    *table = (ku__line_table){.first = first, .size = lines, .rows = rows};
    return true;
}

ku__line_row *ku__line_table_stretch(ku__line_table *table, int line) {
    int last = table->first + (int)table->size - 1;
    if (KU__UNLIKELY(line < table->first)) {
        int first = line > LINES_SPARE ? line - LINES_SPARE : 0;
        if (line < 0 || !stretch(table, first, last)) {
            return NULL;
        }
    } else if (KU__UNLIKELY(line > last) && !stretch(table, table->first, line + LINES_SPARE)) {
        return NULL;
    }
    return &table->rows[line - table->first];
}

void ku__recorder_clear(ku__recorder *recorder) {
    for (uint32_t i = 0; i < recorder->table_count; i++) {
        PyMem_RawFree(recorder->tables[i].rows);
    }
    PyMem_RawFree(recorder->tables);
    PyMem_RawFree(recorder->codes);
    *recorder = (ku__recorder){.when = recorder->when, .reader = recorder->reader, .chooser = recorder->chooser};
}
