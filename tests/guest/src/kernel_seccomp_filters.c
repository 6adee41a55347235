/* seccomp(2) further: call sites used often, all bits of arguments, what a filter must be, threads that diverged, limits. */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

#define LD(field) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))
#define RET(k) BPF_STMT(BPF_RET | BPF_K, k)
#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static long filter(unsigned flags, struct sock_filter *code, unsigned short n) {
  struct sock_fprog prog = {n, code};
  return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &prog);
}

static long on_call(unsigned flags, int nr, unsigned action) {
  struct sock_filter code[] = {LD(arch), BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 1, 0),
                               RET(SECCOMP_RET_KILL_PROCESS), LD(nr),
                               BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, nr, 0, 1), RET(action),
                               RET(SECCOMP_RET_ALLOW)};
  return filter(flags, code, COUNT(code));
}

static void show(const char *what, long r) {
  if (r < 0) printf("%s: %s\n", what, strerrorname_np(errno));
  else printf("%s: %ld\n", what, r);
}

/* Runs a case in a child and shows how it ended. */
static void child(const char *name, void (*body)(void)) {
  fflush(stdout);
  pid_t pid = fork();
  if (pid == 0) {
    body();
    fflush(stdout);
    _exit(0);
  }
  int status = 0;
  waitpid(pid, &status, 0);
  if (WIFSIGNALED(status)) printf("%s: killed by %d\n", name, WTERMSIG(status));
  else printf("%s: exited with %d\n", name, WEXITSTATUS(status));
}

static void status_lines(void) {
  char line[256];
  FILE *f = fopen("/proc/self/status", "r");
  while (fgets(line, sizeof line, f))
    if (!strncmp(line, "Seccomp", 7) || !strncmp(line, "NoNewPrivs", 10)) fputs(line, stdout);
  fclose(f);
}

static void strict(void) {
  show("mode before", prctl(PR_GET_SECCOMP));
  fflush(stdout);
  prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT);
  write(1, "still writes\n", 13);
  syscall(SYS_getuid);
  write(1, "not reached\n", 12);
}

static void strict_exit(void) {
  syscall(SYS_seccomp, SECCOMP_SET_MODE_STRICT, 0, NULL);
  syscall(SYS_exit, 7);
}

static void invalid(void) {
  struct sock_filter allow[] = {RET(SECCOMP_RET_ALLOW)};
  struct sock_filter no_ret[] = {LD(nr)};
  struct sock_filter outside[] = {BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 64), RET(0x7fff0000)};
  struct sock_filter odd[] = {BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 2), RET(0x7fff0000)};
  struct sock_filter bytes[] = {BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 0), RET(0x7fff0000)};
  struct sock_filter far[] = {BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 1, 0), RET(0x7fff0000)};
  struct sock_filter zero[] = {BPF_STMT(BPF_ALU | BPF_DIV | BPF_K, 0), RET(0x7fff0000)};
  struct sock_filter mod[] = {BPF_STMT(BPF_ALU | BPF_MOD | BPF_K, 3), RET(0x7fff0000)};
  struct sock_filter shift[] = {BPF_STMT(BPF_ALU | BPF_LSH | BPF_K, 32), RET(0x7fff0000)};
  struct sock_filter unwritten[] = {BPF_STMT(BPF_LD | BPF_MEM, 1), RET(0x7fff0000)};
  struct sock_filter memory[] = {BPF_STMT(BPF_ST, 1), BPF_STMT(BPF_LD | BPF_MEM, 1), RET(0x7fff0000)};
  struct sock_filter memory_far[] = {BPF_STMT(BPF_ST, 16), RET(0x7fff0000)};
  show("bad operation", syscall(SYS_seccomp, 77, 0, NULL));
  show("bad flags", filter(1u << 30, allow, 1));
  show("strict with flags", syscall(SYS_seccomp, SECCOMP_SET_MODE_STRICT, 1, NULL));
  show("strict with pointer", syscall(SYS_seccomp, SECCOMP_SET_MODE_STRICT, 0, allow));
  show("no program", syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, NULL));
  show("empty", filter(0, allow, 0));
  show("too long", filter(0, allow, 4097));
  show("unreadable", filter(0, (void *)8, 1));
  show("no return", filter(0, no_ret, 1));
  show("outside", filter(0, outside, 2));
  show("odd", filter(0, odd, 2));
  show("bytes", filter(0, bytes, 2));
  show("far", filter(0, far, 2));
  show("zero", filter(0, zero, 2));
  show("mod", filter(0, mod, 2));
  show("shift", filter(0, shift, 2));
  show("unwritten", filter(0, unwritten, 2));
  show("memory far", filter(0, memory_far, 2));
  show("memory", filter(0, memory, 3));
  show("allow", filter(0, allow, 1));
  show("by prctl", prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &(struct sock_fprog){1, allow}));
  show("mode", prctl(PR_GET_SECCOMP));
  show("strict after filter", prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT));
  show("prctl mode 5", prctl(PR_SET_SECCOMP, 5));
  status_lines();
}

