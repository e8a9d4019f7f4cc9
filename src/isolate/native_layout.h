/* native_layout.h: where things lie in isolates, by number, for whoever reads their memory without being of the same
 * build: readers of core files (src/corefile); and for the graph of a living isolate, which is made by the same code.
 * The second half of alloc/anchor.h, whose number of a version holds for this too: who changes the meaning of a member,
 * or a bit of an object's header (object/object.h), counts it up.
 */
#ifndef KU__NATIVE_LAYOUT_H
#define KU__NATIVE_LAYOUT_H

#include "trace/anchor.h"

#include <stdint.h>

/* X(name, structure, member): offsets in bytes. */
#define KU__NATIVE_FIELDS(X)                                                                                           \
    X(isolate_next, ku_isolate, next)                                                                                  \
    X(isolate_name, ku_isolate, name)                                                                                  \
    X(isolate_tracked, ku_isolate, tracked)                                                                            \
    X(isolate_atoms, ku_isolate, atoms)                                                                                \
    X(isolate_buffers, ku_isolate, buffers)                                                                            \
    X(isolate_innermost, ku_isolate, front.innermost)                                                                  \
    X(isolate_pending, ku_isolate, pending.value)                                                                      \
    X(isolate_classes, ku_isolate, classes)                                                                            \
    X(isolate_gc, ku_isolate, gc)                                                                                      \
    X(isolate_births, ku_isolate, births)                                                                              \
    X(isolate_running, ku_isolate, running)                                                                            \
    X(isolate_exits, ku_isolate, exits)                                                                                \
    X(isolate_roots, ku_isolate, roots)                                                                                \
    X(isolate_root_count, ku_isolate, root_count)                                                                      \
    X(gc_garbage, ku__gc, garbage)                                                                                     \
    X(gc_saved, ku__gc, saved.items)                                                                                   \
    X(gc_saved_count, ku__gc, saved.count)                                                                             \
    X(births_tracer, ku__births, tracer)                                                                               \
    X(classes_by_number, ku__classes, by_number)                                                                       \
    X(classes_capacity, ku__classes, capacity)                                                                         \
    X(class_type, ku__class, type)                                                                                     \
    X(class_names, ku__class, names)                                                                                   \
    X(class_name_count, ku__class, name_count)                                                                         \
    X(class_lookup, ku__class, lookup)                                                                                 \
    X(lookup_mask, ku__lookup, mask)                                                                                   \
    X(lookup_entries, ku__lookup, entries)                                                                             \
    X(entry_name, ku__entry, name)                                                                                     \
    X(exit_next, ku__finalize, next)                                                                                   \
    X(running_holder, ku__running, lock.holder)                                                                        \
    X(running_threads, ku__running, lock.threads)                                                                      \
    X(thread_next, ku__thread, next)                                                                                   \
    X(thread_innermost, ku__thread, innermost)                                                                         \
    X(frame_back, ku_frame, back)                                                                                      \
    X(frame_place, ku_frame, place)                                                                                    \
    X(frame_slots, ku_frame, slots)                                                                                    \
    X(frame_more, ku_frame, more)                                                                                      \
    X(frame_count, ku_frame, count)                                                                                    \
    X(frame_line, ku_frame, line)                                                                                      \
    X(handles_next, ku_handles, next)                                                                                  \
    X(handles_count, ku_handles, count)                                                                                \
    X(handles_items, ku_handles, items)                                                                                \
    X(place_file, ku_place, file)                                                                                      \
    X(place_function, ku_place, function)                                                                              \
    X(type_number, ku_type, number)                                                                                    \
    X(type_name, ku_type, own.name)                                                                                    \
    X(type_isolate, ku_type, isolate)                                                                                  \
    X(type_object, ku_type, object)                                                                                    \
    X(type_order, ku_type, order)                                                                                      \
    X(type_order_count, ku_type, order_count)                                                                          \
    X(type_bases, ku_type, bases)                                                                                      \
    X(type_base_count, ku_type, base_count)                                                                            \
    X(type_fields, ku_type, fields)                                                                                    \
    X(type_field_count, ku_type, field_count)                                                                          \
    X(type_spec_fields, ku_type, own.fields)                                                                           \
    X(map_type, ku__type_map, type)                                                                                    \
    X(map_size, ku__type_map, size)                                                                                    \
    X(map_dict_word, ku__type_map, dict_word)                                                                          \
    X(map_flags, ku__type_map, flags)                                                                                  \
    X(map_traverse, ku__type_map, traverse)                                                                            \
    X(field_name, ku_field, name)                                                                                      \
    X(field_offset, ku_field, offset)                                                                                  \
    X(field_kind, ku_field, kind)                                                                                      \
    X(field_flags, ku_field, flags)                                                                                    \
    X(field_length, ku_field, length_offset)                                                                           \
    X(int_value, ku__int, value)                                                                                       \
    X(int_limbs, ku__int, limbs)                                                                                       \
    X(str_size, ku__str, size)                                                                                         \
    X(str_text, ku__str, text)                                                                                         \
    X(bytes_length, ku__bytes, length)                                                                                 \
    X(bytes_data, ku__bytes, data)                                                                                     \
    X(list_length, ku__list, length)                                                                                   \
    X(list_room, ku__list, room)                                                                                       \
    X(table_used, ku__hashed, table.used)                                                                              \
    X(table_capacity, ku__hashed, table.capacity)                                                                      \
    X(table_width, ku__hashed, table.width)

/* X(name, structure): sizes in bytes. */
#define KU__NATIVE_SIZES(X)                                                                                            \
    X(entry_bytes, ku__entry)                                                                                          \
    X(map_bytes, ku__type_map)                                                                                         \
    X(field_bytes, ku_field)

typedef struct ku__native_layout {
    uint32_t bytes; /* of this structure */
#define X(name, ...) uint32_t name;
    KU__NATIVE_FIELDS(X)
    KU__NATIVE_SIZES(X)
#undef X
    const void *isolates; /* ku_isolate *const *: the first of all */
    const void *maps;     /* ku__type_map *const *: by number of the type */
    const ku__trace_anchor *trace;
} ku__native_layout;

extern const ku__native_layout ku__native_laid_out;

#endif
