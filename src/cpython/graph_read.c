/* graph_read.c: see graph_read.h.
 *
 * Sources: Objects/{list,tuple,dict,set,unicode,bytearray,range,code}object.c and Objects/typeobject.c
 * (subtype_traverse()) of CPython v3.11.7 to v3.15.2; Include/structmember.h.
 */
#include "cpython/graph_facts.h"

#if KU__FACTS_SUPPORTED

#include "cpython/graph_read.h"

#include <string.h>
#include <structmember.h>

/* Dicts of more entries than this keep their keys unnamed: a name for each would make a shape as long as the dict. */
enum { NAMED_ENTRIES_MOST = 4096 };

/* How far ahead the reference that a type tells of next is looked for among those whose place is known. */
enum { AHEAD = 64 };

/* ---- telling ---- */

static void tell(ku__reading *reading, const void *target, uint32_t kind, uint32_t number) {
    if (target != NULL) {
        ku__reference reference = {.target = (uintptr_t)target, .kind = kind, .number = number, .counted = true};
        reading->telling.see(reading->telling.argument, &reference);
    }
}

static void tell_chars(ku__reading *reading, const void *target, uint32_t kind, const char *chars) {
    if (target != NULL) {
        ku__reference reference = {.target = (uintptr_t)target, .kind = kind, .fixed = chars, .counted = true};
        reading->telling.see(reading->telling.argument, &reference);
    }
}

static void tell_type(ku__reading *reading, const PyObject *object) {
    if ((Py_TYPE(object)->tp_flags & Py_TPFLAGS_HEAPTYPE) != 0) {
        tell(reading, Py_TYPE(object), KU_EDGE_TYPE, 0);
    }
}

static void own(ku__reading *reading, const void *block, size_t size, ku__buffer_kind kind) {
    if (block != NULL) {
        reading->telling.own(reading->telling.argument, (uintptr_t)block, size, kind);
    }
}

/* ---- exact builtin types, by lay-out ---- */

static void read_items(ku__reading *reading, PyObject *const *items, Py_ssize_t count) {
    for (Py_ssize_t i = 0; i < count; i++) {
        tell(reading, items[i], KU_EDGE_ITEM, (uint32_t)i);
    }
}

static void read_list(ku__reading *reading, PyObject *object) {
    const PyListObject *list = (const PyListObject *)(const void *)object;
    own(reading, list->ob_item, (size_t)list->allocated * sizeof(PyObject *), KU__BUFFER_ITEMS);
    if (list->ob_item != NULL) {
        read_items(reading, list->ob_item, Py_SIZE(list));
    }
}

static void read_tuple(ku__reading *reading, PyObject *object) {
    const PyTupleObject *tuple = (const PyTupleObject *)(const void *)object;
    read_items(reading, tuple->ob_item, Py_SIZE(tuple));
}

static void read_set(ku__reading *reading, PyObject *object) {
    const PySetObject *set = (const PySetObject *)(const void *)object;
    if (set->table != set->smalltable) {
        own(reading, set->table, ((size_t)set->mask + 1) * sizeof(setentry), KU__BUFFER_SET);
    }
    uint32_t number = 0;
    for (Py_ssize_t i = 0; i <= set->mask; i++) {
        if (set->table[i].key != NULL && set->table[i].hash != -1) {
            tell(reading, set->table[i].key, KU_EDGE_KEY, number++);
        }
    }
}

/* Whether the keys are names: all of them words of the program's, as those of a namespace are. */
static bool keys_are_names(const PyDictKeysObject *keys) {
    if (keys->dk_kind == DICT_KEYS_GENERAL || keys->dk_nentries > NAMED_ENTRIES_MOST) {
        return false;
    }
    for (Py_ssize_t i = 0; i < keys->dk_nentries; i++) {
        PyObject *value, *key = ku__fact_key(keys, (size_t)i, &value);
        if (key != NULL && value != NULL && !ku__fact_is_interned(key)) {
            return false;
        }
    }
    return true;
}

