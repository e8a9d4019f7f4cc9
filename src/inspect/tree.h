/* tree.h: the dominator tree, over numbers alone; public as kucha/dominators.h. */
#ifndef KU__TREE_H
#define KU__TREE_H

#include "inspect/links.h"

/* What dominates nothing is dominated by nothing, or not reached. */
#define KU__NO_NODE UINT32_MAX

/* Fills idom[v], for every node, with the node that dominates it next: KU__NO_NODE for node 0 and for the tops of what
 * cannot be reached from it; and order[0 .. nodes - 1] with all nodes such that each comes after its idom (the reached
 * ones first, as many as are returned in *reached). False with `error` filled. */
bool ku__dominate(const ku__links *links, const ku__reversed *reversed, uint32_t *idom, uint32_t *order,
                  uint32_t *reached, const ku_progress *progress, ku_error *error);

#endif
