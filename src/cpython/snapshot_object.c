/* snapshot_object.c: all live blocks by birthplace and size, as a Python object: what kucha.tracemalloc stands on.
 *
 * A Snapshot has columns (files, frames, stacks: a ku_capture) and rows (stack, domain, size, how many blocks). It is
 * taken from the running tracer, or made of columns that Python gives (a snapshot that was loaded, or put together by
 * hand). Grouping runs over the columns in C; Python values are made of the groups only. A subset shares its columns.
 */
#include "cpython/module.h"

#include "cpython/bridge.h"
#include "cpython/many.h"
#include "cpython/raw.h"
#include "cpython/tracing.h"
#include "os/pages.h"
#include "trace/columns.h"
#include "trace/rows.h"
#include "trace/snapshot.h"

#include <kucha/group.h>
#include <kucha/stats.h>
#include <string.h>

typedef unsigned long long wide; /* what "K" of Py_BuildValue takes */

typedef struct snapshot {
    PyObject_HEAD PyObject *owner; /* the Snapshot whose columns these are; NULL: its own */
    ku_capture *capture;           /* columns */
    ku__row *rows;                 /* most bytes first; pages of their own */
    size_t count, mapped;
} snapshot;

static void dealloc(PyObject *self) {
    snapshot *dying = (snapshot *)self;
    PyTypeObject *type = Py_TYPE(self);
    if (dying->owner == NULL) {
        ku_capture_close(dying->capture);
    }
    ku__pages_unmap(dying->rows, dying->mapped);
    Py_XDECREF(dying->owner);
    type->tp_free(self);
    Py_DECREF(type);
}

static snapshot *new_snapshot(PyTypeObject *type) {
    return (snapshot *)type->tp_alloc(type, 0);
}

/* ---- taking ---- */

static bool add_block(const ku_block *block, void *argument) {
    uint32_t site = KU__SLOT_SITE(block->site);
    if (site != 0) {
        size_t bytes = block->is_large ? block->size : ku__slot_bytes(block->site, block->size);
        ku__rows_add(argument, site, 0, bytes, 1);
    }
    return true;
}

static void add_raw_block(uint32_t site, size_t size, void *argument) {
    ku__rows_add(argument, site, 0, size, 1);
}

/* Blocks of every heap, under the lock of tracing. Another interpreter that has made a traced call is outside its heaps
 * then, as long as something is traced (many.c); one that has made none has no block that is traced. */
static void add_all_blocks(ku__rows *rows) {
    bool still = ku__tracing_now() != NULL;
    for (const ku__house *house = ku__house_next(NULL); house != NULL; house = ku__house_next(house)) {
        if (ku__many_reads(house) || (still && house->era == ku__tracing_era())) {
            ku_heap_walk(house->objects, add_block, rows);
            ku_heap_walk(house->buffers, add_block, rows);
        }
    }
    ku__raw_walk(add_raw_block, rows);
}

/* A sample stands for more blocks than itself: what is known is the sums by site. */
static void add_estimates(ku__rows *rows, const ku_capture *capture) {
    uint64_t unit = capture->info.block_unit;
    for (uint32_t site = 1; site < capture->sizes.sites; site++) {
        const ku_capture_counts *counts = &capture->counts[site];
        uint64_t blocks = (counts->live_blocks + unit / 2) / unit;
        if (counts->live_bytes > 0) {
            blocks += blocks == 0;
            ku__rows_add(rows, site, 0, counts->live_bytes / blocks, blocks);
        }
    }
}

static void take_rows(snapshot *taken, ku__rows *rows) {
    taken->rows = rows->table;
    taken->count = rows->used;
    taken->mapped = rows->capacity * sizeof *rows->table;
}

