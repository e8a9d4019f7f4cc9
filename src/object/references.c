/* references.c: references held from outside the heap, and what a call leaves of them. See kucha/check.h.
 *
 * The count of an object less the references to it that the heap and the known roots hold is what C variables hold. All
 * objects are entered in a table by address with their counts; then every reference that is found takes one off.
 * Immortal objects have no count and are left out.
 *
 * The table lies in pages of its own: taking it changes nothing of the heap that it describes.
 */

#include "object/references.h"

#include "object/collect.h"
#include "object/finalize.h"
#include "object/lookup.h"

#include "os/pages.h"

#include <kucha/check.h>
#include <kucha/stats.h>
#include <stdio.h>

typedef struct place {
    ku_object *object; /* NULL: free */
    int64_t outside;
} place;

struct ku_references {
    size_t bytes; /* of this mapping */
    size_t mask;
    place places[];
};

static place *find(ku_references *references, const ku_object *object) {
    size_t at = (size_t)(((uint64_t)(uintptr_t)object >> 4) * 0x9E3779B97F4A7C15u >> 20) & references->mask;
    while (references->places[at].object != NULL && references->places[at].object != object) {
        at = (at + 1) & references->mask;
    }
    return &references->places[at];
}

static bool is_counted(const ku_object *object) {
    return ku__number_of(object) != 0 && !ku_is_immortal(object) && (object->kind & KU__DYING) == 0;
}

/* ---- filling ---- */

static bool enter(const ku_block *block, void *argument) {
    ku_object *object = (ku_object *)block->address;
    if (is_counted(object)) {
        *find((ku_references *)argument, object) = (place){object, object->count};
    }
    return true;
}

static void take_off(ku_object **at, void *argument) {
    place *of = find((ku_references *)argument, *at);
    if (of->object != NULL) {
        of->outside--;
    }
}

static bool follow(const ku_block *block, void *argument) {
    ku_object *object = (ku_object *)block->address;
    if (ku__number_of(object) != 0 && (object->kind & KU__DYING) == 0) {
        ku__visit_references(object, take_off, argument);
    }
    return true;
}

static void walk_both(ku_isolate *isolate, ku_block_visitor *visit, ku_references *references) {
    ku_heap_walk(isolate->tracked, visit, references);
    ku_heap_walk(isolate->atoms, visit, references);
}

/* What the isolate itself holds. */
static void follow_roots(ku_isolate *isolate, ku_references *references) {
    for (size_t i = 0; i < isolate->root_count; i++) {
        if (*isolate->roots[i] != NULL) {
            take_off(isolate->roots[i], references);
        }
    }
    if (isolate->visit_frames != NULL) {
        isolate->visit_frames(isolate, take_off, references);
    }
    ku__finalize_visit(isolate, take_off, references);
    ku__lookup_visit(isolate, take_off, references);
    if (isolate->pending.value != NULL) {
        take_off(&isolate->pending.value, references);
    }
    if (isolate->gc != NULL && isolate->gc->garbage != NULL) {
        take_off(&isolate->gc->garbage, references);
    }
}

ku_references *ku_references_take(ku_isolate *isolate) {
    size_t places = 64, objects = ku__isolate_blocks(isolate, NULL);
    while (places < objects * 2) {
        places *= 2;
    }
    size_t bytes = sizeof(ku_references) + places * sizeof(place);
    ku_references *references = (ku_references *)ku__pages_map(bytes);
    if (references == NULL) {
        ku_fail(isolate, KU_NO_MEMORY, "the system refused memory for a table of %zu references", objects);
        return NULL;
    }
    references->bytes = bytes;
    references->mask = places - 1;
    walk_both(isolate, enter, references);
    walk_both(isolate, follow, references);
    follow_roots(isolate, references);
    return references;
}

void ku_references_free(ku_references *references) {
    if (references != NULL) {
        ku__pages_unmap(references, references->bytes);
    }
}

/* ---- comparing ---- */

static void print_leak(const ku_reference_leak *leak, void *argument) {
    (void)argument;
    fprintf(stderr, "kucha: %u reference%s leaked: object of type '%s' at %p", leak->references,
            leak->references != 1 ? "s" : "", leak->type, (const void *)leak->object);
    if (leak->place.file != NULL) {
        fprintf(stderr, ", made at %s:%d, %s", leak->place.file, (int)leak->place.line, leak->place.function);
    }
    fputc('\n', stderr);
}

static void tell(ku_isolate *isolate, ku_object *object, int64_t more, ku_reference_leak_hook *hook, void *argument) {
    ku_reference_leak leak = {.object = object, .type = ku__type_of(object)->own.name, .references = (uint32_t)more};
    ku_birthplace(isolate, object, &leak.place);
    (hook != NULL ? hook : print_leak)(&leak, argument);
}

static int64_t times_among(const ku_object *object, const ku_object *const *given, size_t count) {
    int64_t times = 0;
    for (size_t i = 0; i < count; i++) {
        times += given[i] == object;
    }
    return times;
}

size_t ku__references_compare(ku_isolate *isolate, ku_references *before, const ku_object *const *given, size_t count,
                              ku_reference_leak_hook *hook, void *argument) {
    ku_references *now = ku_references_take(isolate);
    size_t leaks = now != NULL ? 0 : SIZE_MAX;
    for (size_t i = 0; now != NULL && i <= now->mask; i++) {
        ku_object *object = now->places[i].object;
        if (object == NULL) {
            continue;
        }
        int64_t more = now->places[i].outside - find(before, object)->outside - times_among(object, given, count);
        if (more > 0) {
            tell(isolate, object, more, hook, argument);
            leaks++;
        }
    }
    ku_references_free(now);
    ku_references_free(before);
    return leaks;
}

size_t ku_references_compare(ku_isolate *isolate, ku_references *before, const ku_object *result,
                             ku_reference_leak_hook *hook, void *argument) {
    return ku__references_compare(isolate, before, &result, 1, hook, argument);
}
