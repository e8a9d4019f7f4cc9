/* rows.c: a table of blocks that are alike; see rows.h. */
#include "rows.h"
#include "tables.h"

#include <stdlib.h>

enum { FIRST_CAPACITY = 1 << 12 }; /* 96 KiB: a small program has some thousand rows; doubles when half full */

bool ku__rows_open(ku__rows *rows) {
    *rows = (ku__rows){.table = ku__metadata_map(NULL, FIRST_CAPACITY * sizeof(ku__row)), .capacity = FIRST_CAPACITY};
    return rows->table != NULL;
}

void ku__rows_close(ku__rows *rows) {
    if (rows->table != NULL) {
        ku__metadata_unmap(NULL, rows->table, rows->capacity * sizeof(ku__row));
    }
    *rows = (ku__rows){.table = NULL};
}

static bool alike(const ku__row *row, uint32_t site, uint32_t domain, uint64_t size) {
    return row->site == site && row->size == size && row->domain == domain;
}

/* The row of this kind, or the empty place where it belongs. */
static ku__row *place_of(const ku__rows *rows, uint32_t site, uint32_t domain, uint64_t size) {
    size_t mask = rows->capacity - 1;
    size_t at = (size_t)ku__hash_words((uint64_t)domain << 32 | site, size) & mask;
    while (rows->table[at].count != 0 && !alike(&rows->table[at], site, domain, size)) {
        at = (at + 1) & mask;
    }
    return &rows->table[at];
}

static bool grow(ku__rows *rows) {
    ku__rows larger = {.capacity = rows->capacity * 2};
    larger.table = ku__metadata_map(NULL, larger.capacity * sizeof(ku__row));
    if (larger.table == NULL) {
        return false;
    }
    for (size_t i = 0; i < rows->capacity; i++) {
        const ku__row *row = &rows->table[i];
        if (row->count != 0) {
            *place_of(&larger, row->site, row->domain, row->size) = *row;
        }
    }
    ku__metadata_unmap(NULL, rows->table, rows->capacity * sizeof(ku__row));
    rows->table = larger.table;
    rows->capacity = larger.capacity;
    return true;
}

void ku__rows_add(ku__rows *rows, uint32_t site, uint32_t domain, uint64_t size, uint64_t count) {
    ku__row *row = rows->last;
    if (row == NULL || !alike(row, site, domain, size)) {
        if (rows->failed || (rows->used * 2 >= rows->capacity && !grow(rows))) {
            rows->failed = true;
            return;
        }
        row = place_of(rows, site, domain, size);
        rows->used += row->count == 0;
        row->site = site;
        row->domain = domain;
        row->size = size;
        rows->last = row;
    }
    row->count += count;
}

static int compare(const void *a, const void *b) {
    const ku__row *first = a, *second = b;
    uint64_t first_bytes = first->size * first->count, second_bytes = second->size * second->count;
    if (first_bytes != second_bytes) {
        return first_bytes < second_bytes ? 1 : -1;
    }
    if (first->site != second->site) {
        return first->site < second->site ? -1 : 1;
    }
    if (first->domain != second->domain) {
        return first->domain < second->domain ? -1 : 1;
    }
    return (first->size > second->size) - (first->size < second->size);
}

bool ku__rows_finish(ku__rows *rows) {
    size_t kept = 0;
    for (size_t i = 0; i < rows->capacity; i++) {
        if (rows->table[i].count != 0) {
            rows->table[kept++] = rows->table[i];
        }
    }
    rows->last = NULL;
    qsort(rows->table, kept, sizeof *rows->table, compare);
    return !rows->failed;
}
