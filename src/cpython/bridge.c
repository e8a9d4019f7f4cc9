/* bridge.c: putting heaps under the interpreter, and exchanging entry points. See bridge.h. */
#include "cpython/bridge.h"

#include "alloc/anchor.h"
#include "cpython/counted.h"
#include "cpython/many.h"
#include "cpython/tracing.h"
#include "cpython/watch.h"
#include "os/pages.h"
#include "trace/anchor.h"

#include <stdio.h>

ku__bridge ku__bridge_state;

/* Doc/c-api/init.rst: the main interpreter is always the first, and ids count from 0. */
enum { MAIN_INTERPRETER = 0 };

/* By kind; those that keep rolls (alloc/roll.h) after those that do not. */
static const ku__entry_set *const sets_of_one[][2] = {
    [KU__ENTRIES_PLAIN] = {&ku__entries_plain, &ku__entries_rolled},
    [KU__ENTRIES_TRACED_ONE] = {&ku__entries_traced_one, &ku__entries_traced_one_rolled},
    [KU__ENTRIES_TRACED] = {&ku__entries_traced, &ku__entries_traced_rolled},
    [KU__ENTRIES_SAMPLED] = {&ku__entries_sampled, &ku__entries_sampled_rolled},
};

static const ku__entry_set *entry_set(ku__entry_kind kind, bool many) {
    if (many || (kind != KU__ENTRIES_PLAIN && !ku__one_can_trace())) {
        return &ku__entries_many;
    }
    return sets_of_one[kind][ku__bridge_state.rolled];
}

static bool domain_in_place(PyMemAllocatorDomain domain, const ku_heap *heap, const ku__entry_set *set) {
    PyMemAllocatorEx now;
    PyMem_GetAllocator(domain, &now);
    return now.ctx == heap && now.malloc == set->malloc && now.calloc == set->calloc && now.realloc == set->realloc &&
           now.free == set->free;
}

bool ku__bridge_in_place(void) {
    const ku__bridge *bridge = &ku__bridge_state;
    if (!bridge->installed) {
        return false;
    }
    return domain_in_place(PYMEM_DOMAIN_OBJ, bridge->main_house->objects, bridge->placed) &&
           domain_in_place(PYMEM_DOMAIN_MEM, bridge->main_house->buffers, bridge->placed);
}

static void put_in_place(PyMemAllocatorDomain domain, ku_heap *heap, const ku__entry_set *set) {
    PyMemAllocatorEx allocator = {heap, set->malloc, set->calloc, set->realloc, set->free};
    PyMem_SetAllocator(domain, &allocator);
}

/* Blocks that other interpreters free come home by the list of returns, large ones too while somebody is told. */
static void tell_of_frees(bool watched) {
    ku__house *house = ku__bridge_state.main_house;
    house->watched = watched;
    __atomic_store_n(&house->objects->on_return, watched ? ku__watch_note : NULL, __ATOMIC_RELAXED);
    __atomic_store_n(&house->buffers->on_return, watched ? ku__watch_note : NULL, __ATOMIC_RELAXED);
}

static void apply(ku__entry_kind kind, bool many) {
    ku__bridge *bridge = &ku__bridge_state;
    bridge->kind = kind;
    bridge->many = many;
    bridge->behind = entry_set(kind, many);
    if (many && bridge->watched) { /* this thread holds the only GIL */
        bridge->watched = false;
        tell_of_frees(true);
    }
    const ku__entry_set *set = bridge->counted ? &ku__entries_counted : bridge->behind;
    set = bridge->watched ? &ku__entries_watched : set;
    if (set == bridge->placed) {
        return; /* other interpreters may be reading the functions */
    }
    bridge->placed = set;
    put_in_place(PYMEM_DOMAIN_OBJ, bridge->main_house->objects, set);
    put_in_place(PYMEM_DOMAIN_MEM, bridge->main_house->buffers, set);
}

bool ku__bridge_switch(ku__entry_kind kind, bool many) {
    if (!ku__bridge_in_place()) {
        return false;
    }
    apply(kind, many);
    return true;
}

