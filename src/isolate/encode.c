/* encode.c: writing messages. See kucha/message.h and wire.h.
 *
 * The objects that were found stand in a list, in the order of their numbers, and in a table by address (open
 * addressing, at most half full). Both, and the bytes, are by malloc: writing takes nothing from the isolate's heaps,
 * so that nothing is collected and nothing moves while it lasts.
 */
#include "isolate/wire.h"

#include "object/attributes.h"
#include "object/class.h"
#include "object/types.h"
#include "object/values.h"

#include <kucha/namespace.h>
#include <stdlib.h>

typedef struct found {
    const ku_object *object;
    uint32_t number;
} found;

typedef struct writer {
    ku_isolate *isolate;
    bool local;
    unsigned char *bytes; /* of the objects; types and header are put before them in the end */
    size_t length, room;
    const ku_object **objects;
    size_t count, objects_room;
    found *table;
    size_t table_size; /* a power of two, or 0 */
    const ku_type **types;
    size_t type_count, type_room;
    bool failed; /* with the error pending */
} writer;

/* ---- bytes ---- */

static void out_of_memory(writer *w) {
    if (!w->failed) {
        w->failed = true;
        ku_fail(w->isolate, KU_NO_MEMORY, "the system refused memory for a message of %zu objects", w->count);
    }
}

/* Doubles an array of `item` bytes an item until `wanted` fit. */
static bool make_room(writer *w, void **array, size_t *room, size_t wanted, size_t item) {
    if (wanted <= *room) {
        return true;
    }
    size_t larger = *room != 0 ? *room : 64;
    while (larger < wanted) {
        larger *= 2;
    }
    void *moved = realloc(*array, larger * item);
    if (moved == NULL) {
        out_of_memory(w);
        return false;
    }
    *array = moved;
    *room = larger;
    return true;
}

static void put_bytes(writer *w, const void *bytes, size_t length) {
    if (!w->failed && make_room(w, (void **)&w->bytes, &w->room, w->length + length, 1) && length != 0) {
        memcpy(w->bytes + w->length, bytes, length);
        w->length += length;
    }
}

static void put_byte(writer *w, unsigned byte) {
    unsigned char one = (unsigned char)byte;
    put_bytes(w, &one, 1);
}

static void put_number(writer *w, uint64_t number) {
    unsigned char bytes[10];
    size_t length = 0;
    for (; number > 127; number >>= 7) {
        bytes[length++] = (unsigned char)(number | 128);
    }
    bytes[length++] = (unsigned char)number;
    put_bytes(w, bytes, length);
}

static void put_signed(writer *w, int64_t number) {
    put_number(w, (uint64_t)number << 1 ^ (uint64_t)(number >> 63));
}

static void put_fixed(writer *w, uint64_t number) {
    unsigned char bytes[8];
    for (unsigned i = 0; i < sizeof bytes; i++) {
        bytes[i] = (unsigned char)(number >> (8 * i));
    }
    put_bytes(w, bytes, sizeof bytes);
}

static void put_double(writer *w, double value) {
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    put_fixed(w, bits);
}

static void put_text(writer *w, const char *text, size_t size) {
    put_number(w, size);
    put_bytes(w, text, size);
}

/* ---- objects ---- */

static size_t place_of(const writer *w, const ku_object *object) {
    size_t mask = w->table_size - 1, at = (uintptr_t)object / KU_CLASS_STEP * 0x9E3779B97F4A7C15u >> 20 & mask;
    while (w->table[at].object != NULL && w->table[at].object != object) {
        at = (at + 1) & mask;
    }
    return at;
}

static bool grow_table(writer *w) {
    enum { LEAST = 128 };
    found *old = w->table;
    size_t old_size = w->table_size, size = old_size != 0 ? old_size * 2 : LEAST;
    found *larger = (found *)calloc(size, sizeof *larger);
    if (larger == NULL) {
        out_of_memory(w);
        return false;
    }
    w->table = larger;
    w->table_size = size;
    for (size_t i = 0; i < old_size; i++) {
        if (old[i].object != NULL) {
            larger[place_of(w, old[i].object)] = old[i];
        }
    }
    free(old);
    return true;
}

