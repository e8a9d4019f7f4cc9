/* test_channel.c: graphs between isolates on threads, and between processes over pipes and shared memory.
 * ThreadSanitizer watches this program in `make tsan`. */
#include "graphs.h"

#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MESSAGES = 200 };

static ku_channel_options with_types(size_t messages, size_t bytes) {
    return (ku_channel_options){.messages = messages, .bytes = bytes, .types = graph_types()};
}

/* ---- threads ---- */

typedef struct ends {
    ku_channel *in, *out;
} ends;

/* Sends back what comes, until the channel is closed. */
static int echo(ku_isolate *isolate, void *argument) {
    ends *mine = argument;
    int count = 0;
    for (;; count++) {
        KU_FRAME(isolate, frame, 1);
        ku_object *object = ku_hold(&frame, 0, ku_channel_receive(isolate, mine->in, KU_FOREVER));
        if (object == NULL) {
            break;
        }
        ku_channel_send(isolate, mine->out, object, KU_FOREVER);
    }
    bool closed = pending_code(isolate) == KU_STATE;
    ku_clear_error(isolate);
    ku_gc_collect(isolate, 2);
    return closed ? count : -1;
}

static void compare_messages(ku_isolate *isolate, ku_object *a, ku_object *b) {
    ku_message first, second;
    assert_true(ku_message_write(isolate, a, &first) && ku_message_write(isolate, b, &second));
    assert_int_equal(first.length, second.length);
    assert_memory_equal(first.bytes, second.bytes, first.length);
    ku_message_free(&first);
    ku_message_free(&second);
}

/* Sends graphs and compares what comes back. */
static void talk(ku_isolate *isolate, ku_channel *out, ku_channel *in, int messages) {
    uint64_t random = 17;
    for (int i = 0; i < messages; i++) {
        KU_FRAME(isolate, frame, 2);
        ku_object *graph = ku_hold(&frame, 0, random_graph(isolate, 30, 60, &random));
        assert_non_null(graph);
        assert_true(ku_channel_send(isolate, out, graph, KU_FOREVER));
        ku_object *back = ku_hold(&frame, 1, ku_channel_receive(isolate, in, KU_FOREVER));
        assert_non_null(back);
        compare_messages(isolate, graph, back);
    }
    ku_gc_collect(isolate, 2);
}

static void test_graphs_go_to_a_worker_and_come_back(void **state) {
    (void)state;
    ku_isolate *isolate = open_isolate("main");
    ends theirs = {ku_channel_new(NULL, NULL), ku_channel_new(NULL, NULL)};
    ku_worker *worker = ku_worker_start(NULL, echo, &theirs, NULL);
    assert_non_null(worker);
    talk(isolate, theirs.in, theirs.out, MESSAGES);
    ku_channel_stats stats;
    ku_channel_get_stats(theirs.in, &stats);
    assert_int_equal(stats.sent, MESSAGES);
    assert_int_equal(stats.received, MESSAGES);
    assert_int_equal(stats.bytes_sent, stats.bytes_received);
    assert_int_equal(stats.waiting, 0);
    ku_channel_close(theirs.in);
    size_t leaked = 1;
    int echoed = 0;
    KU_UNLOCKED(isolate) {
        echoed = ku_worker_join(worker, &leaked);
    }
    assert_int_equal(echoed, MESSAGES);
    assert_int_equal(leaked, 0);
    ku_channel_release(theirs.in);
    ku_channel_release(theirs.out);
    close_isolate(isolate);
}

static int produce(ku_isolate *isolate, void *channel) {
    for (int i = 0; i < MESSAGES; i++) {
        KU_FRAME(isolate, frame, 1);
        ku_object *number = ku_hold(&frame, 0, ku_int(isolate, i));
        if (!ku_channel_send(isolate, channel, number, KU_FOREVER)) {
            return 1;
        }
    }
    return 0;
}

static void test_many_senders_fill_a_small_channel(void **state) {
    (void)state;
    enum { SENDERS = 3 };
    ku_isolate *isolate = open_isolate("main");
    ku_channel_options options = with_types(2, 0);
    ku_channel *channel = ku_channel_new(&options, NULL);
    ku_worker *workers[SENDERS];
    for (int i = 0; i < SENDERS; i++) {
        workers[i] = ku_worker_start(NULL, produce, channel, NULL);
        assert_non_null(workers[i]);
    }
    int64_t sum = 0;
    for (int i = 0; i < SENDERS * MESSAGES; i++) {
        KU_FRAME(isolate, frame, 1);
        int64_t value = 0;
        ku_object *number = ku_hold(&frame, 0, ku_channel_receive(isolate, channel, KU_FOREVER));
        assert_true(number != NULL && ku_int_value(isolate, number, &value));
        sum += value;
    }
    assert_int_equal(sum, SENDERS * (int64_t)MESSAGES * (MESSAGES - 1) / 2);
    for (int i = 0; i < SENDERS; i++) {
        int result = 1;
        KU_UNLOCKED(isolate) {
            result = ku_worker_join(workers[i], NULL);
        }
        assert_int_equal(result, 0);
    }
    ku_channel_release(channel);
    close_isolate(isolate);
}

