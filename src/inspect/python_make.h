/* python_make.h: making a graph of a Python heap that stands still: a living one, in the child of a clone
 * (src/cpython), or one in a core file (src/corefile).
 *
 * Three walks over the blocks (inspect/blocks.h). The first notes what the collector's lists lead to, and follows every
 * reference once, so that all that lies outside of kucha's pools and is referred to is met, and every buffer is claimed
 * by its owner. The second numbers nodes, in order of address. The third adds edges, by name, and counts for each node
 * the references that were seen: what is held more often than was seen is held by somebody unknown.
 *
 * All that is the same for both is here; what a version of CPython, or a way of reading it, does in its own way stands
 * behind *rules*. Objects of a living heap are read by the interpreter's own structures and by their types' tp_traverse
 * (cpython/graph_read.h), which nobody can call in a core: there all is read by lay-out (corefile/read.h), and what
 * that cannot tell for sure is said so. So there are two readers, and one maker.
 *
 * What may be followed. That a block looks like an object counts it. An object's references are read only if one of the
 * collector's lists leads to it, or if it is of an exact builtin type whose lay-out is known; an address that comes out
 * of such a lay-out and is in none of our pools is first read in a way that fails where a read would end the process,
 * and must have a known type.
 */
#ifndef KU__PYTHON_MAKE_H
#define KU__PYTHON_MAKE_H

#include "inspect/blocks.h"
#include "inspect/python_types.h"
#include "inspect/sites.h"

enum { KU__NAME_MOST = 256 }; /* bytes of a name: more is a text, not a name */

/* ---- what readers tell ---- */

typedef struct ku__reference {
    uintptr_t target;
    uint32_t kind; /* ku_edge_kind */
    uint32_t number;
    uintptr_t string;  /* the name: a str of the heap's, */
    uintptr_t chars;   /* or text of the heap's that ends with a zero, */
    const char *fixed; /* or text of this program's; or none */
    bool counted;      /* the target's count knows of it */
} ku__reference;

typedef struct ku__telling {
    void (*see)(void *argument, const ku__reference *reference);
    void (*own)(void *argument, uintptr_t block, size_t size, ku__buffer_kind kind);
    void *argument;
    bool named; /* names are wanted */
} ku__telling;

/* ---- what is read ---- */

/* The entries of a dict's table of keys. */
typedef struct ku__key_table {
    uintptr_t address; /* of the table; 0: it cannot be read */
    size_t bytes;      /* of the whole */
    size_t room;       /* entries that there is room for */
    size_t used;       /* entries that were given out */
    const uintptr_t *entries;
    unsigned step;   /* words from one to the next */
    unsigned key_at; /* words: where the key stands; the value follows */
    bool general;    /* keys are not all strings */
} ku__key_table;

static inline uintptr_t ku__key_of(const ku__key_table *table, size_t entry) {
    return table->entries[entry * table->step + table->key_at];
}
static inline uintptr_t ku__value_of(const ku__key_table *table, size_t entry) {
    return table->entries[entry * table->step + table->key_at + 1];
}

/* What a frame is made of. */
typedef struct ku__frame_view {
    uintptr_t code, function, locals, object; /* 0: none */
    const uintptr_t *items;                   /* locals, then what is on the stack; NULL: they cannot be read */
    size_t local_count, count;                /* as far as the frame says */
    const uintptr_t *names;                   /* of locals: strs; NULL: they cannot be read */
    size_t name_count;
    uintptr_t tags; /* bits of an item that are no address */
    bool holds;     /* it lies in its thread's stack and holds what it refers to; else an object (a generator) does */
} ku__frame_view;

/* An item of a frame that is an object; 0: empty, or a tagged number. */
static inline uintptr_t ku__frame_item(const ku__frame_view *frame, size_t i) {
    uintptr_t word = frame->items[i];
    return frame->tags != 0 && (word & 2) != 0 ? 0 : word & ~frame->tags;
}

/* Whether it holds that object: a tagged one may only be lent (Py_TAG_REFCNT, from 3.14 on). */
static inline bool ku__frame_item_is_held(const ku__frame_view *frame, size_t i) {
    return frame->tags == 0 || (frame->items[i] & 1) == 0;
}

/* Where a frame has got to. */
typedef struct ku__frame_place {
    uintptr_t function, file; /* strs */
    const uint8_t *lines;     /* the code's table of lines */
    size_t line_bytes;
    int32_t first_line;
    int64_t offset; /* in bytes of code, from its first instruction */
} ku__frame_place;

/* What a type is called. */
typedef struct ku__type_words {
    uintptr_t chars;        /* tp_name */
    uintptr_t name, module; /* strs; 0: none */
    bool is_heap;           /* it was made while the program ran */
} ku__type_words;

typedef struct ku__thread_words {
    uint64_t id;
    char name[64]; /* what threading calls it, cut to the room; empty: nothing */
} ku__thread_words;

typedef struct ku__making ku__making;

