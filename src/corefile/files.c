/* files.c: see files.h. */
#include "corefile/files.h"

#include "os/failure.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <gelf.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { ID_MOST = 64 }; /* bytes of a build id: SHA-1 has 20, nothing in use more than 32 */

typedef struct build_id {
    unsigned char bytes[ID_MOST];
    size_t size; /* 0: none */
} build_id;

/* A file that was mapped in one or more pieces. */
typedef struct opened_file {
    const char *path;  /* as the core has it */
    const char *bytes; /* NULL: it could not be had, or is no ELF file */
    bool missing;      /* it could not be had, or is another one than was mapped */
    size_t size;
    uintptr_t bias; /* what to add to the file's own addresses */
} opened_file;

const char *ku__file_map(const char *path, size_t *size, ku_error *error) {
    struct stat facts;
    /* what a name in a core leads to may be anything: opening it must not wait for anybody */
    int file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (file < 0 || fstat(file, &facts) != 0) {
        ku__error_format(error, KU_IO, errno, "can't be read");
        if (file >= 0) {
            close(file);
        }
        return NULL;
    }
    void *bytes = MAP_FAILED;
    if (!S_ISREG(facts.st_mode) || facts.st_size == 0) {
        ku__error_format(error, KU_CORRUPT, 0, S_ISREG(facts.st_mode) ? "the file is empty" : "not a regular file");
    } else if ((bytes = mmap(NULL, (size_t)facts.st_size, PROT_READ, MAP_PRIVATE, file, 0)) == MAP_FAILED) {
        ku__error_format(error, KU_IO, errno, "can't be mapped");
    }
    close(file);
    *size = (size_t)facts.st_size;
    return bytes == MAP_FAILED ? NULL : bytes;
}

/* ---- build ids ---- */

static build_id id_of_notes(Elf *elf, const GElf_Phdr *segment) {
    Elf_Data *data = elf_getdata_rawchunk(elf, (int64_t)segment->p_offset, segment->p_filesz, ELF_T_NHDR);
    GElf_Nhdr note;
    size_t name, content;
    build_id id = {.size = 0};
    for (size_t at = 0; data != NULL && (at = gelf_getnote(data, at, &note, &name, &content)) > 0;) {
        const char *bytes = data->d_buf;
        if (note.n_type == NT_GNU_BUILD_ID && note.n_namesz == 4 && memcmp(bytes + name, "GNU", 4) == 0 &&
            note.n_descsz <= ID_MOST) {
            id.size = note.n_descsz;
            memcpy(id.bytes, bytes + content, id.size);
        }
    }
    return id;
}

static build_id id_of_elf(const char *bytes, size_t size) {
    build_id id = {.size = 0};
    Elf *elf = elf_memory((char *)(uintptr_t)bytes, size);
    size_t count = 0;
    if (elf != NULL && elf_getphdrnum(elf, &count) == 0) {
        for (size_t i = 0; i < count && id.size == 0; i++) {
            GElf_Phdr segment;
            if (gelf_getphdr(elf, (int)i, &segment) != NULL && segment.p_type == PT_NOTE) {
                id = id_of_notes(elf, &segment);
            }
        }
    }
    elf_end(elf);
    return id;
}

/* The id of what was mapped: its first page is in most cores. */
static build_id id_in_core(ku__image *image, const ku__mapped_file *file) {
    const char *head = ku__image_at(image, file->start, SELFMAG);
    if (file->offset != 0 || head == NULL || memcmp(head, ELFMAG, SELFMAG) != 0) {
        return (build_id){.size = 0};
    }
    uintptr_t end = image->memory.window.end < file->end ? image->memory.window.end : file->end;
    return id_of_elf(head, end - file->start);
}

static bool differ(const build_id *left, const build_id *right) {
    return left->size != 0 && right->size != 0 &&
           (left->size != right->size || memcmp(left->bytes, right->bytes, left->size) != 0);
}

static const char *hex_of(const build_id *id, char out[2 * ID_MOST + 1]) {
    for (size_t i = 0; i < id->size; i++) {
        snprintf(out + 2 * i, 3, "%02x", id->bytes[i]);
    }
    return out;
}

/* ---- opening ---- */

static opened_file *files_of(const ku__image *image, size_t *count) {
    *count = KU__GROWING_COUNT(&image->opened, opened_file);
    return KU__GROWING_ITEMS(&image->opened, opened_file);
}

static const ku__mapped_file *mappings_of(const ku__image *image, size_t *count) {
    *count = KU__GROWING_COUNT(&image->mapped, ku__mapped_file);
    return KU__GROWING_ITEMS(&image->mapped, ku__mapped_file);
}

/* A program or a library, of a machine whose cores are read. */
static bool is_elf(const char *bytes, size_t size) {
    Elf64_Ehdr header;
    if (size < sizeof header) {
        return false;
    }
    memcpy(&header, bytes, sizeof header);
    return memcmp(header.e_ident, ELFMAG, SELFMAG) == 0 && header.e_ident[EI_CLASS] == ELFCLASS64 &&
           header.e_ident[EI_DATA] == ELFDATA2LSB && (header.e_type == ET_EXEC || header.e_type == ET_DYN);
}

