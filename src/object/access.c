/* access.c: attributes by name: getting, setting, deleting. See kucha/object.h for what is looked at in which order.
 *
 * A name is looked up once, in the table of the object's type (lookup.h), which says all there is to know: a field, an
 * attribute of a type, a number among the shared names of instances.
 */
#include "object/attributes.h"
#include "object/fields.h"
#include "object/suggest.h"
#include "object/weak.h"

#include <kucha/container.h>
#include <kucha/text.h>

/* What a look-up has found out. */
typedef struct access {
    const ku__type_map *map;
    ku__class *class;
    const ku__entry *entry; /* good until something is allocated */
} access;

/* The interned str of a name: the same if it is one, else a new reference that *made is to give up. */
static ku_object *interned(ku_isolate *isolate, ku_object *name, ku_object **made) {
    *made = NULL;
    if (KU__LIKELY(ku__is_interned(name))) {
        return name;
    }
    if (!ku_is_exactly(name, KU_BUILTIN_STR)) {
        return ku_fail_null(isolate, KU_TYPE, "attribute name must be string, not '%s'", ku__type_of(name)->own.name);
    }
    *made = ku_intern(isolate, ku_new_reference(name));
    return *made;
}

static inline bool look_up(ku_isolate *isolate, ku_object *object, ku_object *name, access *found) {
    found->map = ku__map_of(object);
    found->class = ku__class_find(isolate, object);
    const ku__lookup *lookup = KU__LIKELY(found->class != NULL) ? ku__lookup_of(isolate, found->class) : NULL;
    if (KU__UNLIKELY(lookup == NULL)) {
        return false;
    }
    found->entry = ku__lookup_find(lookup, name);
    return true;
}

/* ---- getting ---- */

/* An attribute of a type, as it reads through an instance. True with *value NULL: not there after all. */
static bool get_of_type(ku_isolate *isolate, ku_object *object, ku__class *owner, ku_object *name, ku_object **value) {
    if (owner->attributes == NULL || !ku_dict_find(isolate, owner->attributes, name, value)) {
        return owner->attributes == NULL;
    }
    ku_object *plain = *value;
    ku_bind_hook *bind = plain != NULL ? ku__type_of(plain)->bind : NULL;
    if (bind != NULL) {
        *value = bind(isolate, plain, object);
        ku_decref(isolate, plain);
        return *value != NULL;
    }
    return true;
}

/* What every object has. True with *value NULL: not `name`. */
static bool get_common(ku_isolate *isolate, ku_object *object, ku_object *name, ku_object **value) {
    bool is_dict = ku_str_is(name, "__dict__") && (ku__map_of(object)->flags & KU__MAP_DICT) != 0;
    if (!is_dict && !ku_str_is(name, "__class__")) {
        return true;
    }
    *value = is_dict ? ku_get_dict(isolate, object) : ku_new_reference(ku_type_object(isolate, ku__type_of(object)));
    return *value != NULL;
}

/* The end of a look-up that found no field: instance, then type. True with *value NULL: not there. */
static bool get_rest(ku_isolate *isolate, ku_object *object, ku_object *name, const access *found, ku_object **value) {
    ku__class *owner = found->entry->owner;
    if ((found->map->flags & KU__MAP_DICT) != 0) {
        bool failed = false;
        const uintptr_t *word = ku__dict_word(object, found->map);
        *value = ku_new_reference(ku__attributes_get(isolate, word, found->entry, name, &failed));
        if (*value != NULL || failed) {
            return !failed;
        }
    }
    return owner != NULL ? get_of_type(isolate, object, owner, name, value) : get_common(isolate, object, name, value);
}

static inline bool find(ku_isolate *isolate, ku_object *object, ku_object *name, ku_object **value) {
    access found;
    *value = NULL;
    if (KU__UNLIKELY(!look_up(isolate, object, name, &found))) {
        return false;
    }
    const ku_type *type = found.map->type;
    if (KU__UNLIKELY(type->find != NULL)) {
        if (!type->find(isolate, object, name, value) || *value != NULL) {
            return *value != NULL;
        }
        if (!look_up(isolate, object, name, &found)) {
            return false;
        }
    }
    if (KU__LIKELY(found.entry->field != NULL)) {
        *value = ku__field_get(isolate, object, found.entry->field);
        return *value != NULL || found.entry->field->kind == KU_FIELD_OWNED;
    }
    return get_rest(isolate, object, name, &found, value);
}

bool ku_find_attribute(ku_isolate *isolate, ku_object *object, ku_object *name, ku_object **value) {
    *value = NULL;
    if (ku_is_exactly(object, KU_BUILTIN_PROXY)) { /* whose hook takes what is not there for an error */
        ku_object *referent = ku__proxy_referent(isolate, object);
        bool found = referent != NULL && ku_find_attribute(isolate, referent, name, value);
        ku_release(isolate, referent);
        return found;
    }
    ku_object *made, *known = interned(isolate, name, &made);
    bool done = known != NULL && find(isolate, object, known, value);
    ku_release(isolate, made);
    return done;
}

