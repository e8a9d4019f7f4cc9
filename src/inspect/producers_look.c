/* producers_look.c: the dead of one collection: what refers to what, which cycles there are, what each of them keeps.
 *
 * Dead objects that are in no cycle are dead because of one: something in a cycle refers to them, perhaps by way of
 * others. So each is put down to one cycle that leads to it. Components come out of the search with numbers that
 * descend along references; going down them, whoever keeps an object is known before what the object keeps.
 *
 * The cycle that stands for a component is a shortest one through the object in it that the collector met first, which
 * mostly is the one that was made first; from one of those that a person would name, if there is one. Of a component
 * with many cycles the others are not told.
 *
 * Everything is linear in objects and references. All memory is pages; what was large is given back at the end.
 */
#include "inspect/producers.h"

#include <string.h>

enum {
    TARGETS_MOST = 4000000, /* references among the dead: 16 MB; what comes after them is not followed */
    NAMED_MOST = 20000,     /* cycles of a collection: to name one takes some microseconds */
    KEPT_MOST = 1 << 20,    /* bytes of an array that are kept for the next collection */
};

static ku__dead *dead_of(const ku__producers *all) {
    return KU__GROWING_ITEMS(&all->dead, ku__dead);
}

static uint32_t count_of(const ku__producers *all) {
    return (uint32_t)KU__GROWING_COUNT(&all->dead, ku__dead);
}

static uintptr_t item_of(const ku__producers *all, uint32_t number) {
    return dead_of(all)[number].item;
}

bool ku__producers_add(ku__producers *all, uintptr_t item) {
    ku__dead *dead = ku__growing_push(&all->dead, sizeof *dead);
    if (dead != NULL) {
        *dead = (ku__dead){.item = item, .keeper = KU__COMPONENT_NONE};
    }
    return dead != NULL;
}

/* ---- references ---- */

typedef struct seeing {
    ku__producers *all;
    bool refused;
} seeing;

static void see(void *argument, uintptr_t target) {
    seeing *by = argument;
    uint32_t number = ku__pointer_find(&by->all->numbers, target);
    if (number == KU__POINTER_NONE || KU__GROWING_COUNT(&by->all->targets, uint32_t) >= TARGETS_MOST) {
        return;
    }
    uint32_t *room = ku__growing_push(&by->all->targets, sizeof *room);
    if (room == NULL) {
        by->refused = true;
        return;
    }
    *room = number;
}

static bool number_all(ku__producers *all) {
    for (uint32_t i = 0; i < count_of(all); i++) {
        if (!ku__pointer_add(&all->numbers, dead_of(all)[i].item, i)) {
            return false;
        }
    }
    return true;
}

static bool begin_row(ku__producers *all) {
    uint32_t *first = ku__growing_push(&all->first, sizeof *first);
    if (first != NULL) {
        *first = (uint32_t)KU__GROWING_COUNT(&all->targets, uint32_t);
    }
    return first != NULL;
}

static uint32_t record_of(ku__producers *all, uintptr_t item) {
    ku__record like = {.kind = KU__CLOSING_NONE, .closing = KU_GRAPH_NONE, .name = KU_GRAPH_NONE};
    like.source = all->heap->type(all->words, item);
    like.place = all->heap->place(all->words, item);
    return ku__record_for(all, &like);
}

static bool read_all(ku__producers *all) {
    seeing by = {.all = all};
    for (uint32_t i = 0; i < count_of(all); i++) {
        uintptr_t item = item_of(all, i);
        if (!begin_row(all)) {
            return false;
        }
        dead_of(all)[i].bytes = all->heap->read(all->words, item, see, &by);
        dead_of(all)[i].record = record_of(all, item);
    }
    return begin_row(all) && !by.refused && !all->texts.failed;
}

static ku__links links_of(const ku__producers *all) {
    static const uint32_t none;
    const uint32_t *targets = KU__GROWING_ITEMS(&all->targets, uint32_t);
    return (ku__links){.nodes = count_of(all),
                       .first = KU__GROWING_ITEMS(&all->first, uint32_t),
                       .target = targets != NULL ? targets : &none};
}

/* ---- who keeps whom ---- */

static void hand_on(ku__producers *all, const ku__links *links, uint32_t node) {
    ku__dead *dead = dead_of(all);
    for (uint32_t i = links->first[node]; i < links->first[node + 1]; i++) {
        ku__dead *target = &dead[links->target[i]];
        if (target->keeper == KU__COMPONENT_NONE) {
            target->keeper = dead[node].keeper;
        }
    }
}

static void find_keepers(ku__producers *all, const ku__links *links) {
    const ku__components *components = &all->components;
    for (uint32_t c = components->count; c-- > 0;) {
        bool cyclic = ku__components_cyclic(links, components, c);
        for (uint32_t i = components->first[c]; i < components->first[c + 1]; i++) {
            uint32_t node = components->members[i];
            if (cyclic) {
                dead_of(all)[node].keeper = c;
            }
            hand_on(all, links, node);
        }
    }
}

/* ---- cycles ---- */

/* The member that a cycle is told from. */
static uint32_t teller(const ku__producers *all, uint32_t component) {
    const ku__components *components = &all->components;
    uint32_t first = components->first[component];
    for (uint32_t i = first; i < components->first[component + 1]; i++) {
        if (all->heap->is_principal(item_of(all, components->members[i]))) {
            return components->members[i];
        }
    }
    return components->members[first];
}

