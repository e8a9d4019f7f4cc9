/* columns.c: a capture in memory, and the calls that read it; see columns.h and kucha/capture.h. */
#include "columns.h"
#include "lines.h"
#include "os/pages.h"
#include "tables.h"

#include <stdlib.h>

/* ---- making ---- */

/* Cuts an array out of the mapping, or, without one, only adds up. */
static void *cut(uint8_t *base, size_t *used, size_t count, size_t item) {
    void *array = base == NULL ? NULL : base + *used;
    *used += (count * item + 15) & ~(size_t)15;
    return array;
}

static size_t lay_out(ku_capture *capture, uint8_t *base, const ku__column_sizes *sizes) {
    size_t used = (sizeof *capture + 15) & ~(size_t)15;
    capture->codes = cut(base, &used, sizes->codes, sizeof *capture->codes);
    capture->code_files = cut(base, &used, sizes->codes, sizeof *capture->code_files);
    capture->frames = cut(base, &used, sizes->frames, sizeof *capture->frames);
    capture->nodes = cut(base, &used, sizes->nodes, sizeof *capture->nodes);
    capture->sites = cut(base, &used, sizes->sites, sizeof *capture->sites);
    capture->counts = cut(base, &used, sizes->sites, sizeof *capture->counts);
    capture->depths = cut(base, &used, sizes->sites, sizeof *capture->depths);
    capture->points = cut(base, &used, sizes->points, sizeof *capture->points);
    capture->collections = cut(base, &used, sizes->collections, sizeof *capture->collections);
    capture->heaps = cut(base, &used, sizes->heaps, sizeof *capture->heaps);
    return used;
}

ku_capture *ku__columns_new(const ku__column_sizes *sizes) {
    const size_t most = (size_t)1 << 32; /* numbers have 32 bits; keeps the products below from overflowing */
    if (sizes->codes > most || sizes->frames > most || sizes->nodes > most || sizes->sites > most ||
        sizes->points > most || sizes->collections > most || sizes->heaps > most)
        return NULL;
    ku_capture plan;
    size_t bytes = lay_out(&plan, NULL, sizes);
    ku_capture *capture = ku__metadata_map(NULL, bytes);
    if (capture == NULL) return NULL;
    lay_out(capture, (uint8_t *)capture, sizes);
    capture->sizes = *sizes;
    capture->mapped = bytes;
    return capture;
}

void ku_capture_close(ku_capture *capture) {
    if (capture == NULL) return;
    if (capture->file != NULL) ku__pages_unmap(capture->file, capture->file_mapped);
    ku__pages_unmap(capture, capture->mapped);
}

/* ---- lines ---- */

typedef struct frame_order {
    uint64_t place; /* code, then instruction */
    uint32_t frame;
} frame_order;

static int compare_order(const void *a, const void *b) {
    uint64_t first = ((const frame_order *)a)->place, second = ((const frame_order *)b)->place;
    return (first > second) - (first < second);
}

/* In order of code and instruction each table is read once, however many frames refer to it. */
static void resolve_in_order(ku_capture *capture, const frame_order *order, size_t count) {
    ku__line_cursor cursor;
    uint32_t code = 0;
    for (size_t i = 0; i < count; i++) {
        ku_capture_frame *frame = &capture->frames[order[i].frame];
        if (frame->code == 0) continue;
        if (frame->code != code) {
            code = frame->code;
            const ku_capture_code *facts = &capture->codes[code];
            ku__line_start(&cursor, (const uint8_t *)facts->line_table.bytes, facts->line_table.size,
                           facts->first_line);
        }
        frame->line = ku__line_seek(&cursor, frame->instruction);
    }
}

bool ku__columns_resolve_lines(ku_capture *capture) {
    size_t count = capture->sizes.frames;
    frame_order *order = ku__metadata_map(NULL, count * sizeof *order + 1);
    if (order == NULL) return false;
    for (size_t i = 0; i < count; i++) {
        const ku_capture_frame *frame = &capture->frames[i];
        order[i] = (frame_order){(uint64_t)frame->code << 32 | frame->instruction, (uint32_t)i};
    }
    qsort(order, count, sizeof *order, compare_order);
    resolve_in_order(capture, order, count);
    ku__pages_unmap(order, count * sizeof *order + 1);
    return true;
}

/* ---- reading ---- */

void ku_capture_info_read(const ku_capture *capture, ku_capture_info *info) {
    *info = capture->info;
}

size_t ku_capture_code_count(const ku_capture *capture) {
    return capture->sizes.codes;
}
size_t ku_capture_frame_count(const ku_capture *capture) {
    return capture->sizes.frames;
}
size_t ku_capture_site_count(const ku_capture *capture) {
    return capture->sizes.sites;
}
size_t ku_capture_point_count(const ku_capture *capture) {
    return capture->sizes.points;
}
size_t ku_capture_collections_count(const ku_capture *capture) {
    return capture->sizes.collections;
}
size_t ku_capture_heap_count(const ku_capture *capture) {
    return capture->sizes.heaps;
}

void ku_capture_code_read(const ku_capture *capture, size_t index, ku_capture_code *code) {
    *code = capture->codes[index];
}

void ku_capture_frame_read(const ku_capture *capture, size_t index, ku_capture_frame *frame) {
    *frame = capture->frames[index];
}

void ku_capture_point_read(const ku_capture *capture, size_t index, ku_capture_point *point) {
    *point = capture->points[index];
}

void ku_capture_collections_read(const ku_capture *capture, size_t index, ku_capture_collections *collections) {
    *collections = capture->collections[index];
}

void ku_capture_heap_read(const ku_capture *capture, size_t index, ku_capture_heap *heap) {
    *heap = capture->heaps[index];
}

const ku_capture_counts *ku_capture_counts_of(const ku_capture *capture) {
    return capture->counts;
}

size_t ku_capture_stack_read(const ku_capture *capture, size_t site, uint32_t *frames, size_t capacity) {
    if (site >= capture->sizes.sites) return 0;
    size_t depth = 0;
    for (uint32_t node = capture->sites[site]; node != 0; node = capture->nodes[node].parent, depth++)
        if (depth < capacity) frames[depth] = capture->nodes[node].frame;
    return depth;
}
