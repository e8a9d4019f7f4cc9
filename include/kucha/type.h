/* type.h: types: what a kind of object is made of, in a table.
 *
 * A type is described by a ku_type_spec: a name, a size, and a list of fields with name, offset and kind. All that the
 * library does with the inside of an object comes from that list: what it refers to (so that the collector can follow
 * it), what has to be freed with it, its attributes, copies, printing, and the names of edges in pictures. Hooks are
 * for the exception.
 *
 *     typedef struct { ku_object header; ku_object *left, *right; double weight; } node;
 *
 *     static const ku_field node_fields[] = {
 *         {"left", offsetof(node, left), KU_FIELD_OWNED},
 *         {"right", offsetof(node, right), KU_FIELD_OWNED},
 *         {"weight", offsetof(node, weight), KU_FIELD_DOUBLE},
 *         {NULL},
 *     };
 *     static const ku_type_spec node_spec = {.name = "node", .size = sizeof(node), .fields = node_fields};
 *
 * Static types (ku_type_static) belong to the process, are never freed, and cannot be changed. Types made at run time
 * (ku_type_new) belong to an isolate, are objects that are freed like others, and have attributes that can be set.
 *
 * Inheritance. A type has all fields of its bases, at the same offsets, and inherits hooks that it does not name. Its
 * order of look-up is C3 (Barrett and others 1996; "The Python 2.3 Method Resolution Order"). Of several bases at most
 * one may decide the lay-out: two with different fields are "multiple bases have instance lay-out conflict" (KU_TYPE).
 *
 * How an object dies (CPython 3.14, Objects/typeobject.c subtype_dealloc; Python/gc.c). By count:
 *
 *     1. its finalizer is called, unless it has been before
 *     2. if that took a new reference, the object lives on (resurrection), and the finalizer is not called again
 *     3. weak references to it are cleared, and their callbacks called, newest first
 *     4. its fields are given up in order of offset, then items or tail, then its dict; `release`; the block is freed
 *
 * So a finalizer still gets its object from a weak reference when the object dies by count; when the collector ends it,
 * all weak references to it were cleared first (gc.h). CPython 3.14 does both the same (seen on 3.14.10).
 *
 * Depth. What is freed by freeing nests at most 50 calls deep in the C stack; beyond that objects wait in a list that
 * the outermost call works off, and structures of any depth are freed in bounded stack. 50 is CPython's trashcan limit
 * (Include/cpython/object.h); finalizers run in its order.
 */
#ifndef KUCHA_TYPE_H
#define KUCHA_TYPE_H

#include <kucha/object.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What is at a field's offset. Kinds marked "attribute" can be read and, unless KU_FIELD_READ_ONLY, set by name. */
typedef enum ku_field_kind {
    KU_FIELD_OWNED = 1, /* ku_object *: a reference, or NULL: attribute not there */
    KU_FIELD_WEAK,      /* ku_object *: a weakref object, or NULL; as attribute it reads as its referent, or none */
    KU_FIELD_ITEMS,     /* ku_object **: array of references (some may be NULL) in a buffer of the isolate, with its
                           length, a size_t, at `length_offset`; freed with the object */
    KU_FIELD_TAIL,      /* references after the fixed part, their number, a size_t, at `length_offset`. Those that would
                           make the object larger than KU_OBJECT_MAX lie in a buffer instead, all of them, and a
                           pointer to it here: see ku_tail() */
    KU_FIELD_BUFFER,    /* void *: a buffer of the isolate, freed with the object */
    KU_FIELD_BOOL,      /* bool: attribute */
    KU_FIELD_INT32,     /* int32_t: attribute */
    KU_FIELD_INT64,     /* int64_t: attribute */
    KU_FIELD_SIZE,      /* size_t: attribute */
    KU_FIELD_DOUBLE,    /* double: attribute */
    KU_FIELD_TEXT,      /* const char *: static text or NULL: attribute, read-only */
    KU_FIELD_PLAIN,     /* bytes that are the program's business; only named */
} ku_field_kind;

typedef enum ku_field_flags {
    KU_FIELD_READ_ONLY = 1 << 0, /* as attribute, it cannot be set or deleted */
    KU_FIELD_HIDDEN = 1 << 1,    /* no attribute; the name is for pictures and reports only */
} ku_field_flags;

typedef struct ku_field {
    const char *name; /* NULL ends the list */
    uint16_t
        offset;    /* from the start of the object; KU_OFFSET_NEXT in a type made at run time: wherever there is room */
    uint8_t kind;  /* of ku_field_kind */
    uint8_t flags; /* of ku_field_flags */
    uint16_t length_offset; /* of ITEMS and TAIL */
} ku_field;

enum {
    KU_OBJECT_MAX = 512,     /* bytes of an object that holds references; what is longer lies in buffers */
    KU_OFFSET_NEXT = 0xFFFF, /* "the library chooses the offset" */
    KU_TYPES_MAX = 1 << 20,  /* types alive at a time in a process */
};

