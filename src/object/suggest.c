/* suggest.c: the error for an attribute that is not there, with the nearest name that is.
 *
 * Near is measured as CPython does (Python/suggestions.c of 3.14): the cost of turning one name into the other, where
 * adding, dropping or exchanging a letter costs 2 and changing its case 1, may be a third of the letters of both names,
 * plus three. Names over 40 bytes are not looked at, and no more than 750 of them, so that an error stays cheap; the
 * dynamic programme is Wagner and Fischer's, "The String-to-String Correction Problem", JACM 1974, row by row.
 */
#include "object/suggest.h"

#include "object/attributes.h"

#include <ctype.h>
#include <kucha/container.h>
#include <kucha/text.h>
#include <stdlib.h>
#include <string.h>

enum { NAME_MOST = 40, CANDIDATES_MOST = 750, MOVE_COST = 2, CASE_COST = 1 };

static unsigned exchange_cost(char a, char b) {
    if (a == b) {
        return 0;
    }
    return tolower((unsigned char)a) == tolower((unsigned char)b) ? CASE_COST : MOVE_COST;
}

static unsigned least(unsigned a, unsigned b) {
    return a < b ? a : b;
}

/* The cost of turning a into b; both at most NAME_MOST bytes. */
static unsigned distance(const char *a, size_t a_length, const char *b, size_t b_length) {
    unsigned row[NAME_MOST + 1];
    for (size_t j = 0; j <= b_length; j++) {
        row[j] = (unsigned)j * MOVE_COST;
    }
    for (size_t i = 1; i <= a_length; i++) {
        unsigned diagonal = row[0];
        row[0] = (unsigned)i * MOVE_COST;
        for (size_t j = 1; j <= b_length; j++) {
            unsigned exchanged = diagonal + exchange_cost(a[i - 1], b[j - 1]);
            diagonal = row[j];
            row[j] = least(exchanged, least(row[j], row[j - 1]) + MOVE_COST);
        }
    }
    return row[b_length];
}

typedef struct search {
    const char *name;
    size_t length;
    ku_object *best; /* borrowed */
    unsigned best_distance;
    size_t candidates;
} search;

/* Of names that are equally near the one of most equal length, then the first by alphabet: the order in which they are
 * met follows addresses. */
static bool is_nearer(const search *for_name, const ku_object *candidate, unsigned cost) {
    if (cost != for_name->best_distance || for_name->best == NULL) {
        return cost < for_name->best_distance;
    }
    long wanted = (long)for_name->length;
    long mine = labs((long)ku_str_size(candidate) - wanted), best = labs((long)ku_str_size(for_name->best) - wanted);
    return mine < best || (mine == best && strcmp(ku_str_text(candidate), ku_str_text(for_name->best)) < 0);
}

static void consider(search *for_name, ku_object *candidate) {
    if (!ku_is_str(candidate) || for_name->candidates++ >= CANDIDATES_MOST) {
        return;
    }
    size_t length = ku_str_size(candidate);
    const char *text = ku_str_text(candidate);
    bool is_same = length == for_name->length && memcmp(text, for_name->name, length) == 0; /* a slot that is empty */
    if (length > NAME_MOST || is_same) {
        return;
    }
    unsigned cost = distance(for_name->name, for_name->length, text, length);
    unsigned most = (unsigned)(for_name->length + length + 3) * MOVE_COST / 6;
    if (cost <= most && is_nearer(for_name, candidate, cost)) {
        for_name->best = candidate;
        for_name->best_distance = cost;
    }
}

static void consider_dict(search *for_name, const ku_object *dict) {
    size_t position = 0;
    ku_object *key;
    while (dict != NULL && ku_dict_next(dict, &position, &key, NULL)) {
        consider(for_name, key);
    }
}

static void consider_lookup(search *for_name, const ku__lookup *lookup) {
    for (uint32_t i = 0; i <= lookup->mask; i++) {
        if (lookup->entries[i].name != NULL) {
            consider(for_name, lookup->entries[i].name);
        }
    }
}

/* The names that an instance has, or could be given. */
static void consider_instance(ku_isolate *isolate, search *for_name, const ku_object *object) {
    ku__class *class = ku__class_find(isolate, object);
    ku__lookup *lookup = class != NULL ? ku__lookup_of(isolate, class) : NULL;
    const ku__type_map *map = ku__map_of(object);
    if (lookup != NULL) {
        consider_lookup(for_name, lookup);
    }
    if ((map->flags & KU__MAP_DICT) != 0 && (*ku__dict_word(object, map) & 1) != 0) {
        consider_dict(for_name, (const ku_object *)(*ku__dict_word(object, map) - 1));
    }
}

/* The names of a type: attributes of all in its order. */
static void consider_type(ku_isolate *isolate, search *for_name, const ku_type *type) {
    for (uint32_t i = 0; i < type->order_count; i++) {
        const ku__class *class = ku__class_of_type(isolate, type->order[i]);
        consider_dict(for_name, class != NULL ? class->attributes : NULL);
    }
}

static ku_object *nearest(ku_isolate *isolate, ku_object *object, ku_object *name) {
    search for_name = {.name = ku_str_text(name), .length = ku_str_size(name), .best_distance = UINT32_MAX};
    if (for_name.length > NAME_MOST) {
        return NULL;
    }
    const ku_type *type = ku_type_from(object);
    if (type != NULL) {
        consider_type(isolate, &for_name, type);
    } else {
        consider_instance(isolate, &for_name, object);
    }
    ku_clear_error(isolate); /* without memory there is no suggestion */
    return for_name.best;
}

bool ku__fail_no_attribute(ku_isolate *isolate, ku_object *object, ku_object *name) {
    const ku_type *type = ku_type_from(object);
    const char *of = type != NULL ? type->own.name : ku__type_of(object)->own.name;
    ku_object *near = nearest(isolate, object, name);
    return ku_fail(isolate, KU_ATTRIBUTE, "%s'%s'%s has no attribute '%s'%s%s%s", type != NULL ? "type object " : "",
                   of, type != NULL ? "" : " object", ku_str_text(name), near != NULL ? ". Did you mean: '" : "",
                   near != NULL ? ku_str_text(near) : "", near != NULL ? "'?" : "");
}
