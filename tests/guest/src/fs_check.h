/* Prints results of system calls in a form that does not depend on the machine. */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *fs_error(void) {
  const char *name = strerrorname_np(errno);
  return name ? name : "?";
}

/* Runs an expression and prints its value, or the name of the error. */
#define SHOW(expr)                                                   \
  do {                                                               \
    errno = 0;                                                       \
    long show_r = (long)(expr);                                      \
    if (show_r < 0) printf("%s = %s\n", #expr, fs_error());          \
    else printf("%s = %ld\n", #expr, show_r);                        \
    fflush(stdout);                                                  \
  } while (0)

/* As SHOW for calls whose value is a descriptor: only whether it worked. */
#define SHOWOK(expr)                                                 \
  do {                                                               \
    errno = 0;                                                       \
    long show_r = (long)(expr);                                      \
    printf("%s = %s\n", #expr, show_r < 0 ? fs_error() : "ok");      \
    fflush(stdout);                                                  \
  } while (0)

/* Goes to a fresh directory in $FS_DIR, or /tmp. */
static inline void fs_enter(void) {
  const char *base = getenv("FS_DIR");
  char dir[256];
  snprintf(dir, sizeof dir, "%s/fs_guest_XXXXXX", base ? base : "/tmp");
  if (!mkdtemp(dir) || chdir(dir) != 0) {
    perror("mkdtemp");
    exit(1);
  }
  umask(022);
}

/* Removes the directory that fs_enter made. */
static inline void fs_leave(void) {
  char cmd[4200], cwd[4096];
  if (!getcwd(cwd, sizeof cwd) || !strstr(cwd, "/fs_guest_")) return;
  if (chdir("/") != 0) return;
  snprintf(cmd, sizeof cmd, "rm -rf '%s'", cwd);
  if (system(cmd) != 0) printf("rm failed\n");
}

static inline void fs_put(const char *path, const char *text) {
  int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
  if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text)) perror(path);
  close(fd);
}

static inline void fs_cat(const char *path) {
  char buf[256];
  int fd = open(path, O_RDONLY);
  ssize_t n = fd < 0 ? -1 : read(fd, buf, sizeof buf - 1);
  if (n < 0) {
    printf("%s: %s\n", path, fs_error());
  } else {
    buf[n] = 0;
    printf("%s: \"%s\"\n", path, buf);
  }
  if (fd >= 0) close(fd);
  fflush(stdout);
}

static int fs_order(const void *a, const void *b) {
  return strcmp(*(char *const *)a, *(char *const *)b);
}

static inline void fs_list(const char *path) {
  char *names[512];
  int n = 0;
  DIR *d = opendir(path);
  if (!d) {
    printf("%s: %s\n", path, fs_error());
    return;
  }
  for (struct dirent *e; (e = readdir(d)) && n < 512;) {
    char line[300];
    snprintf(line, sizeof line, "%s:%d", e->d_name, e->d_type);
    names[n++] = strdup(line);
  }
  closedir(d);
  qsort(names, n, sizeof *names, fs_order);
  printf("%s:", path);
  for (int i = 0; i < n; i++) printf(" %s", names[i]);
  printf("\n");
  fflush(stdout);
}

static inline void fs_stat(const char *path) {
  struct stat st;
  if (lstat(path, &st) != 0) {
    printf("%s: %s\n", path, fs_error());
    return;
  }
  printf("%s: mode %o nlink %lu", path, st.st_mode, (unsigned long)st.st_nlink);
  if (!S_ISDIR(st.st_mode)) printf(" size %ld", (long)st.st_size);
  printf(" uid %u gid %u\n", st.st_uid, st.st_gid);
  fflush(stdout);
}
