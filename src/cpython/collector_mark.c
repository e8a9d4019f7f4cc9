/* collector_mark.c: which tracked objects live: all that can be reached from known roots.
 *
 * Roots: sys.modules, the interpreter's dict, the frames of every thread with what hangs on their states, frozen
 * objects, and the dicts of static types. What is missing here is found out by the interpreter itself.
 *
 * To mark is to take an object's candidate bit, so nothing is written into objects, and a reference that leads to a
 * string or a number costs one look at a bit. Marked objects wait on a stack and leave it in handfuls: the headers of
 * one are fetched while those of the one before are looked at; lists, dicts and what else has a second part are fetched
 * then, and looked at with the next handful. That hides most of the time of memory. (Cher, Hosking and Vitek, "Software
 * prefetching for mark-sweep garbage collection", ASPLOS 2004; a ring, as there, needs more instructions.) Large arrays
 * are looked at in pieces, so that the stack stays short.
 *
 * Guesses. What a running frame has on its evaluation stack is not known where the interpreter keeps the end of that
 * stack in a register: a list that a comprehension is filling, with the whole heap behind it. So the words that may
 * belong to such a stack are looked at, and those that are candidates still are marked from, tentatively, while the
 * references to them are counted: whoever has more references than the candidates together explain is held from
 * outside, as the interpreter itself would find, and is a root. What was marked from others is a candidate again.
 *
 * Exact lists, tuples and dicts and instances of classes written in Python (collector_layout.h) are read here; every
 * other object by its type's tp_traverse.
 */
#include "cpython/collector.h"
#include "cpython/collector_layout.h"

#include "cpython/selfcheck.h"
#include "os/pages.h"

#include <assert.h>
#include <string.h>

#if KU__FACTS_SUPPORTED

enum {
    HANDFUL = 16,          /* objects: about as many fetches as a processor has under way at a time */
    PIECE = 1024,          /* references of an array that are looked at in one go */
    PIECES_MOST = 64,      /* arrays that wait for their next piece; beyond, they are looked at whole */
    STACK_LEAST = 1 << 16, /* entries */
    BEFORE = 32,           /* bytes: the collector's header and a managed dict lie in front of an object */
    GUESSES_MOST = 64,     /* objects */
    GUESS_PLACES = 256,    /* of the table that says which they are: sparse, and small enough for the first cache */
    LINE = 64,             /* bytes of the caches' */
    WORTH = 8,             /* one candidate in so many must hang on guesses for all others to be asked about them */
};

typedef struct handful {
    PyObject *items[HANDFUL];
    unsigned count;
} handful;

/* What a look at a reference needs. Copied before a row is gone through: the compiler keeps the copy in registers,
 * which it must not do with the original, since a store to the bits could be one to that. */
typedef struct lens {
    uintptr_t base;
    size_t span;
    uint64_t *bits;
    uint64_t guessed; /* a bit for each guess whose references are counted: few references lead to one */
} lens;

/* What is left of a large array. */
typedef struct piece {
    PyObject **at, **end;
    unsigned step;
    bool keys_too;
} piece;

typedef struct guesses {
    const ku__marks *marks;
    size_t count;
    PyObject *items[GUESSES_MOST];
    Py_ssize_t found[GUESSES_MOST]; /* references from candidates */
    uint8_t table[GUESS_PLACES];    /* number of the item + 1, by address; 0 is none */
} guesses;

typedef struct marker {
    lens see;
    PyObject **top, **end; /* of the stack: where the next one goes, and where there is no room */
    ku__marks *marks;
    guesses *guesses;     /* NULL; or references to these are counted */
    const ku__roll *roll; /* NULL: nobody keeps one */
    size_t frozen;        /* objects that were candidates, and cannot be any */
    ku__mark_stack *stack, *doubtful;
    handful headers[2], seconds[2]; /* on their way from the stack; empty between two calls of mark_all() */
    piece pieces[PIECES_MOST];
    unsigned pieces_count;
    ku__layouts layouts;
} marker;

/* ---- the stack ---- */

