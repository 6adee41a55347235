/* Two parties that wait for each other: processes over pipes, threads over a futex, threads over a cache line. */
#define _GNU_SOURCE
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "measure.h"

static int there[2], back[2];

static void op_pipe(long n) {
  char byte = 1;
  while (n--) {
    if (write(there[1], &byte, 1) != 1 || read(back[0], &byte, 1) != 1) die("pipe");
  }
}

static int run_pipe(void) {
  if (pipe(there) || pipe(back)) die("pipe");
  pid_t child = fork();
  if (child < 0) die("fork");
  if (child == 0) {
    char byte;
    close(there[1]);
    while (read(there[0], &byte, 1) == 1) {
      if (write(back[1], &byte, 1) != 1) break;
    }
    _exit(0);
  }
  close(there[0]);
  measure("pipe_round_trip", op_pipe, 4, 300);
  close(there[1]);
  waitpid(child, 0, 0);
  return 0;
}

static _Alignas(64) atomic_int ball;

static void futex_wait(int value) {
  syscall(SYS_futex, &ball, FUTEX_WAIT_PRIVATE, value, 0, 0, 0);
}

static void futex_wake(void) {
  syscall(SYS_futex, &ball, FUTEX_WAKE_PRIVATE, 1, 0, 0, 0);
}

/* The ball is 0 at the caller, 1 at the partner, 2 when the game is over. */
static void *futex_partner(void *unused) {
  (void)unused;
  for (;;) {
    int at;
    while ((at = atomic_load(&ball)) == 0) futex_wait(0);
    if (at == 2) return 0;
    atomic_store(&ball, 0);
    futex_wake();
  }
}

static void op_futex(long n) {
  while (n--) {
    atomic_store(&ball, 1);
    futex_wake();
    while (atomic_load(&ball) == 1) futex_wait(1);
  }
}

static int run_futex(void) {
  pthread_t partner;
  if (pthread_create(&partner, 0, futex_partner, 0)) die("pthread_create");
  measure("futex_ping_pong", op_futex, 4, 300);
  atomic_store(&ball, 2);
  futex_wake();
  pthread_join(partner, 0);
  return 0;
}

static void *mailbox_partner(void *unused) {
  (void)unused;
  for (;;) {
    int at;
    while ((at = atomic_load_explicit(&ball, memory_order_acquire)) == 0) __builtin_ia32_pause();
    if (at == 2) return 0;
    atomic_store_explicit(&ball, 0, memory_order_release);
  }
}

static void op_mailbox(long n) {
  while (n--) {
    atomic_store_explicit(&ball, 1, memory_order_release);
    while (atomic_load_explicit(&ball, memory_order_acquire) == 1) __builtin_ia32_pause();
  }
}

static int run_mailbox(void) {
  pthread_t partner;
  if (sysconf(_SC_NPROCESSORS_ONLN) < 2) return 3;
  if (pthread_create(&partner, 0, mailbox_partner, 0)) die("pthread_create");
  measure("mailbox", op_mailbox, 1, 200);
  atomic_store(&ball, 2);
  pthread_join(partner, 0);
  return 0;
}

int main(int argc, char **argv) {
  const char *name = argc > 1 ? argv[1] : "";
  if (!strcmp(name, "pipe_round_trip")) return run_pipe();
  if (!strcmp(name, "futex_ping_pong")) return run_futex();
  if (!strcmp(name, "mailbox")) return run_mailbox();
  return 2;
}
