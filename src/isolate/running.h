/* running.h: what an isolate keeps for running: its lock, its threads with their frames, its budget.
 *
 * The lock. `holder` is the thread that may use the isolate, or NULL; those that wait stand in a queue, first come
 * first served. Whoever releases hands over to the first of the queue directly, so that
 *
 *     holder == NULL  =>  the queue is empty
 *
 * and nobody overtakes. Everything in ku__lock, and the links of threads, is read and written under `mutex`; what a
 * thread puts aside is its own.
 *
 * Asking. The first of the queue waits until the holder has had the lock for the interval, and then writes UINTPTR_MAX
 * into front.stack_least, under the mutex. The holder's ku_frame_entered() finds that its stack ends above it, looks
 * closer, and hands over. Taking the lock writes the new holder's own limit, under the mutex too: no request is lost,
 * and none is served twice. (V8's StackGuard does its interrupts so.)
 */
#ifndef KU__RUNNING_H
#define KU__RUNNING_H

#include "isolate/budget.h"
#include "object/object.h"

#include <kucha/lock.h>
#include <kucha/scope.h>
#include <pthread.h>

/* A thread in an isolate. */
typedef struct ku__thread {
    struct ku__thread *next;   /* in the list of all, in the order in which they came */
    struct ku__thread *behind; /* in the queue */
    uintptr_t id;              /* of the thread, see ku__thread_id() */
    pthread_cond_t turn;       /* it got the lock, or has become the first who waits */
    uintptr_t stack_least;
    ku_frame base; /* end of its chain of frames: no slots, depth 0 */

    /* what is its own, while it does not hold the lock */
    ku_frame *innermost;
    ku__pending pending;
    ku_object *waiting;
    unsigned depth;
} ku__thread;

typedef struct ku__lock {
    pthread_mutex_t mutex;
    ku__thread *holder;
    ku__thread *first, *last; /* the queue */
    ku__thread *threads;
    uint64_t interval; /* nanoseconds */
    uint64_t since;    /* when the holder took it */
    bool asked;        /* the holder has been asked */
    uint64_t acquisitions, waits, requests, handovers;
    uint64_t waited, waited_most, held, held_most; /* nanoseconds */
} ku__lock;

struct ku__running {
    ku__lock lock;
    ku__budget budget;
};

/* A number that no other thread has while this one runs. */
uintptr_t ku__thread_id(void);

/* Opening and closing the lock: the calling thread is its first holder, and must be its last. */
bool ku__lock_open(ku_isolate *isolate, ku_error *error);
void ku__lock_close(ku_isolate *isolate);

/* The innermost frame's place, and the frames' part of marking: see ku_isolate. */
bool ku__frames_here(const ku_isolate *isolate, ku_place *place);
void ku__frames_visit(ku_isolate *isolate, ku_visit *visit, void *argument);

/* Threads in the order in which a walk shows them: the holder first. `previous` is NULL to begin with. */
const ku__thread *ku__thread_next(const ku_isolate *isolate, const ku__thread *previous);

/* Blocks behind a scope's own places, newest first. */
struct ku_handles {
    struct ku_handles *next;
    size_t count;
    ku_object *items[62]; /* with them a block is 512 bytes, the largest that pools have */
};

#endif
