/* graph_make.c: from CPython's heap, as the child of a clone has it, to a graph: the rules of inspect/python_make.h for
 * an interpreter whose own structures can be asked. See graph_make.h.
 */
#include "cpython/graph_facts.h"

#if KU__FACTS_SUPPORTED

#include "alloc/anchor.h"
#include "cpython/graph_making.h"

/* ---- rules ---- */

static bool read_object(ku__making *making, uintptr_t object, uint32_t type, bool tracked) {
    return ku__read_object(&ku__hosted_of(making)->reading, (PyObject *)object, type, tracked);
}

static uint64_t bytes_of(ku__making *making, uintptr_t object, uint32_t type) {
    return ku__object_bytes((PyObject *)object, ku__type_table_at(making->types, type)->front);
}

static uint32_t count_of(ku__making *making, uintptr_t object) {
    (void)making;
    return ku__fact_count((PyObject *)object);
}

static bool is_immortal(ku__making *making, uintptr_t address, uint32_t type) {
    (void)making;
    (void)type;
    PyObject *object = (PyObject *)address;
    bool is_static = PyType_Check(object) && (((PyTypeObject *)(void *)object)->tp_flags & Py_TPFLAGS_HEAPTYPE) == 0;
    return is_static || ku__fact_is_immortal(object);
}

/* Asks what foreign code may have made: of a type that is forbidden nothing. */
static void note(ku__making *making, uintptr_t object, uint32_t type, uint32_t node, uint64_t block) {
    ku__hosted *hosted = ku__hosted_of(making);
    if (hosted->reading.banned[type] != 0) {
        return;
    }
    *hosted->reading.running = type;
    uint64_t room = ku__room_of((PyObject *)object);
    if (room != 0) {
        ku__maker_room(&making->maker, node, room);
    }
    if (hosted->order->equals) {
        ku__note_value(hosted, (PyObject *)object, node, block, ku__type_table_at(making->types, type)->front);
    }
}

static uintptr_t collector_list(ku__making *making, unsigned list) {
    return (uintptr_t)ku__fact_gc_list(ku__hosted_of(making)->order->interpreter, list);
}

static const ku__python_rules rules = {
    .read = read_object,
    .bytes = bytes_of,
    .count = count_of,
    .is_immortal = is_immortal,
    .label = ku__hosted_label,
    .note = note,
    .noted = ku__make_equals,
    .words_of_type = ku__hosted_words_of_type,
    .text = ku__hosted_text,
    .keys_of_dict = ku__hosted_keys_of_dict,
    .keys_of_type = ku__hosted_keys_of_type,
    .collector_list = collector_list,
    .first_frame = ku__hosted_first_frame,
    .next_frame = ku__hosted_next_frame,
    .frame = ku__hosted_frame,
    .place = ku__hosted_place,
    .thread = ku__hosted_thread,
};

/* ---- all of it ---- */

ku_graph *ku__graph_make(ku__graph_order *order, ku_error *error) {
    ku__memory own = {.seek = NULL};
    ku__hosted hosted = {.making = {.rules = &rules,
                                    .memory = &own,
                                    .types = &order->types,
                                    .telling = &hosted.reading.telling,
                                    .blocks = {.anchor = ku__process_anchor},
                                    .heaps = {{(uintptr_t)order->objects, false}, {(uintptr_t)order->buffers, true}},
                                    .heap_count = 2,
                                    .threads = order->threads},
                         .reading = {.types = &order->types, .running = order->running, .banned = order->banned},
                         .order = order};
    for (size_t i = 0; i < KU__HELD; i++) {
        hosted.making.held[i].name = order->held[i].name;
        hosted.making.held[i].object = (uintptr_t)order->held[i].object;
    }
    if (!ku__python_open(&hosted.making, error) || !ku__python_make(&hosted.making, error)) {
        return NULL;
    }
    return ku__python_finish(&hosted.making, order->info, order->program, order->runtime, NULL, error);
}

#endif
