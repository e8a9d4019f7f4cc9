/* cost.c: see cost.h. */
#include "cpython/facts.h"

#include "cpython/cost.h"

#include "cpython/many.h"
#include "cpython/raw.h"
#include "cpython/sampled.h"
#include "cpython/traced.h"
#include "os/clock.h"

#include <stdlib.h>

enum {
    BATCH = 1024, /* blocks alive at a time: more than the first-level cache holds, as in programs */
    ROUNDS = 15,  /* of which the median counts; all of them take about a millisecond */
};

/* ---- reading what was counted ---- */

static void add_site(const ku__tracer *tracer, uint32_t site, double *deep, ku__cost *cost) {
    ku__site_sums sums;
    ku__sites_read(tracer, site, 1, &sums);
    double blocks = (double)sums.total_blocks / tracer->block_unit;
    cost->born += blocks;
    cost->freed += blocks - (double)sums.live_blocks / tracer->block_unit;
    *deep += blocks * ku__site_frames(tracer, site, NULL, 0);
}

void ku__cost_read(ku__cost *cost) {
    const ku__tracing *tracing = &ku__tracing_state;
    const ku__tracer *tracer = tracing->kept;
    double deep = 0;
    *cost = (ku__cost){.raw_bytes = ku__raw_metadata_bytes()};
    if (tracer == NULL) {
        return;
    }
    ku__tracer_cost(tracer, &cost->tables);
    for (uint32_t site = 1; site < ku__site_count(tracer); site++) {
        add_site(tracer, site, &deep, cost);
    }
    cost->depth = cost->born > 0 ? deep / cost->born : 1;
    cost->frames = tracer->frames;
    cost->sampled = tracer->sample_interval > 0;
    cost->writing_seconds = tracing->capture == NULL ? 0 : ku__capture_seconds(tracing->capture);
}

/* ---- a batch of blocks, through one of the fast paths ---- */

typedef enum way { PLAIN, TRACED, SAMPLED } way;

/* Nanoseconds for a block. */
typedef struct price {
    double born, freed;
} price;

typedef struct rig {
    ku_heap *heap;
    ku__tracer *tracer;
    ku__stack_kind kind;
    bool sampled;
    void *blocks[BATCH];
    price found;
} rig;

/* 16 to 256 bytes, all classes alike; neither sizes nor the order of frees are in the order of addresses. */
static size_t size_at(unsigned i) {
    return 16 + i * 7919u % 241;
}

static unsigned freed_at(unsigned i) {
    return i * 641u % BATCH; /* odd: every block comes once */
}

static void *make_block(const rig *on, way through, ku__stack_kind kind, size_t size) {
    switch (through) {
    case TRACED: return ku__traced_malloc(on->heap, on->tracer, size, kind);
    case SAMPLED: return ku__sampled_malloc(on->heap, on->tracer, size);
    case PLAIN: break;
    }
    return ku__untraced_malloc(on->heap, size);
}

static void free_block(const rig *on, way through, void *block) {
    switch (through) {
    case TRACED: ku__traced_free(on->heap, on->tracer, block, false); return;
    case SAMPLED: ku__sampled_free(on->heap, on->tracer, block); return;
    case PLAIN: ku__untraced_free(on->heap, block); return;
    }
}

/* `through` and `kind` are constants where this is called, so that the loops are those of an entry point. */
static inline __attribute__((always_inline)) price run_batch(rig *on, way through, ku__stack_kind kind) {
    uint64_t start = ku__clock_nanoseconds();
    for (unsigned i = 0; i < BATCH; i++) {
        on->blocks[i] = make_block(on, through, kind, size_at(i));
    }
    uint64_t middle = ku__clock_nanoseconds();
    for (unsigned i = 0; i < BATCH; i++) {
        free_block(on, through, on->blocks[freed_at(i)]);
    }
    uint64_t end = ku__clock_nanoseconds();
    return (price){(double)(middle - start) / BATCH, (double)(end - middle) / BATCH};
}

static price run_traced(rig *on) {
    if (on->sampled) {
        return run_batch(on, SAMPLED, KU__STACK_ANY);
    }
    switch (on->kind) {
    case KU__STACK_ONE: return run_batch(on, TRACED, KU__STACK_ONE);
    case KU__STACK_SEVERAL: return run_batch(on, TRACED, KU__STACK_SEVERAL);
    case KU__STACK_ANY: break;
    }
    return run_batch(on, TRACED, KU__STACK_ANY);
}

static int compare_numbers(const void *left, const void *right) {
    double a = *(const double *)left, b = *(const double *)right;
    return (a > b) - (a < b);
}

static double median(double *numbers) {
    qsort(numbers, ROUNDS, sizeof *numbers, compare_numbers);
    return numbers[ROUNDS / 2] > 0 ? numbers[ROUNDS / 2] : 0;
}

/* The running stack gets a site in the rig's tracer, without a look at its code objects, which belong to another. */
static bool know_stack(const rig *on) {
    static const char nowhere[] = "<kucha>";
    ku__code_facts facts = {.filename = nowhere, .filename_bytes = 7, .qualname = nowhere, .qualname_bytes = 7};
    ku__frame frame = {.code = ku__code_add(on->tracer, nowhere, &facts)};
    return frame.code != 0 && ku__site_intern(on->tracer, &frame, 1, ku__hash_here(on->tracer, KU__STACK_ANY)) != 0;
}

