/* places.c: threads and their frames, tables of keys and the collector's lists in a core: rules of
 * inspect/python_make.h. */
#include "corefile/making.h"
#include "inspect/chain.h"

/* ---- rules ---- */

ku__key_table ku__core_keys_of_dict(ku__making *making, uintptr_t dict) {
    ku__core_making *core = ku__core_of(making);
    return ku__key_table_of_dict(&core->python, &core->image, dict);
}

ku__key_table ku__core_keys_of_type(ku__making *making, uintptr_t type) {
    ku__core_making *core = ku__core_of(making);
    uint32_t number = ku__core_type_find(&core->types, type);
    uintptr_t keys = number == KU__NO_TYPE ? 0 : ku__core_type_at(&core->types, number)->keys;
    return keys == 0 ? (ku__key_table){0} : ku__key_table_at(&core->python, &core->image, keys);
}

uintptr_t ku__core_collector_list(ku__making *making, unsigned list) {
    enum { FROZEN = 3 };
    const ku__python *python = &ku__core_of(making)->python;
    const ku__layout *at = &python->layout;
    int32_t place =
        list == FROZEN ? at->interpreter_frozen : at->interpreter_generations + (int32_t)list * at->generation_bytes;
    return python->interpreter + (uintptr_t)place;
}

uintptr_t ku__core_first_frame(ku__making *making, uintptr_t thread) {
    ku__core_making *core = ku__core_of(making);
    return ku__frame_first(&core->python, &core->image, thread);
}

uintptr_t ku__core_next_frame(ku__making *making, uintptr_t frame) {
    ku__core_making *core = ku__core_of(making);
    return ku__frame_next(&core->python, &core->image, frame);
}

ku__frame_view ku__core_frame(ku__making *making, uintptr_t frame) {
    ku__core_making *core = ku__core_of(making);
    return ku__frame_at(&core->python, &core->image, frame);
}

/* The table of lines is a bytes. */
ku__frame_place ku__core_place(ku__making *making, uintptr_t frame) {
    const ku__python *python = &ku__core_of(making)->python;
    const ku__layout *at = &python->layout;
    ku__memory *memory = making->memory;
    uintptr_t code = ku__untagged(python, ku__memory_word(memory, frame + (uintptr_t)at->frame_code));
    uintptr_t lines = ku__memory_word(memory, code + (uintptr_t)at->code_lines);
    int64_t bytes = ku__memory_signed(memory, lines + KU__AT_SIZE);
    ku__frame_place place = {
        .function = ku__memory_word(memory, code + (uintptr_t)at->code_qualname),
        .file = ku__memory_word(memory, code + (uintptr_t)at->code_file),
        .lines = bytes < 0 ? NULL : ku__memory_at(memory, lines + (uintptr_t)at->bytes_data, (size_t)bytes),
        .first_line = (int32_t)ku__memory_u32(memory, code + (uintptr_t)at->code_first_line),
        .offset = (int64_t)(ku__memory_word(memory, frame + (uintptr_t)at->frame_instruction) -
                            (code + (uintptr_t)at->code_instructions))};
    place.line_bytes = place.lines == NULL ? 0 : (size_t)bytes;
    return place;
}

/* ---- finding ---- */

static void find_threads(ku__core_making *core) {
    enum { THREADS_MOST = 1 << 16 };
    const ku__layout *at = &core->python.layout;
    uintptr_t first = ku__image_word(&core->image, core->python.interpreter + (uintptr_t)at->interpreter_threads);
    for (ku__chain threads = ku__chain_from(first); threads.at != 0 && threads.steps < THREADS_MOST;) {
        uintptr_t *room = ku__growing_push(&core->making.threads, sizeof *room);
        if (room == NULL) {
            return;
        }
        *room = threads.at;
        ku__chain_step(&threads, ku__image_word(&core->image, threads.at + (uintptr_t)at->thread_next));
    }
}

