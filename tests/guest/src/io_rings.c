/* io_uring by bare system calls, and Linux AIO. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <linux/io_uring.h>
#include <linux/stat.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static const char *name(long r) { return r < 0 ? strerrorname_np(-r) : "ok"; }
static void say(const char *what, long r) {
  if (r < 0) printf("%s: %s\n", what, strerrorname_np(errno));
  else printf("%s: %ld\n", what, r);
  fflush(stdout);
}
#define SAY(x) say(#x, (long)(x))

struct ring {
  int fd;
  struct io_uring_params p;
  unsigned *sq_head, *sq_tail, *sq_mask, *sq_array, *sq_flags, *cq_head, *cq_tail, *cq_mask;
  struct io_uring_sqe *sqes;
  struct io_uring_cqe *cqes;
} R;

static void setup(struct ring *r, unsigned entries, unsigned flags) {
  memset(r, 0, sizeof *r);
  r->p.flags = flags;
  r->fd = syscall(SYS_io_uring_setup, entries, &r->p);
  if (r->fd < 0) { printf("setup: %s\n", strerrorname_np(errno)); exit(1); }
  size_t sq = r->p.sq_off.array + r->p.sq_entries * 4, cq = r->p.cq_off.cqes + r->p.cq_entries * 16;
  char *ring = mmap(NULL, sq > cq ? sq : cq, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, r->fd, IORING_OFF_SQ_RING);
  char *other = mmap(NULL, cq, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, r->fd, IORING_OFF_CQ_RING);
  r->sqes = mmap(NULL, r->p.sq_entries * 64, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, r->fd, IORING_OFF_SQES);
  if (ring == MAP_FAILED || other == MAP_FAILED || r->sqes == MAP_FAILED) { puts("mmap failed"); exit(1); }
  r->sq_head = (void *)(ring + r->p.sq_off.head);
  r->sq_tail = (void *)(ring + r->p.sq_off.tail);
  r->sq_mask = (void *)(ring + r->p.sq_off.ring_mask);
  r->sq_flags = (void *)(ring + r->p.sq_off.flags);
  r->sq_array = (void *)(ring + r->p.sq_off.array);
  r->cq_head = (void *)(other + r->p.cq_off.head);
  r->cq_tail = (void *)(other + r->p.cq_off.tail);
  r->cq_mask = (void *)(other + r->p.cq_off.ring_mask);
  r->cqes = (void *)(other + r->p.cq_off.cqes);
}

static struct io_uring_sqe *sqe(int op, int fd, const void *addr, unsigned len, unsigned long off, unsigned long user) {
  unsigned tail = *R.sq_tail, i = tail & *R.sq_mask;
  struct io_uring_sqe *s = &R.sqes[i];
  memset(s, 0, sizeof *s);
  s->opcode = op; s->fd = fd; s->addr = (long)addr; s->len = len; s->off = off; s->user_data = user;
  R.sq_array[i] = i;
  __atomic_store_n(R.sq_tail, tail + 1, __ATOMIC_RELEASE);
  return s;
}
static long enter(unsigned submit, unsigned wait) {
  return syscall(SYS_io_uring_enter, R.fd, submit, wait, wait ? IORING_ENTER_GETEVENTS : 0, NULL, 0);
}
static int compare(const void *a, const void *b) {
  const struct io_uring_cqe *x = a, *y = b;
  return x->user_data < y->user_data ? -1 : x->user_data > y->user_data;
}
/* Takes what is there, at least so many, and shows them in the order of their names: the kernel may do them in any. */
static int reap_some(int least) {
  struct io_uring_cqe list[64];
  int n = 0;
  for (;;) {
    unsigned head = *R.cq_head;
    while (head != __atomic_load_n(R.cq_tail, __ATOMIC_ACQUIRE) && n < 64) list[n++] = R.cqes[head++ & *R.cq_mask];
    __atomic_store_n(R.cq_head, head, __ATOMIC_RELEASE);
    if (n >= least) break;
    enter(0, 1);
  }
  qsort(list, n, sizeof *list, compare);
  for (int i = 0; i < n; i++)
    printf("  %llu: %d %s%s\n", list[i].user_data, list[i].res < 0 ? 0 : list[i].res, name(list[i].res), list[i].flags & IORING_CQE_F_MORE ? " more" : "");
  fflush(stdout);
  return n == 0 ? 0 : list[n - 1].res;
}
static void reap(void) { reap_some(0); }
static int last;
static void run(const char *what, unsigned n, unsigned wait) {
  printf("%s: submitted %ld\n", what, enter(n, 0));
  last = reap_some(wait);
}

