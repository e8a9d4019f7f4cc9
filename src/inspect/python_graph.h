/* python_graph.h: what the graph of a Python heap has beside objects, the same whether it was made of a living process
 * (src/cpython) or of a core file (src/corefile), so that both are read alike: places that hold, types for what has
 * none, kinds of memory beside objects, and the marks that a maker keeps for each block while it works.
 */
#ifndef KU__PYTHON_GRAPH_H
#define KU__PYTHON_GRAPH_H

#include <stdint.h>

/* Places under the root, in this order; threads come after them. */
enum {
    KU__PLACE_MODULES,
    KU__PLACE_INTERPRETER,
    KU__PLACE_IMMORTAL,
    KU__PLACE_UNKNOWN, /* C, or what no reference that was seen explains */
    KU__PLACES
};
extern const char *const ku__place_names[KU__PLACES];

/* What memory beside an object is: the name of the type that such a block gets. */
typedef enum ku__buffer_kind {
    KU__BUFFER_UNKNOWN,
    KU__BUFFER_ITEMS,  /* of a list */
    KU__BUFFER_KEYS,   /* of a dict, or shared by the instances of a type */
    KU__BUFFER_VALUES, /* attributes of an instance */
    KU__BUFFER_SET,
    KU__BUFFER_TEXT,  /* of a str */
    KU__BUFFER_BYTES, /* of a bytearray */
    KU__BUFFER_BLOCK, /* of a deque's items */
    KU__BUFFER_KINDS,
} ku__buffer_kind;

/* Types of what has none, by number. */
enum {
    KU__SYSTEM_ROOT,
    KU__SYSTEM_PLACE,
    KU__SYSTEM_FRAME,
    KU__SYSTEM_BUFFERS,                                       /* and the kinds of ku__buffer_kind */
    KU__SYSTEM_BLOCK = KU__SYSTEM_BUFFERS + KU__BUFFER_KINDS, /* of the obj domain, and no object */
    KU__SYSTEM_TYPES,
};
extern const char *const ku__system_names[KU__SYSTEM_TYPES];

#define KU__NO_SLOT UINT32_MAX

/* Marks of a slot: the lowest three bits are a ku__buffer_kind. */
enum {
    KU__SLOT_KIND = 7,
    KU__SLOT_TRACKED = 8,    /* one of the collector's lists leads to it */
    KU__SLOT_GENERATION = 4, /* shift of two bits: which list */
    KU__SLOT_CLAIMED = 64,   /* a buffer, of which an object said what it is */
    KU__SLOT_OBJECT = 128,   /* of one elsewhere: an object; of one in a pool the block tells */
};

enum { KU__SLACK_UNKNOWN = 255 };

#endif
