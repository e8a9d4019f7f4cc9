/* cache.c: a bounded cache that forgets what was used least recently. See kucha/cache.h.
 *
 * Keys and values stand in one array of references (the collector knows it), two for each slot; slots that are free
 * have NULL. Beside it, in a buffer, each slot has its hash, the next slot of its chain, and its neighbours in the ring
 * of use; chains begin in a power of two of heads, at least as many as slots. Slot numbers are kept plus one, so that
 * zeroed memory says "none"; number 0 of the ring is its head: `older` of it is the slot used last, `newer` the one
 * used least recently.
 *
 * Invariants: slots in the ring are exactly those with a key, and each is in the chain of its hash; size <= maxsize.
 */
#include "object/values.h"

#include <kucha/cache.h>
#include <stdio.h>
#include <string.h>

typedef struct slot {
    uint64_t hash;
    uint32_t chain;        /* next with the same head */
    uint32_t newer, older; /* in the ring of use */
} slot;

typedef struct ku__cache {
    ku_object header;
    ku_object **items; /* key and value of slot n at 2 n - 2; NULL: empty, whatever the rest says */
    size_t used;       /* references that have been in use: 2 for each slot so far */
    slot *slots;       /* a buffer: slot 0 is the ring's head, then `room` slots, then the heads of chains */
    size_t maxsize;
    uint64_t hits, misses;
    uint32_t size, room, free; /* entries; slots that there is memory for; first slot to be used again, through chain */
    uint32_t changes;          /* as of ku__table */
} ku__cache;

static ku__cache *cache_of(const ku_object *object) {
    return (ku__cache *)(uintptr_t)object;
}

static uint32_t *head_of(const ku__cache *c, uint64_t hash) {
    uint32_t *heads = (uint32_t *)(void *)(c->slots + c->room + 1);
    return &heads[(hash * 0x9E3779B97F4A7C15u >> 32) & (c->room - 1)];
}

ku_object *ku_cache_new(ku_isolate *isolate, size_t maxsize) {
    ku__cache *made = (ku__cache *)ku__object_raw(isolate, KU_BUILTIN_CACHE, sizeof *made);
    if (made == NULL) {
        return NULL;
    }
    memset(&made->items, 0, sizeof *made - offsetof(ku__cache, items));
    made->maxsize = maxsize;
    return &made->header;
}

/* ---- the ring of use ---- */

static void ring_leave(ku__cache *c, uint32_t number) {
    slot *s = &c->slots[number];
    c->slots[s->newer].older = s->older;
    c->slots[s->older].newer = s->newer;
}

static void ring_enter(ku__cache *c, uint32_t number) {
    slot *head = &c->slots[0], *s = &c->slots[number];
    s->newer = 0;
    s->older = head->older; /* the head's older is the one used last */
    c->slots[head->older].newer = number;
    head->older = number;
}

/* ---- slots ---- */

static void settle(ku__cache *c) {
    if (c->items == NULL && c->slots != NULL) { /* the collector has been here */
        c->size = c->free = 0;
        c->used = 0;
        memset(c->slots, 0, (c->room + 1) * sizeof *c->slots + c->room * sizeof(uint32_t));
    }
}

/* Room for one more slot: doubles, and chains anew. */
static bool grow(ku_isolate *isolate, ku__cache *c) {
    uint32_t room = c->room == 0 ? 8 : c->room * 2, changes = c->changes;
    if (c->room >= UINT32_MAX / 4) {
        return ku_fail(isolate, KU_NO_MEMORY, "a cache of more than 2^30 entries");
    }
    size_t bytes = (room + 1) * sizeof(slot) + room * sizeof(uint32_t);
    slot *slots = (slot *)ku_buffer_new(isolate, bytes);
    ku_object **items = slots != NULL ? (ku_object **)ku_buffer_new(isolate, 2 * room * sizeof *items) : NULL;
    if (items == NULL || c->changes != changes) { /* code of the program ran, and changed it: then ask again */
        bool again = items != NULL;
        ku_buffer_free(isolate, slots);
        ku_buffer_free(isolate, items);
        return again && (c->free != 0 || c->used / 2 < c->room || grow(isolate, c));
    }
    memset(slots, 0, bytes);
    if (c->items != NULL) {
        memcpy(slots, c->slots, (c->room + 1) * sizeof *slots);
        memcpy(items, c->items, c->used * sizeof *items);
    }
    slot *old_slots = c->slots;
    ku_object **old_items = c->items;
    c->slots = slots;
    c->items = items;
    c->room = room;
    for (uint32_t i = slots[0].newer; i != 0; i = slots[i].newer) { /* from the least recent on */
        slots[i].chain = *head_of(c, slots[i].hash);
        *head_of(c, slots[i].hash) = i;
    }
    ku_buffer_free(isolate, old_slots);
    ku_buffer_free(isolate, old_items);
    return true;
}

