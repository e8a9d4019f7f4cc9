/* operations.h: what can be done with any value: compare, hash, reckon, walk, index, show, copy.
 *
 * Each operation asks the types of its operands. Built-in types answer as Python's do; a type of a program's own
 * answers through the hooks of its ku_type_spec and of a ku_operations, and inherits what it does not say.
 *
 * In place. ku_add_in_place() and its kin are `a += b`: an object that can change does so and is the result (a list
 * keeps its identity); of one that cannot (int, str, tuple) a new result is made. The result is a new reference
 * either way; the usual form is
 *
 *     ku_object *sum = ku_add_in_place(isolate, a, b);
 *     if (sum != NULL) { ku_decref(isolate, a); a = sum; }
 *
 * Depth. Comparing, hashing and showing containers inside of containers goes KU_RECURSION_MAX deep and then fails with
 * KU_RECURSION: "maximum recursion depth exceeded in comparison". Copying goes to any depth in bounded stack.
 *
 * Lock: the isolate's. Source: the Python language reference, "Data model" and "Expressions"; texts of errors as of
 * CPython 3.14.
 */
#ifndef KUCHA_OPERATIONS_H
#define KUCHA_OPERATIONS_H

#include <kucha/object.h>
#include <kucha/type.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { KU_RECURSION_MAX = 1000 }; /* sys.getrecursionlimit() of a fresh interpreter */

typedef enum ku_operator {
    KU_ADD,
    KU_SUBTRACT,
    KU_MULTIPLY,
    KU_DIVIDE,       /* true division: of ints too, a float */
    KU_FLOOR_DIVIDE, /* rounded down */
    KU_REMAINDER,    /* has the sign of the divisor */
    KU_POWER,
    KU_LEFT_SHIFT,
    KU_RIGHT_SHIFT,
    KU_AND, /* bits of ints, as of two's complement with endless sign bits; items of sets; entries of dicts with OR */
    KU_OR,
    KU_XOR,
    KU_OPERATOR_COUNT,
} ku_operator;

typedef enum ku_unary_operator { KU_NEGATIVE, KU_POSITIVE, KU_ABSOLUTE, KU_INVERT, KU_UNARY_COUNT } ku_unary_operator;

typedef enum ku_comparison {
    KU_LESS,
    KU_LESS_EQUAL,
    KU_EQUAL,
    KU_NOT_EQUAL,
    KU_GREATER,
    KU_GREATER_EQUAL
} ku_comparison;

/* ---- hooks of a type ---- all may be NULL, and may fail by setting the pending error */

/* Asked of the left operand's type, then of the right one's (of that first when it inherits from the left one's).
 * Returns false with an error pending; else true, with *result new, or NULL for "not with these operands". */
typedef bool ku_binary_hook(ku_isolate *isolate, ku_operator which, ku_object *left, ku_object *right,
                            ku_object **result);
typedef bool ku_unary_hook(ku_isolate *isolate, ku_unary_operator which, ku_object *self, ku_object **result);

/* LESS to GREATER_EQUAL without the equalities; other may be of any type: 1, 0, -1, or KU_NO_ANSWER. */
typedef int ku_compare_hook(ku_isolate *isolate, ku_comparison which, ku_object *self, ku_object *other);
typedef int64_t ku_length_hook(ku_isolate *isolate, ku_object *self);                      /* -1: error */
typedef int ku_truth_hook(ku_isolate *isolate, ku_object *self);                           /* 1, 0, -1 */
typedef int ku_contains_hook(ku_isolate *isolate, ku_object *self, ku_object *item);       /* 1, 0, -1 */
typedef ku_object *ku_get_item_hook(ku_isolate *isolate, ku_object *self, ku_object *key); /* new */
typedef bool ku_set_item_hook(ku_isolate *isolate, ku_object *self, ku_object *key,
                              ku_object *value);                       /* NULL: delete */
typedef ku_object *ku_iter_hook(ku_isolate *isolate, ku_object *self); /* an object with `next`, new */
typedef ku_object *ku_next_hook(ku_isolate *isolate, ku_object *self); /* new; NULL without an error at the end */
typedef ku_object *ku_text_hook(ku_isolate *isolate, ku_object *self); /* str(self), where repr will not do */

typedef struct ku_operations {
    ku_binary_hook *binary;
    ku_binary_hook *in_place; /* asked before `binary`; only of the left operand's type */
    ku_unary_hook *unary;
    ku_compare_hook *compare;
    ku_length_hook *length;
    ku_truth_hook *truth;       /* NULL: a length of 0 is false, all else true */
    ku_contains_hook *contains; /* NULL: by iteration */
    ku_get_item_hook *get_item;
    ku_set_item_hook *set_item;
    ku_iter_hook *iter;
    ku_next_hook *next;
    ku_text_hook *text;
} ku_operations;

/* ---- equality, order, hash, truth ---- */

/* 1, 0, -1. An object is asked about itself too (a float that is no number is not equal to itself); containers take
 * the same item for equal. */
KU_API int ku_equal(ku_isolate *isolate, ku_object *a, ku_object *b);

/* 1, 0, -1. KU_TYPE: "'<' not supported between instances of 'int' and 'str'". */
KU_API int ku_compare(ku_isolate *isolate, ku_comparison which, ku_object *a, ku_object *b);

/* False: KU_TYPE: "unhashable type: 'list'". Equal numbers have equal hashes whatever their types, and those of Python:
 * the value modulo 2^61 - 1. Text and bytes are hashed by XXH3 with a seed that each process chooses anew. */
