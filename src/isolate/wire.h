/* wire.h: the bytes of messages (kucha/message.h): tags, and how numbers are written and read.
 *
 * Objects are numbered in the order in which they are found, the root first, and written in that order; so while
 * objects are written, the list of those found is the list of those to do, and no recursion is needed. A reader first
 * makes all objects, then fills them, then fills what hashes its contents, last object first.
 */
#ifndef KU__WIRE_H
#define KU__WIRE_H

#include "object/object.h"

#include <kucha/message.h>
#include <string.h>

/* After each tag stands, in brackets, what follows it. */
typedef enum ku__tag {
    KU__TAG_NONE = 1,
    KU__TAG_FALSE,
    KU__TAG_TRUE,
    KU__TAG_INT,      /* [signed number] fits 64 bits */
    KU__TAG_BIG,      /* [0 or 1: below zero; number of limbs; limbs of 8 bytes, least first] */
    KU__TAG_FLOAT,    /* [8 bytes] */
    KU__TAG_STR,      /* [text] */
    KU__TAG_INTERNED, /* [text] */
    KU__TAG_BYTES,    /* [length; bytes] */
    KU__TAG_TUPLE,    /* [length; references] */
    KU__TAG_LIST,     /* likewise */
    KU__TAG_DICT,     /* [length; references to key and value in turn] */
    KU__TAG_SET,      /* [length; references] */
    KU__TAG_CELL,     /* [reference or none] */
    KU__TAG_INSTANCE, /* [type; length of its array and references, if it has one; fields; with a dict: number of
                         attributes, references to name and value in turn] */
    /* within a process only */
    KU__TAG_FUNCTION,  /* [references to name, and self or none; address; least; most; 0 or 1: takes the instance] */
    KU__TAG_METHOD,    /* [references to function and instance] */
    KU__TAG_NAMESPACE, /* [references to name and dict] */
    KU__TAG_END,
} ku__tag;

enum { KU__MESSAGE_LOCAL = 1 }; /* of flags: has addresses of this process */

extern const char ku__message_magic[8];

/* A number by which the process knows its own messages; never 0. */
uint64_t ku__process_token(void);

/* The hash of a message, header and body. */
uint64_t ku__message_hash(const unsigned char *header, const unsigned char *body, size_t length);

/* As the public ones; a local message may have addresses in it, and is read in the process that wrote it. */
bool ku__message_write(ku_isolate *isolate, ku_object *object, bool local, ku_message *message);
ku_object *ku__message_read(ku_isolate *isolate, const void *bytes, size_t length, const ku_message_types *types,
                            bool local);

/* ---- reading ---- */

/* What is left of a message. Once something was not there, `failed`, and everything else reads as 0. */
typedef struct ku__reader {
    const unsigned char *at, *end;
    bool failed;
} ku__reader;

static inline size_t ku__reader_left(const ku__reader *reader) {
    return (size_t)(reader->end - reader->at);
}

/* The next `length` bytes; NULL when they are not there. */
static inline const unsigned char *ku__read_bytes(ku__reader *reader, size_t length) {
    if (reader->failed || length > ku__reader_left(reader)) {
        reader->failed = true;
        return NULL;
    }
    const unsigned char *bytes = reader->at;
    reader->at += length;
    return bytes;
}

static inline unsigned ku__read_byte(ku__reader *reader) {
    const unsigned char *byte = ku__read_bytes(reader, 1);
    return byte != NULL ? *byte : 0;
}

static inline uint64_t ku__read_number(ku__reader *reader) {
    uint64_t number = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
        uint64_t byte = ku__read_byte(reader), bits = byte & 127;
        if (shift == 63 && byte > 1) {
            break; /* beyond 64 bits */
        }
        number |= bits << shift;
        if (byte < 128) {
            return reader->failed ? 0 : number;
        }
    }
    reader->failed = true;
    return 0;
}

static inline int64_t ku__read_signed(ku__reader *reader) {
    uint64_t number = ku__read_number(reader);
    return (int64_t)(number >> 1 ^ (0 - (number & 1)));
}

/* How many things follow, each of at least `bytes` bytes: so that nobody makes room for more than can be there. */
static inline size_t ku__read_count(ku__reader *reader, size_t bytes) {
    uint64_t count = ku__read_number(reader);
    if (count > ku__reader_left(reader) / bytes) {
        reader->failed = true;
        return 0;
    }
    return (size_t)count;
}

static inline uint64_t ku__read_fixed(ku__reader *reader, unsigned length) {
    const unsigned char *bytes = ku__read_bytes(reader, length);
    uint64_t number = 0;
    for (unsigned i = 0; bytes != NULL && i < length; i++) {
        number |= (uint64_t)bytes[i] << (8 * i);
    }
    return number;
}

#endif
