/*
 * Random sequences of system calls with hostile arguments: `system_calls FIRST COUNT CALLS` runs the seeds FIRST to
 * FIRST + COUNT - 1, each in a process of its own (with namespaces of its own for every other one), with CALLS calls.
 * What becomes of those processes does not matter; the kernel must survive them.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <unistd.h>

static uint64_t state;
static uint64_t next(void) {
  state ^= state << 13;
  state ^= state >> 7;
  state ^= state << 17;
  return state;
}
static uint64_t below(uint64_t n) { return next() % n; }

static char *memory, *edge;
static int fds[32], fd_count;

static void add(int fd) { if (fd >= 0 && fd_count < 32) fds[fd_count++] = fd; }

static void prepare(void) {
  memory = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  char *two = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  munmap(two + 4096, 4096);
  edge = two + 4096;
  int p[2];
  if (pipe(p) == 0) { add(p[0]); add(p[1]); }
  if (socketpair(AF_UNIX, SOCK_STREAM, 0, p) == 0) { add(p[0]); add(p[1]); }
  if (socketpair(AF_UNIX, SOCK_DGRAM, 0, p) == 0) { add(p[0]); add(p[1]); }
  add(socket(AF_INET, SOCK_STREAM, 0));
  add(socket(AF_INET, SOCK_DGRAM, 0));
  add(socket(AF_INET6, SOCK_STREAM, 0));
  add(socket(AF_NETLINK, SOCK_RAW, 0));
  add(open(".", O_RDONLY | O_DIRECTORY));
  add(open("/proc/self/maps", O_RDONLY));
  add(open("fuzz-file", O_RDWR | O_CREAT, 0600));
  add(open("/dev/zero", O_RDWR));
  add(open("/dev/ptmx", O_RDWR | O_NOCTTY));
  add(epoll_create1(0));
  add(eventfd(0, 0));
  add(timerfd_create(CLOCK_MONOTONIC, 0));
  add(inotify_init());
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGUSR1);
  add(signalfd(-1, &set, 0));
  add(memfd_create("fuzz", MFD_ALLOW_SEALING));
  add(syscall(SYS_pidfd_open, getpid(), 0));
  memset(memory + 4096, 0, 120);
  add(syscall(SYS_io_uring_setup, 8, memory + 4096));
}

static uint64_t number(void) {
  switch (below(14)) {
    case 0: return 0;
    case 1: return 1;
    case 2: return -1;
    case 3: return below(16);
    case 4: return below(256);
    case 5: return 4096;
    case 6: return 1ull << below(64);
    case 7: return (1ull << below(64)) - 1;
    case 8: return 0x7fffffff + below(3);
    case 9: return 0x7fffffffffffffffull + below(3);
    case 10: return next();
    case 11: return next() & 0xffffffff;
    case 12: return below(1 << 20);
    default: return -below(4096);
  }
}

static uint64_t pointer(void) {
  uint64_t at = (uint64_t)memory + (below(4) ? below(16384) & ~7ull : below(1 << 20));
  switch (below(16)) {
    case 0: return 0;
    case 1: return (uint64_t)edge - below(64);
    case 2: return (uint64_t)edge;
    case 3: return 0xffff800000000000ull + below(1 << 20);
    case 4: return 0x7ffffffff000ull - below(8192);
    case 5: return number();
    case 6: return (uint64_t)&state - 4096 + below(8192);
    default: return at;
  }
}

static uint64_t descriptor(void) {
  switch (below(10)) {
    case 0: return -1;
    case 1: return AT_FDCWD;
    case 2: return below(40);
    case 3: return number();
    default: return fds[below(fd_count)];
  }
}

/* What memory holds decides as much as arguments do: names, arrays of addresses and lengths, small numbers. */
static void scribble(void) {
  static const char *names[] = {"fuzz-file", "/", ".", "..", "/proc/self/fd/3", "/dev/null", "fuzz-other", "/proc/self/mem", "a/b/c", "", "/tmp"};
  uint64_t *words = (uint64_t *)(memory + (below(16384) & ~7ull));
  for (int i = below(24); i >= 0; i--) {
    switch (below(6)) {
      case 0: words[i] = pointer(); break;
      case 1: words[i] = descriptor() | number() << 32; break;
      case 2: words[i] = 0; break;
      default: words[i] = number();
    }
  }
  if (below(2)) strcpy((char *)words, names[below(sizeof names / sizeof *names)]);
}

static uint64_t argument(void) {
  switch (below(5)) {
    case 0: return descriptor();
    case 1: return number();
    case 2: return below(64);
    default: return pointer();
  }
}

/* Ends of this process, and waits without end, teach nothing. */
static int is_left_out(long nr) {
  switch (nr) {
    case SYS_exit: case SYS_exit_group: case SYS_pause: case SYS_rt_sigreturn: case SYS_vfork:
    case SYS_rt_sigsuspend: case SYS_execve: case SYS_execveat: return below(50) != 0;
    case SYS_fork: case SYS_clone: case SYS_clone3: return below(10) != 0;
    default: return 0;
  }
}

static void on_alarm(int signo) { (void)signo; }

static void run(uint64_t seed, int calls) {
  state = seed * 0x9e3779b97f4a7c15ull + 1;
  for (int i = 0; i < 8; i++) next();
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  struct rlimit limit = {64, 64};
  setrlimit(RLIMIT_NPROC, &limit);
  limit.rlim_cur = limit.rlim_max = 512 << 20;
  setrlimit(RLIMIT_AS, &limit);
  limit.rlim_cur = limit.rlim_max = 16 << 20;
  setrlimit(RLIMIT_FSIZE, &limit);
  struct sigaction action = {.sa_handler = on_alarm};
  sigaction(SIGALRM, &action, NULL);
  prepare();
  struct itimerval often = {{0, 5000}, {0, 5000}};
  setitimer(ITIMER_REAL, &often, NULL);
  for (int i = 0; i < calls; i++) {
    scribble();
    long nr = below(8) ? below(463) : (long)number() & 0x3ff;
    if (getenv("FUZZ_ONLY")) nr = atoi(getenv("FUZZ_ONLY"));
    uint64_t a[6];
    for (int k = 0; k < 6; k++) a[k] = argument();
    if (below(3) == 0) a[0] = descriptor();
    if (is_left_out(nr)) continue;
    syscall(nr, a[0], a[1], a[2], a[3], a[4], a[5]);
  }
  _exit(0);
}

/* One seed in a process that is killed when it takes too long. */
static void run_bounded(uint64_t seed, int calls) {
  pid_t guard = fork();
  if (guard == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    setpgid(0, 0);
    if (seed % 2 == 0) unshare(CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWIPC);
    pid_t pid = fork();
    if (pid == 0) {
      if (seed % 2 != 0) {
        if (setgid(10000) != 0 || setuid(10000 + seed % 50000) != 0) _exit(1);
      }
      run(seed, calls);
    }
    int fd = syscall(SYS_pidfd_open, pid, 0);
    struct pollfd p = {fd, POLLIN, 0};
    poll(&p, 1, 1000);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    kill(0, SIGKILL);
    _exit(0);
  }
  int status;
  waitpid(guard, &status, 0);
}

int main(int argc, char **argv) {
  uint64_t first = argc > 1 ? strtoull(argv[1], NULL, 0) : 1;
  int count = argc > 2 ? atoi(argv[2]) : 1, calls = argc > 3 ? atoi(argv[3]) : 300;
  for (int i = 0; i < count; i++) {
    run_bounded(first + i, calls);
    printf("%llu\n", (unsigned long long)(first + i));
    fflush(stdout);
  }
  puts("survived");
  return 0;
}
