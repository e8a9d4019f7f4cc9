/* trial.h: trial deletion: which candidates are held from outside of the candidates. Part of the template
 * (collector.h).
 *
 * For every candidate, the references to it that come from candidates are taken off its count. Where something is left,
 * somebody else holds it: it lives, and so does all that can be reached from it. What then remains only refers to
 * itself. No root has to be known, and nothing wrong can come of candidates that were chosen badly: too few of them
 * keep what is dead, too many take longer.
 *
 * In bytes. `rest` has one byte for each block, and counts modulo 256: count less references found. One pass in order
 * of address does both, because it does not matter which comes first. A rest of 0 means "all references found" for a
 * count below 256; objects with more are noted (run.h), and those among them whose rest is 0 get a second pass that
 * counts in full.
 *
 * By pools. After marking, most pools that have a candidate have nothing else: they are whole. The references to a
 * whole pool are references to candidates, whichever of its blocks they lead to, so it is enough to count for the pool:
 *
 *     sum = counts of all its objects - references found to it
 *
 * is 0 if and only if none of its objects is held from outside. That takes no number of a block, no bit and no byte for
 * a reference, and for one that stays in its pool, as most do, only a register. Where a sum is not 0 the pass is made
 * again, with that pool by objects; so is the first pass of the next collection.
 *
 * What a slot is like is noted on the way. KU__SLOT_LEAVES: a reference leads out of the candidates, and must be given
 * up when its object dies. KU__SLOT_OWNS: an object has more than references, and must be asked before its block goes.
 * Blocks of a slot with neither can be given back without another look, if no dead object refers to one that turned out
 * to live. That is found out without the dead where only few were held (judge_few): if all references to these that
 * came from candidates came from these few themselves, then none of the dead has one.
 */
#ifndef KU__TRIAL_H
#define KU__TRIAL_H

#include "alloc/check.h"

#include <string.h>

enum {
    KU__SLOT_LEAVES = 4, /* of space->marks */
    KU__SLOT_OWNS = 8,
    KU__SLOT_WHOLE = 16,  /* looked at as a whole in this pass */
    KU__SLOT_EXEMPT = 32, /* one of its objects is */
    KU__SLOT_HELD = 64,   /* when it was last looked at, an object was held from outside, or exempt: look at objects */
    TRIAL_AHEAD = 8,      /* arrays on their way into the cache */
};

typedef struct trial {
    ku__run *run;
    model_object *arrays[TRIAL_AHEAD];
    unsigned first, count;
} trial;

typedef struct trier {
    ku__lens lens;
    uint64_t *sums;  /* the space's */
    uint64_t inside; /* references from the pool to itself */
    bool leaves;     /* a reference led out of the candidates */
} trier;

static inline trier trier_of(const ku__run *run) {
    return (trier){.lens = ku__space_lens(run->space, run->bits), .sums = run->space->sums};
}

__attribute__((always_inline)) static inline void trial_object(trier *by, model_object *target) {
    uintptr_t offset = (uintptr_t)target - by->lens.base;
    if (KU__UNLIKELY(offset >= by->lens.range)) {
        by->leaves = true;
        return;
    }
    uint32_t entry = by->lens.entries[offset >> KU__POOL_BITS];
    if ((entry & KU__ENTRY_WHOLE) != 0) {
        by->sums[ku__entry_slot(entry)]--;
        return;
    }
    uint64_t number = ku__entry_number(entry, offset);
    if (KU__LIKELY(ku__bit(by->lens.bits, number))) {
        by->lens.rest[number]--;
    } else {
        by->leaves = true;
    }
}

__attribute__((always_inline)) static inline void trial_inline(model_object **place, void *argument) {
    trial_object((trier *)argument, *place);
}

static void trial_place(model_object **place, void *argument) {
    trial_object((trier *)argument, *place);
}

/* A field of an object in a whole pool: it lies in that pool itself. */
__attribute__((always_inline)) static inline void trial_in_whole(model_object **place, void *argument) {
    trier *by = (trier *)argument;
    if (KU__LIKELY(((uintptr_t)place ^ (uintptr_t)*place) < KU__POOL_SIZE)) {
        by->inside++;
    } else {
        trial_object(by, *place);
    }
}

static void trial_array(ku__run *run, model_object *object) {
    trier by = trier_of(run);
    size_t length;
    model_object **items = model_array(object, &length);
    for (size_t i = 0; i < length; i++) {
        if (items[i] != NULL) {
            trial_object(&by, items[i]);
        }
    }
}

static void trial_next_array(trial *at) {
    model_object *object = at->arrays[at->first];
    at->first = (at->first + 1) % TRIAL_AHEAD;
    at->count--;
    trial_array(at->run, object);
}

