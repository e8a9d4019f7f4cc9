/* lookup.h: how a name becomes an attribute: a table for each type object.
 *
 * The table has every name that an instance of the type can be asked for without looking into a dict of its own: the
 * fields of the type, the attributes of all types in its order, and the names that its instances share. It is keyed by
 * the address of the interned str, so a look-up is a multiplication, a load and a compare. It is made when the type is
 * first asked, and again when a name has come to, or gone from, any type of the isolate (ku__classes.version) or the
 * shared names of this one. A new value of a known name changes no table: an entry says whose attribute it is, not
 * what.
 *
 * References: a table holds its names; strings refer to nothing, so the collector need not know.
 */
#ifndef KU__LOOKUP_H
#define KU__LOOKUP_H

#include "object/class.h"
#include "object/intern.h"

typedef struct ku__entry {
    ku_object *name;       /* interned; NULL: a free place */
    ku__class *owner;      /* whose attribute it is; NULL: of no type */
    const ku_field *field; /* the field; NULL: none. At most one of owner and field is set */
    uint8_t shared;        /* number among the shared names, plus one; 0: none */
} ku__entry;

typedef struct ku__lookup {
    uint32_t version; /* of ku__classes, when it was made */
    uint32_t mask;    /* places - 1 */
    uint32_t used;
    ku__entry entries[];
} ku__lookup;

/* The table of a type, up to date; NULL with the error pending. */
ku__lookup *ku__lookup_make(ku_isolate *isolate, ku__class *class);

/* Visits the names that the tables of all types hold. */
void ku__lookup_visit(const ku_isolate *isolate, ku_visit *visit, void *argument);

/* Frees the table of a type, if it has one. */
void ku__lookup_drop(ku_isolate *isolate, ku__class *class);

static inline ku__lookup *ku__lookup_of(ku_isolate *isolate, ku__class *class) {
    ku__lookup *lookup = class->lookup;
    bool current = lookup != NULL && lookup->version == isolate->classes->version;
    return KU__LIKELY(current) ? lookup : ku__lookup_make(isolate, class);
}

/* Strings lie at multiples of 16 in blocks of 32 and 48 bytes mostly: the product brings their differences into its
 * high bits (Knuth, volume 3, section 6.4). */
static inline uint32_t ku__name_hash(const ku_object *name) {
    return (uint32_t)((uint64_t)(uintptr_t)name * 0x9E3779B97F4A7C15u >> 40);
}

/* The entry of an interned name; one with a NULL name when there is none. */
static inline const ku__entry *ku__lookup_find(const ku__lookup *lookup, const ku_object *name) {
    uint32_t at = ku__name_hash(name) & lookup->mask;
    while (lookup->entries[at].name != name && lookup->entries[at].name != NULL) {
        at = (at + 1) & lookup->mask;
    }
    return &lookup->entries[at];
}

#endif
