/* gc_lists.c: the collector's public interface, what gives lists of objects. See kucha/gc.h.
 *
 * Objects are first gathered in pages, with a reference to each, then put into a list: making a list may collect, and a
 * walk must not meet that. Objects whose end has begun, and those that are in no cycle, are not listed.
 */
#include "object/collect.h"

#include <kucha/container.h>

typedef struct gathering {
    ku__array array; /* of ku_object *, owned */
    bool failed;
    ku_object *const *wanted; /* of referrers: to what */
    size_t wanted_count;
    bool refers;
} gathering;

static void gather(gathering *to, ku_object *object) {
    if (!ku__array_reserve(&to->array, sizeof(ku_object *))) {
        to->failed = true;
        return;
    }
    ((ku_object **)to->array.items)[to->array.count++] = ku_new_reference(object);
}

/* The list of what was gathered, whose references are given up. */
static ku_object *list_of(ku_isolate *isolate, gathering *from) {
    ku_object **items = (ku_object **)from->array.items;
    ku_object *list = from->failed
                          ? ku_fail_null(isolate, KU_NO_MEMORY, "the system refused memory for a list of objects")
                          : ku_list_new(isolate, items, from->array.count);
    for (size_t i = 0; i < from->array.count; i++) {
        ku_decref(isolate, items[i]);
    }
    ku__array_close(&from->array, sizeof(ku_object *));
    return list;
}

static bool is_listed(const ku_object *object) {
    return ku__number_of(object) != 0 && (object->kind & (KU__DYING | KU__UNTRACKED)) == 0;
}

static void list_block(void *block, void *argument) {
    if (is_listed((const ku_object *)block)) {
        gather((gathering *)argument, (ku_object *)block);
    }
}

ku_object *ku_gc_get_objects(ku_isolate *isolate, int generation) {
    if (generation < KU_GC_ALL || generation >= KU_GC_GENERATIONS) {
        return ku_fail_null(isolate, KU_VALUE,
                            "generation parameter must be less than the number of available "
                            "generations (%d)",
                            KU_GC_GENERATIONS);
    }
    gathering all = {.failed = !ku__gc_sync(isolate)};
    for (int i = 0; i < KU_GC_GENERATIONS; i++) {
        if (generation == KU_GC_ALL || generation == i) {
            ku__space_each(&isolate->gc->space, i, list_block, &all);
        }
    }
    return list_of(isolate, &all);
}

static void compare(ku_object **place, void *argument) {
    gathering *to = (gathering *)argument;
    for (size_t i = 0; i < to->wanted_count; i++) {
        to->refers |= *place == to->wanted[i];
    }
}

static void list_referrer(void *block, void *argument) {
    gathering *to = (gathering *)argument;
    to->refers = false;
    if (is_listed((const ku_object *)block)) {
        ku__visit_references((ku_object *)block, compare, to);
    }
    if (to->refers) {
        gather(to, (ku_object *)block);
    }
}

ku_object *ku_gc_get_referrers(ku_isolate *isolate, ku_object *const *objects, size_t count) {
    enum { PERMANENT = KU_GC_GENERATIONS };
    gathering found = {.failed = !ku__gc_sync(isolate), .wanted = objects, .wanted_count = count};
    for (int i = 0; i <= PERMANENT; i++) {
        ku__space_each(&isolate->gc->space, i, list_referrer, &found);
    }
    return list_of(isolate, &found);
}

static void gather_place(ku_object **place, void *argument) {
    gather((gathering *)argument, *place);
}

ku_object *ku_gc_get_referents(ku_isolate *isolate, ku_object *const *objects, size_t count) {
    gathering found = {.failed = false};
    for (size_t i = 0; i < count; i++) {
        ku__visit_references(objects[i], gather_place, &found);
    }
    return list_of(isolate, &found);
}

/* What was saved since the last time goes into the list now: a collection makes no objects. */
ku_object *ku_gc_garbage(ku_isolate *isolate) {
    ku__gc *gc = isolate->gc;
    if (gc->garbage == NULL) {
        gc->garbage = ku_list_new(isolate, NULL, 0);
    }
    while (gc->garbage != NULL && gc->saved.count != 0) {
        ku_object *object = ((ku_object **)gc->saved.items)[gc->saved.count - 1];
        if (!ku_list_append(isolate, gc->garbage, object)) {
            return NULL;
        }
        gc->saved.count--;
        ku_decref(isolate, object);
    }
    return gc->garbage;
}
