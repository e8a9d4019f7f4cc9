/* pins.c: what keeps nearly empty arenas; see kucha/pins.h.
 *
 * Arenas and nodes are both sorted by address, so that one pass over nodes meets each arena's together. A pinned
 * arena's nodes are sorted by type and birthplace; equal ones make a pin.
 *
 * The holder. From each node the dominator tree is climbed until it meets what earlier nodes have climbed through,
 * which is below the holder so far, or the holder, which climbs too where it is the smaller one: a dominator holds more
 * than what it dominates. So no node is climbed through twice for one arena.
 */
#include <kucha/pins.h>

#include "inspect/arenas.h"
#include "inspect/growing.h"
#include "inspect/links.h"

#include <stdlib.h>
#include <string.h>

typedef struct member {
    uint32_t type, site, node;
    uint64_t bytes;
} member;

typedef struct finding {
    const ku_graph *graph;
    ku_pins *found;
    double share;
    ku__growing arenas, pins, members; /* ku_pinned_arena, ku_pin; member: of one arena */
    const ku_dominators *dominators;   /* NULL */
    uint8_t *below;                    /* by node: climbed through, for this arena */
    ku__growing climbed;               /* uint32_t: those nodes */
} finding;

/* ---- one arena ---- */

static int by_kind(const void *left, const void *right) {
    const member *a = left, *b = right;
    if (a->type != b->type) return a->type < b->type ? -1 : 1;
    if (a->site != b->site) return a->site < b->site ? -1 : 1;
    return a->node < b->node ? -1 : 1;
}

static int by_bytes(const void *left, const void *right) {
    const ku_pin *a = left, *b = right;
    if (a->bytes != b->bytes) return a->bytes < b->bytes ? 1 : -1;
    return a->example < b->example ? -1 : 1;
}

static bool gather(finding *work, uint32_t first, uint32_t end) {
    work->members.used = 0;
    for (uint32_t node = first; node < end; node++) {
        member *one = ku__growing_push(&work->members, sizeof *one);
        if (one == NULL) return false;
        *one = (member){ku__graph_type(work->graph, node), ku__graph_site(work->graph, node), node,
                        ku__graph_block_bytes(work->graph, node)};
    }
    member *members = KU__GROWING_ITEMS(&work->members, member);
    if (end > first) qsort(members, end - first, sizeof *members, by_kind);
    return true;
}

static bool add_pins(finding *work, uint32_t *count) {
    const member *members = KU__GROWING_ITEMS(&work->members, member);
    size_t all = KU__GROWING_COUNT(&work->members, member), before = work->pins.used;
    uint64_t largest = 0;
    ku_pin *pin = NULL;
    for (size_t i = 0; i < all; i++) {
        if (pin == NULL || members[i].type != pin->type || members[i].site != pin->site) {
            pin = ku__growing_push(&work->pins, sizeof *pin);
            if (pin == NULL) return false;
            *pin = (ku_pin){.type = members[i].type, .site = members[i].site, .example = members[i].node};
            largest = 0;
        }
        pin->nodes++;
        pin->bytes += members[i].bytes;
        if (members[i].bytes > largest) {
            largest = members[i].bytes;
            pin->example = members[i].node;
        }
    }
    *count = (uint32_t)((work->pins.used - before) / sizeof(ku_pin));
    if (*count != 0) qsort(work->pins.bytes + before, *count, sizeof(ku_pin), by_bytes);
    return true;
}

static uint32_t climb(finding *work, uint32_t node) {
    uint32_t *room = ku__growing_push(&work->climbed, sizeof *room);
    if (room != NULL) { /* else the way is climbed again */
        *room = node;
        work->below[node] = 1;
    }
    return ku_dominators_parent(work->dominators, node);
}

/* The nearest node that dominates both, or is one of them. */
static uint32_t common(finding *work, uint32_t holder, uint32_t node) {
    while (holder != node && work->below[node] == 0) {
        uint32_t a = ku_dominators_held(work->dominators, holder), b = ku_dominators_held(work->dominators, node);
        if (a <= b) holder = climb(work, holder);
        if (b <= a) node = climb(work, node);
    }
    return holder;
}

static bool lives(const ku_graph *graph, uint32_t node) {
    return (graph->flags[node] & (KU_NODE_DEAD | KU_NODE_FREE_LISTED | KU_NODE_UNKNOWN)) == 0;
}

