/* generic.c: see read.h: objects that have no rule of their own, by what their type declares, and then word by word.
 *
 * Sources: subtype_traverse() of Objects/typeobject.c, PyObject_VisitManagedDict() and _PyObject_ManagedDictPointer()
 * of Objects/dictobject.c and Include/internal/pycore_object.h, _PyFrame_Traverse() of Python/frame.c, at the versions
 * of layout.h.
 */
#include "corefile/read.h"

/* Words of an object that were told of: so many bytes of it, more than the largest builtin type's objects have. */
enum { WORDS_MOST = 512 };

typedef struct done {
    uint64_t bits[WORDS_MOST / 64];
} done;

static void mark(done *words, uint64_t offset) {
    uint64_t word = offset / sizeof(uintptr_t);
    if (word < WORDS_MOST) {
        words->bits[word / 64] |= (uint64_t)1 << word % 64;
    }
}

static bool is_marked(const done *words, size_t word) {
    return word >= WORDS_MOST || (words->bits[word / 64] >> word % 64 & 1) != 0;
}

static void field(ku__core_reading *reading, uintptr_t object, done *words, int32_t place, const char *name) {
    ku__core_field(reading, object + (uintptr_t)place, KU_EDGE_SLOT, name);
    mark(words, (uint64_t)place);
}

bool ku__core_is_object(const ku__core_reading *reading, uintptr_t address) {
    const ku__blocks *blocks = reading->blocks;
    if (address == 0 || address % sizeof(uintptr_t) != 0) {
        return false;
    }
    const uintptr_t *words = ku__image_words(reading->image, address, 2);
    uint32_t type = words == NULL || ku__is_kept(words[0]) ? KU__NO_TYPE : ku__core_type_find(reading->types, words[1]);
    if (type == KU__NO_TYPE || !ku__blocks_in_range(blocks, address)) {
        return type != KU__NO_TYPE;
    }
    const ku__heap_pool *pool = ku__blocks_pool_of(blocks, address);
    uintptr_t first = ku__blocks_pool_first(blocks, (uint32_t)(pool - blocks->pools));
    uint32_t front = ku__core_type_at(reading->types, type)->front;
    return ku__blocks_find(blocks, address) != KU__NO_SLOT && !pool->is_buffer &&
           (address - front - first) % pool->class_size == 0;
}

/* A word that nobody named: a reference, if it is the address of an object. */
static void tell_word(ku__core_reading *reading, uintptr_t word) {
    if (ku__core_is_object(reading, word)) {
        ku__core_tell(
            reading,
            &(ku__reference){.target = word, .kind = KU_EDGE_UNKNOWN, .number = reading->unknown++, .counted = true});
    }
}

/* ---- what types declare ---- */

static void tell_members(ku__core_reading *reading, uintptr_t object, const ku__type *type, done *words) {
    const ku__member *members = ku__core_members(reading->types, type);
    for (uint32_t i = 0; i < type->members; i++) {
        if (members[i].offset % sizeof(uintptr_t) == 0 && !is_marked(words, members[i].offset / sizeof(uintptr_t))) {
            ku__core_tell(reading,
                          &(ku__reference){.target = ku__image_word(reading->image, object + members[i].offset),
                                           .kind = members[i].attribute ? KU_EDGE_ATTRIBUTE : KU_EDGE_SLOT,
                                           .chars = members[i].name,
                                           .counted = true});
            mark(words, members[i].offset);
        }
    }
}

static void tell_values(ku__core_reading *reading, uintptr_t values, const ku__type *type) {
    ku__key_table keys = ku__key_table_at(reading->python, reading->image, type->keys);
    if (keys.address == 0) {
        return;
    }
    ku__core_values view = ku__core_values_at(reading, values, &keys);
    ku__core_own(reading, view.block, view.bytes, KU__BUFFER_VALUES);
    for (size_t i = 0; view.items != NULL && i < view.count; i++) {
        ku__core_tell(reading, &(ku__reference){.target = view.items[i],
                                                .kind = KU_EDGE_ATTRIBUTE,
                                                .string = ku__key_of(&keys, i),
                                                .counted = true});
    }
}

/* In front of an object lie, from its collector's header on downwards: a dict or, until 3.11, values in a word of their
 * own; in 3.12 either of them in one word, which then has its lowest bit set and lies one byte below them. */
