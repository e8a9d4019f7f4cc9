/* comparison.c: changes between two captures, and filters; see kucha/comparison.h.
 *
 * Both captures are grouped, each row gets a hash of what its key says, and the rows of the older one go into a table
 * by that hash; each row of the newer one finds its partner there, and what nobody found has gone.
 */
#include <assert.h>
#include <kucha/comparison.h>

#include "columns.h"
#include "os/pages.h"
#include "tables.h"

#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

typedef struct owned_changes { /* what ku_changes_free() must know, in front of the rows */
    ku_changes changes;
    size_t mapped;
} owned_changes;

/* One side: a capture and its groups. */
typedef struct side {
    const ku_capture *capture;
    ku_groups *groups;
} side;

/* ---- keys ---- */

static uint64_t hash_text(const ku_text *text) {
    uint64_t hash = text->size;
    for (size_t i = 0; i < text->size; i++) {
        hash = (hash ^ (unsigned char)text->bytes[i]) * 0x100000001B3u; /* FNV-1a's prime */
    }
    return hash;
}

static uint64_t hash_row(const side *of, const ku_group_row *row, ku_group_key key) {
    if (key != KU_GROUP_STACK) {
        return ku__hash_words(hash_text(&row->filename), (uint32_t)row->line);
    }
    uint64_t hash = 0;
    for (uint32_t node = of->capture->sites[row->site]; node != 0; node = of->capture->nodes[node].parent) {
        const ku_capture_frame *frame = &of->capture->frames[of->capture->nodes[node].frame];
        hash = ku__hash_words(hash ^ hash_text(&of->capture->codes[frame->code].filename), (uint32_t)frame->line);
    }
    return hash;
}

static bool equal_texts(const ku_text *first, const ku_text *second) {
    return first->size == second->size && memcmp(first->bytes, second->bytes, first->size) == 0;
}

static bool equal_stacks(const side *first, uint32_t first_site, const side *second, uint32_t second_site) {
    const ku_capture *a = first->capture, *b = second->capture;
    uint32_t i = a->sites[first_site], j = b->sites[second_site];
    for (; i != 0 && j != 0; i = a->nodes[i].parent, j = b->nodes[j].parent) {
        const ku_capture_frame *one = &a->frames[a->nodes[i].frame], *other = &b->frames[b->nodes[j].frame];
        if (one->line != other->line || !equal_texts(&a->codes[one->code].filename, &b->codes[other->code].filename)) {
            return false;
        }
    }
    return i == j;
}

static bool equal_rows(const side *first, const ku_group_row *one, const side *second, const ku_group_row *other,
                       ku_group_key key) {
    if (key == KU_GROUP_STACK) {
        return equal_stacks(first, one->site, second, other->site);
    }
    return one->line == other->line && equal_texts(&one->filename, &other->filename);
}

/* ---- rows ---- */

static ku_change change_of(const ku_group_row *newer, const ku_group_row *older) {
    const ku_group_row *named = newer != NULL ? newer : older;
    assert(named != NULL);
    ku_change change = {.filename = named->filename, .line = named->line};
    if (newer != NULL) {
        change.newer_site = newer->site;
        change.live_bytes = newer->counts.live_bytes;
        change.live_blocks = newer->counts.live_blocks;
    }
    change.more_bytes = (int64_t)change.live_bytes;
    change.more_blocks = (int64_t)change.live_blocks;
    if (older != NULL) {
        change.older_site = older->site;
        change.more_bytes -= (int64_t)older->counts.live_bytes;
        change.more_blocks -= (int64_t)older->counts.live_blocks;
    }
    return change;
}

static bool says_something(const ku_change *change) {
    return change->live_blocks != 0 || change->more_blocks != 0 || change->more_bytes != 0;
}

/* The row of the older side with the same key, by its number from 1; 0: none. */
static uint32_t partner(const side *newer, const ku_group_row *row, const side *older, const ku__index *index,
                        ku_group_key key) {
    uint64_t hash = hash_row(newer, row, key), position = hash & 0xFFFFFFFFu;
    uint32_t found;
    while ((found = ku__index_next(index, hash, &position)) != 0) {
        if (equal_rows(newer, row, older, &older->groups->rows[found - 1], key)) {
            break;
        }
    }
    return found;
}

static void add_change(ku_changes *changes, ku_change change) {
    if (says_something(&change)) {
        changes->rows[changes->count++] = change;
    }
}

static void pair_rows(const side *newer, const side *older, const ku__index *index, bool *taken, ku_group_key key,
                      ku_changes *changes) {
    for (size_t i = 0; i < newer->groups->count; i++) {
        const ku_group_row *row = &newer->groups->rows[i];
        uint32_t found = partner(newer, row, older, index, key);
        const ku_group_row *before = found != 0 ? &older->groups->rows[found - 1] : NULL;
        taken[found] = true;
        add_change(changes, change_of(row, before));
    }
    for (size_t i = 0; i < older->groups->count; i++) {
        if (!taken[i + 1]) {
            add_change(changes, change_of(NULL, &older->groups->rows[i]));
        }
    }
}

