/* heap_file_write.c: a graph into a file; see heap_file.h.
 *
 * Written under a name of its own beside the final one (FILE.PID.part), and renamed when whole: whoever is killed
 * meanwhile leaves that file and nothing under the final name.
 */
#include "inspect/heap_file.h"

#include "os/failure.h"
#include "os/file.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

uint64_t ku__heap_checksum(const ku__heap_head *head) {
    XXH3_state_t state;
    XXH3_64bits_reset(&state);
    XXH3_64bits_update(&state, &head->header, offsetof(ku__heap_header, checksum));
    XXH3_64bits_update(&state, head->table, sizeof head->table);
    return XXH3_64bits_digest(&state);
}

static void lay_out(const ku_graph *graph, ku__heap_head *head) {
    *head = (ku__heap_head){
        .header = {.byte_order = KU__HEAP_BYTE_ORDER, .version = KU_HEAP_FILE_VERSION, .sections = KU__SECTIONS}};
    memcpy(head->header.magic, KU__HEAP_MAGIC, sizeof head->header.magic);
    uint64_t offset = sizeof *head;
    for (int i = 0; i < KU__SECTIONS; i++) {
        offset = (offset + KU__HEAP_ALIGN - 1) & ~(KU__HEAP_ALIGN - 1);
        size_t size = graph->sections[i].size;
        head->table[i] = (ku__heap_section){.offset = offset,
                                            .size = size,
                                            .checksum = XXH3_64bits(graph->sections[i].bytes, size),
                                            .item = ku__section_items[i]};
        offset += size;
    }
    head->header.file_size = offset;
    head->header.checksum = ku__heap_checksum(head);
}

static bool write_all(const ku_graph *graph, const ku__file *file) {
    ku__heap_head head;
    lay_out(graph, &head);
    if (!ku__file_extend(file, head.header.file_size)) {
        return false;
    }
    for (int i = 0; i < KU__SECTIONS; i++) {
        const ku__heap_section *section = &head.table[i];
        if (section->size != 0 && !ku__file_write(file, graph->sections[i].bytes, section->size, section->offset)) {
            return false;
        }
    }
    return ku__file_write(file, &head, sizeof head, 0);
}

static bool write_file(const ku_graph *graph, ku__file *file, const char *path) {
    ku__file_shield shield;
    ku__file_shield_begin(&shield);
    bool whole = ku__file_hold(file) && write_all(graph, file) && rename(file->path, path) == 0;
    ku__file_shield_end(&shield);
    int error = errno;
    if (!whole) {
        unlink(file->path);
    }
    ku__file_close(file);
    errno = error;
    return whole;
}

/* One that a process with this number left behind, which must have been an earlier one, is in the way. */
static bool create(ku__file *file, const char *path) {
    char temporary[KU__PATH_MAX];
    int size = snprintf(temporary, sizeof temporary, "%s.%ld.part", path, (long)getpid());
    if (size < 0 || (size_t)size >= sizeof temporary) {
        errno = ENAMETOOLONG;
        return false;
    }
    unlink(temporary);
    return ku__file_create(file, temporary);
}

ku_code ku_heap_file_write(const ku_graph *graph, const char *path, ku_error *error) {
    ku__file file;
    if (!create(&file, path) || !write_file(graph, &file, path)) {
        ku__error_format(error, KU_IO, errno, "the heap file %s could not be written: %s", path, strerror(errno));
        return KU_IO;
    }
    return KU_OK;
}
