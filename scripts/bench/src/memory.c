/* Memory that is touched for the first time. Small pages everywhere, so that one touch is one page. */
#define _GNU_SOURCE
#include <sys/mman.h>
#include <unistd.h>

#include "measure.h"

#define PAGE 4096L
#define SMALL (16 * PAGE)

static char *fresh(long bytes) {
  char *p = mmap(0, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (p == MAP_FAILED) die("mmap");
  return p;
}

/* One of the n is one page; mapping the area is a small part of it. */
static void op_fault(long n) {
  char *p = fresh(n * PAGE);
  madvise(p, n * PAGE, MADV_NOHUGEPAGE);
  for (long i = 0; i < n; i++) p[i * PAGE] = 1;
  munmap(p, n * PAGE);
}

static void op_map(long n) {
  while (n--) {
    char *p = fresh(SMALL);
    for (long i = 0; i < SMALL; i += PAGE) p[i] = 1;
    munmap(p, SMALL);
  }
}

int main(int argc, char **argv) {
  const char *name = argc > 1 ? argv[1] : "";
  if (!strcmp(name, "page_fault")) measure(name, op_fault, 10, 300);
  else if (!strcmp(name, "mmap_touch_munmap")) measure(name, op_map, 4, 200);
  else return 2;
  return 0;
}
