/* anchor.h: how a tracer keeps sites, for a reader of core files; see alloc/anchor.h, whose number of a version holds
 * for this too. What entries hold: a site a node; a node its parent and its frame; a frame its code record and its
 * instruction; a record three strings and a line; a string its address and its size (tables.h). */
#ifndef KU__TRACE_ANCHOR_H
#define KU__TRACE_ANCHOR_H

#include <stdint.h>

typedef struct ku__trace_anchor {
    uint32_t tracer_tables;                        /* where a tracer has its tables */
    uint32_t strings, codes, frames, nodes, sites; /* in those: columns */
    uint32_t column_chunks, column_item, column_count;
    uint32_t chunk_bits;
    uint32_t node_parent, node_frame;
    uint32_t frame_code, frame_instruction;
    uint32_t code_file, code_name, code_lines, code_first_line;
    uint32_t string_bytes, string_size;
} ku__trace_anchor;

extern const ku__trace_anchor ku__trace_anchored;

#endif
