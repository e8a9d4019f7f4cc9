/* maker.h: writing a graph's columns, front to back.
 *
 * First texts, types and birthplaces as they are met, then all nodes in order of address, then edges, in order of the
 * nodes that hold. Nothing is sorted and nothing is looked at twice, so that a graph costs little more than its bytes;
 * whoever has nodes in another order takes the builder (kucha/graph.h).
 *
 * Errors are kept: after one, every call does nothing, and ku__maker_finish() says what it was. Memory comes from pages
 * alone: the heap that is looked at is not touched, and a child of a clone needs no lock of malloc's.
 */
#ifndef KU__MAKER_H
#define KU__MAKER_H

#include "inspect/graph.h"
#include "inspect/growing.h"
#include "inspect/index.h"

typedef struct ku__maker {
    ku__growing sections[KU__SECTIONS];
    ku__growing wides[KU__WIDES]; /* joined at the end */
    ku__by_hash text_index, shape_index;
    ku__growing line; /* runs of the node whose edges are being added */
    uint32_t nodes, edges, types, sites;
    uint32_t places;     /* nodes that are no memory */
    uint32_t node;       /* whose edges are being added; KU_GRAPH_NONE before the first */
    uint32_t begun;      /* nodes whose edges are complete or being added */
    uint32_t first_edge; /* of `node` */
    uint64_t last_address, region_base;
    bool with_sites;
    bool failed;
    ku_error error;
} ku__maker;

/* `nodes` is how many are expected; more may come. False when memory is refused; then nothing is to be closed. */
bool ku__maker_open(ku__maker *maker, uint32_t nodes, bool with_sites);
void ku__maker_close(ku__maker *maker);

/* Notes an error, the first of which counts. Returns KU_GRAPH_NONE. */
uint32_t ku__maker_fail(ku__maker *maker, ku_code code, const char *message);

uint32_t ku__maker_text(ku__maker *maker, const char *bytes, size_t size);
uint32_t ku__maker_type(ku__maker *maker, uint32_t module, uint32_t name, uint32_t flags);
void ku__maker_type_node(ku__maker *maker, uint32_t type, uint32_t node);
uint32_t ku__maker_site(ku__maker *maker, const ku_graph_frame *frames, size_t count);

/* Above the end of the last one. Its heap is a text of the maker's, or KU_GRAPH_NONE. */
void ku__maker_arena(ku__maker *maker, const ku_graph_arena *arena);

/* At a higher address than the last. Its type exists; so does its label, if it has one. */
uint32_t ku__maker_node(ku__maker *maker, const ku_node *node);

/* A node that is no memory: a place that objects are held from, or a frame. After all that are: it lies above them. */
uint32_t ku__maker_place(ku__maker *maker, uint32_t type, uint32_t label);

/* What is known of some nodes only; each in ascending order of nodes. Room of a container, in bytes; the first of the
 * nodes that are equal to it, which may be itself. */
void ku__maker_room(ku__maker *maker, uint32_t node, uint64_t bytes);
void ku__maker_equal(ku__maker *maker, uint32_t node, uint32_t first);

/* Edges of this node follow, a later one than that of the last call. */
void ku__maker_begin(ku__maker *maker, uint32_t node);
void ku__maker_edge(ku__maker *maker, uint32_t target, uint32_t kind, uint32_t text, uint32_t number);

/* The graph, and the end of the maker: NULL with `error` filled. Marks what the root does not reach as dead. */
ku_graph *ku__maker_finish(ku__maker *maker, const ku_graph_info *info, ku_error *error);

#endif
