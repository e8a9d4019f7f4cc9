/* graph_types.c: the types of native objects, for a graph: what reading their instances needs, read once. See
 * graph_making.h.
 *
 * Memory beside an object gets a type of its own for each field that leads to some: "<items of list>", "<source of
 * script>".
 */
#include "isolate/graph_making.h"

#include "object/object.h"
#include "os/pages.h"

#include <stdio.h>

enum { TEXT_MOST = 4096, FIELDS_MOST = 4096, ORDER_MOST = 4096 };

/* ---- texts ---- */

uint32_t ku__native_text_fixed(ku__native_making *making, const char *characters) {
    return ku__maker_text(&making->maker, characters, strlen(characters));
}

/* Texts are asked for again and again by their addresses. */
static uint32_t keep_text(ku__native_making *making, uintptr_t address, const char *bytes, size_t size) {
    uint32_t known = ku__pointer_find(&making->texts, address);
    if (known == KU__POINTER_NONE) {
        known = ku__maker_text(&making->maker, bytes, size);
        ku__pointer_add(&making->texts, address, known);
    }
    return known;
}

uint32_t ku__native_text(ku__native_making *making, uintptr_t characters) {
    size_t size;
    const char *text = ku__memory_text(making->memory, characters, TEXT_MOST, &size);
    return text == NULL ? KU_GRAPH_NONE : keep_text(making, characters, text, size);
}

uint32_t ku__native_text_of_str(ku__native_making *making, uintptr_t object) {
    const ku__native_layout *at = &making->order->layout;
    size_t size = ku__native_word(making, object + at->str_size);
    size = size < TEXT_MOST ? size : TEXT_MOST;
    const char *text = ku__memory_at(making->memory, object + at->str_text, size);
    return text == NULL ? KU_GRAPH_NONE : keep_text(making, object + at->str_text, text, size);
}

static const char *name_of(ku__native_making *making, uintptr_t characters, size_t *size) {
    const char *text = ku__memory_text(making->memory, characters, TEXT_MOST, size);
    *size = text != NULL ? *size : 1;
    return text != NULL ? text : "?";
}

/* ---- types of what is no object ---- */

void ku__native_make_system_types(ku__native_making *making) {
    static const char *const names[KU__NATIVE_SYSTEM] = {[KU__NATIVE_ROOT] = "<root>",
                                                         [KU__NATIVE_PLACE] = "<place>",
                                                         [KU__NATIVE_FRAME] = "<frame>",
                                                         [KU__NATIVE_BUFFER] = "<buffer>",
                                                         [KU__NATIVE_BLOCK] = "<block>"};
    for (int i = 0; i < KU__NATIVE_SYSTEM; i++) {
        ku__maker_type(&making->maker, KU_GRAPH_NONE, ku__native_text_fixed(making, names[i]), KU_NODE_TYPE_SYSTEM);
    }
}

static uint32_t buffer_type(ku__native_making *making, uintptr_t what, const char *fixed, uintptr_t owner) {
    char text[256];
    size_t what_size = fixed != NULL ? strlen(fixed) : 0, owner_size;
    const char *name = fixed != NULL ? fixed : name_of(making, what, &what_size);
    const char *of = name_of(making, owner, &owner_size);
    int size = snprintf(text, sizeof text, "<%.*s of %.*s>", what_size < 100 ? (int)what_size : 100, name,
                        owner_size < 100 ? (int)owner_size : 100, of);
    return ku__maker_type(&making->maker, KU_GRAPH_NONE, ku__maker_text(&making->maker, text, (size_t)size),
                          KU_NODE_TYPE_SYSTEM);
}

/* ---- fields ---- */

static bool leads_to_memory(uint8_t kind) {
    return kind == KU_FIELD_ITEMS || kind == KU_FIELD_TAIL || kind == KU_FIELD_BUFFER;
}

static bool is_read(uint8_t kind) {
    return kind == KU_FIELD_OWNED || kind == KU_FIELD_WEAK || leads_to_memory(kind);
}

static void add_field(ku__native_making *making, ku__native_type *type, uintptr_t field, uintptr_t type_name) {
    const ku__native_layout *at = &making->order->layout;
    uint8_t kind = ku__memory_u8(making->memory, field + at->field_kind);
    uintptr_t name = ku__native_word(making, field + at->field_name);
    ku__native_field *room = is_read(kind) ? ku__growing_push(&making->fields, sizeof *room) : NULL;
    if (room == NULL) {
        return;
    }
    bool is_hidden = (ku__memory_u8(making->memory, field + at->field_flags) & KU_FIELD_HIDDEN) != 0;
    *room =
        (ku__native_field){.text = ku__native_text(making, name),
                           .buffer = leads_to_memory(kind) ? buffer_type(making, name, NULL, type_name) : KU_GRAPH_NONE,
                           .offset = ku__memory_u16(making->memory, field + at->field_offset),
                           .length = ku__memory_u16(making->memory, field + at->field_length),
                           .kind = kind,
                           .edge_kind = is_hidden ? KU_EDGE_SLOT : KU_EDGE_ATTRIBUTE};
    type->fields++;
}

