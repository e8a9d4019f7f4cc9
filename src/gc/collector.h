/* collector.h: the collector, as a template: include it after defining a model (model.h).
 *
 * A collection of some candidates (space.h), which are any set of objects:
 *
 *     mark       from roots that are known, if there are any: most of what lives is no candidate any more, in one pass
 *     trial      deletion: what is left and held from outside lives, with all that it reaches
 *     end        of what is left then (ending.h)
 *
 * Marking may be wrong in both directions without harm. What it misses, trial deletion finds; what it reaches though it
 * is dead waits for the next collection. That is why it can be done while the program runs and changes the graph, in
 * steps between its own work (steps.h) or by a child on a copy-on-write image (forked.h): the candidates that these
 * leave are looked at by trial deletion, at one go, and only it decides.
 *
 * A worked example is in docs/collector.md.
 */
#ifndef KU__COLLECTOR_H
#define KU__COLLECTOR_H

#include "gc/run.h"

#include "gc/mark.h"
#include "gc/trial.h"

#include "gc/ending.h"

/* Leaves the dead among the candidates. `marks_first`: roots are worth marking from. False: memory for the work was
 * refused, and nothing may be ended. */
static bool find_dead(ku__run *run, model_context *context, bool marks_first) {
    run->bits = run->space->candidates;
    if (marks_first) {
        model_roots(context, mark_place, run);
        mark_all(run);
    }
    if (run->stack.failed) {
        return false;
    }
    return !marks_first || ku__run_count(run) != 0 ? try_deletion(run, run->by_pools) : true;
}

/* Ends the dead: the callbacks and finalizers, and what remains is asked for by `keep`, or freed. Returns how many
 * there were after resurrection. `keep` may be NULL; with it nothing is freed, and each is told. */
static size_t end_dead(ku__run *run, model_context *context, ending_visit *keep) {
    if (ku__run_count(run) == 0) {
        return 0;
    }
    if (say_goodbye(run, context)) {
        run->bits = run->space->candidates;
        if (!try_deletion(run, false)) {
            return 0; /* not known which were taken hold of: all live until the next collection */
        }
    }
    if ((run->traits & KU__MODEL_WEAK) != 0) {
        each_dead(run, context, KU__MODEL_WEAK, clear_weak_silently);
    }
    size_t found = ku__run_count(run);
    if (keep != NULL) {
        each_dead(run, context, 0, keep);
    } else {
        free_dead(run, context);
    }
    return found;
}

#endif
