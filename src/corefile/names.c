/* names.c: texts, types and labels of a core's graph; the counterpart of cpython/graph_names.c. See making.h. */
#include "corefile/making.h"

#include <kucha/group.h>
#include <stdio.h>

enum { NAME_MOST = 256 }; /* bytes of a name: more is a text, not a name */

static uint32_t keep(ku__core_making *making, ku__pointer_map *map, uintptr_t address, uint32_t text) {
    if (address != 0 && !ku__pointer_add(map, address, text)) {
        return ku__maker_fail(&making->maker, KU_NO_MEMORY, "no memory for the names of a heap's graph");
    }
    return text;
}

uint32_t ku__core_name_of_text(ku__core_making *making, uintptr_t text) {
    uint32_t found = ku__pointer_find(&making->names, text);
    if (found != KU__POINTER_NONE) {
        return found;
    }
    char bytes[NAME_MOST];
    size_t size = ku__python_text(&making->python, &making->image, text, bytes, sizeof bytes);
    return keep(making, &making->names, text, ku__maker_text(&making->maker, bytes, size));
}

uint32_t ku__core_name_of_chars(ku__core_making *making, uintptr_t chars) {
    uint32_t found = ku__pointer_find(&making->names, chars);
    if (found != KU__POINTER_NONE) {
        return found;
    }
    size_t size;
    const char *text = ku__image_text(&making->image, chars, NAME_MOST, &size);
    return keep(making, &making->names, chars, ku__maker_text(&making->maker, text == NULL ? "" : text, size));
}

uint32_t ku__core_name_of_fixed(ku__core_making *making, const char *chars) {
    uint32_t found = ku__pointer_find(&making->fixed, (uintptr_t)chars);
    if (found != KU__POINTER_NONE) {
        return found;
    }
    return keep(making, &making->fixed, (uintptr_t)chars, ku__maker_text(&making->maker, chars, strlen(chars)));
}

/* ---- types ---- */

static uintptr_t word(ku__core_making *making, uintptr_t object, int32_t place) {
    return ku__image_word(&making->image, object + (uintptr_t)place);
}

static bool is_text(ku__core_making *making, uintptr_t object) {
    return object != 0 && (ku__type_flags_at(&making->image, word(making, object, KU__AT_TYPE)) & KU__FLAG_TEXT) != 0;
}

/* A static type's name has its module in front; one without is a builtin. */
static void make_static_type(ku__core_making *making, const ku__type *type) {
    size_t size;
    const char *name = ku__image_text(&making->image, word(making, type->address, KU__TYPE_NAME), NAME_MOST, &size);
    name = name == NULL ? "" : name;
    const char *dot = memrchr(name, '.', size);
    const char *rest = dot == NULL ? name : dot + 1;
    uint32_t module = dot == NULL ? ku__core_name_of_fixed(making, "builtins")
                                  : ku__maker_text(&making->maker, name, (size_t)(dot - name));
    ku__maker_type(&making->maker, module, ku__maker_text(&making->maker, rest, size - (size_t)(rest - name)), 0);
}

static void make_type(ku__core_making *making, const ku__type *type) {
    if ((type->flags & KU__FLAG_HEAP_TYPE) == 0) {
        make_static_type(making, type);
        return;
    }
    uintptr_t name = word(making, type->address, making->python.layout.heap_qualname);
    uintptr_t module =
        ku__python_value(&making->python, &making->image, word(making, type->address, KU__TYPE_DICT), "__module__");
    ku__maker_type(&making->maker, is_text(making, module) ? ku__core_name_of_text(making, module) : KU_GRAPH_NONE,
                   is_text(making, name) ? ku__core_name_of_text(making, name)
                                         : ku__core_name_of_chars(making, word(making, type->address, KU__TYPE_NAME)),
                   KU_NODE_TYPE_HEAP);
}

bool ku__core_make_types(ku__core_making *making) {
    for (int i = 0; i < KU__SYSTEM_TYPES; i++) {
        ku__maker_type(&making->maker, KU_GRAPH_NONE, ku__core_name_of_fixed(making, ku__system_names[i]),
                       KU_NODE_TYPE_SYSTEM);
    }
    making->first_type = KU__SYSTEM_TYPES;
    for (uint32_t i = 0; i < ku__core_type_count(&making->types); i++) {
        make_type(making, ku__core_type_at(&making->types, i));
    }
    return !making->maker.failed;
}

/* ---- labels ---- */

static uint32_t label_of_text(ku__core_making *making, uintptr_t name) {
    return is_text(making, name) ? ku__core_name_of_text(making, name) : KU_GRAPH_NONE;
}

