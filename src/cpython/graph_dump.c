/* graph_dump.c: see graph_dump.h.
 *
 * The program stops while magazines are emptied, types are collected and the process is copied (os/clone.h); then it
 * goes on. The copy, called the keeper, touches nothing: it makes a copy of itself, the worker, which reads the heap
 * and writes the file. Reading runs tp_traverse of types that other people wrote, on a heap stopped at some moment:
 * where that ends the worker, the keeper knows by a word in shared memory which type was being asked, forbids that type
 * and starts another worker, from the same untouched heap. So nothing that happens while reading can reach the program.
 *
 * graph_copies.h has the copies that are not waited for.
 */
#include "cpython/graph_facts.h"

#include "cpython/graph_dump.h"

#include "alloc/large.h"
#include "alloc/walk.h"
#include "cpython/bridge.h"
#include "cpython/graph_copies.h"
#include "cpython/graph_make.h"
#include "cpython/graph_read.h"
#include "cpython/many.h"
#include "cpython/tracing.h"
#include "inspect/graph.h"
#include "os/clock.h"
#include "os/clone.h"
#include "os/pages.h"

#include <errno.h>
#include <kucha/heap_file.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#if KU__FACTS_SUPPORTED

enum {
    WORKERS_MOST = 64,    /* types that are forbidden before the keeper gives up */
    WORKER_SECONDS = 600, /* a heap of 100 million objects takes about one minute */
};

typedef ku__dump_common common;

/* ---- in the copies ---- */

static bool work(ku__graph_order *order, common *shared, ku_error *error) {
    order->info.stopped = shared->stopped;
    ku_graph *graph = ku__graph_make(order, error);
    if (graph == NULL) {
        return false;
    }
    ((ku_graph_info *)(uintptr_t)graph->info)->lasted = ku__clock_monotonic() - shared->began;
    shared->outcome.nodes = graph->nodes;
    shared->outcome.edges = graph->edges;
    return ku_heap_file_write(graph, shared->path, error) == KU_OK;
}

/* Ends with the keeper, so that who waits for that one knows that nothing more comes. */
static void run_worker(ku__graph_order *order, common *shared, pid_t keeper) {
    ku_error error = {0};
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != keeper) {
        _exit(0);
    }
    shared->writer = getpid();
    ku__clone_lift_limits(NULL);
    bool done = work(order, shared, &error);
    shared->outcome.error = done ? (ku_error){.code = KU_OK} : error;
    shared->finished = 1;
    _exit(0);
}

/* True: the worker came to its end, whatever it found. */
static bool run_once(ku__graph_order *order, common *shared) {
    pid_t keeper = getpid(), worker = ku__clone_again();
    int status = 0;
    if (worker == 0) {
        run_worker(order, shared, keeper);
    }
    if (worker < 0) {
        shared->outcome.error = (ku_error){.code = KU_IO, .os_error = errno, .message = "no second copy could be made"};
        return true;
    }
    if (!ku__clone_wait(worker, WORKER_SECONDS, &status)) {
        kill(worker, SIGKILL);
        ku__clone_wait(worker, -1, &status);
    }
    if (shared->finished == 0) {
        ku__copies_remove_part(shared);
    }
    return shared->finished != 0;
}

static void keep(ku__graph_order *order, common *shared) {
    for (int i = 0; i < WORKERS_MOST && !run_once(order, shared); i++) {
        uint32_t type = shared->running;
        if (type >= ku__type_table_count(&order->types) || order->banned[type] != 0) {
            break; /* it died elsewhere: another one would, too */
        }
        order->banned[type] = 1;
        shared->outcome.banned++;
    }
    if (shared->finished == 0 && shared->outcome.error.code == KU_OK) {
        shared->outcome.error = (ku_error){.code = KU_CORRUPT,
                                           .message =
                                               "the heap could not be read: the copy of the "
                                               "process that reads it was ended"};
        shared->finished = 1;
    }
    _exit(0);
}

/* ---- in the program ---- */

/* threading's own table of threads by number; NULL where the program has none. Borrowed. */
static PyObject *active_threads(PyObject *modules) {
    PyObject *threading = PyDict_GetItemString(modules, "threading");
    PyObject *active = threading == NULL || !PyModule_Check(threading)
                           ? NULL
                           : PyDict_GetItemString(PyModule_GetDict(threading), "_active");
    return active != NULL && PyDict_CheckExact(active) ? active : NULL;
}

static void name_thread(PyObject *active, ku__thread_words *words) {
    PyObject *key = PyLong_FromUnsignedLong((unsigned long)words->id), *attribute = PyUnicode_FromString("_name");
    PyObject *thread = key == NULL || attribute == NULL ? NULL : PyDict_GetItemWithError(active, key);
    Py_XINCREF(thread); /* a property of the program's may end it */
    PyObject *found = thread == NULL ? NULL : PyObject_GenericGetAttr(thread, attribute);
    if (found != NULL) {
        words->name[ku__utf8_of(found, words->name, sizeof words->name - 1)] = '\0';
    }
    Py_XDECREF(found);
    Py_XDECREF(thread);
    Py_XDECREF(attribute);
    Py_XDECREF(key);
    PyErr_Clear(); /* one without a name is none the worse */
}

