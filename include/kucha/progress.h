/* progress.h: how long work says how far it is, and how it is stopped.
 *
 * What may take seconds (dominators, paths, differences over millions of objects) takes a `const ku_progress *`, NULL
 * for nobody to tell. The function is called on the calling thread, some hundred times at most for one piece of work.
 */
#ifndef KUCHA_PROGRESS_H
#define KUCHA_PROGRESS_H

#include <stdbool.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct ku_progress {
    /* `stage` is a constant text such as "dominators"; `done` goes from 0 to 1 within a stage. False stops the work: it
     * ends with KU_STATE, and nothing is kept of it. */
    bool (*tell)(void *context, const char *stage, double done);
    void *context;
} ku_progress;

#ifdef __cplusplus
}
#endif

#endif
