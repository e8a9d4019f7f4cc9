/* process_system.c: functions of kucha._process about the machine. Percentages are the caller's to work out. */
#include "cpython/process_module.h"

#include <kucha/limits.h>
#include <kucha/system.h>

/* The argument `root` as bytes of the file system, to be given back with Py_DECREF; NULL with an exception. */
static PyObject *root_of(PyObject *argument) {
    PyObject *root;
    return PyUnicode_FSConverter(argument, &root) ? root : NULL;
}

PyDoc_STRVAR(memory_doc,
             "memory(root) -> (total, available, free, active, inactive, buffers, cached, shared, slab, "
             "missing)\n\nBytes; missing is a tuple of the names that this kernel does not tell.");

static PyObject *missing_names(unsigned missing) {
    static const char *const names[] = {"buffers", "cached", "shared", "active", "inactive"};
    PyObject *list = PyList_New(0);
    for (int bit = 0; bit < 5 && list != NULL; bit++) {
        if ((missing >> bit & 1) == 0) {
            continue;
        }
        PyObject *name = PyUnicode_FromString(names[bit]);
        if (name == NULL || PyList_Append(list, name) != 0) {
            Py_CLEAR(list);
        }
        Py_XDECREF(name);
    }
    PyObject *tuple = list != NULL ? PyList_AsTuple(list) : NULL;
    Py_XDECREF(list);
    return tuple;
}

static PyObject *memory(PyObject *module, PyObject *argument) {
    (void)module;
    ku_system_memory read;
    ku_error error = {0};
    PyObject *root = root_of(argument);
    if (root == NULL) {
        return NULL;
    }
    ku_code code = ku_system_memory_read(PyBytes_AS_STRING(root), &read, &error);
    Py_DECREF(root);
    if (code != KU_OK) {
        return ku__raise_system(&error, NULL);
    }
    return Py_BuildValue("(KKKKKKKKKN)", read.total, read.available, read.free, read.active, read.inactive,
                         read.buffers, read.cached, read.shared, read.slab, missing_names(read.missing));
}

PyDoc_STRVAR(swap_doc, "swap(root) -> (total, free, in, out, known)\n\nBytes; known: whether in and out are.");

static PyObject *swap(PyObject *module, PyObject *argument) {
    (void)module;
    ku_system_swap read;
    ku_error error = {0};
    PyObject *root = root_of(argument);
    if (root == NULL) {
        return NULL;
    }
    ku_code code = ku_system_swap_read(PyBytes_AS_STRING(root), &read, &error);
    Py_DECREF(root);
    if (code != KU_OK) {
        return ku__raise_system(&error, NULL);
    }
    return Py_BuildValue("(KKKKO)", read.total, read.free, read.in, read.out, read.has_traffic ? Py_True : Py_False);
}

/* ---- processors ---- */

PyDoc_STRVAR(cpu_times_doc, "cpu_times(root, percpu) -> scputimes, or a list of them\n\nSeconds since the start.");

static PyObject *times_object(PyObject *module, const ku_cpu_times *times) {
    return ku__named_seconds(ku__process_module_of(module), KU__SCPUTIMES, (const double *)times, KU_CPU_FIELDS);
}

static PyObject *times_list(PyObject *module, const ku_cpu_times *each, size_t count) {
    PyObject *list = PyList_New((Py_ssize_t)count);
    for (size_t index = 0; index < count && list != NULL; index++) {
        PyObject *item = times_object(module, &each[index]);
        if (item == NULL) {
            Py_CLEAR(list);
        } else {
            PyList_SET_ITEM(list, (Py_ssize_t)index, item);
        }
    }
    return list;
}

/* Processors can come on line between two readings; those that no longer fit wait for the next call. */
static PyObject *each_times(PyObject *module, const char *root) {
    ku_error error = {0};
    size_t count = 0, capacity = 64;
    for (;;) {
        ku_cpu_times *each = PyMem_Calloc(capacity, sizeof *each);
        if (each == NULL) {
            return PyErr_NoMemory();
        }
        ku_code code = ku_system_cpu_read(root, NULL, each, capacity, &count, &error);
        bool is_whole = count <= capacity;
        PyObject *list = code == KU_OK && is_whole ? times_list(module, each, count) : NULL;
        PyMem_Free(each);
        if (code != KU_OK) {
            return ku__raise_system(&error, NULL);
        }
        if (is_whole) {
            return list;
        }
        capacity = count + 64;
    }
}

