/* graph_make.c: from isolates that stand still to a graph. See graph_making.h.
 *
 * Three walks over the blocks that the allocator gave out. The first has every object claim the memory that it owns, so
 * that each block is known for what it is. The second numbers nodes, in order of address. The third adds edges, by
 * name, and counts for each node the references that were seen: what is held more often is held by a variable of C.
 */
#include "isolate/graph_making.h"

#include "object/object.h"
#include "os/failure.h"
#include "os/pages.h"

#include <stdio.h>

enum { HEAPS = 3, TRACKED = 0, ATOMS = 1 };

/* ---- what a block is ---- */

typedef struct met {
    const ku__native_type *type; /* NULL: no object that lives */
    uint32_t count, kind;
} met;

static met sight(ku__native_making *making, const ku__block *block) {
    met what = {.type = NULL};
    if (block->is_buffer) {
        return what;
    }
    what.count = ku__memory_u32(making->memory, block->address);
    what.kind = ku__memory_u32(making->memory, block->address + sizeof what.count);
    what.type = ku__native_type_of(making, what.kind & KU_TYPE_NUMBER_MASK);
    return what;
}

/* ---- the first walk ---- */

static void claim(void *argument, const ku__block *block) {
    ku__native_making *making = argument;
    met what = sight(making, block);
    if (what.type != NULL && (what.kind & KU__DYING) == 0) {
        const ku__native_type type = *what.type; /* the table may move */
        ku__native_read(making, block->address, &type, block);
    }
}

/* ---- nodes ---- */

static uint8_t flags_of(const ku__block *block, const met *what) {
    if (block->is_buffer) {
        return KU_NODE_BUFFER;
    }
    if (what->type == NULL) { /* a checking build keeps what was freed for a while, without a type */
        return (what->kind & KU_TYPE_NUMBER_MASK) == 0 ? KU_NODE_FREE_LISTED : KU_NODE_UNKNOWN;
    }
    bool tracked = block->heap % HEAPS == TRACKED && (what->kind & KU__UNTRACKED) == 0;
    return (uint8_t)((tracked ? KU_NODE_TRACKED : 0) | ((what->count & KU_IMMORTAL) != 0 ? KU_NODE_IMMORTAL : 0));
}

static uint32_t label_of(ku__native_making *making, uintptr_t object, const ku__native_type *type) {
    const ku__native_layout *at = &making->order->layout;
    if (type->rule == KU__RULE_STR && making->order->with_values) {
        return ku__native_text_of_str(making, object);
    }
    if (type->rule == KU__RULE_CLASS) {
        uintptr_t of = ku__native_word(making, object + at->class_type);
        return ku__native_text(making, ku__native_member(making, of, at->type_name));
    }
    if (type->rule == KU__RULE_NAMED && type->fields != 0) {
        const ku__native_field *field = KU__GROWING_ITEMS(&making->fields, ku__native_field) + type->first_field;
        uintptr_t name = ku__native_word(making, object + field->offset);
        return name == 0 ? KU_GRAPH_NONE : ku__native_text_of_str(making, name);
    }
    return KU_GRAPH_NONE;
}

/* The node of a type object is the type's. */
static void note_class(ku__native_making *making, uintptr_t object, uint32_t node) {
    const ku__native_layout *at = &making->order->layout;
    uintptr_t address = ku__native_word(making, object + at->class_type);
    uint32_t number = address == 0 ? 0 : ku__memory_u32(making->memory, address + at->type_number);
    const ku__native_type *type = ku__native_type_of(making, number);
    if (type != NULL) {
        ku__maker_type_node(&making->maker, type->type, node);
    }
}

static void add_buffer_node(ku__native_making *making, const ku__block *block) {
    uint32_t *node = ku__blocks_node(&making->blocks, block->slot);
    *node = ku__maker_node(&making->maker, &(ku_node){.address = block->address,
                                                      .type = *node != 0 ? *node - 1 : KU__NATIVE_BUFFER,
                                                      .size = block->size,
                                                      .label = KU_GRAPH_NONE,
                                                      .flags = KU_NODE_BUFFER,
                                                      .age = KU_GRAPH_AGE_UNKNOWN});
}

