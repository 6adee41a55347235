/* Mappings, protection, copy-on-write, remapping, advice and locks of memory. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#define P 4096
#define SHOW(e) (errno = 0, show(#e, (long)(e)))

static void show(const char *what, long r) {
  if (r < 0) printf("%s = %s\n", what, strerrorname_np(errno));
  else printf("%s = %ld\n", what, r);
  fflush(stdout);
}

static sigjmp_buf resume;
static volatile int code;
static volatile char *volatile where;

static void on_fault(int signal, siginfo_t *info, void *context) {
  (void)context;
  code = signal * 100 + info->si_code;
  where = info->si_addr;
  siglongjmp(resume, 1);
}

/* 0 if a byte can be read or written, else the signal times 100 plus its code. */
static int touch(volatile char *p, int write) {
  code = 0;
  where = p;
  if (sigsetjmp(resume, 1) == 0) {
    if (write) *p = 1;
    else (void)*p;
  }
  return where == p ? code : -1;
}

static char *anonymous(size_t pages, int prot) {
  char *p = mmap(NULL, pages * P, prot, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (p == MAP_FAILED) perror("mmap");
  return p;
}

static uint32_t seed = 1;
static uint32_t below(uint32_t n) {
  seed = seed * 1664525 + 1013904223;
  return (seed >> 8) % n;
}

static uint64_t sum(const unsigned char *m, size_t pages) {
  uint64_t s = 0;
  for (size_t i = 0; i < pages; i++) s = s * 31 + m[i * P] + m[i * P + P - 1];
  return s;
}

/* Forks children which write here and there and fork in turn; nobody may see what others wrote. */
static int family(unsigned char *m, size_t pages, int depth) {
  for (int child = 0; child < 3; child++) {
    uint64_t before = sum(m, pages);
    pid_t pid = fork();
    if (pid == 0) {
      if (sum(m, pages) != before) _exit(1);
      for (int i = 0; i < 100; i++) m[below(pages) * P + below(2) * (P - 1)] = below(256);
      _exit(depth < 3 ? family(m, pages, depth + 1) : 0);
    }
    for (int i = 0; i < 20; i++) m[below(pages) * P] = below(256);
    before = sum(m, pages);
    int status;
    if (pid < 0 || waitpid(pid, &status, 0) != pid || status != 0) return 2;
    if (sum(m, pages) != before) return 3;
    for (size_t i = 0; i < pages; i += 3) m[i * P]++;
  }
  return 0;
}

static void protection(void) {
  char *m = anonymous(100, PROT_READ | PROT_WRITE);
  for (int i = 0; i < 100; i++) m[i * P] = i;
  SHOW(mprotect(m + 10 * P, 10 * P, PROT_READ));
  SHOW(touch(m + 10 * P, 1));
  SHOW(touch(m + 10 * P, 0));
  SHOW(touch(m + 20 * P, 1));
  SHOW(munmap(m + 50 * P, P));
  SHOW(touch(m + 50 * P, 0));
  SHOW(mprotect(m, 60 * P, PROT_READ));
  SHOW(touch(m, 1));
  SHOW(mprotect(m, 40 * P, PROT_NONE));
  SHOW(touch(m + 3 * P, 0));
  SHOW(mprotect(m, 40 * P, PROT_READ | PROT_WRITE));
  printf("%d %d\n", m[3 * P], m[30 * P]);
  SHOW(mprotect(m + 1, P, PROT_READ));
  SHOW(mprotect(m, P, 0x80));
  int fds[2];
  SHOW(pipe(fds));
  SHOW(write(fds[1], m + 50 * P, 1));
  SHOW(write(fds[1], m + 45 * P, 4));
  SHOW(read(fds[0], m + 41 * P, 1));
  SHOW(read(fds[0], m, 100));
  unsigned char *code = (unsigned char *)anonymous(1, PROT_READ | PROT_WRITE);
  memcpy(code, "\xb8\x2a\0\0\0\xc3", 6);
  SHOW(mprotect(code, P, PROT_READ | PROT_EXEC));
  SHOW(((int (*)(void))code)());
  SHOW(mprotect(code, P, PROT_READ | PROT_WRITE));
  code[1] = 43;
  SHOW(mprotect(code, P, PROT_EXEC));
  SHOW(((int (*)(void))code)());
}

static void refusals(void) {
  char *m = anonymous(4, PROT_READ);
  SHOW(mmap(NULL, 0, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  SHOW(mmap(NULL, P, PROT_READ, MAP_ANONYMOUS, -1, 0));
  SHOW(mmap(NULL, P, PROT_READ, MAP_PRIVATE, 77, 0));
  SHOW(mmap(NULL, P, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 5));
  SHOW(mmap(m + 1, P, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0));
  SHOW(mmap(m, P, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0));
  SHOW(mmap(NULL, 1ul << 50, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  SHOW(munmap(m + 1, P));
  SHOW(munmap(m, 0));
  SHOW(munmap((void *)(1ul << 60), P));
  SHOW(madvise(m + 1, P, MADV_DONTNEED));
  SHOW(madvise(m, P, 1000));
  SHOW(madvise((void *)0x10000, P, MADV_DONTNEED));
  SHOW(mremap(m + 1, P, P, 0));
  SHOW(mremap(m, P, 0, 0));
  SHOW(mremap((void *)0x10000, P, 2 * P, MREMAP_MAYMOVE));
  SHOW(msync(m, P, MS_SYNC | MS_ASYNC));
  SHOW(msync(m + 1, P, MS_SYNC));
  SHOW(msync((void *)0x10000, P, MS_SYNC));
  SHOW(mincore(m + 1, P, (unsigned char *)m));
  SHOW(mincore((void *)0x10000, P, (unsigned char *)m));
  SHOW(mlock((void *)0x10000, P));
}

static void moving(void) {
  char *m = anonymous(8, PROT_READ | PROT_WRITE);
  for (int i = 0; i < 8; i++) m[i * P] = i + 1;
  char *hole = anonymous(5000, PROT_NONE);
  char *far = mremap(m, 8 * P, 4000 * P, MREMAP_MAYMOVE | MREMAP_FIXED, hole);
  SHOW(far - hole);
  printf("%d %d %d\n", far[0], far[7 * P], far[3999 * P]);
  far[3999 * P] = 9;
  SHOW(touch(m, 0));
  SHOW(mremap(far, 4000 * P, 4 * P, 0) == far);
  SHOW(touch(far + 4 * P, 0));
  char *kept = mremap(far, 4 * P, 4 * P, MREMAP_MAYMOVE | MREMAP_DONTUNMAP);
  SHOW(kept != far);
  printf("%d %d\n", kept[P], far[P]);
  SHOW(madvise(kept, P, MADV_DONTNEED));
  printf("%d %d\n", kept[0], kept[P]);
  unsigned char resident[4] = {0};
  SHOW(mincore(kept, 4 * P, resident));
  printf("%d\n", resident[1] & 1);
}

static void sharing(void) {
  long *shared = mmap(NULL, 4 * P, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  for (int i = 0; i < 6; i++) {
    if (fork() != 0) continue;
    for (int k = 0; k < 1000; k++) __sync_fetch_and_add(shared, 1);
    _exit(0);
  }
  while (wait(NULL) > 0) {}
  SHOW(*shared);
  char *twice = mremap(shared, 0, 4 * P, MREMAP_MAYMOVE);
  shared[10] = 55;
  SHOW(((long *)twice)[10]);
  char *wiped = anonymous(2, PROT_READ | PROT_WRITE);
  char *hidden = anonymous(2, PROT_READ | PROT_WRITE);
  wiped[0] = hidden[0] = 7;
  SHOW(madvise(wiped, 2 * P, MADV_WIPEONFORK));
  SHOW(madvise(hidden, 2 * P, MADV_DONTFORK));
  if (fork() == 0) {
    printf("%d %d\n", wiped[0], touch(hidden, 0));
    fflush(stdout);
    _exit(0);
  }
  wait(NULL);
  printf("%d %d\n", wiped[0], hidden[0]);
}

static void files(void) {
  char name[] = "/tmp/mappingsXXXXXX";
  int fd = mkstemp(name);
  unlink(name);
  char buf[3 * P];
  for (int i = 0; i < 3 * P; i++) buf[i] = i * 7;
  SHOW(write(fd, buf, 2 * P + 100));
  char *shared = mmap(NULL, 4 * P, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  char *own = mmap(NULL, 4 * P, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
  SHOW(memcmp(shared, buf, 2 * P + 100));
  SHOW(shared[2 * P + 100]);
  SHOW(touch(shared + 3 * P, 0));
  shared[5] = 77;
  char c = 0;
  SHOW(pread(fd, &c, 1, 5));
  printf("%d\n", c);
  c = 78;
  SHOW(pwrite(fd, &c, 1, 6));
  SHOW(shared[6]);
  own[P] = 99;
  SHOW(shared[P] == buf[P]);
  SHOW(ftruncate(fd, 100));
  SHOW(touch(shared + P, 0));
  SHOW(touch(own + P, 0));
  SHOW(shared[100]);
  SHOW(ftruncate(fd, 3 * P));
  SHOW(shared[P]);
  SHOW(msync(shared, 4 * P, MS_SYNC));
  int read_only = open("/proc/self/exe", O_RDONLY);
  SHOW(mmap(NULL, P, PROT_READ | PROT_WRITE, MAP_SHARED, read_only, 0));
  char *text = mmap(NULL, P, PROT_READ, MAP_SHARED, read_only, 0);
  SHOW(memcmp(text, "\x7f" "ELF", 4));
  SHOW(mprotect(text, P, PROT_READ | PROT_WRITE));
  char *zero = mmap(NULL, P, PROT_READ | PROT_WRITE, MAP_PRIVATE, open("/dev/zero", O_RDWR), 0);
  SHOW(zero[9]);
  SHOW(touch(zero, 1));
}

static void growing(void) {
  char *old = sbrk(0);
  SHOW((char *)sbrk(10 << 20) == old);
  memset(old, 3, 10 << 20);
  SHOW((char *)sbrk(-(10 << 20)) != (char *)-1);
  SHOW(touch(old + (5 << 20), 0));
  char *big = malloc(100 << 20);
  memset(big, 1, 100 << 20);
  SHOW(big[77 << 20]);
  free(big);
  struct rlimit limit = {64 << 20, 64 << 20};
  SHOW(setrlimit(RLIMIT_AS, &limit));
  SHOW(mmap(NULL, 128 << 20, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
}

static int deep(int n) {
  volatile char frame[4000];
  frame[0] = n;
  return n == 0 ? 0 : frame[0] + deep(n - 1);
}

static void overflow(void) {
  static char stack[65536];
  stack_t alternate = {.ss_sp = stack, .ss_size = sizeof stack};
  SHOW(sigaltstack(&alternate, NULL));
  deep(1500);
  struct sigaction action = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_ONSTACK};
  sigaction(SIGSEGV, &action, NULL);
  code = 0;
  if (sigsetjmp(resume, 1) == 0) deep(100000);
  SHOW(code);
}

static void others(void) {
  char *m = anonymous(2, PROT_READ | PROT_WRITE);
  strcpy(m, "of the parent");
  pid_t pid = fork();
  if (pid == 0) {
    strcpy(m, "of the child!");
    raise(SIGSTOP);
    printf("%s\n", m);
    fflush(stdout);
    _exit(0);
  }
  waitpid(pid, NULL, WUNTRACED);
  char buf[16] = {0};
  struct iovec local = {buf, 14}, remote = {m, 14};
  SHOW(process_vm_readv(pid, &local, 1, &remote, 1, 0));
  printf("%s / %s\n", buf, m);
  memcpy(buf, "of nobody now", 14);
  SHOW(process_vm_writev(pid, &local, 1, &remote, 1, 0));
  remote.iov_base = (void *)0x10000;
  SHOW(process_vm_readv(pid, &local, 1, &remote, 1, 0));
  kill(pid, SIGCONT);
  waitpid(pid, NULL, 0);
  SHOW(process_vm_readv(pid, &local, 1, &remote, 1, 0));
}

int main(void) {
  struct sigaction action = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_NODEFER};
  sigaction(SIGSEGV, &action, NULL);
  sigaction(SIGBUS, &action, NULL);
  protection();
  refusals();
  moving();
  sharing();
  files();
  others();
  size_t pages = 1500;
  unsigned char *m = (unsigned char *)anonymous(pages, PROT_READ | PROT_WRITE);
  for (size_t i = 0; i < pages; i++) m[i * P] = i;
  SHOW(family(m, pages, 1));
  overflow();
  growing();
  return 0;
}
