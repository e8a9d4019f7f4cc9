/* types.c: see types.h. */
#include "corefile/types.h"

/* How far up and along members are followed: no type that anybody wrote has so many. */
enum { BASES_MOST = 256, MEMBERS_MOST = 4096 };

/* Types by name that are read by a rule of their own, or of which it is known that every word of their objects that
 * is a reference is theirs, and that they hold nothing elsewhere. */
static const struct {
    const char *name;
    ku__kind kind;
} known[] = {
    {"str", KU__KIND_TEXT},
    {"int", KU__KIND_NOTHING},
    {"float", KU__KIND_NOTHING},
    {"bytes", KU__KIND_NOTHING},
    {"bool", KU__KIND_NOTHING},
    {"complex", KU__KIND_NOTHING},
    {"tuple", KU__KIND_TUPLE},
    {"list", KU__KIND_LIST},
    {"dict", KU__KIND_DICT},
    {"frozendict", KU__KIND_DICT}, /* from 3.15 on; its hash stands behind the dict */
    {"set", KU__KIND_SET},
    {"frozenset", KU__KIND_SET},
    {"code", KU__KIND_CODE},
    {"bytearray", KU__KIND_BYTEARRAY},
    {"range", KU__KIND_RANGE},
    {"type", KU__KIND_TYPE},
    {"function", KU__KIND_FUNCTION},
    {"builtin_function_or_method", KU__KIND_C_FUNCTION},
    {"method", KU__KIND_METHOD},
    {"module", KU__KIND_MODULE},
    {"generator", KU__KIND_GENERATOR},
    {"coroutine", KU__KIND_GENERATOR},
    {"async_generator", KU__KIND_GENERATOR},
    {"cell", KU__KIND_CELL},
    {"frame", KU__KIND_FRAME},
    {"weakref", KU__KIND_REFERENCE},
    {"weakref.ReferenceType", KU__KIND_REFERENCE},
    {"weakproxy", KU__KIND_REFERENCE},
    {"weakref.ProxyType", KU__KIND_REFERENCE},
    {"weakcallableproxy", KU__KIND_REFERENCE},
    {"weakref.CallableProxyType", KU__KIND_REFERENCE},
    {"object", KU__KIND_PLAIN},
    {"BaseException", KU__KIND_EXCEPTION},
    {"property", KU__KIND_PLAIN},
    {"staticmethod", KU__KIND_PLAIN},
    {"classmethod", KU__KIND_PLAIN},
    {"super", KU__KIND_PLAIN},
    {"slice", KU__KIND_PLAIN},
    {"mappingproxy", KU__KIND_PLAIN},
    {"getset_descriptor", KU__KIND_PLAIN},
    {"member_descriptor", KU__KIND_PLAIN},
    {"method_descriptor", KU__KIND_PLAIN},
    {"wrapper_descriptor", KU__KIND_PLAIN},
    {"classmethod_descriptor", KU__KIND_PLAIN},
    {"method-wrapper", KU__KIND_PLAIN},
    {"instancemethod", KU__KIND_PLAIN},
    {"traceback", KU__KIND_TRACEBACK},
    {"enumerate", KU__KIND_PLAIN},
    {"reversed", KU__KIND_PLAIN},
    {"zip", KU__KIND_PLAIN},
    {"map", KU__KIND_PLAIN},
    {"filter", KU__KIND_PLAIN},
    {"iterator", KU__KIND_PLAIN},
    {"callable_iterator", KU__KIND_PLAIN},
    {"list_iterator", KU__KIND_PLAIN},
    {"tuple_iterator", KU__KIND_PLAIN},
    {"set_iterator", KU__KIND_PLAIN},
    {"dict_keys", KU__KIND_PLAIN},
    {"dict_values", KU__KIND_PLAIN},
    {"dict_items", KU__KIND_PLAIN},
    {"dict_keyiterator", KU__KIND_PLAIN},
    {"dict_valueiterator", KU__KIND_PLAIN},
    {"dict_itemiterator", KU__KIND_PLAIN},
    {"types.GenericAlias", KU__KIND_PLAIN},
    {"types.UnionType", KU__KIND_PLAIN},
    {"typing.Union", KU__KIND_PLAIN}, /* the same from 3.14 on */
    {"types.SimpleNamespace", KU__KIND_PLAIN},
    {"functools.partial", KU__KIND_PLAIN},
};

static ku__kind kind_of_name(const char *name, size_t size) {
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (strlen(known[i].name) == size && memcmp(known[i].name, name, size) == 0) {
            return known[i].kind;
        }
    }
    return KU__KIND_OTHER;
}

/* ---- collecting ---- */

typedef struct collecting {
    ku__core_types *types;
    const ku__python *python;
    ku__image *image;
} collecting;

