// Signals that arrive at any instruction, system calls from patched and other sites included: no
// register, no result, no red zone may be lost.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

static volatile sig_atomic_t alarms;

static void on_alarm(int signo) {
  (void)signo;
  alarms++;
  // Use the vector registers that the interrupted code uses.
  volatile double d = 3.5;
  for (int i = 0; i < 10; i++) d *= 1.0001;
  errno = 0;
}

// A leaf with live red zone and vector registers around a bare system call.
static __attribute__((noinline)) long guarded(long nr, long a, long b, long c) {
  long result;
  double x = 1.25, y = 2.5, z;
  register long r12 asm("r12") = 0x1212121212121212;
  register long r13 asm("r13") = 0x1313131313131313;
  register long r15 asm("r15") = 0x1515151515151515;
  asm volatile(
      "movq $0x5a5a5a5a, -8(%%rsp)\n movq $0x6b6b6b6b, -64(%%rsp)\n movq $0x7c7c7c7c, -120(%%rsp)\n"
      "syscall\n"
      "cmpq $0x5a5a5a5a, -8(%%rsp)\n jne 1f\n cmpq $0x6b6b6b6b, -64(%%rsp)\n jne 1f\n"
      "cmpq $0x7c7c7c7c, -120(%%rsp)\n je 2f\n 1: movq $-12345, %%rax\n 2:\n"
      : "=a"(result), "+r"(r12), "+r"(r13), "+r"(r15), "+x"(x), "+x"(y)
      : "a"(nr), "D"(a), "S"(b), "d"(c)
      : "rcx", "r11", "memory", "cc");
  z = x * y;
  if (r12 != 0x1212121212121212 || r13 != 0x1313131313131313 || r15 != 0x1515151515151515) return -12346;
  if (z != 3.125) return -12347;
  return result;
}

int main(void) {
  struct sigaction sa = {.sa_handler = on_alarm, .sa_flags = SA_RESTART};
  sigaction(SIGALRM, &sa, NULL);
  struct itimerval it = {{0, 1000}, {0, 1000}};
  setitimer(ITIMER_REAL, &it, NULL);
  int fd = open("/dev/zero", O_RDONLY), bad = 0;
  char byte = 1;
  pid_t me = getpid(), parent = getppid();
  for (int i = 0; alarms < 150; i++) {
    if (guarded(SYS_pread64, fd, (long)&byte, 1) != 1 || byte != 0) bad++;
    byte = 1;
    if (guarded(1000, 0, 0, 0) != -ENOSYS) bad++;
    if (syscall(1001) != -1 || (errno != ENOSYS && errno != 0)) bad++;
    if (getppid() != parent || syscall(SYS_getpid) != me) bad++;
    volatile double s = 0;
    for (int k = 0; k < 200; k++) s += k * 0.5;
    if (s != 9950) bad++;
  }
  printf("bad %d\n", bad);

  // A read that restarts, and one that does not.
  int p[2];
  pipe(p);
  if (fork() == 0) {
    struct itimerval off = {{0, 0}, {0, 0}};
    setitimer(ITIMER_REAL, &off, NULL);
    usleep(50000);
    write(p[1], "x", 1);
    _exit(0);
  }
  long n = read(p[0], &byte, 1);
  printf("restarted %ld %c\n", n, byte);
  sa.sa_flags = 0;
  sigaction(SIGALRM, &sa, NULL);
  n = syscall(SYS_read, p[0], &byte, 1);
  printf("interrupted %ld\n", n);
  return 0;
}
