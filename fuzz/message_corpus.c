/* message_corpus.c: seeds of messages, and what is done with every input. See message_corpus.h. */
#include "message_corpus.h"
#include "target.h"

#include "isolate/wire.h"

#include <stdio.h>
#include <stdlib.h>

typedef struct plain {
    ku_object header;
    ku_object *a, *b;
    int64_t large;
    double real;
    size_t size;
    int32_t small;
    bool flag;
} plain;
typedef struct array {
    ku_object header;
    ku_object **items;
    size_t length;
} array;
typedef struct tail {
    ku_object header;
    size_t length;
    ku_object *items[];
} tail;

static const ku_field plain_fields[] = {
    {"a", offsetof(plain, a), KU_FIELD_OWNED},         {"b", offsetof(plain, b), KU_FIELD_OWNED},
    {"large", offsetof(plain, large), KU_FIELD_INT64}, {"real", offsetof(plain, real), KU_FIELD_DOUBLE},
    {"size", offsetof(plain, size), KU_FIELD_SIZE},    {"small", offsetof(plain, small), KU_FIELD_INT32},
    {"flag", offsetof(plain, flag), KU_FIELD_BOOL},    {NULL},
};
static const ku_field array_fields[] = {
    {"items", offsetof(array, items), KU_FIELD_ITEMS, KU_FIELD_HIDDEN, offsetof(array, length)},
    {"length", offsetof(array, length), KU_FIELD_SIZE, KU_FIELD_READ_ONLY},
    {NULL},
};
static const ku_field tail_fields[] = {
    {"length", offsetof(tail, length), KU_FIELD_SIZE, KU_FIELD_READ_ONLY},
    {"items", offsetof(tail, items), KU_FIELD_TAIL, KU_FIELD_HIDDEN, offsetof(tail, length)},
    {NULL},
};
static const ku_type_spec specs[] = {
    {.name = "plain", .size = sizeof(plain), .fields = plain_fields},
    {.name = "array", .size = sizeof(array), .fields = array_fields},
    {.name = "tail", .size = sizeof(tail), .fields = tail_fields},
    {.name = "open", .size = sizeof(ku_object), .flags = KU_TYPE_DICT},
};
enum { PLAIN, ARRAY, TAIL, OPEN, TYPES };

static ku_isolate *reader; /* that everything is read into */

/* As the process ends: an object that is left over is one that an error path forgot. */
static void end_reader(void) {
    ku_gc_collect(reader, 2);
    if (ku_isolate_delete(reader) != 0) {
        _Exit(1);
    }
}

ku_isolate *message_isolate(void) {
    ku_error error;
    if (reader == NULL) {
        reader = ku_isolate_new(NULL, &error);
        atexit(end_reader);
    }
    if (reader == NULL) {
        fprintf(stderr, "%s\n", error.message);
        abort();
    }
    return reader;
}

ku_message_types message_types(void) {
    static ku_type *types[TYPES];
    for (int i = 0; i < TYPES; i++) {
        types[i] = ku_type_static(&specs[i], NULL);
    }
    return (ku_message_types){types, TYPES};
}

/* ---- seeds ---- */

static ku_object *atoms(ku_isolate *isolate) {
    KU_SCOPE(isolate, scope);
    ku_object *list = ku_own(&scope, ku_list_new(isolate, NULL, 0));
    ku_list_append(isolate, list, ku_none(isolate));
    ku_list_append(isolate, list, ku_bool(isolate, true));
    ku_list_append(isolate, list, ku_own(&scope, ku_int(isolate, -70000)));
    ku_list_append(isolate, list, ku_own(&scope, ku_int_parse(isolate, "98765432109876543210987", 23, 10)));
    ku_list_append(isolate, list, ku_own(&scope, ku_float(isolate, -0.5)));
    ku_list_append(isolate, list, ku_own(&scope, ku_str(isolate, "name")));
    ku_list_append(isolate, list, ku_own(&scope, ku_str(isolate, "text \xE2\x82\xAC")));
    ku_list_append(isolate, list, ku_own(&scope, ku_bytes_new(isolate, "\0\1\2", 3)));
    return ku_scope_escape(&scope, list);
}

static ku_object *containers(ku_isolate *isolate) {
    KU_SCOPE(isolate, scope);
    ku_object *list = ku_own(&scope, atoms(isolate)), *pair[] = {ku_own(&scope, ku_int(isolate, 1)), ku_none(isolate)};
    ku_object *key = ku_own(&scope, ku_tuple_new(isolate, pair, 2)), *cell = ku_own(&scope, ku_cell_new(isolate, list));
    ku_object *dict = ku_own(&scope, ku_dict_new(isolate)), *set = ku_own(&scope, ku_set_new(isolate));
    ku_dict_set(isolate, dict, key, list);
    ku_dict_set_text(isolate, dict, "cell", cell);
    ku_dict_set_text(isolate, dict, "itself", dict);
    ku_set_add(isolate, set, key);
    ku_list_append(isolate, list, set);
    ku_list_append(isolate, list, dict);
    return ku_scope_escape(&scope, dict);
}

