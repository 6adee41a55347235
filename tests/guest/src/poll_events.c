// poll, select and epoll: readiness, timeouts, edges, one-shots, nesting, signal masks.
#include "fs_check.h"
#include <poll.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <time.h>

static volatile int got;

static void on_signal(int sig) {
  got = sig;
}

static void polls(void) {
  int p[2], s[2];
  if (pipe(p) || socketpair(AF_UNIX, SOCK_STREAM, 0, s)) return;
  struct pollfd f[5] = {{p[0], POLLIN, 0}, {p[1], POLLOUT, 0}, {-1, POLLIN, 0}, {999, POLLIN, 0},
                        {s[0], POLLIN | POLLOUT, 0}};
  SHOW(poll(f, 5, -1));
  for (int i = 0; i < 5; i++) printf("revents %x\n", f[i].revents);
  SHOW(poll(f, 1, 10));
  if (write(p[1], "x", 1) != 1) return;
  SHOW(poll(f, 1, -1));
  SHOW(poll(NULL, 0, 1));
  SHOW(poll((struct pollfd *)8, 1, 0));
  SHOW(poll(f, 100000000, 0));
  close(s[1]);
  f[4].events = POLLIN | POLLRDHUP;
  SHOW(poll(f + 4, 1, -1));
  printf("revents %x\n", f[4].revents);

  // A child makes it ready while the parent sleeps.
  char c;
  if (read(p[0], &c, 1) != 1) return;
  pid_t child = fork();
  if (child == 0) {
    usleep(20000);
    if (write(p[1], "y", 1) != 1) _exit(1);
    _exit(0);
  }
  SHOW(poll(f, 1, 10000));
  waitpid(child, NULL, 0);

  struct sigaction act = {.sa_handler = on_signal};
  sigaction(SIGUSR1, &act, NULL);
  sigset_t block, none;
  sigemptyset(&none);
  sigemptyset(&block);
  sigaddset(&block, SIGUSR1);
  sigprocmask(SIG_BLOCK, &block, NULL);
  raise(SIGUSR1);
  printf("got %d\n", got);
  struct timespec ts = {10, 0};
  if (read(p[0], &c, 1) != 1) return;
  SHOW(ppoll(f, 1, &ts, &none));
  printf("got %d\n", got);
  sigset_t now;
  sigprocmask(SIG_SETMASK, NULL, &now);
  printf("blocked again %d\n", sigismember(&now, SIGUSR1));
  got = 0;
  ts = (struct timespec){0, 1000000};
  SHOW(ppoll(f, 1, &ts, &block));
  close(p[0]);
  close(p[1]);
  close(s[0]);
}

static void selects(void) {
  int p[2];
  if (pipe(p)) return;
  fd_set r, w, e;
  FD_ZERO(&r);
  FD_ZERO(&w);
  FD_ZERO(&e);
  FD_SET(p[0], &r);
  FD_SET(p[1], &w);
  FD_SET(p[0], &e);
  SHOW(select(p[1] + 1, &r, &w, &e, NULL));
  printf("%d %d %d\n", FD_ISSET(p[0], &r) != 0, FD_ISSET(p[1], &w) != 0, FD_ISSET(p[0], &e) != 0);
  FD_ZERO(&r);
  FD_SET(p[0], &r);
  struct timeval tv = {0, 5000};
  SHOW(select(p[0] + 1, &r, NULL, NULL, &tv));
  printf("left %ld %ld, set %d\n", (long)tv.tv_sec, (long)tv.tv_usec, FD_ISSET(p[0], &r) != 0);
  FD_ZERO(&r);
  FD_SET(60, &r);
  SHOW(select(61, &r, NULL, NULL, NULL));
  SHOW(select(-1, NULL, NULL, NULL, NULL));
  tv = (struct timeval){0, 0};
  SHOW(select(0, NULL, NULL, NULL, &tv));
  if (write(p[1], "x", 1) != 1) return;
  FD_ZERO(&r);
  FD_SET(p[0], &r);
  struct timespec ts = {1, 0};
  SHOW(pselect(p[0] + 1, &r, NULL, NULL, &ts, NULL));
  close(p[0]);
  close(p[1]);
}

static void wait_print(int ep, int timeout) {
  struct epoll_event ev[8];
  int n = epoll_wait(ep, ev, 8, timeout);
  printf("epoll %d:", n);
  for (int i = 0; i < n; i++) printf(" %x/%u", ev[i].events, ev[i].data.u32);
  printf("\n");
}

