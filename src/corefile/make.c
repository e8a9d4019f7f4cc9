/* make.c: from a core to a graph. See corefile.h; cpython/graph_make.c does the same of a heap that lives, in the same
 * three walks: what is there, nodes in order of address, edges.
 */
#include "corefile/files.h"
#include "corefile/making.h"
#include "corefile/native.h"
#include "os/failure.h"
#include "os/pages.h"
#include "trace/trace.h"

#include <stdio.h>
#include <stdlib.h>

/* What a walk meets: a block, and what is known of it. */
typedef struct met {
    ku__block block;
    uintptr_t object; /* 0: no object that lives */
    uint32_t type;    /* KU__NO_TYPE */
    uint32_t front;
} met;

static met sight(ku__core_making *making, const ku__block *block) {
    met what = {.block = *block, .type = KU__NO_TYPE, .front = block->front};
    ku__core_types *types = &making->types;
    uintptr_t object = 0;
    if (!block->is_elsewhere && !block->is_buffer) {
        const uintptr_t *words = ku__image_words(&making->image, block->address, block->size / sizeof(uintptr_t));
        ku__core_sighting seen =
            words == NULL ? (ku__core_sighting){KU__NO_TYPE, 0} : ku__core_sight(types, words, block->size);
        what.type = seen.type;
        what.front = seen.front;
        object = block->address + seen.front;
    } else if ((block->marks & KU__SLOT_OBJECT) != 0) {
        object = block->address + block->front;
        what.type = ku__core_type_find(types, ku__image_word(&making->image, object + KU__AT_TYPE));
    }
    bool lives = what.type != KU__NO_TYPE && !ku__core_is_kept(ku__image_word(&making->image, object));
    what.object = lives ? object : 0;
    return what;
}

/* ---- the first walk ---- */

static void follow(void *argument, const ku__core_reference *reference) {
    ku__core_making *making = argument;
    ku__core_meet(&making->blocks, &making->types, reference->target);
}

static void claim(void *argument, uintptr_t block, size_t size, ku__buffer_kind kind) {
    ku__core_making *making = argument;
    ku__core_claim(&making->blocks, block, size, kind);
}

static void read_met(void *argument, const ku__block *block) {
    ku__core_making *making = argument;
    met what = sight(making, block);
    if (what.object != 0) {
        ku__core_read(&making->reading, what.object, what.type, (block->marks & KU__SLOT_TRACKED) != 0);
    }
}

/* One of the collector's lists. Its links may be broken where the program died: then it ends. */
static void note_list(ku__core_making *making, uintptr_t head, unsigned generation) {
    enum { STRANGERS_MOST = 1000 }; /* that follow each other and are no objects */
    uintptr_t at = ku__image_word(&making->image, head) & ~(uintptr_t)3;
    for (int strangers = 0; at != head && at != 0 && strangers < STRANGERS_MOST;) {
        uintptr_t object = at + KU__GC_HEAD;
        strangers = ku__core_note_tracked(&making->blocks, &making->types, object, generation) ? 0 : strangers + 1;
        at = ku__image_word(&making->image, at) & ~(uintptr_t)3;
    }
}

static void note_lists(ku__core_making *making) {
    const ku__layout *at = &making->python.layout;
    uintptr_t lists = making->python.interpreter + (uintptr_t)at->interpreter_generations;
    for (unsigned i = 0; i < 3; i++) {
        note_list(making, lists + i * (uintptr_t)at->generation_bytes, i);
    }
    note_list(making, making->python.interpreter + (uintptr_t)at->interpreter_frozen, 3);
}

