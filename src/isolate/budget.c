/* budget.c: soft and hard limits over the three heaps of an isolate. See kucha/budget.h.
 *
 * A heap compares what it holds with a limit of its own whenever it takes a pool or a large block (src/alloc), and that
 * is the only test on the way. The budget sets those limits:
 *
 *     a heap's limit = what it holds + its lease,      and the sum of limits <= ceiling
 *
 * where the ceiling is the soft limit until that was passed, then the hard one. A heap that is refused gets a new lease
 * out of what is left, for which the leases of the others are taken back. So the sum never passes the ceiling. When a
 * heap shrinks, its limit follows at the distance of a lease (ku_heap.lease): so growing again is seen too, and with it
 * that the soft limit is passed again.
 *
 * A lease is a 32nd of the ceiling: small enough that what is held is looked at often; large enough that looking, which
 * empties the heap's magazines, costs nothing.
 */
#include "isolate/events.h"
#include "isolate/running.h"

#include "alloc/fences.h"
#include "alloc/tables.h"

enum { LEASE_PART = 32, REARM_PART = 8 };

enum { HEAPS = 3 };

static ku__budget *budget_of(const ku_isolate *isolate) {
    return &isolate->running->budget;
}

static ku_heap *heap_of(const ku_isolate *isolate, int i) {
    ku_heap *const heaps[HEAPS] = {isolate->tracked, isolate->atoms, isolate->buffers};
    return heaps[i];
}

static size_t held(const ku_isolate *isolate) {
    size_t bytes = 0;
    for (int i = 0; i < HEAPS; i++) {
        bytes += ku__heap_held(heap_of(isolate, i));
    }
    return bytes;
}

static size_t or_none(size_t limit) {
    return limit != 0 ? limit : SIZE_MAX;
}

/* No heap may take more, until it has asked. `each` is how much a lease is from now on. */
static void take_leases_back(ku_isolate *isolate, size_t each) {
    bool limited = (budget_of(isolate)->set.soft | budget_of(isolate)->set.hard) != 0;
    for (int i = 0; i < HEAPS; i++) {
        ku_heap *heap = heap_of(isolate, i);
        heap->limit = limited ? ku__heap_held(heap) : SIZE_MAX;
        heap->lease = limited ? each : SIZE_MAX;
    }
}

/* ---- leases ---- */

static size_t lease_of(size_t ceiling) {
    return ceiling / LEASE_PART > KU__POOL_SIZE ? ceiling / LEASE_PART : KU__POOL_SIZE;
}

/* Gives the heap a lease for a request, at least as much as is left. False when it has that already. */
static bool lease(ku_isolate *isolate, ku_heap *heap, size_t bytes, size_t ceiling) {
    size_t before = heap->limit, all = held(isolate);
    size_t left = ceiling > all ? ceiling - all : 0;
    size_t need = bytes <= KU_SMALL_MAX ? KU__POOL_SIZE : bytes;
    size_t each = lease_of(ceiling), wanted = need > each ? need : each;
    size_t limit = ku__heap_held(heap) + (wanted < left ? wanted : left);
    if (limit <= before) {
        return false;
    }
    take_leases_back(isolate, each);
    heap->limit = limit;
    return true;
}

static size_t ceiling_of(const ku__budget *budget) {
    size_t soft = or_none(budget->set.soft), hard = or_none(budget->set.hard);
    return budget->passed || soft > hard ? hard : soft;
}

/* ---- limits that were reached ---- */

static size_t collect(ku_isolate *isolate) {
    ku__pending saved = ku__pending_take(isolate);
    size_t found = isolate->collect_all != NULL ? isolate->collect_all(isolate) : 0;
    budget_of(isolate)->collections++;
    for (int i = 0; i < HEAPS; i++) {
        ku__heap_make_room(heap_of(isolate, i));
    }
    ku__pending_put(isolate, saved);
    return found;
}

/* Whether the isolate has come well under the soft limit since it was passed. */
static bool is_rearmed(const ku_isolate *isolate) {
    size_t soft = budget_of(isolate)->set.soft;
    return held(isolate) < soft - soft / REARM_PART;
}

static void call_hook(ku_isolate *isolate) {
    const ku_budget set = budget_of(isolate)->set;
    if (set.hook != NULL) {
        ku__pending saved = ku__pending_take(isolate);
        set.hook(isolate, held(isolate), set.soft, set.argument);
        ku_clear_error(isolate);
        ku__pending_put(isolate, saved);
    }
}

/* The soft limit is reached: true when a lease was given, maybe out of what lies beyond it. */
static bool pass_soft(ku_isolate *isolate, ku_heap *heap, size_t bytes) {
    ku__budget *budget = budget_of(isolate);
    collect(isolate);
    if (is_rearmed(isolate) && lease(isolate, heap, bytes, ceiling_of(budget))) {
        return true;
    }
    budget->passed = true;
    budget->soft_passed++;
    call_hook(isolate);
    return lease(isolate, heap, bytes, ceiling_of(budget));
}

static bool reach_hard(ku_isolate *isolate, ku_heap *heap, size_t bytes) {
    collect(isolate);
    return lease(isolate, heap, bytes, ceiling_of(budget_of(isolate)));
}

static bool react(ku_isolate *isolate, ku_heap *heap, size_t bytes) {
    ku__budget *budget = budget_of(isolate);
    if (ku_heap_last_refusal(heap) != KU_LIMIT) {
        return collect(isolate) > 0;
    }
    bool at_soft = !budget->passed && ceiling_of(budget) == budget->set.soft;
    return (at_soft && pass_soft(isolate, heap, bytes)) || reach_hard(isolate, heap, bytes);
}

bool ku__budget_refused(ku_isolate *isolate, ku_heap *heap, size_t bytes) {
    ku__budget *budget = budget_of(isolate);
    bool at_limit = ku_heap_last_refusal(heap) == KU_LIMIT;
    budget->passed = budget->passed && !(at_limit && is_rearmed(isolate));
    size_t ceiling = budget->busy ? or_none(budget->set.hard) : ceiling_of(budget);
    if (at_limit && lease(isolate, heap, bytes, ceiling)) {
        return true;
    }
    bool again = false;
    if (!budget->busy && !isolate->closing) {
        budget->busy = true;
        again = react(isolate, heap, bytes);
        budget->busy = false;
    }
    if (at_limit && !again && budget->set.hard != 0) {
        ku__events_at_limit(isolate);
    }
    budget->refusals += at_limit && !again;
    return again;
}

/* ---- the public calls ---- */

bool ku_budget_set(ku_isolate *isolate, const ku_budget *wanted) {
    static const ku_budget none;
    wanted = wanted != NULL ? wanted : &none;
    if (wanted->soft > or_none(wanted->hard)) {
        return ku_fail(isolate, KU_INVALID, "a soft limit of %zu bytes is above the hard limit of %zu", wanted->soft,
                       wanted->hard);
    }
    ku__budget *budget = budget_of(isolate);
    budget->set = *wanted;
    budget->passed = false;
    take_leases_back(isolate, lease_of(ceiling_of(budget)));
    return true;
}

void ku_budget_get(const ku_isolate *isolate, ku_budget *budget) {
    *budget = budget_of(isolate)->set;
}

void ku_budget_get_stats(const ku_isolate *isolate, ku_budget_stats *stats) {
    const ku__budget *budget = budget_of(isolate);
    *stats = (ku_budget_stats){.held = held(isolate),
                               .soft_passed = budget->soft_passed,
                               .collections = budget->collections,
                               .refusals = budget->refusals};
}