static void available(void) {
  unsigned actions[] = {SECCOMP_RET_KILL_PROCESS, SECCOMP_RET_KILL_THREAD, SECCOMP_RET_TRAP,
                        SECCOMP_RET_ERRNO, SECCOMP_RET_TRACE, SECCOMP_RET_LOG, SECCOMP_RET_ALLOW, 0x1234};
  for (unsigned i = 0; i < COUNT(actions); i++)
    show("available", syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &actions[i]));
  show("flags", syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 1, &actions[0]));
  show("pointer", syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, 8L));
  struct seccomp_notif_sizes sizes;
  show("sizes", syscall(SYS_seccomp, SECCOMP_GET_NOTIF_SIZES, 0, &sizes));
  printf("%u %u %u\n", sizes.seccomp_notif, sizes.seccomp_notif_resp, sizes.seccomp_data);
}

/* Called often enough that a runtime that rewrites call sites has rewritten these. */
static long many(long nr) {
  long r = 0;
  for (int i = 0; i < 50; i++) {
    if (nr == SYS_getppid) r = getppid();
    else if (nr == SYS_getuid) r = getuid();
    else r = syscall(nr);
  }
  return r;
}

static void errors(void) {
  if (many(SYS_getppid) <= 0) printf("no parent\n");
  if (many(SYS_getuid) < 0) printf("no user\n");
  on_call(0, SYS_getppid, SECCOMP_RET_ERRNO | 17);
  show("getppid", many(SYS_getppid) == -17 ? -17 : (errno = 0, syscall(SYS_getppid)));
  on_call(0, SYS_getuid, SECCOMP_RET_ERRNO | ENOTTY);
  show("getuid", syscall(SYS_getuid));
  printf("getuid patched: %d\n", (int)many(SYS_getuid));
  on_call(0, SYS_getgid, SECCOMP_RET_ERRNO | 0xffff);
  show("getgid capped", syscall(SYS_getgid) == -1 ? errno : 0);
  on_call(0, SYS_sched_yield, SECCOMP_RET_ERRNO | 0);
  show("errno 0", syscall(SYS_sched_yield));
  on_call(0, SYS_gettid, SECCOMP_RET_LOG);
  show("log", syscall(SYS_gettid) == getpid());
  on_call(0, SYS_getegid, SECCOMP_RET_TRACE | 5);
  show("trace without tracer", syscall(SYS_getegid));
  /* The stricter of two filters wins, whichever came first. */
  on_call(0, SYS_getuid, SECCOMP_RET_TRACE);
  show("errno wins over trace", syscall(SYS_getuid));
  fflush(stdout);
  pid_t pid = fork();
  if (pid == 0) {
    printf("inherited: %d\n", (int)many(SYS_getuid));
    fflush(stdout);
    execl("/bin/sh", "sh", "-c", "grep -E '^(Seccomp|NoNew)' /proc/self/status", NULL);
    _exit(1);
  }
  waitpid(pid, NULL, 0);
}

static void arguments(void) {
  struct sock_filter code[] = {LD(nr), BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_close, 0, 5),
                               BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 20),
                               BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0x7fffffff, 0, 3),
                               BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 16),
                               BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0x12345677, 0, 1),
                               RET(SECCOMP_RET_ERRNO | EDOM), RET(SECCOMP_RET_ALLOW)};
  filter(0, code, COUNT(code));
  show("close -1", syscall(SYS_close, -1L));
  show("close 64 bits", syscall(SYS_close, 0x7fffffff12345677L));
  show("close other bits", syscall(SYS_close, 0x7fffffff12345678L));
  struct sock_filter divide[] = {LD(nr), BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_dup, 0, 3),
                                 BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 16), BPF_STMT(BPF_MISC | BPF_TAX, 0),
                                 BPF_STMT(BPF_ALU | BPF_DIV | BPF_X, 0), RET(SECCOMP_RET_ALLOW)};
  filter(0, divide, COUNT(divide));
  int fd = dup(1);
  printf("dup of 1 works: %d\n", fd > 0);
  fflush(stdout);
  dup(0);
  printf("not reached\n");
}

static volatile int trapped;
static void on_sys(int signo, siginfo_t *info, void *context) {
  ucontext_t *uc = context;
  unsigned char *ip = info->si_call_addr;
  printf("signal %d code %d errno %d syscall %d arch %x rax %lld addr is rip: %d\n", signo, info->si_code,
         info->si_errno, info->si_syscall, info->si_arch, (long long)uc->uc_mcontext.gregs[REG_RAX],
         ip == (unsigned char *)uc->uc_mcontext.gregs[REG_RIP]);
  uc->uc_mcontext.gregs[REG_RAX] = 4242;
  trapped++;
}