static uint32_t name_cycle(ku__producers *all, const uintptr_t *items, uint32_t length) {
    ku__record like;
    ku__producers_cycle(all, items, length, &like);
    uint32_t number = ku__record_for(all, &like);
    if (number != 0 && ku__record_at(all, number)->example == KU_GRAPH_NONE) {
        ku__record_at(all, number)->example = ku__producers_example(all, items, length);
    }
    return number;
}

/* The record of a component's cycle; 0 where memory is refused or there are too many records. */
static uint32_t tell(ku__producers *all, const ku__links *links, uint32_t component) {
    uint32_t length;
    const uint32_t *cycle = ku__components_cycle(links, &all->components, teller(all, component), &length);
    all->items.used = 0;
    uintptr_t *row = ku__growing_push(&all->items, length * sizeof *row);
    if (cycle == NULL || row == NULL) {
        return 0;
    }
    for (uint32_t i = 0; i < length; i++) {
        row[i] = item_of(all, cycle[i]);
    }
    return name_cycle(all, row, length);
}

/* Where there are too many, every so manieth is told. */
static bool tell_cycles(ku__producers *all, const ku__links *links) {
    uint32_t count = all->components.count, step = 1 + count / NAMED_MOST;
    uint32_t *cycles = ku__growing_push(&all->cycles, ((size_t)count + 1) * sizeof *cycles);
    if (cycles == NULL) {
        return false;
    }
    memset(cycles, 0, ((size_t)count + 1) * sizeof *cycles);
    for (uint32_t c = 0, met = 0; c < count; c++) {
        if (ku__components_cyclic(links, &all->components, c)) {
            cycles[c] = met++ % step == 0 ? tell(all, links, c) : 0;
        }
    }
    return !all->texts.failed;
}

bool ku__producers_look(ku__producers *all) {
    if (!number_all(all) || !read_all(all)) {
        return false;
    }
    ku__links links = links_of(all);
    if (!ku__components_find(&links, &all->components)) {
        return false;
    }
    find_keepers(all, &links);
    return tell_cycles(all, &links);
}

/* ---- the end of the collection ---- */

void ku__producers_spare(ku__producers *all, uintptr_t item) {
    uint32_t number = ku__pointer_find(&all->numbers, item);
    if (number == KU__POINTER_NONE) {
        return;
    }
    ku__dead *dead = &dead_of(all)[number];
    dead->item = 0; /* it lives */
    if (dead->keeper != KU__COMPONENT_NONE) {
        KU__GROWING_ITEMS(&all->cycles, uint32_t)[dead->keeper] = KU_GRAPH_NONE;
    }
}

static void add_to(ku__producers *all, uint32_t number, const ku__dead *dead) {
    ku__record *record = ku__record_at(all, number);
    record->objects++;
    record->bytes += dead->bytes;
    record->collections += record->last != all->collections;
    record->last = all->collections;
}

static void count_object(ku__producers *all, const ku__dead *dead) {
    uint32_t cycle = dead->keeper == KU__COMPONENT_NONE ? 0 : KU__GROWING_ITEMS(&all->cycles, uint32_t)[dead->keeper];
    if (dead->item == 0 || cycle == KU_GRAPH_NONE) {
        return;
    }
    all->looked_count++;
    if (dead->record != 0) {
        add_to(all, dead->record, dead);
    }
    if (cycle != 0) {
        add_to(all, cycle, dead);
    }
}

void ku__producers_count(ku__producers *all) {
    ku__links links = links_of(all);
    const uint32_t *cycles = KU__GROWING_ITEMS(&all->cycles, uint32_t);
    all->collections += count_of(all) != 0;
    all->dead_count += all->met;
    for (uint32_t i = 0; i < count_of(all); i++) {
        count_object(all, &dead_of(all)[i]);
    }
    for (uint32_t c = 0; c < all->components.count; c++) {
        if (cycles[c] != KU_GRAPH_NONE && ku__components_cyclic(&links, &all->components, c)) {
            all->cycle_count++;
            all->unnamed += cycles[c] == 0;
            ku__record_at(all, cycles[c])->cycles++; /* the first record stands for nothing */
        }
    }
}

static void empty(ku__growing *array) {
    array->used = 0;
    if (array->capacity > KEPT_MOST) {
        ku__growing_release(array);
    }
}

/* A small table is emptied, which takes less time than to have another one mapped. */
static void empty_numbers(ku__producers *all) {
    ku__pointer_map *map = &all->numbers;
    if (map->slots == NULL || (map->mask + 1) * sizeof *map->slots > KEPT_MOST) {
        ku__pointer_close(map);
        return;
    }
    if (map->used != 0) {
        memset(map->slots, 0, (map->mask + 1) * sizeof *map->slots);
    }
    map->used = 0;
}

void ku__producers_drop(ku__producers *all) {
    empty_numbers(all);
    empty(&all->dead);
    empty(&all->first);
    empty(&all->targets);
    empty(&all->cycles);
    empty(&all->items);
    all->components.count = 0;
    if (all->components.bytes > KEPT_MOST) {
        ku__components_close(&all->components);
    }
    all->met = 0;
    all->looked = false;
}
