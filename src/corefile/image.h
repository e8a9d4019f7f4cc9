/* image.h: the memory of a process that is over, out of a core file: words and bytes by their address.
 *
 * A core file is an ELF file whose segments are pieces of memory (PT_LOAD) and whose notes (PT_NOTE) say which files
 * were mapped where (NT_FILE), which process it was (NT_PRPSINFO) and where its program began (NT_AUXV). Pages that a
 * process only read out of a file are mostly not in it; they are taken from the file, where that is still the same one
 * (files.h).
 *
 * The core is mapped and never copied, so one larger than memory is no trouble. Nothing in it is believed: an address
 * is read only where a segment holds all of what is asked for. The file must not be cut while it is open, as for any
 * mapping.
 *
 * Sources: elf(5); core(5); fs/binfmt_elf.c of Linux 6.1 (what notes hold, in which order); elfutils' libelf reads the
 * file's own structures.
 */
#ifndef KU__IMAGE_H
#define KU__IMAGE_H

#include "inspect/growing.h"
#include "inspect/memory.h"

#include <kucha/error.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* A file that was mapped, as NT_FILE has it. */
typedef struct ku__mapped_file {
    uintptr_t start, end;
    uint64_t offset;  /* in the file */
    const char *path; /* in the core */
    bool copied;      /* what was mapped is in the core, and the file is not to be had */
} ku__mapped_file;

enum { KU__IMAGE_PROGRAM = 81 }; /* bytes of pr_psargs, and a zero */

typedef struct ku__image {
    ku__memory memory; /* for whoever reads any memory; first */
    const char *bytes; /* the core itself */
    size_t size;
    bool is_mapping;
    ku__growing regions;             /* ku__piece, in order of address, apart */
    ku__growing mapped;              /* ku__mapped_file, by address */
    ku__growing opened;              /* files behind the core; see files.c */
    ku__growing texts;               /* names of files, of a living process */
    uint64_t dumped;                 /* bytes of memory in the core */
    uintptr_t entry;                 /* where the program began; 0 unknown */
    uint32_t process;                /* its id */
    char program[KU__IMAGE_PROGRAM]; /* its command line, as far as the system kept it */
} ku__image;

/* Opens a core file; false with `error` filled: KU_IO, KU_CORRUPT, KU_NO_MEMORY. */
bool ku__image_open(ku__image *image, const char *path, ku_error *error);
/* The same of bytes in memory, aligned to 8, which stay as they are until the image is closed. */
bool ku__image_open_bytes(ku__image *image, const char *bytes, size_t size, ku_error *error);
void ku__image_close(ku__image *image);

/* For who fills an image with something else than a core (living.h): begins an empty one; puts in order what it pushed
 * to `regions`. */
void ku__image_begin(ku__image *image);
void ku__image_settle(ku__image *image);

/* Adds what files have for addresses that no piece holds yet, in time that grows with their number as sorting does; of
 * two that overlap, the one that begins first is taken. `pieces` are put in order. False when memory is refused. */
bool ku__image_add(ku__image *image, ku__piece *pieces, size_t count);

/* The first address from `from` on, in what was mapped from a file and is in the core, at which these 16 bytes stand,
 * aligned to 8; 0: none. */
uintptr_t ku__image_search(ku__image *image, const char *magic, size_t size, uintptr_t from);

static inline const ku__piece *ku__image_regions(const ku__image *image, size_t *count) {
    *count = KU__GROWING_COUNT(&image->regions, ku__piece);
    return KU__GROWING_ITEMS(&image->regions, ku__piece);
}

/* Reading it: see inspect/memory.h. */
static inline const void *ku__image_at(ku__image *image, uintptr_t address, size_t size) {
    return ku__memory_at(&image->memory, address, size);
}
static inline uint64_t ku__image_number(ku__image *image, uintptr_t address, size_t size) {
    return ku__memory_number(&image->memory, address, size);
}
static inline uintptr_t ku__image_word(ku__image *image, uintptr_t address) {
    return ku__memory_word(&image->memory, address);
}
static inline int64_t ku__image_signed(ku__image *image, uintptr_t address) {
    return ku__memory_signed(&image->memory, address);
}
static inline uint32_t ku__image_u32(ku__image *image, uintptr_t address) {
    return ku__memory_u32(&image->memory, address);
}
static inline uint8_t ku__image_u8(ku__image *image, uintptr_t address) {
    return ku__memory_u8(&image->memory, address);
}
static inline const uintptr_t *ku__image_words(ku__image *image, uintptr_t address, size_t count) {
    return ku__memory_words(&image->memory, address, count);
}
static inline const char *ku__image_text(ku__image *image, uintptr_t address, size_t most, size_t *size) {
    return ku__memory_text(&image->memory, address, most, size);
}

#endif
