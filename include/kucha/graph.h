/* graph.h: the reference graph of a heap: what is alive, of which type and size, and who holds it.
 *
 * Nodes are the live blocks of a heap (objects, raw buffers, blocks of which nothing is known), the objects that lie
 * elsewhere and are held by them (static types, immortals), and a few that stand for places that hold references
 * without being objects (a thread, the frames it runs, the interpreter, "C or unknown"). Nodes are numbered from 0 in
 * order of address; node 0 is the root, from which everything is reached that something holds.
 *
 * An edge leads from who holds to what is held, and has a name: "attribute cache", "item 3", "local x". Names are not
 * stored with edges: nodes of one *shape* (a type, and the names of the references in order) share them.
 *
 * A graph comes from a heap file (heap_file.h), from a live heap, or from a builder, which tests and importers use.
 * Once made it does not change: any thread may read it, but for the functions that say that they fill in an index; of
 * those one thread at a time may run. Texts live as long as the graph.
 *
 * Source of the notions: Lengauer and Tarjan, "A fast algorithm for finding dominators in a flowgraph", TOPLAS 1(1),
 * 1979 (a flow graph with one root); Doc/library/gc.rst of CPython (referents, referrers).
 */
#ifndef KUCHA_GRAPH_H
#define KUCHA_GRAPH_H

#include <kucha/capture.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct ku_graph ku_graph;

#define KU_GRAPH_NONE UINT32_MAX /* no node, no type, no text */

enum {
    KU_GRAPH_ROOT = 0, /* the node that leads to everything that is held */
    /* Most nodes and most edges that a graph can have: numbers have 32 bits. */
    KU_GRAPH_NODES_MAX = 0x7ffffff0,
    KU_GRAPH_AGE_UNKNOWN = 255,
};

/* What is known of a node. */
typedef enum ku_node_flags {
    KU_NODE_TRACKED = 1 << 0,     /* the collector looks at it */
    KU_NODE_FREE_LISTED = 1 << 1, /* dead: its type keeps the block for the next object */
    KU_NODE_BUFFER = 1 << 2,      /* memory that an object owns beside itself, and no object */
    KU_NODE_UNKNOWN = 1 << 3,     /* a block of which nothing is known but its size */
    KU_NODE_IMMORTAL = 1 << 4,    /* never dies: its count is not one of references */
    KU_NODE_PLACE = 1 << 5,       /* no block at all: the root, a thread, a frame */
    KU_NODE_DEAD = 1 << 6,        /* nothing reaches it: garbage that no collection has found yet */
    KU_NODE_OPAQUE = 1 << 7,      /* an object whose references could not be read */
} ku_node_flags;

/* What kind of name an edge has. */
typedef enum ku_edge_kind {
    KU_EDGE_UNKNOWN,   /* a reference of which only the target is known; `number` counts them */
    KU_EDGE_TYPE,      /* the object's type */
    KU_EDGE_ATTRIBUTE, /* `text` is its name */
    KU_EDGE_SLOT,      /* a field of the type's own; `text` is its name */
    KU_EDGE_ITEM,      /* `number` is its index */
    KU_EDGE_KEY,       /* the key of entry `number` */
    KU_EDGE_VALUE,     /* the value of entry `number`; with a text, that of the key with this text */
    KU_EDGE_LOCAL,     /* a local variable of a frame; `text` is its name */
    KU_EDGE_CELL,      /* a variable of an enclosing function; `text` is its name where it is known */
    KU_EDGE_STACK,     /* entry `number` of a frame's working stack */
    KU_EDGE_BUFFER,    /* memory that the object owns */
    KU_EDGE_ROOT,      /* out of the root, or a place that stands for one; `text` says which, where one is there */
    KU_EDGE_KINDS,
} ku_edge_kind;

typedef struct ku_edge_name {
    uint32_t kind;   /* ku_edge_kind */
    uint32_t text;   /* number of a text; KU_GRAPH_NONE: none */
    uint64_t number; /* 0 where the kind has none */
} ku_edge_name;

enum { KU_GRAPH_EDGE_TEXT = 256 }; /* room that ku_graph_edge_text() never needs more of */

typedef enum ku_node_type_flags {
    KU_NODE_TYPE_HEAP = 1 << 0,   /* made while the program ran: its objects hold it */
    KU_NODE_TYPE_SYSTEM = 1 << 1, /* no type of the program's: buffers, places, unknown blocks */
} ku_node_type_flags;

