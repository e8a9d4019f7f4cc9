/* objects.c: which nodes are objects, which are reached, who owns which namespace, and what stands in relation to a set
 * of them; see kucha/partition.h.
 *
 * Whether a node can own buffers or a namespace is in its shape, so it is found out once a shape: lists, texts and
 * numbers, most of any heap, cost one load each. Owners stand in an array by node that is zero, and so not there, but
 * for the pages that have a namespace in them.
 */
#include "inspect/objects.h"

#include "inspect/links.h"
#include <kucha/paths.h>

#include <stdlib.h>
#include <string.h>

static const char namespace_name[] = "__dict__";

/* ---- shapes ---- */

static bool is_text(const ku_graph *graph, uint32_t number, const char *wanted) {
    ku_text text = ku_graph_text(graph, number);
    return number != KU_GRAPH_NONE && text.size == strlen(wanted) && memcmp(text.bytes, wanted, text.size) == 0;
}

static bool names_space(const ku_graph *graph, uint32_t kind, uint32_t text) {
    return kind == KU_EDGE_SLOT && is_text(graph, text, namespace_name);
}

static void look_at_shapes(ku_objects *objects) {
    const ku_graph *graph = objects->graph;
    for (uint32_t shape = 0; shape < graph->shapes; shape++) {
        for (uint32_t i = graph->shape_table[shape].first_run; i < graph->shape_table[shape + 1].first_run; i++) {
            const ku__run *run = &graph->runs[i];
            if (run->kind == KU_EDGE_BUFFER) objects->shape_parts[shape] |= KU__SHAPE_BUFFERS;
            if (names_space(graph, run->kind, run->text)) objects->shape_parts[shape] |= KU__SHAPE_SPACE;
        }
    }
}

static bool has_part(const ku_objects *objects, uint32_t node, uint8_t part) {
    return (objects->shape_parts[objects->graph->shape_of[node]] & part) != 0;
}

/* ---- namespaces ---- */

static bool is_dict(const ku_objects *objects, uint32_t node) {
    return ku__graph_type(objects->graph, node) == objects->dict_type;
}

/* The first object that names a dict so owns it: a function may share one with others. The first owner of a buffer has
 * it, but a table of keys that dicts share is their type's. */
static void own_parts(ku_objects *objects, uint32_t node) {
    uint32_t count;
    const uint32_t *targets = ku__graph_targets(objects->graph, node, &count);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t *owner = &objects->owner[targets[i]];
        if ((objects->graph->flags[targets[i]] & KU_NODE_BUFFER) != 0) {
            if (*owner == 0 || (is_dict(objects, *owner) && !is_dict(objects, node))) *owner = node;
        } else if (*owner == 0 && is_dict(objects, targets[i])) {
            ku_edge_name name = ku_graph_edge_name(objects->graph, node, i);
            if (names_space(objects->graph, name.kind, name.text)) *owner = node;
        }
    }
}

static void find_dict_type(ku_objects *objects) {
    const ku_graph *graph = objects->graph;
    objects->dict_type = KU_GRAPH_NONE;
    for (uint32_t i = 0; i < graph->types; i++) {
        const ku_node_type *type = &graph->type_table[i];
        bool made = (type->flags & (KU_NODE_TYPE_HEAP | KU_NODE_TYPE_SYSTEM)) != 0;
        bool builtin = type->module == KU_GRAPH_NONE || is_text(graph, type->module, "builtins");
        if (!made && builtin && is_text(graph, type->name, "dict")) objects->dict_type = i;
    }
}

static void find_owners(ku_objects *objects) {
    for (uint32_t v = 0; v < objects->graph->nodes; v++) {
        if (has_part(objects, v, KU__SHAPE_SPACE | KU__SHAPE_BUFFERS)) own_parts(objects, v);
    }
}

uint32_t ku_objects_owner(const ku_objects *objects, uint32_t node) {
    return objects->owner[node] == 0 ? KU_GRAPH_NONE : objects->owner[node];
}

/* ---- reaching ---- */

