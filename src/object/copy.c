/* copy.c: shallow and deep copies. See kucha/operations.h.
 *
 * A deep copy is made in three passes over the objects that can be reached, without recursion, so that any depth will
 * do:
 *
 *     1. find: every object that can change gets an empty object of its type (its *shell*), and is entered in a table
 *        from old to new; what cannot change stands for itself
 *     2. fill: shells take plain data as it is, and references by way of the table: sharing and cycles come out as they
 *        were
 *     3. dicts and sets are filled last, as hashing their keys may look at what the keys refer to
 *
 * The table holds a reference to every shell until the end, so that a failure at any point frees all of them.
 *
 * Source: Lib/copy.py of CPython: what stands for itself, and the words of what cannot be copied.
 */
#include "object/values.h"

#include <string.h>

typedef struct pair {
    ku_object *old; /* borrowed: reachable from what is copied, which the caller holds */
    ku_object *made;
} pair;

typedef struct copying {
    ku_isolate *isolate;
    pair *pairs; /* in the order in which they were found */
    size_t count, room;
    uint32_t *index; /* from an address to its pair, plus one; open addressing, at most half full */
    size_t slots;    /* a power of two */
    bool failed;
} copying;

/* ---- what stands for itself ---- */

static bool is_number_or_text(uint32_t number) {
    return number >= KU_BUILTIN_NONE && number <= KU_BUILTIN_BYTES;
}

static bool stands_for_itself(const ku_object *object) {
    uint32_t number = ku__number_of(object);
    switch (number) {
    case KU_BUILTIN_TYPE:
    case KU_BUILTIN_FUNCTION:
    case KU_BUILTIN_NAMESPACE:
    case KU_BUILTIN_CACHE: /* as functools.lru_cache */
    case KU_BUILTIN_WEAKREF: return true;
    case KU_BUILTIN_TUPLE: return (object->kind & KU__UNTRACKED) != 0; /* a tuple of atoms */
    default: return is_number_or_text(number);
    }
}

/* Objects whose inside only their own code knows. */
static bool can_be_copied(ku_isolate *isolate, const ku_object *object) {
    const ku_type *type = ku__type_of(object);
    uint32_t number = type->number;
    bool foreign = type->release != NULL || type->traverse != NULL ||
                   (number >= KU_BUILTIN_ITERATOR && number < KU_BUILTIN_COUNT && number != KU_BUILTIN_METHOD);
    bool table = ku_is_dict(object) || ku_is_set(object);
    return (!foreign || table) || ku_fail(isolate, KU_TYPE, "cannot deepcopy '%s' object", ku__type_name(object));
}

/* ---- the table ---- */

static size_t slot_of(const copying *run, const ku_object *old) {
    size_t at = (size_t)((uint64_t)(uintptr_t)old * 0x9E3779B97F4A7C15u >> 20) & (run->slots - 1);
    while (run->index[at] != 0 && run->pairs[run->index[at] - 1].old != old) {
        at = (at + 1) & (run->slots - 1);
    }
    return at;
}

/* Room for one more pair. */
static bool reserve(copying *run) {
    if (run->count < run->room) {
        return true;
    }
    size_t room = run->room == 0 ? 16 : run->room * 2;
    pair *pairs = (pair *)ku_buffer_resize(run->isolate, run->pairs, room * sizeof *pairs);
    if (pairs == NULL) {
        return false;
    }
    run->pairs = pairs;
    uint32_t *index = (uint32_t *)ku_buffer_new(run->isolate, room * 2 * sizeof *index);
    if (index == NULL) {
        return false;
    }
    ku_buffer_free(run->isolate, run->index);
    run->room = room;
    run->index = index;
    run->slots = room * 2;
    memset(index, 0, run->slots * sizeof *index);
    for (size_t i = 0; i < run->count; i++) {
        index[slot_of(run, run->pairs[i].old)] = (uint32_t)i + 1;
    }
    return true;
}

/* What a reference to `old` becomes in the copy, borrowed. */
static ku_object *copy_of(const copying *run, ku_object *old) {
    if (run->slots == 0) {
        return old;
    }
    uint32_t found = run->index[slot_of(run, old)];
    return found == 0 ? old : run->pairs[found - 1].made;
}

