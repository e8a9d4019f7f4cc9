/* decode.c: reading messages. See kucha/message.h and wire.h.
 *
 * Three passes over the objects. The first makes them all, empty where they hold references, and remembers where the
 * contents of each begin; the second fills them, now that every number has its object; the third fills dicts and sets
 * and settles tuples, last object first, because what is found later mostly is part of what is found earlier, and
 * whatever is hashed must be whole.
 *
 * The bytes are not trusted: lengths are compared with what is left before room is made for them, numbers of objects
 * and types with how many there are, and what is read a second time was checked by the first pass. While the passes
 * last the reader holds a reference to every object, so that the collector, finalizers and hash functions of the
 * program may run at any time.
 */
#include "isolate/wire.h"

#include "object/class.h"
#include "object/types.h"
#include "object/values.h"

#include <kucha/namespace.h>
#include <stdlib.h>

typedef struct made {
    ku_object *object;
    const unsigned char *contents; /* behind the tag */
    unsigned tag;
} made;

typedef struct reading {
    ku_isolate *isolate;
    const ku_message_types *known;
    bool local;
    ku__reader in;
    ku_type **types;
    size_t type_count;
    made *objects;
    size_t count;
} reading;

/* ---- errors ---- */

static bool corrupt(const reading *r, const char *what) {
    return ku_fail(r->isolate, KU_CORRUPT, "a message is damaged, or was not made by this library: %s", what);
}

static bool whole(const reading *r) {
    return !r->in.failed || corrupt(r, "it ends too soon");
}

static bool no_memory(const reading *r) {
    return ku_fail(r->isolate, KU_NO_MEMORY, "the system refused memory for reading a message");
}

/* ---- types ---- */

static bool same_text(const char *text, const unsigned char *bytes, size_t length) {
    return bytes != NULL && strlen(text) == length && memcmp(text, bytes, length) == 0;
}

/* Whether the fields that follow are those of the type; reads past them either way. */
static bool same_fields(ku__reader *in, const ku_type *type) {
    size_t count = ku__read_count(in, 2);
    bool same = type != NULL && count == type->field_count;
    for (size_t i = 0; i < count; i++) {
        size_t length = ku__read_count(in, 1);
        const unsigned char *name = ku__read_bytes(in, length);
        unsigned kind = ku__read_byte(in);
        same = same && same_text(type->fields[i].name, name, length) && type->fields[i].kind == kind;
    }
    bool has_dict = ku__read_byte(in) != 0;
    return same && has_dict == ((type->flags & KU_TYPE_DICT) != 0);
}

static ku_type *known_type(const reading *r, size_t i) {
    static const ku_message_types none;
    const ku_message_types *known = r->known != NULL ? r->known : &none;
    return i < known->count ? known->types[i] : i == known->count ? ku_builtin_type(KU_BUILTIN_OBJECT) : NULL;
}

/* The type that a message means: of this name, with these fields. Leaves the reader behind it. */
static ku_type *find_type(reading *r) {
    size_t length = ku__read_count(&r->in, 1);
    const unsigned char *name = ku__read_bytes(&r->in, length);
    ku__reader fields = r->in;
    ku_type *found = NULL, *candidate;
    for (size_t i = 0; found == NULL && (candidate = known_type(r, i)) != NULL; i++) {
        ku__reader in = fields;
        bool fits = same_text(candidate->own.name, name, length) && same_fields(&in, candidate);
        found = fits && (candidate->isolate == NULL || candidate->isolate == r->isolate) ? candidate : NULL;
    }
    same_fields(&r->in, NULL);
    if (r->local) {
        uint64_t address = ku__read_fixed(&r->in, 8);
        found = address != 0 ? (ku_type *)(uintptr_t)address : found;
    }
    if (found == NULL && whole(r)) {
        ku_fail(r->isolate, KU_TYPE,
                "a message has objects of type '%.*s', and no such type with these fields was named",
                (int)(length < 80 ? length : 80), name != NULL ? (const char *)name : "");
    }
    return found;
}

/* Arrays and fields of such a type are all that has to be filled. */
static bool is_fillable(const reading *r, const ku_type *type) {
    bool simple = type->release == NULL && type->traverse == NULL && (type->own.flags & KU_TYPE_ABSTRACT) == 0;
    for (const ku_field *field = type->fields; field->name != NULL; field++) {
        bool is_text = field->kind == KU_FIELD_TEXT && !r->local;
        simple = simple && field->kind != KU_FIELD_BUFFER && field->kind != KU_FIELD_PLAIN && !is_text;
    }
    return simple ||
           ku_fail(r->isolate, KU_TYPE, "a message has objects of type '%s', which cannot be copied", type->own.name);
}

