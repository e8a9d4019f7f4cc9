/* budget.h: how much memory an isolate may hold.
 *
 * Counted are the bytes of pools in use, whole, and of large blocks, over the isolate's three heaps: objects, and the
 * arrays, tables and text that they own. Tables that the library keeps beside the heaps are not.
 *
 * Soft limit. The request that would pass it collects everything first. If that does not bring the isolate an eighth
 * under the limit (with less, it would soon collect again), the hook is called: it may drop caches, raise the budget,
 * or note that it is time to end something; then the request goes on. The hook is called again when the isolate has
 * been an eighth under the limit in between.
 *
 * Hard limit. The request that would pass it collects everything, and if that was not enough it fails: NULL, with
 * KU_LIMIT pending, at the very call that asked. The isolate is whole and usable; whatever the program lets go of is
 * freed as ever, which needs no memory, and makes room. Bytes held never pass the hard limit.
 *
 * Between limits nothing is counted on the way: each heap has a part of what is left on lease, and asks again when that
 * is used up. A program without a budget does not notice that there are any.
 *
 * Lock: the isolate's. Source: sqlite3_soft_heap_limit64() and sqlite3_hard_heap_limit64(); V8's
 * AddNearHeapLimitCallback().
 */
#ifndef KUCHA_BUDGET_H
#define KUCHA_BUDGET_H

#include <kucha/isolate.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Called in the middle of a call that makes something, as a finalizer may be: with the isolate usable. `held` is what
 * it holds after the collection. An error that the hook leaves pending is dropped. What the hook itself makes is not
 * refused below the hard limit. */
typedef void ku_budget_hook(ku_isolate *isolate, size_t held, size_t soft, void *argument);

typedef struct ku_budget {
    size_t soft;          /* bytes; 0 is none */
    size_t hard;          /* bytes; 0 is none */
    ku_budget_hook *hook; /* NULL: the soft limit only collects */
    void *argument;
} ku_budget;

/* Sets the budget; NULL removes it. Limits under what is held now are allowed. False with KU_INVALID pending when the
 * soft limit is above the hard one. */
KU_API bool ku_budget_set(ku_isolate *isolate, const ku_budget *budget);
KU_API void ku_budget_get(const ku_isolate *isolate, ku_budget *budget);

typedef struct ku_budget_stats {
    size_t held;          /* bytes counted now */
    uint64_t soft_passed; /* times that the soft limit was passed, the collection notwithstanding */
    uint64_t collections; /* collections that a limit caused */
    uint64_t refusals;    /* requests that failed at the hard limit */
} ku_budget_stats;
KU_API void ku_budget_get_stats(const ku_isolate *isolate, ku_budget_stats *stats);

#ifdef __cplusplus
}
#endif

#endif