/* Takes a slot's entry out: its references are the caller's. */
static void take(ku__cache *c, uint32_t number, ku_object **key, ku_object **value) {
    uint32_t *link = head_of(c, c->slots[number].hash);
    while (*link != number) {
        link = &c->slots[*link].chain;
    }
    *link = c->slots[number].chain;
    ring_leave(c, number);
    c->slots[number].chain = c->free;
    c->free = number;
    *key = c->items[2 * number - 2];
    *value = c->items[2 * number - 1];
    c->items[2 * number - 2] = c->items[2 * number - 1] = NULL;
    c->size--;
    c->changes++;
}

/* The slot of a key, 0 for none; false with the error pending. Comparing may change the cache: then anew. */
static bool search(ku_isolate *isolate, ku__cache *c, ku_object *key, uint64_t hash, uint32_t *found) {
    *found = 0;
    settle(c);
    for (uint32_t i = c->items != NULL ? *head_of(c, hash) : 0; i != 0; i = c->slots[i].chain) {
        if (c->slots[i].hash != hash) {
            continue;
        }
        ku_object *own = ku_new_reference(c->items[2 * i - 2]);
        uint32_t changes = c->changes;
        int answer = ku__same_or_equal(isolate, own, key);
        ku_decref(isolate, own);
        if (answer < 0) {
            return false;
        }
        if (c->changes != changes || c->items == NULL) {
            return search(isolate, c, key, hash, found);
        }
        if (answer > 0) {
            *found = i;
            return true;
        }
    }
    return true;
}

static bool find(ku_isolate *isolate, ku_object *cache, ku_object *key, uint64_t *hash, uint32_t *found) {
    return ku__expect(isolate, cache, KU_BUILTIN_CACHE) && ku__key_hash(isolate, key, "cache key", hash) &&
           search(isolate, cache_of(cache), key, *hash, found);
}

/* ---- entries ---- */

bool ku_cache_get(ku_isolate *isolate, ku_object *cache, ku_object *key, ku_object **value) {
    uint64_t hash;
    uint32_t found;
    *value = NULL;
    if (!find(isolate, cache, key, &hash, &found)) {
        return false;
    }
    ku__cache *c = cache_of(cache);
    if (found == 0) {
        c->misses++;
        return true;
    }
    c->hits++;
    ring_leave(c, found);
    ring_enter(c, found);
    *value = ku_new_reference(c->items[2 * found - 1]);
    return true;
}

static void add(ku__cache *c, ku_object *key, uint64_t hash, ku_object *value) {
    uint32_t number = c->free;
    if (number != 0) {
        c->free = c->slots[number].chain;
    } else {
        number = (uint32_t)(c->used / 2) + 1;
        c->used += 2;
    }
    c->items[2 * number - 2] = ku_new_reference(key);
    c->items[2 * number - 1] = ku_new_reference(value);
    c->slots[number] = (slot){.hash = hash, .chain = *head_of(c, hash)};
    *head_of(c, hash) = number;
    ring_enter(c, number);
    c->size++;
    c->changes++;
}

/* Forgets what was used least recently, then adds; what is forgotten dies last, when all is in place. */
static bool add_within(ku_isolate *isolate, ku__cache *c, ku_object *key, uint64_t hash, ku_object *value) {
    ku_object *old_key = NULL, *old_value = NULL;
    if (c->size >= c->maxsize) {
        take(c, c->slots[0].newer, &old_key, &old_value);
    } else if (c->free == 0 && c->used / 2 == c->room && !grow(isolate, c)) {
        return false;
    }
    add(c, key, hash, value);
    ku_release(isolate, old_key);
    ku_release(isolate, old_value);
    return true;
}