/* The number of an object, from 1; a new one is put on the list. 0 without memory. */
static uint32_t number_of(writer *w, const ku_object *object) {
    if ((w->count + 1) * 2 > w->table_size && !grow_table(w)) {
        return 0;
    }
    size_t at = place_of(w, object);
    if (w->table[at].object == NULL) {
        if (w->count == UINT32_MAX - 1 ||
            !make_room(w, (void **)&w->objects, &w->objects_room, w->count + 1, sizeof(ku_object *))) {
            out_of_memory(w);
            return 0;
        }
        w->objects[w->count++] = object;
        w->table[at] = (found){object, (uint32_t)w->count};
    }
    return w->table[at].number;
}

static void put_reference(writer *w, const ku_object *object) {
    if (!w->failed) {
        put_number(w, object != NULL ? number_of(w, object) : 0);
    }
}

static void put_references(writer *w, ku_object *const *items, size_t length) {
    put_number(w, length);
    for (size_t i = 0; i < length; i++) {
        put_reference(w, items[i]);
    }
}

/* ---- values ---- */

static void put_int(writer *w, const ku_object *object) {
    if (ku__is_small(object)) {
        put_byte(w, KU__TAG_INT);
        put_signed(w, ku__small(object));
        return;
    }
    ku__magnitude m;
    ku__magnitude_of(object, &m);
    put_byte(w, KU__TAG_BIG);
    put_byte(w, m.negative);
    put_number(w, m.length);
    for (size_t i = 0; i < m.length; i++) {
        put_fixed(w, m.limbs[i]);
    }
}

static void put_str(writer *w, const ku_object *object) {
    put_byte(w, (object->kind & KU__INTERNED) != 0 ? KU__TAG_INTERNED : KU__TAG_STR);
    put_text(w, ku_str_text(object), ku_str_size(object));
}

static void put_dict(writer *w, const ku_object *object) {
    size_t position = 0;
    ku_object *key, *value;
    put_number(w, ku_dict_length(object));
    while (ku_dict_next(object, &position, &key, &value)) {
        put_reference(w, key);
        put_reference(w, value);
    }
}

static void put_set(writer *w, const ku_object *object) {
    size_t position = 0;
    ku_object *item;
    put_byte(w, KU__TAG_SET);
    put_number(w, ku_set_length(object));
    while (ku_set_next(object, &position, &item)) {
        put_reference(w, item);
    }
}

static void put_function(writer *w, const ku_object *object) {
    const ku__function *function = (const ku__function *)(const void *)object;
    put_byte(w, KU__TAG_FUNCTION);
    put_reference(w, function->name);
    put_reference(w, function->self);
    put_fixed(w, (uint64_t)(uintptr_t)function->code);
    put_number(w, function->least);
    put_number(w, function->most);
    put_byte(w, function->takes_instance);
}

/* ---- instances ---- */

static void refuse(writer *w, const ku_type *type, const char *why, const char *what) {
    if (!w->failed) {
        w->failed = true;
        ku_fail(w->isolate, KU_TYPE, "cannot copy '%s' object to another isolate: %s%s%s", type->own.name, why,
                what != NULL ? " " : "", what != NULL ? what : "");
    }
}

static bool inherits_value(const ku_type *type) {
    for (uint32_t i = 0; i < type->order_count; i++) {
        uint32_t number = type->order[i]->number;
        if (number != KU_BUILTIN_OBJECT && number < KU_BUILTIN_COUNT) {
            return true;
        }
    }
    return false;
}

/* Whether the fields of a type say all there is to its instances. */
static bool is_described(writer *w, const ku_type *type) {
    if (inherits_value(type)) {
        refuse(w, type, "it is of a built-in type that stays where it is, or inherits from one", NULL);
    } else if (type->release != NULL || type->traverse != NULL) {
        refuse(w, type, "its type has a hook, and fields do not say all about it", NULL);
    }
    for (const ku_field *field = type->fields; field->name != NULL && !w->failed; field++) {
        bool is_text = field->kind == KU_FIELD_TEXT && !w->local;
        if (field->kind == KU_FIELD_BUFFER || field->kind == KU_FIELD_PLAIN || is_text) {
            refuse(w, type, "only its program understands the field", field->name);
        }
    }
    return !w->failed;
}

