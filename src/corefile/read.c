/* read.c: see read.h: the rules of exact builtin types, and sizes.
 *
 * Sources: those of cpython/graph_read.c.
 */
#include "corefile/read.h"

/* Dicts of more entries than this keep their keys unnamed, as in the live graph. */
enum { NAMED_ENTRIES_MOST = 4096 };

void ku__core_tell(ku__core_reading *reading, const ku__reference *reference) {
    if (reference->target != 0 && reading->told < reading->most) {
        reading->told++;
        reading->telling.see(reading->telling.argument, reference);
    }
}

void ku__core_own(ku__core_reading *reading, uintptr_t block, size_t size, ku__buffer_kind kind) {
    if (block != 0) {
        reading->telling.own(reading->telling.argument, block, size, kind);
    }
}

static void tell(ku__core_reading *reading, uintptr_t target, uint32_t kind, uint32_t number) {
    ku__core_tell(reading, &(ku__reference){.target = target, .kind = kind, .number = number, .counted = true});
}

static void tell_type(ku__core_reading *reading, const ku__type *type) {
    if ((type->flags & KU__FLAG_HEAP_TYPE) != 0) {
        tell(reading, type->address, KU_EDGE_TYPE, 0);
    }
}

/* ---- containers ---- */

static void tell_items(ku__core_reading *reading, uintptr_t items, uint64_t count) {
    const uintptr_t *words = ku__image_words(reading->image, items, count);
    for (uint64_t i = 0; words != NULL && i < count; i++) {
        tell(reading, words[i], KU_EDGE_ITEM, (uint32_t)i);
    }
}

void ku__core_read_list(ku__core_reading *reading, uintptr_t object) {
    const uintptr_t *words = ku__image_words(reading->image, object, 5);
    if (words != NULL) {
        ku__core_own(reading, words[3], words[4] * sizeof(uintptr_t), KU__BUFFER_ITEMS);
        tell_items(reading, words[3], words[2]);
    }
}

void ku__core_read_tuple(ku__core_reading *reading, uintptr_t object) {
    tell_items(reading, object + (uintptr_t)reading->python->layout.tuple_items,
               ku__image_word(reading->image, object + KU__AT_SIZE));
}

void ku__core_read_set(ku__core_reading *reading, uintptr_t object) {
    const ku__layout *at = &reading->python->layout;
    uint64_t mask = ku__image_word(reading->image, object + (uintptr_t)at->set_mask);
    uintptr_t table = ku__image_word(reading->image, object + (uintptr_t)at->set_table);
    if (mask > UINT32_MAX) {
        return;
    }
    if (table != object + (uintptr_t)at->set_small) {
        ku__core_own(reading, table, (mask + 1) * 2 * sizeof(uintptr_t), KU__BUFFER_SET);
    }
    const uintptr_t *entries = ku__image_words(reading->image, table, (mask + 1) * 2);
    uint32_t number = 0;
    for (uint64_t i = 0; entries != NULL && i <= mask; i++) {
        if (entries[2 * i] != 0 && entries[2 * i + 1] != UINTPTR_MAX) { /* a dummy's hash is -1 */
            tell(reading, entries[2 * i], KU_EDGE_KEY, number++);
        }
    }
}

static bool is_interned(ku__core_reading *reading, uintptr_t text) {
    const ku__layout *at = &reading->python->layout;
    return (ku__image_u32(reading->image, text + (uintptr_t)at->text_state) & (uint32_t)at->text_interned) != 0;
}

static bool keys_are_names(ku__core_reading *reading, const ku__key_table *table) {
    if (table->general || table->used > NAMED_ENTRIES_MOST) {
        return false;
    }
    for (size_t i = 0; i < table->used; i++) {
        uintptr_t key = ku__key_of(table, i);
        if (key != 0 && ku__value_of(table, i) != 0 && !is_interned(reading, key)) {
            return false;
        }
    }
    return true;
}

static void read_combined(ku__core_reading *reading, const ku__key_table *table) {
    bool named = reading->telling.named && keys_are_names(reading, table);
    uint32_t number = 0;
    for (size_t i = 0; i < table->used; i++) {
        uintptr_t key = ku__key_of(table, i), value = ku__value_of(table, i);
        if (key == 0 || value == 0) {
            continue;
        }
        tell(reading, key, KU_EDGE_KEY, number);
        ku__core_tell(reading, &(ku__reference){.target = value,
                                                .kind = KU_EDGE_VALUE,
                                                .number = named ? 0 : number,
                                                .string = named ? key : 0,
                                                .counted = true});
        number++;
    }
}

