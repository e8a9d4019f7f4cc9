/* graph_make.c: from a heap that stands still to a graph. See graph_make.h.
 *
 * Three walks. The first notes what the collector's lists lead to, and follows every reference once, so that all that
 * lies outside of our pools and is referred to is met, and every buffer is claimed by its owner. Then nodes are
 * numbered, in order of address. The second walk adds edges, by name, and counts for each node the references that were
 * seen. The third compares those with the counts: what is held more often than was seen is held by somebody unknown.
 */
#include "cpython/graph_facts.h"

#if KU__FACTS_SUPPORTED

#include "cpython/graph_making.h"
#include "cpython/tracing.h"
#include "trace/fast.h"

#include <string.h>

/* ---- walking ---- */

/* What a walk meets: a block of a pool, or what lies elsewhere. */
typedef struct met {
    uint32_t slot;
    const char *block; /* where the block begins; NULL: not ours */
    PyObject *object;  /* NULL: no object that lives */
    size_t size;       /* of the block; 0: not ours */
    size_t owned;      /* of a buffer that is not ours */
    uint32_t type;     /* of the interpreter's; KU__NO_TYPE */
    uint32_t front;
    uint32_t site_slot;
    uint8_t marks;
    bool is_buffer;
} met;

typedef void meeting(ku__making *making, const met *met);

static met met_of_object(const ku__still *still, met what) {
    uint32_t type;
    PyObject *object = ku__still_object(still, what.block, what.size, &type);
    what.object = object;
    what.type = type;
    what.front = type == KU__NO_TYPE ? 0 : ku__types_at(&still->types, type)->front;
    return what;
}

static void walk_pool(ku__making *making, uint32_t number, meeting *meet) {
    const ku__still *still = &making->still;
    ku__pool_view pool = ku__pool_view_of(number);
    const ku_heap *heap = pool.pool->heap;
    bool is_buffer = heap == still->buffers;
    bool has_sites =
        making->sites != NULL && heap->sites_on && ku__process_tables.arenas[ku__arena_of_pool(number)].has_sites;
    for (size_t word = 0; word * 64 < pool.capacity; word++) {
        for (uint64_t left = ku__pool_view_taken(&pool, word); left != 0; left &= left - 1) {
            size_t index = word * 64 + (size_t)__builtin_ctzll(left);
            met what = {.slot = still->first_slot[number] - 1 + (uint32_t)index,
                        .block = pool.first + index * pool.size,
                        .size = pool.size,
                        .type = KU__NO_TYPE,
                        .is_buffer = is_buffer};
            what.marks = still->marks[what.slot];
            what.site_slot = has_sites ? *ku__site_slot(heap, what.block, pool.pool->class_index) : 0;
            meet(making, &(met[]){is_buffer ? what : met_of_object(still, what)}[0]);
        }
    }
}

static void walk_pools(ku__making *making, meeting *meet) {
    const ku__still *still = &making->still;
    for (uint32_t arena = 0; arena < ku__process_tables.arena_slots; arena++) {
        const ku_heap *heap = ku__process_tables.arenas[arena].heap;
        if (heap == NULL || (heap != still->objects && heap != still->buffers)) {
            continue;
        }
        for (uint64_t used = ~ku__process_tables.arenas[arena].free_pools; used != 0; used &= used - 1) {
            walk_pool(making, arena * KU__POOLS_PER_ARENA + (uint32_t)__builtin_ctzll(used), meet);
        }
    }
}

static void meet_other(ku__making *making, uint32_t slot, meeting *meet) {
    const ku__elsewhere *other = ku__still_other(&making->still, slot);
    met what = {.slot = slot,
                .block = (const char *)other->address - other->front,
                .size = other->size,
                .owned = other->owned,
                .type = KU__NO_TYPE,
                .front = other->front,
                .site_slot = other->site,
                .marks = other->marks,
                .is_buffer = other->is_buffer};
    if ((other->marks & KU__SLOT_OBJECT) != 0) {
        PyObject *object = (PyObject *)other->address;
        what.type = ku__types_find(&making->still.types, (uintptr_t)Py_TYPE(object));
        what.object = ku__is_kept(object) || what.type == KU__NO_TYPE ? NULL : object;
    }
    meet(making, &what);
}

/* ---- the first walk ---- */

static void follow(void *argument, const ku__reference *reference) {
    ku__making *making = argument;
    ku__still_meet(&making->still, reference->target);
}