/* Adds to `met` all that is reached from the `depth` nodes in `waiting`, which are in it; not what is in `avoid`. */
static void spread(const ku_graph *graph, const ku_selection *avoid, ku_selection *met, uint32_t *waiting,
                   uint32_t depth) {
    while (depth > 0) {
        uint32_t count;
        const uint32_t *targets = ku__graph_targets(graph, waiting[--depth], &count);
        for (uint32_t i = 0; i < count; i++) {
            uint32_t next = targets[i];
            if (ku__selected(met, next) || ku__selected(avoid, next)) continue;
            ku_selection_add(met, next);
            waiting[depth++] = next;
        }
    }
}

/* From one node, unless it has been met or is avoided. */
static void spread_from(const ku_graph *graph, const ku_selection *avoid, ku_selection *met, uint32_t *waiting,
                        uint32_t node) {
    if (ku__selected(met, node) || ku__selected(avoid, node)) return;
    ku_selection_add(met, node);
    waiting[0] = node;
    spread(graph, avoid, met, waiting, 1);
}

/* Where references come from that nobody has seen. */
static bool is_unseen(const ku_graph *graph, uint32_t node) {
    if ((graph->flags[node] & KU_NODE_PLACE) == 0) return false;
    ku_node place;
    ku_graph_node_read(graph, node, &place);
    return is_text(graph, place.label, KU_PATHS_UNSEEN) || is_text(graph, place.label, KU_PATHS_IMMORTAL);
}

/* Nodes that are no object of the program's are met, and not told of. */
static void keep_objects(const ku_graph *graph, ku_selection *of) {
    for (uint32_t v = 0; (v = ku_selection_next(of, v)) != KU_GRAPH_NONE; v++) {
        if (!ku__is_object(graph, v)) ku_selection_remove(of, v);
    }
}

/* `avoid` has what is hidden, and the unseen holders while what is seen is looked for. */
static void divide(ku_objects *objects, ku_selection *avoid, ku_selection *met, uint32_t *waiting) {
    const ku_graph *graph = objects->graph;
    uint32_t unseen[2], unseen_count = 0, count;
    const uint32_t *places = ku__graph_targets(graph, KU_GRAPH_ROOT, &count);
    for (uint32_t i = 0; i < count && unseen_count < 2; i++) {
        if (!is_unseen(graph, places[i]) || ku__selected(avoid, places[i])) continue;
        unseen[unseen_count++] = places[i];
        ku_selection_add(avoid, places[i]);
    }
    spread_from(graph, avoid, met, waiting, KU_GRAPH_ROOT);
    ku_selection_combine(objects->stray, KU_SELECTION_OR, met); /* what is seen, for now */
    for (uint32_t i = 0; i < unseen_count; i++) {
        ku_selection_remove(avoid, unseen[i]);
        spread_from(graph, avoid, met, waiting, unseen[i]);
    }
    ku_selection_combine(objects->alive, KU_SELECTION_OR, met);
    keep_objects(graph, objects->alive);
    for (uint32_t v = 0; v < graph->nodes; v++) {
        if ((graph->flags[v] & KU_NODE_DEAD) != 0) spread_from(graph, avoid, met, waiting, v);
    }
    ku_selection_combine(objects->stray, KU_SELECTION_XOR, met); /* met has all that is seen */
    keep_objects(graph, objects->stray);
}

static bool find_alive(ku_objects *objects, ku_error *error) {
    uint32_t nodes = objects->graph->nodes;
    ku_selection *avoid = ku_selection_new(nodes, false, error), *met = ku_selection_new(nodes, false, error);
    uint32_t *waiting = ku__array_map(nodes, sizeof(uint32_t));
    bool there = avoid != NULL && met != NULL && waiting != NULL;
    if (there) {
        if (objects->hidden != NULL) ku_selection_combine(avoid, KU_SELECTION_OR, objects->hidden);
        divide(objects, avoid, met, waiting);
    }
    ku__array_unmap(waiting, nodes, sizeof(uint32_t));
    ku_selection_delete(avoid);
    ku_selection_delete(met);
    return there;
}

/* ---- life ---- */

bool ku__selection_fits(const ku_graph *graph, const ku_selection *selection, ku_error *error) {
    return selection->nodes == graph->nodes || ku__inspect_fail(error, KU_INVALID, "the selection is of another graph");
}

