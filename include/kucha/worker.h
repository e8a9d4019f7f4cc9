/* worker.h: an isolate with a thread of its own.
 *
 * Isolates share nothing, so those on different threads run at the same time, each with its allocator, its collector
 * and its lock. What they have to say to one another goes through channels (channel.h).
 */
#ifndef KUCHA_WORKER_H
#define KUCHA_WORKER_H

#include <kucha/isolate.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct ku_worker ku_worker;

/* Runs on the worker's thread, which holds the isolate's lock. What it returns is what ku_worker_join() gives. */
typedef int ku_worker_main(ku_isolate *isolate, void *argument);

/* Makes an isolate on a new thread and runs `main` there; when it returns, the isolate is deleted. `options` may be
 * NULL and must live until the worker was joined, as must what it points to. NULL with `error` filled: memory, or no
 * thread. */
KU_API ku_worker *ku_worker_start(const ku_isolate_options *options, ku_worker_main *main, void *argument,
                                  ku_error *error);

/* Waits for its end, and frees it. Returns what `main` returned; *leaked (may be NULL) the objects that its isolate
 * left (ku_isolate_delete()). A thread that holds the lock of an isolate releases it around this call (KU_UNLOCKED). */
KU_API int ku_worker_join(ku_worker *worker, size_t *leaked);

#ifdef __cplusplus
}
#endif

#endif
