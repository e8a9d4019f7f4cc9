/* test_collector.c: the collector over a small kind of object (model_toy.h), against a reference.
 *
 * A case is a list of operations on a graph: make, link, hold and let go from outside, weak references, finalizers of
 * several tempers, collections of each generation, whole and in steps. The reference is a shadow of the graph without
 * counts: what lives is what can be reached from what is held. After a full collection exactly that may be left; after
 * any other, at least that. Each finalizer runs once, before its object goes; a weak reference is lost exactly when its
 * referent was found dead. A case that fails is shrunk, operation by operation, and printed. */
#include "support.h"

#include "model_toy.h"

#include "gc/collector.h"

#include <kucha/stats.h>
#include <stdio.h>
#include <string.h>

enum { TOYS_MAX = 4096, LIVE_MAX = 400 };

typedef enum op_kind { MAKE, LINK, UNLINK, APPEND, HOLD, LET_GO, WEAKEN, COLLECT, STEP, OP_KINDS } op_kind;
typedef struct op {
    uint8_t kind;
    uint16_t a, b;
    uint32_t c;
} op;
static const char *const op_names[OP_KINDS] = {"make",   "link",   "unlink",  "append", "hold",
                                               "let go", "weaken", "collect", "step"};

typedef struct world {
    toys toys;
    toy *by_id[TOYS_MAX]; /* NULL: never made, or known to be gone */
    toy *roots[TOYS_MAX];
    uint32_t holds[TOYS_MAX], finalized[TOYS_MAX], weak_lost[TOYS_MAX], weak_made[TOYS_MAX];
    uint32_t flags[TOYS_MAX];                                /* as made */
    bool seen[TOYS_MAX], in_heap[TOYS_MAX], found[TOYS_MAX]; /* reached now; taken; ever found dead */
    uint32_t made;
    ku__run steps; /* of a collection in steps */
    bool stepping;
    const char *wrong;
} world;

/* ---- the heap and its shadow ---- */

static bool note_block(const ku_block *block, void *argument) {
    world *w = argument;
    const toy *object = (const toy *)block->address;
    if (object->id >= w->made) {
        w->wrong = "a block is taken that is no object";
        return false;
    }
    w->in_heap[object->id] = true;
    return true;
}

static void reach(world *w, toy *object) {
    if (object == NULL || w->seen[object->id]) {
        return;
    }
    w->seen[object->id] = true;
    for (int i = 0; i < TOY_FIELDS; i++) {
        reach(w, object->fields[i]);
    }
    reach(w, object->twin);
    for (uint32_t i = 0; i < object->length; i++) {
        reach(w, object->array[i]);
    }
}

/* What must live: seen. Walks objects that live only, so whatever was freed wrongly is found by address checks first.
 * */
static void reach_all(world *w) {
    memset(w->seen, 0, sizeof w->seen);
    for (uint32_t id = 0; id < w->made; id++) {
        reach(w, w->holds[id] != 0 || (w->flags[id] >> 31) != 0 ? w->by_id[id] : NULL);
    }
}

static void check_one(world *w, uint32_t id, bool is_exact) {
    bool lives = w->in_heap[id];
    if (w->seen[id] && !lives) {
        w->wrong = "an object that can be reached is gone";
    } else if (!w->seen[id] && lives && is_exact) {
        w->wrong = "an object that cannot be reached is left";
    } else if (w->finalized[id] > 1) {
        w->wrong = "a finalizer ran twice";
    } else if (!lives && (w->flags[id] & TOY_FINALIZER) != 0 && w->finalized[id] != 1) {
        w->wrong = "an object went without its finalizer";
    } else if (!lives && w->weak_lost[id] != w->weak_made[id]) {
        w->wrong = "an object went, and a weak reference stays";
    } else if (lives && !w->found[id] && w->weak_lost[id] != 0) {
        w->wrong = "a weak reference was cleared, and its object was never found dead";
    }
}

static void look(world *w) {
    memset(w->in_heap, 0, sizeof w->in_heap);
    ku_heap_walk(w->toys.heap, note_block, w);
}

/* Compares the heap with the shadow; afterwards the shadow knows what is gone. `reached` was made before. */
static void check_heap(world *w, bool is_exact) {
    look(w);
    for (uint32_t id = 0; id < w->made && w->wrong == NULL; id++) {
        check_one(w, id, is_exact && w->by_id[id] != NULL);
        w->by_id[id] = w->in_heap[id] ? w->by_id[id] : NULL;
    }
    ku__space_check(&w->toys.space);
}

/* ---- operations ---- */

