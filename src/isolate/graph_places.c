/* graph_places.c: what holds native objects without being one. See graph_making.h.
 *
 * Under the root stand: "immortal"; for each isolate a place with its name, which holds what the library and the
 * program's roots (ku_root_add) do, and its threads, with their frames; and at last, when the references of all others
 * are known, "C or unknown", which holds every object whose count is larger than those, and memory that no object owns.
 */
#include "inspect/python_graph.h"
#include "isolate/graph_making.h"

#include "object/object.h"

#include <stdio.h>

/* Of all threads together: chains that are longer lead in a circle. */
enum { FRAMES_MOST = 1 << 22, THREADS_MOST = 1 << 16, LIST_MOST = 1 << 24 };

/* ---- threads and frames ---- */

/* The last frame of a chain is the thread's end of it, and no frame of the program. */
static void find_chain(ku__native_making *making, uintptr_t frame, uint32_t isolate, uint32_t number) {
    uint32_t first = (uint32_t)KU__GROWING_COUNT(&making->frames, uintptr_t), count = first;
    uintptr_t back;
    while ((back = ku__native_member(making, frame, making->order->layout.frame_back)) != 0 && count < FRAMES_MOST) {
        uintptr_t *room = ku__growing_push(&making->frames, sizeof *room);
        if (room == NULL) {
            break;
        }
        *room = frame;
        frame = back;
        count++;
    }
    ku__native_thread *thread = count != first ? ku__growing_push(&making->threads, sizeof *thread) : NULL;
    if (thread != NULL) {
        *thread = (ku__native_thread){isolate, number, first, count - first};
    }
}

static void find_threads(ku__native_making *making, uintptr_t isolate, uint32_t index) {
    const ku__native_layout *at = &making->order->layout;
    uintptr_t running = ku__native_word(making, isolate + at->isolate_running);
    uintptr_t holder = ku__native_member(making, running, at->running_holder);
    uintptr_t thread = ku__native_member(making, running, at->running_threads);
    for (uint32_t number = 1; thread != 0 && number < THREADS_MOST; number++) {
        uintptr_t innermost = thread == holder ? ku__native_word(making, isolate + at->isolate_innermost)
                                               : ku__native_word(making, thread + at->thread_innermost);
        find_chain(making, innermost, index, number);
        thread = ku__native_word(making, thread + at->thread_next);
    }
}

void ku__native_find_frames(ku__native_making *making) {
    size_t count;
    const ku__native_isolate *all = ku__native_isolates(making, &count);
    for (size_t i = 0; i < count; i++) {
        find_threads(making, all[i].address, (uint32_t)i);
    }
}

/* The threads of an isolate, which stand together. */
static const ku__native_thread *threads_of(const ku__native_making *making, size_t isolate, size_t *count) {
    const ku__native_thread *threads = KU__GROWING_ITEMS(&making->threads, ku__native_thread);
    size_t all = KU__GROWING_COUNT(&making->threads, ku__native_thread), first = 0;
    while (first < all && threads[first].isolate != isolate) {
        first++;
    }
    for (*count = 0; first + *count < all && threads[first + *count].isolate == isolate;) {
        ++*count;
    }
    return *count != 0 ? threads + first : NULL;
}

static uintptr_t frame_of(const ku__native_making *making, const ku__native_thread *thread, uint32_t index) {
    return KU__GROWING_ITEMS(&making->frames, uintptr_t)[thread->first_frame + index];
}

static uint32_t name_of_frame(ku__native_making *making, uintptr_t frame) {
    const ku__native_layout *at = &making->order->layout;
    uintptr_t place = ku__native_word(making, frame + at->frame_place);
    size_t function_size, file_size;
    char text[512];
    const char *function =
        ku__memory_text(making->memory, ku__native_member(making, place, at->place_function), 200, &function_size);
    const char *file =
        ku__memory_text(making->memory, ku__native_member(making, place, at->place_file), 200, &file_size);
    int size =
        snprintf(text, sizeof text, "%.*s at %.*s:%d", (int)function_size, function == NULL ? "" : function,
                 (int)file_size, file == NULL ? "" : file, (int)ku__memory_u32(making->memory, frame + at->frame_line));
    return ku__maker_text(&making->maker, text, (size_t)size);
}

