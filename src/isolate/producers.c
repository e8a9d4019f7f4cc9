/* producers.c: watching what collections find dead. See kucha/producers.h.
 *
 * Watches of an isolate stand in a list. While there is one, the collector tells (object/collect.h, ku__gc_watch):
 *
 *     found    how many are dead, then each of them, in order of address; they are whole, and nothing runs
 *     ended    finalizers have run, and the rest is freed
 *
 * Each watch takes the dead that it looks at at the first, and at the second spares what lives on after all. A watch
 * that a finalizer starts in between has looked at nothing, and counts from the next collection on.
 */
#include "isolate/producers.h"

#include "object/gc_watch.h"

#include <inttypes.h>
#include <kucha/gc.h>
#include <kucha/producers.h>
#include <stdlib.h>
#include <string.h>

struct ku_producers {
    ku__producers all;
    ku__native_words words;
    ku__growing rows; /* ku_producer, or ku_producers_dead, of the last call */
    bool failed;      /* memory was refused for the dead of this collection */
    ku_producers *next;
};

/* ---- a collection ---- */

/* Where there are too many, windows that lie evenly among them are looked at. */
static bool is_in_window(size_t number, size_t dead) {
    size_t windows = (dead + KU__WINDOW - 1) / KU__WINDOW, window = number / KU__WINDOW;
    if (windows <= KU__WINDOWS) {
        return true;
    }
    size_t chosen = (window * KU__WINDOWS + windows - 1) / windows;
    return chosen < KU__WINDOWS && chosen * windows / KU__WINDOWS == window;
}

static void on_dead(ku_isolate *isolate, const ku_object *object, size_t number, size_t dead) {
    if (!is_in_window(number, dead)) {
        return;
    }
    for (ku_producers *watch = isolate->producers; watch != NULL; watch = watch->next) {
        watch->failed |= !ku__producers_add(&watch->all, (uintptr_t)object);
    }
}

static void on_found(ku_isolate *isolate, size_t dead) {
    for (ku_producers *watch = isolate->producers; watch != NULL; watch = watch->next) {
        watch->all.met = dead;
        watch->all.looked = !watch->failed && ku__producers_look(&watch->all);
        watch->all.refused += !watch->all.looked;
        watch->failed = false;
    }
}

static void spare_revived(ku_isolate *isolate, ku__producers *all) {
    for (size_t i = 0; i < KU__GROWING_COUNT(&all->dead, ku__dead); i++) {
        uintptr_t item = KU__GROWING_ITEMS(&all->dead, ku__dead)[i].item;
        if (ku__gc_lives(isolate, (const void *)item)) { // NOLINT(performance-no-int-to-ptr)
            ku__producers_spare(all, item);
        }
    }
}

static void on_ended(ku_isolate *isolate, size_t found) {
    for (ku_producers *watch = isolate->producers; watch != NULL; watch = watch->next) {
        ku__producers *all = &watch->all;
        if (all->looked && found != 0) {
            if (found != all->met) {
                spare_revived(isolate, all);
            }
            ku__producers_count(all);
        }
        ku__producers_drop(all);
    }
}

static void on_close(ku_isolate *isolate) {
    for (ku_producers *watch = isolate->producers, *next; watch != NULL; watch = next) {
        next = watch->next;
        ku_producers_stop(watch);
    }
}

static const ku__gc_watch watching = {.dead = on_dead, .found = on_found, .ended = on_ended, .close = on_close};

/* ---- starting and stopping ---- */

ku_producers *ku_producers_start(ku_isolate *isolate) {
    ku_producers *watch = calloc(1, sizeof *watch);
    if (watch == NULL || !ku__producers_open(&watch->all, &ku__native_producing, &watch->words)) {
        free(watch);
        ku_fail(isolate, KU_NO_MEMORY, "the system refused memory for watching who makes cycles");
        return NULL;
    }
    watch->words = (ku__native_words){.isolate = isolate, .all = &watch->all};
    watch->next = isolate->producers;
    isolate->producers = watch;
    ku__gc_set_watch(isolate, &watching);
    return watch;
}

void ku_producers_stop(ku_producers *watch) {
    if (watch == NULL) {
        return;
    }
    ku_isolate *isolate = watch->words.isolate;
    ku_producers **at = &isolate->producers;
    while (*at != watch) {
        at = &(*at)->next;
    }
    *at = watch->next;
    if (isolate->producers == NULL) {
        ku__gc_set_watch(isolate, NULL);
    }
    ku__producers_close(&watch->all);
    ku__growing_release(&watch->rows);
    free(watch);
}

/* ---- reading ---- */

void ku_producers_read(const ku_producers *watch, ku_producers_totals *totals) {
    const ku__producers *all = &watch->all;
    *totals = (ku_producers_totals){.collections = all->collections,
                                    .dead = all->dead_count,
                                    .looked = all->looked_count,
                                    .cycles = all->cycle_count,
                                    .unnamed = all->unnamed,
                                    .refused = all->refused};
}

static const ku_closing closings[KU__CLOSINGS] = {
    [KU__CLOSING_ATTRIBUTE] = KU_CLOSING_ATTRIBUTE, [KU__CLOSING_ITEM] = KU_CLOSING_ITEM,
    [KU__CLOSING_METHOD] = KU_CLOSING_METHOD,       [KU__CLOSING_CLASS] = KU_CLOSING_TYPE,
    [KU__CLOSING_OTHER] = KU_CLOSING_OTHER,
};

