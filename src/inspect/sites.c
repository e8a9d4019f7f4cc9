/* sites.c: see sites.h. The tables may be another program's, and damaged: numbers are held against their counts. */
#include "inspect/sites.h"

#include "os/pages.h"
#include "trace/trace.h"

#include <kucha/group.h>

enum { CHUNK_BITS_MOST = 24, TEXT_MOST = 65535 };

/* Entry `number` of a column; 0: there is none. */
static uintptr_t entry_of(ku__sites *sites, uint32_t column, uint32_t number) {
    const ku__trace_anchor *at = &sites->at;
    uintptr_t place = sites->tables + column;
    uint32_t count = ku__memory_u32(sites->memory, place + at->column_count);
    uint32_t item = ku__memory_u32(sites->memory, place + at->column_item);
    uintptr_t chunks = ku__memory_word(sites->memory, place + at->column_chunks);
    if (number >= count) {
        return 0;
    }
    uintptr_t chunk =
        ku__memory_word(sites->memory, chunks + (uintptr_t)(number >> at->chunk_bits) * sizeof(uintptr_t));
    return chunk == 0 ? 0 : chunk + (uintptr_t)(number & ((1u << at->chunk_bits) - 1)) * item;
}

bool ku__sites_open(ku__sites *sites, ku__memory *memory, uintptr_t tracer, uintptr_t anchor) {
    const void *at = anchor == 0 ? NULL : ku__memory_at(memory, anchor, sizeof sites->at);
    *sites = (ku__sites){.memory = memory};
    if (tracer == 0 || at == NULL) {
        return true;
    }
    memcpy(&sites->at, at, sizeof sites->at);
    uintptr_t tables = ku__memory_word(memory, tracer + sites->at.tracer_tables);
    uint32_t count = tables == 0 ? 0 : ku__memory_u32(memory, tables + sites->at.sites + sites->at.column_count);
    if (count == 0 || sites->at.chunk_bits > CHUNK_BITS_MOST || count > (uint32_t)KU__SITE_LAST) {
        return true;
    }
    sites->sites = ku__pages_map((size_t)count * sizeof *sites->sites);
    sites->tables = tables;
    sites->count = count;
    return sites->sites != NULL;
}

void ku__sites_close(ku__sites *sites) {
    ku__pages_unmap(sites->sites, (size_t)sites->count * sizeof *sites->sites);
    sites->sites = NULL;
}

static const char *string_at(ku__sites *sites, uint32_t number, size_t *size) {
    uintptr_t entry = number == 0 ? 0 : entry_of(sites, sites->at.strings, number);
    *size = 0;
    if (entry == 0) {
        return NULL;
    }
    uint64_t bytes = ku__memory_word(sites->memory, entry + sites->at.string_size);
    uintptr_t begin = ku__memory_word(sites->memory, entry + sites->at.string_bytes);
    const char *text = bytes > UINT32_MAX ? NULL : ku__memory_at(sites->memory, begin, bytes);
    *size = text == NULL ? 0 : (size_t)bytes;
    return text;
}

static uint32_t text_at(ku__sites *sites, uint32_t number) {
    size_t size;
    const char *text = string_at(sites, number, &size);
    return ku__maker_text(sites->maker, text == NULL ? "" : text, size < TEXT_MOST ? size : TEXT_MOST);
}

static ku_graph_frame frame_at(ku__sites *sites, uint32_t number) {
    const ku__trace_anchor *at = &sites->at;
    uintptr_t frame = entry_of(sites, at->frames, number);
    uint32_t record = frame == 0 ? 0 : ku__memory_u32(sites->memory, frame + at->frame_code);
    uintptr_t code = record == 0 ? 0 : entry_of(sites, at->codes, record);
    if (code == 0) {
        return (ku_graph_frame){.function = KU_GRAPH_NONE, .file = KU_GRAPH_NONE};
    }
    size_t size;
    const char *lines = string_at(sites, ku__memory_u32(sites->memory, code + at->code_lines), &size);
    return (ku_graph_frame){.function = text_at(sites, ku__memory_u32(sites->memory, code + at->code_name)),
                            .file = text_at(sites, ku__memory_u32(sites->memory, code + at->code_file)),
                            .line = ku_line_of((const uint8_t *)lines, size,
                                               (int32_t)ku__memory_u32(sites->memory, code + at->code_first_line),
                                               ku__memory_u32(sites->memory, frame + at->frame_instruction))};
}

uint32_t ku__sites_of(ku__sites *sites, uint32_t slot) {
    enum { DEPTH = KU__FRAMES_MAX };
    uint32_t site = KU__SLOT_SITE(slot);
    if (site == 0 || site >= sites->count) {
        return 0;
    }
    if (sites->sites[site] == 0) {
        ku_graph_frame told[DEPTH];
        uintptr_t entry = entry_of(sites, sites->at.sites, site);
        uint32_t node = entry == 0 ? 0 : ku__memory_u32(sites->memory, entry);
        size_t count = 0;
        while (node != 0 && count < DEPTH) {
            uintptr_t at = entry_of(sites, sites->at.nodes, node);
            if (at == 0) {
                break;
            }
            told[count++] = frame_at(sites, ku__memory_u32(sites->memory, at + sites->at.node_frame));
            node = ku__memory_u32(sites->memory, at + sites->at.node_parent);
        }
        sites->sites[site] = ku__maker_site(sites->maker, told, count);
    }
    return sites->sites[site];
}
