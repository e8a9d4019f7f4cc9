/* module.h: what the files of the extension module share. */
#ifndef KU__MODULE_H
#define KU__MODULE_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <kucha/error.h>
#include <stdbool.h>

/* Runs whenever the module is imported, also where nothing else of its file will: kept together with what is rare, so
 * that the pages of the rest stay out of memory. */
#define KU__AT_IMPORT __attribute__((cold))

typedef struct ku__module_state {
    PyObject *refused;       /* kucha._core.Refused */
    PyObject *capture_error; /* kucha._core.CaptureError */
    PyObject *capture_type;  /* kucha._core.Capture */
    PyObject *snapshot_type; /* kucha._core.Snapshot */
    PyObject *recorder_type; /* kucha._core.LineRecorder */
    PyObject *graph_type;    /* kucha._core.Graph */
    PyObject *analysis_type; /* kucha._core.Analysis */
} ku__module_state;

static inline ku__module_state *ku__state_of(PyObject *module) {
    return PyModule_GetState(module);
}

/* Raises Refused with a sentence; returns NULL. */
PyObject *ku__refuse(PyObject *module, const char *sentence);

/* Whether the calling interpreter is the main one; else raises Refused. What the module does concerns the whole
 * process, and is guarded by the main interpreter's GIL; another interpreter may import it, and ask what needs no
 * guard. */
bool ku__require_main(PyObject *module);

/* Raises what fits an error of the library: MemoryError, OSError (with the path, if any), else Refused. Returns
 * NULL. */
PyObject *ku__raise(PyObject *module, const ku_error *error, const char *path);

/* Text of a capture or of a code object: UTF-8 as written by codes.c, surrogates for bytes that are not. */
static inline PyObject *ku__text(const char *bytes, size_t size) {
    return PyUnicode_DecodeUTF8(bytes, (Py_ssize_t)size, "surrogateescape");
}

/* The names of keywords as PyArg_ParseTupleAndKeywords() takes them: it does not write, but its type did not say so
 * before 3.13. */
#define KU__KEYWORDS(names) ((char **)(uintptr_t)(names))

/* ---- functions of the module, by file ---- */

PyObject *ku__stats_call(PyObject *module, PyObject *ignored); /* stats.c */
PyObject *ku__stats_text_call(PyObject *module, PyObject *ignored);
PyObject *ku__map_svg_call(PyObject *module, PyObject *ignored);
PyObject *ku__purge_call(PyObject *module, PyObject *ignored);

PyObject *ku__trace_start_call(PyObject *module, PyObject *arguments, PyObject *keywords); /* trace_calls.c */
PyObject *ku__trace_stop_call(PyObject *module, PyObject *arguments, PyObject *keywords);
PyObject *ku__tracing_call(PyObject *module, PyObject *ignored);
PyObject *ku__trace_flush_call(PyObject *module, PyObject *ignored);
PyObject *ku__traced_memory_call(PyObject *module, PyObject *ignored);
PyObject *ku__trace_reset_peak_call(PyObject *module, PyObject *ignored);
PyObject *ku__trace_cost_call(PyObject *module, PyObject *ignored);
PyObject *ku__statistics_call(PyObject *module, PyObject *arguments, PyObject *keywords);
PyObject *ku__object_site_call(PyObject *module, PyObject *object);
PyObject *ku__tracing_description(void); /* for status(): a dict, or None */

PyObject *ku__gc_install_call(PyObject *module, PyObject *arguments, PyObject *keywords); /* collector_calls.c */
PyObject *ku__gc_uninstall_call(PyObject *module, PyObject *ignored);
PyObject *ku__gc_settle_call(PyObject *module, PyObject *ignored);
PyObject *ku__gc_status_call(PyObject *module, PyObject *ignored);
PyObject *ku__gc_pauses_call(PyObject *module, PyObject *arguments);

void ku__everywhere_before_fork(void); /* collector_everywhere.c: nobody is in the list of collectors meanwhile */
void ku__everywhere_after_fork(void);
void ku__producers_before_fork(void); /* producers_everywhere.c: nor in that of watchers */
void ku__producers_after_fork(void);

PyObject *ku__gc_producers_start_call(PyObject *module, PyObject *arguments); /* producers_records.c */
PyObject *ku__gc_producers_stop_call(PyObject *module, PyObject *arguments);
PyObject *ku__gc_producers_call(PyObject *module, PyObject *arguments);

PyObject *ku__call_program_call(PyObject *module, PyObject *arguments); /* program.c */

PyObject *ku__census_call(PyObject *module, PyObject *ignored); /* census.c */

PyObject *ku__heap_open_call(PyObject *module, PyObject *path); /* graph_object.c */
PyObject *ku__heap_dump_call(PyObject *module, PyObject *arguments, PyObject *keywords);
PyObject *ku__heap_wait_call(PyObject *module, PyObject *arguments);
PyObject *ku__graph_type_new(PyObject *module);

PyObject *ku__heap_at_refusal_call(PyObject *module, PyObject *arguments); /* refusal.c */
PyObject *ku__heap_refused_call(PyObject *module, PyObject *ignored);

PyObject *ku__snapshot_call(PyObject *module, PyObject *ignored); /* snapshot_object.c */
PyObject *ku__snapshot_type_new(PyObject *module);

PyObject *ku__line_recorder_type_new(PyObject *module); /* line_recorder.c */
PyObject *ku__resident_call(PyObject *module, PyObject *ignored);
PyObject *ku__line_callbacks_call(PyObject *module, PyObject *disable); /* line_hooks.c */

PyObject *ku__capture_read_call(PyObject *module, PyObject *path); /* capture_object.c */
PyObject *ku__capture_type_new(PyObject *module);

#endif