KU_API bool ku_hash(ku_isolate *isolate, ku_object *object, uint64_t *hash);

KU_API int ku_truth(ku_isolate *isolate, ku_object *object); /* 1, 0, -1 */

/* ---- arithmetic and concatenation ---- new; KU_TYPE: "unsupported operand type(s) for +: 'int' and 'NoneType'" */

KU_API ku_object *ku_binary(ku_isolate *isolate, ku_operator which, ku_object *a, ku_object *b);
KU_API ku_object *ku_binary_in_place(ku_isolate *isolate, ku_operator which, ku_object *a, ku_object *b);
KU_API ku_object *ku_unary(ku_isolate *isolate, ku_unary_operator which, ku_object *a);

KU_API ku_object *ku_add(ku_isolate *isolate, ku_object *a, ku_object *b);
KU_API ku_object *ku_subtract(ku_isolate *isolate, ku_object *a, ku_object *b);
KU_API ku_object *ku_multiply(ku_isolate *isolate, ku_object *a, ku_object *b);
KU_API ku_object *ku_divide(ku_isolate *isolate, ku_object *a, ku_object *b);
KU_API ku_object *ku_floor_divide(ku_isolate *isolate, ku_object *a, ku_object *b);
KU_API ku_object *ku_remainder(ku_isolate *isolate, ku_object *a, ku_object *b);
KU_API ku_object *ku_power(ku_isolate *isolate, ku_object *a, ku_object *b);
KU_API ku_object *ku_add_in_place(ku_isolate *isolate, ku_object *a, ku_object *b);
KU_API ku_object *ku_subtract_in_place(ku_isolate *isolate, ku_object *a, ku_object *b);
KU_API ku_object *ku_multiply_in_place(ku_isolate *isolate, ku_object *a, ku_object *b);

/* Quotient rounded down and remainder together. Both new. */
KU_API bool ku_divmod(ku_isolate *isolate, ku_object *a, ku_object *b, ku_object **quotient, ku_object **remainder);

/* ---- items ---- */

KU_API int64_t ku_length(ku_isolate *isolate, ku_object *object); /* -1: "object of type 'int' has no len()" */
KU_API int ku_contains(ku_isolate *isolate, ku_object *container, ku_object *item); /* 1, 0, -1 */

/* object[key]: by index (negative ones count from the end) or by key. New. */
KU_API ku_object *ku_get_item(ku_isolate *isolate, ku_object *object, ku_object *key);
KU_API bool ku_set_item(ku_isolate *isolate, ku_object *object, ku_object *key, ku_object *value);
KU_API bool ku_delete_item(ku_isolate *isolate, ku_object *object, ku_object *key);
KU_API ku_object *ku_get_index(ku_isolate *isolate, ku_object *object, int64_t index);
KU_API bool ku_set_index(ku_isolate *isolate, ku_object *object, int64_t index, ku_object *value);

/* object[start:stop:step]; KU_OMITTED stands for what is left out. Of str, bytes, tuple and list. New. KU_VALUE: "slice
 * step cannot be zero". */
#define KU_OMITTED INT64_MIN
KU_API ku_object *ku_get_slice(ku_isolate *isolate, ku_object *object, int64_t start, int64_t stop, int64_t step);

/* Of a list: puts the items of an iterable there; NULL deletes. With a step other than 1 the lengths must agree. */
KU_API bool ku_set_slice(ku_isolate *isolate, ku_object *list, int64_t start, int64_t stop, int64_t step,
                         ku_object *iterable);

/* ---- iteration ---- */

/* An iterator. KU_TYPE: "'int' object is not iterable". A dict gives its keys. */
KU_API ku_object *ku_iter(ku_isolate *isolate, ku_object *iterable);

/* The next item, new; NULL at the end without, or with an error pending. A list that grows or shrinks meanwhile is
 * walked by index to its end of then; a dict or set that changes its size is KU_RUNTIME: "dictionary changed size
 * during iteration". */
KU_API ku_object *ku_next(ku_isolate *isolate, ku_object *iterator);

/* Iterators over the values of a dict, and over its entries as tuples of two. */
KU_API ku_object *ku_dict_iter_values(ku_isolate *isolate, ku_object *dict);
KU_API ku_object *ku_dict_iter_items(ku_isolate *isolate, ku_object *dict);

/* ---- text ---- str objects, new */

/* As repr(): containers that contain themselves are shown once, then as [...], {...}, (...). */
KU_API ku_object *ku_repr(ku_isolate *isolate, ku_object *object);

/* As str(): a str gives itself. */
KU_API ku_object *ku_to_str(ku_isolate *isolate, ku_object *object);

/* ---- copies ---- */

/* A copy of the object and of all it refers to: what is shared or cyclic in the one is in the other. What cannot change
 * (numbers, text, tuples of such) is not copied, nor are functions, types, weak references and namespaces; instances
 * are copied by their fields, without code of the program. KU_TYPE for what has a `release` hook: "cannot deepcopy
 * 'file' object". (copy.deepcopy) */
KU_API ku_object *ku_deepcopy(ku_isolate *isolate, ku_object *object);

/* A new object of the same type with the same items, attributes and fields; what cannot change gives itself.
 * (copy.copy) */
KU_API ku_object *ku_copy(ku_isolate *isolate, ku_object *object);

#ifdef __cplusplus
}
#endif

#endif
