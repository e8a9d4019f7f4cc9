/* python_beside.c: see python_beside.h. */
#include "inspect/python_beside.h"

#include "inspect/chain.h"

enum { WORD = sizeof(uintptr_t) };

ku__beside_kind ku__beside_kind_of(const char *name, size_t size) {
    static const struct {
        const char *name;
        ku__beside_kind kind;
    } known[] = {
        {"collections.deque", KU__BESIDE_DEQUE},
        {"collections.OrderedDict", KU__BESIDE_ORDERED},
        {"functools._lru_cache_wrapper", KU__BESIDE_CACHE},
    };
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (strlen(known[i].name) == size && memcmp(known[i].name, name, size) == 0) {
            return known[i].kind;
        }
    }
    return KU__BESIDE_NOTHING;
}

/* ---- chains ---- */

static void step(ku__chain *along, ku__memory *memory, uintptr_t link_at) {
    ku__chain_step(along, ku__memory_word(memory, along->at + link_at));
}

static void tell(const ku__beside *to, uintptr_t place, uint32_t number) {
    uintptr_t target = ku__memory_word(to->memory, place);
    if (target != 0) {
        to->reference(to->argument, target, number);
    }
}

/* ---- deque ---- */

enum {
    BLOCK_ITEMS = 64,
    BLOCK_DATA = WORD, /* behind the link to the left */
    BLOCK_RIGHT = BLOCK_DATA + BLOCK_ITEMS * WORD,
    BLOCK_BYTES = BLOCK_RIGHT + WORD,
    DEQUE_LEFT = 24,
    DEQUE_RIGHT = 32,
    DEQUE_LEFT_INDEX = 40,
    DEQUE_RIGHT_INDEX = 48,
    DEQUE_FREE = 72, /* how many blocks are kept, then they */
    FREE_MOST = 16,
};

static void walk_deque(const ku__beside *to, uintptr_t object) {
    ku__memory *memory = to->memory;
    uintptr_t right = ku__memory_word(memory, object + DEQUE_RIGHT);
    uint64_t first = ku__memory_word(memory, object + DEQUE_LEFT_INDEX);
    uint64_t last = ku__memory_word(memory, object + DEQUE_RIGHT_INDEX);
    uint32_t number = 0;
    for (ku__chain along = ku__chain_from(ku__memory_word(memory, object + DEQUE_LEFT)); along.at != 0;) {
        to->block(to->argument, along.at, BLOCK_BYTES, KU__BUFFER_BLOCK);
        bool is_last = along.at == right;
        /* of an empty one the right end stands before the left one */
        for (uint64_t i = first; i < BLOCK_ITEMS && !(is_last && (int64_t)i > (int64_t)last); i++) {
            tell(to, along.at + BLOCK_DATA + i * WORD, number++);
        }
        if (is_last) {
            break;
        }
        first = 0;
        step(&along, memory, BLOCK_RIGHT);
    }
    uint64_t kept = ku__memory_word(memory, object + DEQUE_FREE);
    for (uint64_t i = 0; i < kept && i < FREE_MOST; i++) {
        uintptr_t block = ku__memory_word(memory, object + DEQUE_FREE + (1 + i) * WORD);
        to->block(to->argument, block, BLOCK_BYTES, KU__BUFFER_BLOCK);
    }
}

/* ---- OrderedDict ---- */

enum {
    ORDERED_FIRST = 48,
    ORDERED_FAST = 64, /* the nodes by their entry in the table, and how many there is room for */
    ORDERED_FAST_SIZE = 72,
    NODE_KEY = 0,
    NODE_NEXT = 16,
    NODE_BYTES = 32,
};

static void walk_ordered(const ku__beside *to, uintptr_t object) {
    ku__memory *memory = to->memory;
    uintptr_t table = ku__memory_word(memory, object + ORDERED_FAST);
    uint64_t room = ku__memory_word(memory, object + ORDERED_FAST_SIZE);
    if (table != 0 && room < UINT32_MAX) {
        to->block(to->argument, table, (size_t)room * WORD, KU__BUFFER_KEYS);
    }
    uint32_t number = 0;
    for (ku__chain along = ku__chain_from(ku__memory_word(memory, object + ORDERED_FIRST)); along.at != 0;) {
        to->block(to->argument, along.at, NODE_BYTES, KU__BUFFER_KEYS);
        tell(to, along.at + NODE_KEY, number++);
        step(&along, memory, NODE_NEXT);
    }
}

/* ---- lru_cache ---- */

enum {
    LINK_NEXT = 24, /* of the cache itself, too: the ring begins and ends in it */
    LINK_TYPE = 8,
    LINK_KEY = 40,
    LINK_RESULT = 48,
};

static void walk_cache(const ku__beside *to, uintptr_t object) {
    uint32_t number = 0;
    for (ku__chain along = ku__chain_from(ku__memory_word(to->memory, object + LINK_NEXT));
         along.at != 0 && along.at != object;) {
        tell(to, along.at + LINK_KEY, number++);
        tell(to, along.at + LINK_RESULT, number++);
        tell(to, along.at + LINK_TYPE, number++);
        step(&along, to->memory, LINK_NEXT);
    }
}

void ku__beside_walk(const ku__beside *to, ku__beside_kind kind, uintptr_t object) {
    switch (kind) {
    case KU__BESIDE_DEQUE: walk_deque(to, object); break;
    case KU__BESIDE_ORDERED: walk_ordered(to, object); break;
    case KU__BESIDE_CACHE: walk_cache(to, object); break;
    case KU__BESIDE_NOTHING: break;
    }
}
