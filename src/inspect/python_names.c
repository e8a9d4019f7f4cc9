/* python_names.c: texts and types of a Python heap's graph. See python_make.h. */
#include "inspect/python_make.h"

#include <kucha/group.h>
#include <stdio.h>

static uint32_t keep(ku__making *making, ku__pointer_map *map, uintptr_t address, uint32_t text) {
    if (address != 0 && !ku__pointer_add(map, address, text)) {
        return ku__maker_fail(&making->maker, KU_NO_MEMORY, "no memory for the names of a heap's graph");
    }
    return text;
}

uint32_t ku__name_of_text(ku__making *making, uintptr_t text) {
    uint32_t found = ku__pointer_find(&making->names, text);
    if (found != KU__POINTER_NONE) {
        return found;
    }
    char bytes[KU__NAME_MOST];
    size_t size = making->rules->text(making, text, bytes, sizeof bytes);
    return keep(making, &making->names, text, ku__maker_text(&making->maker, bytes, size));
}

uint32_t ku__name_of_chars(ku__making *making, uintptr_t chars) {
    uint32_t found = ku__pointer_find(&making->names, chars);
    if (found != KU__POINTER_NONE) {
        return found;
    }
    size_t size;
    const char *text = ku__memory_text(making->memory, chars, KU__NAME_MOST, &size);
    return keep(making, &making->names, chars, ku__maker_text(&making->maker, text == NULL ? "" : text, size));
}

uint32_t ku__name_of_fixed(ku__making *making, const char *chars) {
    uint32_t found = ku__pointer_find(&making->fixed, (uintptr_t)chars);
    if (found != KU__POINTER_NONE) {
        return found;
    }
    return keep(making, &making->fixed, (uintptr_t)chars, ku__maker_text(&making->maker, chars, strlen(chars)));
}

uint32_t ku__name_of_frame(ku__making *making, uintptr_t frame) {
    ku__frame_place place = making->rules->place(making, frame);
    char function[KU__NAME_MOST], file[KU__NAME_MOST], text[2 * KU__NAME_MOST + 32];
    size_t function_size = making->rules->text(making, place.function, function, sizeof function);
    size_t file_size = making->rules->text(making, place.file, file, sizeof file);
    uint32_t offset = place.offset > 0 && place.offset < INT32_MAX ? (uint32_t)place.offset : 0;
    int32_t line = ku_line_of(place.lines, place.line_bytes, place.first_line, offset);
    int used =
        snprintf(text, sizeof text, "%.*s at %.*s:%d", (int)function_size, function, (int)file_size, file, (int)line);
    return ku__maker_text(&making->maker, text, used > 0 ? (size_t)used : 0);
}

/* ---- types ---- */

/* A static type's name has its module in front; one without is a builtin. */
static void make_static_type(ku__making *making, uintptr_t chars) {
    size_t size;
    const char *name = ku__memory_text(making->memory, chars, KU__NAME_MOST, &size);
    name = name == NULL ? "" : name;
    const char *dot = memrchr(name, '.', size);
    const char *rest = dot == NULL ? name : dot + 1;
    uint32_t module = dot == NULL ? ku__name_of_fixed(making, "builtins")
                                  : ku__maker_text(&making->maker, name, (size_t)(dot - name));
    ku__maker_type(&making->maker, module, ku__maker_text(&making->maker, rest, size - (size_t)(rest - name)), 0);
}

static void make_type(ku__making *making, uint32_t number) {
    ku__type_words words = making->rules->words_of_type(making, number);
    if (!words.is_heap) {
        make_static_type(making, words.chars);
        return;
    }
    uint32_t module = words.module != 0 ? ku__name_of_text(making, words.module) : KU_GRAPH_NONE;
    uint32_t name = words.name != 0 ? ku__name_of_text(making, words.name) : ku__name_of_chars(making, words.chars);
    ku__maker_type(&making->maker, module, name, KU_NODE_TYPE_HEAP);
}

bool ku__make_types(ku__making *making) {
    for (int i = 0; i < KU__SYSTEM_TYPES; i++) {
        ku__maker_type(&making->maker, KU_GRAPH_NONE, ku__name_of_fixed(making, ku__system_names[i]),
                       KU_NODE_TYPE_SYSTEM);
    }
    making->first_type = KU__SYSTEM_TYPES;
    for (uint32_t i = 0; i < ku__type_table_count(making->types); i++) {
        make_type(making, i);
    }
    return !making->maker.failed;
}

/* ---- characters ---- */

/* One character in UTF-8 at `out`, four bytes at most. */
static size_t put_character(uint32_t character, char *out) {
    if (character < 0x80) {
        out[0] = (char)character;
        return 1;
    }
    size_t more = character < 0x800 ? 1 : character < 0x10000 ? 2 : 3;
    static const unsigned char lead[] = {0, 0xC0, 0xE0, 0xF0};
    out[0] = (char)(lead[more] | (character >> (6 * more) & 0x1f)); /* a damaged core may have larger ones */
    for (size_t i = 1; i <= more; i++) {
        out[i] = (char)(0x80 | (character >> (6 * (more - i)) & 0x3f));
    }
    return more + 1;
}

size_t ku__python_utf8(const void *characters, unsigned kind, size_t count, char *out, size_t size) {
    enum { LONGEST = 4 };
    size_t used = 0;
    for (size_t i = 0; i < count && used + LONGEST <= size; i++) {
        uint32_t character = 0;
        memcpy(&character, (const char *)characters + i * kind, kind);
        used += put_character(character, out + used);
    }
    return used;
}
