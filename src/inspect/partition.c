/* partition.c: what the objects of a set have in common; see kucha/partition.h.
 *
 * Every object of the set gets a list of tokens; equal lists are one row. For most keys the list is one token that is
 * computed from the node. For those that ask about holders one pass over the edges of all holders counts the tokens of
 * each member, a second one puts them down, and each list is sorted and freed of doubles: so an object with a million
 * holders costs no more than those holders do. Rows are found by a hash of their tokens.
 */
#include "inspect/index.h"
#include "inspect/links.h"
#include "inspect/objects.h"

#include <stdlib.h>
#include <string.h>

enum { FIRST_ROWS = 64, HASH_SLOTS = 1024 };

/* Tokens of names: kind << 40 | what it is called by << 32 | the text or the number. */
enum { NAME_KIND_SHIFT = 40, NAME_HAS_TEXT_SHIFT = 32 };

typedef struct work {
    const ku_objects *objects;
    const ku_selection *of;
    ku_partition_key key;
    /* of keys that ask about holders: where the tokens of each node begin, and are written next; NULL for others */
    uint64_t *first, *next, *lists;
    /* what has been found */
    ku_partition *made;
    size_t row_room, token_count, token_room;
    ku__by_hash index;
} work;

/* ---- tokens of a node by itself ---- */

static uint64_t kind_of(const ku_objects *objects, uint32_t node) {
    const ku_graph *graph = objects->graph;
    uint32_t type = ku__graph_type(graph, node), owner = objects->owner[node];
    if (type != objects->dict_type) return type;
    return KU_PARTITION_OWNED + (owner == 0 ? graph->types : ku__graph_type(graph, owner));
}

static uint64_t line_of(const ku_graph *graph, uint32_t node) {
    ku_graph_frame frame;
    uint32_t site = ku__graph_site(graph, node);
    if (site == 0 || ku_graph_site_read(graph, site, &frame, 1) == 0) return KU_PARTITION_NOWHERE;
    return (uint64_t)frame.file << 32 | (uint32_t)frame.line;
}

static uint64_t token_of(const ku_objects *objects, ku_partition_key key, uint32_t node) {
    switch (key) {
    case KU_PARTITION_TYPE: return ku__graph_type(objects->graph, node);
    case KU_PARTITION_SIZE: return ku_objects_size(objects, node);
    case KU_PARTITION_SITE: return ku__graph_site(objects->graph, node);
    case KU_PARTITION_LINE: return line_of(objects->graph, node);
    default: return kind_of(objects, node);
    }
}

/* ---- tokens of its holders ---- */

static uint64_t token_of_name(ku_edge_name name) {
    bool text = name.text != KU_GRAPH_NONE;
    return (uint64_t)name.kind << NAME_KIND_SHIFT | (uint64_t)text << NAME_HAS_TEXT_SHIFT |
           (text ? name.text : (uint32_t)name.number);
}

ku_edge_name ku_partition_name(uint64_t token) {
    bool text = (token >> NAME_HAS_TEXT_SHIFT & 1) != 0;
    return (ku_edge_name){.kind = (uint32_t)(token >> NAME_KIND_SHIFT),
                          .text = text ? (uint32_t)token : KU_GRAPH_NONE,
                          .number = text ? 0 : (uint32_t)token};
}

/* Counts the tokens of members, or puts them down once there is room. */
static void meet_held(work *w, uint32_t holder) {
    uint32_t count;
    const uint32_t *targets = ku__graph_targets(w->objects->graph, holder, &count);
    uint64_t kind = w->lists != NULL && w->key == KU_PARTITION_HOLDERS ? kind_of(w->objects, holder) : 0;
    for (uint32_t i = 0; i < count; i++) {
        if (!ku__selected(w->of, targets[i])) continue;
        if (w->lists == NULL) {
            w->first[targets[i] + 1]++;
        } else {
            w->lists[w->next[targets[i]]++] =
                w->key == KU_PARTITION_HOLDERS ? kind : token_of_name(ku_graph_edge_name(w->objects->graph, holder, i));
        }
    }
}

