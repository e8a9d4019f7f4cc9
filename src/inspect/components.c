/* components.c: see components.h. */
#include "inspect/components.h"

#include <string.h>

/* What the search keeps beside the result, by node. */
typedef struct search {
    const ku__links *links;
    ku__components *found;
    uint32_t *order;  /* when the node was met, from 1; 0: not yet */
    uint32_t *low;    /* the earliest that it is known to reach among those of no component yet */
    uint32_t *cursor; /* its next edge */
    uint32_t *path;   /* from where the search began to where it is */
    uint32_t *open;   /* met, and of no component yet */
    uint32_t path_count, open_count, met;
} search;

static void enter(search *by, uint32_t node) {
    by->order[node] = by->low[node] = ++by->met;
    by->cursor[node] = by->links->first[node];
    by->path[by->path_count++] = node;
    by->open[by->open_count++] = node;
}

static void lower(search *by, uint32_t node, uint32_t low) {
    if (low < by->low[node]) {
        by->low[node] = low;
    }
}

/* All edges of the node were followed: where it reaches nothing earlier, what is open above it is its component. */
static void leave(search *by, uint32_t node) {
    by->path_count--;
    if (by->low[node] == by->order[node]) {
        uint32_t member;
        do {
            member = by->open[--by->open_count];
            by->found->of[member] = by->found->count;
        } while (member != node);
        by->found->count++;
    }
    if (by->path_count != 0) {
        lower(by, by->path[by->path_count - 1], by->low[node]);
    }
}

static void search_from(search *by, uint32_t root) {
    enter(by, root);
    while (by->path_count != 0) {
        uint32_t node = by->path[by->path_count - 1];
        if (by->cursor[node] == by->links->first[node + 1]) {
            leave(by, node);
            continue;
        }
        uint32_t target = by->links->target[by->cursor[node]++];
        if (by->order[target] == 0) {
            enter(by, target);
        } else if (by->found->of[target] == KU__COMPONENT_NONE) {
            lower(by, node, by->low[target]);
        }
    }
}

/* Members by component, ascending: a sort by counting. */
static void sort_members(ku__components *components) {
    uint32_t *first = components->first;
    for (uint32_t node = 0; node < components->nodes; node++) {
        first[components->of[node] + 1]++;
    }
    for (uint32_t i = 0; i < components->count; i++) {
        first[i + 1] += first[i];
    }
    for (uint32_t node = components->nodes; node-- > 0;) { /* from behind: the ends become the beginnings */
        components->members[--first[components->of[node] + 1]] = node;
    }
    memmove(first, first + 1, components->count * sizeof *first);
    first[components->count] = components->nodes;
}

/* ---- memory ---- */

enum { COLUMNS = 11 }; /* six that stay, five of the search */

/* Two entries more than nodes: `first` has one more than there are components, and is counted one place further on. */
static size_t column_items(uint32_t nodes) {
    return (size_t)nodes + 2;
}

static bool take_memory(ku__components *components, uint32_t nodes) {
    size_t bytes = COLUMNS * column_items(nodes) * sizeof(uint32_t);
    if (components->bytes < bytes) {
        ku__components_close(components);
        components->memory = ku__array_map(bytes, 1);
        components->bytes = components->memory == NULL ? 0 : bytes;
    }
    return components->memory != NULL;
}

/* What the columns hold from an earlier call is of no consequence, but where it is set here. */
static void lay_out(ku__components *components, search *by, uint32_t nodes) {
    uint32_t **columns[COLUMNS] = {&components->of,   &components->first, &components->members,
                                   &components->from, &components->row,   &components->cycle,
                                   &by->order,        &by->low,           &by->cursor,
                                   &by->path,         &by->open};
    for (size_t i = 0; i < COLUMNS; i++) {
        *columns[i] = components->memory + i * column_items(nodes);
    }
    components->nodes = nodes;
    components->count = 0;
    memset(components->of, 0xff, nodes * sizeof *components->of);
    memset(components->from, 0xff, nodes * sizeof *components->from);
    memset(components->first, 0, column_items(nodes) * sizeof *components->first);
    memset(by->order, 0, nodes * sizeof *by->order);
}

void ku__components_close(ku__components *components) {
    if (components->memory != NULL) {
        ku__array_unmap(components->memory, components->bytes, 1);
    }
    *components = (ku__components){0};
}

bool ku__components_find(const ku__links *links, ku__components *components) {
    search by = {.links = links, .found = components};
    if (!take_memory(components, links->nodes)) {
        return false;
    }
    lay_out(components, &by, links->nodes);
    for (uint32_t node = 0; node < links->nodes; node++) {
        if (by.order[node] == 0) {
            search_from(&by, node);
        }
    }
    sort_members(components);
    return true;
}

static bool refers(const ku__links *links, uint32_t node, uint32_t target) {
    for (uint32_t i = links->first[node]; i < links->first[node + 1]; i++) {
        if (links->target[i] == target) {
            return true;
        }
    }
    return false;
}

bool ku__components_cyclic(const ku__links *links, const ku__components *components, uint32_t component) {
    uint32_t first = components->first[component];
    return components->first[component + 1] - first > 1 ||
           refers(links, components->members[first], components->members[first]);
}

/* ---- cycles ---- */

/* From `start`, in breadth, inside its component, until something refers to it; that node, or KU__COMPONENT_NONE. */
static uint32_t search_back(const ku__links *links, ku__components *components, uint32_t start, uint32_t *met) {
    components->row[(*met)++] = start;
    components->from[start] = start;
    for (uint32_t at = 0; at < *met; at++) {
        uint32_t node = components->row[at];
        for (uint32_t i = links->first[node]; i < links->first[node + 1]; i++) {
            uint32_t target = links->target[i];
            if (target == start) {
                return node;
            }
            if (components->of[target] == components->of[start] && components->from[target] == KU__COMPONENT_NONE) {
                components->from[target] = node;
                components->row[(*met)++] = target;
            }
        }
    }
    return KU__COMPONENT_NONE;
}

const uint32_t *ku__components_cycle(const ku__links *links, ku__components *components, uint32_t start,
                                     uint32_t *length) {
    uint32_t met = 0, last = search_back(links, components, start, &met), count = 0;
    if (last != KU__COMPONENT_NONE) {
        count = 1;
        for (uint32_t node = last; node != start; node = components->from[node]) {
            count++;
        }
        uint32_t node = last;
        for (uint32_t i = count; i-- > 0; node = components->from[node]) {
            components->cycle[i] = node;
        }
    }
    for (uint32_t i = 0; i < met; i++) {
        components->from[components->row[i]] = KU__COMPONENT_NONE;
    }
    *length = count;
    return count == 0 ? NULL : components->cycle;
}