/* ---- shells ---- */

/* New buffers for the copy's fields that are buffers; false when memory is refused: then those made are in `made`,
 * which gives them back when it dies. */
static bool copy_buffers(ku_isolate *isolate, const ku_type *type, const ku_object *old, ku_object *made) {
    for (const ku_field *field = type->fields; field->name != NULL; field++) {
        void *buffer = NULL;
        if (field->kind != KU_FIELD_BUFFER) {
            continue;
        }
        memcpy(&buffer, (const char *)old + field->offset, sizeof buffer);
        if (buffer == NULL) {
            continue;
        }
        size_t bytes = ku_heap_usable_size(isolate->buffers, buffer);
        void *copied = ku_buffer_new(isolate, bytes);
        if (copied == NULL) {
            return false;
        }
        memcpy(&buffer, (const char *)old + field->offset, sizeof buffer); /* as it is now, see fill_array() */
        size_t now = buffer == NULL ? 0 : ku_heap_usable_size(isolate->buffers, buffer);
        memset(copied, 0, bytes);
        memcpy(copied, buffer == NULL ? copied : buffer, now < bytes ? now : bytes);
        memcpy((char *)made + field->offset, &copied, sizeof copied);
    }
    return true;
}

/* Bytes of a field that holds plain data; 0 for the others. Data of the program's own (KU_FIELD_PLAIN) reaches to the
 * next field, or to the end. */
static size_t plain_bytes(const ku_type *type, const ku_field *field) {
    switch (field->kind) {
    case KU_FIELD_BOOL: return sizeof(bool);
    case KU_FIELD_INT32: return sizeof(int32_t);
    case KU_FIELD_INT64:
    case KU_FIELD_SIZE:
    case KU_FIELD_DOUBLE:
    case KU_FIELD_TEXT: return sizeof(int64_t);
    case KU_FIELD_PLAIN: break;
    default: return 0;
    }
    size_t end = type->dict_offset != 0 ? type->dict_offset : type->size;
    for (const ku_field *other = type->fields; other->name != NULL; other++) {
        if (other->offset > field->offset && other->offset < end) {
            end = other->offset;
        }
    }
    return end - field->offset;
}

static bool is_length_of_items(const ku_type *type, const ku_field *field) {
    return type->array_field < type->field_count && type->fields[type->array_field].length_offset == field->offset;
}

static void copy_plain(const ku_type *type, const ku_object *old, ku_object *made) {
    for (const ku_field *field = type->fields; field->name != NULL; field++) {
        size_t bytes = plain_bytes(type, field);
        if (bytes > 0 && !is_length_of_items(type, field)) {
            memcpy((char *)made + field->offset, (const char *)old + field->offset, bytes);
        }
    }
}

/* Attributes in the shared lay-out: the same order, no values yet. */
static bool copy_shared(ku_isolate *isolate, const ku_object *old, ku_object *made, const ku__type_map *map) {
    uintptr_t word = *ku__dict_word(old, map);
    if (word == 0 || (word & 1) != 0) {
        return true;
    }
    const ku__shared *shared = (const ku__shared *)word;
    size_t head = (size_t)((char *)ku__shared_values((ku__shared *)word) - (char *)word);
    size_t bytes = head + shared->capacity * sizeof(ku_object *);
    ku__shared *copied = (ku__shared *)ku_buffer_new(isolate, bytes);
    if (copied == NULL) {
        return false;
    }
    if (*ku__dict_word(old, map) != word) { /* changed by code of the program: the copy begins without */
        ku_buffer_free(isolate, copied);
        return true;
    }
    memset(copied, 0, bytes);
    memcpy(copied, shared, head);
    *ku__dict_word(made, map) = (uintptr_t)copied;
    return true;
}

/* A buffer of items, all NULL, as long as the old one's items. */
static bool make_items(ku_isolate *isolate, const ku_object *old, ku_object *made, const ku__type_map *map) {
    size_t length;
    ku__items_of(old, map, &length);
    if (length == 0) {
        return true;
    }
    ku_object **items = (ku_object **)ku_buffer_new(isolate, length * sizeof *items);
    if (items == NULL) {
        return false;
    }
    memset(items, 0, length * sizeof *items);
    memcpy((char *)made + map->items_at, &items, sizeof items);
    memcpy((char *)made + map->length_at, &length, sizeof length);
    return true;
}