ku_objects *ku_objects_new(const ku_graph *graph, const ku_selection *hidden, ku_error *error) {
    if (hidden != NULL && !ku__selection_fits(graph, hidden, error)) return NULL;
    ku_objects *made = calloc(1, sizeof *made);
    bool whole = made != NULL;
    if (whole) {
        made->graph = graph;
        made->alive = ku_selection_new(graph->nodes, false, error);
        made->stray = ku_selection_new(graph->nodes, false, error);
        made->owner = ku__pages_map(((size_t)graph->nodes + 1) * sizeof *made->owner); /* small pages: it is sparse */
        made->shape_parts = ku__array_map(graph->shapes, sizeof *made->shape_parts);
        made->hidden = hidden != NULL ? ku_selection_copy(hidden, error) : NULL;
        whole = made->alive != NULL && made->stray != NULL && made->owner != NULL && made->shape_parts != NULL &&
                (hidden == NULL || made->hidden != NULL);
    }
    if (whole) {
        look_at_shapes(made);
        find_dict_type(made);
        find_owners(made);
        whole = find_alive(made, error);
    }
    if (whole) return made;
    ku_objects_delete(made);
    ku__inspect_no_memory(error);
    return NULL;
}

void ku_objects_delete(ku_objects *objects) {
    if (objects == NULL) return;
    ku_selection_delete(objects->alive);
    ku_selection_delete(objects->stray);
    ku_selection_delete(objects->hidden);
    ku__array_unmap(objects->owner, objects->graph->nodes, sizeof *objects->owner);
    ku__array_unmap(objects->shape_parts, objects->graph->shapes, sizeof *objects->shape_parts);
    free(objects);
}

const ku_selection *ku_objects_alive(const ku_objects *objects) {
    return objects->alive;
}

const ku_selection *ku_objects_stray(const ku_objects *objects) {
    return objects->stray;
}

/* ---- sizes ---- */

uint64_t ku_objects_size(const ku_objects *objects, uint32_t node) {
    const ku_graph *graph = objects->graph;
    uint64_t size = ku__graph_size(graph, node);
    if (!has_part(objects, node, KU__SHAPE_BUFFERS)) return size;
    uint32_t count;
    const uint32_t *targets = ku__graph_targets(graph, node, &count);
    for (uint32_t i = 0; i < count; i++) {
        bool own = (graph->flags[targets[i]] & KU_NODE_BUFFER) != 0 && objects->owner[targets[i]] == node;
        if (own) size += ku__graph_size(graph, targets[i]);
    }
    return size;
}

uint64_t ku_objects_bytes(const ku_objects *objects, const ku_selection *selection) {
    uint64_t bytes = 0;
    for (uint32_t v = 0; (v = ku_selection_next(selection, v)) != KU_GRAPH_NONE; v++)
        bytes += ku_objects_size(objects, v);
    return bytes;
}

/* ---- relations ---- */

bool ku__is_holder(const ku_objects *objects, uint32_t node) {
    if (ku__selected(objects->alive, node)) return true;
    if ((objects->graph->flags[node] & KU_NODE_PLACE) == 0 || node == KU_GRAPH_ROOT) return false;
    uint32_t count;
    const uint32_t *places = ku__graph_targets(objects->graph, KU_GRAPH_ROOT, &count);
    for (uint32_t i = 0; i < count; i++) {
        if (places[i] == node) return false; /* a thread, the modules: they only list */
    }
    return true;
}

static void add_held(const ku_objects *objects, const ku_selection *of, ku_selection *found) {
    for (uint32_t v = 0; (v = ku_selection_next(of, v)) != KU_GRAPH_NONE; v++) {
        uint32_t count;
        const uint32_t *targets = ku__graph_targets(objects->graph, v, &count);
        for (uint32_t i = 0; i < count; i++) {
            if (ku__is_object(objects->graph, targets[i])) ku_selection_add(found, targets[i]);
        }
    }
}

static void add_holders(const ku_objects *objects, const ku_selection *of, ku_selection *found) {
    const ku_selection *from = objects->alive;
    for (uint32_t v = 0; (v = ku_selection_next(from, v)) != KU_GRAPH_NONE; v++) {
        uint32_t count;
        const uint32_t *targets = ku__graph_targets(objects->graph, v, &count);
        for (uint32_t i = 0; i < count; i++) {
            if (!ku__selected(of, targets[i])) continue;
            ku_selection_add(found, v);
            break;
        }
    }
}

