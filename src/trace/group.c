/* group.c: statistics over sites; see kucha/group.h.
 *
 * First every frame gets the number of its group (a hash table over file and line, filled once for each distinct
 * frame), then every site adds its counts to the group of its innermost frame: an array access a site. Cumulative, it
 * walks its path and adds itself once to each group that it meets; a mark per group remembers the last site that was
 * added. For stacks, nodes are made canonical from the outside in: (canonical parent, group of the frame) is hashed to
 * the canonical node.
 */
#include <kucha/group.h>

#include "columns.h"
#include "os/pages.h"
#include "tables.h"

#include <stdlib.h>
#include <string.h>

typedef struct grouping {
    const ku_capture *capture;
    ku_group_key key;
    ku__index index;       /* hash of a key to a group, or to a canonical node */
    uint32_t *frame_group; /* frames */
    uint32_t *node_group;  /* nodes; KU_GROUP_STACK only */
    uint32_t *first;       /* the frame or node that stands for a group */
    uint32_t *mark;        /* the last site added to a group */
    ku_group_row *rows;    /* row 0 stands for sites without frames */
    size_t capacity;       /* rows */
    size_t scratch_bytes;
    void *scratch;
} grouping;

typedef struct owned_groups { /* what ku_groups_free() must know, in front of the rows */
    ku_groups groups;
    size_t mapped;
} owned_groups;

static uint32_t *cut_words(uint8_t *base, size_t *used, size_t count) {
    uint32_t *array = base == NULL ? NULL : (uint32_t *)(base + *used);
    *used += (count * sizeof(uint32_t) + 15) & ~(size_t)15;
    return array;
}

static size_t lay_out(grouping *work, uint8_t *base) {
    const ku__column_sizes *sizes = &work->capture->sizes;
    size_t used = 0;
    work->frame_group = cut_words(base, &used, sizes->frames);
    work->node_group = cut_words(base, &used, work->key == KU_GROUP_STACK ? sizes->nodes : 0);
    work->first = cut_words(base, &used, work->capacity);
    work->mark = cut_words(base, &used, work->capacity);
    return used;
}

/* A power of two of slots, at least twice what will be put in, so that the index never has to grow. */
static uint64_t slots_for(size_t entries) {
    uint64_t slots = 64;
    while (slots < entries * 2 + 2) slots *= 2;
    return slots;
}

static bool prepare(grouping *work) {
    const ku__column_sizes *sizes = &work->capture->sizes;
    size_t keys = work->key == KU_GROUP_STACK ? sizes->nodes + sizes->frames : sizes->frames;
    work->capacity = (work->key == KU_GROUP_STACK ? sizes->nodes : sizes->frames) + 1;
    if (work->capacity < sizes->frames) work->capacity = sizes->frames;
    work->scratch_bytes = lay_out(work, NULL);
    work->scratch = ku__metadata_map(NULL, work->scratch_bytes);
    if (work->scratch == NULL) return false;
    lay_out(work, work->scratch);
    return ku__index_init(NULL, &work->index, slots_for(keys));
}

static void finish(grouping *work) {
    if (work->index.slots != NULL) ku__index_release(NULL, &work->index);
    ku__metadata_unmap(NULL, work->scratch, work->scratch_bytes);
}

/* ---- groups of frames ---- */

static int32_t key_line(const grouping *work, uint32_t frame) {
    return work->key == KU_GROUP_FILE ? 0 : work->capture->frames[frame].line;
}

static uint32_t key_file(const grouping *work, uint32_t frame) {
    return work->capture->code_files[work->capture->frames[frame].code];
}

/* A frame that is known for the same file and line stands for its group: the group's number is the frame's. */
static uint32_t frame_group(grouping *work, uint32_t frame) {
    uint64_t hash = ku__hash_words(key_file(work, frame), (uint32_t)key_line(work, frame));
    uint64_t position = hash & 0xFFFFFFFFu;
    for (uint32_t found; (found = ku__index_next(&work->index, hash, &position)) != 0;)
        if (key_file(work, found) == key_file(work, frame) && key_line(work, found) == key_line(work, frame))
            return found;
    ku__index_insert(&work->index, hash, frame);
    return frame;
}

static void group_frames(grouping *work) {
    for (uint32_t frame = 1; frame < work->capture->sizes.frames; frame++) {
        work->frame_group[frame] = frame_group(work, frame);
        work->first[frame] = frame;
    }
}

/* ---- groups of stacks ---- */

/* Parents have lower numbers, so they are canonical already. A node and a frame may have one number; they live in
 * different indexes one after the other. */
