/* frames.h: the site of the running Python code, found at every traced allocation.
 *
 * The stack is hashed over the instruction addresses of its innermost N frames; the hash finds the site in the tracer's
 * cache. Nothing but frames and one cache entry is read. Only a stack that the cache does not know is looked at closely
 * (frames.c): code objects are copied into code records, and the stack is interned.
 *
 * One frame needs no hash: its address is the key, and no two places share it. More frames are a polynomial in an odd
 * constant modulo 2^64: stacks that differ in one frame never collide, others with a chance of about 2^-63. It is one
 * multiplication a frame, on the critical path of the loop.
 *
 * Frames that only mark an entry from C are passed over. What a call makes before its first traceable instruction
 * (cells, a generator) belongs to its caller: the cache never knows such a stack, and frames.c looks again from there.
 */
#ifndef KU__FRAMES_H
#define KU__FRAMES_H

#include "cpython/facts.h"

#include "alloc/fast.h"
#include "cpython/tracing.h"
#include "trace/fast.h"

/* The slow half: interns the stack that starts at `frame` (NULL: no Python code runs). Never 0 unless the tracer
 * failed. */
KU__COLD uint32_t ku__site_of_frames(ku__tracer *tracer, const ku__frame_of_python *frame, uint64_t hash);

/* What is known of the running stack when an entry point is compiled. */
typedef enum ku__stack_kind {
    KU__STACK_ANY,     /* nothing */
    KU__STACK_SEVERAL, /* the tracer keeps several frames, and the running thread is found the quick way */
    KU__STACK_ONE,     /* one frame, likewise */
} ku__stack_kind;

enum { KU__FRAMES_AT_ONCE = 8 };
#if defined(__clang__)
#define KU__UNROLL _Pragma("unroll")
#else
#define KU__UNROLL _Pragma("GCC unroll 8")
#endif

/* The frame that a thread executes; perhaps one without code, or NULL. */
static inline const ku__frame_of_python *ku__top_frame(const PyThreadState *thread) {
    return KU__UNLIKELY(thread == NULL) ? NULL : ku__fact_top(thread);
}

static inline uint64_t ku__hash_of_one(const ku__tracer *tracer, const ku__frame_of_python *frame) {
    while (KU__LIKELY(frame != NULL) && KU__UNLIKELY(!ku__fact_has_code(frame))) {
        frame = ku__fact_back(frame);
    }
    uint64_t instruction = KU__LIKELY(frame != NULL) ? (uint64_t)ku__fact_instruction(frame) : 0;
    return ku__stack_hash_start(tracer) ^ instruction << 3; /* neighbours, two bytes apart, have entries 16 apart */
}

/* Adds one frame of code, from `frame` on, to the hash. Returns the frame behind it; NULL, perhaps with nothing added,
 * at the end of the stack. */
static inline const ku__frame_of_python *ku__hash_frame(uint64_t *hash, const ku__frame_of_python *frame) {
    while (KU__UNLIKELY(!ku__fact_has_code(frame))) {
        frame = ku__fact_back(frame);
        if (frame == NULL) {
            return NULL;
        }
    }
    *hash = (*hash + (uint64_t)ku__fact_instruction(frame)) * 0x9E3779B97F4A7C15u; /* 2^64 / golden ratio, odd */
    return ku__fact_back(frame);
}

/* Eight frames at a time are not counted one by one, and each has a branch of its own to predict: most stacks end
 * within the first eight. */
static inline uint64_t ku__hash_of_many(const ku__tracer *tracer, const ku__frame_of_python *frame) {
    uint64_t hash = ku__stack_hash_start(tracer);
    unsigned left = tracer->frames;
    for (; left >= KU__FRAMES_AT_ONCE && frame != NULL; left -= KU__FRAMES_AT_ONCE) {
        KU__UNROLL
        for (unsigned i = 0; i < KU__FRAMES_AT_ONCE; i++) {
            frame = ku__hash_frame(&hash, frame);
            if (frame == NULL) {
                return hash;
            }
        }
    }
    for (; left > 0 && frame != NULL; left--) {
        frame = ku__hash_frame(&hash, frame);
    }
    return hash;
}

/* The hash of a stack that begins at `frame`, as the tracer's entry points make it. */
static inline uint64_t ku__hash_of(const ku__tracer *tracer, const ku__frame_of_python *frame) {
    return tracer->frames == 1 ? ku__hash_of_one(tracer, frame) : ku__hash_of_many(tracer, frame);
}

/* The hash of the running stack; the calling thread holds its interpreter's lock. */
static inline uint64_t ku__hash_here(const ku__tracer *tracer, ku__stack_kind kind) {
    const ku__frame_of_python *top = ku__top_frame(kind == KU__STACK_ANY ? ku__fact_thread() : ku__fact_thread_quick());
    bool one = kind == KU__STACK_ONE || (kind == KU__STACK_ANY && tracer->frames == 1);
    return one ? ku__hash_of_one(tracer, top) : ku__hash_of_many(tracer, top);
}

/* The site of the calling thread, which holds its interpreter's lock. 0 when the tracer has failed. */
static inline uint32_t ku__site_here(ku__tracer *tracer) {
    uint64_t hash = ku__hash_here(tracer, KU__STACK_ANY);
    uint32_t site = ku__site_cached(tracer, hash);
    return KU__LIKELY(site != 0) ? site : ku__site_of_frames(tracer, ku__top_frame(ku__fact_thread()), hash);
}

#endif
