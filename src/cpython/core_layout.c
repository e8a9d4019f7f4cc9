/* core_layout.c: the layout of this interpreter, as its own headers declare it, beside the one that core files of its
 * version are read by (corefile/layout.h): a test asks for what differs.
 */
#include "cpython/graph_facts.h"

#include "corefile/layout.h"
#include "cpython/core_module.h"

#include "internal/pycore_moduleobject.h"

#include <stddef.h>

#if KU__FACTS_SUPPORTED

#define AT(structure, member) (int32_t) offsetof(structure, member)

static void interpreter_here(ku__layout *here) {
    here->runtime_interpreters = AT(_PyRuntimeState, interpreters.head);
    here->interpreter_next = AT(PyInterpreterState, next);
    here->interpreter_threads = AT(PyInterpreterState, threads.head);
    here->interpreter_builtins = AT(PyInterpreterState, builtins);
    here->interpreter_dict = AT(PyInterpreterState, dict);
    here->interpreter_gc = AT(PyInterpreterState, gc);
    /* Releases of 3.13 differ by 4 here, which the reader finds out (corefile/python.c). */
    here->interpreter_generations =
        (int32_t)_Py_SIZE_ROUND_UP(offsetof(PyInterpreterState, gc.generations), sizeof(uintptr_t));
    here->interpreter_frozen = AT(PyInterpreterState, gc.permanent_generation);
    here->interpreter_collecting = AT(PyInterpreterState, gc.collecting);
    here->generation_bytes = sizeof(struct gc_generation);
#if PY_VERSION_HEX >= 0x030C0000
    here->interpreter_modules = AT(PyInterpreterState, imports.modules);
#else
    here->interpreter_modules = AT(PyInterpreterState, modules);
#endif
#if PY_VERSION_HEX >= 0x030D0000
    here->interpreter_statics = AT(PyInterpreterState, types.builtins.initialized);
    here->statics_count = _Py_MAX_MANAGED_STATIC_BUILTIN_TYPES;
    here->interpreter_extensions = AT(PyInterpreterState, types.for_extensions.initialized);
    here->extensions_count = _Py_MAX_MANAGED_STATIC_EXT_TYPES;
    here->static_bytes = sizeof(managed_static_type_state);
    here->static_type = AT(managed_static_type_state, type);
    here->static_subclasses = AT(managed_static_type_state, tp_subclasses);
#elif PY_VERSION_HEX >= 0x030C0000
    here->interpreter_statics = AT(PyInterpreterState, types.builtins);
    here->statics_count = _Py_MAX_STATIC_BUILTIN_TYPES;
    here->static_bytes = sizeof(static_builtin_state);
    here->static_type = AT(static_builtin_state, type);
    here->static_subclasses = AT(static_builtin_state, tp_subclasses);
#endif
}

static void frames_here(ku__layout *here) {
    here->thread_next = AT(PyThreadState, next);
    here->thread_id = AT(PyThreadState, thread_id);
#if PY_VERSION_HEX >= 0x030D0000
    here->thread_frame = AT(PyThreadState, current_frame);
#else
    here->thread_frame = AT(PyThreadState, cframe);
    here->frame_behind = AT(_PyCFrame, current_frame);
#endif
    here->frame_previous = AT(ku__frame_of_python, previous);
    here->frame_locals = AT(ku__frame_of_python, f_locals);
    here->frame_object = AT(ku__frame_of_python, frame_obj);
    here->frame_owner = AT(ku__frame_of_python, owner);
    here->frame_items = AT(ku__frame_of_python, localsplus);
#if PY_VERSION_HEX >= 0x030D0000
    here->frame_code = AT(ku__frame_of_python, f_executable);
    here->frame_instruction = AT(ku__frame_of_python, instr_ptr);
#else
    here->frame_code = AT(ku__frame_of_python, f_code);
    here->frame_instruction = AT(ku__frame_of_python, prev_instr);
#endif
#if PY_VERSION_HEX >= 0x030C0000
    here->frame_function = AT(ku__frame_of_python, f_funcobj);
#else
    here->frame_function = AT(ku__frame_of_python, f_func);
#endif
#if PY_VERSION_HEX >= 0x030E0000
    here->frame_stack = AT(ku__frame_of_python, stackpointer);
    here->frame_tags = KU__STACK_INT;
#else
    here->frame_stack = AT(ku__frame_of_python, stacktop);
    here->frame_tags = 0;
#endif
    here->frame_object_back = AT(PyFrameObject, f_back);
    here->frame_object_frame = AT(PyFrameObject, f_frame);
    here->frame_object_data = AT(PyFrameObject, _f_frame_data);
}

