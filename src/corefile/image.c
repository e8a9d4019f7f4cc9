/* image.c: see image.h. */
#include "corefile/image.h"

#include "corefile/files.h"
#include "os/failure.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <gelf.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/procfs.h>
#include <sys/stat.h>
#include <unistd.h>

static bool refuse(ku_error *error, const char *sentence) {
    ku__error_format(error, KU_CORRUPT, 0, "%s", sentence);
    return false;
}

static bool no_memory(ku_error *error) {
    ku__error_format(error, KU_NO_MEMORY, 0, "no memory to read a core file with");
    return false;
}

/* ---- pieces ---- */

static bool push_region(ku__image *image, ku__piece region) {
    ku__piece *room = ku__growing_push(&image->regions, sizeof *room);
    if (room != NULL) {
        *room = region;
    }
    return room != NULL;
}

static int by_start(const void *left, const void *right) {
    const ku__piece *a = left, *b = right;
    return a->start < b->start ? -1 : a->start > b->start;
}

/* Sorts pieces, and joins those that follow each other in memory and in the core: an array may lie across two. Of those
 * that overlap, which no system writes, the first keeps what both have. */
void ku__image_settle(ku__image *image) {
    size_t count = KU__GROWING_COUNT(&image->regions, ku__piece), kept = 0;
    ku__piece *all = KU__GROWING_ITEMS(&image->regions, ku__piece);
    if (count != 0) {
        qsort(all, count, sizeof *all, by_start);
    }
    for (size_t i = 0; i < count; i++) {
        ku__piece next = all[i];
        ku__piece *last = kept == 0 ? NULL : &all[kept - 1];
        if (last != NULL && next.start < last->end) {
            uintptr_t start = last->end < next.end ? last->end : next.end;
            next.bytes += start - next.start;
            next.start = start;
        }
        if (last != NULL && next.start == last->end && next.bytes == last->bytes + (last->end - last->start)) {
            last->end = next.end;
        } else if (next.start < next.end) {
            all[kept++] = next;
        }
    }
    image->regions.used = kept * sizeof *all;
    image->memory.window = (ku__piece){0};
}

