// Unix sockets: streams, datagrams, packets, names, rights, credentials (unix(7)).
#include "fs_check.h"
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>

static char buf[70000];

static int events(int fd, short want) {
  struct pollfd p = {fd, want, 0};
  poll(&p, 1, 0);
  return p.revents;
}

static socklen_t name(struct sockaddr_un *a, const char *path) {
  memset(a, 0, sizeof *a);
  a->sun_family = AF_UNIX;
  if (path[0] == '@') {
    memcpy(a->sun_path + 1, path + 1, strlen(path) - 1);
    return offsetof(struct sockaddr_un, sun_path) + strlen(path);
  }
  strcpy(a->sun_path, path);
  return offsetof(struct sockaddr_un, sun_path) + strlen(path) + 1;
}

static long bind_to(int fd, const char *path) {
  struct sockaddr_un a;
  socklen_t n = name(&a, path);
  return bind(fd, (struct sockaddr *)&a, n);
}

static long connect_to(int fd, const char *path) {
  struct sockaddr_un a;
  socklen_t n = name(&a, path);
  return connect(fd, (struct sockaddr *)&a, n);
}

static void show_name(const char *what, int fd, int peer) {
  struct sockaddr_un a;
  memset(&a, 0x55, sizeof a);
  socklen_t n = sizeof a;
  int r = peer ? getpeername(fd, (void *)&a, &n) : getsockname(fd, (void *)&a, &n);
  if (r < 0) {
    printf("%s: %s\n", what, fs_error());
    return;
  }
  printf("%s: family %d length %u", what, a.sun_family, n);
  if (n > 2) printf(" %s%s", a.sun_path[0] ? "" : "@", a.sun_path[0] ? a.sun_path : a.sun_path + 1);
  printf("\n");
}

static long option(int fd, int opt) {
  int v = -1;
  socklen_t n = sizeof v;
  return getsockopt(fd, SOL_SOCKET, opt, &v, &n) < 0 ? -1 : v;
}

static void pairs(void) {
  int s[2], n;
  signal(SIGPIPE, SIG_IGN);
  SHOW(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, s));
  SHOW(events(s[0], POLLIN | POLLOUT));
  SHOW(recv(s[0], buf, 10, 0));
  SHOW(send(s[0], "hello world", 11, 0));
  SHOW(ioctl(s[1], FIONREAD, &n));
  printf("unread %d\n", n);
  SHOW(recv(s[1], buf, 5, MSG_PEEK));
  SHOW(recv(s[1], buf, 6, 0));
  SHOW(read(s[1], buf, 100));
  SHOW(write(s[0], "left", 4));
  SHOW(shutdown(s[0], SHUT_WR));
  SHOW(write(s[0], "x", 1));
  SHOW(events(s[1], POLLIN | POLLRDHUP));
  SHOW(recv(s[1], buf, 100, MSG_WAITALL));
  SHOW(recv(s[1], buf, 100, 0));
  SHOW(write(s[1], "back", 4));
  SHOW(read(s[0], buf, 100));
  SHOW(shutdown(s[0], 9));
  close(s[1]);
  SHOW(events(s[0], POLLIN | POLLOUT));
  SHOW(read(s[0], buf, 1));
  close(s[0]);

  SHOW(socketpair(AF_UNIX, SOCK_STREAM, 0, s));
  SHOW(write(s[0], "unread", 6));
  close(s[1]);
  SHOW(option(s[0], SO_ERROR));
  SHOW(write(s[0], "x", 1));
  SHOW(read(s[0], buf, 1));
  close(s[0]);

  SHOW(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, s));
  SHOW(send(s[0], "first", 5, 0));
  SHOW(send(s[0], "second", 6, 0));
  SHOW(recv(s[1], buf, 3, 0));
  SHOW(recv(s[1], buf, 3, MSG_TRUNC));
  SHOW(recv(s[1], buf, 3, 0));
  close(s[0]);
  SHOW(recv(s[1], buf, 3, 0));
  close(s[1]);

  SHOW(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, s));
  SHOW(send(s[0], "", 0, 0));
  SHOW(send(s[0], "gram", 4, 0));
  SHOW(recv(s[1], buf, 10, 0));
  SHOW(recv(s[1], buf, 10, 0));
  SHOW(recv(s[1], buf, 10, 0));
  static char huge[400000];
  SHOW(send(s[0], huge, sizeof huge, 0));
  close(s[1]);
  SHOW(send(s[0], "x", 1, 0));
  SHOW(send(s[0], "x", 1, 0));
  close(s[0]);
  SHOW(socketpair(AF_UNIX, 77, 0, s));
  SHOW(socket(AF_UNIX, SOCK_STREAM, 5));
  SHOW(socket(99, SOCK_STREAM, 0));
}

