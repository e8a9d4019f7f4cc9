/* process_object.c: the type kucha._process.Process, the C side of kucha.psutil.Process.
 *
 * What is asked often is a method here and nothing lies between it and the caller: memory_info() is one pread(2), seven
 * numbers and a tuple. What failed is told to the method _failed() of the subclass, which knows psutil's exceptions.
 *
 * Between _cache(True) and _cache(False) (oneshot() of the subclass) the files stat, status and statm are read once.
 */
#include "cpython/process_module.h"
#include "process/files.h"

#include <structmember.h>

typedef struct process_object {
    PyObject ob_base;
    const ku__process_module *module; /* the type, which we hold, holds the module */
    PyObject *root;                   /* bytes: where /proc lies */
    ku_process process;
    bool is_open;
    bool is_caching, has_state, has_status;
    PyObject *memory; /* memory_info()'s last answer, while caching */
    ku_process_state state;
    ku_process_status status;
} process_object;

static process_object *from(PyObject *self) {
    return (process_object *)self;
}

/* Calls _failed(code, errno, message), which raises. */
static PyObject *fail(PyObject *self, const ku_error *error) {
    if (PyErr_Occurred() != NULL) {
        return NULL;
    }
    const char *name = ku_code_name(error->code);
    PyObject *result = PyObject_CallMethod(self, "_failed", "sis", name, error->os_error, error->message);
    if (result != NULL) {
        Py_DECREF(result);
        PyErr_SetString(PyExc_RuntimeError, error->message);
    }
    return NULL;
}

static bool is_ready(PyObject *self) {
    if (from(self)->is_open) {
        return true;
    }
    PyErr_SetString(PyExc_RuntimeError, "Process.__init__() was not called");
    return false;
}

/* ---- making ---- */

static PyObject *process_new(PyTypeObject *type, PyObject *arguments, PyObject *keywords) {
    (void)arguments;
    (void)keywords;
    PyObject *self = type->tp_alloc(type, 0);
    if (self == NULL) {
        return NULL;
    }
    for (int file = 0; file < KU_PROCESS_KEPT; file++) {
        from(self)->process.kept[file].descriptor = -1;
    }
    return self;
}

static void process_dealloc(PyObject *self) {
    PyTypeObject *type = Py_TYPE(self);
    ku_process_close(&from(self)->process);
    Py_CLEAR(from(self)->root);
    Py_CLEAR(from(self)->memory);
    type->tp_free(self);
    Py_DECREF(type);
}

PyDoc_STRVAR(open_doc, "_open(pid, root) -> None\n\nFinds the process; _failed() is called where that fails.");

static PyObject *process_open(PyObject *self, PyTypeObject *defining, PyObject *const *arguments, Py_ssize_t count,
                              PyObject *keywords) {
    (void)keywords;
    PyObject *root;
    if (count != 2 || !PyUnicode_FSConverter(arguments[1], &root)) {
        return PyErr_Occurred() != NULL ? NULL : PyErr_Format(PyExc_TypeError, "_open() takes pid and root");
    }
    long pid = PyLong_AsLong(arguments[0]);
    if (pid == -1 && PyErr_Occurred() != NULL) {
        Py_DECREF(root);
        return NULL;
    }
    ku_error error = {0};
    process_object *object = from(self);
    ku_process_close(&object->process);
    Py_XSETREF(object->root, root);
    object->module = PyType_GetModuleState(defining);
    object->is_open = true;
    if (ku_process_open(&object->process, PyBytes_AS_STRING(root), (int)pid, &error) != KU_OK) {
        return fail(self, &error);
    }
    Py_RETURN_NONE;
}

PyDoc_STRVAR(check_doc, "_check() -> None\n\nNothing when it is still the same process; else _failed() is called.");

static PyObject *process_check(PyObject *self, PyObject *ignored) {
    (void)ignored;
    ku_error error = {0};
    if (!is_ready(self)) {
        return NULL;
    }
    if (ku_process_check(&from(self)->process, &error) != KU_OK) {
        return fail(self, &error);
    }
    Py_RETURN_NONE;
}

PyDoc_STRVAR(cache_doc, "_cache(on) -> None\n\nWhile on, each small file is read once.");

static PyObject *process_cache(PyObject *self, PyObject *on) {
    int wanted = PyObject_IsTrue(on);
    if (wanted < 0) {
        return NULL;
    }
    process_object *object = from(self);
    object->is_caching = wanted;
    object->has_state = object->has_status = false;
    Py_CLEAR(object->memory);
    Py_RETURN_NONE;
}

/* ---- memory ---- */

PyDoc_STRVAR(memory_info_doc, "memory_info() -> pmem\n\nBytes, from the counters that the system keeps anyway.");

