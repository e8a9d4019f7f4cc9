/* isolate.c: making and ending isolates, their buffers and roots. See kucha/isolate.h.
 *
 * The parts of an isolate open one after the other; when one cannot, those before it are closed again in reverse. An
 * isolate ends in steps, each of which may still run code of the program until the last:
 *
 *     exit functions; what the parts hold is given up; collections, until one finds nothing; what is left is a leak
 *
 * Immortal objects are no leaks, and neither is what only they hold: they are emptied first.
 */
#include "object/attributes.h"
#include "object/birth.h"
#include "object/class.h"
#include "object/collect.h"
#include "object/finalize.h"
#include "object/intern.h"
#include "object/leaks.h"
#include "object/types.h"
#include "object/verify.h"
#include "object/weak.h"

#include "alloc/tables.h"
#include "os/pages.h"

#include <kucha/stats.h>
#include <string.h>

/* ---- parts ---- */

typedef struct part {
    bool (*open)(ku_isolate *isolate, ku_error *error);
    void (*close)(ku_isolate *isolate);
} part;

static bool heaps_open(ku_isolate *isolate, ku_error *error) {
    ku_huge_pages huge_pages = isolate->huge_pages;
    ku_heap_options objects = {.name = isolate->name, .domain = KU_DOMAIN_OBJECT, .huge_pages = huge_pages};
    ku_heap_options buffers = {.name = isolate->name, .domain = KU_DOMAIN_BUFFER, .huge_pages = huge_pages};
    isolate->tracked = ku_heap_new(&objects, error);
    isolate->atoms = isolate->tracked != NULL ? ku_heap_new(&objects, error) : NULL;
    isolate->buffers = isolate->atoms != NULL ? ku_heap_new(&buffers, error) : NULL;
    if (isolate->buffers == NULL) {
        ku_heap_delete(isolate->atoms);
        ku_heap_delete(isolate->tracked);
    }
    return isolate->buffers != NULL;
}

static void heaps_close(ku_isolate *isolate) {
    ku_heap_delete(isolate->buffers);
    ku_heap_delete(isolate->atoms);
    ku_heap_delete(isolate->tracked);
}

ku_isolate *ku__isolates;

static bool enlist(ku_isolate *isolate, ku_error *error) {
    (void)error;
    ku__process_lock();
    isolate->next = ku__isolates;
    ku__isolates = isolate;
    ku__process_unlock();
    return true;
}

static void delist(ku_isolate *isolate) {
    ku__process_lock();
    for (ku_isolate **at = &ku__isolates; *at != NULL; at = &(*at)->next) {
        if (*at == isolate) {
            *at = isolate->next;
            break;
        }
    }
    ku__process_unlock();
}

static bool births_open(ku_isolate *isolate, ku_error *error) {
    const unsigned needs = KU_ISOLATE_BIRTHPLACES | KU_ISOLATE_CHECK_CALLS;
    return (isolate->flags & needs) == 0 || ku__births_open(isolate, error);
}

static const part parts[] = {
    {heaps_open, heaps_close},
    {ku__running_open, ku__running_close}, /* from here on the lock is held */
    {enlist, delist},
    {births_open, ku__births_close},
    {ku__gc_open, ku__gc_close}, /* before there are objects */
#ifdef KU_CHECKING
    {ku__verify_open, ku__verify_close},
#endif
    {ku__weak_open, ku__weak_close},
    {ku__interns_open, ku__interns_close},
    {ku__classes_open, ku__classes_close},
    {ku__values_open, ku__values_close},
};
enum { PARTS = sizeof parts / sizeof *parts };

static bool parts_open(ku_isolate *isolate, ku_error *error) {
    for (size_t i = 0; i < PARTS; i++) {
        if (!parts[i].open(isolate, error)) {
            while (i-- > 0) {
                parts[i].close(isolate);
            }
            return false;
        }
    }
    return true;
}

static void parts_close(ku_isolate *isolate) {
    for (size_t i = PARTS; i-- > 0;) {
        parts[i].close(isolate);
    }
}

/* ---- making ---- */