static void trap(void) {
  struct sigaction action = {.sa_sigaction = on_sys, .sa_flags = SA_SIGINFO};
  sigaction(SIGSYS, &action, NULL);
  on_call(0, SYS_getpgrp, SECCOMP_RET_TRAP | 33);
  show("trap", syscall(SYS_getpgrp));
  printf("trapped %d\n", trapped);
}

static void trap_default(void) {
  on_call(0, SYS_getpgrp, SECCOMP_RET_TRAP);
  syscall(SYS_getpgrp);
}

static void trap_blocked(void) {
  sigset_t all;
  sigfillset(&all);
  sigprocmask(SIG_BLOCK, &all, NULL);
  on_call(0, SYS_getpgrp, SECCOMP_RET_TRAP);
  syscall(SYS_getpgrp);
}

static void kill_process(void) {
  struct sigaction action = {.sa_sigaction = on_sys, .sa_flags = SA_SIGINFO};
  sigaction(SIGSYS, &action, NULL);
  on_call(0, SYS_getpgrp, SECCOMP_RET_KILL_PROCESS);
  syscall(SYS_getpgrp);
}

static void unknown_action(void) {
  on_call(0, SYS_getpgrp, 0x00070000);
  syscall(SYS_getpgrp);
}

static void *killed_thread(void *arg) {
  on_call(0, SYS_getpgrp, SECCOMP_RET_KILL_THREAD);
  syscall(SYS_getpgrp);
  printf("not reached\n");
  return arg;
}

static void kill_thread(void) {
  pthread_t thread;
  pthread_create(&thread, NULL, killed_thread, NULL);
  pthread_join(thread, NULL);
  printf("the other thread lives: %d\n", syscall(SYS_getpgrp) > 0);
}

static pthread_barrier_t barrier;
static void *synchronised(void *arg) {
  pthread_barrier_wait(&barrier);
  pthread_barrier_wait(&barrier);
  show("thread", syscall(SYS_getpgrp));
  return arg;
}

static void tsync(void) {
  pthread_t thread;
  pthread_barrier_init(&barrier, NULL, 2);
  pthread_create(&thread, NULL, synchronised, NULL);
  pthread_barrier_wait(&barrier);
  show("tsync", on_call(SECCOMP_FILTER_FLAG_TSYNC, SYS_getpgrp, SECCOMP_RET_ERRNO | EXDEV));
  pthread_barrier_wait(&barrier);
  pthread_join(thread, NULL);
}

static pid_t other;
static void *diverged(void *arg) {
  other = syscall(SYS_gettid);
  on_call(0, SYS_getpgrp, SECCOMP_RET_ERRNO | EXDEV);
  pthread_barrier_wait(&barrier);
  pthread_barrier_wait(&barrier);
  return arg;
}

static void tsync_diverged(void) {
  pthread_t thread;
  pthread_barrier_init(&barrier, NULL, 2);
  pthread_create(&thread, NULL, diverged, NULL);
  pthread_barrier_wait(&barrier);
  long r = on_call(SECCOMP_FILTER_FLAG_TSYNC, SYS_getpgrp, SECCOMP_RET_ERRNO | EXDEV);
  printf("names the thread: %d\n", r == other);
  show("esrch", on_call(SECCOMP_FILTER_FLAG_TSYNC | SECCOMP_FILTER_FLAG_TSYNC_ESRCH, SYS_getpgrp,
                        SECCOMP_RET_ERRNO | EXDEV));
  pthread_barrier_wait(&barrier);
  pthread_join(thread, NULL);
}

static void unprivileged(void) {
  if (setresuid(65534, 65534, 65534) != 0) perror("setresuid");
  show("without no_new_privs", on_call(0, SYS_getpgrp, SECCOMP_RET_ERRNO | EXDEV));
  prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  show("with", on_call(0, SYS_getpgrp, SECCOMP_RET_ERRNO | EXDEV));
  show("call", syscall(SYS_getpgrp));
}

static void chain(void) {
  struct sock_filter code[4096];
  for (int i = 0; i < 4095; i++) code[i] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_IMM, 0);
  code[4095] = (struct sock_filter)RET(SECCOMP_RET_ALLOW);
  int n = 0;
  while (filter(0, code, 4096) == 0 && n < 20) n++;
  printf("filters %d\n", n);
  show("one more", filter(0, code, 4096));
}

int main(void) {
  child("strict", strict);
  child("strict exit", strict_exit);
  child("invalid", invalid);
  child("available", available);
  child("errors", errors);
  child("arguments", arguments);
  child("trap", trap);
  child("trap default", trap_default);
  child("trap blocked", trap_blocked);
  child("kill process", kill_process);
  child("unknown action", unknown_action);
  child("kill thread", kill_thread);
  child("tsync", tsync);
  child("tsync diverged", tsync_diverged);
  child("unprivileged", unprivileged);
  child("chain", chain);
  return 0;
}
