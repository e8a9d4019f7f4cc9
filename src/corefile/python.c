/* python.c: see python.h. */
#include "corefile/python.h"

#include "corefile/files.h"
#include "inspect/chain.h"
#include "os/failure.h"

#include <stdio.h>

/* ---- what the interpreter says of itself ---- */

#define COOKIE "xdebugpy"

/* Where _Py_DebugOffsets has a member, in words from its beginning, and which of the layout's it is. Members behind
 * the first that a version moved have places of their own in each. */
typedef struct told {
    uint16_t word[3]; /* 3.13, 3.14, 3.15; 0: not told */
    size_t member;
} told;

#define TOLD(name, first, second, third)                                                                               \
    { {(first), (second), (third)}, offsetof(ku__layout, name) }

static const told all_told[] = {
    TOLD(runtime_interpreters, 5, 5, 5), TOLD(interpreter_next, 8, 8, 8),       TOLD(interpreter_threads, 9, 9, 9),
    TOLD(interpreter_gc, 10, 11, 11),    TOLD(interpreter_modules, 11, 12, 12), TOLD(interpreter_builtins, 13, 14, 14),
    TOLD(thread_next, 21, 24, 24),       TOLD(thread_frame, 23, 26, 26),        TOLD(thread_id, 24, 27, 30),
    TOLD(frame_previous, 29, 32, 40),    TOLD(frame_code, 30, 33, 41),          TOLD(frame_instruction, 31, 34, 42),
    TOLD(frame_items, 32, 35, 43),       TOLD(frame_owner, 33, 36, 44),         TOLD(frame_stack, 0, 37, 45),
    TOLD(code_file, 35, 40, 48),         TOLD(code_name, 36, 41, 49),           TOLD(code_qualname, 37, 42, 50),
    TOLD(code_lines, 38, 43, 51),        TOLD(code_first_line, 39, 44, 52),     TOLD(code_variables, 41, 46, 54),
    TOLD(code_kinds, 42, 47, 55),        TOLD(code_instructions, 43, 48, 56),
};

enum { TOLD_FIRST = 13, TOLD_WORDS = 57 };

static bool take_told(ku__python *python, ku__image *image) {
    const uintptr_t *words = ku__image_words(image, python->runtime, TOLD_WORDS);
    int32_t before = python->layout.interpreter_gc;
    for (size_t i = 0; words != NULL && i < sizeof all_told / sizeof all_told[0]; i++) {
        unsigned word = all_told[i].word[python->minor - TOLD_FIRST];
        if (word != 0 && words[word] > INT32_MAX) {
            return false;
        }
        if (word != 0) {
            *(int32_t *)(void *)((char *)&python->layout + all_told[i].member) = (int32_t)words[word];
        }
    }
    python->layout.interpreter_generations += python->layout.interpreter_gc - before;
    python->layout.interpreter_frozen += python->layout.interpreter_gc - before;
    python->layout.interpreter_collecting += python->layout.interpreter_gc - before;
    return words != NULL;
}

/* ---- finding it ---- */

static bool refuse(ku_error *error, const char *sentence) {
    ku__error_format(error, KU_CORRUPT, 0, "%s", sentence);
    return false;
}

static bool has_cookie(ku__image *image, uintptr_t runtime) {
    const char *cookie = ku__image_at(image, runtime, sizeof COOKIE - 1);
    return cookie != NULL && memcmp(cookie, COOKIE, sizeof COOKIE - 1) == 0;
}

static bool describe(ku__python *python, ku__image *image, ku_error *error) {
    bool tells = has_cookie(image, python->runtime);
    uintptr_t version = tells ? python->runtime + 8 : ku__files_symbol(image, "Py_Version");
    python->version = (uint32_t)ku__image_word(image, version);
    python->minor = python->version >> 16 & 0xff;
    const ku__layout *layout = python->version >> 24 == 3 ? ku__layout_of(python->minor) : NULL;
    if (layout == NULL) {
        return refuse(error, version == 0 || python->version == 0
                                 ? "the version of the core's interpreter is not known: name the program's file (EXE)"
                                 : "the core is of a version of CPython that cannot be read: 3.11 to 3.15 can");
    }
    python->layout = *layout;
    if (tells && python->minor >= TOLD_FIRST && ku__image_word(image, python->runtime + 16) != 0) {
        return refuse(error, "the core is of an interpreter without a GIL, which cannot be read");
    }
    if (tells && python->minor >= TOLD_FIRST && !take_told(python, image)) {
        return refuse(error, "what the core's interpreter says of its own layout cannot be true");
    }
    static const char *const levels[16] = {[0xa] = "a", [0xb] = "b", [0xc] = "rc"};
    const char *level = levels[python->version >> 4 & 15];
    snprintf(python->text, sizeof python->text, "CPython 3.%u.%u%s%.0u", python->minor, python->version >> 8 & 0xff,
             level == NULL ? "" : level, level == NULL ? 0 : python->version & 15);
    return true;
}

