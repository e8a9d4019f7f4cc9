/* model_toy.h: a small kind of object, for tests of the collector: references in the object and in an array, finalizers
 * of several tempers, weak references. */
#ifndef TESTS_MODEL_TOY_H
#define TESTS_MODEL_TOY_H

#include "gc/model.h"
#include "gc/space.h"

#include <stdlib.h>

enum { TOY_FIELDS = 3 };
typedef enum toy_flags {
    TOY_FINALIZER = 1,
    TOY_FINALIZED = 2,
    TOY_EXEMPT = 4,
    TOY_SINGLY = 8,   /* must end one by one */
    TOY_WEAK = 16,    /* somebody refers to it weakly */
    TOY_REVIVES = 32, /* its finalizer holds it from outside */
    TOY_LENDS = 64,   /* its finalizer holds what its first field refers to */
    TOY_SEVERS = 128, /* its finalizer empties its fields */
} toy_flags;

typedef struct toy {
    uint32_t count, flags;
    uint32_t id;
    uint32_t length;
    struct toy *fields[TOY_FIELDS];
    struct toy *twin; /* a reference that is seldom there */
    struct toy **array;
} toy;

typedef struct toys {
    ku_heap *heap;
    ku__space space;
    toy **roots; /* by id: held from outside, or NULL */
    size_t root_count;
    bool roots_known;    /* the collector is told of them */
    uint32_t *holds;     /* by id: references from outside */
    uint32_t *finalized; /* by id: finalizers run */
    uint32_t *weak_lost; /* by id: weak references cleared */
} toys;

typedef toy model_object;
typedef toys model_context;
typedef void ku__model_visit(toy **place, void *argument);

static void toy_drop(toys *all, toy *object);

static inline uint32_t model_count(const toy *object) {
    return object->count;
}
static inline bool model_is_exempt(const toy *object) {
    return (object->flags & TOY_EXEMPT) != 0;
}
static inline unsigned model_traits(const toy *object) {
    return ((object->flags & (TOY_FINALIZER | TOY_FINALIZED)) == TOY_FINALIZER ? KU__MODEL_FINALIZER : 0u) |
           ((object->flags & TOY_WEAK) != 0 ? KU__MODEL_WEAK : 0u) |
           ((object->flags & TOY_SINGLY) != 0 ? KU__MODEL_SINGLY : 0u) |
           (object->array != NULL || object->twin != NULL ? KU__MODEL_OWNS : 0u);
}
__attribute__((always_inline)) static inline void model_fields(toy *object, ku__model_visit *visit, void *argument) {
    for (int i = 0; i < TOY_FIELDS; i++) {
        if (object->fields[i] != NULL) {
            visit(&object->fields[i], argument);
        }
    }
}
static inline bool model_has_others(const toy *object) {
    return object->array != NULL || object->twin != NULL;
}
/* Toys are all alike, but for what they have beside their fields. */
typedef struct model_shape {
    bool has_others;
} model_shape;
static inline void model_shape_of(model_shape *shape, const toy *object) {
    shape->has_others = model_has_others(object);
}
__attribute__((always_inline)) static inline void model_fields_by(const model_shape *shape, toy *object,
                                                                  ku__model_visit *visit, void *argument) {
    (void)shape;
    model_fields(object, visit, argument);
}
static void model_others(toy *object, ku__model_visit *visit, void *argument) {
    if (object->twin != NULL) {
        visit(&object->twin, argument);
    }
}
static inline const void *model_array_at(const toy *object) {
    return object->array;
}
static inline toy **model_array(toy *object, size_t *length) {
    *length = object->length;
    return object->array;
}
static inline void model_roots(toys *all, ku__model_visit *visit, void *argument) {
    for (size_t i = 0; all->roots_known && i < all->root_count; i++) {
        if (all->roots[i] != NULL) {
            visit(&all->roots[i], argument);
        }
    }
}
static inline void model_weak_mark(toys *all, toy *object, bool on) {
    (void)all;
    (void)object;
    (void)on;
}
static inline void model_weak_clear(toys *all, toy *object, bool call) {
    (void)call;
    all->weak_lost[object->id]++;
    object->flags &= ~(uint32_t)TOY_WEAK;
}
static inline bool model_weak_call(toys *all) {
    (void)all;
    return false;
}

static inline void toy_hold(toys *all, toy *object) {
    object->count++;
    all->holds[object->id]++;
    all->roots[object->id] = object;
}

static inline void toy_clear(toys *all, toy *object) {
    toy *twin = object->twin;
    object->twin = NULL;
    if (twin != NULL) {
        toy_drop(all, twin);
    }
    for (int i = 0; i < TOY_FIELDS; i++) {
        toy *target = object->fields[i];
        object->fields[i] = NULL;
        if (target != NULL) {
            toy_drop(all, target);
        }
    }
    while (object->length > 0) {
        toy *target = object->array[--object->length];
        if (target != NULL) {
            toy_drop(all, target);
        }
    }
}

static inline void model_finalize(toys *all, toy *object) {
    object->count++;
    object->flags |= TOY_FINALIZED;
    all->finalized[object->id]++;
    if ((object->flags & TOY_REVIVES) != 0) {
        toy_hold(all, object);
    }
    if ((object->flags & TOY_LENDS) != 0 && object->fields[0] != NULL) {
        toy_hold(all, object->fields[0]);
    }
    if ((object->flags & TOY_SEVERS) != 0) {
        toy_clear(all, object);
    }
    toy_drop(all, object);
}
static inline void model_hold(toys *all, toy *object) {
    (void)all;
    object->count++;
}
static inline void model_drop(toys *all, toy *object) {
    toy_drop(all, object);
}
static inline void model_clear(toys *all, toy *object) {
    toy_clear(all, object);
}
static inline void model_strip(toys *all, toy *object) {
    (void)all;
    free(object->array);
    object->array = NULL;
}
static inline void model_freed(toy *object) {
    object->id = UINT32_MAX;
}

/* The end by count: finalizer, weak references, fields, block. */
static void toy_drop(toys *all, toy *object) {
    if (object->count >= KU__MODEL_IMMORTAL || --object->count != 0) {
        return;
    }
    if ((object->flags & (TOY_FINALIZER | TOY_FINALIZED)) == TOY_FINALIZER) {
        model_finalize(all, object); /* which gives its reference up again, and ends it */
        return;
    }
    object->flags |= TOY_EXEMPT;
    if ((object->flags & TOY_WEAK) != 0) {
        model_weak_clear(all, object, true);
    }
    object->count = 1; /* whoever refers to it from below does not end it again */
    toy_clear(all, object);
    model_strip(all, object);
    model_freed(object);
    ku__space_forget(&all->space, object);
    ku_heap_free(all->heap, object);
}

#endif
