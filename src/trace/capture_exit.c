/* capture_exit.c: see capture_exit.h. */
#include "capture_exit.h"

#include "os/process.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <pthread.h>
#include <string.h>
#include <unistd.h>

/* What is needed to write a state, and nothing that points elsewhere: whatever that was may be gone by then. */
static struct {
    pid_t process; /* a forked child that ends says nothing about its parent; 0: nothing is remembered */
    ku__file file;
    ku__file_header header;
    ku__file_state state;
} remembered;

static pthread_once_t once = PTHREAD_ONCE_INIT;
static bool told; /* the system calls write_exit_code() */

/* Errors are nobody's any more: without the new state the last one counts. */
static void write_exit_code(int status) {
    if (remembered.process != getpid()) return;
    ku__file_state next = remembered.state;
    next.sequence++;
    next.exit_code = status & 0xff; /* what the parent sees: exit(3) */
    next.checksum = XXH64(&next, offsetof(ku__file_state, checksum), 0);
    ku__file_shield shield;
    ku__file_shield_begin(&shield);
    if (ku__file_hold(&remembered.file) &&
        ku__file_starts_with(&remembered.file, &remembered.header, sizeof remembered.header)) {
        uint64_t place = KU__FILE_STATE_OFFSET + (next.sequence % 2) * KU__FILE_STATE_STEP;
        (void)ku__file_write(&remembered.file, &next, sizeof next, place);
    }
    ku__file_close(&remembered.file);
    ku__file_shield_end(&shield);
    remembered.process = 0;
}

static void ask(void) {
    told = ku__process_at_exit(write_exit_code);
}

bool ku__capture_exit_remember(const ku__capture_file *capture) {
    pthread_once(&once, ask);
    if (!told) return false;
    remembered.process = getpid();
    remembered.file = capture->file;
    remembered.file.descriptor = -1; /* opened again when needed: a descriptor kept for so long would be in the way */
    remembered.header = capture->header;
    remembered.state = capture->state;
    return true;
}
