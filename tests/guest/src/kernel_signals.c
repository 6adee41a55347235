// Signals: handlers, masks, queues, alternate stacks, restart, faults (signal(7), sigaction(2)).
#define _GNU_SOURCE
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

static void report(const char *what, long result) {
  printf("%s: %ld %s\n", what, result, result < 0 ? strerror(errno) : "ok");
}

static volatile int count;
static volatile int last_signal, last_code, last_value;
static volatile void *last_address;
static char order[64];
static sigjmp_buf jump;

static void count_handler(int sig) {
  (void)sig;
  count++;
}

static void info_handler(int sig, siginfo_t *info, void *context) {
  (void)context;
  last_signal = sig;
  last_code = info->si_code;
  last_value = info->si_value.sival_int;
  last_address = info->si_addr;
  size_t n = strlen(order);
  if (n < sizeof order - 2) order[n] = 'A' + (sig - SIGRTMIN);
}

static void set(int sig, void (*handler)(int), int flags) {
  struct sigaction action = {0};
  action.sa_handler = handler;
  action.sa_flags = flags;
  sigaction(sig, &action, NULL);
}

static void set_info(int sig, int flags) {
  struct sigaction action = {0};
  action.sa_sigaction = info_handler;
  action.sa_flags = flags | SA_SIGINFO;
  sigaction(sig, &action, NULL);
}

static void test_basic(void) {
  set(SIGUSR1, count_handler, 0);
  raise(SIGUSR1);
  kill(getpid(), SIGUSR1);
  printf("basic: %d\n", count);
  set(SIGUSR1, count_handler, SA_RESETHAND);
  raise(SIGUSR1);
  struct sigaction now;
  sigaction(SIGUSR1, NULL, &now);
  printf("resethand: %d default=%d\n", count, now.sa_handler == SIG_DFL);
}

static void test_mask(void) {
  sigset_t block, old, pending;
  count = 0;
  set(SIGUSR1, count_handler, 0);
  sigemptyset(&block);
  sigaddset(&block, SIGUSR1);
  sigprocmask(SIG_BLOCK, &block, &old);
  raise(SIGUSR1);
  raise(SIGUSR1);
  sigpending(&pending);
  printf("masked: %d pending=%d\n", count, sigismember(&pending, SIGUSR1));
  sigprocmask(SIG_SETMASK, &old, NULL);
  printf("unmasked: %d\n", count);
  sigaddset(&block, SIGKILL);
  sigprocmask(SIG_BLOCK, &block, NULL);
  sigprocmask(SIG_BLOCK, NULL, &old);
  printf("kill blocked: %d\n", sigismember(&old, SIGKILL));
  sigprocmask(SIG_UNBLOCK, &block, NULL);
}

static void test_queue(void) {
  sigset_t all, old;
  for (int i = 0; i < 3; i++) set_info(SIGRTMIN + i, 0);
  sigfillset(&all);
  sigprocmask(SIG_BLOCK, &all, &old);
  union sigval value;
  for (int i = 0; i < 3; i++) {
    value.sival_int = i;
    sigqueue(getpid(), SIGRTMIN + 2, value);
    sigqueue(getpid(), SIGRTMIN + 1, value);
  }
  value.sival_int = 42;
  sigqueue(getpid(), SIGRTMIN, value);
  siginfo_t info;
  sigset_t wanted;
  sigemptyset(&wanted);
  sigaddset(&wanted, SIGRTMIN + 2);
  int got = sigwaitinfo(&wanted, &info);
  printf("sigwaitinfo: %d value=%d code=%d\n", got - SIGRTMIN, info.si_value.sival_int, info.si_code);
  sigprocmask(SIG_SETMASK, &old, NULL);
  printf("order: %s last value=%d\n", order, last_value);
  struct timespec none = {0, 0};
  report("sigtimedwait", sigtimedwait(&wanted, &info, &none));
}

static void fault_handler(int sig, siginfo_t *info, void *context) {
  ucontext_t *uc = context;
  printf("fault: %s code=%d address=%p trap=%d\n", strsignal(sig), info->si_code, info->si_addr,
         (int)uc->uc_mcontext.gregs[REG_TRAPNO]);
  siglongjmp(jump, 1);
}