static void fill(ku_isolate *isolate, const ku_isolate_options *options) {
    strncpy(isolate->name, options->name != NULL ? options->name : "isolate", sizeof isolate->name - 1);
    isolate->flags = options->flags;
    isolate->huge_pages = options->huge_pages;
    isolate->leaks = options->leaks;
    isolate->leaks_argument = options->leaks_argument;
    isolate->unraisable = options->unraisable;
    isolate->unraisable_argument = options->unraisable_argument;
    isolate->young_most = INT32_MAX; /* until a collector says otherwise */
}

ku_isolate *ku_isolate_new(const ku_isolate_options *options, ku_error *error) {
    static const ku_isolate_options plain;
    const unsigned known = KU_ISOLATE_BIRTHPLACES | KU_ISOLATE_NO_COLLECTOR | KU_ISOLATE_CHECK_CALLS;
    options = options != NULL ? options : &plain;
    if ((options->flags & ~known) != 0) {
        ku__error_fill(error, KU_INVALID, "an isolate could not be made: a flag that kucha/isolate.h does not name");
        return NULL;
    }
#ifndef KU_CHECKING
    if ((options->flags & KU_ISOLATE_CHECK_CALLS) != 0) {
        ku__error_fill(error, KU_INVALID,
                       "KU_ISOLATE_CHECK_CALLS needs the checking build of kucha (meson setup -Dchecking=true)");
        return NULL;
    }
#endif
    if (!ku__types_open(error)) {
        return NULL;
    }
    ku_isolate *isolate = (ku_isolate *)ku__pages_map(sizeof *isolate);
    if (isolate == NULL) {
        ku__error_fill(error, KU_NO_MEMORY, "an isolate could not be made: the system refused memory");
        return NULL;
    }
    fill(isolate, options);
    if (!parts_open(isolate, error)) {
        ku__pages_unmap(isolate, sizeof *isolate);
        return NULL;
    }
    return isolate;
}

/* ---- ending ---- */

/* A walk must not change the heap, so immortal objects are listed first. */
typedef struct immortals {
    ku_object **list; /* NULL: count only */
    size_t count;
} immortals;

static bool list_immortal(const ku_block *block, void *argument) {
    immortals *found = (immortals *)argument;
    ku_object *object = (ku_object *)block->address;
    if (ku__number_of(object) != 0 && ku_is_immortal(object)) {
        if (found->list != NULL) {
            found->list[found->count] = object;
        }
        found->count++;
    }
    return true;
}

static void walk_objects(ku_isolate *isolate, ku_block_visitor *visit, void *argument) {
    ku_heap_walk(isolate->tracked, visit, argument);
    ku_heap_walk(isolate->atoms, visit, argument);
}

/* Immortal objects end with the isolate: what they hold goes now, while it can still go in order. Without memory for
 * the list it is reported as leaked instead. */
static void empty_immortals(ku_isolate *isolate) {
    immortals found = {NULL, 0};
    walk_objects(isolate, list_immortal, &found);
    size_t bytes = (found.count + 1) * sizeof(ku_object *);
    found = (immortals){(ku_object **)ku__pages_map(bytes), 0};
    if (found.list == NULL) {
        return;
    }
    walk_objects(isolate, list_immortal, &found);
    for (size_t i = 0; i < found.count; i++) {
        ku__object_clear(isolate, found.list[i]);
    }
    ku__pages_unmap((void *)found.list, bytes);
}

static void collect_all(ku_isolate *isolate) {
    enum { ROUNDS = 8 }; /* finalizers that make new garbage each time must come to an end */
    for (int round = 0; round < ROUNDS && isolate->collect_all != NULL; round++) {
        if (isolate->collect_all(isolate) == 0) {
            break;
        }
    }
    ku_clear_error(isolate);
}

size_t ku_isolate_delete(ku_isolate *isolate) {
    if (isolate == NULL) {
        return 0;
    }
    if (isolate->ending != NULL) {
        isolate->ending(isolate);
    }
    ku_clear_error(isolate);
    ku__finalize_at_exit(isolate);
    ku__gc_finish(isolate);
    collect_all(isolate);
    isolate->closing = true;
    empty_immortals(isolate);
    ku__weak_check(isolate);
    size_t leaked = ku__leaks_report(isolate);
    parts_close(isolate);
    ku__pages_unmap((void *)isolate->roots, isolate->root_capacity * sizeof *isolate->roots);
    ku__pages_unmap(isolate, sizeof *isolate);
    return leaked;
}

