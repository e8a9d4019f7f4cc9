/* class.h: type objects: what a type is to the programs of one isolate.
 *
 * A ku_type is lay-out and hooks, shared by all isolates if it is static. Its type object is an object of an isolate:
 * it holds the attributes that were set on the type, the table by which attributes of instances are found, and the
 * names that instances share. Each isolate makes one for a static type when it is first needed, immortal; for a type
 * made at run time it is the type: when it dies, so does the ku_type.
 *
 * References: a type object refers to its attributes, its shared names, and the type objects of bases made at run time.
 * When the collector clears it, the type is severed from its bases: what is left of its instances still finds lay-out
 * and hooks, which were resolved when it was made, and no attribute of a base.
 */
#ifndef KU__CLASS_H
#define KU__CLASS_H

#include "object/object.h"

typedef struct ku__class {
    ku_object header;
    ku_type *type;
    ku_object *attributes;     /* a dict by interned name; NULL: none yet */
    ku_object **names;         /* shared keys: interned, in the order of their numbers */
    size_t name_count;         /* at most KU__SHARED_MOST */
    struct ku__lookup *lookup; /* lookup.h; NULL: to be made */
    bool is_filled;            /* the methods of its spec are among its attributes */
} ku__class;

/* Type objects by number of the type. */
struct ku__classes {
    ku__class **by_number; /* NULL: not made yet */
    uint32_t capacity;
    uint32_t version; /* moves on when a name comes to, or goes from, any type's attributes */
};

extern const ku_type_spec ku__class_spec;

bool ku__classes_open(ku_isolate *isolate, ku_error *error);
void ku__classes_close(ku_isolate *isolate);

/* The type object of an object's type; borrowed; NULL with the error pending. */
ku__class *ku__class_of_type(ku_isolate *isolate, ku_type *type);

static inline ku__class *ku__class_find(ku_isolate *isolate, const ku_object *object) {
    uint32_t number = ku__number_of(object);
    const ku__classes *classes = isolate->classes;
    ku__class *known = KU__LIKELY(number < classes->capacity) ? classes->by_number[number] : NULL;
    return KU__LIKELY(known != NULL) ? known : ku__class_of_type(isolate, ku__type_of(object));
}

/* Makes the methods of a type's spec its attributes, once. False with the error pending. */
bool ku__class_fill(ku_isolate *isolate, ku__class *class);

/* Attributes of type objects: the hooks of the type `type`. */
ku_find_hook ku__class_find_attribute;
ku_set_hook ku__class_set_attribute;

/* The finalizer of an instance of a type made at run time: `__del__` if there is one, else the hook. */
bool ku__class_finalize(ku_isolate *isolate, ku_object *object);

#endif