static void name_threads(ku__graph_order *order) {
    PyObject *active = active_threads(order->modules);
    size_t count = KU__GROWING_COUNT(&order->threads, uintptr_t);
    for (size_t i = 0; i < count; i++) {
        ku__thread_words *words = ku__growing_push(&order->names, sizeof *words);
        if (words == NULL) {
            return;
        }
        uintptr_t state = KU__GROWING_ITEMS(&order->threads, uintptr_t)[i];
        *words = (ku__thread_words){.id = ((const PyThreadState *)state)->thread_id};
        if (active != NULL) {
            name_thread(active, words);
        }
    }
}

static void collect_threads(ku__graph_order *order) {
    for (PyThreadState *thread = PyInterpreterState_ThreadHead(order->interpreter); thread != NULL;
         thread = PyThreadState_Next(thread)) {
        uintptr_t *room = ku__growing_push(&order->threads, sizeof *room);
        if (room != NULL) {
            *room = (uintptr_t)thread;
        }
    }
}

static void describe(ku__graph_order *order, ku_graph_reason reason, const char *program) {
    order->info =
        (ku_graph_info){.taken = ku__clock_calendar(), .process = (uint32_t)getpid(), .reason = (uint32_t)reason};
    snprintf(order->program, sizeof order->program, "%s", program);
    snprintf(order->runtime, sizeof order->runtime, "CPython %s", ku__tracing_state.python);
    order->interpreter = PyInterpreterState_Get();
    order->modules = PyImport_GetModuleDict();
    order->held[0].name = "sys.modules";
    order->held[0].object = order->modules;
    order->held[1].name = "builtins";
    order->held[1].object = PyEval_GetBuiltins();
    order->held[2].name = "sys";
    order->held[2].object = PyDict_GetItemString(order->modules, "sys");
    order->held[3].name = "interpreter's dict";
    order->held[3].object = PyInterpreterState_GetDict(order->interpreter);
}

static bool prepare(ku__graph_order *order, common *shared, ku_graph_reason reason, const char *program) {
    if (!ku__collect_types(&order->types)) {
        return false;
    }
    order->banned = ku__pages_map(ku__type_table_count(&order->types) + 1);
    if (order->banned == NULL) {
        PyErr_NoMemory();
        return false;
    }
    order->running = &shared->running;
    order->objects = ku__bridge_state.main_house->objects;
    order->buffers = ku__bridge_state.main_house->buffers;
    describe(order, reason, program);
    collect_threads(order);
    name_threads(order);
    return true;
}

static void release(ku__graph_order *order) {
    ku__pages_unmap(order->banned, ku__type_table_count(&order->types) + 1);
    ku__growing_release(&order->threads);
    ku__growing_release(&order->names);
    ku__type_table_close(&order->types);
}

/* Locks that the copy needs are held while it is made, so that no thread that is missing there holds them. */
static pid_t make_copy(const ku__graph_order *order) {
    ku__heap_flush(order->objects);
    ku__heap_flush(order->buffers);
    ku__large_lock_for_fork(order->objects->large);
    pid_t copy = ku__clone_copy();
    ku__large_unlock_after_fork(order->objects->large);
    return copy;
}

/* Takes `shared` over where it succeeds. */
static bool dump(ku__graph_order *order, common *shared, bool wait, ku__soft_limits *limits,
                 ku__dump_outcome *outcome) {
    pid_t copy = make_copy(order);
    if (copy == 0) {
        keep(order, shared);
    }
    ku__clone_put_limits_back(limits);
    shared->stopped = ku__clock_monotonic() - shared->began;
    if (copy < 0) {
        outcome->error = (ku_error){.code = KU_IO, .os_error = errno, .message = "the process could not be copied"};
        return false;
    }
    if (wait) {
        ku__copies_end(copy, shared, outcome);
        return true;
    }
    outcome->copy = copy;
    outcome->lasted = outcome->stopped = shared->stopped;
    ku__copies_keep(copy, shared);
    return true;
}

bool ku__dump_heap(const char *path, ku_graph_reason reason, const char *program, bool wait, bool equals,
                   ku__dump_outcome *outcome) {
    ku__soft_limits limits;
    *outcome = (ku__dump_outcome){0};
    ku__clone_lift_limits(&limits); /* it may be that nothing is left, and that this is why */
    common *shared = ku__copies_common(path);
    bool done = false;
    if (shared == NULL) {
        PyErr_NoMemory();
    } else {
        ku__graph_order order = {.equals = equals};
        shared->began = ku__clock_monotonic();
        done = prepare(&order, shared, reason, program) && dump(&order, shared, wait, &limits, outcome);
        release(&order);
    }
    ku__clone_put_limits_back(&limits);
    if (shared != NULL && !done) {
        ku__pages_unmap(shared, sizeof *shared);
    }
    return done;
}

#else

bool ku__dump_heap(const char *path, ku_graph_reason reason, const char *program, bool wait, bool equals,
                   ku__dump_outcome *outcome) {
    (void)path;
    (void)reason;
    (void)program;
    (void)wait;
    (void)equals;
    *outcome = (ku__dump_outcome){
        .error = {.code = KU_STATE, .message = "objects of this version of CPython cannot be read by kucha"}};
    return false;
}

#endif
