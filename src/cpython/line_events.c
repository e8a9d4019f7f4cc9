/* line_events.c: see line_events.h. */
#include "cpython/line_events.h"

#include <string.h>

/* A call that is looked at. */
typedef struct call {
    const void *code;
    int line;
    int64_t allocated, freed; /* the thread's counts when the line began, and what kin has had since */
    int64_t live;             /* when the line began */
    int64_t high;             /* the highest that inner calls reached since */
    int64_t resident;         /* resident bytes when the line began, and what kin has added since; for spans */
    int64_t at_call[3];       /* allocated, freed and resident when the call began */
    size_t kin;               /* the nearest outer call whose lines stand in the same table; SIZE_MAX: none */
} call;

/* A recorder that is on in this thread. */
typedef struct activation {
    ku__recorder *recorder;
    unsigned times;
    int before; /* the line that ran last, in whichever of its functions; 0: none */
} activation;

typedef struct line_thread {
    call *calls;
    size_t call_count, call_room;
    activation *active;
    size_t active_count, active_room;
    ku__resident resident;
    const void *passed; /* what a chooser did not want, when it was asked last */
} line_thread;

static KU__QUICK_THREAD line_thread here;

/* ---- arrays that grow ---- */

enum { ROOM_FIRST = 8 };

static void *grown(void *items, size_t *room, size_t count, size_t size) {
    if (count < *room) {
        return items;
    }
    size_t wanted = *room == 0 ? ROOM_FIRST : *room * 2;
    void *larger = PyMem_RawRealloc(items, wanted * size);
    if (larger != NULL) {
        *room = wanted;
    }
    return larger;
}

/* ---- on and off ---- */

static activation *activation_of(const ku__recorder *recorder) {
    for (size_t i = 0; i < here.active_count; i++) {
        if (here.active[i].recorder == recorder) {
            return &here.active[i];
        }
    }
    return NULL;
}

unsigned ku__line_is_on(const ku__recorder *recorder) {
    const activation *on = activation_of(recorder);
    return on == NULL ? 0 : on->times;
}

bool ku__line_any(void) {
    return here.active_count > 0;
}

static void begin_counting(ku__recorder *recorder) {
    if (ku__counted_start()) {
        recorder->counting++;
    } else {
        recorder->counts = false;
    }
    ku__thread_counts.on = true;
}

bool ku__line_on(ku__recorder *recorder) {
    activation *on = activation_of(recorder);
    if (on != NULL) {
        on->times++;
        return true;
    }
    activation *active = grown(here.active, &here.active_room, here.active_count, sizeof *active);
    if (active == NULL) {
        return false;
    }
    here.active = active;
    active[here.active_count++] = (activation){.recorder = recorder, .times = 1, .before = recorder->before};
    begin_counting(recorder);
    return true;
}

static void forget_thread(void) {
    PyMem_RawFree(here.calls);
    PyMem_RawFree(here.active);
    here = (line_thread){0};
    ku__thread_counts = (ku__counts){0};
}

void ku__line_off(ku__recorder *recorder) {
    activation *on = activation_of(recorder);
    if (on == NULL || --on->times > 0) {
        return;
    }
    recorder->before = on->before;
    *on = here.active[--here.active_count];
    if (recorder->counting > 0) {
        recorder->counting--;
        ku__counted_stop();
    }
    if (here.active_count == 0) {
        forget_thread();
    }
}

/* ---- stretches ---- */

/* The line of the innermost call has ended: what it did. Hands the height on to the caller. */
static ku__line_stretch measure(size_t index) {
    const ku__counts *counts = &ku__thread_counts;
    call *ran = &here.calls[index];
    int64_t high = counts->high > ran->high ? counts->high : ran->high;
    if (index > 0 && high > ran[-1].high) {
        ran[-1].high = high;
    }
    return (ku__line_stretch){
        .allocated = counts->allocated - ran->allocated,
        .freed = counts->freed - ran->freed,
        .peak = high - ran->live,
    };
}

