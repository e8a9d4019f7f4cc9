/* weak.c: weak references: making, clearing, callbacks. See weak.h and kucha/weakref.h. */
#include "object/weak.h"

#include "alloc/check.h"

#include <kucha/container.h>
#include <string.h>

/* Open addressing with linear probing; a power of two of places, at most three quarters in use. */
typedef struct place {
    ku_object *referent; /* NULL: free */
    ku__weakref *first;
} place;

struct ku__weak_table {
    place *places;
    size_t capacity; /* 0 before the first weak reference */
    size_t used;
};

bool ku__weak_open(ku_isolate *isolate, ku_error *error) {
    isolate->weak = (ku__weak_table *)ku_heap_calloc(isolate->buffers, 1, sizeof(ku__weak_table));
    if (isolate->weak == NULL && error != NULL) {
        error->code = KU_NO_MEMORY;
        strcpy(error->message, "an isolate could not be made: the system refused memory for its tables");
    }
    return isolate->weak != NULL;
}

void ku__weak_close(ku_isolate *isolate) {
    ku_heap_free(isolate->buffers, isolate->weak->places);
    ku_heap_free(isolate->buffers, isolate->weak);
    isolate->weak = NULL;
}

/* ---- the table ---- */

/* Where a referent's place would best be. Blocks lie at multiples of 16; the multiplication (Knuth, volume 3, section
 * 6.4) spreads their low bits over the high ones that are used. */
static size_t home_of(const ku__weak_table *table, const ku_object *referent) {
    uint64_t hash = ((uint64_t)(uintptr_t)referent >> 4) * 0x9E3779B97F4A7C15u;
    return (size_t)(hash >> 32) & (table->capacity - 1);
}

/* The place of a referent, or the free place where it would go. The table has places. */
static place *find(const ku__weak_table *table, const ku_object *referent) {
    size_t at = home_of(table, referent);
    while (table->places[at].referent != NULL && table->places[at].referent != referent) {
        at = (at + 1) & (table->capacity - 1);
    }
    return &table->places[at];
}

static bool grow(ku_isolate *isolate) {
    enum { LEAST = 64 };
    ku__weak_table *table = isolate->weak;
    size_t capacity = table->capacity != 0 ? table->capacity * 2 : LEAST;
    place *places = (place *)ku_buffer_new(isolate, capacity * sizeof *places);
    if (places == NULL) {
        return false;
    }
    memset(places, 0, capacity * sizeof *places);
    ku__weak_table larger = {.places = places, .capacity = capacity, .used = table->used};
    for (size_t i = 0; i < table->capacity; i++) {
        if (table->places[i].referent != NULL) {
            *find(&larger, table->places[i].referent) = table->places[i];
        }
    }
    ku_buffer_free(isolate, table->places);
    *table = larger;
    return true;
}

static bool reserve(ku_isolate *isolate) {
    const ku__weak_table *table = isolate->weak;
    return (table->used + 1) * 4 <= table->capacity * 3 || grow(isolate);
}

/* Empties a place; those behind it that it kept from their homes move up (Knuth, volume 3, algorithm 6.4R). */
static void erase(ku__weak_table *table, place *of) {
    size_t mask = table->capacity - 1, hole = (size_t)(of - table->places);
    for (size_t at = (hole + 1) & mask; table->places[at].referent != NULL; at = (at + 1) & mask) {
        size_t home = home_of(table, table->places[at].referent);
        if (((at - home) & mask) >= ((at - hole) & mask)) {
            table->places[hole] = table->places[at];
            hole = at;
        }
    }
    table->places[hole] = (place){NULL, NULL};
    table->used--;
}

static ku__weakref *chain_of(const ku_isolate *isolate, const ku_object *object) {
    return (object->kind & KU__WEAK) != 0 ? find(isolate->weak, object)->first : NULL;
}

/* ---- chains ---- */

static bool is_shared(const ku__weakref *reference) {
    return reference->callback == NULL;
}

/* The shared reference or proxy of an object; NULL when there is none that can be given out. */
static ku__weakref *find_shared(const ku_isolate *isolate, const ku_object *object, ku_builtin kind) {
    for (ku__weakref *at = chain_of(isolate, object); at != NULL && is_shared(at); at = at->next) {
        if (ku_is_exactly(&at->header, kind) && (at->header.kind & KU__DYING) == 0) {
            return at;
        }
    }
    return NULL;
}

/* What a new reference goes behind; NULL is the front. A shared reference is first, a shared proxy follows it. */
static ku__weakref *predecessor(ku__weakref *first, const ku__weakref *of) {
    ku__weakref *before = NULL;
    bool is_first = is_shared(of) && ku_is_exactly(&of->header, KU_BUILTIN_WEAKREF);
    for (ku__weakref *at = first; at != NULL && is_shared(at) && !is_first; at = at->next) {
        before = at;
    }
    return before;
}