/* The main interpreter is the first that was made: the last of the list, which new ones are put in front of. */
static uintptr_t main_interpreter(const ku__python *python, ku__image *image) {
    uintptr_t first = ku__image_word(image, python->runtime + (uintptr_t)python->layout.runtime_interpreters), last = 0;
    for (ku__chain all = ku__chain_from(first); all.at != 0;) {
        last = all.at;
        ku__chain_step(&all, ku__image_word(image, last + (uintptr_t)python->layout.interpreter_next));
    }
    return last;
}

/* sys.modules is a dict; a dict's type is of type `type`, whose base is `object`. */
static bool find_types(ku__python *python, ku__image *image) {
    uintptr_t dict_type = ku__image_word(image, python->modules + KU__AT_TYPE);
    python->type_type = ku__image_word(image, dict_type + KU__AT_TYPE);
    python->object_type = ku__image_word(image, python->type_type + KU__TYPE_BASE);
    return python->object_type != 0 && ku__image_word(image, python->type_type + KU__AT_TYPE) == python->type_type &&
           ku__image_word(image, python->object_type + KU__AT_TYPE) == python->type_type &&
           (ku__type_flags_at(image, dict_type) & KU__FLAG_DICT) != 0 &&
           (ku__type_flags_at(image, python->type_type) & KU__FLAG_TYPE) != 0;
}

/* Whether the head of a list of the collector's is here: the first of it links back. */
static bool is_list(ku__image *image, uintptr_t head) {
    const uintptr_t bits = 3; /* of a link, that are no address */
    uintptr_t first = ku__image_word(image, head) & ~bits;
    return first != 0 && (ku__image_word(image, first + sizeof(uintptr_t)) & ~bits) == head;
}

/* Releases of 3.13 differ in the alignment of these heads (Include/internal/pycore_gc.h): that of a pointer, or 4. */
static void settle_lists(ku__python *python, ku__image *image) {
    enum { ALIGNED_ON_4 = 13 };
    uintptr_t head = python->interpreter + (uintptr_t)python->layout.interpreter_generations;
    if (python->minor == ALIGNED_ON_4 && !is_list(image, head) && is_list(image, head - 4)) {
        python->layout.interpreter_generations -= 4;
    }
}

bool ku__python_find(ku__python *python, ku__image *image, bool *none, ku_error *error) {
    *python = (ku__python){.runtime = ku__files_symbol(image, "_PyRuntime")};
    if (python->runtime == 0 || ku__image_at(image, python->runtime, 8) == NULL) {
        python->runtime = ku__image_search(image, COOKIE, sizeof COOKIE - 1, 0);
    }
    *none = python->runtime == 0;
    if (*none) {
        return refuse(error,
                      "no interpreter, and no heap of kucha's, is found in the core: name the program's file (EXE)");
    }
    if (!describe(python, image, error)) {
        return false;
    }
    python->interpreter = main_interpreter(python, image);
    python->modules = ku__image_word(image, python->interpreter + (uintptr_t)python->layout.interpreter_modules);
    if (python->interpreter == 0 || python->modules == 0 || !find_types(python, image)) {
        return refuse(error,
                      "the core's interpreter has no modules: it was not yet up, no more so, or the core is cut");
    }
    settle_lists(python, image);
    size_t size;
    if (ku__image_text(image, ku__image_word(image, python->object_type + KU__TYPE_NAME), 8, &size) == NULL) {
        return refuse(error, "the core leaves names to the program's file, which is not here: name it (EXE)");
    }
    return true;
}