static ku_object *new_shell(ku_isolate *isolate, const ku_object *old, const ku__type_map *map) {
    if ((map->flags & KU__MAP_TAIL) == 0) {
        return ku__object_new(isolate, map->type->number);
    }
    size_t length;
    ku__items_of(old, map, &length);
    return ku_is_exactly(old, KU_BUILTIN_TUPLE) ? ku__tuple_room(isolate, length)
                                                : ku_new_sized(isolate, map->type, length);
}

/* An object of the same type with the same plain data, and no references. */
static ku_object *shell_of(ku_isolate *isolate, const ku_object *old) {
    const ku__type_map *map = ku__map_of(old);
    bool table = ku_is_dict(old) || ku_is_set(old);
    ku_object *made = new_shell(isolate, old, map);
    if (made == NULL || table) {
        return made;
    }
    copy_plain(map->type, old, made);
    bool items = map->items_at != 0 && (map->flags & KU__MAP_TAIL) == 0;
    if ((items && !make_items(isolate, old, made, map)) || !copy_buffers(isolate, map->type, old, made) ||
        ((map->flags & KU__MAP_DICT) != 0 && !copy_shared(isolate, old, made, map))) {
        ku_decref(isolate, made);
        return NULL;
    }
    if (ku_is_list(made)) {
        ((ku__list *)(void *)made)->room = ((ku__list *)(void *)made)->length;
    }
    return made;
}

/* ---- filling ---- the shells' references, by way of `run`, or as they are where that is NULL */

static void fill_one(const copying *run, ku_object **place, ku_object *old) {
    *place = old == NULL ? NULL : ku_new_reference(run == NULL ? old : copy_of(run, old));
}

/* `room` and `length` differ where code of the program has changed the old object since its shell was made. */
static void fill_array(const copying *run, ku_object **places, size_t room, ku_object *const *olds, size_t length) {
    length = length < room ? length : room;
    for (size_t i = 0; i < length; i++) {
        fill_one(run, &places[i], olds[i]);
    }
}

static void fill_attributes(ku_isolate *isolate, const copying *run, ku_object *made, const ku_object *old,
                            const ku__type_map *map) {
    uintptr_t word = *ku__dict_word(old, map), *place = ku__dict_word(made, map);
    if ((word & 1) != 0) {
        ku_object *dict;
        ku_buffer_free(isolate, (void *)*place);
        fill_one(run, &dict, (ku_object *)(word - 1));
        *place = (uintptr_t)dict | 1;
    } else if (word != 0 && *place != 0) {
        ku__shared *from = (ku__shared *)word, *into = (ku__shared *)*place;
        fill_array(run, ku__shared_values(into), into->capacity, ku__shared_values(from), from->capacity);
    }
}

static void fill(ku_isolate *isolate, const copying *run, ku_object *made, ku_object *old) {
    const ku__type_map *map = ku__map_of(old);
    for (uint64_t left = map->words; left != 0; left &= left - 1) {
        int word = __builtin_ctzll(left);
        fill_one(run, &((ku_object **)(void *)made)[word], ((ku_object **)(void *)old)[word]);
    }
    bool table = ku_is_dict(old) || ku_is_set(old);
    if (map->items_at != 0 && !table) {
        size_t length, room;
        ku_object **olds = ku__items_of(old, map, &length), **places = ku__items_of(made, map, &room);
        fill_array(run, places, room, olds, length);
    }
    if ((map->flags & KU__MAP_DICT) != 0) {
        fill_attributes(isolate, run, made, old, map);
    }
    if (ku_is_exactly(made, KU_BUILTIN_TUPLE)) {
        ku__tuple_settle(made);
    }
}

static bool fill_dict(const copying *run, ku_isolate *isolate, ku_object *made, ku_object *old) {
    size_t position = 0;
    ku_object *key, *value;
    while (ku_dict_next(old, &position, &key, &value)) {
        key = run == NULL ? key : copy_of(run, key);
        value = run == NULL ? value : copy_of(run, value);
        if (!ku_dict_set(isolate, made, key, value)) {
            return false;
        }
    }
    return true;
}

