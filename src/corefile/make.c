/* make.c: from a core to a graph: the rules of inspect/python_make.h for memory in which nothing can be asked. See
 * corefile.h.
 */
#include "corefile/anchor.h"
#include "corefile/files.h"
#include "corefile/living.h"
#include "corefile/making.h"
#include "corefile/native.h"
#include "os/clock.h"
#include "os/failure.h"

#include <stdio.h>

/* ---- rules ---- */

static bool read_object(ku__making *making, uintptr_t object, uint32_t type, bool tracked) {
    return ku__core_read(&ku__core_of(making)->reading, object, type, tracked);
}

static uint64_t bytes_of(ku__making *making, uintptr_t object, uint32_t type) {
    ku__core_making *core = ku__core_of(making);
    return ku__core_bytes(&core->reading, object, ku__core_type_at(&core->types, type));
}

static uint32_t count_of(ku__making *making, uintptr_t object) {
    enum { HALF = 12 }; /* from this version on the upper half of the word is something else */
    uint64_t word = ku__memory_word(making->memory, object);
    return ku__core_of(making)->python.minor >= HALF || word < UINT32_MAX ? (uint32_t)word : UINT32_MAX;
}

/* Objects that live as long as the program: their counts say so from 3.12 on, where the count's lower half is negative
 * as a number, or, until 3.13, all ones. */
static bool is_immortal(ku__making *making, uintptr_t object, uint32_t number) {
    enum { FIRST = 12 };
    ku__core_making *core = ku__core_of(making);
    const ku__type *type = ku__core_type_at(&core->types, number);
    bool is_static =
        (type->flags & KU__FLAG_TYPE) != 0 && (ku__type_flags_at(&core->image, object) & KU__FLAG_HEAP_TYPE) == 0;
    int32_t low = (int32_t)ku__memory_u32(making->memory, object);
    return is_static || (core->python.minor >= FIRST && low < 0);
}

static const ku__python_rules rules = {
    .read = read_object,
    .bytes = bytes_of,
    .count = count_of,
    .is_immortal = is_immortal,
    .label = ku__core_label,
    .words_of_type = ku__core_words_of_type,
    .text = ku__core_text,
    .keys_of_dict = ku__core_keys_of_dict,
    .keys_of_type = ku__core_keys_of_type,
    .collector_list = ku__core_collector_list,
    .first_frame = ku__core_first_frame,
    .next_frame = ku__core_next_frame,
    .frame = ku__core_frame,
    .place = ku__core_place,
    .thread = ku__core_thread,
};

/* ---- all of it ---- */

/* What could not be had is told with the graph; NULL: nothing. */
static const char *describe_missing(const ku__image *image, char *text, size_t room) {
    const char *first;
    size_t missing = ku__files_missing(image, &first);
    snprintf(text, room, "read from a core; files that it leaves pages to are not here: %zu, such as %s", missing,
             first != NULL ? first : "");
    return missing != 0 ? text : NULL;
}

static ku_graph *finish(ku__core_making *core, ku_error *error) {
    char text[256];
    const char *note = describe_missing(&core->image, text, sizeof text);
    ku_graph_info info = {.process = core->image.process, .reason = KU_GRAPH_IMPORTED};
    if (core->began != 0) {
        info.reason = KU_GRAPH_REQUESTED;
        info.taken = ku__clock_calendar();
        info.stopped = core->stopped;
        info.lasted = ku__clock_monotonic() - core->began;
    }
    if (core->reading.told >= core->reading.most) {
        ku__maker_fail(&core->making.maker, KU_CORRUPT,
                       "the core has more references than room for them: it is damaged");
    }
    return ku__python_finish(&core->making, info, core->image.program, core->python.text, note, error);
}

static void find_heaps(ku__core_making *core, ku__core_outcome *outcome) {
    ku__making *making = &core->making;
    ku__anchor *anchor = &making->blocks.anchor;
    outcome->hosted = ku__anchor_find(&core->image, false, anchor);
    making->heaps[0] = (ku__heap_choice){(uintptr_t)anchor->objects, false};
    making->heaps[1] = (ku__heap_choice){(uintptr_t)anchor->buffers, true};
    making->heap_count = outcome->hosted ? 2 : 0;
}

