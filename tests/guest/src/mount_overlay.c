/* An overlay that a program mounts over directories of its own. */
#include "fs_check.h"
#include <sched.h>
#include <sys/mount.h>
#include <sys/mman.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

static char base[200];

static void entry(const char *p) {
  struct stat st;
  char value[50];
  if (lstat(p, &st)) {
    printf("%s: %s\n", p, fs_error());
    return;
  }
  printf("%s: mode %o", p, st.st_mode);
  /* Whiteouts may be names of one file. */
  if (!S_ISDIR(st.st_mode) && !S_ISCHR(st.st_mode)) printf(" nlink %lu size %ld", (long)st.st_nlink, (long)st.st_size);
  if (S_ISCHR(st.st_mode)) printf(" rdev %x", (int)st.st_rdev);
  if (st.st_mtime < 2000) printf(" mtime %ld", (long)st.st_mtime);
  ssize_t n = lgetxattr(p, "trusted.overlay.opaque", value, sizeof value);
  if (n > 0) printf(" opaque %.*s", (int)n, value);
  n = lgetxattr(p, "user.mark", value, sizeof value);
  if (n > 0) printf(" mark %.*s", (int)n, value);
  printf("\n");
}

static void put_old(const char *p, const char *text) {
  struct timespec t[2] = {{1000}, {1000}};
  fs_put(p, text);
  utimensat(AT_FDCWD, p, t, 0);
}

int main(void) {
  fs_enter();
  if (!getcwd(base, sizeof base)) return 1;
  if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL)) return 1;
  if (mount("t", base, "tmpfs", 0, "") || chdir(base)) return 1;
  const char *dirs[] = {"l1", "l2", "u", "w", "m", "l1/d", "l2/d", "l2/d/e", "l2/only", "l1/gone"};
  for (int i = 0; i < 10; i++) mkdir(dirs[i], 0755);
  put_old("l1/a", "upper lower");
  put_old("l2/a", "lower lower");
  put_old("l2/b", "b of two");
  put_old("l1/d/x", "x of one");
  put_old("l2/d/x", "x of two");
  put_old("l2/d/y", "y of two");
  put_old("l2/only/z", "z");
  symlink("a", "l2/link");
  mknod("l1/b2", S_IFCHR, 0);
  put_old("l2/b2", "hidden");
  setxattr("l2/b", "user.mark", "kept", 4, 0);
  chmod("l2/b", 0640);

  SHOW(mount("o", "m", "overlay", 0, ""));
  SHOW(mount("o", "m", "overlay", 0, "lowerdir=l1,bogus=1"));
  SHOW(mount("o", "m", "overlay", 0, "lowerdir=nothing,upperdir=u,workdir=w"));
  SHOW(mount("o", "m", "overlay", 0, "lowerdir=l1:l2,upperdir=u,workdir=w"));
  fs_list("m");
  fs_list("m/d");
  fs_cat("m/a"); fs_cat("m/b"); fs_cat("m/d/x"); fs_cat("m/d/y"); fs_cat("m/b2"); fs_cat("m/link");
  fs_list("u");

  int old = open("m/b", O_RDONLY);
  char *map = mmap(0, 4096, PROT_READ, MAP_PRIVATE, old, 0);
  SHOW(map[0]);
  int fd = open("m/b", O_WRONLY | O_APPEND);
  SHOW(write(fd, "!", 1));
  close(fd);
  fs_cat("m/b"); fs_cat("u/b"); fs_cat("l2/b");
  entry("u/b");
  close(old);
  SHOW(chmod("m/d/y", 0600));
  entry("u/d"); entry("u/d/y"); entry("l2/d/y");
  SHOW(unlink("m/a"));
  fs_cat("m/a");
  entry("u/a");
  SHOW(symlink("new", "m/a"));
  entry("u/a");
  SHOW(rmdir("m/d"));
  SHOW(unlink("m/d/x"));
  SHOW(unlink("m/d/y"));
  SHOW(rmdir("m/d/e"));
  fs_list("u/d");
  SHOW(rmdir("m/d"));
  entry("u/d");
  SHOW(mkdir("m/d", 0750));
  entry("u/d");
  fs_list("m/d");
  SHOW(rename("m/only", "m/moved"));
  SHOW(rename("m/only/z", "m/z"));
  fs_list("m/only");
  entry("u/only/z"); entry("u/z");
  SHOW(link("m/z", "m/z2"));
  entry("m/z2");
  SHOW(mkdir("m/fresh", 0755));
  SHOW(rename("m/fresh", "m/gone"));
  entry("u/gone");
  SHOW(rename("m/fresh", "m/gone"));
  SHOW(mkdir("m/fresh", 0755));
  fs_put("m/fresh/file", "text");
  SHOW(rename("m/fresh", "m/fresh2"));
  fs_cat("m/fresh2/file"); fs_cat("u/fresh2/file");
  SHOW(rename("m/fresh2/file", "m/b"));
  fs_cat("m/b");
  SHOW(renameat2(AT_FDCWD, "m/z", AT_FDCWD, "m/b", RENAME_EXCHANGE));
  fs_cat("m/z"); fs_cat("m/b");
  SHOW(setxattr("m/link", "user.mark", "x", 1, 0));
  SHOW(setxattr("m/gone", "user.mark", "x", 1, 0));
  char names[200];
  SHOW(listxattr("m/gone", names, sizeof names));
  SHOW(getxattr("m/gone", "trusted.overlay.opaque", names, sizeof names));
  SHOW(truncate("m/b", 1));
  fs_list("m"); fs_list("u"); fs_list("l1"); fs_list("l2");
  SHOW(umount("m"));
  SHOW(mount("o", "m", "overlay", 0, "lowerdir=u:l1:l2"));
  fs_list("m"); fs_list("m/d");
  fs_cat("m/b");
  SHOWOK(open("m/b", O_WRONLY));
  SHOW(mkdir("m/n", 0755));
  SHOW(umount("m"));
  SHOW(mount("o", "m", "overlay", 0, "lowerdir=l1:l2,upperdir=u,workdir=w"));
  fs_list("m"); fs_cat("m/z");
  SHOW(unlink("m/z2"));
  entry("m/z");
  return 0;
}
