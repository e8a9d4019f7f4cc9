/* facts_thread.h: the running thread's state from 3.12 on, where it lies in a thread-local variable of the interpreter.
 *
 * The variable is private, and the function that reads it (_PyThreadState_GetCurrent) costs a traced entry point more
 * than the call: the registers that must survive it. So its place is found once (thread_slot.c) as an offset from the
 * thread pointer, which is the same in all threads for a library that was there when the process began. Where it cannot
 * be found, the function is called, and traced entry points are those of many.c, which do not mind.
 *
 * Source: Python/pystate.c at v3.12.1 to v3.15.2 (_Py_tss_tstate; NULL whenever the thread has given up its GIL).
 */
#ifndef KU__FACTS_THREAD_H
#define KU__FACTS_THREAD_H

extern __attribute__((visibility("hidden")))
ptrdiff_t ku__thread_slot; /* bytes from the thread pointer; 0: not known */

/* Finds it, and makes sure in a second thread. Holds the GIL, and gives it up for a moment. */
void ku__thread_slot_find(void);

__attribute__((noinline, cold)) PyThreadState *ku__thread_by_call(void);

/* What the calling thread has at `slot`. Not optimised away: the GIL may be given up between two reads. */
static inline PyThreadState *ku__thread_at(ptrdiff_t slot) {
#if defined(__x86_64__)
    PyThreadState *thread;
    __asm__ volatile("movq %%fs:(%1), %0" : "=r"(thread) : "r"(slot));
    return thread;
#else
    return *(PyThreadState *volatile *)((char *)__builtin_thread_pointer() + slot);
#endif
}

static inline PyThreadState *ku__fact_thread(void) {
    ptrdiff_t slot = ku__thread_slot;
    return __builtin_expect(slot != 0, 1) ? ku__thread_at(slot) : ku__thread_by_call();
}

/* Only while ku__thread_slot is known: nothing is tested. */
static inline PyThreadState *ku__fact_thread_quick(void) {
    return ku__thread_at(ku__thread_slot);
}

static inline bool ku__fact_quick(void) {
    return ku__thread_slot != 0;
}

#endif