/* Everything in one piece, so that what the report itself allocates is not in it. */
static bool take(snapshot *taken, ku__tracer *tracer, ku_error *error) {
    ku__rows rows;
    if (!ku__rows_open(&rows)) {
        *error = (ku_error){.code = KU_NO_MEMORY, .message = "no memory for a snapshot"};
        return false;
    }
    ku__many_tracing_lock();
    ku__codes_release(tracer);
    if (tracer->sample_interval == 0) {
        add_all_blocks(&rows);
    }
    taken->capture = ku__snapshot_take(tracer, error);
    bool whole = taken->capture != NULL && ku__snapshot_own(taken->capture, error);
    ku__many_tracing_unlock();
    if (whole && tracer->sample_interval > 0) {
        add_estimates(&rows, taken->capture);
    }
    if (whole && !ku__rows_finish(&rows)) {
        *error = (ku_error){.code = KU_NO_MEMORY, .message = "no memory for the blocks of a snapshot"};
        whole = false;
    }
    take_rows(taken, &rows);
    return whole;
}

PyObject *ku__snapshot_call(PyObject *module, PyObject *ignored) {
    (void)ignored;
    if (!ku__require_main(module)) {
        return NULL;
    }
    ku__tracer *tracer = ku__tracing_state.kept;
    if (tracer == NULL) {
        return ku__refuse(module, "tracing is not on; call trace_start() first");
    }
    snapshot *taken = new_snapshot((PyTypeObject *)ku__state_of(module)->snapshot_type);
    ku_error error = {0};
    if (taken != NULL && !take(taken, tracer, &error)) {
        Py_DECREF(taken);
        return ku__raise(module, &error, NULL);
    }
    return (PyObject *)taken;
}

/* ---- making of columns ---- */

/* The UTF-8 of all names, one behind the other, as ku__text() reads them back. */
static bool fill_files(ku_capture *capture, PyObject *files) {
    Py_ssize_t count = PyList_GET_SIZE(files);
    PyObject *encoded = PyList_New(count);
    size_t bytes = 1;
    for (Py_ssize_t i = 0; encoded != NULL && i < count; i++) {
        PyObject *name = PyUnicode_AsEncodedString(PyList_GET_ITEM(files, i), "utf-8", "surrogateescape");
        if (name == NULL) {
            Py_CLEAR(encoded);
            break;
        }
        PyList_SET_ITEM(encoded, i, name);
        bytes += (size_t)PyBytes_GET_SIZE(name);
    }
    char *room = encoded == NULL ? NULL : ku__pages_map(bytes);
    if (room == NULL) {
        Py_XDECREF(encoded);
        return encoded == NULL ? false : (PyErr_NoMemory(), false);
    }
    capture->file = room;
    capture->file_mapped = bytes;
    for (Py_ssize_t i = 0; i < count; i++) {
        const PyObject *name = PyList_GET_ITEM(encoded, i);
        size_t size = (size_t)PyBytes_GET_SIZE(name);
        memcpy(room, PyBytes_AS_STRING(name), size);
        capture->codes[i + 1] = (ku_capture_code){.filename = {room, size}, .qualname = {"", 0}, .line_table = {"", 0}};
        capture->code_files[i + 1] = (uint32_t)i + 1;
        room += size;
    }
    Py_DECREF(encoded);
    return true;
}

static bool fill_frames(ku_capture *capture, PyObject *frames, size_t files) {
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(frames); i++) {
        unsigned file;
        int line;
        if (!PyArg_ParseTuple(PyList_GET_ITEM(frames, i), "Ii;a frame is (number of file, line)", &file, &line)) {
            return false;
        }
        if (file >= files) {
            PyErr_SetString(PyExc_ValueError, "a frame names a file that is not there");
            return false;
        }
        capture->frames[i + 1] = (ku_capture_frame){.code = file + 1, .line = line};
    }
    return true;
}

/* A stack's frames, innermost first, as a path of nodes of its own, from the outermost down. */
static bool fill_stack(ku_capture *capture, PyObject *stack, uint32_t site, uint32_t *node) {
    uint32_t parent = 0;
    for (Py_ssize_t i = PyTuple_GET_SIZE(stack); i-- > 0;) {
        unsigned long frame = PyLong_AsUnsignedLong(PyTuple_GET_ITEM(stack, i));
        if (frame >= capture->sizes.frames - 1) {
            if (!PyErr_Occurred()) {
                PyErr_SetString(PyExc_ValueError, "a stack names a frame that is not there");
            }
            return false;
        }
        capture->nodes[++*node] = (ku__path){.parent = parent, .frame = (uint32_t)frame + 1};
        parent = *node;
    }
    capture->sites[site] = parent;
    return true;
}

