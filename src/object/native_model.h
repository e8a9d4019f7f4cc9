/* native_model.h: native objects as the collector sees them: the functions that gc/model.h asks for. For collect.c. */
#ifndef KU__NATIVE_MODEL_H
#define KU__NATIVE_MODEL_H

#include "object/attributes.h"
#include "object/class.h"
#include "object/collect.h"
#include "object/weak.h"

typedef ku_object model_object;
typedef ku_isolate model_context;
typedef ku_visit ku__model_visit;

static inline uint32_t model_count(const ku_object *object) {
    return object->count;
}

/* Weak references whose callback is in no cycle are untracked, but whether they are garbage themselves matters: then
 * their callback is not called. */
static inline bool is_watched(const ku_object *object) {
    return (object->kind & KU__DYING) == 0 && ku__map_of(object)->type->release == ku__weak_unlink &&
           ((const ku__weakref *)(const void *)object)->callback != NULL;
}

static inline bool model_is_exempt(const ku_object *object) {
    if (KU__UNLIKELY((object->kind & (KU__DYING | KU__UNTRACKED)) != 0)) {
        return !is_watched(object);
    }
    return ku__number_of(object) == 0;
}

/* Those whose end has more to do than a bitmap can: hooks may do anything. */
static inline bool ends_singly(const ku_object *object, const ku__type_map *map) {
    return map->traverse != NULL || ku_is_exactly(object, KU_BUILTIN_TYPE);
}

static unsigned traits_of_others(const ku_object *object, const ku__type_map *map) {
    unsigned traits = KU__MODEL_OWNS;
    if ((map->flags & KU__MAP_FINALIZE) != 0 && (object->kind & KU__FINALIZED) == 0) {
        traits |= KU__MODEL_FINALIZER;
    }
    if (map->type->release == ku__weak_unlink) {
        traits |= KU__MODEL_REFERS_WEAKLY;
    }
    return ends_singly(object, map) ? traits | KU__MODEL_SINGLY : traits;
}

static inline unsigned model_traits(const ku_object *object) {
    const ku__type_map *map = ku__map_of(object);
    unsigned traits = (object->kind & KU__WEAK) != 0 ? KU__MODEL_WEAK : 0u;
    return KU__LIKELY((map->flags & KU__MAP_PLAIN) != 0) ? traits : traits | traits_of_others(object, map);
}

/* Whether the references of a tail lie in the object itself. */
static inline bool is_inside(const ku_object *object, const ku__type_map *map, ku_object **items) {
    return (map->flags & KU__MAP_TAIL) != 0 && (char *)items == (const char *)object + map->items_at;
}

static inline bool has_shared(const ku_object *object, const ku__type_map *map) {
    uintptr_t word = (map->flags & KU__MAP_DICT) != 0 ? *ku__dict_word(object, map) : 1;
    return word != 0 && (word & 1) == 0;
}

static inline bool model_has_others(const ku_object *object) {
    return (ku__map_of(object)->flags & KU__MAP_PLAIN) == 0;
}

/* Fields of objects that are not plain, less what model_array() gives. */
static void model_others(ku_object *object, ku__model_visit *visit, void *argument) {
    const ku__type_map *map = ku__map_of(object);
    if (map->items_at != 0) {
        size_t length;
        ku_object **items = ku__items_of(object, map, &length);
        if (is_inside(object, map, items)) {
            ku__visit_array(items, length, visit, argument);
        }
    }
    if ((map->flags & KU__MAP_DICT) != 0 && (map->items_at != 0 || !has_shared(object, map))) {
        ku__visit_attributes(ku__dict_word(object, map), visit, argument);
    }
    if ((map->flags & KU__MAP_RUN_TIME) != 0) {
        ku_object *type = map->type->object;
        visit(&type, argument);
    }
    if (map->traverse != NULL) {
        map->traverse(object, visit, argument);
    }
}

__attribute__((always_inline)) static inline void visit_words(uint64_t left, ku_object *object, ku__model_visit *visit,
                                                              void *argument) {
    ku_object **words = (ku_object **)(void *)object;
    for (; left != 0; left &= left - 1) {
        ku_object **place = &words[__builtin_ctzll(left)];
        if (*place != NULL) {
            visit(place, argument);
        }
    }
}

__attribute__((always_inline)) static inline void model_fields(ku_object *object, ku__model_visit *visit,
                                                               void *argument) {
    visit_words(ku__map_of(object)->words, object, visit, argument);
}

/* Of a type. No type has the number that a shape of 0 stands for. */
typedef struct model_shape {
    uint64_t words;
    uint32_t after; /* the type's number, and 1 more */
    bool has_others;
} model_shape;