/* What is reached from the members, and not without them. */
static bool add_within(const ku_objects *objects, const ku_selection *of, ku_selection *found, ku_error *error) {
    const ku_graph *graph = objects->graph;
    ku_selection *avoid = ku_selection_copy(of, error), *otherwise = ku_selection_new(graph->nodes, false, error);
    uint32_t *waiting = ku__array_map(graph->nodes, sizeof(uint32_t));
    bool there = avoid != NULL && otherwise != NULL && waiting != NULL;
    if (there) {
        if (objects->hidden != NULL) ku_selection_combine(avoid, KU_SELECTION_OR, objects->hidden);
        spread_from(graph, avoid, otherwise, waiting, KU_GRAPH_ROOT);
        for (uint32_t v = 0; (v = ku_selection_next(of, v)) != KU_GRAPH_NONE; v++)
            spread_from(graph, otherwise, found, waiting, v);
        keep_objects(graph, found);
    }
    ku__array_unmap(waiting, graph->nodes, sizeof(uint32_t));
    ku_selection_delete(avoid);
    ku_selection_delete(otherwise);
    return there || ku__inspect_no_memory(error);
}

static void add_owners(const ku_objects *objects, const ku_selection *of, ku_selection *found) {
    for (uint32_t v = 0; (v = ku_selection_next(of, v)) != KU_GRAPH_NONE; v++) {
        if (objects->owner[v] != 0) ku_selection_add(found, objects->owner[v]);
    }
}

static void add_spaces(const ku_objects *objects, const ku_selection *of, ku_selection *found) {
    for (uint32_t v = 0; (v = ku_selection_next(of, v)) != KU_GRAPH_NONE; v++) {
        uint32_t count;
        const uint32_t *targets = ku__graph_targets(objects->graph, v, &count);
        for (uint32_t i = 0; has_part(objects, v, KU__SHAPE_SPACE) && i < count; i++) {
            if (objects->owner[targets[i]] == v) ku_selection_add(found, targets[i]);
        }
    }
}

ku_selection *ku_objects_related(const ku_objects *objects, const ku_selection *selection, ku_objects_relation relation,
                                 ku_error *error) {
    if (!ku__selection_fits(objects->graph, selection, error)) return NULL;
    ku_selection *found = ku_selection_new(objects->graph->nodes, false, error);
    if (found == NULL) return NULL;
    bool done = true;
    switch (relation) {
    case KU_OBJECTS_HELD: add_held(objects, selection, found); break;
    case KU_OBJECTS_HOLDERS: add_holders(objects, selection, found); break;
    case KU_OBJECTS_WITHIN: done = add_within(objects, selection, found, error); break;
    case KU_OBJECTS_OWNERS: add_owners(objects, selection, found); break;
    case KU_OBJECTS_SPACES: add_spaces(objects, selection, found); break;
    default: done = ku__inspect_fail(error, KU_INVALID, "there is no such relation of objects");
    }
    if (done) return found;
    ku_selection_delete(found);
    return NULL;
}

/* ---- dominators ---- */

/* References out of what is hidden lead back to where they come from, which changes nothing for anybody else. */
static uint32_t *targets_without_hidden(const ku_objects *objects) {
    const ku_graph *graph = objects->graph;
    uint32_t *targets = ku__array_map(graph->edges, sizeof *targets);
    if (targets == NULL) return NULL;
    memcpy(targets, graph->targets, (size_t)graph->edges * sizeof *targets);
    for (uint32_t v = 0; objects->hidden != NULL && (v = ku_selection_next(objects->hidden, v)) != KU_GRAPH_NONE; v++) {
        for (uint32_t edge = graph->first[v]; edge < graph->first[v + 1]; edge++) targets[edge] = v;
    }
    return targets;
}

ku_dominators *ku_objects_dominators(const ku_objects *objects, const ku_progress *progress, ku_error *error) {
    uint32_t *targets = targets_without_hidden(objects);
    if (targets == NULL) {
        ku__inspect_no_memory(error);
        return NULL;
    }
    ku_graph seen = *objects->graph;
    seen.targets = targets;
    seen.referrer_first = seen.referrer_list = NULL;
    ku_dominators *made = ku_dominators_new(&seen, progress, error);
    ku__graph_forget_referrers(&seen);
    ku__array_unmap(targets, objects->graph->edges, sizeof *targets);
    return made;
}