static void read_combined(ku__reading *reading, const PyDictKeysObject *keys) {
    bool named = reading->telling.named && keys_are_names(keys);
    uint32_t number = 0;
    for (Py_ssize_t i = 0; i < keys->dk_nentries; i++) {
        PyObject *value, *key = ku__fact_key(keys, (size_t)i, &value);
        if (key == NULL || value == NULL) {
            continue;
        }
        tell(reading, key, KU_EDGE_KEY, number);
        ku__reference reference = {
            .target = (uintptr_t)value, .kind = KU_EDGE_VALUE, .number = number, .counted = true};
        if (named) {
            reference.string = (uintptr_t)key;
            reference.number = 0;
        }
        reading->telling.see(reading->telling.argument, &reference);
        number++;
    }
}

static void read_split(ku__reading *reading, const PyDictValues *values, const PyDictKeysObject *keys, uint32_t kind) {
    size_t count = ku__fact_values_count(values, keys);
    for (size_t i = 0; i < count; i++) {
        PyObject *unused, *key = ku__fact_key(keys, i, &unused);
        if (values->values[i] != NULL) {
            ku__reference reference = {
                .target = (uintptr_t)values->values[i], .kind = kind, .string = (uintptr_t)key, .counted = true};
            reading->telling.see(reading->telling.argument, &reference);
        }
    }
}

static void ask_embedded(ku__reading *reading, PyObject *object);

static void read_dict(ku__reading *reading, PyObject *object) {
    const PyDictObject *dict = (const PyDictObject *)(const void *)object;
    const PyDictKeysObject *keys = dict->ma_keys;
    if (keys->dk_log2_size != 0) { /* all dicts that were never filled share one table, which is nobody's */
        own(reading, keys, ku__fact_keys_size(keys), KU__BUFFER_KEYS);
    }
    if (dict->ma_values == NULL) {
        read_combined(reading, keys);
    } else if (!ku__fact_values_embedded(dict->ma_values)) {
        size_t size;
        const void *block = ku__fact_values_block(dict->ma_values, keys, &size);
        own(reading, block, size, KU__BUFFER_VALUES);
        read_split(reading, dict->ma_values, keys, KU_EDGE_VALUE);
    } else {
        ask_embedded(reading, object);
    }
}

static void read_text(ku__reading *reading, PyObject *object) {
    const PyUnicodeObject *text = (const PyUnicodeObject *)(const void *)object;
    if (!text->_base._base.state.compact) {
        own(reading, text->data.any, 0, KU__BUFFER_TEXT);
    }
    if (!text->_base._base.state.compact || !text->_base._base.state.ascii) {
        own(reading, text->_base.utf8, (size_t)text->_base.utf8_length + 1, KU__BUFFER_TEXT);
    }
}

static void read_bytearray(ku__reading *reading, PyObject *object) {
    const PyByteArrayObject *bytes = (const PyByteArrayObject *)(const void *)object;
#if PY_VERSION_HEX >= 0x030F0000
    tell_chars(reading, bytes->ob_bytes_object, KU_EDGE_SLOT, "contents");
#else
    own(reading, bytes->ob_bytes, (size_t)bytes->ob_alloc, KU__BUFFER_BYTES);
#endif
}

static void read_code(ku__reading *reading, PyObject *object) {
    const PyCodeObject *code = (const PyCodeObject *)(const void *)object;
    tell_chars(reading, code->co_consts, KU_EDGE_SLOT, "co_consts");
    tell_chars(reading, code->co_names, KU_EDGE_SLOT, "co_names");
    tell_chars(reading, code->co_exceptiontable, KU_EDGE_SLOT, "co_exceptiontable");
    tell_chars(reading, code->co_localsplusnames, KU_EDGE_SLOT, "co_localsplusnames");
    tell_chars(reading, code->co_localspluskinds, KU_EDGE_SLOT, "co_localspluskinds");
    tell_chars(reading, code->co_filename, KU_EDGE_SLOT, "co_filename");
    tell_chars(reading, code->co_name, KU_EDGE_SLOT, "co_name");
    tell_chars(reading, code->co_qualname, KU_EDGE_SLOT, "co_qualname");
    tell_chars(reading, code->co_linetable, KU_EDGE_SLOT, "co_linetable");
}

/* rangeobject of Objects/rangeobject.c: start, stop, step, length behind the header. */
static void read_range(ku__reading *reading, PyObject *object) {
    static const char *const names[] = {"start", "stop", "step", "length"};
    PyObject *const *fields = (PyObject *const *)(const void *)(object + 1);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        tell_chars(reading, fields[i], KU_EDGE_SLOT, names[i]);
    }
}

