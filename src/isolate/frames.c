/* frames.c: frames and scopes: the slow halves, and what the stack holds. See kucha/frame.h and kucha/scope.h. */
#include "isolate/running.h"

#include "alloc/check.h"
#include "object/held.h"

#include <string.h>

/* ---- entering ---- */

static bool too_deep(const ku_frame *frame) {
    return frame->depth > ku__front(frame->isolate)->depth_most;
}

bool ku_frame_entered_slow(ku_frame *frame) {
    ku_isolate *isolate = frame->isolate;
    ku_lock_yield(isolate);
    const ku__thread *thread = isolate->running->lock.holder;
    if (too_deep(frame)) {
        return ku_fail(isolate, KU_RECURSION, "maximum recursion depth exceeded");
    }
    if ((uintptr_t)__builtin_frame_address(0) < thread->stack_least) {
        return ku_fail(isolate, KU_RECURSION, "maximum recursion depth exceeded: the stack is used up after %u frames",
                       frame->depth);
    }
    return true;
}

uint32_t ku_set_recursion_limit(ku_isolate *isolate, uint32_t frames) {
    uint32_t before = isolate->front.depth_most;
    isolate->front.depth_most = frames != 0 ? frames : UINT32_MAX;
    return before != UINT32_MAX ? before : 0;
}

#ifdef KU_CHECKING
void ku_frame_check(const ku_frame *frame, bool innermost, uint32_t slot) {
    KU__CHECK_HELD_HEAP(frame->isolate->tracked);
    KU__CHECK(!innermost || ku__front(frame->isolate)->innermost == frame); /* frames are left in reverse order */
    KU__CHECK(slot == UINT32_MAX || slot < frame->count);
}
#endif

/* ---- scopes ---- */

ku_object *ku_scope_own_more(ku_scope *scope, ku_object *reference) {
    ku_frame *frame = &scope->frame;
    if (reference == NULL) {
        return NULL;
    }
    ku_handles *block = frame->more;
    if (block == NULL || block->count == sizeof block->items / sizeof *block->items) {
        block = (ku_handles *)ku_buffer_new(frame->isolate, sizeof *block);
        if (block == NULL) {
            ku__pending error = ku__pending_take(frame->isolate);
            ku_decref(frame->isolate, reference);
            ku__pending_put(frame->isolate, error);
            return NULL;
        }
        block->next = frame->more;
        block->count = 0;
        frame->more = block;
    }
    block->items[block->count++] = reference;
    return reference;
}

/* What dies may own more in this very scope, so that every step begins with the newest. */
void ku_handles_free(ku_frame *frame) {
    ku_isolate *isolate = frame->isolate;
    while (frame->more != NULL) {
        ku_handles *block = frame->more;
        if (block->count != 0) {
            ku_decref(isolate, block->items[--block->count]);
        } else {
            frame->more = block->next;
            ku_buffer_free(isolate, block);
        }
    }
}

void ku_scope_clear(ku_scope *scope) {
    ku_frame *frame = &scope->frame;
    ku_handles_free(frame);
    while (frame->count > 0) {
        ku_decref(frame->isolate, frame->slots[--frame->count]);
    }
}

static size_t count_more(const ku_handles *block) {
    size_t count = 0;
    for (; block != NULL; block = block->next) {
        count += block->count;
    }
    return count;
}

size_t ku_scope_length(const ku_scope *scope) {
    return scope->frame.count + count_more(scope->frame.more);
}

/* ---- walking ---- */

/* Innermost frame of a thread: the holder's is the isolate's, the others put theirs aside. */
static ku_frame *innermost_of(const ku_isolate *isolate, const ku__thread *thread) {
    return thread == isolate->running->lock.holder ? isolate->front.innermost : thread->innermost;
}

bool ku__frames_here(const ku_isolate *isolate, ku_place *place) {
    const ku_frame *frame = isolate->front.innermost;
    if (frame == NULL || frame->back == NULL) {
        return false;
    }
    *place = *frame->place;
    place->line = frame->line;
    return true;
}