typedef struct ku_node_type {
    uint32_t module; /* numbers of texts; the module's may be KU_GRAPH_NONE */
    uint32_t name;
    uint32_t flags; /* ku_node_type_flags */
    uint32_t node;  /* the type as an object; KU_GRAPH_NONE: it is none, or lies nowhere */
} ku_node_type;

/* Everything about one node, as the builder takes it and ku_graph_node_read() gives it. */
typedef struct ku_node {
    uint64_t address;
    uint32_t type;
    uint32_t site;  /* birthplace, 0 unknown */
    uint64_t size;  /* bytes that were asked for, header included; buffers are nodes of their own */
    uint64_t slack; /* bytes that the allocator gave out beyond */
    uint32_t count; /* references, at most KU_GRAPH_COUNT_MAX, which stands for more too */
    uint32_t label; /* a text: what this one is called (a type, a module, a function, a frame); KU_GRAPH_NONE */
    uint8_t flags;  /* ku_node_flags */
    uint8_t age;    /* full collections survived or generation, as the info says; KU_GRAPH_AGE_UNKNOWN */
} ku_node;

#define KU_GRAPH_COUNT_MAX 65535u

/* One frame of a birthplace. */
typedef struct ku_graph_frame {
    uint32_t function; /* numbers of texts */
    uint32_t file;
    int32_t line;
} ku_graph_frame;

typedef struct ku_graph_info {
    double taken;     /* seconds since 1970 */
    uint32_t process; /* process id, 0 unknown */
    uint32_t reason;  /* ku_graph_reason */
    double stopped;   /* seconds that the program stood still for it, and that the whole took */
    double lasted;
    uint64_t allocated; /* bytes that the allocator had given out, slack included; 0 unknown */
    uint32_t program;   /* texts: the command line; "CPython 3.11.7", "kucha 0.9 native"; KU_GRAPH_NONE */
    uint32_t runtime;
    uint32_t note;       /* a text: what could not be read, and why; KU_GRAPH_NONE */
    uint32_t has_values; /* not 0: texts have values of strings and bytes, because somebody asked */
} ku_graph_info;

typedef enum ku_graph_reason {
    KU_GRAPH_REQUESTED,
    KU_GRAPH_SIGNAL,
    KU_GRAPH_MEMORY_ERROR,
    KU_GRAPH_LIMIT,
    KU_GRAPH_EXIT,
    KU_GRAPH_IMPORTED,
    KU_GRAPH_SYNTHETIC,
    KU_GRAPH_REASONS,
} ku_graph_reason;

/* Memory that the allocator has from the system in one piece, and cuts blocks of up to 512 bytes from. */
typedef struct ku_graph_arena {
    uint64_t address;
    uint64_t bytes;
    uint32_t pool_bytes; /* of each of the equal pools that it is divided into */
    uint32_t free_pools; /* in which no block lives */
    uint32_t heap;       /* a text: the name of the heap that has it; KU_GRAPH_NONE */
    uint32_t zero;       /* 0 */
} ku_graph_arena;

/* ---- reading ---- */

/* NULL does nothing. */
KU_API void ku_graph_close(ku_graph *graph);

KU_API void ku_graph_info_read(const ku_graph *graph, ku_graph_info *info);

/* How many there are of each. Sites are numbered from 0, where 0 stands for nothing. */
KU_API uint32_t ku_graph_node_count(const ku_graph *graph);
KU_API uint32_t ku_graph_edge_count(const ku_graph *graph);
KU_API uint32_t ku_graph_type_count(const ku_graph *graph);
KU_API uint32_t ku_graph_site_count(const ku_graph *graph);
KU_API uint32_t ku_graph_text_count(const ku_graph *graph);

/* Arenas by address; none where the graph is not of a heap of kucha's. */
KU_API uint32_t ku_graph_arena_count(const ku_graph *graph);
KU_API void ku_graph_arena_read(const ku_graph *graph, uint32_t arena, ku_graph_arena *read);

/* The functions below take numbers that exist; they check nothing. */

KU_API void ku_graph_node_read(const ku_graph *graph, uint32_t node, ku_node *read);
KU_API uint64_t ku_graph_address(const ku_graph *graph, uint32_t node);
KU_API uint32_t ku_graph_type(const ku_graph *graph, uint32_t node);
KU_API uint64_t ku_graph_size(const ku_graph *graph, uint32_t node);
KU_API uint32_t ku_graph_flags(const ku_graph *graph, uint32_t node);
KU_API uint32_t ku_graph_site(const ku_graph *graph, uint32_t node);

/* Bytes that a container keeps for what is not in it yet, or no more, where the graph knows; else 0. Logarithmic, as
 * the next one. */