static void files(void) {
  char a[16] = "hello, ", b[16] = "ring\n", c[64] = "";
  struct iovec v[2] = {{a, 7}, {b, 5}}, rv = {c, sizeof c};
  int fd = open("file", O_RDWR | O_CREAT | O_TRUNC, 0600);
  sqe(IORING_OP_NOP, -1, NULL, 0, 0, 1);
  sqe(IORING_OP_WRITEV, fd, v, 2, 0, 2);
  run("write", 2, 2);
  sqe(IORING_OP_FSYNC, fd, NULL, 0, 0, 3);
  sqe(IORING_OP_READV, fd, &rv, 1, 7, 4);
  run("read", 2, 2);
  printf("%s", c);
  sqe(IORING_OP_READ, fd, c, 5, 0, 5);
  sqe(IORING_OP_READ, 999, c, 5, 0, 6);
  sqe(IORING_OP_READ, fd, (void *)8, 5, 0, 7);
  sqe(IORING_OP_WRITE, fd, "HELLO", 5, 0, 8);
  run("plain", 4, 4);
  sqe(IORING_OP_READ, fd, c, 3, -1, 9);
  run("at position", 1, 1);
  sqe(IORING_OP_READ, fd, c, 3, -1, 9);
  run("at position", 1, 1);
  printf("%.3s %ld\n", c, (long)lseek(fd, 0, SEEK_CUR));
  struct statx st;
  sqe(IORING_OP_STATX, AT_FDCWD, "file", STATX_SIZE, (long)&st, 10);
  run("statx", 1, 1);
  sqe(IORING_OP_OPENAT, AT_FDCWD, "missing", 0, 0, 12)->open_flags = O_RDONLY;
  run("open", 1, 1);
  sqe(IORING_OP_OPENAT, AT_FDCWD, "file", 0, 0, 11)->open_flags = O_RDONLY;
  run("open", 1, 1);
  printf("size %llu\n", st.stx_size);
  int opened = 0;
  for (int i = 3; i < 30; i++) if (fcntl(i, F_GETFD) >= 0) opened = i;
  sqe(IORING_OP_CLOSE, opened, NULL, 0, 0, 13);
  sqe(IORING_OP_CLOSE, opened, NULL, 0, 0, 14);
  sqe(IORING_OP_CLOSE, R.fd, NULL, 0, 0, 15);
  run("close", 3, 3);
  sqe(IORING_OP_MKDIRAT, AT_FDCWD, "dir", 0700, 0, 16)->flags = IOSQE_IO_LINK;
  sqe(IORING_OP_RENAMEAT, AT_FDCWD, "dir", AT_FDCWD, (long)"moved", 17)->flags = IOSQE_IO_LINK;
  sqe(IORING_OP_UNLINKAT, AT_FDCWD, "moved", 0, 0, 18)->unlink_flags = AT_REMOVEDIR;
  run("directories", 3, 3);
  sqe(200, -1, NULL, 0, 0, 19);
  sqe(IORING_OP_NOP, -1, NULL, 0, 0, 20)->flags = 0x80;
  sqe(IORING_OP_FALLOCATE, fd, (void *)100L, 0, 0, 21);
  run("invalid", 3, 1);
  run("rest", 2, 1);
  run("rest", 1, 1);
  close(fd);
}

