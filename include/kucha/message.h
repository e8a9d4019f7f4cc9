/* message.h: object graphs as bytes: what passes between isolates, and between processes.
 *
 * A message is a copy of an object and of all it refers to, cycles and shared parts included, in bytes that belong to
 * no isolate. Reading it makes the same graph anew in any isolate. Nothing is ever shared.
 *
 * What can be copied: none, booleans, numbers, str, bytes, tuple, list, dict, set, cell, and instances of types whose
 * fields say all about them (their attributes in a dict too). Interned text arrives interned. What a KU_FIELD_WEAK
 * field refers to does not come along. What cannot: types with a `release` or `traverse` hook or with fields that only
 * the program understands (KU_FIELD_PLAIN, KU_FIELD_BUFFER), types that inherit from a built-in value, weak references,
 * iterators. Between isolates of one process functions, bound methods, namespaces and static text pass too. KU_TYPE
 * says which object and why.
 *
 * An instance is made by the type of the same name and the same fields in the reading isolate: one that it names itself
 * (ku_message_types), or, within a process, the static type itself. No constructor runs; finalizers of what was read
 * run when it dies. A type that has rules between its plain fields must not trust what came from elsewhere.
 *
 * Bytes from elsewhere. Reading checks everything: it fails with KU_CORRUPT, or with the error of an operation on the
 * values (unhashable key), and never touches memory beyond the message; the memory that it takes is at most about a
 * hundred times the message's length. Versions that it does not know are refused.
 *
 *     message   header of 40 bytes, then the body
 *     header    "KUCHAMSG"; version, 2 bytes; flags, 2; zero, 4; length of the body, 8; hash, 8: XXH3-64 of the body,
 *               seeded with XXH3-64 of the first 24 bytes; process, 8: 0, or a number that only this process knows
 *     body      the number of types; for each: name, field count, for each field: name, kind; 1 or 0: has a dict
 *               the number of objects, at least 1; for each, its tag and contents. The first is the root
 *     number    LEB128, at most 10 bytes. Signed ones zigzag. Reference: number of an object counted from 1, or 0: none
 *     text      its length in bytes, then UTF-8
 *
 * All whole numbers of fixed size are little-endian.
 */
#ifndef KUCHA_MESSAGE_H
#define KUCHA_MESSAGE_H

#include <kucha/object.h>
#include <kucha/type.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { KU_MESSAGE_VERSION = 1, KU_MESSAGE_HEADER = 40 };

typedef struct ku_message {
    void *bytes; /* by malloc(3); NULL: none */
    size_t length;
} ku_message;

/* Types of which instances may be made, matched by name and fields. Static ones, or of the reading isolate. */
typedef struct ku_message_types {
    ku_type *const *types;
    size_t count;
} ku_message_types;

/* Writes a message that any process can read. The caller ends it with ku_message_free(). False: KU_TYPE for what cannot
 * be copied, KU_NO_MEMORY. Makes no object and runs no code of the program. Needs the lock. */
KU_API bool ku_message_write(ku_isolate *isolate, ku_object *object, ku_message *message);

/* The graph of a message: a new reference to its root. `types` may be NULL: none. NULL with the error pending:
 * KU_CORRUPT, KU_TYPE for an instance of a type that is not among `types`, memory. Needs the lock. */
KU_API ku_object *ku_message_read(ku_isolate *isolate, const void *bytes, size_t length, const ku_message_types *types);

/* Frees the bytes; any thread. An empty message is left alone. */
KU_API void ku_message_free(ku_message *message);

#ifdef __cplusplus
}
#endif

#endif
