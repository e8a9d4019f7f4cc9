/* producers.h: what makes the garbage that only a collection finds: by type, by birthplace, and by the reference that
 * closed the cycle. Of any kind of heap.
 *
 * Whoever watches a collector (src/cpython/producers.c, src/isolate/producers.c) puts the dead of a collection into
 * all->dead when they are known and still whole, and has them looked at:
 *
 *     look      reads what refers to what among them, finds the cycles, and whom each of them keeps; names them
 *     spare     takes away what turned out to live on: a finalizer has taken hold of it
 *     count     adds to the records what is left
 *
 * An object is asked through a ku__producing, the heap's own functions: they may read it, and do nothing else.
 *
 * Lock: the heap's. All memory is pages; what was large is given back after each collection.
 */
#ifndef KU__PRODUCERS_H
#define KU__PRODUCERS_H

#include "inspect/components.h"
#include "inspect/maker.h"
#include "inspect/pointer_map.h"

#include <stdbool.h>

/* What sort of reference closed a cycle: what can be done about it depends on that. */
typedef enum ku__closing {
    KU__CLOSING_NONE,      /* a record of objects, not of cycles */
    KU__CLOSING_ATTRIBUTE, /* of an instance */
    KU__CLOSING_ITEM,      /* of a container, perhaps one that an attribute names */
    KU__CLOSING_METHOD,    /* a bound method of the object that keeps it */
    KU__CLOSING_VARIABLE,  /* of a function: it closes over it */
    KU__CLOSING_LOCAL,     /* of a frame, which a traceback keeps */
    KU__CLOSING_GENERATOR, /* a local of one that is suspended */
    KU__CLOSING_CLASS,     /* any class is a cycle */
    KU__CLOSING_OTHER,
    KU__CLOSINGS,
} ku__closing;

/* Texts are numbers of all->texts; KU_GRAPH_NONE: not known. */
typedef struct ku__record {
    uint32_t kind;    /* ku__closing */
    uint32_t source;  /* the type of the objects; of the object that holds the closing reference */
    uint32_t place;   /* where that was born */
    uint32_t closing; /* the reference, in words */
    uint32_t name;    /* its own name */
    uint32_t example; /* a whole cycle in words */
    uint64_t cycles;
    uint64_t objects;     /* in cycles, and kept by them */
    uint64_t bytes;       /* theirs, with the memory beside them that is theirs alone */
    uint64_t collections; /* in which some were found */
    uint64_t last;        /* the number of the last of them */
} ku__record;

typedef struct ku__dead {
    uintptr_t item; /* an address: it is followed while it is looked at, and only compared later */
    uint64_t bytes;
    uint32_t record; /* of its type and birthplace */
    uint32_t keeper; /* the component by which it is kept; KU__COMPONENT_NONE */
} ku__dead;

/* Text that grows up to some length. */
enum { KU__PHRASE_MOST = 1024 }; /* of a part, or of a whole cycle */
typedef struct ku__phrase {
    char bytes[KU__PHRASE_MOST];
    size_t used;
} ku__phrase;

/* Adds to it as much as there is room for. */
__attribute__((format(printf, 2, 3))) void ku__phrase_put(ku__phrase *to, const char *format, ...);

/* A cycle is cut into parts: each begins with an object that has a name of its own (a principal), and what follows up
 * to the next of these (lists, dicts, cells, bound methods) is the way to it. */
typedef struct ku__part {
    const uintptr_t *items; /* the whole cycle: each object refers to the next, the last to the first */
    uint32_t count;
    uint32_t first, end; /* the part's objects; `end` is the next part's first, or the count */
    bool exact;          /* places in containers are told, too */
} ku__part;

static inline uintptr_t ku__part_item(const ku__part *of, uint32_t number) {
    return of->items[number % of->count];
}

typedef void ku__producing_see(void *argument, uintptr_t target);

/* What is asked of the objects of one kind of heap. `words` is the heap's own; texts are kept by ku__producers_keep().
 */
typedef struct ku__producing {
    /* Calls see() for each reference of the object; returns its bytes. */
    uint64_t (*read)(void *words, uintptr_t item, ku__producing_see *see, void *argument);
    uint32_t (*type)(void *words, uintptr_t item);
    uint32_t (*place)(void *words, uintptr_t item);
    bool (*is_principal)(uintptr_t item);
    /* Whether the part that begins with this object closes a cycle wherever it stands in it. */
    bool (*is_leftover)(uintptr_t item);
    /* Writes an object as a person would call it; */
    void (*put_object)(void *words, ku__phrase *to, uintptr_t item);
    /* and a part, up to the object that it leads to, with the name of its reference. Returns the sort of it. */
    ku__closing (*put_part)(void *words, const ku__part *of, ku__phrase *to, ku__phrase *name);
} ku__producing;

