/* facts_none.h: an interpreter that the bridge knows nothing of: a free-threaded build or an unknown minor version.
 *
 * The module still builds and imports there, so that kucha can say why it swaps nothing.
 */
#ifndef KU__FACTS_NONE_H
#define KU__FACTS_NONE_H

#define KU__FACTS_SUPPORTED 0
#define KU__FACTS_LEAST_MICRO 0

typedef struct ku__frame_of_python ku__frame_of_python;

static inline PyThreadState *ku__fact_thread(void) {
    return NULL;
}

static inline PyThreadState *ku__fact_thread_quick(void) {
    return ku__fact_thread();
}

static inline bool ku__fact_quick(void) {
    return true;
}

static inline bool ku__fact_holds_lock(void) {
    return false;
}

static inline const ku__frame_of_python *ku__fact_top(const PyThreadState *thread) {
    (void)thread;
    return NULL;
}

static inline void ku__fact_set_top(PyThreadState *thread, const ku__frame_of_python *frame) {
    (void)thread;
    (void)frame;
}

static inline const ku__frame_of_python *ku__fact_bottom(const PyThreadState *thread) {
    (void)thread;
    return NULL;
}

static inline const ku__frame_of_python *ku__fact_back(const ku__frame_of_python *frame) {
    (void)frame;
    return NULL;
}

static inline bool ku__fact_has_code(const ku__frame_of_python *frame) {
    (void)frame;
    return false;
}

static inline uintptr_t ku__fact_instruction(const ku__frame_of_python *frame) {
    (void)frame;
    return 0;
}

static inline PyCodeObject *ku__fact_code(const ku__frame_of_python *frame) {
    (void)frame;
    return NULL;
}

static inline uintptr_t ku__fact_bytecode(const PyCodeObject *code) {
    (void)code;
    return 0;
}

/* All interpreters share one GIL and so one pair of heaps: which one runs does not matter. */
static inline int64_t ku__fact_interpreter_id(const PyInterpreterState *interpreter) {
    (void)interpreter;
    return 0;
}

static inline bool ku__fact_interpreter_lives(int64_t id) {
    (void)id;
    return true;
}

static inline size_t ku__fact_interpreter_count(void) {
    return 1;
}

#endif
