/* python_places.c: what holds objects without being one: the interpreter, its modules, threads and their frames, what
 * is immortal, and whatever is not known: an object whose count is larger than the references that were found is held
 * by "C or unknown". See python_make.h.
 */
#include "inspect/chain.h"
#include "inspect/python_make.h"

#include <stdio.h>

/* ---- threads and their frames ---- */

static size_t thread_count(const ku__making *making) {
    return KU__GROWING_COUNT(&making->threads, uintptr_t);
}

/* The frames of a thread, the innermost first. */
static ku__chain first_frame(ku__making *making, size_t thread) {
    uintptr_t state = KU__GROWING_ITEMS(&making->threads, uintptr_t)[thread];
    return ku__chain_from(making->rules->first_frame(making, state));
}

static void next_frame(ku__making *making, ku__chain *frames) {
    enum { DEPTH_MOST = 1 << 20 };
    bool more = frames->steps < DEPTH_MOST;
    ku__chain_step(frames, more ? making->rules->next_frame(making, frames->at) : 0);
}

#define EACH_FRAME(frames, making, thread)                                                                             \
    for (ku__chain frames = first_frame((making), (thread)); frames.at != 0; next_frame((making), &frames))

void ku__meet_frames(ku__making *making) {
    for (size_t i = 0; i < thread_count(making); i++) {
        EACH_FRAME(frames, making, i) {
            ku__frame_view view = making->rules->frame(making, frames.at);
            ku__python_meet(making, view.code);
            ku__python_meet(making, view.function);
            for (size_t item = 0; view.items != NULL && item < view.count; item++) {
                ku__python_meet(making, ku__frame_item(&view, item));
            }
        }
    }
}

static uint32_t name_of_thread(ku__making *making, size_t index) {
    ku__thread_words words = making->rules->thread(making, index);
    char text[64 + sizeof words.name];
    int size = snprintf(text, sizeof text, "thread %zu%s%s (%llu)", index + 1, words.name[0] == '\0' ? "" : " ",
                        words.name, (unsigned long long)words.id);
    return ku__maker_text(&making->maker, text, (size_t)size);
}

/* ---- nodes ---- */

void ku__make_place_nodes(ku__making *making) {
    making->first_place = making->maker.nodes;
    for (int i = 0; i < KU__PLACES; i++) {
        ku__maker_place(&making->maker, KU__SYSTEM_PLACE, ku__name_of_fixed(making, ku__place_names[i]));
    }
    for (size_t i = 0; i < thread_count(making); i++) {
        ku__maker_place(&making->maker, KU__SYSTEM_PLACE, name_of_thread(making, i));
        EACH_FRAME(frames, making, i) {
            ku__maker_place(&making->maker, KU__SYSTEM_FRAME, ku__name_of_frame(making, frames.at));
        }
    }
}

/* ---- edges ---- */

static void edge(ku__making *making, uintptr_t target, uint32_t kind, uint32_t text, uint32_t number) {
    uint32_t node = ku__node_of(making, target);
    if (node != KU_GRAPH_NONE) {
        ku__maker_edge(&making->maker, node, kind, text, number);
    }
}

static void slot(ku__making *making, uintptr_t target, const char *name) {
    edge(making, target, KU_EDGE_SLOT, ku__name_of_fixed(making, name), 0);
}

void ku__make_root_edges(ku__making *making) {
    ku__maker_begin(&making->maker, KU_GRAPH_ROOT);
    uint32_t node = making->first_place;
    for (int i = 0; i < KU__PLACES; i++) {
        ku__maker_edge(&making->maker, node++, KU_EDGE_ROOT, ku__name_of_fixed(making, ku__place_names[i]), 0);
    }
    for (size_t i = 0; i < thread_count(making); i++) {
        ku__maker_edge(&making->maker, node++, KU_EDGE_ROOT, name_of_thread(making, i), 0);
        EACH_FRAME(frames, making, i) {
            node++;
        }
    }
}

static void add_modules(ku__making *making) {
    ku__key_table table = making->rules->keys_of_dict(making, making->held[0].object);
    for (size_t i = 0; i < table.used; i++) {
        char name[KU__NAME_MOST], text[sizeof name + 8];
        uintptr_t key = ku__key_of(&table, i), value = ku__value_of(&table, i);
        size_t used = key == 0 || value == 0 ? 0 : making->rules->text(making, key, name, sizeof name);
        if (used != 0) {
            int size = snprintf(text, sizeof text, "module %.*s", (int)used, name);
            edge(making, value, KU_EDGE_ROOT, ku__maker_text(&making->maker, text, (size_t)size), 0);
        }
    }
}

