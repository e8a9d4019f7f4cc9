/* intern.c: the table of interned strings of an isolate.
 *
 * For each text that is interned there is one str, found by its bytes. The table holds no references: a str that dies
 * takes itself out, so a program that interns for ever different names does not grow (as CPython's mortal interned
 * strings; those of 3.12 that are immortal are here what ku__intern_bytes() is asked for).
 *
 * Open addressing with linear probing, a power of two of places, at most half in use; an entry keeps 32 bits of the
 * hash, so that a search compares text once, when it has found it.
 *
 * Lock: the isolate's.
 */
#include "object/intern.h"

#include "object/types.h"
#include "object/values.h"

#include <string.h>

typedef struct place {
    ku_object *text; /* not counted; NULL: free */
    uint32_t hash;
} place;

struct ku__intern_table {
    place *places;
    size_t capacity, used;
};

bool ku__interns_open(ku_isolate *isolate, ku_error *error) {
    isolate->interned = (ku__intern_table *)ku_heap_calloc(isolate->buffers, 1, sizeof(ku__intern_table));
    return isolate->interned != NULL ||
           ku__error_fill(error, KU_NO_MEMORY, "an isolate could not be made: the system refused memory");
}

void ku__interns_close(ku_isolate *isolate) {
    ku_heap_free(isolate->buffers, isolate->interned->places);
    ku_heap_free(isolate->buffers, isolate->interned);
    isolate->interned = NULL;
}

static bool is_text(const ku_object *text, const char *bytes, size_t length) {
    return ku_str_size(text) == length && memcmp(ku_str_text(text), bytes, length) == 0;
}

/* The place of a text, or the free one where it would go. The table has places, and one is free. */
static place *find(const ku__intern_table *table, const char *bytes, size_t length, uint32_t hash) {
    size_t mask = table->capacity - 1, at = hash & mask;
    while (table->places[at].text != NULL &&
           (table->places[at].hash != hash || !is_text(table->places[at].text, bytes, length))) {
        at = (at + 1) & mask;
    }
    return &table->places[at];
}

/* Twice the places. Nothing is compared: all texts differ. */
static bool grow(ku_isolate *isolate) {
    enum { LEAST = 256 };
    ku__intern_table *table = isolate->interned;
    size_t capacity = table->capacity != 0 ? table->capacity * 2 : LEAST;
    place *places = (place *)ku_buffer_new(isolate, capacity * sizeof *places);
    if (places == NULL) {
        return false;
    }
    memset(places, 0, capacity * sizeof *places);
    for (size_t i = 0; i < table->capacity; i++) {
        size_t at = table->places[i].hash & (capacity - 1);
        while (table->places[i].text != NULL && places[at].text != NULL) {
            at = (at + 1) & (capacity - 1);
        }
        if (table->places[i].text != NULL) {
            places[at] = table->places[i];
        }
    }
    ku_buffer_free(isolate, table->places);
    table->places = places;
    table->capacity = capacity;
    return true;
}

static bool reserve(ku_isolate *isolate) {
    const ku__intern_table *table = isolate->interned;
    return (table->used + 1) * 2 <= table->capacity || grow(isolate);
}

/* Those behind a place that is emptied move up (Knuth, volume 3, algorithm 6.4R). */
static void erase(ku__intern_table *table, place *of) {
    size_t mask = table->capacity - 1, hole = (size_t)(of - table->places);
    for (size_t at = (hole + 1) & mask; table->places[at].text != NULL; at = (at + 1) & mask) {
        size_t home = table->places[at].hash & mask;
        if (((at - home) & mask) >= ((at - hole) & mask)) {
            table->places[hole] = table->places[at];
            hole = at;
        }
    }
    table->places[hole] = (place){NULL, 0};
    table->used--;
}

ku_object *ku__intern_find(const ku_isolate *isolate, const char *bytes, size_t length) {
    const ku__intern_table *table = isolate->interned;
    return table->capacity != 0 ? find(table, bytes, length, (uint32_t)ku__hash_text(bytes, length))->text : NULL;
}

/* Enters a str that is in no table yet. The table has room. */
static void enter(ku__intern_table *table, ku_object *text, uint32_t hash) {
    *find(table, ku_str_text(text), ku_str_size(text), hash) = (place){text, hash};
    table->used++;
    text->kind |= KU__INTERNED;
}

/* NULL stays NULL. */
static ku_object *with_life(ku_isolate *isolate, ku_object *text, bool immortal) {
    if (immortal && text != NULL) {
        ku_make_immortal(isolate, text);
    }
    return text;
}

ku_object *ku__intern_bytes(ku_isolate *isolate, const char *bytes, size_t length, bool immortal) {
    ku_object *known = ku__intern_find(isolate, bytes, length);
    if (known != NULL) {
        ku_incref(known);
        return with_life(isolate, known, immortal);
    }
    ku_object *made = ku__str_raw(isolate, bytes, length);
    return made != NULL ? with_life(isolate, ku_intern(isolate, made), immortal) : NULL;
}

ku_object *ku_intern(ku_isolate *isolate, ku_object *text) {
    if (!ku_is_exactly(text, KU_BUILTIN_STR)) {
        ku_fail(isolate, KU_TYPE, "can't intern %s", ku__type_of(text)->own.name);
        ku_decref(isolate, text);
        return NULL;
    }
    if (ku__is_interned(text)) {
        return text;
    }
    if (!reserve(isolate)) {
        ku_decref(isolate, text);
        return NULL;
    }
    uint32_t hash = (uint32_t)ku__hash_text(ku_str_text(text), ku_str_size(text));
    ku_object *known = find(isolate->interned, ku_str_text(text), ku_str_size(text), hash)->text;
    if (known == NULL) {
        enter(isolate->interned, text, hash);
        return text;
    }
    ku_incref(known);
    ku_decref(isolate, text);
    return known;
}

ku_object *ku_intern_text(ku_isolate *isolate, const char *text) {
    size_t length = strlen(text);
    ku_object *known = ku__intern_find(isolate, text, length);
    if (known != NULL) {
        ku_incref(known);
        return known;
    }
    ku_object *made = ku_str_new(isolate, text, length); /* checks that it is UTF-8 */
    return made != NULL ? ku_intern(isolate, made) : NULL;
}

bool ku_is_interned(const ku_object *text) {
    return ku__is_interned(text);
}

void ku__intern_forget(ku_isolate *isolate, ku_object *text) {
    ku__intern_table *table = isolate->interned;
    const char *bytes = ku_str_text(text);
    place *of = find(table, bytes, ku_str_size(text), (uint32_t)ku__hash_text(bytes, ku_str_size(text)));
    text->kind &= ~(uint32_t)KU__INTERNED;
    if (of->text == text) {
        erase(table, of);
    }
}

size_t ku__intern_count(const ku_isolate *isolate, size_t *bytes) {
    *bytes = isolate->interned->capacity * sizeof(place);
    return isolate->interned->used;
}
