/* worker.c: an isolate with a thread of its own. See kucha/worker.h. */
#include "object/object.h"
#include "object/types.h"

#include <kucha/worker.h>
#include <pthread.h>
#include <stdlib.h>

/* Starting is a hand-over: the isolate is made on its thread, whose lock it is, and whoever starts it waits to hear
 * whether that worked. */
struct ku_worker {
    pthread_t thread;
    const ku_isolate_options *options;
    ku_worker_main *main;
    void *argument;
    pthread_mutex_t mutex;
    pthread_cond_t started;
    enum { STARTING, STARTED, FAILED } state;
    ku_error error;
    int result;
    size_t leaked;
};

static void tell(ku_worker *worker, bool started) {
    pthread_mutex_lock(&worker->mutex);
    worker->state = started ? STARTED : FAILED;
    pthread_cond_signal(&worker->started);
    pthread_mutex_unlock(&worker->mutex);
}

static void *run(void *argument) {
    ku_worker *worker = (ku_worker *)argument;
    ku_isolate *isolate = ku_isolate_new(worker->options, &worker->error);
    tell(worker, isolate != NULL);
    if (isolate != NULL) {
        worker->result = worker->main(isolate, worker->argument);
        worker->leaked = ku_isolate_delete(isolate);
    }
    return NULL;
}

static void free_worker(ku_worker *worker) {
    pthread_cond_destroy(&worker->started);
    pthread_mutex_destroy(&worker->mutex);
    free(worker);
}

static bool wait_for_start(ku_worker *worker) {
    pthread_mutex_lock(&worker->mutex);
    while (worker->state == STARTING) {
        pthread_cond_wait(&worker->started, &worker->mutex);
    }
    bool started = worker->state == STARTED;
    pthread_mutex_unlock(&worker->mutex);
    return started;
}

ku_worker *ku_worker_start(const ku_isolate_options *options, ku_worker_main *main, void *argument, ku_error *error) {
    ku_worker *worker = (ku_worker *)calloc(1, sizeof *worker);
    if (worker == NULL) {
        ku__error_fill(error, KU_NO_MEMORY, "the system refused memory for a worker");
        return NULL;
    }
    worker->options = options;
    worker->main = main;
    worker->argument = argument;
    pthread_mutex_init(&worker->mutex, NULL);
    pthread_cond_init(&worker->started, NULL);
    int why = pthread_create(&worker->thread, NULL, run, worker);
    if (why != 0) {
        ku__error_fill(error, KU_NO_MEMORY, "a thread could not be started; there are too many, or too little memory");
        free_worker(worker);
        return NULL;
    }
    if (!wait_for_start(worker)) {
        pthread_join(worker->thread, NULL);
        ku__error_fill(error, worker->error.code, "%s", worker->error.message);
        free_worker(worker);
        return NULL;
    }
    return worker;
}

int ku_worker_join(ku_worker *worker, size_t *leaked) {
    pthread_join(worker->thread, NULL);
    int result = worker->result;
    if (leaked != NULL) {
        *leaked = worker->leaked;
    }
    free_worker(worker);
    return result;
}