static void group_nodes(grouping *work) {
    const ku_capture *capture = work->capture;
    memset(work->index.slots, 0, (work->index.mask + 1) * sizeof(uint64_t));
    for (uint32_t node = 1; node < capture->sizes.nodes; node++) {
        uint32_t parent = work->node_group[capture->nodes[node].parent];
        uint32_t frame = work->frame_group[capture->nodes[node].frame];
        uint64_t hash = ku__hash_words(parent, frame);
        uint64_t position = hash & 0xFFFFFFFFu;
        uint32_t found;
        while ((found = ku__index_next(&work->index, hash, &position)) != 0)
            if (work->node_group[capture->nodes[found].parent] == parent &&
                work->frame_group[capture->nodes[found].frame] == frame)
                break;
        work->node_group[node] = found != 0 ? found : node;
        if (found == 0) ku__index_insert(&work->index, hash, node);
        work->first[node] = capture->nodes[node].frame;
    }
}

/* ---- adding ---- */

static void add_counts(ku_capture_counts *sum, const ku_capture_counts *counts) {
    sum->live_bytes += counts->live_bytes;
    sum->live_blocks += counts->live_blocks;
    sum->peak_bytes += counts->peak_bytes;
    sum->peak_blocks += counts->peak_blocks;
    sum->total_bytes += counts->total_bytes;
    sum->total_blocks += counts->total_blocks;
    sum->temporary_blocks += counts->temporary_blocks;
}

static void add_site(grouping *work, uint32_t group, uint32_t site) {
    if (group != 0 && work->mark[group] == site) return;
    work->mark[group] = site;
    add_counts(&work->rows[group].counts, &work->capture->counts[site]);
    if (work->rows[group].site == 0) work->rows[group].site = site;
}

static void add_sites(grouping *work, bool cumulative) {
    const ku_capture *capture = work->capture;
    for (uint32_t site = 1; site < capture->sizes.sites; site++) {
        if (capture->counts[site].total_blocks == 0) continue;
        uint32_t node = capture->sites[site];
        if (work->key == KU_GROUP_STACK) {
            add_site(work, work->node_group[node], site);
            continue;
        }
        do {
            add_site(work, work->frame_group[capture->nodes[node].frame], site);
            node = capture->nodes[node].parent;
        } while (cumulative && node != 0);
    }
}

/* ---- rows ---- */

static int compare_rows(const void *a, const void *b) {
    const ku_group_row *first = a, *second = b;
    if (first->counts.live_bytes != second->counts.live_bytes)
        return first->counts.live_bytes < second->counts.live_bytes ? 1 : -1;
    size_t common = first->filename.size < second->filename.size ? first->filename.size : second->filename.size;
    int order = memcmp(first->filename.bytes, second->filename.bytes, common);
    if (order != 0) return order;
    if (first->filename.size != second->filename.size) return first->filename.size < second->filename.size ? -1 : 1;
    if (first->line != second->line) return first->line < second->line ? -1 : 1;
    return (first->site > second->site) - (first->site < second->site);
}

/* Drops what stayed empty, names the rest, sorts. */
static size_t finish_rows(grouping *work) {
    size_t count = 0;
    for (size_t group = 0; group < work->capacity; group++) {
        if (work->rows[group].site == 0) continue;
        uint32_t frame = work->first[group];
        ku_group_row *row = &work->rows[count++];
        *row = work->rows[group];
        row->filename = work->capture->codes[work->capture->frames[frame].code].filename;
        row->line = key_line(work, frame);
    }
    qsort(work->rows, count, sizeof *work->rows, compare_rows);
    return count;
}

static owned_groups *make_groups(grouping *work, bool cumulative) {
    size_t bytes = sizeof(owned_groups) + work->capacity * sizeof(ku_group_row);
    owned_groups *owned = ku__metadata_map(NULL, bytes);
    if (owned == NULL) return NULL;
    owned->mapped = bytes;
    owned->groups.rows = work->rows = (ku_group_row *)(owned + 1);
    group_frames(work);
    if (work->key == KU_GROUP_STACK) group_nodes(work);
    add_sites(work, cumulative);
    owned->groups.count = finish_rows(work);
    return owned;
}

ku_groups *ku_capture_group(const ku_capture *capture, ku_group_key key, bool cumulative, ku_error *error) {
    if ((unsigned)key > KU_GROUP_STACK || (cumulative && key == KU_GROUP_STACK)) {
        ku__error_format(error, KU_INVALID, 0,
                         "grouping is by line, by file, or by stack; stacks are never cumulative");
        return NULL;
    }
    grouping work = {.capture = capture, .key = key};
    owned_groups *owned = prepare(&work) ? make_groups(&work, cumulative) : NULL;
    finish(&work);
    if (owned == NULL) ku__error_format(error, KU_NO_MEMORY, 0, "no memory to group %zu sites", capture->sizes.sites);
    return owned == NULL ? NULL : &owned->groups;
}

void ku_groups_free(ku_groups *groups) {
    if (groups != NULL) ku__pages_unmap(groups, ((owned_groups *)groups)->mapped);
}
