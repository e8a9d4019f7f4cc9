/* values.h (internal): the lay-outs of the built-in values, and what their files need of each other.
 *
 * Whole numbers that fit 64 bits lie in the 8 bytes behind the header; others have KU__BIG set in it and a signed
 * length there, with limbs behind. true and false are laid out as small ints, so arithmetic need not tell them apart.
 *
 * Containers whose items are NULL are empty, whatever their other fields say: that is how the collector leaves them.
 */
#ifndef KU__VALUES_H
#define KU__VALUES_H

#include "object/digits.h"
#include "object/object.h"
#include "object/table.h"

#include <kucha/container.h>
#include <kucha/function.h>
#include <kucha/operations.h>
#include <kucha/text.h>
#include <kucha/value.h>
#include <string.h>

/* Bit 28 of a header is the type's own: of a str, that it is interned; of an int, that it is big. */
#define KU__BIG KU__INTERNED

enum { KU__INT_LEAST = -5, KU__INT_MOST = 256 }; /* exist once; CPython's _PY_NSMALLNEGINTS and _PY_NSMALLPOSINTS */

typedef struct ku__int {
    ku_object header;
    int64_t value; /* or, of a big one, the number of limbs, negative for a number below zero */
    ku__limb limbs[];
} ku__int;

typedef struct ku__float {
    ku_object header;
    double value;
} ku__float;

typedef struct ku__str {
    ku_object header;
    uint64_t hash; /* 0: not asked for yet */
    size_t size;   /* bytes, without the terminator */
    size_t length; /* code points */
    char text[];
} ku__str;

typedef struct ku__bytes {
    ku_object header;
    uint64_t hash; /* 0: not asked for yet */
    size_t length;
    char data[];
} ku__bytes;

typedef struct ku__tuple {
    ku_object header;
    size_t length;
    ku_object *items[]; /* a tail: see ku_tail() */
} ku__tuple;

typedef struct ku__list {
    ku_object header;
    ku_object **items; /* a buffer */
    size_t length;
    size_t room; /* items that the buffer holds */
} ku__list;

/* dict and set: a table of entries of two references, or one */
typedef struct ku__hashed {
    ku_object header;
    ku__table table;
} ku__hashed;

typedef struct ku__cell {
    ku_object header;
    ku_object *value;
} ku__cell;

typedef struct ku__function {
    ku_object header;
    ku_object *name, *self;
    ku_c_method *code;
    uint16_t least, most;
    bool takes_instance; /* `self` is the first argument: out of a type's table */
} ku__function;

typedef struct ku__method {
    ku_object header;
    ku_object *function, *instance;
} ku__method;

typedef struct ku__namespace {
    ku_object header;
    ku_object *name, *dict;
} ku__namespace;

/* What a walk gives. */
typedef enum ku__walk { KU__WALK_ITEMS, KU__WALK_KEYS, KU__WALK_VALUES, KU__WALK_PAIRS } ku__walk;

typedef struct ku__iterator {
    ku_object header;
    ku_object *over; /* NULL: at its end */
    size_t index;    /* the next item; of a str, its byte */
    size_t expected; /* entries of a dict or set when it began */
    int32_t walk;    /* of ku__walk */
} ku__iterator;

/* The isolate's part. */
struct ku__values {
    ku_object *none, *truth[2];
    ku_object *ints[KU__INT_MOST - KU__INT_LEAST + 1];
    ku_object *characters[256]; /* strs of one code point, made when first asked for */
    ku_object *empty_str, *empty_bytes, *empty_tuple;
    unsigned depth;      /* comparisons, hashes and reprs that nest now */
    ku_object **showing; /* containers whose repr is being made */
    size_t showing_count, showing_room;
};

extern const ku_type_spec ku__none_spec, ku__bool_spec, ku__int_spec, ku__float_spec, ku__str_spec, ku__bytes_spec,
    ku__tuple_spec, ku__list_spec, ku__dict_spec, ku__set_spec, ku__cell_spec, ku__function_spec, ku__method_spec,
    ku__namespace_spec, ku__cache_spec, ku__iterator_spec;

/* ---- types ---- */

/* Whether it is of a built-in type, or of one that inherits from it. */
static inline bool ku__is_a(const ku_object *object, ku_builtin which) {
    return ku_is_exactly(object, which) || ku_is_instance(object, ku_builtin_type(which));
}
static inline const char *ku__type_name(const ku_object *object) {
    return ku__type_of(object)->own.name;
}
static inline bool ku__is_atom(const ku_object *object) {
    return (ku__map_of(object)->flags & KU__MAP_ACYCLIC) != 0;
}

/* KU_TYPE: "list expected, not 'int'". Returns whether it is one. */
bool ku__expect(ku_isolate *isolate, const ku_object *object, ku_builtin which);

/* ---- depth ---- */

/* False with KU_RECURSION when this is one too deep; `doing` is such as " in comparison". */
bool ku__deeper(ku_isolate *isolate, const char *doing);
static inline void ku__back(ku_isolate *isolate) {
    isolate->values->depth--;
}

