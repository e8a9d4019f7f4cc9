/* graph_read.c: what a native object holds, by the fields of its type. See graph_making.h.
 *
 * Fields say everything of most objects. Beyond them are known: attributes beside an instance (object/object.h,
 * ku__shared), tables of dicts and sets (object/table.h), and what a type object holds. The `traverse` hook of a
 * program's type can be called in the process alone that it belongs to; in a core an object of such a type is opaque.
 */
#include "isolate/graph_making.h"

#include "object/object.h"

enum {
    WORD = sizeof(uintptr_t),
    NAMED_ENTRIES_MOST = 4096, /* of a dict whose keys are names: each such dict may be a shape of its own */
    OBJECT_KIND = 4,           /* where `kind` lies in an object */
};

/* ---- telling ---- */

const uintptr_t *ku__native_array(ku__native_making *making, uintptr_t address, size_t count) {
    uint64_t left = making->order->words - making->told;
    making->told = count < left ? making->told + count : making->order->words;
    return address == 0 || count >= left ? NULL : ku__memory_words(making->memory, address, count);
}

void ku__native_edge(ku__native_making *making, uintptr_t target, uint32_t kind, uint32_t text, uint32_t number) {
    uint32_t node = ku__native_node(making, target);
    if (node != KU_GRAPH_NONE) {
        making->known[node]++;
        ku__maker_edge(&making->maker, node, kind, text, number);
    }
}

static void tell(ku__native_making *making, uintptr_t target, uint32_t kind, uint32_t text, uint32_t number) {
    if (making->adding) {
        ku__native_edge(making, target, kind, text, number);
    }
}

/* Memory that the object owns. Before edges are added, its block is noted to be what `type` says. */
static void own(ku__native_making *making, uintptr_t memory, uint32_t type) {
    uint32_t slot = memory == 0 ? KU__NO_SLOT : ku__blocks_find(&making->blocks, memory);
    if (slot == KU__NO_SLOT) {
        return;
    }
    uint32_t *node = ku__blocks_node(&making->blocks, slot);
    if (making->adding && *node != KU_GRAPH_NONE) {
        making->known[*node]++;
        ku__maker_edge(&making->maker, *node, KU_EDGE_BUFFER, KU_GRAPH_NONE, 0);
    } else if (!making->adding) {
        *node = type + 1;
    }
}

static void tell_items(ku__native_making *making, uintptr_t items, size_t count) {
    const uintptr_t *all = making->adding ? ku__native_array(making, items, count) : NULL;
    for (size_t i = 0; all != NULL && i < count; i++) {
        tell(making, all[i], KU_EDGE_ITEM, KU_GRAPH_NONE, (uint32_t)i);
    }
}

/* ---- dicts ---- */

static bool is_name(ku__native_making *making, uintptr_t key) {
    uint32_t kind = key == 0 ? 0 : ku__memory_u32(making->memory, key + OBJECT_KIND);
    return (kind & (KU__INTERNED | KU_TYPE_NUMBER_MASK)) == (KU__INTERNED | KU_BUILTIN_STR);
}

static bool are_names(ku__native_making *making, const uintptr_t *entries, size_t count) {
    for (size_t i = 0; i < count; i++) {
        if (entries[2 * i] != 0 && !is_name(making, entries[2 * i])) {
            return false;
        }
    }
    return count <= NAMED_ENTRIES_MOST;
}

/* `used` references: key and value in turn; NULL where an entry was taken out. */
static void tell_entries(ku__native_making *making, uintptr_t items, size_t used) {
    const uintptr_t *entries = making->adding ? ku__native_array(making, items, used) : NULL;
    size_t count = used / 2;
    bool named = entries != NULL && are_names(making, entries, count);
    uint32_t number = 0;
    for (size_t i = 0; entries != NULL && i < count; i++) {
        uintptr_t key = entries[2 * i], value = entries[2 * i + 1];
        if (key == 0) {
            continue;
        }
        tell(making, key, KU_EDGE_KEY, KU_GRAPH_NONE, number);
        tell(making, value, KU_EDGE_VALUE, named ? ku__native_text_of_str(making, key) : KU_GRAPH_NONE,
             named ? 0 : number);
        number++;
    }
}

/* ---- fields ---- */

static void read_array(ku__native_making *making, uintptr_t object, const ku__native_type *type,
                       const ku__native_field *field) {
    size_t length = ku__native_word(making, object + field->length);
    uintptr_t items = object + field->offset;
    if (field->kind == KU_FIELD_ITEMS || length > (KU_OBJECT_MAX - field->offset) / sizeof(uintptr_t)) {
        items = ku__native_word(making, items);
        own(making, items, field->buffer);
    }
    if (items == 0) {
        return;
    }
    if (type->rule == KU__RULE_DICT) {
        tell_entries(making, items, length);
    } else {
        tell_items(making, items, length);
    }
}

