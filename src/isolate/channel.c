/* channel.c: sending and receiving over any kind of channel, and the kind between threads. See kucha/channel.h. */
#include "isolate/channel.h"

#include "isolate/wire.h"
#include "object/types.h"
#include "os/clock.h"

#include <errno.h>
#include <kucha/lock.h>
#include <stdlib.h>
#include <time.h>

/* ---- what the kinds share ---- */

void ku__channel_begin(ku_channel *channel, const ku__carrier *carrier, const ku_channel_options *options) {
    channel->carrier = carrier;
    atomic_init(&channel->references, 1);
    channel->bytes_most = options != NULL && options->bytes != 0 ? options->bytes : KU__CHANNEL_BYTES;
    channel->types = options != NULL ? options->types : (ku_message_types){NULL, 0};
}

void ku__condition_open(pthread_cond_t *condition, bool shared) {
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_condattr_setpshared(&attributes, shared ? PTHREAD_PROCESS_SHARED : PTHREAD_PROCESS_PRIVATE);
    pthread_cond_init(condition, &attributes);
    pthread_condattr_destroy(&attributes);
}

bool ku__condition_wait(pthread_cond_t *condition, pthread_mutex_t *mutex, uint64_t deadline) {
    if (deadline == KU__NEVER) {
        pthread_cond_wait(condition, mutex);
        return true;
    }
    struct timespec when = {.tv_sec = (time_t)(deadline / 1000000000u), .tv_nsec = (long)(deadline % 1000000000u)};
    return pthread_cond_timedwait(condition, mutex, &when) != ETIMEDOUT;
}

static uint64_t deadline_of(double seconds) {
    const double longest = 1e9; /* seconds, thirty years: longer is for ever */
    if (!(seconds >= 0 && seconds < longest)) {
        return KU__NEVER;
    }
    return ku__clock_nanoseconds() + (uint64_t)(seconds * 1e9);
}

/* ---- the public calls ---- */

ku_channel *ku_channel_retain(ku_channel *channel) {
    atomic_fetch_add_explicit(&channel->references, 1, memory_order_relaxed);
    return channel;
}

void ku_channel_release(ku_channel *channel) {
    if (channel != NULL && atomic_fetch_sub_explicit(&channel->references, 1, memory_order_acq_rel) == 1) {
        channel->carrier->free(channel);
    }
}

void ku_channel_close(ku_channel *channel) {
    channel->carrier->close(channel);
}

void ku_channel_get_stats(ku_channel *channel, ku_channel_stats *stats) {
    channel->carrier->stats(channel, stats);
}

/* The pending error for what went wrong; none for a time that was up. */
static void note(ku_isolate *isolate, ku__carried how, int why) {
    switch (how) {
    case KU__CARRIED:
    case KU__CARRIED_LATE: break;
    case KU__CARRIED_CLOSED:
        ku_fail(isolate, KU_STATE, "the channel is closed, or whoever was at its other end is gone");
        break;
    case KU__CARRIED_LARGE:
        ku_fail(isolate, KU_LIMIT, "the message is larger than the channel takes (ku_channel_options)");
        break;
    case KU__CARRIED_BROKEN: ku_fail(isolate, KU_CORRUPT, "what came over the channel is no message"); break;
    case KU__CARRIED_NO_MEMORY: ku_fail(isolate, KU_NO_MEMORY, "the system refused memory for a message"); break;
    case KU__CARRIED_IO:
        ku_fail(isolate, KU_IO, "the channel could not be read or written: error %d of the system", why);
        break;
    }
}

bool ku_channel_send(ku_isolate *isolate, ku_channel *channel, ku_object *object, double seconds) {
    ku_message message;
    if (!ku__message_write(isolate, object, channel->carrier->local, &message)) {
        return false;
    }
    ku__carried how = KU__CARRIED_LARGE;
    int why = 0;
    if (message.length <= channel->bytes_most) {
        uint64_t deadline = deadline_of(seconds);
        ku_lock_release(isolate);
        how = channel->carrier->put(channel, &message, deadline);
        why = errno;
        ku_lock_acquire(isolate);
    }
    ku_message_free(&message);
    note(isolate, how, why);
    return how == KU__CARRIED;
}

ku_object *ku_channel_receive(ku_isolate *isolate, ku_channel *channel, double seconds) {
    ku_message message = {NULL, 0};
    uint64_t deadline = deadline_of(seconds);
    ku_lock_release(isolate);
    ku__carried how = channel->carrier->take(channel, &message, deadline);
    int why = errno;
    ku_lock_acquire(isolate);
    note(isolate, how, why);
    if (how != KU__CARRIED) {
        return NULL;
    }
    bool local = channel->carrier->local;
    ku_object *object = ku__message_read(isolate, message.bytes, message.length, &channel->types, local);
    ku_message_free(&message);
    return object;
}