static void visit_frame(const ku_frame *frame, ku_visit *visit, void *argument) {
    for (uint32_t i = 0; i < frame->count; i++) {
        if (frame->slots[i] != NULL) {
            visit(&frame->slots[i], argument);
        }
    }
    for (ku_handles *block = frame->more; block != NULL; block = block->next) {
        for (size_t i = 0; i < block->count; i++) {
            visit(&block->items[i], argument);
        }
    }
}

void ku__frames_visit(ku_isolate *isolate, ku_visit *visit, void *argument) {
    for (const ku__thread *thread = NULL; (thread = ku__thread_next(isolate, thread)) != NULL;) {
        for (const ku_frame *frame = innermost_of(isolate, thread); frame->back != NULL; frame = frame->back) {
            visit_frame(frame, visit, argument);
        }
    }
}

size_t ku_stack_walk(ku_isolate *isolate, ku_stack_visitor *visit, void *argument) {
    size_t visited = 0;
    unsigned number = 0;
    for (const ku__thread *thread = NULL; (thread = ku__thread_next(isolate, thread)) != NULL; number++) {
        unsigned depth = 0;
        for (const ku_frame *frame = innermost_of(isolate, thread); frame->back != NULL; frame = frame->back) {
            ku_stack_entry entry = {.place = *frame->place,
                                    .thread = number,
                                    .depth = depth++,
                                    .count = frame->count,
                                    .slots = frame->slots,
                                    .more = frame->more,
                                    .frame = frame};
            entry.place.line = frame->line;
            visited++;
            if (!visit(&entry, argument)) {
                return visited;
            }
        }
    }
    return visited;
}

size_t ku_stack_references(const ku_stack_entry *entry) {
    size_t count = count_more(entry->more);
    for (size_t i = 0; i < entry->count; i++) {
        count += entry->slots[i] != NULL;
    }
    return count;
}

typedef struct search {
    const ku_object *object;
    size_t found;
} search;

static void compare(ku_object **place, void *argument) {
    search *wanted = (search *)argument;
    wanted->found += *place == wanted->object;
}

size_t ku_stack_holds(ku_isolate *isolate, const ku_object *object) {
    search wanted = {object, 0};
    ku__frames_visit(isolate, compare, &wanted);
    return wanted.found;
}

/* ---- printing ---- */

/* Types that one frame's line names, with a count each; what is of another type is "others". */
enum { NAMED_TYPES = 8 };

typedef struct tally {
    const ku_type *types[NAMED_TYPES];
    size_t counts[NAMED_TYPES];
    size_t named, others;
} tally;

static void count_type(ku_object **place, void *argument) {
    tally *counted = (tally *)argument;
    const ku_type *type = ku_type_of(*place);
    size_t i = 0;
    while (i < counted->named && counted->types[i] != type) {
        i++;
    }
    if (i == NAMED_TYPES) {
        counted->others++;
        return;
    }
    if (i == counted->named) {
        counted->types[counted->named++] = type;
        counted->counts[i] = 0;
    }
    counted->counts[i]++;
}

static const char *base_name(const char *path) {
    const char *slash = path != NULL ? strrchr(path, '/') : NULL;
    return slash != NULL ? slash + 1 : path;
}

static bool print_entry(const ku_stack_entry *entry, void *argument) {
    FILE *stream = (FILE *)argument;
    tally counted = {.named = 0};
    visit_frame(entry->frame, count_type, &counted);
    if (entry->depth == 0) {
        fprintf(stream, entry->thread == 0 ? "this thread:\n" : "thread %u:\n", entry->thread);
    }
    fprintf(stream, "  %s (%s:%d)", entry->place.function, base_name(entry->place.file), (int)entry->place.line);
    for (size_t i = 0; i < counted.named; i++) {
        const char *name = ku_type_name(counted.types[i]);
        fprintf(stream, counted.counts[i] == 1 ? "%s %s" : "%s %s x %zu", i == 0 ? ":" : ",", name, counted.counts[i]);
    }
    if (counted.others != 0) {
        fprintf(stream, ", others x %zu", counted.others);
    }
    fputc('\n', stream);
    return true;
}

int ku_stack_print(ku_isolate *isolate, FILE *stream) {
    if (ku_stack_walk(isolate, print_entry, stream) == 0) {
        fputs("no frames\n", stream);
    }
    return ferror(stream) != 0 ? -1 : 0;
}