static void meet_frames(ku__core_making *making) {
    size_t threads = KU__GROWING_COUNT(&making->threads, uintptr_t);
    for (size_t i = 0; i < threads; i++) {
        uintptr_t thread = KU__GROWING_ITEMS(&making->threads, uintptr_t)[i];
        enum { DEPTH_MOST = 1 << 20 };
        uintptr_t frame = ku__frame_first(&making->python, &making->image, thread);
        for (int depth = 0; frame != 0 && depth < DEPTH_MOST; depth++) {
            ku__frame_view view = ku__frame_at(&making->python, &making->image, frame);
            ku__core_meet(&making->blocks, &making->types, view.code);
            ku__core_meet(&making->blocks, &making->types, view.function);
            for (size_t item = 0; view.items != NULL && item < view.count; item++) {
                ku__core_meet(&making->blocks, &making->types, ku__frame_entry(&making->python, view.items[item]));
            }
            frame = ku__frame_next(&making->python, &making->image, frame);
        }
    }
}

static void discover(ku__core_making *making) {
    making->reading.see = follow;
    making->reading.own = claim;
    making->reading.named = false;
    note_lists(making);
    for (size_t i = 0; i < KU__HELD; i++) {
        ku__core_meet(&making->blocks, &making->types, making->held[i].object);
    }
    for (uint32_t i = 0; i < ku__core_type_count(&making->types); i++) {
        ku__core_meet(&making->blocks, &making->types, ku__core_type_at(&making->types, i)->address);
    }
    if (making->blocks.pool_count == 0) {
        meet_frames(making); /* under kucha all that frames hold is in the pools, or was met there */
    }
    ku__blocks_walk_pools(&making->blocks, read_met, making);
    ku__blocks_walk_others(&making->blocks, read_met, making);
}

/* ---- nodes ---- */

static uint32_t type_of(const ku__core_making *making, const met *what) {
    if (what->type != KU__NO_TYPE) {
        return making->first_type + what->type;
    }
    if (what->block.is_buffer || (what->block.marks & KU__SLOT_CLAIMED) != 0) {
        return KU__SYSTEM_BUFFERS + (what->block.marks & KU__SLOT_KIND);
    }
    return KU__SYSTEM_BLOCK;
}

/* Objects that live as long as the program: their counts say so from 3.12 on, where the count's lower half is negative
 * as a number, or, until 3.13, all ones. */
static bool is_immortal(ku__core_making *making, const met *what, const ku__type *type) {
    enum { FIRST = 12 };
    bool is_static = (type->flags & KU__FLAG_TYPE) != 0 &&
                     (ku__type_flags_at(&making->image, what->object) & KU__FLAG_HEAP_TYPE) == 0;
    int32_t low = (int32_t)ku__image_u32(&making->image, what->object);
    return is_static || (making->python.minor >= FIRST && low < 0);
}

static uint8_t flags_of(ku__core_making *making, const met *what) {
    uint8_t flags = (what->block.marks & KU__SLOT_TRACKED) != 0 ? KU_NODE_TRACKED : 0;
    if (what->type == KU__NO_TYPE) {
        flags |= (what->block.marks & KU__SLOT_CLAIMED) != 0 ? KU_NODE_BUFFER : KU_NODE_UNKNOWN;
        return what->block.is_buffer ? (uint8_t)(flags | KU_NODE_BUFFER) : flags;
    }
    if (what->object == 0) {
        return KU_NODE_FREE_LISTED;
    }
    const ku__type *type = ku__core_type_at(&making->types, what->type);
    return (uint8_t)(flags | (is_immortal(making, what, type) ? KU_NODE_IMMORTAL : 0));
}

/* What was asked for: the tracer knows it exactly; else what the type says, where that explains the block. */
static uint64_t bytes_of(ku__core_making *making, const met *what) {
    uint64_t claimed = what->object == 0 ? 0
                                         : ku__core_bytes(&making->reading, what->object,
                                                          ku__core_type_at(&making->types, what->type));
    if (what->block.size == 0) {
        return claimed + what->block.owned;
    }
    if (what->block.is_elsewhere) {
        return what->block.size;
    }
    if (KU__SLOT_SITE(what->block.site) != 0) {
        return ku__slot_bytes(what->block.site, what->block.size);
    }
    if (what->object == 0) {
        uint8_t slack = making->blocks.slacks[what->block.slot];
        return slack == KU__SLACK_UNKNOWN ? what->block.size : what->block.size - slack;
    }
    return claimed <= what->block.size && what->block.size - claimed < KU_CLASS_STEP ? claimed : what->block.size;
}