/* Enters a reference, whose fields are set, into the chain of its referent. The table has room. */
static void link(ku__weak_table *table, ku__weakref *reference) {
    ku_object *object = reference->referent;
    place *of = find(table, object);
    if (of->referent == NULL) {
        *of = (place){object, NULL};
        table->used++;
        object->kind |= KU__WEAK;
    }
    ku__weakref *before = predecessor(of->first, reference);
    reference->before = before;
    reference->next = before != NULL ? before->next : of->first;
    if (before != NULL) {
        before->next = reference;
    } else {
        of->first = reference;
    }
    if (reference->next != NULL) {
        reference->next->before = reference;
    }
}

void ku__weak_unlink(ku_isolate *isolate, ku_object *self) {
    ku__weakref *reference = (ku__weakref *)(void *)self;
    ku_object *object = reference->referent;
    if (object == NULL) {
        return;
    }
    reference->referent = NULL;
    if (reference->next != NULL) {
        reference->next->before = reference->before;
    }
    if (reference->before != NULL) {
        reference->before->next = reference->next;
        return;
    }
    place *of = find(isolate->weak, object);
    of->first = reference->next;
    if (of->first == NULL) {
        erase(isolate->weak, of);
        object->kind &= ~(uint32_t)KU__WEAK;
    }
}

/* ---- making ---- */

static bool can_refer(ku_isolate *isolate, const ku_object *object) {
    if ((ku__map_of(object)->flags & KU__MAP_WEAKREFS) != 0) {
        return true;
    }
    return ku_fail(isolate, KU_TYPE, "cannot create weak reference to '%s' object", ku__type_of(object)->own.name);
}

ku__weakref *ku__weak_make(ku_isolate *isolate, ku_builtin kind, ku_object *object, ku_object *callback) {
    if (!can_refer(isolate, object)) {
        return NULL;
    }
    ku__weakref *shared = callback == NULL ? find_shared(isolate, object, kind) : NULL;
    if (shared != NULL) {
        ku_incref(&shared->header);
        return shared;
    }
    ku__weakref *made = (ku__weakref *)(void *)ku__object_raw(isolate, kind, sizeof *made);
    if (made == NULL) {
        return NULL;
    }
    made->callback = ku_new_reference(callback);
    made->referent = NULL;
    made->hash = 0;
    bool refers_to_nothing = callback == NULL || (callback->kind & KU__UNTRACKED) != 0;
    made->header.kind |= refers_to_nothing ? KU__UNTRACKED : 0;
    if (!reserve(isolate)) {
        ku_decref(isolate, &made->header);
        return NULL;
    }
    made->referent = object;
    link(isolate->weak, made);
    return made;
}

ku_object *ku_weakref_new(ku_isolate *isolate, ku_object *object, ku_object *callback) {
    return (ku_object *)ku__weak_make(isolate, KU_BUILTIN_WEAKREF, object, callback);
}

ku__callback *ku__callback_new(ku_isolate *isolate, ku_weakref_callback *function, ku_object *owner, ku_object *held) {
    ku__callback *made = (ku__callback *)(void *)ku__object_new(isolate, KU_BUILTIN_CALLBACK);
    if (made != NULL) {
        made->function = function;
        made->owner = ku_new_reference(owner);
        made->held = ku_new_reference(held);
        made->header.kind |=
            held == NULL ? KU__UNTRACKED : 0; /* a weak reference without a callback refers to nothing */
    }
    return made;
}

ku_object *ku_weakref_new_c(ku_isolate *isolate, ku_object *object, ku_weakref_callback *callback, void *argument) {
    ku__callback *wrapped = ku__callback_new(isolate, callback, NULL, NULL);
    if (wrapped == NULL) {
        return NULL;
    }
    wrapped->argument = argument;
    ku_object *made = ku_weakref_new(isolate, object, &wrapped->header);
    ku_decref(isolate, &wrapped->header);
    return made;
}

ku_object *ku_weakref_get(ku_isolate *isolate, ku_object *reference) {
    if (!ku_is_instance(reference, ku_builtin_type(KU_BUILTIN_WEAKREF))) {
        return ku_fail_null(isolate, KU_TYPE, "expected a weak reference, got '%s' object",
                            ku__type_of(reference)->own.name);
    }
    return ku_new_reference(ku__weak_peek((const ku__weakref *)(const void *)reference));
}

