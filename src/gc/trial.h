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
 * What a slot is like is noted on the way. KU__SLOT_LEAVES: a reference leads out of the candidates, and must be given
 * up when its object dies. KU__SLOT_OWNS: an object has more than references, and must be asked before its block goes.
 * Blocks of a slot with neither can be given back without another look, if no dead object refers to one that turned out
 * to live. That is found out without the dead where only few were held (judge_few): if all references to these that
 * came from candidates came from these few themselves, then none of the dead has one.
 */
#ifndef KU__TRIAL_H
#define KU__TRIAL_H

#include <string.h>

enum {
    KU__SLOT_LEAVES = 4, /* of space->marks */
    KU__SLOT_OWNS = 8,
    TRIAL_AHEAD = 8, /* arrays on their way into the cache */
};

typedef struct trial {
    ku__run *run;
    model_object *arrays[TRIAL_AHEAD];
    unsigned first, count;
} trial;

typedef struct trier {
    ku__lens lens;
    bool leaves; /* a reference led out of the candidates */
} trier;

__attribute__((always_inline)) static inline void trial_object(trier *by, model_object *target) {
    uint64_t number = ku__lens_candidate(&by->lens, target);
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

static void trial_array(ku__run *run, model_object *object) {
    trier by = {.lens = ku__space_lens(run->space, run->bits)};
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
    trier by = {.lens = ku__space_lens(at->run->space, at->run->bits)};
    model_others(object, trial_place, &by);
    const void *array = model_array_at(object);
    if (array != NULL) {
        trial_note_array(at, object, array);
    }
}

/* An exempt object is no candidate, but objects before it took references to it for ones that stay inside, and so do
 * those after it, if it can be noted; false if not. */
static __attribute__((noinline)) bool trial_exempt(ku__run *run, model_object *object) {
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
        return trial_exempt(at->run, object);
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

static void trial_slot(trial *at, uint32_t slot) {
    ku__run *run = at->run;
    const ku__slot of = run->space->slots[slot];
    uint64_t first = (uint64_t)slot << KU__BLOCK_BITS;
    trier by = {.lens = ku__space_lens(run->space, run->bits)};
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
    run->space->marks[slot] |= (uint8_t)((by.leaves ? KU__SLOT_LEAVES : 0) | (traits != 0 ? KU__SLOT_OWNS : 0));
    run->traits |= traits;
}

static void trial_clear(const ku__run *run) {
    for (uint32_t i = 0; i < run->space->scope.count; i++) {
        uint32_t slot = run->space->scope.slots[i];
        memset(&run->space->rest[(size_t)slot << KU__BLOCK_BITS], 0, (size_t)run->space->slots[slot].words * 64);
        run->space->marks[slot] &= (uint8_t) ~(KU__SLOT_LEAVES | KU__SLOT_OWNS);
    }
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
            mark_object(&by, (model_object *)ku__space_block(run->space, held));
        }
    }
    marker_leave(&by);
}

static void mark_held(ku__run *run) {
    for (uint32_t i = 0; i < run->space->scope.count; i++) {
        uint32_t slot = run->space->scope.slots[i];
        for (uint32_t word = 0; word < run->space->slots[slot].words; word++) {
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
        bool fits = count <= UINT8_MAX && run->space->rest[ku__space_number(run->space, object)] == expected;
        if (!fits && count < KU__MODEL_IMMORTAL) {
            return true;
        }
    }
    return false;
}

/* One pass over the candidates: counts, and what slots are like. */
static void trial_pass(ku__run *run) {
    trial at = {.run = run};
    run->traits = 0;
    run->leaves = false;
    run->big_count = 0;
    run->few_count = run->exempt_count = 0;
    trial_clear(run);
    for (uint32_t i = 0; i < run->space->scope.count; i++) {
        trial_slot(&at, run->space->scope.slots[i]);
    }
    while (at.count != 0) {
        trial_next_array(&at);
    }
    for (size_t i = 0; i < run->exempt_count; i++) {
        ku__bit_clear(run->bits, ku__space_number(run->space, ku__run_object(run, run->few[i])));
    }
}

/* Leaves those candidates that only candidates refer to, and that nothing held reaches. False without memory. */
static bool try_deletion(ku__run *run) {
    trial_pass(run);
    settle_big(run);
    if (!run->stack.failed) {
        mark_held(run);
        run->leaves = run->leaves || is_few_referred(run);
    }
    return !run->stack.failed;
}

#endif