static uint32_t holder_of(finding *work, uint32_t first, uint32_t end) {
    uint32_t holder = KU_GRAPH_NONE;
    for (uint32_t node = first; work->dominators != NULL && node < end; node++) {
        if (lives(work->graph, node)) {
            holder = holder == KU_GRAPH_NONE ? node : common(work, holder, node);
        }
    }
    const uint32_t *climbed = KU__GROWING_ITEMS(&work->climbed, uint32_t);
    for (size_t i = 0; i < KU__GROWING_COUNT(&work->climbed, uint32_t); i++) work->below[climbed[i]] = 0;
    work->climbed.used = 0;
    return holder;
}

static bool add_arena(finding *work, const ku_graph_arena *arena, uint32_t first, uint32_t end) {
    ku_pinned_arena pinned = {.arena = *arena, .nodes = end - first};
    for (uint32_t node = first; node < end; node++) {
        pinned.used += ku__graph_block_bytes(work->graph, node);
    }
    work->found->arenas++;
    work->found->bytes += arena->bytes;
    work->found->used += pinned.used;
    if ((double)pinned.used > work->share * (double)arena->bytes) return true;
    ku_pinned_arena *room =
        gather(work, first, end) && add_pins(work, &pinned.pins) ? ku__growing_push(&work->arenas, sizeof *room) : NULL;
    if (room == NULL) return false;
    pinned.holder = holder_of(work, first, end);
    *room = pinned;
    return true;
}

/* ---- all of them ---- */

static int by_use(const void *left, const void *right) {
    const ku_pinned_arena *a = left, *b = right;
    if (a->used != b->used) return a->used < b->used ? -1 : 1;
    return a->arena.address < b->arena.address ? -1 : 1;
}

static bool find(finding *work) {
    uint32_t node = 0;
    for (uint32_t i = 0; i < work->graph->arenas; i++) {
        const ku_graph_arena *arena = &work->graph->arena_table[i];
        uint32_t first = ku__graph_first_at(work->graph, node, arena->address);
        node = ku__graph_first_at(work->graph, first, arena->address + arena->bytes);
        if (!add_arena(work, arena, first, node)) return false;
    }
    return true;
}

/* Arrays that grow hand over to those of malloc's size; each arena learns where its pins are. */
static bool settle(finding *work) {
    ku_pins *found = work->found;
    found->count = KU__GROWING_COUNT(&work->arenas, ku_pinned_arena);
    found->list = malloc(work->arenas.used + 1);
    found->pins = malloc(work->pins.used + 1);
    if (found->list == NULL || found->pins == NULL) return false;
    if (work->pins.used != 0) memcpy(found->pins, work->pins.bytes, work->pins.used);
    if (found->count != 0) memcpy(found->list, work->arenas.bytes, work->arenas.used);
    ku_pin *next = found->pins;
    for (size_t i = 0; i < found->count; i++) {
        found->list[i].list = next;
        next += found->list[i].pins;
    }
    if (found->count != 0) qsort(found->list, found->count, sizeof *found->list, by_use);
    return true;
}

ku_pins *ku_pins_new(const ku_graph *graph, const ku_dominators *dominators, double share, ku_error *error) {
    if (!(share >= 0 && share <= 1)) {
        ku__inspect_fail(error, KU_INVALID, "the share of an arena that is in use is from 0 to 1");
        return NULL;
    }
    finding work = {.graph = graph, .dominators = dominators, .share = share, .found = calloc(1, sizeof(ku_pins))};
    work.below = dominators != NULL ? ku__array_map(graph->nodes, 1) : NULL;
    bool ready = work.found != NULL && (dominators == NULL || work.below != NULL);
    bool done = ready && find(&work) && settle(&work);
    ku__array_unmap(work.below, graph->nodes, 1);
    ku__growing_release(&work.climbed);
    ku__growing_release(&work.arenas);
    ku__growing_release(&work.pins);
    ku__growing_release(&work.members);
    if (!done) {
        ku_pins_delete(work.found);
        ku__inspect_no_memory(error);
        return NULL;
    }
    return work.found;
}

void ku_pins_delete(ku_pins *pins) {
    if (pins != NULL) {
        free(pins->list);
        free(pins->pins);
        free(pins);
    }
}
