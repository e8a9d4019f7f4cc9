/* ring.c: channels between processes in memory that they share. See kucha/channel.h.
 *
 * The memory is made before the fork and inherited. In it lie a mutex, the positions of reading and writing, which
 * count bytes and never go back, and the ring: `size` bytes, a power of two, in which messages stand one behind the
 * other, each with its length in front:
 *
 *     taken <= put <= taken + size,      a message takes 8 + its length, rounded up to 8
 *
 * Whoever changes anything counts `changes` up and wakes those who wait for that.
 *
 * The mutex is robust: when a process dies while it holds it, the next one is told, and closes the ring, whose contents
 * may be half written. What came whole before that is lost with it; there is no telling it from what did not.
 */
#include "isolate/channel.h"

#include "object/types.h"
#include "os/clock.h"
#include "os/pages.h"
#include "os/shared.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { LENGTH_BYTES = 8 };

typedef struct shared {
    pthread_mutex_t mutex;
    _Atomic uint32_t changes;
    bool closed;
    uint64_t put, taken;
    ku_channel_stats stats;
    _Alignas(LENGTH_BYTES) unsigned char bytes[];
} shared;

/* What the process keeps for itself: no other can change how large it takes the ring to be. */
typedef struct ring {
    ku_channel channel;
    shared *memory;
    size_t size, mapped;
} ring;

static ring *ring_of(ku_channel *channel) {
    return (ring *)(void *)channel;
}

/* ---- the lock ---- */

static void enter(shared *m) {
    if (pthread_mutex_lock(&m->mutex) == EOWNERDEAD) {
        pthread_mutex_consistent(&m->mutex);
        m->closed = true;
        m->taken = m->put;
        m->stats.waiting = 0;
    }
}

static void leave(shared *m, bool changed) {
    if (changed) {
        atomic_fetch_add(&m->changes, 1);
    }
    pthread_mutex_unlock(&m->mutex);
    if (changed) {
        ku__shared_wake(&m->changes);
    }
}

/* Waits, without the lock, until something has changed. False once the deadline has passed. */
static bool wait_for_change(shared *m, uint64_t deadline) {
    uint32_t seen = atomic_load(&m->changes);
    leave(m, false);
    bool in_time = deadline == KU__NEVER || ku__clock_nanoseconds() < deadline;
    if (in_time) {
        ku__shared_wait(&m->changes, seen, deadline);
    }
    enter(m);
    return in_time;
}

/* ---- the ring ---- */

static size_t room_for(size_t length) {
    return LENGTH_BYTES + ((length + LENGTH_BYTES - 1) & ~(size_t)(LENGTH_BYTES - 1));
}

static bool is_full(const ring *r, size_t length) {
    return room_for(length) > r->size - (size_t)(r->memory->put - r->memory->taken);
}

static void copy_in(const ring *r, uint64_t at, const void *from, size_t length) {
    shared *m = r->memory;
    size_t place = (size_t)at & (r->size - 1), first = r->size - place < length ? r->size - place : length;
    memcpy(m->bytes + place, from, first);
    memcpy(m->bytes, (const char *)from + first, length - first);
}

static void copy_out(const ring *r, uint64_t at, void *to, size_t length) {
    const shared *m = r->memory;
    size_t place = (size_t)at & (r->size - 1), first = r->size - place < length ? r->size - place : length;
    memcpy(to, m->bytes + place, first);
    memcpy((char *)to + first, m->bytes, length - first);
}

static void append(const ring *r, const ku_message *message) {
    shared *m = r->memory;
    uint64_t length = message->length;
    copy_in(r, m->put, &length, LENGTH_BYTES);
    copy_in(r, m->put + LENGTH_BYTES, message->bytes, message->length);
    m->put += room_for(message->length);
    m->stats.sent++;
    m->stats.bytes_sent += length;
    m->stats.waiting++;
}