static void chains(void) {
  int fd = open("file", O_RDWR);
  char c[16];
  sqe(IORING_OP_WRITE, fd, "abc", 3, 0, 1)->flags = IOSQE_IO_LINK;
  sqe(IORING_OP_READ, fd, c, 3, 0, 2)->flags = IOSQE_IO_LINK;
  sqe(IORING_OP_NOP, -1, NULL, 0, 0, 3);
  sqe(IORING_OP_NOP, -1, NULL, 0, 0, 4);
  run("chain", 4, 4);
  sqe(IORING_OP_READ, 999, c, 3, 0, 1)->flags = IOSQE_IO_LINK;
  sqe(IORING_OP_NOP, -1, NULL, 0, 0, 2)->flags = IOSQE_IO_LINK;
  sqe(IORING_OP_NOP, -1, NULL, 0, 0, 3);
  sqe(IORING_OP_NOP, -1, NULL, 0, 0, 4);
  run("broken", 4, 4);
  sqe(IORING_OP_READ, fd, c, 16, 1000000, 1)->flags = IOSQE_IO_LINK;
  sqe(IORING_OP_NOP, -1, NULL, 0, 0, 2);
  run("short", 2, 2);
  sqe(IORING_OP_READ, 999, c, 3, 0, 1)->flags = IOSQE_IO_HARDLINK;
  sqe(IORING_OP_NOP, -1, NULL, 0, 0, 2);
  run("hard", 2, 2);
  int p[2];
  pipe(p);
  sqe(IORING_OP_READ, p[0], c, 1, 0, 1);
  sqe(IORING_OP_NOP, -1, NULL, 0, 0, 2)->flags = IOSQE_IO_DRAIN;
  run("drain", 2, 0);
  write(p[1], "x", 1);
  run("drained", 0, 2);
  sqe(IORING_OP_NOP, -1, NULL, 0, 0, 1)->flags = IOSQE_CQE_SKIP_SUCCESS;
  sqe(IORING_OP_NOP, -1, NULL, 0, 0, 2);
  run("quiet", 2, 1);
  close(p[0]); close(p[1]); close(fd);
}