static void tell_managed(ku__core_reading *reading, uintptr_t object, const ku__type *type) {
    enum { SPLIT_WORDS = 11, JOINED_WORD = 12 }; /* minor versions */
    uintptr_t dict = ku__image_word(reading->image, object - 3 * sizeof(uintptr_t)), values = 0;
    if (reading->python->minor == SPLIT_WORDS) {
        values = ku__image_word(reading->image, object - 4 * sizeof(uintptr_t));
    } else if (reading->python->minor == JOINED_WORD) {
        values = (dict & 1) != 0 ? dict + 1 : 0;
        dict = (dict & 1) != 0 ? 0 : dict;
    } else if ((type->flags & KU__FLAG_INLINE_VALUES) != 0) {
        uintptr_t beside = object + type->basic;
        bool valid = ku__image_u8(reading->image, beside + (uintptr_t)reading->python->layout.values_valid) != 0;
        values = valid && (dict == 0 || !ku__core_dict_holds(reading->python)) ? beside : 0;
    }
    if (values != 0) {
        tell_values(reading, values, type);
    }
    if (dict != 0) {
        ku__core_tell(reading,
                      &(ku__reference){.target = dict, .kind = KU_EDGE_SLOT, .fixed = "__dict__", .counted = true});
    }
}

/* A place counted from the end of an object that has items, which ends at a whole word. */
static void tell_dict_at_end(ku__core_reading *reading, uintptr_t object, const ku__type *type) {
    enum { WORD = sizeof(uintptr_t), MANAGED = -1 };
    uint64_t bytes = (ku__core_bytes(reading, object, type) - type->front + WORD - 1) / WORD * WORD;
    if (type->dict_at != MANAGED && bytes < UINT32_MAX) {
        ku__core_field(reading, object + bytes - (uintptr_t)(-(int64_t)type->dict_at), KU_EDGE_SLOT, "__dict__");
    }
}

static void tell_dict(ku__core_reading *reading, uintptr_t object, const ku__type *type, done *words) {
    if (type->dict_at < 0 && type->item > 0) {
        tell_dict_at_end(reading, object, type);
    } else if (type->dict_at > 0 && type->dict_at % (int32_t)sizeof(uintptr_t) == 0 &&
               !is_marked(words, (size_t)type->dict_at / sizeof(uintptr_t))) {
        field(reading, object, words, type->dict_at, "__dict__");
    }
}

/* ---- frames ---- */

static void tell_frame(ku__core_reading *reading, uintptr_t frame) {
    ku__frame_view view = ku__frame_at(reading->python, reading->image, frame);
    const uintptr_t own[] = {view.code, view.function, view.locals, view.object};
    for (size_t i = 0; i < sizeof own / sizeof own[0]; i++) {
        ku__core_tell(reading, &(ku__reference){.target = own[i],
                                                .kind = KU_EDGE_UNKNOWN,
                                                .number = own[i] == 0 ? 0 : reading->unknown++,
                                                .counted = true});
    }
    for (size_t i = 0; view.items != NULL && i < view.count; i++) {
        uintptr_t target = ku__frame_item(&view, i);
        bool local = i < view.local_count && i < view.name_count;
        ku__core_tell(reading, &(ku__reference){.target = target,
                                                .kind = local ? KU_EDGE_LOCAL : KU_EDGE_UNKNOWN,
                                                .number = local || target == 0 ? 0 : reading->unknown++,
                                                .string = local ? view.names[i] : 0,
                                                .counted = true});
    }
}

/* How many bytes of a generator or a frame object come before the frame in it. */
static uint64_t read_framed(ku__core_reading *reading, uintptr_t object, const ku__type *type, done *words) {
    const ku__layout *at = &reading->python->layout;
    if (type->base == KU__KIND_GENERATOR) {
        int8_t state = (int8_t)ku__image_u8(reading->image, object + (uintptr_t)at->generator_state);
        if (state < at->generator_cleared) {
            tell_frame(reading, object + (uintptr_t)at->generator_frame);
        } else if (reading->python->minor > KU__MINOR_UNTAGGED) { /* from then on one at its end tells of its code */
            uintptr_t code = ku__image_word(reading->image, object + (uintptr_t)(at->generator_frame + at->frame_code));
            tell_word(reading, ku__untagged(reading->python, code));
        }
        return (uint64_t)at->generator_frame;
    }
    field(reading, object, words, at->frame_object_back, "f_back");
    uintptr_t frame = ku__image_word(reading->image, object + (uintptr_t)at->frame_object_frame);
    mark(words, (uint64_t)at->frame_object_frame);
    if (frame == object + (uintptr_t)at->frame_object_data) {
        tell_frame(reading, frame);
    }
    return (uint64_t)at->frame_object_data;
}

/* ---- kinds ---- */