static PyObject *cpu_times(PyObject *module, PyObject *arguments) {
    PyObject *root;
    int is_each;
    ku_cpu_times total;
    ku_error error = {0};
    if (!PyArg_ParseTuple(arguments, "O&p:cpu_times", PyUnicode_FSConverter, &root, &is_each)) {
        return NULL;
    }
    PyObject *result;
    if (is_each) {
        result = each_times(module, PyBytes_AS_STRING(root));
    } else if (ku_system_cpu_read(PyBytes_AS_STRING(root), &total, NULL, 0, NULL, &error) == KU_OK) {
        result = times_object(module, &total);
    } else {
        result = ku__raise_system(&error, NULL);
    }
    Py_DECREF(root);
    return result;
}

PyDoc_STRVAR(cpu_count_doc, "cpu_count() -> int\n\nProcessors on line; 0 when the system does not say.");

static PyObject *cpu_count(PyObject *module, PyObject *ignored) {
    (void)module;
    (void)ignored;
    return PyLong_FromLong(ku_system_cpu_count());
}

PyDoc_STRVAR(boot_time_doc, "boot_time(root) -> float\n\nSeconds since 1970 when the system was started.");

static PyObject *boot_time(PyObject *module, PyObject *argument) {
    (void)module;
    double seconds;
    ku_error error = {0};
    PyObject *root = root_of(argument);
    if (root == NULL) {
        return NULL;
    }
    ku_code code = ku_system_boot_time(PyBytes_AS_STRING(root), &seconds, &error);
    Py_DECREF(root);
    return code == KU_OK ? PyFloat_FromDouble(seconds) : ku__raise_system(&error, NULL);
}

/* ---- disks ---- */

PyDoc_STRVAR(disk_doc, "disk(path) -> (total, free, available)\n\nBytes of the file system that the path lies in.");

static PyObject *disk(PyObject *module, PyObject *argument) {
    (void)module;
    ku_system_disk read;
    ku_error error = {0};
    ku_code code;
    PyObject *path = root_of(argument);
    if (path == NULL) {
        return NULL;
    }
    Py_BEGIN_ALLOW_THREADS /* a disk in another place may take its time */
        code = ku_system_disk_read(PyBytes_AS_STRING(path), &read, &error);
    Py_END_ALLOW_THREADS PyObject *result = code == KU_OK
                                                ? Py_BuildValue("(KKK)", read.total, read.free, read.available)
                                                : ku__raise_system(&error, PyBytes_AS_STRING(path));
    Py_DECREF(path);
    return result;
}

/* ---- processes ---- */

/* All pids, in memory that is the caller's to free; NULL with an exception. */
static int *read_pids(const char *root, size_t *count) {
    ku_error error = {0};
    size_t capacity = 1024;
    for (;;) {
        int *pids = PyMem_Calloc(capacity, sizeof *pids);
        if (pids == NULL) {
            PyErr_NoMemory();
            return NULL;
        }
        ku_code code = ku_system_pids(root, pids, capacity, count, &error);
        if (code == KU_OK && *count <= capacity) {
            return pids;
        }
        PyMem_Free(pids);
        if (code != KU_OK) {
            ku__raise_system(&error, root);
            return NULL;
        }
        capacity = *count + 256; /* more of them may have started meanwhile */
    }
}

static int compare(const void *left, const void *right) {
    return *(const int *)left < *(const int *)right ? -1 : *(const int *)left > *(const int *)right;
}

PyDoc_STRVAR(pids_doc, "pids(root) -> list of int, sorted");

static PyObject *pids(PyObject *module, PyObject *argument) {
    (void)module;
    size_t count;
    PyObject *root = root_of(argument);
    int *found = root != NULL ? read_pids(PyBytes_AS_STRING(root), &count) : NULL;
    Py_XDECREF(root);
    if (found == NULL) {
        return NULL;
    }
    qsort(found, count, sizeof *found, compare);
    PyObject *list = PyList_New((Py_ssize_t)count);
    for (size_t index = 0; index < count && list != NULL; index++) {
        PyObject *pid = PyLong_FromLong(found[index]);
        if (pid == NULL) {
            Py_CLEAR(list);
        } else {
            PyList_SET_ITEM(list, (Py_ssize_t)index, pid);
        }
    }
    PyMem_Free(found);
    return list;
}

static PyObject *process_list(const ku_system_process *processes, size_t count) {
    PyObject *list = PyList_New(0);
    for (size_t index = 0; index < count && list != NULL; index++) {
        const ku_system_process *one = &processes[index];
        if (one->pid == 0) {
            continue;
        }
        PyObject *item = Py_BuildValue("(iiK)", one->pid, one->parent, (unsigned long long)one->started);
        if (item == NULL || PyList_Append(list, item) != 0) {
            Py_CLEAR(list);
        }
        Py_XDECREF(item);
    }
    return list;
}

