/* Access control lists: as attributes, by chmod, for new files, and what they allow. */
#include "fs_check.h"
#include <grp.h>
#include <stdint.h>
#include <sys/xattr.h>

struct entry { uint16_t tag, perm; uint32_t id; };
struct list { uint32_t version; struct entry e[12]; };

#define ACCESS "system.posix_acl_access"
#define DEFAULT "system.posix_acl_default"

static int put(const char *p, const char *name, int n, ...) {
  struct list l = {2};
  __builtin_va_list a;
  __builtin_va_start(a, n);
  for (int i = 0; i < n; i++) {
    l.e[i].tag = __builtin_va_arg(a, int);
    l.e[i].perm = __builtin_va_arg(a, int);
    l.e[i].id = __builtin_va_arg(a, int);
  }
  __builtin_va_end(a);
  return setxattr(p, name, &l, 4 + 8 * n, 0);
}

static void show(const char *p) {
  static const char *names[] = {ACCESS, DEFAULT};
  struct stat st;
  if (stat(p, &st)) return;
  printf("%s: mode %o", p, st.st_mode);
  for (int k = 0; k < 2; k++) {
    struct list l;
    ssize_t n = getxattr(p, names[k], &l, sizeof l);
    if (n < 0) {
      printf(" %s", fs_error());
      continue;
    }
    printf(" [%u", l.version);
    for (int i = 0; i < (n - 4) / 8; i++) printf(" %x:%o:%d", l.e[i].tag, l.e[i].perm, (int)l.e[i].id);
    printf("]");
  }
  char list[500];
  ssize_t n = listxattr(p, list, sizeof list);
  int count = 0;
  for (char *a = list; a < list + n; a += strlen(a) + 1) count += !strncmp(a, "system.", 7);
  printf(" listed %d\n", count);
}

static void as(int uid, int gid, const char *p) {
  fflush(stdout);
  pid_t pid = fork();
  if (pid == 0) {
    if (setgroups(0, NULL) || setgid(gid) || setuid(uid)) _exit(1);
    printf("%d:%d %s: r %s,", uid, gid, p, access(p, R_OK) ? fs_error() : "ok");
    printf(" w %s,", access(p, W_OK) ? fs_error() : "ok");
    printf(" x %s\n", access(p, X_OK) ? fs_error() : "ok");
    int fd = open(p, O_RDONLY);
    printf("open %s\n", fd < 0 ? fs_error() : "ok");
    SHOW(put(p, ACCESS, 3, 1, 6, -1, 4, 4, -1, 32, 4, -1));
    fflush(stdout);
    _exit(0);
  }
  waitpid(pid, NULL, 0);
}

int main(void) {
  fs_enter();
  chmod(".", 0755);
  fs_put("f", "text");
  mkdir("d", 0755);
  symlink("f", "l");
  show("f");
  SHOW(put("f", ACCESS, 2, 1, 6, -1, 4, 4, -1));
  SHOW(put("f", ACCESS, 4, 1, 6, -1, 2, 7, 1000, 4, 4, -1, 32, 4, -1));
  SHOW(put("f", ACCESS, 5, 1, 6, -1, 4, 4, -1, 2, 7, 1000, 16, 7, -1, 32, 4, -1));
  SHOW(put("f", ACCESS, 3, 1, 9, -1, 4, 4, -1, 32, 4, -1));
  SHOW(setxattr("f", ACCESS, "abc", 3, 0));
  SHOW(put("f", ACCESS, 3, 1, 6, -1, 4, 0, -1, 32, 0, -1));
  show("f");
  SHOW(put("f", ACCESS, 6, 1, 6, -1, 2, 7, 1000, 4, 4, -1, 8, 2, 2000, 16, 5, -1, 32, 0, -1));
  show("f");
  as(1000, 1000, "f");
  as(1001, 2000, "f");
  as(1001, 1001, "f");
  as(1001, 0, "f");
  SHOW(chmod("f", 0600));
  show("f");
  as(1000, 1000, "f");
  SHOW(chmod("f", 0764));
  show("f");
  as(1000, 1000, "f");
  as(1001, 2000, "f");
  SHOW(removexattr("f", ACCESS));
  SHOW(removexattr("f", ACCESS));
  show("f");
  SHOW(put("f", DEFAULT, 3, 1, 6, -1, 4, 4, -1, 32, 4, -1));
  SHOW(lsetxattr("l", ACCESS, "\2\0\0", 4, 0));
  SHOW(put("d", DEFAULT, 5, 1, 7, -1, 2, 7, 1000, 4, 5, -1, 16, 7, -1, 32, 5, -1));
  show("d");
  umask(077);
  fs_put("d/new", "text");
  show("d/new");
  int fd = open("d/exact", O_CREAT | O_WRONLY, 0640);
  close(fd);
  show("d/exact");
  SHOW(mkdir("d/sub", 0700));
  show("d/sub");
  SHOW(mkdir("d/sub/deeper", 0777));
  show("d/sub/deeper");
  SHOW(mknod("d/fifo", S_IFIFO | 0666, 0));
  show("d/fifo");
  as(1000, 5, "d/new");
  SHOW(removexattr("d", DEFAULT));
  fs_put("d/plain", "text");
  show("d/plain");
  /* A directory that everybody but one may search. */
  SHOW(put("d", ACCESS, 5, 1, 7, -1, 2, 0, 1000, 4, 5, -1, 16, 5, -1, 32, 5, -1));
  chmod("d/plain", 0644);
  show("d");
  as(1000, 5, "d/plain");
  as(1001, 5, "d/plain");
  fs_leave();
  return 0;
}
