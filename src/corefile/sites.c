/* sites.c: birthplaces of blocks, out of the tables of a tracer in a core. See making.h and trace/anchor.h. */
#include "corefile/making.h"

#include "trace/trace.h"

#include <kucha/group.h>

enum { CHUNK_BITS_MOST = 24, TEXT_MOST = 65535 };

/* Entry `number` of a column; 0: there is none. */
static uintptr_t entry_of(ku__core_making *making, uint32_t column, uint32_t number) {
    const ku__trace_anchor *at = &making->trace;
    uintptr_t place = making->tracer + column;
    uint32_t count = ku__image_u32(&making->image, place + at->column_count);
    uint32_t item = ku__image_u32(&making->image, place + at->column_item);
    uintptr_t chunks = ku__image_word(&making->image, place + at->column_chunks);
    if (number >= count) {
        return 0;
    }
    uintptr_t chunk =
        ku__image_word(&making->image, chunks + (uintptr_t)(number >> at->chunk_bits) * sizeof(uintptr_t));
    return chunk == 0 ? 0 : chunk + (uintptr_t)(number & ((1u << at->chunk_bits) - 1)) * item;
}

bool ku__core_sites_open(ku__core_making *making) {
    const ku__anchor *anchor = &making->blocks.anchor;
    uintptr_t tracer = ku__image_word(&making->image, (uintptr_t)anchor->tracer);
    const void *trace = ku__image_at(&making->image, (uintptr_t)anchor->trace, sizeof making->trace);
    if (making->blocks.pool_count == 0 || tracer == 0 || trace == NULL) {
        return true;
    }
    memcpy(&making->trace, trace, sizeof making->trace);
    making->tracer = ku__image_word(&making->image, tracer + making->trace.tracer_tables);
    uint32_t sites = ku__image_u32(&making->image, making->tracer + making->trace.sites + making->trace.column_count);
    if (making->tracer == 0 || making->trace.chunk_bits > CHUNK_BITS_MOST || sites > (uint32_t)KU__SITE_LAST) {
        return true;
    }
    making->sites = ku__pages_map(((size_t)sites + 1) * sizeof *making->sites);
    making->site_count = sites;
    making->with_sites = true;
    return making->sites != NULL;
}

void ku__core_sites_close(ku__core_making *making) {
    ku__pages_unmap(making->sites, ((size_t)making->site_count + 1) * sizeof *making->sites);
}

static const char *string_at(ku__core_making *making, uint32_t number, size_t *size) {
    uintptr_t entry = number == 0 ? 0 : entry_of(making, making->trace.strings, number);
    uint64_t bytes = ku__image_word(&making->image, entry + making->trace.string_size);
    const char *text =
        entry == 0 || bytes > UINT32_MAX
            ? NULL
            : ku__image_at(&making->image, ku__image_word(&making->image, entry + making->trace.string_bytes), bytes);
    *size = text == NULL ? 0 : (size_t)bytes;
    return text;
}

static uint32_t text_at(ku__core_making *making, uint32_t number) {
    size_t size;
    const char *text = string_at(making, number, &size);
    return ku__maker_text(&making->maker, text == NULL ? "" : text, size < TEXT_MOST ? size : TEXT_MOST);
}

static ku_graph_frame frame_at(ku__core_making *making, uint32_t number) {
    const ku__trace_anchor *at = &making->trace;
    uintptr_t frame = entry_of(making, at->frames, number);
    uint32_t record = frame == 0 ? 0 : ku__image_u32(&making->image, frame + at->frame_code);
    uintptr_t code = record == 0 ? 0 : entry_of(making, at->codes, record);
    if (code == 0) {
        return (ku_graph_frame){.function = KU_GRAPH_NONE, .file = KU_GRAPH_NONE};
    }
    size_t size;
    const char *lines = string_at(making, ku__image_u32(&making->image, code + at->code_lines), &size);
    return (ku_graph_frame){.function = text_at(making, ku__image_u32(&making->image, code + at->code_name)),
                            .file = text_at(making, ku__image_u32(&making->image, code + at->code_file)),
                            .line = ku_line_of((const uint8_t *)lines, size,
                                               (int32_t)ku__image_u32(&making->image, code + at->code_first_line),
                                               ku__image_u32(&making->image, frame + at->frame_instruction))};
}

uint32_t ku__core_site(ku__core_making *making, uint32_t slot) {
    enum { DEPTH = KU__FRAMES_MAX };
    uint32_t site = KU__SLOT_SITE(slot);
    if (site == 0 || site >= making->site_count) {
        return 0;
    }
    if (making->sites[site] == 0) {
        ku_graph_frame told[DEPTH];
        uintptr_t entry = entry_of(making, making->trace.sites, site);
        uint32_t node = entry == 0 ? 0 : ku__image_u32(&making->image, entry);
        size_t count = 0;
        while (node != 0 && count < DEPTH) {
            uintptr_t at = entry_of(making, making->trace.nodes, node);
            told[count++] = frame_at(making, ku__image_u32(&making->image, at + making->trace.node_frame));
            node = ku__image_u32(&making->image, at + making->trace.node_parent);
        }
        making->sites[site] = ku__maker_site(&making->maker, told, count);
    }
    return making->sites[site];
}
