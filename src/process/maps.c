/* maps.c: the mappings of a process, from smaps; see kucha/process.h.
 *
 *     55d0c9a00000-55d0c9a02000 r--p 00000000 fe:00 1234    /usr/bin/cat
 *     Size:                  8 kB
 *     Rss:                   8 kB
 *     ...
 *     VmFlags: rd mr mw me sd
 *
 * A heading begins with a hexadecimal digit in lower case, every other line with a letter in upper case. Which of these
 * there are depends on the kernel; those that are not known are passed over. A kernel writes the same lines for every
 * mapping, so what each line was is remembered by its place, and found again with one comparison of its first bytes:
 * two in five lines are of no interest, and trying all fields on each of them took a tenth of the call.
 */
#include "files.h"
#include "os/failure.h"
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

enum {
    FIELDS = sizeof fields / sizeof fields[0],
    LINES_MOST = 40, /* of a mapping whose places are remembered; Linux 6.18 writes 24 */
    NAME_BYTES = 16, /* what tells the names of all lines apart, colon and spaces included */
};

/* What the line at a place was the last time. */
typedef struct known {
    char name[NAME_BYTES];
    size_t field; /* FIELDS: none */
    size_t size;  /* of the field's name */
    bool is_set;
} known;

/* A mapping that is being read. */
typedef struct reading {
    ku_process_map map;
    size_t line; /* lines read behind the heading */
    size_t left; /* fields that have not come yet; behind the last, lines need no look */
} reading;

static void store(reading *now, size_t field, const char *number) {
    *(uint64_t *)(void *)((char *)&now->map + fields[field].offset) = ku__text_value(number) << 10;
    now->left--;
}

static size_t field_of(const char *line) {
    size_t field = 0;
    while (field < FIELDS && ku__text_after(line, fields[field].name) == NULL) field++;
    return field;
}

static void read_field(reading *now, known *lines, const char *line, size_t size) {
    if (now->left == 0) return;
    known *last = now->line < LINES_MOST && size >= NAME_BYTES ? &lines[now->line] : NULL;
    now->line++;
    if (last != NULL && last->is_set && memcmp(last->name, line, NAME_BYTES) == 0) {
        if (last->field < FIELDS) store(now, last->field, line + last->size);
        return;
    }
    size_t field = field_of(line);
    size_t name = field < FIELDS ? strlen(fields[field].name) : 0;
    if (field < FIELDS) store(now, field, line + name);
    if (last == NULL) return;
    *last = (known){.field = field, .size = name, .is_set = true};
    memcpy(last->name, line, NAME_BYTES);
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
static void read_heading(reading *now, char *path, size_t capacity, const char *line) {
    *now = (reading){.map = {.path = path}, .left = FIELDS};
    ku_process_map *map = &now->map;
    const char *at = read_hexadecimal(line, &map->start);
    if (*at == '-') at = read_hexadecimal(at + 1, &map->end);
    at = skip_word(at);
    for (size_t bit = 0; bit < 4 && at[bit] != 0 && at[bit] != ' '; bit++) map->permissions[bit] = at[bit];
    for (int words = 0; words < 4; words++) at = skip_word(at);
    copy_path(path, capacity, at);
}

/* Visits as it reads: a mapping is whole when the next heading comes, or the end. */
static bool walk(ku__lines *lines, ku_process_map_visitor *visit, void *argument) {
    reading now;
    known known_lines[LINES_MOST] = {{.is_set = false}};
    char path[4096 + 64]; /* the longest path, and " (deleted)" */
    bool has_map = false;
    size_t size;
    const char *line;
    while ((line = ku__lines_next(lines, &size)) != NULL) {
        if (!is_heading(line)) {
            if (has_map) read_field(&now, known_lines, line, size);
            continue;
        }
        if (has_map && !visit(&now.map, argument)) return false;
        read_heading(&now, path, sizeof path, line);
        has_map = true;
    }
    return has_map ? visit(&now.map, argument) : true;
}

/* A process that ends takes its memory down before it is a zombie, and the file is over at once, in the middle even. */
static ku_code judge(ku_process *process, int why, ku_error *error) {
    ku_process_state state;
    if (why == EACCES || why == EPERM) return ku__process_failed(process, why, "memory maps", error);
    ku_code code = ku_process_state_read(process, &state, error);
    if (code != KU_OK) return code;
    if (state.is_ending) {
        ku__error_format(error, KU_ZOMBIE, ESRCH,
                         "process %d has ended, or does so now; it has no memory maps any more", process->pid);
        return KU_ZOMBIE;
    }
    if (why == 0 || (why == ESRCH && state.is_kernels)) return KU_OK;
    return ku__process_failed(process, why, "memory maps", error);
}

ku_code ku_process_maps_walk(ku_process *process, ku_process_map_visitor *visit, void *argument, ku_error *error) {
    ku__lines lines;
    ku__lines_start(&lines, ku__process_file_open(process, "smaps"));
    bool is_whole = walk(&lines, visit, argument);
    ku__lines_end(&lines);
    return is_whole ? judge(process, lines.failure, error) : KU_OK;
}
