/* birth.c: birthplaces: where every object was made.
 *
 * The place is that of the innermost frame of the program (isolate->here), file, line and function. It is interned as a
 * site of src/trace, a stack of one frame, and the number of the site stands in the slot of the object's block in its
 * heap's site table: nothing in the object knows of it, and nothing is there unless KU_ISOLATE_BIRTHPLACES was asked
 * for.
 *
 * Places are found again by the addresses of their texts, which live as long as the isolate, in a table of two places a
 * slot like src/trace's own; a miss interns by contents.
 */
#include "object/birth.h"

#include "object/types.h"
#include "trace/trace.h"

#include <string.h>

bool ku__births_open(ku_isolate *isolate, ku_error *error) {
    ku__births *births = (ku__births *)ku_heap_calloc(isolate->buffers, 1, sizeof *births);
    if (births == NULL) {
        return ku__error_fill(error, KU_NO_MEMORY, "an isolate could not be made: the system refused memory");
    }
    const ku__tracer_options options = {.frames = 1};
    births->tracer = ku__tracer_new(&options, error);
    bool have_sites = births->tracer != NULL && ku__sites_enable(isolate->tracked) && ku__sites_enable(isolate->atoms);
    isolate->births = births;
    if (!have_sites) {
        ku__births_close(isolate);
        return ku__error_fill(error, KU_NO_MEMORY, "the system refused memory for birthplaces");
    }
    isolate->births_on = true;
    return true;
}

void ku__births_close(ku_isolate *isolate) {
    if (isolate->births != NULL) {
        isolate->births_on = false;
        ku__tracer_delete(isolate->births->tracer);
        ku_heap_free(isolate->buffers, isolate->births);
        isolate->births = NULL;
    }
}

static size_t home_of(const ku_place *place) {
    uint64_t hash = ((uintptr_t)place->file ^ (uintptr_t)place->function << 7 ^ (uint64_t)(uint32_t)place->line << 40) *
                    0x9E3779B97F4A7C15u;
    return (size_t)(hash >> 32) % KU__KNOWN_PLACES;
}

/* The site of a place that the cache does not know; 0 when the tracer has failed. */
static uint32_t intern(ku__births *births, const ku_place *place) {
    const char *file = place->file != NULL ? place->file : "",
               *function = place->function != NULL ? place->function : "";
    ku__code_facts facts = {.filename = file,
                            .filename_bytes = strlen(file),
                            .qualname = function,
                            .qualname_bytes = strlen(function),
                            .first_line = place->line};
    /* Equal contents are one record; the address only has to be one that we can ask for. */
    uint32_t code = ku__code_add(births->tracer, &births->cache[home_of(place)], &facts);
    ku__frame frame = {.code = code};
    return code != 0 ? ku__site_intern(births->tracer, &frame, 1, 0) : 0;
}

static uint32_t site_of(ku__births *births, const ku_place *place) {
    ku__known_place *entry = &births->cache[home_of(place)];
    if (entry->site == 0 || entry->file != place->file || entry->function != place->function ||
        entry->line != place->line) {
        *entry = (ku__known_place){place->file, place->function, place->line, intern(births, place)};
    }
    return entry->site;
}

/* A heap that lost its site tables, because the system refused one for a new arena, has no slots any more. */
static bool still_on(ku_isolate *isolate, const ku_heap *heap) {
    if (heap->sites_lost) {
        isolate->births_on = false;
    }
    return isolate->births_on;
}

void ku__birth_note(ku_isolate *isolate, ku_heap *heap, const void *block) {
    ku_place place = {NULL, NULL, 0};
    uint32_t site = 0;
    if (!still_on(isolate, heap)) {
        return;
    }
    if (isolate->here != NULL && isolate->here(isolate, &place)) {
        site = KU__TAG(site_of(isolate->births, &place));
    }
    unsigned class_index = ku__class_of(heap, block);
    if (KU__LIKELY(class_index < KU_CLASS_COUNT)) {
        *ku__site_slot(heap, block, class_index) = site;
        return;
    }
    ku__block_facts facts;
    if (ku__block_find(heap, block, &facts) && facts.site != NULL) {
        *facts.site = site;
    }
}

bool ku__place_of_site(const ku_isolate *isolate, uint32_t site, ku_place *place) {
    *place = (ku_place){NULL, NULL, 0};
    ku__frame frame;
    ku__code_facts facts;
    if (isolate->births == NULL || site == 0 || ku__site_frames(isolate->births->tracer, site, &frame, 1) == 0 ||
        !ku__code_read(isolate->births->tracer, frame.code, &facts)) {
        return false;
    }
    *place = (ku_place){facts.filename, facts.qualname, facts.first_line}; /* the tracer ends its texts with a zero */
    return true;
}

bool ku_birthplace(ku_isolate *isolate, const ku_object *object, ku_place *place) {
    ku_heap *heap = (ku__map_of(object)->flags & KU__MAP_ACYCLIC) != 0 ? isolate->atoms : isolate->tracked;
    ku__block_facts facts;
    bool found = isolate->births_on && ku__block_find(heap, object, &facts) && facts.site != NULL;
    return ku__place_of_site(isolate, found ? KU__SLOT_SITE(*facts.site) : 0, place);
}