static void make(world *w, const op *o) {
    if (w->made == TOYS_MAX) {
        return;
    }
    static const size_t sizes[] = {sizeof(toy), sizeof(toy) + 16, sizeof(toy) + 200};
    toy *object = ku_heap_calloc(w->toys.heap, 1, sizes[o->a % 3]);
    object->id = w->made;
    object->count = 0;
    object->flags = o->c % 4 != 0 ? 0 : (o->c >> 4) % 2 * TOY_SINGLY | (o->c >> 5) % 3 / 2 * TOY_FINALIZER;
    if ((object->flags & TOY_FINALIZER) != 0) {
        object->flags |= ((o->c >> 8) % 4 == 0) * TOY_REVIVES | ((o->c >> 10) % 4 == 0) * TOY_LENDS |
                         ((o->c >> 12) % 4 == 0) * TOY_SEVERS;
    }
    w->flags[w->made] = object->flags;
    w->by_id[w->made++] = object;
    toy_hold(&w->toys, object);
}

/* An object that can be reached, so that the program could have it in its hands. */
static toy *pick(world *w, uint16_t number) {
    uint32_t start = w->made != 0 ? number % w->made : 0;
    reach_all(w);
    for (uint32_t i = 0; i < w->made; i++) {
        uint32_t id = (start + i) % w->made;
        if (w->seen[id]) {
            return w->by_id[id];
        }
    }
    return NULL;
}

static void append(toy *from, toy *to) {
    if (from->length % 64 == 0) {
        from->array = realloc(from->array, (from->length + 64) * sizeof *from->array);
    }
    from->array[from->length++] = to;
    to->count++;
}

static void link_field(world *w, toy *from, unsigned field, toy *to) {
    toy **place = field < TOY_FIELDS ? &from->fields[field] : &from->twin, *old = *place;
    *place = to;
    if (to != NULL) {
        to->count++;
    }
    if (old != NULL) {
        toy_drop(&w->toys, old);
    }
}

/* References beyond what a byte counts, and whole multiples of 256. */
static void append_many(toy *from, toy *to, uint32_t how) {
    static const unsigned times[] = {1, 1, 1, 1, 1, 1, 255, 256, 257, 512};
    for (unsigned i = 0; i < times[how % 10] && from->length < 2048; i++) {
        append(from, to);
    }
}

static void let_go(world *w, toy *object) {
    uint32_t id = object->id;
    if (w->holds[id] != 0) {
        w->roots[id] = --w->holds[id] != 0 ? object : NULL;
        toy_drop(&w->toys, object);
    }
}

/* Nothing that is reached may be called dead. */
static void note_found(world *w) {
    for (uint32_t id = 0; id < w->made; id++) {
        uint64_t number = w->by_id[id] != NULL ? ku__space_number(&w->toys.space, w->by_id[id]) : KU__NOWHERE;
        if (number != KU__NOWHERE && w->in_heap[id] && ku__bit(w->toys.space.candidates, number)) {
            w->found[id] = true;
            w->wrong = w->seen[id] ? "an object that can be reached was found dead" : w->wrong;
        }
    }
}

static void collect(world *w, int generation, bool roots_known, bool by_pools) {
    ku__run run = {.space = &w->toys.space, .by_pools = by_pools};
    w->toys.roots_known = roots_known;
    reach_all(w);
    look(w);
    assert_true(ku__space_sync(&w->toys.space));
    ku__space_begin(&w->toys.space, generation);
    assert_true(find_dead(&run, &w->toys, roots_known));
    note_found(w);
    end_dead(&run, &w->toys, NULL);
    ku__space_end(&w->toys.space);
    ku__run_close(&run);
    reach_all(w); /* with what finalizers hold now */
    check_heap(w, generation == 2 && !w->stepping);
}

/* ---- in steps ---- */

static void steps_begin(world *w) {
    w->steps = (ku__run){.space = &w->toys.space, .in_steps = true};
    assert_true(ku__space_sync(&w->toys.space));
    ku__space_begin(&w->toys.space, 2);
    assert_true(ku__space_stand(&w->toys.space));
    ku__space_end(&w->toys.space);
    w->steps.bits = w->toys.space.standing;
    w->toys.roots_known = true;
    model_roots(&w->toys, mark_place, &w->steps);
    w->stepping = true;
}

static void steps_end(world *w) {
    ku__run run = {.space = &w->toys.space, .by_pools = w->made % 2 == 0};
    ku__run_close(&w->steps);
    w->stepping = false;
    reach_all(w);
    look(w);
    ku__space_resume(&w->toys.space);
    assert_true(find_dead(&run, &w->toys, false));
    note_found(w);
    end_dead(&run, &w->toys, NULL);
    ku__space_end(&w->toys.space);
    ku__run_close(&run);
    reach_all(w);
    check_heap(w, false);
}

static void step(world *w) {
    if (!w->stepping) {
        steps_begin(w);
        return;
    }
    w->steps.bits = w->toys.space.standing; /* the tables may have grown */
    w->steps.deadline = 1;                  /* long ago: stops at its first look at the clock */
    if (mark_all(&w->steps)) {
        steps_end(w);
    }
}

