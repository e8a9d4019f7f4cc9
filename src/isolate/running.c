/* running.c: opening and closing what an isolate keeps for running. See running.h. */
#include "isolate/running.h"

#include "alloc/anchor.h"
#include "isolate/native_layout.h"
#include "object/types.h"

#include <stdlib.h>

bool ku__running_open(ku_isolate *isolate, ku_error *error) {
    isolate->running = (ku__running *)calloc(1, sizeof *isolate->running);
    if (isolate->running == NULL) {
        return ku__error_fill(error, KU_NO_MEMORY, "an isolate could not be made: the system refused memory");
    }
    if (!ku__lock_open(isolate, error)) {
        free(isolate->running);
        isolate->running = NULL;
        return false;
    }
    ku__process_lock();
    ku__process_anchor.native = &ku__native_laid_out;
    ku__process_unlock();
    isolate->front.depth_most = UINT32_MAX;
    isolate->here = ku__frames_here;
    isolate->visit_frames = ku__frames_visit;
    isolate->refused = ku__budget_refused;
    return true;
}

void ku__running_close(ku_isolate *isolate) {
    isolate->here = NULL;
    isolate->visit_frames = NULL;
    isolate->refused = NULL;
    ku__lock_close(isolate);
    free(isolate->running);
    isolate->running = NULL;
}
