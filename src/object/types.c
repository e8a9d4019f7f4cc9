/* types.c: the process's table of types, static types, and how a type is put together. See types.h. */
#include "object/types.h"

#include "alloc/tables.h"
#include "os/pages.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

ku__type_map *ku__type_maps;

/* Memory of the table is committed so many maps at a time: 64 KiB, so that few types cost few pages. */
enum { MAPS_STEP = 2048 };

/* Static types are cut from pieces of this size; one with many fields gets a piece of its own. */
enum { PIECE_BYTES = 1 << 16 };

/* All of it under the process's lock. */
static struct {
    uint32_t committed; /* maps that there is memory for */
    uint32_t next;      /* numbers from here on were never given out */
    uint32_t free;      /* first number that can be given again, linked through `size` and `words`; 0 is none */
    ku_type *statics;
    char *piece; /* what is left of the last piece */
    size_t piece_left;
    bool is_open;
} table;

bool ku__error_fill(ku_error *error, ku_code code, const char *format, ...) {
    if (error != NULL) {
        va_list arguments;
        va_start(arguments, format);
        error->code = code;
        error->os_error = 0;
        vsnprintf(error->message, sizeof error->message, format, arguments);
        va_end(arguments);
    }
    return false;
}

static bool no_memory(ku_error *error) {
    return ku__error_fill(error, KU_NO_MEMORY, "the system refused memory for a type; free some, or raise the limit");
}

/* ---- numbers ---- */

static bool commit_up_to(uint32_t number) {
    while (number >= table.committed) {
        if (!ku__pages_commit(&ku__type_maps[table.committed], MAPS_STEP * sizeof(ku__type_map))) {
            return false;
        }
        table.committed += MAPS_STEP;
    }
    return true;
}

/* A number whose map can be written; 0 when there is none. */
static uint32_t number_take(ku_error *error) {
    uint32_t number = table.free;
    if (number != 0) {
        table.free = (uint32_t)ku__type_maps[number].words;
        return number;
    }
    if (table.next >= KU_TYPES_MAX) {
        ku__error_fill(error, KU_LIMIT, "%d types are alive; a process cannot have more", KU_TYPES_MAX);
        return 0;
    }
    if (!commit_up_to(table.next)) {
        no_memory(error);
        return 0;
    }
    return table.next++;
}

/* ---- memory of a type ---- */

/* Sizes of the parts of a type, and where each begins in its piece of memory. */
typedef struct parts {
    size_t order, bases, fields, bytes;
} parts;

static parts parts_of(const ku__type_recipe *recipe) {
    parts is;
    is.order = sizeof(ku_type);
    is.bases = is.order + ku__order_most(recipe) * sizeof(ku_type *);
    is.fields = is.bases + ((size_t)recipe->base_count + 1) * sizeof(ku_type *);
    is.bytes = is.fields + ku__fields_most(recipe) * sizeof(ku_field);
    is.bytes = (is.bytes + KU_CLASS_STEP - 1) / KU_CLASS_STEP * KU_CLASS_STEP;
    return is;
}

/* Zeroed memory that lives as long as the process. */
static void *piece_take(size_t bytes) {
    if (bytes > table.piece_left) {
        size_t whole = bytes > PIECE_BYTES ? bytes : PIECE_BYTES;
        char *piece = (char *)ku__pages_map(whole);
        if (piece == NULL) {
            return NULL;
        }
        table.piece = piece;
        table.piece_left = whole;
    }
    char *taken = table.piece;
    table.piece += bytes;
    table.piece_left -= bytes;
    return taken;
}

static ku_type *memory_take(ku_isolate *isolate, size_t bytes) {
    if (isolate == NULL) {
        return (ku_type *)piece_take(bytes);
    }
    return (ku_type *)ku_heap_calloc(isolate->buffers, 1, bytes);
}

static void memory_give(ku_isolate *isolate, ku_type *type) {
    if (isolate != NULL) { /* a static type that could not be made wastes its piece: it is a mistake in the program */
        ku_heap_free(isolate->buffers, type);
    }
}

/* ---- hooks ---- */

/* The first in the order that has hook `name` itself. */
#define RESOLVE(type, name)                                                                                            \
    do {                                                                                                               \
        for (uint32_t i_ = 0; i_ < (type)->order_count && (type)->name == NULL; i_++) {                                \
            (type)->name = (type)->order[i_]->own.name;                                                                \
        }                                                                                                              \
    } while (0)

/* Hash and equality go together: who defines equality alone cannot be hashed (Python's data model, __hash__). */
static void resolve_hash(ku_type *type) {
    for (uint32_t i = 0; i < type->order_count; i++) {
        const ku_type_spec *own = &type->order[i]->own;
        if (own->hash != NULL || own->equal != NULL) {
            type->hash = own->hash;
            type->equal = own->equal;
            break;
        }
    }
    RESOLVE(type, equal);
}

