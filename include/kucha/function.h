/* function.h: what can be called: functions of C as objects, bound methods; and cells, which closures share.
 *
 * A function has a name, a number of arguments that it takes at least and at most, and a `self` object of its maker's
 * choosing, which the C function is given first: the variables of a closure, a module. The wrong number of arguments is
 * KU_TYPE before the C function is called: "scale expected 2 arguments, got 1".
 *
 * A function that is read as attribute of a type through an instance becomes a bound method: calling it puts the
 * instance before the arguments. Functions made from the ku_method table of a type get the instance as `self` instead.
 *
 * Lock: the isolate's. Source: the Python library reference, "Methods"; Objects/methodobject.c of CPython 3.14.
 */
#ifndef KUCHA_FUNCTION_H
#define KUCHA_FUNCTION_H

#include <kucha/object.h>
#include <kucha/type.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- calling ---- */

/* Calls any object that can be called; `arguments` are borrowed, and NULL will do for a count of 0. The result, new.
 * KU_TYPE: "'int' object is not callable". */
KU_API ku_object *ku_call(ku_isolate *isolate, ku_object *callable, ku_object *const *arguments, size_t count);

/* Calls the attribute `name` of the object with these arguments. */
KU_API ku_object *ku_call_method(ku_isolate *isolate, ku_object *object, const char *name, ku_object *const *arguments,
                                 size_t count);

/* Whether ku_call() can call it. */
KU_API bool ku_is_callable(const ku_object *object);

/* ---- functions ---- */

/* A function that calls `code(isolate, self, arguments, count)` with `least` to `most` arguments (KU_ANY_COUNT: no
 * bound). `self` may be NULL; a reference is taken. */
KU_API ku_object *ku_function_new(ku_isolate *isolate, const char *name, ku_c_method *code, size_t least, size_t most,
                                  ku_object *self);

/* A function out of a type's table: its first argument is the object, which the C function is given as `self`. */
KU_API ku_object *ku_function_from_method(ku_isolate *isolate, const ku_method *method);

KU_API ku_object *ku_function_name(const ku_object *function); /* a str, borrowed; NULL for what is no function */
KU_API ku_object *ku_function_self(const ku_object *function); /* borrowed, or NULL */

/* ---- bound methods ---- */

KU_API ku_object *ku_method_new(ku_isolate *isolate, ku_object *function, ku_object *instance);
KU_API ku_object *ku_method_function(const ku_object *method); /* borrowed; NULL for what is no method */
KU_API ku_object *ku_method_instance(const ku_object *method); /* borrowed; NULL for what is no method */

/* ---- cells ---- a variable that several functions share */

/* `value` may be NULL: an empty cell. */
KU_API ku_object *ku_cell_new(ku_isolate *isolate, ku_object *value);
KU_API ku_object *ku_cell_get(const ku_object *cell); /* borrowed, until it is set; NULL when empty, or no cell */
KU_API bool ku_cell_set(ku_isolate *isolate, ku_object *cell, ku_object *value); /* NULL empties it */

#ifdef __cplusplus
}
#endif

#endif
