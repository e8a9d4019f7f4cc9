/* producers_sum.c: what several watchers have counted, in one; and copies to be read. See producers.h.
 *
 * Each watcher adds to the sum what is new since it last did, by words: nobody needs to look into the tables of others.
 */
#include "inspect/producers.h"

#include <string.h>

typedef struct ku__summed_record {
    uint64_t cycles, objects, bytes, collections;
} ku__summed_record;

/* ---- adding up ---- */

static uint32_t same_text(const ku__producers *one, uint32_t number, ku__producers *sum) {
    size_t size;
    const char *bytes = ku__producers_text(one, number, &size);
    return bytes == NULL ? KU_GRAPH_NONE : ku__maker_text(&sum->texts, bytes, size);
}

/* The record of the same words in the sum; 0 as in ku__record_for(). */
static uint32_t same_record(const ku__producers *one, const ku__record *record, ku__producers *sum) {
    ku__record like = {.kind = record->kind,
                       .source = same_text(one, record->source, sum),
                       .place = same_text(one, record->place, sum),
                       .closing = same_text(one, record->closing, sum),
                       .name = same_text(one, record->name, sum)};
    uint32_t number = sum->texts.failed ? 0 : ku__record_for(sum, &like);
    if (number != 0 && ku__record_at(sum, number)->example == KU_GRAPH_NONE) {
        ku__record_at(sum, number)->example = same_text(one, record->example, sum);
    }
    return number;
}

static void add_record(const ku__producers *one, const ku__record *now, const ku__summed_record *then,
                       ku__producers *sum) {
    uint32_t number = same_record(one, now, sum);
    if (number == 0) {
        return;
    }
    ku__record *record = ku__record_at(sum, number);
    record->cycles += now->cycles - then->cycles;
    record->objects += now->objects - then->objects;
    record->bytes += now->bytes - then->bytes;
    record->collections += now->collections - then->collections;
}

static void add_totals(const ku__producers *one, const ku__summed *done, ku__producers *sum) {
    sum->collections += one->collections - done->collections;
    sum->dead_count += one->dead_count - done->dead_count;
    sum->looked_count += one->looked_count - done->looked_count;
    sum->cycle_count += one->cycle_count - done->cycle_count;
    sum->unnamed += one->unnamed - done->unnamed;
    sum->refused += one->refused - done->refused;
}

/* As many as there are records; new ones are zero. */
static bool cover(const ku__producers *one, ku__summed *done) {
    size_t wanted = ku__record_count(one) * sizeof(ku__summed_record), before = done->records.used;
    if (wanted <= before) {
        return true;
    }
    void *room = ku__growing_push(&done->records, wanted - before);
    if (room != NULL) {
        memset(room, 0, wanted - before);
    }
    return room != NULL;
}

void ku__producers_add_up(const ku__producers *one, ku__summed *done, ku__producers *sum) {
    bool any = one->collections != done->collections || one->refused != done->refused;
    if (!any || !cover(one, done)) {
        return;
    }
    ku__summed_record *records = KU__GROWING_ITEMS(&done->records, ku__summed_record);
    for (uint32_t i = 1; i < ku__record_count(one); i++) {
        const ku__record *now = ku__record_at(one, i);
        if (sum != NULL && (now->objects != records[i].objects || now->cycles != records[i].cycles)) {
            add_record(one, now, &records[i], sum);
        }
        records[i] = (ku__summed_record){now->cycles, now->objects, now->bytes, now->collections};
    }
    if (sum != NULL) {
        add_totals(one, done, sum);
    }
    done->collections = one->collections;
    done->dead_count = one->dead_count;
    done->looked_count = one->looked_count;
    done->cycle_count = one->cycle_count;
    done->unnamed = one->unnamed;
    done->refused = one->refused;
}

/* ---- copies ---- */

static bool copy_array(const ku__growing *from, ku__growing *to) {
    void *room = from->used == 0 ? NULL : ku__growing_push(to, from->used);
    if (room != NULL) {
        memcpy(room, from->bytes, from->used);
    }
    return room != NULL || from->used == 0;
}

bool ku__producers_copy(const ku__producers *all, ku__producers *copy) {
    static const int sections[] = {KU__SECTION_TEXTS, KU__SECTION_TEXT_BYTES};
    *copy = (ku__producers){.collections = all->collections,
                            .dead_count = all->dead_count,
                            .looked_count = all->looked_count,
                            .cycle_count = all->cycle_count,
                            .unnamed = all->unnamed,
                            .refused = all->refused};
    bool whole = copy_array(&all->records, &copy->records);
    for (size_t i = 0; whole && i < sizeof sections / sizeof sections[0]; i++) {
        whole = copy_array(&all->texts.sections[sections[i]], &copy->texts.sections[sections[i]]);
    }
    if (!whole) {
        ku__producers_close(copy);
    }
    return whole;
}
