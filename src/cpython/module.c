/* module.c: the extension module kucha._core: install, status, and the table of its functions.
 *
 * What the module does concerns the whole process, so it is for the main interpreter. Another one, with a GIL of its
 * own too, may import it and is refused whatever needs the main interpreter's GIL; install() there finds kucha
 * installed.
 */
#include "cpython/module.h"

#include "cpython/analysis.h"
#include "cpython/bridge.h"
#include "cpython/gil.h"
#include "cpython/many.h"
#include "cpython/pending.h"
#include "cpython/raw.h"
#include "cpython/selfcheck.h"
#include "cpython/tracing.h"
#include "os/pages.h"

#include <kucha/version.h>
#include <pthread.h>
#include <stdio.h>

enum { SENTENCE = 256 };

PyObject *ku__refuse(PyObject *module, const char *sentence) {
    PyErr_SetString(ku__state_of(module)->refused, sentence);
    return NULL;
}

static bool in_main(void) {
    return PyInterpreterState_Get() == PyInterpreterState_Main();
}

bool ku__require_main(PyObject *module) {
    if (!in_main()) {
        ku__refuse(module, "only the main interpreter can ask this of kucha, because it concerns the whole process");
        return false;
    }
    return true;
}

PyObject *ku__raise(PyObject *module, const ku_error *error, const char *path) {
    if (error->code == KU_NO_MEMORY) {
        PyErr_SetString(PyExc_MemoryError, error->message);
    } else if (error->code == KU_IO && error->os_error != 0 && path != NULL) {
        errno = error->os_error;
        PyErr_SetFromErrnoWithFilename(PyExc_OSError, path);
    } else if (error->code == KU_IO) {
        PyErr_SetString(PyExc_OSError, error->message);
    } else if (error->code == KU_INVALID) {
        PyErr_SetString(PyExc_ValueError, error->message);
    } else {
        ku__refuse(module, error->message);
    }
    return NULL;
}

/* ---- facts and install ---- */

static void python_version(char *out, size_t size) {
    snprintf(out, size, "%lu.%lu.%lu", Py_Version >> 24, Py_Version >> 16 & 0xff, Py_Version >> 8 & 0xff);
}

static const char *geometry_name(void) {
#if defined(KU_GEOMETRY_CLASSIC)
    return "classic";
#elif defined(KU_GEOMETRY_LARGE)
    return "large";
#else
    return "wide";
#endif
}

static bool has_reference_tracer(void) {
    return PY_VERSION_HEX >= 0x030D0000;
}

static bool free_threaded(void) {
#ifdef Py_GIL_DISABLED
    return true;
#else
    return false;
#endif
}

PyDoc_STRVAR(facts_doc,
             "facts() -> dict\n\nWhat the checks of this interpreter's private structures said. Swaps nothing.");

static PyObject *facts(PyObject *module, PyObject *ignored) {
    (void)ignored;
    if (!ku__require_main(module)) {
        return NULL;
    }
    char version[32], reason[SENTENCE];
    python_version(version, sizeof version);
    bool supported = ku__selfcheck(reason, sizeof reason);
    return Py_BuildValue("{s:s,s:O,s:z,s:O,s:O,s:O,s:s}", "python", version, "supported",
                         supported ? Py_True : Py_False, "reason", supported ? NULL : reason, "free_threaded",
                         free_threaded() ? Py_True : Py_False, "jit", ku__jit_enabled() ? Py_True : Py_False,
                         "refcnt tracer", has_reference_tracer() ? Py_True : Py_False, "geometry", geometry_name());
}

/* faulthandler lists the extension modules that are loaded, by their names in sys.modules, when the interpreter crashes
 * (Python/traceback.c: _Py_DumpExtensionModules). So the module is entered once more, under a name that says that kucha
 * was active, and which version. */
static int show_in_crashes(PyObject *module) {
    char name[64] = "kucha._active_" KU_VERSION;
    for (char *at = name + sizeof "kucha._active_" - 1; *at != '\0'; at++) {
        if (!Py_ISALNUM(*at)) {
            *at = '_';
        }
    }
    PyObject *modules = PySys_GetObject("modules");
    return modules == NULL ? 0 : PyDict_SetItemString(modules, name, module);
}

