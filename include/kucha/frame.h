/* frame.h: light frames: what the C stack knows of the heap.
 *
 * A function that works with objects opens a frame in its first line and keeps its references in the frame's slots:
 *
 *     ku_object *pair(ku_isolate *isolate, ku_object *a, ku_object *b) {
 *         KU_FRAME(isolate, frame, 1);
 *         ku_object *list = ku_hold(&frame, 0, ku_list_new(isolate, 2));
 *         if (list == NULL || !ku_list_append(isolate, list, a) || !ku_list_append(isolate, list, b)) {
 *             return NULL;
 *         }
 *         return ku_escape(&frame, 0);
 *     }
 *
 * However the function is left, its frame is left with it, and gives up what the slots hold. So there is nothing to
 * forget: a new reference goes into a slot, and only what escapes survives. (scope.h: any number of references.)
 *
 * A frame says three things to the rest of the library. What it holds is a root, from which the collector starts
 * (gc.h). Its function, file and line are the birthplace of objects made meanwhile (ku_birthplace()). And a person can
 * ask what the stack holds (ku_stack_walk(), ku_stack_print()).
 *
 * Frames of a thread form a chain, innermost first; each thread that works in an isolate has a chain of its own
 * (lock.h). Invariants: the chain follows the C stack; every slot is NULL or holds a reference that the frame owns.
 *
 * Needs a compiler with the cleanup attribute (GCC, clang); C and C++. Entering and leaving a frame takes a few
 * nanoseconds and no memory but the C stack's.
 *
 * Lock: everything here needs the isolate's lock.
 *
 * Source: shadow stacks (Henderson, "Accurate Garbage Collection in an Uncooperative Environment", ISMM 2002); handles
 * that clear themselves are ours, by GCC's variable attribute "cleanup".
 */
#ifndef KUCHA_FRAME_H
#define KUCHA_FRAME_H

#include <kucha/object.h>
#include <stdio.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct ku_handles ku_handles; /* scope.h */

/* A frame on the C stack. Its members are read and written by the functions here. */
typedef struct ku_frame {
    struct ku_frame *back; /* the frame that was innermost before; NULL ends a thread's chain */
    ku_isolate *isolate;
    const ku_place *place; /* static: function, file, and the line where the frame was opened */
    ku_object **slots;
    ku_handles *more; /* a scope's further references */
    uint32_t count;   /* slots; of a scope, those that are taken */
    uint32_t depth;   /* frames outside of this one */
    int32_t line;     /* where the function is now, as far as it said */
} ku_frame;

/* How every isolate begins: what frames touch, so that the functions below can be inlined. Not for programs. */
typedef struct ku_isolate_front {
    ku_frame *innermost;   /* of the thread that holds the lock; never NULL */
    uintptr_t stack_least; /* frames must lie above; UINTPTR_MAX while somebody asks for the lock */
    uint32_t depth_most;   /* frames in a chain, at most */
} ku_isolate_front;

static inline ku_isolate_front *ku__front(ku_isolate *isolate) {
    return (ku_isolate_front *)(void *)isolate;
}

/* ---- opening and leaving ---- */

/* Opens a frame, a variable of this name, with `slots` slots (a constant), all NULL. It is left at the end of the
 * block. */