static void claim(void *argument, uintptr_t block, size_t size, ku__buffer_kind kind) {
    ku__making *making = argument;
    ku__still_claim(&making->still, block, size, kind);
}

static void read_met(ku__making *making, const met *what) {
    if (what->object != NULL) {
        ku__read_object(&making->reading, what->object, what->type, (what->marks & KU__SLOT_TRACKED) != 0);
    }
}

static void note_lists(ku__making *making) {
    for (unsigned list = 0; list < KU__GC_LISTS; list++) {
        const PyGC_Head *head = ku__fact_gc_list(making->order->interpreter, list);
        for (const PyGC_Head *at = ku__fact_gc_next(head); at != head && at != NULL; at = ku__fact_gc_next(at)) {
            ku__still_note_tracked(&making->still, (uintptr_t)(at + 1), list);
        }
    }
}

static void discover(ku__making *making) {
    making->reading.see = follow;
    making->reading.own = claim;
    making->reading.named = false;
    note_lists(making);
    for (size_t i = 0; i < sizeof making->order->held / sizeof making->order->held[0]; i++) {
        ku__still_meet(&making->still, (uintptr_t)making->order->held[i].object);
    }
    for (uint32_t i = 0; i < ku__types_count(&making->still.types); i++) {
        ku__still_meet(&making->still, (uintptr_t)ku__types_at(&making->still.types, i)->type);
    }
    walk_pools(making, read_met);
    for (uint32_t slot = making->still.pool_slots; slot < ku__still_slots(&making->still); slot++) {
        meet_other(making, slot, read_met);
    }
}

/* ---- nodes ---- */

/* Slots elsewhere, by address: a heap sort (Williams, "Algorithm 232", CACM 7, 1964), because qsort(3) may ask
 * malloc. */
static void sift(const ku__still *still, uint32_t *heap, size_t at, size_t count) {
    for (size_t child; (child = 2 * at + 1) < count; at = child) {
#define ADDRESS(i) ku__still_other(still, heap[i])->address
        child += child + 1 < count && ADDRESS(child) < ADDRESS(child + 1);
        if (ADDRESS(at) >= ADDRESS(child)) {
            return;
        }
#undef ADDRESS
        uint32_t kept = heap[at];
        heap[at] = heap[child];
        heap[child] = kept;
    }
}

static void sort_others(const ku__still *still, uint32_t *slots, size_t count) {
    for (size_t i = count / 2; i-- > 0;) {
        sift(still, slots, i, count);
    }
    for (size_t end = count; end-- > 1;) {
        uint32_t kept = slots[0];
        slots[0] = slots[end];
        slots[end] = kept;
        sift(still, slots, 0, end);
    }
}

static uint32_t type_of(const ku__making *making, const met *what) {
    if (what->type != KU__NO_TYPE) {
        return making->first_type + what->type;
    }
    if (what->is_buffer || (what->marks & KU__SLOT_CLAIMED) != 0) {
        return KU__SYSTEM_BUFFERS + (what->marks & KU__SLOT_KIND);
    }
    return KU__SYSTEM_BLOCK;
}

static uint8_t flags_of(const met *what) {
    uint8_t flags = (what->marks & KU__SLOT_TRACKED) != 0 ? KU_NODE_TRACKED : 0;
    if (what->type == KU__NO_TYPE) {
        flags |= (what->marks & KU__SLOT_CLAIMED) != 0 ? KU_NODE_BUFFER : KU_NODE_UNKNOWN;
        return what->is_buffer ? (uint8_t)(flags | KU_NODE_BUFFER) : flags;
    }
    if (what->object == NULL) {
        return KU_NODE_FREE_LISTED;
    }
    bool is_static =
        PyType_Check(what->object) && (((PyTypeObject *)(void *)what->object)->tp_flags & Py_TPFLAGS_HEAPTYPE) == 0;
    return (uint8_t)(flags | (is_static || ku__fact_is_immortal(what->object) ? KU_NODE_IMMORTAL : 0));
}

/* What was asked for: the tracer knows it exactly; else what the type says, where that explains the block. */
static size_t bytes_of(const ku__making *making, const met *what) {
    size_t claimed = what->object != NULL ? ku__object_bytes(what->object, what->front) : 0;
    if (what->size == 0) {
        return claimed + what->owned;
    }
    if (what->slot >= making->still.pool_slots) {
        return what->size;
    }
    if (KU__SLOT_SITE(what->site_slot) != 0) {
        return ku__slot_bytes(what->site_slot, what->size);
    }
    if (what->object == NULL) {
        uint8_t slack = making->still.slacks[what->slot];
        return slack == KU__SLACK_UNKNOWN ? what->size : what->size - slack;
    }
    return claimed <= what->size && what->size - claimed < KU_CLASS_STEP ? claimed : what->size;
}

