/* facts_stackref.h: the facts about frames whose entries are tagged references, as they are from 3.14 on.
 *
 * Sources: those of the version whose file includes this one (facts_314.h, facts_315.h).
 */
#ifndef KU__FACTS_STACKREF_H
#define KU__FACTS_STACKREF_H

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
