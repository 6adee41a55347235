/* fsopen, fsconfig, fsmount, fspick, open_tree, move_mount, mount_setattr, statmount, listmount. */
#include "fs_check.h"
#include <sched.h>
#include <stdint.h>
#include <sys/mount.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>

#define fsopen(...) syscall(430, __VA_ARGS__)
#define fsconfig(...) syscall(431, __VA_ARGS__)
#define fsmount(...) syscall(432, __VA_ARGS__)
#define fspick(...) syscall(433, __VA_ARGS__)
#define open_tree(...) syscall(428, __VA_ARGS__)
#define move_mount(...) syscall(429, __VA_ARGS__)
#define mount_setattr(...) syscall(442, __VA_ARGS__)
#define statmount(...) syscall(457, __VA_ARGS__)
#define listmount(...) syscall(458, __VA_ARGS__)

enum { FLAG, STRING, BINARY, PATH, PATH_EMPTY, FD, CREATE, RECONFIGURE };
enum { F_EMPTY = 4, T_EMPTY = 0x40 };

struct attr { uint64_t set, clr, propagation, userns; };
struct request { uint32_t size, spare; uint64_t id, param, ns; };

static char base[200];

static void flags_of(const char *p) {
  struct statvfs s;
  if (statvfs(p, &s)) printf("%s: %s\n", p, fs_error());
  else printf("%s: flags %lx\n", p, s.f_flag & ~ST_RELATIME & 0x3fff);
}

static void message(int fd) {
  char text[200];
  ssize_t n = read(fd, text, sizeof text - 1);
  if (n < 0) printf("message: %s\n", fs_error());
  else printf("message of %s\n", n > 2 ? "some length" : "no length");
}

static uint64_t unique(const char *p) {
  struct statx st;
  if (syscall(SYS_statx, AT_FDCWD, p, 0, 0x4000, &st)) return 0;
  return *(uint64_t *)((char *)&st + 144);
}

static void show_statmount(const char *p) {
  static union { char bytes[4096]; uint32_t w[1024]; uint64_t q[512]; } b;
  struct request r = {24, 0, unique(p), 0x1 | 0x2 | 0x8 | 0x10 | 0x20};
  memset(&b, 0, sizeof b);
  long n = statmount(&r, &b, sizeof b, 0);
  if (n < 0) {
    printf("statmount %s: %s\n", p, fs_error());
    return;
  }
  const char *s = b.bytes + 512, *point = s + b.w[27];
  if (!strncmp(point, base, strlen(base))) point += strlen(base);
  printf("%s: mask %lx magic %lx type %s root %s point %s attr %lx propagation %lx own %d\n", p, (long)b.q[1],
         (long)b.q[3], s + b.w[9], s + b.w[26], point, (long)b.q[8], (long)b.q[9], b.q[5] == r.id);
}