/* A static type: its tp_traverse is for types that were made at run time. */
static void read_static_type(ku__reading *reading, PyObject *object) {
    const PyTypeObject *type = (const PyTypeObject *)(const void *)object;
    tell_chars(reading, type->tp_dict, KU_EDGE_SLOT, "__dict__");
    tell_chars(reading, type->tp_bases, KU_EDGE_SLOT, "__bases__");
    tell_chars(reading, type->tp_mro, KU_EDGE_SLOT, "__mro__");
    tell_chars(reading, type->tp_base, KU_EDGE_SLOT, "__base__");
}

typedef void reader(ku__reading *reading, PyObject *object);

/* NULL: not one of those. Types whose objects hold nothing have a reader that reads nothing. */
static void read_nothing(ku__reading *reading, PyObject *object) {
    (void)reading;
    (void)object;
}

static reader *exact_reader(const PyTypeObject *type) {
    const struct {
        const PyTypeObject *type;
        reader *read;
    } known[] = {
        {&PyUnicode_Type, read_text},
        {&PyLong_Type, read_nothing},
        {&PyTuple_Type, read_tuple},
        {&PyDict_Type, read_dict},
        {&PyList_Type, read_list},
        {&PyFloat_Type, read_nothing},
        {&PyBytes_Type, read_nothing},
        {&PySet_Type, read_set},
        {&PyFrozenSet_Type, read_set},
        {&PyCode_Type, read_code},
        {&PyBool_Type, read_nothing},
        {&PyComplex_Type, read_nothing},
        {&PyByteArray_Type, read_bytearray},
        {&PyRange_Type, read_range},
#if PY_VERSION_HEX >= 0x030F0000
        {&PyFrozenDict_Type, read_dict},
#endif
    };
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (known[i].type == type) {
            return known[i].read;
        }
    }
    return NULL;
}

/* ---- all others, by their type's own word ---- */

static void expect(ku__reading *reading, ku__reference reference) {
    ku__reference *room = reference.target == 0 ? NULL : ku__growing_push(&reading->expected, sizeof *room);
    if (room != NULL) {
        *room = reference;
    }
}

static void expect_members(ku__reading *reading, PyObject *object) {
    for (PyTypeObject *type = Py_TYPE(object); type != NULL; type = type->tp_base) {
        uint32_t kind = (type->tp_flags & Py_TPFLAGS_HEAPTYPE) != 0 ? KU_EDGE_ATTRIBUTE : KU_EDGE_SLOT;
        for (const PyMemberDef *member = type->tp_members; member != NULL && member->name != NULL; member++) {
            if ((member->type == T_OBJECT || member->type == T_OBJECT_EX) && member->offset > 0) {
                uintptr_t target;
                memcpy(&target, (const char *)object + member->offset, sizeof target);
                expect(reading, (ku__reference){.target = target, .kind = kind, .fixed = member->name});
            }
        }
    }
}

#define EXPECT_FIELD(place, name)                                                                                      \
    expect(reading, (ku__reference){.target = (uintptr_t)(place), .kind = KU_EDGE_SLOT, .fixed = (name)})

static void expect_function(ku__reading *reading, PyObject *object) {
    const PyFunctionObject *function = (const PyFunctionObject *)(const void *)object;
    EXPECT_FIELD(function->func_code, "__code__");
    EXPECT_FIELD(function->func_name, "__name__");
    EXPECT_FIELD(function->func_defaults, "__defaults__");
    EXPECT_FIELD(function->func_kwdefaults, "__kwdefaults__");
    EXPECT_FIELD(function->func_dict, "__dict__");
    EXPECT_FIELD(function->func_annotations, "__annotations__");
    EXPECT_FIELD(function->func_qualname, "__qualname__");
}

