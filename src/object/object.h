/* object.h (internal): the inside of an isolate, and the paths that every object takes, for inlining.
 *
 * Kind. Bits 0-23 of a header are the number of the type, the rest:
 *
 *     24 FINALIZED   the library has run its finalizer
 *     25 WEAK        there are entries for it in the isolate's table of weak references (weak.h)
 *     26 UNTRACKED   in the tracked heap, but known to be in no cycle: the collector skips it
 *     27 DYING       its count came to zero and its end has begun, or it waits for that: nobody may take references, or
 *                    follow the ones that it has (they may be gone already)
 *     28 INTERNED    a str of the isolate's table of interned ones
 *     29 MARK        for whoever walks, and leaves it clear
 *     30-31          bits 32-33 of the link in the list of the waiting
 *
 * A live object of the tracked heap is a block taken of its pools; its header is written before anything else happens.
 * In checking builds the block of a freed object is kept for a while with a type number of 0 (verify.c): whoever walks
 * the heap passes over it.
 *
 * The list of the waiting. An object that would die more than KU__DEPTH_MAX calls deep waits, whole, in a list linked
 * through its own header: the count, which is zero, and bits 30-31 of the kind hold its distance from the base of the
 * arenas in units of 16 bytes, 34 bits for the 2^38 bytes that the widest geometry has. So only what lies in arenas may
 * wait: objects that hold references are at most KU_OBJECT_MAX bytes.
 *
 * Maps. For each type, by number, what the collector has to know to follow and count an object: 32 bytes, read without
 * a call (ku__type_map). The tables of maps are for the whole process, reserved once and never moved; an entry is
 * written before its number is given out.
 *
 * Other rooms and files keep their part of an isolate behind pointers of their own: values (src/object/values.c), gc
 * (the native model), frames and lock (src/isolate).
 */
#ifndef KU__OBJECT_H
#define KU__OBJECT_H

#include "alloc/fast.h"

#include <kucha/frame.h>
#include <kucha/gc.h>
#include <kucha/isolate.h>
#include <kucha/object.h>
#include <kucha/type.h>
#include <kucha/weakref.h>

enum {
    KU__FINALIZED = 1 << 24,
    KU__WEAK = 1 << 25,
    KU__UNTRACKED = 1 << 26,
    KU__DYING = 1 << 27,
    KU__INTERNED = 1 << 28,
    KU__MARK = 1 << 29,
    KU__LINK_SHIFT = 30,
};

/* The count of objects that are immortal from birth: as far from both ends as it gets, so that code which counts
 * without asking stays immortal through 2^30 mistakes (PEP 683). */
#define KU__IMMORTAL_COUNT 0xC0000000u

/* Calls nested in the C stack when freeing frees; the rest waits (Include/cpython/object.h, trashcan). */
enum { KU__DEPTH_MAX = 50 };

/* ---- types ---- */

enum {
    KU__MAP_ACYCLIC = 1 << 0,  /* lies in the heap of atoms */
    KU__MAP_TAIL = 1 << 1,     /* items_at is the start of a tail */
    KU__MAP_DICT = 1 << 2,     /* word `dict_word` holds attributes */
    KU__MAP_WEAKREFS = 1 << 3, /* instances can be weakly referred to */
    KU__MAP_FINALIZE = 1 << 4, /* there is a finalizer: a hook, or `__del__` of a type made at run time */
    KU__MAP_RUN_TIME = 1 << 5, /* an instance holds a reference to its type object */
    KU__MAP_BUFFERS = 1 << 6,  /* some field is a buffer, or `release` is there */
    KU__MAP_PLAIN =
        1 << 7, /* its end is that of its words: no array, dict, finalizer, buffer or hook, no type object */
};

