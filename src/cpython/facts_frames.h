/* facts_frames.h: the facts about frames that have the same shape in all versions, made of what a version calls things.
 *
 * The file of a minor version defines, and then includes this one:
 *
 *     KU__FACT_TOP(thread)         the member in which a thread keeps its innermost frame
 *     KU__FACT_BOTTOM(thread)      what is there in a thread that runs nothing yet
 *     KU__FACT_HAS_CODE(frame)     false for the frames that only mark an entry from C
 *     KU__FACT_INSTRUCTION(frame)  the member that points to the code unit being executed
 */
#ifndef KU__FACTS_FRAMES_H
#define KU__FACTS_FRAMES_H

typedef struct _PyInterpreterFrame ku__frame_of_python;

#if PY_VERSION_HEX >= 0x030C0000
static inline bool ku__fact_holds_lock(void) {
    return ku__fact_thread() != NULL;
}
#endif

static inline const ku__frame_of_python *ku__fact_top(const PyThreadState *thread) {
    return KU__FACT_TOP(thread);
}

static inline void ku__fact_set_top(PyThreadState *thread, const ku__frame_of_python *frame) {
    KU__FACT_TOP(thread) = (ku__frame_of_python *)(uintptr_t)frame;
}

static inline const ku__frame_of_python *ku__fact_bottom(const PyThreadState *thread) {
    (void)thread;
    return KU__FACT_BOTTOM(thread);
}

static inline const ku__frame_of_python *ku__fact_back(const ku__frame_of_python *frame) {
    return frame->previous;
}

static inline bool ku__fact_has_code(const ku__frame_of_python *frame) {
    (void)frame;
    return KU__FACT_HAS_CODE(frame);
}

static inline uintptr_t ku__fact_instruction(const ku__frame_of_python *frame) {
    return (uintptr_t)KU__FACT_INSTRUCTION(frame);
}

#endif
