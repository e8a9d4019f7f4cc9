/* trace_calls.c: starting, stopping and reading tracing, for Python.
 *
 * Every result is made from a snapshot of counts that was complete before the first object of the result was made, so
 * that a report never counts itself.
 */
#include "cpython/module.h"

#include "cpython/collections.h"
#include "cpython/cost.h"
#include "cpython/many.h"
#include "cpython/raw.h"
#include "cpython/selfcheck.h"
#include "cpython/tracing.h"
#include "trace/snapshot.h"

#include <kucha/group.h>
#include <signal.h>
#include <string.h>

static ku__tracer *require_tracer(PyObject *module) {
    if (!ku__require_main(module)) {
        return NULL;
    }
    if (ku__tracing_state.kept == NULL) {
        ku__refuse(module, "tracing is not on; call trace_start() first");
    }
    return ku__tracing_state.kept;
}

/* ---- start and stop ---- */

static int read_mode(const char *mode, bool *objects) {
    if (strcmp(mode, "blocks") == 0 || strcmp(mode, "objects") == 0) {
        *objects = mode[0] == 'o';
        return 0;
    }
    PyErr_Format(PyExc_ValueError, "mode must be 'blocks' or 'objects', not '%s'", mode);
    return -1;
}

static int check_numbers(long frames, long long sample, bool objects) {
    if (frames < 1 || frames > KU__FRAMES_MAX) {
        PyErr_Format(PyExc_ValueError, "frames must be 1 to %d, not %ld", KU__FRAMES_MAX, frames);
        return -1;
    }
    if (sample < 0) {
        PyErr_SetString(PyExc_ValueError,
                        "sample must be 0 (every block) or a mean number of bytes between two samples");
        return -1;
    }
    if (sample > 0 && objects) {
        PyErr_SetString(PyExc_ValueError, "the mode 'objects' traces every object; it cannot be sampled");
        return -1;
    }
    return 0;
}

/* With everything but the capture's path in `options`. */
static PyObject *start(PyObject *module, ku__tracing_options *options, PyObject *capture) {
    PyObject *path = NULL;
    if (!ku__bridge_state.installed) {
        return ku__refuse(module, "kucha is not installed under this interpreter, so there is nothing to trace with");
    }
    if (capture != Py_None && PyUnicode_FSConverter(capture, &path) == 0) {
        return NULL;
    }
    options->capture_path = path == NULL ? NULL : PyBytes_AS_STRING(path);
    ku_error error = {0};
    bool watched = !options->timeline || ku__collections_start() == 0;
    bool started = watched && ku__tracing_start(options, &error) == 0;
    if (started) {
        ku__tracing_state.timeline = options->timeline;
    } else if (watched && options->timeline) {
        ku__collections_stop();
    }
    if (!watched) {
        Py_XDECREF(path);
        return NULL;
    }
    PyObject *result = started ? Py_NewRef(Py_None) : ku__raise(module, &error, options->capture_path);
    Py_XDECREF(path);
    return result;
}

/* The command is converted as a path is: it may name files whose names are no text. */
PyObject *ku__trace_start_call(PyObject *module, PyObject *arguments, PyObject *keywords) {
    static const char *const names[] = {"frames",  "mode",        "sample",   "capture",
                                        "command", "follow_fork", "timeline", NULL};
    long frames = 1;
    long long sample = 0;
    const char *mode = "blocks";
    PyObject *capture = Py_None, *command = NULL, *result = NULL;
    int follow_fork = 0, timeline = 0;
    ku__tracing_options options = {0};
    if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "|$lsLOO&pp:trace_start", KU__KEYWORDS(names), &frames, &mode,
                                     &sample, &capture, PyUnicode_FSConverter, &command, &follow_fork, &timeline)) {
        return NULL;
    }
    if (read_mode(mode, &options.objects) == 0 && check_numbers(frames, sample, options.objects) == 0 &&
        ku__require_main(module)) {
        options.frames = (unsigned)frames;
        options.sample_interval = (uint64_t)sample;
        options.command = command == NULL ? "" : PyBytes_AS_STRING(command);
        options.follow_fork = follow_fork != 0;
        options.timeline = timeline != 0 && capture != Py_None;
        result = start(module, &options, capture);
    }
    Py_XDECREF(command);
    return result;
}

