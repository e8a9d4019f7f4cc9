/* python_make.c: see python_make.h: the walks, nodes and edges. */
#include "inspect/python_make.h"

#include "os/failure.h"
#include "os/pages.h"
#include "trace/trace.h"

static bool refuse(ku_error *error) {
    ku__error_format(error, KU_NO_MEMORY, 0, "no memory to read the heap with");
    return false;
}

/* ---- what blocks look like ---- */

/* What a walk meets: a block, and what is known of it. */
typedef struct met {
    const ku__block *block;
    uintptr_t object; /* 0: no object that lives */
    uint32_t type;    /* KU__NO_TYPE */
    uint32_t front;
} met;

/* What the last block was is tried first: neighbours are mostly of one type. */
static inline ku__sighting sight(ku__making *making, uintptr_t block, uint64_t size) {
    enum { MOST = KU__FRONT_MOST + KU__FRONT_PART }; /* bytes that are looked at */
    size_t looked_at = size < MOST ? (size_t)size : MOST;
    const uintptr_t *words = ku__memory_words(making->memory, block, looked_at / sizeof *words);
    if (words == NULL) {
        return (ku__sighting){KU__NO_TYPE, 0};
    }
    if (making->seen_type != 0 && making->seen.front + KU__FRONT_PART <= looked_at &&
        ku__sight_again(making->types, words, making->seen, making->seen_type)) {
        return making->seen;
    }
    ku__sighting seen = ku__sight(making->types, words, looked_at);
    if (seen.type != KU__NO_TYPE) {
        making->seen = seen;
        making->seen_type = ku__type_table_at(making->types, seen.type)->address;
    }
    return seen;
}

static void sight_large(void *making, uintptr_t address, uint64_t size, uint32_t *front, uint8_t *marks) {
    ku__sighting seen = sight(making, address, size);
    *front = seen.front;
    *marks = seen.type != KU__NO_TYPE ? KU__SLOT_OBJECT : 0;
}

static inline met sight_block(ku__making *making, const ku__block *block) {
    met what = {.block = block, .type = KU__NO_TYPE, .front = block->front};
    if (!block->is_elsewhere && !block->is_buffer) {
        ku__sighting seen = sight(making, block->address, block->size);
        what.type = seen.type;
        what.front = seen.front;
    } else if ((block->marks & KU__SLOT_OBJECT) != 0) {
        uintptr_t type = ku__memory_word(making->memory, block->address + block->front + sizeof(uintptr_t));
        what.type = ku__type_table_find(making->types, type);
    }
    uintptr_t object = block->address + what.front;
    bool lives = what.type != KU__NO_TYPE && !ku__is_kept(ku__memory_word(making->memory, object));
    what.object = lives ? object : 0;
    return what;
}

bool ku__python_open(ku__making *making, ku_error *error) {
    making->blocks.memory = making->memory;
    bool opened = ku__blocks_open(&making->blocks, making->heaps, making->heap_count, sight_large, making);
    return opened || refuse(error);
}

/* ---- the first walk ---- */

static void follow(void *argument, const ku__reference *reference) {
    ku__python_meet(argument, reference->target);
}

static void claim(void *argument, uintptr_t block, size_t size, ku__buffer_kind kind) {
    ku__python_claim(argument, block, size, kind);
}

static void read_met(void *argument, const ku__block *block) {
    ku__making *making = argument;
    met what = sight_block(making, block);
    if (what.object != 0) {
        making->rules->read(making, what.object, what.type, (block->marks & KU__SLOT_TRACKED) != 0);
    }
}

static void discover(ku__making *making) {
    *making->telling = (ku__telling){.see = follow, .own = claim, .argument = making};
    ku__python_note_lists(making);
    for (size_t i = 0; i < KU__HELD; i++) {
        ku__python_meet(making, making->held[i].object);
    }
    for (uint32_t i = 0; i < ku__type_table_count(making->types); i++) {
        ku__python_meet(making, ku__type_table_at(making->types, i)->address);
    }
    if (making->blocks.pool_count == 0) {
        ku__meet_frames(making); /* under kucha all that frames hold is in the pools, or was met there */
    }
    ku__blocks_walk_pools(&making->blocks, read_met, making);
    ku__blocks_walk_others(&making->blocks, read_met, making);
}

/* ---- nodes ---- */

static uint32_t type_of(const ku__making *making, const met *what) {
    if (what->type != KU__NO_TYPE) {
        return making->first_type + what->type;
    }
    if (what->block->is_buffer || (what->block->marks & KU__SLOT_CLAIMED) != 0) {
        return KU__SYSTEM_BUFFERS + (what->block->marks & KU__SLOT_KIND);
    }
    return KU__SYSTEM_BLOCK;
}