size_t ku_weakref_count(const ku_isolate *isolate, const ku_object *object) {
    size_t count = 0;
    for (const ku__weakref *at = chain_of(isolate, object); at != NULL; at = at->next) {
        count++;
    }
    return count;
}

/* ---- clearing ---- */

/* Takes an object's whole chain out of the table: every reference in it has referent NULL afterwards. */
static ku__weakref *chain_take(ku_isolate *isolate, ku_object *object) {
    place *of = find(isolate->weak, object);
    ku__weakref *first = of->first;
    erase(isolate->weak, of);
    object->kind &= ~(uint32_t)KU__WEAK;
    for (ku__weakref *at = first; at != NULL; at = at->next) {
        at->referent = NULL;
    }
    return first;
}

/* Whether the callback is still to be called: not of a reference that dies itself, by count or with the garbage. */
static bool still_calls(const ku__weakref *reference) {
    return reference->callback != NULL && (reference->header.kind & (KU__DYING | KU__MARK)) == 0;
}

/* Puts a reference, of which nothing is linked, at the end of a queue. */
static void enqueue(ku__weak_queue *queue, ku__weakref *reference) {
    ku_incref(&reference->header);
    if (queue->last != NULL) {
        queue->last->next = reference;
    } else {
        queue->first = reference;
    }
    queue->last = reference;
}

void ku__weak_clear(ku_isolate *isolate, ku_object *object, ku__weak_queue *queue) {
    if ((object->kind & KU__WEAK) == 0) {
        return;
    }
    for (ku__weakref *at = chain_take(isolate, object), *next; at != NULL; at = next) {
        next = at->next;
        at->next = at->before = NULL;
        if (still_calls(at)) {
            enqueue(queue, at);
        }
    }
}

/* Calls one callback; whatever goes wrong in it is nobody's to handle. */
static void call_back(ku_isolate *isolate, ku__weakref *reference) {
    ku_object *callback = reference->callback;
    if (callback == NULL) {
        return; /* the collector cleared it */
    }
    ku_incref(callback);
    if (ku_is_exactly(callback, KU_BUILTIN_CALLBACK)) {
        ku__callback *wrapped = (ku__callback *)(void *)callback;
        bool is_ours = wrapped->owner != NULL; /* a container's, which wants all of it */
        wrapped->function(isolate, &reference->header, is_ours ? wrapped : wrapped->argument);
    } else {
        ku_object *argument = &reference->header;
        ku_object *result = ku__call(isolate, callback, &argument, 1);
        ku_release(isolate, result);
    }
    ku__unraisable(isolate, "calling weakref callback", callback);
    ku_decref(isolate, callback);
}

void ku__weak_call(ku_isolate *isolate, ku__weak_queue *queue) {
    ku__pending saved = ku__pending_take(isolate);
    for (ku__weakref *at = queue->first, *next; at != NULL; at = next) {
        next = at->next;
        at->next = NULL;
        call_back(isolate, at);
        ku_decref(isolate, &at->header);
    }
    *queue = (ku__weak_queue){NULL, NULL};
    ku__pending_put(isolate, saved);
}

void ku__weak_end(ku_isolate *isolate, ku_object *object) {
    ku__weak_queue queue = {NULL, NULL};
    ku__weak_clear(isolate, object, &queue);
    if (queue.first != NULL) {
        ku__weak_call(isolate, &queue);
    }
}

#ifdef KU_CHECKING
static void check_chain(const place *of) {
    const ku__weakref *before = NULL;
    KU__CHECK(of->first != NULL);
    KU__CHECK((of->referent->kind & KU__WEAK) != 0);
    for (const ku__weakref *at = of->first; at != NULL; before = at, at = at->next) {
        KU__CHECK(at->referent == of->referent);
        KU__CHECK(at->before == before);
    }
}

void ku__weak_check(const ku_isolate *isolate) {
    const ku__weak_table *table = isolate->weak;
    size_t used = 0;
    for (size_t i = 0; i < table->capacity; i++) {
        if (table->places[i].referent != NULL) {
            check_chain(&table->places[i]);
            KU__CHECK(find(table, table->places[i].referent) == &table->places[i]);
            used++;
        }
    }
    KU__CHECK(used == table->used && used * 4 <= table->capacity * 3);
}
#endif

ku_object *ku_weakref_list(ku_isolate *isolate, ku_object *object) {
    ku_object *list = ku_list_new(isolate, NULL, 0);
    if (list == NULL) {
        return NULL;
    }
    for (ku__weakref *at = chain_of(isolate, object); at != NULL; at = at->next) {
        if ((at->header.kind & KU__DYING) == 0 && !ku_list_append(isolate, list, &at->header)) {
            ku_decref(isolate, list);
            return NULL;
        }
    }
    return list;
}