static void trial_note_array(trial *at, model_object *object, const void *array) {
    __builtin_prefetch(array);
    if (at->count == TRIAL_AHEAD) {
        trial_next_array(at);
    }
    at->arrays[(at->first + at->count++) % TRIAL_AHEAD] = object;
}

/* What an object has beside references at known places. Its slot owns, so where these lead does not matter. */
static __attribute__((noinline)) void trial_others(trial *at, model_object *object) {
    trier by = trier_of(at->run);
    model_others(object, trial_place, &by);
    const void *array = model_array_at(object);
    if (array != NULL) {
        trial_note_array(at, object, array);
    }
}

/* An exempt object is no candidate, but objects before it took references to it for ones that stay inside, and so do
 * those after it, if it can be noted; false if not. */
static __attribute__((noinline)) bool trial_exempt(ku__run *run, uint64_t number, model_object *object) {
    run->space->marks[ku__slot_of(number)] |= KU__SLOT_EXEMPT;
    if (run->few_count == KU__FEW) {
        run->leaves = true;
        return false;
    }
    run->few[run->few_count++] = ku__run_entry(run, object, 0);
    run->exempt_count = run->few_count;
    return true;
}

/* One candidate; false when it is none after all. */
__attribute__((always_inline)) static inline bool trial_candidate(trial *at, trier *by, uint64_t number,
                                                                  model_object *object, unsigned *traits) {
    if (KU__UNLIKELY(model_is_exempt(object))) {
        return trial_exempt(at->run, number, object);
    }
    uint32_t count = model_count(object);
    by->lens.rest[number] = (uint8_t)(by->lens.rest[number] + count);
    if (KU__UNLIKELY(count > UINT8_MAX)) {
        ku__run_note_big(at->run, number, count);
    }
    *traits |= model_traits(object);
    model_fields(object, trial_inline, by);
    if (KU__UNLIKELY(model_has_others(object))) {
        *traits |= KU__MODEL_OWNS;
        trial_others(at, object);
    }
    return true;
}

static void note_slot(ku__run *run, uint32_t slot, const trier *by, unsigned traits) {
    run->space->marks[slot] |= (uint8_t)((by->leaves ? KU__SLOT_LEAVES : 0) | (traits != 0 ? KU__SLOT_OWNS : 0));
    run->traits |= traits;
}

static void trial_slot(trial *at, uint32_t slot) {
    ku__run *run = at->run;
    const ku__slot of = run->space->slots[slot];
    uint64_t first = (uint64_t)slot << KU__BLOCK_BITS;
    trier by = trier_of(run);
    unsigned traits = 0;
    for (uint32_t word = 0; word < of.words; word++) {
        uint64_t *bits = &by.lens.bits[first / 64 + word];
        for (uint64_t left = *bits; left != 0; left &= left - 1) {
            uint64_t index = word * 64 + (uint64_t)__builtin_ctzll(left);
            model_object *object = (model_object *)(of.first + index * of.size);
            if (!trial_candidate(at, &by, first + index, object, &traits)) {
                *bits &= ~(left & -left);
            }
        }
    }
    note_slot(run, slot, &by, traits);
}

static void trial_clear(const ku__run *run, bool by_pools) {
    for (uint32_t i = 0; i < run->space->scope.count; i++) {
        uint32_t slot = run->space->scope.slots[i];
        uint8_t *marks = &run->space->marks[slot];
        bool is_whole = by_pools && (*marks & KU__SLOT_HELD) == 0 && ku__space_is_whole(run->space, slot);
        *marks &= (uint8_t) ~(KU__SLOT_LEAVES | KU__SLOT_OWNS | KU__SLOT_WHOLE | KU__SLOT_EXEMPT);
        if (is_whole) {
            *marks |= KU__SLOT_WHOLE;
            run->space->sums[slot] = 0;
            run->space->entries[run->space->slots[slot].pool] |= KU__ENTRY_WHOLE;
        } else {
            memset(&run->space->rest[(size_t)slot << KU__BLOCK_BITS], 0, (size_t)run->space->slots[slot].words * 64);
        }
    }
}

/* ---- by pools ---- */

/* Adds an object of a whole pool to `sum`; false when that says nothing then: the object is exempt, so references to it
 * are none to a candidate, or it never dies, and its count tells nothing. */
__attribute__((always_inline)) static inline bool trial_member(trial *at, trier *by, model_object *object,
                                                               uint64_t *sum, unsigned *traits) {
    uint32_t count = model_count(object);
    if (KU__UNLIKELY(model_is_exempt(object) || count >= KU__MODEL_IMMORTAL)) {
        return false;
    }
    *sum += count;
    *traits |= model_traits(object);
    model_fields(object, trial_in_whole, by);
    if (KU__UNLIKELY(model_has_others(object))) {
        *traits |= KU__MODEL_OWNS;
        trial_others(at, object);
    }
    return true;
}

