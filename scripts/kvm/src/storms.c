// Threads, processes and programs come and go in large numbers, more of them at once than there are processors.
#define _GNU_SOURCE
#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

static void *nothing(void *p) { return p; }

static void *compute(void *p) {
  double x = (long)p + 1;
  for (int i = 0; i < 300000; i++) x = sqrt(x * x + 1);
  double *out = malloc(sizeof *out);
  *out = x;
  return out;
}

static char *shared;
static volatile int stop;
static void *toucher(void *p) {
  long n = 0;
  while (!stop) shared[4096 * (n++ % 64)]++;
  return 0;
}

int main(int argc, char **argv) {
  if (argc > 1 && argv[1][0] != 'l') return atoi(argv[1]);
  setvbuf(stdout, 0, _IOLBF, 0);
  int threads = argc == 1 ? 500 : 10000, forks = 60, execs = 20, spaces = 64;
  for (int i = 0; i < threads; i++) {
    pthread_t t;
    if (pthread_create(&t, 0, nothing, 0) != 0) return puts("no thread"), 1;
    pthread_join(t, 0);
  }
  puts("threads came and went");

  pthread_t many[16];
  for (long i = 0; i < 16; i++) pthread_create(&many[i], 0, compute, (void *)i);
  for (int i = 0; i < 16; i++) {
    double *out;
    pthread_join(many[i], (void **)&out);
    printf("%d: %.3f\n", i, *out);
  }

  for (int i = 0; i < forks; i++) {
    pid_t p = fork();
    if (p == 0) _exit(i & 63);
    int status;
    if (waitpid(p, &status, 0) != p || WEXITSTATUS(status) != (i & 63)) return puts("lost a child"), 1;
  }
  puts("forks done");

  for (int i = 0; i < execs; i++) {
    char number[8];
    snprintf(number, sizeof number, "%d", i);
    pid_t p = vfork();
    if (p == 0) {
      execl(argv[0], argv[0], number, (char *)0);
      _exit(99);
    }
    int status;
    waitpid(p, &status, 0);
    if (WEXITSTATUS(status) != i) return printf("exec gave %d\n", WEXITSTATUS(status)), 1;
  }
  puts("execs done");

  int in[2], out[2];
  pipe(in), pipe(out);
  for (int i = 0; i < spaces; i++) {
    if (fork() == 0) {
      char c;
      volatile long mine = i * 1000;
      read(in[0], &c, 1);
      for (int k = 0; k < 1000; k++) mine++;
      long got = mine;
      write(out[1], &got, sizeof got);
      _exit(0);
    }
  }
  char go[64];
  memset(go, 'x', sizeof go);
  write(in[1], go, spaces);
  long sum = 0;
  for (int i = 0; i < spaces; i++) {
    long got;
    read(out[0], &got, sizeof got);
    sum += got;
  }
  while (wait(0) > 0) {}
  printf("spaces %ld\n", sum);

  // Other threads use memory while it is taken away and brought back: no stale translation may be used.
  shared = mmap(0, 64 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  pthread_t t[3];
  for (int i = 0; i < 3; i++) pthread_create(&t[i], 0, toucher, 0);
  for (int i = 0; i < 30; i++) {
    pid_t p = fork();
    if (p == 0) {
      // What the child sees does not change any more.
      char copy[64];
      for (int k = 0; k < 64; k++) copy[k] = shared[4096 * k];
      for (int n = 0; n < 20; n++)
        for (int k = 0; k < 64; k++)
          if (copy[k] != shared[4096 * k]) _exit(1);
      _exit(0);
    }
    int status;
    waitpid(p, &status, 0);
    if (status != 0) return printf("a child saw a change\n"), 1;
    madvise(shared, 32 * 4096, MADV_DONTNEED);
  }
  stop = 1;
  for (int i = 0; i < 3; i++) pthread_join(t[i], 0);
  puts("all done");
  return 0;
}
