// Every exception that a program can raise, with what its handler is told of it.
#define _GNU_SOURCE
#include <fenv.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

static sigjmp_buf back;
static volatile int signo, code, trap, known;
static void *volatile address;
static char *page;

static void handler(int s, siginfo_t *info, void *context) {
  // With alignment checks on, the C library itself would trap.
  asm volatile("pushf; andl $~0x40000, (%%rsp); popf" ::: "memory", "cc");
  ucontext_t *u = context;
  signo = s;
  code = info->si_code;
  trap = u->uc_mcontext.gregs[REG_TRAPNO];
  address = info->si_addr;
  known = address == (void *)u->uc_mcontext.gregs[REG_RIP] ? 1 : address == 0 ? 2 : 3;
  siglongjmp(back, 1);
}

static void tell(const char *what) {
  printf("%s: signal %d code %d trap %d address %s\n", what, signo, code, trap,
         known == 1 ? "rip" : known == 2 ? "0" : "other");
}

#define TRY(what, action)                \
  do {                                   \
    signo = 0;                           \
    if (sigsetjmp(back, 1) == 0) {       \
      action;                            \
      printf("%s: nothing\n", what);     \
    } else                               \
      tell(what);                        \
  } while (0)

static volatile int steps;
static void step(int s, siginfo_t *info, void *context) {
  ucontext_t *u = context;
  if (++steps == 5) u->uc_mcontext.gregs[REG_EFL] &= ~0x100;
  if (info->si_code != TRAP_TRACE && info->si_code != TRAP_BRKPT) printf("step code %d\n", info->si_code);
}

int main(void) {
  setvbuf(stdout, 0, _IOLBF, 0);
  struct sigaction sa = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO};
  int all[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP};
  for (int i = 0; i < 5; i++) sigaction(all[i], &sa, 0);
  page = mmap(0, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  volatile int zero = 0, one = 1;
  TRY("divide", zero = one / zero);
  zero = 0;
  TRY("ud2", asm volatile("ud2"));
  TRY("int3", asm volatile("int3"));
  TRY("int 3 by number", asm volatile(".byte 0xcd, 3"));
  TRY("hlt", asm volatile("hlt"));
  TRY("in", asm volatile("inb $0x80, %%al" ::: "eax"));
  TRY("out", asm volatile("outb %%al, $0x80" ::: "eax"));
  TRY("cli", asm volatile("cli"));
  TRY("rdmsr", asm volatile("rdmsr" ::"c"(0xc0000080) : "eax", "edx"));
  TRY("mov to cr3", asm volatile("mov %%rax, %%cr3" ::"a"(0)));
  TRY("int 0x21", asm volatile("int $0x21"));
  TRY("swapgs", asm volatile("swapgs"));
  TRY("lgdt", asm volatile("lgdt (%0)" ::"r"(page)));
  TRY("write to read-only", *(volatile char *)page = 1);
  TRY("no address", *(volatile char *)0x1234 = 1);
  TRY("kernel address", *(volatile char *)0xffff800000000000 = 1);
  TRY("kernel code", ((void (*)(void))0xffff800040000000)());
  TRY("no canonical address", *(volatile char *)0x8000000000000000 = 1);
  TRY("jump to data", ((void (*)(void))page)());
  TRY("alignment", asm volatile("pushf; orl $0x40000, (%%rsp); popf; mov 1(%%rsp), %%rax; pushf; andl $~0x40000, (%%rsp); popf" ::: "rax", "memory", "cc"));
  asm volatile("pushf; andl $~0x40000, (%%rsp); popf" ::: "memory", "cc");
  volatile double a = 1, b = 0;
  feenableexcept(FE_DIVBYZERO);
  TRY("SSE division", a = a / b);
  fedisableexcept(FE_ALL_EXCEPT);
  a = 1;
  TRY("x87 division", {
    short cw = 0x033b;
    asm volatile("fninit; fldcw %0; fldz; fld1; fdivp; fwait" ::"m"(cw));
  });
  asm volatile("fninit");
  struct sigaction trace = {.sa_sigaction = step, .sa_flags = SA_SIGINFO};
  sigaction(SIGTRAP, &trace, 0);
  asm volatile("pushf; orl $0x100, (%%rsp); popf; nop; nop; nop; nop; nop; nop; nop" ::: "memory", "cc");
  printf("steps %d\n", steps);
  // The flags, the stack and all registers are the program's own after an exception.
  uint64_t r[8] = {1, 2, 3, 4, 5, 6, 7, 8};
  register uint64_t s __asm__("r12") = 77;
  asm volatile("" : "+r"(s));
  TRY("again", *(volatile char *)page = 1);
  uint64_t sum = 0;
  for (int i = 0; i < 8; i++) sum += r[i];
  printf("sum %lu\n", (unsigned long)sum);
  return 0;
}