static void trial_whole(trial *at, uint32_t slot) {
    ku__run *run = at->run;
    const ku__slot of = run->space->slots[slot];
    const uint64_t *bits = &run->bits[(size_t)slot * KU__SLOT_WORDS];
    trier by = trier_of(run);
    uint64_t sum = 0;
    unsigned traits = 0;
    bool is_sure = true;
    for (uint32_t word = 0; word < of.words; word++) {
        for (uint64_t left = bits[word]; left != 0; left &= left - 1) {
            uint64_t index = word * 64 + (uint64_t)__builtin_ctzll(left);
            is_sure &= trial_member(at, &by, (model_object *)(of.first + index * of.size), &sum, &traits);
        }
    }
    run->space->sums[slot] += sum - by.inside;
    run->space->marks[slot] |= is_sure ? 0 : KU__SLOT_HELD;
    note_slot(run, slot, &by, traits);
}

/* Whether nothing in whole pools is held from outside. Where something is, the pool is not one of them the next time.
 */
static bool settle_whole(ku__run *run) {
    bool is_sure = true;
    for (uint32_t i = 0; i < run->space->scope.count; i++) {
        uint32_t slot = run->space->scope.slots[i];
        uint8_t *marks = &run->space->marks[slot];
        if ((*marks & KU__SLOT_WHOLE) != 0) {
            run->space->entries[run->space->slots[slot].pool] &= ~KU__ENTRY_WHOLE;
            *marks |= run->space->sums[slot] != 0 ? KU__SLOT_HELD : 0;
            is_sure &= (*marks & KU__SLOT_HELD) == 0;
        }
    }
    return is_sure;
}

/* ---- counts that a byte does not hold ---- */

static inline void recount_object(ku__run *run, model_object *target) {
    uint64_t number = ku__space_number(run->space, target);
    if (number != KU__NOWHERE && run->space->rest[number] == 0 && ku__bit(run->bits, number)) {
        ku__big *big = ku__run_find_big(run, number);
        if (big != NULL) {
            big->found++;
        }
    }
}

static void recount_place(model_object **place, void *argument) {
    recount_object((ku__run *)argument, *place);
}

/* Visits all references of an object, at leisure. */
static void each_reference(model_object *object, ku__model_visit *visit, void *argument) {
    size_t length = 0;
    model_fields(object, visit, argument);
    if (model_has_others(object)) {
        model_others(object, visit, argument);
    }
    model_object **items = model_array_at(object) != NULL ? model_array(object, &length) : NULL;
    for (size_t i = 0; i < length; i++) {
        if (items[i] != NULL) {
            visit(&items[i], argument);
        }
    }
}

static void recount(ku__run *run) {
    ku__run_sort_big(run);
    for (uint32_t i = 0; i < run->space->scope.count; i++) {
        uint64_t first = (uint64_t)run->space->scope.slots[i] << KU__BLOCK_BITS;
        for (uint32_t word = 0; word < run->space->slots[run->space->scope.slots[i]].words; word++) {
            for (uint64_t left = run->bits[first / 64 + word]; left != 0; left &= left - 1) {
                uint64_t number = first + word * 64 + (uint64_t)__builtin_ctzll(left);
                each_reference((model_object *)ku__space_block(run->space, number), recount_place, run);
            }
        }
    }
}

/* Leaves those noted that never die: whoever runs the collection may make them roots of the next. */
static void keep_immortal(ku__run *run) {
    size_t kept = 0;
    for (size_t i = 0; i < run->big_count; i++) {
        if (run->big[i].count >= KU__MODEL_IMMORTAL) {
            run->big[kept++] = run->big[i];
        }
    }
    run->big_count = kept;
}

/* Gives each of them the rest that a wider byte would have. */
static void settle_big(ku__run *run) {
    bool is_doubtful = false;
    for (size_t i = 0; i < run->big_count; i++) {
        ku__big *big = &run->big[i];
        if (big->count >= KU__MODEL_IMMORTAL) {
            run->space->rest[big->number] = 1;
        }
        is_doubtful |= run->space->rest[big->number] == 0;
    }
    if (is_doubtful) {
        recount(run);
    }
    for (size_t i = 0; is_doubtful && i < run->big_count; i++) {
        const ku__big *big = &run->big[i];
        if (run->space->rest[big->number] == 0 && big->found != big->count) {
            run->space->rest[big->number] = 1;
        }
    }
    keep_immortal(run);
}

/* ---- what is held ---- */

/* Whether any of 64 bytes is not 0: eight words, which the compiler makes two or four vectors. */
static inline bool any_rest(const uint8_t *rest) {
    uint64_t words[8], any = 0;
    memcpy(words, rest, sizeof words);
    for (int i = 0; i < 8; i++) {
        any |= words[i];
    }
    return any != 0;
}

