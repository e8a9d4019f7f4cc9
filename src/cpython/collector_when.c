/* collector_when.c: see collector_when.h. */
#include "cpython/collector_when.h"

#if KU__FACTS_SUPPORTED

enum {
    ASK_EVERY = 5000,   /* objects from one time to the next that the youngest are asked: half of the least bound */
    ASK_SELDOM = 20000, /* where that leads to too many objects, which takes a hundred microseconds */
    RICH = 8,           /* more than an eighth of the youngest dead: the program makes garbage */
    DEAD_MOST = 128,    /* one known object in so many may be dead */
    ASKED_LEAST = 256,  /* of known objects, eight rows; fewer say little */
    SEEN_LEAST = 20000, /* objects: below, nearly all are of the interpreter itself, and single ones count */
    GROWTH_MOST = 2,    /* from one look at all objects to the next, whatever is said */
    LOST_MOST = 32,     /* one object in so many may be found dead by a look at all, for the next to be put off */
};

/* What gc.get_threshold() is where nobody has set it, by minor and micro version: (700, 10, 10) or (2000, 10, 10).
 * Sources: Include/internal/pycore_runtime_init.h, pycore_interp_structs.h (GC_GENERATION_INIT). */
enum { USUAL_EARLIER = 700, USUAL_LATER = 2000, USUAL_OLDER = 10 };

void ku__pacer_open(ku__pacer *pacer) {
    *pacer = (ku__pacer){0};
    ku__policy_open(&pacer->policy);
    pacer->policy.is_strict = true;
    pacer->ask_every = ASK_EVERY;
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

bool ku__pacer_is_curious(const ku__pacer *pacer) {
    return pacer->unasked >= pacer->ask_every;
}

static ku__when put_off(const ku__pacer *pacer, int generation) {
    return generation == 0 && ku__pacer_is_curious(pacer) ? KU__WHEN_ASK_YOUNG : KU__WHEN_NOT_YET;
}

ku__when ku__pacer_decide(ku__pacer *pacer, const ku__gc_state *state, int generation, size_t bytes) {
    size_t made = (size_t)(state->generations[0].count > 0 ? state->generations[0].count : 0);
    pacer->young += made;
    pacer->unasked += made;
    pacer->automatic = is_automatic(state);
    if (generation == KU__GENERATION_FULL || !pacer->automatic || !thresholds_are_usual(state)) {
        return KU__WHEN_AS_IT_IS;
    }
    if (bytes > pacer->policy.bytes_most) {
        return KU__WHEN_ALL;
    }
    if (is_bound_near(pacer, state)) {
        return KU__WHEN_ASK_KNOWN;
    }
    switch (ku__policy_choose(&pacer->policy, pacer->young, bytes)) {
    case -1: return put_off(pacer, generation);
    case KU__GENERATION_FULL: return KU__WHEN_ASK_KNOWN;
    default: return KU__WHEN_AS_IT_IS;
    }
}

void ku__pacer_put_by(ku__pacer *pacer, ku__gc_state *state, int generation) {
    for (int i = 0; i <= generation; i++) {
        ku__gc_list_open(&pacer->put_by[i]);
        ku__gc_list_join(ku__gc_list(state, i), &pacer->put_by[i]);
    }
}

void ku__pacer_put_back(ku__pacer *pacer, ku__gc_state *state, int generation) {
    for (int i = 0; i <= generation; i++) {
        ku__gc_list_join(ku__gc_list(state, i), &pacer->put_by[i]);
        ku__gc_list_join(&pacer->put_by[i], ku__gc_list(state, i));
    }
}

bool ku__pacer_note_young(ku__pacer *pacer, const ku__found *found) {
    pacer->unasked = 0;
    pacer->ask_every = found->cut ? ASK_SELDOM : ASK_EVERY;
    bool rich = found->dead * RICH > found->asked;
    pacer->policy.distance = rich ? 0 : pacer->policy.distance;
    return rich;
}

static size_t objects_now(const ku__pacer *pacer) {
    return pacer->policy.lived + pacer->policy.pending + pacer->young;
}

bool ku__pacer_may_trust(const ku__pacer *pacer) {
    size_t now = objects_now(pacer);
    return pacer->seen >= SEEN_LEAST && now > pacer->lossy && now < pacer->seen * GROWTH_MOST;
}

bool ku__pacer_trusts(ku__pacer *pacer, const ku__found *found) {
    if (found->cut || found->asked < ASKED_LEAST || found->dead * DEAD_MOST > found->asked) {
        return false;
    }
    size_t bytes_most = pacer->policy.bytes_most; /* of large blocks nobody was asked */
    ku__yield yield = {.young = pacer->young, .candidates = objects_now(pacer)};
    ku__policy_note(&pacer->policy, KU__GENERATION_FULL, &yield, pacer->automatic);
    pacer->policy.bytes_most = bytes_most;
    pacer->young = 0;
    return true;
}

void ku__pacer_note(ku__pacer *pacer, int generation, size_t lived, size_t found, size_t bytes) {
    size_t candidates = generation == KU__GENERATION_FULL ? lived + found : pacer->young;
    ku__yield yield = {
        .young = pacer->young, .candidates = found > candidates ? found : candidates, .found = found, .bytes = bytes};
    ku__policy_note(&pacer->policy, generation, &yield, pacer->automatic);
    if (generation == KU__GENERATION_FULL) {
        pacer->seen = lived;
        pacer->lossy = found * LOST_MOST > lived && lived + found > pacer->lossy ? lived + found : pacer->lossy;
    }
    pacer->young = 0;
}

#endif