static void add_fields(ku__native_making *making, ku__native_type *type, uintptr_t type_name) {
    const ku__native_layout *at = &making->order->layout;
    uintptr_t fields = ku__native_word(making, type->address + at->type_fields);
    uint32_t count = ku__memory_u32(making->memory, type->address + at->type_field_count);
    type->first_field = (uint32_t)KU__GROWING_COUNT(&making->fields, ku__native_field);
    for (uint32_t i = 0; fields != 0 && i < count && i < FIELDS_MOST; i++) {
        add_field(making, type, fields + (uintptr_t)i * at->field_bytes, type_name);
    }
}

/* ---- types ---- */

static ku__native_rule rule_of_builtin(uint32_t number) {
    switch (number) {
    case KU_BUILTIN_INT: return KU__RULE_INT;
    case KU_BUILTIN_STR: return KU__RULE_STR;
    case KU_BUILTIN_BYTES: return KU__RULE_BYTES;
    case KU_BUILTIN_LIST: return KU__RULE_LIST;
    case KU_BUILTIN_DICT: return KU__RULE_DICT;
    case KU_BUILTIN_SET: return KU__RULE_SET;
    case KU_BUILTIN_TYPE: return KU__RULE_CLASS;
    case KU_BUILTIN_FUNCTION:
    case KU_BUILTIN_NAMESPACE: return KU__RULE_NAMED;
    default: return KU__RULE_FIELDS;
    }
}

/* Of the nearest type above that has a rule. */
static ku__native_rule rule_of(ku__native_making *making, uintptr_t type) {
    const ku__native_layout *at = &making->order->layout;
    uint32_t count = ku__memory_u32(making->memory, type + at->type_order_count);
    count = count < ORDER_MOST ? count : ORDER_MOST;
    const uintptr_t *order = ku__memory_words(making->memory, ku__native_word(making, type + at->type_order), count);
    ku__native_rule rule = KU__RULE_FIELDS;
    for (uint32_t i = 0; order != NULL && i < count && rule == KU__RULE_FIELDS; i++) {
        rule = order[i] == 0 ? KU__RULE_FIELDS
                             : rule_of_builtin(ku__memory_u32(making->memory, order[i] + at->type_number));
    }
    return rule;
}

static ku__native_type describe(ku__native_making *making, uintptr_t map, uintptr_t address, uint32_t number) {
    const ku__native_layout *at = &making->order->layout;
    ku__native_type type = {.address = address, .number = number, .rule = (uint8_t)rule_of(making, address)};
    type.map_flags = ku__memory_u8(making->memory, map + at->map_flags);
    type.dict_word = ku__memory_u8(making->memory, map + at->map_dict_word);
    type.size = ku__memory_u16(making->memory, map + at->map_size);
    type.traverse = ku__native_word(making, map + at->map_traverse);
    bool run_time = (type.map_flags & KU__MAP_RUN_TIME) != 0;
    type.object = run_time ? ku__native_word(making, address + at->type_object) : 0;
    uintptr_t name = ku__native_word(making, address + at->type_name);
    uint32_t text = ku__native_text(making, name);
    type.type =
        ku__maker_type(&making->maker, KU_GRAPH_NONE, text == KU_GRAPH_NONE ? ku__native_text_fixed(making, "?") : text,
                       run_time ? KU_NODE_TYPE_HEAP : 0);
    type.shared = (type.map_flags & KU__MAP_DICT) != 0 ? buffer_type(making, 0, "attributes", name) : KU_GRAPH_NONE;
    add_fields(making, &type, name);
    return type;
}

const ku__native_type *ku__native_type_of(ku__native_making *making, uint32_t number) {
    if (number == 0 || number >= KU_TYPES_MAX) {
        return NULL;
    }
    if (making->by_number[number] == 0) {
        const ku__native_layout *at = &making->order->layout;
        uintptr_t maps = ku__native_word(making, (uintptr_t)at->maps);
        uintptr_t map = maps == 0 ? 0 : maps + (uintptr_t)number * at->map_bytes;
        uintptr_t address = ku__native_member(making, map, at->map_type);
        if (address == 0 || ku__memory_u32(making->memory, address + at->type_number) != number) {
            return NULL;
        }
        const ku__native_type made = describe(making, map, address, number);
        ku__native_type *room = ku__growing_push(&making->types, sizeof *room);
        if (room == NULL) {
            return NULL;
        }
        *room = made;
        making->by_number[number] = (uint32_t)KU__GROWING_COUNT(&making->types, ku__native_type);
    }
    return KU__GROWING_ITEMS(&making->types, ku__native_type) + making->by_number[number] - 1;
}