static void mark_held_word(ku__run *run, uint64_t number, uint64_t bits) {
    marker by = marker_of(run);
    for (; bits != 0; bits &= bits - 1) {
        uint64_t held = number + (uint64_t)__builtin_ctzll(bits);
        if (run->space->rest[held] != 0 && ku__bit(run->bits, held)) {
            run->space->marks[ku__slot_of(number)] |= KU__SLOT_HELD;
            mark_object(&by, (model_object *)ku__space_block(run->space, held));
        }
    }
    marker_leave(&by);
}

/* Begins with what is known of a slot; true when nothing in it is held. */
static bool note_held(uint8_t *marks) {
    *marks &= (uint8_t)~KU__SLOT_HELD;
    *marks |= (*marks & KU__SLOT_EXEMPT) != 0 ? KU__SLOT_HELD : 0;
    return (*marks & KU__SLOT_WHOLE) != 0;
}

static void mark_held(ku__run *run) {
    for (uint32_t i = 0; i < run->space->scope.count; i++) {
        uint32_t slot = run->space->scope.slots[i];
        bool is_whole = note_held(&run->space->marks[slot]);
        for (uint32_t word = 0; !is_whole && word < run->space->slots[slot].words; word++) {
            uint64_t number = ((uint64_t)slot << KU__BLOCK_BITS) + (uint64_t)word * 64;
            uint64_t bits = run->bits[number / 64];
            if (bits != 0 && any_rest(&run->space->rest[number])) {
                mark_held_word(run, number, bits);
            }
        }
        mark_few(run);
    }
}

static void give_back_place(model_object **place, void *argument) {
    ku__run *run = (ku__run *)argument;
    uint64_t number = ku__space_number(run->space, *place);
    if (number != KU__NOWHERE) {
        run->space->rest[number]++;
    }
}

/* Whether a byte says how many references to the object were found. */
static bool has_rest(const ku__run *run, const model_object *object) {
    uint64_t number = ku__space_number(run->space, object);
    return model_count(object) <= UINT8_MAX && (run->space->marks[ku__slot_of(number)] & KU__SLOT_WHOLE) == 0;
}

/* Whether some of the dead may refer to one of the few that are exempt, or held. What trial deletion took off, less
 * the references from the few that were held, came from the dead. Bytes tell that of counts that fit; who never dies
 * need not be told. */
static bool is_few_referred(ku__run *run) {
    for (size_t i = run->exempt_count; i < run->few_count; i++) {
        each_reference((model_object *)ku__run_object(run, run->few[i]), give_back_place, run);
    }
    for (size_t i = 0; i < run->few_count; i++) {
        const model_object *object = (const model_object *)ku__run_object(run, run->few[i]);
        uint32_t count = model_count(object), expected = i < run->exempt_count ? 0 : count;
        bool fits = has_rest(run, object) && run->space->rest[ku__space_number(run->space, object)] == expected;
        if (!fits && count < KU__MODEL_IMMORTAL) {
            return true;
        }
    }
    return false;
}

/* One pass over the candidates: counts, and what slots are like. False when it says nothing: sums of pools told that
 * something in them is held, and not what. */
static bool trial_pass(ku__run *run, bool by_pools) {
    trial at = {.run = run};
    run->traits = 0;
    run->leaves = false;
    run->big_count = 0;
    run->few_count = run->exempt_count = 0;
    trial_clear(run, by_pools);
    for (uint32_t i = 0; i < run->space->scope.count; i++) {
        uint32_t slot = run->space->scope.slots[i];
        if ((run->space->marks[slot] & KU__SLOT_WHOLE) != 0) {
            trial_whole(&at, slot);
        } else {
            trial_slot(&at, slot);
        }
    }
    while (at.count != 0) {
        trial_next_array(&at);
    }
    bool is_sure = !by_pools || settle_whole(run);
    for (size_t i = 0; is_sure && i < run->exempt_count; i++) {
        ku__bit_clear(run->bits, ku__space_number(run->space, ku__run_object(run, run->few[i])));
    }
    return is_sure;
}

/* By pools where that is asked for. Where it said nothing, those in which something is held are looked at by objects in
 * a second pass; the sums of all others are what they were, so that it does say something. */
static void trial_passes(ku__run *run, bool by_pools) {
    if (!trial_pass(run, by_pools)) {
        bool is_sure = trial_pass(run, by_pools);
        KU__CHECK(is_sure);
        (void)is_sure;
    }
}

/* Leaves those candidates that only candidates refer to, and that nothing held reaches. `by_pools`: it is likely that
 * next to nothing of what is left of the candidates lives. False without memory. */
static bool try_deletion(ku__run *run, bool by_pools) {
    trial_passes(run, by_pools);
    settle_big(run);
    if (!run->stack.failed) {
        mark_held(run);
        run->leaves = run->leaves || is_few_referred(run);
    }
    return !run->stack.failed;
}

#endif
