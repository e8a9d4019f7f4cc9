/* calls.c: what the checking build asks of every call that a program makes of the library.
 *
 * Before the call: the objects that it is given are objects, and the thread may touch them. After it, in an isolate
 * with KU_ISOLATE_CHECK_CALLS: as many references are held from outside of the heap (kucha/check.h) as before, and one
 * more on each object that the call gave. Who takes one more for good, in the library or in a hook or function of the
 * program that it called, has leaked it: the call, the object and its birthplace are told, and the program ends. What a
 * hook means to keep in a variable of C must be known as a root (ku_root_add).
 *
 * To compare means to walk the heap twice, so it is done as long as there are OBJECTS_MOST objects; for all of the
 * first CALLS_ALL calls that a thread makes, and then for one in CALLS_EACH, so that loops come to an end. A call
 * during which the lock changed hands is not compared: other threads keep references of their own.
 */
#include "isolate/calls.h"

#ifdef KU_CHECKING

#include "isolate/running.h"
#include "object/references.h"
#include "object/verify.h"

#include <stdio.h>
#include <stdlib.h>

enum {
    OBJECTS_MOST = 2048, /* walked twice in some 100 microseconds */
    CALLS_ALL = 2000,    /* a second at the most */
    CALLS_EACH = 61,     /* a prime: a loop of some calls does not always have the same one compared */
    POOLS_MOST = 64,     /* with more, objects are not even counted: that takes a walk over the pools */
};

void ku__watch_takes(const ku_object *object) {
    if (object != NULL) {
        ku_object_check(object);
    }
}

void ku__watch_takes_anywhere(const ku_object *object) {
    if (object != NULL) {
        ku__object_check_anywhere(object);
    }
}

void ku__watch_takes_all(ku_object *const *objects, size_t count) {
    for (size_t i = 0; objects != NULL && i < count; i++) {
        ku__watch_takes(objects[i]);
    }
}

/* Whether it is this call's turn; a thread that comes to another isolate begins anew. */
static bool is_due(const ku_isolate *isolate) {
    static _Thread_local const ku_isolate *last;
    static _Thread_local uint64_t calls;
    calls = isolate == last ? calls + 1 : 0;
    last = isolate;
    return calls < CALLS_ALL || calls % CALLS_EACH == 0;
}

static bool is_compared(const ku_isolate *isolate) {
    return isolate != NULL && (isolate->flags & KU_ISOLATE_CHECK_CALLS) != 0 && !isolate->closing && is_due(isolate) &&
           isolate->tracked->pools_used + isolate->atoms->pools_used <= POOLS_MOST &&
           ku__isolate_blocks(isolate, NULL) <= OBJECTS_MOST;
}

void ku__watch_begin(ku__watch *call) {
    if (is_compared(call->isolate)) {
        call->turns = call->isolate->running->lock.acquisitions;
        call->before = ku_references_take(call->isolate);
    }
}

static void tell(const ku_reference_leak *leak, void *argument) {
    fprintf(stderr, "kucha: %s leaked %u reference%s: object of type '%s' at %p", (const char *)argument,
            leak->references, leak->references != 1 ? "s" : "", leak->type, (const void *)leak->object);
    if (leak->place.file != NULL) {
        fprintf(stderr, ", made at %s:%d, %s", leak->place.file, (int)leak->place.line, leak->place.function);
    }
    fputc('\n', stderr);
}

void ku__watch_end(ku__watch *call, const ku_object *const *given, size_t count) {
    if (call->before == NULL) {
        return;
    }
    if (call->isolate->running->lock.acquisitions != call->turns) {
        ku_references_free(call->before);
        return;
    }
    size_t leaks =
        ku__references_compare(call->isolate, call->before, given, count, tell, (void *)(uintptr_t)call->name);
    if (leaks != 0 && leaks != SIZE_MAX) {
        abort();
    }
}

#else
typedef int ku__no_calls; /* C asks for something in every file */
#endif
