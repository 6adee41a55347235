// Pipes, FIFOs, eventfd, timerfd, signalfd, inotify (pipe(7), fifo(7), eventfd(2), inotify(7)).
#include "fs_check.h"
#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <time.h>

static char big[200000];

static int events(int fd, short want) {
  struct pollfd p = {fd, want, 0};
  poll(&p, 1, 0);
  return p.revents;
}

static void pipes(void) {
  int p[2], n;
  char buf[64];
  SHOW(pipe2(p, O_NONBLOCK));
  SHOW(read(p[0], buf, 10));
  SHOW(events(p[0], POLLIN | POLLOUT));
  SHOW(events(p[1], POLLIN | POLLOUT));
  SHOW(write(p[1], "hello", 5));
  SHOW(ioctl(p[0], FIONREAD, &n));
  printf("unread %d\n", n);
  SHOW(events(p[0], POLLIN));
  SHOW(read(p[0], buf, 3));
  SHOW(read(p[0], buf, 64));
  SHOW(fcntl(p[0], F_GETPIPE_SZ));
  SHOW(write(p[1], big, sizeof big));
  SHOW(write(p[1], "x", 1));
  SHOW(events(p[1], POLLOUT));
  SHOW(read(p[0], big, 4095));
  SHOW(write(p[1], big, 4096));
  SHOW(read(p[0], big, 1));
  SHOW(write(p[1], big, 4096));
  SHOW(fcntl(p[1], F_SETPIPE_SZ, 4096));
  SHOW(fcntl(p[1], F_SETPIPE_SZ, 100000));
  SHOW(fcntl(p[1], F_GETPIPE_SZ));
  while (read(p[0], big, sizeof big) > 0) {}
  SHOW(fcntl(p[1], F_SETPIPE_SZ, 1));
  SHOW(write(p[1], big, 10000));
  SHOW(write(p[0], "x", 1));
  SHOW(read(p[1], buf, 1));
  SHOW(lseek(p[0], 0, SEEK_SET));
  SHOW(pread(p[0], buf, 1, 0));
  close(p[1]);
  SHOW(events(p[0], POLLIN));
  SHOW(read(p[0], big, sizeof big));
  SHOW(read(p[0], big, sizeof big));
  SHOW(events(p[0], POLLIN));
  close(p[0]);

  SHOW(pipe2(p, O_DIRECT | O_NONBLOCK));
  SHOW(write(p[1], "first", 5));
  SHOW(write(p[1], "second", 6));
  SHOW(read(p[0], buf, 3));
  SHOW(read(p[0], buf, 64));
  SHOW(read(p[0], buf, 64));
  close(p[0]);
  signal(SIGPIPE, SIG_IGN);
  SHOW(events(p[1], POLLOUT));
  SHOW(write(p[1], "x", 1));
  close(p[1]);
  SHOW(pipe2(p, 0x40000000));
  SHOW(pipe((int *)8));
}

static void big_transfer(void) {
  int p[2];
  if (pipe(p)) return;
  pid_t child = fork();
  if (child == 0) {
    close(p[0]);
    memset(big, 'z', sizeof big);
    long n = write(p[1], big, sizeof big);
    _exit(n == sizeof big ? 0 : 1);
  }
  close(p[1]);
  long total = 0, n;
  char buf[1000];
  while ((n = read(p[0], buf, sizeof buf)) > 0) total += n;
  int status;
  waitpid(child, &status, 0);
  printf("big transfer: %ld, status %d\n", total, WEXITSTATUS(status));
  close(p[0]);
}

static void on_pipe(int sig) {
  printf("signal %d\n", sig);
  fflush(stdout);
}

static void sigpipe(void) {
  int p[2];
  if (pipe(p)) return;
  close(p[0]);
  signal(SIGPIPE, on_pipe);
  SHOW(write(p[1], "x", 1));
  close(p[1]);
  signal(SIGPIPE, SIG_DFL);
  pid_t child = fork();
  if (child == 0) {
    if (pipe(p)) _exit(1);
    close(p[0]);
    if (write(p[1], "x", 1)) {}
    _exit(2);
  }
  int status;
  waitpid(child, &status, 0);
  printf("killed by %d\n", WIFSIGNALED(status) ? WTERMSIG(status) : 0);
}

static void fifos(void) {
  char buf[32];
  SHOW(mkfifo("f", 0600));
  SHOW(mkfifo("f", 0600));
  SHOW(open("f", O_WRONLY | O_NONBLOCK));
  int r;
  SHOWOK(r = open("f", O_RDONLY | O_NONBLOCK));
  SHOW(read(r, buf, 1));
  SHOW(events(r, POLLIN));
  int w;
  SHOWOK(w = open("f", O_WRONLY | O_NONBLOCK));
  SHOW(read(r, buf, 1));
  SHOW(write(w, "fifo", 4));
  SHOW(read(r, buf, 32));
  close(w);
  SHOW(events(r, POLLIN));
  SHOW(read(r, buf, 1));
  close(r);
  pid_t child = fork();
  if (child == 0) {
    int fd = open("f", O_WRONLY);
    if (write(fd, "from child", 10) != 10) _exit(1);
    _exit(0);
  }
  SHOWOK(r = open("f", O_RDONLY));
  SHOW(read(r, buf, 32));
  SHOW(read(r, buf, 32));
  close(r);
  waitpid(child, NULL, 0);
  SHOWOK(r = open("f", O_RDWR));
  SHOW(write(r, "both", 4));
  SHOW(read(r, buf, 32));
  close(r);
}

