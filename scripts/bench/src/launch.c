/* launch COUNT PROGRAM ARGUMENT...: runs a program that often, one run after the other, and times each to its end. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include "measure.h"

extern char **environ;

int main(int argc, char **argv) {
  static double values[MAX_BATCHES];
  int count = argc > 2 ? atoi(argv[1]) : 0;
  if (count < 1 || count > MAX_BATCHES) return 2;
  for (int i = 0; i < count; i++) {
    pid_t child;
    int status;
    double t = now_ns();
    if (posix_spawnp(&child, argv[2], 0, 0, argv + 2, environ)) die(argv[2]);
    if (waitpid(child, &status, 0) != child || status != 0) {
      fprintf(stderr, "%s ended with status %d\n", argv[2], status);
      return 1;
    }
    values[i] = now_ns() - t;
  }
  report("start_to_exit", values, count, "ns");
  return 0;
}
