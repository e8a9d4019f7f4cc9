/* core_reduce.c: makes a real core small enough to be a seed, by what the reader of cores still finds in it.
 *
 *     core_reduce CORE OUT
 *
 * A core of CPython 3.13 or later, which is found by the text that _PyRuntime begins with and so needs no file beside
 * it. Pieces of its memory are left out, large ones first, as long as every type's name of `kinds` and every kind of
 * edge that the whole core's graph has is still in the graph of the rest (Zeller and Hildebrandt, "Simplifying and
 * isolating failure-inducing input", 2002). Of its notes only one mapped file is kept: the page of _PyRuntime.
 */
#include "core_use.h"

#include <elf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { GRAIN_MOST = 1 << 16, GRAIN_LEAST = 32, PAGE = 4096, NOTE_BYTES = 64, NAME = 8 };

/* A piece of memory that is in or out; pieces are in order of address. */
typedef struct piece {
    uint64_t address;
    const char *bytes;
    size_t size;
    bool is_out;
} piece;

static struct {
    const char *bytes;
    size_t size;
    piece *pieces;
    size_t count;
    uint64_t runtime; /* its page */
    char *out;        /* the core that is tried */
    uint32_t goal;
} core;

/* Types that the reader has rules of its own for, and some that it has none for. */
static const char *const kinds[] = {
    "list",    "tuple",     "dict", "set",  "str",   "function",  "type",      "module", "builtin_function_or_method",
    "cell",    "traceback", "int",  "Oops", "frame", "generator", "coroutine", "thread", "Plain",
    "Slotted",
};
enum { KINDS = sizeof kinds / sizeof kinds[0] };

/* ---- files ---- */

static void *must(void *memory) {
    if (memory == NULL) {
        perror("core_reduce");
        exit(1);
    }
    return memory;
}

static void read_whole(const char *path) {
    FILE *file = must(fopen(path, "rb"));
    fseek(file, 0, SEEK_END);
    core.size = (size_t)ftell(file);
    rewind(file);
    char *bytes = must(malloc(core.size));
    if (fread(bytes, 1, core.size, file) != core.size) {
        must(NULL);
    }
    fclose(file);
    core.bytes = bytes;
}

static void add_pieces(uint64_t address, const char *bytes, size_t size) {
    for (size_t at = 0, step; at < size; at += step) {
        step = size - at < GRAIN_MOST ? size - at : GRAIN_MOST;
        core.pieces = must(realloc(core.pieces, (core.count + 1) * sizeof(piece)));
        core.pieces[core.count++] = (piece){address + at, bytes + at, step, false};
    }
}

/* _PyRuntime: its text, then the version, 3.something. */
static void look_for_runtime(const piece *where) {
    for (size_t at = 0; at + 16 <= where->size; at += 8) {
        uint64_t version;
        memcpy(&version, where->bytes + at + 8, sizeof version);
        if (memcmp(where->bytes + at, "xdebugpy", 8) == 0 && version >> 24 == 3) {
            core.runtime = (where->address + at) & ~(uint64_t)(PAGE - 1);
        }
    }
}

static void cut(const char *path) {
    Elf64_Ehdr header;
    read_whole(path);
    memcpy(&header, core.bytes, sizeof header);
    for (unsigned i = 0; i < header.e_phnum; i++) {
        Elf64_Phdr segment;
        memcpy(&segment, core.bytes + header.e_phoff + i * sizeof segment, sizeof segment);
        if (segment.p_type == PT_LOAD) {
            add_pieces(segment.p_vaddr, core.bytes + segment.p_offset, segment.p_filesz);
        }
    }
    for (size_t i = 0; i < core.count; i++) {
        look_for_runtime(&core.pieces[i]);
    }
    core.out = must(malloc(2 * core.size));
}

/* ---- a core of what is in ---- */

static void write_note(char *at) {
    const uint32_t head[3] = {5, 48, NT_FILE};
    const uint64_t file[5] = {1, PAGE, core.runtime, core.runtime + PAGE, 0};
    memset(at, 0, 12 + NAME + 48);
    memcpy(at, head, sizeof head);
    memcpy(at + 12, "CORE", 5);
    memcpy(at + 12 + NAME, file, sizeof file);
    memcpy(at + 12 + NAME + sizeof file, "python", 7);
}

static bool follows(const Elf64_Phdr *last, const piece *next) {
    return last->p_vaddr + last->p_filesz == next->address;
}

/* Returns the number of segments: pieces that follow each other are one. */
static size_t list_segments(Elf64_Phdr *segments) {
    size_t count = 0;
    for (size_t i = 0; i < core.count; i++) {
        const piece *next = &core.pieces[i];
        if (next->is_out) {
            continue;
        }
        if (count == 0 || !follows(&segments[count - 1], next)) {
            segments[count++] = (Elf64_Phdr){.p_type = PT_LOAD, .p_vaddr = next->address};
        }
        segments[count - 1].p_filesz += next->size;
        segments[count - 1].p_memsz += next->size;
    }
    return count;
}

