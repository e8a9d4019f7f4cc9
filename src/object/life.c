/* life.c: how objects are made and how they end. See object.h for the list of the waiting, kucha/type.h for the order.
 *
 * The end of an object, at a count of zero:
 *
 *     finalizer -> is it still at zero? -> weak references -> fields -> buffers -> block -> its type
 *
 * Giving up a field may end another object, in a nested call. From KU__DEPTH_MAX calls on an object is put aside whole,
 * and the outermost call works off what was put aside, last come first, as CPython's trashcan does (Objects/object.c,
 * _PyTrash_thread_destroy_chain). In a chain the order of finalizers is the same as with unbounded nesting.
 *
 * Invariants: isolate->depth is 0 whenever no end is under way, and then nobody waits. An object with KU__DYING has a
 * count of zero or waits, and nothing but the end itself can reach it: the collector skips it, weak references do not
 * give it.
 */
#include "object/attributes.h"
#include "object/class.h"
#include "object/collect.h"
#include "object/intern.h"
#include "object/verify.h"
#include "object/weak.h"

#include <string.h>

/* ---- making ---- */

void ku__collect_due(ku_isolate *isolate) {
    if (isolate->collect != NULL && !isolate->collecting) {
        isolate->collect(isolate);
    }
}

void ku__refusal_note(ku_isolate *isolate, const ku_heap *heap, size_t bytes) {
    ku_code code = ku_heap_last_refusal(heap) == KU_LIMIT ? KU_LIMIT : KU_NO_MEMORY;
    ku_fail(isolate, code,
            code == KU_LIMIT ? "isolate '%s' is at its limit: %zu bytes more were refused"
                             : "the system refused memory: isolate '%s' asked for %zu bytes",
            isolate->name, bytes);
}

void *ku__block_slow(ku_isolate *isolate, ku_heap *heap, size_t bytes) {
    void *block = ku__slow_malloc(heap, bytes);
    while (block == NULL && isolate->refused != NULL && isolate->refused(isolate, heap, bytes)) {
        block = ku__slow_malloc(heap, bytes);
    }
    if (block == NULL) {
        ku__refusal_note(isolate, heap, bytes);
    }
    return block;
}

/* Zeroes what follows the header: a word, then pairs of words, to the end of the block, which is a multiple of 16. Most
 * objects have two to eight words, for which a call of memset takes longer than the stores. */
static inline void zero_fields(ku_object *object, size_t bytes) {
    typedef uint64_t pair __attribute__((vector_size(16), may_alias));
    ((uint64_t *)(void *)object)[1] = 0;
    pair *pairs = (pair *)(void *)object;
    for (size_t i = 1; i < (bytes + 15) / sizeof *pairs; i++) {
        pairs[i] = (pair){0, 0};
        __asm__ volatile("" :::); /* keeps the compiler from making it a call of memset after all */
    }
}

static inline ku_object *object_new(ku_isolate *isolate, uint32_t number) {
    size_t bytes = ku__type_maps[number].size;
    ku_object *object = ku__object_raw(isolate, number, bytes);
    if (KU__LIKELY(object != NULL)) {
        zero_fields(object, bytes);
    }
    return object;
}

ku_object *ku__object_new(ku_isolate *isolate, uint32_t number) {
    return object_new(isolate, number);
}

static bool can_make(ku_isolate *isolate, const ku_type *type) {
    if ((type->own.flags & KU_TYPE_ABSTRACT) != 0) {
        return ku_fail(isolate, KU_TYPE, "cannot create '%s' instances", type->own.name);
    }
    if (type->isolate != NULL && type->isolate != isolate) {
        return ku_fail(isolate, KU_TYPE, "type '%s' belongs to another isolate", type->own.name);
    }
    return true;
}

static __attribute__((noinline)) ku_object *new_with_care(ku_isolate *isolate, const ku_type *type) {
    return can_make(isolate, type) ? object_new(isolate, type->number) : NULL;
}