static const char *const advices[] = {
    [KU_CLOSING_ATTRIBUTE] =
        "make it a weak reference (KU_FIELD_WEAK, ku_weakref_new), or clear it when the object is done with",
    [KU_CLOSING_ITEM] = "hold the objects in a weak set or a weak dictionary, or take them out when they are done with",
    [KU_CLOSING_METHOD] = "bind the method when it is called, or drop it when the object is done with",
    [KU_CLOSING_TYPE] = "any type made at run time is a cycle: make it once, not in a function that is called often",
    [KU_CLOSING_OTHER] = "",
};

static const char *text_of(const ku_producers *watch, uint32_t number) {
    size_t size;
    return ku__producers_text(&watch->all, number, &size);
}

static void fill_cycle(const ku_producers *watch, const ku__record *record, ku_producer *row) {
    *row = (ku_producer){.kind = closings[record->kind],
                         .closing = text_of(watch, record->closing),
                         .name = text_of(watch, record->name),
                         .type = text_of(watch, record->source),
                         .place = text_of(watch, record->place),
                         .example = text_of(watch, record->example),
                         .advice = advices[closings[record->kind]],
                         .cycles = record->cycles,
                         .objects = record->objects,
                         .bytes = record->bytes,
                         .collections = record->collections};
}

static int by_bytes(uint64_t a, uint64_t b, const char *one, const char *other) {
    return a != b ? (a < b ? 1 : -1) : strcmp(one, other);
}

static int compare_cycles(const void *left, const void *right) {
    const ku_producer *a = left, *b = right;
    return by_bytes(a->bytes, b->bytes, a->closing, b->closing);
}

static int compare_dead(const void *left, const void *right) {
    const ku_producers_dead *a = left, *b = right;
    return by_bytes(a->bytes, b->bytes, a->type, b->type);
}

/* What was pushed, in order. qsort() must not be given NULL, even for nothing. */
static size_t sort_rows(ku__growing *rows, size_t size, int (*compare)(const void *, const void *)) {
    if (rows->bytes != NULL) {
        qsort(rows->bytes, rows->used / size, size, compare);
    }
    return rows->used / size;
}

static bool is_row(const ku__record *record, bool of_cycles) {
    return record->objects != 0 && (record->kind != KU__CLOSING_NONE) == of_cycles;
}

size_t ku_producers_cycles(ku_producers *watch, const ku_producer **rows) {
    watch->rows.used = 0;
    for (uint32_t i = 1; i < ku__record_count(&watch->all); i++) {
        const ku__record *record = ku__record_at(&watch->all, i);
        ku_producer *row = is_row(record, true) ? ku__growing_push(&watch->rows, sizeof *row) : NULL;
        if (row != NULL) {
            fill_cycle(watch, record, row);
        }
    }
    *rows = KU__GROWING_ITEMS(&watch->rows, ku_producer);
    return sort_rows(&watch->rows, sizeof **rows, compare_cycles);
}

size_t ku_producers_found(ku_producers *watch, const ku_producers_dead **rows) {
    watch->rows.used = 0;
    for (uint32_t i = 1; i < ku__record_count(&watch->all); i++) {
        const ku__record *record = ku__record_at(&watch->all, i);
        ku_producers_dead *row = is_row(record, false) ? ku__growing_push(&watch->rows, sizeof *row) : NULL;
        if (row != NULL) {
            *row = (ku_producers_dead){.type = text_of(watch, record->source),
                                       .place = text_of(watch, record->place),
                                       .objects = record->objects,
                                       .bytes = record->bytes,
                                       .collections = record->collections};
        }
    }
    *rows = KU__GROWING_ITEMS(&watch->rows, ku_producers_dead);
    return sort_rows(&watch->rows, sizeof **rows, compare_dead);
}

/* ---- as text ---- */

static double share_of(uint64_t bytes, uint64_t all) {
    return all != 0 ? 100.0 * (double)bytes / (double)all : 0;
}

static void print_cycle(FILE *stream, const ku_producer *row, uint64_t all) {
    enum { INDENT = 42 };
    fprintf(stream, "%12" PRIu64 "  %5.1f%%  %12" PRIu64 "       %s\n", row->bytes, share_of(row->bytes, all),
            row->cycles, row->closing);
    if (row->place != NULL) {
        fprintf(stream, "%*s%s, born at %s\n", INDENT, "", row->type, row->place);
    }
    fprintf(stream, "%*s%s\n", INDENT, "", row->example != NULL ? row->example : "");
    if (row->advice[0] != 0) {
        fprintf(stream, "%*s%s\n", INDENT, "", row->advice);
    }
}

static uint64_t bytes_of_dead(ku_producers *watch) {
    const ku_producers_dead *rows;
    uint64_t bytes = 0;
    for (size_t i = ku_producers_found(watch, &rows); i-- > 0;) {
        bytes += rows[i].bytes;
    }
    return bytes;
}

int ku_producers_print(ku_producers *watch, FILE *stream, size_t most) {
    const ku__producers *all = &watch->all;
    uint64_t bytes = bytes_of_dead(watch);
    const ku_producer *rows;
    size_t count = ku_producers_cycles(watch, &rows);
    fprintf(stream, "%" PRIu64 " cycles; %" PRIu64 " objects, %" PRIu64 " bytes, died in %" PRIu64 " collections\n",
            all->cycle_count, all->dead_count, bytes, all->collections);
    if (count != 0) {
        fprintf(stream, "%12s  %6s  %12s       %s\n", "bytes", "share", "cycles", "closed by");
    }
    for (size_t i = 0; i < count && (most == 0 || i < most); i++) {
        print_cycle(stream, &rows[i], bytes);
    }
    return ferror(stream) != 0 ? -1 : 0;
}
