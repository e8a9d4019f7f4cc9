/* types.h: the types of the interpreter in a core, and what is known of the lay-out of their objects.
 *
 * Types are collected from `object` down, through the tables of subclasses that types keep, as the live graph collects
 * them. Of each, what reading its objects needs is read once: an object is then read without a look at its type.
 *
 * The *kind* of a type says by which rule its objects are read. Of a type that has no kind of its own, `base` is the
 * kind of the nearest type above that has one, and `scan_from` is where what that rule reads ends.
 *
 * Sources: Objects/typeobject.c (tp_subclasses: a dict of weak references; from 3.12 on, of builtin static types in
 * the interpreter's state), Include/structmember.h and Include/descrobject.h (PyMemberDef), at the versions of
 * layout.h.
 */
#ifndef KU__COREFILE_TYPES_H
#define KU__COREFILE_TYPES_H

#include "corefile/python.h"
#include "inspect/python_beside.h"
#include "inspect/python_types.h"

typedef enum ku__kind {
    KU__KIND_OTHER,
    KU__KIND_NOTHING, /* numbers and bytes: they refer to nothing */
    KU__KIND_TEXT,
    KU__KIND_LIST,
    KU__KIND_TUPLE,
    KU__KIND_DICT,
    KU__KIND_SET,
    KU__KIND_CODE,
    KU__KIND_BYTEARRAY,
    KU__KIND_RANGE,
    KU__KIND_EXACT, /* those before are read by their lay-out alone, tracked or not, where a type is exactly theirs */
    KU__KIND_TYPE,
    KU__KIND_FUNCTION,
    KU__KIND_C_FUNCTION,
    KU__KIND_METHOD,
    KU__KIND_MODULE,
    KU__KIND_GENERATOR,
    KU__KIND_CELL,
    KU__KIND_FRAME,
    KU__KIND_EXCEPTION,
    KU__KIND_TRACEBACK,
    KU__KIND_REFERENCE,
    KU__KIND_PLAIN, /* all words of their objects that are references are theirs */
} ku__kind;

typedef struct ku__member {
    uint32_t offset;
    bool attribute; /* of a class statement's __slots__; else a field of the type's own */
    uintptr_t name; /* text that ends with a zero */
} ku__member;

typedef struct ku__type {
    uintptr_t address;
    uint64_t flags;
    uint64_t basic, item;     /* bytes of an object, and of an item that it has more */
    uint32_t front;           /* bytes in front of its objects */
    int32_t dict_at, weak_at; /* where its objects have a dict, and weak references; 0: nowhere */
    uintptr_t keys;           /* table of keys that instances share; 0: none */
    uint8_t kind, base;       /* ku__kind */
    uint8_t beside;           /* ku__beside_kind: of itself or the nearest base that has one */
    bool is_sure;             /* all that its objects refer to is found by what is known of it */
    uint32_t scan_from;
    uint32_t first_member, members;
} ku__type;

typedef struct ku__core_types {
    ku__type_table table; /* by address; `object` first */
    ku__growing entries;  /* ku__type, by number */
    ku__growing members;  /* ku__member */
    uintptr_t statement;  /* tp_traverse of what a class statement makes */
    bool failed;          /* memory was refused */
} ku__core_types;

/* Fills the table; false when memory is refused. Ends with ku__core_types_close(). */
bool ku__core_types_open(ku__core_types *types, const ku__python *python, ku__image *image);
void ku__core_types_close(ku__core_types *types);

static inline const ku__type *ku__core_type_at(const ku__core_types *types, uint32_t number) {
    return KU__GROWING_ITEMS(&types->entries, ku__type) + number;
}
static inline uint32_t ku__core_type_count(const ku__core_types *types) {
    return (uint32_t)KU__GROWING_COUNT(&types->entries, ku__type);
}
static inline uint32_t ku__core_type_find(const ku__core_types *types, uintptr_t address) {
    return ku__type_table_find(&types->table, address);
}
static inline const ku__member *ku__core_members(const ku__core_types *types, const ku__type *type) {
    return type->members == 0 ? NULL : KU__GROWING_ITEMS(&types->members, ku__member) + type->first_member;
}

#endif