/* None for seconds where the prices could not be measured, such as beneath a limit on recursion. */
static PyObject *cost_as_dict(const ku__cost *cost) {
    const ku__trace_cost *tables = &cost->tables;
    double estimate = ku__cost_estimate(cost);
    PyErr_Clear();
    PyObject *seconds = estimate < 0 ? Py_NewRef(Py_None) : PyFloat_FromDouble(estimate);
    return Py_BuildValue("{s:K,s:K,s:K,s:K,s:K,s:K,s:N,s:d}", "sites", (unsigned long long)tables->sites, "codes",
                         (unsigned long long)tables->codes, "frames", (unsigned long long)tables->frames,
                         "metadata_bytes", (unsigned long long)(tables->metadata_bytes + cost->raw_bytes), "epochs",
                         (unsigned long long)tables->epochs, "misses", (unsigned long long)tables->misses, "seconds",
                         seconds, "writing_seconds", cost->writing_seconds);
}

/* 128 + SIGINT where a KeyboardInterrupt that came out of the program is ending the process: the interpreter kills it
 * by SIGINT then, and nobody is asked again. Any other exit code is known only when the process exits. */
static int exit_code_so_far(void) {
    return PySys_GetObject("last_type") == PyExc_KeyboardInterrupt ? 128 + SIGINT : -1;
}

/* The answer is trace_cost()'s, read before and made after the stop, so that making it is not traced. */
PyObject *ku__trace_stop_call(PyObject *module, PyObject *arguments, PyObject *keywords) {
    static const char *const names[] = {"exit_code", "exiting", NULL};
    PyObject *given = Py_None;
    int exiting = 0;
    if (!ku__require_main(module)) {
        return NULL;
    }
    if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "|Op:trace_stop", KU__KEYWORDS(names), &given, &exiting)) {
        return NULL;
    }
    int exit_code = given == Py_None ? exit_code_so_far() : (int)PyLong_AsLong(given);
    if (exit_code == -1 && PyErr_Occurred()) {
        return NULL;
    }
    ku_error error = {0};
    ku__cost cost;
    ku__cost_read(&cost);
    bool timeline = ku__tracing_state.timeline;
    ku__tracing_state.timeline = false;
    if (timeline) {
        ku__collections_stop();
    }
    if (ku__tracing_stop(exit_code, exiting != 0, &error) != 0) {
        return ku__raise(module, &error, NULL);
    }
    return cost_as_dict(&cost);
}

PyObject *ku__tracing_call(PyObject *module, PyObject *ignored) {
    (void)module;
    (void)ignored;
    return PyBool_FromLong(ku__tracing_state.tracer != NULL);
}

PyObject *ku__trace_flush_call(PyObject *module, PyObject *ignored) {
    (void)ignored;
    if (require_tracer(module) == NULL) {
        return NULL;
    }
    ku_error error = {0};
    ku__capture *capture = ku__tracing_state.capture;
    if (capture != NULL && !ku__capture_flush(capture, &error)) {
        return ku__raise(module, &error, ku__capture_path(capture));
    }
    Py_RETURN_NONE;
}

/* ---- totals and cost ---- */

PyObject *ku__traced_memory_call(PyObject *module, PyObject *ignored) {
    (void)ignored;
    if (!ku__require_main(module)) {
        return NULL;
    }
    uint64_t live = 0, peak = 0;
    if (ku__tracing_state.kept != NULL) {
        ku__traced_memory(ku__tracing_state.kept, &live, &peak);
    }
    return Py_BuildValue("(KK)", (unsigned long long)live, (unsigned long long)peak);
}