static void add_object_node(ku__native_making *making, const ku__block *block) {
    size_t isolates;
    met what = sight(making, block);
    const ku__native_type type = what.type != NULL ? *what.type : (ku__native_type){.type = KU__NATIVE_BLOCK};
    uint64_t bytes = what.type != NULL ? ku__native_bytes(making, block->address, &type, block->size) : block->size;
    bool is_counted = what.type != NULL && (what.count & KU_IMMORTAL) == 0 && (what.kind & KU__DYING) == 0;
    ku_node node = {.address = block->address,
                    .type = type.type,
                    .site =
                        ku__sites_of(&ku__native_isolates(making, &isolates)[block->heap / HEAPS].sites, block->site),
                    .size = bytes,
                    .slack = block->size - bytes,
                    .count = what.type != NULL ? what.count : 0,
                    .label = what.type != NULL ? label_of(making, block->address, &type) : KU_GRAPH_NONE,
                    .flags = flags_of(block, &what),
                    .age = KU_GRAPH_AGE_UNKNOWN};
    uint32_t number = ku__maker_node(&making->maker, &node);
    *ku__blocks_node(&making->blocks, block->slot) = number;
    if (number == KU_GRAPH_NONE || what.type == NULL) {
        return;
    }
    making->counts[number] = is_counted ? what.count : 0;
    uint64_t room = ku__native_room(making, block->address, &type);
    if (room != 0) {
        ku__maker_room(&making->maker, number, room);
    }
    if (type.rule == KU__RULE_CLASS) {
        note_class(making, block->address, number);
    }
}

static void add_node(void *argument, const ku__block *block) {
    ku__native_making *making = argument;
    making->allocated += block->size;
    if (block->is_buffer) {
        add_buffer_node(making, block);
    } else {
        add_object_node(making, block);
    }
}

/* ---- edges ---- */

static void add_edges(void *argument, const ku__block *block) {
    ku__native_making *making = argument;
    met what = sight(making, block);
    uint32_t node = *ku__blocks_node(&making->blocks, block->slot);
    if (what.type == NULL || node == KU_GRAPH_NONE) {
        return;
    }
    const ku__native_type type = *what.type;
    bool is_dying = (what.kind & KU__DYING) != 0; /* what it held may be gone already */
    ku__maker_begin(&making->maker, node);
    if (is_dying || !ku__native_read(making, block->address, &type, block)) {
        KU__GROWING_ITEMS(&making->maker.sections[KU__SECTION_FLAGS], uint8_t)[node] |= KU_NODE_OPAQUE;
    }
}

/* ---- isolates and their heaps ---- */

static bool add_isolate(ku__native_making *making, uintptr_t address) {
    const ku__native_layout *at = &making->order->layout;
    const uint32_t heaps[HEAPS] = {at->isolate_tracked, at->isolate_atoms, at->isolate_buffers};
    ku__native_isolate *isolate = ku__growing_push(&making->isolates, sizeof *isolate);
    ku__heap_choice *choices = ku__growing_push(&making->choices, HEAPS * sizeof *choices);
    if (isolate == NULL || choices == NULL) {
        return false;
    }
    *isolate = (ku__native_isolate){.address = address};
    const char *name = ku__memory_at(making->memory, address + at->isolate_name, sizeof isolate->name);
    if (name != NULL) {
        memcpy(isolate->name, name, sizeof isolate->name - 1);
    }
    for (int i = 0; i < HEAPS; i++) {
        choices[i] = (ku__heap_choice){ku__native_word(making, address + heaps[i]), i != TRACKED && i != ATOMS};
    }
    uintptr_t births = ku__native_word(making, address + at->isolate_births);
    return ku__sites_open(&isolate->sites, making->memory, ku__native_member(making, births, at->births_tracer),
                          (uintptr_t)at->trace);
}

static bool add_isolates(ku__native_making *making) {
    enum { MOST = 1023 / HEAPS }; /* heaps have so many numbers */
    const ku__native_layout *at = &making->order->layout;
    uintptr_t one = making->order->isolate;
    uintptr_t isolate = one != 0 ? one : ku__native_member(making, (uintptr_t)at->isolates, 0);
    bool added = true;
    for (int i = 0; added && isolate != 0 && i < MOST; i++) {
        added = add_isolate(making, isolate);
        isolate = one != 0 ? 0 : ku__native_word(making, isolate + at->isolate_next);
    }
    size_t count;
    ku__native_isolate *all = ku__native_isolates(making, &count);
    for (size_t i = 0; i < count; i++) {
        all[i].sites.maker = &making->maker;
    }
    return added;
}

static bool with_sites(const ku__native_making *making) {
    size_t count;
    const ku__native_isolate *all = ku__native_isolates(making, &count);
    bool with = false;
    for (size_t i = 0; i < count; i++) {
        with = with || all[i].sites.tables != 0;
    }
    return with;
}

/* ---- all of it ---- */