static uint32_t count_of(const ku__core_making *making, uint64_t word) {
    enum { HALF = 12 }; /* from this version on the upper half of the word is something else */
    return making->python.minor >= HALF || word < UINT32_MAX ? (uint32_t)word : UINT32_MAX;
}

static void note_type_node(ku__core_making *making, const met *what, uint32_t number) {
    uint32_t type = ku__core_type_find(&making->types, what->object);
    if (type != KU__NO_TYPE) {
        ku__maker_type_node(&making->maker, making->first_type + type, number);
    }
}

static void add_node(void *argument, const ku__block *block) {
    ku__core_making *making = argument;
    const met seen = sight(making, block), *what = &seen;
    uint64_t bytes = bytes_of(making, what);
    bool tracked = (what->block.marks & KU__SLOT_TRACKED) != 0;
    const ku__type *type = what->object == 0 ? NULL : ku__core_type_at(&making->types, what->type);
    ku_node node = {.address = what->block.address + what->front,
                    .type = type_of(making, what),
                    .site = ku__sites_of(&making->sites, what->block.site),
                    .size = bytes,
                    .slack = what->block.size > bytes ? what->block.size - bytes : 0,
                    .count = type == NULL ? 0 : count_of(making, ku__image_word(&making->image, what->object)),
                    .label = type == NULL ? KU_GRAPH_NONE : ku__core_label(making, what->object, type, tracked),
                    .flags = flags_of(making, what),
                    .age = tracked ? (uint8_t)(what->block.marks >> KU__SLOT_GENERATION & 3) : KU_GRAPH_AGE_UNKNOWN};
    uint32_t number = ku__maker_node(&making->maker, &node);
    *ku__blocks_node(&making->blocks, block->slot) = number;
    if (number == KU_GRAPH_NONE) {
        return;
    }
    making->counts[number] = node.count;
    making->allocated += what->block.size;
    if (type != NULL && (type->flags & KU__FLAG_TYPE) != 0) {
        note_type_node(making, what, number);
    }
}

/* ---- edges ---- */

static uint32_t text_of(ku__core_making *making, const ku__core_reference *reference) {
    if (reference->string != 0) {
        return ku__core_name_of_text(making, reference->string);
    }
    if (reference->chars != 0) {
        return ku__core_name_of_chars(making, reference->chars);
    }
    return reference->fixed != NULL ? ku__core_name_of_fixed(making, reference->fixed) : KU_GRAPH_NONE;
}

static void add_edge(void *argument, const ku__core_reference *reference) {
    ku__core_making *making = argument;
    uint32_t node = ku__core_node_of(making, reference->target);
    if (node != KU_GRAPH_NONE) {
        ku__maker_edge(&making->maker, node, reference->kind, text_of(making, reference), reference->number);
        making->known[node] += reference->counted;
    }
}

static void add_buffer(void *argument, uintptr_t block, size_t size, ku__buffer_kind kind) {
    (void)size;
    (void)kind;
    ku__core_making *making = argument;
    uint32_t node = ku__core_node_of(making, block);
    if (node != KU_GRAPH_NONE) {
        ku__maker_edge(&making->maker, node, KU_EDGE_BUFFER, KU_GRAPH_NONE, 0);
    }
}

/* Keys that instances share are held by the table: their type's, which it was claimed by. */
static void add_shared_keys(ku__core_making *making, uintptr_t object) {
    uint32_t number = ku__core_type_find(&making->types, object);
    uintptr_t keys = number == KU__NO_TYPE ? 0 : ku__core_type_at(&making->types, number)->keys;
    ku__key_table table = keys == 0 ? (ku__key_table){0} : ku__key_table_at(&making->python, &making->image, keys);
    for (size_t i = 0; i < table.used; i++) {
        ku__core_reference reference = {
            .target = ku__key_of(&table, i), .kind = KU_EDGE_KEY, .number = (uint32_t)i, .counted = true};
        add_edge(making, &reference);
    }
}