static size_t build(void) {
    Elf64_Phdr *segments = must(malloc((core.count + 1) * sizeof *segments));
    size_t count = list_segments(segments), at = sizeof(Elf64_Ehdr) + (count + 1) * sizeof *segments;
    Elf64_Ehdr header = {.e_ident = {0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, EV_CURRENT},
                         .e_type = ET_CORE,
                         .e_machine = EM_X86_64,
                         .e_version = EV_CURRENT,
                         .e_phoff = sizeof header,
                         .e_ehsize = sizeof header,
                         .e_phentsize = sizeof *segments,
                         .e_phnum = (uint16_t)(count + 1)};
    Elf64_Phdr note = {.p_type = PT_NOTE, .p_offset = at, .p_filesz = 12 + NAME + 48, .p_align = 4};
    at += NOTE_BYTES + 8;
    write_note(core.out + note.p_offset);
    for (size_t i = 0, end = at; i < count; end += segments[i++].p_filesz) {
        segments[i].p_offset = end;
    }
    memcpy(core.out, &header, sizeof header);
    memcpy(core.out + sizeof header, &note, sizeof note);
    memcpy(core.out + sizeof header + sizeof note, segments, count * sizeof *segments);
    free(segments);
    for (size_t i = 0; i < core.count; i++) {
        if (!core.pieces[i].is_out) {
            memcpy(core.out + at, core.pieces[i].bytes, core.pieces[i].size);
            at += core.pieces[i].size;
        }
    }
    return at;
}

/* ---- what is found ---- */

static uint32_t kind_of(const ku_graph *graph, uint32_t type) {
    ku_node_type read;
    ku_graph_type_read(graph, type, &read);
    ku_text name = ku_graph_text(graph, read.name);
    for (uint32_t i = 0; i < KINDS; i++) {
        if (strlen(kinds[i]) == name.size && memcmp(kinds[i], name.bytes, name.size) == 0) {
            return (uint32_t)1 << i;
        }
    }
    return 0;
}

static uint32_t found(void) {
    ku_graph *graph = core_read(core.out, build());
    uint32_t seen = 0;
    for (uint32_t node = 0; graph != NULL && node < ku_graph_node_count(graph); node++) {
        uint32_t count;
        seen |= kind_of(graph, ku_graph_type(graph, node));
        ku_graph_targets(graph, node, &count);
        for (uint32_t i = 0; i < count; i++) {
            seen |= (uint32_t)1 << (KINDS + ku_graph_edge_name(graph, node, i).kind);
        }
    }
    ku_graph_close(graph);
    return seen;
}

/* Leaves out as much of these pieces as can be: all, or else each half of them by itself. */
static void leave_out(size_t first, size_t count) {
    size_t was_in = 0;
    for (size_t i = first; i < first + count; i++) {
        was_in += !core.pieces[i].is_out;
        core.pieces[i].is_out = true;
    }
    if (was_in == 0 || (found() & core.goal) == core.goal) {
        return;
    }
    for (size_t i = first; i < first + count; i++) {
        core.pieces[i].is_out = false;
    }
    if (count > 1) {
        leave_out(first, count / 2);
        leave_out(first + count / 2, count - count / 2);
    }
}

/* What is out is forgotten; the rest is cut into smaller pieces. */
static void refine(size_t grain) {
    piece *old = core.pieces;
    size_t count = core.count;
    core.pieces = NULL;
    core.count = 0;
    for (size_t i = 0; i < count; i++) {
        for (size_t at = 0, step; !old[i].is_out && at < old[i].size; at += step) {
            step = old[i].size - at < grain ? old[i].size - at : grain;
            core.pieces = must(realloc(core.pieces, (core.count + 1) * sizeof(piece)));
            core.pieces[core.count++] = (piece){old[i].address + at, old[i].bytes + at, step, false};
        }
    }
    free(old);
}

int main(int count, char **arguments) {
    if (count != 3) {
        fprintf(stderr, "usage: core_reduce CORE OUT\n");
        return 2;
    }
    cut(arguments[1]);
    core.goal = found();
    size_t size = 0, before;
    for (size_t grain = GRAIN_MOST; grain > GRAIN_LEAST; grain /= 4) {
        refine(grain);
        leave_out(0, core.count);
    }
    do { /* what could not go while something else was there */
        before = size;
        refine(GRAIN_LEAST);
        leave_out(0, core.count);
        size = build();
        fprintf(stderr, "%zu bytes\n", size);
    } while (size != before);
    FILE *file = must(fopen(arguments[2], "wb"));
    bool written = fwrite(core.out, 1, size, file) == size;
    return fclose(file) == 0 && written && core.goal != 0 ? 0 : 1;
}
