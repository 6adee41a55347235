/* Record locks, locks of descriptions and flock. */
#include "fs_check.h"
#include <sys/file.h>

static int lock(int fd, int cmd, short type, off_t start, off_t len) {
  struct flock l = {.l_type = type, .l_whence = SEEK_SET, .l_start = start, .l_len = len};
  return fcntl(fd, cmd, &l);
}

static void test(int fd, short type, off_t start, off_t len, pid_t parent) {
  struct flock l = {.l_type = type, .l_whence = SEEK_SET, .l_start = start, .l_len = len};
  if (fcntl(fd, F_GETLK, &l) != 0) printf("F_GETLK: %s\n", fs_error());
  else if (l.l_type == F_UNLCK) printf("free\n");
  else
    printf("held type %d start %ld len %ld by parent %d\n", l.l_type, (long)l.l_start,
           (long)l.l_len, l.l_pid == parent);
  fflush(stdout);
}

static void wait_child(pid_t pid) {
  int st;
  waitpid(pid, &st, 0);
  printf("child %d\n", WIFEXITED(st) ? WEXITSTATUS(st) : -1);
  fflush(stdout);
}

int main(void) {
  fs_enter();
  fs_put("f", "0123456789");
  int fd = open("f", O_RDWR);
  pid_t self = getpid();
  SHOW(lock(fd, F_SETLK, F_WRLCK, 0, 5));
  SHOW(lock(fd, F_SETLK, F_RDLCK, 5, 0));
  pid_t pid = fork();
  if (pid == 0) {
    SHOW(lock(fd, F_SETLK, F_RDLCK, 0, 1));
    SHOW(lock(fd, F_SETLK, F_WRLCK, 7, 1));
    SHOW(lock(fd, F_SETLK, F_RDLCK, 7, 1));
    test(fd, F_WRLCK, 2, 1, self);
    test(fd, F_WRLCK, 6, 1, self);
    test(fd, F_RDLCK, 6, 1, self);
    _exit(3);
  }
  wait_child(pid);
  test(fd, F_WRLCK, 7, 1, self);
  /* A child waits for the lock, which goes when the file is closed here. */
  int ready[2];
  if (pipe(ready) != 0) return 1;
  pid = fork();
  if (pid == 0) {
    write(ready[1], "x", 1);
    int r = lock(fd, F_SETLKW, F_WRLCK, 0, 0);
    _exit(r == 0 ? 7 : 8);
  }
  char c;
  read(ready[0], &c, 1);
  usleep(20000);
  close(open("f", O_RDONLY));
  wait_child(pid);
  /* OFD locks belong to the description. */
  int other = open("f", O_RDWR);
  SHOW(lock(fd, F_OFD_SETLK, F_WRLCK, 0, 0));
  SHOW(lock(other, F_OFD_SETLK, F_WRLCK, 0, 0));
  SHOW(lock(other, F_SETLK, F_WRLCK, 0, 0));
  SHOW(lock(fd, F_OFD_SETLK, F_UNLCK, 0, 0));
  SHOW(lock(other, F_OFD_SETLK, F_WRLCK, 0, 0));
  close(other);
  SHOW(lock(fd, F_SETLK, 77, 0, 0));
  SHOW(lock(fd, F_SETLK, F_WRLCK, -1, 0));
  int ro = open("f", O_RDONLY);
  SHOW(lock(ro, F_SETLK, F_WRLCK, 0, 0));
  close(ro);
  other = open("f", O_RDWR);
  SHOW(flock(fd, LOCK_SH));
  SHOW(flock(other, LOCK_SH));
  SHOW(flock(fd, LOCK_EX | LOCK_NB));
  SHOW(flock(other, LOCK_UN));
  SHOW(flock(fd, LOCK_EX | LOCK_NB));
  SHOW(flock(other, LOCK_SH | LOCK_NB));
  SHOW(flock(other, 77));
  int d = dup(fd);
  close(fd);
  SHOW(flock(other, LOCK_SH | LOCK_NB));
  pid = fork();
  if (pid == 0) {
    close(d);
    _exit(flock(other, LOCK_EX) == 0 ? 9 : 10);
  }
  usleep(20000);
  close(d);
  wait_child(pid);
  fs_leave();
  return 0;
}
