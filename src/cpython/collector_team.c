/* collector_team.c: see collector_team.h. */
#include "cpython/collector_team.h"

#include "os/machine.h"
#include "os/pages.h"
#include "os/thread.h"

#include <kucha/limits.h>

#include <assert.h>
#include <pthread.h>

#if KU__FACTS_SUPPORTED

enum {
    HELPERS_MOST = KU__TEAM_MOST - 1,
    GIFT_LEAST = 64,   /* objects on a stack, for some of them to be given away */
    STRANGE = 256,     /* of what a helper was given so many could not be read by it: others had better keep such */
    SELDOM = 1024,     /* handfuls from one try to the next, then */
    GIFT_MOST = 512,   /* objects given, or taken, at a time */
    LOOKS = 1000,      /* of one who waits, before it sleeps: some 20 microseconds */
    STACK = 256 << 10, /* bytes */
};

typedef struct helper {
    ku__thread thread;
    ku__team *team;
    ku__marker marker;
    ku__mark_stack stack, doubtful, foreign;
} helper;

struct ku__team {
    ku__marker *first;
    unsigned count; /* of the helpers */

    pthread_mutex_t lock;
    pthread_cond_t changed, tried; /* helpers that take nothing for a while wait for the second */
    atomic_uint changes;           /* of what follows; changed under the lock, read by who waits */
    unsigned idle;                 /* of the helpers */
    bool first_waits;
    bool over;
    ku__mark_stack gifts, foreign;
    ku__piece piece; /* given; with no step: none */

    atomic_bool hungry;
    atomic_bool barren; /* what helpers were given came back: they take nothing until somebody tries again */
    helper helpers[HELPERS_MOST];
};

/* ---- who waits for what; all under the lock ---- */

static bool anything_waits(const ku__team *team) {
    return team->piece.step != 0 || team->gifts.count != 0;
}

/* Whether somebody is to give something. */
static void note_hunger(ku__team *team) {
    bool barren = atomic_load_explicit(&team->barren, memory_order_relaxed);
    bool hungry = (team->idle != 0 || team->first_waits) && (barren || !anything_waits(team));
    atomic_store_explicit(&team->hungry, hungry, memory_order_relaxed);
}

/* There is something to take, or somebody has become idle. */
static void tell(ku__team *team) {
    note_hunger(team);
    atomic_fetch_add_explicit(&team->changes, 1, memory_order_relaxed);
    pthread_cond_broadcast(&team->changed);
    if (team->over || !atomic_load_explicit(&team->barren, memory_order_relaxed)) {
        pthread_cond_broadcast(&team->tried);
    }
}

/* Until something has changed. */
static void wait_for_change(ku__team *team) {
    unsigned seen = atomic_load_explicit(&team->changes, memory_order_relaxed);
    pthread_mutex_unlock(&team->lock);
    for (int i = 0; i < LOOKS && atomic_load_explicit(&team->changes, memory_order_relaxed) == seen; i++) {
        ku__thread_pause();
    }
    pthread_mutex_lock(&team->lock);
    while (atomic_load_explicit(&team->changes, memory_order_relaxed) == seen) {
        pthread_cond_wait(&team->changed, &team->lock);
    }
}

/* ---- giving and taking ---- */

bool ku__team_is_hungry(const ku__team *team) {
    return atomic_load_explicit(&team->hungry, memory_order_relaxed);
}

static bool can_give_piece(const ku__marker *by) {
    return by->pieces_count != 0 && ku__piece_left(&by->pieces[0]) > (size_t)KU__PIECE * 2;
}

/* The array that began first. */
static void give_piece(ku__team *team, ku__marker *by) {
    team->piece = by->pieces[0];
    by->pieces[0] = by->pieces[--by->pieces_count];
}

/* From the bottom of the stack; what is on top takes its place. */
static void give_objects(ku__team *team, ku__marker *by) {
    size_t depth = ku__marker_depth(by), count = depth / 2 < GIFT_MOST ? depth / 2 : GIFT_MOST;
    PyObject **bottom = by->stack->items;
    for (size_t i = 0; i < count; i++) {
        ku__stack_push(&team->gifts, bottom[i]);
        bottom[i] = *--by->top;
    }
}

