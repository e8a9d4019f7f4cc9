/* graph_places.c: tables of keys, threads and their frames in a living heap: rules of inspect/python_make.h. */
#include "cpython/graph_facts.h"

#if KU__FACTS_SUPPORTED

#include "cpython/graph_making.h"

/* ---- keys ---- */

static ku__key_table table_of(const PyDictKeysObject *keys) {
    enum { WORD = sizeof(uintptr_t) };
    _Static_assert(sizeof(PyDictKeyEntry) == 3 * WORD && offsetof(PyDictKeyEntry, me_key) == WORD &&
                       offsetof(PyDictKeyEntry, me_value) == 2 * WORD && sizeof(PyDictUnicodeEntry) == 2 * WORD &&
                       offsetof(PyDictUnicodeEntry, me_key) == 0,
                   "entries are words: a hash perhaps, a key, a value");
    bool general = keys->dk_kind == DICT_KEYS_GENERAL;
    return (ku__key_table){.address = (uintptr_t)keys,
                           .bytes = ku__fact_keys_size(keys),
                           .room = ku__fact_keys_usable(keys),
                           .used = keys->dk_nentries > 0 ? (size_t)keys->dk_nentries : 0,
                           .entries = (const uintptr_t *)(const void *)ku__fact_keys_entries(keys),
                           .step = general ? 3 : 2,
                           .key_at = general ? 1 : 0,
                           .general = general};
}

ku__key_table ku__hosted_keys_of_dict(ku__making *making, uintptr_t address) {
    (void)making;
    const PyDictObject *dict = (const PyDictObject *)address;
    return dict != NULL && dict->ma_values == NULL ? table_of(dict->ma_keys) : (ku__key_table){0};
}

ku__key_table ku__hosted_keys_of_type(ku__making *making, uintptr_t type) {
    (void)making;
    const PyDictKeysObject *keys = ku__fact_shared_keys((const PyTypeObject *)type);
    return keys != NULL ? table_of(keys) : (ku__key_table){0};
}

/* ---- frames ---- */

/* The next frame with code, from this one on. */
static uintptr_t with_code(const ku__frame_of_python *frame) {
    while (frame != NULL && !ku__fact_has_code(frame)) {
        frame = ku__fact_back(frame);
    }
    return (uintptr_t)frame;
}

uintptr_t ku__hosted_first_frame(ku__making *making, uintptr_t thread) {
    (void)making;
    return with_code(ku__fact_top((const PyThreadState *)thread));
}

uintptr_t ku__hosted_next_frame(ku__making *making, uintptr_t frame) {
    (void)making;
    return with_code(ku__fact_back((const ku__frame_of_python *)frame));
}

ku__frame_view ku__hosted_frame(ku__making *making, uintptr_t address) {
    (void)making;
    const ku__frame_of_python *frame = (const ku__frame_of_python *)address;
    const PyCodeObject *code = ku__fact_code(frame);
    const PyTupleObject *names = (const PyTupleObject *)(const void *)code->co_localsplusnames;
    size_t locals = (size_t)code->co_nlocalsplus, end = ku__fact_frame_end(frame, locals);
    size_t most = locals + (size_t)code->co_stacksize;
    return (ku__frame_view){.code = (uintptr_t)code,
                            .function = (uintptr_t)ku__fact_frame_function(frame),
                            .locals = (uintptr_t)frame->f_locals,
                            .object = (uintptr_t)frame->frame_obj,
                            .items = (const uintptr_t *)(const void *)frame->localsplus,
                            .local_count = locals,
                            .count = end < most ? end : most,
                            .names = (const uintptr_t *)(const void *)names->ob_item,
                            .name_count = (size_t)Py_SIZE(names),
                            .tags = KU__FACT_FRAME_TAGS,
                            .holds = ku__fact_frame_holds(frame)};
}

ku__frame_place ku__hosted_place(ku__making *making, uintptr_t address) {
    (void)making;
    const ku__frame_of_python *frame = (const ku__frame_of_python *)address;
    const PyCodeObject *code = ku__fact_code(frame);
    const PyBytesObject *lines = (const PyBytesObject *)(const void *)code->co_linetable;
    return (ku__frame_place){.function = (uintptr_t)code->co_qualname,
                             .file = (uintptr_t)code->co_filename,
                             .lines = (const uint8_t *)lines->ob_sval,
                             .line_bytes = (size_t)Py_SIZE(lines),
                             .first_line = code->co_firstlineno,
                             .offset = (int64_t)(ku__fact_instruction(frame) - ku__fact_bytecode(code))};
}

/* ---- threads ---- */

ku__thread_words ku__hosted_thread(ku__making *making, size_t index) {
    const ku__growing *names = &ku__hosted_of(making)->order->names;
    if (index < KU__GROWING_COUNT(names, ku__thread_words)) {
        return KU__GROWING_ITEMS(names, ku__thread_words)[index];
    }
    uintptr_t state = KU__GROWING_ITEMS(&making->threads, uintptr_t)[index];
    return (ku__thread_words){.id = ((const PyThreadState *)state)->thread_id};
}

#endif
