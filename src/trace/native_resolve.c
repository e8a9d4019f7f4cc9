/* native_resolve.c: from return addresses to functions, files and lines, when somebody reads a trace. See native.h. */
#include "trace/native.h"

#include "os/failure.h"
#include "trace/capture_file.h"
#include "trace/fast.h"
#include "trace/snapshot.h"
#include "trace/tables.h"

#include <assert.h>
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

uintptr_t ku__native_address(const ku__tracer *tracer, const ku__frame *frame, const char **module) {
    ku__code_facts facts;
    Dl_info info;
    uintptr_t begin;
    *module = "";
    if (!ku__code_read(tracer, frame->code, &facts) || facts.line_table_bytes != sizeof begin) {
        return 0;
    }
    memcpy(&begin, facts.line_table, sizeof begin);
    *module = facts.filename;
    uintptr_t address = begin + frame->instruction - 1;
    bool there = dladdr((const void *)address, &info) != 0 && (uintptr_t)info.dli_fbase == begin;
    return there && strcmp(info.dli_fname, *module) == 0 ? address : 0;
}

enum { MODULE_AND_FUNCTION = 1024 }; /* longer ones are cut */

/* ---- frames ---- */

/* What each frame of the first engine stands for in the second: a run of `lines`. */
typedef struct resolving {
    const ku__tracer *from;
    ku__tracer *to;
    ku__symbols *symbols;
    uint32_t *first; /* of each frame, and one more: where the last one's end */
    ku__frame *lines;
    size_t count, room;
} resolving;

/* A record for a line of a function. Records with equal contents are one; the address only has to be a new one. Where
 * there are no lines, groups are by file and function: the file is then "library(function)", as backtrace_symbols(3)
 * writes it. */
static bool add_line(resolving *work, const ku__place_in_code *place, const char *module) {
    if (work->count == work->room) {
        size_t room = work->room * 2 + KU__PLACES_MOST;
        ku__frame *larger = realloc(work->lines, room * sizeof *larger);
        if (larger == NULL) {
            return false;
        }
        work->lines = larger;
        work->room = room;
    }
    char named[MODULE_AND_FUNCTION];
    const char *file = place->file != NULL ? place->file : module;
    const char *function = place->function != NULL ? place->function : "";
    if (place->line == 0 && place->function != NULL) {
        snprintf(named, sizeof named, "%s(%s)", file, function);
        file = named;
    }
    ku__code_facts facts = {.filename = file,
                            .filename_bytes = strlen(file),
                            .qualname = function,
                            .qualname_bytes = strlen(function),
                            .line_table = (const uint8_t *)"",
                            .first_line = place->line};
    uint32_t code = ku__code_add(work->to, (const void *)(work->count + 1), &facts);
    work->lines[work->count++] = (ku__frame){.code = code};
    return code != 0;
}

static bool resolve_frame(resolving *work, const ku__frame *frame) {
    ku__place_in_code places[KU__PLACES_MOST] = {{NULL, NULL, 0}};
    const char *module;
    uintptr_t address = ku__native_address(work->from, frame, &module);
    size_t count = address != 0 ? ku__symbols_find(work->symbols, address, places) : 1;
    for (size_t i = 0; i < count; i++) {
        if (!add_line(work, &places[i], module)) {
            return false;
        }
    }
    return true;
}

static bool resolve_frames(resolving *work, uint32_t frames) {
    work->first = calloc((size_t)frames + 1, sizeof *work->first);
    if (work->first == NULL) {
        return false;
    }
    for (uint32_t i = 1; i < frames; i++) {
        work->first[i] = (uint32_t)work->count;
        if (!resolve_frame(work, ku__column_at(&work->from->tables->frames, i))) {
            return false;
        }
    }
    work->first[frames] = (uint32_t)work->count;
    return true;
}

/* ---- sites ---- */

/* Sites that differ in addresses alone become one. */
static void add_counts(ku__tracer *tracer, uint32_t site, const ku__site_sums *sums) {
    ku__site_counts *counts = ku__site_counts_of(tracer, KU__LANE_MAIN, site);
    ku__cell_add(&counts->allocated_bytes, sums->total_bytes);
    ku__cell_add(&counts->allocated_blocks, sums->total_blocks);
    ku__cell_add(&counts->freed_bytes, sums->total_bytes - sums->live_bytes);
    ku__cell_add(&counts->freed_blocks, sums->total_blocks - sums->live_blocks);
    ku__cell_add(&counts->temporary_blocks, sums->temporary_blocks);
    ku__cell_add(&counts->peak_bytes, sums->peak_bytes);
    ku__cell_add(&counts->peak_blocks, sums->peak_blocks);
    ku__cell_write(&counts->peak_number, ku__cell_read(&tracer->peak_number));
}

static bool resolve_site(resolving *work, uint32_t site) {
    const ku__tables *tables = work->from->tables;
    ku__frame lines[KU__FRAMES_MAX];
    unsigned count = 0;
    uint32_t number = *(uint32_t *)ku__column_at(&tables->sites, site);
    while (number != 0) {
        const ku__node *node = ku__column_at(&tables->nodes, number);
        for (uint32_t i = work->first[node->frame]; i < work->first[node->frame + 1] && count < KU__FRAMES_MAX; i++) {
            assert(work->lines != NULL);
            lines[count++] = work->lines[i];
        }
        number = node->parent;
    }
    uint32_t resolved = ku__site_intern(work->to, lines, count, 0);
    if (resolved != 0) {
        ku__site_sums sums;
        ku__sites_read(work->from, site, 1, &sums);
        add_counts(work->to, resolved, &sums);
    }
    return resolved != 0;
}