static bool can_give_foreign(const ku__marker *by) {
    return by->foreign != NULL && by->foreign->count >= GIFT_LEAST;
}

static void hand_over(ku__team *team, ku__marker *by) {
    ku__stack_move(by->foreign, &team->foreign, by->foreign->count);
}

void ku__team_give(ku__team *team, ku__marker *by) {
    bool tries = !atomic_load_explicit(&team->barren, memory_order_relaxed) || by->unasked++ % SELDOM == 0;
    bool piece = tries && can_give_piece(by), objects = tries && ku__marker_depth(by) >= GIFT_LEAST;
    bool foreign = can_give_foreign(by);
    if (!piece && !objects && !foreign) {
        return;
    }
    pthread_mutex_lock(&team->lock);
    if (piece || objects) {
        atomic_store_explicit(&team->barren, false, memory_order_relaxed);
    }
    if (foreign) {
        hand_over(team, by);
    }
    if (piece && !anything_waits(team)) {
        give_piece(team, by);
    } else if (objects && !anything_waits(team)) {
        give_objects(team, by);
    }
    tell(team);
    pthread_mutex_unlock(&team->lock);
}

/* Objects onto the stack of one who has none. */
static void take_objects(ku__mark_stack *from, ku__marker *by) {
    for (size_t i = 0; i < GIFT_MOST && from->count != 0; i++) {
        ku__marker_push(by, from->items[--from->count]);
    }
}

/* As many references as are looked at in one go: a thread that is left without a processor keeps others waiting for no
 * more than it has. */
static void take_piece(ku__piece *from, ku__marker *by) {
    ku__piece taken = *from;
    if (ku__piece_left(from) > KU__PIECE) {
        from->at += (ptrdiff_t)(KU__PIECE * from->step);
        taken.end = from->at;
    } else {
        from->step = 0;
    }
    by->pieces[by->pieces_count++] = taken;
}

/* Under the lock. Whether there was anything. */
static bool take(ku__team *team, ku__marker *by) {
    if (team->piece.step != 0) {
        take_piece(&team->piece, by);
    } else if (team->gifts.count != 0) {
        take_objects(&team->gifts, by);
    } else if (by == team->first && team->foreign.count != 0) {
        take_objects(&team->foreign, by);
    } else {
        return false;
    }
    return true;
}

/* ---- a helper ---- */

static void *help(void *argument) {
    helper *who = argument;
    ku__team *team = who->team;
    pthread_mutex_lock(&team->lock);
    while (!team->over) {
        if (atomic_load_explicit(&team->barren, memory_order_relaxed)) {
            pthread_cond_wait(&team->tried, &team->lock);
            continue;
        }
        if (!take(team, &who->marker)) {
            wait_for_change(team);
            continue;
        }
        who->marker.see = team->first->see; /* which changes while nobody has anything to do */
        who->marker.guesses = team->first->guesses;
        team->idle--;
        note_hunger(team);
        pthread_mutex_unlock(&team->lock);
        ku__marker_run(&who->marker);
        pthread_mutex_lock(&team->lock);
        atomic_store_explicit(&team->barren, who->foreign.count >= STRANGE, memory_order_relaxed);
        hand_over(team, &who->marker);
        team->idle++;
        tell(team);
    }
    pthread_mutex_unlock(&team->lock);
    return NULL;
}

/* ---- the interpreter's thread ---- */

/* Under the lock: whether there is something to do; false when nobody has anything. */
static bool find_more(ku__team *team, ku__marker *first) {
    while (!take(team, first)) {
        if (team->idle == team->count) {
            return false;
        }
        team->first_waits = true;
        tell(team);
        wait_for_change(team);
        team->first_waits = false;
    }
    return true;
}

void ku__team_run(ku__marker *first) {
    ku__team *team = first->team;
    if (team == NULL) {
        ku__marker_run(first);
        return;
    }
    bool more = true;
    while (more) {
        ku__marker_run(first);
        pthread_mutex_lock(&team->lock);
        more = find_more(team, first);
        note_hunger(team);
        pthread_mutex_unlock(&team->lock);
    }
}