typedef struct ku__type_map {
    uint64_t words;             /* bit w: the 8 bytes at offset 8 * w are a reference or NULL */
    uint16_t items_at;          /* offset of the pointer to an array of references, or of a tail; 0 is neither */
    uint16_t length_at;         /* offset of its length, a size_t */
    uint16_t size;              /* bytes of the fixed part */
    uint8_t dict_word;          /* word of the attributes (attributes.h) */
    uint8_t flags;              /* KU__MAP_* */
    ku_traverse_hook *traverse; /* references that are in none of these; NULL mostly */
    ku_type *type;
} ku__type_map;
_Static_assert(sizeof(ku__type_map) == 32, "two maps to a cache line");

/* Map of type `number`; set when the first isolate or static type is made, then constant. */
extern ku__type_map *ku__type_maps;

struct ku_type {
    uint32_t number;
    bool is_ordinary;         /* static and not abstract: any isolate may make instances, without asking further */
    unsigned flags;           /* ku_type_flags, inherited DICT and WEAKREFS included */
    const ku_type_spec *spec; /* of a static type, by which it is known */
    ku_type_spec own;         /* as given; what it points to is static, or a copy that lives as long as the type */
    size_t size;              /* bytes of the fixed part, the dict's word included */
    size_t dict_offset;       /* 0: none */
    ku_isolate *isolate;      /* of a type made at run time; NULL: static */
    ku_object *object;        /* its type object, borrowed; NULL: static, each isolate has one of its own */
    ku_type **bases;
    ku_type **order;  /* C3, itself first */
    ku_type *layout;  /* the nearest in `order` that added to the lay-out, maybe itself; `object` in the end */
    ku_field *fields; /* all, inherited first; ended by a NULL name */
    uint32_t base_count, order_count, field_count;
    uint32_t array_field, buffer_count; /* the field that is ITEMS or TAIL, or field_count; fields that are BUFFER */
    ku_type *next;                      /* list of static types, under the process's lock */
    /* hooks, inherited ones resolved */
    ku_finalize_hook *finalize;
    ku_release_hook *release;
    ku_hash_hook *hash;
    ku_equal_hook *equal;
    ku_repr_hook *repr;
    ku_call_hook *call;
    ku_bind_hook *bind;
    ku_find_hook *find;
    ku_set_hook *set;
    ku_traverse_hook *traverse;
    ku_clear_hook *clear;
    const struct ku_operations *operations;
};

static inline uint32_t ku__number_of(const ku_object *object) {
    return object->kind & KU_TYPE_NUMBER_MASK;
}
static inline const ku__type_map *ku__map_of(const ku_object *object) {
    return &ku__type_maps[ku__number_of(object)];
}
static inline ku_type *ku__type_of(const ku_object *object) {
    return ku__map_of(object)->type;
}

/* ---- the isolate ---- */

typedef struct ku__weak_table ku__weak_table;     /* weak.h */
typedef struct ku__intern_table ku__intern_table; /* intern.h */
typedef struct ku__classes ku__classes;           /* class.h: type objects, look-up tables, shared keys */
typedef struct ku__births ku__births;             /* birth.h */
typedef struct ku__values ku__values;             /* values.h */
typedef struct ku__gc ku__gc;                     /* the native model's */
typedef struct ku__running ku__running;           /* src/isolate: frames, scopes, lock, budget */

typedef struct ku__pending {
    bool is_set;
    ku_error error;
    ku_object *value; /* owned, or NULL */
} ku__pending;

typedef struct ku__quarantine ku__quarantine; /* verify.c, checking build */

struct ku_isolate {
    ku_isolate_front front; /* first: frames are entered and left inline */

    /* what making and ending an object reads */
    ku_heap *tracked, *atoms, *buffers;
    int32_t young;      /* tracked objects made less freed since the last collection, at least 0 (gc.get_count()[0]) */
    int32_t young_most; /* above it a new object collects first; INT32_MAX while collection is off */
    ku_object *waiting; /* objects that wait for their end, last come first */
    unsigned depth;     /* ends that nest now */
    bool births_on;
    bool collecting; /* no collection starts inside of one */
    bool closing;    /* ku_isolate_delete() has begun its last part: nothing of the program is called any more */

