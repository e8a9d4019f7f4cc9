/* layout.c: where the fields of a type lie, and the map by which the collector reads them.
 *
 * Of the bases one decides the lay-out: the type takes over its fields at their offsets, and adds its own behind them.
 * That one must be, or inherit from, the lay-out of every other base, or the bases conflict (best_base() and
 * solid_base() of Objects/typeobject.c in CPython). A dict's word is not part of a lay-out: it lies where the type that
 * first has one put it, at the end, and its offset may differ in a subtype with several bases.
 *
 * Invariants: fields do not overlap; references lie at multiples of 8 below KU_OBJECT_MAX; there is at most one array
 * (ITEMS or TAIL), and nothing lies behind a tail.
 */
#include "object/types.h"

#include <string.h>

enum { WORD = sizeof(ku_object *), HEADER = sizeof(ku_object) };

size_t ku__field_bytes(const ku_field *field) {
    switch ((ku_field_kind)field->kind) {
    case KU_FIELD_OWNED:
    case KU_FIELD_WEAK:
    case KU_FIELD_ITEMS:
    case KU_FIELD_BUFFER:
    case KU_FIELD_TEXT: return sizeof(void *);
    case KU_FIELD_BOOL: return sizeof(bool);
    case KU_FIELD_INT32: return sizeof(int32_t);
    case KU_FIELD_INT64: return sizeof(int64_t);
    case KU_FIELD_SIZE: return sizeof(size_t);
    case KU_FIELD_DOUBLE: return sizeof(double);
    case KU_FIELD_TAIL:
    case KU_FIELD_PLAIN: return 0;
    }
    return 0;
}

static size_t aligned(size_t offset, size_t alignment) {
    return (offset + alignment - 1) / alignment * alignment;
}

static uint32_t own_fields(const ku_type_spec *spec) {
    uint32_t count = 0;
    while (spec->fields != NULL && spec->fields[count].name != NULL) {
        count++;
    }
    return count;
}

size_t ku__fields_most(const ku__type_recipe *recipe) {
    size_t inherited = 0;
    for (uint32_t b = 0; b < recipe->base_count; b++) {
        size_t here = recipe->bases[b]->field_count;
        inherited = here > inherited ? here : inherited;
    }
    return inherited + own_fields(recipe->spec) + 1;
}

/* ---- which base decides ---- */

/* The base whose lay-out all others' are part of; NULL when there is none. Of equals, one that has a dict already. */
static const ku_type *deciding_base(const ku_type *type) {
    const ku_type *best = type->bases[0];
    for (uint32_t b = 1; b < type->base_count; b++) {
        const ku_type *base = type->bases[b];
        if (base->layout == best->layout) {
            best = best->dict_offset == 0 && base->dict_offset != 0 ? base : best;
        } else if (ku_type_is_subtype(base->layout, best->layout)) {
            best = base;
        } else if (!ku_type_is_subtype(best->layout, base->layout)) {
            return NULL;
        }
    }
    return best;
}

/* ---- fields ---- */

static bool wrong_field(const ku_type *type, const ku_field *field, ku_error *error, const char *what) {
    return ku__error_fill(error, KU_INVALID, "field '%s' of type '%s' %s", field->name, type->own.name, what);
}

static bool overlaps(const ku_field *a, const ku_field *b) {
    size_t a_end = a->offset + ku__field_bytes(a), b_end = b->offset + ku__field_bytes(b);
    return a->offset < b_end && b->offset < a_end;
}

/* Whether the length of an array lies outside of the references, in the object. */
static bool length_fits(const ku_type *type, const ku_field *field) {
    return field->length_offset >= HEADER && field->length_offset % sizeof(size_t) == 0 &&
           field->length_offset + sizeof(size_t) <= type->size;
}

static bool check_place(const ku_type *type, const ku_field *field, size_t start, ku_error *error) {
    size_t bytes = ku__field_bytes(field);
    bool is_tail = field->kind == KU_FIELD_TAIL;
    if (field->offset < start) {
        return wrong_field(type, field, error, "lies inside of what it inherits");
    }
    if (field->offset + bytes > type->size || (is_tail && field->offset != type->size)) {
        return wrong_field(type, field, error,
                           is_tail ? "is a tail, and does not begin where the fixed part ends" : "lies behind the end");
    }
    if (bytes != 0 && field->offset % bytes != 0) {
        return wrong_field(type, field, error, "is not aligned to its size");
    }
    return true;
}

static bool check_array(ku_type *type, const ku_field *field, ku_error *error) {
    if (field->kind != KU_FIELD_ITEMS && field->kind != KU_FIELD_TAIL) {
        return true;
    }
    if (!length_fits(type, field)) {
        return wrong_field(type, field, error, "has its length_offset outside of the object");
    }
    if (type->array_field != UINT32_MAX) {
        return wrong_field(type, field, error, "is a second array; a type has one at most (see KU_FIELD_ITEMS)");
    }
    return true;
}

static bool check_field(ku_type *type, uint32_t index, size_t start, ku_error *error) {
    const ku_field *field = &type->fields[index];
    if (field->kind == 0 || field->kind > KU_FIELD_PLAIN) {
        return wrong_field(type, field, error, "has a kind that kucha/type.h does not name");
    }
    if (!check_place(type, field, start, error) || !check_array(type, field, error)) {
        return false;
    }
    for (uint32_t other = 0; other < index; other++) {
        if (overlaps(field, &type->fields[other])) {
            return wrong_field(type, field, error, "overlaps another one");
        }
    }
    return true;
}