PyObject *ku__trace_reset_peak_call(PyObject *module, PyObject *ignored) {
    (void)ignored;
    ku__tracer *tracer = require_tracer(module);
    if (tracer == NULL) {
        return NULL;
    }
    ku__many_tracing_lock();
    ku__raw_lock();
    ku__peak_reset(tracer);
    ku__raw_unlock();
    ku__many_tracing_unlock();
    Py_RETURN_NONE;
}

PyObject *ku__trace_cost_call(PyObject *module, PyObject *ignored) {
    (void)ignored;
    ku__tracer *tracer = require_tracer(module);
    if (tracer == NULL) {
        return NULL;
    }
    ku__cost cost;
    ku__cost_read(&cost);
    return cost_as_dict(&cost);
}

PyObject *ku__tracing_description(void) {
    const ku__tracer *tracer = ku__tracing_state.kept;
    if (tracer == NULL) {
        Py_RETURN_NONE;
    }
    const ku_error *failure = ku__tracer_failure(tracer);
    const ku__capture *capture = ku__tracing_state.capture;
    return Py_BuildValue("{s:I,s:s,s:d,s:z,s:O,s:z}", "frames", tracer->frames, "mode",
                         tracer->mode == KU__TRACE_OBJECTS ? "objects" : "blocks", "sample", tracer->sample_interval,
                         "capture", capture == NULL ? NULL : ku__capture_path(capture), "on",
                         ku__tracing_state.tracer != NULL ? Py_True : Py_False, "failure",
                         failure == NULL ? NULL : failure->message);
}

/* ---- statistics() ---- */

static int read_key(const char *name, ku_group_key *key) {
    static const struct {
        const char *name;
        ku_group_key key;
    } keys[] = {{"lineno", KU_GROUP_LINE}, {"filename", KU_GROUP_FILE}, {"traceback", KU_GROUP_STACK}};
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        if (strcmp(name, keys[i].name) == 0) {
            *key = keys[i].key;
            return 0;
        }
    }
    PyErr_Format(PyExc_ValueError, "key must be 'lineno', 'filename' or 'traceback', not '%s'", name);
    return -1;
}

static PyObject *frame_of_capture(const ku_capture *capture, uint32_t index) {
    ku_capture_frame frame;
    ku_capture_code code;
    ku_capture_frame_read(capture, index, &frame);
    ku_capture_code_read(capture, frame.code, &code);
    return Py_BuildValue("(NiN)", ku__text(code.filename.bytes, code.filename.size), (int)frame.line,
                         ku__text(code.qualname.bytes, code.qualname.size));
}

static PyObject *stack_of_capture(const ku_capture *capture, uint32_t site) {
    uint32_t frames[KU__FRAMES_MAX];
    size_t count = ku_capture_stack_read(capture, site, frames, KU__FRAMES_MAX);
    PyObject *stack = PyTuple_New((Py_ssize_t)count);
    for (size_t i = 0; stack != NULL && i < count; i++) {
        PyObject *frame = frame_of_capture(capture, frames[i]);
        if (frame == NULL) {
            Py_CLEAR(stack);
        } else {
            PyTuple_SET_ITEM(stack, (Py_ssize_t)i, frame);
        }
    }
    return stack;
}

static PyObject *row_of(const ku_capture *capture, const ku_group_row *row, ku_group_key key, uint64_t unit) {
    const ku_capture_counts *c = &row->counts;
#define COUNT(field) ((unsigned long long)(c->field))
#define BLOCKS(field) ((unsigned long long)((c->field + unit / 2) / unit))
    if (key == KU_GROUP_STACK) {
        return Py_BuildValue("(NKKKKKKK)", stack_of_capture(capture, row->site), COUNT(live_bytes), BLOCKS(live_blocks),
                             COUNT(peak_bytes), BLOCKS(peak_blocks), COUNT(total_bytes), BLOCKS(total_blocks),
                             BLOCKS(temporary_blocks));
    }
    return Py_BuildValue("(NiKKKKKKK)", ku__text(row->filename.bytes, row->filename.size), (int)row->line,
                         COUNT(live_bytes), BLOCKS(live_blocks), COUNT(peak_bytes), BLOCKS(peak_blocks),
                         COUNT(total_bytes), BLOCKS(total_blocks), BLOCKS(temporary_blocks));
#undef COUNT
#undef BLOCKS
}

