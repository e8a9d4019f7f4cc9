/* policy.h: when to collect, and which generation. Arithmetic alone: no heap, no clock.
 *
 * What a collection costs grows with what it looks at; what it is worth grows with what is dead. So the next one comes
 *
 *     after so many new objects as a share of what lives (a full one), or of what was found lately (a young one)
 *
 * Let L be the objects that lived after the last full collection, A those made since and not freed by count, and s the
 * share of what was looked at that was dead lately (an average in which each collection weighs half as much as the one
 * after it). What may be outstanding is limited to
 *
 *     most(L, s) = max(10,000 objects, L * min(2, max(1/4, 1/4 / s)))
 *
 * so that the garbage expected, A * s, stays below a quarter of what lives, and no heap grows by more than twice its
 * own size without a full collection, whatever was expected. A is at least 10,000 before that, so small programs do not
 * collect all the time. CPython 3.13 waits for a quarter of what lives in any case, and pays 42 to 67 % of the time of
 * building a heap for it.
 *
 * Strict. Where the bound must hold whatever the program does next, and not only for the garbage expected, s counts as
 * 1: a quarter of what lives, as in CPython 3.13.
 *
 * Young collections. The threshold of generation 0 is where they begin. One that finds next to nothing leaves what
 * comes to the full one (the distance becomes `most`); one that finds less than an eighth dead doubles the distance to
 * the next, and from half of `most` on it becomes `most`; one that finds more than a quarter cuts it to a quarter, down
 * to the threshold again: a program that makes garbage is collected in small pieces, which stay in the processor's
 * caches, and one that builds something is left alone. After a full collection that found more than a quarter it is cut
 * to a sixteenth: what died may be old or young, which the next one tells at little cost. Who sets thresholds is taken
 * at his word: no doubling then.
 *
 * Thresholds that were set follow CPython 3.13's rule for a full collection too: a quarter of what lives, after as many
 * collections of generation 1 as the third threshold says.
 *
 * Short pauses. Where full collections go in steps or by a child (`piece` is set), younger ones are at one go all the
 * same, so none shall look at more than a piece: a distance above it is cut to it, except `most`, which leaves what
 * comes to the full one; generation 1 is left to that as well, once it has grown too large. While a child works nobody
 * knows when the next full one can begin, and `most` is cut too: what is dead must not pile up until then.
 *
 * When the distance has come to `most`, the collection is a full one; else, after as many young ones as the threshold
 * of generation 1 says, one of generation 1.
 *
 * Bytes. Objects own buffers; a few dead ones may hold much. Large buffers alone are followed, because small ones come
 * in proportion to objects: when they have grown by the share above, at least 32 MiB, a full collection is due.
 */
#ifndef KU__POLICY_H
#define KU__POLICY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { KU__GENERATIONS = 3 };

typedef struct ku__policy {
    int thresholds[KU__GENERATIONS];
    bool is_literal;             /* the program set them */
    bool is_strict;              /* what may be outstanding does not depend on what is expected: s counts as 1 */
    int counts[KU__GENERATIONS]; /* [1] young collections since generation 1's, [2] of generation 1 since a full one */
    size_t lived;                /* L */
    size_t pending;              /* of A, what is not young any more */
    double share;                /* s */
    size_t distance;             /* of young objects, to the next collection */
    size_t piece;                /* objects that a collection of generation 0 or 1 may look at; 0: any number */
    size_t aged;                 /* of generation 1, or more */
    size_t bytes_most;
} ku__policy;

/* As in CPython 3.14: 2000, 10, 0. */
void ku__policy_open(ku__policy *policy);
void ku__policy_set_thresholds(ku__policy *policy, const int thresholds[KU__GENERATIONS]);

/* Younger collections shall take no longer than a pause of so many nanoseconds; 0: as long as they like. */
void ku__policy_set_pause(ku__policy *policy, uint64_t nanoseconds);

/* Above so many young objects a collection is due; INT32_MAX for never. */
int32_t ku__policy_young_most(const ku__policy *policy);

/* The generation that is due with so many young objects and bytes of large buffers; -1 for none. */
int ku__policy_choose(const ku__policy *policy, size_t young, size_t bytes);

/* The same while a full collection is under way in steps: only the younger generations are in question. `by_child`: it
 * ends when it ends. */
int ku__policy_choose_young(const ku__policy *policy, size_t young, bool by_child);

/* Objects that may be outstanding: most(L, s). */
size_t ku__policy_most(const ku__policy *policy);

/* What a collection was like. */
typedef struct ku__yield {
    size_t young;      /* objects of generation 0 when it began */
    size_t candidates; /* objects that it looked at */
    size_t found;      /* of them dead */
    size_t bytes;      /* left in large buffers */
    size_t later;      /* of A, what was made after it began and is not young any more: of a collection in steps */
} ku__yield;

/* After a collection. `automatic`: it was due, and its yield counts for the next. */
void ku__policy_note(ku__policy *policy, int generation, const ku__yield *yield, bool automatic);

#endif
