/* r13_isolates.c: a graph across two heaps: isolates share nothing, what passes between them is copied (row R13). */
#include "show.h"

#include <sys/wait.h>
#include <unistd.h>

typedef struct node {
    ku_object header;
    ku_object *next, *label;
} node;

static const ku_field fields[] = {
    {"next", offsetof(node, next), KU_FIELD_OWNED}, {"label", offsetof(node, label), KU_FIELD_OWNED}, {NULL}};
static const ku_type_spec spec = {.name = "node", .size = sizeof(node), .fields = fields};

/* A ring of three nodes that share one label. */
static ku_object *make_ring(ku_isolate *isolate) {
    KU_FRAME(isolate, frame, 2);
    ku_object *label = ku_hold(&frame, 0, ku_list_new(isolate, NULL, 0));
    node *first = (node *)ku_hold(&frame, 1, ku_new(isolate, type_of(&spec))), *last = first;
    first->label = ku_new_reference(label);
    for (int i = 1; i < 3; i++) {
        node *next = (node *)ku_new(isolate, type_of(&spec));
        next->label = ku_new_reference(label);
        last->next = (ku_object *)next;
        last = next;
    }
    last->next = ku_new_reference((ku_object *)first);
    return ku_escape(&frame, 1);
}

static bool is_ring(ku_object *object) {
    node *a = (node *)object, *b = (node *)a->next, *c = (node *)b->next;
    return c->next == object && a->label == b->label && b->label == c->label;
}

/* Runs in the other isolate: takes a graph, changes it, says what it sees. */
static int receive(ku_isolate *isolate, void *channel) {
    KU_FRAME(isolate, frame, 1);
    ku_object *ring = ku_hold(&frame, 0, ku_channel_receive(isolate, channel, KU_FOREVER));
    printf("arrived as a ring with one label: %s\n", yes(ring != NULL && is_ring(ring)));
    if (ring != NULL) {
        ku_list_append(isolate, ((node *)ring)->label, ku_none(isolate));
        printf("the label there has %zu item\n", ku_list_length(((node *)ring)->label));
    }
    return 0;
}

static void between_threads(ku_isolate *isolate, ku_object *ring) {
    ku_channel *channel = ku_channel_new(NULL, NULL);
    ku_worker *worker = ku_worker_start(NULL, receive, channel, NULL);
    ku_channel_send(isolate, channel, ring, KU_FOREVER);
    KU_UNLOCKED(isolate) {
        ku_worker_join(worker, NULL);
    }
    ku_channel_release(channel);
    printf("the label here has %zu\n", ku_list_length(((node *)ring)->label));
}

/* A child writes the graph into a pipe; the parent names the types that it takes. */
static void between_processes(ku_isolate *isolate, ku_object *ring) {
    int ends[2];
    if (pipe(ends) != 0) {
        return;
    }
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        ku_channel *out = ku_channel_over(-1, ends[1], NULL, NULL);
        _exit(ku_channel_send(isolate, out, ring, KU_FOREVER) ? 0 : 1);
    }
    close(ends[1]);
    ku_type *const types[] = {type_of(&spec)};
    ku_channel *in = ku_channel_over(ends[0], -1, &(ku_channel_options){.types = {types, 1}}, NULL);
    {
        KU_FRAME(isolate, frame, 1);
        ku_object *copy = ku_hold(&frame, 0, ku_channel_receive(isolate, in, KU_FOREVER));
        printf("from another process, too: %s\n", yes(copy != NULL && is_ring(copy) && copy != ring));
    }
    ku_channel_release(in);
    close(ends[0]);
    waitpid(child, NULL, 0);
}

int main(void) {
    ku_isolate *isolate = open_isolate();
    {
        KU_FRAME(isolate, frame, 1);
        ku_object *ring = ku_hold(&frame, 0, make_ring(isolate));
        between_threads(isolate, ring);
        between_processes(isolate, ring);
    }
    ku_gc_collect(isolate, 2);
    return (int)ku_isolate_delete(isolate);
}
