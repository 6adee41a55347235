/* Random operations on a few names, from a fixed seed: whatever they do, they do it everywhere alike. */
#include "fs_check.h"
#include <sys/file.h>

static uint64_t state;

static unsigned next(unsigned n) {
  state = state * 6364136223846793005ull + 1442695040888963407ull;
  return (unsigned)(state >> 33) % n;
}

static const char *names[] = {"a", "b", "c", "d", "e"};
static char path_buf[4][128];
static int path_turn;

static const char *path(void) {
  char *p = path_buf[path_turn++ & 3];
  p[0] = 0;
  int depth = 1 + next(3);
  for (int i = 0; i < depth; i++) {
    if (i) strcat(p, "/");
    unsigned k = next(14);
    if (k == 0) strcat(p, "..");
    else if (k == 1) strcat(p, ".");
    else strcat(p, names[k % 5]);
  }
  if (next(12) == 0) strcat(p, "/");
  return p;
}

static int fds[8];

static int *slot(void) { return &fds[next(8)]; }

static void result(const char *what, long r) {
  if (r < 0) printf(" %s %s\n", what, fs_error());
  else printf(" %s %ld\n", what, r);
}

static void show(const char *p) {
  struct stat st;
  if (lstat(p, &st) != 0) {
    printf(" stat %s\n", fs_error());
    return;
  }
  printf(" mode %o", st.st_mode);
  if (!S_ISDIR(st.st_mode)) printf(" nlink %lu size %ld", (unsigned long)st.st_nlink, (long)st.st_size);
  printf("\n");
}

static void sum(int fd) {
  unsigned char buf[4096];
  unsigned long h = 0, total = 0;
  ssize_t n;
  off_t at = 0;
  while ((n = pread(fd, buf, sizeof buf, at)) > 0) {
    for (ssize_t i = 0; i < n; i++) h = h * 31 + buf[i];
    at += n;
    total += n;
  }
  printf(" sum %lu of %lu\n", h, total);
}

int main(int argc, char **argv) {
  static const int flags[] = {O_RDONLY, O_WRONLY, O_RDWR, O_RDWR | O_CREAT, O_WRONLY | O_CREAT | O_TRUNC,
                              O_RDWR | O_CREAT | O_EXCL, O_RDWR | O_APPEND, O_RDWR | O_CREAT | O_NOFOLLOW,
                              O_RDONLY | O_DIRECTORY, O_PATH, O_PATH | O_NOFOLLOW, O_RDWR | O_TRUNC,
                              O_WRONLY | O_CREAT | O_APPEND, O_TMPFILE | O_RDWR};
  static char data[20000];
  int count = argc > 1 ? atoi(argv[1]) : 3000;
  state = argc > 2 ? strtoull(argv[2], 0, 0) : 1;
  for (int i = 0; i < (int)sizeof data; i++) data[i] = 'a' + i % 26;
  for (int i = 0; i < 8; i++) fds[i] = -1;
  fs_enter();
  /* Nothing may lead out of the directory: without chroot(2) there is no test. */
  if (mkdir("top", 0755)) return 1;
  fflush(stdout);
  pid_t pid = fork();
  if (pid != 0) {
    int status;
    waitpid(pid, &status, 0);
    fs_list("top");
    fs_leave();
    return status != 0;
  }
  if (chdir("top") || chroot(".") || chdir("/")) {
    printf("not root\n");
    return 0;
  }
  for (int i = 0; i < count; i++) {
    errno = 0;
    const char *p = path(), *q = path();
    unsigned op = next(30);
    printf("%d %u %s", i, op, p);
    switch (op) {
      case 0: case 1: case 2: case 3: case 4: {
        int *s = slot();
        if (*s >= 0) close(*s);
        unsigned f = next(sizeof flags / sizeof *flags);
        int fd = open(p, flags[f], 0644);
        printf(" flags %o", flags[f]);
        result("open", fd < 0 ? fd : 0);
        *s = fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, 20 + (s - fds));
        if (fd >= 0) close(fd);
        break;
      }
      case 5: case 6: case 7: {
        int fd = *slot();
        unsigned n = next(2) ? next(64) : next(sizeof data);
        result("write", write(fd, data + next(100), n > 19900 ? 19900 : n));
        break;
      }
      case 8: {
        int fd = *slot();
        result("pwrite", pwrite(fd, data, next(5000), next(40000)));
        break;
      }
      case 9: {
        char buf[256];
        ssize_t n = read(*slot(), buf, next(256));
        result("read", n);
        break;
      }
      case 10: sum(*slot()); break;
      case 11: {
        /* Offsets of directories, and what is a hole, are each file system's own. */
        int fd = *slot();
        long off = (long)next(30000) - 1000;
        int whence = next(3);
        struct stat st;
        if (fstat(fd, &st) == 0 && S_ISDIR(st.st_mode)) printf("\n");
        else result("lseek", lseek(fd, off, whence));
        break;
      }
      case 12: result("ftruncate", ftruncate(*slot(), next(30000))); break;
      case 13: result("truncate", truncate(p, next(30000))); break;
      case 14: case 15: result("mkdir", mkdir(p, 0755)); break;
      case 16: result("rmdir", rmdir(p)); break;
      case 17: result("unlink", unlink(p)); break;
      case 18: case 19: printf(" %s", q); result("rename", rename(p, q)); break;
      case 20: {
        unsigned f = next(3);
        printf(" %s %u", q, f);
        result("renameat2", renameat2(AT_FDCWD, p, AT_FDCWD, q, f));
        break;
      }
      case 21: printf(" %s", q); result("link", link(p, q)); break;
      case 22: printf(" %s", q); result("symlink", symlink(q, p)); break;
      case 23: {
        char buf[200];
        ssize_t n = readlink(p, buf, sizeof buf);
        if (n < 0) result("readlink", n);
        else printf(" -> %.*s\n", (int)n, buf);
        break;
      }
      case 24: printf(" "); fs_list(p); break;
      case 25: result("chmod", chmod(p, 0600 | next(0200))); break;
      case 26: {
        static const int modes[] = {0, FALLOC_FL_KEEP_SIZE, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                                    FALLOC_FL_ZERO_RANGE, FALLOC_FL_PUNCH_HOLE};
        result("fallocate", fallocate(*slot(), modes[next(3)], next(20000), next(20000)));
        break;
      }
      case 27: result("chdir", chdir(next(2) ? p : "/")); break;
      case 28: {
        int *s = slot();
        if (*s >= 0) result("close", close(*s));
        else printf("\n");
        *s = -1;
        break;
      }
      default: show(p); break;
    }
  }
  fs_list("/");
  fflush(stdout);
  _exit(0);
}
