/* container.h: tuple, list, dict and set.
 *
 * Functions that are named for a type take objects of that type or of one that inherits from it, and fail with KU_TYPE
 * for others. What works on any container (length, items by index or key, slices, iteration, containment) is in
 * operations.h.
 *
 * Keys of dicts and items of sets must be hashable: "cannot use 'list' as a dict key (unhashable type: 'list')"
 * (KU_TYPE). Comparing keys may call code of the program; if that changes the container, the search begins anew.
 *
 * Order. A dict keeps the order in which keys were first set, as Python's does since 3.7. A set keeps it too, which
 * Python does not promise: runs are repeatable.
 *
 * Memory. A list of n made at once takes 32 bytes and 8 for each item; growing leaves room for an eighth more, so that
 * n appends copy less than 9 n items in all. A dict or set of up to 8 entries has no index and is searched through its
 * hashes, which fill one cache line; beyond that the index takes 1, 2 or 4 bytes a place.
 *
 * Lock: the isolate's. Source: the Python library reference, "Sequence Types", "Mapping Types", "Set Types".
 */
#ifndef KUCHA_CONTAINER_H
#define KUCHA_CONTAINER_H

#include <kucha/object.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- tuple ---- immutable; the empty one exists once */

/* `items` are borrowed and none is NULL; references are taken. */
KU_API ku_object *ku_tuple_new(ku_isolate *isolate, ku_object *const *items, size_t length);

/* A tuple of what the iterable gives; a tuple gives itself. */
KU_API ku_object *ku_tuple_from(ku_isolate *isolate, ku_object *iterable);

KU_API bool ku_is_tuple(const ku_object *object);
KU_API size_t ku_tuple_length(const ku_object *tuple); /* 0 for what is no tuple */

/* Borrowed; NULL outside of the tuple, without an error. */
KU_API ku_object *ku_tuple_at(const ku_object *tuple, size_t index);

/* ---- list ---- */

/* `items` are borrowed, references are taken; NULL with a length of 0 is an empty list. */
KU_API ku_object *ku_list_new(ku_isolate *isolate, ku_object *const *items, size_t length);

/* A new list of what the iterable gives. */
KU_API ku_object *ku_list_from(ku_isolate *isolate, ku_object *iterable);

KU_API bool ku_is_list(const ku_object *object);
KU_API size_t ku_list_length(const ku_object *list); /* 0 for what is no list */

/* Borrowed: good until the list changes. NULL outside of the list, without an error. */
KU_API ku_object *ku_list_at(const ku_object *list, size_t index);

KU_API bool ku_list_append(ku_isolate *isolate, ku_object *list, ku_object *item);
KU_API bool ku_list_extend(ku_isolate *isolate, ku_object *list, ku_object *iterable);

/* Before `index`, which counts from the end when negative and is cut to the list (list.insert). */
KU_API bool ku_list_insert(ku_isolate *isolate, ku_object *list, int64_t index, ku_object *item);

/* Takes the item at `index` (-1: the last) out of the list. New. KU_INDEX: "pop from empty list", "pop index out of
 * range". */
KU_API ku_object *ku_list_pop(ku_isolate *isolate, ku_object *list, int64_t index);

/* Takes out the first item that is equal. KU_VALUE: "list.remove(x): x not in list". */
KU_API bool ku_list_remove(ku_isolate *isolate, ku_object *list, ku_object *item);

KU_API bool ku_list_clear(ku_isolate *isolate, ku_object *list);
KU_API bool ku_list_reverse(ku_isolate *isolate, ku_object *list);

/* Sorts in place by `<`, keeping equal items in order (list.sort): a merge sort, at most n log2 n comparisons. Where a
 * comparison fails the items are all still there, in some order. KU_VALUE: "list modified during sort". */
KU_API bool ku_list_sort(ku_isolate *isolate, ku_object *list);

/* ---- dict ---- */

KU_API ku_object *ku_dict_new(ku_isolate *isolate);
KU_API bool ku_is_dict(const ku_object *object);
KU_API size_t ku_dict_length(const ku_object *dict); /* 0 for what is no dict */

/* New; KU_KEY with the repr of the key as message, and the key as its value, when it is not there. */
KU_API ku_object *ku_dict_get(ku_isolate *isolate, ku_object *dict, ku_object *key);

/* True with *value new, or NULL when the key is not there, which is no error. False: hashing or comparing failed. */
KU_API bool ku_dict_find(ku_isolate *isolate, ku_object *dict, ku_object *key, ku_object **value);

KU_API bool ku_dict_set(ku_isolate *isolate, ku_object *dict, ku_object *key, ku_object *value);
KU_API bool ku_dict_delete(ku_isolate *isolate, ku_object *dict, ku_object *key);  /* KU_KEY when it is not there */
KU_API int ku_dict_contains(ku_isolate *isolate, ku_object *dict, ku_object *key); /* 1, 0, -1 */

/* The value of the key; when it is not there, sets it to `value` first (dict.setdefault). New. */
KU_API ku_object *ku_dict_set_default(ku_isolate *isolate, ku_object *dict, ku_object *key, ku_object *value);

/* Takes the key out and gives its value, new. KU_KEY when it is not there. */
KU_API ku_object *ku_dict_pop(ku_isolate *isolate, ku_object *dict, ku_object *key);

KU_API bool ku_dict_clear(ku_isolate *isolate, ku_object *dict);

/* Sets all that `other`, a dict, has (dict.update). */
KU_API bool ku_dict_update(ku_isolate *isolate, ku_object *dict, ku_object *other);

/* A new dict with the same entries. */
KU_API ku_object *ku_dict_copy(ku_isolate *isolate, ku_object *dict);

/* Walks the entries in order without making anything: `*position` is 0 to begin with. False at the end. *key and *value
 * are borrowed; either may be NULL. The dict must not change while it is walked, except that values of its keys may be
 * set. */
KU_API bool ku_dict_next(const ku_object *dict, size_t *position, ku_object **key, ku_object **value);

/* With a terminated text as key. */
KU_API bool ku_dict_set_text(ku_isolate *isolate, ku_object *dict, const char *key, ku_object *value);
KU_API ku_object *ku_dict_get_text(ku_isolate *isolate, ku_object *dict, const char *key);

/* ---- set ---- */

KU_API ku_object *ku_set_new(ku_isolate *isolate);

/* A new set of what the iterable gives. */
KU_API ku_object *ku_set_from(ku_isolate *isolate, ku_object *iterable);

KU_API bool ku_is_set(const ku_object *object);
KU_API size_t ku_set_length(const ku_object *set); /* 0 for what is no set */
KU_API bool ku_set_add(ku_isolate *isolate, ku_object *set, ku_object *item);
KU_API bool ku_set_discard(ku_isolate *isolate, ku_object *set, ku_object *item); /* absent: nothing */
KU_API bool ku_set_remove(ku_isolate *isolate, ku_object *set, ku_object *item);  /* absent: KU_KEY */
KU_API int ku_set_contains(ku_isolate *isolate, ku_object *set, ku_object *item); /* 1, 0, -1 */

/* Takes out the oldest item. New. KU_KEY: "'pop from an empty set'". */
KU_API ku_object *ku_set_pop(ku_isolate *isolate, ku_object *set);
KU_API bool ku_set_clear(ku_isolate *isolate, ku_object *set);

/* Walks as ku_dict_next() does. */
KU_API bool ku_set_next(const ku_object *set, size_t *position, ku_object **item);

#ifdef __cplusplus
}
#endif

#endif