static const ku__type *type_of(ku__core_making *making, uintptr_t object) {
    uint32_t number = ku__core_type_find(&making->types, word(making, object, KU__AT_TYPE));
    return number == KU__NO_TYPE ? NULL : ku__core_type_at(&making->types, number);
}

static uint32_t label_of_method(ku__core_making *making, uintptr_t object) {
    uintptr_t function = word(making, object, KU__HEADER);
    const ku__type *type = function == 0 ? NULL : type_of(making, function);
    return type != NULL && type->kind == KU__KIND_FUNCTION
               ? label_of_text(making, word(making, function, making->python.layout.function_qualname))
               : KU_GRAPH_NONE;
}

/* Where it has got to; its name alone when it is at its end. */
static uint32_t label_of_generator(ku__core_making *making, uintptr_t object) {
    const ku__layout *at = &making->python.layout;
    int8_t state = (int8_t)ku__image_u8(&making->image, object + (uintptr_t)at->generator_state);
    return state < at->generator_cleared ? ku__core_name_of_frame(making, object + (uintptr_t)at->generator_frame)
                                         : label_of_text(making, word(making, object, at->generator_qualname));
}

static uint32_t label_of_frame(ku__core_making *making, uintptr_t object) {
    enum { OWNER_C = 3 };
    uintptr_t frame = word(making, object, making->python.layout.frame_object_frame);
    uint8_t owner = ku__image_u8(&making->image, frame + (uintptr_t)making->python.layout.frame_owner);
    return frame != 0 && owner < OWNER_C ? ku__core_name_of_frame(making, frame) : KU_GRAPH_NONE;
}

static uint32_t label_of_tracked(ku__core_making *making, uintptr_t object, const ku__type *type) {
    switch (type->base) {
    case KU__KIND_MODULE:
        return label_of_text(making,
                             ku__python_value(&making->python, &making->image,
                                              word(making, object, making->python.layout.module_dict), "__name__"));
    case KU__KIND_METHOD: return label_of_method(making, object);
    case KU__KIND_C_FUNCTION: return ku__core_name_of_chars(making, word(making, word(making, object, KU__HEADER), 0));
    case KU__KIND_GENERATOR: return label_of_generator(making, object);
    case KU__KIND_FRAME: return label_of_frame(making, object);
    default: return KU_GRAPH_NONE;
    }
}

uint32_t ku__core_label(ku__core_making *making, uintptr_t object, const ku__type *type, bool tracked) {
    if (type->base == KU__KIND_FUNCTION) {
        return label_of_text(making, word(making, object, making->python.layout.function_qualname));
    }
    if (type->base == KU__KIND_CODE) {
        return label_of_text(making, word(making, object, making->python.layout.code_qualname));
    }
    if ((type->flags & KU__FLAG_TYPE) != 0) {
        return ku__core_name_of_chars(making, word(making, object, KU__TYPE_NAME));
    }
    return tracked ? label_of_tracked(making, object, type) : KU_GRAPH_NONE;
}

/* The table of lines of a code object: a bytes. */
static const uint8_t *lines_of(ku__core_making *making, uintptr_t code, size_t *size) {
    uintptr_t lines = word(making, code, making->python.layout.code_lines);
    int64_t bytes = ku__image_signed(&making->image, lines + KU__AT_SIZE);
    const uint8_t *table =
        bytes < 0 ? NULL
                  : ku__image_at(&making->image, lines + (uintptr_t)making->python.layout.bytes_data, (size_t)bytes);
    *size = table == NULL ? 0 : (size_t)bytes;
    return table;
}

uint32_t ku__core_name_of_frame(ku__core_making *making, uintptr_t frame) {
    const ku__layout *at = &making->python.layout;
    uintptr_t code = ku__untagged(&making->python, word(making, frame, at->frame_code));
    char function[NAME_MOST], file[NAME_MOST], text[2 * NAME_MOST + 32];
    size_t function_size = ku__python_text(&making->python, &making->image, word(making, code, at->code_qualname),
                                           function, sizeof function);
    size_t file_size =
        ku__python_text(&making->python, &making->image, word(making, code, at->code_file), file, sizeof file);
    size_t size;
    const uint8_t *lines = lines_of(making, code, &size);
    int64_t offset = (int64_t)(word(making, frame, at->frame_instruction) - (code + (uintptr_t)at->code_instructions));
    int32_t first = (int32_t)ku__image_u32(&making->image, code + (uintptr_t)at->code_first_line);
    int32_t line = ku_line_of(lines, size, first, offset > 0 && offset < INT32_MAX ? (uint32_t)offset : 0);
    int used =
        snprintf(text, sizeof text, "%.*s at %.*s:%d", (int)function_size, function, (int)file_size, file, (int)line);
    return ku__maker_text(&making->maker, text, used > 0 ? (size_t)used : 0);
}