static uint32_t name_of_thread(ku__native_making *making, const ku__native_thread *thread) {
    size_t isolates;
    char text[96];
    const ku__native_isolate *all = ku__native_isolates(making, &isolates);
    int size = isolates == 1
                   ? snprintf(text, sizeof text, "thread %u", thread->number)
                   : snprintf(text, sizeof text, "thread %u of %s", thread->number, all[thread->isolate].name);
    return ku__maker_text(&making->maker, text, (size_t)size);
}

static uint32_t name_of_isolate(ku__native_making *making, size_t index) {
    size_t count;
    char text[64];
    int size = snprintf(text, sizeof text, "isolate %s", ku__native_isolates(making, &count)[index].name);
    return ku__maker_text(&making->maker, text, (size_t)size);
}

static uint32_t name_of_place(ku__native_making *making, int place) {
    return ku__native_text_fixed(making, ku__place_names[place]);
}

/* ---- nodes ---- */

static void add_isolate_nodes(ku__native_making *making, size_t index) {
    size_t count;
    ku__maker_place(&making->maker, KU__NATIVE_PLACE, name_of_isolate(making, index));
    const ku__native_thread *threads = threads_of(making, index, &count);
    for (size_t i = 0; i < count; i++) {
        ku__maker_place(&making->maker, KU__NATIVE_PLACE, name_of_thread(making, &threads[i]));
        for (uint32_t f = 0; f < threads[i].frames; f++) {
            ku__maker_place(&making->maker, KU__NATIVE_FRAME, name_of_frame(making, frame_of(making, &threads[i], f)));
        }
    }
}

void ku__native_make_place_nodes(ku__native_making *making) {
    making->first_place = making->maker.nodes;
    ku__maker_place(&making->maker, KU__NATIVE_PLACE, name_of_place(making, KU__PLACE_IMMORTAL));
    size_t count = KU__GROWING_COUNT(&making->isolates, ku__native_isolate);
    for (size_t i = 0; i < count; i++) {
        add_isolate_nodes(making, i);
    }
    ku__maker_place(&making->maker, KU__NATIVE_PLACE, name_of_place(making, KU__PLACE_UNKNOWN));
}

/* ---- the root's edges ---- */

static uint32_t add_isolate_roots(ku__native_making *making, size_t index, uint32_t node) {
    size_t count;
    ku__maker_edge(&making->maker, node++, KU_EDGE_ROOT, name_of_isolate(making, index), 0);
    const ku__native_thread *threads = threads_of(making, index, &count);
    for (size_t i = 0; i < count; i++) {
        ku__maker_edge(&making->maker, node, KU_EDGE_ROOT, name_of_thread(making, &threads[i]), 0);
        node += 1 + threads[i].frames;
    }
    return node;
}

void ku__native_make_root_edges(ku__native_making *making) {
    uint32_t node = making->first_place;
    ku__maker_begin(&making->maker, KU_GRAPH_ROOT);
    ku__maker_edge(&making->maker, node++, KU_EDGE_ROOT, name_of_place(making, KU__PLACE_IMMORTAL), 0);
    size_t count = KU__GROWING_COUNT(&making->isolates, ku__native_isolate);
    for (size_t i = 0; i < count; i++) {
        node = add_isolate_roots(making, i, node);
    }
    ku__maker_edge(&making->maker, node, KU_EDGE_ROOT, name_of_place(making, KU__PLACE_UNKNOWN), 0);
}

/* ---- what isolates and frames hold ---- */

static void hold(ku__native_making *making, uintptr_t target, const char *as) {
    ku__native_edge(making, target, KU_EDGE_ROOT, ku__native_text_fixed(making, as), 0);
}

static void add_globals(ku__native_making *making, uintptr_t isolate) {
    const ku__native_layout *at = &making->order->layout;
    size_t count = ku__native_word(making, isolate + at->isolate_root_count);
    const uintptr_t *places = ku__native_array(making, ku__native_word(making, isolate + at->isolate_roots), count);
    for (size_t i = 0; places != NULL && i < count; i++) {
        char text[32];
        snprintf(text, sizeof text, "root %zu", i + 1);
        hold(making, ku__native_member(making, places[i], 0), text);
    }
}