bool ku__bridge_count(bool counted) {
    ku__bridge *bridge = &ku__bridge_state;
    if (!ku__bridge_in_place()) {
        return false;
    }
    if (bridge->many && ku__interpreter_count() > 1) {
        return bridge->counted; /* as above */
    }
    bridge->counted = counted;
    apply(bridge->kind, bridge->many);
    return true;
}

bool ku__bridge_roll(bool rolled) {
    ku__bridge *bridge = &ku__bridge_state;
    if (!ku__bridge_in_place()) {
        return false;
    }
    if (!bridge->many) { /* the set for many keeps them in any case */
        bridge->rolled = rolled;
        apply(bridge->kind, false);
    }
    return true;
}

bool ku__bridge_watch(bool watched) {
    ku__bridge *bridge = &ku__bridge_state;
    if (!watched && bridge->installed) {
        tell_of_frees(false);
    }
    if (bridge->gated || !ku__bridge_in_place()) {
        return false;
    }
    if (bridge->many) {
        tell_of_frees(watched);
        return true;
    }
    bridge->watched = watched;
    apply(bridge->kind, false);
    return true;
}

void ku__bridge_gate(void) {
    ku__watch_blind();
    ku__bridge *bridge = &ku__bridge_state;
    ku__heap_close_front(bridge->main_house->objects);
    ku__heap_close_front(bridge->main_house->buffers);
    bridge->many = true;
    bridge->gated = true;
}

/* Two heaps with one registry of large blocks: a large block that one domain made and the other frees is found. */
static void make_heaps(ku__house *house, ku_error *error) {
    ku_heap_options objects = {.name = "objects", .domain = KU_DOMAIN_OBJECT};
    ku_heap_options buffers = {.name = "buffers", .domain = KU_DOMAIN_BUFFER};
    house->objects = ku_heap_new(&objects, error);
    house->buffers = house->objects == NULL ? NULL : ku_heap_new(&buffers, error);
    if (house->buffers == NULL) {
        if (house->objects != NULL) {
            ku_heap_delete(house->objects);
        }
        house->objects = NULL;
        return;
    }
    ku__heap_join_registry(house->buffers, house->objects);
}

ku__house *ku__house_new(int64_t owner, ku_error *error) {
    ku__house *house = ku__pages_map(sizeof(ku__house));
    if (house == NULL) {
        *error = (ku_error){.code = KU_NO_MEMORY, .message = "the system refused a page for an interpreter's heaps"};
        return NULL;
    }
    make_heaps(house, error);
    atomic_store_explicit(&house->owner, owner, memory_order_release);
    return house;
}

ku__house *ku__house_next(const ku__house *after) {
    ku__house *main_house = ku__bridge_state.main_house;
    if (after == NULL) {
        return main_house;
    }
    ku__house *house = after == main_house ? atomic_load(&ku__bridge_state.houses) : after->next;
    while (house != NULL && (house == main_house || house->objects == NULL)) {
        house = house->next;
    }
    return house;
}

/* For whoever reads a core of this process. */
static void leave_anchor(const ku__house *house) {
    ku__process_anchor.tracer = &ku__tracing_state.kept;
    ku__process_anchor.trace = &ku__trace_anchored;
    ku__process_anchor.buffers = house->buffers;
    ku__process_anchor.objects = house->objects;
}

int ku__bridge_install(ku_error *error) {
    ku__bridge *bridge = &ku__bridge_state;
    ku__house *house = ku__house_new(MAIN_INTERPRETER, error);
    if (house == NULL) {
        return -1;
    }
    if (house->objects == NULL) {
        ku__pages_unmap(house, sizeof(ku__house));
        return -1;
    }
    PyMem_GetAllocator(PYMEM_DOMAIN_OBJ, &bridge->original_objects);
    PyMem_GetAllocator(PYMEM_DOMAIN_MEM, &bridge->original_buffers);
    bridge->main_house = house;
    leave_anchor(house);
    atomic_store(&bridge->houses, house);
    atomic_store(&bridge->house_count, 1);
    bridge->installed = true;
    apply(KU__ENTRIES_PLAIN, false);
    return 0;
}