static bool is_type(const collecting *work, uintptr_t address) {
    return address % sizeof(uintptr_t) == 0 && ku__image_at(work->image, address, KU__TYPE_BYTES) != NULL &&
           ku__python_is_object(work->python, work->image, address) &&
           (ku__type_flags_at(work->image, ku__image_word(work->image, address + KU__AT_TYPE)) & KU__FLAG_TYPE) != 0;
}

static uint32_t front_of(const collecting *work, uint64_t flags) {
    bool fronted = (flags & (uint32_t)work->python->layout.front_flags) != 0;
    return ((flags & KU__FLAG_TRACKED) != 0 ? KU__FRONT_PART : 0) + (fronted ? KU__FRONT_PART : 0);
}

static void add(const collecting *work, uintptr_t address) {
    ku__core_types *types = work->types;
    if (address == 0 || ku__core_type_find(types, address) != KU__NO_TYPE || !is_type(work, address)) {
        return;
    }
    uint64_t flags = ku__type_flags_at(work->image, address);
    uint32_t front = front_of(work, flags);
    ku__type *entry = ku__growing_push(&types->entries, sizeof *entry);
    if (entry == NULL || !ku__type_table_add(&types->table, address, front)) {
        types->failed = true;
        return;
    }
    *entry = (ku__type){.address = address, .flags = flags, .front = front};
}

static void add_subclasses(const collecting *work, uintptr_t subclasses) {
    ku__key_table table = ku__key_table_of_dict(work->python, work->image, subclasses);
    for (size_t i = 0; i < table.used; i++) {
        uintptr_t reference = ku__value_of(&table, i);
        add(work, reference == 0
                      ? 0
                      : ku__image_word(work->image, reference + (uintptr_t)work->python->layout.reference_target));
    }
}

/* Static types, builtin ones and those of modules, as an interpreter keeps what it has of them itself. */
static void add_statics(const collecting *work, int32_t place, int32_t count) {
    const ku__layout *at = &work->python->layout;
    if (place == KU__ABSENT) {
        return;
    }
    uintptr_t first = work->python->interpreter + (uintptr_t)place;
    for (int32_t i = 0; i < count; i++) {
        uintptr_t state = first + (uintptr_t)(i * at->static_bytes);
        uintptr_t type = ku__image_word(work->image, state + (uintptr_t)at->static_type);
        if (type != 0) {
            add(work, type);
            add_subclasses(work, ku__image_word(work->image, state + (uintptr_t)at->static_subclasses));
        }
    }
}

static void collect(const collecting *work) {
    add(work, work->python->object_type);
    add(work, work->python->type_type);
    add_statics(work, work->python->layout.interpreter_statics, work->python->layout.statics_count);
    add_statics(work, work->python->layout.interpreter_extensions, work->python->layout.extensions_count);
    for (uint32_t i = 0; i < ku__core_type_count(work->types); i++) {
        uintptr_t type = ku__core_type_at(work->types, i)->address;
        add(work, ku__image_word(work->image, type + KU__AT_TYPE));
        add(work, ku__image_word(work->image, type + KU__TYPE_BASE));
        add_subclasses(work, ku__image_word(work->image, type + (uintptr_t)work->python->layout.type_subclasses));
    }
}

/* ---- what is known of each ---- */

/* Of the types made while the program ran, most were made by class statements, which all have one tp_traverse. The
 * vote of Boyer and Moore ("MJRTY", 1991) finds it in one pass. */
static uintptr_t vote(const collecting *work) {
    uintptr_t leader = 0;
    size_t votes = 0;
    for (uint32_t i = 0; i < ku__core_type_count(work->types); i++) {
        const ku__type *type = ku__core_type_at(work->types, i);
        if ((type->flags & KU__FLAG_HEAP_TYPE) == 0 || (type->flags & KU__FLAG_TRACKED) == 0) {
            continue;
        }
        uintptr_t traverse = ku__image_word(work->image, type->address + KU__TYPE_TRAVERSE);
        leader = votes == 0 ? traverse : leader;
        votes = leader == traverse ? votes + 1 : votes - 1;
    }
    return leader;
}

static bool is_statement(const collecting *work, const ku__type *type) {
    return (type->flags & KU__FLAG_HEAP_TYPE) != 0 &&
           ((type->flags & KU__FLAG_TRACKED) == 0 ||
            ku__image_word(work->image, type->address + KU__TYPE_TRAVERSE) == work->types->statement);
}

static ku__kind own_kind(const collecting *work, const ku__type *type) {
    size_t size;
    if (is_statement(work, type)) {
        return KU__KIND_OTHER;
    }
    if (type->address == work->python->type_type) {
        return KU__KIND_TYPE;
    }
    const char *name =
        ku__image_text(work->image, ku__image_word(work->image, type->address + KU__TYPE_NAME), 64, &size);
    return name == NULL ? KU__KIND_OTHER : kind_of_name(name, size);
}