static void epolls(void) {
  int ep, p[2], q[2];
  char c;
  SHOWOK(ep = epoll_create1(EPOLL_CLOEXEC));
  if (pipe(p) || pipe(q)) return;
  struct epoll_event ev = {EPOLLIN, {.u32 = 1}};
  SHOW(epoll_ctl(ep, EPOLL_CTL_ADD, p[0], &ev));
  SHOW(epoll_ctl(ep, EPOLL_CTL_ADD, p[0], &ev));
  SHOW(epoll_ctl(ep, EPOLL_CTL_MOD, q[0], &ev));
  SHOW(epoll_ctl(ep, EPOLL_CTL_DEL, q[0], &ev));
  SHOW(epoll_ctl(ep, EPOLL_CTL_ADD, ep, &ev));
  SHOW(epoll_ctl(ep, EPOLL_CTL_ADD, 999, &ev));
  SHOW(epoll_ctl(p[0], EPOLL_CTL_ADD, q[0], &ev));
  fs_put("plain", "x");
  int plain = open("plain", O_RDONLY);
  SHOW(epoll_ctl(ep, EPOLL_CTL_ADD, plain, &ev));
  wait_print(ep, 0);
  if (write(p[1], "ab", 2) != 2) return;
  wait_print(ep, -1);
  wait_print(ep, -1);
  ev = (struct epoll_event){EPOLLIN | EPOLLET, {.u32 = 2}};
  SHOW(epoll_ctl(ep, EPOLL_CTL_MOD, p[0], &ev));
  wait_print(ep, -1);
  wait_print(ep, 0);
  if (write(p[1], "c", 1) != 1) return;
  wait_print(ep, -1);
  ev = (struct epoll_event){EPOLLIN | EPOLLONESHOT, {.u32 = 3}};
  SHOW(epoll_ctl(ep, EPOLL_CTL_MOD, p[0], &ev));
  wait_print(ep, -1);
  wait_print(ep, 0);
  SHOW(epoll_ctl(ep, EPOLL_CTL_MOD, p[0], &ev));
  wait_print(ep, 0);
  ev = (struct epoll_event){EPOLLOUT, {.u32 = 4}};
  SHOW(epoll_ctl(ep, EPOLL_CTL_ADD, q[1], &ev));
  wait_print(ep, 0);
  close(q[0]);
  wait_print(ep, 0);
  close(q[1]);
  wait_print(ep, 0);
  SHOW(epoll_ctl(ep, EPOLL_CTL_DEL, p[0], NULL));

  // A duplicate keeps the interest alive.
  ev = (struct epoll_event){EPOLLIN, {.u32 = 5}};
  SHOW(epoll_ctl(ep, EPOLL_CTL_ADD, p[0], &ev));
  int copy = dup(p[0]);
  close(p[0]);
  wait_print(ep, 0);
  close(copy);
  wait_print(ep, 0);

  // Nesting.
  int outer = epoll_create1(0), e = eventfd(0, 0);
  ev = (struct epoll_event){EPOLLIN, {.u32 = 6}};
  SHOW(epoll_ctl(outer, EPOLL_CTL_ADD, ep, &ev));
  SHOW(epoll_ctl(ep, EPOLL_CTL_ADD, outer, &ev));
  ev.data.u32 = 7;
  SHOW(epoll_ctl(ep, EPOLL_CTL_ADD, e, &ev));
  wait_print(outer, 0);
  uint64_t one = 1;
  if (write(e, &one, 8) != 8) return;
  wait_print(outer, -1);
  wait_print(ep, -1);
  struct pollfd f = {outer, POLLIN, 0};
  SHOW(poll(&f, 1, 0));
  if (read(e, &one, 8) != 8) return;
  wait_print(outer, 0);
  SHOW(poll(&f, 1, 0));
  SHOW(epoll_wait(ep, &ev, 0, 0));
  SHOW(epoll_wait(e, &ev, 1, 0));
  SHOW(epoll_wait(ep, (struct epoll_event *)8, 1, 0));
  ev = (struct epoll_event){EPOLLIN | EPOLLEXCLUSIVE, {.u32 = 8}};
  SHOW(epoll_ctl(ep, EPOLL_CTL_MOD, e, &ev));
  (void)c;

  // Many at once, fairly.
  int many = epoll_create1(0);
  for (int i = 0; i < 5; i++) {
    int m = eventfd(1, 0);
    ev = (struct epoll_event){EPOLLIN, {.u32 = 100 + i}};
    epoll_ctl(many, EPOLL_CTL_ADD, m, &ev);
  }
  struct epoll_event two[2];
  for (int i = 0; i < 3; i++) {
    int n = epoll_wait(many, two, 2, 0);
    printf("%d: %u %u\n", n, two[0].data.u32, two[1].data.u32);
  }
}

int main(void) {
  fs_enter();
  polls();
  selects();
  epolls();
  fs_leave();
}