static void name_function(ku__core_reading *reading, uintptr_t object, done *words) {
    const ku__layout *at = &reading->python->layout;
    field(reading, object, words, at->function_code, "__code__");
    field(reading, object, words, at->function_name, "__name__");
    field(reading, object, words, at->function_defaults, "__defaults__");
    field(reading, object, words, at->function_kwdefaults, "__kwdefaults__");
    field(reading, object, words, at->function_dict, "__dict__");
    field(reading, object, words, at->function_annotations, "__annotations__");
    field(reading, object, words, at->function_qualname, "__qualname__");
}

static void name_exception(ku__core_reading *reading, uintptr_t object, done *words) {
    const ku__layout *at = &reading->python->layout;
    field(reading, object, words, at->exception_args, "args");
    field(reading, object, words, at->exception_traceback, "__traceback__");
    field(reading, object, words, at->exception_context, "__context__");
    field(reading, object, words, at->exception_cause, "__cause__");
}

static void name_type(ku__core_reading *reading, uintptr_t object, done *words) {
    const ku__layout *at = &reading->python->layout;
    field(reading, object, words, KU__TYPE_DICT, "__dict__");
    field(reading, object, words, KU__TYPE_BASES, "__bases__");
    field(reading, object, words, KU__TYPE_MRO, "__mro__");
    field(reading, object, words, KU__TYPE_BASE, "__base__");
    field(reading, object, words, at->type_subclasses, "subclasses");
    field(reading, object, words, at->heap_name, "__name__");
    field(reading, object, words, at->heap_qualname, "__qualname__");
    field(reading, object, words, at->heap_slots, "__slots__");
    field(reading, object, words, at->heap_module, "module");
    ku__key_table keys = ku__key_table_at(reading->python, reading->image,
                                          ku__image_word(reading->image, object + (uintptr_t)at->heap_keys));
    ku__core_own(reading, keys.address, keys.bytes, KU__BUFFER_KEYS);
}

/* How many bytes a module of C has for what it holds; its definition says so, or, from 3.15 on, the module itself. */
static uint64_t state_bytes(ku__core_reading *reading, uintptr_t object) {
    enum { MOST = 1 << 20 }; /* bytes; the largest of CPython's own has some hundred */
    const ku__layout *at = &reading->python->layout;
    uintptr_t from = at->module_definition == KU__ABSENT
                         ? object
                         : ku__image_word(reading->image, object + (uintptr_t)at->module_definition);
    uint64_t size = from == 0 ? 0 : ku__image_word(reading->image, from + (uintptr_t)at->module_state_size);
    return size < MOST ? size : 0;
}

/* A module's state is read word by word. Its definition is not held. */
static void read_module(ku__core_reading *reading, uintptr_t object, const ku__type *type, done *words) {
    const ku__layout *at = &reading->python->layout;
    uintptr_t state = ku__image_word(reading->image, object + (uintptr_t)at->module_state);
    size_t count = state_bytes(reading, object) / sizeof(uintptr_t);
    const uintptr_t *all = state == 0 ? NULL : ku__image_words(reading->image, state, count);
    mark(words, (uint64_t)at->module_state);
    if (at->module_definition != KU__ABSENT) {
        mark(words, (uint64_t)at->module_definition);
    }
    for (uint64_t i = (uint64_t)at->module_state_size; at->module_definition == KU__ABSENT && i < type->basic;
         i += sizeof(uintptr_t)) {
        mark(words, i); /* sizes and functions, and the definition */
    }
    for (size_t i = 0; all != NULL && i < count; i++) {
        tell_word(reading, all[i]);
    }
}

/* What a builtin base has that is not among the words of the object, or has a name; returns where words end. */
static uint64_t read_base(ku__core_reading *reading, uintptr_t object, const ku__type *type, done *words) {
    const ku__layout *at = &reading->python->layout;
    switch (type->base) {
    case KU__KIND_LIST: ku__core_read_list(reading, object); break;
    case KU__KIND_TUPLE: ku__core_read_tuple(reading, object); break;
    case KU__KIND_DICT: ku__core_read_dict(reading, object); break;
    case KU__KIND_SET: ku__core_read_set(reading, object); break;
    case KU__KIND_FUNCTION: name_function(reading, object, words); break;
    case KU__KIND_TYPE: name_type(reading, object, words); break;
    case KU__KIND_MODULE: read_module(reading, object, type, words); break;
    case KU__KIND_C_FUNCTION:
        field(reading, object, words, 3 * (int32_t)sizeof(uintptr_t), "__self__");
        field(reading, object, words, 4 * (int32_t)sizeof(uintptr_t), "__module__");
        break;
    case KU__KIND_CELL:
        ku__core_field(reading, object + KU__HEADER, KU_EDGE_CELL, "cell_contents");
        mark(words, KU__HEADER);
        break;
    case KU__KIND_EXCEPTION: name_exception(reading, object, words); break;
    case KU__KIND_TRACEBACK:
        field(reading, object, words, at->traceback_next, "tb_next");
        field(reading, object, words, at->traceback_frame, "tb_frame");
        break;
    case KU__KIND_REFERENCE: /* all it holds is its callback: the rest is lent */
        mark(words, (uint64_t)at->reference_target);
        for (int i = 0; i < 4; i++) {
            mark(words, (uint64_t)at->reference_callback + (uint64_t)(1 + i) * sizeof(uintptr_t));
        }
        break;
    case KU__KIND_GENERATOR:
    case KU__KIND_FRAME: return read_framed(reading, object, type, words);
    default: break;
    }
    return type->basic;
}