int main(void) {
  struct attr a;
  fs_enter();
  if (!getcwd(base, sizeof base)) return 1;
  if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL)) return 1;
  if (mount("t", base, "tmpfs", 0, "") || chdir(base)) return 1;
  mkdir("a", 0755); mkdir("b", 0755); mkdir("c", 0755);
  fs_put("file", "text");

  SHOW(fsopen("no such", 0));
  SHOW(fsopen("tmpfs", 2));
  SHOW(fsconfig(-1, FLAG, "ro", NULL, 0));
  SHOW(fsconfig(0, FLAG, "ro", NULL, 0));
  SHOW(fsconfig(99, FLAG, "ro", NULL, 0));
  int fs = fsopen("tmpfs", 1);
  printf("cloexec %d\n", fcntl(fs, F_GETFD));
  SHOW(fsconfig(fs, FLAG, NULL, NULL, 0));
  SHOW(fsconfig(fs, STRING, "size", NULL, 0));
  SHOW(fsconfig(fs, STRING, "bogus", "x", 0));
  message(fs);
  message(fs);
  SHOW(fsconfig(fs, 77, NULL, NULL, 0));
  SHOW(fsconfig(fs, STRING, "source", "mine", 0));
  SHOW(fsconfig(fs, STRING, "source", "again", 0));
  SHOW(fsconfig(fs, STRING, "size", "1m", 0));
  SHOW(fsconfig(fs, STRING, "mode", "0750", 0));
  SHOW(fsmount(fs, 0, 0));
  SHOW(fsconfig(fs, CREATE, NULL, NULL, 0));
  SHOW(fsconfig(fs, CREATE, NULL, NULL, 0));
  SHOW(fsconfig(fs, STRING, "size", "2m", 0));
  SHOW(fsmount(fs, 2, 0));
  SHOW(fsmount(fs, 0, 0x30));
  int m = fsmount(fs, 1, 0x2 | 0x8);
  SHOWOK(m);
  SHOW(fsmount(fs, 1, 0));
  int inside = openat(m, "early", O_CREAT | O_WRONLY, 0644);
  SHOWOK(inside);
  close(inside);
  SHOW(move_mount(m, "", AT_FDCWD, "a", 0));
  SHOW(move_mount(m, "", AT_FDCWD, "file", F_EMPTY));
  SHOW(move_mount(m, "", AT_FDCWD, "a", F_EMPTY));
  SHOW(move_mount(m, "", AT_FDCWD, "a", F_EMPTY));
  fs_list("a");
  fs_stat("a");
  flags_of("a");
  show_statmount("a");
  SHOW(fsconfig(fs, FLAG, "ro", NULL, 0));
  SHOW(fsconfig(fs, RECONFIGURE, NULL, NULL, 0));
  SHOWOK(open("a/x", O_CREAT | O_WRONLY, 0644));
  close(fs);
  fs = fspick(AT_FDCWD, "a", 0);
  SHOWOK(fs);
  SHOW(fspick(AT_FDCWD, "a/early", 0));
  SHOW(fspick(AT_FDCWD, "a", 0x100));
  SHOW(fsconfig(fs, FLAG, "rw", NULL, 0));
  SHOW(fsconfig(fs, CREATE, NULL, NULL, 0));
  SHOW(fsconfig(fs, RECONFIGURE, NULL, NULL, 0));
  SHOWOK(open("a/x", O_CREAT | O_WRONLY, 0644));
  close(fs);

  SHOW(mkdir("a/deep", 0755));
  SHOW(mount("d", "a/deep", "tmpfs", 0, ""));
  SHOW(open_tree(AT_FDCWD, "a", AT_RECURSIVE));
  SHOW(open_tree(AT_FDCWD, "nothing", 1));
  int plain = open_tree(AT_FDCWD, "a", 0);
  SHOWOK(plain);
  int one = open_tree(AT_FDCWD, "a", 1 | O_CLOEXEC), all = open_tree(AT_FDCWD, "a", 1 | AT_RECURSIVE);
  SHOWOK(one);
  SHOWOK(all);
  SHOW(move_mount(one, "", AT_FDCWD, "b", F_EMPTY));
  int t = open(".", O_PATH);
  SHOW(move_mount(all, "", t, "c", F_EMPTY));
  SHOW(mount("e", "b/deep", "tmpfs", 0, ""));
  fs_list("b");
  SHOW(umount("b/deep"));
  SHOW(umount("c/deep"));
  SHOW(move_mount(AT_FDCWD, "b", AT_FDCWD, "c/deep", 0));
  SHOW(move_mount(AT_FDCWD, "c", AT_FDCWD, "c/deep", 0));
  show_statmount("c/deep");
  SHOW(umount("c/deep"));
  int dropped = open_tree(AT_FDCWD, "a", 1 | AT_RECURSIVE);
  close(dropped);
  SHOW(umount2("a", 0));

  memset(&a, 0, sizeof a);
  SHOW(mount_setattr(AT_FDCWD, "c", 0, &a, 16));
  SHOW(mount_setattr(AT_FDCWD, "c", 0, &a, sizeof a));
  a.set = 1 | 4;
  SHOW(mount_setattr(AT_FDCWD, "file", 0, &a, sizeof a));
  SHOW(mount_setattr(AT_FDCWD, "c", 0, &a, sizeof a));
  flags_of("c");
  a.set = 0; a.clr = 1; a.propagation = MS_SHARED;
  SHOW(mount_setattr(AT_FDCWD, "c", AT_RECURSIVE, &a, sizeof a));
  flags_of("c");
  show_statmount("c");
  a.propagation = MS_SHARED | MS_PRIVATE;
  SHOW(mount_setattr(AT_FDCWD, "c", 0, &a, sizeof a));
  a.propagation = 0; a.set = 0x10; a.clr = 0;
  SHOW(mount_setattr(AT_FDCWD, "c", 0, &a, sizeof a));
  a.clr = 0x70;
  SHOW(mount_setattr(AT_FDCWD, "c", 0, &a, sizeof a));
  show_statmount("c");
  a.set = 1ull << 40;
  SHOW(mount_setattr(AT_FDCWD, "c", 0, &a, sizeof a));

  uint64_t ids[10], c = unique("c");
  struct request r = {24, 0, unique("."), 0};
  long n = listmount(&r, ids, 10, 0);
  printf("listmount %ld, first %d\n", n, n > 0 && ids[0] == unique("a"));
  r.param = ids[0];
  n = listmount(&r, ids, 10, 0);
  for (int i = 0; i < n; i++) if (ids[i] == c) printf("and c\n");
  r.id = 12345; r.param = 0;
  SHOW(listmount(&r, ids, 10, 0));
  r.size = 8;
  SHOW(statmount(&r, ids, sizeof ids, 0));
  if (setuid(65534)) return 1;
  SHOW(fsopen("tmpfs", 0));
  SHOW(open_tree(AT_FDCWD, "c", 1));
  SHOW(move_mount(AT_FDCWD, "c", AT_FDCWD, "a", 0));
  a.set = 1; a.clr = 0;
  SHOW(mount_setattr(AT_FDCWD, "c", 0, &a, sizeof a));
  return 0;
}