/* The number of a type in the message, from 0. */
static size_t type_number(writer *w, const ku_type *type) {
    size_t i = 0;
    while (i < w->type_count && w->types[i] != type) {
        i++;
    }
    if (i == w->type_count && is_described(w, type) &&
        make_room(w, (void **)&w->types, &w->type_room, i + 1, sizeof(ku_type *))) {
        w->types[w->type_count++] = type;
    }
    return i;
}

static void put_field(writer *w, const ku_object *object, const ku_field *field) {
    const void *place = (const char *)object + field->offset;
    switch (field->kind) {
    case KU_FIELD_OWNED: put_reference(w, *(ku_object *const *)place); break;
    case KU_FIELD_BOOL: put_byte(w, *(const bool *)place); break;
    case KU_FIELD_INT32: put_signed(w, *(const int32_t *)place); break;
    case KU_FIELD_INT64: put_signed(w, *(const int64_t *)place); break;
    case KU_FIELD_SIZE: put_number(w, *(const size_t *)place); break;
    case KU_FIELD_DOUBLE: put_double(w, *(const double *)place); break;
    case KU_FIELD_TEXT: put_fixed(w, (uint64_t) * (const uintptr_t *)place); break;
    default: break; /* weak references stay behind; arrays come first, see put_instance() */
    }
}

static void put_shared(writer *w, const ku_object *object, ku__shared *shared) {
    const ku__class *class_of = ku__class_find(w->isolate, object);
    ku_object **values = ku__shared_values(shared);
    put_number(w, shared->used);
    for (unsigned i = 0; i < shared->used; i++) {
        put_reference(w, class_of->names[shared->order[i]]);
        put_reference(w, values[shared->order[i]]);
    }
}

static void put_attributes(writer *w, const ku_object *object, uintptr_t word) {
    if ((word & 1) != 0) {
        put_dict(w, (const ku_object *)(word - 1));
    } else if (word != 0) {
        put_shared(w, object, (ku__shared *)word);
    } else {
        put_number(w, 0);
    }
}

static void put_instance(writer *w, const ku_object *object) {
    const ku__type_map *map = ku__map_of(object);
    put_byte(w, KU__TAG_INSTANCE);
    put_number(w, type_number(w, map->type));
    if (w->failed) {
        return;
    }
    if (map->items_at != 0) {
        size_t length;
        ku_object **items = ku__items_of(object, map, &length);
        put_references(w, items, items != NULL ? length : 0);
    }
    for (const ku_field *field = map->type->fields; field->name != NULL; field++) {
        put_field(w, object, field);
    }
    if (map->flags & KU__MAP_DICT) {
        put_attributes(w, object, *ku__dict_word(object, map));
    }
}

static void put_local(writer *w, const ku_object *object) {
    if (w->local && ku_is_exactly(object, KU_BUILTIN_FUNCTION)) {
        put_function(w, object);
    } else if (w->local && ku_is_exactly(object, KU_BUILTIN_METHOD)) {
        put_byte(w, KU__TAG_METHOD);
        put_reference(w, ku_method_function(object));
        put_reference(w, ku_method_instance(object));
    } else if (w->local && ku_is_exactly(object, KU_BUILTIN_NAMESPACE)) {
        put_byte(w, KU__TAG_NAMESPACE);
        put_reference(w, ku_namespace_name(object));
        put_reference(w, ku_namespace_dict(object));
    } else {
        put_instance(w, object);
    }
}

