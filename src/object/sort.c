/* sort.c: sorting of lists: a stable merge sort from the bottom up.
 *
 * Pieces of 16 are sorted by binary insertion, then merged in pairs into the other of two arrays, to and fro; two
 * pieces that are in order already are copied without a comparison between their items, so that a sorted list takes one
 * comparison for each item. While it runs, the list is empty, and the items are held by the array: what comparisons do
 * to the list is seen afterwards ("list modified during sort", as CPython's list.sort()) and thrown away.
 *
 * Source: Knuth, The Art of Computer Programming 3, 5.2.4.
 */
#include "object/values.h"

#include <string.h>

enum { INSERTION = 16 }; /* two cache lines of items; 60 comparisons at most, below 16 log2 16 */

typedef struct sorting {
    ku_isolate *isolate;
    bool failed; /* a comparison did: from then on everything is "not less", and the items stay as they are */
} sorting;

static bool less(sorting *s, ku_object *a, ku_object *b) {
    if (s->failed) {
        return false;
    }
    int answer = ku_compare(s->isolate, KU_LESS, a, b);
    s->failed = answer < 0;
    return answer > 0;
}

/* Where an item goes among `length` sorted ones: behind all that are not greater. One comparison where it is the last.
 * */
static size_t place_of(sorting *s, ku_object *item, ku_object **items, size_t length) {
    if (length == 0 || !less(s, item, items[length - 1])) {
        return length;
    }
    size_t low = 0, high = length - 1;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (less(s, item, items[middle])) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    return low;
}

static void sort_piece(sorting *s, ku_object **items, size_t length) {
    for (size_t i = 1; i < length; i++) {
        ku_object *item = items[i];
        size_t place = place_of(s, item, items, i);
        memmove(items + place + 1, items + place, (i - place) * sizeof *items);
        items[place] = item;
    }
}

/* Merges from[0, middle) and from[middle, length) into `to`. */
static void merge(sorting *s, ku_object **from, size_t middle, size_t length, ku_object **to) {
    if (middle >= length || !less(s, from[middle], from[middle - 1])) {
        memcpy(to, from, length * sizeof *to);
        return;
    }
    size_t left = 0, right = middle;
    for (size_t at = 0; at < length; at++) {
        bool take_right = left >= middle || (right < length && less(s, from[right], from[left]));
        to[at] = take_right ? from[right++] : from[left++];
    }
}

/* Sorts `items`; `room` is as large. Returns which of the two has the result. */
static ku_object **sort_all(sorting *s, ku_object **items, ku_object **room, size_t length) {
    for (size_t at = 0; at < length; at += INSERTION) {
        sort_piece(s, items + at, length - at < INSERTION ? length - at : INSERTION);
    }
    for (size_t piece = INSERTION; piece < length; piece *= 2) {
        for (size_t at = 0; at < length; at += 2 * piece) {
            size_t both = length - at < 2 * piece ? length - at : 2 * piece;
            merge(s, items + at, piece < both ? piece : both, both, room + at);
        }
        ku_object **swap = items;
        items = room;
        room = swap;
    }
    return items;
}

bool ku_list_sort(ku_isolate *isolate, ku_object *list) {
    if (!ku__expect(isolate, list, KU_BUILTIN_LIST)) {
        return false;
    }
    ku__list *l = (ku__list *)(void *)list;
    ku_object *held = ku_list_length(list) > 1 ? ku__list_room(isolate, l->length) : NULL;
    ku__list *h = (ku__list *)(void *)held;
    if (l->length < 2 || held == NULL) {
        ku_release(isolate, held);
        return l->length < 2;
    }
    if (h->length != l->length) { /* memory was asked for, and the program changed the list meanwhile */
        ku_decref(isolate, held);
        return ku_list_sort(isolate, list);
    }
    ku_object **items = l->items, **room = h->items;
    size_t length = l->length, capacity = l->room;
    l->items = NULL;
    l->length = l->room = 0;
    sorting s = {isolate, false};
    ku_object **sorted = sort_all(&s, items, room, length);
    bool modified = l->length != 0;
    ku_list_clear(isolate, list); /* what the program put there meanwhile */
    l->items = sorted;
    l->length = length;
    l->room = sorted == items ? capacity : length;
    h->items = sorted == items ? room : items;
    h->length = 0; /* pointers that are in `sorted` too */
    ku_decref(isolate, held);
    return !s.failed && (!modified || ku_fail(isolate, KU_VALUE, "list modified during sort"));
}
