/* lisp_corpus.h: what the fuzz target of the Lisp's reader and its replay share: an interpreter, and seeds. */
#ifndef FUZZ_LISP_CORPUS_H
#define FUZZ_LISP_CORPUS_H

#include "target.h"

enum { LISP_SIZE_MOST = 1 << 14 };

/* Reads every datum of a text, up to the first error, which is taken away. Returns whether there was none. */
bool lisp_use(const uint8_t *text, size_t size);

#endif
