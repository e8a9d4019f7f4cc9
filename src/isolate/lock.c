/* lock.c: the lock of an isolate and the threads that share it. See kucha/lock.h and running.h. */
#include "isolate/running.h"

#include "alloc/check.h"
#include "object/held.h"
#include "object/types.h"
#include "os/clock.h"
#include "os/stack.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

/* CPython's, since 3.2: long enough that switches cost little, short enough that nobody waits visibly. */
static const uint64_t INTERVAL = 5000000;

static const double NANOSECONDS = 1e9;

uintptr_t ku__thread_id(void) {
    static _Thread_local char own;
    return (uintptr_t)&own;
}

static ku__lock *lock_of(ku_isolate *isolate) {
    return &isolate->running->lock;
}

/* ---- threads ---- */

static ku__thread *find_thread(const ku__lock *lock) {
    uintptr_t id = ku__thread_id();
    ku__thread *thread = lock->threads;
    while (thread != NULL && thread->id != id) {
        thread = thread->next;
    }
    return thread;
}

static ku__thread *new_thread(ku_isolate *isolate) {
    static const ku_place outside = {NULL, NULL, 0};
    ku__thread *thread = (ku__thread *)calloc(1, sizeof *thread);
    if (thread == NULL) {
        return NULL;
    }
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&thread->turn, &attributes);
    pthread_condattr_destroy(&attributes);
    thread->id = ku__thread_id();
    thread->stack_least = ku__stack_least();
    thread->base = (ku_frame){.isolate = isolate, .place = &outside};
    thread->innermost = &thread->base;
    return thread;
}

static void free_thread(ku__thread *thread) {
    pthread_cond_destroy(&thread->turn);
    free(thread);
}

static void list_thread(ku__lock *lock, ku__thread *thread) {
    ku__thread **end = &lock->threads;
    while (*end != NULL) {
        end = &(*end)->next;
    }
    *end = thread;
}

static void delist_thread(ku__lock *lock, const ku__thread *thread) {
    ku__thread **place = &lock->threads;
    while (*place != thread) {
        place = &(*place)->next;
    }
    *place = thread->next;
}

/* ---- what is a thread's own ---- done by the holder, before it hands over and after it was handed the lock */

static void note_held(const ku_isolate *isolate, bool held) {
    ku__held_note(isolate->tracked, held);
    ku__held_note(isolate->atoms, held);
    ku__held_note(isolate->buffers, held);
    (void)isolate;
    (void)held;
}

static void put_aside(ku_isolate *isolate, ku__thread *thread) {
    thread->innermost = isolate->front.innermost;
    thread->pending = ku__pending_take(isolate);
    thread->waiting = isolate->waiting;
    thread->depth = isolate->depth;
    isolate->front.innermost = NULL;
    isolate->waiting = NULL;
    isolate->depth = 0;
    note_held(isolate, false);
}

static void take_up(ku_isolate *isolate, ku__thread *thread) {
    note_held(isolate, true);
    isolate->front.innermost = thread->innermost;
    isolate->pending = thread->pending;
    isolate->waiting = thread->waiting;
    isolate->depth = thread->depth;
    thread->pending = (ku__pending){.is_set = false};
    thread->waiting = NULL;
}

/* ---- the queue ---- all under the mutex */

static void check_lock(const ku__lock *lock) {
    (void)lock;
    KU__CHECK((lock->first == NULL) == (lock->last == NULL));
    KU__CHECK(lock->holder != NULL || lock->first == NULL);
}

static void enqueue(ku__lock *lock, ku__thread *thread) {
    thread->behind = NULL;
    if (lock->last != NULL) {
        lock->last->behind = thread;
    } else {
        lock->first = thread;
    }
    lock->last = thread;
}

static void make_holder(ku_isolate *isolate, ku__thread *thread, uint64_t now) {
    ku__lock *lock = lock_of(isolate);
    lock->holder = thread;
    lock->since = now;
    lock->asked = false;
    lock->acquisitions++;
    __atomic_store_n(&isolate->front.stack_least, thread->stack_least, __ATOMIC_RELAXED);
}

/* The holder's time is over: the first of the queue gets the lock, and the next one becomes the first, whose business
 * it is to ask. */
static void pass_on(ku_isolate *isolate) {
    ku__lock *lock = lock_of(isolate);
    uint64_t now = ku__clock_nanoseconds(), held = now - lock->since;
    lock->held += held;
    lock->held_most = held > lock->held_most ? held : lock->held_most;
    lock->holder = NULL;
    ku__thread *next = lock->first;
    if (next != NULL) {
        lock->first = next->behind;
        lock->last = lock->first != NULL ? lock->last : NULL;
        make_holder(isolate, next, now);
        pthread_cond_signal(&next->turn);
        if (lock->first != NULL) {
            pthread_cond_signal(&lock->first->turn);
        }
    }
    check_lock(lock);
}