static void waits(void) {
  int p[2];
  char c[16] = "";
  pipe(p);
  sqe(IORING_OP_READ, p[0], c, 8, 0, 1);
  sqe(IORING_OP_POLL_ADD, p[0], NULL, 0, 0, 2)->poll32_events = POLLIN;
  enter(2, 0);
  printf("nothing yet %d\n", *R.cq_head == *R.cq_tail);
  write(p[1], "pipe", 4);
  usleep(10000);
  write(p[1], "more", 4);
  /* Whoever comes first: the poll may see the pipe before the read empties it, or the second write. */
  while (*R.cq_tail - *R.cq_head < 2) enter(0, 2);
  printf("%.4s\n", c);
  *R.cq_head = *R.cq_tail;
  fcntl(p[0], F_SETFL, O_NONBLOCK);
  read(p[0], c, 8);
  fcntl(p[0], F_SETFL, 0);
  sqe(IORING_OP_READ, p[0], c, 8, 0, 3);
  enter(1, 0);
  sqe(IORING_OP_ASYNC_CANCEL, -1, (void *)3L, 0, 0, 4);
  printf("cancel: submitted %ld\n", enter(1, 2));
  int a = R.cqes[*R.cq_head & *R.cq_mask].res + R.cqes[(*R.cq_head + 1) & *R.cq_mask].res;
  printf("%d\n", a == -ECANCELED || a == -EINTR);
  *R.cq_head = *R.cq_tail;
  sqe(IORING_OP_ASYNC_CANCEL, -1, (void *)3L, 0, 0, 5);
  run("cancel again", 1, 1);
  sqe(IORING_OP_POLL_ADD, p[0], NULL, 0, 0, 6)->poll32_events = POLLIN;
  enter(1, 0);
  sqe(IORING_OP_POLL_REMOVE, -1, (void *)77L, 0, 0, 8);
  run("remove nothing", 1, 1);
  sqe(IORING_OP_POLL_REMOVE, -1, (void *)6L, 0, 0, 7);
  printf("remove: submitted %ld\n", enter(1, 2));
  a = R.cqes[*R.cq_head & *R.cq_mask].res + R.cqes[(*R.cq_head + 1) & *R.cq_mask].res;
  printf("%s\n", name(a));
  *R.cq_head = *R.cq_tail;
  struct __kernel_timespec soon = {0, 10000000}, bad = {0, -1}, late = {100, 0};
  sqe(IORING_OP_TIMEOUT, -1, &soon, 1, 0, 9);
  run("timeout", 1, 1);
  sqe(IORING_OP_TIMEOUT, -1, &bad, 1, 0, 10);
  run("bad", 1, 1);
  sqe(IORING_OP_TIMEOUT, -1, &late, 1, 2, 11);
  sqe(IORING_OP_NOP, -1, NULL, 0, 0, 12);
  sqe(IORING_OP_NOP, -1, NULL, 0, 0, 13);
  run("counted", 3, 3);
  sqe(IORING_OP_TIMEOUT, -1, &late, 1, 0, 14);
  enter(1, 0);
  sqe(IORING_OP_TIMEOUT_REMOVE, -1, (void *)14L, 0, 0, 15);
  printf("removed: submitted %ld\n", enter(1, 2));
  a = R.cqes[*R.cq_head & *R.cq_mask].res + R.cqes[(*R.cq_head + 1) & *R.cq_mask].res;
  printf("%s\n", name(a));
  *R.cq_head = *R.cq_tail;
  sqe(IORING_OP_READ, p[0], c, 8, 0, 16)->flags = IOSQE_IO_LINK;
  sqe(IORING_OP_LINK_TIMEOUT, -1, &soon, 1, 0, 17);
  printf("limited: submitted %ld\n", enter(2, 2));
  a = R.cqes[*R.cq_head & *R.cq_mask].res + R.cqes[(*R.cq_head + 1) & *R.cq_mask].res;
  printf("%d\n", a == -ECANCELED - ETIME || a == -EINTR - ETIME || a == -ECANCELED - EALREADY);
  *R.cq_head = *R.cq_tail;
  sqe(IORING_OP_NOP, -1, NULL, 0, 0, 18)->flags = IOSQE_IO_LINK;
  sqe(IORING_OP_LINK_TIMEOUT, -1, &late, 1, 0, 19);
  run("not limited", 2, 2);
  struct io_uring_getevents_arg arg = {.ts = (long)&soon};
  long r = syscall(SYS_io_uring_enter, R.fd, 0, 1, IORING_ENTER_GETEVENTS | IORING_ENTER_EXT_ARG, &arg, sizeof arg);
  printf("wait: %s\n", r < 0 ? strerrorname_np(errno) : "ok");
  close(p[0]); close(p[1]);
}