static PyObject *memory_info(PyObject *self, PyObject *ignored) {
    (void)ignored;
    process_object *object = from(self);
    ku_process_memory memory;
    ku_error error = {0};
    if (!is_ready(self)) {
        return NULL;
    }
    if (object->memory != NULL) {
        return Py_NewRef(object->memory);
    }
    if (ku_process_memory_read(&object->process, &memory, &error) != KU_OK) {
        return fail(self, &error);
    }
    const uint64_t values[] = {memory.rss, memory.vms,  memory.shared, memory.text,
                               memory.lib, memory.data, memory.dirty};
    PyObject *named = ku__named_sizes(object->module, KU__PMEM, values, 7);
    if (object->is_caching) {
        object->memory = Py_XNewRef(named);
    }
    return named;
}

static bool read_footprint(PyObject *self, ku_process_footprint *footprint) {
    ku_error error = {0};
    ku_code code;
    if (!is_ready(self)) {
        return false;
    }
    ku_process borrowed = ku__process_borrow(&from(self)->process);
    Py_BEGIN_ALLOW_THREADS code = ku_process_footprint_read(&borrowed, footprint, &error);
    Py_END_ALLOW_THREADS if (code != KU_OK) {
        fail(self, &error);
    }
    return code == KU_OK;
}

PyDoc_STRVAR(memory_footprint_doc,
             "memory_footprint() -> pfootprint\n\nuss, pss and swap in bytes. The system walks all pages for it.");

static PyObject *memory_footprint(PyObject *self, PyObject *ignored) {
    (void)ignored;
    ku_process_footprint footprint;
    if (!read_footprint(self, &footprint)) {
        return NULL;
    }
    const uint64_t values[] = {footprint.uss, footprint.pss, footprint.swap};
    return ku__named_sizes(from(self)->module, KU__PFOOTPRINT, values, 3);
}

PyDoc_STRVAR(memory_full_info_doc, "memory_full_info() -> pfullmem\n\nmemory_info() and memory_footprint() together.");

static PyObject *memory_full_info(PyObject *self, PyObject *ignored) {
    (void)ignored;
    ku_process_footprint footprint;
    ku_process_memory memory;
    ku_error error = {0};
    if (!read_footprint(self, &footprint)) {
        return NULL;
    }
    if (ku_process_memory_read(&from(self)->process, &memory, &error) != KU_OK) {
        return fail(self, &error);
    }
    const uint64_t values[] = {memory.rss,  memory.vms,   memory.shared, memory.text,   memory.lib,
                               memory.data, memory.dirty, footprint.uss, footprint.pss, footprint.swap};
    return ku__named_sizes(from(self)->module, KU__PFULLMEM, values, 10);
}

PyDoc_STRVAR(memory_maps_doc,
             "memory_maps(grouped=True) -> list of pmmap_grouped, or of pmmap_ext\n\n"
             "The mappings in bytes, those of one path added up, or each with its address.");

static PyObject *memory_maps(PyObject *self, PyObject *arguments, PyObject *keywords) {
    static const char *const names[] = {"grouped", NULL};
    int grouped = 1;
    ku_error error = {0};
    if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "|p:memory_maps", (char **)(uintptr_t)names, &grouped) ||
        !is_ready(self)) {
        return NULL;
    }
    PyObject *list = ku__memory_maps(from(self)->module, &from(self)->process, grouped, &error);
    return list != NULL ? list : fail(self, &error);
}

/* ---- state ---- */

static const ku_process_state *state_of(PyObject *self) {
    process_object *object = from(self);
    ku_error error = {0};
    if (!is_ready(self)) {
        return NULL;
    }
    if (object->has_state) {
        return &object->state;
    }
    if (ku_process_state_read(&object->process, &object->state, &error) != KU_OK) {
        fail(self, &error);
        return NULL;
    }
    object->has_state = object->is_caching;
    return &object->state;
}

static const ku_process_status *status_of(PyObject *self) {
    process_object *object = from(self);
    ku_error error = {0};
    if (!is_ready(self)) {
        return NULL;
    }
    if (object->has_status) {
        return &object->status;
    }
    if (ku_process_status_read(&object->process, &object->status, &error) != KU_OK) {
        fail(self, &error);
        return NULL;
    }
    object->has_status = object->is_caching;
    return &object->status;
}

PyDoc_STRVAR(cpu_times_doc, "cpu_times() -> pcputimes\n\nCPU seconds of the process, and of children waited for.");