/* What was mapped at `file` begins at file->offset of it; the segment that holds that offset says at which of its own
 * addresses. */
static uintptr_t bias_of(const char *bytes, size_t size, const ku__mapped_file *file) {
    uintptr_t bias = 0;
    Elf *elf = elf_memory((char *)(uintptr_t)bytes, size);
    size_t count = 0;
    if (elf != NULL && elf_getphdrnum(elf, &count) == 0) {
        for (size_t i = 0; i < count; i++) {
            GElf_Phdr segment;
            if (gelf_getphdr(elf, (int)i, &segment) != NULL && segment.p_type == PT_LOAD &&
                segment.p_offset - segment.p_offset % 4096 == file->offset) {
                bias = file->start - (uintptr_t)(segment.p_vaddr - segment.p_offset % 4096);
                break;
            }
        }
    }
    elf_end(elf);
    return bias;
}

/* The program's own file is the one that was mapped where the program began; NULL: none was. */
static const char *program_of(const ku__image *image) {
    size_t count;
    const ku__mapped_file *all = mappings_of(image, &count);
    for (size_t i = 0; i < count && all[i].start <= image->entry; i++) {
        if (image->entry < all[i].end) {
            return all[i].path;
        }
    }
    return count != 0 ? all[0].path : NULL; /* the lowest addresses, where nothing else is known */
}

/* All mappings of one file: the first of them, and how many. */
typedef struct same_file {
    const ku__mapped_file *const *first;
    size_t count;
} same_file;

/* The pages that a file has for its mappings, behind those in `pages`. */
static bool add_pages(ku__growing *pages, const opened_file *file, const same_file *mapped) {
    for (size_t i = 0; i < mapped->count; i++) {
        const ku__mapped_file *at = mapped->first[i];
        if (at->offset >= file->size) {
            continue;
        }
        size_t size = at->end - at->start, left = file->size - (size_t)at->offset;
        ku__piece *room = ku__growing_push(pages, sizeof *room);
        if (room == NULL) {
            return false;
        }
        *room = (ku__piece){at->start, at->start + (size < left ? size : left), file->bytes + at->offset};
    }
    return true;
}

static bool wrong(ku_error *error, const char *path, const build_id *here, const build_id *there) {
    char own[2 * ID_MOST + 1] = "", other[2 * ID_MOST + 1] = "";
    const char *name = strrchr(path, '/');
    ku__error_format(error, KU_CORRUPT, 0, "%.60s is not what the process ran: its build id is %.40s, the core's %.40s",
                     name == NULL ? path : name + 1, hex_of(here, own), hex_of(there, other));
    return false;
}

static bool no_memory(ku_error *error) {
    ku__error_format(error, KU_NO_MEMORY, 0, "no memory to read a core file with");
    return false;
}

/* Maps one file, if it is what was mapped. False only for the program's own, where it was named and is wrong. */
static bool map_one(ku__image *image, const ku__mapped_file *mapped, const char *path, bool named, opened_file *file,
                    ku_error *error) {
    ku_error unused = {0};
    file->bytes = ku__file_map(path, &file->size, named ? error : &unused);
    if (file->bytes == NULL) {
        file->missing = true;
        return !named;
    }
    build_id here = id_of_elf(file->bytes, file->size), there = id_in_core(image, mapped);
    if (is_elf(file->bytes, file->size) && !differ(&here, &there)) {
        file->bias = bias_of(file->bytes, file->size, mapped);
        return true;
    }
    file->missing = is_elf(file->bytes, file->size);
    munmap((void *)(uintptr_t)file->bytes, file->size);
    file->bytes = NULL;
    if (named && (here.size == 0 || there.size == 0)) {
        ku__error_format(error, KU_CORRUPT, 0, "EXE is not the file of a program");
    } else if (named) {
        wrong(error, path, &here, &there);
    }
    return !named;
}

static bool open_one(ku__image *image, const same_file *mapped, const char *path, bool named, ku__growing *pages,
                     ku_error *error) {
    opened_file file = {.path = mapped->first[0]->path};
    if (!map_one(image, mapped->first[0], path, named, &file, error)) {
        return false;
    }
    opened_file *room = ku__growing_push(&image->opened, sizeof *room);
    if (room == NULL) {
        if (file.bytes != NULL) {
            munmap((void *)(uintptr_t)file.bytes, file.size);
        }
        return no_memory(error);
    }
    *room = file;
    return file.bytes == NULL || add_pages(pages, &file, mapped) || no_memory(error);
}

/* ---- which files ---- */

static int by_path(const void *left, const void *right) {
    const ku__mapped_file *a = *(const ku__mapped_file *const *)left, *b = *(const ku__mapped_file *const *)right;
    int order = strcmp(a->path, b->path);
    return order != 0 ? order : (a > b) - (a < b);
}

static int by_first(const void *left, const void *right) {
    const same_file *a = left, *b = right;
    return (*a->first > *b->first) - (*a->first < *b->first);
}

