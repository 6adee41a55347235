// Programs that crash, each in a process of its own: what the parent is told, and that it goes on (signal(7)).
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static volatile int zero;

static void null_read(void) { *(volatile int *)0; }
static void null_write(void) { *(volatile int *)8 = 1; }
static void wild_call(void) { ((void (*)(void))0x123456)(); }
static void kernel_address(void) { *(volatile int *)0xffff800000000000 = 1; }
static void not_canonical(void) { *(volatile int *)0x8000000000000000 = 1; }
static void write_to_code(void) { *(volatile char *)(uintptr_t)write_to_code = 0; }
static void run_data(void) {
  static char code[16] = "\xc3";
  ((void (*)(void))code)();
}
static void illegal(void) { __asm__ volatile("ud2"); }
static void divide(void) { zero = 1234 / zero; }
static void trap(void) { __asm__ volatile("int3"); }
static void privileged(void) { __asm__ volatile("hlt"); }
static void port(void) { __asm__ volatile("outb %al, $0x80"); }
static void old_call(void) { __asm__ volatile("int $0x81"); }
static void abort_self(void) { abort(); }
static void raise_kill(void) { raise(SIGKILL); }
static void raise_pipe(void) { raise(SIGPIPE); }
static void raise_realtime(void) { raise(SIGRTMIN + 3); }
static void no_stack(void) { __asm__ volatile("xor %%esp, %%esp\n push %%rax" ::: "memory"); }
static void bad_sigreturn(void) { __asm__ volatile("mov $15, %%eax\n xor %%esp, %%esp\n syscall" ::: "memory"); }
static void past_end(void) {
  int fd = memfd_create("m", 0);
  ftruncate(fd, 4096);
  volatile char *p = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  p[4096] = 1;
}
static void handler_crashes(int sig) {
  (void)sig;
  null_write();
}
static void double_fault(void) {
  signal(SIGSEGV, handler_crashes);
  null_write();
}
static void blocked_fault(void) {
  sigset_t all;
  sigfillset(&all);
  sigprocmask(SIG_BLOCK, &all, NULL);
  null_write();
}
static void ignored_fault(void) {
  signal(SIGSEGV, SIG_IGN);
  null_write();
}
static __attribute__((noinline)) int recurse(int n) {
  volatile char frame[4096];
  frame[0] = (char)n;
  return recurse(n + 1) + frame[0];
}
static void overflow(void) { recurse(0); }
static void *in_thread(void *arg) {
  (void)arg;
  null_write();
  return NULL;
}
static void thread_crash(void) {
  pthread_t t;
  pthread_create(&t, NULL, in_thread, NULL);
  pause();
}
static void *overflow_in_thread(void *arg) {
  recurse(0);
  return arg;
}
static void thread_overflow(void) {
  pthread_t t;
  pthread_create(&t, NULL, overflow_in_thread, NULL);
  pause();
}
static void file_size(void) {
  struct rlimit limit = {1000, 1000};
  setrlimit(RLIMIT_FSIZE, &limit);
  int fd = memfd_create("m", 0);
  char buffer[4096] = "";
  write(fd, buffer, sizeof buffer);
  write(fd, buffer, sizeof buffer);
}
static void cpu_time(void) {
  struct rlimit limit = {1, 2};
  setrlimit(RLIMIT_CPU, &limit);
  for (;;) zero++;
}

static const struct {
  const char *name;
  void (*run)(void);
} cases[] = {
    {"read of null", null_read},
    {"write of null", null_write},
    {"call of nowhere", wild_call},
    {"kernel address", kernel_address},
    {"address that is none", not_canonical},
    {"write to code", write_to_code},
    {"execute data", run_data},
    {"illegal instruction", illegal},
    {"division by zero", divide},
    {"breakpoint", trap},
    {"privileged instruction", privileged},
    {"port", port},
    {"unknown interrupt", old_call},
    {"abort", abort_self},
    {"kill", raise_kill},
    {"pipe", raise_pipe},
    {"real-time signal", raise_realtime},
    {"no stack", no_stack},
    {"sigreturn from nowhere", bad_sigreturn},
    {"past the end of a file", past_end},
    {"fault in its handler", double_fault},
    {"fault while blocked", blocked_fault},
    {"fault while ignored", ignored_fault},
    {"stack overflow", overflow},
    {"fault in a thread", thread_crash},
    {"stack overflow in a thread", thread_overflow},
    {"file size", file_size},
    {"CPU time", cpu_time},
};

int main(void) {
  struct rlimit none = {0, 0};
  setrlimit(RLIMIT_CORE, &none);
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
      cases[i].run();
      _exit(0);
    }
    int status = 0;
    waitpid(child, &status, 0);
    if (WIFSIGNALED(status))
      printf("%s: signal %d core %d\n", cases[i].name, WTERMSIG(status), WCOREDUMP(status) != 0);
    else
      printf("%s: exit %d\n", cases[i].name, WEXITSTATUS(status));
  }
  fflush(stdout);
  raise(SIGSEGV);
  return 0;
}