static bool read_types(reading *r) {
    size_t count = ku__read_count(&r->in, 3);
    if (!whole(r)) {
        return false;
    }
    r->types = (ku_type **)calloc(count + 1, sizeof *r->types);
    if (r->types == NULL) {
        return no_memory(r);
    }
    for (; r->type_count < count; r->type_count++) {
        r->types[r->type_count] = find_type(r);
        if (r->types[r->type_count] == NULL || !whole(r) || !is_fillable(r, r->types[r->type_count])) {
            return false;
        }
    }
    return true;
}

/* ---- first pass: making ---- */

static void skip_references(ku__reader *in, size_t count) {
    for (size_t i = 0; i < count; i++) {
        ku__read_number(in);
    }
}

static ku_object *make_big(reading *r) {
    bool negative = ku__read_byte(&r->in) != 0;
    size_t length = ku__read_count(&r->in, sizeof(ku__limb));
    if (!whole(r)) {
        return NULL;
    }
    ku__int *big = ku__int_room(r->isolate, length);
    for (size_t i = 0; big != NULL && i < length; i++) {
        big->limbs[i] = ku__read_fixed(&r->in, sizeof(ku__limb));
    }
    return big != NULL ? ku__int_settle(r->isolate, big, length, negative) : NULL;
}

static ku_object *make_float(reading *r) {
    uint64_t bits = ku__read_fixed(&r->in, 8);
    double value;
    memcpy(&value, &bits, sizeof value);
    return ku_float(r->isolate, value);
}

static ku_object *make_text(reading *r, unsigned tag) {
    size_t length = ku__read_count(&r->in, 1);
    const char *bytes = (const char *)ku__read_bytes(&r->in, length);
    if (bytes == NULL) {
        whole(r);
        return NULL;
    }
    if (tag == KU__TAG_BYTES) {
        return ku_bytes_new(r->isolate, bytes, length);
    }
    ku_object *text = ku_str_new(r->isolate, bytes, length);
    return text != NULL && tag == KU__TAG_INTERNED ? ku_intern(r->isolate, text) : text;
}

static ku_object *make_container(reading *r, unsigned tag) {
    size_t length = ku__read_count(&r->in, tag == KU__TAG_DICT ? 2 : 1);
    if (!whole(r)) {
        return NULL;
    }
    skip_references(&r->in, tag == KU__TAG_DICT ? length * 2 : length);
    switch (tag) {
    case KU__TAG_TUPLE: return length != 0 ? ku__tuple_room(r->isolate, length) : ku_tuple_new(r->isolate, NULL, 0);
    case KU__TAG_LIST: return ku_list_new(r->isolate, NULL, 0);
    case KU__TAG_DICT: return ku_dict_new(r->isolate);
    default: return ku_set_new(r->isolate);
    }
}

static void skip_field(ku__reader *in, const ku_field *field) {
    switch (field->kind) {
    case KU_FIELD_BOOL: ku__read_byte(in); break;
    case KU_FIELD_DOUBLE:
    case KU_FIELD_TEXT: ku__read_fixed(in, 8); break;
    case KU_FIELD_OWNED:
    case KU_FIELD_INT32:
    case KU_FIELD_INT64:
    case KU_FIELD_SIZE: ku__read_number(in); break;
    default: break;
    }
}

static ku_object *make_instance(reading *r) {
    uint64_t number = ku__read_number(&r->in);
    if (number >= r->type_count) {
        corrupt(r, "it names a type that it does not have");
        return NULL;
    }
    ku_type *type = r->types[number];
    const ku__type_map *map = &ku__type_maps[type->number];
    size_t length = 0;
    if (map->items_at != 0) {
        length = ku__read_count(&r->in, 1);
        skip_references(&r->in, length);
    }
    for (const ku_field *field = type->fields; field->name != NULL; field++) {
        skip_field(&r->in, field);
    }
    if (map->flags & KU__MAP_DICT) {
        size_t count = ku__read_count(&r->in, 2);
        skip_references(&r->in, count * 2);
    }
    if (!whole(r)) {
        return NULL;
    }
    return map->flags & KU__MAP_TAIL ? ku_new_sized(r->isolate, type, length) : ku_new(r->isolate, type);
}