/* ---- numbers ---- */

/* The magnitude and sign of an int or bool; `one` holds the limb of a small one. */
typedef struct ku__magnitude {
    const ku__limb *limbs;
    size_t length; /* trimmed */
    bool negative;
    ku__limb one;
} ku__magnitude;

static inline bool ku__is_small(const ku_object *number) {
    return (number->kind & KU__BIG) == 0;
}
static inline int64_t ku__small(const ku_object *number) {
    return ((const ku__int *)(const void *)number)->value;
}
static inline bool ku__is_int(const ku_object *object) {
    return ku_is_exactly(object, KU_BUILTIN_INT) || ku_is_exactly(object, KU_BUILTIN_BOOL);
}
static inline bool ku__is_float(const ku_object *object) {
    return ku_is_exactly(object, KU_BUILTIN_FLOAT);
}
static inline double ku__double(const ku_object *number) {
    return ((const ku__float *)(const void *)number)->value;
}
void ku__magnitude_of(const ku_object *number, ku__magnitude *m);

/* An int to be, with room for so many limbs, which the caller fills; then ku__int_settle() makes it an int of this
 * sign, small where it fits, and gives it. */
ku__int *ku__int_room(ku_isolate *isolate, size_t limbs);
ku_object *ku__int_settle(ku_isolate *isolate, ku__int *made, size_t length, bool negative);

/* Limbs for intermediate results, in a buffer; false with the error pending. ku__work_end() gives them back. */
bool ku__work_begin(ku_isolate *isolate, ku__work *work, size_t limbs);
void ku__work_end(ku_isolate *isolate, ku__work *work);

bool ku__int_binary(ku_isolate *isolate, ku_operator which, ku_object *left, ku_object *right, ku_object **result);
bool ku__int_divmod(ku_isolate *isolate, ku_object *a, ku_object *b, ku_object **quotient, ku_object **remainder);
ku_object *ku__int_power(ku_isolate *isolate, ku_object *a, ku_object *b);
ku_object *ku__int_shift(ku_isolate *isolate, ku_object *a, ku_object *b, bool left);
ku_object *ku__int_bitwise(ku_isolate *isolate, ku_operator which, ku_object *a, ku_object *b);
ku_object *ku__int_add(ku_isolate *isolate, ku_object *a, ku_object *b, bool subtract);
ku_object *ku__int_multiply(ku_isolate *isolate, ku_object *a, ku_object *b);
ku_object *ku__int_negative(ku_isolate *isolate, ku_object *a);
int ku__int_compare(const ku_object *a, const ku_object *b); /* -1, 0, 1 */
int ku__int_compare_double(const ku_object *a, double b);    /* b is a number */
double ku__int_to_double(const ku_object *number);           /* infinite where it does not fit */
bool ku__int_divide(ku_isolate *isolate, ku_object *a, ku_object *b, double *quotient); /* true division */
bool ku__float_binary(ku_isolate *isolate, ku_operator which, ku_object *left, ku_object *right, ku_object **result);
bool ku__float_divmod(ku_isolate *isolate, double a, double b, double *quotient, double *remainder);

/* a / b rounded to nearest, ties to even. a, b trimmed, b not 0; infinite where it does not fit. (ratio.c) */
double ku__digits_ratio(const ku__limb *a, size_t a_length, const ku__limb *b, size_t b_length, ku__work *work);
size_t ku__digits_ratio_work(size_t a_length, size_t b_length);
double ku__digits_to_double(const ku__limb *a, size_t length);

/* Reads a float, which may have single underscores between digits; false when the text is none. (float_text.c) */
bool ku__double_read(const char *text, size_t length, double *value);

/* ---- text ---- */

/* A str of valid UTF-8, not interned; `length` in code points. */
ku_object *ku__str_made(ku_isolate *isolate, const char *bytes, size_t size, size_t length);
/* As that, counting itself: for the table of interned ones. */
ku_object *ku__str_raw(ku_isolate *isolate, const char *bytes, size_t size);
/* A str to be, the caller fills size bytes; the terminator is there. */
ku__str *ku__str_room(ku_isolate *isolate, size_t size, size_t length);
uint64_t ku__str_hash(ku_object *text);
static inline bool ku__str_equal(const ku_object *a, const ku_object *b) {
    const ku__str *x = (const ku__str *)(const void *)a, *y = (const ku__str *)(const void *)b;
    return a == b || (x->size == y->size && memcmp(x->text, y->text, x->size) == 0);
}

/* ---- hashes ---- (hash.c) */

uint64_t ku__hash_text(const void *bytes, size_t size); /* never 0 */
uint64_t ku__hash_double(const ku_object *number, double value);
uint64_t ku__hash_int(const ku_object *number);
uint64_t ku__hash_address(const ku_object *object);
uint64_t ku__hash_items(const uint64_t *hashes, size_t count);
void ku__hash_open(void); /* chooses the process's seed, once */

/* ---- containers ---- */

