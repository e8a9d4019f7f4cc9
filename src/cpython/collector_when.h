/* collector_when.h: which of the collections that the interpreter begins are worth their time.
 *
 * The interpreter begins one whenever so many containers were made as its threshold says (700 or 2000), whether or not
 * the last ones found anything. At each such chance the policy (gc/policy.h) is asked with what has gathered since:
 *
 *     not yet       what is young is hidden for the moment, so that the interpreter looks at nothing; it stays young
 *     ask young     some of the youngest are asked whether they live (collector_probe.h), every 5,000 objects. Where
 *                   more than an eighth of them is dead the program makes garbage, and the interpreter collects what
 *                   is young
 *     ask known     what was made and is still there has come to the bound: objects of all ages are asked. If next to
 *                   none is dead, what is young is taken for old, and the bound counts from here
 *     as it is      the interpreter collects what it was about to
 *     all           every generation is looked at, as in a full collection, and the candidates are decided on as part
 *                   of the collection that the interpreter has begun
 *
 * The bound. What was made since all generations were looked at, or since enough objects of all ages turned out to
 * live, and is still there, is fewer than max(10,000 objects, a quarter of what lived then), whatever the program
 * does. So is what can be garbage of it. The same bound holds for bytes of large blocks, with 32 MiB in place of the
 * 10,000 and nobody asked.
 *
 * When nobody is asked. All generations are looked at at the bound in heaps of fewer than 20,000 objects; where there
 * are twice as many objects as the last time; and in a heap that is no larger than it was when such a look found
 * more than one object in 32 dead. So a program that leaves garbage behind that no question finds is held to
 * the bound from then on, and the first time it can have as much garbage as there are objects that live.
 *
 * What asking is worth. Up to 32 rows of 32 objects are asked, drawn at random from what was made at any time; up to
 * one object in 128 may be dead, which is a quarter of a row. If a fifth of all rows is dead, all of them are missed
 * once in 1,200 times, and at the next bound, a quarter later, once in a million. What only hangs on a dead cycle
 * that lies in no row that was drawn is taken for alive, so a row in a graph of several hundred objects counts less.
 * Where what is asked leads to more objects than can be looked at, nothing is concluded, and all are looked at.
 *
 * A collection that the program asks for (gc.collect()) is always made. A program that sets thresholds is taken at its
 * word: then every collection takes place as the interpreter has it.
 */
#ifndef KU__COLLECTOR_WHEN_H
#define KU__COLLECTOR_WHEN_H

#include "cpython/facts_gc.h"

#include "alloc/fast.h"
#include "cpython/collector_probe.h"
#include "gc/policy.h"

#if KU__FACTS_SUPPORTED

typedef enum ku__when {
    KU__WHEN_AS_IT_IS,
    KU__WHEN_NOT_YET,
    KU__WHEN_ASK_YOUNG,
    KU__WHEN_ASK_KNOWN,
    KU__WHEN_ALL,
} ku__when;

typedef struct ku__pacer {
    ku__policy policy;
    size_t young;        /* containers made, and not freed, since the last collection that took place */
    size_t unasked;      /* containers made, and not freed, since the youngest were asked */
    size_t ask_every;    /* of them, until they are asked again */
    size_t seen;         /* objects that lived when all generations were looked at; 0: never yet */
    size_t lossy;        /* objects that there were when such a look found many dead, at most */
    bool automatic;      /* the collection that runs was begun by the interpreter itself */
    PyGC_Head put_by[2]; /* what is young, while it is hidden */
} ku__pacer;

void ku__pacer_open(ku__pacer *pacer);

/* What to do about a collection of `generation` that is about to begin. `bytes`: of large blocks. */
ku__when ku__pacer_decide(ku__pacer *pacer, const ku__gc_state *state, int generation, size_t bytes);

/* Hides the generations up to `generation` (0 or 1), and shows them again. */
void ku__pacer_put_by(ku__pacer *pacer, ku__gc_state *state, int generation);
void ku__pacer_put_back(ku__pacer *pacer, ku__gc_state *state, int generation);

/* Whether the youngest have not been asked for long. */
bool ku__pacer_is_curious(const ku__pacer *pacer);

/* After the youngest were asked: whether they are to be collected. */
bool ku__pacer_note_young(ku__pacer *pacer, const ku__found *found);

/* Whether it is worth asking those that are known, and whether their answer will do; then nothing is young any more. */
bool ku__pacer_may_trust(const ku__pacer *pacer);
bool ku__pacer_trusts(ku__pacer *pacer, const ku__found *found);

/* After a collection that took place: generations up to `generation` were looked at; `lived` objects are known to live
 * (of a full one), `found` were dead. */
void ku__pacer_note(ku__pacer *pacer, int generation, size_t lived, size_t found, size_t bytes);

#endif
#endif