static bool fill_set(const copying *run, ku_isolate *isolate, ku_object *made, ku_object *old) {
    size_t position = 0;
    ku_object *item;
    while (ku_set_next(old, &position, &item)) {
        if (!ku_set_add(isolate, made, run == NULL ? item : copy_of(run, item))) {
            return false;
        }
    }
    return true;
}

static bool fill_table(const copying *run, ku_isolate *isolate, ku_object *made, ku_object *old) {
    if (ku_is_dict(old)) {
        return fill_dict(run, isolate, made, old);
    }
    return !ku_is_set(old) || fill_set(run, isolate, made, old);
}

/* ---- finding ---- */

static bool add(copying *run, ku_object *old) {
    if (stands_for_itself(old) || copy_of(run, old) != old) {
        return true;
    }
    if (!can_be_copied(run->isolate, old) || !reserve(run)) {
        return false;
    }
    ku_object *made = shell_of(run->isolate, old);
    if (made == NULL) {
        return false;
    }
    run->pairs[run->count++] = (pair){old, made};
    run->index[slot_of(run, old)] = (uint32_t)run->count;
    return true;
}

/* Making shells may collect, which runs code of the program, which may change what is being copied. So references are
 * gathered before any shell is made of them. */
typedef struct gathered {
    ku_isolate *isolate;
    ku_object **objects;
    size_t count, room;
    bool failed;
} gathered;

static void gather(ku_object **place, void *argument) {
    gathered *into = (gathered *)argument;
    if (into->count == into->room && !into->failed) {
        size_t room = into->room == 0 ? 64 : into->room * 2;
        ku_object **objects =
            (ku_object **)ku_heap_realloc(into->isolate->buffers, into->objects, room * sizeof *objects);
        into->failed = objects == NULL;
        into->objects = objects != NULL ? objects : into->objects;
        into->room = objects != NULL ? room : into->room;
    }
    if (!into->failed && !stands_for_itself(*place)) {
        into->objects[into->count++] = ku_new_reference(*place);
    }
}

static bool add_all(copying *run, gathered *from) {
    bool added = !from->failed;
    if (!added) {
        ku_fail(run->isolate, KU_NO_MEMORY, "no memory for a copy");
    }
    for (size_t i = 0; i < from->count; i++) {
        added = added && add(run, from->objects[i]);
        ku_decref(run->isolate, from->objects[i]);
    }
    from->count = 0;
    return added;
}

static bool find_all(copying *run, ku_object *object) {
    gathered found = {.isolate = run->isolate};
    bool whole = add(run, object);
    for (size_t i = 0; whole && i < run->count; i++) {
        ku__visit_references(run->pairs[i].old, gather, &found);
        whole = add_all(run, &found);
    }
    ku_buffer_free(run->isolate, found.objects);
    return whole;
}

static bool fill_all(copying *run) {
    for (size_t i = 0; i < run->count; i++) {
        fill(run->isolate, run, run->pairs[i].made, run->pairs[i].old);
    }
    for (size_t i = 0; i < run->count; i++) {
        if (!fill_table(run, run->isolate, run->pairs[i].made, run->pairs[i].old)) {
            return false;
        }
    }
    return true;
}

ku_object *ku_deepcopy(ku_isolate *isolate, ku_object *object) {
    copying run = {.isolate = isolate};
    ku_object *result = NULL;
    if (find_all(&run, object) && fill_all(&run)) {
        result = ku_new_reference(copy_of(&run, object));
    }
    for (size_t i = 0; i < run.count; i++) {
        ku_decref(isolate, run.pairs[i].made);
    }
    ku_buffer_free(isolate, run.pairs);
    ku_buffer_free(isolate, run.index);
    return result;
}

ku_object *ku_copy(ku_isolate *isolate, ku_object *object) {
    if (stands_for_itself(object) || ku_is_tuple(object)) {
        return ku_new_reference(object);
    }
    ku_object *made = can_be_copied(isolate, object) ? shell_of(isolate, object) : NULL;
    if (made == NULL) {
        return NULL;
    }
    fill(isolate, NULL, made, object);
    if (!fill_table(NULL, isolate, made, object)) {
        ku_decref(isolate, made);
        return NULL;
    }
    return made;
}
