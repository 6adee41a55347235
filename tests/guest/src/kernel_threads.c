// Threads: creation, join, mutexes, conditions, signals to threads, exec and exit from threads, robust mutexes.
#define _GNU_SOURCE
#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static void report(const char *what, long result) {
  printf("%s: %ld %s\n", what, result, result < 0 ? strerror(errno) : "ok");
}

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t condition = PTHREAD_COND_INITIALIZER;
static long counter;
static int turn;
static __thread int local = 5;

static void *add(void *arg) {
  for (int i = 0; i < 20000; i++) {
    pthread_mutex_lock(&mutex);
    counter++;
    pthread_mutex_unlock(&mutex);
  }
  local += (int)(long)arg;
  return (void *)(long)local;
}

static void *ping(void *arg) {
  int me = (int)(long)arg;
  for (int i = 0; i < 200; i++) {
    pthread_mutex_lock(&mutex);
    while (turn != me) pthread_cond_wait(&condition, &mutex);
    turn = !me;
    pthread_cond_broadcast(&condition);
    pthread_mutex_unlock(&mutex);
  }
  return NULL;
}

static atomic_int handled_by;

static void on_signal(int sig) {
  (void)sig;
  handled_by = gettid();
}

static atomic_int sleeper_tid;

static void *sleeper(void *arg) {
  (void)arg;
  sleeper_tid = gettid();
  while (!handled_by) usleep(1000);
  return NULL;
}

static long futex(int *address, int op, int value, const struct timespec *timeout, int *address2, int value3) {
  return syscall(SYS_futex, address, op, value, timeout, address2, value3);
}

static int word, word2;

static void *waiter(void *arg) {
  (void)arg;
  while (futex(&word, FUTEX_WAIT_PRIVATE, 0, NULL, NULL, 0) == -1 && errno == EINTR) {
  }
  return NULL;
}

static void *spin(void *arg) {
  (void)arg;
  for (volatile long i = 0; i >= 0; i++) {
  }
  return NULL;
}

static void *exec_it(void *arg) {
  char *argv[] = {"sh", "-c", "echo exec from a thread; exit 4", NULL};
  (void)arg;
  execv("/bin/sh", argv);
  return NULL;
}

static void *exit_it(void *arg) {
  (void)arg;
  _exit(9);
}