#define KU_FRAME(isolate, name, slots)                                                                                 \
    KU__PLACE(name);                                                                                                   \
    ku_object *name##_slots[(slots) + ((slots) == 0)] = {NULL};                                                        \
    __attribute__((cleanup(ku_frame_leave))) ku_frame name;                                                            \
    ku_frame_enter(&name, isolate, &name##_place, name##_slots, slots)

#define KU__PLACE(name) static const ku_place name##_place = {__FILE__, __func__, __LINE__}

/* The chain leads to variables of the C stack on purpose: each takes itself out before its function ends. */
#if defined(__GNUC__) && !defined(__clang__) && __GNUC__ >= 12
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdangling-pointer"
#endif

/* What KU_FRAME() is made of, for those who cannot use it. Frames are left in the reverse order. */
static inline void ku_frame_enter(ku_frame *frame, ku_isolate *isolate, const ku_place *place, ku_object **slots,
                                  uint32_t count) {
    ku_isolate_front *front = ku__front(isolate);
    frame->back = front->innermost;
    frame->isolate = isolate;
    frame->place = place;
    frame->slots = slots;
    frame->more = NULL;
    frame->count = count;
    frame->depth = frame->back->depth + 1;
    frame->line = place->line;
    front->innermost = frame;
}

#if defined(__GNUC__) && !defined(__clang__) && __GNUC__ >= 12
#pragma GCC diagnostic pop
#endif

/* The rest of leaving a scope. Not for programs. */
KU_API void ku_handles_free(ku_frame *frame);

#ifdef KU_CHECKING
/* The checking build ends the program when a frame is left out of order or without the lock, or a slot is not there. */
KU_API void ku_frame_check(const ku_frame *frame, bool innermost, uint32_t slot);
#define KU_FRAME_CHECK(frame, innermost, slot) ku_frame_check(frame, innermost, slot)
#else
#define KU_FRAME_CHECK(frame, innermost, slot) ((void)0)
#endif

/* Gives up what the slots hold, last slot first, while the frame is still there; then it is no more. A pending error
 * stays as it is. */
static inline void ku_frame_leave(ku_frame *frame) {
    KU_FRAME_CHECK(frame, true, UINT32_MAX);
    if (__builtin_expect(frame->more != NULL, 0)) {
        ku_handles_free(frame);
    }
    for (uint32_t i = frame->count; i-- > 0;) {
        if (frame->slots[i] != NULL) {
            ku_clear(frame->isolate, &frame->slots[i]);
        }
    }
    ku__front(frame->isolate)->innermost = frame->back;
}

/* ---- slots ---- */

/* Puts a new reference into a slot, which takes it over and gives up what it held before, and gives it back as a
 * borrowed one. NULL goes through, so that the failure of what made it is seen by whoever looks at the result. The line
 * is noted. The address of the frame is evaluated twice. */
#define ku_hold(frame, slot, reference) (ku_frame_at((frame), __LINE__), ku_frame_hold((frame), (slot), (reference)))

static inline void ku_frame_at(ku_frame *frame, int32_t line) {
    frame->line = line;
}
static inline ku_object *ku_frame_hold(ku_frame *frame, uint32_t slot, ku_object *reference) {
    KU_FRAME_CHECK(frame, false, slot);
    ku_replace(frame->isolate, &frame->slots[slot], reference);
    return reference;
}

/* What a slot holds, borrowed, or NULL. */
static inline ku_object *ku_slot(const ku_frame *frame, uint32_t slot) {
    KU_FRAME_CHECK(frame, false, slot);
    return frame->slots[slot];
}

/* Takes the reference out of a slot: it is the caller's now, for `return ku_escape(&frame, 0)`. */
static inline ku_object *ku_escape(ku_frame *frame, uint32_t slot) {
    KU_FRAME_CHECK(frame, false, slot);
    ku_object *reference = frame->slots[slot];
    frame->slots[slot] = NULL;
    return reference;
}

/* Notes the line of the program that the function has come to. */
#define KU_HERE(frame) ku_frame_at((frame), __LINE__)

/* ---- depth, and the place where the lock may change hands ---- */

/* The rest of ku_frame_entered(). Not for programs. */
KU_API bool ku_frame_entered_slow(ku_frame *frame);

/* To be asked after KU_FRAME() by functions that call themselves, and once in a while in long loops. False when the
 * stack is nearly used up, or deeper than the limit, with KU_RECURSION pending: return. And this is where the lock is
 * handed over when another thread has asked for it (lock.h): borrowed references that nobody else holds may be gone
 * afterwards, so keep what you need in slots. */
__attribute__((always_inline)) static inline bool ku_frame_entered(ku_frame *frame) {
    const ku_isolate_front *front = ku__front(frame->isolate);
    uintptr_t least = __atomic_load_n(&front->stack_least, __ATOMIC_RELAXED);
    if (__builtin_expect((uintptr_t)__builtin_frame_address(0) < least || frame->depth > front->depth_most, 0)) {
        return ku_frame_entered_slow(frame);
    }
    return true;
}

/* Limits the frames of a chain; 0 is no limit but the C stack's, the default. Returns the limit before. (cf.
 * sys.setrecursionlimit, whose limit of 1000 is for frames that are much larger) */
KU_API uint32_t ku_set_recursion_limit(ku_isolate *isolate, uint32_t frames);

/* ---- what does the stack hold? ---- */

typedef struct ku_stack_entry {
    ku_place place;          /* function, file, and the line where it is now */
    unsigned thread;         /* 0: the calling one; the others in the order in which they came */
    unsigned depth;          /* 0: the innermost frame of its thread */
    size_t count;            /* slots */
    ku_object *const *slots; /* borrowed; NULL where a slot is empty */
    const ku_handles *more;  /* of a scope: further references, see ku_stack_references() */
    const ku_frame *frame;   /* good as long as the walk */
} ku_stack_entry;

/* Called for each frame, innermost first; false ends the walk. It must not enter frames that it does not leave. */
typedef bool ku_stack_visitor(const ku_stack_entry *entry, void *argument);

/* Visits the frames of all threads of the isolate, the calling one's first. Returns how many were visited. */
KU_API size_t ku_stack_walk(ku_isolate *isolate, ku_stack_visitor *visit, void *argument);

/* How many references the frame holds, a scope's further ones included. */
KU_API size_t ku_stack_references(const ku_stack_entry *entry);

/* How many references to the object the frames of all threads hold. */
KU_API size_t ku_stack_holds(ku_isolate *isolate, const ku_object *object);

/* A table for people: every frame with function, place, and types and counts of what it holds. 0, or -1 when the stream
 * refuses. */
KU_API int ku_stack_print(ku_isolate *isolate, FILE *stream);

#ifdef __cplusplus
}
#endif

#endif