static void begin_line(call *now, int line) {
    ku__counts *counts = &ku__thread_counts;
    ku__counts_mark(counts);
    now->line = line;
    now->allocated = counts->allocated;
    now->freed = counts->freed;
    now->live = now->high = counts->high;
    now->resident = here.resident.bytes;
}

/* Asks the recorder's reader, a Python function, with the counting switched off. False with an exception set. */
static bool ask_reader(PyObject *reader, PyObject *code, int64_t *bytes) {
    ku__counts *counts = &ku__thread_counts;
    counts->on = false;
    PyObject *answer = PyObject_CallOneArg(reader, code);
    counts->on = true;
    if (answer == NULL) {
        return false;
    }
    double value = PyFloat_AsDouble(answer);
    counts->on = false;
    Py_DECREF(answer);
    counts->on = true;
    *bytes = (int64_t)value;
    return value != -1.0 || !PyErr_Occurred();
}

static bool memory_of(const activation *on, const void *code, int64_t *bytes) {
    if (on->recorder->reader != NULL) {
        return ask_reader(on->recorder->reader, (PyObject *)(uintptr_t)code, bytes);
    }
    *bytes = ku__resident_ask(&here.resident, on->recorder->when, &ku__thread_counts);
    return true;
}

/* Puts what a line did into a table of one recorder. */
static inline void put(activation *on, ku__line_table *table, const call *ran, ku__line_stretch *stretch) {
    stretch->spans = on->recorder->spans;
    stretch->grown = stretch->memory - ran->resident;
    ku__line_table_add(table, ran->line, on->before, stretch);
    on->before = ran->line;
}

/* Puts what the call's line did into all tables. -1 with an exception set. */
static int record(size_t index) {
    const call now = here.calls[index]; /* a reader can move calls */
    const void *code = now.code;
    ku__line_stretch ran = measure(index);
    for (size_t i = 0; i < here.active_count; i++) {
        activation *on = &here.active[i];
        ku__line_table *table = ku__recorder_find(on->recorder, code);
        if (table == NULL) {
            continue;
        }
        if (!memory_of(on, code, &ran.memory)) {
            return -1;
        }
        if (on->recorder->reader != NULL) {
            table = ku__recorder_find(on->recorder, code); /* a reader can move tables */
        }
        put(on, table, &now, &ran);
    }
    return 0;
}

/* ---- events ---- */

static bool is_looked_at(const void *code) {
    for (size_t i = 0; i < here.active_count; i++) {
        if (ku__recorder_find(here.active[i].recorder, code) != NULL) {
            return true;
        }
    }
    return false;
}

/* Whether some recorder has both in one table. */
static bool share_table(const void *code, const void *other) {
    for (size_t i = 0; i < here.active_count; i++) {
        const ku__line_table *table = ku__recorder_find(here.active[i].recorder, code);
        if (table != NULL && table == ku__recorder_find(here.active[i].recorder, other)) {
            return true;
        }
    }
    return false;
}

static size_t kin_of(const void *code) {
    size_t index = here.call_count;
    while (index-- > 0) {
        if (here.calls[index].code == code || share_table(code, here.calls[index].code)) {
            return index;
        }
    }
    return SIZE_MAX;
}

/* What the call had is in its own lines, which stand in the table of its kin already: the line that called it does not
 * have it again. */
static void spare_kin(const call *ended) {
    if (ended->kin < here.call_count) {
        const ku__counts *counts = &ku__thread_counts;
        here.calls[ended->kin].allocated += counts->allocated - ended->at_call[0];
        here.calls[ended->kin].freed += counts->freed - ended->at_call[1];
        here.calls[ended->kin].resident += here.resident.bytes - ended->at_call[2];
    }
}

/* The number of the innermost call, if it is one of `code`; a call above it whose end nobody saw is dropped. SIZE_MAX:
 * none. */
static inline size_t innermost(const void *code) {
    size_t index = here.call_count;
    if (index > 0 && here.calls[index - 1].code != code && !is_looked_at(code)) {
        return SIZE_MAX;
    }
    while (index-- > 0) {
        if (KU__LIKELY(here.calls[index].code == code)) {
            here.call_count = index + 1;
            return index;
        }
    }
    return SIZE_MAX;
}