static bool take_columns(ku__native_making *making) {
    making->nodes = (size_t)ku__blocks_slots(&making->blocks) + 1;
    making->known = ku__pages_map(making->nodes * sizeof *making->known);
    making->counts = ku__pages_map(making->nodes * sizeof *making->counts);
    making->by_number = ku__pages_map(KU_TYPES_MAX * sizeof *making->by_number);
    return making->known != NULL && making->counts != NULL && making->by_number != NULL;
}

static bool open(ku__native_making *making) {
    const ku__native_order *order = making->order;
    making->blocks = (ku__blocks){.memory = order->memory, .anchor = order->anchor};
    return add_isolates(making) &&
           ku__blocks_open(&making->blocks, KU__GROWING_ITEMS(&making->choices, ku__heap_choice),
                           KU__GROWING_COUNT(&making->choices, ku__heap_choice), NULL, NULL) &&
           ku__blocks_sort(&making->blocks) && take_columns(making) &&
           ku__maker_open(&making->maker, (uint32_t)making->nodes, with_sites(making));
}

static void release(ku__native_making *making) {
    size_t count;
    ku__native_isolate *all = ku__native_isolates(making, &count);
    for (size_t i = 0; i < count; i++) {
        ku__sites_close(&all[i].sites);
    }
    ku__pages_unmap(making->known, making->nodes * sizeof *making->known);
    ku__pages_unmap(making->counts, making->nodes * sizeof *making->counts);
    ku__pages_unmap(making->by_number, KU_TYPES_MAX * sizeof *making->by_number);
    ku__growing_release(&making->isolates);
    ku__growing_release(&making->choices);
    ku__growing_release(&making->types);
    ku__growing_release(&making->fields);
    ku__growing_release(&making->threads);
    ku__growing_release(&making->frames);
    ku__pointer_close(&making->texts);
    ku__blocks_close(&making->blocks);
}

static void add_arena(void *argument, const ku_graph_arena *arena) {
    static const char *const kinds[HEAPS] = {"objects", "atoms", "buffers"};
    ku__native_making *making = argument;
    size_t count;
    char name[64];
    int size = snprintf(name, sizeof name, "%s: %s", ku__native_isolates(making, &count)[arena->heap / HEAPS].name,
                        kinds[arena->heap % HEAPS]);
    ku_graph_arena named = *arena;
    named.heap = ku__maker_text(&making->maker, name, (size_t)size);
    ku__maker_arena(&making->maker, &named);
}

static ku_graph *finish(ku__native_making *making, ku_error *error) {
    const ku__native_order *order = making->order;
    ku_graph_info info = order->info;
    ku__blocks_arenas(&making->blocks, KU__GROWING_ITEMS(&making->choices, ku__heap_choice),
                      KU__GROWING_COUNT(&making->choices, ku__heap_choice), add_arena, making);
    info.allocated = making->allocated;
    info.program = order->program != NULL ? ku__native_text_fixed(making, order->program) : KU_GRAPH_NONE;
    info.runtime = order->runtime != NULL ? ku__native_text_fixed(making, order->runtime) : KU_GRAPH_NONE;
    info.note = order->note != NULL ? ku__native_text_fixed(making, order->note) : KU_GRAPH_NONE;
    info.has_values = order->with_values;
    if (making->told >= order->words) {
        ku__maker_fail(&making->maker, KU_CORRUPT, "the heap has more references than room for them: it is damaged");
    }
    return ku__maker_finish(&making->maker, &info, error);
}

static ku_graph *make(ku__native_making *making, ku_error *error) {
    ku_node root = {
        .type = KU__NATIVE_ROOT, .label = KU_GRAPH_NONE, .flags = KU_NODE_PLACE, .age = KU_GRAPH_AGE_UNKNOWN};
    ku__native_make_system_types(making);
    ku__blocks_walk_pools(&making->blocks, claim, making);
    ku__blocks_walk_others(&making->blocks, claim, making);
    ku__maker_node(&making->maker, &root);
    ku__blocks_walk(&making->blocks, add_node, making);
    ku__native_find_frames(making);
    ku__native_make_place_nodes(making);
    making->adding = true;
    if (!making->maker.failed) {
        ku__native_make_root_edges(making);
        ku__blocks_walk(&making->blocks, add_edges, making);
        ku__native_make_place_edges(making);
    }
    return finish(making, error);
}

ku_graph *ku__native_graph(const ku__native_order *order, ku_error *error) {
    ku__native_making making = {.order = order, .memory = order->memory};
    ku_graph *graph = NULL;
    if (open(&making)) {
        graph = make(&making, error);
    } else {
        ku__error_format(error, KU_NO_MEMORY, 0, "no memory to read the heap with");
    }
    release(&making);
    return graph;
}
