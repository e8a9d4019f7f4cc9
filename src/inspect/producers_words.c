/* producers_words.c: a cycle in words, whatever heap its objects are of. See producers.h.
 *
 * It is put the way a person would say it:
 *
 *     Node.parent -> Node                    an attribute
 *     Node.children[...] -> Node             an item of a container that an attribute names
 *
 * The part that leads back to the object that the cycle is told from closes it; but where there is a leftover in the
 * cycle (a frame that a traceback keeps), it is that one's reference: the others are the program's data.
 */
#include "inspect/producers.h"

#include <stdarg.h>
#include <stdio.h>

enum {
    PARTS_FIRST = 4, /* of a long cycle, parts that an example shows at its beginning */
    PARTS_LAST = 2,  /* and at its end */
};

void ku__phrase_put(ku__phrase *to, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    size_t room = sizeof to->bytes - to->used;
    int size = vsnprintf(to->bytes + to->used, room, format, arguments);
    va_end(arguments);
    if (size > 0) {
        to->used += (size_t)size < room ? (size_t)size : room - 1;
    }
}

/* Cut texts may end inside a character; whoever decodes them puts a mark there. */
uint32_t ku__producers_keep(ku__producers *all, const ku__phrase *from) {
    return ku__maker_text(&all->texts, from->bytes, from->used);
}

const char *ku__producers_text(const ku__producers *all, uint32_t number, size_t *size) {
    const ku__growing *texts = &all->texts.sections[KU__SECTION_TEXTS];
    if (number == KU_GRAPH_NONE || number + 1 >= KU__GROWING_COUNT(texts, uint32_t)) {
        return NULL;
    }
    const uint32_t *table = KU__GROWING_ITEMS(texts, uint32_t);
    *size = table[number + 1] - table[number] - 1;
    return all->texts.sections[KU__SECTION_TEXT_BYTES].bytes + table[number];
}

/* ---- parts ---- */

/* The end of the part that begins with an object. */
static uint32_t part_end(const ku__producers *all, const uintptr_t *items, uint32_t count, uint32_t first) {
    uint32_t end = first + 1;
    while (end < count && !all->heap->is_principal(items[end])) {
        end++;
    }
    return end;
}

/* The part that closes the cycle: the last one, or a leftover's. A cycle without a name in it is told by its last
 * reference. */
static ku__part closing_part(const ku__producers *all, const uintptr_t *items, uint32_t count) {
    ku__part last = {items, count, count - 1, count, false};
    for (uint32_t i = 0; all->heap->is_principal(items[0]) && i < count; i = part_end(all, items, count, i)) {
        last.first = i;
        last.end = part_end(all, items, count, i);
        if (all->heap->is_leftover(items[i])) {
            break;
        }
    }
    return last;
}

void ku__producers_cycle(ku__producers *all, const uintptr_t *items, uint32_t count, ku__record *record) {
    const ku__producing *heap = all->heap;
    ku__part closes = closing_part(all, items, count);
    uintptr_t source = ku__part_item(&closes, closes.first);
    ku__phrase text = {.used = 0}, name = {.used = 0};
    record->kind = heap->put_part(all->words, &closes, &text, &name);
    ku__phrase_put(&text, " -> ");
    heap->put_object(all->words, &text, ku__part_item(&closes, closes.end));
    record->closing = ku__producers_keep(all, &text);
    record->name = name.used != 0 ? ku__producers_keep(all, &name) : KU_GRAPH_NONE;
    record->source = heap->type(all->words, source);
    record->place = heap->place(all->words, source);
}

static uint32_t count_parts(const ku__producers *all, const uintptr_t *items, uint32_t count) {
    uint32_t parts = 0;
    for (uint32_t i = 0; i < count; i = part_end(all, items, count, i)) {
        parts++;
    }
    return parts;
}

uint32_t ku__producers_example(ku__producers *all, const uintptr_t *items, uint32_t count) {
    uint32_t parts = count_parts(all, items, count), number = 0;
    bool is_long = parts > PARTS_FIRST + PARTS_LAST + 1;
    ku__phrase text = {.used = 0};
    for (uint32_t i = 0; i < count; number++) {
        ku__part one = {items, count, i, part_end(all, items, count, i), true};
        ku__phrase name = {.used = 0};
        if (!is_long || number < PARTS_FIRST || number >= parts - PARTS_LAST) {
            all->heap->put_part(all->words, &one, &text, &name);
            ku__phrase_put(&text, " -> ");
        } else if (number == PARTS_FIRST) {
            ku__phrase_put(&text, "(%u more) -> ", parts - PARTS_FIRST - PARTS_LAST);
        }
        i = one.end;
    }
    all->heap->put_object(all->words, &text, items[0]);
    ku__phrase_put(&text, count == 1 || parts == 1 ? " (the same)" : " (the first)");
    return ku__producers_keep(all, &text);
}