static void do_op(world *w, const op *o) {
    toy *a = o->kind != MAKE && o->kind < COLLECT ? pick(w, o->a) : NULL;
    toy *b = o->kind == LINK || o->kind == APPEND ? pick(w, o->b) : NULL;
    switch (o->kind) {
    case MAKE: make(w, o); break;
    case COLLECT: collect(w, (int)(o->c % 3), o->a % 2 != 0, o->b % 2 != 0); break;
    case STEP: step(w); break;
    default:
        if (a == NULL) {
            return;
        }
    }
    switch (o->kind) {
    case LINK: link_field(w, a, o->c % (TOY_FIELDS + 1), b); break;
    case UNLINK: link_field(w, a, o->c % (TOY_FIELDS + 1), NULL); break;
    case APPEND: append_many(a, b, o->c); break;
    case HOLD: toy_hold(&w->toys, a); break;
    case LET_GO: let_go(w, a); break;
    case WEAKEN:
        if ((a->flags & TOY_WEAK) == 0 && !w->found[a->id]) {
            a->flags |= TOY_WEAK;
            w->weak_made[a->id]++;
        }
        break;
    default: break;
    }
}

/* ---- cases ---- */

static void world_open(world *w) {
    ku_heap_options options = {.name = "toys", .domain = KU_DOMAIN_OBJECT};
    memset(w, 0, sizeof *w);
    w->toys.heap = ku_heap_new(&options, NULL);
    assert_non_null(w->toys.heap);
    assert_true(ku__space_open(&w->toys.space, w->toys.heap));
    w->toys.roots = w->roots;
    w->toys.root_count = TOYS_MAX;
    w->toys.holds = w->holds;
    w->toys.finalized = w->finalized;
    w->toys.weak_lost = w->weak_lost;
}

static void world_close(world *w) {
    if (w->stepping) {
        ku__run_close(&w->steps);
        ku__space_fall(&w->toys.space);
    }
    for (uint32_t id = 0; id < w->made && w->wrong == NULL; id++) {
        if (w->by_id[id] != NULL) {
            free(w->by_id[id]->array);
        }
    }
    ku__space_close(&w->toys.space);
    ku_heap_delete(w->toys.heap);
}

/* What went wrong, NULL for nothing. */
static const char *run_case(const op *ops, size_t count) {
    static world w;
    world_open(&w);
    for (size_t i = 0; i < count && w.wrong == NULL; i++) {
        do_op(&w, &ops[i]);
    }
    if (w.wrong == NULL) {
        collect(&w, 2, true, false);
    }
    world_close(&w);
    return w.wrong;
}

static void print_case(const op *ops, size_t count, const char *wrong) {
    print_error("%s:\n", wrong);
    for (size_t i = 0; i < count; i++) {
        print_error("    {%s, %u, %u, %u}\n", op_names[ops[i].kind], ops[i].a, ops[i].b, (unsigned)ops[i].c);
    }
}

/* Leaves out what need not be there: runs of operations, half as long each time. */
static size_t shrink(op *ops, size_t count) {
    op *fewer = malloc(count * sizeof *fewer);
    for (size_t run = count / 2; run > 0; run /= 2) {
        for (size_t at = 0; at + run <= count;) {
            memcpy(fewer, ops, at * sizeof *ops);
            memcpy(fewer + at, ops + at + run, (count - at - run) * sizeof *ops);
            if (run_case(fewer, count - run) != NULL) {
                count -= run;
                memcpy(ops, fewer, count * sizeof *ops);
            } else {
                at += run;
            }
        }
    }
    free(fewer);
    return count;
}

static void expect_right(op *ops, size_t count) {
    const char *wrong = run_case(ops, count);
    if (wrong != NULL) {
        count = shrink(ops, count);
        print_case(ops, count, run_case(ops, count));
        fail();
    }
}

static op random_op(uint64_t *state, unsigned steps) {
    static const uint8_t kinds[] = {MAKE,   MAKE, MAKE,   LINK,   LINK,   LINK,   LINK,  UNLINK,
                                    APPEND, HOLD, LET_GO, LET_GO, LET_GO, LET_GO, WEAKEN};
    uint64_t r = next_random(state);
    op o = {.a = (uint16_t)(r >> 8), .b = (uint16_t)(r >> 24), .c = (uint32_t)next_random(state)};
    o.kind = kinds[r % sizeof kinds];
    if (next_random(state) % 25 == 0) {
        o.kind = next_random(state) % 4 < steps ? STEP : COLLECT;
    }
    return o;
}

static void random_cases(unsigned steps) {
    enum { OPS = 400 };
    op ops[OPS];
    size_t cases = OPERATIONS / 4000;
    for (uint64_t seed = 1; seed <= cases; seed++) {
        uint64_t state = seed * 0x9E3779B97F4A7C15u;
        for (size_t i = 0; i < OPS; i++) {
            ops[i] = random_op(&state, steps);
        }
        expect_right(ops, OPS);
    }
}

static void random_graphs_lose_what_cannot_be_reached_and_nothing_else(void **state) {
    (void)state;
    random_cases(0);
}

static void collections_in_steps_lose_nothing_that_lives(void **state) {
    (void)state;
    random_cases(3);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_graphs_lose_what_cannot_be_reached_and_nothing_else),
        cmocka_unit_test(collections_in_steps_lose_nothing_that_lives),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
