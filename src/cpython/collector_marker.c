/* collector_marker.c: see collector_marker.h. */
#include "cpython/collector_marker.h"

#include "cpython/collector_guess.h"
#include "cpython/collector_team.h"

#if KU__FACTS_SUPPORTED

enum {
    BEFORE = 32, /* bytes: the collector's header and a managed dict lie in front of an object */
    LINE = 64,   /* bytes of the caches' */
};

/* ---- the stack ---- */

/* Where the next object goes; where memory was refused, onto the last one: the marking is worth nothing then. */
static KU__COLD PyObject **widen(ku__marker *by, PyObject **top) {
    ku__mark_stack *stack = by->stack;
    stack->count = (size_t)(top - stack->items);
    if (!ku__stack_grow(stack)) {
        return top - 1;
    }
    by->end = stack->items + stack->capacity;
    return stack->items + stack->count;
}

/* Whether a bit that is taken stays, as if another thread had taken one of the same word at that moment: in the hostile
 * build, now and then. */
static inline bool stays(ku__marker *by) {
#ifdef KU_HOSTILE
    enum { EVERY = 64 };
    return by->team != NULL && ++by->taken % EVERY == 0;
#else
    (void)by;
    return false;
#endif
}

/* A guess is a candidate, or was, so it has a page. */
static __attribute__((noinline)) bool take_elsewhere(ku__marker *by, ku__mark_page *page, PyObject *item) {
    if (KU__UNLIKELY((by->see.guessed & ku__guess_bit(&by->see, item)) != 0)) {
        ku__guess_count(item, by->guesses);
    }
    return ku__mark_page_take(page, item);
}

/* Whether the object was a candidate; it is none any more. As ku__marks_take(), and counts. */
__attribute__((always_inline)) static inline bool take(ku__marker *by, const ku__lens *see, PyObject *item) {
    uintptr_t offset = (uintptr_t)item - see->base;
    if (KU__UNLIKELY(offset >= see->span)) {
        ku__mark_page *page = ku__marks_page(by->marks, item);
        return KU__UNLIKELY(page != NULL) && take_elsewhere(by, page, item);
    }
    offset >>= KU__MARK_UNIT_BITS;
    uint64_t *place = &see->bits[offset / 64], word = ku__marks_load(place), bit = (uint64_t)1 << (offset % 64);
    if (KU__UNLIKELY((see->guessed & bit) != 0)) {
        ku__guess_count(item, by->guesses);
    }
    if ((word & bit) == 0) {
        return false;
    }
    if (!stays(by)) {
        ku__marks_store(place, word & ~bit);
    }
    return true;
}

__attribute__((always_inline)) static inline PyObject **push(ku__marker *by, PyObject **top, PyObject *item) {
    if (KU__UNLIKELY(top == by->end)) {
        top = widen(by, top);
    }
    *top = item;
    return top + 1;
}

/* Whether the object was a candidate. */
static inline bool mark(ku__marker *by, PyObject *item) {
    ku__lens see = by->see;
    bool taken = take(by, &see, item);
    if (taken) {
        by->top = push(by, by->top, item);
    }
    return taken;
}

int ku__marker_visit(PyObject *item, void *argument) {
    mark(argument, item);
    return 0;
}

bool ku__marker_mark(ku__marker *by, PyObject *item) {
    return mark(by, item);
}

void ku__marker_push(ku__marker *by, PyObject *item) {
    by->top = push(by, by->top, item);
}

/* ---- what objects refer to ---- */

__attribute__((always_inline)) static inline bool mark_row(ku__marker *by, PyObject **at, PyObject **end, unsigned step,
                                                           bool keys_too) {
    const ku__lens see = by->see;
    PyObject **top = by->top;
    bool any = false;
    for (; at < end; at += step) {
        if (keys_too && take(by, &see, at[-1])) {
            top = push(by, top, at[-1]);
            any = true;
        }
        if (take(by, &see, at[0])) {
            top = push(by, top, at[0]);
            any = true;
        }
    }
    by->top = top;
    return any;
}

