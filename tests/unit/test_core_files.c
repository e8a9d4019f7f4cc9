/* test_core_files.c: the files that a core leaves pages to: which are read where, of how many mappings there are.
 *
 * Cores are made here, of a note and a page of memory. Programs that map each of their files on its own, as databases
 * and search engines do, have as many mappings as the system allows (vm.max_map_count, 65,530, and often a million);
 * comparing each with each would take hours.
 */
#include "corefile/files.h"
#include "corefile/image.h"

#include "support.h"

#include <elf.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PAGE = 4096, MANY = 100000, FILLED = 0xAB };
#define BASE ((uint64_t)1 << 32)

typedef struct entry {
    uint64_t start, pages, first; /* address; pages, and the first of them in the file */
    char path[256];
} entry;

typedef struct made_core {
    char *bytes;
    size_t size;
} made_core;

/* A core of these mappings, in this order, with one page of its own at `kept`. */
static made_core make_core(const entry *entries, size_t count, uint64_t kept) {
    size_t texts = 0;
    for (size_t i = 0; i < count; i++) {
        texts += strlen(entries[i].path) + 1;
    }
    size_t described = 16 + 24 * count + texts, head = sizeof(Elf64_Ehdr) + 2 * sizeof(Elf64_Phdr);
    size_t noted = sizeof(Elf64_Nhdr) + 8 + (described + 3) / 4 * 4, at = head + sizeof(Elf64_Nhdr) + 8;
    made_core made = {.size = head + noted + PAGE};
    made.bytes = calloc(1, made.size);
    assert_non_null(made.bytes);
    Elf64_Ehdr header = {.e_ident = {ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB, EV_CURRENT},
                         .e_type = ET_CORE,
                         .e_machine = EM_X86_64,
                         .e_version = EV_CURRENT,
                         .e_phoff = sizeof header,
                         .e_ehsize = sizeof header,
                         .e_phentsize = sizeof(Elf64_Phdr),
                         .e_phnum = 2};
    Elf64_Phdr segments[2] = {
        {.p_type = PT_NOTE, .p_offset = head, .p_filesz = noted, .p_align = 4},
        {.p_type = PT_LOAD, .p_offset = head + noted, .p_vaddr = kept, .p_filesz = PAGE, .p_memsz = PAGE}};
    Elf64_Nhdr note = {.n_namesz = 5, .n_descsz = (Elf64_Word)described, .n_type = NT_FILE};
    memcpy(made.bytes, &header, sizeof header);
    memcpy(made.bytes + sizeof header, segments, sizeof segments);
    memcpy(made.bytes + head, &note, sizeof note);
    memcpy(made.bytes + head + sizeof note, "CORE", 5);
    memcpy(made.bytes + at, (uint64_t[2]){count, PAGE}, 16);
    char *text = made.bytes + at + 16 + 24 * count;
    for (size_t i = 0; i < count; i++) {
        const entry *of = &entries[i];
        memcpy(made.bytes + at + 16 + 24 * i, (uint64_t[3]){of->start, of->start + of->pages * PAGE, of->first}, 24);
        text = stpcpy(text, of->path) + 1;
    }
    memset(made.bytes + head + noted, FILLED, PAGE);
    return made;
}

/* This program's own file, which is one that cores leave pages to. */
typedef struct own_file {
    char path[200];
    char *bytes;
    size_t size, pages; /* whole pages */
} own_file;

static int open_own(void **state) {
    static own_file own;
    struct stat facts;
    ssize_t length = readlink("/proc/self/exe", own.path, sizeof own.path - 1);
    int file = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    assert_true(length > 0 && file >= 0 && fstat(file, &facts) == 0);
    own.size = (size_t)facts.st_size;
    own.pages = own.size / PAGE;
    own.bytes = mmap(NULL, own.size, PROT_READ, MAP_PRIVATE, file, 0);
    assert_true(own.bytes != MAP_FAILED && own.pages > 2);
    close(file);
    *state = &own;
    return 0;
}

static int close_own(void **state) {
    own_file *own = *state;
    return munmap(own->bytes, own->size);
}

static void open_core(ku__image *image, const made_core *core) {
    ku_error error = {.code = KU_OK};
    if (!ku__image_open_bytes(image, core->bytes, core->size, &error) || !ku__files_open(image, NULL, NULL, &error)) {
        fail_msg("%s", error.message);
    }
}

static void expect_page(ku__image *image, uint64_t address, const char *wanted) {
    const char *found = ku__image_at(image, (uintptr_t)address, PAGE);
    assert_non_null(found);
    assert_memory_equal(found, wanted, PAGE);
}

/* Every other mapping is of a file of its own, which is not here; the others are of one. */
static entry *make_many(const own_file *own) {
    entry *all = calloc(MANY, sizeof *all);
    assert_non_null(all);
    for (size_t i = 0; i < MANY; i++) {
        entry *of = &all[MANY - 1 - i]; /* the highest address first */
        *of = (entry){.start = BASE + 2 * i * PAGE, .pages = 1, .first = i / 2 % own->pages};
        if (i % 2 == 0) {
            memcpy(of->path, own->path, sizeof own->path);
        } else {
            snprintf(of->path, sizeof of->path, "/nowhere/%zu", i);
        }
    }
    return all;
}

static void test_files_of_a_hundred_thousand_mappings_are_read_each_in_its_place(void **state) {
    const own_file *own = *state;
    const size_t kept = 5000;
    entry *all = make_many(own);
    made_core core = make_core(all, MANY, BASE + 2 * kept * PAGE);
    ku__image image;
    open_core(&image, &core);
    const char *first;
    assert_int_equal(ku__files_missing(&image, &first), MANY / 2);
    assert_string_equal(first, "/nowhere/1");
    char filled[PAGE];
    memset(filled, FILLED, PAGE);
    for (size_t i = 0; i < MANY; i++) {
        uint64_t address = BASE + 2 * i * PAGE;
        if (i % 2 == 0) {
            expect_page(&image, address, i == kept ? filled : own->bytes + i / 2 % own->pages * PAGE);
        } else {
            assert_null(ku__image_at(&image, (uintptr_t)address, 1));
        }
        assert_null(ku__image_at(&image, (uintptr_t)(address + PAGE), 1));
    }
    ku__image_close(&image);
    free(core.bytes);
    free(all);
}

static void test_what_the_core_has_is_not_read_out_of_files(void **state) {
    const own_file *own = *state;
    entry all[2] = {{.start = BASE, .pages = 3}, {.start = BASE + 2 * PAGE, .pages = 3}}; /* they overlap: damaged */
    for (size_t i = 0; i < 2; i++) {
        memcpy(all[i].path, own->path, sizeof own->path);
    }
    made_core core = make_core(all, 2, BASE + PAGE);
    ku__image image;
    open_core(&image, &core);
    char filled[PAGE];
    memset(filled, FILLED, PAGE);
    expect_page(&image, BASE, own->bytes);
    expect_page(&image, BASE + PAGE, filled);
    expect_page(&image, BASE + 2 * PAGE, own->bytes + 2 * PAGE);
    expect_page(&image, BASE + 3 * PAGE, own->bytes + PAGE);
    expect_page(&image, BASE + 4 * PAGE, own->bytes + 2 * PAGE);
    const char *first;
    assert_int_equal(ku__files_missing(&image, &first), 0);
    ku__image_close(&image);
    free(core.bytes);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_files_of_a_hundred_thousand_mappings_are_read_each_in_its_place),
        cmocka_unit_test(test_what_the_core_has_is_not_read_out_of_files),
    };
    return cmocka_run_group_tests(tests, open_own, close_own);
}
