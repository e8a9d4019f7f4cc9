/* places.c: what holds objects without being one, in a core. See making.h, and for the live graph
 * cpython/graph_places.c. */
#include "corefile/making.h"

#include <stdio.h>

static const uintptr_t *threads_of(const ku__core_making *making, size_t *count) {
    *count = KU__GROWING_COUNT(&making->threads, uintptr_t);
    return KU__GROWING_ITEMS(&making->threads, uintptr_t);
}

static uintptr_t first_frame(ku__core_making *making, uintptr_t thread) {
    return ku__frame_first(&making->python, &making->image, thread);
}

/* Frames are at most as many as places have addresses for: a chain that goes in a circle ends there. */
static uintptr_t next_frame(ku__core_making *making, uintptr_t frame, uint32_t *depth) {
    enum { DEPTH_MOST = 1 << 20 };
    return ++*depth < DEPTH_MOST ? ku__frame_next(&making->python, &making->image, frame) : 0;
}

#define EACH_FRAME(frame, making, thread)                                                                              \
    for (uintptr_t depth_ = 0, frame = first_frame(making, thread); frame != 0;                                        \
         frame = next_frame(making, frame, (uint32_t *)(void *)&depth_))

/* ---- finding ---- */

static void find_threads(ku__core_making *making) {
    const ku__layout *at = &making->python.layout;
    uintptr_t thread = ku__image_word(&making->image, making->python.interpreter + (uintptr_t)at->interpreter_threads);
    for (size_t i = 0; thread != 0 && i < KU__THREADS_MOST; i++) {
        uintptr_t *room = ku__growing_push(&making->threads, sizeof *room);
        if (room == NULL) {
            return;
        }
        *room = thread;
        thread = ku__image_word(&making->image, thread + (uintptr_t)at->thread_next);
    }
}

void ku__core_find_places(ku__core_making *making) {
    const ku__layout *at = &making->python.layout;
    uintptr_t interpreter = making->python.interpreter;
    making->held[0].name = "sys.modules";
    making->held[0].object = making->python.modules;
    making->held[1].name = "builtins";
    making->held[1].object = ku__image_word(&making->image, interpreter + (uintptr_t)at->interpreter_builtins);
    making->held[2].name = "sys";
    making->held[2].object = ku__python_value(&making->python, &making->image, making->python.modules, "sys");
    making->held[3].name = "interpreter's dict";
    making->held[3].object = ku__image_word(&making->image, interpreter + (uintptr_t)at->interpreter_dict);
    find_threads(making);
}

/* ---- names of threads ---- */

/* An attribute of an instance, wherever it keeps it; 0: none of this name. */
static uintptr_t attribute_of(ku__core_making *making, uintptr_t object, const char *name);

typedef struct looking {
    ku__core_making *making;
    const char *name;
    uintptr_t found;
} looking;

static void look(void *argument, const ku__core_reference *reference) {
    looking *work = argument;
    char text[64];
    size_t size =
        reference->kind != KU_EDGE_ATTRIBUTE || reference->string == 0
            ? 0
            : ku__python_text(&work->making->python, &work->making->image, reference->string, text, sizeof text);
    if (size == strlen(work->name) && memcmp(text, work->name, size) == 0) {
        work->found = reference->target;
    }
}

static void own_nothing(void *argument, uintptr_t block, size_t size, ku__buffer_kind kind) {
    (void)argument;
    (void)block;
    (void)size;
    (void)kind;
}

static uintptr_t dict_of(ku__core_making *making, uintptr_t object, const ku__type *type) {
    uintptr_t managed = ku__image_word(&making->image, object - 3 * sizeof(uintptr_t));
    bool has = (type->flags & KU__FLAG_MANAGED_DICT) != 0;
    return has && (managed & 1) == 0
               ? managed
               : ku__image_word(&making->image, object + (uintptr_t)(type->dict_at > 0 ? type->dict_at : 0));
}

static uintptr_t attribute_of(ku__core_making *making, uintptr_t object, const char *name) {
    uint32_t number = ku__core_type_find(&making->types, ku__image_word(&making->image, object + KU__AT_TYPE));
    if (object == 0 || number == KU__NO_TYPE) {
        return 0;
    }
    looking work = {.making = making, .name = name};
    ku__core_reading reading = making->reading;
    reading.see = look;
    reading.own = own_nothing;
    reading.argument = &work;
    const ku__type *type = ku__core_type_at(&making->types, number);
    ku__core_read_generic(&reading, object, type);
    return work.found != 0 ? work.found
                           : ku__python_value(&making->python, &making->image, dict_of(making, object, type), name);
}

