/* files.h: the files behind a core: the program and its libraries, for the pages that the core leaves to them, and for
 * their symbols.
 *
 * A file is taken where a mapping says, unless its build id is not the one that the core has in the same place: then
 * it was replaced after the program began, and what it says would be wrong. Nothing but regular ELF files is opened.
 */
#ifndef KU__FILES_H
#define KU__FILES_H

#include "corefile/image.h"

/* A whole file, to be read; NULL with `error` filled: KU_IO, or KU_CORRUPT for what is no regular file, or empty. */
const char *ku__file_map(const char *path, size_t *size, ku_error *error);

/* Opens the files that the core names and adds their pages. `program` (NULL: as the core names it) is the main
 * program's file, which must be the right one; `root` (NULL: none) stands before every path. False with `error`
 * filled. */
bool ku__files_open(ku__image *image, const char *program, const char *root, ku_error *error);
void ku__files_close(ku__image *image);

/* Where a symbol lies; 0: no file has it. */
uintptr_t ku__files_symbol(const ku__image *image, const char *name);

/* How many files could not be had, and the name of the first; NULL: none. */
size_t ku__files_missing(const ku__image *image, const char **first);

#endif
