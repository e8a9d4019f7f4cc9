/* operations.c: operations on any values: each asks the types, in Python's order, and words the error when none
 * answers.
 *
 * Numbers come first: sums and comparisons of two ints or floats are decided here without asking a type. Then, for an
 * operator of two operands: the in-place hook of the left one, its binary hook, the right one's; where the right type
 * inherits from the left one, it is asked first (The Python Language Reference, 3.3.8).
 */
#include "object/values.h"

static const ku_operations nothing;

static const ku_operations *operations_of(const ku_object *object) {
    const ku_operations *own = ku__type_of(object)->operations;
    return own != NULL ? own : &nothing;
}

/* ---- equality ---- */

static int ask_equal(ku_isolate *isolate, ku_object *a, ku_object *b) {
    ku_equal_hook *hook = ku__type_of(a)->equal;
    return hook != NULL ? hook(isolate, a, b) : KU_NO_ANSWER;
}

/* Whether b is to be asked before a: its type inherits from a's. */
static bool right_first(const ku_object *a, const ku_object *b) {
    const ku_type *x = ku__type_of(a), *y = ku__type_of(b);
    return x != y && ku_type_is_subtype(y, x);
}

int ku_equal(ku_isolate *isolate, ku_object *a, ku_object *b) {
    if (ku_is_exactly(a, KU_BUILTIN_STR) && ku_is_exactly(b, KU_BUILTIN_STR)) {
        return ku__str_equal(a, b);
    }
    bool swapped = right_first(a, b);
    int answer = swapped ? ask_equal(isolate, b, a) : ask_equal(isolate, a, b);
    if (answer == KU_NO_ANSWER && ku__type_of(a) != ku__type_of(b)) {
        answer = swapped ? ask_equal(isolate, a, b) : ask_equal(isolate, b, a);
    }
    return answer == KU_NO_ANSWER ? a == b : answer;
}

/* ---- order ---- */

static const char *const comparison_signs[] = {"<", "<=", "==", "!=", ">", ">="};

static ku_comparison reflected(ku_comparison which) {
    static const ku_comparison of[] = {KU_GREATER, KU_GREATER_EQUAL, KU_EQUAL, KU_NOT_EQUAL, KU_LESS, KU_LESS_EQUAL};
    return of[which];
}

static int ask_compare(ku_isolate *isolate, ku_comparison which, ku_object *a, ku_object *b) {
    ku_compare_hook *hook = operations_of(a)->compare;
    return hook != NULL ? hook(isolate, which, a, b) : KU_NO_ANSWER;
}

int ku_compare(ku_isolate *isolate, ku_comparison which, ku_object *a, ku_object *b) {
    if (which == KU_EQUAL || which == KU_NOT_EQUAL) {
        int equal = ku_equal(isolate, a, b);
        return equal < 0 || which == KU_EQUAL ? equal : !equal;
    }
    if (ku__is_int(a) && ku__is_int(b)) {
        return ku__order_holds(which, ku__int_compare(a, b));
    }
    bool swapped = right_first(a, b);
    int answer = swapped ? ask_compare(isolate, reflected(which), b, a) : ask_compare(isolate, which, a, b);
    if (answer == KU_NO_ANSWER) {
        answer = swapped ? ask_compare(isolate, which, a, b) : ask_compare(isolate, reflected(which), b, a);
    }
    if (answer == KU_NO_ANSWER) {
        ku_fail(isolate, KU_TYPE, "'%s' not supported between instances of '%s' and '%s'", comparison_signs[which],
                ku__type_name(a), ku__type_name(b));
        return -1;
    }
    return answer;
}

/* ---- hash and truth ---- */

bool ku_hash(ku_isolate *isolate, ku_object *object, uint64_t *hash) {
    const ku_type *type = ku__type_of(object);
    if (type->hash != NULL) {
        return type->hash(isolate, object, hash);
    }
    if (type->equal != NULL) {
        return ku_fail(isolate, KU_TYPE, "unhashable type: '%s'", type->own.name);
    }
    *hash = ku__hash_address(object);
    return true;
}