/* Whether nothing is to be done beside taking a block; the checking builds always have more to do. */
static inline bool is_quick(const ku_isolate *isolate, const ku_type *type) {
#ifdef KU_CHECKING
    (void)isolate;
    (void)type;
    return false;
#else
    return type->is_ordinary && isolate->young < isolate->young_most && !isolate->births_on;
#endif
}

KU__ALIGNED_CODE ku_object *ku_new(ku_isolate *isolate, ku_type *type) {
    if (KU__LIKELY(is_quick(isolate, type))) {
        const ku__type_map *map = &ku__type_maps[type->number];
        bool tracked = (map->flags & KU__MAP_ACYCLIC) == 0;
        size_t bytes = map->size;
        ku_object *object = (ku_object *)ku__fast_malloc(tracked ? isolate->tracked : isolate->atoms, bytes);
        if (KU__LIKELY(object != NULL)) {
            isolate->young += tracked;
            object->count = 1;
            object->kind = type->number;
            zero_fields(object, bytes);
            return object;
        }
    }
    return new_with_care(isolate, type);
}

/* A tail that fits lies in the object, a longer one in a buffer. */
static ku_object *new_with_tail(ku_isolate *isolate, const ku_type *type, size_t length) {
    const ku__type_map *map = &ku__type_maps[type->number];
    bool spills = length > (KU_OBJECT_MAX - type->size) / sizeof(ku_object *);
    ku_object **spilled = NULL;
    if (spills) {
        size_t bytes;
        bool fits = !__builtin_mul_overflow(length, sizeof(ku_object *), &bytes);
        spilled = (ku_object **)ku_buffer_new(isolate, fits ? bytes : SIZE_MAX);
        if (spilled == NULL) {
            return NULL;
        }
        memset(spilled, 0, bytes);
    }
    size_t bytes = type->size + (spills ? 1 : length) * sizeof(ku_object *);
    ku_object *object = ku__object_raw(isolate, type->number, bytes);
    if (object == NULL) {
        ku_buffer_free(isolate, spilled);
        return NULL;
    }
    zero_fields(object, bytes);
    char *base = (char *)object;
    *(size_t *)(void *)(base + map->length_at) = length;
    if (spills) {
        *(ku_object ***)(void *)(base + map->items_at) = spilled;
    }
    return object;
}

ku_object *ku_new_sized(ku_isolate *isolate, ku_type *type, size_t length) {
    if ((ku__type_maps[type->number].flags & KU__MAP_TAIL) == 0) {
        return ku_fail_null(isolate, KU_TYPE, "type '%s' has no tail", type->own.name);
    }
    return can_make(isolate, type) ? new_with_tail(isolate, type, length) : NULL;
}

/* ---- giving back ---- */

static inline void free_block(ku_isolate *isolate, ku_heap *heap, ku_object *object, unsigned class_index) {
#ifdef KU_CHECKING
    (void)class_index;
    ku__quarantine_put(isolate, heap, object);
#else
    (void)isolate;
    if (KU__UNLIKELY(!ku__fast_push(heap, object, class_index))) {
        ku__slow_free(heap, object);
    }
#endif
}

static inline ku_heap *leave_heap(ku_isolate *isolate, const ku__type_map *map, const ku_object *object) {
    if ((map->flags & KU__MAP_ACYCLIC) != 0) {
        return isolate->atoms;
    }
    ku__gc_forget(isolate, object);
    isolate->young -= isolate->young > 0;
    return isolate->tracked;
}

/* For types whose fixed part has references, and no tail: instances are as large as it, and the size class follows from
 * that without a look at the pool. */
static inline void free_fixed(ku_isolate *isolate, const ku__type_map *map, ku_object *object) {
    free_block(isolate, leave_heap(isolate, map, object), object, (map->size - 1u) / KU_CLASS_STEP);
}

/* For the others, which may also be large blocks (~0u: nobody's class, which takes the slow path). */
static void free_any(ku_isolate *isolate, const ku__type_map *map, ku_object *object) {
    ku_heap *heap = leave_heap(isolate, map, object);
    unsigned class_index = ku__class_of(heap, object);
    if (class_index < KU_CLASS_COUNT) {
        free_block(isolate, heap, object, class_index);
    } else {
        ku__slow_free(heap, object);
    }
}