bool ku__python_is_object(const ku__python *python, ku__image *image, uintptr_t object) {
    const uintptr_t *words = ku__image_words(image, object, 2);
    if (words == NULL) {
        return false;
    }
    uintptr_t type = words[1], meta = ku__image_word(image, type + KU__AT_TYPE);
    return type % sizeof(uintptr_t) == 0 && meta != 0 &&
           (meta == python->type_type || (ku__type_flags_at(image, meta) & KU__FLAG_TYPE) != 0);
}

/* ---- dicts ---- */

ku__key_table ku__key_table_at(const ku__python *python, ku__image *image, uintptr_t keys) {
    enum { LOG2_MOST = 40 };
    const ku__layout *at = &python->layout;
    const char *head = ku__image_at(image, keys, (size_t)at->keys_indices);
    if (head == NULL || keys % sizeof(uintptr_t) != 0) {
        return (ku__key_table){0};
    }
    unsigned log2_size = (uint8_t)head[at->keys_log2_size], log2_index = (uint8_t)head[at->keys_log2_index];
    int64_t used;
    memcpy(&used, head + at->keys_entries, sizeof used);
    if (log2_size > LOG2_MOST || log2_index > LOG2_MOST || used < 0) {
        return (ku__key_table){0};
    }
    bool general = head[at->keys_kind] == 0; /* DICT_KEYS_GENERAL */
    unsigned step = general ? 3 : 2;
    size_t indices = (size_t)1 << log2_index, room = ((size_t)2 << log2_size) / 3;
    size_t count = (uint64_t)used < room ? (size_t)used : room;
    ku__key_table table = {.address = keys,
                           .bytes = (size_t)at->keys_indices + indices + room * step * sizeof(uintptr_t),
                           .room = room,
                           .used = count,
                           .step = step,
                           .key_at = general ? 1 : 0,
                           .general = general};
    table.entries = ku__image_words(image, keys + (uintptr_t)at->keys_indices + indices, count * step);
    table.used = table.entries == NULL ? 0 : count;
    return table;
}

ku__key_table ku__key_table_of_dict(const ku__python *python, ku__image *image, uintptr_t dict) {
    uintptr_t type = ku__image_word(image, dict + KU__AT_TYPE);
    bool is_plain = dict != 0 && (ku__type_flags_at(image, type) & KU__FLAG_DICT) != 0 &&
                    ku__image_word(image, dict + (uintptr_t)python->layout.dict_values) == 0;
    uintptr_t keys = is_plain ? ku__image_word(image, dict + (uintptr_t)python->layout.dict_keys) : 0;
    return keys == 0 ? (ku__key_table){0} : ku__key_table_at(python, image, keys);
}

uintptr_t ku__python_value(const ku__python *python, ku__image *image, uintptr_t dict, const char *name) {
    ku__key_table table = ku__key_table_of_dict(python, image, dict);
    size_t length = strlen(name);
    for (size_t i = 0; i < table.used; i++) {
        char text[64];
        uintptr_t key = ku__key_of(&table, i);
        if (key != 0 && ku__value_of(&table, i) != 0 &&
            ku__python_text(python, image, key, text, sizeof text) == length && memcmp(text, name, length) == 0) {
            return ku__value_of(&table, i);
        }
    }
    return 0;
}

/* ---- texts and numbers ---- */

size_t ku__python_text(const ku__python *python, ku__image *image, uintptr_t text, char *out, size_t size) {
    const ku__layout *at = &python->layout;
    if ((ku__type_flags_at(image, ku__image_word(image, text + KU__AT_TYPE)) & KU__FLAG_TEXT) == 0) {
        return 0;
    }
    uint32_t state = ku__image_u32(image, text + (uintptr_t)at->text_state), kind = state >> at->text_kind & 7;
    if ((state >> at->text_compact & 1) == 0 || (kind != 1 && kind != 2 && kind != 4)) {
        return 0;
    }
    uint64_t length = ku__image_word(image, text + (uintptr_t)at->text_length);
    uint64_t most = length < size ? length : size; /* each takes a byte at least */
    uintptr_t first = text + (uintptr_t)((state >> at->text_ascii & 1) != 0 ? at->text_latin : at->text_wide);
    const char *characters = ku__image_at(image, first, most * kind);
    return characters == NULL ? 0 : ku__python_utf8(characters, kind, most, out, size);
}

