/* graph_places.c: what holds objects without being one: the interpreter, its modules, threads and their frames, what
 * is immortal, and whatever is not known: an object whose count is larger than the references that were found is held
 * by "C or unknown". See graph_making.h.
 */
#include "cpython/graph_facts.h"

#if KU__FACTS_SUPPORTED

#include "cpython/graph_making.h"

#include <stdio.h>

static PyThreadState *const *threads_of(const ku__making *making, size_t *count) {
    *count = KU__GROWING_COUNT(&making->order->threads, PyThreadState *);
    return KU__GROWING_ITEMS(&making->order->threads, PyThreadState *);
}

/* The next frame with code, from this one on. */
static const ku__frame_of_python *with_code(const ku__frame_of_python *frame) {
    while (frame != NULL && !ku__fact_has_code(frame)) {
        frame = ku__fact_back(frame);
    }
    return frame;
}

static const ku__frame_of_python *first_frame(const PyThreadState *thread) {
    return with_code(ku__fact_top(thread));
}

static const ku__frame_of_python *next_frame(const ku__frame_of_python *frame) {
    return with_code(ku__fact_back(frame));
}

/* ---- nodes ---- */

static uint32_t name_of_thread(ku__making *making, size_t index) {
    size_t count;
    char text[64 + sizeof(ku__thread_name)];
    unsigned long id = threads_of(making, &count)[index]->thread_id;
    bool named = index < KU__GROWING_COUNT(&making->order->names, ku__thread_name);
    const char *name = named ? KU__GROWING_ITEMS(&making->order->names, ku__thread_name)[index].text : "";
    int size = snprintf(text, sizeof text, "thread %zu%s%s (%lu)", index + 1, name[0] == '\0' ? "" : " ", name, id);
    return ku__maker_text(&making->maker, text, (size_t)size);
}

void ku__make_place_nodes(ku__making *making) {
    making->first_place = making->maker.nodes;
    for (int i = 0; i < KU__PLACES; i++) {
        ku__maker_place(&making->maker, KU__SYSTEM_PLACE, ku__name_of_chars(making, ku__place_names[i]));
    }
    size_t count;
    PyThreadState *const *threads = threads_of(making, &count);
    for (size_t i = 0; i < count; i++) {
        ku__maker_place(&making->maker, KU__SYSTEM_PLACE, name_of_thread(making, i));
        for (const ku__frame_of_python *at = first_frame(threads[i]); at != NULL; at = next_frame(at)) {
            ku__maker_place(&making->maker, KU__SYSTEM_FRAME, ku__name_of_frame(making, at));
        }
    }
}

/* ---- edges ---- */

static void edge(ku__making *making, const void *target, uint32_t kind, uint32_t text, uint32_t number, bool counted) {
    uint32_t node = target == NULL ? KU_GRAPH_NONE : ku__node_of(making, (uintptr_t)target);
    if (node != KU_GRAPH_NONE) {
        ku__maker_edge(&making->maker, node, kind, text, number);
        making->known[node] += counted;
    }
}

void ku__make_root_edges(ku__making *making) {
    size_t count;
    PyThreadState *const *threads = threads_of(making, &count);
    ku__maker_begin(&making->maker, KU_GRAPH_ROOT);
    uint32_t node = making->first_place;
    for (int i = 0; i < KU__PLACES; i++) {
        ku__maker_edge(&making->maker, node++, KU_EDGE_ROOT, ku__name_of_chars(making, ku__place_names[i]), 0);
    }
    for (size_t i = 0; i < count; i++) {
        ku__maker_edge(&making->maker, node++, KU_EDGE_ROOT, name_of_thread(making, i), 0);
        for (const ku__frame_of_python *at = first_frame(threads[i]); at != NULL; at = next_frame(at)) {
            node++;
        }
    }
}

static void add_modules(ku__making *making) {
    const PyDictObject *dict = (const PyDictObject *)(const void *)making->order->modules;
    for (Py_ssize_t i = 0; dict != NULL && dict->ma_values == NULL && i < dict->ma_keys->dk_nentries; i++) {
        PyObject *value, *key = ku__fact_key(dict->ma_keys, (size_t)i, &value);
        if (key == NULL || value == NULL || !PyUnicode_Check(key)) {
            continue;
        }
        char name[256], text[sizeof name + 8];
        size_t used = ku__utf8_of(key, name, sizeof name);
        int size = snprintf(text, sizeof text, "module %.*s", (int)used, name);
        edge(making, value, KU_EDGE_ROOT, ku__maker_text(&making->maker, text, (size_t)size), 0, false);
    }
}

static void add_interpreter(ku__making *making) {
    for (size_t i = 0; i < sizeof making->order->held / sizeof making->order->held[0]; i++) {
        if (making->order->held[i].object != NULL) {
            edge(making, making->order->held[i].object, KU_EDGE_ROOT,
                 ku__name_of_chars(making, making->order->held[i].name), 0, true);
        }
    }
}

