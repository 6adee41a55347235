/* System calls that do next to nothing: what it costs to ask the kernel, by the kind of site that asks. */
#define _GNU_SOURCE
#include <sys/syscall.h>
#include <unistd.h>

#include "measure.h"

/* No kernel knows this number, so that an answer is the whole work. */
#define EMPTY 1000


static void op_getppid(long n) {
  while (n--) getppid();
}

static void op_getpid(long n) {
  while (n--) getpid();
}

/* The form that compilers and C libraries write: a constant number right before the instruction. */
static void op_empty(long n) {
  while (n--) {
    long r;
    __asm__ volatile("mov $1000, %%eax\n\tsyscall" : "=a"(r) : : "rcx", "r11", "memory");
  }
}

/* A number that comes from a register, and a jump to the instruction itself: nobody may overwrite what precedes it. */
static void op_empty_unpatchable(long n) {
  volatile long number = EMPTY;
  while (n--) {
    long r = number;
    __asm__ volatile("test %%eax, %%eax\n\tjnz 1f\n\tnop\n1:\tsyscall" : "+a"(r) : : "rcx", "r11", "memory");
  }
}

int main(int argc, char **argv) {
  const char *name = argc > 1 ? argv[1] : "";
  if (!strcmp(name, "getppid")) measure(name, op_getppid, 2, 200);
  else if (!strcmp(name, "getpid")) measure(name, op_getpid, 2, 200);
  else if (!strcmp(name, "empty")) measure(name, op_empty, 2, 200);
  else if (!strcmp(name, "empty_unpatchable")) measure(name, op_empty_unpatchable, 2, 200);
  else return 2;
  return 0;
}