/* What is done in its own way by whoever makes a graph. Objects, types and frames are addresses in the heap. */
typedef struct ku__python_rules {
    /* Tells of what an object refers to and owns; `type` is its number, `tracked`: one of the collector's lists leads
     * to it. False: it cannot be read, or not for sure. */
    bool (*read)(ku__making *making, uintptr_t object, uint32_t type, bool tracked);
    /* Bytes that were asked for, with what lies in front; 0: unknown. */
    uint64_t (*bytes)(ku__making *making, uintptr_t object, uint32_t type);
    uint32_t (*count)(ku__making *making, uintptr_t object);
    bool (*is_immortal)(ku__making *making, uintptr_t object, uint32_t type);
    /* What an object is called, where it has a name of its own: a text of the maker's; KU_GRAPH_NONE. */
    uint32_t (*label)(ku__making *making, uintptr_t object, uint32_t type, bool tracked);
    /* NULL: nothing to note. Of an object that became a node; `block` has the bytes of its block, 0 unknown. */
    void (*note)(ku__making *making, uintptr_t object, uint32_t type, uint32_t node, uint64_t block);
    /* NULL: nothing to do when all objects are nodes. */
    void (*noted)(ku__making *making);
    ku__type_words (*words_of_type)(ku__making *making, uint32_t type);
    /* A str's text as UTF-8, cut to `size`; returns its bytes, 0 for what is no str. */
    size_t (*text)(ku__making *making, uintptr_t text, char *out, size_t size);
    /* A plain dict's entries, and those of the keys that instances of a type share; all zero for others. */
    ku__key_table (*keys_of_dict)(ku__making *making, uintptr_t dict);
    ku__key_table (*keys_of_type)(ku__making *making, uintptr_t type);
    /* The head of one of the collector's lists, by number: three generations, and what was frozen. */
    uintptr_t (*collector_list)(ku__making *making, unsigned list);
    /* The innermost frame of a thread with code, and the one that called a frame; 0: none. */
    uintptr_t (*first_frame)(ku__making *making, uintptr_t thread);
    uintptr_t (*next_frame)(ku__making *making, uintptr_t frame);
    ku__frame_view (*frame)(ku__making *making, uintptr_t frame);
    ku__frame_place (*place)(ku__making *making, uintptr_t frame);
    ku__thread_words (*thread)(ku__making *making, size_t index);
} ku__python_rules;

enum { KU__HELD = 4 };

/* What both kinds of making begin with. `rules`, `memory`, `types`, `telling`, `threads` and `held` are there before;
 * so are `blocks.anchor` and the heaps, where the program ran under kucha. */
struct ku__making {
    const ku__python_rules *rules;
    ku__memory *memory;
    const ku__type_table *types;
    ku__telling *telling; /* of the reader's */
    ku__blocks blocks;
    ku__heap_choice heaps[2]; /* objects, buffers */
    size_t heap_count;        /* 0: the program did not run under kucha */
    ku__sighting seen;        /* the last object in a block of kucha's, */
    uintptr_t seen_type;      /* and its type; 0: none was seen yet */
    ku__maker maker;
    ku__sites sites;
    ku__pointer_map names; /* texts of the maker, by address of a str or of characters in the heap */
    ku__pointer_map fixed; /* the same, by address of characters of this program's */
    uint32_t first_type;   /* of the interpreter's; buffers' and the like come before */
    uint32_t *known;       /* by node: references that its count knows of and that were seen */
    uint32_t *counts;      /* by node; 0 where none is kept */
    size_t nodes;          /* room in both */
    uint32_t first_place;  /* node */
    ku__growing threads;   /* uintptr_t: their states, newest first */
    struct {
        const char *name;
        uintptr_t object;
    } held[KU__HELD]; /* what the interpreter itself holds */
    uint64_t allocated;
};

/* Takes stock of the blocks. False with `error` filled: memory was refused. */
bool ku__python_open(ku__making *making, ku_error *error);

/* Walks: nodes and edges. False with `error` filled: memory was refused. */
bool ku__python_make(ku__making *making, ku_error *error);

/* The graph, which `info` tells of; NULL with `error` filled. */
ku_graph *ku__python_finish(ku__making *making, ku_graph_info info, const char *program, const char *runtime,
                            const char *note, ku_error *error);
void ku__python_close(ku__making *making);

/* ---- python_meet.c ---- */

/* The slot of an object that something refers to; one that is new is looked at first. KU__NO_SLOT: it is none. */
uint32_t ku__python_meet(ku__making *making, uintptr_t object);

/* Notes what all of the collector's lists lead to. */
void ku__python_note_lists(ku__making *making);

/* Notes what a buffer is, and how many bytes of it were asked for (0: unknown). */
void ku__python_claim(ku__making *making, uintptr_t block, size_t size, ku__buffer_kind kind);

/* ---- python_names.c ---- */

/* Texts of the maker: of a str, of characters in the heap, of this program's. */
uint32_t ku__name_of_text(ku__making *making, uintptr_t text);
uint32_t ku__name_of_chars(ku__making *making, uintptr_t chars);
uint32_t ku__name_of_fixed(ku__making *making, const char *chars);
/* "f at file:line". */
uint32_t ku__name_of_frame(ku__making *making, uintptr_t frame);
/* Types of the system's, and all of the interpreter's. */
bool ku__make_types(ku__making *making);

/* UTF-8 of a str's characters, of `kind` bytes each, cut to `size`; returns its bytes. Surrogates are taken for
 * characters. */
size_t ku__python_utf8(const void *characters, unsigned kind, size_t count, char *out, size_t size);

/* ---- python_places.c ---- */

/* Adds the nodes of places, threads and frames; and, when all other edges are there, their edges. */
void ku__make_place_nodes(ku__making *making);
void ku__make_root_edges(ku__making *making);
void ku__make_place_edges(ku__making *making);
/* Meets what frames hold: of use where that is in no pool. */
void ku__meet_frames(ku__making *making);

/* The node of what lies at an address; KU_GRAPH_NONE. */
static inline uint32_t ku__node_of(const ku__making *making, uintptr_t address) {
    uint32_t slot = address == 0 ? KU__NO_SLOT : ku__blocks_find(&making->blocks, address);
    return slot == KU__NO_SLOT ? KU_GRAPH_NONE : *ku__blocks_node(&making->blocks, slot);
}

#endif