/* The next free place for a field that leaves it to us. */
static void place_field(ku_type *type, ku_field *field) {
    size_t bytes = ku__field_bytes(field);
    if (field->offset == KU_OFFSET_NEXT && bytes != 0) {
        type->size = aligned(type->size, bytes);
        field->offset = (uint16_t)type->size;
        type->size += bytes;
    }
}

static void note_kind(ku_type *type, uint32_t index) {
    unsigned kind = type->fields[index].kind;
    type->buffer_count += kind == KU_FIELD_BUFFER;
    if (kind == KU_FIELD_ITEMS || kind == KU_FIELD_TAIL) {
        type->array_field = index;
    }
}

static void inherit_fields(ku_type *type, const ku_type *base) {
    for (uint32_t i = 0; base != NULL && i < base->field_count; i++) {
        type->fields[type->field_count++] = base->fields[i];
    }
    for (uint32_t i = 0; i < type->field_count; i++) {
        note_kind(type, i);
    }
}

static bool add_fields(ku_type *type, size_t start, ku_error *error) {
    uint32_t count = own_fields(&type->own), first = type->field_count;
    for (uint32_t i = 0; i < count; i++) {
        ku_field *field = &type->fields[first + i];
        *field = type->own.fields[i];
        place_field(type, field);
    }
    type->size = aligned(type->size, WORD);
    for (uint32_t i = 0; i < count; i++, type->field_count++) {
        if (!check_field(type, first + i, start, error)) {
            return false;
        }
        note_kind(type, first + i);
    }
    return true;
}

static bool has_tail(const ku_type *type) {
    return type->array_field != UINT32_MAX && type->fields[type->array_field].kind == KU_FIELD_TAIL;
}

static bool add_dict(ku_type *type, ku_error *error) {
    if ((type->flags & KU_TYPE_DICT) == 0 || type->dict_offset != 0) {
        return true;
    }
    if (has_tail(type)) {
        return ku__error_fill(error, KU_TYPE, "type '%s' has a tail, and so no dict", type->own.name);
    }
    type->dict_offset = type->size;
    type->size += WORD;
    return true;
}

static bool check_size(const ku_type *type, ku_error *error) {
    if (type->size > KU_OBJECT_MAX) {
        return ku__error_fill(error, KU_INVALID,
                              "type '%s' has a fixed part of %zu bytes; %d are possible, put the rest into a buffer",
                              type->own.name, type->size, KU_OBJECT_MAX);
    }
    return true;
}

/* Whether the type takes room in its instances beyond what its bases have. */
static bool adds_room(const ku_type *type, size_t start) {
    return own_fields(&type->own) != 0 || aligned(type->own.size, WORD) > start;
}

static void inherit_flags(ku_type *type) {
    type->flags = type->own.flags;
    for (uint32_t i = 1; i < type->order_count; i++) {
        type->flags |= type->order[i]->flags & (KU_TYPE_DICT | KU_TYPE_WEAKREFS);
    }
}

bool ku__layout_fill(ku_type *type, ku_error *error) {
    const ku_type *base = type->base_count != 0 ? deciding_base(type) : NULL;
    if (type->base_count != 0 && base == NULL) {
        return ku__error_fill(error, KU_TYPE, "multiple bases have instance lay-out conflict");
    }
    size_t start = base != NULL ? base->size : HEADER;
    type->array_field = UINT32_MAX;
    type->dict_offset = base != NULL ? base->dict_offset : 0;
    inherit_flags(type);
    inherit_fields(type, base);
    bool adds = adds_room(type, start);
    if (adds && base != NULL && has_tail(type)) {
        return ku__error_fill(error, KU_TYPE, "nonempty __slots__ not supported for subtype of '%s'", base->own.name);
    }
    type->layout = adds || base == NULL ? type : base->layout;
    type->size = aligned(type->own.size > start ? type->own.size : start, WORD);
    return add_fields(type, start, error) && add_dict(type, error) && check_size(type, error);
}

/* ---- the map ---- */

static uint8_t map_flags(const ku_type *type) {
    unsigned flags = 0;
    flags |= (type->flags & KU_TYPE_ACYCLIC) != 0 ? KU__MAP_ACYCLIC : 0;
    flags |= has_tail(type) ? KU__MAP_TAIL : 0;
    flags |= type->dict_offset != 0 ? KU__MAP_DICT : 0;
    flags |= (type->flags & KU_TYPE_WEAKREFS) != 0 ? KU__MAP_WEAKREFS : 0;
    flags |= type->finalize != NULL ? KU__MAP_FINALIZE : 0;
    flags |= type->isolate != NULL ? KU__MAP_RUN_TIME : 0;
    flags |= type->buffer_count != 0 || type->release != NULL ? KU__MAP_BUFFERS : 0;
    unsigned more = KU__MAP_DICT | KU__MAP_FINALIZE | KU__MAP_RUN_TIME | KU__MAP_BUFFERS;
    bool plain = (flags & more) == 0 && type->array_field == UINT32_MAX && type->clear == NULL;
    return (uint8_t)(flags | (plain ? KU__MAP_PLAIN : 0));
}

ku__type_map ku__map_compile(ku_type *type) {
    ku__type_map map = {.size = (uint16_t)type->size,
                        .dict_word = (uint8_t)(type->dict_offset / WORD),
                        .flags = map_flags(type),
                        .traverse = type->traverse,
                        .type = type};
    for (uint32_t i = 0; i < type->field_count; i++) {
        const ku_field *field = &type->fields[i];
        if (field->kind == KU_FIELD_OWNED || field->kind == KU_FIELD_WEAK) {
            map.words |= (uint64_t)1 << (field->offset / WORD);
        }
    }
    if (type->array_field != UINT32_MAX) {
        map.items_at = type->fields[type->array_field].offset;
        map.length_at = type->fields[type->array_field].length_offset;
    }
    return map;
}
