/* capture_file.h: bringing a capture file up to date; see format.h for what is written. Only for src/trace.
 *
 * One caller at a time. Reads the tracer through published counts only, so it runs beside the program.
 *
 * What an update costs: reading all counts (56 bytes a site, a few ns each), hashing them, and writing those pages of
 * 512 sites that changed since their place was last written: about 3 ms of a core at 10^5 sites, 30 ms at 10^6.
 */
#ifndef KU__TRACE_CAPTURE_FILE_H
#define KU__TRACE_CAPTURE_FILE_H

#include "format.h"
#include "os/file.h"
#include "trace.h"

enum {
    KU__CAPTURE_HEAPS_MAX = 128, /* 64 interpreters with two heaps each; more are left out */
    KU__TIMELINE_LEVEL = 4096,   /* points until the distance between two is doubled: a week takes 50,000 */
    KU__POINTS_WAITING = 128,    /* points between two updates: those of the densest timeline fill less than half */
};

/* Room for counts in the file, and what is in it. */
typedef struct ku__place {
    uint64_t offset; /* of the payload; 0: no room yet */
    uint64_t pages_most, heaps_most;
    uint64_t pages;      /* pages written */
    uint64_t *checksums; /* of those pages; mapped, pages_most of them */
} ku__place;

typedef struct ku__capture_file {
    ku__tracer *tracer;
    ku__file file;
    ku__file_header header;
    ku__file_state state;                        /* the last one written */
    double started;                              /* monotonic */
    double next_point;                           /* seconds since start */
    double point_distance;                       /* seconds between two points of the timeline */
    ku_capture_point points[KU__POINTS_WAITING]; /* for the next update */
    ku_capture_collections collections[KU__POINTS_WAITING];
    ku_capture_collections last_collections;
    size_t points_waiting, collections_waiting;
    ku__place places[2];
    uint8_t *buffer; /* a chunk while it is made */
    size_t buffer_size;
    ku_capture_counts page[KU__FILE_PAGE_ROWS];
    ku_capture_heap heaps[KU__CAPTURE_HEAPS_MAX]; /* what the next state says of heaps; set by the owner */
    size_t heap_count;
} ku__capture_file;

typedef struct ku__capture_ending {
    bool finished;
    int exit_code;
} ku__capture_ending;

/* Makes the file and its first state. `command` and `python` are numbers of the tracer's strings. The structure must
 * be zeroed. */
bool ku__capture_file_open(ku__capture_file *capture, ku__tracer *tracer, const char *path, uint32_t command,
                           uint32_t python, double distance, ku_error *error);

/* Writes a new state, with the points that wait. `ending` is NULL except for the last state. */
bool ku__capture_file_update(ku__capture_file *capture, const ku__capture_ending *ending, ku_error *error);

/* Is a point of the timeline due? */
bool ku__capture_file_point_due(const ku__capture_file *capture);

/* Is there room for another point before an update? */
static inline bool ku__capture_file_point_fits(const ku__capture_file *capture) {
    return capture->points_waiting < KU__POINTS_WAITING;
}

/* The timeline's next point, but for its time and live bytes, for the next update; there must be room. What the
 * collector did so far is noted beside it where that has changed; NULL: it is not watched. */
void ku__capture_file_note(ku__capture_file *capture, const ku_capture_point *point,
                           const ku_capture_collections *collections);

/* Closes the file as it stands and releases memory. */
void ku__capture_file_close(ku__capture_file *capture);

#endif