static void add_edges(void *argument, const ku__block *block) {
    ku__core_making *making = argument;
    const met seen = sight(making, block), *what = &seen;
    if (what->object == 0) {
        return;
    }
    uint32_t node = *ku__blocks_node(&making->blocks, block->slot);
    ku__maker_begin(&making->maker, node);
    if (!ku__core_read(&making->reading, what->object, what->type, (what->block.marks & KU__SLOT_TRACKED) != 0)) {
        KU__GROWING_ITEMS(&making->maker.sections[KU__SECTION_FLAGS], uint8_t)[node] |= KU_NODE_OPAQUE;
    }
    if ((ku__core_type_at(&making->types, what->type)->flags & KU__FLAG_TYPE) != 0) {
        add_shared_keys(making, what->object);
    }
}

/* ---- all of it ---- */

static ku_graph *refuse(ku_error *error) {
    ku__error_format(error, KU_NO_MEMORY, 0, "no memory to read the heap with");
    return NULL;
}

static bool open_sites(ku__core_making *making) {
    const ku__anchor *anchor = &making->blocks.anchor;
    uintptr_t place = making->blocks.pool_count == 0 ? 0 : (uintptr_t)anchor->tracer;
    uintptr_t tracer = place == 0 ? 0 : ku__image_word(&making->image, place);
    bool opened = ku__sites_open(&making->sites, &making->image.memory, tracer, (uintptr_t)anchor->trace);
    making->sites.maker = &making->maker;
    return opened;
}

static bool take_columns(ku__core_making *making, size_t nodes) {
    making->nodes = nodes;
    making->known = ku__pages_map(nodes * sizeof *making->known);
    making->counts = ku__pages_map(nodes * sizeof *making->counts);
    return making->known != NULL && making->counts != NULL && open_sites(making);
}

static void add_root(ku__core_making *making) {
    ku_node root = {
        .type = KU__SYSTEM_ROOT, .label = KU_GRAPH_NONE, .flags = KU_NODE_PLACE, .age = KU_GRAPH_AGE_UNKNOWN};
    ku__maker_node(&making->maker, &root);
}

/* What could not be had is told with the graph; NULL: nothing. */
static const char *describe_missing(const ku__image *image, char *text, size_t room) {
    const char *first;
    size_t missing = ku__files_missing(image, &first);
    snprintf(text, room, "read from a core; files that it leaves pages to are not here: %zu, such as %s", missing,
             first != NULL ? first : "");
    return missing != 0 ? text : NULL;
}

static uint32_t note_of(ku__core_making *making) {
    char text[256];
    const char *note = describe_missing(&making->image, text, sizeof text);
    return note != NULL ? ku__maker_text(&making->maker, note, strlen(note)) : KU_GRAPH_NONE;
}

static ku_graph *finish(ku__core_making *making, ku_error *error) {
    ku_graph_info info = {.process = making->image.process,
                          .reason = KU_GRAPH_IMPORTED,
                          .allocated = making->allocated,
                          .program = ku__core_name_of_fixed(making, making->image.program),
                          .runtime = ku__core_name_of_fixed(making, making->python.text),
                          .note = note_of(making)};
    if (making->reading.told >= making->reading.most) {
        ku__maker_fail(&making->maker, KU_CORRUPT, "the core has more references than room for them: it is damaged");
    }
    return ku__maker_finish(&making->maker, &info, error);
}

static ku_graph *make(ku__core_making *making, ku_error *error) {
    discover(making);
    size_t nodes = (size_t)ku__blocks_slots(&making->blocks) + 1;
    if (making->blocks.failed || !ku__blocks_sort(&making->blocks) || !take_columns(making, nodes) ||
        !ku__maker_open(&making->maker, (uint32_t)nodes, making->sites.tables != 0) || !ku__core_make_types(making)) {
        ku__maker_close(&making->maker);
        return refuse(error);
    }
    add_root(making);
    ku__blocks_walk(&making->blocks, add_node, making);
    ku__core_make_place_nodes(making);
    making->reading.see = add_edge;
    making->reading.own = add_buffer;
    making->reading.named = true;
    making->reading.told = 0;
    if (!making->maker.failed) {
        ku__core_make_root_edges(making);
        ku__blocks_walk(&making->blocks, add_edges, making);
        ku__core_make_place_edges(making);
    }
    return finish(making, error);
}