static KU__COLD bool grow(ku__mark_stack *stack) {
    size_t capacity = stack->capacity != 0 ? stack->capacity * 2 : STACK_LEAST;
    PyObject **items = ku__pages_map(capacity * sizeof(PyObject *));
    if (items == NULL) {
        stack->refused = true;
        return false;
    }
    if (stack->count != 0) {
        memcpy(items, stack->items, stack->count * sizeof(PyObject *));
    }
    ku__pages_unmap(stack->items, stack->bytes);
    stack->items = items;
    stack->capacity = capacity;
    stack->bytes = capacity * sizeof(PyObject *);
    return true;
}

static inline void doubt_push(ku__mark_stack *stack, PyObject *item) {
    if (KU__LIKELY(stack->count != stack->capacity) || grow(stack)) {
        stack->items[stack->count++] = item;
    }
}

/* Where the next object goes; where memory was refused, onto the last one: the marking is worth nothing then. */
static KU__COLD PyObject **widen(marker *by, PyObject **top) {
    ku__mark_stack *stack = by->stack;
    stack->count = (size_t)(top - stack->items);
    if (!grow(stack)) {
        return top - 1;
    }
    by->end = stack->items + stack->capacity;
    return stack->items + stack->count;
}

static uint8_t *guess_place(guesses *all, const PyObject *item) {
    size_t at = (uintptr_t)item >> 4;
    for (;; at++) {
        uint8_t *place = &all->table[at % GUESS_PLACES];
        if (*place == 0 || all->items[*place - 1] == item) {
            return place;
        }
    }
}

static int count_guess(PyObject *item, void *argument) {
    guesses *all = argument;
    assert(all != NULL);
    uint8_t number = *guess_place(all, item);
    if (number != 0) {
        all->found[number - 1]++;
    }
    return 0;
}

static inline uint64_t guess_bit(const lens *see, const PyObject *item) {
    return (uint64_t)1 << (((uintptr_t)item - see->base) >> KU__MARK_UNIT_BITS) % 64;
}

/* A guess is a candidate, or was, so it has a page. */
static __attribute__((noinline)) bool take_elsewhere(marker *by, ku__mark_page *page, PyObject *item) {
    if (KU__UNLIKELY((by->see.guessed & guess_bit(&by->see, item)) != 0)) {
        count_guess(item, by->guesses);
    }
    return ku__mark_page_take(page, item);
}

/* Whether the object was a candidate; it is none any more. As ku__marks_take(), and counts. */
__attribute__((always_inline)) static inline bool take(marker *by, const lens *see, PyObject *item) {
    uintptr_t offset = (uintptr_t)item - see->base;
    if (KU__UNLIKELY(offset >= see->span)) {
        ku__mark_page *page = ku__marks_page(by->marks, item);
        return KU__UNLIKELY(page != NULL) && take_elsewhere(by, page, item);
    }
    offset >>= KU__MARK_UNIT_BITS;
    uint64_t *place = &see->bits[offset / 64], word = *place, bit = (uint64_t)1 << (offset % 64);
    if (KU__UNLIKELY((see->guessed & bit) != 0)) {
        count_guess(item, by->guesses);
    }
    if ((word & bit) == 0) {
        return false;
    }
    *place = word & ~bit;
    return true;
}

__attribute__((always_inline)) static inline PyObject **push(marker *by, PyObject **top, PyObject *item) {
    if (KU__UNLIKELY(top == by->end)) {
        top = widen(by, top);
    }
    *top = item;
    return top + 1;
}

/* Whether the object was a candidate. */
static inline bool mark(marker *by, PyObject *item) {
    lens see = by->see;
    bool taken = take(by, &see, item);
    if (taken) {
        by->top = push(by, by->top, item);
    }
    return taken;
}

static int mark_visit(PyObject *item, void *argument) {
    mark(argument, item);
    return 0;
}

/* ---- what objects refer to ---- */