/* The buffer behind items or a long tail; NULL when there is none. */
static void *array_buffer(const ku_object *object, const ku__type_map *map) {
    if (map->items_at == 0) {
        return NULL;
    }
    size_t length;
    ku_object **items = ku__items_of(object, map, &length);
    bool inside = (map->flags & KU__MAP_TAIL) != 0 && (char *)items == (const char *)object + map->items_at;
    return inside ? NULL : items;
}

static void free_buffers(ku_isolate *isolate, const ku__type_map *map, ku_object *object) {
    const ku_type *type = map->type;
    for (uint32_t i = 0; i < type->field_count && type->buffer_count != 0; i++) {
        if (type->fields[i].kind == KU_FIELD_BUFFER) {
            void **place = (void **)(void *)((char *)object + type->fields[i].offset);
            ku_buffer_free(isolate, *place);
            *place = NULL;
        }
    }
}

/* Everything of the object that is not a reference. */
static void free_rest(ku_isolate *isolate, const ku__type_map *map, ku_object *object) {
    if ((map->flags & KU__MAP_BUFFERS) != 0) {
        if (map->type->release != NULL) {
            map->type->release(isolate, object);
        }
        free_buffers(isolate, map, object);
    }
    if (map->items_at != 0) {
        ku_buffer_free(isolate, array_buffer(object, map));
    }
}

void ku__object_strip(ku_isolate *isolate, ku_object *object) {
    const ku__type_map *map = ku__map_of(object);
    free_rest(isolate, map, object);
    if ((map->flags & KU__MAP_DICT) != 0) {
        ku__attributes_free(isolate, ku__dict_word(object, map));
    }
}

void ku__object_dispose(ku_isolate *isolate, ku_object *object) {
    ku__object_strip(isolate, object);
    free_any(isolate, ku__map_of(object), object);
}

void ku__object_abandon(ku_isolate *isolate, ku_object *object) {
    const ku__type_map *map = ku__map_of(object);
    ku_object *type_object = (map->flags & KU__MAP_RUN_TIME) != 0 ? map->type->object : NULL;
    free_any(isolate, map, object);
    ku_release(isolate, type_object);
}

/* ---- giving up references ---- */

static inline void clear_words(ku_isolate *isolate, ku_object *object, uint64_t words) {
    for (; words != 0; words &= words - 1) {
        ku_clear(isolate, (ku_object **)(void *)object + __builtin_ctzll(words));
    }
}

/* Items go one by one from the end, the length with them, so that the array is whole for whoever looks in between (or
 * adds to it). A tail keeps its length, which says where it lies. */
static void clear_array(ku_isolate *isolate, ku_object *object, const ku__type_map *map) {
    size_t *length = (size_t *)(void *)((char *)object + map->length_at), count;
    ku_object **items = ku__items_of(object, map, &count);
    bool is_tail = (map->flags & KU__MAP_TAIL) != 0;
    for (size_t i = count; i > 0; i = is_tail ? i - 1 : *length) {
        ku_object *item = items[i - 1];
        items[i - 1] = NULL;
        *length -= !is_tail;
        ku_release(isolate, item);
        items = ku__items_of(object, map, &count);
    }
}

void ku__object_clear(ku_isolate *isolate, ku_object *object) {
    const ku__type_map *map = ku__map_of(object);
    clear_words(isolate, object, map->words);
    if (map->type->clear != NULL) {
        map->type->clear(isolate, object);
    } else if (map->items_at != 0) {
        clear_array(isolate, object, map);
    }
    if ((map->flags & KU__MAP_DICT) != 0) {
        ku__attributes_clear(isolate, ku__dict_word(object, map));
    }
}

/* ---- finalizers ---- */

static bool call_finalizer(ku_isolate *isolate, ku_object *object) {
    const ku_type *type = ku__type_of(object);
    return type->isolate != NULL ? ku__class_finalize(isolate, object) : type->finalize(isolate, object);
}

