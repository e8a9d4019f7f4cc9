/* policy.c: see policy.h. */
#include "gc/policy.h"

enum {
    YOUNG_THRESHOLD = 2000, /* CPython 3.14's (Include/internal/pycore_gc.h) */
    AGED_THRESHOLD = 10,
    OBJECTS_LEAST = 10000,  /* outstanding objects that are always allowed: some hundred kilobytes */
    BYTES_LEAST = 32 << 20, /* and bytes: what a full collection of a small heap is not worth */
    NEARLY = 1000,          /* so near to the full collection that a young one is not worth it */
    NO_YIELD = 64,          /* fewer than one in so many: the young live */
    POOR_YIELD = 8,         /* fewer than an eighth: they mostly live */
    RICH_YIELD = 4,         /* more than a quarter: they mostly die */
    PROBE = 16,             /* of a full collection that found much, to see whether that is what dies */
    YOUNG_NANOSECONDS = 35, /* for an object, all of which live: 31 to 34 in a list, on a busy machine */
};
static const double outstanding_share = 0.25; /* of what lives, of garbage expected */
static const double growth_most = 2;          /* heaps that only grew were marked once an object with 1, half with 2 */

void ku__policy_open(ku__policy *policy) {
    *policy = (ku__policy){
        .thresholds = {YOUNG_THRESHOLD, AGED_THRESHOLD, 0}, .distance = YOUNG_THRESHOLD, .bytes_most = BYTES_LEAST};
}

void ku__policy_set_thresholds(ku__policy *policy, const int thresholds[KU__GENERATIONS]) {
    for (int i = 0; i < KU__GENERATIONS; i++) {
        policy->thresholds[i] = thresholds[i];
    }
    policy->is_literal = true;
    policy->distance = thresholds[0] > 0 ? (size_t)thresholds[0] : 0;
}

/* Not below what a small program may have outstanding: half a millisecond. */
void ku__policy_set_pause(ku__policy *policy, uint64_t nanoseconds) {
    size_t piece = (size_t)(nanoseconds / YOUNG_NANOSECONDS);
    policy->piece = nanoseconds == 0 ? 0 : piece > OBJECTS_LEAST ? piece : OBJECTS_LEAST;
}

/* Objects that one younger collection may look at. */
static size_t piece_of(const ku__policy *policy) {
    return policy->piece == 0 || policy->is_literal ? SIZE_MAX : policy->piece;
}

int32_t ku__policy_young_most(const ku__policy *policy) {
    if (policy->thresholds[0] <= 0 || policy->distance >= INT32_MAX) {
        return INT32_MAX;
    }
    return (int32_t)policy->distance;
}

/* The share by which what lives may grow. */
static double growth(const ku__policy *policy) {
    if (policy->is_strict) {
        return outstanding_share;
    }
    double most = policy->share * growth_most > outstanding_share ? outstanding_share / policy->share : growth_most;
    return most > outstanding_share ? most : outstanding_share;
}

static size_t at_least(size_t least, double number) {
    return number > (double)least ? (size_t)number : least;
}

size_t ku__policy_most(const ku__policy *policy) {
    return at_least(OBJECTS_LEAST, (double)policy->lived * growth(policy));
}

/* Thresholds that were set ask for CPython's rule, which knows no least number. */
static bool is_full_due(const ku__policy *policy, size_t outstanding) {
    if (policy->is_literal) {
        return policy->counts[2] > policy->thresholds[2] && outstanding > policy->lived / RICH_YIELD;
    }
    return outstanding + NEARLY >= ku__policy_most(policy);
}

int ku__policy_choose(const ku__policy *policy, size_t young, size_t bytes) {
    if (bytes > policy->bytes_most) {
        return 2;
    }
    if (policy->thresholds[0] <= 0 || young <= policy->distance) {
        return -1;
    }
    return is_full_due(policy, policy->pending + young) ? 2 : ku__policy_choose_young(policy, young, false);
}

int ku__policy_choose_young(const ku__policy *policy, size_t young, bool by_child) {
    size_t piece = piece_of(policy), distance = policy->distance;
    if (young <= (by_child && distance > piece ? piece : distance)) {
        return -1;
    }
    bool fits = piece == SIZE_MAX || policy->aged + young <= piece;
    return policy->counts[1] > policy->thresholds[1] && fits ? 1 : 0;
}

/* The distance to the next young collection, if that is not a full one. Those that would come twice before a full one
 * at the most are left to that. */
static size_t distance_after(const ku__policy *policy, int generation, size_t candidates, size_t found) {
    size_t most = ku__policy_most(policy), distance = policy->distance;
    if (found * NO_YIELD < candidates) {
        distance = most;
    } else if (found * POOR_YIELD < candidates) {
        distance = distance * 4 < most ? distance * 2 : most;
    } else if (found * RICH_YIELD > candidates) {
        distance /= generation == 2 ? PROBE : RICH_YIELD;
    }
    if (distance >= most) {
        return most;
    }
    return distance < piece_of(policy) ? distance : piece_of(policy);
}

static void note_yield(ku__policy *policy, int generation, size_t candidates, size_t found) {
    size_t least = (size_t)policy->thresholds[0];
    if (!policy->is_literal) {
        policy->distance = distance_after(policy, generation, candidates, found);
        policy->distance = policy->distance < least ? least : policy->distance;
    }
}

/* What `before` becomes by young objects that are not young any more, less what of it was found dead. */
static size_t grown_by(size_t before, size_t young, size_t found) {
    size_t after = before + young;
    return after > found ? after - found : 0;
}

void ku__policy_note(ku__policy *policy, int generation, const ku__yield *yield, bool automatic) {
    policy->counts[1] = generation == 0 ? policy->counts[1] + 1 : 0;
    policy->counts[2] = generation == 1 ? policy->counts[2] + 1 : generation == 2 ? 0 : policy->counts[2];
    if (automatic && yield->candidates != 0) {
        policy->share = (policy->share + (double)yield->found / (double)yield->candidates) / 2;
    }
    policy->pending = generation == 2 ? yield->later : grown_by(policy->pending, yield->young, yield->found);
    policy->aged = generation == 2   ? yield->later
                   : generation == 1 ? 0
                                     : grown_by(policy->aged, yield->young, yield->found);
    if (generation == 2) {
        policy->lived = yield->candidates > yield->found ? yield->candidates - yield->found : 0;
        policy->bytes_most = yield->bytes + at_least(BYTES_LEAST, (double)yield->bytes * growth(policy));
    }
    if (automatic && yield->candidates != 0) {
        note_yield(policy, generation, yield->candidates, yield->found);
    }
}