static uint8_t flags_of(ku__making *making, const met *what) {
    uint8_t flags = (what->block->marks & KU__SLOT_TRACKED) != 0 ? KU_NODE_TRACKED : 0;
    if (what->type == KU__NO_TYPE) {
        flags |= (what->block->marks & KU__SLOT_CLAIMED) != 0 ? KU_NODE_BUFFER : KU_NODE_UNKNOWN;
        return what->block->is_buffer ? (uint8_t)(flags | KU_NODE_BUFFER) : flags;
    }
    if (what->object == 0) {
        return KU_NODE_FREE_LISTED;
    }
    bool is_immortal = making->rules->is_immortal(making, what->object, what->type);
    return (uint8_t)(flags | (is_immortal ? KU_NODE_IMMORTAL : 0));
}

/* What was asked for: the tracer knows it exactly; else what the type says, where that explains the block. */
static uint64_t bytes_of(ku__making *making, const met *what) {
    const ku__block *block = what->block;
    uint64_t claimed = what->object == 0 ? 0 : making->rules->bytes(making, what->object, what->type);
    if (block->size == 0) {
        return claimed + block->owned;
    }
    if (block->is_elsewhere) {
        return block->size;
    }
    if (KU__SLOT_SITE(block->site) != 0) {
        return ku__slot_bytes(block->site, block->size);
    }
    if (what->object == 0) {
        uint8_t slack = making->blocks.slacks[block->slot];
        return slack == KU__SLACK_UNKNOWN ? block->size : block->size - slack;
    }
    return claimed <= block->size && block->size - claimed < KU_CLASS_STEP ? claimed : block->size;
}

/* The number of the type that an object is; KU__NO_TYPE: it is none. */
static uint32_t number_of(const ku__making *making, uintptr_t object) {
    return ku__type_table_may(making->types, object) ? ku__type_table_find(making->types, object) : KU__NO_TYPE;
}

static void note_object(ku__making *making, const met *what, uint32_t node) {
    if (making->rules->note != NULL) {
        making->rules->note(making, what->object, what->type, node, what->block->size);
    }
    uint32_t type = number_of(making, what->object);
    if (type != KU__NO_TYPE) {
        ku__maker_type_node(&making->maker, making->first_type + type, node);
    }
}

static void add_node(void *argument, const ku__block *block) {
    ku__making *making = argument;
    const met what = sight_block(making, block);
    uint64_t bytes = bytes_of(making, &what);
    bool tracked = (block->marks & KU__SLOT_TRACKED) != 0, lives = what.object != 0;
    ku_node node = {.address = block->address + what.front,
                    .type = type_of(making, &what),
                    .site = ku__sites_of(&making->sites, block->site),
                    .size = bytes,
                    .slack = block->size > bytes ? block->size - bytes : 0,
                    .count = lives ? making->rules->count(making, what.object) : 0,
                    .label = lives ? making->rules->label(making, what.object, what.type, tracked) : KU_GRAPH_NONE,
                    .flags = flags_of(making, &what),
                    .age = tracked ? (uint8_t)(block->marks >> KU__SLOT_GENERATION & 3) : KU_GRAPH_AGE_UNKNOWN};
    uint32_t number = ku__maker_node(&making->maker, &node);
    *ku__blocks_node(&making->blocks, block->slot) = number;
    if (number == KU_GRAPH_NONE) {
        return;
    }
    making->counts[number] = node.count;
    making->allocated += block->size;
    if (lives) {
        note_object(making, &what, number);
    }
}

/* ---- edges ---- */

static uint32_t name_of(ku__making *making, const ku__reference *reference) {
    if (reference->string != 0) {
        return ku__name_of_text(making, reference->string);
    }
    if (reference->chars != 0) {
        return ku__name_of_chars(making, reference->chars);
    }
    return reference->fixed != NULL ? ku__name_of_fixed(making, reference->fixed) : KU_GRAPH_NONE;
}

static void add_edge(void *argument, const ku__reference *reference) {
    ku__making *making = argument;
    uint32_t node = ku__node_of(making, reference->target);
    if (node != KU_GRAPH_NONE) {
        ku__maker_edge(&making->maker, node, reference->kind, name_of(making, reference), reference->number);
        making->known[node] += reference->counted;
    }
}

static void add_buffer(void *argument, uintptr_t block, size_t size, ku__buffer_kind kind) {
    (void)size;
    (void)kind;
    ku__making *making = argument;
    uint32_t node = ku__node_of(making, block);
    if (node != KU_GRAPH_NONE) {
        ku__maker_edge(&making->maker, node, KU_EDGE_BUFFER, KU_GRAPH_NONE, 0);
    }
}

/* Keys that instances share are held by the table: their type's, which it was claimed by. */
static void add_shared_keys(ku__making *making, uintptr_t type) {
    ku__key_table table = making->rules->keys_of_type(making, type);
    for (size_t i = 0; i < table.used; i++) {
        ku__reference reference = {
            .target = ku__key_of(&table, i), .kind = KU_EDGE_KEY, .number = (uint32_t)i, .counted = true};
        add_edge(making, &reference);
    }
}