    ku__pending pending;
    ku__classes *classes;
    ku__weak_table *weak;
    ku__intern_table *interned;
    ku__births *births;
    ku__values *values;
    ku__gc *gc;
    ku__running *running;
    ku_object *exits; /* the newest finalize object that is alive; the list has a reference to each (finalize.c) */

    /* Asked when a heap refuses `bytes`, before the error: true when it is worth asking again. By default it collects;
     * src/isolate puts the budget's own here. */
    bool (*refused)(ku_isolate *isolate, ku_heap *heap, size_t bytes);
    /* The collector's, NULL without one: collects what is due; collects all generations and returns what it found. */
    void (*collect)(ku_isolate *isolate);
    size_t (*collect_all)(ku_isolate *isolate);
    /* The place of the innermost frame; false when there is none. Set by src/isolate; NULL before. Its texts live as
     * long as the isolate. */
    bool (*here)(const ku_isolate *isolate, ku_place *place);
    /* The isolate is about to be deleted. Set where heap files are written at events; NULL before. */
    void (*ending)(ku_isolate *isolate);
    struct ku_producers *producers; /* src/isolate's: who watches what collections find dead; NULL: nobody */
    struct ku__events *events;      /* src/isolate's: when heap files are written; NULL: at nothing */
    /* Visits what the frames of all threads hold: known roots. Set by src/isolate; NULL before. */
    void (*visit_frames)(ku_isolate *isolate, ku_visit *visit, void *argument);

#ifdef KU_CHECKING
    ku__quarantine *quarantine;
    uint64_t refuse_in; /* allocations until one is refused on purpose (verify.c); 0: none is */
#endif
    struct ku_isolate *next; /* list of all */

    ku_object ***roots; /* places given to ku_root_add() */
    size_t root_count, root_capacity;

    char name[32];
    unsigned flags;
    ku_huge_pages huge_pages; /* of the three heaps */
    ku_leak_hook *leaks;
    void *leaks_argument;
    ku_unraisable_hook *unraisable;
    void *unraisable_argument;
};

/* Parts of an isolate, opened in this order when it is made and closed in the reverse order. An open that fails has
 * filled `error` and undone its own. */
bool ku__values_open(ku_isolate *isolate, ku_error *error);
void ku__values_close(ku_isolate *isolate); /* gives up singletons and caches; objects are still usable */
bool ku__gc_open(ku_isolate *isolate, ku_error *error);
void ku__gc_close(ku_isolate *isolate);
bool ku__running_open(ku_isolate *isolate, ku_error *error); /* src/isolate: frames, lock, budget */
void ku__running_close(ku_isolate *isolate);

/* All isolates, under the process's lock: for who knows only an address, and for readers of core files. */
extern ku_isolate *ku__isolates;

/* As ku_isolate_objects(), blocks that the checking build keeps back included. */
size_t ku__isolate_blocks(const ku_isolate *isolate, size_t *bytes);

/* ---- making ---- */

/* Collects when it is due; called by the inline path, and at every allocation in the hostile build. */
void ku__collect_due(ku_isolate *isolate);

/* When the fast path has no block: asks the slow one, the budget, and then sets the pending error. */
void *ku__block_slow(ku_isolate *isolate, ku_heap *heap, size_t bytes);

/* Sets the pending error after a heap has refused. */
void ku__refusal_note(ku_isolate *isolate, const ku_heap *heap, size_t bytes);

/* Writes the birthplace of a new block. */
void ku__birth_note(ku_isolate *isolate, ku_heap *heap, const void *block);

/* As ku_buffer_resize(), but asks nobody when the heap refuses: nothing of the program runs, and no error is set. */
void *ku__buffer_try(ku_isolate *isolate, void *buffer, size_t bytes);