static bool open_heaps(ku__core_making *making, ku__core_outcome *outcome, ku_error *error) {
    ku__blocks *blocks = &making->blocks;
    ku__core_sight_argument by = {&making->image.memory, &making->types};
    *blocks = (ku__blocks){.memory = &making->image.memory};
    outcome->hosted = ku__anchor_find(&making->image, false, &blocks->anchor);
    ku__heap_choice heaps[] = {{(uintptr_t)blocks->anchor.objects, false}, {(uintptr_t)blocks->anchor.buffers, true}};
    if (!ku__blocks_open(blocks, heaps, outcome->hosted ? 2 : 0, ku__core_sight_large, &by)) {
        refuse(error);
        return false;
    }
    return true;
}

static ku_graph *read_python(ku__core_making *making, ku__core_outcome *outcome, ku_error *error) {
    snprintf(outcome->runtime, sizeof outcome->runtime, "%s", making->python.text);
    making->reading = (ku__core_reading){.image = &making->image,
                                         .python = &making->python,
                                         .types = &making->types,
                                         .blocks = &making->blocks,
                                         .argument = making,
                                         .most = making->image.dumped / sizeof(uintptr_t) + UINT16_MAX};
    if (!ku__core_types_open(&making->types, &making->python, &making->image)) {
        return refuse(error);
    }
    if (!open_heaps(making, outcome, error)) {
        return NULL;
    }
    ku__core_find_places(making);
    return make(making, error);
}

/* No interpreter was found, or what only looked like one, such as its text in a program that reads cores; `error` says
 * so, and stays where no heap of the library's was there either. */
static ku_graph *read_native(ku__core_making *making, ku__core_outcome *outcome, ku_error *error) {
    char text[256];
    bool none;
    ku_error why;
    const char *note = describe_missing(&making->image, text, sizeof text);
    ku_graph *graph = ku__core_native(&making->image, note, &none, &why);
    snprintf(outcome->runtime, sizeof outcome->runtime, "%s", KU__CORE_NATIVE);
    if (graph == NULL && !none && error != NULL) {
        *error = why;
    }
    return graph;
}

static void release(ku__core_making *making) {
    ku__sites_close(&making->sites);
    ku__pages_unmap(making->known, making->nodes * sizeof *making->known);
    ku__pages_unmap(making->counts, making->nodes * sizeof *making->counts);
    ku__growing_release(&making->threads);
    ku__pointer_close(&making->names);
    ku__pointer_close(&making->fixed);
    ku__blocks_close(&making->blocks);
    ku__core_types_close(&making->types);
    ku__image_close(&making->image);
}

ku_graph *ku__core_graph(const ku__core_order *order, ku__core_outcome *outcome, ku_error *error) {
    ku__core_making making = {.first_type = 0};
    *outcome = (ku__core_outcome){.hosted = false};
    bool opened = order->path != NULL ? ku__image_open(&making.image, order->path, error)
                                      : ku__image_open_bytes(&making.image, order->bytes, order->size, error);
    if (!opened) {
        return NULL;
    }
    ku_graph *graph = NULL;
    bool none = false;
    if (ku__files_open(&making.image, order->program, order->root, error)) {
        graph = ku__python_find(&making.python, &making.image, &none, error) ? read_python(&making, outcome, error)
                                                                             : read_native(&making, outcome, error);
    }
    const char *first;
    outcome->missing = ku__files_missing(&making.image, &first);
    snprintf(outcome->first_missing, sizeof outcome->first_missing, "%s", first == NULL ? "" : first);
    release(&making);
    return graph;
}