/* Functions and namespaces get their parts later; until then they have none. */
static ku_object *make_function(reading *r) {
    skip_references(&r->in, 2);
    ku_c_method *code = (ku_c_method *)(uintptr_t)ku__read_fixed(&r->in, 8);
    size_t least = ku__read_number(&r->in), most = ku__read_number(&r->in);
    bool takes_instance = ku__read_byte(&r->in) != 0;
    ku_object *function = ku_function_new(r->isolate, "", code, least, most, NULL);
    if (function != NULL) {
        ((ku__function *)(void *)function)->takes_instance = takes_instance;
    }
    return function;
}

static ku_object *make_method(reading *r) {
    skip_references(&r->in, 2);
    ku_object *none = ku_none(r->isolate);
    return ku_method_new(r->isolate, none, none);
}

static ku_object *make_namespace(reading *r) {
    skip_references(&r->in, 2);
    return ku_namespace_new(r->isolate, "");
}

static ku_object *make_local(reading *r, unsigned tag) {
    if (r->local && tag == KU__TAG_FUNCTION) {
        return make_function(r);
    }
    if (r->local && tag == KU__TAG_METHOD) {
        return make_method(r);
    }
    if (r->local && tag == KU__TAG_NAMESPACE) {
        return make_namespace(r);
    }
    corrupt(r, "it has an object of an unknown kind");
    return NULL;
}

static ku_object *make_object(reading *r, unsigned tag) {
    switch (tag) {
    case KU__TAG_NONE: return ku_new_reference(ku_none(r->isolate));
    case KU__TAG_FALSE: return ku_new_reference(ku_bool(r->isolate, false));
    case KU__TAG_TRUE: return ku_new_reference(ku_bool(r->isolate, true));
    case KU__TAG_INT: return ku_int(r->isolate, ku__read_signed(&r->in));
    case KU__TAG_BIG: return make_big(r);
    case KU__TAG_FLOAT: return make_float(r);
    case KU__TAG_STR:
    case KU__TAG_INTERNED:
    case KU__TAG_BYTES: return make_text(r, tag);
    case KU__TAG_TUPLE:
    case KU__TAG_LIST:
    case KU__TAG_DICT:
    case KU__TAG_SET: return make_container(r, tag);
    case KU__TAG_CELL: skip_references(&r->in, 1); return ku_cell_new(r->isolate, NULL);
    case KU__TAG_INSTANCE: return make_instance(r);
    default: return make_local(r, tag);
    }
}

static bool make_objects(reading *r) {
    size_t count = ku__read_count(&r->in, 1);
    if (!whole(r) || count == 0) {
        return whole(r) && corrupt(r, "it has no object");
    }
    r->objects = (made *)calloc(count, sizeof *r->objects);
    if (r->objects == NULL) {
        return no_memory(r);
    }
    for (; r->count < count; r->count++) {
        made *one = &r->objects[r->count];
        one->tag = ku__read_byte(&r->in);
        one->contents = r->in.at;
        one->object = whole(r) ? make_object(r, one->tag) : NULL;
        if (one->object == NULL || !whole(r)) {
            ku_clear(r->isolate, &one->object);
            return false;
        }
    }
    return r->in.at == r->in.end || corrupt(r, "something stands behind its end");
}

/* ---- second pass: filling ---- */

/* The object of a reference, borrowed; NULL is fine where `may_be_none`, else, and for a number that nothing has, the
 * result is false. */
static bool read_reference(reading *r, bool may_be_none, ku_object **object) {
    uint64_t number = ku__read_number(&r->in);
    *object = number != 0 && number <= r->count ? r->objects[number - 1].object : NULL;
    return *object != NULL || (number == 0 && may_be_none) ||
           corrupt(r, "it refers to an object that it does not have");
}

/* Puts references into an array that is empty. */
static bool fill_array(reading *r, ku_object **items, size_t length, bool may_be_none) {
    for (size_t i = 0; i < length; i++) {
        ku_object *item;
        if (!read_reference(r, may_be_none, &item)) {
            return false;
        }
        items[i] = ku_new_reference(item);
    }
    return true;
}

static bool fill_list(reading *r, ku_object *list) {
    size_t length = ku__read_number(&r->in);
    for (size_t i = 0; i < length; i++) {
        ku_object *item;
        if (!read_reference(r, false, &item) || !ku_list_append(r->isolate, list, item)) {
            return false;
        }
    }
    return true;
}

