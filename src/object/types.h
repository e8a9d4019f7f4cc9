/* types.h: the process's table of types, and what making one consists of.
 *
 * A type is made in four steps, each in a file of its own:
 *
 *     bases    order.c    its bases are looked at, and C3 puts all it inherits from in order
 *     lay-out  layout.c   inherited fields and its own get offsets; two bases with different ones conflict
 *     hooks    types.c    inherited ones are resolved
 *     map      layout.c   the fields become a map of 32 bytes (object.h)
 *
 * All of a type's parts lie in one piece of memory: of the process for static types, never given back; in a buffer of
 * its isolate for others.
 *
 * Lock: the process's lock guards numbers and the list of static types. A type does not change after its number is out,
 * with one exception, under the lock of its isolate: KU__MAP_FINALIZE of types made at run time.
 */
#ifndef KU__TYPES_H
#define KU__TYPES_H

#include "object/object.h"

/* What a type is to be made from. */
typedef struct ku__type_recipe {
    const ku_type_spec *spec;
    ku_type *const *bases; /* NULL with 0: none, for `object` itself */
    uint32_t base_count;
    ku_isolate *isolate; /* NULL: a static type */
} ku__type_recipe;

/* Sets up the table, and the built-in types; by the first isolate or static type. Any thread. */
bool ku__types_open(ku_error *error);

/* Whether a type has this number now. */
bool ku__types_has(uint32_t number);

/* Makes a type at run time, with a number of its own. `spec` and all it points to live as long as the type. NULL with
 * `error` filled. */
ku_type *ku__type_make(ku_isolate *isolate, const ku_type_spec *spec, ku_type *const *bases, size_t count,
                       ku_error *error);

/* Ends a type made at run time: its number can be given again. */
void ku__type_unmake(ku_type *type);

/* Fills order, order_count; `type` has its bases. False with `error` filled when there is no consistent order. Room for
 * ku__order_most() entries is there. */
bool ku__order_fill(ku_type *type, ku_error *error);
size_t ku__order_most(const ku__type_recipe *recipe);

/* Fills layout, fields, size, dict_offset, flags. Room for ku__fields_most() fields is there. */
bool ku__layout_fill(ku_type *type, ku_error *error);
size_t ku__fields_most(const ku__type_recipe *recipe);

/* The map of a type whose lay-out and hooks are there. */
ku__type_map ku__map_compile(ku_type *type);

/* Bytes that a field of this kind takes; 0: it has no size of its own (PLAIN, TAIL). */
size_t ku__field_bytes(const ku_field *field);

/* Specs of built-in types by number; NULL where a room has none. */
extern const ku_type_spec *const ku__builtin_specs[KU_BUILTIN_COUNT];

/* Fills an error, cut to its size; returns false. */
bool ku__error_fill(ku_error *error, ku_code code, const char *format, ...) __attribute__((format(printf, 3, 4)));

#endif