static void sockets(void) {
  struct sockaddr_un addr = {AF_UNIX, "socket"};
  unlink("socket");
  int l = socket(AF_UNIX, SOCK_STREAM, 0), c = socket(AF_UNIX, SOCK_STREAM, 0);
  bind(l, (void *)&addr, sizeof addr);
  listen(l, 5);
  sqe(IORING_OP_ACCEPT, l, NULL, 0, 0, 1);
  run("accept", 1, 0);
  sqe(IORING_OP_CONNECT, c, &addr, 0, sizeof addr, 2);
  printf("connect: submitted %ld\n", enter(1, 2));
  int s = -1;
  while (*R.cq_head != *R.cq_tail) {
    struct io_uring_cqe *q = &R.cqes[(*R.cq_head)++ & *R.cq_mask];
    if (q->user_data == 1) s = q->res;
    else printf("  %llu %s\n", q->user_data, name(q->res));
  }
  printf("accepted %d\n", s > 0);
  char buf[16] = "";
  sqe(IORING_OP_RECV, s, buf, sizeof buf, 0, 3);
  enter(1, 0);
  sqe(IORING_OP_SEND, c, "sent", 4, 0, 4);
  printf("send: submitted %ld\n", enter(1, 2));
  printf("%s %d\n", buf, R.cqes[*R.cq_head & *R.cq_mask].res + R.cqes[(*R.cq_head + 1) & *R.cq_mask].res);
  *R.cq_head = *R.cq_tail;
  struct iovec v = {"message", 7}, in = {buf, sizeof buf};
  struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1}, mi = {.msg_iov = &in, .msg_iovlen = 1};
  sqe(IORING_OP_SENDMSG, s, &m, 1, 0, 5);
  run("sendmsg", 1, 1);
  sqe(IORING_OP_RECVMSG, c, &mi, 1, 0, 6);
  run("recvmsg", 1, 1);
  printf("%s\n", buf);
  sqe(IORING_OP_SHUTDOWN, s, NULL, SHUT_WR, 0, 7);
  sqe(IORING_OP_RECV, c, buf, sizeof buf, 0, 8);
  run("shutdown", 2, 2);
  close(c);
  sqe(IORING_OP_SEND, s, "gone", 4, 0, 9);
  run("broken pipe", 1, 1);
  close(s); close(l);
}

static void registered(void) {
  int fd = open("file", O_RDWR), p[2];
  char *page = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  struct iovec v = {page, 8192};
  SAY(syscall(SYS_io_uring_register, R.fd, IORING_REGISTER_BUFFERS, &v, 1));
  SAY(syscall(SYS_io_uring_register, R.fd, IORING_REGISTER_BUFFERS, &v, 1));
  strcpy(page, "fixed");
  // Requests without a link may run in any order.
  sqe(IORING_OP_WRITE_FIXED, fd, page, 5, 0, 1)->flags = IOSQE_IO_LINK;
  sqe(IORING_OP_READ_FIXED, fd, page + 4096, 5, 0, 2);
  sqe(IORING_OP_READ_FIXED, fd, page + 8190, 5, 0, 3);
  sqe(IORING_OP_READ_FIXED, fd, page, 5, 0, 4)->buf_index = 1;
  run("fixed", 4, 4);
  printf("%s\n", page + 4096);
  SAY(syscall(SYS_io_uring_register, R.fd, IORING_UNREGISTER_BUFFERS, NULL, 0));
  SAY(syscall(SYS_io_uring_register, R.fd, IORING_UNREGISTER_BUFFERS, NULL, 0));
  int fds[3] = {fd, -1, -1};
  SAY(syscall(SYS_io_uring_register, R.fd, IORING_REGISTER_FILES, fds, 3));
  close(fd);
  sqe(IORING_OP_READ, 0, page, 5, 0, 5)->flags = IOSQE_FIXED_FILE;
  sqe(IORING_OP_READ, 1, page, 5, 0, 6)->flags = IOSQE_FIXED_FILE;
  sqe(IORING_OP_READ, 7, page, 5, 0, 7)->flags = IOSQE_FIXED_FILE;
  run("files", 3, 3);
  pipe(p);
  struct io_uring_files_update u = {.offset = 1, .fds = (long)p};
  SAY(syscall(SYS_io_uring_register, R.fd, IORING_REGISTER_FILES_UPDATE, &u, 2));
  sqe(IORING_OP_WRITE, 2, "up", 2, 0, 8)->flags = IOSQE_FIXED_FILE | IOSQE_IO_LINK;
  sqe(IORING_OP_READ, 1, page, 2, 0, 9)->flags = IOSQE_FIXED_FILE;
  run("updated", 2, 2);
  SAY(syscall(SYS_io_uring_register, R.fd, IORING_UNREGISTER_FILES, NULL, 0));
  int e = eventfd(0, EFD_NONBLOCK);
  SAY(syscall(SYS_io_uring_register, R.fd, IORING_REGISTER_EVENTFD, &e, 1));
  sqe(IORING_OP_NOP, -1, NULL, 0, 0, 10);
  run("event", 1, 1);
  unsigned long n = 0;
  SAY(read(e, &n, 8));
  printf("%lu\n", n);
  SAY(syscall(SYS_io_uring_register, R.fd, IORING_UNREGISTER_EVENTFD, NULL, 0));
  SAY(syscall(SYS_io_uring_register, 0, IORING_UNREGISTER_EVENTFD, NULL, 0));
  SAY(syscall(SYS_io_uring_register, R.fd, 999, NULL, 0));
  struct { struct io_uring_probe p; struct io_uring_probe_op ops[64]; } probe = {0};
  SAY(syscall(SYS_io_uring_register, R.fd, IORING_REGISTER_PROBE, &probe, 64));
  printf("nop %d readv %d\n", probe.ops[0].flags & 1, probe.ops[1].flags & 1);
  struct pollfd q = {R.fd, POLLIN, 0};
  SAY(poll(&q, 1, 0));
  sqe(IORING_OP_NOP, -1, NULL, 0, 0, 11);
  enter(1, 0);
  SAY(poll(&q, 1, 0));
  reap();
}