static const void *function_of(const ku__frame_of_python *frame) {
#if PY_VERSION_HEX < 0x030C0000
    return frame->f_func;
#elif PY_VERSION_HEX < 0x030E0000
    return frame->f_funcobj;
#else
    return (const void *)(frame->f_funcobj.bits & ~(uintptr_t)3);
#endif
}

static void add_frame(ku__making *making, const ku__frame_of_python *frame) {
    PyCodeObject *code = ku__fact_code(frame);
    const PyTupleObject *names = (const PyTupleObject *)(const void *)code->co_localsplusnames;
    size_t locals = (size_t)code->co_nlocalsplus, end = ku__fact_frame_end(frame, locals);
    size_t most = locals + (size_t)code->co_stacksize;
    bool counted = ku__fact_frame_holds(frame);
    edge(making, code, KU_EDGE_SLOT, ku__name_of_chars(making, "f_code"), 0, counted);
    edge(making, frame->f_locals, KU_EDGE_SLOT, ku__name_of_chars(making, "f_locals"), 0, counted);
    edge(making, frame->frame_obj, KU_EDGE_SLOT, ku__name_of_chars(making, "frame object"), 0, counted);
    edge(making, function_of(frame), KU_EDGE_SLOT, ku__name_of_chars(making, "function"), 0, counted);
    for (size_t i = 0; i < end && i < most; i++) {
        bool local = i < locals && i < (size_t)Py_SIZE(names);
        edge(making, ku__fact_frame_item(frame, i), local ? KU_EDGE_LOCAL : KU_EDGE_STACK,
             local ? ku__name_of_text(making, names->ob_item[i]) : KU_GRAPH_NONE, local ? 0 : (uint32_t)(i - locals),
             counted);
    }
}

static void add_threads(ku__making *making) {
    size_t count;
    PyThreadState *const *threads = threads_of(making, &count);
    uint32_t node = making->first_place + KU__PLACES;
    for (size_t i = 0; i < count; i++) {
        ku__maker_begin(&making->maker, node++);
        uint32_t frame_node = node;
        for (const ku__frame_of_python *at = first_frame(threads[i]); at != NULL; at = next_frame(at)) {
            ku__maker_edge(&making->maker, frame_node++, KU_EDGE_ROOT, ku__name_of_frame(making, at), 0);
        }
        for (const ku__frame_of_python *at = first_frame(threads[i]); at != NULL; at = next_frame(at)) {
            ku__maker_begin(&making->maker, node++);
            add_frame(making, at);
        }
    }
}

/* What is not explained needs the references of all others: so those of frames are counted before their edges are
 * added. */
static bool is_immortal(const ku__making *making, uint32_t node) {
    const uint8_t *flags = KU__GROWING_ITEMS(&making->maker.sections[KU__SECTION_FLAGS], uint8_t);
    return (flags[node] & KU_NODE_IMMORTAL) != 0;
}

static void add_nodes_that(ku__making *making, bool (*hold)(const ku__making *making, uint32_t node)) {
    for (uint32_t node = 1; node < making->first_place; node++) {
        if (hold(making, node)) {
            ku__maker_edge(&making->maker, node, KU_EDGE_UNKNOWN, KU_GRAPH_NONE, 0);
        }
    }
}

static bool is_unexplained(const ku__making *making, uint32_t node) {
    return making->counts[node] > making->known[node] && !is_immortal(making, node);
}

static void count(ku__making *making, const void *target) {
    uint32_t node = target == NULL ? KU_GRAPH_NONE : ku__node_of(making, (uintptr_t)target);
    if (node != KU_GRAPH_NONE) {
        making->known[node]++;
    }
}

static void count_frame(ku__making *making, const ku__frame_of_python *frame) {
    PyCodeObject *code = ku__fact_code(frame);
    size_t locals = (size_t)code->co_nlocalsplus, end = ku__fact_frame_end(frame, locals);
    if (!ku__fact_frame_holds(frame)) {
        return;
    }
    count(making, code);
    count(making, frame->f_locals);
    count(making, frame->frame_obj);
    count(making, function_of(frame));
    for (size_t i = 0; i < end && i < locals + (size_t)code->co_stacksize; i++) {
        count(making, ku__fact_frame_item(frame, i));
    }
}

static void count_threads(ku__making *making) {
    size_t thread_count;
    PyThreadState *const *threads = threads_of(making, &thread_count);
    for (size_t i = 0; i < thread_count; i++) {
        for (const ku__frame_of_python *at = first_frame(threads[i]); at != NULL; at = next_frame(at)) {
            count_frame(making, at);
        }
    }
}

void ku__make_place_edges(ku__making *making) {
    ku__maker *maker = &making->maker;
    ku__maker_begin(maker, making->first_place + KU__PLACE_MODULES);
    add_modules(making);
    ku__maker_begin(maker, making->first_place + KU__PLACE_INTERPRETER);
    add_interpreter(making);
    count_threads(making);
    ku__maker_begin(maker, making->first_place + KU__PLACE_IMMORTAL);
    add_nodes_that(making, is_immortal);
    ku__maker_begin(maker, making->first_place + KU__PLACE_UNKNOWN);
    add_nodes_that(making, is_unexplained);
    add_threads(making);
}

#endif