/* A KU_FIELD_ITEMS array: the buffer is put in when it is whole. */
static bool fill_items(reading *r, ku_object *object, const ku__type_map *map, size_t length) {
    if (length == 0) {
        return true;
    }
    ku_object **items = (ku_object **)ku_buffer_new(r->isolate, length * sizeof *items);
    if (items == NULL) {
        return false;
    }
    memset((void *)items, 0, length * sizeof *items);
    *(ku_object ***)(void *)((char *)object + map->items_at) = items;
    *(size_t *)(void *)((char *)object + map->length_at) = length;
    return fill_array(r, items, length, true);
}

static bool fill_field(reading *r, ku_object *object, const ku__type_map *map, const ku_field *field) {
    void *place = (char *)object + field->offset;
    ku_object *value = NULL;
    uint64_t bits;
    switch (field->kind) {
    case KU_FIELD_OWNED:
        if (!read_reference(r, true, &value)) {
            return false;
        }
        *(ku_object **)place = ku_new_reference(value);
        break;
    case KU_FIELD_BOOL: *(bool *)place = ku__read_byte(&r->in) != 0; break;
    case KU_FIELD_INT32: *(int32_t *)place = (int32_t)ku__read_signed(&r->in); break;
    case KU_FIELD_INT64: *(int64_t *)place = ku__read_signed(&r->in); break;
    case KU_FIELD_SIZE:
        bits = ku__read_number(&r->in);
        if (map->items_at == 0 || field->offset != map->length_at) { /* that length is as many as there are */
            *(size_t *)place = bits;
        }
        break;
    case KU_FIELD_DOUBLE:
    case KU_FIELD_TEXT:
        bits = ku__read_fixed(&r->in, 8);
        memcpy(place, &bits, sizeof bits);
        break;
    default: break;
    }
    return true;
}

static bool fill_attributes(reading *r, ku_object *object) {
    size_t count = ku__read_number(&r->in);
    for (size_t i = 0; i < count; i++) {
        ku_object *name, *value;
        if (!read_reference(r, false, &name) || !read_reference(r, false, &value)) {
            return false;
        }
        if (!ku_is_exactly(name, KU_BUILTIN_STR) || ku_type_offset_of(ku_type_of(object), ku_str_text(name)) != 0) {
            return corrupt(r, "the name of an attribute is no text, or that of a field");
        }
        if (!ku_set_attribute(r->isolate, object, name, value)) {
            return false;
        }
    }
    return true;
}

static bool fill_instance(reading *r, ku_object *object) {
    const ku__type_map *map = ku__map_of(object);
    ku__read_number(&r->in); /* the type */
    if (map->items_at != 0) {
        size_t length = ku__read_number(&r->in);
        bool filled = map->flags & KU__MAP_TAIL ? fill_array(r, ku_tail(object, map->items_at, length), length, true)
                                                : fill_items(r, object, map, length);
        if (!filled) {
            return false;
        }
    }
    for (const ku_field *field = map->type->fields; field->name != NULL; field++) {
        if (!fill_field(r, object, map, field)) {
            return false;
        }
    }
    return (map->flags & KU__MAP_DICT) == 0 || fill_attributes(r, object);
}

static bool fill_cell(reading *r, ku_object *cell) {
    ku_object *value;
    return read_reference(r, true, &value) && ku_cell_set(r->isolate, cell, value);
}

/* Two references into two places, which have something already. */
static bool fill_pair(reading *r, ku_object **first, ku_object **second, bool second_may_be_none) {
    ku_object *a, *b;
    if (!read_reference(r, false, &a) || !read_reference(r, second_may_be_none, &b)) {
        return false;
    }
    ku_replace(r->isolate, first, ku_new_reference(a));
    ku_replace(r->isolate, second, ku_new_reference(b));
    return true;
}

static bool fill_object(reading *r, const made *one) {
    void *object = one->object;
    r->in.at = one->contents;
    switch (one->tag) {
    case KU__TAG_TUPLE: {
        size_t length = ku__read_number(&r->in);
        return length == 0 || fill_array(r, ku__tuple_items(one->object), length, false);
    }
    case KU__TAG_LIST: return fill_list(r, one->object);
    case KU__TAG_CELL: return fill_cell(r, one->object);
    case KU__TAG_INSTANCE: return fill_instance(r, one->object);
    case KU__TAG_FUNCTION: return fill_pair(r, &((ku__function *)object)->name, &((ku__function *)object)->self, true);
    case KU__TAG_METHOD:
        return fill_pair(r, &((ku__method *)object)->function, &((ku__method *)object)->instance, false);
    case KU__TAG_NAMESPACE:
        return fill_pair(r, &((ku__namespace *)object)->name, &((ku__namespace *)object)->dict, false);
    default: return true;
    }
}