static void streams(void) {
  int l, c, a;
  SHOWOK(l = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0));
  show_name("unbound", l, 0);
  SHOW(listen(l, 5));
  SHOW(bind_to(l, "sock"));
  SHOW(bind_to(l, "other"));
  show_name("bound", l, 0);
  fs_stat("sock");
  int twice = socket(AF_UNIX, SOCK_STREAM, 0);
  SHOW(bind_to(twice, "sock"));
  SHOW(bind_to(twice, "missing/sock"));
  SHOWOK(c = socket(AF_UNIX, SOCK_STREAM, 0));
  SHOW(connect_to(c, "sock"));
  SHOW(connect_to(c, "nothing"));
  SHOW(listen(l, 5));
  SHOW(accept(l, NULL, NULL));
  SHOW(events(l, POLLIN));
  SHOW(events(c, POLLIN | POLLOUT));
  SHOW(recv(c, buf, 1, MSG_DONTWAIT));
  SHOW(send(c, "x", 1, 0));
  SHOW(connect_to(c, "sock"));
  SHOW(connect_to(c, "sock"));
  SHOW(events(l, POLLIN));
  SHOW(option(l, SO_ACCEPTCONN));
  SHOW(send(c, "early", 5, 0));
  SHOWOK(a = accept4(l, NULL, NULL, SOCK_CLOEXEC));
  SHOW(fcntl(a, F_GETFD));
  SHOW(fcntl(a, F_GETFL));
  SHOW(recv(a, buf, 10, 0));
  show_name("client", c, 0);
  show_name("client's peer", c, 1);
  show_name("server end", a, 0);
  show_name("server end's peer", a, 1);
  show_name("listener's peer", l, 1);
  struct ucred cred;
  socklen_t n = sizeof cred;
  SHOW(getsockopt(c, SOL_SOCKET, SO_PEERCRED, &cred, &n));
  printf("peer is me %d %u\n", cred.pid == getpid(), cred.uid);
  int wrong = socket(AF_UNIX, SOCK_DGRAM, 0);
  SHOW(connect_to(wrong, "sock"));
  SHOW(open("sock", O_RDWR));
  unlink("sock");
  int late = socket(AF_UNIX, SOCK_STREAM, 0);
  SHOW(connect_to(late, "sock"));
  close(l);
  SHOW(send(c, "still", 5, 0));
  SHOW(recv(a, buf, 10, 0));

  // Abstract names, and automatic ones.
  int x = socket(AF_UNIX, SOCK_STREAM, 0), y = socket(AF_UNIX, SOCK_STREAM, 0);
  SHOW(bind_to(x, "@runsc-test"));
  SHOW(bind_to(y, "@runsc-test"));
  show_name("abstract", x, 0);
  SHOW(listen(x, 0));
  SHOW(connect_to(y, "@runsc-test"));
  int z = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
  SHOW(connect_to(z, "@runsc-test"));
  int z2 = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
  SHOW(connect_to(z2, "@runsc-test"));
  close(x);
  SHOW(read(y, buf, 1));
  SHOW(connect_to(z2, "@runsc-test"));
  int q = socket(AF_UNIX, SOCK_DGRAM, 0);
  struct sockaddr_un only = {.sun_family = AF_UNIX};
  SHOW(bind(q, (struct sockaddr *)&only, 2));
  n = sizeof only;
  SHOW(getsockname(q, (struct sockaddr *)&only, &n));
  printf("automatic length %u\n", n);
}

