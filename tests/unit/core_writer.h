/* core_writer.h: writes a core file of the process that calls it, as the kernel would, with no right that a test may
 * lack: an ELF file with a segment for each mapping that can be read, and the note that names the files.
 *
 * The kernel's own cores depend on the machine (core_pattern, limits), a debugger's on ptrace. As in the kernel's, code
 * is left to the files that it came from, but for their first pages. Mappings of CORE_LARGEST bytes and more are left
 * out: they are the shadows of sanitizers, and reservations.
 */
#ifndef TESTS_CORE_WRITER_H
#define TESTS_CORE_WRITER_H

#include <elf.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { CORE_MAPPINGS = 512, CORE_LARGEST = 1 << 28, CORE_PAGE = 4096, CORE_NOTE = 1 << 16 };

typedef struct core_mapping {
    unsigned long start, end, offset;
    unsigned long kept; /* bytes in the core */
    char path[200];
} core_mapping;

static core_mapping core_mappings[CORE_MAPPINGS];

static inline unsigned long core_kept(const core_mapping *of, const char *rights) {
    bool is_of_the_kernel = strncmp(of->path, "[v", 2) == 0; /* [vvar], [vdso], [vsyscall] */
    unsigned long size = of->end - of->start;
    if (rights[0] != 'r' || is_of_the_kernel || size >= CORE_LARGEST) {
        return 0;
    }
    bool is_code = rights[2] == 'x' && of->path[0] == '/';
    return !is_code ? size : of->offset == 0 ? CORE_PAGE : 0;
}

static inline size_t core_read_mappings(void) {
    char line[512], rights[8];
    size_t count = 0;
    FILE *maps = fopen("/proc/self/maps", "r");
    while (maps != NULL && count < CORE_MAPPINGS && fgets(line, sizeof line, maps) != NULL) {
        core_mapping *at = &core_mappings[count];
        at->path[0] = '\0';
        if (sscanf(line, "%lx-%lx %7s %lx %*s %*s %199s", &at->start, &at->end, rights, &at->offset, at->path) >= 4) {
            at->kept = core_kept(at, rights);
            count++;
        }
    }
    if (maps != NULL) {
        fclose(maps);
    }
    return count;
}

/* NT_FILE: how many, the page size; start, end and page of each; their names. Returns its size. */
static inline size_t core_file_note(char *note, size_t mappings) {
    Elf64_Nhdr head = {.n_namesz = 5, .n_type = NT_FILE};
    size_t files = 0, at = sizeof head + 8;
    for (size_t i = 0; i < mappings; i++) {
        files += core_mappings[i].path[0] == '/';
    }
    unsigned long sizes[2] = {files, CORE_PAGE};
    memcpy(note + at, sizes, sizeof sizes);
    at += sizeof sizes;
    for (size_t i = 0; i < mappings; i++) {
        const core_mapping *of = &core_mappings[i];
        if (of->path[0] == '/') {
            unsigned long numbers[3] = {of->start, of->end, of->offset / CORE_PAGE};
            memcpy(note + at, numbers, sizeof numbers);
            at += sizeof numbers;
        }
    }
    for (size_t i = 0; i < mappings; i++) {
        if (core_mappings[i].path[0] == '/') {
            strcpy(note + at, core_mappings[i].path);
            at += strlen(core_mappings[i].path) + 1;
        }
    }
    head.n_descsz = (Elf64_Word)(at - sizeof head - 8);
    memcpy(note, &head, sizeof head);
    memcpy(note + sizeof head, "CORE\0\0\0", 8);
    return (at + 3) & ~(size_t)3;
}

static inline Elf64_Ehdr core_head(size_t segments) {
    Elf64_Ehdr head = {.e_ident = {ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB, EV_CURRENT},
                       .e_type = ET_CORE,
                       .e_version = EV_CURRENT,
                       .e_phoff = sizeof head,
                       .e_ehsize = sizeof head,
                       .e_phentsize = sizeof(Elf64_Phdr),
                       .e_phnum = (Elf64_Half)segments};
#if defined(__x86_64__)
    head.e_machine = EM_X86_64;
#elif defined(__aarch64__)
    head.e_machine = EM_AARCH64;
#endif
    return head;
}

/* By number: a sanitizer would look at what the C library's own call is given, and not find all of it in use. */
static inline void core_copy(int file, const Elf64_Phdr *segment) {
    long ignored = syscall(SYS_pwrite64, file, segment->p_vaddr, segment->p_filesz, segment->p_offset);
    (void)ignored;
}

/* True when all of it was written. The heaps of the process must not change meanwhile; this changes none. */
static inline bool core_write(const char *path) {
    static char note[CORE_NOTE];
    static Elf64_Phdr table[CORE_MAPPINGS + 1];
    size_t mappings = core_read_mappings(), segments = 1, note_size = core_file_note(note, mappings);
    for (size_t i = 0; i < mappings; i++) {
        segments += core_mappings[i].kept != 0;
    }
    size_t at = sizeof(Elf64_Ehdr) + segments * sizeof *table;
    table[0] = (Elf64_Phdr){.p_type = PT_NOTE, .p_offset = at, .p_filesz = note_size, .p_align = 4};
    at = (at + note_size + CORE_PAGE - 1) / CORE_PAGE * CORE_PAGE;
    for (size_t i = 0, segment = 1; i < mappings; i++) {
        if (core_mappings[i].kept != 0) {
            size_t size = core_mappings[i].kept;
            table[segment++] = (Elf64_Phdr){.p_type = PT_LOAD,
                                            .p_flags = PF_R | PF_W,
                                            .p_offset = at,
                                            .p_vaddr = core_mappings[i].start,
                                            .p_filesz = size,
                                            .p_memsz = core_mappings[i].end - core_mappings[i].start,
                                            .p_align = CORE_PAGE};
            at += size;
        }
    }
    Elf64_Ehdr head = core_head(segments);
    int file = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    bool done = file >= 0 && write(file, &head, sizeof head) == (ssize_t)sizeof head &&
                write(file, table, segments * sizeof *table) == (ssize_t)(segments * sizeof *table) &&
                write(file, note, note_size) == (ssize_t)note_size;
    for (size_t i = 1; done && i < segments; i++) { /* what cannot be read stays a hole of zeros */
        core_copy(file, &table[i]);
    }
    done = done && ftruncate(file, (off_t)at) == 0;
    if (file >= 0) {
        close(file);
    }
    return done;
}

#endif
