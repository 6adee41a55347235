/* clock_gettime, linked dynamically: the vDSO as the dynamic linker finds it. */
#include "measure.h"

static void op_clock(long n) {
  struct timespec ts;
  while (n--) clock_gettime(CLOCK_REALTIME, &ts);
}

int main(void) {
  measure("clock_gettime", op_clock, 2, 200);
  return 0;
}