/* What a block was found to be when it became a node: until its edges are complete, its shape is its type. */
static met recall(const ku__making *making, const ku__block *block, uint32_t node) {
    const uint32_t *types = KU__GROWING_ITEMS(&making->maker.sections[KU__SECTION_SHAPE_OF], uint32_t);
    const uint8_t *flags = KU__GROWING_ITEMS(&making->maker.sections[KU__SECTION_FLAGS], uint8_t);
    met what = {.block = block, .type = KU__NO_TYPE};
    if (types[node] >= making->first_type && (flags[node] & KU_NODE_FREE_LISTED) == 0) {
        what.type = types[node] - making->first_type;
        what.front = ku__type_table_at(making->types, what.type)->front;
        what.object = block->address + what.front;
    }
    return what;
}

static void add_edges(void *argument, const ku__block *block) {
    ku__making *making = argument;
    uint32_t node = *ku__blocks_node(&making->blocks, block->slot);
    const met what = recall(making, block, node);
    if (what.object == 0) {
        return;
    }
    ku__maker_begin(&making->maker, node);
    if (!making->rules->read(making, what.object, what.type, (block->marks & KU__SLOT_TRACKED) != 0)) {
        KU__GROWING_ITEMS(&making->maker.sections[KU__SECTION_FLAGS], uint8_t)[node] |= KU_NODE_OPAQUE;
    }
    if (number_of(making, what.object) != KU__NO_TYPE) {
        add_shared_keys(making, what.object);
    }
}

/* ---- all of it ---- */

static bool open_sites(ku__making *making) {
    const ku__anchor *anchor = &making->blocks.anchor;
    uintptr_t place = making->blocks.pool_count == 0 ? 0 : (uintptr_t)anchor->tracer;
    uintptr_t tracer = place == 0 ? 0 : ku__memory_word(making->memory, place);
    bool opened = ku__sites_open(&making->sites, making->memory, tracer, (uintptr_t)anchor->trace);
    making->sites.maker = &making->maker;
    return opened;
}

static bool take_columns(ku__making *making) {
    making->nodes = (size_t)ku__blocks_slots(&making->blocks) + 1;
    making->known = ku__pages_map(making->nodes * sizeof *making->known);
    making->counts = ku__pages_map(making->nodes * sizeof *making->counts);
    return making->known != NULL && making->counts != NULL && open_sites(making);
}

static void add_root(ku__making *making) {
    ku_node root = {
        .type = KU__SYSTEM_ROOT, .label = KU_GRAPH_NONE, .flags = KU_NODE_PLACE, .age = KU_GRAPH_AGE_UNKNOWN};
    ku__maker_node(&making->maker, &root);
}

bool ku__python_make(ku__making *making, ku_error *error) {
    discover(making);
    if (making->blocks.failed || !ku__blocks_sort(&making->blocks) || !take_columns(making) ||
        !ku__maker_open(&making->maker, (uint32_t)making->nodes, making->sites.tables != 0) ||
        !ku__make_types(making)) {
        ku__maker_close(&making->maker);
        return refuse(error);
    }
    add_root(making);
    ku__blocks_walk(&making->blocks, add_node, making);
    if (making->rules->noted != NULL) {
        making->rules->noted(making);
    }
    ku__make_place_nodes(making);
    *making->telling = (ku__telling){.see = add_edge, .own = add_buffer, .argument = making, .named = true};
    if (!making->maker.failed) {
        ku__make_root_edges(making);
        ku__blocks_walk(&making->blocks, add_edges, making);
        ku__make_place_edges(making);
    }
    return true;
}

static void add_arena(void *argument, const ku_graph_arena *arena) {
    ku__making *making = argument;
    enum { NAME_MOST = 32 }; /* bytes that a heap has for its name */
    uintptr_t name = making->heaps[arena->heap].heap + making->blocks.anchor.heap_name;
    size_t size;
    const char *text = ku__memory_text(making->memory, name, NAME_MOST, &size);
    ku_graph_arena named = *arena;
    named.heap = ku__maker_text(&making->maker, text == NULL ? "" : text, size);
    ku__maker_arena(&making->maker, &named);
}

static uint32_t text_of(ku__making *making, const char *text) {
    return text == NULL ? KU_GRAPH_NONE : ku__maker_text(&making->maker, text, strlen(text));
}

ku_graph *ku__python_finish(ku__making *making, ku_graph_info info, const char *program, const char *runtime,
                            const char *note, ku_error *error) {
    ku__blocks_arenas(&making->blocks, making->heaps, making->heap_count, add_arena, making);
    info.allocated = making->allocated;
    info.program = text_of(making, program);
    info.runtime = text_of(making, runtime);
    info.note = text_of(making, note);
    return ku__maker_finish(&making->maker, &info, error);
}

void ku__python_close(ku__making *making) {
    ku__sites_close(&making->sites);
    ku__pages_unmap(making->known, making->nodes * sizeof *making->known);
    ku__pages_unmap(making->counts, making->nodes * sizeof *making->counts);
    ku__growing_release(&making->threads);
    ku__pointer_close(&making->names);
    ku__pointer_close(&making->fixed);
    ku__blocks_close(&making->blocks);
}
