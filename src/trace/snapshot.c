/* snapshot.c: the sites of a running tracer as the columns of a capture; see snapshot.h. */
#include "snapshot.h"
#include "columns.h"
#include "tables.h"

#include <string.h>

static ku_text text_of(const ku__tables *tables, uint32_t number) {
    const ku__string *string = ku__column_at(&tables->strings, number);
    return (ku_text){string->size == 0 ? "" : (const char *)string->bytes, string->size};
}

static void copy_codes(ku_capture *capture, const ku__tables *tables) {
    capture->codes[0] = (ku_capture_code){.filename = {"", 0}, .qualname = {"", 0}, .line_table = {"", 0}};
    for (uint32_t i = 1; i < capture->sizes.codes; i++) {
        const ku__code *code = ku__column_at(&tables->codes, i);
        capture->codes[i] = (ku_capture_code){
            .filename = text_of(tables, code->filename),
            .qualname = text_of(tables, code->qualname),
            .line_table = text_of(tables, code->line_table),
            .first_line = code->first_line,
        };
        capture->code_files[i] = code->filename;
    }
}

static void copy_stacks(ku_capture *capture, const ku__tables *tables) {
    for (uint32_t i = 1; i < capture->sizes.frames; i++) {
        const ku__frame *frame = ku__column_at(&tables->frames, i);
        capture->frames[i] = (ku_capture_frame){.code = frame->code, .instruction = frame->instruction};
    }
    for (uint32_t i = 1; i < capture->sizes.nodes; i++) {
        const ku__node *node = ku__column_at(&tables->nodes, i);
        capture->nodes[i] = (ku__path){node->parent, node->frame};
    }
    for (uint32_t i = 1; i < capture->sizes.sites; i++) {
        capture->sites[i] = *(const uint32_t *)ku__column_at(&tables->sites, i);
        capture->depths[i] = *(const uint16_t *)ku__column_at(&tables->depths, i);
    }
}

static void fill_info(ku_capture *capture, const ku__tracer *tracer) {
    capture->info = (ku_capture_info){
        .version = KU_CAPTURE_VERSION,
        .exit_code = -1,
        .frames = tracer->frames,
        .mode = (uint32_t)tracer->mode,
        .sample_interval = (uint64_t)tracer->sample_interval,
        .block_unit = tracer->block_unit,
        .failed = ku__tracer_failure(tracer) != NULL,
        .command = {"", 0},
        .python = {"", 0},
    };
    ku__traced_memory(tracer, &capture->info.live_bytes, &capture->info.peak_bytes);
}

ku_capture *ku__snapshot_take(const ku__tracer *tracer, ku_error *error) {
    const ku__tables *tables = tracer->tables;
    /* Sites before nodes before frames before codes: what a published entry refers to was published earlier. */
    ku__column_sizes sizes = {.sites = ku__column_count(&tables->sites)};
    sizes.nodes = ku__column_count(&tables->nodes);
    sizes.frames = ku__column_count(&tables->frames);
    sizes.codes = ku__column_count(&tables->codes);
    ku_capture *capture = ku__columns_new(&sizes);
    if (capture != NULL) {
        copy_codes(capture, tables);
        copy_stacks(capture, tables);
        ku__sites_read(tracer, 0, (uint32_t)sizes.sites, capture->counts);
        fill_info(capture, tracer);
        if (ku__columns_resolve_lines(capture)) return capture;
    }
    ku_capture_close(capture);
    ku__error_format(error, KU_NO_MEMORY, 0, "no memory for a snapshot of %zu sites", sizes.sites);
    return NULL;
}

/* Copies a text, and a zero byte behind it, to `room`, if there is one. Returns the bytes that it takes. */
static size_t move_text(ku_text *text, char *room) {
    if (room != NULL) {
        memcpy(room, text->bytes, text->size);
        room[text->size] = '\0';
        text->bytes = room;
    }
    return text->size + 1;
}

static size_t move_texts(ku_capture *capture, char *room) {
    size_t used = 0;
    for (size_t i = 1; i < capture->sizes.codes; i++) {
        ku_capture_code *code = &capture->codes[i];
        used += move_text(&code->filename, room == NULL ? NULL : room + used);
        used += move_text(&code->qualname, room == NULL ? NULL : room + used);
        if (room != NULL) code->line_table = (ku_text){"", 0};
    }
    return used;
}

bool ku__snapshot_own(ku_capture *capture, ku_error *error) {
    size_t bytes = move_texts(capture, NULL) + 1;
    capture->file = ku__metadata_map(NULL, bytes);
    if (capture->file == NULL) {
        ku__error_format(error, KU_NO_MEMORY, 0, "no memory for the names of a snapshot");
        return false;
    }
    capture->file_mapped = bytes;
    move_texts(capture, capture->file);
    return true;
}