int ku_truth(ku_isolate *isolate, ku_object *object) {
    const ku_operations *o = operations_of(object);
    if (o->truth != NULL) {
        return o->truth(isolate, object);
    }
    if (o->length == NULL) {
        return 1;
    }
    int64_t length = o->length(isolate, object);
    return length < 0 ? -1 : length > 0;
}

/* ---- arithmetic ---- */

static const char *const signs[KU_OPERATOR_COUNT] = {"+",           "-",  "*",  "/", "//", "%",
                                                     "** or pow()", "<<", ">>", "&", "|",  "^"};
static const char *const signs_in_place[KU_OPERATOR_COUNT] = {
    "+=", "-=", "*=", "/=", "//=", "%=", "**=", "<<=", ">>=", "&=", "|=", "^="};

/* The types' answers: false with an error, true with *result, NULL when none has one. */
static bool ask_binary(ku_isolate *isolate, ku_operator which, ku_object *a, ku_object *b, ku_object **result) {
    ku_binary_hook *left = operations_of(a)->binary, *right = operations_of(b)->binary;
    *result = NULL;
    if (left != right && right != NULL && right_first(a, b)) {
        ku_binary_hook *swap = left;
        left = right;
        right = swap;
    }
    if (left != NULL && (!left(isolate, which, a, b, result) || *result != NULL)) {
        return *result != NULL;
    }
    return right == NULL || right == left || right(isolate, which, a, b, result);
}

static bool is_sequence(const ku_object *object) {
    return ku_is_str(object) || ku_is_bytes(object) || ku_is_tuple(object) || ku_is_list(object);
}

/* The error when no type knows the operator: concatenation and repetition have words of their own. */
static ku_object *unsupported(ku_isolate *isolate, ku_operator which, ku_object *a, ku_object *b, bool in_place) {
    if (which == KU_ADD && ku_is_bytes(a)) {
        return ku_fail_null(isolate, KU_TYPE, "can't concat %s to bytes", ku__type_name(b));
    }
    if (which == KU_ADD && is_sequence(a)) {
        return ku_fail_null(isolate, KU_TYPE, "can only concatenate %s (not \"%s\") to %s", ku__type_name(a),
                            ku__type_name(b), ku__type_name(a));
    }
    if (which == KU_MULTIPLY && (is_sequence(a) || is_sequence(b))) {
        return ku_fail_null(isolate, KU_TYPE, "can't multiply sequence by non-int of type '%s'",
                            ku__type_name(is_sequence(a) ? b : a));
    }
    return ku_fail_null(isolate, KU_TYPE, "unsupported operand type(s) for %s: '%s' and '%s'",
                        (in_place ? signs_in_place : signs)[which], ku__type_name(a), ku__type_name(b));
}

ku_object *ku_binary(ku_isolate *isolate, ku_operator which, ku_object *a, ku_object *b) {
    ku_object *result;
    if (!ask_binary(isolate, which, a, b, &result)) {
        return NULL;
    }
    return result != NULL ? result : unsupported(isolate, which, a, b, false);
}

ku_object *ku_binary_in_place(ku_isolate *isolate, ku_operator which, ku_object *a, ku_object *b) {
    ku_object *result = NULL;
    ku_binary_hook *in_place = operations_of(a)->in_place;
    if (in_place != NULL && (!in_place(isolate, which, a, b, &result) || result != NULL)) {
        return result;
    }
    if (!ask_binary(isolate, which, a, b, &result)) {
        return NULL;
    }
    return result != NULL ? result : unsupported(isolate, which, a, b, true);
}

ku_object *ku_unary(ku_isolate *isolate, ku_unary_operator which, ku_object *a) {
    static const char *const names[KU_UNARY_COUNT] = {"unary -", "unary +", "abs()", "unary ~"};
    ku_unary_hook *hook = operations_of(a)->unary;
    ku_object *result = NULL;
    if (hook != NULL && (!hook(isolate, which, a, &result) || result != NULL)) {
        return result;
    }
    return ku_fail_null(isolate, KU_TYPE, "bad operand type for %s: '%s'", names[which], ku__type_name(a));
}