KU__ALIGNED_CODE ku_object *ku_get_attribute(ku_isolate *isolate, ku_object *object, ku_object *name) {
    KU_OBJECT_CHECK(object);
    ku_object *value = NULL;
    bool done = KU__LIKELY(ku__is_interned(name)) ? find(isolate, object, name, &value)
                                                  : ku_find_attribute(isolate, object, name, &value);
    if (KU__UNLIKELY(value == NULL) && done) {
        ku__fail_no_attribute(isolate, object, name);
    }
    return value;
}

/* ---- setting ---- */

static bool refuse(ku_isolate *isolate, ku_object *object, ku_object *name, const access *found) {
    const char *type = found->map->type->own.name, *text = ku_str_text(name);
    if (found->entry->owner != NULL) {
        return ku_fail(isolate, KU_ATTRIBUTE, "'%s' object attribute '%s' is read-only", type, text);
    }
    (void)object;
    return ku_fail(isolate, KU_ATTRIBUTE,
                   "'%s' object has no attribute '%s' and no __dict__ for setting new attributes", type, text);
}

/* The type's own hook: 1 done, 0 not its business, -1 failed. */
static int set_by_hook(ku_isolate *isolate, ku_object *object, ku_object *name, ku_object *value) {
    ku_set_hook *hook = ku__type_of(object)->set;
    return KU__LIKELY(hook == NULL) ? 0 : hook(isolate, object, name, value);
}

static bool set(ku_isolate *isolate, ku_object *object, ku_object *name, ku_object *value) {
    access found;
    int done = set_by_hook(isolate, object, name, value);
    if (done != 0) {
        return done > 0;
    }
    if (!look_up(isolate, object, name, &found)) {
        return false;
    }
    if (found.entry->field != NULL) {
        return ku__field_set(isolate, object, found.entry->field, value);
    }
    if ((found.map->flags & KU__MAP_DICT) != 0) {
        return ku__attributes_set(isolate, found.class, ku__dict_word(object, found.map), found.entry, name, value);
    }
    return refuse(isolate, object, name, &found);
}

bool ku_set_attribute(ku_isolate *isolate, ku_object *object, ku_object *name, ku_object *value) {
    KU_OBJECT_CHECK(object);
    ku_object *made, *known = interned(isolate, name, &made);
    bool done = known != NULL && set(isolate, object, known, value);
    ku_release(isolate, made);
    return done;
}

/* ---- deleting ---- */

static bool delete (ku_isolate *isolate, ku_object *object, ku_object *name) {
    access found;
    int done = set_by_hook(isolate, object, name, NULL);
    if (done != 0) {
        return done > 0;
    }
    if (!look_up(isolate, object, name, &found)) {
        return false;
    }
    if (found.entry->field != NULL) {
        done = ku__field_delete(isolate, object, found.entry->field);
    } else if ((found.map->flags & KU__MAP_DICT) != 0) {
        done = ku__attributes_delete(isolate, ku__dict_word(object, found.map), found.entry, name);
    } else {
        return refuse(isolate, object, name, &found);
    }
    return done == 0 ? ku__fail_no_attribute(isolate, object, name) : done > 0;
}

bool ku_delete_attribute(ku_isolate *isolate, ku_object *object, ku_object *name) {
    KU_OBJECT_CHECK(object);
    ku_object *made, *known = interned(isolate, name, &made);
    bool done = known != NULL && delete (isolate, object, known);
    ku_release(isolate, made);
    return done;
}

ku_object *ku_get_dict(ku_isolate *isolate, ku_object *object) {
    const ku__type_map *map = ku__map_of(object);
    if ((map->flags & KU__MAP_DICT) == 0) {
        return ku_fail_null(isolate, KU_ATTRIBUTE, "'%s' object has no attribute '__dict__'", map->type->own.name);
    }
    ku__class *class = ku__class_find(isolate, object);
    return class != NULL ? ku_new_reference(ku__attributes_dict(isolate, class, ku__dict_word(object, map))) : NULL;
}

/* ---- by C strings ---- */

ku_object *ku_get(ku_isolate *isolate, ku_object *object, const char *name) {
    ku_object *text = ku_intern_text(isolate, name);
    ku_object *value = text != NULL ? ku_get_attribute(isolate, object, text) : NULL;
    ku_release(isolate, text);
    return value;
}

bool ku_set(ku_isolate *isolate, ku_object *object, const char *name, ku_object *value) {
    ku_object *text = ku_intern_text(isolate, name);
    bool done = text != NULL && ku_set_attribute(isolate, object, text, value);
    ku_release(isolate, text);
    return done;
}

bool ku_delete(ku_isolate *isolate, ku_object *object, const char *name) {
    ku_object *text = ku_intern_text(isolate, name);
    bool done = text != NULL && ku_delete_attribute(isolate, object, text);
    ku_release(isolate, text);
    return done;
}
