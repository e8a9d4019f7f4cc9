/* leaks.c: the report about objects that are alive when their isolate is deleted.
 *
 * Every such object becomes a row (type, birthplace, bytes); rows are sorted, those of one type and birthplace become
 * one, and the result is told, most bytes first. The rows lie in pages of their own, so that the heap is looked at and
 * not changed. Where the system refuses these pages, the report has one line that says how many there are.
 */
#include "object/leaks.h"

#include "object/birth.h"

#include "os/pages.h"
#include "trace/trace.h"

#include <kucha/stats.h>
#include <stdio.h>
#include <stdlib.h>

typedef struct row {
    const ku_type *type;
    uint32_t site;
    size_t objects, bytes;
} row;

typedef struct rows {
    row *list; /* NULL: count only */
    size_t count, bytes;
} rows;

static bool add_row(const ku_block *block, void *argument) {
    rows *all = (rows *)argument;
    const ku_object *object = (const ku_object *)block->address;
    if (ku__number_of(object) == 0 || ku_is_immortal(object)) {
        return true;
    }
    if (all->list != NULL) {
        all->list[all->count] = (row){ku__type_of(object), KU__SLOT_SITE(block->site), 1, block->size};
    }
    all->count++;
    all->bytes += block->size;
    return true;
}

static void add_rows(ku_isolate *isolate, rows *all) {
    ku_heap_walk(isolate->tracked, add_row, all);
    ku_heap_walk(isolate->atoms, add_row, all);
}

static int by_origin(const void *a, const void *b) {
    const row *one = (const row *)a, *other = (const row *)b;
    if (one->type != other->type) {
        return one->type->number < other->type->number ? -1 : 1;
    }
    return (one->site > other->site) - (one->site < other->site);
}

static int by_bytes(const void *a, const void *b) {
    const row *one = (const row *)a, *other = (const row *)b;
    int more = (one->bytes < other->bytes) - (one->bytes > other->bytes);
    return more != 0 ? more : by_origin(a, b);
}

/* Rows of one origin become one. Returns how many are left. */
static size_t merge(row *list, size_t count) {
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        if (kept != 0 && by_origin(&list[kept - 1], &list[i]) == 0) {
            list[kept - 1].objects++;
            list[kept - 1].bytes += list[i].bytes;
        } else {
            list[kept++] = list[i];
        }
    }
    return kept;
}

/* The default: a table on standard error. */
static void print_leak(const ku_leak *leak, void *argument) {
    (void)argument;
    fprintf(stderr, "%10zu %12zu  %s", leak->objects, leak->bytes, leak->type);
    if (leak->place.file != NULL) {
        fprintf(stderr, ", made at %s:%d, %s", leak->place.file, (int)leak->place.line, leak->place.function);
    }
    fputc('\n', stderr);
}

static void print_head(const ku_isolate *isolate, const rows *all) {
    fprintf(stderr, "kucha: isolate '%s' was deleted with %zu objects alive, %zu bytes%s\n", isolate->name, all->count,
            all->bytes, isolate->births_on ? "" : " (KU_ISOLATE_BIRTHPLACES tells where they were made)");
    fprintf(stderr, "%10s %12s  %s\n", "objects", "bytes", "type");
}

static void tell(const ku_isolate *isolate, const rows *all, size_t count) {
    ku_leak_hook *hook = isolate->leaks;
    if (hook == NULL) {
        print_head(isolate, all);
        hook = print_leak;
    }
    for (size_t i = 0; i < count; i++) {
        const row *from = &all->list[i];
        ku_leak leak = {.type = from->type->own.name, .objects = from->objects, .bytes = from->bytes};
        ku__place_of_site(isolate, from->site, &leak.place);
        hook(&leak, isolate->leaks_argument);
    }
    if (all->list == NULL) {
        ku_leak leak = {.type = "objects of all types", .objects = all->count, .bytes = all->bytes};
        hook(&leak, isolate->leaks_argument);
    }
}

size_t ku__leaks_report(ku_isolate *isolate) {
    rows all = {NULL, 0, 0};
    add_rows(isolate, &all);
    if (all.count == 0) {
        return 0;
    }
    size_t bytes = all.count * sizeof(row), count = 0;
    all = (rows){(row *)ku__pages_map(bytes), 0, 0};
    add_rows(isolate, &all);
    if (all.list != NULL) {
        qsort(all.list, all.count, sizeof(row), by_origin);
        count = merge(all.list, all.count);
        qsort(all.list, count, sizeof(row), by_bytes);
    }
    tell(isolate, &all, count);
    ku__pages_unmap(all.list, bytes);
    return all.count;
}
