/* duplicates.c: equal objects, and room in containers; see kucha/duplicates.h.
 *
 * Both are told by sparse tables of the graph, sorted by node. The first node of a class of equal ones stands in the
 * table too, so that its place there can count for the class.
 */
#include <kucha/duplicates.h>

#include "inspect/graph.h"
#include "inspect/links.h"

#include <stdlib.h>
#include <string.h>

static uint64_t bytes_of(const ku_graph *graph, uint32_t node) {
    return ku__graph_size(graph, node) + ku__graph_slack(graph, node);
}

static bool lives(const ku_graph *graph, uint32_t node) {
    return (graph->flags[node] & (KU_NODE_DEAD | KU_NODE_FREE_LISTED)) == 0;
}

/* ---- equal objects ---- */

/* Where a node stands in the table; `count` where a file that was made by others has it nowhere. */
static uint32_t place_of(const ku_graph *graph, uint32_t node) {
    uint32_t low = 0, high = graph->equals;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (graph->equal_table[middle].node < node) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low < graph->equals && graph->equal_table[low].node == node ? low : graph->equals;
}

static int by_waste(const void *left, const void *right) {
    const ku_duplicate *a = left, *b = right;
    if (a->wasted != b->wasted) return a->wasted < b->wasted ? 1 : -1;
    return a->example < b->example ? -1 : 1;
}

/* `groups` has one for each entry of the table, and one that is for nobody. */
static void gather(const ku_graph *graph, ku_duplicate *groups) {
    for (uint32_t i = 0; i < graph->equals; i++) {
        const ku__fact *fact = &graph->equal_table[i];
        if (!lives(graph, fact->node)) continue;
        ku_duplicate *group = &groups[fact->value == fact->node ? i : place_of(graph, fact->value)];
        uint64_t bytes = bytes_of(graph, fact->node);
        if (group->count++ == 0) {
            group->example = fact->node;
        } else {
            group->wasted += bytes;
        }
        group->bytes += bytes;
    }
    groups[graph->equals].count = 0;
}

static ku_duplicates *keep(ku_duplicate *groups, size_t all) {
    ku_duplicates *made = calloc(1, sizeof *made);
    size_t count = 0;
    for (size_t i = 0; i < all; i++) count += groups[i].count > 1;
    if (made == NULL || (made->list = malloc((count + 1) * sizeof *made->list)) == NULL) {
        free(made);
        return NULL;
    }
    for (size_t i = 0; i < all; i++) {
        if (groups[i].count > 1) {
            made->list[made->count++] = groups[i];
            made->nodes += groups[i].count;
            made->bytes += groups[i].bytes;
            made->wasted += groups[i].wasted;
        }
    }
    qsort(made->list, made->count, sizeof *made->list, by_waste);
    return made;
}

ku_duplicates *ku_duplicates_new(const ku_graph *graph, ku_error *error) {
    size_t all = (size_t)graph->equals + 1;
    ku_duplicate *groups = ku__array_map(all, sizeof *groups);
    ku_duplicates *made = NULL;
    if (groups != NULL) {
        gather(graph, groups);
        made = keep(groups, all);
    }
    ku__array_unmap(groups, all, sizeof *groups);
    if (made == NULL) ku__inspect_no_memory(error);
    return made;
}

void ku_duplicates_delete(ku_duplicates *duplicates) {
    if (duplicates != NULL) {
        free(duplicates->list);
        free(duplicates);
    }
}

/* ---- room ---- */

typedef struct roomy {
    uint32_t type, site, node;
    uint32_t bytes;
} roomy;

static int by_kind(const void *left, const void *right) {
    const roomy *a = left, *b = right;
    if (a->type != b->type) return a->type < b->type ? -1 : 1;
    if (a->site != b->site) return a->site < b->site ? -1 : 1;
    if (a->bytes != b->bytes) return a->bytes < b->bytes ? 1 : -1; /* the example comes first */
    return a->node < b->node ? -1 : 1;
}

static int by_room(const void *left, const void *right) {
    const ku_room *a = left, *b = right;
    if (a->bytes != b->bytes) return a->bytes < b->bytes ? 1 : -1;
    return a->example < b->example ? -1 : 1;
}

static size_t list_roomy(const ku_graph *graph, roomy *list) {
    size_t count = 0;
    for (uint32_t i = 0; i < graph->roomy; i++) {
        uint32_t node = graph->rooms[i].node;
        if (lives(graph, node)) {
            list[count++] =
                (roomy){ku__graph_type(graph, node), ku__graph_site(graph, node), node, graph->rooms[i].value};
        }
    }
    qsort(list, count, sizeof *list, by_kind);
    return count;
}

static void group(ku_rooms *made, const roomy *list, size_t count) {
    ku_room *of = NULL;
    for (size_t i = 0; i < count; i++) {
        if (of == NULL || of->type != list[i].type || of->site != list[i].site) {
            of = &made->list[made->count++];
            *of = (ku_room){.type = list[i].type, .site = list[i].site, .example = list[i].node};
        }
        of->nodes++;
        of->bytes += list[i].bytes;
        made->bytes += list[i].bytes;
    }
    made->nodes = count;
    qsort(made->list, made->count, sizeof *made->list, by_room);
}

ku_rooms *ku_rooms_new(const ku_graph *graph, ku_error *error) {
    size_t all = (size_t)graph->roomy + 1;
    roomy *list = malloc(all * sizeof *list);
    ku_rooms *made = calloc(1, sizeof *made);
    if (list == NULL || made == NULL || (made->list = malloc(all * sizeof *made->list)) == NULL) {
        free(list);
        free(made);
        ku__inspect_no_memory(error);
        return NULL;
    }
    group(made, list, list_roomy(graph, list));
    free(list);
    return made;
}

void ku_rooms_delete(ku_rooms *rooms) {
    if (rooms != NULL) {
        free(rooms->list);
        free(rooms);
    }
}
