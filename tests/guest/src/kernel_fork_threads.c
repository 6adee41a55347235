// A thread forks while others write: the child has to find memory as it was at one moment (fork(2)).
#define _GNU_SOURCE
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define WRITERS 2
#define FORKERS 4
#define ROUNDS 40
#define PAGES 64

static atomic_int stop;
static volatile long *pages[WRITERS];

// Writes the same number into every page, always in one order: no page may be ahead of the one before it.
static void *write_pages(void *arg) {
  volatile long *mine = arg;
  for (long i = 1; !stop; i++)
    for (int p = 0; p < PAGES; p++) mine[p * 512] = i;
  return NULL;
}

static int consistent(void) {
  for (int w = 0; w < WRITERS; w++) {
    long first = pages[w][0];
    for (int p = 1; p < PAGES; p++) {
      long here = pages[w][p * 512];
      if (here > pages[w][(p - 1) * 512] || here < first - 1) return 0;
    }
    // What the child writes is its own.
    for (int p = 0; p < PAGES; p++) pages[w][p * 512] = -1;
  }
  return 1;
}

static void *fork_often(void *arg) {
  long bad = 0;
  (void)arg;
  for (int i = 0; i < ROUNDS; i++) {
    pid_t child = fork();
    if (child == 0) _exit(consistent() ? 0 : 1);
    int status;
    if (waitpid(child, &status, 0) != child || status != 0) bad++;
  }
  return (void *)bad;
}

int main(void) {
  pthread_t writers[WRITERS], forkers[FORKERS];
  for (int i = 0; i < WRITERS; i++) {
    pages[i] = mmap(NULL, PAGES * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    pthread_create(&writers[i], NULL, write_pages, (void *)pages[i]);
  }
  long bad = 0;
  for (int i = 0; i < FORKERS; i++) pthread_create(&forkers[i], NULL, fork_often, NULL);
  for (int i = 0; i < FORKERS; i++) {
    void *result;
    pthread_join(forkers[i], &result);
    bad += (long)result;
  }
  stop = 1;
  for (int i = 0; i < WRITERS; i++) pthread_join(writers[i], NULL);
  int parent = 1;
  for (int i = 0; i < WRITERS; i++)
    for (int p = 0; p < PAGES; p++) parent &= pages[i][p * 512] > 0;
  printf("children with torn memory: %ld\nparent untouched: %d\n", bad, parent);
  return 0;
}
