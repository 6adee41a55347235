/* Times of files, and extended attributes where the file system has them. */
#include "fs_check.h"
#include <sys/time.h>
#include <sys/xattr.h>
#include <utime.h>

static void times(const char *path) {
  struct stat st;
  if (stat(path, &st) != 0) return;
  printf("%s: %ld.%09ld %ld.%09ld\n", path, (long)st.st_atim.tv_sec, st.st_atim.tv_nsec,
         (long)st.st_mtim.tv_sec, st.st_mtim.tv_nsec);
}

int main(void) {
  fs_enter();
  fs_put("f", "x");
  struct timespec ts[2] = {{1000000000, 123456789}, {1500000001, 987654321}};
  SHOW(utimensat(AT_FDCWD, "f", ts, 0));
  times("f");
  ts[0].tv_nsec = UTIME_OMIT;
  ts[1].tv_sec = 5;
  ts[1].tv_nsec = 1;
  SHOW(utimensat(AT_FDCWD, "f", ts, 0));
  times("f");
  ts[0].tv_nsec = 1000000000;
  SHOW(utimensat(AT_FDCWD, "f", ts, 0));
  SHOW(utimensat(AT_FDCWD, "none", NULL, 0));
  struct timeval tv[2] = {{7, 8}, {9, 10}};
  SHOW(utimes("f", tv));
  times("f");
  tv[0].tv_usec = 1000000;
  SHOW(utimes("f", tv));
  struct utimbuf ub = {11, 12};
  SHOW(utime("f", &ub));
  times("f");
  symlink("f", "l");
  ts[0].tv_sec = ts[1].tv_sec = 42;
  ts[0].tv_nsec = ts[1].tv_nsec = 0;
  SHOW(utimensat(AT_FDCWD, "l", ts, AT_SYMLINK_NOFOLLOW));
  times("f");
  struct stat st, after;
  lstat("l", &st);
  printf("%ld\n", (long)st.st_mtim.tv_sec);
  int fd = open("f", O_RDWR);
  SHOW(futimens(fd, ts));
  times("f");
  SHOW(write(fd, "y", 1));
  fstat(fd, &st);
  printf("mtime moved %d atime kept %d\n", st.st_mtim.tv_sec > 42, st.st_atim.tv_sec == 42);
  char c;
  SHOW(pread(fd, &c, 1, 0));
  fstat(fd, &after);
  printf("atime moved %d\n", after.st_atim.tv_sec > 42);
  SHOW(chmod("f", 0600));
  struct statx sx;
  SHOW(statx(AT_FDCWD, "f", 0, STATX_BASIC_STATS, &sx));
  printf("%o %u %llu\n", sx.stx_mode, sx.stx_nlink, sx.stx_size);
  SHOW(statx(fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS, &sx));
  SHOW(statx(fd, "", 0, STATX_BASIC_STATS, &sx));
  SHOW(statx(AT_FDCWD, "f", 0x8000000, STATX_BASIC_STATS, &sx));
  if (setxattr("f", "user.a", "value", 5, 0) != 0 && errno == EOPNOTSUPP) {
    printf("no attributes\n");
    fs_leave();
    return 0;
  }
  char v[16] = {0};
  SHOW(setxattr("f", "user.a", "v", 1, XATTR_CREATE));
  SHOW(setxattr("f", "user.b", "v", 1, XATTR_REPLACE));
  SHOW(setxattr("f", "user.b", "vv", 2, XATTR_CREATE));
  SHOW(getxattr("f", "user.a", v, 16));
  printf("%s\n", v);
  SHOW(getxattr("f", "user.a", v, 2));
  SHOW(getxattr("f", "user.a", NULL, 0));
  SHOW(getxattr("f", "user.c", v, 16));
  SHOW(getxattr("f", "bogus.c", v, 16));
  SHOW(fgetxattr(fd, "user.b", v, 16));
  SHOW(listxattr("f", NULL, 0));
  SHOW(removexattr("f", "user.a"));
  SHOW(removexattr("f", "user.a"));
  char list[64];
  SHOW(flistxattr(fd, list, 64));
  printf("%s\n", list);
  SHOW(lsetxattr("l", "user.a", "v", 1, 0));
  fs_leave();
  return 0;
}