/* The rules that every kind of channel keeps. */
static void check_rules(ku_isolate *isolate, ku_channel *channel, size_t fits) {
    ku_object *number = ku_int(isolate, 1);
    assert_null(ku_channel_receive(isolate, channel, 0));
    assert_null(ku_channel_receive(isolate, channel, 0.01));
    assert_null(ku_pending_error(isolate));
    size_t sent = 0;
    while (sent < fits && ku_channel_send(isolate, channel, number, 0)) {
        sent++;
    }
    assert_null(ku_pending_error(isolate));
    assert_true(sent > 0 && sent < fits);
    assert_false(ku_channel_send(isolate, channel, number, 0.01));
    ku_object *large = ku_bytes_new(isolate, NULL, 100000);
    assert_false(ku_channel_send(isolate, channel, large, 0));
    assert_int_equal(pending_code(isolate), KU_LIMIT);
    ku_clear_error(isolate);
    ku_channel_close(channel);
    assert_false(ku_channel_send(isolate, channel, number, 0));
    assert_int_equal(pending_code(isolate), KU_STATE);
    ku_clear_error(isolate);
    for (; sent > 0; sent--) {
        ku_object *got = ku_channel_receive(isolate, channel, 0);
        assert_non_null(got);
        ku_decref(isolate, got);
    }
    assert_null(ku_channel_receive(isolate, channel, KU_FOREVER));
    assert_int_equal(pending_code(isolate), KU_STATE);
    ku_clear_error(isolate);
    ku_decref(isolate, large);
    ku_decref(isolate, number);
}

static void test_full_empty_closed_and_too_large(void **state) {
    (void)state;
    ku_isolate *isolate = open_isolate("rules");
    ku_channel_options options = with_types(10, 65536);
    ku_channel *queue = ku_channel_new(&options, NULL), *ring = ku_channel_shared(&options, NULL);
    check_rules(isolate, queue, 1000);
    check_rules(isolate, ring, 10000);
    ku_channel_release(queue);
    ku_channel_release(ring);
    ku_channel_release(NULL);
    close_isolate(isolate);
}

static ku_object *answer(ku_isolate *isolate, ku_object *self, ku_object *const *arguments, size_t count) {
    (void)arguments;
    (void)count;
    return self != NULL ? ku_new_reference(self) : ku_int(isolate, 42);
}

static void test_functions_pass_between_isolates_and_not_between_processes(void **state) {
    (void)state;
    ku_isolate *a = open_isolate("a"), *b = open_isolate("b");
    ku_channel *queue = ku_channel_new(NULL, NULL), *ring = ku_channel_shared(NULL, NULL);
    {
        KU_SCOPE(a, scope);
        KU_SCOPE(b, there);
        ku_object *self = ku_own(&scope, ku_list_new(a, NULL, 0));
        ku_object *function = ku_own(&scope, ku_function_new(a, "answer", answer, 0, 0, self));
        assert_false(ku_channel_send(a, ring, function, 0));
        assert_int_equal(pending_code(a), KU_TYPE);
        ku_clear_error(a);
        assert_true(ku_channel_send(a, queue, function, 0));
        ku_object *copy = ku_own(&there, ku_channel_receive(b, queue, 0));
        assert_non_null(copy);
        ku_object *result = ku_own(&there, ku_call(b, copy, NULL, 0));
        assert_true(result != NULL && ku_is_list(result) && result != self);
        assert_ptr_equal(result, ku_function_self(copy));
    }
    ku_channel_release(queue);
    ku_channel_release(ring);
    close_isolate(b);
    close_isolate(a);
}

/* ---- processes ---- */

static void serve_and_exit(ku_isolate *isolate, ku_channel *in, ku_channel *out) {
    ends mine = {in, out};
    _exit(echo(isolate, &mine) >= 0 ? 0 : 1);
}

static void expect_exit(pid_t child) {
    int status = 1;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void test_graphs_go_over_pipes_to_another_process(void **state) {
    (void)state;
    ku_isolate *isolate = open_isolate("pipes");
    int there[2], back[2];
    assert_true(pipe(there) == 0 && pipe(back) == 0);
    ku_channel_options options = with_types(0, 0);
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        close(there[1]);
        close(back[0]);
        ku_channel *channel = ku_channel_over(there[0], back[1], &options, NULL);
        serve_and_exit(isolate, channel, channel);
    }
    close(there[0]);
    close(back[1]);
    ku_channel *channel = ku_channel_over(back[0], there[1], &options, NULL);
    assert_non_null(channel);
    talk(isolate, channel, channel, MESSAGES);
    close(there[1]);
    expect_exit(child);
    assert_null(ku_channel_receive(isolate, channel, KU_FOREVER));
    assert_int_equal(pending_code(isolate), KU_STATE);
    ku_clear_error(isolate);
    ku_channel_release(channel);
    close(back[0]);
    close_isolate(isolate);
}

