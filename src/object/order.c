/* order.c: the order in which a type's bases are searched: C3 linearisation.
 *
 * The order of a type is the type itself, followed by the merge of the orders of its bases and of the list of its
 * bases. The merge takes, again and again, the first head of a list that is in the tail of no other, so that a type
 * comes before its bases, bases come as they were listed, and both hold for every type in the order. Where no head is
 * free there is no such order, and the type cannot be made.
 *
 * Source: Barrett, Cassels, Haahr, Moon, Playford, Withington, "A Monotonic Superclass Linearization for Dylan", OOPSLA
 * 1996.
 */
#include "object/types.h"

#include <stdio.h>
#include <string.h>

/* One list of the merge: what is left of it. */
typedef struct list {
    ku_type *const *items;
    uint32_t count;
} list;

size_t ku__order_most(const ku__type_recipe *recipe) {
    size_t most = 1;
    for (uint32_t b = 0; b < recipe->base_count; b++) {
        most += recipe->bases[b]->order_count;
    }
    return most;
}

static bool in_tail(const list *of, const ku_type *type) {
    for (uint32_t i = 1; i < of->count; i++) {
        if (of->items[i] == type) {
            return true;
        }
    }
    return false;
}

/* The first head that no tail contains; NULL when there is none. */
static ku_type *free_head(const list *lists, uint32_t count) {
    for (uint32_t l = 0; l < count; l++) {
        bool taken = lists[l].count == 0;
        for (uint32_t other = 0; other < count && !taken; other++) {
            taken = in_tail(&lists[other], lists[l].items[0]);
        }
        if (!taken) {
            return lists[l].items[0];
        }
    }
    return NULL;
}

/* Takes `type` off every list that it heads; returns how many entries are left in all. */
static size_t advance(list *lists, uint32_t count, const ku_type *type) {
    size_t left = 0;
    for (uint32_t l = 0; l < count; l++) {
        if (lists[l].count != 0 && lists[l].items[0] == type) {
            lists[l].items++;
            lists[l].count--;
        }
        left += lists[l].count;
    }
    return left;
}

static bool no_order(const ku_type *type, ku_error *error) {
    char names[160];
    size_t length = 0;
    names[0] = '\0';
    for (uint32_t b = 0; b < type->base_count && length < sizeof names; b++) {
        length += (size_t)snprintf(names + length, sizeof names - length, "%s%s", b != 0 ? ", " : "",
                                   type->bases[b]->own.name);
    }
    return ku__error_fill(error, KU_TYPE, "Cannot create a consistent method resolution order (MRO) for bases %s",
                          names);
}

static bool merge(ku_type *type, list *lists, uint32_t count, ku_error *error) {
    for (size_t left = 1; left != 0;) {
        ku_type *next = free_head(lists, count);
        if (next == NULL) {
            return no_order(type, error);
        }
        type->order[type->order_count++] = next;
        left = advance(lists, count, next);
    }
    return true;
}

static bool repeated_base(const ku_type *type, ku_error *error) {
    for (uint32_t b = 1; b < type->base_count; b++) {
        for (uint32_t before = 0; before < b; before++) {
            if (type->bases[b] == type->bases[before]) {
                ku__error_fill(error, KU_TYPE, "duplicate base class %s", type->bases[b]->own.name);
                return true;
            }
        }
    }
    return false;
}

bool ku__order_fill(ku_type *type, ku_error *error) {
    type->order[0] = type;
    type->order_count = 1;
    if (type->base_count == 0) {
        return true;
    }
    enum { BASES_MOST = 64 }; /* the merge is cubic in it, and its lists lie on the stack */
    if (type->base_count >= BASES_MOST) {
        return ku__error_fill(error, KU_TYPE, "type '%s' has more than %d bases", type->own.name, BASES_MOST - 1);
    }
    if (repeated_base(type, error)) {
        return false;
    }
    list lists[BASES_MOST];
    for (uint32_t b = 0; b < type->base_count; b++) {
        lists[b] = (list){type->bases[b]->order, type->bases[b]->order_count};
    }
    lists[type->base_count] = (list){type->bases, type->base_count};
    return merge(type, lists, type->base_count + 1, error);
}