static void read_field(ku__native_making *making, uintptr_t object, const ku__native_type *type,
                       const ku__native_field *field) {
    switch (field->kind) {
    case KU_FIELD_OWNED:
    case KU_FIELD_WEAK:
        tell(making, ku__native_word(making, object + field->offset), field->edge_kind, field->text, 0);
        break;
    case KU_FIELD_BUFFER: own(making, ku__native_word(making, object + field->offset), field->buffer); break;
    default: read_array(making, object, type, field); break;
    }
}

/* ---- attributes beside an instance ---- */

/* The type object of a type: of a static one, the isolate's own. */
static uintptr_t class_of(ku__native_making *making, const ku__native_type *type, const ku__block *block) {
    enum { HEAPS = 3 };
    const ku__native_layout *at = &making->order->layout;
    if (type->object != 0) {
        return type->object;
    }
    size_t count;
    const ku__native_isolate *isolates = ku__native_isolates(making, &count);
    uintptr_t classes = ku__native_word(making, isolates[block->heap / HEAPS].address + at->isolate_classes);
    uintptr_t table = ku__native_member(making, classes, at->classes_by_number);
    uint32_t capacity = classes == 0 ? 0 : ku__memory_u32(making->memory, classes + at->classes_capacity);
    return table == 0 || type->number >= capacity ? 0 : ku__native_word(making, table + (uintptr_t)type->number * WORD);
}

static void read_shared(ku__native_making *making, uintptr_t shared, const ku__native_type *type,
                        const ku__block *block) {
    const ku__native_layout *at = &making->order->layout;
    own(making, shared, type->shared);
    if (!making->adding) {
        return;
    }
    uintptr_t class = class_of(making, type, block);
    uintptr_t names = ku__native_member(making, class, at->class_names);
    size_t named = ku__native_member(making, class, at->class_name_count);
    size_t capacity = ku__memory_u8(making->memory, shared);
    uintptr_t values = shared + ((2 + capacity + WORD - 1) & ~(size_t)(WORD - 1));
    for (size_t i = 0; i < capacity; i++) {
        uintptr_t value = ku__native_word(making, values + i * WORD);
        uintptr_t name = value == 0 || i >= named || names == 0 ? 0 : ku__native_word(making, names + i * WORD);
        tell(making, value, KU_EDGE_ATTRIBUTE,
             name != 0 ? ku__native_text_of_str(making, name) : ku__native_text_fixed(making, "?"), 0);
    }
}

static void read_attributes(ku__native_making *making, uintptr_t object, const ku__native_type *type,
                            const ku__block *block) {
    uintptr_t word = ku__native_word(making, object + (uintptr_t)type->dict_word * WORD);
    if ((word & 1) != 0) {
        tell(making, word - 1, KU_EDGE_SLOT, ku__native_text_fixed(making, "__dict__"), 0);
    } else if (word != 0) {
        read_shared(making, word, type, block);
    }
}

/* ---- type objects ---- */

static void read_lookup(ku__native_making *making, uintptr_t lookup) {
    enum { PLACES_MOST = 1 << 24 };
    const ku__native_layout *at = &making->order->layout;
    own(making, lookup, KU__NATIVE_BUFFER);
    uint32_t mask = ku__memory_u32(making->memory, lookup + at->lookup_mask);
    for (uint32_t i = 0; making->adding && i <= mask && mask < PLACES_MOST; i++) {
        uintptr_t entry = lookup + at->lookup_entries + (uintptr_t)i * at->entry_bytes;
        tell(making, ku__native_word(making, entry + at->entry_name), KU_EDGE_SLOT,
             ku__native_text_fixed(making, "name looked up"), 0);
    }
}

static void read_bases(ku__native_making *making, uintptr_t type) {
    enum { BASES_MOST = 4096 };
    const ku__native_layout *at = &making->order->layout;
    uint32_t count = ku__memory_u32(making->memory, type + at->type_base_count);
    count = count < BASES_MOST ? count : BASES_MOST;
    const uintptr_t *bases = ku__native_array(making, ku__native_word(making, type + at->type_bases), count);
    for (uint32_t i = 0; bases != NULL && i < count; i++) {
        tell(making, ku__native_member(making, bases[i], at->type_object), KU_EDGE_SLOT,
             ku__native_text_fixed(making, "base"), 0);
    }
}