/* What a frame holds, in the order in which it tells of it. */
static void expect_locals(ku__reading *reading, const ku__frame_of_python *frame) {
    PyCodeObject *code = ku__fact_code(frame);
    const PyTupleObject *names = (const PyTupleObject *)(const void *)code->co_localsplusnames;
    for (Py_ssize_t i = 0; i < code->co_nlocalsplus && i < Py_SIZE(names); i++) {
        expect(reading, (ku__reference){.target = (uintptr_t)ku__fact_frame_item(frame, (size_t)i),
                                        .kind = KU_EDGE_LOCAL,
                                        .string = (uintptr_t)names->ob_item[i]});
    }
}

static void expect_generator(ku__reading *reading, PyObject *object) {
    const PyGenObject *generator = (const PyGenObject *)(const void *)object;
    if (ku__fact_generator_runs(object)) {
        expect_locals(reading, (const ku__frame_of_python *)(const void *)&generator->gi_iframe);
    }
}

/* A frame that is not in its thread's stack any more. */
static void expect_frame(ku__reading *reading, PyObject *object) {
    const ku__frame_of_python *frame = ((const PyFrameObject *)(const void *)object)->f_frame;
    EXPECT_FIELD(((const PyFrameObject *)(const void *)object)->f_back, "f_back");
    if (frame != NULL && ku__fact_has_code(frame)) {
        expect_locals(reading, frame);
    }
}

static void expect_exception(ku__reading *reading, PyObject *object) {
    const PyBaseExceptionObject *exception = (const PyBaseExceptionObject *)(const void *)object;
    EXPECT_FIELD(exception->args, "args");
    EXPECT_FIELD(exception->traceback, "__traceback__");
    EXPECT_FIELD(exception->context, "__context__");
    EXPECT_FIELD(exception->cause, "__cause__");
}

static void expect_traceback(ku__reading *reading, PyObject *object) {
    const PyTracebackObject *traceback = (const PyTracebackObject *)(const void *)object;
    EXPECT_FIELD(traceback->tb_next, "tb_next");
    EXPECT_FIELD(traceback->tb_frame, "tb_frame");
}

static void expect_c_function(ku__reading *reading, PyObject *object) {
    const PyCFunctionObject *function = (const PyCFunctionObject *)(const void *)object;
    EXPECT_FIELD(function->m_self, "__self__");
    EXPECT_FIELD(function->m_module, "__module__");
}

static void expect_type(ku__reading *reading, PyObject *object) {
    const PyTypeObject *type = (const PyTypeObject *)(const void *)object;
    EXPECT_FIELD(type->tp_dict, "__dict__");
    EXPECT_FIELD(type->tp_bases, "__bases__");
    EXPECT_FIELD(type->tp_mro, "__mro__");
    EXPECT_FIELD(type->tp_base, "__base__");
    EXPECT_FIELD(type->tp_subclasses, "subclasses");
    if ((type->tp_flags & Py_TPFLAGS_HEAPTYPE) != 0) {
        const PyHeapTypeObject *heap_type = (const PyHeapTypeObject *)(const void *)type;
        EXPECT_FIELD(heap_type->ht_name, "__name__");
        EXPECT_FIELD(heap_type->ht_qualname, "__qualname__");
        EXPECT_FIELD(heap_type->ht_slots, "__slots__");
        EXPECT_FIELD(heap_type->ht_module, "module");
    }
}

static void expect_values(ku__reading *reading, PyObject *object) {
    PyObject *dict;
    const PyDictValues *values = ku__fact_instance(object, &dict);
    expect(reading, (ku__reference){.target = (uintptr_t)dict, .kind = KU_EDGE_SLOT, .fixed = "__dict__"});
    const PyDictKeysObject *keys = values == NULL ? NULL : ku__fact_shared_keys(Py_TYPE(object));
    size_t count = keys == NULL ? 0 : ku__fact_values_count(values, keys);
    for (size_t i = 0; i < count; i++) {
        PyObject *unused;
        expect(reading, (ku__reference){.target = (uintptr_t)values->values[i],
                                        .kind = KU_EDGE_ATTRIBUTE,
                                        .string = (uintptr_t)ku__fact_key(keys, i, &unused)});
    }
}

static void expect_dict(ku__reading *reading, PyObject *object) {
    Py_ssize_t offset = Py_TYPE(object)->tp_dictoffset;
    if (offset > 0) {
        uintptr_t target;
        memcpy(&target, (const char *)object + offset, sizeof target);
        expect(reading, (ku__reference){.target = target, .kind = KU_EDGE_SLOT, .fixed = "__dict__"});
    }
}