/* Keeps a type object alive for one more instance, of a type made at run time. */
static inline void ku__type_retain(const ku__type_map *map) {
    if (KU__UNLIKELY(map->flags & KU__MAP_RUN_TIME)) {
        ku_incref(map->type->object);
    }
}

#ifdef KU_CHECKING
/* Whether this allocation, of an object or a buffer, is the one that a test wants refused; the error is then pending.
 * */
bool ku__is_refused(ku_isolate *isolate, size_t bytes);
#else
#define ku__is_refused(isolate, bytes) false
#endif

/* An object of `bytes` bytes (the fixed part, and what follows it; a type with references and without a tail has
 * nothing that follows), of which only the header is written: the caller
 * fills in all the rest before it calls anything. NULL with the error pending. `number` is a compile-time constant for
 * built-in types. */
static inline ku_object *ku__object_raw(ku_isolate *isolate, uint32_t number, size_t bytes) {
    const ku__type_map *map = &ku__type_maps[number];
    bool tracked = (map->flags & KU__MAP_ACYCLIC) == 0;
#ifdef KU_HOSTILE
    ku__collect_due(isolate);
#endif
    if (tracked && KU__UNLIKELY(++isolate->young > isolate->young_most)) {
        ku__collect_due(isolate);
    }
    if (ku__is_refused(isolate, bytes)) {
        return NULL;
    }
    ku_heap *heap = tracked ? isolate->tracked : isolate->atoms;
    ku_object *object = (ku_object *)ku__fast_malloc(heap, bytes);
    if (KU__UNLIKELY(object == NULL)) {
        object = (ku_object *)ku__block_slow(isolate, heap, bytes);
        if (object == NULL) {
            return NULL;
        }
    }
    object->count = 1;
    object->kind = number;
    ku__type_retain(map);
    if (KU__UNLIKELY(isolate->births_on)) {
        ku__birth_note(isolate, heap, object);
    }
    return object;
}

/* As above, for a type's fixed part, all fields zero. */
ku_object *ku__object_new(ku_isolate *isolate, uint32_t number);

/* Gives back the block of an object that was never shown to anybody (made raw, then something failed). Its fields are
 * not looked at. */
void ku__object_abandon(ku_isolate *isolate, ku_object *object);

/* ---- following references ---- */

/* Attributes of an instance whose type has KU_TYPE_DICT, in its dict word:
 *
 *     0                       none yet
 *     address of a ku__shared the values alone; their names and order are the type's (shared keys, class.h)
 *     address | 1             a dict object of its own, owned
 */
typedef struct ku__shared {
    uint8_t capacity; /* values that there is room for */
    uint8_t used;     /* values that are there */
    uint8_t order[];  /* which, in the order in which they were set; then, at a multiple of 8, the values */
} ku__shared;

static inline ku_object **ku__shared_values(ku__shared *shared) {
    return (ku_object **)(void *)((char *)shared + ((2u + shared->capacity + 7u) & ~7u));
}
static inline uintptr_t *ku__dict_word(const ku_object *object, const ku__type_map *map) {
    return (uintptr_t *)(uintptr_t)object + map->dict_word;
}

/* The array of references behind `items_at`, and its length. */
static inline ku_object **ku__items_of(const ku_object *object, const ku__type_map *map, size_t *length) {
    char *base = (char *)(uintptr_t)object;
    *length = *(size_t *)(void *)(base + map->length_at);
    if (map->flags & KU__MAP_TAIL) {
        return ku_tail((ku_object *)(void *)base, map->items_at, *length);
    }
    return *(ku_object ***)(void *)(base + map->items_at);
}

static inline void ku__visit_array(ku_object **items, size_t length, ku_visit *visit, void *argument) {
    for (size_t i = 0; i < length; i++) {
        if (items[i] != NULL) {
            visit(&items[i], argument);
        }
    }
}

