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

/* X(name, and its value in 3.11, 3.12, 3.13, 3.14, 3.15): an offset in bytes where nothing else is said; KU__ABSENT
 * where the version has no such thing. The numbers are those that offsetof() gives with each version's own headers. */
#define KU__LAYOUT_FIELDS(X)                                                                                           \
    X(runtime_interpreters, 40, 40, 632, 808, 936)                                                                     \
    X(interpreter_next, 0, 0, 7264, 7272, 7264)                                                                        \
    X(interpreter_threads, 16, 72, 7344, 7344, 7336)                                                                   \
    X(interpreter_modules, 888, 944, 7656, 7688, 7592)                                                                 \
    X(interpreter_builtins, 912, 360, 7648, 7680, 7584)                                                                \
    X(interpreter_dict, 1400, 1720, 8448, 8496, 8448)                                                                  \
    X(interpreter_gc, 648, 112, 7400, 7408, 7400)                                                                      \
    X(interpreter_generations, 672, 136, 7424, 7432, 7408) /* the head of the first list of the collector's */         \
    X(interpreter_frozen, 752, 216, 7504, 7504, 7480)      /* that of what gc.freeze() put away */                     \
    X(interpreter_collecting, 848, 312, 7600, 7600, 7512)  /* an int: a collection is going on */                      \
    X(generation_bytes, 24, 24, 24, 24, 24)                /* from one list to the next */                             \
    X(interpreter_statics, KU__ABSENT, 373704, 182968, 180240, 180264)        /* the states of builtin static types */ \
    X(interpreter_extensions, KU__ABSENT, KU__ABSENT, 192584, 189856, 190024) /* of those that modules of C have */    \
    X(extensions_count, KU__ABSENT, KU__ABSENT, 10, 10, 10)                                                            \
    X(statics_count, KU__ABSENT, 200, 200, 200, 203) /* how many there can be */                                       \
    X(static_bytes, KU__ABSENT, 40, 48, 48, 48)      /* of one */                                                      \
    X(static_type, KU__ABSENT, 0, 0, 0, 0)           /* in one */                                                      \
    X(static_subclasses, KU__ABSENT, 24, 32, 32, 32)                                                                   \
    X(thread_next, 8, 8, 8, 8, 8)                                                                                      \
    X(thread_frame, 56, 56, 72, 72, 72) /* its innermost frame, or what that is behind (frame_behind) */               \
    X(frame_behind, 8, 0, KU__ABSENT, KU__ABSENT, KU__ABSENT) /* KU__ABSENT: no step more */                           \
    X(thread_id, 152, 136, 152, 152, 176)                                                                              \
    X(frame_previous, 48, 8, 8, 8, 8)                                                                                  \
    X(frame_code, 32, 0, 0, 0, 0)                                                                                      \
    X(frame_function, 0, 16, 16, 16, 16)                                                                               \
    X(frame_locals, 24, 40, 40, 40, 40)                                                                                \
    X(frame_object, 40, 48, 48, 48, 48)                                                                                \
    X(frame_instruction, 56, 56, 56, 56, 56)                                                                           \
    X(frame_stack, 64, 64, 64, 64, 64) /* the end of its stack: a pointer where entries are tagged, else a count */    \
    X(frame_owner, 69, 70, 70, 74, 74)                                                                                 \
    X(frame_items, 72, 72, 72, 80, 80)                                                                                 \
    X(frame_tags, 0, 0, 0, 3, 3) /* bits of an entry that are no address */                                            \
    X(code_constants, 24, 24, 24, 24, 24)                                                                              \
    X(code_names, 32, 32, 32, 32, 32)                                                                                  \
    X(code_exceptions, 40, 40, 40, 40, 40)                                                                             \
    X(code_variables, 96, 96, 96, 96, 96)                                                                              \
    X(code_kinds, 104, 104, 104, 104, 104)                                                                             \
    X(code_file, 112, 112, 112, 112, 112)                                                                              \
    X(code_name, 120, 120, 120, 120, 120)                                                                              \
    X(code_qualname, 128, 128, 128, 128, 128)                                                                          \
    X(code_lines, 136, 136, 136, 136, 136)                                                                             \
    X(code_first_line, 72, 68, 68, 68, 68)                                                                             \
    X(code_variable_count, 76, 72, 72, 72, 72)                                                                         \
    X(code_stack, 68, 64, 64, 64, 64)                                                                                  \
    X(code_instructions, 184, 192, 200, 208, 208)                                                                      \
    X(type_bytes, 408, 416, 416, 416, 424) /* of a type itself: where that of one made at run time goes on */          \
    X(type_subclasses, 360, 360, 360, 360, 360)                                                                        \
    X(heap_name, 848, 856, 856, 856, 864)                                                                              \
    X(heap_slots, 856, 864, 864, 864, 872)                                                                             \
    X(heap_qualname, 864, 872, 872, 872, 880)                                                                          \
    X(heap_keys, 872, 880, 880, 880, 888)                                                                              \
    X(heap_module, 880, 888, 888, 888, 896)                                                                            \
    X(front_flags, 16, 24, 24, 24, 24) /* of types: bits that put two words more in front of an object */              \
    X(keys_log2_size, 8, 8, 8, 8, 8)                                                                                   \
    X(keys_log2_index, 9, 9, 9, 9, 9)                                                                                  \
    X(keys_kind, 10, 10, 10, 10, 10)                                                                                   \
    X(keys_entries, 24, 24, 24, 24, 24)                                                                                \
    X(keys_indices, 32, 32, 32, 32, 32)                                                                                \
    X(dict_keys, 32, 32, 32, 32, 32)                                                                                   \
    X(dict_values, 40, 40, 40, 40, 40)                                                                                 \
    X(values_items, 0, 0, 8, 8, 8)                                                                                     \
    X(values_capacity, KU__ABSENT, KU__ABSENT, 0, 0, 0) /* KU__ABSENT: what the keys have room for */                  \
    X(values_embedded, KU__ABSENT, KU__ABSENT, 2, 2, 2)                                                                \
    X(values_valid, KU__ABSENT, KU__ABSENT, 3, 3, 3)                                                                   \
    X(set_mask, 32, 32, 32, 32, 32)                                                                                    \
    X(set_table, 40, 40, 40, 40, 40)                                                                                   \
    X(set_small, 64, 64, 64, 64, 64)                                                                                   \
    X(text_length, 16, 16, 16, 16, 16)                                                                                 \
    X(text_state, 32, 32, 32, 32, 32)                                                                                  \
    X(text_kind, 2, 2, 2, 2, 2)       /* shift of three bits */                                                        \
    X(text_compact, 5, 5, 5, 5, 5)    /* number of the bit */                                                          \
    X(text_ascii, 6, 6, 6, 6, 6)      /* the same */                                                                   \
    X(text_interned, 3, 3, 3, 3, 3)   /* bits */                                                                       \
    X(text_latin, 48, 40, 40, 40, 40) /* where the characters of ASCII begin */                                        \
    X(text_wide, 72, 56, 56, 56, 56)  /* and others */                                                                 \
    X(text_utf8_length, 48, 40, 40, 40, 40)                                                                            \
    X(text_utf8, 56, 48, 48, 48, 48)                                                                                   \
    X(text_bytes, 80, 64, 64, 64, 64) /* of a str that has its text elsewhere */                                       \
    X(text_data, 72, 56, 56, 56, 56)                                                                                   \
    X(tuple_items, 24, 24, 24, 32, 32)                                                                                 \
    X(long_size, 16, 16, 16, 16, 16)                                                                                   \
    X(long_shift, 0, 3, 3, 3, 3) /* of that: the number of digits stands above */                                      \
    X(long_digits, 24, 24, 24, 24, 24)                                                                                 \
    X(bytes_data, 32, 32, 32, 32, 32)                                                                                  \
    X(bytearray_alloc, 24, 24, 24, 24, 24)                                                                             \
    X(bytearray_bytes, 32, 32, 32, 32, 32)                                                                             \
    X(bytearray_object, KU__ABSENT, KU__ABSENT, KU__ABSENT, KU__ABSENT, 56)                                            \
    X(function_code, 48, 48, 48, 48, 48)                                                                               \
    X(function_name, 32, 32, 32, 32, 32)                                                                               \
    X(function_defaults, 56, 56, 56, 56, 56)                                                                           \
    X(function_kwdefaults, 64, 64, 64, 64, 64)                                                                         \
    X(function_dict, 88, 88, 88, 88, 88)                                                                               \
    X(function_annotations, 112, 112, 112, 112, 112)                                                                   \
    X(function_qualname, 40, 40, 40, 40, 40)                                                                           \
    X(function_builtins, 24, 24, 24, 24, 24)                                                                           \
    X(generator_frame, 80, 72, 72, 72, 72)                                                                             \
    X(generator_state, 75, 67, 67, 67, 67)                                                                             \
    X(generator_qualname, 40, 32, 32, 32, 32)                                                                          \
    X(generator_cleared, 4, 4, 4, 4, 5) /* the state of one that has no frame any more */                              \
    X(exception_args, 24, 24, 24, 24, 24)                                                                              \
    X(exception_traceback, 40, 40, 40, 40, 40)                                                                         \
    X(exception_context, 48, 48, 48, 48, 48)                                                                           \
    X(exception_cause, 56, 56, 56, 56, 56)                                                                             \
    X(traceback_next, 16, 16, 16, 16, 16)                                                                              \
    X(traceback_frame, 24, 24, 24, 24, 24)                                                                             \
    X(frame_object_back, 16, 16, 16, 16, 16)                                                                           \
    X(frame_object_frame, 24, 24, 24, 24, 24)                                                                          \
    X(frame_object_data, 48, 48, 64, 72, 72)                                                                           \
    X(module_dict, 16, 16, 16, 16, 16)                                                                                 \
    X(module_definition, 24, 24, 24, 24, KU__ABSENT) /* KU__ABSENT: a module has the size of its state itself */       \
    X(module_state_size, 56, 56, 56, 56, 56)                                                                           \
    X(module_state, 32, 32, 32, 32, 24)                                                                                \
    X(reference_target, 16, 16, 16, 16, 16)                                                                            \
    X(reference_callback, 24, 24, 24, 24, 24)

#define KU__ABSENT INT32_MIN

typedef struct ku__layout {
#define X(name, ...) int32_t name;
    KU__LAYOUT_FIELDS(X)
#undef X
} ku__layout;

enum { KU__LAYOUT_FIRST = 11, KU__LAYOUT_LAST = 15 }; /* minor versions of CPython 3 */

/* The layout of CPython 3.`minor`; NULL: there is none. Static storage. */
const ku__layout *ku__layout_of(unsigned minor);

#endif
