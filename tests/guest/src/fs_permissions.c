/* What the modes of files and directories allow to users that are not root. Says so and ends if it is not root. */
#include "fs_check.h"
#include <grp.h>
#include <sys/sysmacros.h>

static void as(uid_t uid, gid_t gid, void (*f)(void)) {
  fflush(stdout);
  pid_t pid = fork();
  if (pid == 0) {
    gid_t groups[1] = {200};
    if (setgroups(1, groups) || setgid(gid) || setuid(uid)) _exit(9);
    f();
    fflush(stdout);
    _exit(0);
  }
  waitpid(pid, NULL, 0);
}

static void other(void) {
  SHOWOK(open("pub", O_RDONLY));
  SHOWOK(open("pub", O_WRONLY));
  SHOWOK(open("private", O_RDONLY));
  SHOWOK(open("group", O_RDWR));
  SHOWOK(open("closed/x", O_RDONLY));
  SHOWOK(open("noexec", O_RDONLY));
  SHOW(access("noexec", X_OK));
  SHOW(access("exec", X_OK));
  SHOW(chmod("pub", 0777));
  SHOW(chown("pub", 1000, -1));
  SHOW(utimensat(AT_FDCWD, "pub", NULL, 0));
  SHOW(unlink("pub"));
  SHOW(mkdir("new", 0755));
  SHOW(rename("pub", "pub2"));
  fs_put("sticky/mine", "x");
  fs_stat("sticky/mine");
  SHOW(unlink("sticky/root"));
  SHOW(rename("sticky/root", "sticky/r2"));
  SHOW(unlink("sticky/mine"));
  SHOW(mkdir("setgid/d", 0755));
  fs_stat("setgid/d");
  fs_put("setgid/f", "x");
  fs_stat("setgid/f");
  SHOW(chmod("setgid/f", 02755));
  fs_stat("setgid/f");
  SHOW(link("private", "sticky/link") < 0 ? -1 : 0);
  SHOW(mknod("sticky/dev", S_IFCHR | 0600, makedev(1, 3)));
  SHOW(chroot("."));
  int fd = open("setgid/own", O_CREAT | O_RDWR, 0400);
  SHOW(write(fd, "x", 1));
  SHOWOK(open("setgid/own", O_WRONLY));
  SHOW(fchmod(fd, 04777));
  fs_stat("setgid/own");
  SHOW(write(fd, "y", 1));
  fs_stat("setgid/own");
  SHOW(fchown(fd, -1, 200));
  SHOW(fchown(fd, -1, 201));
  SHOW(fchown(fd, 1001, -1));
  SHOWOK(open("pub", O_RDONLY | O_NOATIME));
}

int main(void) {
  if (getuid() != 0) {
    printf("not root\n");
    return 0;
  }
  fs_enter();
  chmod(".", 0755);
  fs_put("pub", "x");
  fs_put("private", "x");
  chmod("private", 0600);
  fs_put("group", "x");
  chown("group", 0, 200);
  chmod("group", 0060);
  mkdir("closed", 0700);
  fs_put("closed/x", "x");
  fs_put("noexec", "x");
  fs_put("exec", "x");
  chmod("exec", 0711);
  mkdir("sticky", 0755);
  chmod("sticky", 01777);
  fs_put("sticky/root", "x");
  mkdir("setgid", 0755);
  chown("setgid", 1000, 300);
  chmod("setgid", 02777);
  as(1000, 100, other);
  /* Root may read and write all, but execute only what somebody may. */
  SHOWOK(open("group", O_RDWR));
  SHOW(access("noexec", X_OK));
  SHOW(access("exec", X_OK));
  chmod("exec", 06755);
  SHOW(chown("exec", 5, 6));
  fs_stat("exec");
  SHOW(chown("sticky", 5, -1));
  fs_stat("sticky");
  fs_leave();
  return 0;
}
