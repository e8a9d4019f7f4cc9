/* ending.h: how objects that were found dead end. Part of the template (collector.h).
 *
 * The order is that of CPython 3.14 (Python/gc.c, gc_collect_main):
 *
 *     1. weak references to them are cleared, and callbacks called of references that are not garbage themselves
 *     2. finalizers run, each once
 *     3. where code of the program ran, trial deletion looks at them again: what it took hold of lives on
 *     (resurrection) 4. weak references that finalizers made to the rest are cleared, without callbacks
 *     5. the rest is freed
 *
 * Until 5 the dead are whole. One of them may end by its count while code of the program runs (a finalizer that breaks
 * a cycle); it is forgotten then (space.h), so bits are read anew before each object.
 *
 * Freeing. Objects that need the ordinary end (KU__MODEL_SINGLY) are held, cleared and let go, one by one. Of all
 * others, references to what lives are given up first, for all, and only then blocks are given back, for each slot
 * together: a reference given up may end other objects, run their finalizers and take new blocks, none of which can be
 * one of the dead as long as these still have theirs. References between the dead are never touched. A slot of which
 * trial deletion saw that nothing leads out of the dead, and nothing is owned, is freed without a look at its objects.
 */
#ifndef KU__ENDING_H
#define KU__ENDING_H

typedef void ending_visit(ku__run *run, model_context *context, model_object *object);

/* Calls visit for every candidate that is still one when its turn comes, and has one of the traits. */
__attribute__((always_inline)) static inline void each_dead(ku__run *run, model_context *context, unsigned traits,
                                                            ending_visit *visit) {
    ku__space *space = run->space;
    for (uint32_t i = 0; i < space->scope.count; i++) {
        uint64_t first = (uint64_t)space->scope.slots[i] << KU__BLOCK_BITS;
        uint64_t end = first + (uint64_t)space->slots[space->scope.slots[i]].words * 64;
        for (uint64_t number = first; number < end; number++) {
            uint64_t left = space->candidates[number / 64] >> (number % 64);
            if (left == 0) {
                number |= 63;
                continue;
            }
            number += (uint64_t)__builtin_ctzll(left);
            model_object *object = (model_object *)ku__space_block(space, number);
            if (traits == 0 || (model_traits(object) & traits) != 0) {
                visit(run, context, object);
            }
        }
    }
}

/* ---- 1 to 4: what the program sees ---- */

static void mark_weakly(ku__run *run, model_context *context, model_object *object) {
    (void)run;
    model_weak_mark(context, object, true);
}

static void unmark_weakly(ku__run *run, model_context *context, model_object *object) {
    (void)run;
    model_weak_mark(context, object, false);
}

static void clear_weak(ku__run *run, model_context *context, model_object *object) {
    (void)run;
    model_weak_clear(context, object, true);
}

static void clear_weak_silently(ku__run *run, model_context *context, model_object *object) {
    (void)run;
    model_weak_clear(context, object, false);
}

static void finalize(ku__run *run, model_context *context, model_object *object) {
    (void)run;
    model_finalize(context, object);
}

/* Returns whether code of the program ran. */
static bool say_goodbye(ku__run *run, model_context *context) {
    bool ran = false;
    if ((run->traits & KU__MODEL_WEAK) != 0) {
        each_dead(run, context, KU__MODEL_REFERS_WEAKLY, mark_weakly);
        each_dead(run, context, KU__MODEL_WEAK, clear_weak);
        each_dead(run, context, KU__MODEL_REFERS_WEAKLY, unmark_weakly);
        ran = model_weak_call(context);
    }
    if ((run->traits & KU__MODEL_FINALIZER) != 0) {
        each_dead(run, context, KU__MODEL_FINALIZER, finalize);
        ran = true;
    }
    return ran;
}

/* ---- 5: freeing ---- */

/* It goes the way of an object that lives: out of the candidates, held, cleared, let go. */
static void end_singly(ku__run *run, model_context *context, model_object *object) {
    model_hold(context, object);
    ku__bit_clear(run->space->candidates, ku__space_number(run->space, object));
    model_clear(context, object);
    model_drop(context, object);
}

typedef struct leaving {
    ku__run *run;
    model_context *context;
} leaving;

static inline void leave_object(const leaving *from, model_object *target) {
    uint64_t number = ku__space_number(from->run->space, target);
    if (number == KU__NOWHERE || !ku__bit(from->run->space->candidates, number)) {
        model_drop(from->context, target);
    }
}

static void leave_place(model_object **place, void *argument) {
    leave_object((const leaving *)argument, *place);
}

/* Gives up the references of one dead object that lead to what lives. */
static inline void leave(const leaving *from, model_object *object) {
    model_fields(object, leave_place, (void *)(uintptr_t)from);
    if (!model_has_others(object)) {
        return;
    }
    model_others(object, leave_place, (void *)(uintptr_t)from);
    if (model_array_at(object) != NULL) {
        size_t length;
        model_object **items = model_array(object, &length);
        for (size_t i = 0; i < length; i++) {
            if (items[i] != NULL) {
                leave_object(from, items[i]);
            }
        }
    }
}

__attribute__((always_inline)) static inline void each_in_slot(ku__run *run, model_context *context, uint32_t slot,
                                                               ending_visit *visit) {
    uint64_t first = (uint64_t)slot << KU__BLOCK_BITS;
    for (uint32_t word = 0; word < run->space->slots[slot].words; word++) {
        for (uint64_t left = run->space->candidates[first / 64 + word]; left != 0; left &= left - 1) {
            uint64_t number = first + word * 64 + (uint64_t)__builtin_ctzll(left);
            visit(run, context, (model_object *)ku__space_block(run->space, number));
        }
    }
}

static void leave_one(ku__run *run, model_context *context, model_object *object) {
    leaving from = {run, context};
    leave(&from, object);
}

static void strip_one(ku__run *run, model_context *context, model_object *object) {
    (void)run;
    if ((model_traits(object) & KU__MODEL_OWNS) != 0 || model_array_at(object) != NULL) {
        model_strip(context, object);
    }
    model_freed(object);
}

/* Whether objects of a slot are looked at for what `mark` says. */
static bool is_looked_at(const ku__run *run, uint32_t slot, uint8_t mark) {
#ifdef KU_CHECKING
    (void)slot;
    return run != NULL && mark != 0; /* each object is, and is marked as freed */
#else
    return (run->space->marks[slot] & mark) != 0;
#endif
}

static void sweep(ku__run *run, model_context *context) {
    ku__space *space = run->space;
    for (uint32_t i = 0; i < space->scope.count; i++) {
        if (run->leaves || is_looked_at(run, space->scope.slots[i], KU__SLOT_LEAVES | KU__SLOT_OWNS)) {
            each_in_slot(run, context, space->scope.slots[i], leave_one);
        }
    }
    for (uint32_t i = 0; i < space->scope.count; i++) {
        uint32_t slot = space->scope.slots[i];
        if (is_looked_at(run, slot, KU__SLOT_OWNS)) {
            each_in_slot(run, context, slot, strip_one);
        }
        ku__space_free_slot(space, slot);
    }
}

static void free_dead(ku__run *run, model_context *context) {
    if ((run->traits & KU__MODEL_SINGLY) != 0) {
        run->leaves = true; /* references to them leave the candidates now */
        each_dead(run, context, KU__MODEL_SINGLY, end_singly);
    }
    sweep(run, context);
}

#endif
