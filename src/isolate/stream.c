/* stream.c: channels between processes over a pipe or a stream socket. See kucha/channel.h.
 *
 * On the stream, messages stand one behind the other: the header of a message (kucha/message.h) says how long it is.
 * The descriptors do not block; whoever has to wait does so in poll(2), until its deadline. A deadline that passes in
 * the middle of a message breaks nothing: what has been read is kept for the next call, and a message that has been
 * begun is written to its end by the next sender before its own.
 *
 * A message that does not begin as one breaks the stream for good: where the next one begins cannot be known.
 */
#include "isolate/channel.h"

#include "isolate/wire.h"
#include "object/types.h"
#include "os/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

/* One direction, and what is under way in it: `done` of message.length bytes. */
typedef struct direction {
    pthread_mutex_t mutex; /* whoever works on the direction; others wait for it */
    int descriptor;        /* -1: none */
    ku_message message;
    size_t done;
    bool broken;
    uint64_t messages, bytes;
} direction;

typedef struct stream {
    ku_channel channel;
    direction in, out;
    unsigned char header[KU_MESSAGE_HEADER]; /* of the message that comes in, until it is whole */
    atomic_bool closed;
} stream;

static stream *stream_of(ku_channel *channel) {
    return (stream *)(void *)channel;
}

/* ---- waiting ---- */

/* Milliseconds until the deadline, rounded up, for poll(); -1 is for ever. */
static int left_of(uint64_t deadline) {
    if (deadline == KU__NEVER) {
        return -1;
    }
    uint64_t now = ku__clock_nanoseconds();
    uint64_t left = now < deadline ? (deadline - now + 999999) / 1000000 : 0;
    return left < 1000000 ? (int)left : 1000000;
}

/* KU__CARRIED when the descriptor is ready, or its peer gone, which the next read or write tells. */
static ku__carried wait_ready(int descriptor, short events, uint64_t deadline) {
    struct pollfd one = {.fd = descriptor, .events = events};
    for (;;) {
        int left = left_of(deadline), ready = poll(&one, 1, left);
        if (ready > 0) {
            return KU__CARRIED;
        }
        if (ready == 0 && left >= 0 && left_of(deadline) == 0) {
            return KU__CARRIED_LATE;
        }
        if (ready < 0 && errno != EINTR) {
            return KU__CARRIED_IO;
        }
    }
}

static bool is_gone(int why) {
    return why == EPIPE || why == ECONNRESET || why == EBADF;
}

/* What to do after a read or write moved nothing: wait, or why it ends. */
static ku__carried after_nothing(int descriptor, short events, uint64_t deadline) {
    if (errno == EINTR) {
        return KU__CARRIED;
    }
    if (errno == EAGAIN || errno == EWOULDBLOCK) {
        return wait_ready(descriptor, events, deadline);
    }
    return is_gone(errno) ? KU__CARRIED_CLOSED : KU__CARRIED_IO;
}

/* ---- out ---- */

static ku__carried write_rest(direction *out, uint64_t deadline) {
    while (out->done < out->message.length) {
        const char *at = (const char *)out->message.bytes + out->done;
        ssize_t written = write(out->descriptor, at, out->message.length - out->done);
        if (written > 0) {
            out->done += (size_t)written;
            continue;
        }
        ku__carried how = after_nothing(out->descriptor, POLLOUT, deadline);
        if (how != KU__CARRIED) {
            return how;
        }
    }
    if (out->message.bytes != NULL) {
        out->messages++;
        out->bytes += out->message.length;
    }
    ku_message_free(&out->message);
    out->done = 0;
    return KU__CARRIED;
}

/* A message of which a part has gone out is the channel's: it was carried, as far as its sender is concerned. */
static ku__carried send_message(direction *out, ku_message *message, uint64_t deadline) {
    ku__carried how = write_rest(out, deadline);
    if (how != KU__CARRIED) {
        return how;
    }
    out->message = *message;
    how = write_rest(out, deadline);
    if (how == KU__CARRIED_LATE && out->done == 0) {
        out->message = (ku_message){NULL, 0};
        return how;
    }
    *message = (ku_message){NULL, 0};
    return how == KU__CARRIED_LATE ? KU__CARRIED : how;
}

static ku__carried stream_put(ku_channel *channel, ku_message *message, uint64_t deadline) {
    stream *s = stream_of(channel);
    if (s->out.descriptor < 0 || atomic_load(&s->closed)) {
        return KU__CARRIED_CLOSED;
    }
    pthread_mutex_lock(&s->out.mutex);
    ku__carried how = s->out.broken ? KU__CARRIED_CLOSED : send_message(&s->out, message, deadline);
    s->out.broken = s->out.broken || how == KU__CARRIED_CLOSED || how == KU__CARRIED_IO;
    pthread_mutex_unlock(&s->out.mutex);
    return how;
}

/* ---- in ---- */