static inline void ku__visit_attributes(uintptr_t *word, ku_visit *visit, void *argument) {
    if ((*word & 1) != 0) {
        ku_object *dict = (ku_object *)(*word - 1);
        visit(&dict, argument); /* a copy: whoever empties places has ku__attributes_clear() */
    } else if (*word != 0) {
        ku__shared *shared = (ku__shared *)*word;
        ku__visit_array(ku__shared_values(shared), shared->capacity, visit, argument);
    }
}

/* Calls visit(place, argument) for every reference that the object holds, its type object included when the type was
 * made at run time. With a `visit` that the compiler sees, everything is inlined. Neither allocates nor counts. */
__attribute__((always_inline)) static inline void ku__visit_references(ku_object *object, ku_visit *visit,
                                                                       void *argument) {
    const ku__type_map *map = ku__map_of(object);
    ku_object **words = (ku_object **)(void *)object;
    for (uint64_t left = map->words; left != 0; left &= left - 1) {
        ku_object **place = &words[__builtin_ctzll(left)];
        if (*place != NULL) {
            visit(place, argument);
        }
    }
    if (map->items_at != 0) {
        size_t length;
        ku_object **items = ku__items_of(object, map, &length);
        ku__visit_array(items, length, visit, argument);
    }
    if (map->flags & KU__MAP_DICT) {
        ku__visit_attributes(ku__dict_word(object, map), visit, argument);
    }
    if (KU__UNLIKELY(map->flags & KU__MAP_RUN_TIME)) {
        ku_object *type = map->type->object;
        visit(&type, argument);
    }
    if (KU__UNLIKELY(map->traverse != NULL)) {
        map->traverse(object, visit, argument);
    }
}

/* ---- ending, for the collector ---- */

/* Runs the finalizer if it has not been run by the library; afterwards FINALIZED is set. Errors go to the unraisable
 * hook. Does nothing for a type without one. The caller holds a reference. */
void ku__object_finalize(ku_isolate *isolate, ku_object *object);

/* Gives up what the object refers to (not its type), so that cycles through it fall apart; it stays a valid, empty
 * object. Buffers of items are freed. */
void ku__object_clear(ku_isolate *isolate, ku_object *object);

/* Weak references: clears those to `object`. The ones with a callback, and without KU__MARK (by which the collector
 * marks what is garbage itself), go to the end of the queue with a new reference each; ku__weak_call() empties it. */
typedef struct ku__weak_queue {
    struct ku__weakref *first, *last; /* weak.h */
} ku__weak_queue;
void ku__weak_clear(ku_isolate *isolate, ku_object *object, ku__weak_queue *queue);
void ku__weak_call(ku_isolate *isolate, ku__weak_queue *queue);

/* For a sweep, after the caller has given up the object's references one by one, the one to its type included: frees
 * what else it has (buffers; items, a long tail, shared attributes as arrays), with no hook but `release`. Its block is
 * still the caller's to give back, ... */
void ku__object_strip(ku_isolate *isolate, ku_object *object);

/* ... or goes with it. */
void ku__object_dispose(ku_isolate *isolate, ku_object *object);

/* Calls an object: its type's hook, or "'x' object is not callable". Arguments borrowed, the result new. */
static inline ku_object *ku__call(ku_isolate *isolate, ku_object *callable, ku_object *const *arguments, size_t count) {
    const ku_type *type = ku__type_of(callable);
    if (type->call == NULL) {
        return ku_fail_null(isolate, KU_TYPE, "'%s' object is not callable", type->own.name);
    }
    return type->call(isolate, callable, arguments, count);
}

/* ---- errors ---- */

/* Puts the pending error aside around code that must not see or change it, and back (dropping what came since). */
ku__pending ku__pending_take(ku_isolate *isolate);
void ku__pending_put(ku_isolate *isolate, ku__pending saved);

/* Sends the pending error to the unraisable hook and forgets it. */
void ku__unraisable(ku_isolate *isolate, const char *where, ku_object *object);

#endif