/* Both exactly int: no type has to be asked. */
static inline bool both_ints(const ku_object *a, const ku_object *b) {
    return ku_is_exactly(a, KU_BUILTIN_INT) && ku_is_exactly(b, KU_BUILTIN_INT);
}
static inline bool both_floats(const ku_object *a, const ku_object *b) {
    return ku__is_float(a) && ku__is_float(b);
}

ku_object *ku_add(ku_isolate *isolate, ku_object *a, ku_object *b) {
    if (both_ints(a, b)) {
        return ku__int_add(isolate, a, b, false);
    }
    return both_floats(a, b) ? ku_float(isolate, ku__double(a) + ku__double(b)) : ku_binary(isolate, KU_ADD, a, b);
}
ku_object *ku_subtract(ku_isolate *isolate, ku_object *a, ku_object *b) {
    if (both_ints(a, b)) {
        return ku__int_add(isolate, a, b, true);
    }
    return both_floats(a, b) ? ku_float(isolate, ku__double(a) - ku__double(b)) : ku_binary(isolate, KU_SUBTRACT, a, b);
}
ku_object *ku_multiply(ku_isolate *isolate, ku_object *a, ku_object *b) {
    if (both_ints(a, b)) {
        return ku__int_multiply(isolate, a, b);
    }
    return both_floats(a, b) ? ku_float(isolate, ku__double(a) * ku__double(b)) : ku_binary(isolate, KU_MULTIPLY, a, b);
}
ku_object *ku_divide(ku_isolate *isolate, ku_object *a, ku_object *b) {
    return ku_binary(isolate, KU_DIVIDE, a, b);
}
ku_object *ku_floor_divide(ku_isolate *isolate, ku_object *a, ku_object *b) {
    return ku_binary(isolate, KU_FLOOR_DIVIDE, a, b);
}
ku_object *ku_remainder(ku_isolate *isolate, ku_object *a, ku_object *b) {
    return ku_binary(isolate, KU_REMAINDER, a, b);
}
ku_object *ku_power(ku_isolate *isolate, ku_object *a, ku_object *b) {
    return ku_binary(isolate, KU_POWER, a, b);
}
ku_object *ku_add_in_place(ku_isolate *isolate, ku_object *a, ku_object *b) {
    return both_ints(a, b) ? ku__int_add(isolate, a, b, false) : ku_binary_in_place(isolate, KU_ADD, a, b);
}
ku_object *ku_subtract_in_place(ku_isolate *isolate, ku_object *a, ku_object *b) {
    return ku_binary_in_place(isolate, KU_SUBTRACT, a, b);
}
ku_object *ku_multiply_in_place(ku_isolate *isolate, ku_object *a, ku_object *b) {
    return ku_binary_in_place(isolate, KU_MULTIPLY, a, b);
}

bool ku_divmod(ku_isolate *isolate, ku_object *a, ku_object *b, ku_object **quotient, ku_object **remainder) {
    double x, y, q, r;
    bool numbers = (ku__is_int(a) || ku__is_float(a)) && (ku__is_int(b) || ku__is_float(b));
    *quotient = *remainder = NULL;
    if (ku__is_int(a) && ku__is_int(b)) {
        return ku__int_divmod(isolate, a, b, quotient, remainder);
    }
    if (!numbers) {
        return ku_fail(isolate, KU_TYPE, "unsupported operand type(s) for divmod(): '%s' and '%s'", ku__type_name(a),
                       ku__type_name(b));
    }
    if (!ku_float_value(isolate, a, &x) || !ku_float_value(isolate, b, &y) ||
        !ku__float_divmod(isolate, x, y, &q, &r) || (*quotient = ku_float(isolate, q)) == NULL) {
        return false;
    }
    *remainder = ku_float(isolate, r);
    if (*remainder == NULL) {
        ku_clear(isolate, quotient);
    }
    return *remainder != NULL;
}

/* ---- items ---- */

int64_t ku_length(ku_isolate *isolate, ku_object *object) {
    ku_length_hook *hook = operations_of(object)->length;
    if (hook == NULL) {
        ku_fail(isolate, KU_TYPE, "object of type '%s' has no len()", ku__type_name(object));
        return -1;
    }
    return hook(isolate, object);
}

