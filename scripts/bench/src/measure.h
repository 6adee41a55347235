/* How a benchmark of a guest is timed and reported: batches of a few milliseconds, their median and their minimum. */
#ifndef MEASURE_H
#define MEASURE_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define MAX_BATCHES 400

static double now_ns(void) {
  struct timespec ts;
  clock_gettime(CLOCK_MONOTONIC, &ts);
  return ts.tv_sec * 1e9 + ts.tv_nsec;
}

static int by_value(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

static inline void report(const char *name, double *values, int count, const char *unit) {
  qsort(values, count, sizeof *values, by_value);
  printf("%s %.2f %s\n", name, values[count / 2], unit);
  printf("%s.min %.2f %s\n", name, values[0], unit);
  fflush(stdout);
}

/*
 * Runs `op(n)` in batches of at least `batch_ms` for `budget_ms` in all, and reports nanoseconds for one of the n. As
 * much time again goes before it unmeasured: whatever is to be learnt or compiled on the way has been by then.
 */
static inline void measure(const char *name, void (*op)(long n), double batch_ms, double budget_ms) {
  static double values[MAX_BATCHES];
  long n = 1;
  int count = 0;
  double start = now_ns();
  while (now_ns() - start < budget_ms * 1e6) op(1);
  start = now_ns();
  for (;;) {
    double t = now_ns();
    op(n);
    t = now_ns() - t;
    if (t >= batch_ms * 1e6 / 2 || now_ns() - start > budget_ms * 1e6) break;
    n *= 2;
  }
  start = now_ns();
  while (count < MAX_BATCHES) {
    double t = now_ns();
    op(n);
    values[count++] = (now_ns() - t) / n;
    if (now_ns() - start > budget_ms * 1e6) break;
  }
  report(name, values, count, "ns");
}

static inline void die(const char *what) {
  perror(what);
  exit(1);
}

#endif
