/* facts_312.h: the private structures of CPython 3.12.
 *
 * Sources, all at tag v3.12.1: Include/internal/pycore_frame.h (_PyInterpreterFrame: f_code, previous, prev_instr as in
 * 3.11; a frame with owner FRAME_OWNED_BY_CSTACK marks an entry from C, its f_code is the interpreter's trampoline),
 * Include/cpython/pystate.h (_ts.cframe->current_frame).
 */
#ifndef KU__FACTS_312_H
#define KU__FACTS_312_H

#include "cpython/facts_interpreters.h"
#include "cpython/facts_thread.h"
#include "internal/pycore_frame.h"
#include "internal/pycore_pystate.h"

#define KU__FACTS_SUPPORTED 1
#define KU__FACTS_LEAST_MICRO 0

#define KU__FACT_TOP(thread) (thread)->cframe->current_frame
#define KU__FACT_BOTTOM(thread) NULL
#define KU__FACT_HAS_CODE(frame) ((frame)->owner != FRAME_OWNED_BY_CSTACK)
#define KU__FACT_INSTRUCTION(frame) (frame)->prev_instr
#include "cpython/facts_frames.h"

static inline PyCodeObject *ku__fact_code(const ku__frame_of_python *frame) {
    return frame->f_code;
}

static inline uintptr_t ku__fact_bytecode(const PyCodeObject *code) {
    return (uintptr_t)code->co_code_adaptive;
}

/* The words of a frame that may be its evaluation stack, where nobody knows how much of it is in use: NULL where the
 * end was saved. Some may be left over from before. */
static inline const uintptr_t *ku__fact_frame_guess(const ku__frame_of_python *frame, int *count) {
    const PyCodeObject *code = ku__fact_code(frame);
    *count = code->co_stacksize;
    return frame->stacktop < 0 ? (const uintptr_t *)&frame->localsplus[code->co_nlocalsplus] : NULL;
}

/* Calls visit(object, argument) for what a frame of a thread refers to: function, code, locals, and the evaluation
 * stack where its end was saved (stacktop, -1 while the frame runs). */
static inline void ku__fact_frame_each(const ku__frame_of_python *frame, visitproc visit, void *argument) {
    const PyCodeObject *code = ku__fact_code(frame);
    PyObject *const own[] = {frame->f_funcobj, (PyObject *)frame->f_code, frame->f_locals,
                             (PyObject *)frame->frame_obj};
    for (size_t i = 0; i < sizeof own / sizeof own[0]; i++) {
        visit(own[i], argument);
    }
    int end = frame->stacktop >= 0 ? frame->stacktop : code->co_nlocalsplus;
    for (int i = 0; i < end; i++) {
        visit(frame->localsplus[i], argument);
    }
}

#endif