static int contains_by_walk(ku_isolate *isolate, ku_object *container, ku_object *item) {
    ku_object *walk = ku_iter(isolate, container), *own;
    int answer = walk != NULL ? 0 : -1;
    while (answer == 0 && (own = ku_next(isolate, walk)) != NULL) {
        answer = ku__same_or_equal(isolate, own, item);
        ku_decref(isolate, own);
    }
    ku_release(isolate, walk);
    return answer == 0 && ku_pending_error(isolate) != NULL ? -1 : answer;
}

int ku_contains(ku_isolate *isolate, ku_object *container, ku_object *item) {
    const ku_operations *o = operations_of(container);
    if (o->contains != NULL) {
        return o->contains(isolate, container, item);
    }
    if (o->iter == NULL) {
        ku_fail(isolate, KU_TYPE, "argument of type '%s' is not a container or iterable", ku__type_name(container));
        return -1;
    }
    return contains_by_walk(isolate, container, item);
}

ku_object *ku_get_item(ku_isolate *isolate, ku_object *object, ku_object *key) {
    ku_get_item_hook *hook = operations_of(object)->get_item;
    if (hook == NULL) {
        return ku_fail_null(isolate, KU_TYPE, "'%s' object is not subscriptable", ku__type_name(object));
    }
    return hook(isolate, object, key);
}

bool ku_set_item(ku_isolate *isolate, ku_object *object, ku_object *key, ku_object *value) {
    ku_set_item_hook *hook = operations_of(object)->set_item;
    if (hook == NULL) {
        return ku_fail(isolate, KU_TYPE, "'%s' object does not support item assignment", ku__type_name(object));
    }
    return hook(isolate, object, key, value);
}

bool ku_delete_item(ku_isolate *isolate, ku_object *object, ku_object *key) {
    ku_set_item_hook *hook = operations_of(object)->set_item;
    if (hook == NULL) {
        return ku_fail(isolate, KU_TYPE, "'%s' object %s support item deletion", ku__type_name(object),
                       is_sequence(object) ? "doesn't" : "does not");
    }
    return hook(isolate, object, key, NULL);
}

ku_object *ku_get_index(ku_isolate *isolate, ku_object *object, int64_t index) {
    ku_object *key = ku_int(isolate, index);
    ku_object *item = key != NULL ? ku_get_item(isolate, object, key) : NULL;
    ku_release(isolate, key);
    return item;
}

bool ku_set_index(ku_isolate *isolate, ku_object *object, int64_t index, ku_object *value) {
    ku_object *key = ku_int(isolate, index);
    bool done = key != NULL && ku_set_item(isolate, object, key, value);
    ku_release(isolate, key);
    return done;
}

ku_object *ku_get_slice(ku_isolate *isolate, ku_object *object, int64_t start, int64_t stop, int64_t step) {
    ku__slice range;
    if (!is_sequence(object)) {
        return ku_fail_null(isolate, KU_TYPE, "'%s' object is not subscriptable", ku__type_name(object));
    }
    int64_t length = ku_length(isolate, object);
    if (length < 0 || !ku__range_of(isolate, start, stop, step, (size_t)length, &range)) {
        return NULL;
    }
    switch (ku__number_of(object)) {
    case KU_BUILTIN_STR: return ku__str_slice(isolate, object, &range);
    case KU_BUILTIN_BYTES: return ku__bytes_slice(isolate, object, &range);
    case KU_BUILTIN_TUPLE: return ku__tuple_slice(isolate, object, &range);
    default: return ku__list_slice(isolate, object, &range);
    }
}

/* ---- iteration ---- */

ku_object *ku_iter(ku_isolate *isolate, ku_object *iterable) {
    ku_iter_hook *hook = operations_of(iterable)->iter;
    if (hook == NULL) {
        return ku_fail_null(isolate, KU_TYPE, "'%s' object is not iterable", ku__type_name(iterable));
    }
    return hook(isolate, iterable);
}

ku_object *ku_next(ku_isolate *isolate, ku_object *iterator) {
    ku_next_hook *hook = operations_of(iterator)->next;
    if (hook == NULL) {
        return ku_fail_null(isolate, KU_TYPE, "'%s' object is not an iterator", ku__type_name(iterator));
    }
    return hook(isolate, iterator);
}