static void test_what_is_no_message_breaks_a_stream_and_only_that(void **state) {
    (void)state;
    ku_isolate *isolate = open_isolate("garbage");
    int pair[2];
    assert_int_equal(pipe(pair), 0);
    ku_channel *channel = ku_channel_over(pair[0], -1, NULL, NULL);
    const char text[] = "GET / HTTP/1.1\r\nHost: an.example.that.is.long.enough\r\n\r\n";
    assert_int_equal(write(pair[1], text, sizeof text), (ssize_t)sizeof text);
    assert_null(ku_channel_receive(isolate, channel, KU_FOREVER));
    assert_int_equal(pending_code(isolate), KU_CORRUPT);
    ku_clear_error(isolate);
    assert_null(ku_channel_receive(isolate, channel, KU_FOREVER));
    assert_int_equal(pending_code(isolate), KU_STATE);
    ku_clear_error(isolate);
    ku_channel_release(channel);
    close(pair[0]);
    close(pair[1]);
    ku_error error;
    assert_null(ku_channel_over(pair[0], -1, NULL, &error));
    assert_int_equal(error.code, KU_IO);
    close_isolate(isolate);
}

static void test_a_message_larger_than_a_pipe_arrives_in_parts(void **state) {
    (void)state;
    ku_isolate *isolate = open_isolate("large");
    int pair[2];
    assert_int_equal(pipe(pair), 0);
    ku_channel *channel = ku_channel_over(pair[0], pair[1], NULL, NULL);
    ku_object *large = ku_bytes_new(isolate, NULL, 1000000), *small = ku_int(isolate, 1), *got;
    assert_true(ku_channel_send(isolate, channel, large, 0)); /* its beginning is in the pipe: it will be sent */
    assert_false(ku_channel_send(isolate, channel, small, 0));
    assert_null(ku_pending_error(isolate));
    for (int i = 0; (got = ku_channel_receive(isolate, channel, 0)) == NULL; i++) {
        assert_null(ku_pending_error(isolate));
        assert_true(i < 1000);
        assert_true(ku_channel_send(isolate, channel, small, 0) || ku_pending_error(isolate) == NULL);
    }
    assert_int_equal(ku_bytes_length(got), 1000000);
    ku_decref(isolate, got);
    ku_decref(isolate, large);
    ku_decref(isolate, small);
    ku_channel_release(channel);
    close(pair[0]);
    close(pair[1]);
    close_isolate(isolate);
}

static void test_graphs_go_through_shared_memory_to_another_process(void **state) {
    (void)state;
    ku_isolate *isolate = open_isolate("ring");
    ku_channel_options options = with_types(0, 65536);
    ku_channel *there = ku_channel_shared(&options, NULL), *back = ku_channel_shared(&options, NULL);
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        serve_and_exit(isolate, there, back);
    }
    talk(isolate, there, back, MESSAGES);
    ku_channel_close(there);
    expect_exit(child);
    ku_channel_stats stats;
    ku_channel_get_stats(there, &stats);
    assert_int_equal(stats.received, MESSAGES); /* counted by the other process */
    ku_channel_release(there);
    ku_channel_release(back);
    close_isolate(isolate);
}

static void test_a_killed_process_leaves_a_ring_that_can_be_used_or_is_closed(void **state) {
    (void)state;
    ku_isolate *isolate = open_isolate("killed");
    for (int round = 0; round < 20; round++) {
        ku_channel_options options = with_types(0, 65536);
        ku_channel *ring = ku_channel_shared(&options, NULL);
        ku_object *number = ku_int(isolate, 1);
        fflush(NULL);
        pid_t child = fork();
        if (child == 0) {
            for (;;) {
                ku_channel_send(isolate, ring, number, KU_FOREVER);
            }
        }
        usleep(1000 + 300 * (unsigned)round);
        kill(child, SIGKILL);
        waitpid(child, NULL, 0);
        ku_object *got;
        while ((got = ku_channel_receive(isolate, ring, 0)) != NULL) { /* what came whole is there */
            ku_decref(isolate, got);
        }
        assert_true(ku_pending_error(isolate) == NULL || pending_code(isolate) == KU_STATE);
        ku_clear_error(isolate);
        ku_decref(isolate, number);
        ku_channel_release(ring);
    }
    close_isolate(isolate);
}

int main(void) {
    signal(SIGPIPE, SIG_IGN);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_graphs_go_to_a_worker_and_come_back),
        cmocka_unit_test(test_many_senders_fill_a_small_channel),
        cmocka_unit_test(test_full_empty_closed_and_too_large),
        cmocka_unit_test(test_functions_pass_between_isolates_and_not_between_processes),
        cmocka_unit_test(test_graphs_go_over_pipes_to_another_process),
        cmocka_unit_test(test_what_is_no_message_breaks_a_stream_and_only_that),
        cmocka_unit_test(test_a_message_larger_than_a_pipe_arrives_in_parts),
        cmocka_unit_test(test_graphs_go_through_shared_memory_to_another_process),
        cmocka_unit_test(test_a_killed_process_leaves_a_ring_that_can_be_used_or_is_closed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
