/* c_client.c: libkucha from a C program: several heaps, a limit, statistics, a map.
 *
 *     cc c_client.c $(pkg-config --cflags --libs kucha) -o c_client && ./c_client book.txt heaps.svg
 *
 * It counts the words of a text. The words lie in one heap, the entries of the hash table in another, so the two can be
 * looked at apart, and each is released in one call. The third heap has a limit: it stands for a request of a user who
 * asks for too much, gets an error that names the limit, and harms nobody else.
 */
#include <kucha/kucha.h>

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    BUCKETS = 4096,        /* a power of two; a book has some ten thousand different words */
    WORD_MAX = 63,         /* letters of a word that are kept */
    SHOWN = 5,             /* the most frequent words that are printed */
    GUEST_LIMIT = 1 << 20, /* bytes that the third heap may hold */
    GUEST_REQUEST = 32 * 1024,
};

typedef struct entry {
    struct entry *next;
    char *word; /* in the heap of words */
    unsigned long count;
} entry;

typedef struct index {
    ku_heap *words;
    ku_heap *entries;
    entry *buckets[BUCKETS];
    unsigned long total;
    unsigned long different;
} index_t;

static void stop(const char *what, const char *why) {
    fprintf(stderr, "c_client: %s: %s\n", what, why);
    exit(2);
}

static ku_heap *make_heap(const char *name, size_t limit) {
    ku_error error;
    ku_heap *heap = ku_heap_new(&(ku_heap_options){.name = name, .limit = limit}, &error);
    if (!heap) stop(name, error.message);
    return heap;
}

/* FNV-1a, 32 bits. */
static unsigned hash(const char *word) {
    unsigned value = 2166136261u;
    for (; *word; word++) value = (value ^ (unsigned char)*word) * 16777619u;
    return value % BUCKETS;
}

static void count_word(index_t *index, const char *word) {
    entry **place = &index->buckets[hash(word)];
    index->total++;
    for (entry *e = *place; e; e = e->next) {
        if (strcmp(e->word, word) == 0) {
            e->count++;
            return;
        }
    }
    size_t bytes = strlen(word) + 1;
    entry *fresh = ku_heap_malloc(index->entries, sizeof *fresh);
    char *copy = ku_heap_malloc(index->words, bytes);
    if (!fresh || !copy) stop("no memory for a word", word);
    memcpy(copy, word, bytes);
    *fresh = (entry){.next = *place, .word = copy, .count = 1};
    *place = fresh;
    index->different++;
}

static void count_stream(index_t *index, FILE *stream) {
    char word[WORD_MAX + 1];
    size_t length = 0;
    for (int c; (c = getc(stream)) != EOF;) {
        if (isalpha(c)) {
            if (length < WORD_MAX) word[length++] = (char)tolower(c);
        } else if (length > 0) {
            word[length] = '\0';
            count_word(index, word);
            length = 0;
        }
    }
    if (length > 0) {
        word[length] = '\0';
        count_word(index, word);
    }
}

/* Prints the most frequent words, by taking each out of the running. */
static void show_words(index_t *index) {
    printf("%lu words, %lu different\n", index->total, index->different);
    for (int i = 0; i < SHOWN; i++) {
        entry *most = NULL;
        for (size_t b = 0; b < BUCKETS; b++) {
            for (entry *e = index->buckets[b]; e; e = e->next) {
                if (e->count > (most ? most->count : 0)) most = e;
            }
        }
        if (!most) break;
        printf("%8lu %s\n", most->count, most->word);
        most->count = 0;
    }
}

/* Drops every word that comes once, to show that freed blocks are used again. */
static unsigned long drop_rare(index_t *index) {
    unsigned long dropped = 0;
    for (size_t b = 0; b < BUCKETS; b++) {
        for (entry **place = &index->buckets[b]; *place;) {
            entry *e = *place;
            if (e->count == 1) {
                *place = e->next;
                ku_heap_free(index->words, e->word);
                ku_heap_free(index->entries, e);
                dropped++;
            } else {
                place = &e->next;
            }
        }
    }
    return dropped;
}

/* A guest who asks until the limit says no. Returns the bytes that were granted. */
static size_t run_guest(void) {
    ku_heap *guest = make_heap("guest", GUEST_LIMIT);
    size_t granted = 0;
    while (ku_heap_malloc(guest, GUEST_REQUEST)) granted += GUEST_REQUEST;
    printf("the guest got %zu bytes, then %s\n", granted, ku_code_name(ku_heap_last_refusal(guest)));
    ku_heap_delete(guest);
    return granted;
}

static bool add_size(const ku_block *block, void *sum) {
    *(size_t *)sum += block->size;
    return true;
}

/* The statistics as data, checked against a walk over the blocks, and as text. */
static void show_heap(ku_heap *heap) {
    ku_heap_stats stats;
    size_t walked_bytes = 0;
    ku_heap_stats_read(heap, &stats);
    size_t walked = ku_heap_walk(heap, add_size, &walked_bytes);
    printf("\nheap %s: %zu blocks, %zu bytes\n", stats.name, walked, walked_bytes);
    if (walked != stats.blocks_used + stats.large_blocks) stop(stats.name, "the walk and the statistics disagree");
    ku_heap_stats_print(heap, stdout);
}

static void draw_map(ku_heap *heap, const char *path) {
    FILE *picture = fopen(path, "wx"); /* x: a file that is there is left alone */
    if (!picture) stop(path, "cannot be made, or is there already");
    int trouble = ku_heap_map_svg(heap, picture);
    if (fclose(picture) != 0 || trouble) stop(path, "could not be written");
    printf("\nthe map of heap words is in %s\n", path);
}

int main(int count, char **arguments) {
    if (count < 2 || count > 3) stop("usage", "c_client TEXT [MAP.svg]");
    FILE *text = fopen(arguments[1], "r");
    if (!text) stop(arguments[1], "cannot be read");

    index_t index = {.words = make_heap("words", 0), .entries = make_heap("entries", 0)};
    count_stream(&index, text);
    fclose(text);
    printf("%s, built against kucha %s\n", arguments[1], KU_VERSION);
    show_heap(index.words);
    show_heap(index.entries);
    if (count == 3) draw_map(index.words, arguments[2]);

    printf("\n%lu words that come once dropped\n", drop_rare(&index));
    printf("%zu bytes given back\n", ku_heap_purge(index.words) + ku_heap_purge(index.entries));
    show_words(&index);
    size_t granted = run_guest();

    ku_heap_delete(index.entries);
    ku_heap_delete(index.words);
    return granted > 0 && granted <= GUEST_LIMIT ? 0 : 1;
}