static void ask_holder(ku_isolate *isolate) {
    ku__lock *lock = lock_of(isolate);
    lock->asked = true;
    lock->requests++;
    __atomic_store_n(&isolate->front.stack_least, UINTPTR_MAX, __ATOMIC_RELAXED);
}

/* Sleeps until something may have changed, or it is time to ask. */
static void sleep_in_queue(ku_isolate *isolate, ku__thread *thread) {
    ku__lock *lock = lock_of(isolate);
    uint64_t due = lock->since + lock->interval;
    if (lock->first == thread && !lock->asked && ku__clock_nanoseconds() >= due) {
        ask_holder(isolate);
    }
    if (lock->first != thread || lock->asked) {
        pthread_cond_wait(&thread->turn, &lock->mutex);
        return;
    }
    struct timespec when = {.tv_sec = (time_t)(due / 1000000000u), .tv_nsec = (long)(due % 1000000000u)};
    pthread_cond_timedwait(&thread->turn, &lock->mutex, &when);
}

/* Waits until the lock was handed to the thread. */
static void wait_for_turn(ku_isolate *isolate, ku__thread *thread) {
    ku__lock *lock = lock_of(isolate);
    uint64_t start = ku__clock_nanoseconds();
    lock->waits++;
    enqueue(lock, thread);
    while (lock->holder != thread) {
        sleep_in_queue(isolate, thread);
    }
    uint64_t waited = lock->since > start ? lock->since - start : 0;
    lock->waited += waited;
    lock->waited_most = waited > lock->waited_most ? waited : lock->waited_most;
}

static void take(ku_isolate *isolate, ku__thread *thread) {
    ku__lock *lock = lock_of(isolate);
    check_lock(lock);
    if (lock->holder == NULL) {
        make_holder(isolate, thread, ku__clock_nanoseconds());
    } else {
        wait_for_turn(isolate, thread);
    }
}

/* ---- the public calls ---- */

void ku_lock_acquire(ku_isolate *isolate) {
    ku__lock *lock = lock_of(isolate);
    pthread_mutex_lock(&lock->mutex);
    ku__thread *thread = find_thread(lock);
    KU__CHECK(thread != NULL && lock->holder != thread); /* it has entered, and does not hold the lock already */
    take(isolate, thread);
    pthread_mutex_unlock(&lock->mutex);
    take_up(isolate, thread);
}

void ku_lock_release(ku_isolate *isolate) {
    ku__lock *lock = lock_of(isolate);
    KU__CHECK(ku_lock_is_held(isolate));
    put_aside(isolate, lock->holder); /* only the holder itself changes `holder` while it is one */
    pthread_mutex_lock(&lock->mutex);
    pass_on(isolate);
    pthread_mutex_unlock(&lock->mutex);
}

bool ku_lock_yield(ku_isolate *isolate) {
    if (__atomic_load_n(&isolate->front.stack_least, __ATOMIC_RELAXED) != UINTPTR_MAX) {
        return false;
    }
    ku__lock *lock = lock_of(isolate);
    KU__CHECK(ku_lock_is_held(isolate));
    ku__thread *thread = lock->holder;
    put_aside(isolate, thread);
    pthread_mutex_lock(&lock->mutex);
    lock->handovers++;
    pass_on(isolate);
    take(isolate, thread);
    pthread_mutex_unlock(&lock->mutex);
    take_up(isolate, thread);
    return true;
}

bool ku_thread_enter(ku_isolate *isolate, ku_error *error) {
    ku__lock *lock = lock_of(isolate);
    pthread_mutex_lock(&lock->mutex);
    bool known = find_thread(lock) != NULL;
    pthread_mutex_unlock(&lock->mutex); /* only this thread adds a record of itself */
    if (known) {
        return ku__error_fill(error, KU_STATE, "the thread is in the isolate already: use ku_lock_acquire()");
    }
    ku__thread *thread = new_thread(isolate);
    if (thread == NULL) {
        return ku__error_fill(error, KU_NO_MEMORY, "the system refused memory for a thread's record");
    }
    pthread_mutex_lock(&lock->mutex);
    list_thread(lock, thread);
    take(isolate, thread);
    pthread_mutex_unlock(&lock->mutex);
    take_up(isolate, thread);
    return true;
}