ku__core_values ku__core_values_at(ku__core_reading *reading, uintptr_t values, const ku__key_table *keys) {
    const ku__layout *at = &reading->python->layout;
    ku__core_values view = {.count = keys->used};
    if (at->values_capacity != KU__ABSENT) {
        size_t capacity = ku__image_u8(reading->image, values + (uintptr_t)at->values_capacity);
        bool embedded = ku__image_u8(reading->image, values + (uintptr_t)at->values_embedded) != 0;
        view.count = view.count < capacity ? view.count : capacity;
        view.block = embedded ? 0 : values;
        view.bytes = sizeof(uintptr_t) * (1 + capacity + (capacity + sizeof(uintptr_t) - 1) / sizeof(uintptr_t));
    } else {
        size_t prefix = ku__image_u8(reading->image, values - 1);
        view.block = values - prefix;
        view.bytes = prefix + keys->room * sizeof(uintptr_t);
    }
    view.items = ku__image_words(reading->image, values + (uintptr_t)at->values_items, view.count);
    return view;
}

bool ku__core_dict_holds(const ku__python *python) {
    enum { DICT_FIRST = 0x030D05F0 };
    return python->version >= DICT_FIRST;
}

static void read_split(ku__core_reading *reading, uintptr_t values, const ku__key_table *keys) {
    ku__core_values view = ku__core_values_at(reading, values, keys);
    if (view.block == 0 && !ku__core_dict_holds(reading->python)) {
        return; /* they lie in an instance, which holds them */
    }
    ku__core_own(reading, view.block, view.bytes, KU__BUFFER_VALUES);
    for (size_t i = 0; view.items != NULL && i < view.count; i++) {
        ku__core_tell(reading, &(ku__reference){.target = view.items[i],
                                                .kind = KU_EDGE_VALUE,
                                                .string = ku__key_of(keys, i),
                                                .counted = true});
    }
}

void ku__core_read_dict(ku__core_reading *reading, uintptr_t object) {
    const ku__layout *at = &reading->python->layout;
    uintptr_t values = ku__image_word(reading->image, object + (uintptr_t)at->dict_values);
    uintptr_t keys = ku__image_word(reading->image, object + (uintptr_t)at->dict_keys);
    ku__key_table table = ku__key_table_at(reading->python, reading->image, keys);
    if (table.room != 0) { /* all dicts that were never filled share one table, which is nobody's */
        ku__core_own(reading, table.address, table.bytes, KU__BUFFER_KEYS);
    }
    if (values == 0) {
        read_combined(reading, &table);
    } else {
        read_split(reading, values, &table);
    }
}

/* ---- others that hold by lay-out alone ---- */

static void read_text(ku__core_reading *reading, uintptr_t object) {
    const ku__layout *at = &reading->python->layout;
    uint32_t state = ku__image_u32(reading->image, object + (uintptr_t)at->text_state);
    bool compact = (state >> at->text_compact & 1) != 0, ascii = (state >> at->text_ascii & 1) != 0;
    if (!compact) {
        ku__core_own(reading, ku__image_word(reading->image, object + (uintptr_t)at->text_data), 0, KU__BUFFER_TEXT);
    }
    if (!compact || !ascii) {
        uint64_t length = ku__image_word(reading->image, object + (uintptr_t)at->text_utf8_length);
        ku__core_own(reading, ku__image_word(reading->image, object + (uintptr_t)at->text_utf8), length + 1,
                     KU__BUFFER_TEXT);
    }
}

static void read_bytearray(ku__core_reading *reading, uintptr_t object) {
    const ku__layout *at = &reading->python->layout;
    if (at->bytearray_object != KU__ABSENT) {
        ku__core_field(reading, object + (uintptr_t)at->bytearray_object, KU_EDGE_SLOT, "contents");
        return;
    }
    ku__core_own(reading, ku__image_word(reading->image, object + (uintptr_t)at->bytearray_bytes),
                 ku__image_word(reading->image, object + (uintptr_t)at->bytearray_alloc), KU__BUFFER_BYTES);
}

static void read_code(ku__core_reading *reading, uintptr_t object) {
    const ku__layout *at = &reading->python->layout;
    const struct {
        int32_t place;
        const char *name;
    } fields[] = {
        {at->code_constants, "co_consts"},
        {at->code_names, "co_names"},
        {at->code_exceptions, "co_exceptiontable"},
        {at->code_variables, "co_localsplusnames"},
        {at->code_kinds, "co_localspluskinds"},
        {at->code_file, "co_filename"},
        {at->code_name, "co_name"},
        {at->code_qualname, "co_qualname"},
        {at->code_lines, "co_linetable"},
    };
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        ku__core_field(reading, object + (uintptr_t)fields[i].place, KU_EDGE_SLOT, fields[i].name);
    }
}