static void datagrams(void) {
  int a = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0), b = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);
  struct sockaddr_un to, from;
  SHOW(bind_to(a, "a"));
  socklen_t n = name(&to, "a");
  SHOW(send(b, "x", 1, 0));
  SHOW(sendto(b, "one", 3, 0, (void *)&to, n));
  n = sizeof from;
  SHOW(recvfrom(a, buf, 10, 0, (void *)&from, &n));
  printf("from length %u\n", n);
  SHOW(bind_to(b, "b"));
  SHOW(connect_to(b, "a"));
  SHOW(send(b, "two", 3, 0));
  n = sizeof from;
  SHOW(recvfrom(a, buf, 10, 0, (void *)&from, &n));
  printf("from %s\n", from.sun_path);
  // Both ways only if the other's peer is oneself, or nobody.
  SHOW(connect_to(a, "b"));
  int c = socket(AF_UNIX, SOCK_DGRAM, 0);
  n = name(&to, "a");
  SHOW(sendto(c, "x", 1, 0, (void *)&to, n));
  int sent = 0;
  int d = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0), e = socket(AF_UNIX, SOCK_DGRAM, 0);
  SHOW(bind_to(e, "e"));
  SHOW(connect_to(d, "e"));
  while (send(d, "x", 1, 0) == 1) sent++;
  printf("queued %d, then %s\n", sent, fs_error());
  SHOW(events(d, POLLOUT));
  SHOW(recv(e, buf, 1, 0));
  SHOW(events(d, POLLOUT));
  close(e);
  SHOW(send(d, "x", 1, 0));
  unlink("a");
  SHOW(sendto(c, "x", 1, 0, (void *)&to, n));
}

static long send_fds(int s, const int *fds, int count, const char *text) {
  char control[CMSG_SPACE(sizeof(int) * 10)] = {0};
  struct iovec iov = {(char *)text, strlen(text)};
  struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control,
                     .msg_controllen = CMSG_SPACE(sizeof(int) * count)};
  struct cmsghdr *c = CMSG_FIRSTHDR(&m);
  c->cmsg_level = SOL_SOCKET;
  c->cmsg_type = SCM_RIGHTS;
  c->cmsg_len = CMSG_LEN(sizeof(int) * count);
  memcpy(CMSG_DATA(c), fds, sizeof(int) * count);
  return sendmsg(s, &m, 0);
}

/* Receives and prints; returns the first descriptor received, or -1. */
static int receive(int s, int space, int flags, int length) {
  char control[256];
  struct iovec iov = {buf, length};
  struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control,
                     .msg_controllen = space};
  long n = recvmsg(s, &m, flags);
  if (n < 0) {
    printf("recvmsg: %s\n", fs_error());
    return -1;
  }
  printf("recvmsg: %ld \"%.*s\" flags %x control %zu", n, (int)n, buf, m.msg_flags, m.msg_controllen);
  int first = -1;
  for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c)) {
    if (c->cmsg_type == SCM_RIGHTS) {
      int count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
      printf(" rights %d", count);
      memcpy(&first, CMSG_DATA(c), sizeof first);
      printf(" cloexec %d", fcntl(first, F_GETFD));
    } else if (c->cmsg_type == SCM_CREDENTIALS) {
      struct ucred u;
      memcpy(&u, CMSG_DATA(c), sizeof u);
      printf(" credentials %d %u %u", u.pid == getpid(), u.uid, u.gid);
    }
  }
  printf("\n");
  fflush(stdout);
  return first;
}