KU_API uint64_t ku_graph_room(const ku_graph *graph, uint32_t node);

/* The first of the nodes that have the same type and value, which may be the node itself; KU_GRAPH_NONE where nothing
 * is equal to it, or the graph does not know. */
KU_API uint32_t ku_graph_equal(const ku_graph *graph, uint32_t node);

/* The node that begins at the address; KU_GRAPH_NONE. Logarithmic. */
KU_API uint32_t ku_graph_node_at(const ku_graph *graph, uint64_t address);

/* What a node holds, in order; equal targets may come more than once. */
KU_API const uint32_t *ku_graph_targets(const ku_graph *graph, uint32_t node, uint32_t *count);

/* The name of the node's edge at this position of ku_graph_targets(). */
KU_API ku_edge_name ku_graph_edge_name(const ku_graph *graph, uint32_t node, uint32_t position);

/* The same for people: "attribute cache", "item 3". Writes at most `size` bytes, terminated; returns `out`. */
KU_API char *ku_graph_edge_text(const ku_graph *graph, uint32_t node, uint32_t position, char *out, size_t size);

/* Who holds a node: each holder once for each edge, in order of address. NULL with `error` filled when there is no
 * memory for the index of all holders, which the first question makes (4 bytes an edge and a node). Fills in an
 * index. */
KU_API const uint32_t *ku_graph_referrers(const ku_graph *graph, uint32_t node, uint32_t *count, ku_error *error);

KU_API void ku_graph_type_read(const ku_graph *graph, uint32_t type, ku_node_type *read);
KU_API ku_text ku_graph_text(const ku_graph *graph, uint32_t text); /* empty for KU_GRAPH_NONE */

/* The frames of a birthplace, innermost first; fills up to `capacity`, returns how many there are. */
KU_API size_t ku_graph_site_read(const ku_graph *graph, uint32_t site, ku_graph_frame *frames, size_t capacity);

/* Static storage: "attribute", "signal", ... */
KU_API const char *ku_edge_kind_name(uint32_t kind);
KU_API const char *ku_graph_reason_name(uint32_t reason);

/* ---- building ---- */

typedef struct ku_graph_builder ku_graph_builder;

/* A builder with the root in it; NULL with `error` filled. Given to ku_graph_builder_finish() or ..._delete(). */
KU_API ku_graph_builder *ku_graph_builder_new(ku_error *error);
KU_API void ku_graph_builder_delete(ku_graph_builder *builder);

/* The functions below return a number; they never fail at once: when memory was refused, or a number given to them is
 * none, ku_graph_builder_finish() says so. */

/* Equal texts have equal numbers. Any bytes; at most 65535 of them are kept. */
KU_API uint32_t ku_graph_builder_text(ku_graph_builder *builder, const char *bytes, size_t size);

/* Types are told apart by their numbers, not by names. `module` may be NULL. */
KU_API uint32_t ku_graph_builder_type(ku_graph_builder *builder, const char *module, const char *name, uint32_t flags);

/* Says which node (as ku_graph_builder_node() numbered it) is the type as an object. */
KU_API void ku_graph_builder_type_node(ku_graph_builder *builder, uint32_t type, uint32_t node);

/* A birthplace; its frames innermost first. The first is number 1. */
KU_API uint32_t ku_graph_builder_site(ku_graph_builder *builder, const ku_graph_frame *frames, size_t count);

/* Nodes may come in any order, at different addresses that are multiples of 8 and not 0; the finished graph numbers
 * them by address. The number returned is the builder's own: 1 for the first, as the root is 0. */
KU_API uint32_t ku_graph_builder_node(ku_graph_builder *builder, const ku_node *node);

/* An edge; both ends by the builder's numbers, and made before. Edges of a node keep the order they are added in. */
KU_API void ku_graph_builder_edge(ku_graph_builder *builder, uint32_t from, uint32_t to, const ku_edge_name *name);

/* An arena, at a higher address than the end of the last; its heap is a text of the builder's. */
KU_API void ku_graph_builder_arena(ku_graph_builder *builder, const ku_graph_arena *arena);

KU_API void ku_graph_builder_info(ku_graph_builder *builder, const ku_graph_info *info);

/* The graph, and the end of the builder, also when it fails: NULL with `error` filled. Marks what the root does not
 * reach as KU_NODE_DEAD. */
KU_API ku_graph *ku_graph_builder_finish(ku_graph_builder *builder, ku_error *error);

#ifdef __cplusplus
}
#endif

#endif
