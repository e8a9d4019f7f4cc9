/* r12_lock.c: threads that share one isolate take turns: one lock, asked for at a switch interval (row R12). */
#include "show.h"

#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

enum { THREADS = 3, ROUNDS = 200000 };

typedef struct shared {
    ku_isolate *isolate;
    ku_object *list;
    atomic_int arrived;
} shared;

/* Computes: hands the lock over when asked, in ku_frame_entered(). */
static void *compute(void *argument) {
    shared *all = argument;
    atomic_fetch_add(&all->arrived, 1);
    ku_thread_enter(all->isolate, NULL);
    for (int i = 0; i < ROUNDS; i++) {
        KU_FRAME(all->isolate, frame, 1);
        if (ku_frame_entered(&frame)) {
            ku_hold(&frame, 0, ku_new_reference(all->list)); /* counts are plain: only one thread counts at a time */
        }
    }
    ku_thread_leave(all->isolate);
    return NULL;
}

int main(void) {
    shared all = {.isolate = open_isolate()};
    printf("switch interval: %g ms\n", ku_lock_interval(all.isolate) * 1000);
    ku_lock_set_interval(all.isolate, 0.0005);
    all.list = ku_list_new(all.isolate, NULL, 0);

    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++) {
        pthread_create(&threads[i], NULL, compute, &all);
    }
    while (atomic_load(&all.arrived) < THREADS) {
        usleep(1000); /* with the lock in hand, so that they wait */
    }
    usleep(20000);
    KU_UNLOCKED(all.isolate) { /* waiting for them must not keep the lock from them */
        for (int i = 0; i < THREADS; i++) {
            pthread_join(threads[i], NULL);
        }
    }
    printf("references to the list, after %d threads counted: %u\n", THREADS, ku_reference_count(all.list));

    ku_lock_stats stats;
    ku_lock_get_stats(all.isolate, &stats);
    printf("every thread took the lock: %s\n", yes(stats.acquisitions >= THREADS));
    printf("somebody waited, and how long is known: %s\n", yes(stats.waits > 0 && stats.waited > 0));
    printf("handed over only when asked: %s\n", yes(stats.handovers <= stats.requests));
    ku_decref(all.isolate, all.list);
    return (int)ku_isolate_delete(all.isolate);
}