static void expect_items(ku__reading *reading, PyObject *object) {
    if (PyTuple_Check(object)) {
        const PyTupleObject *tuple = (const PyTupleObject *)(const void *)object;
        for (Py_ssize_t i = 0; i < Py_SIZE(tuple); i++) {
            expect(reading, (ku__reference){
                                .target = (uintptr_t)tuple->ob_item[i], .kind = KU_EDGE_ITEM, .number = (uint32_t)i});
        }
    } else if (PyList_Check(object)) {
        const PyListObject *list = (const PyListObject *)(const void *)object;
        for (Py_ssize_t i = list->ob_item == NULL ? 0 : Py_SIZE(list); i-- > 0;) { /* list_traverse() goes down */
            expect(reading,
                   (ku__reference){.target = (uintptr_t)list->ob_item[i], .kind = KU_EDGE_ITEM, .number = (uint32_t)i});
        }
    }
}

/* Of a dict that is none of the exact type; its keys are told apart (add_keys()). */
static void expect_entries(ku__reading *reading, PyObject *object) {
    const PyDictObject *dict = (const PyDictObject *)(const void *)object;
    bool named = dict->ma_values == NULL && keys_are_names(dict->ma_keys);
    uint32_t number = 0;
    for (Py_ssize_t i = 0; dict->ma_values == NULL && i < dict->ma_keys->dk_nentries; i++) {
        PyObject *value, *key = ku__fact_key(dict->ma_keys, (size_t)i, &value);
        expect(reading, (ku__reference){.target = (uintptr_t)value,
                                        .kind = KU_EDGE_VALUE,
                                        .number = named ? 0 : number,
                                        .string = named ? (uintptr_t)key : 0});
        number += value != NULL;
    }
}

/* ---- what lies beside an object ---- */

static void expect_beside(void *argument, uintptr_t target, uint32_t number) {
    expect(argument, (ku__reference){.target = target, .kind = KU_EDGE_ITEM, .number = number});
}

static void pass_reference(void *argument, uintptr_t target, uint32_t number) {
    (void)argument;
    (void)target;
    (void)number;
}

static void own_block(void *argument, uintptr_t block, size_t size, ku__buffer_kind kind) {
    own(argument, (const void *)block, size, kind);
}

static void pass_block(void *argument, uintptr_t block, size_t size, ku__buffer_kind kind) {
    (void)argument;
    (void)block;
    (void)size;
    (void)kind;
}

/* Who asks of a few dead objects (producers_words.c) has no table of types: their tp_traverse tells what it tells. */
static ku__beside_kind beside_of(const ku__reading *reading) {
    return reading->types == NULL ? KU__BESIDE_NOTHING
                                  : (ku__beside_kind)ku__type_table_at(reading->types, *reading->running)->beside;
}

static void read_beside(ku__reading *reading, const PyObject *object, bool items) {
    ku__memory own_memory = {.seek = NULL};
    ku__beside to = {&own_memory, items ? expect_beside : pass_reference, items ? pass_block : own_block, reading};
    ku__beside_walk(&to, beside_of(reading), (uintptr_t)object);
}

static void expect_all(ku__reading *reading, PyObject *object) {
    reading->expected.used = 0;
    reading->cursor = 0;
    expect_items(reading, object);
    if (beside_of(reading) == KU__BESIDE_DEQUE) {
        read_beside(reading, object, true);
    }
    if (PyDict_Check(object)) {
        expect_entries(reading, object);
    }
    expect_values(reading, object);
    expect_members(reading, object);
    expect_dict(reading, object);
    if (PyFunction_Check(object)) {
        expect_function(reading, object);
    } else if (PyType_Check(object)) {
        expect_type(reading, object);
    } else if (PyCFunction_Check(object)) {
        expect_c_function(reading, object);
    } else if (PyGen_Check(object) || PyCoro_CheckExact(object) || PyAsyncGen_CheckExact(object)) {
        expect_generator(reading, object);
    } else if (PyFrame_Check(object)) {
        expect_frame(reading, object);
    } else if (PyExceptionInstance_Check(object)) {
        expect_exception(reading, object);
    } else if (PyTraceBack_Check(object)) {
        expect_traceback(reading, object);
    } else if (PyCell_Check(object)) {
        expect(reading, (ku__reference){.target = (uintptr_t)((PyCellObject *)(void *)object)->ob_ref,
                                        .kind = KU_EDGE_CELL,
                                        .fixed = "cell_contents"});
    }
    expect(reading, (ku__reference){.target = (uintptr_t)Py_TYPE(object), .kind = KU_EDGE_TYPE});
}