static void read_range(ku__core_reading *reading, uintptr_t object) {
    static const char *const names[] = {"start", "stop", "step", "length"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        ku__core_field(reading, object + KU__HEADER + i * sizeof(uintptr_t), KU_EDGE_SLOT, names[i]);
    }
}

static void read_static_type(ku__core_reading *reading, uintptr_t object) {
    ku__core_field(reading, object + KU__TYPE_DICT, KU_EDGE_SLOT, "__dict__");
    ku__core_field(reading, object + KU__TYPE_BASES, KU_EDGE_SLOT, "__bases__");
    ku__core_field(reading, object + KU__TYPE_MRO, KU_EDGE_SLOT, "__mro__");
    ku__core_field(reading, object + KU__TYPE_BASE, KU_EDGE_SLOT, "__base__");
}

static void read_exact(ku__core_reading *reading, uintptr_t object, unsigned kind) {
    switch (kind) {
    case KU__KIND_TEXT: read_text(reading, object); break;
    case KU__KIND_LIST: ku__core_read_list(reading, object); break;
    case KU__KIND_TUPLE: ku__core_read_tuple(reading, object); break;
    case KU__KIND_DICT: ku__core_read_dict(reading, object); break;
    case KU__KIND_SET: ku__core_read_set(reading, object); break;
    case KU__KIND_CODE: read_code(reading, object); break;
    case KU__KIND_BYTEARRAY: read_bytearray(reading, object); break;
    case KU__KIND_RANGE: read_range(reading, object); break;
    default: break;
    }
}

bool ku__core_read(ku__core_reading *reading, uintptr_t object, uint32_t number, bool tracked) {
    const ku__type *type = ku__core_type_at(reading->types, number);
    if (type->kind != KU__KIND_OTHER && type->kind < KU__KIND_EXACT) {
        read_exact(reading, object, type->kind);
        return true;
    }
    if ((type->flags & KU__FLAG_TYPE) != 0 && (ku__type_flags_at(reading->image, object) & KU__FLAG_HEAP_TYPE) == 0) {
        read_static_type(reading, object);
        return true;
    }
    if (tracked) {
        ku__core_read_generic(reading, object, type);
        return type->is_sure;
    }
    tell_type(reading, type);
    return (type->flags & KU__FLAG_TRACKED) == 0;
}

/* ---- sizes ---- */

static uint64_t text_bytes(ku__core_reading *reading, uintptr_t object) {
    const ku__layout *at = &reading->python->layout;
    uint32_t state = ku__image_u32(reading->image, object + (uintptr_t)at->text_state);
    uint64_t length = ku__image_word(reading->image, object + (uintptr_t)at->text_length) + 1;
    if ((state >> at->text_compact & 1) == 0) {
        return (uint64_t)at->text_bytes;
    }
    return (state >> at->text_ascii & 1) != 0 ? (uint64_t)at->text_latin + length
                                              : (uint64_t)at->text_wide + length * (state >> at->text_kind & 7);
}

static uint64_t item_count(ku__core_reading *reading, uintptr_t object, const ku__type *type) {
    enum { LONG = 1 << 24 }; /* Py_TPFLAGS_LONG_SUBCLASS */
    const ku__layout *at = &reading->python->layout;
    if ((type->flags & LONG) != 0 && at->long_shift != 0) {
        return ku__image_word(reading->image, object + (uintptr_t)at->long_size) >> at->long_shift;
    }
    int64_t size = ku__image_signed(reading->image, object + KU__AT_SIZE);
    return (uint64_t)(size < 0 ? -size : size);
}

uint64_t ku__core_bytes(ku__core_reading *reading, uintptr_t object, const ku__type *type) {
    if (type->kind == KU__KIND_TEXT) {
        return text_bytes(reading, object);
    }
    uint64_t bytes = type->front + type->basic;
    if (type->item > 0 && type->base != KU__KIND_GENERATOR && type->base != KU__KIND_FRAME) {
        bytes += item_count(reading, object, type) * type->item;
    }
    if (reading->python->layout.values_capacity != KU__ABSENT && (type->flags & KU__FLAG_INLINE_VALUES) != 0) {
        static const ku__key_table none;
        bytes += ku__core_values_at(reading, object + type->basic, &none).bytes;
    }
    return bytes;
}