__attribute__((always_inline)) static inline void model_shape_of(model_shape *shape, const ku_object *object) {
    uint32_t after = ku__number_of(object) + 1;
    if (KU__UNLIKELY(after != shape->after)) {
        const ku__type_map *map = ku__map_of(object);
        *shape = (model_shape){map->words, after, (map->flags & KU__MAP_PLAIN) == 0};
    }
}

__attribute__((always_inline)) static inline void model_fields_by(const model_shape *shape, ku_object *object,
                                                                  ku__model_visit *visit, void *argument) {
    visit_words(shape->words, object, visit, argument);
}

/* Items behind a pointer; where a type has none, attributes in the shared lay-out. */
static inline const void *model_array_at(const ku_object *object) {
    const ku__type_map *map = ku__map_of(object);
    if (KU__LIKELY((map->flags & KU__MAP_PLAIN) != 0)) {
        return NULL;
    }
    if (map->items_at != 0) {
        size_t length;
        ku_object **items = ku__items_of(object, map, &length);
        return length == 0 || is_inside(object, map, items) ? NULL : items;
    }
    return has_shared(object, map) ? (const void *)*ku__dict_word(object, map) : NULL;
}

static inline ku_object **model_array(ku_object *object, size_t *length) {
    const ku__type_map *map = ku__map_of(object);
    if (map->items_at != 0) {
        ku_object **items = ku__items_of(object, map, length);
        *length = items != NULL ? *length : 0;
        return items;
    }
    *length = 0;
    if (!has_shared(object, map)) { /* it changed since it was noted, in a collection in steps */
        return NULL;
    }
    ku__shared *shared = (ku__shared *)*ku__dict_word(object, map);
    *length = shared->capacity;
    return ku__shared_values(shared);
}

/* What frames and scopes hold, places that the program named, and immortals that were met. Not types made at run time:
 * they die with the cycles that they are in. */
static void model_roots(ku_isolate *isolate, ku__model_visit *visit, void *argument) {
    for (size_t i = 0; i < isolate->root_count; i++) {
        if (*isolate->roots[i] != NULL) {
            visit(isolate->roots[i], argument);
        }
    }
    if (isolate->visit_frames != NULL) {
        isolate->visit_frames(isolate, visit, argument);
    }
    ku_object **immortals = (ku_object **)isolate->gc->immortals.items;
    for (size_t i = 0; i < isolate->gc->immortals.count; i++) {
        visit(&immortals[i], argument);
    }
}

/* ---- the end ---- */

static inline void model_weak_mark(ku_isolate *isolate, ku_object *object, bool on) {
    (void)isolate;
    object->kind = on ? object->kind | KU__MARK : object->kind & ~(uint32_t)KU__MARK;
}

static inline void model_weak_clear(ku_isolate *isolate, ku_object *object, bool call) {
    ku__weak_queue silent = {NULL, NULL};
    ku__weak_clear(isolate, object, call ? &isolate->gc->weak : &silent);
    while (silent.first != NULL) { /* made by a finalizer: its callback is not called */
        ku__weakref *reference = silent.first;
        silent.first = reference->next;
        reference->next = NULL;
        ku_decref(isolate, &reference->header);
    }
}

static inline bool model_weak_call(ku_isolate *isolate) {
    bool any = isolate->gc->weak.first != NULL;
    if (any) {
        ku__weak_call(isolate, &isolate->gc->weak);
    }
    return any;
}

static inline void model_finalize(ku_isolate *isolate, ku_object *object) {
    ku_incref(object);
    ku__object_finalize(isolate, object);
    ku_decref(isolate, object);
}

static inline void model_hold(ku_isolate *isolate, ku_object *object) {
    (void)isolate;
    ku_incref(object);
}

/* A type's instances are asked what they own when their references are given up already, so the last reference to a
 * type waits for the end of the collection. Where there is no memory to note it, the type stays as long as the
 * isolate. */
static __attribute__((noinline)) void drop_type(ku_isolate *isolate, ku_object *type) {
    ku__array *types = &isolate->gc->types;
    if (type->count != 1) {
        ku_decref(isolate, type);
    } else if (ku__array_reserve(types, sizeof type)) {
        ((ku_object **)types->items)[types->count++] = type;
    }
}

static inline void model_drop(ku_isolate *isolate, ku_object *object) {
    if (KU__UNLIKELY(ku_is_exactly(object, KU_BUILTIN_TYPE))) {
        drop_type(isolate, object);
    } else {
        ku_decref(isolate, object);
    }
}

static inline void model_clear(ku_isolate *isolate, ku_object *object) {
    ku__object_clear(isolate, object);
}

static inline void model_strip(ku_isolate *isolate, ku_object *object) {
    ku__object_strip(isolate, object);
}

/* As the checking build's quarantine marks it (verify.c). */
static inline void model_freed(ku_object *object) {
#ifdef KU_CHECKING
    object->count = ku__number_of(object);
    object->kind = 0;
#else
    (void)object;
#endif
}

#endif