static void put_object(writer *w, const ku_object *object) {
    switch (ku__number_of(object)) {
    case KU_BUILTIN_NONE: put_byte(w, KU__TAG_NONE); break;
    case KU_BUILTIN_BOOL: put_byte(w, ku__small(object) != 0 ? KU__TAG_TRUE : KU__TAG_FALSE); break;
    case KU_BUILTIN_INT: put_int(w, object); break;
    case KU_BUILTIN_FLOAT:
        put_byte(w, KU__TAG_FLOAT);
        put_double(w, ku__double(object));
        break;
    case KU_BUILTIN_STR: put_str(w, object); break;
    case KU_BUILTIN_BYTES:
        put_byte(w, KU__TAG_BYTES);
        put_text(w, ku_bytes_data(object), ku_bytes_length(object));
        break;
    case KU_BUILTIN_TUPLE:
        put_byte(w, KU__TAG_TUPLE);
        put_references(w, ku__tuple_items(object), ku_tuple_length(object));
        break;
    case KU_BUILTIN_LIST:
        put_byte(w, KU__TAG_LIST);
        put_references(w, ((const ku__list *)(const void *)object)->items, ku_list_length(object));
        break;
    case KU_BUILTIN_DICT:
        put_byte(w, KU__TAG_DICT);
        put_dict(w, object);
        break;
    case KU_BUILTIN_SET: put_set(w, object); break;
    case KU_BUILTIN_CELL:
        put_byte(w, KU__TAG_CELL);
        put_reference(w, ku_cell_get(object));
        break;
    default: put_local(w, object);
    }
}

/* ---- the whole ---- */

static void put_types(writer *w) {
    put_number(w, w->type_count);
    for (size_t i = 0; i < w->type_count; i++) {
        const ku_type *type = w->types[i];
        put_text(w, type->own.name, strlen(type->own.name));
        put_number(w, type->field_count);
        for (const ku_field *field = type->fields; field->name != NULL; field++) {
            put_text(w, field->name, strlen(field->name));
            put_byte(w, field->kind);
        }
        put_byte(w, (type->flags & KU_TYPE_DICT) != 0);
        if (w->local) {
            put_fixed(w, type->isolate == NULL ? (uint64_t)(uintptr_t)type : 0);
        }
    }
    put_number(w, w->count);
}

static void put_header(writer *w) {
    unsigned char blank[KU_MESSAGE_HEADER] = {0};
    put_bytes(w, blank, sizeof blank);
}

static void write_fixed(unsigned char *place, uint64_t number, unsigned length) {
    for (unsigned i = 0; i < length; i++) {
        place[i] = (unsigned char)(number >> (8 * i));
    }
}

static void fill_header(const writer *w) {
    unsigned char *header = w->bytes;
    size_t body = w->length - KU_MESSAGE_HEADER;
    memcpy(header, ku__message_magic, sizeof ku__message_magic);
    write_fixed(header + 8, KU_MESSAGE_VERSION, 2);
    write_fixed(header + 10, w->local ? KU__MESSAGE_LOCAL : 0, 2);
    write_fixed(header + 16, body, 8);
    write_fixed(header + 32, w->local ? ku__process_token() : 0, 8);
    write_fixed(header + 24, ku__message_hash(header, header + KU_MESSAGE_HEADER, body), 8);
}

/* Header and types are known only now; the objects' bytes, which were written first, go behind them. */
static void assemble(writer *w) {
    unsigned char *objects = w->bytes;
    size_t length = w->length;
    w->bytes = NULL;
    w->length = w->room = 0;
    put_header(w);
    put_types(w);
    put_bytes(w, objects, length);
    free(objects);
    if (!w->failed) {
        fill_header(w);
    }
}

static void end_writer(writer *w) {
    free((void *)w->objects);
    free(w->table);
    free((void *)w->types);
    if (w->failed) {
        free(w->bytes);
    }
}

bool ku__message_write(ku_isolate *isolate, ku_object *object, bool local, ku_message *message) {
    writer w = {.isolate = isolate, .local = local};
    number_of(&w, object);
    for (size_t i = 0; i < w.count && !w.failed; i++) {
        put_object(&w, w.objects[i]);
    }
    assemble(&w);
    end_writer(&w);
    *message = w.failed ? (ku_message){NULL, 0} : (ku_message){w.bytes, w.length};
    return !w.failed;
}

bool ku_message_write(ku_isolate *isolate, ku_object *object, ku_message *message) {
    return ku__message_write(isolate, object, false, message);
}

void ku_message_free(ku_message *message) {
    free(message->bytes);
    *message = (ku_message){NULL, 0};
}