static PyObject *cpu_times(PyObject *self, PyObject *ignored) {
    (void)ignored;
    const ku_process_state *state = state_of(self);
    if (state == NULL) {
        return NULL;
    }
    const double values[] = {state->user, state->system, state->children_user, state->children_system, state->io_wait};
    return ku__named_seconds(from(self)->module, KU__PCPUTIMES, values, 5);
}

PyDoc_STRVAR(cpu_num_doc, "cpu_num() -> int\n\nThe processor that it ran on last.");

static PyObject *cpu_num(PyObject *self, PyObject *ignored) {
    (void)ignored;
    const ku_process_state *state = state_of(self);
    return state != NULL ? PyLong_FromLong(state->processor) : NULL;
}

PyDoc_STRVAR(ppid_doc, "_parent_pid() -> int");

static PyObject *process_ppid(PyObject *self, PyObject *ignored) {
    (void)ignored;
    const ku_process_state *state = state_of(self);
    return state != NULL ? PyLong_FromLong(state->parent) : NULL;
}

PyDoc_STRVAR(letter_doc, "_letter() -> str\n\nThe state, as the letter in stat.");

static PyObject *process_letter(PyObject *self, PyObject *ignored) {
    (void)ignored;
    const ku_process_state *state = state_of(self);
    return state != NULL ? PyUnicode_FromStringAndSize(&state->state, 1) : NULL;
}

PyDoc_STRVAR(short_name_doc, "_short_name() -> str\n\nThe system's own name for it, 15 bytes at most.");

static PyObject *process_short_name(PyObject *self, PyObject *ignored) {
    (void)ignored;
    const ku_process_state *state = state_of(self);
    return state != NULL ? PyUnicode_DecodeFSDefault(state->name) : NULL;
}

PyDoc_STRVAR(after_boot_doc, "_started_after_boot() -> float\n\nSeconds between the system's start and its own.");

static PyObject *process_after_boot(PyObject *self, PyObject *ignored) {
    (void)ignored;
    const ku_process_state *state = state_of(self);
    return state != NULL ? PyFloat_FromDouble(state->started_after_boot) : NULL;
}

PyDoc_STRVAR(num_threads_doc, "num_threads() -> int");

static PyObject *num_threads(PyObject *self, PyObject *ignored) {
    (void)ignored;
    const ku_process_status *status = status_of(self);
    return status != NULL ? PyLong_FromLong(status->threads) : NULL;
}

static PyObject *named_pair(PyObject *self, uint64_t first, uint64_t second) {
    return ku__named_sizes(from(self)->module, KU__PCTXSW, (const uint64_t[]){first, second}, 2);
}

PyDoc_STRVAR(num_ctx_switches_doc,
             "num_ctx_switches() -> pctxsw\n\nTimes it waited for something, and times it was interrupted.");

static PyObject *num_ctx_switches(PyObject *self, PyObject *ignored) {
    (void)ignored;
    const ku_process_status *status = status_of(self);
    return status != NULL ? named_pair(self, status->voluntary_switches, status->involuntary_switches) : NULL;
}

/* uid_t and gid_t are unsigned, and the largest, "nobody", is no error here. */
static PyObject *named_ids(PyObject *self, ku__tuple kind, int real, int effective, int saved) {
    const uint64_t values[] = {(uint32_t)real, (uint32_t)effective, (uint32_t)saved};
    return ku__named_sizes(from(self)->module, kind, values, 3);
}

PyDoc_STRVAR(uids_doc, "uids() -> puids");

static PyObject *uids(PyObject *self, PyObject *ignored) {
    (void)ignored;
    const ku_process_status *status = status_of(self);
    return status != NULL ? named_ids(self, KU__PUIDS, status->uid, status->effective_uid, status->saved_uid) : NULL;
}

PyDoc_STRVAR(gids_doc, "gids() -> pgids");

static PyObject *gids(PyObject *self, PyObject *ignored) {
    (void)ignored;
    const ku_process_status *status = status_of(self);
    return status != NULL ? named_ids(self, KU__PGIDS, status->gid, status->effective_gid, status->saved_gid) : NULL;
}

PyDoc_STRVAR(details_doc, "memory_details() -> dict\n\nBytes, from the file status: peaks, and what rss is made of.");

static PyObject *memory_details(PyObject *self, PyObject *ignored) {
    (void)ignored;
    const ku_process_status *status = status_of(self);
    if (status == NULL) {
        return NULL;
    }
    return Py_BuildValue("{s:K,s:K,s:K,s:K,s:K,s:K,s:K,s:K}", "rss_peak", (unsigned long long)status->rss_peak,
                         "vms_peak", (unsigned long long)status->vms_peak, "rss_anonymous",
                         (unsigned long long)status->rss_anonymous, "rss_file", (unsigned long long)status->rss_file,
                         "rss_shared", (unsigned long long)status->rss_shared, "locked",
                         (unsigned long long)status->locked, "page_tables", (unsigned long long)status->page_tables,
                         "swap", (unsigned long long)status->swap);
}

