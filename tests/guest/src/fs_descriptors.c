/* Descriptors: dup, fcntl, close_range, limits, openat2. */
#include "fs_check.h"
#include <linux/openat2.h>
#include <sys/resource.h>
#include <sys/syscall.h>

static long openat2_(int dir, const char *path, uint64_t flags, uint64_t resolve) {
  struct open_how how = {.flags = flags, .resolve = resolve};
  return syscall(SYS_openat2, dir, path, &how, sizeof how);
}

int main(void) {
  fs_enter();
  fs_put("f", "0123456789");
  for (int i = 3; i < 20; i++) close(i);
  int a = open("f", O_RDWR);
  SHOW(a);
  SHOW(dup(a));
  SHOW(dup2(a, 10));
  SHOW(dup2(a, a));
  SHOW(dup3(a, a, 0));
  SHOW(dup3(a, 11, O_CLOEXEC));
  SHOW(dup2(99, 12));
  SHOW(dup2(a, -1));
  SHOW(fcntl(a, F_DUPFD, 7));
  SHOW(fcntl(a, F_DUPFD_CLOEXEC, 7));
  SHOW(fcntl(11, F_GETFD));
  SHOW(fcntl(10, F_GETFD));
  SHOW(fcntl(10, F_SETFD, FD_CLOEXEC));
  SHOW(fcntl(10, F_GETFD));
  char c;
  SHOW(read(a, &c, 1));
  SHOW(lseek(10, 0, SEEK_CUR));
  printf("%o\n", fcntl(a, F_GETFL) & ~0100000);
  SHOW(fcntl(a, F_SETFL, O_APPEND | O_NONBLOCK));
  printf("%o\n", fcntl(10, F_GETFL) & ~0100000);
  SHOW(fcntl(a, F_SETFL, 0));
  SHOW(fcntl(99, F_GETFD));
  SHOW(fcntl(a, 9999));
  SHOW(fcntl(a, F_GETLEASE) == F_UNLCK);
  SHOW(syscall(SYS_close_range, 8, 11, 0));
  SHOW(fcntl(10, F_GETFD));
  SHOW(syscall(SYS_close_range, 5, 3, 0));
  int p = open("f", O_PATH);
  SHOW(read(p, &c, 1));
  SHOW(fchmod(p, 0600));
  SHOW(fcntl(p, F_GETFL) & O_PATH ? 1 : 0);
  struct stat st;
  SHOW(fstat(p, &st));
  close(p);
  struct rlimit lim = {16, 16};
  SHOW(setrlimit(RLIMIT_NOFILE, &lim));
  int n = 0;
  while (open("f", O_RDONLY) >= 0) n++;
  printf("%s %d\n", fs_error(), n > 5 && n < 16);
  SHOW(dup2(a, 16));
  SHOW(fcntl(a, F_DUPFD, 16));
  for (int i = 4; i < 16; i++) close(i);
  mkdir("dir", 0755);
  mkdir("dir/sub", 0755);
  symlink("/etc/passwd", "dir/abs");
  symlink("../f", "dir/up");
  symlink("sub", "dir/in");
  int dir = open("dir", O_DIRECTORY);
  SHOWOK(openat2_(dir, "sub", O_RDONLY, RESOLVE_BENEATH));
  SHOWOK(openat2_(dir, "in", O_RDONLY, RESOLVE_BENEATH));
  SHOWOK(openat2_(dir, "abs", O_RDONLY, RESOLVE_BENEATH));
  SHOWOK(openat2_(dir, "up", O_RDONLY, RESOLVE_BENEATH));
  SHOWOK(openat2_(dir, "../f", O_RDONLY, RESOLVE_BENEATH));
  SHOWOK(openat2_(dir, "../f", O_RDONLY, 0));
  SHOWOK(openat2_(dir, "/sub", O_RDONLY, RESOLVE_IN_ROOT));
  SHOWOK(openat2_(dir, "../../sub", O_RDONLY, RESOLVE_IN_ROOT));
  SHOWOK(openat2_(dir, "in", O_RDONLY, RESOLVE_NO_SYMLINKS));
  SHOWOK(openat2_(dir, "sub", O_RDONLY, 0x1000));
  SHOWOK(openat2_(AT_FDCWD, "/proc/self/exe", O_RDONLY, RESOLVE_NO_MAGICLINKS));
  SHOWOK(openat(99, "f", O_RDONLY));
  SHOWOK(openat(a, "f", O_RDONLY));
  SHOWOK(faccessat(dir, "sub", X_OK, 0));
  SHOW(fchdir(a));
  SHOW(fchdir(dir));
  fs_list(".");
  SHOW(chdir(".."));
  fs_leave();
  return 0;
}