/* The next of those expected that is this one. */
static ku__reference *find_expected(ku__reading *reading, uintptr_t target) {
    ku__reference *all = KU__GROWING_ITEMS(&reading->expected, ku__reference);
    size_t count = KU__GROWING_COUNT(&reading->expected, ku__reference);
    size_t from = count <= AHEAD ? 0 : reading->cursor, end = from + AHEAD < count ? from + AHEAD : count;
    if (reading->cursor < count && all[reading->cursor].target == target) {
        return &all[reading->cursor];
    }
    for (size_t i = from; i < end; i++) {
        if (all[i].target == target) {
            return &all[i];
        }
    }
    return count != 0 && all[count - 1].target == target ? &all[count - 1] : NULL; /* the type, told of first by some */
}

static int hear(PyObject *target, void *argument) {
    ku__reading *reading = argument;
    ku__reference *known = reading->telling.named ? find_expected(reading, (uintptr_t)target) : NULL;
    ku__reference told = {.target = (uintptr_t)target, .kind = KU_EDGE_UNKNOWN, .counted = true};
    if (known != NULL) {
        reading->cursor = (size_t)(known - KU__GROWING_ITEMS(&reading->expected, ku__reference)) + 1;
        told = *known;
        told.counted = true;
        known->target = 0;
    } else {
        told.number = reading->unknown++;
    }
    reading->telling.see(reading->telling.argument, &told);
    return 0;
}

/* A dict whose values lie in an instance: whether it or the instance tells of them differs between micros of 3.13
 * (cpython 130327), so it is asked. */
static void ask_embedded(ku__reading *reading, PyObject *object) {
    const PyDictObject *dict = (const PyDictObject *)(const void *)object;
    size_t count = ku__fact_values_count(dict->ma_values, dict->ma_keys);
    reading->expected.used = 0;
    reading->cursor = 0;
    for (size_t i = 0; reading->telling.named && i < count; i++) {
        PyObject *unused, *key = ku__fact_key(dict->ma_keys, i, &unused);
        expect(reading, (ku__reference){.target = (uintptr_t)dict->ma_values->values[i],
                                        .kind = KU_EDGE_VALUE,
                                        .string = (uintptr_t)key});
    }
    reading->unknown = 0;
    PyDict_Type.tp_traverse(object, hear, reading);
}

static void own_beside(ku__reading *reading, PyObject *object) {
    PyObject *dict;
    const PyDictValues *values = ku__fact_instance(object, &dict);
    const PyDictKeysObject *keys = ku__fact_shared_keys(Py_TYPE(object));
    if (values != NULL && keys != NULL && !ku__fact_values_embedded(values)) {
        size_t size;
        const void *block = ku__fact_values_block(values, keys, &size);
        own(reading, block, size, KU__BUFFER_VALUES);
    }
    if (PyType_Check(object)) {
        const PyDictKeysObject *shared = ku__fact_shared_keys((PyTypeObject *)(void *)object);
        if (shared != NULL) {
            own(reading, shared, ku__fact_keys_size(shared), KU__BUFFER_KEYS);
        }
    } else if (PyList_Check(object)) {
        const PyListObject *list = (const PyListObject *)(const void *)object;
        own(reading, list->ob_item, (size_t)list->allocated * sizeof(PyObject *), KU__BUFFER_ITEMS);
    } else if (PyDict_Check(object)) {
        const PyDictKeysObject *table = ((const PyDictObject *)(const void *)object)->ma_keys;
        own(reading, table, ku__fact_keys_size(table), KU__BUFFER_KEYS);
    }
    if (beside_of(reading) != KU__BESIDE_NOTHING) {
        read_beside(reading, object, false);
    }
}

