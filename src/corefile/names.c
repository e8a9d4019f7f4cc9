/* names.c: what types and objects of a core are called: rules of inspect/python_make.h. */
#include "corefile/making.h"

size_t ku__core_text(ku__making *making, uintptr_t text, char *out, size_t size) {
    ku__core_making *core = ku__core_of(making);
    return ku__python_text(&core->python, &core->image, text, out, size);
}

static uintptr_t word(ku__core_making *core, uintptr_t object, int32_t place) {
    return ku__image_word(&core->image, object + (uintptr_t)place);
}

static bool is_text(ku__core_making *core, uintptr_t object) {
    return object != 0 && (ku__type_flags_at(&core->image, word(core, object, KU__AT_TYPE)) & KU__FLAG_TEXT) != 0;
}

ku__type_words ku__core_words_of_type(ku__making *making, uint32_t number) {
    ku__core_making *core = ku__core_of(making);
    const ku__type *type = ku__core_type_at(&core->types, number);
    ku__type_words words = {.chars = word(core, type->address, KU__TYPE_NAME),
                            .is_heap = (type->flags & KU__FLAG_HEAP_TYPE) != 0};
    if (words.is_heap) {
        uintptr_t name = word(core, type->address, core->python.layout.heap_qualname);
        uintptr_t dict = word(core, type->address, KU__TYPE_DICT);
        uintptr_t module = ku__python_value(&core->python, &core->image, dict, "__module__");
        words.name = is_text(core, name) ? name : 0;
        words.module = is_text(core, module) ? module : 0;
    }
    return words;
}

/* ---- labels ---- */

static uint32_t label_of_text(ku__core_making *core, uintptr_t name) {
    return is_text(core, name) ? ku__name_of_text(&core->making, name) : KU_GRAPH_NONE;
}

static const ku__type *type_of(ku__core_making *core, uintptr_t object) {
    uint32_t number = ku__core_type_find(&core->types, word(core, object, KU__AT_TYPE));
    return number == KU__NO_TYPE ? NULL : ku__core_type_at(&core->types, number);
}

static uint32_t label_of_method(ku__core_making *core, uintptr_t object) {
    uintptr_t function = word(core, object, KU__HEADER);
    const ku__type *type = function == 0 ? NULL : type_of(core, function);
    return type != NULL && type->kind == KU__KIND_FUNCTION
               ? label_of_text(core, word(core, function, core->python.layout.function_qualname))
               : KU_GRAPH_NONE;
}

/* Where it has got to; its name alone when it is at its end. */
static uint32_t label_of_generator(ku__core_making *core, uintptr_t object) {
    const ku__layout *at = &core->python.layout;
    int8_t state = (int8_t)ku__image_u8(&core->image, object + (uintptr_t)at->generator_state);
    return state < at->generator_cleared ? ku__name_of_frame(&core->making, object + (uintptr_t)at->generator_frame)
                                         : label_of_text(core, word(core, object, at->generator_qualname));
}

static uint32_t label_of_frame(ku__core_making *core, uintptr_t object) {
    enum { OWNER_C = 3 };
    uintptr_t frame = word(core, object, core->python.layout.frame_object_frame);
    uint8_t owner = ku__image_u8(&core->image, frame + (uintptr_t)core->python.layout.frame_owner);
    return frame != 0 && owner < OWNER_C ? ku__name_of_frame(&core->making, frame) : KU_GRAPH_NONE;
}

static uint32_t label_of_tracked(ku__core_making *core, uintptr_t object, const ku__type *type) {
    switch (type->base) {
    case KU__KIND_MODULE:
        return label_of_text(core, ku__python_value(&core->python, &core->image,
                                                    word(core, object, core->python.layout.module_dict), "__name__"));
    case KU__KIND_METHOD: return label_of_method(core, object);
    case KU__KIND_C_FUNCTION: return ku__name_of_chars(&core->making, word(core, word(core, object, KU__HEADER), 0));
    case KU__KIND_GENERATOR: return label_of_generator(core, object);
    case KU__KIND_FRAME: return label_of_frame(core, object);
    default: return KU_GRAPH_NONE;
    }
}

uint32_t ku__core_label(ku__making *making, uintptr_t object, uint32_t number, bool tracked) {
    ku__core_making *core = ku__core_of(making);
    const ku__type *type = ku__core_type_at(&core->types, number);
    if (type->base == KU__KIND_FUNCTION) {
        return label_of_text(core, word(core, object, core->python.layout.function_qualname));
    }
    if (type->base == KU__KIND_CODE) {
        return label_of_text(core, word(core, object, core->python.layout.code_qualname));
    }
    if ((type->flags & KU__FLAG_TYPE) != 0) {
        return ku__name_of_chars(&core->making, word(core, object, KU__TYPE_NAME));
    }
    return tracked ? label_of_tracked(core, object, type) : KU_GRAPH_NONE;
}