static void rights(void) {
  int s[2], p[2], fd;
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, s) || pipe(p)) return;
  SHOW(send_fds(s[0], p, 2, "two"));
  fd = receive(s[1], 256, 0, 100);
  SHOW(write(p[1], "through", 7));
  SHOW(read(fd, buf, 100));
  close(fd);
  close(fd + 1);
  SHOW(send_fds(s[0], p, 2, "cut"));
  fd = receive(s[1], CMSG_LEN(sizeof(int)), MSG_CMSG_CLOEXEC, 100);
  close(fd);
  SHOW(send_fds(s[0], p, 1, "none"));
  receive(s[1], 0, 0, 100);
  // What stands before rights joins them, what stands behind does not.
  SHOW(write(s[0], "before ", 7));
  SHOW(send_fds(s[0], p, 1, "with"));
  SHOW(write(s[0], " after", 6));
  close(receive(s[1], 256, 0, 100));
  receive(s[1], 256, 0, 100);
  SHOW(send_fds(s[0], p, 1, "peeked"));
  close(receive(s[1], 256, MSG_PEEK, 100));
  close(receive(s[1], 256, 0, 3));
  receive(s[1], 256, 0, 100);
  int bad = 999;
  SHOW(send_fds(s[0], &bad, 1, "bad"));
  // A socket that carries itself.
  SHOW(send_fds(s[0], &s[1], 1, "self"));
  fd = receive(s[1], 256, 0, 100);
  SHOW(write(s[0], "via copy", 8));
  SHOW(read(fd, buf, 100));
  close(fd);
  int on = 1;
  SHOW(setsockopt(s[1], SOL_SOCKET, SO_PASSCRED, &on, sizeof on));
  SHOW(write(s[0], "cred", 4));
  receive(s[1], 256, 0, 100);
  SHOW(send_fds(s[0], p, 1, "both"));
  close(receive(s[1], 256, 0, 100));
  receive(s[1], 256, 0, 100);
  close(s[0]);
  receive(s[1], 256, 0, 100);
}

static void options(void) {
  int s = socket(AF_UNIX, SOCK_STREAM, 0), v = 4000;
  SHOW(option(s, SO_TYPE));
  SHOW(option(s, SO_DOMAIN));
  SHOW(option(s, SO_PROTOCOL));
  SHOW(option(s, SO_SNDBUF));
  SHOW(setsockopt(s, SOL_SOCKET, SO_SNDBUF, &v, sizeof v));
  SHOW(option(s, SO_SNDBUF));
  v = 1;
  SHOW(setsockopt(s, SOL_SOCKET, SO_SNDBUF, &v, sizeof v));
  SHOW(option(s, SO_SNDBUF));
  SHOW(option(s, SO_RCVBUF));
  SHOW(option(s, SO_ERROR));
  SHOW(option(s, SO_KEEPALIVE));
  SHOW(setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &v, sizeof v));
  SHOW(option(s, SO_REUSEADDR));
  SHOW(option(s, 12345));
  SHOW(setsockopt(s, SOL_SOCKET, SO_TYPE, &v, sizeof v));
  SHOW(setsockopt(s, SOL_SOCKET, SO_KEEPALIVE, &v, 1));
  SHOW(getsockopt(0, SOL_SOCKET, SO_TYPE, &v, &(socklen_t){4}));
  struct timeval tv = {0, 20000};
  int p[2];
  if (socketpair(AF_UNIX, SOCK_STREAM, 0, p)) return;
  SHOW(setsockopt(p[0], SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv));
  SHOW(read(p[0], buf, 1));
  struct mmsghdr mm[3];
  struct iovec iov[3] = {{"ab", 2}, {"cde", 3}, {"f", 1}};
  memset(mm, 0, sizeof mm);
  for (int i = 0; i < 3; i++) {
    mm[i].msg_hdr.msg_iov = &iov[i];
    mm[i].msg_hdr.msg_iovlen = 1;
  }
  int d[2];
  if (socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, d)) return;
  SHOW(sendmmsg(d[0], mm, 3, 0));
  printf("lengths %u %u %u\n", mm[0].msg_len, mm[1].msg_len, mm[2].msg_len);
  struct iovec in[4] = {{buf, 10}, {buf + 10, 2}, {buf + 20, 10}, {buf + 30, 10}};
  struct mmsghdr rm[4];
  memset(rm, 0, sizeof rm);
  for (int i = 0; i < 4; i++) {
    rm[i].msg_hdr.msg_iov = &in[i];
    rm[i].msg_hdr.msg_iovlen = 1;
  }
  SHOW(recvmmsg(d[1], rm, 4, 0, NULL));
  printf("lengths %u %u %u, cut %x\n", rm[0].msg_len, rm[1].msg_len, rm[2].msg_len, rm[1].msg_hdr.msg_flags);
}

int main(void) {
  fs_enter();
  pairs();
  streams();
  datagrams();
  rights();
  options();
  fs_leave();
}