bool ku_cache_set(ku_isolate *isolate, ku_object *cache, ku_object *key, ku_object *value) {
    uint64_t hash;
    uint32_t found;
    if (!find(isolate, cache, key, &hash, &found)) {
        return false;
    }
    ku__cache *c = cache_of(cache);
    if (c->maxsize == 0) {
        return true;
    }
    if (found == 0) {
        return add_within(isolate, c, key, hash, value);
    }
    ring_leave(c, found);
    ring_enter(c, found);
    ku_replace(isolate, &c->items[2 * found - 1], ku_new_reference(value));
    return true;
}

ku_object *ku_cache_call(ku_isolate *isolate, ku_object *cache, ku_object *function, ku_object *key) {
    ku_object *value;
    if (!ku_cache_get(isolate, cache, key, &value) || value != NULL) {
        return value;
    }
    value = ku_call(isolate, function, &key, 1);
    if (value != NULL && !ku_cache_set(isolate, cache, key, value)) {
        ku_decref(isolate, value);
        return NULL;
    }
    return value;
}

static void forget_all(ku_isolate *isolate, ku_object *cache) {
    ku__cache *c = cache_of(cache);
    ku_object **items = c->items;
    size_t used = c->used;
    c->items = NULL;
    c->used = 0;
    c->changes++;
    settle(c);
    ku_buffer_free(isolate, c->slots);
    c->slots = NULL;
    c->room = 0;
    for (size_t i = 0; items != NULL && i < used; i++) {
        ku_release(isolate, items[i]);
    }
    ku_buffer_free(isolate, items);
}

bool ku_cache_clear(ku_isolate *isolate, ku_object *cache) {
    if (!ku__expect(isolate, cache, KU_BUILTIN_CACHE)) {
        return false;
    }
    forget_all(isolate, cache);
    cache_of(cache)->hits = cache_of(cache)->misses = 0;
    return true;
}

bool ku_cache_read(const ku_object *cache, ku_cache_info *info) {
    if (!ku_is_exactly(cache, KU_BUILTIN_CACHE)) {
        return false;
    }
    const ku__cache *c = cache_of(cache);
    *info = (ku_cache_info){c->hits, c->misses, c->maxsize, c->items != NULL ? c->size : 0};
    return true;
}

/* ---- as an object ---- */

static int64_t cache_length(ku_isolate *isolate, ku_object *self) {
    (void)isolate;
    return cache_of(self)->items != NULL ? cache_of(self)->size : 0;
}

static ku_object *cache_repr(ku_isolate *isolate, ku_object *self) {
    const ku__cache *c = cache_of(self);
    char most[24];
    snprintf(most, sizeof most, "%zu", c->maxsize);
    return ku_str_format(isolate, "<cache hits=%llu, misses=%llu, maxsize=%s, currsize=%lld>",
                         (unsigned long long)c->hits, (unsigned long long)c->misses,
                         c->maxsize == SIZE_MAX ? "None" : most, (long long)cache_length(isolate, self));
}

static const ku_operations cache_operations = {.length = cache_length};

static const ku_field cache_fields[] = {
    {"entries", offsetof(ku__cache, items), KU_FIELD_ITEMS, KU_FIELD_HIDDEN, offsetof(ku__cache, used)},
    {"used", offsetof(ku__cache, used), KU_FIELD_SIZE, KU_FIELD_READ_ONLY | KU_FIELD_HIDDEN, 0},
    {"slots", offsetof(ku__cache, slots), KU_FIELD_BUFFER, KU_FIELD_HIDDEN, 0},
    {"maxsize", offsetof(ku__cache, maxsize), KU_FIELD_SIZE, KU_FIELD_READ_ONLY, 0},
    {"hits", offsetof(ku__cache, hits), KU_FIELD_INT64, KU_FIELD_READ_ONLY, 0},
    {"misses", offsetof(ku__cache, misses), KU_FIELD_INT64, KU_FIELD_READ_ONLY, 0},
    {"state", offsetof(ku__cache, size), KU_FIELD_PLAIN, KU_FIELD_HIDDEN, 0},
    {NULL},
};

const ku_type_spec ku__cache_spec = {
    .name = "cache",
    .size = sizeof(ku__cache),
    .fields = cache_fields,
    .flags = KU_TYPE_WEAKREFS | KU_TYPE_FINAL | KU_TYPE_ABSTRACT,
    .doc = "A bounded cache that forgets what was used least recently.",
    .repr = cache_repr,
    .clear = forget_all,
    .operations = &cache_operations,
};