/* The number of pieces that begin at or below an address. */
static size_t pieces_below(const ku__image *image, uintptr_t address) {
    size_t low = 0, high;
    const ku__piece *all = ku__image_regions(image, &high);
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (all[middle].start <= address) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static bool seek(ku__memory *memory, uintptr_t address) {
    const ku__image *image = (const ku__image *)(const void *)memory;
    size_t count, below = pieces_below(image, address);
    const ku__piece *all = ku__image_regions(image, &count);
    if (below == 0 || address >= all[below - 1].end) {
        return false;
    }
    memory->window = all[below - 1];
    return true;
}

/* Adds what of one piece no region holds, from *at on, behind the pieces before it; *next is the first region that may
 * hold some. */
static bool add_piece(ku__image *image, const ku__piece *piece, size_t known, size_t *next, uintptr_t *at) {
    *at = piece->start > *at ? piece->start : *at;
    while (*at < piece->end) {
        const ku__piece *all = KU__GROWING_ITEMS(&image->regions, ku__piece);
        while (*next < known && all[*next].end <= *at) {
            ++*next;
        }
        const ku__piece held = *next < known ? all[*next] : (ku__piece){UINTPTR_MAX, UINTPTR_MAX, NULL};
        uintptr_t end = held.start < piece->end ? held.start : piece->end;
        if (*at < end && !push_region(image, (ku__piece){*at, end, piece->bytes + (*at - piece->start)})) {
            return false;
        }
        *at = held.start < piece->end ? held.end : piece->end;
    }
    return true;
}

bool ku__image_add(ku__image *image, ku__piece *pieces, size_t count) {
    size_t known = KU__GROWING_COUNT(&image->regions, ku__piece), next = 0;
    uintptr_t at = 0;
    bool added = true;
    if (count != 0) {
        qsort(pieces, count, sizeof *pieces, by_start);
    }
    for (size_t i = 0; i < count && added; i++) {
        added = add_piece(image, &pieces[i], known, &next, &at);
    }
    ku__image_settle(image);
    return added;
}

static uintptr_t search_region(const ku__piece *region, uintptr_t from, uintptr_t until, const char *magic,
                               size_t size) {
    uintptr_t start = region->start > from ? region->start : from;
    uintptr_t end = region->end < until ? region->end : until;
    for (uintptr_t at = (start + 7) & ~(uintptr_t)7; at < end && end - at >= size; at += 8) {
        if (memcmp(region->bytes + (at - region->start), magic, size) == 0) {
            return at;
        }
    }
    return 0;
}

static bool is_in_core(const ku__image *image, const ku__piece *region) {
    return region->bytes >= image->bytes && region->bytes < image->bytes + image->size;
}

uintptr_t ku__image_search(ku__image *image, const char *magic, size_t size, uintptr_t from) {
    size_t files = KU__GROWING_COUNT(&image->mapped, ku__mapped_file), count;
    const ku__piece *all = ku__image_regions(image, &count);
    uintptr_t found = 0;
    for (size_t i = 0; i < files && found == 0; i++) {
        const ku__mapped_file *file = KU__GROWING_ITEMS(&image->mapped, ku__mapped_file) + i;
        from = file->start > from ? file->start : from; /* mappings of a damaged core may overlap */
        size_t first = pieces_below(image, from);
        for (size_t at = first == 0 ? 0 : first - 1; at < count && all[at].start < file->end && found == 0; at++) {
            found = is_in_core(image, &all[at]) ? search_region(&all[at], from, file->end, magic, size) : 0;
        }
        from = file->end > from ? file->end : from;
    }
    return found;
}

/* ---- notes ---- */

static bool push_mapped(ku__image *image, ku__mapped_file file) {
    ku__mapped_file *room = ku__growing_push(&image->mapped, sizeof *room);
    if (room != NULL) {
        *room = file;
    }
    return room != NULL;
}

static int by_begin(const void *left, const void *right) {
    const ku__mapped_file *a = left, *b = right;
    return a->start != b->start ? (a->start < b->start ? -1 : 1) : (a->end > b->end) - (a->end < b->end);
}

/* NT_FILE: two counts (files, bytes of a page), three numbers a file, then as many texts. */
static bool read_files(ku__image *image, const char *note, size_t size) {
    uint64_t head[2];
    if (size < sizeof head || image->mapped.used != 0) { /* a core has one such note, however many lead to it */
        return true;
    }
    memcpy(head, note, sizeof head);
    if (head[0] > (size - sizeof head) / 24 || head[1] == 0 || head[1] > UINT32_MAX) {
        return true;
    }
    const char *text = note + sizeof head + head[0] * 24, *end = note + size;
    for (uint64_t i = 0; i < head[0] && memchr(text, '\0', (size_t)(end - text)) != NULL; i++) {
        uint64_t numbers[3];
        memcpy(numbers, note + sizeof head + i * 24, sizeof numbers);
        ku__mapped_file file = {numbers[0], numbers[1], numbers[2] * head[1], text, false};
        if (file.start < file.end && !push_mapped(image, file)) { /* all that reads them relies on that order */
            return false;
        }
        text += strlen(text) + 1;
    }
    size_t count = KU__GROWING_COUNT(&image->mapped, ku__mapped_file);
    if (count != 0) { /* as the system writes them; of a damaged core they may be in any order */
        qsort(image->mapped.bytes, count, sizeof(ku__mapped_file), by_begin);
    }
    return true;
}

static void read_vector(ku__image *image, const char *note, size_t size) {
    for (size_t at = 0; at + 16 <= size; at += 16) {
        uint64_t entry[2];
        memcpy(entry, note + at, sizeof entry);
        if (entry[0] == AT_ENTRY) {
            image->entry = (uintptr_t)entry[1];
        }
    }
}

static void read_process(ku__image *image, const char *note, size_t size) {
    prpsinfo_t facts;
    if (size >= sizeof facts) {
        memcpy(&facts, note, sizeof facts);
        image->process = (uint32_t)facts.pr_pid;
        memcpy(image->program, facts.pr_psargs, sizeof facts.pr_psargs);
        for (size_t end = strlen(image->program); end > 0 && image->program[end - 1] == ' '; end--) {
            image->program[end - 1] = '\0';
        }
    }
}

static bool read_notes(ku__image *image, Elf *elf, const GElf_Phdr *segment) {
    Elf_Data *data = elf_getdata_rawchunk(elf, (int64_t)segment->p_offset, segment->p_filesz, ELF_T_NHDR);
    GElf_Nhdr note;
    size_t name, content;
    for (size_t at = 0; data != NULL && (at = gelf_getnote(data, at, &note, &name, &content)) > 0;) {
        const char *bytes = (const char *)data->d_buf + content;
        if (note.n_type == NT_FILE && !read_files(image, bytes, note.n_descsz)) {
            return false;
        }
        if (note.n_type == NT_AUXV) {
            read_vector(image, bytes, note.n_descsz);
        } else if (note.n_type == NT_PRPSINFO) {
            read_process(image, bytes, note.n_descsz);
        }
    }
    return true;
}

/* ---- opening ---- */

/* A piece that the file does not hold whole was cut off with it. */
static bool add_segment(ku__image *image, const GElf_Phdr *segment, bool *cut) {
    uint64_t size = segment->p_filesz < segment->p_memsz ? segment->p_filesz : segment->p_memsz;
    if (size == 0 || segment->p_vaddr + size < segment->p_vaddr) {
        return true;
    }
    *cut = *cut || segment->p_offset > image->size || image->size - segment->p_offset < size;
    image->dumped += size;
    return *cut ||
           push_region(image, (ku__piece){segment->p_vaddr, segment->p_vaddr + size, image->bytes + segment->p_offset});
}

static bool read_segments(ku__image *image, Elf *elf, ku_error *error) {
    size_t count = 0;
    bool cut = false;
    if (elf_getphdrnum(elf, &count) != 0) {
        return refuse(error, "the core file has no list of its segments");
    }
    for (size_t i = 0; i < count; i++) {
        GElf_Phdr segment;
        if (gelf_getphdr(elf, (int)i, &segment) == NULL) {
            return refuse(error, "the core file's list of segments is cut");
        }
        bool kept = segment.p_type == PT_LOAD   ? add_segment(image, &segment, &cut)
                    : segment.p_type == PT_NOTE ? read_notes(image, elf, &segment)
                                                : true;
        if (!kept) {
            return no_memory(error);
        }
    }
    image->dumped =
        image->dumped < image->size ? image->dumped : image->size; /* segments of a damaged core share bytes */
    ku__image_settle(image);
    return cut ? refuse(error, "the core file is cut: a limit on its size, or a full disk, ended it (ulimit -c)")
               : true;
}

static bool is_core(Elf *elf, ku_error *error) {
    GElf_Ehdr header;
    if (elf_kind(elf) != ELF_K_ELF || gelf_getehdr(elf, &header) == NULL || header.e_type != ET_CORE) {
        return refuse(error, "not a core file");
    }
    if (header.e_ident[EI_CLASS] != ELFCLASS64 || header.e_ident[EI_DATA] != ELFDATA2LSB ||
        (header.e_machine != EM_X86_64 && header.e_machine != EM_AARCH64)) {
        return refuse(error, "a core of another kind of machine: those of x86-64 and AArch64 can be read");
    }
    return true;
}

void ku__image_begin(ku__image *image) {
    *image = (ku__image){.memory = {.seek = seek}};
    elf_version(EV_CURRENT);
}

bool ku__image_open_bytes(ku__image *image, const char *bytes, size_t size, ku_error *error) {
    ku__image_begin(image);
    image->bytes = bytes;
    image->size = size;
    Elf *elf = elf_memory((char *)(uintptr_t)bytes, size);
    bool opened =
        elf == NULL ? refuse(error, "not a core file") : is_core(elf, error) && read_segments(image, elf, error);
    if (elf != NULL) {
        elf_end(elf);
    }
    if (!opened) {
        ku__image_close(image);
    }
    return opened;
}

bool ku__image_open(ku__image *image, const char *path, ku_error *error) {
    size_t size;
    const char *bytes = ku__file_map(path, &size, error);
    if (bytes == NULL || !ku__image_open_bytes(image, bytes, size, error)) {
        if (bytes != NULL) {
            munmap((void *)(uintptr_t)bytes, size);
        }
        return false;
    }
    image->is_mapping = true;
    return true;
}

void ku__image_close(ku__image *image) {
    ku__files_close(image);
    if (image->is_mapping) {
        munmap((void *)(uintptr_t)image->bytes, image->size);
    }
    ku__growing_release(&image->regions);
    ku__growing_release(&image->mapped);
    ku__growing_release(&image->texts);
    *image = (ku__image){0};
}
