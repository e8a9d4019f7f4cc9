/* channel.h: channels: object graphs from one isolate to another, in one process or between two.
 *
 * What is sent is copied (message.h): a graph goes in, and the same graph, of new objects, comes out in the isolate of
 * whoever receives. Messages arrive in the order in which they were sent, each at one receiver.
 *
 *     ku_channel_new      between the threads of a process: a queue in memory. Any number of senders and receivers
 *     ku_channel_shared   between processes that fork from the one that made it: a ring in memory that they share. Any
 *                         number of senders and receivers; one that is killed while it works on the ring is noticed,
 *                         and the channel is closed
 *     ku_channel_over     between processes, over a pipe or a stream socket: one sender and one receiver for a
 *     direction
 *
 * Sending waits while the channel is full, receiving while it is empty; the isolate's lock is released meanwhile
 * (lock.h). A wait may be limited in seconds: 0 does not wait, KU_FOREVER has no limit.
 *
 * A channel belongs to no isolate. It is counted: each thread that uses it has a reference, and the last one frees it.
 * Its bytes are by malloc(3) and count against no isolate's budget; the options bound them.
 *
 * Between processes, what arrives is not trusted: see message.h. The program names the types of instances that it
 * takes.
 */
#ifndef KUCHA_CHANNEL_H
#define KUCHA_CHANNEL_H

#include <kucha/message.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct ku_channel ku_channel;

#define KU_FOREVER (-1.0)

typedef struct ku_channel_options {
    size_t messages;        /* that wait at most; 0 is 1024. Of ku_channel_new() */
    size_t bytes;           /* of a message at most, and of all that wait together; 0 is 64 MiB. Of a ring: its size */
    ku_message_types types; /* of instances that may arrive. The array lives as long as the channel */
} ku_channel_options;

/* Each gives a channel with one reference; `options` may be NULL. NULL with `error` filled: KU_NO_MEMORY, KU_IO. */
KU_API ku_channel *ku_channel_new(const ku_channel_options *options, ku_error *error);
KU_API ku_channel *ku_channel_shared(const ku_channel_options *options, ku_error *error);

/* Reads from `in` and writes to `out`, file descriptors of the caller's, which stay open as long as the channel; either
 * may be -1. They are switched to non-blocking. For a peer that goes away, SIGPIPE should be ignored. */
KU_API ku_channel *ku_channel_over(int in, int out, const ku_channel_options *options, ku_error *error);

/* Any thread. */
KU_API ku_channel *ku_channel_retain(ku_channel *channel);
KU_API void ku_channel_release(ku_channel *channel); /* NULL does nothing */

/* No more is sent; what waits can still be received. Any thread; of a ring, any process. Over a stream it ends nothing:
 * close the descriptor. */
KU_API void ku_channel_close(ku_channel *channel);

/* Sends a copy. False without a pending error: it was full for so long. With one: KU_STATE, closed; KU_LIMIT, larger
 * than the channel takes; KU_TYPE, what cannot be copied; KU_IO; KU_NO_MEMORY. */
KU_API bool ku_channel_send(ku_isolate *isolate, ku_channel *channel, ku_object *object, double seconds);

/* What was sent, a new reference. NULL without a pending error: nothing came for so long. With one: KU_STATE, closed
 * and empty, or the peer is gone; KU_CORRUPT and what else ku_message_read() says: the message is lost, the next may be
 * well (over a stream after KU_CORRUPT it is not). */
KU_API ku_object *ku_channel_receive(ku_isolate *isolate, ku_channel *channel, double seconds);

typedef struct ku_channel_stats {
    uint64_t sent, received;
    uint64_t bytes_sent, bytes_received;
    size_t waiting; /* messages in the channel now; 0 over a stream */
} ku_channel_stats;

/* Of a ring: of all processes together. Any thread. */
KU_API void ku_channel_get_stats(ku_channel *channel, ku_channel_stats *stats);

#ifdef __cplusplus
}
#endif

#endif
