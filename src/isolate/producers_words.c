/* producers_words.c: references, types and birthplaces of dead native objects, in words. See producers.h.
 *
 * References have the names that tables of fields, shared attributes and dicts give them:
 *
 *     node.parent -> node                  a field, or an attribute
 *     node.children[...] -> node           an item of a container that a field names, or of an array of its own
 *     page.on_close.__self__ -> page       by way of a bound method
 *
 * Lists, tuples, dicts, sets, cells and bound methods are the way from one object with a name to the next.
 */
#include "isolate/producers.h"

#include "object/attributes.h"
#include "object/class.h"
#include "object/values.h"

#include <string.h>

enum { NAME_MOST = 256 }; /* bytes of a name */

static ku_object *object_of(uintptr_t item) {
    return (ku_object *)item; // NOLINT(performance-no-int-to-ptr)
}

/* ---- references ---- */

typedef enum step_kind { STEP_NONE, STEP_ATTRIBUTE, STEP_ITEM, STEP_KEY, STEP_TYPE } step_kind;

/* How one object leads to another. */
typedef struct step {
    step_kind kind;
    const char *name;     /* of the attribute, or of the array that has the item; NULL */
    const ku_object *key; /* of a dict's value: a str, or NULL */
    size_t number;        /* of an item */
} step;

static const char *text_of(const ku_object *object) {
    return object != NULL && ku_is_exactly(object, KU_BUILTIN_STR) ? ((const ku__str *)(const void *)object)->text
                                                                   : NULL;
}

/* The array of a container is the container itself; one of another object's has the name of its field. */
static step item_step(const ku_object *from, const ku_field *field, ku_object **items, size_t number) {
    step found = {.kind = STEP_ITEM, .number = number};
    if ((field->flags & KU_FIELD_HIDDEN) == 0) {
        found.name = field->name;
    }
    if (ku__is_a(from, KU_BUILTIN_DICT)) {
        found.kind = number % 2 == 0 ? STEP_KEY : STEP_ITEM;
        found.key = text_of(items[number & ~(size_t)1]) != NULL ? items[number & ~(size_t)1] : NULL;
        found.number = number / 2;
    }
    return found;
}

static step find_item(const ku_object *from, const ku__type_map *map, const ku_object *to) {
    size_t length;
    ku_object **items = ku__items_of(from, map, &length);
    for (size_t i = 0; items != NULL && i < length; i++) {
        if (items[i] == to) {
            return item_step(from, &map->type->fields[map->type->array_field], items, i);
        }
    }
    return (step){.kind = STEP_NONE};
}

static step find_field(const ku_object *from, const ku_type *type, const ku_object *to) {
    for (uint32_t i = 0; i < type->field_count; i++) {
        const ku_field *field = &type->fields[i];
        bool is_reference = field->kind == KU_FIELD_OWNED || field->kind == KU_FIELD_WEAK;
        const char *place = (const char *)from + field->offset;
        if (is_reference && *(ku_object *const *)(const void *)place == to) {
            return (step){.kind = STEP_ATTRIBUTE, .name = field->name};
        }
    }
    return (step){.kind = STEP_NONE};
}

/* Attributes in the shared lay-out have the names that their type object keeps. */
static step find_shared(const ku_isolate *isolate, const ku_object *from, ku__shared *shared, const ku_object *to) {
    const ku__classes *classes = isolate->classes;
    uint32_t number = ku__number_of(from);
    const ku__class *class = number < classes->capacity ? classes->by_number[number] : NULL;
    for (size_t i = 0; i < shared->capacity; i++) {
        if (ku__shared_values(shared)[i] == to) {
            const char *name = class != NULL && i < class->name_count ? text_of(class->names[i]) : NULL;
            return (step){.kind = STEP_ATTRIBUTE, .name = name};
        }
    }
    return (step){.kind = STEP_NONE};
}

