// Modes, filters and actions of seccomp(2), and what it says to wrong programs.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#define LOAD(field) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))
#define RET(value) BPF_STMT(BPF_RET | BPF_K, value)
#define IF_NR(number, value) LOAD(nr), BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 1), RET(value)

static long set(struct sock_filter *filter, unsigned short length, int flags) {
  struct sock_fprog program = {length, filter};
  return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &program);
}
#define SET(filter) set(filter, sizeof(filter) / sizeof(filter[0]), 0)

static int held; // Two processes that print at once do it one after the other.
static void flush(void) {
  if (!held) fflush(stdout);
}

static void show(const char *what, long r) {
  printf("%s: %ld %s\n", what, r < 0 ? -1 : r, r < 0 ? strerrorname_np(errno) : "");
  flush();
}

static void status(const char *what) {
  char line[200];
  FILE *f = fopen("/proc/self/status", "r");
  while (fgets(line, sizeof line, f))
    if (!strncmp(line, "Seccomp", 7) || !strncmp(line, "NoNewPrivs", 10)) printf("%s %s", what, line);
  fclose(f);
  fflush(stdout);
}

static void child(const char *what, void (*run)(void)) {
  fflush(stdout);
  pid_t pid = fork();
  if (pid == 0) {
    run();
    fflush(stdout);
    _exit(7);
  }
  int st = 0;
  waitpid(pid, &st, 0);
  if (WIFSIGNALED(st)) printf("%s: signal %d\n", what, WTERMSIG(st));
  else printf("%s: exit %d\n", what, WEXITSTATUS(st));
}