static void overflow(void) {
  struct ring saved = R;
  setup(&R, 2, 0);
  for (int round = 0; round < 3; round++) {
    sqe(IORING_OP_NOP, -1, NULL, 0, 0, round * 2);
    sqe(IORING_OP_NOP, -1, NULL, 0, 0, round * 2 + 1);
    printf("submitted %ld\n", enter(2, 0));
  }
  printf("flags %x\n", *R.sq_flags & 2);
  reap();
  enter(0, 1);
  printf("flags %x\n", *R.sq_flags & 2);
  reap();
  close(R.fd);
  R = saved;
}

static void bad(void) {
  struct io_uring_params p = {0};
  SAY(syscall(SYS_io_uring_setup, 0, &p));
  SAY(syscall(SYS_io_uring_setup, 100000, &p));
  SAY(syscall(SYS_io_uring_setup, 8, NULL));
  p.resv[0] = 1;
  SAY(syscall(SYS_io_uring_setup, 8, &p));
  memset(&p, 0, sizeof p);
  p.flags = 1u << 31;
  SAY(syscall(SYS_io_uring_setup, 8, &p));
  SAY(syscall(SYS_io_uring_enter, 0, 1, 0, 0, NULL, 0));
  SAY(syscall(SYS_io_uring_enter, 999, 1, 0, 0, NULL, 0));
  SAY(syscall(SYS_io_uring_enter, R.fd, 1, 0, 1 << 20, NULL, 0));
  SAY(syscall(SYS_io_uring_enter, R.fd, 0, 0, 0, NULL, 0));
}

