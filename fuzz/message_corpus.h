/* message_corpus.h: what the fuzz target of messages and its replay share: an isolate, types, and seeds. */
#ifndef FUZZ_MESSAGE_CORPUS_H
#define FUZZ_MESSAGE_CORPUS_H

#include <kucha/kucha.h>

enum { MESSAGE_SEEDS = 6, MESSAGE_SIZE_MOST = 1 << 16 };

/* The isolate that everything is read into, made at the first call. */
ku_isolate *message_isolate(void);

/* The types that messages may have instances of: fields of every kind; a dict; an array; a tail. */
ku_message_types message_types(void);

/* Writes the body of a seed, at most MESSAGE_SIZE_MOST bytes; returns its length. */
size_t message_seed(unsigned number, uint8_t *body);

/* Reads a body as a message with a right header: what arrives is written, read and written again, and must be the same.
 * Returns whether it was a message. */
bool message_use(const uint8_t *body, size_t size);

#endif
