/* collector_when.h: which of the collections that the interpreter begins are worth their time.
 *
 * The interpreter begins one whenever so many containers were made as its threshold says (700 or 2000), whether or not
 * the last ones found anything. At each such chance the policy (gc/policy.h) is asked with what has gathered since:
 *
 *     not yet       what is young is hidden for the moment, so that the interpreter looks at nothing; it stays young
 *     a sample      the same, but the youngest few hundred objects are left to be looked at, every 5,000 objects: where
 *                   many of these are dead the program has begun to make garbage, and what was put off is collected at
 *                   the next chance
 *     young         the interpreter collects what it was about to
 *     all           every generation is looked at, as in a full collection, and the candidates are decided on as part
 *                   of the collection that the interpreter has begun
 *
 * The bound. What was made since all generations were looked at, and is still there, is fewer than max(10,000 objects,
 * a quarter of what lived then), whatever the program does: the last chance before that looks at all. So is what can
 * be garbage of it. Samples make it less where garbage is made steadily. The same holds for bytes of large blocks, with
 * 32 MiB in place of the 10,000. What had grown old and dies is found by the next look at all. A collection that the
 * program asks for (gc.collect()) is always made. A program that sets thresholds is taken at its word: then every
 * collection takes place as the interpreter has it.
 */
#ifndef KU__COLLECTOR_WHEN_H
#define KU__COLLECTOR_WHEN_H

#include "cpython/facts_gc.h"

#include "alloc/fast.h"
#include "gc/policy.h"

#if KU__FACTS_SUPPORTED

typedef enum ku__when {
    KU__WHEN_AS_IT_IS,
    KU__WHEN_NOT_YET,
    KU__WHEN_SAMPLE,
    KU__WHEN_ALL,
} ku__when;

typedef struct ku__pacer {
    ku__policy policy;
    size_t young;        /* containers made, and not freed, since the last collection that took place */
    size_t sampled;      /* of `young`, when the last sample was taken */
    bool automatic;      /* the collection that runs was begun by the interpreter itself */
    PyGC_Head put_by[2]; /* what is young, while it is hidden */
} ku__pacer;

void ku__pacer_open(ku__pacer *pacer);

/* What to do about a collection of `generation` that is about to begin. `bytes`: of large blocks. */
ku__when ku__pacer_decide(ku__pacer *pacer, const ku__gc_state *state, int generation, size_t bytes);

/* Hides the generations up to `generation` (0 or 1), but for the sample, and shows them again. */
void ku__pacer_put_by(ku__pacer *pacer, ku__gc_state *state, int generation, bool sample);
void ku__pacer_put_back(ku__pacer *pacer, ku__gc_state *state, int generation);

/* After a sample in which so many objects were dead. */
void ku__pacer_note_sample(ku__pacer *pacer, size_t found);

/* After a collection that took place: generations up to `generation` were looked at; `lived` objects are known to live
 * (of a full one), `found` were dead. */
void ku__pacer_note(ku__pacer *pacer, int generation, size_t lived, size_t found, size_t bytes);

#endif
#endif
