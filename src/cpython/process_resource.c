/* process_resource.c: functions and constants of kucha.resource, which are those of the standard library's resource.
 *
 * The behaviour is that of CPython 3.14, on every version: limits above 2^63 are positive, a negative limit other than
 * -1 is refused. From 3.15 on the standard library's RLIM_INFINITY is positive, and a negative limit is taken with a
 * DeprecationWarning; under such an interpreter ours is, too. (Source: Modules/resource.c of 3.14 and 3.15.)
 */
#include "cpython/process_module.h"

#include <errno.h>
#include <kucha/limits.h>
#include <kucha/usage.h>
#include <structmember.h>

#define HAS_POSITIVE_INFINITY (PY_VERSION_HEX >= 0x030F0000)

/* ---- limits ---- */

static PyObject *limit_object(uint64_t value) {
    if (value == KU_UNLIMITED && !HAS_POSITIVE_INFINITY) {
        return PyLong_FromLong(-1);
    }
    return PyLong_FromUnsignedLongLong(value);
}

static PyObject *pair(const ku_limit *limit) {
    PyObject *soft = limit_object(limit->soft);
    PyObject *hard = limit_object(limit->hard);
    PyObject *tuple = soft != NULL && hard != NULL ? PyTuple_Pack(2, soft, hard) : NULL;
    Py_XDECREF(soft);
    Py_XDECREF(hard);
    return tuple;
}

/* A negative number: none where it is -1. */
static bool negative_value(PyObject *number, uint64_t *value) {
    long known = PyLong_AsLong(number);
    if (known != -1) {
        PyErr_SetString(PyExc_ValueError,
                        "Cannot convert negative int: a limit is a number of at least 0, "
                        "or RLIM_INFINITY");
        return false;
    }
    *value = KU_UNLIMITED;
    return !HAS_POSITIVE_INFINITY ||
           PyErr_WarnEx(PyExc_DeprecationWarning, "Use RLIM_INFINITY instead of negative limit value.", 1) == 0;
}

static bool value_of(PyObject *object, uint64_t *value) {
    PyObject *number = PyNumber_Index(object);
    PyObject *zero = number != NULL ? PyLong_FromLong(0) : NULL;
    int is_negative = zero != NULL ? PyObject_RichCompareBool(number, zero, Py_LT) : -1;
    bool result = false;
    if (is_negative == 1) {
        result = negative_value(number, value);
    } else if (is_negative == 0) {
        *value = PyLong_AsUnsignedLongLong(number);
        result = PyErr_Occurred() == NULL;
    }
    Py_XDECREF(zero);
    Py_XDECREF(number);
    return result;
}

/* Any iterable of two integers. */
static bool limit_of(PyObject *limits, ku_limit *limit) {
    PyObject *tuple = PySequence_Tuple(limits);
    bool result = false;
    if (tuple != NULL && PyTuple_GET_SIZE(tuple) != 2) {
        PyErr_SetString(PyExc_ValueError, "expected a tuple of 2 integers");
    } else if (tuple != NULL) {
        result =
            value_of(PyTuple_GET_ITEM(tuple, 0), &limit->soft) && value_of(PyTuple_GET_ITEM(tuple, 1), &limit->hard);
    }
    Py_XDECREF(tuple);
    return result;
}

static bool is_resource(int resource) {
    size_t count;
    const ku_limit_info *list = ku_limits_list(&count);
    for (size_t index = 0; index < count; index++) {
        if (list[index].resource == resource) {
            return true;
        }
    }
    PyErr_SetString(PyExc_ValueError, "invalid resource specified: this system has no limit of that number");
    return false;
}

/* prlimit() of the standard library leaves the exception of errno, setrlimit() and getrlimit() make it a ValueError. */
static PyObject *refuse(const ku_error *error, bool as_value) {
    if (error->code == KU_INVALID || (as_value && error->os_error == EPERM)) {
        PyErr_Format(PyExc_ValueError, "%s: %s",
                     error->code == KU_INVALID ? "current limit exceeds maximum limit"
                                               : "not allowed to raise maximum limit",
                     error->message);
        return NULL;
    }
    return ku__raise_system(error, NULL);
}

PyDoc_STRVAR(getrlimit_doc, "getrlimit($module, resource, /)\n--\n\n(soft, hard) of this process.");

