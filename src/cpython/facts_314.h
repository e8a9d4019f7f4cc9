/* facts_314.h: the private structures of CPython 3.14.
 *
 * Sources, all at tags v3.14.5 and v3.14.10: Include/internal/pycore_interpframe_structs.h (_PyInterpreterFrame:
 * f_executable is a tagged reference to the code object, or to None in a frame with owner FRAME_OWNED_BY_INTERPRETER or
 * FRAME_OWNED_BY_CSTACK, which mark an entry from C; instr_ptr is the instruction being executed),
 * Include/internal/pycore_stackref.h (PyStackRef_AsPyObjectBorrow takes the tag off), Include/cpython/pystate.h
 * (_ts.current_frame; cframe is gone).
 */
#ifndef KU__FACTS_314_H
#define KU__FACTS_314_H

#include "cpython/facts_interpreters.h"
#include "cpython/facts_thread.h"
#include "internal/pycore_interpframe.h"
#include "internal/pycore_pystate.h"

#define KU__FACTS_SUPPORTED 1
#define KU__FACTS_LEAST_MICRO                                                                                          \
    5 /* 3.14.5 took the incremental collector out and changed private structures (cpython 148726) */

#define KU__FACT_TOP(thread) (thread)->current_frame
#define KU__FACT_BOTTOM(thread) NULL
#define KU__FACT_HAS_CODE(frame) ((frame)->owner < FRAME_OWNED_BY_INTERPRETER)
#define KU__FACT_INSTRUCTION(frame) (frame)->instr_ptr
#include "cpython/facts_frames.h"

static inline PyCodeObject *ku__fact_code(const ku__frame_of_python *frame) {
    return (PyCodeObject *)PyStackRef_AsPyObjectBorrow(frame->f_executable);
}

static inline uintptr_t ku__fact_bytecode(const PyCodeObject *code) {
    return (uintptr_t)code->co_code_adaptive;
}

/* Include/internal/pycore_stackref.h: the tag of an entry that is a number; the lower bit alone is a borrowed one's. */
enum { KU__STACK_INT = 3 };

/* The words of a frame that may be its evaluation stack, where nobody knows how much of it is in use: NULL where the
 * end was saved. Some may be left over from before. */
static inline const uintptr_t *ku__fact_frame_guess(const ku__frame_of_python *frame, int *count) {
    const PyCodeObject *code = ku__fact_code(frame);
    *count = code->co_stacksize;
    return frame->stackpointer == NULL ? (const uintptr_t *)&frame->localsplus[code->co_nlocalsplus] : NULL;
}

/* Calls visit(object, argument) for what a frame of a thread refers to: function, code, locals, and the evaluation
 * stack where its end was saved (stackpointer, NULL while the frame runs). */
static inline void ku__fact_frame_each(const ku__frame_of_python *frame, visitproc visit, void *argument) {
    PyObject *const own[] = {(PyObject *)ku__fact_code(frame), PyStackRef_AsPyObjectBorrow(frame->f_funcobj),
                             frame->f_locals, (PyObject *)frame->frame_obj};
    for (size_t i = 0; i < sizeof own / sizeof own[0]; i++) {
        visit(own[i], argument);
    }
    const _PyStackRef *end = frame->stackpointer;
    end = end != NULL ? end : &frame->localsplus[ku__fact_code(frame)->co_nlocalsplus];
    for (const _PyStackRef *at = frame->localsplus; at < end; at++) {
        if ((at->bits & KU__STACK_INT) != KU__STACK_INT) {
            visit((PyObject *)(at->bits & ~(uintptr_t)KU__STACK_INT), argument);
        }
    }
}

#endif