bool ku__python_number(const ku__python *python, ku__image *image, uintptr_t number, uint64_t *value) {
    enum { DIGIT_BITS = 30, DIGITS_MOST = 3 };
    const ku__layout *at = &python->layout;
    uint64_t size = ku__image_word(image, number + (uintptr_t)at->long_size);
    uint64_t digits = size >> at->long_shift;
    if (digits > DIGITS_MOST || (at->long_shift != 0 && (size & 3) == 2)) {
        return false;
    }
    *value = 0;
    for (uint64_t i = digits; i-- > 0;) {
        *value = *value << DIGIT_BITS | ku__image_u32(image, number + (uintptr_t)at->long_digits + i * 4);
    }
    return true;
}

/* ---- frames ---- */

/* Those that only mark an entry from C have owners from 3 on. */
static uintptr_t with_code(const ku__python *python, ku__image *image, uintptr_t frame) {
    enum { OWNER_C = 3 };
    ku__chain frames = ku__chain_from(frame);
    while (frames.at != 0 && ku__image_u8(image, frames.at + (uintptr_t)python->layout.frame_owner) >= OWNER_C) {
        ku__chain_step(&frames, ku__image_word(image, frames.at + (uintptr_t)python->layout.frame_previous));
    }
    return ku__image_at(image, frames.at, (size_t)python->layout.frame_items) == NULL ? 0 : frames.at;
}

uintptr_t ku__frame_first(const ku__python *python, ku__image *image, uintptr_t thread) {
    uintptr_t frame = ku__image_word(image, thread + (uintptr_t)python->layout.thread_frame);
    if (python->layout.frame_behind != KU__ABSENT) {
        frame = ku__image_word(image, frame + (uintptr_t)python->layout.frame_behind);
    }
    return with_code(python, image, frame);
}

uintptr_t ku__frame_next(const ku__python *python, ku__image *image, uintptr_t frame) {
    return with_code(python, image, ku__image_word(image, frame + (uintptr_t)python->layout.frame_previous));
}

/* How many entries are in use: while a frame executes, the end of its stack is in a register of the interpreter's. */
static size_t stack_end(const ku__python *python, ku__image *image, uintptr_t frame) {
    uintptr_t at = frame + (uintptr_t)python->layout.frame_stack;
    if (python->layout.frame_tags == 0) {
        int32_t top = (int32_t)ku__image_u32(image, at);
        return top > 0 ? (size_t)top : 0;
    }
    uintptr_t end = ku__image_word(image, at), first = frame + (uintptr_t)python->layout.frame_items;
    return end > first ? (end - first) / sizeof(uintptr_t) : 0;
}

ku__frame_view ku__frame_at(const ku__python *python, ku__image *image, uintptr_t frame) {
    const ku__layout *at = &python->layout;
    ku__frame_view view = {
        .code = ku__untagged(python, ku__image_word(image, frame + (uintptr_t)at->frame_code)),
        .function = ku__untagged(python, ku__image_word(image, frame + (uintptr_t)at->frame_function)),
        .locals = ku__image_word(image, frame + (uintptr_t)at->frame_locals),
        .object = ku__image_word(image, frame + (uintptr_t)at->frame_object),
        .tags = (uint32_t)at->frame_tags,
        .holds = ku__image_u8(image, frame + (uintptr_t)at->frame_owner) == 0, /* FRAME_OWNED_BY_THREAD */
    };
    int32_t locals = (int32_t)ku__image_u32(image, view.code + (uintptr_t)at->code_variable_count);
    int32_t stack = (int32_t)ku__image_u32(image, view.code + (uintptr_t)at->code_stack);
    if (locals < 0 || stack < 0) {
        return view;
    }
    uintptr_t names = ku__image_word(image, view.code + (uintptr_t)at->code_variables);
    size_t end = stack_end(python, image, frame), most = (size_t)locals + (size_t)stack;
    end = end > (size_t)locals ? end : (size_t)locals;
    view.local_count = (size_t)locals;
    view.names = ku__image_words(image, names + (uintptr_t)at->tuple_items, view.local_count);
    view.name_count = view.names == NULL ? 0 : view.local_count;
    view.count = end < most ? end : most;
    view.items = ku__image_words(image, frame + (uintptr_t)at->frame_items, view.count);
    return view;
}
