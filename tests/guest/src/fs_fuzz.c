/*
 * Random file operations from a seed, by one process and then by several at once: whatever they do, results and the tree
 * that is left are the same everywhere.
 *
 *   fs_fuzz [SEED [OPERATIONS [PROCESSES [DIRECTORY]]]]
 *
 * Without a directory it works in one that it makes and removes; `fs_fuzz show DIRECTORY` prints the tree that another run
 * left. FS_VERBOSE=1 prints every operation rather than sums of a hundred of them.
 */
#include "fs_check.h"
#include <setjmp.h>
#include <stdarg.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/uio.h>
#include <sys/xattr.h>
#include <time.h>

#define FILES 10
#define DIRS 5
#define FDS 6
#define MAPS 3
#define LARGEST 300000
#define SHARED_SIZE 262144

static uint64_t state;
static int me, verbose, processes;
static FILE *logfile;
static unsigned long sum;
static int since;
static unsigned char data[70000], buf[LARGEST + 70000];

static unsigned next(unsigned n) {
  state = state * 6364136223846793005ull + 1442695040888963407ull;
  return (unsigned)(state >> 33) % n;
}

static unsigned long hash(const void *p, long n) {
  const unsigned char *b = p;
  unsigned long h = 5381;
  for (long i = 0; i < n; i++) h = h * 33 + b[i];
  return h;
}

static void note(int i, const char *what, long r) {
  const char *e = r < 0 ? fs_error() : "";
  if (verbose) {
    fprintf(logfile, "%d.%d %s %ld %s\n", me, i, what, r, e);
    fflush(logfile);
  }
  sum = sum * 31 + (unsigned long)r * 7 + hash(what, strlen(what)) + hash(e, strlen(e));
  if (++since == 100) {
    fprintf(logfile, "%d.%d %lx\n", me, i, sum);
    since = 0;
  }
}

static void shown_note(int i, long r, const char *format, ...) {
  char text[400];
  va_list args;
  int saved = errno;
  va_start(args, format);
  vsnprintf(text, sizeof text, format, args);
  va_end(args);
  errno = saved;
  note(i, text, r);
}
#define NOTE(r, ...) do { long note_r = (r); shown_note(i, note_r, __VA_ARGS__); } while (0)

static const char *dir_name(void) {
  static char b[4][64];
  static int turn;
  char *p = b[turn++ & 3];
  unsigned k = next(DIRS + 2);
  if (k >= DIRS) sprintf(p, "p%d", me);
  else if (k == 0) sprintf(p, "common");
  else if (k == 4) sprintf(p, "p%d/d1/d4", me);
  else sprintf(p, "p%d/d%u", me, k);
  return p;
}

/* A name that no other process uses. */
static const char *path(void) {
  static char b[8][128];
  static int turn;
  char *p = b[turn++ & 7];
  sprintf(p, "%s/f%d_%u", dir_name(), me, next(FILES));
  return p;
}

static int fds[FDS];
static struct { unsigned char *at; long length; int writable; int shared; int fd; off_t offset; } maps[MAPS];

static sigjmp_buf jump;
static void on_bus(int sig) { siglongjmp(jump, sig); }

static int usable(int fd, struct stat *st) { return fd >= 0 && fstat(fd, st) == 0 && S_ISREG(st->st_mode); }

static unsigned length_of(void) {
  switch (next(4)) {
    case 0: return next(40);
    case 1: return next(5000);
    case 2: return 4096 * next(12);
    default: return next(60000);
  }
}

static unsigned offset_of(void) {
  switch (next(3)) {
    case 0: return 4096 * next(50);
    case 1: return next(9000);
    default: return next(200000);
  }
}

static long whole(int fd, unsigned long *h) {
  long total = 0;
  ssize_t n;
  while (total < (long)sizeof buf && (n = pread(fd, buf + total, sizeof buf - total, total)) > 0) total += n;
  *h = hash(buf, total);
  return total;
}