/* Stacks with their whole depths: a list of ((number of frame, ...), depth). Sizes.nodes is known before. */
static bool fill_stacks(ku_capture *capture, PyObject *stacks) {
    uint32_t node = 0;
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(stacks); i++) {
        PyObject *stack;
        unsigned depth;
        if (!PyArg_ParseTuple(PyList_GET_ITEM(stacks, i), "O!I;a stack is (frames, depth)", &PyTuple_Type, &stack,
                              &depth) ||
            !fill_stack(capture, stack, (uint32_t)i + 1, &node)) {
            return false;
        }
        capture->depths[i + 1] = (uint16_t)(depth < UINT16_MAX ? depth : UINT16_MAX);
    }
    return true;
}

static bool fill_rows(snapshot *made, PyObject *rows) {
    ku__rows table;
    if (!ku__rows_open(&table)) {
        PyErr_NoMemory();
        return false;
    }
    bool whole = true;
    for (Py_ssize_t i = 0; whole && i < PyList_GET_SIZE(rows); i++) {
        unsigned domain, stack;
        wide size, count;
        whole = PyArg_ParseTuple(PyList_GET_ITEM(rows, i), "IKKI;a row is (domain, size, count, stack)", &domain, &size,
                                 &count, &stack) != 0;
        if (whole && (stack + 1 >= made->capture->sizes.sites || count == 0)) {
            PyErr_SetString(PyExc_ValueError, "a row names a stack that is not there, or no block");
            whole = false;
        }
        if (whole) {
            ku__rows_add(&table, stack + 1, domain, size, count);
        }
    }
    if (!ku__rows_finish(&table) && whole) {
        PyErr_NoMemory();
        whole = false;
    }
    take_rows(made, &table);
    return whole;
}

/* Nodes that the stacks need, 0 with an exception for what is no list of stacks. */
static bool count_nodes(PyObject *stacks, size_t *nodes) {
    *nodes = 1;
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(stacks); i++) {
        PyObject *item = PyList_GET_ITEM(stacks, i);
        if (!PyTuple_Check(item) || PyTuple_GET_SIZE(item) != 2 || !PyTuple_Check(PyTuple_GET_ITEM(item, 0)) ||
            PyTuple_GET_SIZE(PyTuple_GET_ITEM(item, 0)) > KU__FRAMES_MAX) {
            PyErr_Format(PyExc_ValueError, "a stack is (frames, depth), with at most %d frames", KU__FRAMES_MAX);
            return false;
        }
        *nodes += (size_t)PyTuple_GET_SIZE(PyTuple_GET_ITEM(item, 0));
    }
    return true;
}

static PyObject *make(PyTypeObject *type, PyObject *arguments, PyObject *keywords) {
    static const char *const names[] = {"files", "frames", "stacks", "rows", NULL};
    PyObject *files, *frames, *stacks, *rows;
    ku__column_sizes sizes = {0};
    if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "O!O!O!O!:Snapshot", KU__KEYWORDS(names), &PyList_Type,
                                     &files, &PyList_Type, &frames, &PyList_Type, &stacks, &PyList_Type, &rows) ||
        !count_nodes(stacks, &sizes.nodes)) {
        return NULL;
    }
    snapshot *made = new_snapshot(type);
    if (made == NULL) {
        return NULL;
    }
    sizes.codes = (size_t)PyList_GET_SIZE(files) + 1;
    sizes.frames = (size_t)PyList_GET_SIZE(frames) + 1;
    sizes.sites = (size_t)PyList_GET_SIZE(stacks) + 1;
    made->capture = ku__columns_new(&sizes);
    if (made->capture == NULL) {
        PyErr_NoMemory();
    } else if (fill_files(made->capture, files) && fill_frames(made->capture, frames, sizes.codes - 1) &&
               fill_stacks(made->capture, stacks) && fill_rows(made, rows)) {
        return (PyObject *)made;
    }
    Py_DECREF(made);
    return NULL;
}