static void strict(void) {
  show("strict", prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT));
  char text[] = "write works\n";
  write(1, text, sizeof text - 1);
  syscall(SYS_getpid);
}
static void strict_exit(void) {
  prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT);
  syscall(SYS_exit, 3);
}
static void grandchild(void) {
  show("getpid of the child", syscall(SYS_getpid));
  execlp("grep", "grep", "^Seccomp:", "/proc/self/status", NULL);
}
static void errnos(void) {
  struct sock_filter filter[] = {
      IF_NR(SYS_getpid, SECCOMP_RET_ERRNO | EXDEV), IF_NR(SYS_getuid, SECCOMP_RET_ERRNO | 0),
      IF_NR(SYS_mkdir, SECCOMP_RET_ERRNO | 0xffff), RET(SECCOMP_RET_ALLOW)};
  pid_t self = getpid();
  for (int i = 0; i < 20; i++) syscall(SYS_getpid);
  show("filter", SET(filter));
  for (int i = 0; i < 20; i++)
    if (syscall(SYS_getpid) != -1 || errno != EXDEV) puts("getpid was answered");
  show("getpid", syscall(SYS_getpid));
  show("getuid", syscall(SYS_getuid));
  show("gettid", syscall(SYS_gettid) == self ? 1 : 0);
  errno = 0;
  printf("mkdir %ld %d\n", syscall(SYS_mkdir, "x", 0777), errno);
  status("filtered");
  // Inherited, and kept by a program.
  child("grandchild", grandchild);
}
static void arguments(void) {
  struct sock_filter filter[] = {
      LOAD(nr), BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_fcntl, 0, 7),
      LOAD(args[1]), BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, F_GETFD, 0, 1), RET(SECCOMP_RET_ERRNO | ENOTNAM),
      LOAD(args[0]), BPF_STMT(BPF_ALU | BPF_AND | BPF_K, 0xff00), BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, 0, 0, 1),
      RET(SECCOMP_RET_ERRNO | EDOM), LOAD(arch), BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 1, 0),
      RET(SECCOMP_RET_KILL_PROCESS), RET(SECCOMP_RET_ALLOW)};
  show("filter", SET(filter));
  show("F_GETFD", syscall(SYS_fcntl, 0, F_GETFD));
  show("F_GETFL", syscall(SYS_fcntl, 0, F_GETFL) >= 0 ? 0 : -1);
  show("high fd", syscall(SYS_fcntl, 0x1200, F_GETFL));
}
static volatile sig_atomic_t trapped;
static void on_sys(int signo, siginfo_t *info, void *context) {
  (void)context;
  printf("SIGSYS %d code %d errno %d nr %d arch %x\n", signo, info->si_code, info->si_errno, info->si_syscall, info->si_arch);
  trapped++;
}
static void trap(void) {
  struct sigaction action = {.sa_sigaction = on_sys, .sa_flags = SA_SIGINFO};
  sigaction(SIGSYS, &action, NULL);
  struct sock_filter filter[] = {IF_NR(SYS_getppid, SECCOMP_RET_TRAP | 42), RET(SECCOMP_RET_ALLOW)};
  show("filter", SET(filter));
  long r = syscall(SYS_getppid);
  printf("after the trap %ld, handler ran %d\n", r, (int)trapped);
}
static void trap_default(void) {
  struct sock_filter filter[] = {IF_NR(SYS_getppid, SECCOMP_RET_TRAP), RET(SECCOMP_RET_ALLOW)};
  SET(filter);
  syscall(SYS_getppid);
}
static void kill_process(void) {
  signal(SIGSYS, SIG_IGN);
  struct sock_filter filter[] = {IF_NR(SYS_getppid, SECCOMP_RET_KILL_PROCESS), RET(SECCOMP_RET_ALLOW)};
  SET(filter);
  syscall(SYS_getppid);
}
static void *victim(void *arg) {
  (void)arg;
  syscall(SYS_getppid);
  return "survived";
}
static void kill_thread(void) {
  struct sock_filter filter[] = {IF_NR(SYS_getppid, SECCOMP_RET_KILL_THREAD), RET(SECCOMP_RET_ALLOW)};
  SET(filter);
  pthread_t thread;
  pthread_create(&thread, NULL, victim, NULL);
  void *result = "none";
  pthread_join(thread, &result);
  printf("thread ended, its result is %s\n", result == NULL ? "null" : (char *)result);
}
static void several(void) {
  struct sock_filter first[] = {IF_NR(SYS_getppid, SECCOMP_RET_ERRNO | 1), RET(SECCOMP_RET_ALLOW)};
  struct sock_filter second[] = {IF_NR(SYS_getppid, SECCOMP_RET_ERRNO | 2), RET(SECCOMP_RET_ALLOW)};
  struct sock_filter third[] = {IF_NR(SYS_getppid, SECCOMP_RET_LOG), RET(SECCOMP_RET_ALLOW)};
  show("first", SET(first));
  show("second", SET(second));
  show("third", SET(third));
  show("the last of the strictest wins", syscall(SYS_getppid));
  show("strict after filters", prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT));
  printf("mode %d\n", prctl(PR_GET_SECCOMP));
}
static int ready[2], go[2];
static void *other(void *arg) {
  (void)arg;
  char c = 0;
  write(ready[1], &c, 1);
  read(go[0], &c, 1);
  return (void *)(long)(syscall(SYS_getppid) == -1 ? errno : 0);
}
static void sync_threads(void) {
  struct sock_filter filter[] = {IF_NR(SYS_getppid, SECCOMP_RET_ERRNO | ENOTTY), RET(SECCOMP_RET_ALLOW)};
  pthread_t thread;
  char c;
  pipe(ready), pipe(go);
  pthread_create(&thread, NULL, other, NULL);
  read(ready[0], &c, 1);
  show("tsync", set(filter, sizeof filter / sizeof filter[0], SECCOMP_FILTER_FLAG_TSYNC));
  write(go[1], &c, 1);
  void *result;
  pthread_join(thread, &result);
  printf("the other thread got %s\n", strerrorname_np((long)result));
}
static void user(void) {
  struct sock_filter filter[] = {RET(SECCOMP_RET_ALLOW)};
  if (setresuid(1000, 1000, 1000)) puts("setresuid");
  show("without privilege", SET(filter));
  show("no_new_privs", prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
  show("with it", SET(filter));
  struct sock_fprog program = {1, filter};
  show("prctl", prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program));
  status("user");
}
static void wrong(void) {
  struct {
    const char *name;
    struct sock_filter filter[4];
    int length;
  } cases[] = {
      {"empty", {}, 0},
      {"no return", {LOAD(nr)}, 1},
      {"odd offset", {BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 2), RET(0)}, 2},
      {"offset past the end", {BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 64), RET(0)}, 2},
      {"byte load", {BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 0), RET(0)}, 2},
      {"indirect load", {BPF_STMT(BPF_LD | BPF_W | BPF_IND, 0), RET(0)}, 2},
      {"jump out", {BPF_JUMP(BPF_JMP | BPF_JA, 5, 0, 0), RET(0)}, 2},
      {"condition out", {BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 5, 1, 0), RET(0)}, 2},
      {"divide by zero", {BPF_STMT(BPF_ALU | BPF_DIV | BPF_K, 0), RET(0)}, 2},
      {"modulo", {BPF_STMT(BPF_ALU | BPF_MOD | BPF_K, 3), RET(0)}, 2},
      {"long shift", {BPF_STMT(BPF_ALU | BPF_LSH | BPF_K, 32), RET(0)}, 2},
      {"memory unset", {BPF_STMT(BPF_LD | BPF_MEM, 1), RET(0)}, 2},
      {"memory out", {BPF_STMT(BPF_ST, 16), RET(0)}, 2},
      {"unknown code", {BPF_STMT(0xffff, 16), RET(0)}, 2},
      {"memory", {BPF_STMT(BPF_ST, 15), BPF_STMT(BPF_LD | BPF_MEM, 15), RET(SECCOMP_RET_ALLOW)}, 3},
      {"length", {BPF_STMT(BPF_LD | BPF_W | BPF_LEN, 0), RET(SECCOMP_RET_ALLOW)}, 2},
  };
  for (unsigned i = 0; i < sizeof cases / sizeof cases[0]; i++)
    show(cases[i].name, set(cases[i].filter, cases[i].length, 0));
  show("too long", set(cases[0].filter, 4097, 0));
  show("null program", syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, NULL));
  show("null filter", set(NULL, 1, 0));
  show("unknown flag", set(cases[14].filter, 3, 0x4000));
  show("unknown operation", syscall(SYS_seccomp, 99, 0, NULL));
  show("strict with flags", syscall(SYS_seccomp, SECCOMP_SET_MODE_STRICT, 1, NULL));
  show("prctl mode", prctl(PR_SET_SECCOMP, 9, NULL));
  unsigned actions[] = {SECCOMP_RET_KILL_PROCESS, SECCOMP_RET_TRAP, SECCOMP_RET_ALLOW, 0x12340000};
  for (int i = 0; i < 4; i++) show("action", syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &actions[i]));
  unsigned short sizes[3] = {};
  show("sizes", syscall(SYS_seccomp, SECCOMP_GET_NOTIF_SIZES, 0, sizes));
  printf("%d %d %d\n", sizes[0], sizes[1], sizes[2]);
}
static void trace_without_tracer(void) {
  struct sock_filter filter[] = {IF_NR(SYS_getppid, SECCOMP_RET_TRACE), RET(SECCOMP_RET_ALLOW)};
  SET(filter);
  show("trace", syscall(SYS_getppid));
}