bool ku_call_finalizer(ku_isolate *isolate, ku_object *object) {
    if ((ku__map_of(object)->flags & KU__MAP_FINALIZE) == 0) {
        return ku_fail(isolate, KU_ATTRIBUTE, "'%s' object has no attribute '__del__'", ku__type_of(object)->own.name);
    }
    return call_finalizer(isolate, object);
}

void ku__object_finalize(ku_isolate *isolate, ku_object *object) {
    if ((ku__map_of(object)->flags & KU__MAP_FINALIZE) == 0 || (object->kind & KU__FINALIZED) != 0) {
        return;
    }
    object->kind |= KU__FINALIZED;
    ku__pending saved = ku__pending_take(isolate);
    if (!call_finalizer(isolate, object)) {
        ku__unraisable(isolate, "calling deallocator", object);
    }
    ku__pending_put(isolate, saved);
}

bool ku_is_finalized(const ku_object *object) {
    return (object->kind & KU__FINALIZED) != 0;
}

/* ---- the end ---- */

/* Runs the finalizer of an object at zero; true when something took a reference, and it lives on. */
static bool is_resurrected(ku_isolate *isolate, ku_object *object) {
    object->count = 1;
    ku__object_finalize(isolate, object);
    return (int32_t)object->count < 0 || --object->count != 0;
}

/* What comes before the fields: the finalizer, weak references, the table of interned strings; false when the object
 * lives on. */
static bool say_goodbye(ku_isolate *isolate, ku_object *object, const ku__type_map *map) {
    if ((map->flags & KU__MAP_FINALIZE) != 0 && is_resurrected(isolate, object)) {
        return false;
    }
    object->kind |= KU__DYING;
    if ((object->kind & KU__WEAK) != 0) {
        ku__weak_end(isolate, object);
    }
    if ((object->kind & KU__INTERNED) != 0 && ku_is_exactly(object, KU_BUILTIN_STR)) {
        ku__intern_forget(isolate, object);
    }
    return true;
}

/* ---- waiting ---- */

enum { LINK_UNIT = KU_CLASS_STEP }; /* blocks lie at multiples of it */
_Static_assert(KU__RANGE_SIZE / LINK_UNIT <= (uint64_t)1 << 34, "a link has 32 bits of count and 2 of kind");

/* Links an object before what waits; the last one is linked to itself. */
static void put_aside(ku_isolate *isolate, ku_object *object) {
    const ku_object *next = isolate->waiting != NULL ? isolate->waiting : object;
    uint64_t link = ((uintptr_t)next - isolate->tracked->base) / LINK_UNIT;
    object->count = (uint32_t)link;
    object->kind |= (uint32_t)KU__DYING | (uint32_t)(link >> 32) << KU__LINK_SHIFT;
    isolate->waiting = object;
}

static ku_object *take_waiting(ku_isolate *isolate) {
    ku_object *object = isolate->waiting;
    uint64_t link = object->count | (uint64_t)(object->kind >> KU__LINK_SHIFT) << 32;
    ku_object *next = (ku_object *)(isolate->tracked->base + link * LINK_UNIT);
    isolate->waiting = next != object ? next : NULL;
    object->count = 0;
    object->kind &= ~((uint32_t)KU__DYING | (uint32_t)3 << KU__LINK_SHIFT);
    return object;
}

/* Leaves a nested end; the outermost works off what waits. The depth stays at one meanwhile, so that what ends from
 * there nests anew and leaves the list to us. */
static inline void leave(ku_isolate *isolate) {
    if (KU__UNLIKELY(--isolate->depth == 0 && isolate->waiting != NULL)) {
        isolate->depth = 1;
        while (isolate->waiting != NULL) {
            ku_object_end(isolate, take_waiting(isolate));
        }
        isolate->depth = 0;
    }
}

/* ---- ends ---- */

/* The flag INTERNED is a str's; other types use the same bit for themselves. */
static inline bool is_known(const ku_object *object, const ku__type_map *map) {
    return (map->flags & KU__MAP_FINALIZE) != 0 || (object->kind & (KU__WEAK | KU__INTERNED)) != 0;
}