/* What tracing adds to a block on the running stack. The first rounds of both warm up. */
static bool measure_here(rig *on) {
    double born[ROUNDS], freed[ROUNDS];
    if (!know_stack(on)) {
        PyErr_NoMemory();
        return false;
    }
    run_batch(on, PLAIN, KU__STACK_ANY);
    run_traced(on);
    for (int i = 0; i < ROUNDS; i++) {
        price plain = run_batch(on, PLAIN, KU__STACK_ANY), traced = run_traced(on);
        born[i] = traced.born - plain.born;
        freed[i] = traced.freed - plain.freed;
    }
    on->found = (price){median(born), median(freed)};
    return true;
}

/* ---- beneath a stack of a given depth ---- */

static const char DESCEND[] =
    "def descend(depth, measure):\n"
    "    return descend(depth - 1, measure) if depth > 1 else measure()\n";

static PyObject *measure_call(PyObject *capsule, PyObject *ignored) {
    (void)ignored;
    rig *on = PyCapsule_GetPointer(capsule, NULL);
    return on != NULL && measure_here(on) ? Py_NewRef(Py_None) : NULL;
}

static PyMethodDef measure_definition = {"measure", measure_call, METH_NOARGS, NULL};

/* Not by PyRun_String(), which forgets that a KeyboardInterrupt is about to end the process (run_eval_code_obj() in
 * Python/pythonrun.c). */
static PyObject *define_descend(void) {
    PyObject *names = PyDict_New();
    PyObject *code = Py_CompileString(DESCEND, "<kucha>", Py_file_input);
    PyObject *ran = names == NULL || code == NULL ? NULL : PyEval_EvalCode(code, names, names);
    PyObject *function = ran == NULL ? NULL : Py_XNewRef(PyDict_GetItemString(names, "descend"));
    Py_XDECREF(ran);
    Py_XDECREF(code);
    Py_XDECREF(names);
    return function;
}

/* Fills on->found; false with an exception set. */
static bool measure_at(rig *on, unsigned depth) {
    PyObject *descend = define_descend();
    PyObject *capsule = PyCapsule_New(on, NULL, NULL);
    PyObject *measure = capsule == NULL ? NULL : PyCFunction_New(&measure_definition, capsule);
    PyObject *done = descend == NULL || measure == NULL ? NULL : PyObject_CallFunction(descend, "IO", depth, measure);
    bool measured = done != NULL;
    Py_XDECREF(done);
    Py_XDECREF(measure);
    Py_XDECREF(capsule);
    Py_XDECREF(descend);
    return measured;
}

/* ---- the estimate ---- */

static bool rig_make(rig *on, const ku__cost *cost) {
    ku_error error;
    ku__tracer_options options = {.frames = cost->frames, .sample_interval = cost->sampled ? 1 << 16 : 0};
    *on = (rig){.sampled = cost->sampled, .kind = KU__STACK_ANY};
    if (ku__one_can_trace()) {
        on->kind = cost->frames == 1 ? KU__STACK_ONE : KU__STACK_SEVERAL;
    }
    on->heap = ku_heap_new(&(ku_heap_options){.name = "price", .domain = KU_DOMAIN_OBJECT}, &error);
    on->tracer = ku__tracer_new(&options, &error);
    if (on->heap != NULL && on->tracer != NULL && ku__sites_enable(on->heap)) {
        return true;
    }
    PyErr_NoMemory();
    return false;
}

static void rig_release(rig *on) {
    if (on->heap != NULL) {
        ku_heap_delete(on->heap);
    }
    ku__tracer_delete(on->tracer);
}

/* Nanoseconds to take and give back the lock that traced entry points for several GILs hold. */
static double lock_price(void) {
    uint64_t start = ku__clock_nanoseconds();
    for (int i = 0; i < BATCH; i++) {
        ku__many_tracing_lock();
        ku__many_tracing_unlock();
    }
    return (double)(ku__clock_nanoseconds() - start) / BATCH;
}

static bool measure_prices(rig *on, const ku__cost *cost, price *found) {
    if (!measure_at(on, 1)) {
        return false;
    }
    *found = on->found;
    if (cost->frames > 1 && cost->depth > 1) {
        if (!measure_at(on, cost->frames)) {
            return false;
        }
        double slope = (on->found.born - found->born) / (cost->frames - 1);
        found->born += slope > 0 ? slope * (cost->depth - 1) : 0;
    }
    if (ku__bridge_state.many) {
        double lock = lock_price();
        found->born += lock;
        found->freed += lock;
    }
    return true;
}

double ku__cost_estimate(const ku__cost *cost) {
    rig on;
    price prices;
    double seconds = -1;
    if (rig_make(&on, cost) && measure_prices(&on, cost, &prices)) {
        seconds =
            (cost->born * prices.born + cost->freed * prices.freed + (double)cost->tables.miss_nanoseconds) * 1e-9;
    }
    rig_release(&on);
    return seconds;
}
