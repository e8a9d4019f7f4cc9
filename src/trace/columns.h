/* columns.h: a capture in memory, whether read from a file or taken from a running tracer. Only for src/trace.
 *
 * Everything lies in one mapping, cut into arrays. Indices inside are valid by construction: whoever fills the arrays
 * has checked them (the reader) or made them (the snapshot).
 *
 * Invariants: nodes[i].parent < i and nodes[i].frame < frames for i > 0; a path from any node has at most
 * KU__FRAMES_MAX nodes; sites[i] < nodes; frames' codes < codes; entry 0 of each kind stands for nothing.
 */
#ifndef KU__TRACE_COLUMNS_H
#define KU__TRACE_COLUMNS_H

#include "os/failure.h"
#include "trace.h"
#include <kucha/capture.h>

typedef struct ku__path {
    uint32_t parent; /* node of the caller, 0 at the outermost frame */
    uint32_t frame;
} ku__path;

typedef struct ku__column_sizes {
    size_t codes, frames, nodes, sites, points, collections, heaps;
} ku__column_sizes;

struct ku_capture {
    ku_capture_info info;
    ku__column_sizes sizes;
    ku_capture_code *codes;
    uint32_t *code_files; /* equal numbers are equal file names */
    ku_capture_frame *frames;
    ku__path *nodes;
    uint32_t *sites; /* the node of each site */
    ku_capture_counts *counts;
    uint16_t *depths; /* how deep each site's whole stack was when first seen; 0: as deep as what is kept */
    ku_capture_point *points;
    ku_capture_collections *collections;
    ku_capture_heap *heaps;
    size_t mapped; /* bytes of this mapping */
    void *file;    /* the bytes of the file, where texts point to; NULL for a snapshot */
    size_t file_mapped;
};

/* Zeroed columns of these sizes; NULL when memory is refused or the sizes are beyond all reason. */
ku_capture *ku__columns_new(const ku__column_sizes *sizes);

/* Fills in the lines of all frames. Linear in frames and line tables (but for sorting), whatever they contain. False
 * when memory is refused. */
bool ku__columns_resolve_lines(ku_capture *capture);

#endif
