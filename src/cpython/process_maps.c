/* process_maps.c: Process.memory_maps(). Mappings are collected without the GIL, then made into objects.
 *
 * A path that ends in " (deleted)" is that of a file which was unlinked, or replaced, since; psutil drops the ending
 * when no file of that name, ending included, exists, and so do we.
 */
#include "cpython/process_module.h"
#include "os/machine.h"
#include "process/files.h"

enum { NUMBERS = 10 }; /* rss and those after it */

typedef struct mapping {
    uint64_t start, end;
    uint64_t numbers[NUMBERS];
    size_t path; /* where its path begins in the texts */
    char permissions[5];
} mapping;

typedef struct collected {
    mapping *maps;
    size_t count, capacity;
    char *texts;
    size_t used, size;
    bool no_memory;
} collected;

/* ---- collecting, without the GIL ---- */

static bool make_room(collected *all, size_t path_size) {
    if (all->count == all->capacity) {
        size_t capacity = all->capacity == 0 ? 256 : all->capacity * 2;
        mapping *maps = PyMem_RawRealloc(all->maps, capacity * sizeof *maps);
        if (maps == NULL) {
            return false;
        }
        all->maps = maps;
        all->capacity = capacity;
    }
    if (all->used + path_size > all->size) {
        size_t size = (all->used + path_size) * 2;
        char *texts = PyMem_RawRealloc(all->texts, size);
        if (texts == NULL) {
            return false;
        }
        all->texts = texts;
        all->size = size;
    }
    return true;
}

static bool same_as_last(const collected *all, const char *path) {
    return all->count > 0 && strcmp(all->texts + all->maps[all->count - 1].path, path) == 0;
}

static bool collect(const ku_process_map *map, void *argument) {
    collected *all = argument;
    size_t size = strlen(map->path) + 1;
    if (!make_room(all, size)) {
        all->no_memory = true;
        return false;
    }
    bool same = same_as_last(all, map->path);
    mapping *one = &all->maps[all->count];
    *one = (mapping){
        .start = map->start,
        .end = map->end,
        .numbers = {map->rss, map->size, map->pss, map->shared_clean, map->shared_dirty, map->private_clean,
                    map->private_dirty, map->referenced, map->anonymous, map->swap},
        .path = same ? all->maps[all->count - 1].path : all->used,
    };
    memcpy(one->permissions, map->permissions, sizeof one->permissions);
    if (!same) {
        memcpy(all->texts + all->used, map->path, size);
        all->used += size;
    }
    all->count++;
    return true;
}

/* ---- objects ---- */

static PyObject *path_object(const char *path) {
    static const char ending[] = " (deleted)";
    size_t size = strlen(path), cut = sizeof ending - 1;
    if (size == 0) {
        return PyUnicode_FromString("[anon]");
    }
    if (size > cut && strcmp(path + size - cut, ending) == 0 && !ku__path_exists(path)) {
        size -= cut;
    }
    return PyUnicode_DecodeFSDefaultAndSize(path, (Py_ssize_t)size);
}

static void add_numbers(PyObject **values, const uint64_t *numbers) {
    for (int index = 0; index < NUMBERS; index++) {
        values[index] = PyLong_FromUnsignedLongLong(numbers[index]);
    }
}

static PyObject *map_object(const ku__process_module *state, const mapping *map, PyObject *path) {
    PyObject *values[NUMBERS + 3];
    char address[40];
    /* as wide as the system writes them */
    snprintf(address, sizeof address, "%08llx-%08llx", (unsigned long long)map->start, (unsigned long long)map->end);
    values[0] = PyUnicode_FromString(address);
    values[1] = PyUnicode_FromString(map->permissions);
    values[2] = Py_NewRef(path);
    add_numbers(values + 3, map->numbers);
    return ku__named(state, KU__PMMAP_EXT, values, NUMBERS + 3);
}

static int append(PyObject *list, PyObject *item) {
    int result = item != NULL ? PyList_Append(list, item) : -1;
    Py_XDECREF(item);
    return result;
}