static void before_fork(void) {
    ku__many_tracing_lock();
    ku__raw_lock();
    ku__everywhere_before_fork();
    ku__producers_before_fork();
}

static void after_fork_in_parent(void) {
    ku__producers_after_fork();
    ku__everywhere_after_fork();
    ku__raw_unlock();
    ku__many_tracing_unlock();
}

static void after_fork_in_child(void) {
    ku__producers_after_fork();
    ku__everywhere_after_fork();
    ku__pending_after_fork_in_child();
    ku__raw_after_fork_in_child();
    ku__many_after_fork_in_child();
    if (ku__tracing_state.kept != NULL) {
        ku__tracer_after_fork_in_child(ku__tracing_state.kept);
    }
}

static bool may_install(char *reason, size_t size) {
    if (!ku__selfcheck(reason, size) || !ku__stock_allocators(reason, size)) {
        return false;
    }
    if (ku__interpreter_count() > 1) {
        snprintf(reason, size,
                 "a second interpreter exists already: kucha must be installed before the first of them is made");
        return false;
    }
    return true;
}

PyDoc_STRVAR(install_doc,
             "install() -> None\n\nPut kucha's heaps under the mem and obj domains. Can be called again.\n"
             "Raises Refused, with the reason, where that would not be safe.");

static PyObject *install(PyObject *module, PyObject *ignored) {
    (void)ignored;
    if (ku__bridge_state.installed) {
        Py_RETURN_NONE;
    }
    char reason[SENTENCE];
    if (!ku__require_main(module)) {
        return NULL;
    }
    if (!may_install(reason, sizeof reason)) {
        return ku__refuse(module, reason);
    }
    ku_error error = {0};
    python_version(ku__tracing_state.python, sizeof ku__tracing_state.python);
    if (show_in_crashes(module) != 0) {
        return NULL;
    }
    if (pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child) != 0) {
        return PyErr_NoMemory();
    }
    if (ku__bridge_install(&error) != 0) {
        return ku__raise(module, &error, NULL);
    }
    ku__many_watch();
    Py_RETURN_NONE;
}

PyDoc_STRVAR(installed_doc, "installed() -> bool\n\nWhether kucha's heaps are under this interpreter.");

static PyObject *installed(PyObject *module, PyObject *ignored) {
    (void)module;
    (void)ignored;
    return PyBool_FromLong(ku__bridge_state.installed);
}

PyDoc_STRVAR(status_doc,
             "status() -> dict\n\nversion, installed, unhooked (another tool has replaced the entry points since),\n"
             "tracing (None or a dict) and heaps (how many).");

static PyObject *status(PyObject *module, PyObject *ignored) {
    (void)module;
    (void)ignored;
    const ku__bridge *bridge = &ku__bridge_state;
    bool unhooked = bridge->installed && !ku__bridge_in_place();
    PyObject *tracing = in_main() ? ku__tracing_description() : Py_NewRef(Py_None);
    if (tracing == NULL) {
        return NULL;
    }
    return Py_BuildValue("{s:s,s:O,s:O,s:N,s:n,s:O}", "version", KU_VERSION, "installed",
                         bridge->installed ? Py_True : Py_False, "unhooked", unhooked ? Py_True : Py_False, "tracing",
                         tracing, "heaps", (Py_ssize_t)atomic_load(&bridge->house_count) * 2, "interpreters",
                         bridge->many ? Py_True : Py_False);
}

#ifdef KU_CHECKING
PyDoc_STRVAR(
    pages_fail_at_doc,
    "pages_fail_at(number, /) -> int\n\nThe checking build alone: of the requests for pages from now on, the one\n"
    "with this number is refused (0: none). Returns how many were made since the last call.");

static PyObject *pages_fail_at(PyObject *module, PyObject *number) {
    (void)module;
    size_t countdown = PyLong_AsSize_t(number);
    if (countdown == (size_t)-1 && PyErr_Occurred()) {
        return NULL;
    }
    return PyLong_FromSize_t(ku__pages_fail_at(countdown));
}
#endif

