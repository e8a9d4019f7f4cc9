/* lock.h: the lock of an isolate, and the threads that share it.
 *
 * Each isolate has one lock. Whoever holds it may use the isolate; nobody else may, not even to count a reference. The
 * thread that makes an isolate holds its lock, so a program with one thread never meets it.
 *
 * Another thread enters the isolate (ku_thread_enter()), which waits for the lock, works, and leaves. Around calls that
 * may block, a thread gives the lock away (KU_UNLOCKED). A thread that computes is asked for the lock by those that
 * wait, once it has held it for the *switch interval*, 5 ms unless set; it hands it over at its next ku_frame_entered()
 * or ku_lock_yield(), and nowhere else: between two of them nobody interferes, except at KU_UNLOCKED.
 *
 * Who waits is served in the order of coming. A lock that is handed over goes to the first who waits, never back to who
 * gave it while somebody else is waiting.
 *
 * What belongs to a thread in an isolate is put aside while it does not hold the lock, and is there again when it does:
 * its chain of frames, its pending error, its nested deallocations.
 *
 * In the checking build everything that counts, makes, frees or collects objects ends the program when the calling
 * thread does not hold the lock of the isolate that the object lives in.
 *
 * Fork: in a child the lock is as the forking thread left it; other threads are not there, and one that held the lock
 * holds it for ever. So hold it, or have one thread only, when you fork.
 *
 * Source: the global interpreter lock as rewritten for Python 3.2 (Antoine Pitrou; Python/ceval_gil.c), with a queue in
 * place of its race for the lock.
 */
#ifndef KUCHA_LOCK_H
#define KUCHA_LOCK_H

#include <kucha/frame.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Makes the calling thread known to the isolate and takes the lock; waits for it. False with `error` filled (may be
 * NULL): KU_NO_MEMORY; KU_STATE for a thread that is in it already. */
KU_API bool ku_thread_enter(ku_isolate *isolate, ku_error *error);

/* The thread's end in the isolate: releases the lock. No frame of it may be left; a pending error is forgotten. An
 * isolate may be deleted when its last thread, which does that, is alone in it. */
KU_API void ku_thread_leave(ku_isolate *isolate);

/* Releases the lock around something that blocks, and takes it again, waiting for it. In between the isolate and its
 * objects must not be touched. A thread must have entered before it can acquire. */
KU_API void ku_lock_release(ku_isolate *isolate);
KU_API void ku_lock_acquire(ku_isolate *isolate);

/* Runs the statement or block that follows without the lock. It must be left at its end: not by return, break, goto. */
#define KU_UNLOCKED(isolate)                                                                                           \
    for (bool ku__done = (ku_lock_release(isolate), false); !ku__done; ku_lock_acquire(isolate), ku__done = true)

/* Hands the lock over if another thread has asked for it, and waits for its turn. True when it did. */
KU_API bool ku_lock_yield(ku_isolate *isolate);

/* Whether the calling thread holds the lock. Any thread may ask. */
KU_API bool ku_lock_is_held(ku_isolate *isolate);

/* The switch interval in seconds. Setting answers false, and changes nothing, unless it is above 0 and at most 1000.
 * (cf. sys.setswitchinterval) */
KU_API bool ku_lock_set_interval(ku_isolate *isolate, double seconds);
KU_API double ku_lock_interval(ku_isolate *isolate);

typedef struct ku_lock_stats {
    uint64_t acquisitions; /* times that the lock was taken */
    uint64_t waits;        /* of them, those that had to wait */
    uint64_t requests;     /* times that a holder was asked, after the interval */
    uint64_t handovers;    /* times that it then handed over */
    double waited;         /* seconds that threads waited, in all; and the longest wait */
    double waited_most;
    double held; /* seconds that the lock was held, in all, now included; and the longest time */
    double held_most;
    unsigned threads; /* that have entered, now */
    unsigned waiting; /* of them, those that wait for the lock now */
} ku_lock_stats;

/* Any thread may ask, with or without the lock. */
KU_API void ku_lock_get_stats(ku_isolate *isolate, ku_lock_stats *stats);

#ifdef __cplusplus
}
#endif

#endif
