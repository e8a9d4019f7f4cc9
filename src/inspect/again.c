/* again.c: the same objects in two graphs of one program; see ku_objects_again() in kucha/partition.h.
 *
 * Both graphs are in order of address, so one pass over the two finds what lies at the same place. Whether types are
 * the same is found out once for each pair that meets: the type's number in the other graph is kept by its number here.
 */
#include "inspect/links.h"
#include "inspect/objects.h"

#include <string.h>

enum { NOT_ASKED = 0 }; /* in the table of types; else the other's number + 1 */

static bool equal_texts(const ku_graph *from, uint32_t one, const ku_graph *to, uint32_t other) {
    if (one == KU_GRAPH_NONE || other == KU_GRAPH_NONE) return one == other;
    ku_text left = ku_graph_text(from, one), right = ku_graph_text(to, other);
    return left.size == right.size && memcmp(left.bytes, right.bytes, left.size) == 0;
}

static bool equal_types(const ku_graph *from, uint32_t one, const ku_graph *to, uint32_t other) {
    const ku_node_type *left = &from->type_table[one], *right = &to->type_table[other];
    if (left->node != KU_GRAPH_NONE && right->node != KU_GRAPH_NONE &&
        ku_graph_address(from, left->node) != ku_graph_address(to, right->node))
        return false;
    return equal_texts(from, left->name, to, right->name) && equal_texts(from, left->module, to, right->module);
}

static bool same_type(const ku_graph *from, uint32_t node, const ku_graph *to, uint32_t other, uint32_t *types) {
    uint32_t one = ku__graph_type(from, node), two = ku__graph_type(to, other);
    if (types[one] == NOT_ASKED && equal_types(from, one, to, two)) types[one] = two + 1;
    return types[one] == two + 1;
}

static void match(const ku_graph *from, const ku_selection *of, const ku_graph *to, uint32_t *types,
                  ku_selection *found) {
    uint32_t other = 0;
    for (uint32_t v = 0; (v = ku_selection_next(of, v)) != KU_GRAPH_NONE; v++) {
        uint64_t address = ku_graph_address(from, v);
        while (other < to->nodes && ku_graph_address(to, other) < address) other++;
        if (other == to->nodes) return;
        if (ku_graph_address(to, other) == address && ku__is_object(to, other) && same_type(from, v, to, other, types))
            ku_selection_add(found, other);
    }
}

ku_selection *ku_objects_again(const ku_graph *from, const ku_selection *selection, const ku_graph *to,
                               ku_error *error) {
    if (!ku__selection_fits(from, selection, error)) return NULL;
    uint32_t *types = ku__array_map(from->types, sizeof(uint32_t));
    ku_selection *found = ku_selection_new(to->nodes, false, error);
    if (types != NULL && found != NULL) {
        match(from, selection, to, types, found);
    } else {
        ku__inspect_no_memory(error);
        ku_selection_delete(found);
        found = NULL;
    }
    ku__array_unmap(types, from->types, sizeof(uint32_t));
    return found;
}