static void read_class(ku__native_making *making, uintptr_t object) {
    enum { NAMES_MOST = 4096 };
    const ku__native_layout *at = &making->order->layout;
    uintptr_t type = ku__native_word(making, object + at->class_type);
    uintptr_t names = ku__native_word(making, object + at->class_names);
    size_t count = ku__native_word(making, object + at->class_name_count);
    uintptr_t lookup = ku__native_word(making, object + at->class_lookup);
    for (size_t i = 0; names != 0 && i < count && i < NAMES_MOST; i++) {
        tell(making, ku__native_word(making, names + i * WORD), KU_EDGE_KEY, KU_GRAPH_NONE, (uint32_t)i);
    }
    if (lookup != 0) {
        read_lookup(making, lookup);
    }
    if (ku__native_member(making, type, at->type_isolate) != 0) {
        own(making, type, KU__NATIVE_BUFFER);
        own(making, ku__native_word(making, type + at->type_spec_fields), KU__NATIVE_BUFFER);
        read_bases(making, type);
    }
}

/* ---- hooks ---- */

typedef struct hooked {
    ku__native_making *making;
    uint32_t number;
} hooked;

static void tell_hooked(ku_object **place, void *argument) {
    hooked *work = argument;
    tell(work->making, (uintptr_t)*place, KU_EDGE_UNKNOWN, KU_GRAPH_NONE, work->number++);
}

/* False: the hook is another process's. */
static bool ask_hook(ku__native_making *making, uintptr_t object, const ku__native_type *type) {
    if (!ku__memory_is_own(making->memory)) {
        return false;
    }
    hooked work = {.making = making};
    ((ku_traverse_hook *)type->traverse)((ku_object *)object, tell_hooked, &work);
    return true;
}

bool ku__native_read(ku__native_making *making, uintptr_t object, const ku__native_type *type, const ku__block *block) {
    const ku__native_field *fields = KU__GROWING_ITEMS(&making->fields, ku__native_field) + type->first_field;
    for (uint32_t i = 0; i < type->fields; i++) {
        read_field(making, object, type, &fields[i]);
    }
    if ((type->map_flags & KU__MAP_DICT) != 0) {
        read_attributes(making, object, type, block);
    }
    if (type->rule == KU__RULE_CLASS) {
        read_class(making, object);
    }
    if (type->object != 0) {
        tell(making, type->object, KU_EDGE_TYPE, KU_GRAPH_NONE, 0);
    }
    return type->traverse == 0 || type->rule == KU__RULE_CLASS || ask_hook(making, object, type);
}

/* ---- sizes ---- */

static uint64_t tail_bytes(ku__native_making *making, uintptr_t object, const ku__native_type *type) {
    const ku__native_field *fields = KU__GROWING_ITEMS(&making->fields, ku__native_field) + type->first_field;
    for (uint32_t i = 0; i < type->fields; i++) {
        if (fields[i].kind == KU_FIELD_TAIL) {
            size_t length = ku__native_word(making, object + fields[i].length);
            bool spilled = length > (KU_OBJECT_MAX - fields[i].offset) / sizeof(uintptr_t);
            return fields[i].offset + (spilled ? 1 : length) * sizeof(uintptr_t);
        }
    }
    return 0;
}

static uint64_t int_bytes(ku__native_making *making, uintptr_t object) {
    const ku__native_layout *at = &making->order->layout;
    int64_t limbs = (int64_t)ku__native_word(making, object + at->int_value);
    bool is_big = (ku__memory_u32(making->memory, object + OBJECT_KIND) & KU__INTERNED) != 0; /* KU__BIG */
    return at->int_limbs + (is_big ? (uint64_t)(limbs < 0 ? -limbs : limbs) * sizeof(uint64_t) : 0);
}

uint64_t ku__native_bytes(ku__native_making *making, uintptr_t object, const ku__native_type *type, uint64_t block) {
    const ku__native_layout *at = &making->order->layout;
    uint64_t claimed = 0;
    switch (type->rule) {
    case KU__RULE_INT: claimed = int_bytes(making, object); break;
    case KU__RULE_STR: claimed = at->str_text + ku__native_word(making, object + at->str_size) + 1; break;
    case KU__RULE_BYTES: claimed = at->bytes_data + ku__native_word(making, object + at->bytes_length) + 1; break;
    default: claimed = tail_bytes(making, object, type); break;
    }
    claimed = claimed > type->size ? claimed : type->size;
    return claimed <= block && block - claimed < KU_CLASS_STEP ? claimed : block;
}

uint64_t ku__native_room(ku__native_making *making, uintptr_t object, const ku__native_type *type) {
    const ku__native_layout *at = &making->order->layout;
    uint64_t used = 0, room = 0;
    if (type->rule == KU__RULE_LIST) {
        used = ku__native_word(making, object + at->list_length);
        room = ku__native_word(making, object + at->list_room);
    } else if (type->rule == KU__RULE_DICT || type->rule == KU__RULE_SET) {
        uint64_t width = ku__memory_u8(making->memory, object + at->table_width);
        used = ku__native_word(making, object + at->table_used);
        room = ku__memory_u32(making->memory, object + at->table_capacity) * width;
    }
    return room > used && room < UINT32_MAX ? (room - used) * sizeof(uintptr_t) : 0;
}
