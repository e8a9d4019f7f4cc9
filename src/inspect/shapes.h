/* shapes.h: how the names of one node's edges become a shape (inspect/graph.h), for the maker. */
#ifndef KU__SHAPES_H
#define KU__SHAPES_H

#include "inspect/maker.h"

/* Adds the name of the edge at `position` (kind, text and number of `edge`) to the runs of a node. False when memory is
 * refused. */
bool ku__runs_add(ku__growing *runs, uint32_t position, ku__run edge);

/* The shape with these runs, a new one if need be. */
uint32_t ku__shape_intern(ku__maker *maker, uint32_t type, const ku__growing *runs);

#endif