static int64_t size_of(int64_t change) {
    return change < 0 ? -change : change;
}

static int order(const void *a, const void *b) {
    const ku_change *first = a, *second = b;
    int64_t one = size_of(first->more_bytes), other = size_of(second->more_bytes);
    if (one != other) {
        return one < other ? 1 : -1;
    }
    if (first->live_bytes != second->live_bytes) {
        return first->live_bytes < second->live_bytes ? 1 : -1;
    }
    size_t common = first->filename.size < second->filename.size ? first->filename.size : second->filename.size;
    int texts = memcmp(first->filename.bytes, second->filename.bytes, common);
    if (texts != 0) {
        return texts;
    }
    return (first->line > second->line) - (first->line < second->line);
}

static bool index_rows(const side *of, ku_group_key key, ku__index *index) {
    uint64_t slots = 64;
    while (slots < of->groups->count * 2 + 2) {
        slots *= 2;
    }
    if (!ku__index_init(NULL, index, slots)) {
        return false;
    }
    for (size_t i = 0; i < of->groups->count; i++) {
        ku__index_insert(index, hash_row(of, &of->groups->rows[i], key), (uint32_t)i + 1);
    }
    return true;
}

static owned_changes *new_changes(size_t rows) {
    size_t bytes = sizeof(owned_changes) + rows * sizeof(ku_change);
    owned_changes *owned = ku__metadata_map(NULL, bytes);
    if (owned != NULL) {
        owned->mapped = bytes;
        owned->changes.rows = (ku_change *)(owned + 1);
    }
    return owned;
}

static owned_changes *compare(const side *newer, const side *older, ku_group_key key) {
    ku__index index = {0};
    bool *taken = calloc(older->groups->count + 1, sizeof *taken);
    owned_changes *owned = new_changes(newer->groups->count + older->groups->count);
    if (owned != NULL && taken != NULL && index_rows(older, key, &index)) {
        pair_rows(newer, older, &index, taken, key, &owned->changes);
        qsort(owned->changes.rows, owned->changes.count, sizeof(ku_change), order);
        ku__index_release(NULL, &index);
    } else {
        ku_changes_free(owned != NULL ? &owned->changes : NULL);
        owned = NULL;
    }
    free(taken);
    return owned;
}

ku_changes *ku_capture_compare(const ku_capture *newer, const ku_capture *older, ku_group_key key, bool cumulative,
                               ku_error *error) {
    side sides[] = {{.capture = newer}, {.capture = older}};
    owned_changes *owned = NULL;
    sides[0].groups = ku_capture_group(newer, key, cumulative, error);
    sides[1].groups = sides[0].groups != NULL ? ku_capture_group(older, key, cumulative, error) : NULL;
    if (sides[1].groups != NULL) {
        owned = compare(&sides[0], &sides[1], key);
        if (owned == NULL) {
            ku__error_format(error, KU_NO_MEMORY, 0, "no memory to compare two captures");
        }
    }
    ku_groups_free(sides[0].groups);
    ku_groups_free(sides[1].groups);
    return owned != NULL ? &owned->changes : NULL;
}

void ku_changes_free(ku_changes *changes) {
    if (changes != NULL) {
        ku__pages_unmap(changes, ((owned_changes *)changes)->mapped);
    }
}

/* ---- filters ---- */

static bool fits(const char *pattern, const ku_text *text) {
    return pattern == NULL || fnmatch(pattern, text->bytes, 0) == 0;
}

static bool matches_frame(const ku_capture *capture, uint32_t node, const ku_capture_filter_rule *rule) {
    const ku_capture_frame *frame = &capture->frames[capture->nodes[node].frame];
    const ku_capture_code *code = &capture->codes[frame->code];
    return (rule->line == 0 || rule->line == frame->line) && fits(rule->filename, &code->filename) &&
           fits(rule->function, &code->qualname);
}

static bool matches(const ku_capture *capture, uint32_t site, const ku_capture_filter_rule *rule) {
    uint32_t node = capture->sites[site];
    do {
        if (node != 0 && matches_frame(capture, node, rule)) {
            return true;
        }
        node = capture->nodes[node].parent;
    } while (rule->all_frames && node != 0);
    return false;
}

static bool keeps(const ku_capture *capture, uint32_t site, const ku_capture_filter_rule *rules, size_t count) {
    bool wanted = false, chosen = false;
    for (size_t i = 0; i < count; i++) {
        bool match = matches(capture, site, &rules[i]);
        if (match && !rules[i].inclusive) {
            return false;
        }
        chosen = chosen || rules[i].inclusive;
        wanted = wanted || match;
    }
    return wanted || !chosen;
}

size_t ku_capture_filter(ku_capture *capture, const ku_capture_filter_rule *rules, size_t count) {
    size_t left = 0;
    for (uint32_t site = 1; site < capture->sizes.sites; site++) {
        if (capture->counts[site].total_blocks == 0) {
            continue;
        }
        if (keeps(capture, site, rules, count)) {
            left++;
        } else {
            capture->counts[site] = (ku_capture_counts){0};
        }
    }
    return left;
}