/* ---- the module ---- */

#define WITH_KEYWORDS(function) ((PyCFunction)(void (*)(void))(function))

PyDoc_STRVAR(stats_doc, "stats() -> list[dict]\n\nWhat each heap holds: totals, size classes, arenas.");
PyDoc_STRVAR(stats_text_doc, "stats_text() -> str\n\nThe statistics of every heap as tables.");
PyDoc_STRVAR(map_svg_doc, "map_svg() -> str\n\nA picture of the arenas of every heap.");
PyDoc_STRVAR(purge_doc, "purge() -> int\n\nGive memory that no block needs back to the system; the bytes given back.");
PyDoc_STRVAR(
    trace_start_doc,
    "trace_start(*, frames=1, mode='blocks', sample=0, capture=None, command='', follow_fork=False,\n"
    "            timeline=False) -> None\n\n"
    "Start tracing birthplaces of blocks. sample is the mean of bytes between two samples, 0 traces every block.\n"
    "capture is the path of a file that must not exist yet; timeline makes its time line dense, with collections.");
PyDoc_STRVAR(
    trace_stop_doc,
    "trace_stop(exit_code=None, exiting=False) -> dict\n\nStop tracing, forget what was traced, finish the capture.\n"
    "exiting: the process is about to end, and its exit code is to be put into the capture when it does.");
PyDoc_STRVAR(tracing_doc, "tracing() -> bool\n\nWhether tracing is on.");
PyDoc_STRVAR(trace_flush_doc, "trace_flush() -> None\n\nBring the capture up to date now.");
PyDoc_STRVAR(traced_memory_doc, "traced_memory() -> (live_bytes, peak_bytes)");
PyDoc_STRVAR(trace_reset_peak_doc, "trace_reset_peak() -> None\n\nMake now the peak.");
PyDoc_STRVAR(
    trace_cost_doc,
    "trace_cost() -> dict\n\nWhat tracing has cost: sites, codes, metadata_bytes; seconds, an estimate (None where\n"
    "it cannot be had); writing_seconds, measured, of the thread that writes the capture ...");
PyDoc_STRVAR(statistics_doc,
             "statistics(key, cumulative=False) -> list[tuple]\n\nTraced memory by 'lineno', 'filename' or "
             "'traceback', largest live bytes first.");
PyDoc_STRVAR(object_site_doc,
             "object_site(object) -> tuple | None\n\nWhere the object's block was born: (filename, lineno,\n"
             "qualname) of each frame, innermost first.");
PyDoc_STRVAR(snapshot_doc, "snapshot() -> Snapshot\n\nEvery block that is traced and live, by birthplace and size.");
PyDoc_STRVAR(capture_read_doc, "capture_read(path) -> Capture\n\nRead and check a capture. Raises CaptureError.");

PyDoc_STRVAR(census_doc,
             "census() -> (rows, unknown, buffers)\n\nLive objects by type. A row is (type, objects, bytes, kept,\n"
             "kept_bytes), where kept ones are dead and wait on a free list; unknown and buffers are (blocks, bytes).");

PyDoc_STRVAR(resident_doc, "resident() -> int\n\nBytes of this process that are in memory; -1 where /proc is hidden.");
PyDoc_STRVAR(line_callbacks_doc,
             "line_callbacks(disable, /) -> dict\n\nWhat LineRecorder wants sys.monitoring to call, by the name of the "
             "event;\n`disable` is sys.monitoring.DISABLE. Empty on 3.11.");
PyDoc_STRVAR(
    gil_start_doc,
    "gil_start(interval=0.001) -> None\n\nLook at the GIL every so many seconds, on average: who holds it, who "
    "waits.");