/* Whether the object holds references, so that its end can nest. Others end at once: they may be larger than what lies
 * in arenas, and could not be linked. */
static bool can_nest(const ku__type_map *map) {
    return map->words != 0 || (map->flags & KU__MAP_PLAIN) == 0;
}

static void end_with_everything(ku_isolate *isolate, ku_object *object, const ku__type_map *map) {
    if (is_known(object, map) && !say_goodbye(isolate, object, map)) {
        return;
    }
    object->kind |= KU__DYING;
    ku__object_clear(isolate, object);
    free_rest(isolate, map, object);
    ku_object *type_object = (map->flags & KU__MAP_RUN_TIME) != 0 ? map->type->object : NULL;
    free_any(isolate, map, object);
    ku_release(isolate, type_object);
}

/* The end of an object that has more than fields, or is nested too deep. */
static __attribute__((noinline)) void end_with_care(ku_isolate *isolate, ku_object *object, const ku__type_map *map) {
    if (isolate->depth >= KU__DEPTH_MAX && can_nest(map)) {
        put_aside(isolate, object);
        return;
    }
    isolate->depth++;
    end_with_everything(isolate, object, map);
    leave(isolate);
}

/* Ends what the field of a dying object was the last to refer to. */
static __attribute__((noinline)) void end_child(ku_isolate *isolate, ku_object *parent, ku_object *child) {
    parent->kind |= KU__DYING;
    isolate->depth++;
    ku_object_end(isolate, child);
    leave(isolate);
}

/* Gives up the references of an object that nobody can reach any more: the fields need not be emptied. */
static inline void release_words(ku_isolate *isolate, ku_object *object, uint64_t words) {
    for (; words != 0; words &= words - 1) {
        ku_object *child = ((ku_object **)(void *)object)[__builtin_ctzll(words)];
        if (child == NULL) {
            continue;
        }
        KU_OBJECT_CHECK_COUNT(child);
        if ((int32_t)child->count >= 0 && --child->count == 0) {
            end_child(isolate, object, child);
        }
    }
}

/* The quick way is for objects that are their fields and nothing else, which most are. */
KU__ALIGNED_CODE void ku_object_end(ku_isolate *isolate, ku_object *object) {
    const ku__type_map *map = ku__map_of(object);
    bool is_plain = (map->flags & KU__MAP_PLAIN) != 0 && (object->kind & (KU__WEAK | KU__INTERNED)) == 0;
    if (KU__UNLIKELY(!is_plain || isolate->depth >= KU__DEPTH_MAX)) {
        end_with_care(isolate, object, map);
    } else if (map->words != 0) {
        release_words(isolate, object, map->words);
        free_fixed(isolate, map, object);
    } else {
        free_any(isolate, map, object);
    }
}

/* ---- what can be asked ---- */

uint32_t ku_reference_count(const ku_object *object) {
    KU_OBJECT_CHECK(object);
    return ku_is_immortal(object) ? UINT32_MAX : object->count;
}

void ku_make_immortal(ku_isolate *isolate, ku_object *object) {
    (void)isolate;
    object->count = KU__IMMORTAL_COUNT;
}

size_t ku_size_of(ku_isolate *isolate, const ku_object *object) {
    const ku__type_map *map = ku__map_of(object);
    ku_heap *heap = (map->flags & KU__MAP_ACYCLIC) != 0 ? isolate->atoms : isolate->tracked;
    size_t bytes = ku_heap_usable_size(heap, object);
    const ku_type *type = map->type;
    for (uint32_t i = 0; i < type->field_count; i++) {
        if (type->fields[i].kind == KU_FIELD_BUFFER) {
            const char *base = (const char *)object;
            bytes +=
                ku_heap_usable_size(isolate->buffers, *(void *const *)(const void *)(base + type->fields[i].offset));
        }
    }
    bytes += ku_heap_usable_size(isolate->buffers, array_buffer(object, map));
    if ((map->flags & KU__MAP_DICT) != 0) {
        bytes += ku__attributes_size(isolate, ku__dict_word(object, map));
    }
    return bytes;
}