static ku_object *instance(ku_isolate *isolate, unsigned number) {
    KU_SCOPE(isolate, scope);
    ku_type *type = message_types().types[number];
    ku_object *made = ku_own(&scope, number == TAIL ? ku_new_sized(isolate, type, 3) : ku_new(isolate, type));
    ku_object *value = ku_own(&scope, ku_list_new(isolate, &made, 1));
    if (number == PLAIN) {
        ku_set(isolate, made, "a", value);
        ku_set(isolate, made, "b", made);
    } else if (number == OPEN) {
        ku_set(isolate, made, "self", made);
        ku_set(isolate, made, "value", value);
    } else if (number == TAIL) {
        ku_tail(made, offsetof(tail, items), 3)[1] = ku_new_reference(value);
    } else {
        array *with_items = (array *)made;
        with_items->items = (ku_object **)ku_buffer_new(isolate, sizeof(ku_object *));
        with_items->items[0] = ku_new_reference(value);
        with_items->length = 1;
    }
    return ku_scope_escape(&scope, value);
}

size_t message_seed(unsigned number, uint8_t *body) {
    ku_isolate *isolate = message_isolate();
    ku_object *graph = number == 0 ? atoms(isolate) : number == 1 ? containers(isolate) : instance(isolate, number - 2);
    ku_message message;
    if (!ku_message_write(isolate, graph, &message)) {
        fprintf(stderr, "seed %u: %s\n", number, ku_pending_error(isolate)->message);
        abort();
    }
    size_t size = message.length - KU_MESSAGE_HEADER;
    memcpy(body, (uint8_t *)message.bytes + KU_MESSAGE_HEADER, size);
    ku_message_free(&message);
    ku_decref(isolate, graph);
    return size;
}

/* ---- use ---- */

static ku_message with_header(const uint8_t *body, size_t size) {
    ku_message message = {calloc(1, KU_MESSAGE_HEADER + size), KU_MESSAGE_HEADER + size};
    unsigned char *bytes = message.bytes;
    uint64_t length = size;
    if (bytes == NULL) {
        abort();
    }
    memcpy(bytes, ku__message_magic, sizeof ku__message_magic);
    bytes[8] = KU_MESSAGE_VERSION;
    memcpy(bytes + 16, &length, sizeof length);
    if (size != 0) {
        memcpy(bytes + KU_MESSAGE_HEADER, body, size);
    }
    uint64_t hash = ku__message_hash(bytes, bytes + KU_MESSAGE_HEADER, size);
    memcpy(bytes + 24, &hash, sizeof hash);
    return message;
}

static ku_message rewritten(ku_isolate *isolate, ku_object *object) {
    ku_message message;
    if (!ku_message_write(isolate, object, &message)) {
        fprintf(stderr, "what was read cannot be written: %s\n", ku_pending_error(isolate)->message);
        abort();
    }
    return message;
}

/* What was read says the same when it is written, read and written again. */
static void check_copy(ku_isolate *isolate, ku_object *object) {
    ku_message_types types = message_types();
    ku_message first = rewritten(isolate, object);
    ku_object *copy = ku_message_read(isolate, first.bytes, first.length, &types);
    if (copy == NULL) {
        fprintf(stderr, "what was written cannot be read: %s\n", ku_pending_error(isolate)->message);
        abort();
    }
    ku_message second = rewritten(isolate, copy);
    if (first.length != second.length || memcmp(first.bytes, second.bytes, first.length) != 0) {
        fprintf(stderr, "a copy is not what was copied\n");
        abort();
    }
    ku_decref(isolate, copy);
    ku_message_free(&first);
    ku_message_free(&second);
}

bool message_use(const uint8_t *body, size_t size) {
    ku_isolate *isolate = message_isolate();
    ku_message_types types = message_types();
    ku_message message = with_header(body, size);
    ku_object *object = ku_message_read(isolate, message.bytes, message.length, &types);
    ku_message_free(&message);
    if (object != NULL) {
        check_copy(isolate, object);
        ku_decref(isolate, object);
    }
    ku_clear_error(isolate);
    return object != NULL;
}

/* ---- replayed ---- */

/* Changes bytes, cuts, and repeats a part: numbers, lengths and tags all get wrong this way. */
static size_t mutate(uint8_t *bytes, size_t size) {
    for (uint64_t changes = 1 + fuzz_random() % 4; changes > 0; changes--) {
        size_t at = fuzz_random() % size;
        switch (fuzz_random() % 6) {
        case 0: size = at + 1; break;
        case 1: bytes[at] = 255; break;
        case 2: bytes[at] ^= (uint8_t)(1u << fuzz_random() % 8); break;
        case 3: memmove(bytes + at / 2, bytes + at, size - at); break;
        default: bytes[at] = (uint8_t)(fuzz_random() % 20); break;
        }
    }
    return size;
}

const fuzz_corpus corpus = {.what = "message",
                            .seeds = MESSAGE_SEEDS,
                            .mutations = 20000,
                            .size_most = MESSAGE_SIZE_MOST,
                            .seed = message_seed,
                            .accepts = message_use,
                            .mutate = mutate};