PyDoc_STRVAR(gil_stop_doc, "gil_stop() -> None\n\nStop looking. What was seen can still be read.");
PyDoc_STRVAR(gil_read_doc, "gil_read() -> dict\n\nWhat was seen of the GIL since gil_start(), by thread, in seconds.");
PyDoc_STRVAR(
    heap_build_doc,
    "heap_build(path, types, sites, nodes, edges, program, runtime, taken) -> None\n\n"
    "Write a heap file. types: (module, name); sites: lists of (function, file, line); nodes: (address, type,\n"
    "size, site, count, flags, age, label), numbered from 1, as 0 is the root; edges: (from, to, kind, text,\n"
    "number).");
PyDoc_STRVAR(
    heap_dump_doc,
    "heap_dump(path, reason=0, program='', wait=True, equals=True) -> dict\n\nWrite a heap file, from a copy of the\n"
    "process; without equals it does not say what is equal to what, and is done sooner. Without wait the file appears "
    "by itself when it is whole; heap_wait() then tells how it went.");
PyDoc_STRVAR(heap_wait_doc,
             "heap_wait(copy=0, /) -> dict | None\n\nWait for a heap file that a copy of the process writes: that of\n"
             "heap_dump()['copy'], or the oldest. None: there is none.");
PyDoc_STRVAR(
    heap_at_refusal_doc,
    "heap_at_refusal(path, program='', /) -> None\n\nWrite a heap file when memory is refused, the first time.");
PyDoc_STRVAR(heap_refused_doc,
             "heap_refused() -> dict | None\n\nWhat came of heap_at_refusal(), which ends; None: nothing was refused.");
PyDoc_STRVAR(heap_open_doc, "heap_open(path) -> Graph\n\nOpen a heap file. ValueError: it is none, or damaged.");

PyDoc_STRVAR(call_program_doc,
             "call_program(call, arguments, /) -> int\n\nCall a program with this process's frames set aside. 0: it\n"
             "returned; 1: an exception came out and was printed; 130: it was KeyboardInterrupt.");

PyDoc_STRVAR(gc_install_doc,
             "gc_install(*, eager=False, concurrent=False, least=..., threads=0, together=...) -> None\n\n"
             "Put kucha's collector in charge of this interpreter and all others, those to come too. concurrent: full\n"
             "collections of at least `least` objects are made by a child. threads: so many mark heaps of at least\n"
             "`together` objects; 0: one for each processor, up to four. Raises Refused, with the reason, where that\n"
             "would not be safe.");
PyDoc_STRVAR(gc_uninstall_doc, "gc_uninstall() -> None\n\nGive the interpreter back to its own collector.");
PyDoc_STRVAR(gc_settle_doc, "gc_settle() -> None\n\nEnd a concurrent collection, if one is under way.");
PyDoc_STRVAR(gc_status_doc,
             "gc_status() -> dict | None\n\nfull (collections), and of the last of them marked,\n"
             "candidates and threads, tables (bytes mapped for collections) and concurrent (None, or what became\n"
             "of them); None where kucha's collector is not in charge.");
PyDoc_STRVAR(
    gc_pauses_doc,
    "gc_pauses(everywhere=False, /) -> dict\n\nOf this interpreter, or of all of them added up, those that have\n"
    "ended too: since (seconds that collectors were in charge) and generations: count, total and longest in\n"
    "seconds, histogram by powers of two of a microsecond.");

PyDoc_STRVAR(
    gc_producers_start_doc,
    "gc_producers_start(everywhere=False, /) -> dict | None\n\nWatch what collections of this interpreter find\n"
    "dead, for one more who asks; everywhere: also those of all others that have kucha's collector. What was\n"
    "counted before, as gc_producers(). Raises Refused where this interpreter's collector is not known.");
PyDoc_STRVAR(gc_producers_stop_doc,
             "gc_producers_stop(everywhere=False, /) -> None\n\nOne fewer; with the last one all is forgotten.");
PyDoc_STRVAR(gc_producers_doc,
             "gc_producers(everywhere=False, /) -> dict | None\n\ncollections, dead, looked, cycles, unnamed, refused, "
             "and records:\n"
             "(number, kind, source, place, closing, name, example, cycles, objects, bytes, collections); kind is ''\n"
             "for objects by type and birthplace. None while nobody watches.");