static PyObject *getrlimit_call(PyObject *module, PyObject *argument) {
    (void)module;
    ku_limit limit;
    ku_error error = {0};
    int resource;
    if (!PyArg_Parse(argument, "i:getrlimit", &resource) || !is_resource(resource)) {
        return NULL;
    }
    return ku_limits_read(0, resource, &limit, &error) == KU_OK ? pair(&limit) : refuse(&error, true);
}

PyDoc_STRVAR(setrlimit_doc, "setrlimit($module, resource, limits, /)\n--\n\nSets (soft, hard) of this process.");

static PyObject *setrlimit_call(PyObject *module, PyObject *arguments) {
    (void)module;
    int resource;
    PyObject *limits;
    ku_limit limit;
    ku_error error = {0};
    if (!PyArg_ParseTuple(arguments, "iO:setrlimit", &resource, &limits) || !is_resource(resource) ||
        PySys_Audit("resource.setrlimit", "iO", resource, limits) < 0 || !limit_of(limits, &limit)) {
        return NULL;
    }
    if (ku_limits_set(0, resource, &limit, NULL, &error) != KU_OK) {
        return refuse(&error, true);
    }
    Py_RETURN_NONE;
}

PyDoc_STRVAR(prlimit_doc,
             "prlimit($module, pid, resource, limits=None, /)\n--\n\n"
             "(soft, hard) of a process as they were; sets them if limits are given. pid 0: this process.");

static PyObject *prlimit_call(PyObject *module, PyObject *arguments) {
    (void)module;
    int pid, resource;
    PyObject *limits = Py_None;
    ku_limit limit, old;
    ku_error error = {0};
    if (!PyArg_ParseTuple(arguments, "ii|O:prlimit", &pid, &resource, &limits) || !is_resource(resource) ||
        PySys_Audit("resource.prlimit", "iiO", pid, resource, limits) < 0) {
        return NULL;
    }
    if (limits != Py_None && !limit_of(limits, &limit)) {
        return NULL;
    }
    ku_code code = limits == Py_None ? ku_limits_read(pid, resource, &old, &error)
                                     : ku_limits_set(pid, resource, &limit, &old, &error);
    return code == KU_OK ? pair(&old) : refuse(&error, false);
}

/* ---- usage ---- */

static PyStructSequence_Field rusage_fields[] = {
    {"ru_utime", "seconds of CPU time in the program"},
    {"ru_stime", "seconds of CPU time in the system"},
    {"ru_maxrss", "KiB: the most that was in memory"},
    {"ru_ixrss", "shared text; always 0 on Linux"},
    {"ru_idrss", "data; always 0 on Linux"},
    {"ru_isrss", "stack; always 0 on Linux"},
    {"ru_minflt", "page faults without a disk"},
    {"ru_majflt", "page faults that read from a disk"},
    {"ru_nswap", "times swapped out whole; always 0 on Linux"},
    {"ru_inblock", "blocks of 512 bytes read"},
    {"ru_oublock", "blocks of 512 bytes written"},
    {"ru_msgsnd", "messages sent; always 0 on Linux"},
    {"ru_msgrcv", "messages received; always 0 on Linux"},
    {"ru_nsignals", "signals received; always 0 on Linux"},
    {"ru_nvcsw", "times it waited for something"},
    {"ru_nivcsw", "times the system took the processor away"},
    {NULL, NULL},
};

static PyStructSequence_Desc rusage_description = {
    .name = "kucha.resource.struct_rusage",
    .doc = "What was used: a tuple of 16 numbers, and attributes ru_utime and so on.",
    .fields = rusage_fields,
    .n_in_sequence = 16,
};

PyObject *ku__rusage_type_new(void) {
    return (PyObject *)PyStructSequence_NewType(&rusage_description);
}

static PyObject *field_object(const ku_usage *usage, const ku_usage_field *field) {
    const char *at = (const char *)usage + field->offset;
    return field->is_seconds ? PyFloat_FromDouble(*(const double *)(const void *)at)
                             : PyLong_FromLongLong(*(const int64_t *)(const void *)at);
}

PyDoc_STRVAR(getrusage_doc, "getrusage($module, who, /)\n--\n\nWhat was used by RUSAGE_SELF, _CHILDREN or _THREAD.");