/* ---- reading ---- */

static bool append(PyObject *list, PyObject *item) {
    bool done = list != NULL && item != NULL && PyList_Append(list, item) == 0;
    Py_XDECREF(item);
    return done;
}

static PyObject *rows_call(PyObject *self, PyObject *ignored) {
    (void)ignored;
    const snapshot *read = (const snapshot *)self;
    PyObject *list = PyList_New(0);
    for (size_t i = 0; i < read->count; i++) {
        const ku__row *row = &read->rows[i];
        PyObject *item =
            Py_BuildValue("(IKKI)", row->domain, (wide)row->size, (wide)row->count, (unsigned)row->site - 1);
        if (!append(list, item)) {
            Py_XDECREF(list);
            return NULL;
        }
    }
    return list;
}

static PyObject *frame_of(const ku_capture *capture, uint32_t number) {
    const ku_capture_frame *frame = &capture->frames[number];
    ku_text name = capture->codes[frame->code].filename;
    return Py_BuildValue("(Ni)", ku__text(name.bytes, name.size), (int)frame->line);
}

/* The frames of a site, innermost first, as ((file, line), ...). */
static PyObject *frames_of(const ku_capture *capture, uint32_t site) {
    uint32_t numbers[KU__FRAMES_MAX];
    size_t count = ku_capture_stack_read(capture, site, numbers, KU__FRAMES_MAX);
    PyObject *frames = PyTuple_New((Py_ssize_t)count);
    for (size_t i = 0; frames != NULL && i < count; i++) {
        PyObject *frame = frame_of(capture, numbers[i]);
        if (frame == NULL) {
            Py_CLEAR(frames);
        } else {
            PyTuple_SET_ITEM(frames, (Py_ssize_t)i, frame);
        }
    }
    return frames;
}

static PyObject *stack_call(PyObject *self, PyObject *number) {
    const ku_capture *capture = ((snapshot *)self)->capture;
    unsigned long index = PyLong_AsUnsignedLong(number);
    if (index + 1 >= capture->sizes.sites) {
        return PyErr_Occurred() ? NULL : PyErr_Format(PyExc_IndexError, "there is no stack %lu", index);
    }
    uint32_t site = (uint32_t)index + 1;
    uint32_t kept[KU__FRAMES_MAX];
    size_t depth = ku_capture_stack_read(capture, site, kept, KU__FRAMES_MAX);
    depth = depth < capture->depths[site] ? capture->depths[site] : depth;
    return Py_BuildValue("(Nn)", frames_of(capture, site), (Py_ssize_t)depth);
}

/* The rows as counts by site. */
static ku_capture_counts *counts_of(const snapshot *read, size_t *bytes) {
    *bytes = read->capture->sizes.sites * sizeof(ku_capture_counts);
    ku_capture_counts *counts = ku__pages_map(*bytes);
    for (size_t i = 0; counts != NULL && i < read->count; i++) {
        const ku__row *row = &read->rows[i];
        counts[row->site].live_bytes += row->size * row->count;
        counts[row->site].live_blocks += row->count;
        counts[row->site].total_blocks += row->count;
    }
    return counts;
}

static PyObject *group_of(const ku_capture *capture, const ku_group_row *row, ku_group_key key) {
    PyObject *frames = key == KU_GROUP_STACK
                           ? frames_of(capture, row->site)
                           : Py_BuildValue("((Ni))", ku__text(row->filename.bytes, row->filename.size), (int)row->line);
    return Py_BuildValue("(NKK)", frames, (wide)row->counts.live_bytes, (wide)row->counts.live_blocks);
}

static PyObject *groups_of(const snapshot *read, ku_group_key key, bool cumulative) {
    size_t bytes;
    ku_error error = {0};
    ku_capture view = *read->capture;
    view.counts = counts_of(read, &bytes);
    ku_groups *groups = view.counts == NULL ? NULL : ku_capture_group(&view, key, cumulative, &error);
    PyObject *list = groups == NULL ? PyErr_NoMemory() : PyList_New(0);
    for (size_t i = 0; groups != NULL && i < groups->count; i++) {
        if (!append(list, group_of(&view, &groups->rows[i], key))) {
            Py_CLEAR(list);
            break;
        }
    }
    ku_groups_free(groups);
    ku__pages_unmap(view.counts, bytes);
    return list;
}

