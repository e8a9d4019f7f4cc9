/* r07_weakrefs.c: weak references with callbacks, a proxy, finalize, and a dictionary that holds weakly (row R7). */
#include "show.h"

typedef struct page {
    ku_object header;
    int64_t number;
} page;

static const ku_field fields[] = {{"number", offsetof(page, number), KU_FIELD_INT64}, {NULL}};
static const ku_type_spec spec = {.name = "page", .size = sizeof(page), .fields = fields, .flags = KU_TYPE_WEAKREFS};

static ku_object *make(ku_isolate *isolate, int64_t number) {
    page *made = (page *)ku_new(isolate, type_of(&spec));
    made->number = number;
    return (ku_object *)made;
}

static void on_gone(ku_isolate *isolate, ku_object *reference, void *argument) {
    KU_FRAME(isolate, frame, 1);
    ku_object *referent = ku_hold(&frame, 0, ku_weakref_get(isolate, reference));
    printf("  callback %s; the referent is still there: %s\n", (const char *)argument, yes(referent != NULL));
}

static ku_object *say(ku_isolate *isolate, ku_object *self, ku_object *const *arguments, size_t count) {
    (void)self;
    (void)count;
    show(isolate, "  finalize was called with", arguments[0]);
    return ku_new_reference(ku_none(isolate));
}

static void references(ku_isolate *isolate) {
    static char first[] = "first", second[] = "second";
    KU_FRAME(isolate, frame, 5);
    ku_object *one = ku_hold(&frame, 0, make(isolate, 1));
    ku_hold(&frame, 1, ku_weakref_new_c(isolate, one, on_gone, first));
    ku_hold(&frame, 2, ku_weakref_new_c(isolate, one, on_gone, second));
    ku_object *proxy = ku_hold(&frame, 3, ku_proxy_new(isolate, one, NULL));
    printf("weak references: %zu, references that count: %u\n", ku_weakref_count(isolate, one),
           ku_reference_count(one));
    show(isolate, "number, by the proxy", ku_hold(&frame, 4, ku_get(isolate, proxy, "number")));
    puts("the page goes");
    ku_hold(&frame, 0, NULL);
    show(isolate, "number, by the proxy", ku_hold(&frame, 4, ku_get(isolate, proxy, "number")));
}

static void finalize(ku_isolate *isolate) {
    KU_FRAME(isolate, frame, 5);
    ku_object *two = ku_hold(&frame, 0, make(isolate, 2));
    ku_object *function = ku_hold(&frame, 1, ku_function_new(isolate, "say", say, 1, 1, NULL));
    ku_object *text = ku_hold(&frame, 2, ku_str(isolate, "bye"));
    ku_object *arguments = ku_hold(&frame, 3, ku_tuple_new(isolate, &text, 1));
    ku_object *finalizer = ku_hold(&frame, 4, ku_finalize_new(isolate, two, function, arguments));
    puts("another page goes");
    ku_hold(&frame, 0, NULL);
    printf("finalize is alive: %s\n", yes(ku_finalize_is_alive(finalizer)));
}

static void weak_values(ku_isolate *isolate) {
    KU_FRAME(isolate, frame, 3);
    ku_object *pages = ku_hold(&frame, 0, ku_weak_value_dict_new(isolate));
    ku_object *key = ku_hold(&frame, 1, ku_str(isolate, "index"));
    ku_object *three = ku_hold(&frame, 2, make(isolate, 3));
    ku_weak_dict_set(isolate, pages, key, three);
    printf("pages known: %zu\n", ku_weak_dict_length(pages));
    ku_hold(&frame, 2, NULL);
    printf("after it went: %zu\n", ku_weak_dict_length(pages));
}

int main(void) {
    ku_isolate *isolate = open_isolate();
    references(isolate);
    finalize(isolate);
    weak_values(isolate);
    return (int)ku_isolate_delete(isolate);
}