void ku_thread_leave(ku_isolate *isolate) {
    ku__lock *lock = lock_of(isolate);
    KU__CHECK(ku_lock_is_held(isolate));
    ku__thread *thread = lock->holder;
    KU__CHECK(isolate->front.innermost == &thread->base);
    ku_clear_error(isolate);
    put_aside(isolate, thread);
    pthread_mutex_lock(&lock->mutex);
    delist_thread(lock, thread);
    pass_on(isolate);
    pthread_mutex_unlock(&lock->mutex);
    free_thread(thread);
}

bool ku_lock_is_held(ku_isolate *isolate) {
    ku__lock *lock = lock_of(isolate);
    pthread_mutex_lock(&lock->mutex);
    bool held = lock->holder != NULL && lock->holder->id == ku__thread_id();
    pthread_mutex_unlock(&lock->mutex);
    return held;
}

/* ---- settings and statistics ---- */

bool ku_lock_set_interval(ku_isolate *isolate, double seconds) {
    if (!(seconds > 0 && seconds <= 1000)) {
        return false;
    }
    ku__lock *lock = lock_of(isolate);
    pthread_mutex_lock(&lock->mutex);
    lock->interval = (uint64_t)(seconds * NANOSECONDS) + (seconds * NANOSECONDS < 1);
    if (lock->first != NULL) {
        pthread_cond_signal(&lock->first->turn); /* it may be time to ask now */
    }
    pthread_mutex_unlock(&lock->mutex);
    return true;
}

double ku_lock_interval(ku_isolate *isolate) {
    ku__lock *lock = lock_of(isolate);
    pthread_mutex_lock(&lock->mutex);
    double seconds = (double)lock->interval / NANOSECONDS;
    pthread_mutex_unlock(&lock->mutex);
    return seconds;
}

static unsigned count_threads(const ku__lock *lock) {
    unsigned count = 0;
    for (const ku__thread *thread = lock->threads; thread != NULL; thread = thread->next) {
        count++;
    }
    return count;
}

static unsigned count_waiting(const ku__lock *lock) {
    unsigned count = 0;
    for (const ku__thread *thread = lock->first; thread != NULL; thread = thread->behind) {
        count++;
    }
    return count;
}

void ku_lock_get_stats(ku_isolate *isolate, ku_lock_stats *stats) {
    ku__lock *lock = lock_of(isolate);
    pthread_mutex_lock(&lock->mutex);
    uint64_t now_held = lock->holder != NULL ? ku__clock_nanoseconds() - lock->since : 0;
    uint64_t held_most = now_held > lock->held_most ? now_held : lock->held_most;
    *stats = (ku_lock_stats){
        .acquisitions = lock->acquisitions,
        .waits = lock->waits,
        .requests = lock->requests,
        .handovers = lock->handovers,
        .waited = (double)lock->waited / NANOSECONDS,
        .waited_most = (double)lock->waited_most / NANOSECONDS,
        .held = (double)(lock->held + now_held) / NANOSECONDS,
        .held_most = (double)held_most / NANOSECONDS,
        .threads = count_threads(lock),
        .waiting = count_waiting(lock),
    };
    pthread_mutex_unlock(&lock->mutex);
}

/* ---- opening and closing ---- */

/* Others may enter meanwhile, at the end of the list; only the holder leaves. */
const ku__thread *ku__thread_next(const ku_isolate *isolate, const ku__thread *previous) {
    ku__lock *lock = &isolate->running->lock;
    pthread_mutex_lock(&lock->mutex);
    const ku__thread *next = lock->holder, *holder = next;
    if (previous != NULL) {
        next = previous == holder ? lock->threads : previous->next;
        next = next == holder ? next->next : next;
    }
    pthread_mutex_unlock(&lock->mutex);
    return next;
}

bool ku__lock_open(ku_isolate *isolate, ku_error *error) {
    ku__lock *lock = lock_of(isolate);
    ku__thread *thread = new_thread(isolate);
    if (thread == NULL) {
        return ku__error_fill(error, KU_NO_MEMORY, "an isolate could not be made: the system refused memory");
    }
    pthread_mutex_init(&lock->mutex, NULL);
    lock->interval = INTERVAL;
    lock->threads = thread;
    make_holder(isolate, thread, ku__clock_nanoseconds());
    take_up(isolate, thread);
    return true;
}

void ku__lock_close(ku_isolate *isolate) {
    ku__lock *lock = lock_of(isolate);
    KU__CHECK(isolate->front.innermost == &lock->holder->base); /* no frame is left */
    KU__CHECK(lock->threads->next == NULL);                     /* and no other thread */
    note_held(isolate, false);
    while (lock->threads != NULL) {
        ku__thread *thread = lock->threads;
        lock->threads = thread->next;
        free_thread(thread);
    }
    pthread_mutex_destroy(&lock->mutex);
}