static void meet_all_held(work *w) {
    for (uint32_t v = 0; v < w->objects->graph->nodes; v++) {
        if (ku__is_holder(w->objects, v)) meet_held(w, v);
    }
}

static bool asks_holders(ku_partition_key key) {
    return key == KU_PARTITION_HOLDERS || key == KU_PARTITION_NAMES;
}

static bool list_tokens(work *w) {
    size_t nodes = w->objects->graph->nodes;
    w->first = ku__array_map(nodes + 1, sizeof *w->first);
    w->next = ku__array_map(nodes + 1, sizeof *w->next);
    if (w->first == NULL || w->next == NULL) return false;
    meet_all_held(w);
    for (size_t v = 0; v < nodes; v++) w->first[v + 1] += w->first[v];
    memcpy(w->next, w->first, (nodes + 1) * sizeof *w->next);
    w->lists = ku__array_map(w->first[nodes], sizeof *w->lists);
    if (w->lists != NULL) meet_all_held(w);
    return w->lists != NULL;
}

static void free_tokens(work *w) {
    size_t nodes = w->objects->graph->nodes;
    if (w->lists != NULL) ku__array_unmap(w->lists, w->first[nodes], sizeof *w->lists);
    ku__array_unmap(w->first, nodes + 1, sizeof *w->first);
    ku__array_unmap(w->next, nodes + 1, sizeof *w->next);
}

static int compare_tokens(const void *left, const void *right) {
    uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;
    return (a > b) - (a < b);
}

/* The tokens of a member, ascending, each once; `one` is room for a key's that has always one. */
static const uint64_t *tokens_of(const work *w, uint32_t node, uint64_t *one, size_t *count) {
    if (!asks_holders(w->key)) {
        *one = token_of(w->objects, w->key, node);
        *count = 1;
        return one;
    }
    uint64_t *list = w->lists + w->first[node];
    size_t given = (size_t)(w->first[node + 1] - w->first[node]), kept = 0;
    if (given > 1) qsort(list, given, sizeof *list, compare_tokens);
    for (size_t i = 0; i < given; i++) {
        if (kept == 0 || list[kept - 1] != list[i]) list[kept++] = list[i];
    }
    *count = kept;
    return list;
}

/* ---- rows ---- */

/* Sebastiano Vigna's SplitMix64, over the tokens. */
static uint64_t hash_of(const uint64_t *tokens, size_t count) {
    uint64_t hash = count;
    for (size_t i = 0; i < count; i++) {
        hash = (hash ^ tokens[i]) + 0x9e3779b97f4a7c15u;
        hash = (hash ^ hash >> 30) * 0xbf58476d1ce4e5b9u;
        hash = (hash ^ hash >> 27) * 0x94d049bb133111ebu;
        hash ^= hash >> 31;
    }
    return hash;
}

static bool has_tokens(const ku_partition *made, const ku_partition_row *row, const uint64_t *tokens, size_t count) {
    return row->tokens == count &&
           (count == 0 || memcmp(made->tokens + row->first_token, tokens, count * sizeof *tokens) == 0);
}

/* Room for one more row, and for that many tokens. */
static bool make_room(work *w, size_t tokens) {
    if (w->made->count == w->row_room) {
        size_t room = w->row_room * 2 + FIRST_ROWS;
        ku_partition_row *rows = realloc(w->made->rows, room * sizeof *rows);
        if (rows == NULL) return false;
        w->made->rows = rows;
        w->row_room = room;
    }
    if (w->token_count + tokens > w->token_room) {
        size_t room = (w->token_count + tokens) * 2 + FIRST_ROWS;
        uint64_t *grown = realloc(w->made->tokens, room * sizeof *grown);
        if (grown == NULL) return false;
        w->made->tokens = grown;
        w->token_room = room;
    }
    return true;
}