static PyObject *rows_of(const ku_capture *capture, const ku_groups *groups, ku_group_key key, uint64_t unit) {
    PyObject *list = PyList_New((Py_ssize_t)groups->count);
    for (size_t i = 0; list != NULL && i < groups->count; i++) {
        PyObject *row = row_of(capture, &groups->rows[i], key, unit);
        if (row == NULL) {
            Py_CLEAR(list);
        } else {
            PyList_SET_ITEM(list, (Py_ssize_t)i, row);
        }
    }
    return list;
}

static PyObject *group(PyObject *module, const ku__tracer *tracer, ku_group_key key, bool cumulative) {
    ku_error error = {0};
    ku__many_tracing_lock();
    ku_capture *snapshot = ku__snapshot_take(tracer, &error);
    ku__many_tracing_unlock();
    ku_groups *groups = snapshot == NULL ? NULL : ku_capture_group(snapshot, key, cumulative, &error);
    PyObject *rows =
        groups == NULL ? ku__raise(module, &error, NULL) : rows_of(snapshot, groups, key, tracer->block_unit);
    ku_groups_free(groups);
    ku_capture_close(snapshot);
    return rows;
}

PyObject *ku__statistics_call(PyObject *module, PyObject *arguments, PyObject *keywords) {
    static const char *const names[] = {"key", "cumulative", NULL};
    const char *name;
    int cumulative = 0;
    ku_group_key key;
    if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "s|p:statistics", KU__KEYWORDS(names), &name, &cumulative) ||
        read_key(name, &key) != 0) {
        return NULL;
    }
    if (key == KU_GROUP_STACK && cumulative) {
        PyErr_SetString(PyExc_ValueError, "statistics by 'traceback' cannot be cumulative");
        return NULL;
    }
    ku__tracer *tracer = require_tracer(module);
    return tracer == NULL ? NULL : group(module, tracer, key, cumulative != 0);
}

/* ---- object_site() ---- */

static PyObject *frame_of_tracer(const ku__tracer *tracer, const ku__frame *frame) {
    ku__code_facts code;
    if (!ku__code_read(tracer, frame->code, &code)) {
        return Py_BuildValue("(sis)", "<unknown>", 0, "<unknown>");
    }
    int32_t line = ku_line_of(code.line_table, code.line_table_bytes, code.first_line, frame->instruction);
    return Py_BuildValue("(NiN)", ku__text(code.filename, code.filename_bytes), (int)line,
                         ku__text(code.qualname, code.qualname_bytes));
}

PyObject *ku__object_site_call(PyObject *module, PyObject *object) {
    if (!ku__require_main(module)) {
        return NULL;
    }
    const ku__tracer *tracer = ku__tracing_state.kept;
    ku__block_facts facts;
    void *block;
    if (tracer == NULL || !ku__object_block(ku__bridge_state.main_house->objects, object, &block, &facts) ||
        facts.site == NULL || KU__SLOT_SITE(*facts.site) == 0) {
        Py_RETURN_NONE;
    }
    ku__frame frames[KU__FRAMES_MAX];
    unsigned count = ku__site_frames(tracer, KU__SLOT_SITE(*facts.site), frames, KU__FRAMES_MAX);
    PyObject *stack = PyTuple_New((Py_ssize_t)count);
    for (unsigned i = 0; stack != NULL && i < count; i++) {
        PyObject *frame = frame_of_tracer(tracer, &frames[i]);
        if (frame == NULL) {
            Py_CLEAR(stack);
        } else {
            PyTuple_SET_ITEM(stack, (Py_ssize_t)i, frame);
        }
    }
    return stack;
}
