// Threads come and go in large numbers, signal each other, and use segment registers of their own.
#define _GNU_SOURCE
#include <asm/prctl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static __thread long mine;
static volatile int got;

static void *count(void *arg) {
  for (int i = 0; i < 100; i++) {
    mine += (long)arg;
    if (i % 10 == 0) syscall(SYS_gettid);
  }
  return (void *)mine;
}

static void on_usr1(int signo) {
  (void)signo;
  __atomic_fetch_add(&got, 1, __ATOMIC_SEQ_CST);
}

static volatile int stop;
static void *compute(void *arg) {
  (void)arg;
  unsigned long x = 1;
  while (!stop) x = x * 6364136223846793005ul + 1;
  return (void *)(x & 1);
}

int main(void) {
  long sum = 0;
  for (int round = 0; round < 60; round++) {
    pthread_t t[8];
    for (long i = 0; i < 8; i++) pthread_create(&t[i], NULL, count, (void *)(i + 1));
    for (int i = 0; i < 8; i++) {
      void *r;
      pthread_join(t[i], &r);
      sum += (long)r;
    }
  }
  printf("sum %ld\n", sum);

  signal(SIGUSR1, on_usr1);
  pthread_t c;
  pthread_create(&c, NULL, compute, NULL);
  for (int i = 0; i < 50; i++) {
    int before = got;
    pthread_kill(c, SIGUSR1);
    while (got == before) sched_yield();
  }
  stop = 1;
  pthread_join(c, NULL);
  printf("signals to a computing thread %d\n", got);

  static long data[4] = {11, 22, 33, 44};
  syscall(SYS_arch_prctl, ARCH_SET_GS, data);
  long v, w = 0;
  for (int i = 0; i < 100; i++) {
    asm volatile("mov %%gs:16, %0" : "=r"(v));
    w += v;
    syscall(1000);
  }
  unsigned long base = 0;
  syscall(SYS_arch_prctl, ARCH_GET_GS, &base);
  printf("gs %ld %d\n", w, base == (unsigned long)data);

  int failed = 0;
  for (int i = 0; i < 20; i++) {
    pid_t pid = fork();
    if (pid == 0) {
      pthread_t t;
      void *r;
      mine = 0;
      pthread_create(&t, NULL, count, (void *)1L);
      pthread_join(t, &r);
      asm volatile("mov %%gs:8, %0" : "=r"(v));
      _exit((long)r == 100 && v == 22 ? 7 : 1);
    }
    int status;
    waitpid(pid, &status, 0);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 7) failed++;
  }
  printf("failed children %d\n", failed);
  return 0;
}
