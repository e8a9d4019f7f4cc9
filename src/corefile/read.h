/* read.h: the references of one object in a core, and what they are called; the counterpart of cpython/graph_read.h.
 *
 * No code of a type's can be asked: everything is read by lay-out. Builtin containers, strings and code have rules of
 * their own (read.c). Of anything else that the collector tracks (generic.c): what its nearest builtin base has; the
 * members, slots, attributes and dict that its type declares; and then every other word of it, up to the size that the
 * type gives its objects, that is the address of an object which lives. Where the type is not one of those of which it
 * is known that such words are its references, and all of them, the object is said not to have been read for sure.
 */
#ifndef KU__COREFILE_READ_H
#define KU__COREFILE_READ_H

#include "corefile/types.h"
#include "inspect/python_make.h"

typedef struct ku__core_reading {
    ku__telling telling;
    ku__image *image;
    const ku__python *python;
    const ku__core_types *types;
    const ku__blocks *blocks;
    uint32_t unknown; /* references of the object at hand that have no name */
    uint64_t told;    /* references of all, in both walks */
    uint64_t most;    /* how many there can be: each takes a word of the core */
} ku__core_reading;

/* `type` is the object's; `tracked`: one of the collector's lists leads to it. False: it cannot be read, or not for
 * sure. */
bool ku__core_read(ku__core_reading *reading, uintptr_t object, uint32_t type, bool tracked);

/* Bytes that were asked for, header and `front` included. */
uint64_t ku__core_bytes(ku__core_reading *reading, uintptr_t object, const ku__type *type);

/* Whether an object begins at this address exactly, and lives: what a word that may be a reference must be. */
bool ku__core_is_object(const ku__core_reading *reading, uintptr_t address);

/* ---- shared by read.c and generic.c ---- */

void ku__core_tell(ku__core_reading *reading, const ku__reference *reference);
void ku__core_own(ku__core_reading *reading, uintptr_t block, size_t size, ku__buffer_kind kind);
void ku__core_read_list(ku__core_reading *reading, uintptr_t object);
void ku__core_read_tuple(ku__core_reading *reading, uintptr_t object);
void ku__core_read_dict(ku__core_reading *reading, uintptr_t object);
void ku__core_read_set(ku__core_reading *reading, uintptr_t object);
void ku__core_read_generic(ku__core_reading *reading, uintptr_t object, const ku__type *type);

/* A field of an object that is a reference. */
static inline void ku__core_field(ku__core_reading *reading, uintptr_t place, uint32_t kind, const char *name) {
    uintptr_t target = ku__image_word(reading->image, place);
    if (target != 0) {
        ku__core_tell(reading, &(ku__reference){.target = target, .kind = kind, .fixed = name, .counted = true});
    }
}

/* A block of values beside keys that instances share: where they stand, how many; and its memory where that is its
 * own (0: it lies in an object). */
typedef struct ku__core_values {
    const uintptr_t *items; /* NULL: none */
    size_t count;
    uintptr_t block;
    size_t bytes;
} ku__core_values;

/* Whether values that lie in an instance are told of by its dict, where it has one, and not by the instance. Seen in
 * tp_traverse of 3.13.5, 3.14.10 and 3.15.2, and not in 3.13.0 (cpython 130327); who holds them in between is told
 * as in 3.13.0, which is the same chain but for one link. */
bool ku__core_dict_holds(const ku__python *python);

ku__core_values ku__core_values_at(ku__core_reading *reading, uintptr_t values, const ku__key_table *keys);

#endif