static PyObject *list_each(const ku__process_module *state, const collected *all) {
    PyObject *list = PyList_New(0);
    PyObject *path = NULL;
    int result = list != NULL ? 0 : -1;
    for (size_t index = 0; index < all->count && result == 0; index++) {
        const mapping *map = &all->maps[index];
        if (path == NULL || map->path != map[-1].path) {
            Py_XSETREF(path, path_object(all->texts + map->path));
        }
        result = path != NULL ? append(list, map_object(state, map, path)) : -1;
    }
    Py_XDECREF(path);
    if (result != 0) {
        Py_CLEAR(list);
    }
    return list;
}

/* The number of the group of a path: `groups` has it, or gets it, as the next one. -1 with an exception. */
static Py_ssize_t group_of(PyObject *groups, PyObject *path) {
    PyObject *known = PyDict_GetItemWithError(groups, path);
    if (known != NULL) {
        return PyLong_AsSsize_t(known);
    }
    if (PyErr_Occurred() != NULL) {
        return -1;
    }
    Py_ssize_t number = PyDict_Size(groups);
    PyObject *object = PyLong_FromSsize_t(number);
    int result = object != NULL ? PyDict_SetItem(groups, path, object) : -1;
    Py_XDECREF(object);
    return result == 0 ? number : -1;
}

/* Adds each mapping up in the place of the first of its path: groups are never more than mappings, and a group's number
 * is never above that of the mapping that is looked at, whose numbers have been read by then. */
static int add_up(collected *all, PyObject *groups) {
    Py_ssize_t group = -1;
    size_t last = 0;
    for (size_t index = 0; index < all->count; index++) {
        mapping map = all->maps[index];
        if (group < 0 || map.path != last) {
            PyObject *path = path_object(all->texts + map.path);
            Py_ssize_t before = PyDict_Size(groups);
            group = path != NULL ? group_of(groups, path) : -1;
            Py_XDECREF(path);
            if (group < 0) {
                return -1;
            }
            if (group == before) {
                memset(all->maps[group].numbers, 0, sizeof map.numbers);
            }
        }
        last = map.path;
        for (int number = 0; number < NUMBERS; number++) {
            all->maps[group].numbers[number] += map.numbers[number];
        }
    }
    return 0;
}

static PyObject *list_groups(const ku__process_module *state, collected *all) {
    PyObject *groups = PyDict_New();
    PyObject *list = groups != NULL && add_up(all, groups) == 0 ? PyList_New(0) : NULL;
    PyObject *path, *number;
    Py_ssize_t at = 0;
    while (list != NULL && PyDict_Next(groups, &at, &path, &number)) {
        PyObject *values[NUMBERS + 1] = {Py_NewRef(path)};
        add_numbers(values + 1, all->maps[PyLong_AsSsize_t(number)].numbers);
        if (append(list, ku__named(state, KU__PMMAP_GROUPED, values, NUMBERS + 1)) != 0) {
            Py_CLEAR(list);
        }
    }
    Py_XDECREF(groups);
    return list;
}

static void walk_unlocked(ku_process *process, collected *all, ku_error *failed) {
    PyThreadState *thread = PyEval_SaveThread();
    ku_process_maps_walk(process, collect, all, failed);
    PyEval_RestoreThread(thread);
}

PyObject *ku__memory_maps(const ku__process_module *state, ku_process *process, bool is_grouped, ku_error *failed) {
    collected all = {0};
    PyObject *list = NULL;
    ku_process borrowed = ku__process_borrow(process);
    walk_unlocked(&borrowed, &all, failed);
    if (all.no_memory) {
        PyErr_NoMemory();
    } else if (failed->code == KU_OK) {
        list = is_grouped ? list_groups(state, &all) : list_each(state, &all);
    }
    PyMem_RawFree(all.maps);
    PyMem_RawFree(all.texts);
    return list;
}