/* ---- command line and links ---- */

PyDoc_STRVAR(command_doc, "_command_line() -> str\n\nAs the system keeps it, with a 0 behind each argument.");

static PyObject *process_command_line(PyObject *self, PyObject *ignored) {
    (void)ignored;
    size_t capacity = 4096, size;
    ku_error error = {0};
    char *text = NULL;
    ku_code code;
    if (!is_ready(self)) {
        return NULL;
    }
    do { /* a text that fills the buffer may go on behind it */
        capacity *= 2;
        char *larger = PyMem_Realloc(text, capacity);
        if (larger == NULL) {
            PyMem_Free(text);
            return PyErr_NoMemory();
        }
        text = larger;
        code = ku_process_command_line(&from(self)->process, text, capacity, &size, &error);
    } while (code == KU_OK && size + 1 == capacity);
    PyObject *result = code == KU_OK ? PyUnicode_DecodeFSDefaultAndSize(text, (Py_ssize_t)size) : NULL;
    PyMem_Free(text);
    return code == KU_OK ? result : fail(self, &error);
}

PyDoc_STRVAR(link_doc, "_link(name) -> str\n\nTarget of the link \"exe\" or \"cwd\"; \"\" where there is none.");

static PyObject *process_link(PyObject *self, PyObject *name) {
    char path[4096 + 64];
    ku_error error = {0};
    const char *wanted = PyUnicode_AsUTF8(name);
    if (wanted == NULL || !is_ready(self)) {
        return NULL;
    }
    if (ku_process_link(&from(self)->process, wanted, path, sizeof path, &error) != KU_OK) {
        return fail(self, &error);
    }
    return PyUnicode_DecodeFSDefault(path);
}

/* ---- the type ---- */

static PyMethodDef methods[] = {
    {"memory_info", memory_info, METH_NOARGS, memory_info_doc},
    {"memory_footprint", memory_footprint, METH_NOARGS, memory_footprint_doc},
    {"memory_full_info", memory_full_info, METH_NOARGS, memory_full_info_doc},
    {"memory_maps", (PyCFunction)(void (*)(void))memory_maps, METH_VARARGS | METH_KEYWORDS, memory_maps_doc},
    {"memory_details", memory_details, METH_NOARGS, details_doc},
    {"cpu_times", cpu_times, METH_NOARGS, cpu_times_doc},
    {"cpu_num", cpu_num, METH_NOARGS, cpu_num_doc},
    {"num_threads", num_threads, METH_NOARGS, num_threads_doc},
    {"num_ctx_switches", num_ctx_switches, METH_NOARGS, num_ctx_switches_doc},
    {"uids", uids, METH_NOARGS, uids_doc},
    {"gids", gids, METH_NOARGS, gids_doc},
    {"_open", (PyCFunction)(void (*)(void))process_open, METH_METHOD | METH_FASTCALL | METH_KEYWORDS, open_doc},
    {"_check", process_check, METH_NOARGS, check_doc},
    {"_cache", process_cache, METH_O, cache_doc},
    {"_parent_pid", process_ppid, METH_NOARGS, ppid_doc},
    {"_letter", process_letter, METH_NOARGS, letter_doc},
    {"_short_name", process_short_name, METH_NOARGS, short_name_doc},
    {"_started_after_boot", process_after_boot, METH_NOARGS, after_boot_doc},
    {"_command_line", process_command_line, METH_NOARGS, command_doc},
    {"_link", process_link, METH_O, link_doc},
    {NULL, NULL, 0, NULL},
};

static PyMemberDef members[] = {
    {"_started", T_ULONGLONG, offsetof(process_object, process.started), READONLY,
     "Clock ticks between the system's start and its own: with the pid, which process it is."},
    {NULL, 0, 0, 0, NULL},
};

PyDoc_STRVAR(type_doc, "A process, read through descriptors that are kept. Use kucha.psutil.Process.");

static PyType_Slot type_slots[] = {
    {Py_tp_new, process_new}, {Py_tp_dealloc, process_dealloc},         {Py_tp_methods, methods},
    {Py_tp_members, members}, {Py_tp_doc, (void *)(uintptr_t)type_doc}, {0, NULL},
};

static PyType_Spec type_spec = {
    .name = "kucha._process.Process",
    .basicsize = sizeof(process_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE,
    .slots = type_slots,
};

PyObject *ku__process_type_new(PyObject *module) {
    return PyType_FromModuleAndSpec(module, &type_spec, NULL);
}
