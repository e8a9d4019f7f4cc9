/* anchor.c: see anchor.h. */
#include "anchor.h"

#include "tables.h"

#define AT(structure, member) (uint32_t) offsetof(structure, member)

const ku__trace_anchor ku__trace_anchored = {
    .tracer_tables = AT(ku__tracer, tables),
    .strings = AT(ku__tables, strings),
    .codes = AT(ku__tables, codes),
    .frames = AT(ku__tables, frames),
    .nodes = AT(ku__tables, nodes),
    .sites = AT(ku__tables, sites),
    .column_chunks = AT(ku__column, chunks),
    .column_item = AT(ku__column, item_size),
    .column_count = AT(ku__column, count),
    .chunk_bits = KU__COLUMN_CHUNK_BITS,
    .node_parent = AT(ku__node, parent),
    .node_frame = AT(ku__node, frame),
    .frame_code = AT(ku__frame, code),
    .frame_instruction = AT(ku__frame, instruction),
    .code_file = AT(ku__code, filename),
    .code_name = AT(ku__code, qualname),
    .code_lines = AT(ku__code, line_table),
    .code_first_line = AT(ku__code, first_line),
    .string_bytes = AT(ku__string, bytes),
    .string_size = AT(ku__string, size),
};
