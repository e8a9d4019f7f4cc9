/* text.h: reading the numbers in texts of /proc. Nothing here trusts the text: what is no number ends the parse. */
#ifndef KU__TEXT_H
#define KU__TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Skips spaces and tabs and reads a decimal number, with a minus if need be. Returns what follows it, or NULL when
 * there is none. */
static inline const char *ku__text_number(const char *at, uint64_t *value) {
    while (*at == ' ' || *at == '\t') at++;
    bool negative = *at == '-';
    if (negative) at++;
    if (*at < '0' || *at > '9') return NULL;
    uint64_t number = 0;
    for (; *at >= '0' && *at <= '9'; at++) number = number * 10 + (uint64_t)(*at - '0');
    *value = negative ? -number : number;
    return at;
}

/* The number, or 0 where there is none. */
static inline uint64_t ku__text_value(const char *at) {
    uint64_t value = 0;
    ku__text_number(at, &value);
    return value;
}

/* If the line begins with the word, what follows it; else NULL. */
static inline const char *ku__text_after(const char *line, const char *word) {
    size_t size = strlen(word);
    return strncmp(line, word, size) == 0 ? line + size : NULL;
}

/* The start of the next line of a text, or NULL at its end. */
static inline const char *ku__text_next_line(const char *at) {
    const char *newline = strchr(at, '\n');
    return newline != NULL && newline[1] != 0 ? newline + 1 : NULL;
}

/* A table of names ("Rss:") and of places for their numbers, in units of 1,024 bytes unless `unit` says otherwise. */
typedef struct ku__text_field {
    const char *name;
    size_t offset; /* of an uint64_t in the structure that is filled in */
} ku__text_field;

#endif