static ku_partition_row *row_of(work *w, const uint64_t *tokens, size_t count, uint32_t node) {
    uint64_t hash = hash_of(tokens, count), at = (uint32_t)hash;
    for (uint32_t number; (number = ku__by_hash_next(&w->index, hash, &at)) != 0;) {
        if (has_tokens(w->made, &w->made->rows[number - 1], tokens, count)) return &w->made->rows[number - 1];
    }
    if (!make_room(w, count)) return NULL;
    ku_partition_row *row = &w->made->rows[w->made->count++];
    *row = (ku_partition_row){.first_token = w->token_count, .tokens = (uint32_t)count, .example = node};
    if (count > 0) memcpy(w->made->tokens + w->token_count, tokens, count * sizeof *tokens);
    w->token_count += count;
    return ku__by_hash_add(&w->index, hash, (uint32_t)w->made->count) ? row : NULL;
}

static bool count_members(work *w) {
    for (uint32_t v = 0; (v = ku_selection_next(w->of, v)) != KU_GRAPH_NONE; v++) {
        uint64_t one;
        size_t count;
        const uint64_t *tokens = tokens_of(w, v, &one, &count);
        ku_partition_row *row = row_of(w, tokens, count, v);
        if (row == NULL) return false;
        row->count++;
        row->bytes += ku_objects_size(w->objects, v);
    }
    return true;
}

static int compare_rows(const void *left, const void *right) {
    const ku_partition_row *a = left, *b = right;
    if (a->bytes != b->bytes) return a->bytes < b->bytes ? 1 : -1;
    return (a->example > b->example) - (a->example < b->example);
}

/* ---- the whole ---- */

static bool is_asked_right(const ku_objects *objects, const ku_selection *selection, ku_partition_key key,
                           ku_error *error) {
    if (key >= KU_PARTITION_KEYS) return ku__inspect_fail(error, KU_INVALID, "there is no such key of partitions");
    return ku__selection_fits(objects->graph, selection, error);
}

ku_partition *ku_partition_new(const ku_objects *objects, const ku_selection *selection, ku_partition_key key,
                               ku_error *error) {
    if (!is_asked_right(objects, selection, key, error)) return NULL;
    work w = {.objects = objects, .of = selection, .key = key, .made = calloc(1, sizeof *w.made)};
    bool done = w.made != NULL && ku__by_hash_open(&w.index, HASH_SLOTS) && (!asks_holders(key) || list_tokens(&w)) &&
                count_members(&w);
    free_tokens(&w);
    ku__by_hash_close(&w.index);
    if (!done) {
        ku_partition_delete(w.made);
        ku__inspect_no_memory(error);
        return NULL;
    }
    if (w.made->count > 1) qsort(w.made->rows, w.made->count, sizeof *w.made->rows, compare_rows);
    return w.made;
}

void ku_partition_delete(ku_partition *partition) {
    if (partition == NULL) return;
    free(partition->rows);
    free(partition->tokens);
    free(partition);
}

static void add_members_with(work *w, const uint64_t *tokens, size_t wanted, ku_selection *found) {
    for (uint32_t v = 0; (v = ku_selection_next(w->of, v)) != KU_GRAPH_NONE; v++) {
        uint64_t one;
        size_t count;
        const uint64_t *own = tokens_of(w, v, &one, &count);
        if (count == wanted && (count == 0 || memcmp(own, tokens, count * sizeof *own) == 0))
            ku_selection_add(found, v);
    }
}

ku_selection *ku_partition_select(const ku_objects *objects, const ku_selection *selection, ku_partition_key key,
                                  const uint64_t *tokens, size_t count, ku_error *error) {
    if (!is_asked_right(objects, selection, key, error)) return NULL;
    work w = {.objects = objects, .of = selection, .key = key};
    ku_selection *found = ku_selection_new(objects->graph->nodes, false, error);
    bool done = found != NULL && (!asks_holders(key) || list_tokens(&w));
    if (done) add_members_with(&w, tokens, count, found);
    free_tokens(&w);
    if (done) return found;
    ku_selection_delete(found);
    ku__inspect_no_memory(error);
    return NULL;
}