/* The length stands in memory that another process can write: it is looked at like everything from elsewhere. */
static ku__carried remove_first(const ring *r, ku_message *message) {
    shared *m = r->memory;
    uint64_t length;
    copy_out(r, m->taken, &length, LENGTH_BYTES);
    if (length > r->size || room_for(length) > m->put - m->taken) {
        m->closed = true;
        m->taken = m->put;
        return KU__CARRIED_BROKEN;
    }
    void *bytes = malloc(length != 0 ? length : 1);
    if (bytes == NULL) {
        return KU__CARRIED_NO_MEMORY;
    }
    copy_out(r, m->taken + LENGTH_BYTES, bytes, length);
    m->taken += room_for(length);
    m->stats.received++;
    m->stats.bytes_received += length;
    m->stats.waiting -= m->stats.waiting > 0;
    *message = (ku_message){bytes, length};
    return KU__CARRIED;
}

/* ---- the carrier ---- */

static ku__carried ring_put(ku_channel *channel, ku_message *message, uint64_t deadline) {
    ring *r = ring_of(channel);
    shared *m = r->memory;
    if (room_for(message->length) > r->size) {
        return KU__CARRIED_LARGE;
    }
    enter(m);
    bool in_time = true;
    while (!m->closed && in_time && is_full(r, message->length)) {
        in_time = wait_for_change(m, deadline);
    }
    ku__carried how = m->closed ? KU__CARRIED_CLOSED : is_full(r, message->length) ? KU__CARRIED_LATE : KU__CARRIED;
    if (how == KU__CARRIED) {
        append(r, message);
    }
    leave(m, how == KU__CARRIED);
    return how;
}

static ku__carried ring_take(ku_channel *channel, ku_message *message, uint64_t deadline) {
    ring *r = ring_of(channel);
    shared *m = r->memory;
    enter(m);
    bool in_time = true;
    while (m->put == m->taken && !m->closed && in_time) {
        in_time = wait_for_change(m, deadline);
    }
    ku__carried how = m->closed ? KU__CARRIED_CLOSED : KU__CARRIED_LATE;
    if (m->put != m->taken) {
        how = remove_first(r, message);
    }
    leave(m, how == KU__CARRIED || how == KU__CARRIED_BROKEN);
    return how;
}

static void ring_close(ku_channel *channel) {
    shared *m = ring_of(channel)->memory;
    enter(m);
    m->closed = true;
    leave(m, true);
}

static void ring_stats(ku_channel *channel, ku_channel_stats *stats) {
    shared *m = ring_of(channel)->memory;
    enter(m);
    *stats = m->stats;
    leave(m, false);
}

/* The other processes have the memory too: the mutex is not ended. */
static void ring_free(ku_channel *channel) {
    ring *r = ring_of(channel);
    ku__pages_unmap(r->memory, r->mapped);
    free(r);
}

static const ku__carrier ring_carrier = {ring_put, ring_take, ring_close, ring_stats, ring_free, false};

static void open_mutex(pthread_mutex_t *mutex) {
    pthread_mutexattr_t attributes;
    pthread_mutexattr_init(&attributes);
    pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
    pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
    pthread_mutex_init(mutex, &attributes);
    pthread_mutexattr_destroy(&attributes);
}

/* The next power of two, at least a page: what is not touched takes no memory. */
static size_t ring_size(size_t wanted) {
    size_t size = 4096;
    while (size < wanted && size <= SIZE_MAX / 4) {
        size *= 2;
    }
    return size;
}

ku_channel *ku_channel_shared(const ku_channel_options *options, ku_error *error) {
    ring *r = (ring *)calloc(1, sizeof *r);
    if (r != NULL) {
        ku__channel_begin(&r->channel, &ring_carrier, options);
        size_t size = ring_size(r->channel.bytes_most);
        r->mapped = sizeof(shared) + size;
        r->memory = (shared *)ku__shared_map(r->mapped);
        if (r->memory != NULL) {
            r->size = size;
            open_mutex(&r->memory->mutex);
            return &r->channel;
        }
    }
    free(r);
    ku__error_fill(error, KU_NO_MEMORY, "the system refused memory for a channel");
    return NULL;
}
