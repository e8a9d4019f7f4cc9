/* frames.c: from a stack that the cache does not know to an interned site. See frames.h.
 *
 * Runs inside the allocator: it allocates nothing through Python, takes no references and raises nothing. What it reads
 * is kept alive by the frames themselves: a frame on the stack owns its code object.
 */
#include "cpython/frames.h"

enum { CODE_UNIT = 2 }; /* bytes: sizeof(_Py_CODEUNIT) */

/* Offset of the executing instruction. Before the first instruction the address is one unit too low; that is line
 * one. */
static uint32_t instruction_offset(const ku__frame_of_python *frame, const PyCodeObject *code) {
    intptr_t offset = (intptr_t)(ku__fact_instruction(frame) - ku__fact_bytecode(code));
    return offset < 0 ? 0 : (uint32_t)offset;
}

/* The frames of a stack, innermost first, as code records; false when the tracer has failed. */
static bool gather(ku__tracer *tracer, const ku__frame_of_python *frame, ku__frame *frames, unsigned *count) {
    for (*count = 0; frame != NULL && *count < tracer->frames; frame = ku__fact_back(frame)) {
        if (!ku__fact_has_code(frame)) {
            continue;
        }
        PyCodeObject *code = ku__fact_code(frame);
        uint32_t record = ku__code_record(tracer, code);
        if (record == 0) {
            return false;
        }
        frames[(*count)++] = (ku__frame){.code = record, .instruction = instruction_offset(frame, code)};
    }
    return true;
}

/* Frames of code from here on, as many as there are. */
static unsigned depth_of(const ku__frame_of_python *frame) {
    unsigned depth = 0;
    for (; frame != NULL; frame = ku__fact_back(frame)) {
        depth += ku__fact_has_code(frame);
    }
    return depth;
}

/* Whether a frame has code that has not reached its first traceable instruction: cells and the generator of a call are
 * made then. Only the innermost frame can be in that state (_PyFrame_IsIncomplete(), Include/internal/pycore_frame.h,
 * which on entry frames and generators says the same as has_code here). */
static bool is_incomplete(const ku__frame_of_python *frame) {
    const PyCodeObject *code = ku__fact_code(frame);
    return ku__fact_instruction(frame) < ku__fact_bytecode(code) + (size_t)code->_co_firsttraceable * CODE_UNIT;
}

static const ku__frame_of_python *first_with_code(const ku__frame_of_python *frame) {
    while (frame != NULL && !ku__fact_has_code(frame)) {
        frame = ku__fact_back(frame);
    }
    return frame;
}

static uint32_t intern_stack(ku__tracer *tracer, const ku__frame_of_python *frame, uint64_t hash) {
    ku__frame frames[KU__FRAMES_MAX];
    unsigned count;
    uint32_t site = 0;
    if (gather(tracer, frame, frames, &count)) {
        site = count == 0 ? ku__tracing_state.unknown : ku__site_intern(tracer, frames, count, hash);
        if (site != 0 && count == tracer->frames) {
            ku__site_note_depth(tracer, site, depth_of(frame));
        }
    }
    if (KU__UNLIKELY(site == 0)) {
        const ku_error *failure = ku__tracer_failure(tracer);
        ku__tracing_give_up(failure != NULL ? failure->message : "tracing stopped: a stack could not be kept");
        return 0;
    }
    ku__capture_touch();
    return site;
}

/* What a call allocates before it has begun belongs to the line that calls, as tracemalloc has it. The hash covered the
 * callee, so it is of no use: the caller's own is. */
uint32_t ku__site_of_frames(ku__tracer *tracer, const ku__frame_of_python *frame, uint64_t hash) {
    frame = first_with_code(frame);
    if (frame != NULL && is_incomplete(frame)) {
        frame = first_with_code(ku__fact_back(frame));
        hash = ku__hash_of(tracer, frame);
        uint32_t site = ku__site_cached(tracer, hash);
        if (site != 0) {
            return site;
        }
    }
    return intern_stack(tracer, frame, hash);
}