__attribute__((always_inline)) static inline bool mark_row(marker *by, PyObject **at, PyObject **end, unsigned step,
                                                           bool keys_too) {
    const lens see = by->see;
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
static inline bool mark_array(marker *by, PyObject **at, Py_ssize_t count, unsigned step, bool keys_too) {
    PyObject **end = at + count * (Py_ssize_t)step;
    if (KU__UNLIKELY(count > PIECE) && by->pieces_count < PIECES_MOST) {
        PyObject **cut = at + (Py_ssize_t)(PIECE * step);
        by->pieces[by->pieces_count++] = (piece){cut, end, step, keys_too};
        end = cut;
    }
    return step == 1 ? mark_row(by, at, end, 1, false) : mark_row(by, at, end, step, keys_too);
}

/* The next piece of the array that began last. */
static void mark_piece(marker *by) {
    piece *last = &by->pieces[by->pieces_count - 1], now = *last;
    Py_ssize_t left = (now.end - now.at) / (Py_ssize_t)now.step;
    if (left > PIECE) {
        last->at = now.at + (Py_ssize_t)(PIECE * now.step);
        now.end = last->at;
    } else {
        by->pieces_count--;
    }
    mark_row(by, now.at, now.end, now.step, now.keys_too);
}

/* Whether something of a row is known to be tracked, as far as that can be said at no cost. */
static bool has_tracked(const marker *by, PyObject **at, Py_ssize_t count, unsigned step) {
    for (; by->roll != NULL && count > 0; count--, at += step) {
        if (ku__roll_has(by->roll, at[0])) {
            return true;
        }
    }
    return false;
}

/* A tuple or dict in which nothing was a candidate any more: perhaps of atoms. */
static inline void doubt(marker *by, PyObject *item, PyObject **at, Py_ssize_t count, unsigned step) {
    if (!has_tracked(by, at, count, step)) {
        doubt_push(by->doubtful, item);
    }
}

static inline void mark_tuple(marker *by, PyObject *item) {
    PyObject **at = ((PyTupleObject *)item)->ob_item;
    if (!mark_array(by, at, Py_SIZE(item), 1, false)) {
        doubt(by, item, at, Py_SIZE(item), 1);
    }
}

static inline PyObject **field_at(PyObject *item, uint16_t offset) {
    return (PyObject **)(void *)((char *)item + offset);
}

static inline void mark_instance(marker *by, PyObject *item, ku__layout *layout) {
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
static inline void mark_other(marker *by, PyObject *item, ku__layout *layout) {
    if (by->roll != NULL && ku__gc_node(item)->_gc_next == 0) {
        return;
    }
    if (layout->end != 0) {
        mark_instance(by, item, layout);
    } else if (layout->type->tp_traverse != NULL) {
        layout->type->tp_traverse(item, mark_visit, by);
    }
}

static inline void mark_dict(marker *by, PyObject *item) {
    const PyDictObject *dict = (const PyDictObject *)item;
    if (KU__UNLIKELY(!ku__fact_dict_plain(dict))) {
        PyDict_Type.tp_traverse(item, mark_visit, by);
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

static inline void put(handful *to, PyObject *item) {
    to->items[to->count++] = item;
}

static inline void mark_header_of_other(marker *by, handful *seconds, PyObject *item, PyTypeObject *type) {
    ku__layout *layout = ku__layout_of(&by->layouts, type);
    const void *far = layout->managed ? ku__fact_managed_far(item) : NULL;
    if (far != NULL) {
        __builtin_prefetch(far);
        put(seconds, item);
    } else if (layout->end == 0) {
        fetch_rest(item);
        put(seconds, item);
    } else {
        mark_other(by, item, layout);
    }
}

/* An object whose header was fetched: lists, dicts and instances have a second part, which must be fetched too. */
static inline void mark_header(marker *by, handful *seconds, PyObject *item) {
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

static inline void mark_second(marker *by, PyObject *item) {
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
static inline void fetch(marker *by, handful *headers) {
    PyObject **bottom = by->stack->items, **top = by->top;
    size_t left = (size_t)(top - bottom);
    unsigned count = left < HANDFUL ? (unsigned)left : HANDFUL;
    for (unsigned i = 0; i < count; i++) {
        PyObject *item = *--top;
        __builtin_prefetch(item);
        __builtin_prefetch((const char *)item - BEFORE);
        headers->items[i] = item;
    }
    headers->count = count;
    by->top = top;
}

static inline void mark_headers(marker *by, handful *headers, handful *seconds) {
    for (unsigned i = 0; i < headers->count; i++) {
        mark_header(by, seconds, headers->items[i]);
    }
    headers->count = 0;
}

static inline void mark_seconds(marker *by, handful *seconds) {
    for (unsigned i = 0; i < seconds->count; i++) {
        mark_second(by, seconds->items[i]);
    }
    seconds->count = 0;
}

/* What is fetched in one turn is looked at in the next. */
static void mark_all(marker *by) {
    for (unsigned turn = 0;; turn ^= 1) {
        handful *headers = &by->headers[turn], *seconds = &by->seconds[turn];
        fetch(by, headers);
        mark_headers(by, &by->headers[turn ^ 1], seconds);
        mark_seconds(by, &by->seconds[turn ^ 1]);
        if (headers->count == 0 && seconds->count == 0 && by->top == by->stack->items) {
            if (by->pieces_count == 0) {
                return;
            }
            mark_piece(by);
        }
    }
}

/* ---- roots ---- */

static void mark_thread(marker *by, PyThreadState *thread) {
    mark(by, thread->dict);
    mark(by, thread->context);
    mark(by, thread->async_gen_firstiter);
    mark(by, thread->async_gen_finalizer);
    const ku__frame_of_python *frame = ku__fact_top(thread);
    for (; frame != NULL; frame = ku__fact_back(frame)) {
        if (ku__fact_has_code(frame)) {
            ku__fact_frame_each(frame, mark_visit, by);
        }
    }
}

/* Threads may come and go without the GIL, but not while the lock is held. */
static void mark_threads(marker *by, PyInterpreterState *interpreter) {
    ku__interpreters_lock();
    PyThreadState *thread = PyInterpreterState_ThreadHead(interpreter);
    for (; thread != NULL; thread = PyThreadState_Next(thread)) {
        mark_thread(by, thread);
    }
    ku__interpreters_unlock();
}

/* Frozen objects live, and they are in no list that was entered. */
static void mark_frozen(marker *by, ku__gc_state *state) {
    const PyGC_Head *list = &state->permanent_generation.head;
    for (PyGC_Head *at = ku__gc_next(list); at != list; at = ku__gc_next(at)) {
        PyObject *item = ku__gc_object(at);
        by->frozen += ku__marks_take(by->marks, item); /* it is on the roll, perhaps */
        Py_TYPE(item)->tp_traverse(item, mark_visit, by);
        mark_all(by);
    }
}

static void mark_statics(marker *by, const ku__collector *collector) {
    for (size_t i = 0; i < collector->statics_count; i++) {
        PyTypeObject *type = collector->statics[i];
#if PY_VERSION_HEX >= 0x030C0000
        PyObject *dict = PyType_GetDict(type); /* each interpreter has its own of a builtin type */
        mark(by, dict);
        Py_XDECREF(dict);
#else
        mark(by, type->tp_dict);
        mark(by, type->tp_subclasses);
        mark(by, type->tp_mro);
        mark(by, type->tp_bases);
        mark(by, type->tp_cache);
#endif
    }
}

/* ---- guesses ---- */

static void guess(guesses *all, uintptr_t word) {
    PyObject *item = (PyObject *)(word & ~(uintptr_t)7);
    if (item == NULL || all->count == GUESSES_MOST || !ku__marks_has(all->marks, item) ||
        ku__gc_node(item)->_gc_next == 0) {
        return;
    }
    uint8_t *place = guess_place(all, item);
    if (*place == 0) {
        all->items[all->count++] = item;
        *place = (uint8_t)all->count;
    }
}

static void guess_thread(guesses *all, const PyThreadState *thread) {
    const ku__frame_of_python *frame = ku__fact_top(thread);
    for (; frame != NULL; frame = ku__fact_back(frame)) {
        int count = 0;
        const uintptr_t *words = ku__fact_has_code(frame) ? ku__fact_frame_guess(frame, &count) : NULL;
        for (int i = 0; words != NULL && i < count; i++) {
            guess(all, words[i]);
        }
    }
}

static void count_from(void *item, void *argument) {
    traverseproc traverse = Py_TYPE((PyObject *)item)->tp_traverse;
    if (traverse != NULL) {
        traverse(item, count_guess, argument);
    }
}

static void find_guesses(guesses *all, PyInterpreterState *interpreter) {
    ku__interpreters_lock();
    PyThreadState *thread = PyInterpreterState_ThreadHead(interpreter);
    for (; thread != NULL; thread = PyThreadState_Next(thread)) {
        guess_thread(all, thread);
    }
    ku__interpreters_unlock();
}

/* Marks from all guesses as if they were roots, and counts the references on the way. */
static void mark_tentatively(marker *by, guesses *all) {
    by->guesses = all;
    for (size_t i = 0; i < all->count; i++) {
        by->see.guessed |= guess_bit(&by->see, all->items[i]);
    }
    for (size_t i = 0; i < all->count; i++) {
        if (ku__marks_take(by->marks, all->items[i])) { /* the guess itself is no reference */
            by->top = push(by, by->top, all->items[i]);
        }
    }
    mark_all(by);
    by->guesses = NULL;
    by->see.guessed = 0;
}

static bool is_root(const guesses *all, size_t number) {
    return Py_REFCNT(all->items[number]) > all->found[number];
}

static bool are_roots(const guesses *all) {
    size_t number = 0;
    while (number < all->count && is_root(all, number)) {
        number++;
    }
    return number == all->count;
}

/* What was marked from guesses is a candidate again, and none of it may be untracked. */
static void take_back(marker *by, const ku__saved_marks *saved, size_t doubtful) {
    ku__marks_restore(by->marks, saved);
    by->doubtful->count = doubtful;
}

/* Some guesses were wrong: it is marked from those that were not. */
static void mark_anew(marker *by, const guesses *all) {
    for (size_t i = 0; i < all->count; i++) {
        if (is_root(all, i)) {
            mark(by, all->items[i]);
        }
    }
    mark_all(by);
}

/* Afterwards every candidate's references were counted once: those of what was marked on the way, those of the rest by
 * looking at it. Where little hangs on the guesses, that is left to the interpreter. The number of candidates that
 * turned out to be tracked no more. */
static size_t mark_guesses(marker *by, ku__collector *collector) {
    guesses all = {.marks = by->marks};
    find_guesses(&all, collector->interpreter);
    if (all.count == 0 || !ku__marks_save(by->marks, &collector->saved)) {
        return ku__collector_drop_untracked(collector);
    }
    size_t before = ku__marks_left(by->marks), doubtful = by->doubtful->count;
    mark_tentatively(by, &all);
    if (ku__marks_left(by->marks) > before - before / WORTH) {
        take_back(by, &collector->saved, doubtful);
        return ku__collector_drop_untracked(collector);
    }
    size_t gone = ku__collector_drop_untracked(collector);
    ku__marks_each(by->marks, count_from, &all);
    if (are_roots(&all)) {
        return gone;
    }
    take_back(by, &collector->saved, doubtful);
    mark_anew(by, &all);
    return ku__collector_drop_untracked(collector);
}

/* There is always room for one object, at least: where more is refused, others take its place. */
static bool open_stacks(marker *by) {
    by->stack->refused = by->doubtful->refused = false;
    by->stack->count = by->doubtful->count = 0;
    if (by->stack->capacity == 0 && !grow(by->stack)) {
        return false;
    }
    by->top = by->stack->items;
    by->end = by->top + by->stack->capacity;
    return true;
}

bool ku__collector_mark(ku__collector *collector) {
    const ku__marks *marks = &collector->marks;
    marker by = {.see = {marks->base, marks->span, marks->bits, 0},
                 .marks = &collector->marks,
                 .stack = &collector->stack,
                 .doubtful = &collector->doubtful,
                 .roll = collector->rolled ? &collector->heap->roll : NULL,
                 .layouts = {.traverse = collector->traverse}};
    if (!open_stacks(&by)) {
        return false;
    }
    mark(&by, PyImport_GetModuleDict());
    mark(&by, PyInterpreterState_GetDict(collector->interpreter));
    mark(&by, collector->theirs);
    mark_threads(&by, collector->interpreter);
    mark_statics(&by, collector);
    mark_frozen(&by, ku__fact_gc(collector->interpreter));
    mark_all(&by);
    collector->gone = by.frozen + mark_guesses(&by, collector);
    return !by.stack->refused && !by.doubtful->refused;
}

#endif