static void add_interpreter(ku__making *making) {
    for (size_t i = 0; i < KU__HELD; i++) {
        if (making->held[i].object != 0) {
            uint32_t name = ku__name_of_fixed(making, making->held[i].name);
            edge(making, making->held[i].object, KU_EDGE_ROOT, name, 0);
        }
    }
}

static void add_frame(ku__making *making, uintptr_t address) {
    ku__frame_view frame = making->rules->frame(making, address);
    slot(making, frame.code, "f_code");
    slot(making, frame.locals, "f_locals");
    slot(making, frame.object, "frame object");
    slot(making, frame.function, "function");
    for (size_t i = 0; frame.items != NULL && i < frame.count; i++) {
        bool local = i < frame.local_count && i < frame.name_count;
        edge(making, ku__frame_item(&frame, i), local ? KU_EDGE_LOCAL : KU_EDGE_STACK,
             local ? ku__name_of_text(making, frame.names[i]) : KU_GRAPH_NONE,
             local ? 0 : (uint32_t)(i - frame.local_count));
    }
}

static void add_threads(ku__making *making) {
    uint32_t node = making->first_place + KU__PLACES;
    for (size_t i = 0; i < thread_count(making); i++) {
        ku__maker_begin(&making->maker, node++);
        uint32_t frame_node = node;
        EACH_FRAME(frames, making, i) {
            uint32_t name = ku__name_of_frame(making, frames.at);
            ku__maker_edge(&making->maker, frame_node++, KU_EDGE_ROOT, name, 0);
        }
        EACH_FRAME(frames, making, i) {
            ku__maker_begin(&making->maker, node++);
            add_frame(making, frames.at);
        }
    }
}

/* ---- what is not explained ---- */

/* That needs the references of all others: so those of places and frames are counted before their edges are added. */
static void count(ku__making *making, uintptr_t target) {
    uint32_t node = ku__node_of(making, target);
    if (node != KU_GRAPH_NONE) {
        making->known[node]++;
    }
}

static void count_frame(ku__making *making, uintptr_t address) {
    ku__frame_view frame = making->rules->frame(making, address);
    if (!frame.holds) {
        return;
    }
    count(making, frame.code);
    count(making, frame.locals);
    count(making, frame.object);
    count(making, frame.function);
    for (size_t i = 0; frame.items != NULL && i < frame.count; i++) {
        if (ku__frame_item_is_held(&frame, i)) {
            count(making, ku__frame_item(&frame, i));
        }
    }
}

static void count_places(ku__making *making) {
    for (size_t i = 0; i < KU__HELD; i++) {
        count(making, making->held[i].object);
    }
    for (size_t i = 0; i < thread_count(making); i++) {
        EACH_FRAME(frames, making, i) {
            count_frame(making, frames.at);
        }
    }
}

static bool is_immortal(const ku__making *making, uint32_t node) {
    const uint8_t *flags = KU__GROWING_ITEMS(&making->maker.sections[KU__SECTION_FLAGS], uint8_t);
    return (flags[node] & KU_NODE_IMMORTAL) != 0;
}

static bool is_unexplained(const ku__making *making, uint32_t node) {
    return making->counts[node] > making->known[node] && !is_immortal(making, node);
}

static void add_nodes_that(ku__making *making, bool (*hold)(const ku__making *making, uint32_t node)) {
    for (uint32_t node = 1; node < making->first_place; node++) {
        if (hold(making, node)) {
            ku__maker_edge(&making->maker, node, KU_EDGE_UNKNOWN, KU_GRAPH_NONE, 0);
        }
    }
}

void ku__make_place_edges(ku__making *making) {
    ku__maker *maker = &making->maker;
    ku__maker_begin(maker, making->first_place + KU__PLACE_MODULES);
    add_modules(making);
    ku__maker_begin(maker, making->first_place + KU__PLACE_INTERPRETER);
    add_interpreter(making);
    count_places(making);
    ku__maker_begin(maker, making->first_place + KU__PLACE_IMMORTAL);
    add_nodes_that(making, is_immortal);
    ku__maker_begin(maker, making->first_place + KU__PLACE_UNKNOWN);
    add_nodes_that(making, is_unexplained);
    add_threads(making);
}