static void resolve_hooks(ku_type *type) {
    RESOLVE(type, finalize);
    RESOLVE(type, release);
    RESOLVE(type, repr);
    RESOLVE(type, call);
    RESOLVE(type, bind);
    RESOLVE(type, find);
    RESOLVE(type, set);
    RESOLVE(type, traverse);
    RESOLVE(type, clear);
    RESOLVE(type, operations);
    resolve_hash(type);
}

/* ---- making ---- */

/* The number of a built-in type's spec; 0 for others. */
static uint32_t builtin_number(const ku_type_spec *spec) {
    for (uint32_t number = 1; number < KU_BUILTIN_COUNT; number++) {
        if (ku__builtin_specs[number] == spec) {
            return number;
        }
    }
    return 0;
}

/* A built-in type may inherit from one that is final for all others, as bool does from int. */
static bool check_bases(const ku__type_recipe *recipe, ku_error *error) {
    bool is_builtin = builtin_number(recipe->spec) != 0;
    for (uint32_t b = 0; b < recipe->base_count; b++) {
        const ku_type *base = recipe->bases[b];
        if ((base->own.flags & KU_TYPE_FINAL) != 0 && !is_builtin) {
            return ku__error_fill(error, KU_TYPE, "type '%s' is not an acceptable base type", base->own.name);
        }
        if (base->isolate != NULL && base->isolate != recipe->isolate) {
            return ku__error_fill(error, KU_TYPE, "type '%s' belongs to another isolate", base->own.name);
        }
    }
    return true;
}

static bool check_spec(const ku__type_recipe *recipe, ku_error *error) {
    const ku_type_spec *spec = recipe->spec;
    if (spec->name == NULL) {
        return ku__error_fill(error, KU_INVALID, "a type needs a name");
    }
    if (spec->size == 0 && recipe->isolate == NULL) {
        return ku__error_fill(error, KU_INVALID, "type '%s' has no size: a static type says sizeof its structure",
                              spec->name);
    }
    if (spec->traverse != NULL && spec->clear == NULL) {
        return ku__error_fill(error, KU_INVALID, "type '%s' has the hook traverse and not the hook clear", spec->name);
    }
    return true;
}

static bool fill(ku_type *type, const ku__type_recipe *recipe, ku_error *error) {
    parts is = parts_of(recipe);
    char *memory = (char *)type;
    type->own = *recipe->spec;
    type->isolate = recipe->isolate;
    type->order = (ku_type **)(void *)(memory + is.order);
    type->bases = (ku_type **)(void *)(memory + is.bases);
    type->fields = (ku_field *)(void *)(memory + is.fields);
    type->base_count = recipe->base_count;
    if (recipe->base_count != 0) {
        memcpy(type->bases, recipe->bases, recipe->base_count * sizeof(ku_type *));
    }
    if (!ku__order_fill(type, error) || !ku__layout_fill(type, error)) {
        return false;
    }
    resolve_hooks(type);
    return true;
}

/* Puts together all of a type but its number. Needs no lock but that of the isolate, or the process's for a static
 * type: bases do not change. */
static ku_type *build(const ku__type_recipe *recipe, ku_error *error) {
    if (!check_spec(recipe, error) || !check_bases(recipe, error)) {
        return NULL;
    }
    ku_type *type = memory_take(recipe->isolate, parts_of(recipe).bytes);
    if (type == NULL) {
        no_memory(error);
        return NULL;
    }
    if (!fill(type, recipe, error)) {
        memory_give(recipe->isolate, type);
        return NULL;
    }
    return type;
}

/* Enters a type under a number; 0 asks for a fresh one. Under the process's lock. */
static bool enter(ku_type *type, uint32_t number, ku_error *error) {
    type->number = number != 0 ? number : number_take(error);
    if (type->number == 0) {
        return false;
    }
    ku__type_maps[type->number] = ku__map_compile(type);
    type->is_ordinary = type->isolate == NULL && (type->own.flags & KU_TYPE_ABSTRACT) == 0;
    return true;
}

bool ku__types_has(uint32_t number) {
    return number < table.next && ku__type_maps[number].type != NULL;
}

ku_type *ku__type_make(ku_isolate *isolate, const ku_type_spec *spec, ku_type *const *bases, size_t count,
                       ku_error *error) {
    ku__type_recipe recipe = {.spec = spec, .bases = bases, .base_count = (uint32_t)count, .isolate = isolate};
    ku_type *type = build(&recipe, error);
    if (type == NULL) {
        return NULL;
    }
    ku__process_lock();
    bool entered = enter(type, 0, error);
    ku__process_unlock();
    if (!entered) {
        memory_give(isolate, type);
        return NULL;
    }
    return type;
}

void ku__type_unmake(ku_type *type) {
    ku__process_lock();
    ku__type_maps[type->number] = (ku__type_map){.words = table.free};
    table.free = type->number;
    ku__process_unlock();
    memory_give(type->isolate, type);
}

