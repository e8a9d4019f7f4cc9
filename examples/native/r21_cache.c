/* r21_cache.c: a bounded cache that forgets what was not used for longest, and counts hits and misses (row R21). */
#include "show.h"

static size_t calls;

static ku_object *square(ku_isolate *isolate, ku_object *self, ku_object *const *arguments, size_t count) {
    (void)self;
    (void)count;
    calls++;
    return ku_multiply(isolate, arguments[0], arguments[0]);
}

static void ask(ku_isolate *isolate, ku_object *cache, ku_object *function, int64_t number) {
    KU_FRAME(isolate, frame, 2);
    ku_object *key = ku_hold(&frame, 0, ku_int(isolate, number));
    size_t before = calls;
    ku_object *result = ku_hold(&frame, 1, ku_cache_call(isolate, cache, function, key));
    int64_t value = 0;
    ku_int_value(isolate, result, &value);
    printf("%d squared is %d, %s\n", (int)number, (int)value, calls > before ? "computed" : "remembered");
}

int main(void) {
    ku_isolate *isolate = open_isolate();
    {
        KU_FRAME(isolate, frame, 2);
        ku_object *cache = ku_hold(&frame, 0, ku_cache_new(isolate, 2));
        ku_object *function = ku_hold(&frame, 1, ku_function_new(isolate, "square", square, 1, 1, NULL));
        const int64_t asked[] = {2, 3, 2, 4, 3, 2};
        for (size_t i = 0; i < sizeof asked / sizeof *asked; i++) {
            ask(isolate, cache, function, asked[i]);
        }
        ku_cache_info info;
        ku_cache_read(cache, &info);
        printf("hits=%d, misses=%d, maxsize=%zu, currsize=%zu\n", (int)info.hits, (int)info.misses, info.maxsize,
               info.currsize);
    }
    return (int)ku_isolate_delete(isolate);
}