// The supervised program: its filter hands three system calls to whoever has the listener.
static void supervised(int to) {
  held = 1;
  struct sock_filter filter[] = {
      IF_NR(SYS_getppid, SECCOMP_RET_USER_NOTIF), IF_NR(SYS_mkdir, SECCOMP_RET_USER_NOTIF),
      IF_NR(SYS_uname, SECCOMP_RET_USER_NOTIF), RET(SECCOMP_RET_ALLOW)};
  int fd = set(filter, sizeof filter / sizeof filter[0], SECCOMP_FILTER_FLAG_NEW_LISTENER);
  show("listener is closed on exec", fcntl(fd, F_GETFD));
  show("second listener", set(filter, 1, SECCOMP_FILTER_FLAG_NEW_LISTENER));
  struct sock_filter allow[] = {RET(SECCOMP_RET_ALLOW)};
  show("second listener, right filter", set(allow, 1, SECCOMP_FILTER_FLAG_NEW_LISTENER));
  show("listener and threads", set(allow, 1, SECCOMP_FILTER_FLAG_NEW_LISTENER | SECCOMP_FILTER_FLAG_TSYNC));
  show("killable without listener", set(allow, 1, SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV));
  char control[CMSG_SPACE(sizeof(int))] = {}, c = 0;
  struct iovec iov = {&c, 1};
  struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
  struct cmsghdr *h = CMSG_FIRSTHDR(&m);
  h->cmsg_level = SOL_SOCKET, h->cmsg_type = SCM_RIGHTS, h->cmsg_len = CMSG_LEN(sizeof(int));
  memcpy(CMSG_DATA(h), &fd, sizeof fd);
  sendmsg(to, &m, 0);
  close(fd);
  show("value", syscall(SYS_getppid));
  show("error", syscall(SYS_mkdir, "/tmp/never-made", 0700));
  struct utsname u;
  show("continued", syscall(SYS_uname, &u));
  int got = syscall(SYS_mkdir, "/tmp/a-descriptor", 0);
  char text[3] = "";
  read(got, text, 2);
  printf("descriptor: %d %s %d\n", got > 2, text, fcntl(got, F_GETFD));
  flush();
  show("descriptor at a number", syscall(SYS_mkdir, "x", 0));
  char more[3] = "";
  read(77, more, 2);
  printf("%s\n", more);
  flush();
  show("nobody listens any more", syscall(SYS_getppid));
  show("nor later", syscall(SYS_getppid));
  fflush(stdout);
  _exit(9);
}
static void receive(int fd, struct seccomp_notif *n, const char *what) {
  memset(n, 0, sizeof *n);
  struct pollfd p = {fd, POLLIN | POLLOUT, 0};
  poll(&p, 1, -1);
  int before = p.revents;
  int r = ioctl(fd, SECCOMP_IOCTL_NOTIF_RECV, n);
  poll(&p, 1, -1);
  printf("%s: %d nr %d arch %x pid %d flags %d events %x %x\n", what, r, n->data.nr, n->data.arch, n->pid > 0, n->flags, before, p.revents);
  fflush(stdout);
}
static void supervise(void) {
  int pair[2], fd;
  socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
  fflush(stdout);
  pid_t pid = fork();
  if (pid == 0) supervised(pair[1]);
  char control[CMSG_SPACE(sizeof(int))], c;
  struct iovec iov = {&c, 1};
  struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
  recvmsg(pair[0], &m, 0);
  memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&m)), sizeof fd);
  struct seccomp_notif n;
  receive(fd, &n, "first");
  show("valid", ioctl(fd, SECCOMP_IOCTL_NOTIF_ID_VALID, &n.id));
  __u64 other = n.id + 1;
  show("invalid", ioctl(fd, SECCOMP_IOCTL_NOTIF_ID_VALID, &other));
  struct seccomp_notif_resp r = {n.id, 4711, 0, 0};
  r.flags = 2;
  show("unknown flag", ioctl(fd, SECCOMP_IOCTL_NOTIF_SEND, &r));
  r.flags = 1;
  show("continue with a value", ioctl(fd, SECCOMP_IOCTL_NOTIF_SEND, &r));
  r.flags = 0, r.id = other;
  show("unknown id", ioctl(fd, SECCOMP_IOCTL_NOTIF_SEND, &r));
  r.id = n.id;
  show("reply", ioctl(fd, SECCOMP_IOCTL_NOTIF_SEND, &r));
  receive(fd, &n, "second");
  r = (struct seccomp_notif_resp){n.id, 0, -ENOMEDIUM, 0};
  show("reply", ioctl(fd, SECCOMP_IOCTL_NOTIF_SEND, &r));
  receive(fd, &n, "third");
  r = (struct seccomp_notif_resp){n.id, 0, 0, SECCOMP_USER_NOTIF_FLAG_CONTINUE};
  show("reply", ioctl(fd, SECCOMP_IOCTL_NOTIF_SEND, &r));
  receive(fd, &n, "fourth");
  int ends[2];
  pipe(ends);
  write(ends[1], "abcd", 4);
  struct seccomp_notif_addfd a = {n.id, 0, 999, 0, 0};
  show("bad source", ioctl(fd, SECCOMP_IOCTL_NOTIF_ADDFD, &a));
  a.srcfd = ends[0], a.newfd = 5;
  show("number without the flag", ioctl(fd, SECCOMP_IOCTL_NOTIF_ADDFD, &a));
  a.newfd = 0, a.newfd_flags = O_CLOEXEC, a.flags = SECCOMP_ADDFD_FLAG_SEND;
  show("add and send", ioctl(fd, SECCOMP_IOCTL_NOTIF_ADDFD, &a) > 2 ? 1 : -1);
  receive(fd, &n, "fifth");
  a = (struct seccomp_notif_addfd){n.id, SECCOMP_ADDFD_FLAG_SETFD, ends[0], 77, 0};
  show("add at", ioctl(fd, SECCOMP_IOCTL_NOTIF_ADDFD, &a));
  r = (struct seccomp_notif_resp){n.id, 5, 0, 0};
  show("reply", ioctl(fd, SECCOMP_IOCTL_NOTIF_SEND, &r));
  struct seccomp_notif dirty = {.id = 1};
  show("memory that is not zero", ioctl(fd, SECCOMP_IOCTL_NOTIF_RECV, &dirty));
  show("unknown request", ioctl(fd, 0x12345));
  receive(fd, &n, "sixth");
  int copy = dup(fd);
  close(fd);
  close(copy);
  int st;
  waitpid(pid, &st, 0);
  printf("supervised: exit %d\n", WEXITSTATUS(st));
}
static void hang_up(void) {
  struct sock_filter allow[] = {RET(SECCOMP_RET_ALLOW)};
  int pair[2], fd;
  socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
  pid_t pid = fork();
  if (pid == 0) {
    int own = set(allow, 1, SECCOMP_FILTER_FLAG_NEW_LISTENER);
    write(pair[1], &own, sizeof own);
    read(pair[1], &own, 1);
    _exit(0);
  }
  int there;
  read(pair[0], &there, sizeof there);
  int pidfd = syscall(SYS_pidfd_open, pid, 0);
  fd = syscall(SYS_pidfd_getfd, pidfd, there, 0);
  struct pollfd p = {fd, POLLIN, 0};
  show("nothing to read", poll(&p, 1, 0));
  write(pair[0], "x", 1);
  poll(&p, 1, -1);
  waitpid(pid, NULL, 0);
  poll(&p, 1, 0);
  printf("events when all are gone %x\n", p.revents);
}

int main(void) {
  status("before");
  printf("mode %d\n", prctl(PR_GET_SECCOMP));
  child("wrong programs", wrong);
  child("strict", strict);
  child("strict exit", strict_exit);
  child("errno", errnos);
  child("arguments", arguments);
  child("trap", trap);
  child("trap without handler", trap_default);
  child("kill process", kill_process);
  child("kill thread", kill_thread);
  child("several filters", several);
  child("all threads", sync_threads);
  child("user", user);
  child("trace", trace_without_tracer);
  child("supervisor", supervise);
  child("end of the supervised", hang_up);
}
