/* Files in memory and mappings of files. */
#include "fs_check.h"
#include <sys/mman.h>

int main(void) {
  fs_enter();
  int fd = memfd_create("test", MFD_ALLOW_SEALING | MFD_CLOEXEC);
  SHOWOK(fd);
  char link[64], target[128] = {0};
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  readlink(link, target, sizeof target - 1);
  printf("%s\n", target);
  SHOW(ftruncate(fd, 8192));
  SHOW(fcntl(fd, F_GET_SEALS));
  char *m = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  strcpy(m, "mapped");
  char buf[16] = {0};
  SHOW(pread(fd, buf, 6, 0));
  printf("%s\n", buf);
  SHOW(pwrite(fd, "WR", 2, 4096));
  printf("%.2s\n", m + 4096);
  SHOW(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE));
  munmap(m, 8192);
  SHOW(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK));
  SHOW(write(fd, "x", 1));
  SHOW(ftruncate(fd, 1));
  SHOW(ftruncate(fd, 10000));
  printf("%d\n", mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) == MAP_FAILED);
  printf("%d\n", mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, fd, 0) == MAP_FAILED);
  SHOW(fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL));
  SHOW(fcntl(fd, F_ADD_SEALS, F_SEAL_GROW));
  SHOW(memfd_create("x", 0x4000));
  int plain = memfd_create("plain", 0);
  SHOW(fcntl(plain, F_GET_SEALS));
  SHOW(fcntl(plain, F_ADD_SEALS, F_SEAL_GROW));
  /* A file, mapped privately and shared, seen by a child. */
  fd = open("f", O_RDWR | O_CREAT, 0644);
  ftruncate(fd, 4096 * 3);
  char *sh = mmap(NULL, 4096 * 3, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  char *pr = mmap(NULL, 4096 * 3, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
  pid_t pid = fork();
  if (pid == 0) {
    strcpy(sh, "child");
    strcpy(pr, "hidden");
    _exit(0);
  }
  waitpid(pid, NULL, 0);
  /* Whether a private mapping sees later writes is not specified, but never those of others' copies. */
  printf("%s %d\n", sh, strcmp(pr, "hidden") != 0);
  strcpy(pr + 4096, "own");
  printf("[%s]\n", sh + 4096);
  pwrite(fd, "later", 6, 8192);
  printf("%s\n", sh + 8192);
  SHOW(msync(sh, 4096, MS_SYNC));
  SHOW(munmap(sh, 4096 * 3));
  fs_cat("f");
  SHOW(mmap(NULL, 4096, PROT_READ, MAP_SHARED, 99, 0) == MAP_FAILED ? -1 : 0);
  int ro = open("f", O_RDONLY);
  SHOW(mmap(NULL, 4096, PROT_WRITE, MAP_SHARED, ro, 0) == MAP_FAILED ? -1 : 0);
  fs_leave();
  return 0;
}