typedef enum ku_type_flags {
    KU_TYPE_DICT = 1 << 0,     /* instances have a dict of further attributes; costs 8 bytes */
    KU_TYPE_WEAKREFS = 1 << 1, /* instances can be weakly referred to; costs nothing until it is done */
    KU_TYPE_ACYCLIC = 1 << 2,  /* a promise: no instance is ever part of a cycle; the collector never looks at them.
                                  For types whose references lead only to such as it */
    KU_TYPE_FINAL = 1 << 3,    /* nothing inherits from it */
    KU_TYPE_ABSTRACT = 1 << 4, /* ku_new() refuses it */
} ku_type_flags;

/* ---- hooks ---- each may fail by setting a pending error */

/* The finalizer, `__del__`: called once, with the object whole. An error goes to the unraisable hook (isolate.h). */
typedef bool ku_finalize_hook(ku_isolate *isolate, ku_object *self);

/* Frees what no field describes. Must not use the isolate's other objects, nor fail. */
typedef void ku_release_hook(ku_isolate *isolate, ku_object *self);

typedef bool ku_hash_hook(ku_isolate *isolate, ku_object *self, uint64_t *hash);

/* Equality: 1, 0, -1 for an error, KU_NO_ANSWER where this type does not know (NotImplemented: the other is asked). */
enum { KU_NO_ANSWER = 2 };
typedef int ku_equal_hook(ku_isolate *isolate, ku_object *self, ku_object *other);

/* A str object, new. */
typedef ku_object *ku_repr_hook(ku_isolate *isolate, ku_object *self);

/* The result, new; `arguments` are borrowed. */
typedef ku_object *ku_call_hook(ku_isolate *isolate, ku_object *self, ku_object *const *arguments, size_t count);

/* What an attribute of a type becomes when it is read through an instance (`__get__`): a function gives a bound method.
 * New. Types without this hook give the attribute itself. */
typedef ku_object *ku_bind_hook(ku_isolate *isolate, ku_object *self, ku_object *instance);

/* Attributes of the program's own making, asked before anything else. `find` gives true and NULL for "not mine"; `set`
 * (value NULL: delete) 1 when done, 0 for "not mine", -1 for an error. */
typedef bool ku_find_hook(ku_isolate *isolate, ku_object *self, ku_object *name, ku_object **value);
typedef int ku_set_hook(ku_isolate *isolate, ku_object *self, ku_object *name, ku_object *value);

/* References that no field describes: calls `visit` for each that is not NULL, with the same argument. Must not
 * allocate or count. `place` is where the reference lies. */
typedef void ku_visit(ku_object **place, void *argument);
typedef void ku_traverse_hook(ku_object *self, ku_visit *visit, void *argument);

/* Gives up those references (ku_clear), and those of ITEMS or a tail, which are the library's business without this
 * hook: it takes items off the end one by one. Called when the object dies, and by the collector to break a cycle. */
typedef void ku_clear_hook(ku_isolate *isolate, ku_object *self);

/* A function of C as a method: `self` is the object it was read from. */
typedef ku_object *ku_c_method(ku_isolate *isolate, ku_object *self, ku_object *const *arguments, size_t count);

typedef struct ku_method {
    const char *name; /* NULL ends the list */
    ku_c_method *function;
    uint16_t least, most; /* arguments beside self; KU_ANY_COUNT as `most` is no bound */
} ku_method;
enum { KU_ANY_COUNT = 0xFFFF };

struct ku_operations; /* operations.h: arithmetic, order, items, iteration */

typedef struct ku_type_spec {
    const char *name;
    size_t size;            /* bytes of the fixed part with the header; 0 at run time: what the fields need */
    const ku_field *fields; /* those that it adds to its bases', ended by a NULL name; NULL is none */
    unsigned flags;         /* of ku_type_flags */
    const char *doc;
    ku_finalize_hook *finalize;
    ku_release_hook *release;
    ku_hash_hook *hash;
    ku_equal_hook *equal; /* with equal and without hash, instances cannot be hashed */
    ku_repr_hook *repr;   /* NULL: "<name object at 0x...>" */
    ku_call_hook *call;
    ku_bind_hook *bind;
    ku_find_hook *find;
    ku_set_hook *set;
    ku_traverse_hook *traverse;
    ku_clear_hook *clear;
    const ku_method *methods;
    const struct ku_operations *operations; /* NULL: the base's */
    const struct ku_type_spec *const
        *bases; /* of a static type: static ones, NULL-terminated; NULL is `object` alone */
} ku_type_spec;

/* ---- static types ---- */