void ku__core_find_places(ku__core_making *core) {
    const ku__layout *at = &core->python.layout;
    uintptr_t interpreter = core->python.interpreter;
    core->making.held[0].name = "sys.modules";
    core->making.held[0].object = core->python.modules;
    core->making.held[1].name = "builtins";
    core->making.held[1].object = ku__image_word(&core->image, interpreter + (uintptr_t)at->interpreter_builtins);
    core->making.held[2].name = "sys";
    core->making.held[2].object = ku__python_value(&core->python, &core->image, core->python.modules, "sys");
    core->making.held[3].name = "interpreter's dict";
    core->making.held[3].object = ku__image_word(&core->image, interpreter + (uintptr_t)at->interpreter_dict);
    find_threads(core);
}

/* ---- names of threads ---- */

typedef struct looking {
    ku__core_making *core;
    const char *name;
    uintptr_t found;
} looking;

static void look(void *argument, const ku__reference *reference) {
    looking *work = argument;
    char text[64];
    size_t size = reference->kind != KU_EDGE_ATTRIBUTE || reference->string == 0
                      ? 0
                      : ku__python_text(&work->core->python, &work->core->image, reference->string, text, sizeof text);
    if (size == strlen(work->name) && memcmp(text, work->name, size) == 0) {
        work->found = reference->target;
    }
}

static void own_nothing(void *argument, uintptr_t block, size_t size, ku__buffer_kind kind) {
    (void)argument;
    (void)block;
    (void)size;
    (void)kind;
}

static uintptr_t dict_of(ku__core_making *core, uintptr_t object, const ku__type *type) {
    uintptr_t managed = ku__image_word(&core->image, object - 3 * sizeof(uintptr_t));
    bool has = (type->flags & KU__FLAG_MANAGED_DICT) != 0;
    return has && (managed & 1) == 0
               ? managed
               : ku__image_word(&core->image, object + (uintptr_t)(type->dict_at > 0 ? type->dict_at : 0));
}

/* An attribute of an instance, wherever it keeps it; 0: none of this name. */
static uintptr_t attribute_of(ku__core_making *core, uintptr_t object, const char *name) {
    uint32_t number = ku__core_type_find(&core->types, ku__image_word(&core->image, object + KU__AT_TYPE));
    if (object == 0 || number == KU__NO_TYPE) {
        return 0;
    }
    looking work = {.core = core, .name = name};
    ku__core_reading reading = core->reading;
    reading.telling = (ku__telling){.see = look, .own = own_nothing, .argument = &work};
    const ku__type *type = ku__core_type_at(&core->types, number);
    ku__core_read_generic(&reading, object, type);
    return work.found != 0 ? work.found
                           : ku__python_value(&core->python, &core->image, dict_of(core, object, type), name);
}

/* The Thread of threading's own table of threads by number; 0: it knows none. */
static uintptr_t thread_object(ku__core_making *core, uint64_t id) {
    uintptr_t threading = ku__python_value(&core->python, &core->image, core->python.modules, "threading");
    uintptr_t dict =
        threading == 0 ? 0 : ku__image_word(&core->image, threading + (uintptr_t)core->python.layout.module_dict);
    ku__key_table table = ku__key_table_of_dict(&core->python, &core->image,
                                                ku__python_value(&core->python, &core->image, dict, "_active"));
    for (size_t i = 0; i < table.used; i++) {
        uint64_t number;
        if (ku__key_of(&table, i) != 0 && ku__value_of(&table, i) != 0 &&
            ku__python_number(&core->python, &core->image, ku__key_of(&table, i), &number) && number == id) {
            return ku__value_of(&table, i);
        }
    }
    return 0;
}

ku__thread_words ku__core_thread(ku__making *making, size_t index) {
    ku__core_making *core = ku__core_of(making);
    uintptr_t state = KU__GROWING_ITEMS(&making->threads, uintptr_t)[index];
    ku__thread_words words = {.id = ku__memory_word(making->memory, state + (uintptr_t)core->python.layout.thread_id)};
    uintptr_t name = attribute_of(core, thread_object(core, words.id), "_name");
    if (name != 0) {
        words.name[ku__core_text(making, name, words.name, sizeof words.name - 1)] = '\0';
    }
    return words;
}