/* Reads until `done` is `wanted`, into the header and then into the message. */
static ku__carried read_until(stream *s, size_t wanted, uint64_t deadline) {
    direction *in = &s->in;
    while (in->done < wanted) {
        bool heading = in->done < KU_MESSAGE_HEADER;
        unsigned char *at = (heading ? s->header : (unsigned char *)in->message.bytes) + in->done;
        ssize_t got = read(in->descriptor, at, wanted - in->done);
        if (got > 0) {
            in->done += (size_t)got;
            continue;
        }
        if (got == 0) {
            return in->done == 0 ? KU__CARRIED_CLOSED : KU__CARRIED_BROKEN;
        }
        ku__carried how = after_nothing(in->descriptor, POLLIN, deadline);
        if (how != KU__CARRIED) {
            return how;
        }
    }
    return KU__CARRIED;
}

/* The length that the header tells; 0 when it is not the header of a message that the channel takes. */
static size_t whole_length(const stream *s) {
    ku__reader in = {s->header, s->header + sizeof s->header, false};
    const unsigned char *magic = ku__read_bytes(&in, sizeof ku__message_magic);
    ku__read_fixed(&in, 8);
    uint64_t body = ku__read_fixed(&in, 8);
    bool fits = body <= s->channel.bytes_most && body + KU_MESSAGE_HEADER <= s->channel.bytes_most;
    return memcmp(magic, ku__message_magic, sizeof ku__message_magic) == 0 && fits ? body + KU_MESSAGE_HEADER : 0;
}

static ku__carried make_room(stream *s) {
    size_t length = whole_length(s);
    if (length == 0) {
        return KU__CARRIED_BROKEN;
    }
    s->in.message.bytes = malloc(length);
    if (s->in.message.bytes == NULL) {
        return KU__CARRIED_NO_MEMORY; /* the header is kept; the next call tries again */
    }
    s->in.message.length = length;
    memcpy(s->in.message.bytes, s->header, sizeof s->header);
    return KU__CARRIED;
}

static ku__carried receive_message(stream *s, ku_message *message, uint64_t deadline) {
    direction *in = &s->in;
    ku__carried how = read_until(s, KU_MESSAGE_HEADER, deadline);
    if (how == KU__CARRIED && in->message.bytes == NULL) {
        how = make_room(s);
    }
    if (how == KU__CARRIED) {
        how = read_until(s, in->message.length, deadline);
    }
    if (how == KU__CARRIED) {
        in->messages++;
        in->bytes += in->message.length;
        *message = in->message;
        in->message = (ku_message){NULL, 0};
        in->done = 0;
    }
    return how;
}

static ku__carried stream_take(ku_channel *channel, ku_message *message, uint64_t deadline) {
    stream *s = stream_of(channel);
    if (s->in.descriptor < 0) {
        return KU__CARRIED_CLOSED;
    }
    pthread_mutex_lock(&s->in.mutex);
    ku__carried how = s->in.broken ? KU__CARRIED_CLOSED : receive_message(s, message, deadline);
    s->in.broken = s->in.broken || how == KU__CARRIED_BROKEN || how == KU__CARRIED_IO;
    pthread_mutex_unlock(&s->in.mutex);
    return how;
}

/* ---- the whole ---- */

static void stream_close(ku_channel *channel) {
    atomic_store(&stream_of(channel)->closed, true);
}

static void stream_stats(ku_channel *channel, ku_channel_stats *stats) {
    stream *s = stream_of(channel);
    pthread_mutex_lock(&s->out.mutex);
    *stats = (ku_channel_stats){.sent = s->out.messages, .bytes_sent = s->out.bytes};
    pthread_mutex_unlock(&s->out.mutex);
    pthread_mutex_lock(&s->in.mutex);
    stats->received = s->in.messages;
    stats->bytes_received = s->in.bytes;
    pthread_mutex_unlock(&s->in.mutex);
}

static void stream_free(ku_channel *channel) {
    stream *s = stream_of(channel);
    ku_message_free(&s->in.message);
    ku_message_free(&s->out.message);
    pthread_mutex_destroy(&s->in.mutex);
    pthread_mutex_destroy(&s->out.mutex);
    free(s);
}

static const ku__carrier stream_carrier = {stream_put, stream_take, stream_close, stream_stats, stream_free, false};

static bool make_non_blocking(int descriptor) {
    int flags = descriptor >= 0 ? fcntl(descriptor, F_GETFL) : 0;
    return descriptor < 0 || (flags >= 0 && fcntl(descriptor, F_SETFL, flags | O_NONBLOCK) == 0);
}

ku_channel *ku_channel_over(int in, int out, const ku_channel_options *options, ku_error *error) {
    if (!make_non_blocking(in) || !make_non_blocking(out)) {
        int why = errno;
        ku__error_fill(error, KU_IO, "a channel could not be made: %d or %d is no open descriptor", in, out);
        if (error != NULL) {
            error->os_error = why;
        }
        return NULL;
    }
    stream *s = (stream *)calloc(1, sizeof *s);
    if (s == NULL) {
        ku__error_fill(error, KU_NO_MEMORY, "the system refused memory for a channel");
        return NULL;
    }
    ku__channel_begin(&s->channel, &stream_carrier, options);
    s->in.descriptor = in;
    s->out.descriptor = out;
    pthread_mutex_init(&s->in.mutex, NULL);
    pthread_mutex_init(&s->out.mutex, NULL);
    return &s->channel;
}