/* The process's type for this spec, made at the first call; `spec` must live for ever and not change. NULL with `error`
 * filled: KU_INVALID for a table that contradicts itself (the message names the field), KU_TYPE for bases that do not
 * fit, KU_NO_MEMORY. Any thread; takes the process's lock. */
KU_API ku_type *ku_type_static(const ku_type_spec *spec, ku_error *error);

/* ---- types made at run time ---- */

/* A new type, as an object: a new reference. `spec` and what it points to are copied, hooks are kept; `bases` are its
 * bases (NULL with 0: object alone); spec->bases must be NULL. Slots are fields with KU_OFFSET_NEXT. Errors: KU_TYPE
 * (lay-out conflict; no consistent order of bases; a base that is final; a base of another isolate), KU_INVALID,
 * KU_NO_MEMORY.
 *
 * Such a type is freed when nothing refers to it: its instances and subtypes do. */
KU_API ku_object *ku_type_new(ku_isolate *isolate, const ku_type_spec *spec, ku_type *const *bases, size_t count);

/* The object of a type, borrowed: for a static type the isolate's own, immortal; NULL only without memory. */
KU_API ku_object *ku_type_object(ku_isolate *isolate, ku_type *type);

/* The type that a type object stands for; NULL when it is none. */
KU_API ku_type *ku_type_from(const ku_object *object);

/* Calling a type object makes an instance, and calls its attribute `__init__` with the arguments if it has one.
 *
 * Attributes of types are set with ku_set_attribute() on the type object: values, functions, `__del__`. KU_TYPE for a
 * static type: "cannot set 'x' attribute of immutable type 'node'". */

/* ---- asking ---- any thread, for as long as the type lives */

KU_API const char *ku_type_name(const ku_type *type);
KU_API size_t ku_type_size(const ku_type *type);       /* bytes of the fixed part, a dict's word included */
KU_API unsigned ku_type_flags_of(const ku_type *type); /* with what it inherits */
KU_API bool ku_type_is_static(const ku_type *type);
KU_API bool ku_type_is_subtype(const ku_type *type, const ku_type *of); /* or the same */

/* The order of look-up (`__mro__`), the type itself first, `object` last. Returns how many; *types is borrowed. */
KU_API size_t ku_type_order(const ku_type *type, ku_type *const **types);

/* All fields, inherited ones first. Returns how many; *fields is borrowed. */
KU_API size_t ku_type_fields(const ku_type *type, const ku_field **fields);

/* The offset of an attribute field in instances, 0 when there is none of this name. */
KU_API size_t ku_type_offset_of(const ku_type *type, const char *name);

/* ---- tails ---- */

/* Where the references of a tail are, for an object with KU_FIELD_TAIL at `offset` and `length` of them. */
static inline ku_object **ku_tail(ku_object *object, size_t offset, size_t length) {
    char *tail = (char *)object + offset;
    bool spilled = length > (KU_OBJECT_MAX - offset) / sizeof(ku_object *);
    return spilled ? *(ku_object ***)(void *)tail : (ku_object **)(void *)tail;
}

/* ---- built-in types ---- */

typedef enum ku_builtin {
    KU_BUILTIN_OBJECT = 1,
    KU_BUILTIN_TYPE,
    KU_BUILTIN_NONE,
    KU_BUILTIN_BOOL,
    KU_BUILTIN_INT,
    KU_BUILTIN_FLOAT,
    KU_BUILTIN_STR,
    KU_BUILTIN_BYTES,
    KU_BUILTIN_TUPLE,
    KU_BUILTIN_LIST,
    KU_BUILTIN_DICT,
    KU_BUILTIN_SET,
    KU_BUILTIN_CELL,
    KU_BUILTIN_FUNCTION,
    KU_BUILTIN_METHOD,
    KU_BUILTIN_NAMESPACE,
    KU_BUILTIN_CACHE,
    KU_BUILTIN_ITERATOR,
    KU_BUILTIN_WEAKREF,
    KU_BUILTIN_PROXY,
    KU_BUILTIN_FINALIZE,
    KU_BUILTIN_WEAK_VALUE_DICT,
    KU_BUILTIN_WEAK_KEY_DICT,
    KU_BUILTIN_WEAK_SET,
    KU_BUILTIN_CALLBACK, /* a function of C that a weak reference calls; hidden inside of it */
    KU_BUILTIN_COUNT,
} ku_builtin;

/* A built-in type; its number is the enumerator, so `(o->kind & KU_TYPE_NUMBER_MASK) == KU_BUILTIN_INT` asks for
 * exactly int. Any thread, once an isolate has been made. */
KU_API ku_type *ku_builtin_type(ku_builtin which);

/* Whether the object's type is exactly this one. */
static inline bool ku_is_exactly(const ku_object *object, ku_builtin which) {
    return (object->kind & KU_TYPE_NUMBER_MASK) == (uint32_t)which;
}

#ifdef __cplusplus
}
#endif

#endif