/* A row, or its first piece. Whether anything in it was a candidate. */
static inline bool mark_array(ku__marker *by, PyObject **at, Py_ssize_t count, unsigned step, bool keys_too) {
    PyObject **end = at + count * (Py_ssize_t)step;
    if (KU__UNLIKELY(count > KU__PIECE) && by->pieces_count < KU__PIECES_MOST) {
        PyObject **cut = at + (Py_ssize_t)(KU__PIECE * step);
        by->pieces[by->pieces_count++] = (ku__piece){cut, end, step, keys_too};
        end = cut;
    }
    return step == 1 ? mark_row(by, at, end, 1, false) : mark_row(by, at, end, step, keys_too);
}

/* The next piece of the array that began last. */
static void mark_piece(ku__marker *by) {
    ku__piece *last = &by->pieces[by->pieces_count - 1], now = *last;
    if (ku__piece_left(&now) > KU__PIECE) {
        last->at = now.at + (Py_ssize_t)(KU__PIECE * now.step);
        now.end = last->at;
    } else {
        by->pieces_count--;
    }
    mark_row(by, now.at, now.end, now.step, now.keys_too);
}

/* Whether something of a row is known to be tracked, as far as that can be said at no cost. */
static bool has_tracked(const ku__marker *by, PyObject **at, Py_ssize_t count, unsigned step) {
    for (; by->roll != NULL && count > 0; count--, at += step) {
        if (ku__roll_has(by->roll, at[0])) {
            return true;
        }
    }
    return false;
}

/* A tuple or dict in which nothing was a candidate any more: perhaps of atoms. */
static inline void doubt(ku__marker *by, PyObject *item, PyObject **at, Py_ssize_t count, unsigned step) {
    if (!has_tracked(by, at, count, step)) {
        ku__stack_push(by->doubtful, item);
    }
}

static inline void mark_tuple(ku__marker *by, PyObject *item) {
    PyObject **at = ((PyTupleObject *)item)->ob_item;
    if (!mark_array(by, at, Py_SIZE(item), 1, false)) {
        doubt(by, item, at, Py_SIZE(item), 1);
    }
}

static inline PyObject **field_at(PyObject *item, uint16_t offset) {
    return (PyObject **)(void *)((char *)item + offset);
}

static inline void mark_instance(ku__marker *by, PyObject *item, ku__layout *layout) {
    mark_row(by, field_at(item, sizeof(PyObject)), field_at(item, layout->weak), 1, false);
    mark_row(by, field_at(item, layout->rest), field_at(item, layout->end), 1, false);
    if (layout->managed) {
        ku__managed managed = ku__fact_managed(item, layout->type);
        mark_row(by, managed.first, managed.first + managed.count, 1, false);
        mark(by, managed.dict);
    }
    if (!layout->marked || by->guesses != NULL) { /* each reference counts there */
        layout->marked = true;
        mark(by, (PyObject *)layout->type);
    }
}

/* What is on the roll may be tracked no more, and its type may want it left alone then. */
static inline void mark_other(ku__marker *by, PyObject *item, ku__layout *layout) {
    if (by->roll != NULL && ku__gc_node(item)->_gc_next == 0) {
        return;
    }
    if (layout->end != 0) {
        mark_instance(by, item, layout);
    } else if (layout->type->tp_traverse != NULL) {
        layout->type->tp_traverse(item, ku__marker_visit, by);
    }
}

static inline void mark_dict(ku__marker *by, PyObject *item) {
    const PyDictObject *dict = (const PyDictObject *)item;
    if (KU__UNLIKELY(!ku__fact_dict_plain(dict))) {
        PyDict_Type.tp_traverse(item, ku__marker_visit, by);
        return;
    }
    ku__dict_row row = ku__fact_dict_row(dict);
    if (!mark_array(by, row.first, row.count, row.step, row.keys_too) && ku__fact_dicts_untrack()) {
        doubt(by, item, row.first, row.count, row.step);
    }
}

/* The lines that a tp_traverse reads first, behind the object's own: of a function what it holds; of a class its dict,
 * its bases and its order of resolution, which lie far behind. */
static inline void fetch_rest(const PyObject *item) {
    const char *at = (const char *)item;
    __builtin_prefetch(at + LINE);
    __builtin_prefetch(at + LINE * 2);
    if ((Py_TYPE(item)->tp_flags & Py_TPFLAGS_TYPE_SUBCLASS) != 0) {
        __builtin_prefetch(at + offsetof(PyTypeObject, tp_base));
        __builtin_prefetch(at + offsetof(PyTypeObject, tp_bases));
        __builtin_prefetch(at + offsetof(PyTypeObject, tp_cache));
    }
}

