/* facts_315.h: the private structures of CPython 3.15.
 *
 * Sources, all at tag v3.15.2: Include/internal/pycore_interpframe_structs.h (_PyInterpreterFrame: f_executable is a
 * tagged reference to the code object, or to None in a frame with owner FRAME_OWNED_BY_INTERPRETER, which marks an
 * entry from C; instr_ptr is the instruction being executed), Include/internal/pycore_stackref.h
 * (PyStackRef_AsPyObjectBorrow takes the tag off), Include/cpython/pystate.h (_ts.current_frame; cframe is gone).
 */
#ifndef KU__FACTS_315_H
#define KU__FACTS_315_H

#include "cpython/facts_interpreters.h"
#include "cpython/facts_thread.h"
#include "internal/pycore_interpframe.h"
#include "internal/pycore_pystate.h"

#define KU__FACTS_SUPPORTED 1
#define KU__FACTS_LEAST_MICRO 0

typedef struct _PyInterpreterFrame ku__frame_of_python;

static inline bool ku__fact_holds_lock(void) {
    return ku__fact_thread() != NULL;
}

static inline const ku__frame_of_python *ku__fact_top(const PyThreadState *thread) {
    return thread->current_frame;
}

static inline void ku__fact_set_top(PyThreadState *thread, const ku__frame_of_python *frame) {
    thread->current_frame = (ku__frame_of_python *)(uintptr_t)frame;
}

static inline const ku__frame_of_python *ku__fact_bottom(const PyThreadState *thread) {
    return thread->base_frame;
}

static inline const ku__frame_of_python *ku__fact_back(const ku__frame_of_python *frame) {
    return frame->previous;
}

static inline bool ku__fact_has_code(const ku__frame_of_python *frame) {
    return frame->owner < FRAME_OWNED_BY_INTERPRETER;
}

static inline uintptr_t ku__fact_instruction(const ku__frame_of_python *frame) {
    return (uintptr_t)frame->instr_ptr;
}

static inline PyCodeObject *ku__fact_code(const ku__frame_of_python *frame) {
    return (PyCodeObject *)PyStackRef_AsPyObjectBorrow(frame->f_executable);
}

static inline uintptr_t ku__fact_bytecode(const PyCodeObject *code) {
    return (uintptr_t)code->co_code_adaptive;
}

#endif