/* ---- coming and going ---- */

static bool open_helper(ku__team *team, helper *who) {
    if (!ku__stack_open(&who->stack) || !ku__stack_open(&who->doubtful) || !ku__stack_open(&who->foreign)) {
        return false;
    }
    who->team = team;
    who->marker = (ku__marker){.see = team->first->see,
                               .marks = team->first->marks,
                               .roll = team->first->roll,
                               .team = team,
                               .foreign = &who->foreign,
                               .layouts = {.traverse = team->first->layouts.traverse}};
    ku__marker_open(&who->marker, &who->stack, &who->doubtful);
    return ku__thread_start(&who->thread, help, who, STACK) == 0;
}

static bool open_shared(ku__team *team, ku__marker *first) {
    team->first = first;
    team->count = team->idle = 0;
    team->over = team->first_waits = false;
    team->piece.step = 0;
    atomic_store(&team->hungry, false);
    atomic_store(&team->barren, false);
    return ku__stack_open(&team->gifts) && ku__stack_open(&team->foreign);
}

ku__team *ku__team_open(ku__team **memory, ku__marker *first, unsigned threads) {
    if (threads < 2) {
        return NULL;
    }
    ku__team *team = *memory != NULL ? *memory : ku__pages_map(sizeof *team);
    *memory = team;
    if (team == NULL || !open_shared(team, first)) {
        return NULL;
    }
    pthread_mutex_init(&team->lock, NULL);
    pthread_cond_init(&team->changed, NULL);
    pthread_cond_init(&team->tried, NULL);
    pthread_mutex_lock(&team->lock); /* who begins waits until all are counted */
    while (team->count < threads - 1 && team->count < HELPERS_MOST && open_helper(team, &team->helpers[team->count])) {
        team->count++;
    }
    team->idle = team->count;
    tell(team);
    pthread_mutex_unlock(&team->lock);
    if (team->count == 0) {
        ku__team_close(team);
        return NULL;
    }
    first->team = team;
    return team;
}

unsigned ku__team_size(const ku__team *team) {
    return team != NULL ? team->count + 1 : 1;
}

bool ku__team_close(ku__team *team) {
    ku__marker *first = team->first;
    bool refused = team->gifts.refused || team->foreign.refused;
    pthread_mutex_lock(&team->lock);
    assert(team->idle == team->count && !anything_waits(team) && team->foreign.count == 0);
    team->over = true;
    tell(team);
    pthread_mutex_unlock(&team->lock);
    for (unsigned i = 0; i < team->count; i++) {
        helper *who = &team->helpers[i];
        ku__thread_end(&who->thread);
        ku__stack_move(&who->doubtful, first->doubtful, who->doubtful.count);
        refused |= who->stack.refused || who->doubtful.refused || who->foreign.refused;
    }
    pthread_cond_destroy(&team->changed);
    pthread_cond_destroy(&team->tried);
    pthread_mutex_destroy(&team->lock);
    first->team = NULL;
    return !refused;
}

void ku__team_free(ku__team *memory) {
    if (memory == NULL) {
        return;
    }
    for (unsigned i = 0; i < HELPERS_MOST; i++) {
        ku__stack_close(&memory->helpers[i].stack);
        ku__stack_close(&memory->helpers[i].doubtful);
        ku__stack_close(&memory->helpers[i].foreign);
    }
    ku__stack_close(&memory->gifts);
    ku__stack_close(&memory->foreign);
    ku__pages_unmap(memory, sizeof *memory);
}

unsigned ku__team_quota(void) {
    ku_cgroup group;
    ku_error ignored;
    if (ku_cgroup_read(NULL, 0, &group, &ignored) != KU_OK || group.cpus <= 0 || group.cpus >= KU__TEAM_MOST) {
        return KU__TEAM_MOST;
    }
    return group.cpus < 1 ? 1 : (unsigned)group.cpus;
}

#endif