static void test_faults(void) {
  struct sigaction action = {0};
  action.sa_sigaction = fault_handler;
  action.sa_flags = SA_SIGINFO;
  sigaction(SIGSEGV, &action, NULL);
  sigaction(SIGFPE, &action, NULL);
  sigaction(SIGILL, &action, NULL);
  sigaction(SIGBUS, &action, NULL);
  if (sigsetjmp(jump, 1) == 0) *(volatile int *)16 = 1;
  char *page = mmap((void *)0x10000000, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
  if (sigsetjmp(jump, 1) == 0) page[5] = 1;
  volatile int zero = 0;
  {
    pid_t child = fork();
    if (child == 0) {
      signal(SIGFPE, SIG_DFL);
      _exit(100 / zero);
    }
    int status;
    waitpid(child, &status, 0);
    printf("division: signaled=%d %s\n", WIFSIGNALED(status), strsignal(WTERMSIG(status)));
  }
  pid_t child = fork();
  if (child == 0) {
    signal(SIGILL, SIG_DFL);
    __asm__ volatile("ud2");
    _exit(0);
  }
  int status;
  waitpid(child, &status, 0);
  printf("ud2: %s\n", strsignal(WTERMSIG(status)));
  child = fork();
  if (child == 0) {
    signal(SIGSEGV, SIG_IGN);
    *(volatile int *)16 = 1;
    _exit(0);
  }
  waitpid(child, &status, 0);
  printf("ignored fault: %s\n", strsignal(WTERMSIG(status)));
}

static volatile int on_stack;
static stack_t alternate;

static void stack_handler(int sig) {
  (void)sig;
  char here;
  stack_t now;
  sigaltstack(NULL, &now);
  on_stack = &here >= (char *)alternate.ss_sp && &here < (char *)alternate.ss_sp + alternate.ss_size;
  printf("on alternate stack: %d flags=%d\n", on_stack, now.ss_flags);
}

static int deep(int n) {
  volatile char space[4096];
  space[0] = n;
  return deep(n + 1) + space[0];
}

static void overflow_handler(int sig) {
  (void)sig;
  siglongjmp(jump, 1);
}

static void test_altstack(void) {
  alternate.ss_size = 65536;
  alternate.ss_sp = malloc(alternate.ss_size);
  sigaltstack(&alternate, NULL);
  set(SIGUSR2, stack_handler, SA_ONSTACK);
  raise(SIGUSR2);
  set(SIGSEGV, overflow_handler, SA_ONSTACK);
  if (sigsetjmp(jump, 1) == 0) printf("unreachable %d\n", deep(0));
  else printf("stack overflow caught\n");
  stack_t small = {.ss_sp = alternate.ss_sp, .ss_size = 100};
  report("small stack", sigaltstack(&small, NULL));
}

static void test_restart(void) {
  int pipes[2];
  char byte;
  for (int restart = 0; restart < 2; restart++) {
    if (pipe(pipes)) return;
    count = 0;
    set(SIGUSR1, count_handler, restart ? SA_RESTART : 0);
    pid_t child = fork();
    if (child == 0) {
      struct timespec pause = {0, 50000000};
      nanosleep(&pause, NULL);
      kill(getppid(), SIGUSR1);
      nanosleep(&pause, NULL);
      if (write(pipes[1], "x", 1) != 1) _exit(1);
      _exit(0);
    }
    ssize_t n = read(pipes[0], &byte, 1);
    printf("read with restart=%d: %zd %s handled=%d\n", restart, n, n < 0 ? strerror(errno) : "ok", count);
    while (waitpid(child, NULL, 0) < 0) {
    }
    close(pipes[0]);
    close(pipes[1]);
  }
}

static void test_sleep(void) {
  set(SIGALRM, count_handler, SA_RESTART);
  count = 0;
  alarm(1);
  struct timespec request = {30, 0}, rest = {0, 0};
  int r = nanosleep(&request, &rest);
  printf("nanosleep: %d %s rest=%d\n", r, strerror(errno), rest.tv_sec >= 28 && rest.tv_sec < 30);
  count = 0;
  sigset_t none;
  sigemptyset(&none);
  sigset_t block, old;
  sigemptyset(&block);
  sigaddset(&block, SIGALRM);
  sigprocmask(SIG_BLOCK, &block, &old);
  raise(SIGALRM);
  r = sigsuspend(&none);
  printf("sigsuspend: %d %s handled=%d\n", r, strerror(errno), count);
  sigprocmask(SIG_BLOCK, NULL, &block);
  printf("mask back: %d\n", sigismember(&block, SIGALRM));
  sigprocmask(SIG_SETMASK, &old, NULL);
}

static double saved;

static void float_handler(int sig) {
  (void)sig;
  volatile double x = 1.5;
  for (int i = 0; i < 100; i++) x = x * 1.01 + 0.5;
  saved = x;
}

static void test_registers(void) {
  set(SIGUSR1, float_handler, 0);
  register double kept __asm__("xmm7") = 2.75;
  __asm__ volatile("" : "+x"(kept));
  syscall(SYS_tgkill, getpid(), gettid(), SIGUSR1);
  __asm__ volatile("" : "+x"(kept));
  printf("floating point kept: %g\n", kept);
}

int main(void) {
  setvbuf(stdout, NULL, _IONBF, 0);
  test_basic();
  test_mask();
  test_queue();
  test_faults();
  test_altstack();
  test_restart();
  test_sleep();
  test_registers();
  errno = 0;
  report("no such process", kill(999999, 0));
  report("bad signal", kill(getpid(), 65));
  return 0;
}
