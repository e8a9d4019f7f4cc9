/* verify.c: what the checking build says about objects that are used wrongly.
 *
 * Every reference taken or given up is looked at. A fault is one line with the object's type and birthplace on standard
 * error, and ends the program: counts that are wrong once free what is in use.
 *
 *     count below zero     a reference was given up that nobody had
 *     use after free       the object was freed; its block says so as long as no other object took it
 *     use while it ends    its count came to zero, and somebody takes a reference from a pointer of his own
 *
 * So that a block says so for a while, the last QUARANTINE_BLOCKS freed objects are kept back, with a kind of zero and
 * the number of their type as count. AddressSanitizer does the same better, and gets its blocks at once.
 */
#include "object/verify.h"

#ifdef KU_CHECKING

#include "object/birth.h"
#include "object/held.h"
#include "object/types.h"

#include "alloc/tables.h"
#include "trace/trace.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { QUARANTINE_BLOCKS = 256 }; /* of at most 512 bytes: 128 KiB */

struct ku__quarantine {
    ku_object *blocks[QUARANTINE_BLOCKS];
    ku_heap *heaps[QUARANTINE_BLOCKS];
    size_t next;
};

bool ku__verify_open(ku_isolate *isolate, ku_error *error) {
    isolate->quarantine = (ku__quarantine *)ku_heap_calloc(isolate->buffers, 1, sizeof(ku__quarantine));
    if (isolate->quarantine == NULL) {
        return ku__error_fill(error, KU_NO_MEMORY, "an isolate could not be made: the system refused memory");
    }
    return true;
}

void ku__verify_close(ku_isolate *isolate) {
    ku_heap_free(isolate->buffers, isolate->quarantine);
    isolate->quarantine = NULL;
}

/* ---- quarantine ---- */

static void free_now(ku_heap *heap, ku_object *object) {
    if (!ku__fast_free(heap, object)) {
        ku__slow_free(heap, object);
    }
}

#ifdef KU__ANNOTATE_ASAN
void ku__quarantine_put(ku_isolate *isolate, ku_heap *heap, ku_object *object) {
    (void)isolate;
    free_now(heap, object);
}

void ku__quarantine_flush(ku_isolate *isolate) {
    (void)isolate;
}
#else
/* Frees what waits at a place; what is there then, if anything, is the caller's. */
static void empty_place(ku__quarantine *quarantine, size_t at) {
    if (quarantine->blocks[at] != NULL) {
        free_now(quarantine->heaps[at], quarantine->blocks[at]);
        quarantine->blocks[at] = NULL;
    }
}

void ku__quarantine_put(ku_isolate *isolate, ku_heap *heap, ku_object *object) {
    ku__quarantine *quarantine = isolate->quarantine;
    size_t at = quarantine->next++ % QUARANTINE_BLOCKS;
    empty_place(quarantine, at);
    object->count = ku__number_of(object);
    object->kind = 0;
#ifdef KU_HOSTILE
    unsigned class_index = ku__class_of(heap, object);
    if (class_index < KU_CLASS_COUNT) {
        memset(object + 1, 0xDD, ku__class_size(class_index) - sizeof *object);
    }
#endif
    quarantine->blocks[at] = object;
    quarantine->heaps[at] = heap;
}

void ku__quarantine_flush(ku_isolate *isolate) {
    for (size_t at = 0; at < QUARANTINE_BLOCKS; at++) {
        empty_place(isolate->quarantine, at);
    }
}
#endif

/* ---- refusals ---- */

uint64_t ku__refuse_at(ku_isolate *isolate, uint64_t n) {
    uint64_t left = isolate->refuse_in;
    isolate->refuse_in = n;
    return left;
}

bool ku__is_refused(ku_isolate *isolate, size_t bytes) {
    if (isolate->refuse_in == 0 || --isolate->refuse_in != 0) {
        return false;
    }
    ku_fail(isolate, KU_NO_MEMORY, "a test refuses %zu bytes", bytes);
    return true;
}

/* ---- faults ---- */

/* The isolate that a heap is of; NULL for another heap. */
static const ku_isolate *isolate_of(const ku_heap *heap) {
    const ku_isolate *isolate = ku__isolates;
    while (isolate != NULL && isolate->tracked != heap && isolate->atoms != heap) {
        isolate = isolate->next;
    }
    return isolate;
}

/* Where the block was made into what it is or was last. */
static ku_place place_of(const ku_object *object) {
    ku_place place = {NULL, NULL, 0};
    ku_heap *heap = ku_heap_find(object);
    const ku_isolate *isolate = heap != NULL ? isolate_of(heap) : NULL;
    ku__block_facts facts;
    if (isolate != NULL && isolate->births_on && ku__block_find(heap, object, &facts) && facts.site != NULL) {
        ku__place_of_site(isolate, KU__SLOT_SITE(*facts.site), &place);
    }
    return place;
}

static const char *name_of_number(uint32_t number) {
    bool is_one = number != 0 && number < KU_TYPES_MAX && ku__types_has(number);
    return is_one ? ku__type_maps[number].type->own.name : "unknown type";
}

static _Noreturn void fault(const char *what, const ku_object *object, uint32_t type) {
    ku_place place = place_of(object);
    fprintf(stderr, "kucha: %s: object of type '%s' at %p", what, name_of_number(type), (const void *)object);
    if (place.file != NULL) {
        fprintf(stderr, ", made at %s:%d, %s", place.file, (int)place.line, place.function);
    }
    fputc('\n', stderr);
    abort();
}

void ku__object_check_anywhere(const ku_object *object) {
    uint32_t number = ku__number_of(object);
    if (number == 0 || !ku__types_has(number)) {
        fault("use after free, or of what is no object", object, object->count);
    }
}

void ku_object_check(const ku_object *object) {
    ku__object_check_anywhere(object);
    KU__CHECK_HELD(object);
}

void ku_object_check_count(const ku_object *object) {
    ku_object_check(object);
    if ((object->kind & KU__DYING) != 0) {
        fault("use of an object while it ends", object, ku__number_of(object));
    }
    if (object->count == 0) {
        fault("count below zero", object, ku__number_of(object));
    }
}

#else
typedef int ku__nothing_to_verify; /* C asks for something in every file */
#endif
