/* channel.h (internal): what the kinds of channels have in common. See kucha/channel.h.
 *
 * A kind carries messages, bytes that it does not look into. Its functions are called without the isolate's lock, by
 * any number of threads at a time.
 */
#ifndef KU__CHANNEL_H
#define KU__CHANNEL_H

#include <kucha/channel.h>
#include <pthread.h>
#include <stdatomic.h>

typedef enum ku__carried {
    KU__CARRIED,
    KU__CARRIED_LATE,   /* the time was up */
    KU__CARRIED_CLOSED, /* closed, or the peer is gone */
    KU__CARRIED_LARGE,  /* larger than the channel takes */
    KU__CARRIED_BROKEN, /* what came is no message */
    KU__CARRIED_NO_MEMORY,
    KU__CARRIED_IO, /* errno says more */
} ku__carried;

/* A point of time, of ku__clock_nanoseconds(), or KU__NEVER. */
#define KU__NEVER UINT64_MAX

typedef struct ku__carrier {
    /* Takes the message over when it is carried, and empties the structure. */
    ku__carried (*put)(ku_channel *channel, ku_message *message, uint64_t deadline);
    /* Gives one that the caller frees. */
    ku__carried (*take)(ku_channel *channel, ku_message *message, uint64_t deadline);
    void (*close)(ku_channel *channel);
    void (*stats)(ku_channel *channel, ku_channel_stats *stats);
    void (*free)(ku_channel *channel); /* the whole structure */
    bool local;                        /* messages stay in the process */
} ku__carrier;

/* Every kind's structure begins so. */
struct ku_channel {
    const ku__carrier *carrier;
    atomic_uint references;
    size_t bytes_most;
    ku_message_types types;
};

enum { KU__CHANNEL_MESSAGES = 1024, KU__CHANNEL_BYTES = 64 << 20 };

/* Fills the common part. */
void ku__channel_begin(ku_channel *channel, const ku__carrier *carrier, const ku_channel_options *options);

/* A condition that waits by the clock of deadlines; between processes if `shared`. */
void ku__condition_open(pthread_cond_t *condition, bool shared);

/* Waits for a signal; false once the deadline has passed. */
bool ku__condition_wait(pthread_cond_t *condition, pthread_mutex_t *mutex, uint64_t deadline);

#endif