static PyMethodDef methods[] = {
    {"facts", facts, METH_NOARGS, facts_doc},
    {"install", install, METH_NOARGS, install_doc},
    {"installed", installed, METH_NOARGS, installed_doc},
    {"status", status, METH_NOARGS, status_doc},
    {"stats", ku__stats_call, METH_NOARGS, stats_doc},
    {"stats_text", ku__stats_text_call, METH_NOARGS, stats_text_doc},
    {"map_svg", ku__map_svg_call, METH_NOARGS, map_svg_doc},
    {"purge", ku__purge_call, METH_NOARGS, purge_doc},
    {"trace_start", WITH_KEYWORDS(ku__trace_start_call), METH_VARARGS | METH_KEYWORDS, trace_start_doc},
    {"trace_stop", WITH_KEYWORDS(ku__trace_stop_call), METH_VARARGS | METH_KEYWORDS, trace_stop_doc},
    {"tracing", ku__tracing_call, METH_NOARGS, tracing_doc},
    {"trace_flush", ku__trace_flush_call, METH_NOARGS, trace_flush_doc},
    {"traced_memory", ku__traced_memory_call, METH_NOARGS, traced_memory_doc},
    {"trace_reset_peak", ku__trace_reset_peak_call, METH_NOARGS, trace_reset_peak_doc},
    {"trace_cost", ku__trace_cost_call, METH_NOARGS, trace_cost_doc},
    {"statistics", WITH_KEYWORDS(ku__statistics_call), METH_VARARGS | METH_KEYWORDS, statistics_doc},
    {"object_site", ku__object_site_call, METH_O, object_site_doc},
    {"snapshot", ku__snapshot_call, METH_NOARGS, snapshot_doc},
    {"census", ku__census_call, METH_NOARGS, census_doc},
    {"heap_dump", WITH_KEYWORDS(ku__heap_dump_call), METH_VARARGS | METH_KEYWORDS, heap_dump_doc},
    {"heap_wait", ku__heap_wait_call, METH_VARARGS, heap_wait_doc},
    {"heap_at_refusal", ku__heap_at_refusal_call, METH_VARARGS, heap_at_refusal_doc},
    {"heap_refused", ku__heap_refused_call, METH_NOARGS, heap_refused_doc},
    {"heap_open", ku__heap_open_call, METH_O, heap_open_doc},
    {"capture_read", ku__capture_read_call, METH_O, capture_read_doc},
    {"gc_install", WITH_KEYWORDS(ku__gc_install_call), METH_VARARGS | METH_KEYWORDS, gc_install_doc},
    {"gc_uninstall", ku__gc_uninstall_call, METH_NOARGS, gc_uninstall_doc},
    {"gc_settle", ku__gc_settle_call, METH_NOARGS, gc_settle_doc},
    {"gc_status", ku__gc_status_call, METH_NOARGS, gc_status_doc},
    {"gc_pauses", ku__gc_pauses_call, METH_VARARGS, gc_pauses_doc},
    {"gc_producers", ku__gc_producers_call, METH_VARARGS, gc_producers_doc},
    {"gc_producers_start", ku__gc_producers_start_call, METH_VARARGS, gc_producers_start_doc},
    {"gc_producers_stop", ku__gc_producers_stop_call, METH_VARARGS, gc_producers_stop_doc},
    {"resident", ku__resident_call, METH_NOARGS, resident_doc},
    {"line_callbacks", ku__line_callbacks_call, METH_O, line_callbacks_doc},
    {"gil_start", WITH_KEYWORDS(ku__gil_start_call), METH_VARARGS | METH_KEYWORDS, gil_start_doc},
    {"gil_stop", ku__gil_stop_call, METH_NOARGS, gil_stop_doc},
    {"gil_read", ku__gil_read_call, METH_NOARGS, gil_read_doc},
    {"heap_build", ku__heap_build_call, METH_VARARGS, heap_build_doc},
    {"call_program", ku__call_program_call, METH_VARARGS, call_program_doc},
#ifdef KU_CHECKING
    {"pages_fail_at", pages_fail_at, METH_O, pages_fail_at_doc},
#endif
    {NULL, NULL, 0, NULL},
};