static void code_here(ku__layout *here) {
    here->code_constants = AT(PyCodeObject, co_consts);
    here->code_names = AT(PyCodeObject, co_names);
    here->code_exceptions = AT(PyCodeObject, co_exceptiontable);
    here->code_variables = AT(PyCodeObject, co_localsplusnames);
    here->code_kinds = AT(PyCodeObject, co_localspluskinds);
    here->code_file = AT(PyCodeObject, co_filename);
    here->code_name = AT(PyCodeObject, co_name);
    here->code_qualname = AT(PyCodeObject, co_qualname);
    here->code_lines = AT(PyCodeObject, co_linetable);
    here->code_first_line = AT(PyCodeObject, co_firstlineno);
    here->code_variable_count = AT(PyCodeObject, co_nlocalsplus);
    here->code_stack = AT(PyCodeObject, co_stacksize);
    here->code_instructions = AT(PyCodeObject, co_code_adaptive);
    here->generator_frame = AT(PyGenObject, gi_iframe);
    here->generator_state = AT(PyGenObject, gi_frame_state);
    here->generator_qualname = AT(PyGenObject, gi_qualname);
    here->generator_cleared = FRAME_CLEARED;
}

static void types_here(ku__layout *here) {
    here->type_bytes = sizeof(PyTypeObject);
    here->type_subclasses = AT(PyTypeObject, tp_subclasses);
    here->heap_name = AT(PyHeapTypeObject, ht_name);
    here->heap_slots = AT(PyHeapTypeObject, ht_slots);
    here->heap_qualname = AT(PyHeapTypeObject, ht_qualname);
    here->heap_keys = AT(PyHeapTypeObject, ht_cached_keys);
    here->heap_module = AT(PyHeapTypeObject, ht_module);
#if PY_VERSION_HEX >= 0x030C0000
    here->front_flags = Py_TPFLAGS_MANAGED_DICT | Py_TPFLAGS_MANAGED_WEAKREF;
#else
    here->front_flags = 1 << 4; /* _Py_TPFLAGS_MANAGED_DICT, which has no public name there */
#endif
}

static void dicts_here(ku__layout *here) {
    here->keys_log2_size = AT(PyDictKeysObject, dk_log2_size);
    here->keys_log2_index = AT(PyDictKeysObject, dk_log2_index_bytes);
    here->keys_kind = AT(PyDictKeysObject, dk_kind);
    here->keys_entries = AT(PyDictKeysObject, dk_nentries);
    here->keys_indices = AT(PyDictKeysObject, dk_indices);
    here->dict_keys = AT(PyDictObject, ma_keys);
    here->dict_values = AT(PyDictObject, ma_values);
    here->values_items = AT(PyDictValues, values);
#if PY_VERSION_HEX >= 0x030D0000
    here->values_capacity = AT(PyDictValues, capacity);
    here->values_embedded = AT(PyDictValues, embedded);
    here->values_valid = AT(PyDictValues, valid);
#endif
    here->tuple_items = AT(PyTupleObject, ob_item);
    here->set_mask = AT(PySetObject, mask);
    here->set_table = AT(PySetObject, table);
    here->set_small = AT(PySetObject, smalltable);
}

/* The state of a str as a word, with one member of it set. */
#define STATE(member, value)                                                                                           \
    ({                                                                                                                 \
        PyASCIIObject text = {.state = {.member = (value)}};                                                           \
        uint32_t word;                                                                                                 \
        __builtin_memcpy(&word, &text.state, sizeof word);                                                             \
        (int32_t) word;                                                                                                \
    })