const char *ku_isolate_name(const ku_isolate *isolate) {
    return isolate->name;
}

ku_heap *ku_isolate_heap_of(ku_isolate *isolate, ku_isolate_heap which) {
    switch (which) {
    case KU_HEAP_TRACKED: return isolate->tracked;
    case KU_HEAP_ATOMS: return isolate->atoms;
    case KU_HEAP_BUFFERS: return isolate->buffers;
    case KU_HEAP_COUNT: break;
    }
    return NULL;
}

size_t ku__isolate_blocks(const ku_isolate *isolate, size_t *bytes) {
    ku_heap_stats tracked, atoms, buffers;
    ku_heap_stats_read(isolate->tracked, &tracked);
    ku_heap_stats_read(isolate->atoms, &atoms);
    ku_heap_stats_read(isolate->buffers, &buffers);
    if (bytes != NULL) {
        *bytes = tracked.bytes_used + tracked.large_bytes + atoms.bytes_used + atoms.large_bytes + buffers.bytes_used +
                 buffers.large_bytes;
    }
    return tracked.blocks_used + tracked.large_blocks + atoms.blocks_used + atoms.large_blocks;
}

size_t ku_isolate_objects(ku_isolate *isolate, size_t *bytes) {
    ku__quarantine_flush(isolate);
    return ku__isolate_blocks(isolate, bytes);
}

/* ---- roots ---- in pages of their own: they are not the heap's */

bool ku_root_add(ku_isolate *isolate, ku_object **place) {
    if (isolate->root_count == isolate->root_capacity) {
        enum { LEAST = 512 }; /* a page */
        size_t capacity = isolate->root_capacity != 0 ? isolate->root_capacity * 2 : LEAST;
        ku_object ***larger = (ku_object ***)ku__pages_map(capacity * sizeof *larger);
        if (larger == NULL) {
            return ku_fail(isolate, KU_NO_MEMORY, "the system refused memory for the table of roots");
        }
        if (isolate->root_count != 0) {
            memcpy((void *)larger, (const void *)isolate->roots, isolate->root_count * sizeof *larger);
        }
        ku__pages_unmap((void *)isolate->roots, isolate->root_capacity * sizeof *larger);
        isolate->roots = larger;
        isolate->root_capacity = capacity;
    }
    isolate->roots[isolate->root_count++] = place;
    return true;
}

/* Newest first: roots mostly go in reverse order. */
void ku_root_remove(ku_isolate *isolate, ku_object **place) {
    for (size_t i = isolate->root_count; i-- > 0;) {
        if (isolate->roots[i] == place) {
            isolate->roots[i] = isolate->roots[--isolate->root_count];
            return;
        }
    }
}

/* ---- buffers ---- */

void *ku_buffer_new(ku_isolate *isolate, size_t bytes) {
    if (ku__is_refused(isolate, bytes)) {
        return NULL;
    }
    void *buffer = ku__fast_malloc(isolate->buffers, bytes);
    ku__gc_note_bytes(isolate, bytes);
    return buffer != NULL ? buffer : ku__block_slow(isolate, isolate->buffers, bytes);
}

void *ku__buffer_try(ku_isolate *isolate, void *buffer, size_t bytes) {
    void *moved = ku_heap_realloc(isolate->buffers, buffer, bytes);
    if (moved != NULL) {
        ku__gc_note_bytes(isolate, bytes);
    }
    return moved;
}

void *ku_buffer_resize(ku_isolate *isolate, void *buffer, size_t bytes) {
    if (ku__is_refused(isolate, bytes)) {
        return NULL;
    }
    void *moved = ku_heap_realloc(isolate->buffers, buffer, bytes);
    while (moved == NULL && isolate->refused != NULL && isolate->refused(isolate, isolate->buffers, bytes)) {
        moved = ku_heap_realloc(isolate->buffers, buffer, bytes);
    }
    if (moved == NULL) {
        ku__refusal_note(isolate, isolate->buffers, bytes);
    }
    ku__gc_note_bytes(isolate, bytes);
    return moved;
}

void ku_buffer_free(ku_isolate *isolate, void *buffer) {
    if (buffer != NULL && KU__UNLIKELY(!ku__fast_free(isolate->buffers, buffer))) {
        ku_heap_free(isolate->buffers, buffer);
    }
}
