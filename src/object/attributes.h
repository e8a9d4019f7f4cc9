/* attributes.h: the attributes of instances beyond their slots. See ku__shared in object.h for the three lay-outs.
 *
 * Most instances of a type get the same attributes. So long as one does, it holds the values alone; the names are the
 * type's (shared keys), each with a number, and a byte for each value says in which order they were set. That is
 * CPython's key-sharing dictionary (PEP 412) with the inline values of 3.11 (Objects/dictobject.c), in a buffer of its
 * own. An instance leaves it for a dict of its own when it is given a name that the type has no number left for, and
 * when somebody asks for its dict.
 *
 * Bytes: an instance with three attributes is 16 and its values 32.
 */
#ifndef KU__ATTRIBUTES_H
#define KU__ATTRIBUTES_H

#include "object/lookup.h"

/* Names that a type's instances share, at most: CPython's SHARED_KEYS_MAX_SIZE. */
enum { KU__SHARED_MOST = 30 };

/* `word` is the dict word of an instance in all of these, `class` its type object, `name` interned. */

/* The value, borrowed, or NULL: not there, or with `*failed` true and the error pending. */
ku_object *ku__attributes_get(ku_isolate *isolate, const uintptr_t *word, const ku__entry *entry, ku_object *name,
                              bool *failed);

/* Sets a value. `entry` is that of the name in the type's table. False with the error pending. */
bool ku__attributes_set(ku_isolate *isolate, ku__class *class, uintptr_t *word, const ku__entry *entry, ku_object *name,
                        ku_object *value);

/* Takes a value out: 1, 0 when it is not there, -1 with the error pending. */
int ku__attributes_delete(ku_isolate *isolate, uintptr_t *word, const ku__entry *entry, ku_object *name);

/* The dict, borrowed: turns shared values into one. NULL with the error pending. */
ku_object *ku__attributes_dict(ku_isolate *isolate, ku__class *class, uintptr_t *word);

/* How many there are. */
size_t ku__attributes_count(const uintptr_t *word);

/* Gives up all values, and frees what held them. */
void ku__attributes_clear(ku_isolate *isolate, uintptr_t *word);

/* Frees what held the values, which the caller has given up one by one. */
void ku__attributes_free(ku_isolate *isolate, uintptr_t *word);

/* Bytes of the buffer that holds the values; a dict is an object of its own, and counts for itself. */
size_t ku__attributes_size(ku_isolate *isolate, const uintptr_t *word);

#endif