static inline void put(ku__handful *to, PyObject *item) {
    to->items[to->count++] = item;
}

static inline void mark_header_of_other(ku__marker *by, ku__handful *seconds, PyObject *item, PyTypeObject *type) {
    ku__layout *layout = ku__layout_of(&by->layouts, type);
    const void *far = layout->managed ? ku__fact_managed_far(item) : NULL;
    if (far != NULL) {
        __builtin_prefetch(far);
        put(seconds, item);
    } else if (layout->end == 0 && by->foreign != NULL) {
        ku__stack_push(by->foreign, item);
    } else if (layout->end == 0) {
        fetch_rest(item);
        put(seconds, item);
    } else {
        mark_other(by, item, layout);
    }
}

/* An object whose header was fetched: lists, dicts and instances have a second part, which must be fetched too. */
static inline void mark_header(ku__marker *by, ku__handful *seconds, PyObject *item) {
    PyTypeObject *type = Py_TYPE(item);
    if (type == &PyDict_Type) {
        const char *keys = (const char *)((PyDictObject *)item)->ma_keys;
        __builtin_prefetch(keys);
        __builtin_prefetch(keys + LINE);
        put(seconds, item);
    } else if (type == &PyList_Type) {
        __builtin_prefetch(((PyListObject *)item)->ob_item);
        put(seconds, item);
    } else if (type == &PyTuple_Type) {
        mark_tuple(by, item);
    } else {
        mark_header_of_other(by, seconds, item, type);
    }
}

static inline void mark_second(ku__marker *by, PyObject *item) {
    PyTypeObject *type = Py_TYPE(item);
    if (type == &PyDict_Type) {
        mark_dict(by, item);
    } else if (type == &PyList_Type) {
        mark_array(by, ((PyListObject *)item)->ob_item, Py_SIZE(item), 1, false);
    } else {
        mark_other(by, item, ku__layout_of(&by->layouts, type));
    }
}

/* As many as are left, from the stack. */
static inline void fetch(ku__marker *by, ku__handful *headers) {
    PyObject **bottom = by->stack->items, **top = by->top;
    size_t left = (size_t)(top - bottom);
    unsigned count = left < KU__HANDFUL ? (unsigned)left : KU__HANDFUL;
    for (unsigned i = 0; i < count; i++) {
        PyObject *item = *--top;
        __builtin_prefetch(item);
        __builtin_prefetch((const char *)item - BEFORE);
        headers->items[i] = item;
    }
    headers->count = count;
    by->top = top;
}

static inline void mark_headers(ku__marker *by, ku__handful *headers, ku__handful *seconds) {
    for (unsigned i = 0; i < headers->count; i++) {
        mark_header(by, seconds, headers->items[i]);
    }
    headers->count = 0;
}

static inline void mark_seconds(ku__marker *by, ku__handful *seconds) {
    for (unsigned i = 0; i < seconds->count; i++) {
        mark_second(by, seconds->items[i]);
    }
    seconds->count = 0;
}

/* What is fetched in one turn is looked at in the next. */
void ku__marker_run(ku__marker *by) {
    for (unsigned turn = 0;; turn ^= 1) {
        ku__handful *headers = &by->headers[turn], *seconds = &by->seconds[turn];
        fetch(by, headers);
        mark_headers(by, &by->headers[turn ^ 1], seconds);
        mark_seconds(by, &by->seconds[turn ^ 1]);
        if (by->team != NULL && ku__team_is_hungry(by->team)) {
            ku__team_give(by->team, by);
        }
        if (headers->count == 0 && seconds->count == 0 && by->top == by->stack->items) {
            if (by->pieces_count == 0) {
                return;
            }
            mark_piece(by);
        }
    }
}

void ku__marker_open(ku__marker *by, ku__mark_stack *stack, ku__mark_stack *doubtful) {
    by->stack = stack;
    by->doubtful = doubtful;
    by->top = stack->items;
    by->end = by->top + stack->capacity;
}

#endif