int main(void) {
  setvbuf(stdout, NULL, _IONBF, 0);
  pthread_t threads[8];
  long sum = 0;
  for (long i = 0; i < 8; i++) pthread_create(&threads[i], NULL, add, (void *)i);
  for (int i = 0; i < 8; i++) {
    void *result;
    pthread_join(threads[i], &result);
    sum += (long)result;
  }
  printf("counter %ld, thread locals %ld, own %d\n", counter, sum, local);

  pthread_create(&threads[0], NULL, ping, (void *)0L);
  pthread_create(&threads[1], NULL, ping, (void *)1L);
  pthread_join(threads[0], NULL);
  pthread_join(threads[1], NULL);
  printf("conditions done\n");

  signal(SIGUSR1, on_signal);
  pthread_create(&threads[0], NULL, sleeper, NULL);
  while (!sleeper_tid) usleep(1000);
  pthread_kill(threads[0], SIGUSR1);
  pthread_join(threads[0], NULL);
  printf("signal reached its thread: %d\n", handled_by == sleeper_tid);

  // A signal to the process goes to a thread that does not block it.
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGUSR1);
  handled_by = 0;
  sleeper_tid = 0;
  pthread_create(&threads[0], NULL, sleeper, NULL);
  while (!sleeper_tid) usleep(1000);
  pthread_sigmask(SIG_BLOCK, &set, NULL);
  kill(getpid(), SIGUSR1);
  pthread_join(threads[0], NULL);
  printf("signal reached the open thread: %d\n", handled_by == sleeper_tid);
  pthread_sigmask(SIG_UNBLOCK, &set, NULL);

  for (int i = 0; i < 4; i++) pthread_create(&threads[i], NULL, waiter, NULL);
  long moved = 0;
  while (moved < 4) moved += futex(&word, FUTEX_CMP_REQUEUE_PRIVATE, 0, (void *)(4 - moved), &word2, 0);
  printf("requeued %ld\n", moved);
  printf("left on the first word: %ld\n", futex(&word, FUTEX_WAKE_PRIVATE, 10, NULL, NULL, 0));
  word = 1;
  printf("woken on the second word: %ld\n", futex(&word2, FUTEX_WAKE_PRIVATE, 10, NULL, NULL, 0));
  for (int i = 0; i < 4; i++) pthread_join(threads[i], NULL);
  printf("all woken\n");
  struct timespec brief = {0, 10000000};
  report("timeout", futex(&word, FUTEX_WAIT_PRIVATE, 1, &brief, NULL, 0));
  report("changed", futex(&word, FUTEX_WAIT_PRIVATE, 5, NULL, NULL, 0));
  report("unaligned", futex((int *)((char *)&word + 1), FUTEX_WAIT, 5, NULL, NULL, 0));

  // A futex between processes.
  int *shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  pid_t child = fork();
  if (child == 0) {
    while (*(volatile int *)shared == 0) futex(shared, FUTEX_WAIT, 0, NULL, NULL, 0);
    _exit(*shared);
  }
  usleep(20000);
  *shared = 6;
  futex(shared, FUTEX_WAKE, 1, NULL, NULL, 0);
  int status;
  waitpid(child, &status, 0);
  printf("shared futex: %d\n", WEXITSTATUS(status));

  // A robust mutex whose owner dies.
  pthread_mutex_t *robust = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  pthread_mutexattr_t attributes;
  pthread_mutexattr_init(&attributes);
  pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
  pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
  pthread_mutex_init(robust, &attributes);
  child = fork();
  if (child == 0) {
    pthread_mutex_lock(robust);
    _exit(0);
  }
  waitpid(child, &status, 0);
  int r = pthread_mutex_lock(robust);
  printf("owner died: %s\n", strerror(r));

  // Priority inheritance.
  pthread_mutex_t inherit;
  pthread_mutexattr_init(&attributes);
  pthread_mutexattr_setprotocol(&attributes, PTHREAD_PRIO_INHERIT);
  pthread_mutex_init(&inherit, &attributes);
  printf("pi lock: %d unlock: %d\n", pthread_mutex_lock(&inherit), pthread_mutex_unlock(&inherit));

  child = fork();
  if (child == 0) {
    pthread_create(&threads[0], NULL, spin, NULL);
    pthread_create(&threads[1], NULL, exec_it, NULL);
    for (;;) pause();
  }
  waitpid(child, &status, 0);
  printf("exec: %d\n", WEXITSTATUS(status));
  child = fork();
  if (child == 0) {
    pthread_create(&threads[0], NULL, spin, NULL);
    pthread_create(&threads[1], NULL, exit_it, NULL);
    for (;;) pause();
  }
  waitpid(child, &status, 0);
  printf("exit_group: %d\n", WEXITSTATUS(status));
  child = fork();
  if (child == 0) {
    pthread_create(&threads[0], NULL, spin, NULL);
    usleep(5000);
    pthread_kill(threads[0], SIGKILL);
    for (;;) pause();
  }
  waitpid(child, &status, 0);
  printf("killed: %d\n", WTERMSIG(status));
  child = fork();
  if (child == 0) {
    pthread_create(&threads[0], NULL, spin, NULL);
    raise(SIGSTOP);
    _exit(8);
  }
  waitpid(child, &status, WUNTRACED);
  printf("stopped: %d\n", WIFSTOPPED(status));
  kill(child, SIGCONT);
  waitpid(child, &status, 0);
  printf("went on: %d\n", WEXITSTATUS(status));
  return 0;
}