static void note_value(ku__making *making, const met *what, uint32_t node) {
    if (what->object == NULL || node == KU_GRAPH_NONE || making->reading.banned[what->type] != 0) {
        return;
    }
    *making->reading.running = what->type;
    uint64_t room = ku__room_of(what->object);
    if (room != 0) {
        ku__maker_room(&making->maker, node, room);
    }
    ku__note_value(making, what->object, node, what->size, what->front);
}

static void add_node(ku__making *making, const met *what) {
    size_t bytes = bytes_of(making, what);
    bool tracked = (what->marks & KU__SLOT_TRACKED) != 0;
    ku_node node = {.address = (uintptr_t)what->block + what->front,
                    .type = type_of(making, what),
                    .site = making->sites != NULL ? ku__site_of_slot(making, what->site_slot) : 0,
                    .size = bytes,
                    .slack = what->size > bytes ? what->size - bytes : 0,
                    .count = what->object != NULL ? ku__fact_count(what->object) : 0,
                    .label = what->object != NULL ? ku__label_of(making, what->object, tracked) : KU_GRAPH_NONE,
                    .flags = flags_of(what),
                    .age = tracked ? (uint8_t)(what->marks >> KU__SLOT_GENERATION & 3) : KU_GRAPH_AGE_UNKNOWN};
    uint32_t number = ku__maker_node(&making->maker, &node);
    if (what->slot < making->still.pool_slots) {
        making->still.nodes[what->slot] = number;
    } else {
        ku__still_other(&making->still, what->slot)->node = number;
    }
    if (number != KU_GRAPH_NONE) {
        making->counts[number] = node.count;
    }
    making->allocated += what->size;
    note_value(making, what, number);
    if (what->object != NULL && PyType_Check(what->object)) {
        uint32_t type = ku__types_find(&making->still.types, (uintptr_t)what->object);
        if (type != KU__NO_TYPE) {
            ku__maker_type_node(&making->maker, making->first_type + type, number);
        }
    }
}

/* Calls meet for everything in order of address: what lies below the pools, the pools, what lies above. */
static void walk_all(ku__making *making, const uint32_t *others, size_t count, meeting *meet) {
    size_t i = 0;
    while (i < count && ku__still_other(&making->still, others[i])->address < ku__process_tables.range.base) {
        meet_other(making, others[i++], meet);
    }
    walk_pools(making, meet);
    while (i < count) {
        meet_other(making, others[i++], meet);
    }
}

/* ---- edges ---- */

static uint32_t text_of(ku__making *making, const ku__reference *reference) {
    if (reference->string != NULL) {
        return ku__name_of_text(making, reference->string);
    }
    return reference->chars != NULL ? ku__name_of_chars(making, reference->chars) : KU_GRAPH_NONE;
}