static step find_attribute(const ku_isolate *isolate, const ku_object *from, const ku__type_map *map,
                           const ku_object *to) {
    uintptr_t word = *ku__dict_word(from, map);
    if ((word & 1) != 0) {
        bool is_dict = (const ku_object *)(word - 1) == to; // NOLINT(performance-no-int-to-ptr)
        return (step){.kind = is_dict ? STEP_ATTRIBUTE : STEP_NONE, .name = "__dict__"};
    }
    return word == 0 ? (step){.kind = STEP_NONE}
                     : find_shared(isolate, from, (ku__shared *)word, to); // NOLINT(performance-no-int-to-ptr)
}

/* What leads from one object to the other; STEP_NONE: a reference of which only a hook knows. */
static step find_step(const ku_isolate *isolate, const ku_object *from, const ku_object *to) {
    const ku__type_map *map = ku__map_of(from);
    step found = find_field(from, map->type, to);
    if (found.kind == STEP_NONE && map->items_at != 0) {
        found = find_item(from, map, to);
    }
    if (found.kind == STEP_NONE && (map->flags & KU__MAP_DICT) != 0) {
        found = find_attribute(isolate, from, map, to);
    }
    if (found.kind == STEP_NONE && (map->flags & KU__MAP_RUN_TIME) != 0 && map->type->object == to) {
        found = (step){.kind = STEP_TYPE};
    }
    return found;
}

typedef struct reader {
    ku__producing_see *see;
    void *argument;
} reader;

static void pass_on(ku_object **place, void *argument) {
    const reader *by = argument;
    by->see(by->argument, (uintptr_t)*place);
}

static uint64_t read_object(void *words, uintptr_t item, ku__producing_see *see, void *argument) {
    reader by = {see, argument};
    ku__visit_references(object_of(item), pass_on, &by);
    return ku_size_of(((ku__native_words *)words)->isolate, object_of(item));
}

/* ---- objects ---- */

static bool is_principal(uintptr_t item) {
    switch (ku__number_of(object_of(item))) {
    case KU_BUILTIN_TUPLE:
    case KU_BUILTIN_LIST:
    case KU_BUILTIN_DICT:
    case KU_BUILTIN_SET:
    case KU_BUILTIN_CELL:
    case KU_BUILTIN_METHOD: return false;
    default: return true;
    }
}

/* Frames are no objects: none of their references can close a cycle. */
static bool is_leftover(uintptr_t item) {
    (void)item;
    return false;
}

static void put_object(void *words, ku__phrase *to, uintptr_t item) {
    (void)words;
    const ku_object *object = object_of(item);
    if (ku_is_exactly(object, KU_BUILTIN_FUNCTION)) {
        const char *name = text_of(((const ku__function *)(const void *)object)->name);
        ku__phrase_put(to, "function %.*s", NAME_MOST, name != NULL ? name : "?");
    } else if (ku_is_exactly(object, KU_BUILTIN_TYPE)) {
        ku__phrase_put(to, "type %.*s", NAME_MOST, ((const ku__class *)(const void *)object)->type->own.name);
    } else {
        ku__phrase_put(to, "%.*s", NAME_MOST, ku__type_name(object));
    }
}

/* ---- parts ---- */

static void put_item(ku__phrase *to, const step *by, bool exact) {
    if (by->name != NULL) {
        ku__phrase_put(to, ".%.*s", NAME_MOST, by->name);
    }
    if (by->key != NULL) {
        ku__phrase_put(to, "['%.*s']", NAME_MOST, text_of(by->key));
    } else if (exact) {
        ku__phrase_put(to, "[%zu]", by->number);
    } else {
        ku__phrase_put(to, "[...]");
    }
}