static ku__beside_kind own_beside(const collecting *work, const ku__type *type) {
    size_t size;
    const char *name =
        ku__image_text(work->image, ku__image_word(work->image, type->address + KU__TYPE_NAME), 64, &size);
    return name == NULL || is_statement(work, type) ? KU__BESIDE_NOTHING : ku__beside_kind_of(name, size);
}

static void add_members_of(const collecting *work, ku__type *type, const ku__type *from) {
    enum { BYTES = 40, OBJECT = 6, OBJECT_OR_NONE = 16 }; /* T_OBJECT, T_OBJECT_EX of structmember.h */
    uintptr_t at = ku__image_word(work->image, from->address + KU__TYPE_MEMBERS);
    for (int i = 0; at != 0 && i < MEMBERS_MOST; i++, at += BYTES) {
        uintptr_t name = ku__image_word(work->image, at);
        if (name == 0) {
            return;
        }
        uint32_t what = ku__image_u32(work->image, at + 8);
        uint64_t offset = ku__image_word(work->image, at + 16);
        if ((what != OBJECT && what != OBJECT_OR_NONE) || offset == 0 || offset > UINT32_MAX) {
            continue;
        }
        ku__member *room = ku__growing_push(&work->types->members, sizeof *room);
        if (room == NULL) {
            work->types->failed = true;
            return;
        }
        *room = (ku__member){(uint32_t)offset, (from->flags & KU__FLAG_HEAP_TYPE) != 0, name};
        type->members++;
    }
}

/* Up from a type to the first that has a kind. What class statements add are members and a dict, which are known. */
static void look_up(const collecting *work, ku__type *type) {
    const ku__type *at = type;
    type->base = KU__KIND_OTHER;
    type->beside = KU__BESIDE_NOTHING;
    type->is_sure = true;
    type->first_member = (uint32_t)KU__GROWING_COUNT(&work->types->members, ku__member);
    uint64_t known_basic = KU__HEADER;
    for (int i = 0; i < BASES_MOST; i++) {
        add_members_of(work, type, at);
        ku__kind kind = type->base == KU__KIND_OTHER ? own_kind(work, at) : KU__KIND_OTHER;
        if (kind != KU__KIND_OTHER) {
            type->base = (uint8_t)kind;
            known_basic =
                kind == KU__KIND_PLAIN ? KU__HEADER : ku__image_word(work->image, at->address + KU__TYPE_BASIC);
        }
        ku__beside_kind beside = own_beside(work, at);
        type->beside = type->beside == KU__BESIDE_NOTHING ? (uint8_t)beside : type->beside;
        bool is_known = kind != KU__KIND_OTHER || beside != KU__BESIDE_NOTHING || is_statement(work, at) ||
                        (at->flags & KU__FLAG_EXCEPTION) != 0;
        type->is_sure = type->is_sure && (is_known || type->base != KU__KIND_OTHER);
        uint32_t base = ku__core_type_find(work->types, ku__image_word(work->image, at->address + KU__TYPE_BASE));
        if (base == KU__NO_TYPE) {
            break;
        }
        at = ku__core_type_at(work->types, base);
    }
    type->scan_from = known_basic < UINT32_MAX ? (uint32_t)known_basic : UINT32_MAX;
}

static void describe(const collecting *work, uint32_t number) {
    ku__type *type = KU__GROWING_ITEMS(&work->types->entries, ku__type) + number;
    ku__image *image = work->image;
    uintptr_t address = type->address;
    type->basic = ku__image_word(image, address + KU__TYPE_BASIC);
    type->item = ku__image_word(image, address + KU__TYPE_ITEM);
    type->dict_at = (int32_t)ku__image_signed(image, address + KU__TYPE_DICT_AT);
    type->weak_at = (int32_t)ku__image_signed(image, address + KU__TYPE_WEAK);
    bool heap = (type->flags & KU__FLAG_HEAP_TYPE) != 0;
    type->keys = heap ? ku__image_word(image, address + (uintptr_t)work->python->layout.heap_keys) : 0;
    type->kind = (uint8_t)own_kind(work, type);
    look_up(work, type);
}

bool ku__core_types_open(ku__core_types *types, const ku__python *python, ku__image *image) {
    *types = (ku__core_types){.failed = false};
    if (!ku__type_table_open(&types->table)) {
        return false;
    }
    collecting work = {types, python, image};
    collect(&work);
    types->statement = vote(&work);
    for (uint32_t i = 0; i < ku__core_type_count(types); i++) {
        describe(&work, i);
    }
    return !types->failed;
}

void ku__core_types_close(ku__core_types *types) {
    ku__type_table_close(&types->table);
    ku__growing_release(&types->entries);
    ku__growing_release(&types->members);
}
