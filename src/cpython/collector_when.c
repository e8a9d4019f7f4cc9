/* collector_when.c: see collector_when.h. */
#include "cpython/collector_when.h"

#if KU__FACTS_SUPPORTED

enum {
    SAMPLE = 500, /* objects of a sample: some 40 microseconds */
    SAMPLE_EVERY =
        5000,        /* objects from one to the next: a tenth of them are looked at, and the bound of 10,000 holds */
    SAMPLE_RICH = 8, /* more than an eighth of it dead: the program makes garbage */
};

/* What gc.get_threshold() is where nobody has set it, by minor and micro version: (700, 10, 10) or (2000, 10, 10).
 * Sources: Include/internal/pycore_runtime_init.h, pycore_interp_structs.h (GC_GENERATION_INIT). */
enum { USUAL_EARLIER = 700, USUAL_LATER = 2000, USUAL_OLDER = 10 };

void ku__pacer_open(ku__pacer *pacer) {
    *pacer = (ku__pacer){0};
    ku__policy_open(&pacer->policy);
    pacer->policy.is_strict = true;
}

static bool thresholds_are_usual(const ku__gc_state *state) {
    int young = state->generations[0].threshold;
    return (young == USUAL_EARLIER || young == USUAL_LATER) && state->generations[1].threshold == USUAL_OLDER &&
           state->generations[2].threshold == USUAL_OLDER;
}

/* The interpreter begins one by itself above the threshold; below it the program has asked. */
static bool is_automatic(const ku__gc_state *state) {
    return state->enabled && state->generations[0].count > state->generations[0].threshold;
}

/* The next chance, a threshold of objects later, would come too late for the bound. */
static bool is_bound_near(const ku__pacer *pacer, const ku__gc_state *state) {
    size_t next = pacer->policy.pending + pacer->young + (size_t)state->generations[0].threshold + 1;
    return next >= ku__policy_most(&pacer->policy);
}

static ku__when put_off(const ku__pacer *pacer, int generation) {
    return generation == 0 && pacer->young - pacer->sampled >= SAMPLE_EVERY ? KU__WHEN_SAMPLE : KU__WHEN_NOT_YET;
}

ku__when ku__pacer_decide(ku__pacer *pacer, const ku__gc_state *state, int generation, size_t bytes) {
    pacer->young += (size_t)(state->generations[0].count > 0 ? state->generations[0].count : 0);
    pacer->automatic = is_automatic(state);
    if (generation == KU__GENERATION_FULL || !pacer->automatic || !thresholds_are_usual(state)) {
        return KU__WHEN_AS_IT_IS;
    }
    if (is_bound_near(pacer, state)) {
        return KU__WHEN_ALL;
    }
    switch (ku__policy_choose(&pacer->policy, pacer->young, bytes)) {
    case -1: return put_off(pacer, generation);
    case KU__GENERATION_FULL: return KU__WHEN_ALL;
    default: return KU__WHEN_AS_IT_IS;
    }
}

/* Moves the last nodes of a list, at most SAMPLE, to another, which is empty. */
static void give_sample(PyGC_Head *from, PyGC_Head *to) {
    PyGC_Head *first = from;
    for (int i = 0; i < SAMPLE && ku__gc_prev(first) != from; i++) {
        first = ku__gc_prev(first);
    }
    if (first != from) {
        PyGC_Head *last = ku__gc_prev(from), *before = ku__gc_prev(first);
        before->_gc_next = (uintptr_t)from;
        from->_gc_prev = (uintptr_t)before;
        to->_gc_next = (uintptr_t)first;
        ku__gc_set_prev(first, to);
        last->_gc_next = (uintptr_t)to;
        to->_gc_prev = (uintptr_t)last;
    }
}

void ku__pacer_put_by(ku__pacer *pacer, ku__gc_state *state, int generation, bool sample) {
    for (int i = 0; i <= generation; i++) {
        ku__gc_list_open(&pacer->put_by[i]);
        ku__gc_list_join(ku__gc_list(state, i), &pacer->put_by[i]);
    }
    if (sample) {
        give_sample(&pacer->put_by[0], ku__gc_list(state, 0));
        pacer->sampled = pacer->young;
    }
}

void ku__pacer_put_back(ku__pacer *pacer, ku__gc_state *state, int generation) {
    for (int i = 0; i <= generation; i++) {
        ku__gc_list_join(ku__gc_list(state, i), &pacer->put_by[i]);
        ku__gc_list_join(&pacer->put_by[i], ku__gc_list(state, i));
    }
}

void ku__pacer_note_sample(ku__pacer *pacer, size_t found) {
    if (found * SAMPLE_RICH > SAMPLE) {
        pacer->policy.distance = 0;
    }
}

void ku__pacer_note(ku__pacer *pacer, int generation, size_t lived, size_t found, size_t bytes) {
    size_t candidates = generation == KU__GENERATION_FULL ? lived + found : pacer->young;
    ku__yield yield = {
        .young = pacer->young, .candidates = found > candidates ? found : candidates, .found = found, .bytes = bytes};
    ku__policy_note(&pacer->policy, generation, &yield, pacer->automatic);
    pacer->young = pacer->sampled = 0;
}

#endif
