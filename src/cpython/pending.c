/* pending.c: see pending.h. */
#include "cpython/facts.h"

#include "cpython/pending.h"

#include "cpython/gil.h"
#include "cpython/many.h"
#include "os/clock.h"
#include "trace/capture.h"

#include <stdatomic.h>

/* After that long it does not matter any more where os.fork() is: it takes well under a millisecond, and longer only
 * where others have the processor or a function of os.register_at_fork() works for long. */
#define FORK_SECONDS 0.1

static atomic_bool waiting; /* the interpreter has a call of ours that it has not made */

/* Where the last fork was called; under the GIL. */
static struct {
    const PyThreadState *thread; /* NULL: no fork is to be waited for */
    const ku__frame_of_python *frame;
    double started; /* monotonic */
} forking;

static int call(void *ignored);

static void ask(void) {
    bool none = false;
    if (atomic_compare_exchange_strong(&waiting, &none, true) && Py_AddPendingCall(call, NULL) != 0) {
        atomic_store(&waiting, false);
    }
}

static bool inside_fork(const PyThreadState *thread) {
    return forking.thread == thread && ku__fact_top(thread) != forking.frame &&
           ku__clock_monotonic() - forking.started < FORK_SECONDS;
}

/* In the main thread, with the GIL. The interpreter lets no exception through that was not raised here. */
static int call(void *ignored) {
    (void)ignored;
    const PyThreadState *thread = ku__fact_thread();
    atomic_store(&waiting, false);
    if (inside_fork(thread)) {
        ask();
        return 0;
    }
    ku__many_tracing_lock();
    if (forking.thread == thread) {
        forking.thread = NULL;
        ku__capture_resume();
        ku__gil_resume();
    }
    ku__capture_touch();
    ku__many_tracing_unlock();
    return 0;
}

void ku__pending_ask(void *ignored) {
    (void)ignored;
    ask();
}

/* A fork without the GIL is none of os.fork()'s; the next slow path starts the thread again. */
void ku__pending_ask_after_fork(void *ignored) {
    (void)ignored;
    if (!ku__fact_holds_lock()) {
        return;
    }
    forking.thread = ku__fact_thread();
    forking.frame = ku__fact_top(forking.thread);
    forking.started = ku__clock_monotonic();
    ask();
}

void ku__pending_after_fork_in_child(void) {
    forking.thread = NULL;
    atomic_store(&waiting, false);
}