/* The files that were mapped, by the lowest address of each; `sorted` is filled with what they point to. False without
 * memory. */
static bool find_files(const ku__image *image, ku__growing *sorted, ku__growing *files) {
    size_t count;
    const ku__mapped_file *all = mappings_of(image, &count);
    if (count == 0) {
        return true;
    }
    if (!ku__growing_reserve(sorted, count * sizeof(ku__mapped_file *))) {
        return false;
    }
    const ku__mapped_file **by = (const ku__mapped_file **)(void *)sorted->bytes;
    for (size_t i = 0; i < count; i++) {
        by[i] = &all[i];
    }
    qsort(by, count, sizeof(ku__mapped_file *), by_path);
    for (size_t i = 0, next; i < count; i = next) {
        for (next = i + 1; next < count && strcmp(by[next]->path, by[i]->path) == 0; next++) {}
        same_file *room = ku__growing_push(files, sizeof *room);
        if (room == NULL) {
            return false;
        }
        *room = (same_file){&by[i], next - i};
    }
    qsort(files->bytes, KU__GROWING_COUNT(files, same_file), sizeof(same_file), by_first);
    return true;
}

static bool open_files(ku__image *image, const ku__growing *files, const char *program, const char *root,
                       ku__growing *pages, ku_error *error) {
    size_t count = KU__GROWING_COUNT(files, same_file);
    const char *own = program == NULL ? NULL : program_of(image);
    for (size_t i = 0; i < count; i++) {
        const same_file *file = KU__GROWING_ITEMS(files, same_file) + i;
        const ku__mapped_file *mapped = file->first[0];
        char path[PATH_MAX];
        bool named = own != NULL && strcmp(own, mapped->path) == 0;
        if (mapped->copied && !named) {
            continue;
        }
        snprintf(path, sizeof path, "%s%s", root == NULL || named ? "" : root, named ? program : mapped->path);
        if (!open_one(image, file, path, named, pages, error)) {
            return false;
        }
    }
    return ku__image_add(image, KU__GROWING_ITEMS(pages, ku__piece), KU__GROWING_COUNT(pages, ku__piece)) ||
           no_memory(error);
}

bool ku__files_open(ku__image *image, const char *program, const char *root, ku_error *error) {
    ku__growing sorted = {0}, files = {0}, pages = {0};
    bool opened = (find_files(image, &sorted, &files) || no_memory(error)) &&
                  open_files(image, &files, program, root, &pages, error);
    ku__growing_release(&sorted);
    ku__growing_release(&files);
    ku__growing_release(&pages);
    return opened;
}

void ku__files_close(ku__image *image) {
    size_t count;
    opened_file *files = files_of(image, &count);
    for (size_t i = 0; i < count; i++) {
        if (files[i].bytes != NULL) {
            munmap((void *)(uintptr_t)files[i].bytes, files[i].size);
        }
    }
    ku__growing_release(&image->opened);
}

size_t ku__files_missing(const ku__image *image, const char **first) {
    size_t count, missing = 0;
    const opened_file *files = files_of(image, &count);
    *first = NULL;
    for (size_t i = 0; i < count; i++) {
        if (files[i].missing) {
            *first = missing++ == 0 ? files[i].path : *first;
        }
    }
    return missing;
}

/* ---- symbols ---- */

static uint64_t symbol_in_table(Elf *elf, Elf_Scn *section, const GElf_Shdr *header, const char *name) {
    Elf_Data *data = elf_getdata(section, NULL);
    size_t count = data == NULL || header->sh_entsize == 0 ? 0 : data->d_size / header->sh_entsize;
    for (size_t i = 0; i < count && i < INT_MAX; i++) {
        GElf_Sym symbol;
        if (gelf_getsym(data, (int)i, &symbol) == NULL || symbol.st_shndx == SHN_UNDEF || symbol.st_value == 0) {
            continue;
        }
        const char *text = elf_strptr(elf, header->sh_link, symbol.st_name);
        if (text != NULL && strcmp(text, name) == 0) {
            return symbol.st_value;
        }
    }
    return 0;
}

static uint64_t symbol_in_file(const opened_file *file, const char *name) {
    uint64_t value = 0;
    Elf *elf = elf_memory((char *)(uintptr_t)file->bytes, file->size);
    for (Elf_Scn *at = NULL; elf != NULL && value == 0 && (at = elf_nextscn(elf, at)) != NULL;) {
        GElf_Shdr header;
        if (gelf_getshdr(at, &header) != NULL && (header.sh_type == SHT_DYNSYM || header.sh_type == SHT_SYMTAB)) {
            value = symbol_in_table(elf, at, &header, name);
        }
    }
    elf_end(elf);
    return value;
}

uintptr_t ku__files_symbol(const ku__image *image, const char *name) {
    size_t count;
    const opened_file *files = files_of(image, &count);
    for (size_t i = 0; i < count; i++) {
        uint64_t value = files[i].bytes == NULL ? 0 : symbol_in_file(&files[i], name);
        if (value != 0) {
            return files[i].bias + (uintptr_t)value;
        }
    }
    return 0;
}
