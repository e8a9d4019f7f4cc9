/* memory.c: how much memory a process has; see kucha/process.h.
 *
 * statm is one line of counters that the kernel keeps anyway. smaps_rollup makes the kernel walk the page tables, and
 * is still a tenth of the price of smaps, which does the same and writes it down by mapping. Some processes have no
 * smaps_rollup although they live (no memory of their own, or a kernel before 4.14): then smaps is summed up.
 */
#include "files.h"
#include "os/machine.h"
#include "os/proc.h"
#include "text.h"

#include <errno.h>

ku_code ku_process_memory_read(ku_process *process, ku_process_memory *memory, ku_error *error) {
    char text[KU__STATM_CAPACITY];
    uint64_t pages[7] = {0};
    ssize_t got = ku__process_text(process, KU__STATM, text, sizeof text);
    if (got <= 0) return ku__process_failed(process, got < 0 ? errno : ESRCH, "memory", error);
    const char *at = text;
    for (int field = 0; field < 7 && at != NULL; field++) at = ku__text_number(at, &pages[field]);
    uint64_t page = ku__page_bytes();
    *memory = (ku_process_memory){
        .vms = pages[0] * page,
        .rss = pages[1] * page,
        .shared = pages[2] * page,
        .text = pages[3] * page,
        .lib = pages[4] * page,
        .data = pages[5] * page,
        .dirty = pages[6] * page,
    };
    return KU_OK;
}

/* ---- footprint ---- */

static void add_line(ku_process_footprint *footprint, const char *line) {
    const char *at;
    if ((at = ku__text_after(line, "Private_")) != NULL) {
        at = strchr(at, ':'); /* _Clean, _Dirty, _Hugetlb */
        if (at != NULL) footprint->uss += ku__text_value(at + 1) << 10;
    } else if ((at = ku__text_after(line, "Pss:")) != NULL) {
        footprint->pss += ku__text_value(at) << 10;
    } else if ((at = ku__text_after(line, "Swap:")) != NULL) {
        footprint->swap += ku__text_value(at) << 10;
    }
}

/* False with errno set. */
static bool read_rollup(ku_process *process, ku_process_footprint *footprint) {
    char text[4096]; /* about 800 bytes, of at most 25 lines */
    int descriptor = ku__process_file_open(process, "smaps_rollup");
    if (descriptor < 0) return false;
    ssize_t got = ku__proc_read(descriptor, text, sizeof text);
    int why = got == 0 ? ESRCH : errno;
    ku__proc_close(descriptor);
    errno = why;
    if (got <= 0) return false;
    for (const char *line = text; line != NULL; line = ku__text_next_line(line)) add_line(footprint, line);
    return true;
}

static bool add_map(const ku_process_map *map, void *argument) {
    ku_process_footprint *footprint = argument;
    footprint->uss += map->private_clean + map->private_dirty;
    footprint->pss += map->pss;
    footprint->swap += map->swap;
    return true;
}

ku_code ku_process_footprint_read(ku_process *process, ku_process_footprint *footprint, ku_error *error) {
    *footprint = (ku_process_footprint){0};
    if (read_rollup(process, footprint)) return KU_OK;
    if (errno != ENOENT && errno != ESRCH) return ku__process_failed(process, errno, "memory maps", error);
    *footprint = (ku_process_footprint){0};
    ku_code code = ku_process_maps_walk(process, add_map, footprint, error);
    return code == KU_ZOMBIE ? KU_OK : code; /* nothing is left of it: that is an answer */
}