static void aio(void) {
  aio_context_t ctx = 0, none = 0;
  struct io_event ev[4];
  SAY(syscall(SYS_io_setup, 0, &ctx));
  SAY(syscall(SYS_io_setup, 8, NULL));
  SAY(syscall(SYS_io_setup, 8, &ctx));
  SAY(syscall(SYS_io_setup, 8, &ctx));
  int fd = open("file", O_RDWR | O_TRUNC), e = eventfd(0, EFD_NONBLOCK);
  char buf[16] = "";
  struct iocb w = {.aio_data = 5, .aio_lio_opcode = IOCB_CMD_PWRITE, .aio_fildes = fd, .aio_buf = (long)"async", .aio_nbytes = 5,
                   .aio_flags = IOCB_FLAG_RESFD, .aio_resfd = e};
  struct iocb r = {.aio_data = 6, .aio_lio_opcode = IOCB_CMD_PREAD, .aio_fildes = fd, .aio_buf = (long)buf, .aio_nbytes = 16};
  struct iocb f = {.aio_data = 7, .aio_lio_opcode = IOCB_CMD_FDSYNC, .aio_fildes = fd};
  struct iocb b = {.aio_data = 8, .aio_lio_opcode = IOCB_CMD_PREAD, .aio_fildes = 999};
  struct iocb *list[] = {&w, &r, &b};
  SAY(syscall(SYS_io_submit, ctx, 1, list));
  SAY(syscall(SYS_io_getevents, ctx, 1, 4, ev, NULL));
  printf("%lld %lld %d\n", ev[0].data, ev[0].res, ev[0].obj == (unsigned long)&w);
  unsigned long n = 0;
  SAY(read(e, &n, 8));
  SAY(syscall(SYS_io_submit, ctx, 2, list + 1));
  SAY(syscall(SYS_io_submit, ctx, 1, list + 2));
  SAY(syscall(SYS_io_getevents, ctx, 1, 4, ev, NULL));
  printf("%lld %lld %s\n", ev[0].data, ev[0].res, buf);
  struct iocb *sync[] = {&f};
  SAY(syscall(SYS_io_submit, ctx, 1, sync));
  SAY(syscall(SYS_io_getevents, ctx, 1, 4, ev, NULL));
  printf("%lld %lld\n", ev[0].data, ev[0].res);
  struct timespec now = {0, 1000000};
  SAY(syscall(SYS_io_getevents, ctx, 1, 4, ev, &now));
  SAY(syscall(SYS_io_getevents, ctx, 0, 0, ev, NULL));
  SAY(syscall(SYS_io_getevents, ctx, 2, 1, ev, NULL));
  int p[2];
  pipe(p);
  struct iocb po = {.aio_data = 9, .aio_lio_opcode = IOCB_CMD_POLL, .aio_fildes = p[0], .aio_buf = POLLIN};
  struct iocb *polls[] = {&po};
  SAY(syscall(SYS_io_submit, ctx, 1, polls));
  SAY(syscall(SYS_io_cancel, ctx, &po, ev));
  SAY(syscall(SYS_io_getevents, ctx, 1, 4, ev, NULL));
  SAY(syscall(SYS_io_submit, ctx, 1, polls));
  write(p[1], "x", 1);
  SAY(syscall(SYS_io_pgetevents, ctx, 1, 4, ev, NULL, NULL));
  printf("%lld %llx\n", ev[0].data, ev[0].res & 1);
  r.aio_lio_opcode = 99;
  SAY(syscall(SYS_io_submit, ctx, 1, list + 1));
  r.aio_reserved2 = 1;
  SAY(syscall(SYS_io_submit, ctx, 1, list + 1));
  SAY(syscall(SYS_io_submit, none, 1, list));
  SAY(syscall(SYS_io_submit, ctx, 1, NULL));
  SAY(syscall(SYS_io_destroy, ctx));
  SAY(syscall(SYS_io_destroy, ctx));
}

int main(void) {
  signal(SIGPIPE, SIG_IGN);
  setup(&R, 8, 0);
  printf("%u %u\n", R.p.sq_entries, R.p.cq_entries);
  files();
  chains();
  waits();
  sockets();
  registered();
  overflow();
  bad();
  /* A child ends with a request under way; so does this process. */
  pid_t pid = fork();
  int p[2];
  char c;
  pipe(p);
  if (pid == 0) {
    setup(&R, 4, 0);
    sqe(IORING_OP_READ, p[0], &c, 1, 0, 1);
    enter(1, 0);
    _exit(0);
  }
  int status;
  waitpid(pid, &status, 0);
  printf("child %x\n", status);
  aio();
  sqe(IORING_OP_READ, p[0], &c, 1, 0, 1);
  SAY(enter(1, 0));
  return 0;
}