static void put_step(ku__phrase *to, const step *by, bool exact) {
    switch (by->kind) {
    case STEP_KEY: ku__phrase_put(to, " key"); break;
    case STEP_ITEM: put_item(to, by, exact); break;
    case STEP_TYPE: ku__phrase_put(to, ".__class__"); break;
    default:
        if (by->name != NULL) {
            ku__phrase_put(to, ".%.*s", NAME_MOST, by->name);
        } else {
            ku__phrase_put(to, " (by a reference that has no name)");
        }
    }
}

static step step_at(const ku_isolate *isolate, const ku__part *of, uint32_t number) {
    return find_step(isolate, object_of(ku__part_item(of, number)), object_of(ku__part_item(of, number + 1)));
}

/* The first reference of a part. One that an instance's dict is only a place for is the instance's own. */
static step first_step(const ku_isolate *isolate, const ku__part *of, uint32_t *told) {
    step first = step_at(isolate, of, of->first);
    *told = 1;
    if (first.name != NULL && strcmp(first.name, "__dict__") == 0 && of->end - of->first > 1 &&
        (ku__map_of(object_of(ku__part_item(of, of->first)))->flags & KU__MAP_DICT) != 0) {
        step inner = step_at(isolate, of, of->first + 1);
        if (inner.kind == STEP_ITEM && inner.key != NULL) {
            *told = 2;
            return (step){.kind = STEP_ATTRIBUTE, .name = text_of(inner.key)};
        }
    }
    return first;
}

static ku__closing closing_of(const ku__part *of, const step *first, bool item) {
    for (uint32_t i = of->first + 1; i < of->end; i++) {
        if (ku_is_exactly(object_of(ku__part_item(of, i)), KU_BUILTIN_METHOD)) {
            return KU__CLOSING_METHOD;
        }
    }
    if (ku_is_exactly(object_of(ku__part_item(of, of->first)), KU_BUILTIN_TYPE)) {
        return KU__CLOSING_CLASS;
    }
    return item ? KU__CLOSING_ITEM : first->name != NULL ? KU__CLOSING_ATTRIBUTE : KU__CLOSING_OTHER;
}

static ku__closing put_part(void *words, const ku__part *of, ku__phrase *to, ku__phrase *name) {
    const ku_isolate *isolate = ((const ku__native_words *)words)->isolate;
    uint32_t told;
    step first = first_step(isolate, of, &told);
    bool item = first.kind == STEP_ITEM || first.kind == STEP_KEY;
    put_object(words, to, ku__part_item(of, of->first));
    put_step(to, &first, of->exact);
    if (first.name != NULL) {
        ku__phrase_put(name, "%.*s", NAME_MOST, first.name);
    }
    for (uint32_t i = of->first + told; i < of->end; i++) {
        step next = step_at(isolate, of, i);
        item |= next.kind == STEP_ITEM || next.kind == STEP_KEY;
        put_step(to, &next, of->exact);
    }
    return closing_of(of, &first, item);
}

/* ---- types and birthplaces ---- */

static uint32_t text_of_type(void *words, uintptr_t item) {
    ku__phrase text = {.used = 0};
    ku__phrase_put(&text, "%.*s", NAME_MOST, ku__type_name(object_of(item)));
    return ku__producers_keep(((ku__native_words *)words)->all, &text);
}

static uint32_t text_of_place(void *context, uintptr_t item) {
    ku__native_words *words = context;
    ku__phrase text = {.used = 0};
    ku_place place;
    if (!ku_birthplace(words->isolate, object_of(item), &place)) {
        return KU_GRAPH_NONE;
    }
    ku__phrase_put(&text, "%.*s:%d", NAME_MOST, place.file, (int)place.line);
    if (place.function[0] != 0) {
        ku__phrase_put(&text, " in %.*s", NAME_MOST, place.function);
    }
    return ku__producers_keep(words->all, &text);
}

const ku__producing ku__native_producing = {
    .read = read_object,
    .type = text_of_type,
    .place = text_of_place,
    .is_principal = is_principal,
    .is_leftover = is_leftover,
    .put_object = put_object,
    .put_part = put_part,
};
