/* test_soak.c: a program that goes on and on: what it holds does not grow.
 *
 * Every round makes and drops what long-lived programs do: chains, cycles, weak references with callbacks, finalizers
 * that resurrect, buffers of all sizes, whole isolates on threads of their own, graphs that go there and back. After a
 * first third, in which caches and magazines fill, resident memory and what the isolate holds may not grow any more.
 *
 * Runs for KUCHA_SOAK_SECONDS (2); `make test-long` asks for ten minutes.
 */
#include "graphs.h"

#include "os/clock.h"
#include "os/process.h"

enum { LIVE = 5000, CHANGES = 20000 };

/* What may come and go: pools of other classes, the system's own tables, pages of the C library. A sanitizer keeps what
 * is freed for a while, and tables of its own: there only what the isolate holds is looked at, at its end. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
static const uint64_t SLACK = UINT64_MAX / 2;
#else
static const uint64_t SLACK = (uint64_t)8 << 20;
#endif

static double soak_seconds(void) {
    const char *text = getenv("KUCHA_SOAK_SECONDS");
    double seconds = text != NULL ? strtod(text, NULL) : 0;
    return seconds > 0 ? seconds : 2;
}

static ku_object *revived;
static size_t called;

static bool revive(ku_isolate *isolate, ku_object *self) {
    ku_replace(isolate, &revived, ku_new_reference(self));
    return true;
}
static const ku_type_spec phoenix_spec = {
    .name = "phoenix", .size = sizeof(node), .fields = node_fields, .finalize = revive, .flags = KU_TYPE_WEAKREFS};

static void count_call(ku_isolate *isolate, ku_object *reference, void *argument) {
    (void)isolate;
    (void)reference;
    (void)argument;
    called++;
}

static ku_object *make_one(ku_isolate *isolate, uint64_t r) {
    ku_object *made = r % 50 == 0 ? ku_new(isolate, type_of_spec(&phoenix_spec)) : new_node(isolate, (int64_t)r);
    if (made != NULL && r % 7 == 0) {
        as_node(made)->left = ku_weakref_new_c(isolate, made, count_call, NULL);
    } else if (made != NULL && r % 5 == 0) {
        as_node(made)->left = make_shell(isolate, r);
    }
    return made;
}

/* Replaces objects of a live list at random, and ties them to one another, so that cycles arise and break. */
static void change(ku_isolate *isolate, ku_object *live, uint64_t *random) {
    for (int i = 0; i < CHANGES; i++) {
        KU_FRAME(isolate, frame, 1);
        uint64_t r = next_random(random);
        ku_object *made = ku_hold(&frame, 0, make_one(isolate, r));
        ku_object *other = ku_list_at(live, next_random(random) % LIVE);
        assert_non_null(made);
        as_node(made)->right = ku_new_reference(other);
        if (r % 3 == 0) {
            ku_replace(isolate, &as_node(other)->right, ku_new_reference(made));
        }
        assert_true(ku_set_index(isolate, live, (int64_t)(r / 64 % LIVE), made));
        void *buffer = ku_buffer_new(isolate, 1 + r / 1024 % 3000);
        assert_non_null(buffer);
        ku_buffer_free(isolate, buffer);
    }
}

static int send_back(ku_isolate *isolate, void *argument) {
    ku_channel **channels = argument;
    KU_FRAME(isolate, frame, 1);
    ku_object *graph = ku_hold(&frame, 0, ku_channel_receive(isolate, channels[0], KU_FOREVER));
    bool sent = graph != NULL && ku_channel_send(isolate, channels[1], graph, KU_FOREVER);
    ku_hold(&frame, 0, NULL);
    ku_gc_collect(isolate, 2);
    return sent ? 0 : 1;
}

static void visit_worker(ku_isolate *isolate, uint64_t *random) {
    KU_FRAME(isolate, frame, 2);
    ku_channel *channels[] = {ku_channel_new(NULL, NULL), ku_channel_new(NULL, NULL)};
    ku_worker *worker = ku_worker_start(NULL, send_back, channels, NULL);
    assert_non_null(worker);
    ku_object *graph = ku_hold(&frame, 0, random_graph(isolate, 100, 200, random));
    assert_true(ku_channel_send(isolate, channels[0], graph, KU_FOREVER));
    assert_non_null(ku_hold(&frame, 1, ku_channel_receive(isolate, channels[1], KU_FOREVER)));
    size_t leaked = 1;
    KU_UNLOCKED(isolate) {
        assert_int_equal(ku_worker_join(worker, &leaked), 0);
    }
    assert_int_equal(leaked, 0);
    ku_channel_release(channels[0]);
    ku_channel_release(channels[1]);
}

static void test_resident_memory_stays_flat(void **state) {
    (void)state;
    ku_isolate *isolate = open_isolate("soak");
    double start = ku__clock_monotonic(), seconds = soak_seconds();
    uint64_t random = 1, settled = 0, most = 0;
    size_t rounds = 0;
    {
        KU_FRAME(isolate, frame, 1);
        ku_object *live = ku_hold(&frame, 0, ku_list_new(isolate, NULL, 0));
        for (int i = 0; i < LIVE; i++) {
            KU_SCOPE(isolate, round);
            assert_true(ku_list_append(isolate, live, ku_own(&round, new_node(isolate, i))));
        }
        for (double now = 0; now < seconds || rounds < 6; now = ku__clock_monotonic() - start, rounds++) {
            change(isolate, live, &random);
            visit_worker(isolate, &random);
            uint64_t resident = ku__process_resident();
            bool settling = now < seconds / 3 || rounds < 3;
            settled = settling && resident > settled ? resident : settled;
            most = resident > most ? resident : most;
        }
    }
    ku_clear(isolate, &revived);
    ku_gc_collect(isolate, 2);
    ku_clear(isolate, &revived);
    ku_gc_collect(isolate, 2);
    close_isolate(isolate);
    assert_true(called > 0);
    print_message("%zu rounds; resident %.1f MiB when settled, %.1f MiB at most\n", rounds, (double)settled / 1048576,
                  (double)most / 1048576);
    assert_true(most <= settled + SLACK);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_resident_memory_stays_flat)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
