/* A program that only computes: integers, floating point and a table that fits the cache. */
#include <stdint.h>

#include "measure.h"

static uint32_t table[4096];
static volatile double sink;

static void op_compute(long n) {
  double sum = 0;
  uint64_t x = 88172645463325252ull;
  while (n--) {
    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    table[x & 4095] += (uint32_t)(x >> 32);
    sum = sum * 0.999 + table[(x >> 20) & 4095];
  }
  sink = sum;
}

int main(void) {
  measure("compute", op_compute, 20, 600);
  return 0;
}