/* ---- third pass: what hashes its contents ---- */

static bool fill_dict(reading *r, ku_object *dict) {
    size_t length = ku__read_number(&r->in);
    for (size_t i = 0; i < length; i++) {
        ku_object *key, *value;
        if (!read_reference(r, false, &key) || !read_reference(r, false, &value) ||
            !ku_dict_set(r->isolate, dict, key, value)) {
            return false;
        }
    }
    return true;
}

static bool fill_set(reading *r, ku_object *set) {
    size_t length = ku__read_number(&r->in);
    for (size_t i = 0; i < length; i++) {
        ku_object *item;
        if (!read_reference(r, false, &item) || !ku_set_add(r->isolate, set, item)) {
            return false;
        }
    }
    return true;
}

static bool settle_object(reading *r, const made *one) {
    r->in.at = one->contents;
    switch (one->tag) {
    case KU__TAG_TUPLE: ku__tuple_settle(one->object); return true;
    case KU__TAG_DICT: return fill_dict(r, one->object);
    case KU__TAG_SET: return fill_set(r, one->object);
    default: return true;
    }
}

static bool fill_objects(reading *r) {
    for (size_t i = 0; i < r->count; i++) {
        if (!fill_object(r, &r->objects[i])) {
            return false;
        }
    }
    for (size_t i = r->count; i-- > 0;) {
        if (!settle_object(r, &r->objects[i])) {
            return false;
        }
    }
    return true;
}

/* ---- the whole ---- */

static bool read_header(reading *r, const unsigned char *header) {
    ku__reader *in = &r->in;
    const unsigned char *magic = ku__read_bytes(in, sizeof ku__message_magic);
    if (magic == NULL || memcmp(magic, ku__message_magic, sizeof ku__message_magic) != 0) {
        return corrupt(r, "it does not begin as a message does");
    }
    uint64_t version = ku__read_fixed(in, 2), flags = ku__read_fixed(in, 2), zero = ku__read_fixed(in, 4);
    uint64_t length = ku__read_fixed(in, 8), hash = ku__read_fixed(in, 8), token = ku__read_fixed(in, 8);
    if (!whole(r)) {
        return false;
    }
    if (version != KU_MESSAGE_VERSION) {
        return ku_fail(r->isolate, KU_CORRUPT, "a message is of version %u; this library reads version %d",
                       (unsigned)version, KU_MESSAGE_VERSION);
    }
    if (length != ku__reader_left(in) || zero != 0) {
        return corrupt(r, "its length is not what it says");
    }
    if (hash != ku__message_hash(header, in->at, length)) {
        return corrupt(r, "its check sum is wrong");
    }
    bool fits = flags == (r->local ? KU__MESSAGE_LOCAL : 0) && token == (r->local ? ku__process_token() : 0);
    return fits || corrupt(r, "it is for another process");
}

static ku_object *finish(reading *r, bool whole_graph) {
    ku_object *root = whole_graph ? ku_new_reference(r->objects[0].object) : NULL;
    ku__pending error = ku__pending_take(r->isolate); /* what dies here may run code of the program */
    for (size_t i = r->count; i-- > 0;) {
        ku_decref(r->isolate, r->objects[i].object);
    }
    ku__pending_put(r->isolate, error);
    free(r->objects);
    free((void *)r->types);
    return root;
}

ku_object *ku__message_read(ku_isolate *isolate, const void *bytes, size_t length, const ku_message_types *types,
                            bool local) {
    const unsigned char *at = (const unsigned char *)bytes;
    reading r = {.isolate = isolate, .known = types, .local = local, .in = {at, at + length, false}};
    bool read = read_header(&r, at) && read_types(&r) && make_objects(&r) && fill_objects(&r);
    return finish(&r, read);
}

ku_object *ku_message_read(ku_isolate *isolate, const void *bytes, size_t length, const ku_message_types *types) {
    return ku__message_read(isolate, bytes, length, types, false);
}