static void add_edge(void *argument, const ku__reference *reference) {
    ku__making *making = argument;
    uint32_t node = ku__node_of(making, reference->target);
    if (node != KU_GRAPH_NONE) {
        ku__maker_edge(&making->maker, node, reference->kind, text_of(making, reference), reference->number);
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
static void add_shared_keys(ku__making *making, PyObject *object) {
    const PyDictKeysObject *keys = PyType_Check(object) ? ku__fact_shared_keys((PyTypeObject *)(void *)object) : NULL;
    for (Py_ssize_t i = 0; keys != NULL && i < keys->dk_nentries; i++) {
        PyObject *unused, *key = ku__fact_key(keys, (size_t)i, &unused);
        ku__reference reference = {
            .target = (uintptr_t)key, .kind = KU_EDGE_KEY, .number = (uint32_t)i, .counted = true};
        if (key != NULL) {
            add_edge(making, &reference);
        }
    }
}

static void add_edges(ku__making *making, const met *what) {
    if (what->object == NULL) {
        return;
    }
    uint32_t node = ku__still_node(&making->still, what->slot);
    ku__maker_begin(&making->maker, node);
    if (!ku__read_object(&making->reading, what->object, what->type, (what->marks & KU__SLOT_TRACKED) != 0)) {
        KU__GROWING_ITEMS(&making->maker.sections[KU__SECTION_FLAGS], uint8_t)[node] |= KU_NODE_OPAQUE;
    }
    add_shared_keys(making, what->object);
}

/* ---- all of it ---- */

static uint32_t *order_others(const ku__still *still, size_t *count) {
    *count = KU__GROWING_COUNT(&still->others, ku__elsewhere);
    uint32_t *slots = ku__pages_map((*count + 1) * sizeof *slots);
    if (slots != NULL) {
        for (size_t i = 0; i < *count; i++) {
            slots[i] = still->pool_slots + (uint32_t)i;
        }
        sort_others(still, slots, *count);
    }
    return slots;
}

static bool take_columns(ku__making *making, size_t nodes) {
    making->known = ku__pages_map(nodes * sizeof *making->known);
    making->counts = ku__pages_map(nodes * sizeof *making->counts);
    const ku__tracer *tracer = ku__tracing_state.kept;
    if (tracer != NULL) {
        making->site_count = ku__site_count(tracer);
        making->sites = ku__pages_map((size_t)making->site_count * sizeof *making->sites);
    }
    return making->known != NULL && making->counts != NULL && (tracer == NULL || making->sites != NULL);
}

static void add_root(ku__making *making) {
    ku_node root = {
        .type = KU__SYSTEM_ROOT, .label = KU_GRAPH_NONE, .flags = KU_NODE_PLACE, .age = KU_GRAPH_AGE_UNKNOWN};
    ku__maker_node(&making->maker, &root);
}

static ku_graph *refuse(ku_error *error) {
    *error = (ku_error){.code = KU_NO_MEMORY, .message = "no memory to read the heap with"};
    return NULL;
}

static void add_arenas(ku__making *making) {
    const ku__still *still = &making->still;
    uint32_t names[] = {ku__maker_text(&making->maker, still->objects->name, strlen(still->objects->name)),
                        ku__maker_text(&making->maker, still->buffers->name, strlen(still->buffers->name))};
    for (uint32_t arena = 0; arena < ku__process_tables.arena_slots; arena++) {
        const ku__arena *slot = &ku__process_tables.arenas[arena];
        if (slot->heap != NULL && (slot->heap == still->objects || slot->heap == still->buffers)) {
            ku__maker_arena(&making->maker,
                            &(ku_graph_arena){.address = (uintptr_t)ku__arena_address(arena),
                                              .bytes = (uint64_t)1 << KU__ARENA_BITS,
                                              .pool_bytes = (uint32_t)1 << KU__POOL_BITS,
                                              .free_pools = (uint32_t)__builtin_popcountll(slot->free_pools),
                                              .heap = names[slot->heap == still->buffers]});
        }
    }
}

static ku_graph *finish(ku__making *making, ku_error *error) {
    ku_graph_info info = making->order->info;
    add_arenas(making);
    info.allocated = making->allocated;
    info.program = ku__maker_text(&making->maker, making->order->program, strlen(making->order->program));
    info.runtime = ku__maker_text(&making->maker, making->order->runtime, strlen(making->order->runtime));
    info.note = KU_GRAPH_NONE;
    return ku__maker_finish(&making->maker, &info, error);
}

ku_graph *ku__graph_make(ku__graph_order *order, ku_error *error) {
    ku__making making = {.still = {.types = order->types, .objects = order->objects, .buffers = order->buffers},
                         .order = order};
    making.reading =
        (ku__reading){.still = &making.still, .argument = &making, .running = order->running, .banned = order->banned};
    if (!ku__still_open(&making.still)) {
        return refuse(error);
    }
    discover(&making);
    size_t others;
    uint32_t *sorted = order_others(&making.still, &others);
    size_t nodes = (size_t)making.still.pool_slots + others + 1;
    if (sorted == NULL || making.still.failed || !take_columns(&making, nodes) ||
        !ku__maker_open(&making.maker, (uint32_t)nodes, making.sites != NULL) || !ku__make_types(&making)) {
        return refuse(error);
    }
    add_root(&making);
    walk_all(&making, sorted, others, add_node);
    ku__make_equals(&making);
    ku__make_place_nodes(&making);
    making.reading.see = add_edge;
    making.reading.own = add_buffer;
    making.reading.named = true;
    if (!making.maker.failed) {
        ku__make_root_edges(&making);
        walk_all(&making, sorted, others, add_edges);
        ku__make_place_edges(&making);
    }
    return finish(&making, error);
}

#endif
