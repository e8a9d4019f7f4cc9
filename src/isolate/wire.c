/* wire.c: what writers and readers of messages share. See wire.h. */
#include "isolate/wire.h"

#include "os/random.h"

#define XXH_INLINE_ALL
#include <pthread.h>
#include <xxhash.h>

const char ku__message_magic[8] = {'K', 'U', 'C', 'H', 'A', 'M', 'S', 'G'};

enum { HASHED_HEADER = 24 }; /* bytes of the header in front of the hash */

uint64_t ku__message_hash(const unsigned char *header, const unsigned char *body, size_t length) {
    return XXH3_64bits_withSeed(body, length, XXH3_64bits(header, HASHED_HEADER));
}

static pthread_once_t once = PTHREAD_ONCE_INIT;
static uint64_t token;

static void choose(void) {
    token = ku__random_word() | 1;
}

uint64_t ku__process_token(void) {
    pthread_once(&once, choose);
    return token;
}
