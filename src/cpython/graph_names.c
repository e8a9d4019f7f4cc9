/* graph_names.c: what types and objects of a living heap are called: rules of inspect/python_make.h. */
#include "cpython/graph_facts.h"

#if KU__FACTS_SUPPORTED

#include "cpython/graph_making.h"

#include <string.h>

size_t ku__hosted_text(ku__making *making, uintptr_t text, char *out, size_t size) {
    (void)making;
    return ku__utf8_of((const PyObject *)text, out, size);
}

/* ---- types ---- */

static bool text_is(const PyObject *text, const char *chars) {
    char bytes[KU__NAME_MOST];
    size_t size = ku__utf8_of(text, bytes, sizeof bytes);
    return size == strlen(chars) && memcmp(bytes, chars, size) == 0;
}

/* What a namespace has under a name; NULL. */
static PyObject *value_of(const PyObject *namespace, const char *name) {
    const PyDictObject *dict = (const PyDictObject *)(const void *)namespace;
    if (dict == NULL || dict->ma_values != NULL) {
        return NULL;
    }
    for (Py_ssize_t i = 0; i < dict->ma_keys->dk_nentries; i++) {
        PyObject *value, *key = ku__fact_key(dict->ma_keys, (size_t)i, &value);
        if (key != NULL && value != NULL && PyUnicode_Check(key) && text_is(key, name)) {
            return value;
        }
    }
    return NULL;
}

const PyObject *ku__module_of_type(const PyTypeObject *type) {
    PyObject *module = value_of(type->tp_dict, "__module__");
    return module != NULL && PyUnicode_Check(module) ? module : NULL;
}

ku__type_words ku__hosted_words_of_type(ku__making *making, uint32_t number) {
    const PyTypeObject *type = ku__python_type(making->types, number);
    ku__type_words words = {.chars = (uintptr_t)type->tp_name, .is_heap = (type->tp_flags & Py_TPFLAGS_HEAPTYPE) != 0};
    if (words.is_heap) {
        words.module = (uintptr_t)ku__module_of_type(type);
        words.name = (uintptr_t)((const PyHeapTypeObject *)(const void *)type)->ht_qualname;
    }
    return words;
}

/* ---- labels ---- */

static uint32_t label_of_text(ku__making *making, PyObject *name) {
    return name != NULL && PyUnicode_Check(name) ? ku__name_of_text(making, (uintptr_t)name) : KU_GRAPH_NONE;
}

static uint32_t label_of_function(ku__making *making, PyObject *object) {
    return PyFunction_Check(object)
               ? label_of_text(making, ((const PyFunctionObject *)(const void *)object)->func_qualname)
               : KU_GRAPH_NONE;
}

/* Where it has got to; its name alone when it is at its end. */
static uint32_t label_of_generator(ku__making *making, PyObject *object) {
    const PyGenObject *generator = (const PyGenObject *)(const void *)object;
    return ku__fact_generator_runs(object) ? ku__name_of_frame(making, (uintptr_t)&generator->gi_iframe)
                                           : label_of_text(making, generator->gi_qualname);
}

static uint32_t label_of_frame(ku__making *making, PyObject *object) {
    const ku__frame_of_python *frame = ((const PyFrameObject *)(const void *)object)->f_frame;
    return frame != NULL && ku__fact_has_code(frame) ? ku__name_of_frame(making, (uintptr_t)frame) : KU_GRAPH_NONE;
}

/* Objects that only the collector's lists make sure of: what merely looks like one has fields of any value. */
static uint32_t label_of_tracked(ku__making *making, PyObject *object) {
    if (PyModule_Check(object)) {
        return label_of_text(making, value_of(PyModule_GetDict(object), "__name__"));
    }
    if (PyMethod_Check(object)) {
        PyObject *function = PyMethod_GET_FUNCTION(object);
        return label_of_function(making, function);
    }
    if (PyCFunction_Check(object)) {
        return ku__name_of_chars(making, (uintptr_t)((const PyCFunctionObject *)(const void *)object)->m_ml->ml_name);
    }
    if (PyGen_Check(object) || PyCoro_CheckExact(object) || PyAsyncGen_CheckExact(object)) {
        return label_of_generator(making, object);
    }
    return PyFrame_Check(object) ? label_of_frame(making, object) : KU_GRAPH_NONE;
}

uint32_t ku__hosted_label(ku__making *making, uintptr_t address, uint32_t type, bool tracked) {
    (void)type;
    PyObject *object = (PyObject *)address;
    if (PyFunction_Check(object)) {
        return label_of_function(making, object);
    }
    if (PyCode_Check(object)) {
        return label_of_text(making, ((const PyCodeObject *)(const void *)object)->co_qualname);
    }
    if (PyType_Check(object)) {
        return ku__name_of_chars(making, (uintptr_t)((const PyTypeObject *)(const void *)object)->tp_name);
    }
    return tracked ? label_of_tracked(making, object) : KU_GRAPH_NONE;
}

#endif
