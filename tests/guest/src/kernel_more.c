/* Moving waiters to locks, the newer futex calls, membarrier, sealed memory, chosen ids, signals for input and output. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <linux/kcmp.h>
#include <linux/membarrier.h>
#include <linux/sched.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static void say(const char *what, long r) {
  if (r < 0) printf("%s: %s\n", what, strerrorname_np(errno));
  else printf("%s: %ld\n", what, r);
  fflush(stdout);
}
#define SAY(x) say(#x, (long)(x))

static unsigned cond, lock2;
static volatile int waiting, done;

static long futex(unsigned *a, int op, unsigned v, const void *t, unsigned *b, unsigned v3) {
  return syscall(SYS_futex, a, op, v, t, b, v3);
}

static void lock_pi(unsigned *l) {
  unsigned zero = 0, tid = gettid();
  if (!__atomic_compare_exchange_n(l, &zero, tid, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)) futex(l, FUTEX_LOCK_PI_PRIVATE, 0, NULL, NULL, 0);
}
static void unlock_pi(unsigned *l) {
  unsigned tid = gettid();
  if (!__atomic_compare_exchange_n(l, &tid, 0, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)) futex(l, FUTEX_UNLOCK_PI_PRIVATE, 0, NULL, NULL, 0);
}
static void *waiter(void *arg) {
  __atomic_add_fetch(&waiting, 1, __ATOMIC_SEQ_CST);
  long r = futex(&cond, FUTEX_WAIT_REQUEUE_PI_PRIVATE, 0, NULL, &lock2, 0);
  int mine = r == 0 && (lock2 & FUTEX_TID_MASK) == (unsigned)gettid();
  done += mine;
  unlock_pi(&lock2);
  return arg;
}
static int sleepers(void) {
  usleep(30000);
  return waiting;
}

static void requeue_pi(void) {
  pthread_t t[3];
  struct timespec past = {1, 0};
  SAY(futex(&cond, FUTEX_WAIT_REQUEUE_PI_PRIVATE, 1, NULL, &lock2, 0));
  SAY(futex(&cond, FUTEX_WAIT_REQUEUE_PI_PRIVATE, 0, NULL, &cond, 0));
  SAY(futex(&cond, FUTEX_WAIT_REQUEUE_PI_PRIVATE, 0, &past, &lock2, 0));
  for (int i = 0; i < 3; i++) pthread_create(&t[i], NULL, waiter, NULL);
  while (sleepers() < 3) {}
  lock_pi(&lock2);
  SAY(futex(&cond, FUTEX_CMP_REQUEUE_PI_PRIVATE, 2, (void *)10L, &lock2, 0));
  SAY(futex(&cond, FUTEX_CMP_REQUEUE_PI_PRIVATE, 1, (void *)10L, &lock2, 7));
  SAY(futex(&cond, FUTEX_CMP_REQUEUE_PI_PRIVATE, 1, (void *)0L, &lock2, 0));
  SAY(futex(&cond, FUTEX_CMP_REQUEUE_PI_PRIVATE, 1, (void *)10L, &lock2, 0));
  printf("done %d\n", done);
  unlock_pi(&lock2);
  for (int i = 0; i < 3; i++) pthread_join(t[i], NULL);
  printf("done %d lock %x\n", done, lock2);
}

static void *pi_cond(void *arg) {
  pthread_mutex_t *m = arg;
  pthread_mutex_lock(m);
  pthread_mutex_unlock(m);
  return NULL;
}

static void futex2(void) {
  unsigned word = 5, other = 0;
  struct timespec past = {1, 0};
  SAY(syscall(455, &word, 4, 0xffffffffu, 2, NULL, CLOCK_MONOTONIC));
  SAY(syscall(455, &word, 5, 0xffffffffu, 2, &past, CLOCK_MONOTONIC));
  SAY(syscall(455, &word, 5, 0, 2, &past, CLOCK_MONOTONIC));
  SAY(syscall(455, &word, 5, 0xffffffffu, 1, &past, CLOCK_MONOTONIC));
  SAY(syscall(455, &word, 5, 0xffffffffu, 2 | 128, &past, 7));
  SAY(syscall(454, &word, 0xffffffffu, 1, 2));
  SAY(syscall(454, &word, 0xffffffffu, 1, 3));
  struct futex_waitv v[2] = {{5, (long)&word, 2, 0}, {0, (long)&other, 2, 0}};
  SAY(syscall(456, v, 0, 1, 1));
  v[0].val = 6;
  SAY(syscall(456, v, 0, 1, 1));
  SAY(syscall(456, v, 1, 1, 1));
  unsigned *shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  pid_t pid = fork();
  if (pid == 0) _exit(syscall(455, shared, 0, 0xffffffffu, 2, NULL, CLOCK_MONOTONIC) == 0 ? 3 : errno);
  struct futex_waitv w[2] = {{0, (long)shared, 2, 0}, {0, (long)(shared + 1), 2, 0}};
  while (syscall(456, w, 0, 0, 1) != 1) usleep(1000);
  SAY(syscall(454, shared, 0xffffffffu, 1, 2));
  SAY(syscall(454, shared + 1, 0xffffffffu, 1, 2));
  int status;
  waitpid(pid, &status, 0);
  printf("child %x\n", status);
}

static volatile int spin = 1;
static void *spinner(void *arg) { while (spin) {} return arg; }

static void barriers(void) {
  SAY(syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0));
  SAY(syscall(SYS_membarrier, MEMBARRIER_CMD_QUERY, 1, 0));
  SAY(syscall(SYS_membarrier, 3, 0, 0));
  long all = syscall(SYS_membarrier, MEMBARRIER_CMD_QUERY, 0, 0);
  printf("%lx\n", all & 0x7f);
  pthread_t t;
  pthread_create(&t, NULL, spinner, NULL);
  SAY(syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0));
  for (int i = 0; i < 20; i++) if (syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0) != 0) puts("failed");
  SAY(syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED_SYNC_CORE, 0, 0));
  SAY(syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED, 0, 0));
  SAY(syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL_EXPEDITED, 0, 0));
  SAY(syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0));
  spin = 0;
  pthread_join(t, NULL);
}

static void seals(void) {
  char *p = mmap(NULL, 3 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  SAY(syscall(462, p + 1, 4096, 0));
  SAY(syscall(462, p, 4096, 1));
  SAY(syscall(462, p + 4096, 4096, 0));
  SAY(munmap(p, 3 * 4096));
  SAY(munmap(p + 4096, 4096));
  SAY(mprotect(p + 4096, 4096, PROT_READ));
  SAY(mremap(p + 4096, 4096, 8192, MREMAP_MAYMOVE) == MAP_FAILED ? -1 : 0);
  SAY(mmap(p + 4096, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED ? -1 : 0);
  SAY(madvise(p + 4096, 4096, MADV_DONTNEED));
  p[4096] = 1;
  SAY(munmap(p + 8192, 4096));
  SAY(syscall(462, p, 3 * 4096, 0));
}

static void chosen_ids(void) {
  pid_t wanted[1] = {29123};
  struct clone_args args = {.exit_signal = SIGCHLD, .set_tid = (long)wanted, .set_tid_size = 1};
  if (geteuid() != 0) return;
  pid_t pid = syscall(SYS_clone3, &args, sizeof args);
  if (pid == 0) _exit(getpid() == 29123 ? 5 : 6);
  printf("pid %d\n", pid);
  SAY(syscall(SYS_clone3, &args, sizeof args));
  int status;
  waitpid(pid, &status, 0);
  printf("status %x\n", status);
  wanted[0] = 0;
  SAY(syscall(SYS_clone3, &args, sizeof args));
  args.set_tid_size = 0;
  SAY(syscall(SYS_clone3, &args, sizeof args));
}

static volatile sig_atomic_t signals, got_fd, got_code, got_band, got_signo;
static void on_io(int signo, siginfo_t *info, void *c) {
  (void)c;
  signals++;
  got_signo = signo; got_fd = info->si_fd; got_code = info->si_code; got_band = info->si_band;
}
static void told(const char *what, int fd) {
  printf("%s: %d signal %d fd %d code %d band %x\n", what, signals, got_signo, got_fd == fd, got_code, got_band);
  signals = 0;
}

static void input_signals(void) {
  struct sigaction action = {.sa_sigaction = on_io, .sa_flags = SA_SIGINFO | SA_RESTART};
  sigaction(SIGIO, &action, NULL);
  sigaction(SIGRTMIN + 1, &action, NULL);
  int p[2], s[2];
  pipe(p);
  SAY(fcntl(p[0], F_GETOWN));
  SAY(fcntl(p[0], F_SETOWN, 999999));
  SAY(fcntl(p[0], F_SETOWN, getpid()));
  printf("own %d\n", fcntl(p[0], F_GETOWN) == getpid());
  SAY(fcntl(p[0], F_SETFL, O_ASYNC | O_NONBLOCK));
  printf("flags %x\n", fcntl(p[0], F_GETFL));
  write(p[1], "x", 1);
  printf("%d signal %d code %d\n", signals, got_signo, got_code);
  signals = 0;
  SAY(fcntl(p[0], F_SETSIG, SIGRTMIN + 1));
  SAY(fcntl(p[0], F_GETSIG) == SIGRTMIN + 1);
  SAY(fcntl(p[0], F_SETSIG, 65));
  write(p[1], "y", 1);
  told("pipe", p[0]);
  SAY(fcntl(p[0], F_SETFL, O_NONBLOCK));
  write(p[1], "z", 1);
  printf("%d\n", signals);
  socketpair(AF_UNIX, SOCK_STREAM, 0, s);
  struct f_owner_ex ex = {F_OWNER_TID, gettid()};
  SAY(fcntl(s[0], F_SETOWN_EX, &ex));
  ex.type = 9;
  SAY(fcntl(s[0], F_SETOWN_EX, &ex));
  SAY(fcntl(s[0], F_GETOWN_EX, &ex));
  printf("type %d own %d\n", ex.type, ex.pid == gettid());
  fcntl(s[0], F_SETSIG, SIGRTMIN + 1);
  int on = 1;
  SAY(ioctl(s[0], FIOASYNC, &on));
  write(s[1], "x", 1);
  told("socket", s[0]);
  SAY(fcntl(s[0], F_SETOWN, -getpgrp()));
  printf("group %d\n", fcntl(s[0], F_GETOWN) == -getpgrp());
  close(s[0]);
  close(s[1]);
  int dir = open(".", O_RDONLY | O_DIRECTORY);
  SAY(fcntl(p[0], F_NOTIFY, DN_CREATE));
  fcntl(dir, F_SETSIG, SIGRTMIN + 1);
  signals = 0;
  SAY(fcntl(dir, F_NOTIFY, DN_CREATE | DN_DELETE | DN_MULTISHOT));
  close(open("watched", O_CREAT | O_RDWR, 0600));
  told("created", dir);
  rename("watched", "renamed");
  printf("renamed %d\n", signals > 0);
  signals = 0;
  unlink("renamed");
  told("deleted", dir);
  SAY(fcntl(dir, F_NOTIFY, 0));
  close(open("watched", O_CREAT | O_RDWR, 0600));
  unlink("watched");
  printf("%d\n", signals);
  SAY(syscall(SYS_kcmp, getpid(), getpid(), KCMP_FILE, p[0], p[0]));
  int a = syscall(SYS_kcmp, getpid(), getpid(), KCMP_FILE, p[0], p[1]);
  int b = syscall(SYS_kcmp, getpid(), getpid(), KCMP_FILE, p[1], p[0]);
  printf("ordered %d\n", a + b == 3);
}

int main(void) {
  requeue_pi();
  pthread_mutexattr_t attr;
  pthread_mutex_t m;
  pthread_mutexattr_init(&attr);
  pthread_mutexattr_setprotocol(&attr, PTHREAD_PRIO_INHERIT);
  pthread_mutex_init(&m, &attr);
  pthread_t t;
  pthread_mutex_lock(&m);
  pthread_create(&t, NULL, pi_cond, &m);
  usleep(10000);
  pthread_mutex_unlock(&m);
  pthread_join(t, NULL);
  futex2();
  barriers();
  seals();
  chosen_ids();
  char text[64] = "";
  long type = syscall(SYS_sysfs, 1, "tmpfs");
  SAY(type >= 0 && type < syscall(SYS_sysfs, 3));
  SAY(syscall(SYS_sysfs, 2, type, text));
  printf("%s\n", text);
  SAY(syscall(SYS_sysfs, 1, "nonsense"));
  SAY(syscall(SYS_sysfs, 2, 9999, text));
  SAY(syscall(SYS_sysfs, 1, (void *)8));
  SAY(syscall(SYS_sysfs, 9));
  input_signals();
  return 0;
}
