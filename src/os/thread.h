/* thread.h: threads of the library's own beside a program that may count its threads.
 *
 * pthread_join(3) returns when the kernel has cleared the ended thread's number in memory, which is a moment before it
 * takes the thread off the process's list: /proc/self/task and the thread count of /proc/self/stat may show it still,
 * for as long as the kernel leaves the ending thread without a processor. A program that forks right then looks
 * multi-threaded, and CPython from 3.12 on says so (warn_about_fork_with_threads in Modules/posixmodule.c). So whoever
 * ends a thread here also waits until the system knows no thread of that number.
 *
 * A thread starts with every signal blocked: the program's handlers are not for it.
 */
#ifndef KU__THREAD_H
#define KU__THREAD_H

#include <pthread.h>
#include <stddef.h>

/* One thread; all of it is this file's while the thread runs. */
typedef struct ku__thread {
    pthread_t handle;
    void *(*run)(void *argument);
    void *argument;
    int number; /* the kernel's; the thread writes it first of all, so it is there once the thread was joined */
} ku__thread;

/* Starts run(argument) in a thread with a stack of `stack` bytes, or of the system's default where that is 0. Returns
 * 0, or an errno value where the system refused it. `thread` must stay where it is until ku__thread_end(). */
int ku__thread_start(ku__thread *thread, void *(*run)(void *argument), void *argument, size_t stack);

/* In a loop that waits for another processor: leaves this one's resources to who shares them. */
static inline void ku__thread_pause(void) {
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

/* Waits until the thread has ended and no count of the process's threads has it any more. */
void ku__thread_end(ku__thread *thread);

#endif