static PyObject *statistics_call(PyObject *self, PyObject *arguments) {
    const char *name;
    int cumulative;
    if (!PyArg_ParseTuple(arguments, "sp:statistics", &name, &cumulative)) {
        return NULL;
    }
    bool by_stack = strcmp(name, "traceback") == 0, by_file = strcmp(name, "filename") == 0;
    if ((!by_stack && !by_file && strcmp(name, "lineno") != 0) || (by_stack && cumulative)) {
        return PyErr_Format(PyExc_ValueError, "%s cannot be grouped by%s", name, cumulative ? ", cumulative" : "");
    }
    ku_group_key key = by_stack ? KU_GROUP_STACK : by_file ? KU_GROUP_FILE : KU_GROUP_LINE;
    return groups_of((snapshot *)self, key, cumulative != 0);
}

static PyObject *subset_call(PyObject *self, PyObject *argument) {
    snapshot *whole = (snapshot *)self;
    if (!PyBytes_Check(argument) || (size_t)PyBytes_GET_SIZE(argument) != whole->count) {
        return PyErr_Format(PyExc_ValueError, "a subset takes one byte for each of the %zu rows", whole->count);
    }
    snapshot *part = new_snapshot(Py_TYPE(self));
    if (part == NULL) {
        return NULL;
    }
    part->owner = Py_NewRef(whole->owner != NULL ? whole->owner : self);
    part->capture = whole->capture;
    part->mapped = whole->count * sizeof *part->rows + 1;
    part->rows = ku__pages_map(part->mapped);
    if (part->rows == NULL) {
        Py_DECREF(part);
        return PyErr_NoMemory();
    }
    const char *keep = PyBytes_AS_STRING(argument);
    for (size_t i = 0; i < whole->count; i++) {
        if (keep[i] != 0) {
            part->rows[part->count++] = whole->rows[i];
        }
    }
    return (PyObject *)part;
}

/* ---- the type ---- */

PyDoc_STRVAR(rows_doc, "rows() -> list of (domain, size, count, stack)\n\nBlocks that are alike, by stack.");
PyDoc_STRVAR(stack_doc,
             "stack(number) -> (((filename, line), ...), depth)\n\nFrames that were kept, innermost first, "
             "and how deep the whole stack was.");
PyDoc_STRVAR(statistics_doc,
             "statistics(key, cumulative) -> list of (frames, size, count)\n\n"
             "Grouped by 'lineno', 'filename' or 'traceback'; most bytes first.");
PyDoc_STRVAR(subset_doc, "subset(keep) -> Snapshot\n\nThe rows whose byte in `keep` is not 0.");
PyDoc_STRVAR(type_doc,
             "Snapshot(files, frames, stacks, rows)\n\nLive blocks by birthplace and size. Lists of names, of "
             "(file, line), of (frames, depth), of (domain, size, count, stack); numbers count from 0.");

static PyMethodDef methods[] = {
    {"rows", rows_call, METH_NOARGS, rows_doc},
    {"stack", stack_call, METH_O, stack_doc},
    {"statistics", statistics_call, METH_VARARGS, statistics_doc},
    {"subset", subset_call, METH_O, subset_doc},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_new, (void *)(uintptr_t)make},
    {Py_tp_dealloc, (void *)(uintptr_t)dealloc},
    {Py_tp_methods, methods},
    {Py_tp_doc, (void *)(uintptr_t)type_doc},
    {0, NULL},
};

static PyType_Spec spec = {
    .name = "kucha._core.Snapshot",
    .basicsize = sizeof(snapshot),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = slots,
};

KU__AT_IMPORT PyObject *ku__snapshot_type_new(PyObject *module) {
    return PyType_FromModuleAndSpec(module, &spec, NULL);
}