static void one(int i) {
  static const int flags[] = {O_RDWR | O_CREAT, O_RDWR | O_CREAT, O_RDWR | O_CREAT, O_RDONLY, O_WRONLY | O_CREAT | O_APPEND,
                              O_RDWR | O_CREAT | O_TRUNC, O_RDWR | O_CREAT | O_EXCL, O_RDWR | O_APPEND};
  unsigned op = next(48);
  int s = next(FDS);
  int fd = fds[s];
  struct stat st;
  errno = 0;
  switch (op) {
    case 0: case 1: case 2: case 3: {
      const char *p = path();
      unsigned f = next(8);
      if (fd >= 0) close(fd);
      fds[s] = open(p, flags[f], 0600 | next(0200));
      NOTE(fds[s] < 0 ? -1 : 0, "open %s %u in %d", p, f, s);
      break;
    }
    case 4: {
      if (fd >= 0) close(fd);
      const char *p = dir_name();
      fds[s] = open(p, O_TMPFILE | O_RDWR, 0640);
      NOTE(fds[s] < 0 ? -1 : 0, "tmpfile %s in %d", p, s);
      break;
    }
    case 5: {
      char from[40];
      const char *p = path();
      sprintf(from, "/proc/self/fd/%d", fd);
      NOTE(linkat(AT_FDCWD, from, AT_FDCWD, p, AT_SYMLINK_FOLLOW), "linkat %d %s", s, p);
      break;
    }
    case 6: case 7: case 8: case 9: {
      unsigned n = length_of(), at = offset_of();
      NOTE(pwrite(fd, data + next(9000), n, at), "pwrite %d %u+%u", s, at, n);
      break;
    }
    case 10: case 11: {
      unsigned n = length_of();
      if (usable(fd, &st) && st.st_size > LARGEST) break;
      NOTE(write(fd, data + next(9000), n), "write %d %u", s, n);
      break;
    }
    case 12: {
      struct iovec v[3];
      for (int k = 0; k < 3; k++) v[k] = (struct iovec){data + next(9000), next(3) ? next(6000) : 0};
      unsigned at = offset_of();
      NOTE(pwritev(fd, v, 3, at), "pwritev %d %u %zu %zu %zu", s, at, v[0].iov_len, v[1].iov_len, v[2].iov_len);
      break;
    }
    case 13: case 14: case 15: {
      unsigned n = length_of(), at = offset_of();
      ssize_t r = pread(fd, buf, n, at);
      NOTE(r, "pread %d %u+%u", s, at, n);
      if (r > 0) NOTE(0, "got %lx", hash(buf, r));
      break;
    }
    case 16: {
      unsigned n = length_of();
      ssize_t r = read(fd, buf, n);
      NOTE(r, "read %d %u", s, n);
      if (r > 0) NOTE(0, "got %lx", hash(buf, r));
      break;
    }
    case 17: {
      int off = (int)offset_of() - 3000, whence = next(3);
      if (whence == 2) off /= 8;
      NOTE(lseek(fd, off, whence), "lseek %d %d %d", s, off, whence);
      break;
    }
    case 18: case 19: {
      unsigned n = offset_of();
      NOTE(ftruncate(fd, n), "ftruncate %d %u", s, n);
      break;
    }
    case 20: {
      const char *p = path();
      unsigned n = offset_of();
      NOTE(truncate(p, n), "truncate %s %u", p, n);
      break;
    }
    case 21: case 22: {
      static const int modes[] = {0, FALLOC_FL_KEEP_SIZE, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                                  FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, FALLOC_FL_PUNCH_HOLE};
      unsigned m = next(5), at = offset_of(), n = length_of();
      NOTE(fallocate(fd, modes[m], at, n), "fallocate %d %x %u+%u", s, modes[m], at, n);
      break;
    }
    case 23: {
      int o = next(FDS);
      loff_t in = offset_of(), out = offset_of();
      unsigned n = length_of();
      struct stat a, b;
      if (!usable(fd, &a) || !usable(fds[o], &b)) break;
      if (fcntl(fds[o], F_GETFL) & O_APPEND) break;
      long r = copy_file_range(fd, &in, fds[o], &out, n, 0);
      NOTE(r, "copy_file_range %d %d %u: %ld %ld", s, o, n, (long)in, (long)out);
      break;
    }
    case 24: {
      int o = next(FDS);
      off_t in = offset_of();
      unsigned n = length_of();
      struct stat a, b;
      if (!usable(fd, &a) || !usable(fds[o], &b) || b.st_size > LARGEST || a.st_ino == b.st_ino) break;
      long r = sendfile(fds[o], fd, &in, n);
      NOTE(r, "sendfile %d %d %u: %ld", s, o, n, (long)in);
      break;
    }
    case 25: case 26: {
      const char *p = path(), *q = path();
      NOTE(rename(p, q), "rename %s %s", p, q);
      break;
    }
    case 27: {
      const char *p = path(), *q = path();
      unsigned f = 1 + next(2);
      NOTE(renameat2(AT_FDCWD, p, AT_FDCWD, q, f), "renameat2 %s %s %u", p, q, f);
      break;
    }
    case 28: {
      const char *p = path(), *q = path();
      NOTE(link(p, q), "link %s %s", p, q);
      break;
    }
    case 29: {
      const char *p = path(), *q = path();
      NOTE(symlink(q, p), "symlink %s %s", q, p);
      break;
    }
    case 30: case 31: {
      const char *p = path();
      NOTE(unlink(p), "unlink %s", p);
      break;
    }
    case 32: {
      const char *p = dir_name();
      NOTE(mkdir(p, 0700 | next(0100)), "mkdir %s", p);
      break;
    }
    case 33: {
      const char *p = dir_name();
      if (next(4) || !strcmp(p, "common")) break;
      NOTE(rmdir(p), "rmdir %s", p);
      break;
    }
    case 34: {
      const char *p = dir_name(), *q = dir_name();
      if (!strchr(p, '/') || !strchr(q, '/')) break;
      NOTE(rename(p, q), "rename %s %s", p, q);
      break;
    }
    case 35: {
      const char *p = path();
      char name[20];
      unsigned f = next(3), n = next(60);
      sprintf(name, "user.%u", next(3));
      NOTE(setxattr(p, name, data + next(1000), n, f), "setxattr %s %s %u %u", p, name, n, f);
      break;
    }
    case 36: {
      char name[20];
      sprintf(name, "user.%u", next(3));
      if (next(2)) NOTE(fremovexattr(fd, name), "fremovexattr %d %s", s, name);
      ssize_t r = fgetxattr(fd, name, buf, 100);
      NOTE(r, "fgetxattr %d %s", s, name);
      if (r > 0) NOTE(0, "got %lx", hash(buf, r));
      break;
    }
    case 37: {
      const char *p = path();
      unsigned m = 0600 | next(0200);
      if (next(2)) NOTE(chmod(p, m), "chmod %s %o", p, m);
      else NOTE(fchmod(fd, m), "fchmod %d %o", s, m);
      break;
    }
    case 38: {
      const char *p = path();
      struct timespec t[2] = {{1000000 + next(1000), next(1000000000)}, {2000000 + next(1000), next(1000000000)}};
      long r = utimensat(AT_FDCWD, p, t, next(2) ? AT_SYMLINK_NOFOLLOW : 0);
      NOTE(r, "utimensat %s", p);
      if (r == 0 && stat(p, &st) == 0) NOTE(0, "times %ld %ld", (long)st.st_mtime, st.st_mtim.tv_nsec);
      break;
    }
    case 39: {
      unsigned k = next(5);
      if (fd < 0) break;
      NOTE(k == 0 ? fsync(fd) : k == 1 ? fdatasync(fd) : k == 2 ? sync_file_range(fd, 0, 0, 7) : 0, "sync %d %u", s, k);
      break;
    }
    case 40: case 41: {
      int m = next(MAPS);
      if (maps[m].at) {
        munmap(maps[m].at, maps[m].length);
        close(maps[m].fd);
      }
      maps[m].at = NULL;
      if (!usable(fd, &st) || st.st_size == 0) break;
      long offset = 4096 * next(1 + st.st_size / 4096);
      if (offset >= st.st_size) offset = 0;
      long length = 1 + next(st.st_size - offset);
      int shared = next(4) != 0, writable = next(3) != 0;
      maps[m].at = mmap(0, length, PROT_READ | (writable ? PROT_WRITE : 0), shared ? MAP_SHARED : MAP_PRIVATE, fd, offset);
      NOTE(maps[m].at == MAP_FAILED ? -1 : 0, "mmap %d %ld+%ld %d %d", s, offset, length, shared, writable);
      if (maps[m].at == MAP_FAILED) maps[m].at = NULL;
      /* When a store into a mapping changes the time is each kernel's own affair. */
      else if (shared && writable) fsetxattr(fd, "user.mapped", "", 0, 0);
      maps[m].length = length;
      maps[m].writable = writable;
      maps[m].shared = shared;
      maps[m].offset = offset;
      if (maps[m].at) maps[m].fd = dup(fd);
      break;
    }
    case 42: case 43: case 44: {
      int m = next(MAPS);
      if (!maps[m].at) break;
      long at = next(maps[m].length), n = 1 + next(20000);
      if (at + n > maps[m].length) n = maps[m].length - at;
      /* What becomes of stores behind the end of a file, in its last page, is open too. */
      if (fstat(maps[m].fd, &st) == 0 && maps[m].offset + at + n > st.st_size &&
          (st.st_size + 4095) / 4096 * 4096 > maps[m].offset + at) break;
      int sig = sigsetjmp(jump, 1);
      if (sig) {
        shown_note(i, sig, "map %d %ld+%ld signal", m, at, n);
      } else if (maps[m].writable && op != 42) {
        /* A fault in the middle would leave it open how far the writing came: all pages are touched first. */
        for (long k = at; k < at + n; k += 4096) (void)*(volatile unsigned char *)(maps[m].at + k);
        (void)*(volatile unsigned char *)(maps[m].at + at + n - 1);
        memcpy(maps[m].at + at, data + next(9000), n);
        if (next(3) == 0 && maps[m].shared) msync(maps[m].at, maps[m].length, MS_SYNC);
        shown_note(i, 0, "map write %d %ld+%ld", m, at, n);
      } else if (maps[m].shared) {
        shown_note(i, 0, "map read %d %ld+%ld %lx", m, at, n, hash(maps[m].at + at, n));
      }
      break;
    }
    case 45: {
      unsigned long h = 0;
      long n = fd < 0 ? -1 : whole(fd, &h);
      if (fd >= 0 && (fcntl(fd, F_GETFL) & O_ACCMODE) == O_WRONLY) break;
      NOTE(n, "whole %d %lx", s, h);
      break;
    }
    case 46: {
      const char *p = path();
      long r = lstat(p, &st);
      NOTE(r, "stat %s", p);
      if (r == 0) NOTE(0, "mode %o nlink %ld size %ld", st.st_mode, (long)st.st_nlink, (long)st.st_size);
      break;
    }
    default:
      if (next(3) == 0) {
        if (fd >= 0) NOTE(close(fd), "close %d", s);
        fds[s] = -1;
      } else if (fd >= 0 && fstat(fd, &st) == 0) {
        NOTE(0, "fstat %d mode %o nlink %ld size %ld", s, st.st_mode, (long)st.st_nlink, (long)st.st_size);
      }
  }
}