static void texts_here(ku__layout *here) {
    here->text_length = AT(PyASCIIObject, length);
    here->text_state = AT(PyASCIIObject, state);
    here->text_kind = __builtin_ctz((unsigned)STATE(kind, 1));
    here->text_compact = __builtin_ctz((unsigned)STATE(compact, 1));
    here->text_ascii = __builtin_ctz((unsigned)STATE(ascii, 1));
    here->text_interned = STATE(interned, 3);
    here->text_latin = sizeof(PyASCIIObject);
    here->text_wide = sizeof(PyCompactUnicodeObject);
    here->text_utf8_length = AT(PyCompactUnicodeObject, utf8_length);
    here->text_utf8 = AT(PyCompactUnicodeObject, utf8);
    here->text_bytes = sizeof(PyUnicodeObject);
    here->text_data = AT(PyUnicodeObject, data);
    here->bytes_data = AT(PyBytesObject, ob_sval);
    here->bytearray_alloc = AT(PyByteArrayObject, ob_alloc);
    here->bytearray_bytes = AT(PyByteArrayObject, ob_bytes);
#if PY_VERSION_HEX >= 0x030F0000
    here->bytearray_object = AT(PyByteArrayObject, ob_bytes_object);
#endif
#if PY_VERSION_HEX >= 0x030C0000
    here->long_size = AT(PyLongObject, long_value.lv_tag);
    here->long_shift = 3;
    here->long_digits = AT(PyLongObject, long_value.ob_digit);
#else
    here->long_size = AT(PyVarObject, ob_size);
    here->long_shift = 0;
    here->long_digits = AT(PyLongObject, ob_digit);
#endif
}

static void functions_here(ku__layout *here) {
    here->function_code = AT(PyFunctionObject, func_code);
    here->function_name = AT(PyFunctionObject, func_name);
    here->function_defaults = AT(PyFunctionObject, func_defaults);
    here->function_kwdefaults = AT(PyFunctionObject, func_kwdefaults);
    here->function_dict = AT(PyFunctionObject, func_dict);
    here->function_annotations = AT(PyFunctionObject, func_annotations);
    here->function_qualname = AT(PyFunctionObject, func_qualname);
    here->function_builtins = AT(PyFunctionObject, func_builtins);
    here->exception_args = AT(PyBaseExceptionObject, args);
    here->exception_traceback = AT(PyBaseExceptionObject, traceback);
    here->exception_context = AT(PyBaseExceptionObject, context);
    here->exception_cause = AT(PyBaseExceptionObject, cause);
    here->traceback_next = AT(PyTracebackObject, tb_next);
    here->traceback_frame = AT(PyTracebackObject, tb_frame);
    here->module_dict = AT(PyModuleObject, md_dict);
#if PY_VERSION_HEX >= 0x030F0000
    here->module_state_size = AT(PyModuleObject, md_state_size);
#else
    here->module_definition = AT(PyModuleObject, md_def);
    here->module_state_size = AT(PyModuleDef, m_size); /* in the definition */
#endif
    here->module_state = AT(PyModuleObject, md_state);
    here->reference_target = AT(PyWeakReference, wr_object);
    here->reference_callback = AT(PyWeakReference, wr_callback);
}

static void layout_here(ku__layout *here) {
#define X(name, ...) here->name = KU__ABSENT;
    KU__LAYOUT_FIELDS(X)
#undef X
    interpreter_here(here);
    frames_here(here);
    code_here(here);
    types_here(here);
    dicts_here(here);
    texts_here(here);
    functions_here(here);
}

/* One of the layout's members that differs: (name, here, in the table). */
static bool add_difference(PyObject *list, const char *name, int32_t here, int32_t table) {
    PyObject *row = here == table ? NULL : Py_BuildValue("(sii)", name, (int)here, (int)table);
    bool added = here == table || (row != NULL && PyList_Append(list, row) == 0);
    Py_XDECREF(row);
    return added;
}

static bool add_differences(PyObject *list, const ku__layout *here, const ku__layout *table) {
#define X(name, ...)                                                                                                   \
    if (!add_difference(list, #name, here->name, table->name)) {                                                       \
        return false;                                                                                                  \
    }
    KU__LAYOUT_FIELDS(X)
#undef X
    return true;
}

PyObject *ku__core_layout_call(PyObject *module, PyObject *Py_UNUSED(unused)) {
    (void)module;
    ku__layout here;
    static const ku__layout nothing;
    const ku__layout *table = ku__layout_of(PY_MINOR_VERSION);
    layout_here(&here);
    PyObject *list = PyList_New(0);
    if (list != NULL && !add_differences(list, &here, table == NULL ? &nothing : table)) {
        Py_CLEAR(list);
    }
    return list;
}

#else

PyObject *ku__core_layout_call(PyObject *module, PyObject *Py_UNUSED(unused)) {
    (void)module;
    return PyList_New(0);
}

#endif