static inline ku_object **ku__tuple_items(const ku_object *tuple) {
    size_t length = ((const ku__tuple *)(const void *)tuple)->length;
    return ku_tail((ku_object *)(uintptr_t)tuple, offsetof(ku__tuple, items), length);
}
/* A tuple to be, its items NULL. ku__tuple_settle() decides, when they are there, whether the collector must know. */
ku_object *ku__tuple_room(ku_isolate *isolate, size_t length);
void ku__tuple_settle(ku_object *tuple);
/* A list with so many items, NULL, which the caller fills before anything else happens. */
ku_object *ku__list_room(ku_isolate *isolate, size_t length);
static inline ku__table *ku__table_of(const ku_object *hashed) {
    return &((ku__hashed *)(uintptr_t)hashed)->table;
}
void ku__hashed_clear(ku_isolate *isolate, ku_object *self);
/* KU_KEY with the repr of the key, and the key as value; returns false. */
bool ku__fail_key(ku_isolate *isolate, ku_object *key);
/* ku_hash() for a key or an item: `as` is such as "dict key". */
bool ku__key_hash(ku_isolate *isolate, ku_object *key, const char *as, uint64_t *hash);
/* Takes all that the iterable gives, one by one. */
typedef bool ku__take(ku_isolate *isolate, ku_object *into, ku_object *item);
bool ku__take_all(ku_isolate *isolate, ku_object *iterable, ku_object *into, ku__take *take);
/* `into` with what a slice says, cut to a length as slice.indices() does; false: KU_VALUE for a step of 0. */
typedef struct ku__slice {
    int64_t start, stop, step;
    size_t count;
} ku__slice;
bool ku__range_of(ku_isolate *isolate, int64_t start, int64_t stop, int64_t step, size_t length, ku__slice *range);
/* The position of an index object in a sequence of this length; false: KU_TYPE, or KU_INDEX with `outside`. `indices`
 * begins the message: "list indices must be integers or slices, not str". */
bool ku__index_of(ku_isolate *isolate, ku_object *key, size_t length, const char *indices, const char *outside,
                  size_t *index);
bool ku__position_of(ku_isolate *isolate, int64_t index, size_t length, const char *outside, size_t *position);
ku_object *ku__iterator_new(ku_isolate *isolate, ku_object *over, ku__walk walk);

/* The same object, or equal: 1, 0, -1. */
static inline int ku__same_or_equal(ku_isolate *isolate, ku_object *a, ku_object *b) {
    return a == b ? 1 : ku_equal(isolate, a, b);
}

/* How often a sequence is to be repeated: 0 for a negative number; false: KU_TYPE, KU_OVERFLOW. */
bool ku__times(ku_isolate *isolate, ku_object *number, size_t *times);
/* Lists or tuples, both of the same kind. */
int ku__equal_sequences(ku_isolate *isolate, ku_object *a, ku_object *b);
int ku__compare_sequences(ku_isolate *isolate, ku_comparison which, ku_object *a, ku_object *b);
/* Whether bytes are in this order. */
int ku__ordered(ku_comparison which, const char *a, size_t a_size, const char *b, size_t b_size);
bool ku__order_holds(ku_comparison which, int order);
ku_object *ku__str_slice(ku_isolate *isolate, ku_object *self, const ku__slice *range);
ku_object *ku__bytes_slice(ku_isolate *isolate, ku_object *self, const ku__slice *range);
ku_object *ku__tuple_slice(ku_isolate *isolate, ku_object *self, const ku__slice *range);
ku_object *ku__list_slice(ku_isolate *isolate, ku_object *self, const ku__slice *range);
ku_object *ku__str_next(ku_isolate *isolate, ku__iterator *walk);

/* ---- repr ---- (repr.c) */

ku_object *ku__str_repr(ku_isolate *isolate, ku_object *self);
ku_object *ku__bytes_repr(ku_isolate *isolate, ku_object *self);
ku_object *ku__tuple_repr(ku_isolate *isolate, ku_object *self);
ku_object *ku__list_repr(ku_isolate *isolate, ku_object *self);
ku_object *ku__dict_repr(ku_isolate *isolate, ku_object *self);
ku_object *ku__set_repr(ku_isolate *isolate, ku_object *self);

/* Text that grows, in a buffer of the isolate. `failed` once memory was refused: then adding does nothing. */
typedef struct ku__text {
    ku_isolate *isolate;
    char *bytes;
    size_t size, room;
    bool failed;
} ku__text;
void ku__text_add(ku__text *text, const char *bytes, size_t size);
void ku__text_add_repr(ku__text *text, ku_object *object); /* failed, with the error pending, when that fails */
/* The str, and the buffer is gone; NULL when it failed. */
ku_object *ku__text_end(ku__text *text);
/* Begins the repr of a container; false when it is being shown already. ku__show_end() ends it. */
int ku__show_begin(ku_isolate *isolate, ku_object *container); /* 1, 0, -1 */
void ku__show_end(ku_isolate *isolate);

#endif