PyDoc_STRVAR(refused_doc, "kucha cannot do safely on this interpreter, or in this state, what was asked for.");
PyDoc_STRVAR(capture_error_doc, "The file is not a whole and sound capture.");

static int add_analysis(PyObject *module) {
    PyObject *analysis = ku__state_of(module)->analysis_type = ku__analysis_type_new(module);
    PyObject *objects = ku__objects_type_new(module);
    int failed = analysis == NULL || objects == NULL || PyModule_AddObjectRef(module, "Analysis", analysis) != 0 ||
                 PyModule_AddObjectRef(module, "Objects", objects) != 0;
    Py_XDECREF(objects);
    return failed;
}

static int execute(PyObject *module) {
    ku__module_state *state = ku__state_of(module);
    state->refused = PyErr_NewExceptionWithDoc("kucha._core.Refused", refused_doc, PyExc_RuntimeError, NULL);
    state->capture_error =
        PyErr_NewExceptionWithDoc("kucha._core.CaptureError", capture_error_doc, PyExc_ValueError, NULL);
    state->capture_type = ku__capture_type_new(module);
    state->snapshot_type = ku__snapshot_type_new(module);
    state->recorder_type = ku__line_recorder_type_new(module);
    state->graph_type = ku__graph_type_new(module);
    if (state->refused == NULL || state->capture_error == NULL || state->capture_type == NULL ||
        state->snapshot_type == NULL || state->recorder_type == NULL || state->graph_type == NULL) {
        return -1;
    }
    return PyModule_AddObjectRef(module, "Refused", state->refused) != 0 ||
                   PyModule_AddObjectRef(module, "CaptureError", state->capture_error) != 0 ||
                   PyModule_AddObjectRef(module, "Capture", state->capture_type) != 0 ||
                   PyModule_AddObjectRef(module, "Snapshot", state->snapshot_type) != 0 ||
                   PyModule_AddObjectRef(module, "LineRecorder", state->recorder_type) != 0 ||
                   PyModule_AddObjectRef(module, "Graph", state->graph_type) != 0 ||
                   PyModule_AddStringConstant(module, "version", KU_VERSION) != 0 || add_analysis(module) != 0
               ? -1
               : 0;
}

static int traverse(PyObject *module, visitproc visit, void *arg) {
    ku__module_state *state = ku__state_of(module);
    Py_VISIT(state->refused);
    Py_VISIT(state->capture_error);
    Py_VISIT(state->capture_type);
    Py_VISIT(state->snapshot_type);
    Py_VISIT(state->recorder_type);
    Py_VISIT(state->graph_type);
    Py_VISIT(state->analysis_type);
    return 0;
}

static int clear(PyObject *module) {
    ku__module_state *state = ku__state_of(module);
    Py_CLEAR(state->refused);
    Py_CLEAR(state->capture_error);
    Py_CLEAR(state->capture_type);
    Py_CLEAR(state->snapshot_type);
    Py_CLEAR(state->recorder_type);
    Py_CLEAR(state->graph_type);
    Py_CLEAR(state->analysis_type);
    return 0;
}

static PyModuleDef_Slot slots[] = {
    {Py_mod_exec, execute},
#ifdef Py_mod_multiple_interpreters
    {Py_mod_multiple_interpreters, Py_MOD_PER_INTERPRETER_GIL_SUPPORTED},
#endif
    {0, NULL},
};

PyDoc_STRVAR(module_doc, "kucha's allocator and tracing under this interpreter. Use the package kucha.");

static PyModuleDef definition = {
    .m_base = PyModuleDef_HEAD_INIT,
    .m_name = "kucha._core",
    .m_doc = module_doc,
    .m_size = sizeof(ku__module_state),
    .m_methods = methods,
    .m_slots = slots,
    .m_traverse = traverse,
    .m_clear = clear,
};

PyMODINIT_FUNC PyInit__core(void) {
    return PyModuleDef_Init(&definition);
}
