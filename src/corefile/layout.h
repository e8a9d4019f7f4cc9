/* layout.h: where things lie in the structures of a CPython that ran, by its version.
 *
 * A core file says nothing of the layout of what is in it, and the version that reads it need not be the one that
 * wrote it: so layouts are tables, one for each minor version. From 3.13 on the interpreter tells a part of it itself,
 * at the beginning of _PyRuntime (_Py_DebugOffsets, "xdebugpy"), and that part is taken from there. That a table is
 * right is tested under every interpreter, against the structures that its own headers declare
 * (cpython/core_layout.c).
 *
 * Sources: Include/cpython/{object,code,genobject,pystate}.h, Include/internal/pycore_{dict,frame,gc,interp,runtime}.h
 * and their *_structs.h from 3.14 on, pycore_debug_offsets.h; at v3.11.7, v3.12.1, v3.13.0, v3.14.10 and v3.15.2.
 */
#ifndef KU__LAYOUT_H
#define KU__LAYOUT_H

#include <stdint.h>

/* X(name): an offset in bytes where nothing else is said; KU__ABSENT where the version has no such thing. */
#define KU__LAYOUT_FIELDS(X)                                                                                           \
    X(runtime_interpreters)                                                                                            \
    X(interpreter_next)                                                                                                \
    X(interpreter_threads)                                                                                             \
    X(interpreter_modules)                                                                                             \
    X(interpreter_builtins)                                                                                            \
    X(interpreter_dict)                                                                                                \
    X(interpreter_gc)                                                                                                  \
    X(interpreter_generations) /* the head of the first list of the collector's */                                     \
    X(interpreter_frozen)      /* that of what gc.freeze() put away */                                                 \
    X(generation_bytes)        /* from one list to the next */                                                         \
    X(interpreter_statics)     /* the states of builtin static types */                                                \
    X(statics_count)           /* how many there can be */                                                             \
    X(static_bytes)            /* of one */                                                                            \
    X(static_type)             /* in one */                                                                            \
    X(static_subclasses)                                                                                               \
    X(thread_next)                                                                                                     \
    X(thread_frame) /* its innermost frame, or what that is behind (frame_behind) */                                   \
    X(frame_behind) /* KU__ABSENT: no step more */                                                                     \
    X(thread_id)                                                                                                       \
    X(frame_previous)                                                                                                  \
    X(frame_code)                                                                                                      \
    X(frame_function)                                                                                                  \
    X(frame_locals)                                                                                                    \
    X(frame_object)                                                                                                    \
    X(frame_instruction)                                                                                               \
    X(frame_stack) /* the end of its stack: a pointer where entries are tagged, else a count */                        \
    X(frame_owner)                                                                                                     \
    X(frame_items)                                                                                                     \
    X(frame_tags) /* bits of an entry that are no address */                                                           \
    X(code_constants)                                                                                                  \
    X(code_names)                                                                                                      \
    X(code_exceptions)                                                                                                 \
    X(code_variables)                                                                                                  \
    X(code_kinds)                                                                                                      \
    X(code_file)                                                                                                       \
    X(code_name)                                                                                                       \
    X(code_qualname)                                                                                                   \
    X(code_lines)                                                                                                      \
    X(code_first_line)                                                                                                 \
    X(code_variable_count)                                                                                             \
    X(code_stack)                                                                                                      \
    X(code_instructions)                                                                                               \
    X(type_bytes) /* of a type itself: where that of one made at run time goes on */                                   \
    X(type_subclasses)                                                                                                 \
    X(heap_name)                                                                                                       \
    X(heap_slots)                                                                                                      \
    X(heap_qualname)                                                                                                   \
    X(heap_keys)                                                                                                       \
    X(heap_module)                                                                                                     \
    X(front_flags) /* of types: bits that put two words more in front of an object */                                  \
    X(keys_log2_size)                                                                                                  \
    X(keys_log2_index)                                                                                                 \
    X(keys_kind)                                                                                                       \
    X(keys_entries)                                                                                                    \
    X(keys_indices)                                                                                                    \
    X(dict_keys)                                                                                                       \
    X(dict_values)                                                                                                     \
    X(values_items)                                                                                                    \
    X(values_capacity) /* KU__ABSENT: what the keys have room for */                                                   \
    X(values_embedded)                                                                                                 \
    X(values_valid)                                                                                                    \
    X(set_mask)                                                                                                        \
    X(set_table)                                                                                                       \
    X(set_small)                                                                                                       \
    X(text_length)                                                                                                     \
    X(text_state)                                                                                                      \
    X(text_kind)     /* shift of three bits */                                                                         \
    X(text_compact)  /* number of the bit */                                                                           \
    X(text_ascii)    /* the same */                                                                                    \
    X(text_interned) /* bits */                                                                                        \
    X(text_latin)    /* where the characters of ASCII begin */                                                         \
    X(text_wide)     /* and others */                                                                                  \
    X(text_utf8_length)                                                                                                \
    X(text_utf8)                                                                                                       \
    X(text_bytes) /* of a str that has its text elsewhere */                                                           \
    X(text_data)                                                                                                       \
    X(long_size)                                                                                                       \
    X(long_shift) /* of that: the number of digits stands above */                                                     \
    X(long_digits)                                                                                                     \
    X(bytes_data)                                                                                                      \
    X(bytearray_alloc)                                                                                                 \
    X(bytearray_bytes)                                                                                                 \
    X(bytearray_object)                                                                                                \
    X(function_code)                                                                                                   \
    X(function_name)                                                                                                   \
    X(function_defaults)                                                                                               \
    X(function_kwdefaults)                                                                                             \
    X(function_dict)                                                                                                   \
    X(function_annotations)                                                                                            \
    X(function_qualname)                                                                                               \
    X(function_builtins)                                                                                               \
    X(generator_frame)                                                                                                 \
    X(generator_state)                                                                                                 \
    X(generator_qualname)                                                                                              \
    X(generator_cleared) /* the state of one that has no frame any more */                                             \
    X(frame_object_frame)                                                                                              \
    X(frame_object_data)                                                                                               \
    X(module_dict)                                                                                                     \
    X(module_definition) /* KU__ABSENT: a module has the size of its state itself */                                   \
    X(module_state_size)                                                                                               \
    X(module_state)                                                                                                    \
    X(reference_target)                                                                                                \
    X(reference_callback)

#define KU__ABSENT INT32_MIN

typedef struct ku__layout {
#define X(name) int32_t name;
    KU__LAYOUT_FIELDS(X)
#undef X
} ku__layout;

enum { KU__LAYOUT_FIRST = 11, KU__LAYOUT_LAST = 15 }; /* minor versions of CPython 3 */

/* The layout of CPython 3.`minor`; NULL: there is none. Static storage. */
const ku__layout *ku__layout_of(unsigned minor);

#endif