/* ---- what lies beside an object ---- */

typedef struct beside {
    ku__core_reading *reading;
    ku__beside_kind kind;
} beside;

static void tell_beside(void *argument, uintptr_t target, uint32_t number) {
    const beside *work = argument;
    bool item = work->kind == KU__BESIDE_DEQUE;
    ku__core_tell(work->reading, &(ku__reference){.target = target,
                                                  .kind = item ? KU_EDGE_ITEM : KU_EDGE_UNKNOWN,
                                                  .number = item ? number : work->reading->unknown++,
                                                  .counted = true});
}

static void own_beside(void *argument, uintptr_t block, size_t size, ku__buffer_kind kind) {
    const beside *work = argument;
    ku__core_own(work->reading, block, size, kind);
}

static void read_beside(ku__core_reading *reading, uintptr_t object, const ku__type *type, done *words) {
    enum { RING = 2 }; /* words: the links of a cache's ring are lent */
    beside work = {reading, (ku__beside_kind)type->beside};
    ku__beside to = {&reading->image->memory, tell_beside, own_beside, &work};
    ku__beside_walk(&to, work.kind, object);
    for (uint64_t i = 0; work.kind == KU__BESIDE_CACHE && i < RING; i++) {
        mark(words, KU__HEADER + i * sizeof(uintptr_t));
    }
}

/* Where words that nobody named begin: behind what a container's rule read. */
static uint64_t scan_start(const ku__type *type) {
    bool is_container = type->base == KU__KIND_LIST || type->base == KU__KIND_TUPLE || type->base == KU__KIND_DICT ||
                        type->base == KU__KIND_SET || type->base < KU__KIND_EXACT;
    return is_container && type->base != KU__KIND_OTHER ? type->scan_from : KU__HEADER;
}

static uint64_t item_bytes(ku__core_reading *reading, uintptr_t object, const ku__type *type) {
    uint64_t bytes = ku__core_bytes(reading, object, type), fixed = type->front + type->basic;
    return bytes > fixed && bytes - fixed < UINT32_MAX ? bytes - fixed : 0;
}

static void scan(ku__core_reading *reading, uintptr_t object, uint64_t from, uint64_t to, const done *words) {
    size_t last = to / sizeof(uintptr_t) < WORDS_MOST ? to / sizeof(uintptr_t) : WORDS_MOST;
    const uintptr_t *all = ku__image_words(reading->image, object, last);
    for (size_t i = from / sizeof(uintptr_t); all != NULL && i < last; i++) {
        if (!is_marked(words, i) && all[i] != object) { /* the ends of a list in the object lead to it */
            tell_word(reading, all[i]);
        }
    }
}

void ku__core_read_generic(ku__core_reading *reading, uintptr_t object, const ku__type *type) {
    done words = {{0}};
    reading->unknown = 0;
    if (type->weak_at > 0) {
        mark(&words, (uint64_t)type->weak_at); /* the list of weak references does not hold them */
    }
    if ((type->flags & KU__FLAG_MANAGED_DICT) != 0) {
        tell_managed(reading, object, type);
    }
    uint64_t end = read_base(reading, object, type, &words);
    read_beside(reading, object, type, &words);
    tell_members(reading, object, type, &words);
    tell_dict(reading, object, type, &words);
    if (type->item == 0 || type->base >= KU__KIND_EXACT) {
        scan(reading, object, scan_start(type), end, &words);
    } else if (type->base == KU__KIND_OTHER) { /* of others the words are items, and were read */
        scan(reading, object, KU__HEADER, end + item_bytes(reading, object, type), &words);
    }
    if ((type->flags & KU__FLAG_HEAP_TYPE) != 0) {
        ku__core_tell(reading, &(ku__reference){.target = type->address, .kind = KU_EDGE_TYPE, .counted = true});
    }
}