/* The program's totals, as they were. */
static void copy_totals(const ku__tracer *from, ku__tracer *to) {
    uint64_t live, peak;
    ku__traced_memory(from, &live, &peak);
    ku__cell_write(&to->lanes[KU__LANE_MAIN].live_bytes, live);
    ku__cell_write(&to->peak_bytes, peak);
}

static bool resolve_all(resolving *work) {
    uint32_t sites = ku__site_count(work->from);
    copy_totals(work->from, work->to);
    if (!resolve_frames(work, ku__column_count(&work->from->tables->frames))) {
        return false;
    }
    for (uint32_t site = 1; site < sites; site++) {
        if (!resolve_site(work, site)) {
            return false;
        }
    }
    return true;
}

ku__tracer *ku__native_resolve(const ku_trace *trace, ku_error *error) {
    const ku__tracer_options options = {.frames = KU__FRAMES_MAX};
    resolving work = {.from = trace->tracer, .to = ku__tracer_new(&options, error)};
    if (work.to == NULL) {
        return NULL;
    }
    work.symbols = ku__symbols_open();
    if (work.symbols == NULL || !resolve_all(&work)) {
        ku__error_format(error, KU_NO_MEMORY, 0, "no memory to name the stacks of %u sites",
                         (unsigned)ku__site_count(work.from));
        ku__tracer_delete(work.to);
        work.to = NULL;
    }
    ku__symbols_close(work.symbols);
    free(work.first);
    free(work.lines);
    return work.to;
}

/* ---- for the program ---- */

ku_capture *ku_trace_snapshot(ku_trace *trace, ku_error *error) {
    ku__tracer *resolved = ku__native_resolve(trace, error);
    ku_capture *capture = resolved != NULL ? ku__snapshot_take(resolved, error) : NULL;
    if (capture != NULL && !ku__snapshot_own(capture, error)) {
        ku_capture_close(capture);
        capture = NULL;
    }
    ku__tracer_delete(resolved);
    return capture;
}

static bool write_file(ku__tracer *resolved, const char *path, ku_error *error) {
    ku__capture_file *file = calloc(1, sizeof *file);
    if (file == NULL) {
        ku__error_format(error, KU_NO_MEMORY, 0, "no memory to write a capture");
        return false;
    }
    const ku__capture_ending ending = {.finished = true, .exit_code = -1};
    bool written =
        ku__capture_file_open(file, resolved, path, 0, 0, 1.0, error) && ku__capture_file_update(file, &ending, error);
    ku__capture_file_close(file);
    free(file);
    return written;
}

ku_code ku_trace_dump(ku_trace *trace, const char *path, ku_error *error) {
    ku_error why = {.code = KU_OK};
    ku__tracer *resolved = ku__native_resolve(trace, &why);
    if (resolved != NULL) {
        write_file(resolved, path, &why);
        ku__tracer_delete(resolved);
    }
    if (error != NULL && why.code != KU_OK) {
        *error = why;
    }
    return why.code;
}

/* ---- one block ---- */

static void copy_text(char *room, size_t size, const char *text) {
    size_t length = text != NULL ? strlen(text) : 0;
    length = length < size ? length : size - 1;
    memcpy(room, text != NULL ? text : "", length);
    room[length] = '\0';
}

static uint32_t site_of(const ku_trace *trace, const void *block) {
    for (size_t i = 0; i < trace->heap_count; i++) {
        ku__block_facts facts;
        ku_heap *heap = trace->heaps[i];
        if (ku__block_find(heap, block, &facts) && facts.owner == heap && facts.site != NULL &&
            (facts.is_large || ku__small_is_taken(block))) {
            return KU__SLOT_SITE(*facts.site);
        }
    }
    return 0;
}

static size_t show_frame(const ku_trace *trace, ku__symbols *symbols, const ku__frame *frame, ku_trace_frame *frames,
                         size_t capacity) {
    ku__place_in_code places[KU__PLACES_MOST] = {{NULL, NULL, 0}};
    const char *module;
    uintptr_t address = ku__native_address(trace->tracer, frame, &module);
    size_t count = address != 0 ? ku__symbols_find(symbols, address, places) : 1;
    for (size_t i = 0; i < count && i < capacity; i++) {
        bool is_call = i + 1 == count && address != 0;
        frames[i] = (ku_trace_frame){.address = is_call ? (const void *)(address + 1) : NULL, .line = places[i].line};
        copy_text(frames[i].function, sizeof frames[i].function, places[i].function);
        copy_text(frames[i].file, sizeof frames[i].file, places[i].file != NULL ? places[i].file : module);
    }
    return count;
}

size_t ku_trace_of(ku_trace *trace, const void *block, ku_trace_frame *frames, size_t capacity) {
    ku__frame stack[KU__FRAMES_MAX];
    uint32_t site = trace->lost ? 0 : site_of(trace, block);
    unsigned depth = site != 0 ? ku__site_frames(trace->tracer, site, stack, KU__FRAMES_MAX) : 0;
    ku__symbols *symbols = depth != 0 ? ku__symbols_open() : NULL;
    size_t count = 0;
    for (unsigned i = 0; symbols != NULL && i < depth; i++) {
        size_t left = count < capacity ? capacity - count : 0;
        count += show_frame(trace, symbols, &stack[i], left != 0 ? frames + count : NULL, left);
    }
    ku__symbols_close(symbols);
    return count;
}