static void add_library(ku__native_making *making, uintptr_t isolate) {
    const ku__native_layout *at = &making->order->layout;
    hold(making, ku__native_word(making, isolate + at->isolate_pending), "pending error");
    uintptr_t gc = ku__native_word(making, isolate + at->isolate_gc);
    hold(making, ku__native_member(making, gc, at->gc_garbage), "garbage");
    size_t count = ku__native_member(making, gc, at->gc_saved_count);
    uintptr_t list = ku__native_member(making, gc, at->gc_saved);
    const uintptr_t *saved = ku__native_array(making, list, count);
    for (size_t i = 0; saved != NULL && i < count; i++) {
        hold(making, saved[i], "garbage");
    }
    uintptr_t exit = ku__native_word(making, isolate + at->isolate_exits);
    for (uint32_t i = 0; exit != 0 && i < LIST_MOST; i++) {
        hold(making, exit, "finalize");
        exit = ku__native_word(making, exit + at->exit_next);
    }
}

static void add_frame(ku__native_making *making, uintptr_t frame) {
    const ku__native_layout *at = &making->order->layout;
    uint32_t count = ku__memory_u32(making->memory, frame + at->frame_count), number = 0;
    const uintptr_t *slots = ku__native_array(making, ku__native_word(making, frame + at->frame_slots), count);
    for (uint32_t i = 0; slots != NULL && i < count; i++) {
        ku__native_edge(making, slots[i], KU_EDGE_STACK, KU_GRAPH_NONE, number++);
    }
    uintptr_t more = ku__native_word(making, frame + at->frame_more);
    while (ku__native_array(making, more, 1) != NULL) { /* each block is looked at as one more */
        size_t held = ku__native_word(making, more + at->handles_count);
        const uintptr_t *items = ku__native_array(making, more + at->handles_items, held);
        for (size_t i = 0; items != NULL && i < held; i++) {
            ku__native_edge(making, items[i], KU_EDGE_STACK, KU_GRAPH_NONE, number++);
        }
        more = ku__native_word(making, more + at->handles_next);
    }
}

static uint32_t add_thread_edges(ku__native_making *making, const ku__native_thread *thread, uint32_t node) {
    ku__maker_begin(&making->maker, node++);
    for (uint32_t f = 0; f < thread->frames; f++) {
        ku__maker_edge(&making->maker, node + f, KU_EDGE_ROOT, name_of_frame(making, frame_of(making, thread, f)), 0);
    }
    for (uint32_t f = 0; f < thread->frames; f++) {
        ku__maker_begin(&making->maker, node++);
        add_frame(making, frame_of(making, thread, f));
    }
    return node;
}

static uint32_t add_isolate_edges(ku__native_making *making, size_t index, uint32_t node) {
    size_t count;
    uintptr_t isolate = ku__native_isolates(making, &count)[index].address;
    ku__maker_begin(&making->maker, node++);
    add_globals(making, isolate);
    add_library(making, isolate);
    const ku__native_thread *threads = threads_of(making, index, &count);
    for (size_t i = 0; i < count; i++) {
        node = add_thread_edges(making, &threads[i], node);
    }
    return node;
}

/* ---- what is not explained ---- */

static uint8_t flags_of(const ku__native_making *making, uint32_t node) {
    return KU__GROWING_ITEMS(&making->maker.sections[KU__SECTION_FLAGS], uint8_t)[node];
}

static void add_immortals(ku__native_making *making) {
    for (uint32_t node = 1; node < making->first_place; node++) {
        if ((flags_of(making, node) & KU_NODE_IMMORTAL) != 0) {
            ku__maker_edge(&making->maker, node, KU_EDGE_UNKNOWN, KU_GRAPH_NONE, 0);
        }
    }
}

static void add_unexplained(ku__native_making *making) {
    for (uint32_t node = 1; node < making->first_place; node++) {
        bool is_buffer = (flags_of(making, node) & KU_NODE_BUFFER) != 0;
        if (is_buffer ? making->known[node] == 0 : making->counts[node] > making->known[node]) {
            ku__maker_edge(&making->maker, node, is_buffer ? KU_EDGE_BUFFER : KU_EDGE_UNKNOWN, KU_GRAPH_NONE, 0);
        }
    }
}

void ku__native_make_place_edges(ku__native_making *making) {
    uint32_t node = making->first_place;
    ku__maker_begin(&making->maker, node++);
    add_immortals(making);
    size_t count = KU__GROWING_COUNT(&making->isolates, ku__native_isolate);
    for (size_t i = 0; i < count; i++) {
        node = add_isolate_edges(making, i, node);
    }
    ku__maker_begin(&making->maker, node);
    add_unexplained(making);
}