/* Asks a chooser about a code object that its recorder meets first, with the counting switched off. One that fails has
 * not chosen, and the program does not hear of it. */
static void ask_chooser(ku__recorder *recorder, const void *code) {
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    ku__thread_counts.on = false;
    PyObject *answer = PyObject_CallOneArg(recorder->chooser, (PyObject *)(uintptr_t)code);
    if (answer == NULL) {
        PyErr_Clear();
    }
    here.passed = answer == Py_False ? code : NULL;
    Py_XDECREF(answer);
    ku__thread_counts.on = true;
    PyErr_Restore(type, value, traceback);
}

static void choose(const void *code) {
    for (size_t i = 0; i < here.active_count; i++) {
        ku__recorder *recorder = here.active[i].recorder;
        if (recorder->chooser != NULL && !ku__recorder_knows(recorder, code)) {
            ask_chooser(recorder, code);
        }
    }
}

/* The resident size at the beginning of a call, where a recorder wants spans. */
static void begin_span(void) {
    for (size_t i = 0; i < here.active_count; i++) {
        if (here.active[i].recorder->spans) {
            ku__resident_ask(&here.resident, here.active[i].recorder->when, &ku__thread_counts);
        }
    }
}

int ku__line_called(const void *code, int line) {
    choose(code);
    if (!is_looked_at(code)) {
        return 0;
    }
    begin_span();
    call *calls = grown(here.calls, &here.call_room, here.call_count, sizeof *calls);
    if (calls == NULL) {
        return 0;
    }
    here.calls = calls;
    call *outer = here.call_count > 0 ? &calls[here.call_count - 1] : NULL;
    if (outer != NULL && ku__thread_counts.high > outer->high) {
        outer->high = ku__thread_counts.high;
    }
    size_t kin = kin_of(code);
    call *now = &calls[here.call_count++];
    begin_line(now, line);
    now->code = code;
    now->kin = kin;
    now->at_call[0] = now->allocated;
    now->at_call[1] = now->freed;
    now->at_call[2] = now->resident;
    return 0;
}

/* What nearly every event is: the innermost call goes on to a line, and the one recorder that is on has the table of
 * its code object at hand, and reads no Python function. */
static inline bool is_usual(const line_thread *mine, const void *code) {
    if (mine->active_count != 1 || mine->call_count == 0 || mine->calls[mine->call_count - 1].code != code) {
        return false;
    }
    const ku__recorder *recorder = mine->active->recorder;
    return recorder->found_code == code && recorder->reader == NULL;
}

/* The same as the long way, with nothing looked up: 120 instructions fewer of some 250. */
static inline void reach_as_usual(line_thread *mine, int line) {
    size_t index = mine->call_count - 1;
    activation *on = mine->active;
    ku__recorder *recorder = on->recorder;
    ku__line_stretch ran = measure(index);
    if (recorder->when != KU__RESIDENT_OFF) {
        ran.memory = ku__resident_ask(&mine->resident, recorder->when, &ku__thread_counts);
    }
    put(on, &recorder->tables[recorder->found_table], &mine->calls[index], &ran);
    begin_line(&mine->calls[index], line);
}

int ku__line_reached(const void *code, int line) {
    if (KU__LIKELY(is_usual(&here, code))) {
        reach_as_usual(&here, line);
        return 0;
    }
    size_t index = innermost(code);
    if (index == SIZE_MAX) {
        return 0;
    }
    int result = record(index);
    begin_line(&here.calls[index], line);
    return result;
}

int ku__line_returned(const void *code) {
    size_t index = innermost(code);
    if (index == SIZE_MAX) {
        return 0;
    }
    int result = record(index);
    here.call_count = index;
    spare_kin(&here.calls[index]);
    ku__counts_mark(&ku__thread_counts);
    return result;
}

bool ku__line_passed(const void *code) {
    return here.passed == code;
}

int ku__line_now(const void *code) {
    return here.call_count > 0 && here.calls[here.call_count - 1].code == code ? here.calls[here.call_count - 1].line
                                                                               : 0;
}
