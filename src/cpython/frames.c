/* frames.c: from a stack that the cache does not know to an interned site. See frames.h.
 *
 * Runs inside the allocator: it allocates nothing through Python, takes no references and raises nothing. What it reads
 * is kept alive by the frames themselves: a frame on the stack owns its code object.
 */
#include "cpython/frames.h"

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

uint32_t ku__site_of_frames(ku__tracer *tracer, const ku__frame_of_python *frame, uint64_t hash) {
    ku__frame frames[KU__FRAMES_MAX];
    unsigned count;
    uint32_t site = 0;
    if (gather(tracer, frame, frames, &count)) {
        site = count == 0 ? ku__tracing_state.unknown : ku__site_intern(tracer, frames, count, hash);
    }
    if (KU__UNLIKELY(site == 0)) {
        const ku_error *failure = ku__tracer_failure(tracer);
        ku__tracing_give_up(failure != NULL ? failure->message : "tracing stopped: a stack could not be kept");
        return 0;
    }
    ku__capture_touch();
    return site;
}