static ku_graph *read_python(ku__core_making *core, ku__core_outcome *outcome, ku_error *error) {
    enum { WALKS = 2 }; /* each tells of all references */
    ku__making *making = &core->making;
    snprintf(outcome->runtime, sizeof outcome->runtime, "%s", core->python.text);
    making->rules = &rules;
    making->memory = &core->image.memory;
    making->types = &core->types.table;
    making->telling = &core->reading.telling;
    core->reading = (ku__core_reading){.image = &core->image,
                                       .python = &core->python,
                                       .types = &core->types,
                                       .blocks = &making->blocks,
                                       .most = WALKS * (core->image.dumped / sizeof(uintptr_t) + UINT16_MAX)};
    if (!ku__core_types_open(&core->types, &core->python, &core->image)) {
        ku__error_format(error, KU_NO_MEMORY, 0, "no memory to read the heap with");
        return NULL;
    }
    find_heaps(core, outcome);
    if (!ku__python_open(making, error)) {
        return NULL;
    }
    ku__core_find_places(core);
    return ku__python_make(making, error) ? finish(core, error) : NULL;
}

/* No interpreter was found, or what only looked like one, such as its text in a program that reads cores; `error` says
 * so, and stays where no heap of the library's was there either. */
static ku_graph *read_native(ku__core_making *core, ku__core_outcome *outcome, ku_error *error) {
    char text[256];
    bool none;
    ku_error why;
    const char *note = describe_missing(&core->image, text, sizeof text);
    ku_graph *graph = ku__core_native(&core->image, note, &none, &why);
    snprintf(outcome->runtime, sizeof outcome->runtime, "%s", KU__CORE_NATIVE);
    if (graph == NULL && !none && error != NULL) {
        *error = why;
    }
    return graph;
}

static void release(ku__core_making *core) {
    ku__python_close(&core->making);
    ku__core_types_close(&core->types);
    ku__image_close(&core->image);
}

static bool open_image(ku__core_making *core, const ku__core_order *order, uintptr_t busy, ku_error *error) {
    if (order->process != 0) {
        ku__living_order living = {order->process, order->folder, busy, order->hold, order->patience};
        return ku__living_open(&core->image, &living, &core->stopped, error);
    }
    return order->path != NULL ? ku__image_open(&core->image, order->path, error)
                               : ku__image_open_bytes(&core->image, order->bytes, order->size, error);
}

/* What a collection works on is in none of the collector's lists meanwhile: a process that goes on is copied once more,
 * at a moment at which it has none. 0: there is no need. */
static uintptr_t collecting_in(ku__core_making *core, const ku__core_order *order) {
    uintptr_t word = core->python.interpreter + (uintptr_t)core->python.layout.interpreter_collecting;
    return order->process != 0 && ku__image_u32(&core->image, word) != 0 ? word : 0;
}

/* Opens the image and finds the interpreter in it; `*found`: there is one. False: the image could not be opened. */
static bool find(ku__core_making *core, const ku__core_order *order, bool *found, ku_error *error) {
    uintptr_t busy = 0;
    for (;;) {
        bool none;
        if (!open_image(core, order, busy, error)) {
            return false;
        }
        if (!ku__files_open(&core->image, order->program, order->root, error)) {
            ku__image_close(&core->image);
            return false;
        }
        *found = ku__python_find(&core->python, &core->image, &none, error);
        uintptr_t collecting = *found && busy == 0 ? collecting_in(core, order) : 0;
        if (collecting == 0) {
            return true;
        }
        busy = collecting;
        ku__image_close(&core->image);
    }
}

ku_graph *ku__core_graph(const ku__core_order *order, ku__core_outcome *outcome, ku_error *error) {
    ku__core_making core = {.making = {.rules = NULL}, .began = order->process != 0 ? ku__clock_monotonic() : 0};
    bool found;
    *outcome = (ku__core_outcome){.hosted = false};
    if (!find(&core, order, &found, error)) {
        return NULL;
    }
    ku_graph *graph = found ? read_python(&core, outcome, error) : read_native(&core, outcome, error);
    outcome->stopped = core.stopped;
    const char *first;
    outcome->missing = ku__files_missing(&core.image, &first);
    snprintf(outcome->first_missing, sizeof outcome->first_missing, "%s", first == NULL ? "" : first);
    release(&core);
    return graph;
}
