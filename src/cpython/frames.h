/* frames.h: the site of the running Python code, found at every traced allocation.
 *
 * The stack is hashed over the instruction addresses of its innermost N frames; the hash finds the site in the tracer's
 * cache. Nothing but frames and one cache entry is read. Only a stack that the cache does not know is looked at closely
 * (frames.c): code objects are copied into code records, and the stack is interned.
 *
 * Frames that only mark an entry from C are passed over. A frame that has not reached its first traceable instruction counts as the
 * function's first line; tracemalloc gives such blocks (cells, generators) to the caller.
 */
#ifndef KU__FRAMES_H
#define KU__FRAMES_H

#include "cpython/facts.h"

#include "alloc/fast.h"
#include "cpython/tracing.h"
#include "trace/fast.h"

/* The slow half: interns the stack that starts at `frame` (NULL: no Python code runs). Never 0 unless the tracer failed. */
uint32_t ku__site_of_frames(ku__tracer *tracer, const ku__frame_of_python *frame, uint64_t hash);

/* The site of the calling thread, which holds its interpreter's lock. 0 when the tracer has failed. */
static inline uint32_t ku__site_here(ku__tracer *tracer) {
    const PyThreadState *thread = ku__fact_thread();
    const ku__frame_of_python *top = KU__UNLIKELY(thread == NULL) ? NULL : ku__fact_top(thread);
    uint64_t hash = ku__stack_hash_start(tracer);
    unsigned left = tracer->frames;
    for (const ku__frame_of_python *frame = top; frame != NULL; frame = ku__fact_back(frame)) {
        if (KU__LIKELY(ku__fact_has_code(frame))) {
            hash = ku__stack_hash_add(hash, (const void *)ku__fact_instruction(frame));
            if (--left == 0) {
                break;
            }
        }
    }
    uint32_t site = ku__site_cached(tracer, hash);
    return KU__LIKELY(site != 0) ? site : ku__site_of_frames(tracer, top, hash);
}

#endif