/* Adds to a number in a file that all processes use, in turn by one of the kinds of locks. */
static void count(int kind) {
  int fd = open(kind == 0 ? "count0" : kind == 1 ? "count1" : "count2", O_RDWR | O_CREAT, 0644);
  struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 0, .l_len = 16};
  long n = 0;
  if (kind == 0) flock(fd, LOCK_EX);
  else fcntl(fd, kind == 1 ? F_SETLKW : F_OFD_SETLKW, &lock);
  if (pread(fd, &n, sizeof n, 0) < 0) perror("pread");
  n++;
  if (pwrite(fd, &n, sizeof n, 0) != sizeof n) perror("pwrite");
  close(fd);
}

/* Writes a part of a file that other processes write other parts of, with a mapping and without. */
static void share(unsigned char *map, int fd) {
  long part = SHARED_SIZE / processes;
  long at = me * part + next(part), n = 1 + next(3000);
  if (at + n > (me + 1) * part) n = (me + 1) * part - at;
  if (next(2)) memcpy(map + at, data + next(9000), n);
  else if (pwrite(fd, data + next(9000), n, at) != n) perror("pwrite");
}

static void work(int operations) {
  char name[40];
  int fd = open("shared", O_RDWR);
  unsigned char *map = mmap(0, SHARED_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  sprintf(name, "p%d", me);
  mkdir(name, 0755);
  sprintf(name, "log%d", me);
  logfile = fopen(name, "w");
  for (int i = 0; i < FDS; i++) fds[i] = -1;
  for (int i = 0; i < operations; i++) {
    one(i);
    if (i % 16 == 0) share(map, fd);
    if (i % 64 == 0) count(i / 64 % 3);
    /* Files of others come and go meanwhile: a listing has to end all the same. */
    if (i % 128 == 0) {
      DIR *d = opendir("common");
      while (d && readdir(d));
      if (d) closedir(d);
    }
  }
  fprintf(logfile, "%d end %lx\n", me, sum);
  fclose(logfile);
  fflush(stdout);
  _exit(0);
}

static void show(const char *p) {
  struct stat st;
  char list[400];
  if (lstat(p, &st) != 0) {
    printf("%s: %s\n", p, fs_error());
    return;
  }
  printf("%s: mode %o", p, st.st_mode);
  if (S_ISDIR(st.st_mode)) {
    char *names[400];
    int n = 0;
    DIR *d = opendir(p);
    for (struct dirent *e; d && (e = readdir(d)) && n < 400;) if (e->d_name[0] != '.') names[n++] = strdup(e->d_name);
    if (d) closedir(d);
    printf(" nlink %ld entries %d\n", (long)st.st_nlink, n);
    qsort(names, n, sizeof *names, fs_order);
    for (int i = 0; i < n; i++) {
      char sub[600];
      snprintf(sub, sizeof sub, "%s/%s", p, names[i]);
      show(sub);
    }
    return;
  }
  printf(" nlink %ld size %ld", (long)st.st_nlink, (long)st.st_size);
  if (st.st_mtime < 10000000 && lgetxattr(p, "user.mapped", list, 1) < 0) printf(" mtime %ld.%09ld", (long)st.st_mtime, st.st_mtim.tv_nsec);
  if (S_ISLNK(st.st_mode)) {
    ssize_t n = readlink(p, list, sizeof list);
    printf(" -> %.*s\n", (int)n, list);
    return;
  }
  int fd = open(p, O_RDONLY);
  unsigned long h = 0;
  long n = whole(fd, &h);
  close(fd);
  printf(" content %ld %lx", n, h);
  ssize_t length = listxattr(p, list, sizeof list);
  unsigned long x = 0;
  for (char *a = list; a < list + length; a += strlen(a) + 1) {
    char value[100];
    ssize_t v = getxattr(p, a, value, sizeof value);
    x += hash(a, strlen(a)) * 3 + hash(value, v);
  }
  printf(" xattrs %lx\n", x);
}

static void cat_log(int k) {
  char name[40], line[500];
  sprintf(name, "log%d", k);
  FILE *f = fopen(name, "r");
  while (f && fgets(line, sizeof line, f)) fputs(line, stdout);
  if (f) fclose(f);
  unlink(name);
}

static void round_of(uint64_t seed, int operations, int n) {
  processes = n;
  if (mkdir("common", 0755) != 0 && errno != EEXIST) perror("common");
  int fd = open("shared", O_RDWR | O_CREAT, 0644);
  if (ftruncate(fd, SHARED_SIZE) != 0) perror("shared");
  close(fd);
  fflush(stdout);
  for (int k = 0; k < n; k++) {
    if (fork() != 0) continue;
    me = k;
    state = seed * 1000003 + k;
    work(operations);
  }
  for (int status; wait(&status) > 0;) if (status != 0) printf("status %x\n", status);
  for (int k = 0; k < n; k++) cat_log(k);
  show(".");
}

int main(int argc, char **argv) {
  if (argc == 3 && !strcmp(argv[1], "show")) {
    if (chdir(argv[2]) != 0) return 1;
    show(".");
    return 0;
  }
  uint64_t seed = argc > 1 ? strtoull(argv[1], 0, 0) : 1;
  int operations = argc > 2 ? atoi(argv[2]) : 2500;
  int n = argc > 3 ? atoi(argv[3]) : 0;
  verbose = getenv("FS_VERBOSE") != NULL;
  for (int i = 0; i < (int)sizeof data; i++) data[i] = (unsigned char)((i * 2654435761u) >> 13);
  signal(SIGBUS, on_bus);
  signal(SIGSEGV, on_bus);
  umask(022);
  for (int k = n > 0 ? n : 1; k <= (n > 0 ? n : 4); k += 3) {
    if (argc > 4) {
      if (chdir(argv[4]) != 0) return 1;
    } else {
      fs_enter();
    }
    round_of(seed, operations, k);
    if (argc <= 4) fs_leave();
  }
  return 0;
}