/* The Thread of threading's own table of threads by number; 0: it knows none. */
static uintptr_t thread_object(ku__core_making *making, uint64_t id) {
    uintptr_t threading = ku__python_value(&making->python, &making->image, making->python.modules, "threading");
    uintptr_t dict =
        threading == 0 ? 0 : ku__image_word(&making->image, threading + (uintptr_t)making->python.layout.module_dict);
    ku__key_table table = ku__key_table_of_dict(&making->python, &making->image,
                                                ku__python_value(&making->python, &making->image, dict, "_active"));
    for (size_t i = 0; i < table.used; i++) {
        uint64_t number;
        if (ku__key_of(&table, i) != 0 && ku__value_of(&table, i) != 0 &&
            ku__python_number(&making->python, &making->image, ku__key_of(&table, i), &number) && number == id) {
            return ku__value_of(&table, i);
        }
    }
    return 0;
}

static uint32_t name_of_thread(ku__core_making *making, size_t index) {
    size_t count;
    char name[64], text[64 + sizeof name];
    uint64_t id =
        ku__image_word(&making->image, threads_of(making, &count)[index] + (uintptr_t)making->python.layout.thread_id);
    uintptr_t named = attribute_of(making, thread_object(making, id), "_name");
    size_t used = named == 0 ? 0 : ku__python_text(&making->python, &making->image, named, name, sizeof name - 1);
    int size = snprintf(text, sizeof text, "thread %zu%s%.*s (%llu)", index + 1, used == 0 ? "" : " ", (int)used, name,
                        (unsigned long long)id);
    return ku__maker_text(&making->maker, text, (size_t)size);
}

/* ---- nodes ---- */

void ku__core_make_place_nodes(ku__core_making *making) {
    making->first_place = making->maker.nodes;
    for (int i = 0; i < KU__PLACES; i++) {
        ku__maker_place(&making->maker, KU__SYSTEM_PLACE, ku__core_name_of_fixed(making, ku__place_names[i]));
    }
    size_t count;
    const uintptr_t *threads = threads_of(making, &count);
    for (size_t i = 0; i < count; i++) {
        ku__maker_place(&making->maker, KU__SYSTEM_PLACE, name_of_thread(making, i));
        EACH_FRAME(frame, making, threads[i]) {
            ku__maker_place(&making->maker, KU__SYSTEM_FRAME, ku__core_name_of_frame(making, frame));
        }
    }
}

/* ---- edges ---- */

static void edge(ku__core_making *making, uintptr_t target, uint32_t kind, uint32_t text, uint32_t number) {
    uint32_t node = ku__core_node_of(making, target);
    if (node != KU_GRAPH_NONE) {
        ku__maker_edge(&making->maker, node, kind, text, number);
    }
}

static void count(ku__core_making *making, uintptr_t target) {
    uint32_t node = ku__core_node_of(making, target);
    if (node != KU_GRAPH_NONE) {
        making->known[node]++;
    }
}

void ku__core_make_root_edges(ku__core_making *making) {
    size_t thread_count;
    const uintptr_t *threads = threads_of(making, &thread_count);
    ku__maker_begin(&making->maker, KU_GRAPH_ROOT);
    uint32_t node = making->first_place;
    for (int i = 0; i < KU__PLACES; i++) {
        ku__maker_edge(&making->maker, node++, KU_EDGE_ROOT, ku__core_name_of_fixed(making, ku__place_names[i]), 0);
    }
    for (size_t i = 0; i < thread_count; i++) {
        ku__maker_edge(&making->maker, node++, KU_EDGE_ROOT, name_of_thread(making, i), 0);
        EACH_FRAME(frame, making, threads[i]) {
            node++;
        }
    }
}