static PyObject *getrusage_call(PyObject *module, PyObject *argument) {
    ku_usage usage;
    ku_error error = {0};
    size_t count;
    int who;
    if (!PyArg_Parse(argument, "i:getrusage", &who)) {
        return NULL;
    }
    if (ku_usage_read(who, &usage, &error) != KU_OK) {
        return PyErr_Format(PyExc_ValueError, "invalid who parameter: %s", error.message);
    }
    const ku_usage_field *fields = ku_usage_fields(&count);
    PyObject *result = PyStructSequence_New((PyTypeObject *)ku__process_module_of(module)->rusage);
    for (size_t index = 0; index < count && result != NULL; index++) {
        PyObject *value = field_object(&usage, &fields[index]);
        if (value == NULL) {
            Py_CLEAR(result);
        } else {
            PyStructSequence_SetItem(result, (Py_ssize_t)index, value);
        }
    }
    return result;
}

PyDoc_STRVAR(getpagesize_doc, "getpagesize($module, /)\n--\n\nBytes of a page of memory.");

static PyObject *getpagesize_call(PyObject *module, PyObject *ignored) {
    (void)module;
    (void)ignored;
    return PyLong_FromSize_t(ku_usage_page_size());
}

/* ---- tables ---- */

static PyObject *table(size_t count, PyObject *(*row)(size_t index)) {
    PyObject *list = PyList_New(0);
    for (size_t index = 0; index < count && list != NULL; index++) {
        PyObject *item = row(index);
        if (item == NULL || PyList_Append(list, item) != 0) {
            Py_CLEAR(list);
        }
        Py_XDECREF(item);
    }
    PyObject *tuple = list != NULL ? PyList_AsTuple(list) : NULL;
    Py_XDECREF(list);
    return tuple;
}

static PyObject *limit_row(size_t index) {
    size_t count;
    const ku_limit_info *info = &ku_limits_list(&count)[index];
    return Py_BuildValue("(sisss)", info->name, info->resource, info->constant, info->unit, info->meaning);
}

static PyObject *usage_row(size_t index) {
    size_t count;
    const ku_usage_field *field = &ku_usage_fields(&count)[index];
    return Py_BuildValue("(sssO)", field->name, field->unit, field->meaning, field->always_zero ? Py_True : Py_False);
}

/* RLIMIT_LOCKS is one that the standard library leaves out: Linux ignores it, and has listed it ever since. */
int ku__resource_constants(PyObject *module) {
    size_t limits, fields;
    const ku_limit_info *list = ku_limits_list(&limits);
    ku_usage_fields(&fields);
    for (size_t index = 0; index < limits; index++) {
        if (PyModule_AddIntConstant(module, list[index].constant, list[index].resource) != 0) {
            return -1;
        }
    }
    PyObject *infinity = limit_object(KU_UNLIMITED);
    PyObject *limit_table = table(limits, limit_row);
    PyObject *usage_table = table(fields, usage_row);
    int result = infinity == NULL || limit_table == NULL || usage_table == NULL ||
                         PyModule_AddObjectRef(module, "RLIM_INFINITY", infinity) != 0 ||
                         PyModule_AddObjectRef(module, "limit_table", limit_table) != 0 ||
                         PyModule_AddObjectRef(module, "usage_table", usage_table) != 0 ||
                         PyModule_AddIntConstant(module, "RUSAGE_SELF", KU_USAGE_SELF) != 0 ||
                         PyModule_AddIntConstant(module, "RUSAGE_CHILDREN", KU_USAGE_CHILDREN) != 0 ||
                         PyModule_AddIntConstant(module, "RUSAGE_THREAD", KU_USAGE_THREAD) != 0
                     ? -1
                     : 0;
    Py_XDECREF(infinity);
    Py_XDECREF(limit_table);
    Py_XDECREF(usage_table);
    return result;
}

PyMethodDef ku__resource_functions[] = {
    {"getrlimit", getrlimit_call, METH_O, getrlimit_doc},
    {"setrlimit", setrlimit_call, METH_VARARGS, setrlimit_doc},
    {"prlimit", prlimit_call, METH_VARARGS, prlimit_doc},
    {"getrusage", getrusage_call, METH_O, getrusage_doc},
    {"getpagesize", getpagesize_call, METH_NOARGS, getpagesize_doc},
    {NULL, NULL, 0, NULL},
};
