/* python_types.c: see python_types.h. */
#include "inspect/python_types.h"

#include "os/pages.h"

#define SLOTS_LEAST 4096u /* an interpreter starts with some hundred types; a large program has some ten thousand */

#define FILTER_BYTES ((size_t)1 << KU__TYPE_FILTER_BITS >> 3)

static bool table_open(ku__type_table *types, size_t slots) {
    types->slots = ku__pages_map(slots * sizeof *types->slots);
    types->numbers = ku__pages_map(slots * sizeof *types->numbers);
    types->mask = slots - 1;
    return types->slots != NULL && types->numbers != NULL;
}

static void table_close(ku__type_table *types) {
    ku__pages_unmap(types->slots, (types->mask + 1) * sizeof *types->slots);
    ku__pages_unmap(types->numbers, (types->mask + 1) * sizeof *types->numbers);
    types->slots = NULL;
    types->numbers = NULL;
}

static void enter(ku__type_table *types, uint32_t number) {
    uintptr_t address = ku__type_table_at(types, number)->address;
    uint64_t bit = ku__type_table_hash(address) >> (64 - KU__TYPE_FILTER_BITS);
    types->filter[bit / 64] |= (uint64_t)1 << bit % 64;
    size_t at = ku__type_table_home(types, address);
    while (types->slots[at] != 0) {
        at = (at + 1) & types->mask;
    }
    types->slots[at] = address;
    types->numbers[at] = number;
}

static bool grow(ku__type_table *types) {
    ku__type_table old = *types;
    if (!table_open(types, (old.mask + 1) * 2)) {
        table_close(types);
        *types = old;
        return false;
    }
    table_close(&old);
    for (uint32_t number = 0; number < ku__type_table_count(types); number++) {
        enter(types, number);
    }
    return true;
}

bool ku__type_table_add(ku__type_table *types, uintptr_t address, uint32_t front) {
    if (ku__type_table_find(types, address) != KU__NO_TYPE) {
        return true;
    }
    if ((size_t)ku__type_table_count(types) * 2 >= types->mask && !grow(types)) {
        return false;
    }
    ku__type_entry *entry = ku__growing_push(&types->entries, sizeof *entry);
    if (entry == NULL) {
        return false;
    }
    *entry = (ku__type_entry){.address = address, .front = front};
    enter(types, ku__type_table_count(types) - 1);
    return true;
}

bool ku__type_table_open(ku__type_table *types) {
    *types = (ku__type_table){.filter = ku__pages_map(FILTER_BYTES)};
    if (table_open(types, SLOTS_LEAST) && types->filter != NULL) {
        return true;
    }
    ku__type_table_close(types);
    return false;
}

void ku__type_table_close(ku__type_table *types) {
    table_close(types);
    ku__pages_unmap(types->filter, FILTER_BYTES);
    types->filter = NULL;
    ku__growing_release(&types->entries);
}