typedef struct ku__producers {
    const ku__producing *heap;
    void *words;
    ku__maker texts;
    ku__growing records; /* ku__record; the first stands for nothing */
    ku__by_hash by_key;

    /* one collection, from the look to its end */
    ku__growing dead;           /* ku__dead */
    ku__pointer_map numbers;    /* of the dead, by address */
    ku__growing first, targets; /* their references among each other: ku__links */
    ku__components components;
    ku__growing cycles; /* uint32_t, by component: the record; 0: none */
    ku__growing items;  /* uintptr_t, of a cycle */
    size_t met;         /* dead, looked at or not */
    bool looked;

    uint64_t collections, dead_count, looked_count, cycle_count; /* in all */
    uint64_t unnamed;                                            /* cycles that were too many to be told one by one */
    uint64_t refused;                                            /* collections that could not be looked at */
} ku__producers;

/* Dead objects of one collection that are looked at: that takes some 100 ms. Of more, whoever fills all->dead takes
 * KU__WINDOWS parts that lie evenly among them. */
enum { KU__LOOKED_MOST = 200000, KU__WINDOWS = 16, KU__WINDOW = KU__LOOKED_MOST / KU__WINDOWS };

/* False when memory is refused; then nothing is to be closed. */
bool ku__producers_open(ku__producers *all, const ku__producing *heap, void *words);
void ku__producers_close(ku__producers *all);

/* One more of the dead, before they are looked at. False when memory is refused. */
bool ku__producers_add(ku__producers *all, uintptr_t item);

/* Looks at all->dead, whose objects are dead and not yet cleared. False: memory was refused, and nothing is kept. */
bool ku__producers_look(ku__producers *all);

/* Takes cycles away that did not die, of which `item` is a part or something that they kept. */
void ku__producers_spare(ku__producers *all, uintptr_t item);

/* Counts what was looked at; and forgets it. */
void ku__producers_count(ku__producers *all);
void ku__producers_drop(ku__producers *all);

/* The record with the key that `like` has (kind, source, place, closing), a new one if need be; 0: there are too many,
 * or memory was refused. */
uint32_t ku__record_for(ku__producers *all, const ku__record *like);

static inline ku__record *ku__record_at(const ku__producers *all, uint32_t number) {
    return KU__GROWING_ITEMS(&all->records, ku__record) + number;
}
static inline size_t ku__record_count(const ku__producers *all) {
    return KU__GROWING_COUNT(&all->records, ku__record);
}

/* The bytes of a text, ended by a zero, with their number; NULL for KU_GRAPH_NONE. Good until the next one is made. */
const char *ku__producers_text(const ku__producers *all, uint32_t number, size_t *size);

/* ---- producers_sum.c ---- */

/* How much of what one counts has been added to a sum. Zeroed: nothing. */
typedef struct ku__summed {
    ku__growing records; /* ku__summed_record, by number */
    uint64_t collections, dead_count, looked_count, cycle_count, unnamed, refused;
} ku__summed;

/* Adds to `sum`, whose numbers of texts and records are its own, what `one` has counted beyond `done`; where `sum` is
 * NULL, only counts it as done. What memory is refused for is added the next time. */
void ku__producers_add_up(const ku__producers *one, ku__summed *done, ku__producers *sum);

/* What can be read: counts, records and texts, and nothing that could be added to. False when memory is refused. To be
 * closed as any. */
bool ku__producers_copy(const ku__producers *all, ku__producers *copy);

/* ---- producers_words.c ---- */

/* The number of a text, the same for the same bytes; KU_GRAPH_NONE when memory is refused. */
uint32_t ku__producers_keep(ku__producers *all, const ku__phrase *from);

/* Fills in kind, source, closing, name and place of a cycle. */
void ku__producers_cycle(ku__producers *all, const uintptr_t *items, uint32_t count, ku__record *record);

/* The whole of it in words, from its first object back to it. */
uint32_t ku__producers_example(ku__producers *all, const uintptr_t *items, uint32_t count);

#endif
