/* sendfile, copy_file_range, splice, tee, vmsplice. */
#include "fs_check.h"
#include <sys/sendfile.h>
#include <sys/uio.h>

static void drain(int fd) {
  char buf[65536];
  ssize_t n = read(fd, buf, sizeof buf);
  if (n < 0) printf("read: %s\n", fs_error());
  else printf("read %zd: %.*s\n", n, n > 40 ? 40 : (int)n, buf);
  fflush(stdout);
}

int main(void) {
  fs_enter();
  fs_put("in", "The quick brown fox");
  int in = open("in", O_RDONLY), out = open("out", O_RDWR | O_CREAT, 0644);
  int p[2], q[2];
  if (pipe(p) != 0 || pipe(q) != 0) return 1;
  off_t off = 4;
  SHOW(sendfile(out, in, &off, 5));
  printf("off %ld\n", (long)off);
  SHOW(lseek(in, 0, SEEK_CUR));
  SHOW(sendfile(out, in, NULL, 3));
  SHOW(lseek(in, 0, SEEK_CUR));
  fs_cat("out");
  SHOW(sendfile(p[1], in, NULL, 100));
  drain(p[0]);
  SHOW(sendfile(p[1], in, NULL, 100));
  SHOW(sendfile(in, out, NULL, 1));
  loff_t i = 0, o = 10;
  SHOW(copy_file_range(in, &i, out, &o, 9, 0));
  printf("%ld %ld\n", (long)i, (long)o);
  SHOW(copy_file_range(in, NULL, p[1], NULL, 9, 0));
  SHOW(copy_file_range(in, NULL, out, NULL, 9, 1));
  char buf[64] = {0};
  SHOW(pread(out, buf, 63, 10));
  printf("%s\n", buf);
  loff_t s = 4;
  SHOW(splice(in, &s, p[1], NULL, 5, 0));
  SHOW(tee(p[0], q[1], 100, 0));
  drain(q[0]);
  SHOW(splice(p[0], NULL, q[1], NULL, 3, 0));
  drain(q[0]);
  loff_t e = 0;
  SHOW(splice(p[0], NULL, out, &e, 100, 0));
  SHOW(pread(out, buf, 4, 0));
  printf("%.4s\n", buf);
  SHOW(splice(in, NULL, out, NULL, 1, 0));
  SHOW(splice(p[0], &s, out, NULL, 1, 0));
  SHOW(splice(p[0], NULL, q[1], NULL, 1, SPLICE_F_NONBLOCK));
  SHOW(tee(in, q[1], 1, 0));
  struct iovec iov[2] = {{"abc", 3}, {"def", 3}};
  SHOW(vmsplice(p[1], iov, 2, 0));
  drain(p[0]);
  close(p[1]);
  SHOW(splice(p[0], NULL, q[1], NULL, 1, 0));
  /* More than a pipe holds, with a reader at the other end. */
  int big = open("big", O_RDWR | O_CREAT, 0644);
  for (int k = 0; k < 300; k++) pwrite(big, "0123456789", 10, k * 1000L);
  if (pipe(p) != 0) return 1;
  pid_t pid = fork();
  if (pid == 0) {
    close(p[1]);
    long sum = 0, total = 0;
    char part[4096];
    for (ssize_t n; (n = read(p[0], part, sizeof part)) > 0; total += n)
      for (ssize_t k = 0; k < n; k++) sum += part[k];
    printf("child read %ld sum %ld\n", total, sum);
    fflush(stdout);
    _exit(0);
  }
  lseek(big, 0, SEEK_SET);
  long sent = 0;
  for (ssize_t n; (n = sendfile(p[1], big, NULL, 1000000)) > 0;) sent += n;
  close(p[1]);
  waitpid(pid, NULL, 0);
  printf("sent %ld\n", sent);
  fs_leave();
  return 0;
}
