/* The file system calls that programs make most. The file is `data` in the directory of the program. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "measure.h"

static char path[4096];
static int fd;

static void op_pread(long n) {
  char byte;
  while (n--) {
    if (pread(fd, &byte, 1, 17) != 1) die("pread");
  }
}

static void op_stat(long n) {
  struct stat st;
  while (n--) {
    if (stat(path, &st)) die("stat");
  }
}

static void op_open(long n) {
  while (n--) {
    int f = open(path, O_RDONLY);
    if (f < 0) die("open");
    close(f);
  }
}

int main(int argc, char **argv) {
  const char *name = argc > 1 ? argv[1] : "";
  char *slash = strrchr(argv[0], '/');
  snprintf(path, sizeof path, "%.*s/data", slash ? (int)(slash - argv[0]) : 1, slash ? argv[0] : ".");
  fd = open(path, O_RDONLY);
  if (fd < 0) die(path);
  if (!strcmp(name, "pread")) measure(name, op_pread, 2, 200);
  else if (!strcmp(name, "stat")) measure(name, op_stat, 2, 200);
  else if (!strcmp(name, "open_close")) measure(name, op_open, 2, 200);
  else return 2;
  return 0;
}