/* dict_traverse() leaves out keys that are strings: a subclass's are told here. */
static void add_keys(ku__reading *reading, PyObject *object) {
    const PyDictObject *dict = (const PyDictObject *)(const void *)object;
    const PyDictKeysObject *keys = dict->ma_keys;
    if (dict->ma_values != NULL || keys->dk_kind == DICT_KEYS_GENERAL) {
        return;
    }
    uint32_t number = 0;
    for (Py_ssize_t i = 0; i < keys->dk_nentries; i++) {
        PyObject *value, *key = ku__fact_key(keys, (size_t)i, &value);
        if (value != NULL) {
            tell(reading, key, KU_EDGE_KEY, number++);
        }
    }
}

static void ask_type(ku__reading *reading, PyObject *object) {
    own_beside(reading, object);
    if (PyDict_Check(object)) {
        add_keys(reading, object);
    }
    if (reading->telling.named) {
        expect_all(reading, object);
    }
    reading->unknown = 0;
    Py_TYPE(object)->tp_traverse(object, hear, reading);
}

bool ku__read_object(ku__reading *reading, PyObject *object, uint32_t type, bool tracked) {
    if (reading->banned[type] != 0) {
        return false;
    }
    *reading->running = type;
    reader *read = exact_reader(Py_TYPE(object));
    if (PyType_Check(object) && (((PyTypeObject *)(void *)object)->tp_flags & Py_TPFLAGS_HEAPTYPE) == 0) {
        read = read_static_type;
    }
    if (read != NULL) {
        read(reading, object);
    } else if (tracked && Py_TYPE(object)->tp_traverse != NULL) {
        ask_type(reading, object);
    } else {
        tell_type(reading, object);
        return (Py_TYPE(object)->tp_flags & Py_TPFLAGS_HAVE_GC) == 0;
    }
    return true;
}

/* ---- sizes and texts ---- */

static size_t text_bytes(const PyObject *object) {
    const PyASCIIObject *text = (const PyASCIIObject *)(const void *)object;
    size_t length = (size_t)text->length + 1;
    if (!text->state.compact) {
        return sizeof(PyUnicodeObject);
    }
    return text->state.ascii ? sizeof(PyASCIIObject) + length
                             : sizeof(PyCompactUnicodeObject) + length * text->state.kind;
}

static size_t item_count(const PyObject *object) {
    if (PyLong_Check(object)) {
#if PY_VERSION_HEX >= 0x030C0000
        size_t digits = ((const PyLongObject *)(const void *)object)->long_value.lv_tag >> 3;
#else
        Py_ssize_t size = Py_SIZE(object);
        size_t digits = (size_t)(size < 0 ? -size : size);
#endif
        return digits;
    }
    Py_ssize_t size = ((const PyVarObject *)(const void *)object)->ob_size;
    return (size_t)(size < 0 ? -size : size);
}

/* Generators and frames have items and no count of them. */
static bool has_frame(PyObject *object) {
    return PyGen_Check(object) || PyCoro_CheckExact(object) || PyAsyncGen_CheckExact(object) || PyFrame_Check(object);
}

size_t ku__object_bytes(PyObject *object, uint32_t front) {
    const PyTypeObject *type = Py_TYPE(object);
    if (PyUnicode_CheckExact(object)) {
        return text_bytes(object);
    }
    size_t bytes = front + (size_t)type->tp_basicsize;
    if (type->tp_itemsize > 0 && !has_frame(object)) {
        bytes += item_count(object) * (size_t)type->tp_itemsize;
    }
#if PY_VERSION_HEX >= 0x030D0000
    if ((type->tp_flags & Py_TPFLAGS_INLINE_VALUES) != 0) {
        size_t more;
        ku__fact_values_block(_PyObject_InlineValues(object), NULL, &more);
        bytes += more;
    }
#endif
    return bytes;
}

size_t ku__utf8_of(const PyObject *object, char *out, size_t size) {
    PyObject *text = (PyObject *)(uintptr_t)object;
    if (!PyUnicode_Check(text) || !((const PyASCIIObject *)(const void *)text)->state.compact) {
        return 0;
    }
    const PyASCIIObject *facts = (const PyASCIIObject *)(const void *)text;
    return ku__python_utf8(PyUnicode_DATA(text), facts->state.kind, (size_t)facts->length, out, size);
}

#endif
