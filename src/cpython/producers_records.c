/* producers_records.c: what was counted, by key; and as a dict for Python. See producers.h. */
#include "cpython/producers.h"

#include "cpython/module.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <string.h>

enum {
    RECORDS_MOST = 20000, /* a program that names a thousand types at random would fill memory; 64 bytes each */
    INDEX_LEAST = 1024,
};

bool ku__producers_open(ku__producers *all) {
    *all = (ku__producers){0};
    if (!ku__maker_open(&all->words.texts, 1, false)) {
        return false;
    }
    ku__record *none = ku__growing_push(&all->records, sizeof *none);
    if (none == NULL || !ku__by_hash_open(&all->by_key, INDEX_LEAST)) {
        ku__producers_close(all);
        return false;
    }
    *none = (ku__record){0};
    return true;
}

void ku__producers_close(ku__producers *all) {
    ku__producers_drop(all);
    ku__growing *rows[] = {&all->dead,  &all->first,      &all->targets, &all->cycles,
                           &all->items, &all->beginnings, &all->records};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        ku__growing_release(rows[i]);
    }
    ku__pointer_close(&all->numbers);
    ku__components_close(&all->components);
    ku__maker_close(&all->words.texts);
    ku__growing_release(&all->words.expected);
    ku__pointer_close(&all->words.places);
    ku__by_hash_close(&all->by_key);
    *all = (ku__producers){0};
}

static bool is_like(const ku__record *one, const ku__record *other) {
    return one->kind == other->kind && one->source == other->source && one->place == other->place &&
           one->closing == other->closing;
}

static uint32_t add(ku__producers *all, const ku__record *like, uint64_t hash) {
    uint32_t number = (uint32_t)KU__GROWING_COUNT(&all->records, ku__record);
    ku__record *record = number < RECORDS_MOST ? ku__growing_push(&all->records, sizeof *record) : NULL;
    if (record == NULL || !ku__by_hash_add(&all->by_key, hash, number)) {
        all->records.used -= record != NULL ? sizeof *record : 0;
        return 0;
    }
    *record = (ku__record){.kind = like->kind,
                           .source = like->source,
                           .place = like->place,
                           .closing = like->closing,
                           .name = like->name,
                           .example = KU_GRAPH_NONE};
    return number;
}

uint32_t ku__record_for(ku__producers *all, const ku__record *like) {
    const uint32_t key[] = {like->kind, like->source, like->place, like->closing};
    uint64_t hash = XXH3_64bits(key, sizeof key), position = (uint32_t)hash;
    for (uint32_t found; (found = ku__by_hash_next(&all->by_key, hash, &position)) != 0;) {
        if (is_like(ku__record_at(all, found), like)) {
            return found;
        }
    }
    return add(all, like, hash);
}

/* ---- for Python ---- */

static const char *const closing_names[KU__CLOSINGS] = {
    [KU__CLOSING_NONE] = "",         [KU__CLOSING_ATTRIBUTE] = "attribute", [KU__CLOSING_ITEM] = "item",
    [KU__CLOSING_METHOD] = "method", [KU__CLOSING_VARIABLE] = "variable",   [KU__CLOSING_LOCAL] = "local",
    [KU__CLOSING_CLASS] = "class",   [KU__CLOSING_GENERATOR] = "generator", [KU__CLOSING_OTHER] = "other",
};

static PyObject *text_of(const ku__producers *all, uint32_t number) {
    const ku__growing *texts = &all->words.texts.sections[KU__SECTION_TEXTS];
    if (number == KU_GRAPH_NONE || number + 1 >= KU__GROWING_COUNT(texts, uint32_t)) {
        Py_RETURN_NONE; /* there is none; or another thread has had all of it forgotten meanwhile */
    }
    const uint32_t *table = KU__GROWING_ITEMS(texts, uint32_t);
    const char *bytes = all->words.texts.sections[KU__SECTION_TEXT_BYTES].bytes + table[number];
    return PyUnicode_DecodeUTF8(bytes, (Py_ssize_t)(table[number + 1] - table[number] - 1), "replace");
}

static PyObject *record_object(const ku__producers *all, uint32_t number) {
    ku__record record = *ku__record_at(all, number); /* making objects may have a collection add records */
    return Py_BuildValue("(IsNNNNNKKKK)", number, closing_names[record.kind], text_of(all, record.source),
                         text_of(all, record.place), text_of(all, record.closing), text_of(all, record.name),
                         text_of(all, record.example), record.cycles, record.objects, record.bytes, record.collections);
}

static PyObject *record_list(const ku__producers *all) {
    PyObject *list = PyList_New(0);
    for (uint32_t i = 1; list != NULL && i < KU__GROWING_COUNT(&all->records, ku__record); i++) {
        PyObject *one = ku__record_at(all, i)->objects == 0 ? NULL : record_object(all, i);
        if ((one == NULL && PyErr_Occurred()) || (one != NULL && PyList_Append(list, one) != 0)) {
            Py_CLEAR(list);
        }
        Py_XDECREF(one);
    }
    return list;
}

PyObject *ku__gc_producers_call(PyObject *module, PyObject *ignored) {
    (void)module;
    (void)ignored;
    const ku__producers *all = ku__producers_now();
    if (all == NULL) {
        Py_RETURN_NONE;
    }
    PyObject *records = record_list(all);
    if (records == NULL || ku__producers_now() == NULL) {
        Py_XDECREF(records);
        return PyErr_Occurred() ? NULL : Py_NewRef(Py_None);
    }
    return Py_BuildValue("{s:K,s:K,s:K,s:K,s:K,s:K,s:N}", "collections", all->collections, "dead", all->dead_count,
                         "looked", all->looked_count, "cycles", all->cycle_count, "unnamed", all->unnamed, "refused",
                         all->refused, "records", records);
}

PyObject *ku__gc_producers_start_call(PyObject *module, PyObject *ignored) {
    (void)ignored;
    if (!ku__require_main(module) || ku__producers_start(module) != 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

PyObject *ku__gc_producers_stop_call(PyObject *module, PyObject *ignored) {
    (void)ignored;
    if (!ku__require_main(module)) {
        return NULL;
    }
    ku__producers_stop();
    Py_RETURN_NONE;
}