PyDoc_STRVAR(processes_doc, "processes(root) -> list of (pid, ppid, started)\n\nstarted: clock ticks after the boot.");

static PyObject *processes(PyObject *module, PyObject *argument) {
    (void)module;
    size_t count;
    PyObject *root = root_of(argument);
    int *found = root != NULL ? read_pids(PyBytes_AS_STRING(root), &count) : NULL;
    ku_system_process *all = found != NULL ? PyMem_Calloc(count + 1, sizeof *all) : NULL;
    PyObject *list = NULL;
    if (all != NULL) {
        for (size_t index = 0; index < count; index++) {
            all[index].pid = found[index];
        }
        Py_BEGIN_ALLOW_THREADS ku_system_processes_read(PyBytes_AS_STRING(root), all, count);
        Py_END_ALLOW_THREADS list = process_list(all, count);
    } else if (found != NULL) {
        PyErr_NoMemory();
    }
    PyMem_Free(all);
    PyMem_Free(found);
    Py_XDECREF(root);
    return list;
}

PyDoc_STRVAR(pid_exists_doc, "pid_exists(root, pid) -> bool");

static PyObject *pid_exists(PyObject *module, PyObject *arguments) {
    (void)module;
    PyObject *root;
    long long pid;
    if (!PyArg_ParseTuple(arguments, "O&L:pid_exists", PyUnicode_FSConverter, &root, &pid)) {
        return NULL;
    }
    bool exists = pid > 0 && pid <= INT32_MAX && ku_system_pid_exists(PyBytes_AS_STRING(root), (int)pid);
    Py_DECREF(root);
    return PyBool_FromLong(exists);
}

/* ---- control groups ---- */

PyDoc_STRVAR(cgroup_doc,
             "cgroup(root, pid) -> cgroup\n\nWhat the control group of a process (0: this one) may use. "
             "No limit is None.");

static PyObject *limit_object(uint64_t limit) {
    return limit != KU_UNLIMITED ? PyLong_FromUnsignedLongLong(limit) : Py_NewRef(Py_None);
}

static PyObject *cgroup_object(PyObject *module, const ku_cgroup *group) {
    PyObject *values[] = {
        PyLong_FromLong(group->version),
        PyLong_FromLong(group->cpu_version),
        PyLong_FromLong(group->pids_version),
        PyUnicode_DecodeFSDefault(group->path),
        limit_object(group->memory_limit),
        limit_object(group->memory_high),
        PyLong_FromUnsignedLongLong(group->memory_used),
        PyLong_FromUnsignedLongLong(group->memory_peak),
        PyLong_FromUnsignedLongLong(group->memory_reclaimable),
        limit_object(group->swap_limit),
        limit_object(group->memory_swap_limit),
        PyLong_FromUnsignedLongLong(group->swap_used),
        PyLong_FromUnsignedLongLong(group->oom_kills),
        group->cpus > 0 ? PyFloat_FromDouble(group->cpus) : Py_NewRef(Py_None),
        limit_object(group->pids_limit),
        PyLong_FromUnsignedLongLong(group->pids_used),
    };
    return ku__named(ku__process_module_of(module), KU__CGROUP, values, sizeof values / sizeof values[0]);
}

static PyObject *cgroup(PyObject *module, PyObject *arguments) {
    PyObject *root;
    int pid;
    ku_cgroup group;
    ku_error error = {0};
    if (!PyArg_ParseTuple(arguments, "O&i:cgroup", PyUnicode_FSConverter, &root, &pid)) {
        return NULL;
    }
    ku_code code = ku_cgroup_read(PyBytes_AS_STRING(root), pid, &group, &error);
    Py_DECREF(root);
    return code == KU_OK ? cgroup_object(module, &group) : ku__raise_system(&error, NULL);
}

PyMethodDef ku__system_functions[] = {
    {"memory", memory, METH_O, memory_doc},
    {"swap", swap, METH_O, swap_doc},
    {"cpu_times", cpu_times, METH_VARARGS, cpu_times_doc},
    {"cpu_count", cpu_count, METH_NOARGS, cpu_count_doc},
    {"boot_time", boot_time, METH_O, boot_time_doc},
    {"disk", disk, METH_O, disk_doc},
    {"pids", pids, METH_O, pids_doc},
    {"processes", processes, METH_O, processes_doc},
    {"pid_exists", pid_exists, METH_VARARGS, pid_exists_doc},
    {"cgroup", cgroup, METH_VARARGS, cgroup_doc},
    {NULL, NULL, 0, NULL},
};