/* ---- static types ---- all under the process's lock */

static ku_type *static_find(const ku_type_spec *spec) {
    ku_type *type = table.statics;
    while (type != NULL && type->spec != spec) {
        type = type->next;
    }
    return type;
}

static ku_type *static_make(const ku_type_spec *spec, ku_error *error);

enum { STATIC_BASES_MOST = 16 }; /* a table of C; types made at run time may have more */

/* The types of a spec's bases, made if need be; `object` if it names none. Returns how many, 0 with `error` filled. */
static uint32_t static_bases(const ku_type_spec *spec, ku_type **bases, ku_error *error) {
    if (spec->bases == NULL) {
        bases[0] = ku__type_maps[KU_BUILTIN_OBJECT].type;
        return 1;
    }
    uint32_t count = 0;
    for (; spec->bases[count] != NULL; count++) {
        if (count == STATIC_BASES_MOST) {
            ku__error_fill(error, KU_INVALID, "type '%s' has more than %d bases", spec->name, STATIC_BASES_MOST);
            return 0;
        }
        bases[count] = static_make(spec->bases[count], error);
        if (bases[count] == NULL) {
            return 0;
        }
    }
    return count;
}

static ku_type *static_make(const ku_type_spec *spec, ku_error *error) {
    ku_type *type = static_find(spec);
    if (type != NULL) {
        return type;
    }
    uint32_t number = builtin_number(spec);
    ku_type *bases[STATIC_BASES_MOST];
    bool is_root = number == KU_BUILTIN_OBJECT;
    uint32_t count = is_root ? 0 : static_bases(spec, bases, error);
    if (count == 0 && !is_root) {
        return NULL;
    }
    ku__type_recipe recipe = {.spec = spec, .bases = bases, .base_count = count};
    type = build(&recipe, error);
    if (type == NULL || !enter(type, number, error)) {
        return NULL; /* the piece of memory stays behind: a table that contradicts itself is found once */
    }
    type->spec = spec;
    type->next = table.statics;
    table.statics = type;
    return type;
}

/* Built-in types have the numbers of their enumerators; others follow. */
static bool make_builtins(ku_error *error) {
    for (uint32_t number = 1; number < KU_BUILTIN_COUNT; number++) {
        const ku_type_spec *spec = ku__builtin_specs[number];
        if (spec != NULL && static_make(spec, error) == NULL) {
            return false;
        }
    }
    return true;
}

static bool open_locked(ku_error *error) {
    if (table.is_open) {
        return true;
    }
    if (ku__type_maps == NULL) {
        ku__type_maps = (ku__type_map *)ku__pages_reserve(KU_TYPES_MAX * sizeof(ku__type_map));
    }
    if (ku__type_maps == NULL || !commit_up_to(KU_BUILTIN_COUNT)) {
        return no_memory(error);
    }
    table.next = KU_BUILTIN_COUNT;
    table.is_open = make_builtins(error);
    return table.is_open;
}

bool ku__types_open(ku_error *error) {
    ku__process_lock();
    bool is_open = open_locked(error);
    ku__process_unlock();
    return is_open;
}

ku_type *ku_type_static(const ku_type_spec *spec, ku_error *error) {
    ku__process_lock();
    ku_type *type = open_locked(error) ? static_make(spec, error) : NULL;
    ku__process_unlock();
    return type;
}

ku_type *ku_builtin_type(ku_builtin which) {
    return ku__type_maps != NULL && (unsigned)which < KU_BUILTIN_COUNT ? ku__type_maps[which].type : NULL;
}

/* ---- asking ---- */

ku_type *ku_type_of(const ku_object *object) {
    KU_OBJECT_CHECK(object);
    return ku__type_of(object);
}

bool ku_is_instance(const ku_object *object, const ku_type *type) {
    const ku_type *is = ku_type_of(object);
    return is == type || ku_type_is_subtype(is, type);
}

const char *ku_type_name(const ku_type *type) {
    return type->own.name;
}

size_t ku_type_size(const ku_type *type) {
    return type->size;
}

unsigned ku_type_flags_of(const ku_type *type) {
    return type->flags;
}

bool ku_type_is_static(const ku_type *type) {
    return type->isolate == NULL;
}

bool ku_type_is_subtype(const ku_type *type, const ku_type *of) {
    for (uint32_t i = 0; i < type->order_count; i++) {
        if (type->order[i] == of) {
            return true;
        }
    }
    return false;
}

size_t ku_type_order(const ku_type *type, ku_type *const **types) {
    *types = type->order;
    return type->order_count;
}

size_t ku_type_fields(const ku_type *type, const ku_field **fields) {
    *fields = type->fields;
    return type->field_count;
}

size_t ku_type_offset_of(const ku_type *type, const char *name) {
    for (uint32_t i = type->field_count; i-- > 0;) {
        if (strcmp(type->fields[i].name, name) == 0) {
            return type->fields[i].offset;
        }
    }
    return 0;
}