static void add_modules(ku__core_making *making) {
    ku__key_table table = ku__key_table_of_dict(&making->python, &making->image, making->python.modules);
    for (size_t i = 0; i < table.used; i++) {
        char name[256], text[sizeof name + 8];
        uintptr_t key = ku__key_of(&table, i), value = ku__value_of(&table, i);
        size_t used =
            key == 0 || value == 0 ? 0 : ku__python_text(&making->python, &making->image, key, name, sizeof name);
        if (used != 0) {
            int size = snprintf(text, sizeof text, "module %.*s", (int)used, name);
            edge(making, value, KU_EDGE_ROOT, ku__maker_text(&making->maker, text, (size_t)size), 0);
        }
    }
}

static void add_interpreter(ku__core_making *making) {
    for (size_t i = 0; i < KU__HELD; i++) {
        if (making->held[i].object != 0) {
            edge(making, making->held[i].object, KU_EDGE_ROOT, ku__core_name_of_fixed(making, making->held[i].name), 0);
            count(making, making->held[i].object);
        }
    }
}

static void add_frame(ku__core_making *making, uintptr_t address) {
    ku__frame_view frame = ku__frame_at(&making->python, &making->image, address);
    const uintptr_t *names = ku__image_words(&making->image, frame.names + KU__AT_ITEMS, frame.local_count);
    edge(making, frame.code, KU_EDGE_SLOT, ku__core_name_of_fixed(making, "f_code"), 0);
    edge(making, frame.locals, KU_EDGE_SLOT, ku__core_name_of_fixed(making, "f_locals"), 0);
    edge(making, frame.object, KU_EDGE_SLOT, ku__core_name_of_fixed(making, "frame object"), 0);
    edge(making, frame.function, KU_EDGE_SLOT, ku__core_name_of_fixed(making, "function"), 0);
    for (size_t i = 0; frame.items != NULL && i < frame.count; i++) {
        bool local = i < frame.local_count && names != NULL;
        edge(making, ku__frame_entry(&making->python, frame.items[i]), local ? KU_EDGE_LOCAL : KU_EDGE_STACK,
             local ? ku__core_name_of_text(making, names[i]) : KU_GRAPH_NONE,
             local ? 0 : (uint32_t)(i - frame.local_count));
    }
}

static void add_threads(ku__core_making *making) {
    size_t thread_count;
    const uintptr_t *threads = threads_of(making, &thread_count);
    uint32_t node = making->first_place + KU__PLACES;
    for (size_t i = 0; i < thread_count; i++) {
        ku__maker_begin(&making->maker, node++);
        uint32_t frame_node = node;
        EACH_FRAME(frame, making, threads[i]) {
            ku__maker_edge(&making->maker, frame_node++, KU_EDGE_ROOT, ku__core_name_of_frame(making, frame), 0);
        }
        EACH_FRAME(frame, making, threads[i]) {
            ku__maker_begin(&making->maker, node++);
            add_frame(making, frame);
        }
    }
}

/* ---- what is not explained ---- */

static void count_frame(ku__core_making *making, uintptr_t address) {
    ku__frame_view frame = ku__frame_at(&making->python, &making->image, address);
    if (frame.owner != 0) {
        return;
    }
    count(making, frame.code);
    count(making, frame.locals);
    count(making, frame.object);
    count(making, frame.function);
    for (size_t i = 0; frame.items != NULL && i < frame.count; i++) {
        count(making, ku__frame_entry(&making->python, frame.items[i]));
    }
}

static void count_threads(ku__core_making *making) {
    size_t thread_count;
    const uintptr_t *threads = threads_of(making, &thread_count);
    for (size_t i = 0; i < thread_count; i++) {
        EACH_FRAME(frame, making, threads[i]) {
            count_frame(making, frame);
        }
    }
}

static bool is_immortal(const ku__core_making *making, uint32_t node) {
    const uint8_t *flags = KU__GROWING_ITEMS(&making->maker.sections[KU__SECTION_FLAGS], uint8_t);
    return (flags[node] & KU_NODE_IMMORTAL) != 0;
}

static bool is_unexplained(const ku__core_making *making, uint32_t node) {
    return making->counts[node] > making->known[node] && !is_immortal(making, node);
}

static void add_nodes_that(ku__core_making *making, bool (*hold)(const ku__core_making *making, uint32_t node)) {
    for (uint32_t node = 1; node < making->first_place; node++) {
        if (hold(making, node)) {
            ku__maker_edge(&making->maker, node, KU_EDGE_UNKNOWN, KU_GRAPH_NONE, 0);
        }
    }
}

void ku__core_make_place_edges(ku__core_making *making) {
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
