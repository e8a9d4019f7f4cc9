/* maps.c: the mappings of a process, from smaps; see kucha/process.h.
 *
 *     55d0c9a00000-55d0c9a02000 r--p 00000000 fe:00 1234    /usr/bin/cat
 *     Size:                  8 kB
 *     Rss:                   8 kB
 *     ...
 *     VmFlags: rd mr mw me sd
 *
 * A heading begins with a hexadecimal digit in lower case, every other line with a letter in upper case. Which of these
 * there are depends on the kernel; those that are not known are passed over.
 */
#include "files.h"
#include "os/proc.h"
#include "text.h"

#include <errno.h>

static const ku__text_field fields[] = {
    {"Size:", offsetof(ku_process_map, size)},
    {"Rss:", offsetof(ku_process_map, rss)},
    {"Pss:", offsetof(ku_process_map, pss)},
    {"Shared_Clean:", offsetof(ku_process_map, shared_clean)},
    {"Shared_Dirty:", offsetof(ku_process_map, shared_dirty)},
    {"Private_Clean:", offsetof(ku_process_map, private_clean)},
    {"Private_Dirty:", offsetof(ku_process_map, private_dirty)},
    {"Referenced:", offsetof(ku_process_map, referenced)},
    {"Anonymous:", offsetof(ku_process_map, anonymous)},
    {"Swap:", offsetof(ku_process_map, swap)},
};

/* The fields come in the order of the table, so the search goes on where it ended: one comparison a line. */
static void read_field(ku_process_map *map, const char *line, size_t *next) {
    enum { COUNT = sizeof fields / sizeof fields[0] };
    for (size_t tried = 0; tried < COUNT; tried++) {
        const ku__text_field *field = &fields[(*next + tried) % COUNT];
        if (line[0] != field->name[0] || line[1] != field->name[1]) continue;
        const char *at = ku__text_after(line, field->name);
        if (at == NULL) continue;
        *(uint64_t *)(void *)((char *)map + field->offset) = ku__text_value(at) << 10;
        *next = (*next + tried + 1) % COUNT;
        return;
    }
}

static const char *read_hexadecimal(const char *at, uint64_t *value) {
    *value = 0;
    for (;; at++) {
        if (*at >= '0' && *at <= '9') {
            *value = *value << 4 | (uint64_t)(*at - '0');
        } else if (*at >= 'a' && *at <= 'f') {
            *value = *value << 4 | (uint64_t)(*at - 'a' + 10);
        } else {
            return at;
        }
    }
}

static const char *skip_word(const char *at) {
    while (*at != 0 && *at != ' ') at++;
    while (*at == ' ') at++;
    return at;
}

/* Cuts off spaces at both ends, as everybody who reads these files does. */
static void copy_path(char *path, size_t capacity, const char *from) {
    size_t size = strlen(from);
    while (size > 0 && from[size - 1] == ' ') size--;
    if (size >= capacity) size = capacity - 1;
    memcpy(path, from, size);
    path[size] = 0;
}

static bool is_heading(const char *line) {
    return (*line >= '0' && *line <= '9') || (*line >= 'a' && *line <= 'f');
}

/* ADDRESS-ADDRESS PERMISSIONS OFFSET DEVICE INODE [PATH] */
static void read_heading(ku_process_map *map, char *path, size_t capacity, const char *line) {
    *map = (ku_process_map){.path = path};
    const char *at = read_hexadecimal(line, &map->start);
    if (*at == '-') at = read_hexadecimal(at + 1, &map->end);
    at = skip_word(at);
    for (size_t bit = 0; bit < 4 && at[bit] != 0 && at[bit] != ' '; bit++) map->permissions[bit] = at[bit];
    for (int words = 0; words < 4; words++) at = skip_word(at);
    copy_path(path, capacity, at);
}

/* Visits as it reads: a mapping is whole when the next heading comes, or the end. */
static bool walk(ku__lines *lines, ku_process_map_visitor *visit, void *argument, size_t *visited) {
    ku_process_map map;
    char path[4096 + 64]; /* the longest path, and " (deleted)" */
    bool has_map = false;
    size_t size, next = 0;
    const char *line;
    while ((line = ku__lines_next(lines, &size)) != NULL) {
        if (!is_heading(line)) {
            if (has_map) read_field(&map, line, &next);
            continue;
        }
        if (has_map && !visit(&map, argument)) return false;
        read_heading(&map, path, sizeof path, line);
        has_map = true;
        next = 0;
        ++*visited;
    }
    return has_map ? visit(&map, argument) : true;
}

/* At the end of the file the process may have ended: then what was read is a part of it. */
static ku_code judge(ku_process *process, int why, size_t visited, ku_error *error) {
    ku_process_state state;
    if (why == EACCES || why == EPERM) return ku__process_failed(process, why, "memory maps", error);
    ku_code code = ku_process_state_read(process, &state, error);
    if (code != KU_OK) return code;
    if (state.state == 'Z' || state.state == 'X') return ku__process_failed(process, ESRCH, "memory maps", error);
    bool is_kernels = visited == 0 && (why == 0 || why == ESRCH);
    return why == 0 || is_kernels ? KU_OK : ku__process_failed(process, why, "memory maps", error);
}

ku_code ku_process_maps_walk(ku_process *process, ku_process_map_visitor *visit, void *argument, ku_error *error) {
    ku__lines lines;
    size_t visited = 0;
    ku__lines_start(&lines, ku__process_file_open(process, "smaps"));
    bool is_whole = walk(&lines, visit, argument, &visited);
    ku__lines_end(&lines);
    return is_whole ? judge(process, lines.failure, visited, error) : KU_OK;
}
