/* Reading, writing and finding files in a file system in memory, /tmp: what builds, archives and data bases do. */
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "measure.h"

#define BLOCK 4096
#define RANDOM_BYTES (64l << 20)
#define SEQUENTIAL_BYTES (64l << 20)
#define SEQUENTIAL_BLOCK (1l << 16)
#define CREATED 10000
#define LISTED 100000
#define TREE 5000

static int fd;
static unsigned state = 1;
static char buffer[SEQUENTIAL_BLOCK];
static char *const *command;

static off_t somewhere(void) {
  state = state * 1103515245 + 12345;
  return (off_t)(state >> 4) % (RANDOM_BYTES / BLOCK) * BLOCK;
}

static void open_file(long size) {
  fd = open("/tmp/bench_data", O_RDWR | O_CREAT | O_TRUNC, 0644);
  if (fd < 0) die("/tmp/bench_data");
  for (long at = 0; at < size; at += sizeof buffer) {
    if (pwrite(fd, buffer, sizeof buffer, at) != sizeof buffer) die("pwrite");
  }
}

static void op_random_read(long n) {
  while (n--) if (pread(fd, buffer, BLOCK, somewhere()) != BLOCK) die("pread");
}

static void op_random_write(long n) {
  while (n--) if (pwrite(fd, buffer, BLOCK, somewhere()) != BLOCK) die("pwrite");
}

static void op_sequential_read(long n) {
  while (n--) {
    ssize_t r = read(fd, buffer, sizeof buffer);
    if (r < 0) die("read");
    if (r == 0) lseek(fd, 0, SEEK_SET);
  }
}

static void op_sequential_write(long n) {
  static long at;
  while (n--) {
    if (write(fd, buffer, sizeof buffer) != sizeof buffer) die("write");
    if ((at += sizeof buffer) < SEQUENTIAL_BYTES) continue;
    at = 0;
    lseek(fd, 0, SEEK_SET);
  }
}

static void create(int dir, const char *name, int bytes) {
  int f = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL, 0644);
  if (f < 0) die(name);
  if (bytes > 0 && write(f, buffer, bytes) != bytes) die("write");
  close(f);
}

/* One is a file made and removed. */
static void op_create_unlink(long n) {
  (void)n;
  char name[40];
  for (int i = 0; i < CREATED; i++) {
    snprintf(name, sizeof name, "file%d", i);
    create(fd, name, 100);
  }
  for (int i = 0; i < CREATED; i++) {
    snprintf(name, sizeof name, "file%d", i);
    if (unlinkat(fd, name, 0)) die(name);
  }
}

static void op_readdir(long n) {
  (void)n;
  DIR *d = opendir("/tmp/bench_dir");
  long seen = 0;
  if (!d) die("opendir");
  while (readdir(d)) seen++;
  closedir(d);
  if (seen != LISTED + 2) die("readdir");
}

static void op_command(long n) {
  (void)n;
  pid_t pid = fork();
  int status;
  if (pid == 0) {
    int null = open("/dev/null", O_RDWR);
    if (null >= 0) dup2(null, 1);
    execvp(command[0], command);
    _exit(127);
  }
  if (waitpid(pid, &status, 0) != pid || status != 0) die(command[0]);
}

/* Runs `op` once unmeasured and then `count` times. */
static void repeat(const char *name, void (*op)(long), int count) {
  double values[20];
  op(1);
  for (int i = 0; i < count; i++) {
    double t = now_ns();
    op(1);
    values[i] = now_ns() - t;
  }
  report(name, values, count, "ns");
}

static void make_dir(const char *path) {
  if (mkdir(path, 0755)) die(path);
  if ((fd = open(path, O_RDONLY | O_DIRECTORY)) < 0) die(path);
}

/* Files of a source tree's sizes, in directories of its depth. */
static void make_tree(void) {
  char name[80];
  make_dir("/tmp/bench_tree");
  for (int i = 0; i < TREE; i++) {
    if (i % 20 == 0) {
      snprintf(name, sizeof name, "d%d", i / 400);
      if (i % 400 == 0 && mkdirat(fd, name, 0755)) die(name);
      snprintf(name, sizeof name, "d%d/e%d", i / 400, i / 20);
      if (mkdirat(fd, name, 0755)) die(name);
    }
    snprintf(name, sizeof name, "d%d/e%d/file%d.c", i / 400, i / 20, i);
    create(fd, name, (i * 977) % 8000);
  }
}

int main(int argc, char **argv) {
  const char *name = argc > 1 ? argv[1] : "";
  if (!strcmp(name, "random_read")) {
    open_file(RANDOM_BYTES);
    measure(name, op_random_read, 2, 300);
  } else if (!strcmp(name, "random_write")) {
    open_file(RANDOM_BYTES);
    measure(name, op_random_write, 2, 300);
  } else if (!strcmp(name, "sequential_read")) {
    open_file(SEQUENTIAL_BYTES);
    measure(name, op_sequential_read, 5, 300);
  } else if (!strcmp(name, "sequential_write")) {
    open_file(SEQUENTIAL_BYTES);
    lseek(fd, 0, SEEK_SET);
    measure(name, op_sequential_write, 5, 300);
  } else if (!strcmp(name, "create_unlink")) {
    make_dir("/tmp/bench_dir");
    repeat(name, op_create_unlink, 5);
  } else if (!strcmp(name, "readdir")) {
    char file[40];
    make_dir("/tmp/bench_dir");
    for (int i = 0; i < LISTED; i++) {
      snprintf(file, sizeof file, "file%d", i);
      create(fd, file, 0);
    }
    repeat(name, op_readdir, 5);
  } else if (argc > 2) {
    make_tree();
    if (chdir("/tmp")) die("/tmp");
    command = argv + 2;
    repeat(name, op_command, 5);
  } else {
    return 2;
  }
  return 0;
}
