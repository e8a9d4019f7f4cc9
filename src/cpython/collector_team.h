/* collector_team.h: several threads that mark one heap, while the world stands still.
 *
 * The interpreter's thread marks from the roots; helpers begin with nothing. Whoever has nothing to do says so, and who
 * notices that (once a handful, collector_marker.h) gives something away: a large array, of which all then take a
 * piece at a time; else of the stack what lies at the bottom, which is what was met first and leads to most. Nobody
 * takes what was not given, so what each works with is its own.
 *
 * Where most of what a helper was given is left to the interpreter's thread, by the rule below, it takes nothing more
 * until, some handfuls later, it is tried again.
 *
 * A helper runs no code but ours, and a dict's tp_traverse, which only reads. Objects whose type it cannot read are
 * left to the interpreter's thread, which has the GIL, as a tp_traverse may expect.
 *
 * The threads are there for one collection and gone before the program goes on: a program that counts its threads, or
 * forks, sees none. They begin with 30 to 60 microseconds each; so heaps of fewer than KU__TEAM_LEAST objects are
 * marked by one thread.
 *
 * How many: as many as the process has processors, by its affinity and by its control group's quota, and KU__TEAM_MOST
 * at the most. Where the system refuses a thread, there is one less.
 *
 * Lock: the team's own, for what is given and who waits; it is held while nothing else is called but what moves objects
 * from one stack to another. In a child (concurrent.h) there is no team.
 */
#ifndef KU__COLLECTOR_TEAM_H
#define KU__COLLECTOR_TEAM_H

#include "cpython/collector_marker.h"

#include <stdatomic.h>

#if KU__FACTS_SUPPORTED

enum {
    KU__TEAM_MOST = 4,       /* threads, the interpreter's own among them: memory gives no more than a few their fill */
    KU__TEAM_LEAST = 100000, /* objects; some two milliseconds */
};

typedef struct ku__team ku__team;

/* A team of at most so many threads, the caller's with its marker `first` among them, which is part of it from now on.
 * NULL where there is nobody else; then `first` is alone. `memory` is where the team is kept from one time to the next:
 * NULL at first. */
ku__team *ku__team_open(ku__team **memory, ku__marker *first, unsigned threads);

/* Its threads, the caller's among them; 1 where there is no team. */
unsigned ku__team_size(const ku__team *team);

/* Its threads end; what they doubted goes to `first`'s. False when one of them was refused memory: what was marked is
 * worth nothing. */
bool ku__team_close(ku__team *team);

/* Gives the memory back. */
void ku__team_free(ku__team *memory);

/* The caller's marker, and with it its team, if it has one: goes on until nobody has anything left. */
void ku__team_run(ku__marker *first);

/* Whether somebody has nothing to do, and nothing waits to be done. */
bool ku__team_is_hungry(const ku__team *team);

/* Gives some of what a marker still has to do to the others, if that is worth it. */
void ku__team_give(ku__team *team, ku__marker *by);

/* Threads that the control group's quota has processors for, up to KU__TEAM_MOST. Reads files: a few hundred
 * microseconds. */
unsigned ku__team_quota(void);

#endif
#endif