static void counters(void) {
  int e;
  uint64_t v = 5;
  SHOWOK(e = eventfd(3, EFD_NONBLOCK));
  SHOW(events(e, POLLIN | POLLOUT));
  SHOW(read(e, &v, 7));
  SHOW(read(e, &v, 8));
  printf("value %lu\n", v);
  SHOW(read(e, &v, 8));
  v = 0xfffffffffffffffe;
  SHOW(write(e, &v, 8));
  SHOW(events(e, POLLIN | POLLOUT));
  v = 1;
  SHOW(write(e, &v, 8));
  v = ~0ul;
  SHOW(write(e, &v, 8));
  SHOW(read(e, &v, 8));
  printf("value %lx\n", v);
  close(e);
  SHOWOK(e = eventfd(2, EFD_NONBLOCK | EFD_SEMAPHORE));
  SHOW(read(e, &v, 8));
  printf("value %lu\n", v);
  SHOW(read(e, &v, 8));
  SHOW(read(e, &v, 8));
  close(e);
  SHOW(eventfd(0, 0x1000000));

  int t;
  SHOWOK(t = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK));
  SHOW(read(t, &v, 8));
  struct itimerspec its = {{0, 1000000}, {0, 1000000}}, old;
  SHOW(timerfd_settime(t, 0, &its, NULL));
  struct pollfd p = {t, POLLIN, 0};
  SHOW(poll(&p, 1, 5000));
  SHOW(read(t, &v, 8));
  printf("expired %d\n", v >= 1);
  its = (struct itimerspec){{0, 0}, {100, 0}};
  SHOW(timerfd_settime(t, 0, &its, &old));
  printf("period %ld\n", old.it_interval.tv_nsec);
  SHOW(timerfd_gettime(t, &old));
  printf("left %d\n", old.it_value.tv_sec == 99);
  its.it_value.tv_nsec = 1000000000;
  SHOW(timerfd_settime(t, 0, &its, NULL));
  SHOW(timerfd_create(99, 0));
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  int a = timerfd_create(CLOCK_REALTIME, 0);
  its = (struct itimerspec){{0, 0}, now};
  SHOW(timerfd_settime(a, TFD_TIMER_ABSTIME, &its, NULL));
  SHOW(read(a, &v, 8));
  printf("value %lu\n", v);

  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGUSR1);
  sigaddset(&set, SIGRTMIN);
  sigprocmask(SIG_BLOCK, &set, NULL);
  int s;
  SHOWOK(s = signalfd(-1, &set, SFD_NONBLOCK));
  struct signalfd_siginfo info;
  SHOW(read(s, &info, sizeof info));
  kill(getpid(), SIGUSR1);
  union sigval value = {.sival_int = 42};
  sigqueue(getpid(), SIGRTMIN, value);
  SHOW(events(s, POLLIN));
  SHOW(read(s, &info, sizeof info));
  printf("signal %u, mine %d\n", info.ssi_signo, info.ssi_pid == (unsigned)getpid());
  SHOW(read(s, &info, sizeof info));
  printf("signal %u, value %d, code %d\n", info.ssi_signo, info.ssi_int, info.ssi_code);
  SHOW(read(s, &info, sizeof info));
  SHOW(read(s, &info, 10));
}

static void watches(void) {
  int fd, w, n;
  SHOWOK(fd = inotify_init1(IN_NONBLOCK));
  mkdir("d", 0755);
  SHOW(w = inotify_add_watch(fd, "d", IN_ALL_EVENTS));
  fs_put("d/a", "x");
  rename("d/a", "d/b");
  chmod("d/b", 0600);
  unlink("d/b");
  mkdir("d/sub", 0755);
  rmdir("d/sub");
  SHOW(ioctl(fd, FIONREAD, &n));
  char buf[4096] __attribute__((aligned(8)));
  int len = read(fd, buf, sizeof buf);
  uint32_t cookie = 0;
  for (char *p = buf; p < buf + len;) {
    struct inotify_event *e = (struct inotify_event *)p;
    printf("event %x %s", e->mask, e->len ? e->name : "-");
    if (e->mask & IN_MOVED_FROM) cookie = e->cookie;
    if (e->mask & IN_MOVED_TO) printf(" same %d", e->cookie == cookie && cookie != 0);
    printf("\n");
    p += sizeof *e + e->len;
  }
  SHOW(read(fd, buf, sizeof buf));
  SHOW(inotify_rm_watch(fd, w));
  SHOW(inotify_rm_watch(fd, w));
  SHOW(read(fd, buf, sizeof buf));
  SHOW(inotify_add_watch(fd, "missing", IN_CREATE));
  SHOW(inotify_add_watch(fd, "d", 0));
  close(fd);
}

int main(void) {
  fs_enter();
  pipes();
  big_transfer();
  sigpipe();
  fifos();
  counters();
  watches();
  fs_leave();
}
