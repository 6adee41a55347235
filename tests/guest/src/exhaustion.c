// Programs that want all there is of something get an error, and the others go on (getrlimit(2)).
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static void limit(int what, rlim_t value) {
  struct rlimit r = {value, value};
  if (setrlimit(what, &r) != 0) printf("setrlimit: %s\n", strerror(errno));
}

static void memory(void) {
  limit(RLIMIT_AS, 256 << 20);
  size_t total = 0;
  char *p;
  while ((p = malloc(4 << 20)) != NULL) {
    memset(p, 1, 4 << 20);
    total += 4 << 20;
  }
  printf("memory: %s after more than 200 MB: %d\n", strerror(errno), total > 200 << 20);
  p = mmap(NULL, 1L << 46, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  printf("64 TB: %s\n", p == MAP_FAILED ? strerror(errno) : "ok");
}

static void mappings(void) {
  // Alternating protections keep neighbours apart.
  int n = 0;
  while (n < 100000) {
    void *p = mmap(NULL, 4096, n & 1 ? PROT_READ : PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED) break;
    n++;
  }
  printf("mappings: %s, about 65530: %d\n", strerror(errno), n > 65000 && n < 66000);
}

static void files(void) {
  limit(RLIMIT_NOFILE, 2000);
  int n = 0, fds[2], last = -1;
  for (;; n++) {
    int fd = n % 4 == 0 ? open("/dev/null", O_RDONLY) : n % 4 == 1 ? eventfd(0, 0) : n % 4 == 2 ? dup(0) : memfd_create("m", 0);
    if (fd < 0) break;
    last = fd;
  }
  printf("files: %s at %d\n", strerror(errno), last);
  printf("pipe: %d %s\n", pipe(fds), strerror(errno));
  printf("socketpair: %d %s\n", socketpair(AF_UNIX, SOCK_STREAM, 0, fds), strerror(errno));
  close(last);
  printf("one more: %d\n", open("/dev/null", O_RDONLY) == last);
}

static void *waiting(void *arg) {
  pause();
  return arg;
}

static void processes(void) {
  // Limits of processes do not hold for root.
  if (setresgid(54321, 54321, 54321) != 0 || setresuid(54321, 54321, 54321) != 0) perror("setresuid");
  limit(RLIMIT_NPROC, 40);
  int n = 0;
  static pid_t children[64];
  while (n < 64) {
    pid_t child = fork();
    if (child == 0) {
      pause();
      _exit(0);
    }
    if (child < 0) break;
    children[n++] = child;
  }
  printf("processes: %s after %d\n", strerror(errno), n);
  pthread_t t;
  printf("thread: %s\n", strerror(pthread_create(&t, NULL, waiting, NULL)));
  for (int i = 0; i < n; i++) kill(children[i], SIGKILL);
  while (wait(NULL) > 0) {}
  printf("thread: %s\n", strerror(pthread_create(&t, NULL, waiting, NULL)));
}

static void signals(void) {
  limit(RLIMIT_SIGPENDING, 50);
  sigset_t set;
  sigfillset(&set);
  sigprocmask(SIG_BLOCK, &set, NULL);
  union sigval value = {0};
  int n = 0;
  while (n < 1000 && sigqueue(getpid(), SIGRTMIN, value) == 0) n++;
  printf("signals: %s, bounded: %d\n", strerror(errno), n <= 50);
}

static void stack(void) {
  limit(RLIMIT_STACK, 256 << 10);
  char *argv[3] = {"true", NULL, NULL};
  argv[1] = malloc(1 << 20);
  memset(argv[1], 'x', (1 << 20) - 1);
  execv("/bin/true", argv);
  printf("arguments: %s\n", strerror(errno));
}

static void pipe_space(void) {
  int fds[2], n = 0;
  char buffer[4096] = "";
  pipe2(fds, O_NONBLOCK);
  while (write(fds[1], buffer, sizeof buffer) > 0) n++;
  printf("pipe: %s after %d pages\n", strerror(errno), n);
  socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds);
  n = 0;
  while (write(fds[1], buffer, sizeof buffer) > 0 && n < 100000) n++;
  printf("socket: %s, bounded: %d\n", strerror(errno), n < 1000);
}

int main(void) {
  void (*all[])(void) = {memory, mappings, files, processes, signals, stack, pipe_space};
  for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
      all[i]();
      fflush(stdout);
      _exit(0);
    }
    int status;
    waitpid(child, &status, 0);
    if (status != 0) printf("status %x\n", status);
  }
  return 0;
}