/* ---- between threads: a queue ---- */

typedef struct queue {
    ku_channel channel;
    pthread_mutex_t mutex;
    pthread_cond_t more, room; /* something to take; room to put */
    ku_message *messages;      /* a ring */
    size_t most, first, count;
    size_t bytes; /* of the messages that wait */
    bool closed;
    ku_channel_stats stats;
} queue;

static queue *queue_of(ku_channel *channel) {
    return (queue *)(void *)channel;
}

/* Whether a message of so many bytes has to wait. One that is alone may always go in. */
static bool is_full(const queue *q, size_t length) {
    return q->count == q->most || (q->count != 0 && length > q->channel.bytes_most - q->bytes);
}

static ku__carried queue_put(ku_channel *channel, ku_message *message, uint64_t deadline) {
    queue *q = queue_of(channel);
    bool in_time = true;
    pthread_mutex_lock(&q->mutex);
    while (!q->closed && in_time && is_full(q, message->length)) {
        in_time = ku__condition_wait(&q->room, &q->mutex, deadline);
    }
    ku__carried how = q->closed ? KU__CARRIED_CLOSED : is_full(q, message->length) ? KU__CARRIED_LATE : KU__CARRIED;
    if (how == KU__CARRIED) {
        q->messages[(q->first + q->count++) % q->most] = *message;
        q->bytes += message->length;
        q->stats.sent++;
        q->stats.bytes_sent += message->length;
        *message = (ku_message){NULL, 0};
        pthread_cond_signal(&q->more);
    }
    pthread_mutex_unlock(&q->mutex);
    return how;
}

static ku__carried queue_take(ku_channel *channel, ku_message *message, uint64_t deadline) {
    queue *q = queue_of(channel);
    bool in_time = true;
    pthread_mutex_lock(&q->mutex);
    while (q->count == 0 && !q->closed && in_time) {
        in_time = ku__condition_wait(&q->more, &q->mutex, deadline);
    }
    ku__carried how = q->count != 0 ? KU__CARRIED : q->closed ? KU__CARRIED_CLOSED : KU__CARRIED_LATE;
    if (how == KU__CARRIED) {
        *message = q->messages[q->first];
        q->first = (q->first + 1) % q->most;
        q->count--;
        q->bytes -= message->length;
        q->stats.received++;
        q->stats.bytes_received += message->length;
        pthread_cond_broadcast(&q->room); /* senders wait for room of different sizes */
    }
    pthread_mutex_unlock(&q->mutex);
    return how;
}

static void queue_close(ku_channel *channel) {
    queue *q = queue_of(channel);
    pthread_mutex_lock(&q->mutex);
    q->closed = true;
    pthread_cond_broadcast(&q->more);
    pthread_cond_broadcast(&q->room);
    pthread_mutex_unlock(&q->mutex);
}

static void queue_stats(ku_channel *channel, ku_channel_stats *stats) {
    queue *q = queue_of(channel);
    pthread_mutex_lock(&q->mutex);
    *stats = q->stats;
    stats->waiting = q->count;
    pthread_mutex_unlock(&q->mutex);
}

static void queue_free(ku_channel *channel) {
    queue *q = queue_of(channel);
    for (size_t i = 0; i < q->count; i++) {
        ku_message_free(&q->messages[(q->first + i) % q->most]);
    }
    pthread_cond_destroy(&q->more);
    pthread_cond_destroy(&q->room);
    pthread_mutex_destroy(&q->mutex);
    free(q->messages);
    free(q);
}

static const ku__carrier queue_carrier = {queue_put, queue_take, queue_close, queue_stats, queue_free, true};

ku_channel *ku_channel_new(const ku_channel_options *options, ku_error *error) {
    queue *q = (queue *)calloc(1, sizeof *q);
    size_t most = options != NULL && options->messages != 0 ? options->messages : KU__CHANNEL_MESSAGES;
    ku_message *messages = (ku_message *)calloc(most, sizeof *messages);
    if (q == NULL || messages == NULL) {
        free(q);
        free(messages);
        ku__error_fill(error, KU_NO_MEMORY, "the system refused memory for a channel");
        return NULL;
    }
    ku__channel_begin(&q->channel, &queue_carrier, options);
    q->messages = messages;
    q->most = most;
    pthread_mutex_init(&q->mutex, NULL);
    ku__condition_open(&q->more, false);
    ku__condition_open(&q->room, false);
    return &q->channel;
}
