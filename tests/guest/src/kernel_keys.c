/* Keys and keyrings. */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/keyctl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static void say(const char *what, long r) {
  if (r < 0) printf("%s: %s\n", what, strerrorname_np(errno));
  else printf("%s: %ld\n", what, r);
  fflush(stdout);
}
#define SAY(x) say(#x, (long)(x))
#define ctl(...) syscall(SYS_keyctl, __VA_ARGS__)
#define add(type, desc, data, n, ring) syscall(SYS_add_key, type, desc, data, (long)(n), (long)(ring))

static void describe(int id) {
  char buf[200] = "";
  long n = ctl(KEYCTL_DESCRIBE, id, buf, sizeof buf);
  if (n < 0) printf("describe: %s\n", strerrorname_np(errno));
  else printf("%ld %s\n", n, buf);
}

int main(void) {
  char buf[100] = "";
  long session = ctl(KEYCTL_JOIN_SESSION_KEYRING, NULL);
  printf("joined %d\n", session > 0);
  describe(KEY_SPEC_SESSION_KEYRING);
  long id = add("user", "name", "secret", 6, KEY_SPEC_SESSION_KEYRING);
  printf("added %d\n", id > 0);
  describe(id);
  SAY(ctl(KEYCTL_READ, id, buf, sizeof buf));
  printf("%s\n", buf);
  SAY(add("user", "name", "changed", 7, KEY_SPEC_SESSION_KEYRING) == id);
  SAY(ctl(KEYCTL_READ, id, buf, 3));
  SAY(ctl(KEYCTL_UPDATE, id, "again", 5));
  SAY(ctl(KEYCTL_READ, id, buf, sizeof buf));
  SAY(add("user", "empty", NULL, 0, KEY_SPEC_SESSION_KEYRING));
  SAY(add("user", "fault", (void *)8, 4, KEY_SPEC_SESSION_KEYRING));
  SAY(add("nothing", "name", "x", 1, KEY_SPEC_SESSION_KEYRING));
  SAY(add(".user", "name", "x", 1, KEY_SPEC_SESSION_KEYRING));
  SAY(add("user", "name", "x", 1, 123456789));
  SAY(add("user", "name", "x", 1, -99));
  SAY(add("user", "name", "x", 1, id));
  SAY(add("keyring", "ring", "x", 1, KEY_SPEC_SESSION_KEYRING));
  long ring = add("keyring", "ring", NULL, 0, KEY_SPEC_SESSION_KEYRING);
  describe(ring);
  long inner = add("user", "inner", "deep", 4, ring);
  SAY(ctl(KEYCTL_SEARCH, KEY_SPEC_SESSION_KEYRING, "user", "inner", 0) == inner);
  SAY(ctl(KEYCTL_SEARCH, KEY_SPEC_SESSION_KEYRING, "user", "none", 0));
  SAY(ctl(KEYCTL_SEARCH, id, "user", "none", 0));
  SAY(syscall(SYS_request_key, "user", "inner", NULL, 0) == inner);
  SAY(syscall(SYS_request_key, "user", "none", NULL, 0));
  SAY(ctl(KEYCTL_READ, KEY_SPEC_SESSION_KEYRING, buf, sizeof buf));
  SAY(ctl(KEYCTL_LINK, KEY_SPEC_SESSION_KEYRING, ring));
  SAY(ctl(KEYCTL_LINK, id, ring));
  SAY(ctl(KEYCTL_READ, ring, buf, sizeof buf));
  SAY(ctl(KEYCTL_UNLINK, id, ring));
  SAY(ctl(KEYCTL_UNLINK, id, ring));
  SAY(add("logon", "noservice", "x", 1, KEY_SPEC_SESSION_KEYRING));
  long logon = add("logon", "service:name", "x", 1, KEY_SPEC_SESSION_KEYRING);
  SAY(ctl(KEYCTL_READ, logon, buf, sizeof buf));
  describe(logon);
  SAY(ctl(KEYCTL_SETPERM, id, 0x3f000000));
  SAY(ctl(KEYCTL_SETPERM, id, 0xff000000));
  describe(id);
  SAY(ctl(KEYCTL_SETPERM, id, 0x01010000));
  SAY(ctl(KEYCTL_READ, id, buf, sizeof buf));
  SAY(ctl(KEYCTL_UPDATE, id, "x", 1));
  SAY(ctl(KEYCTL_GET_KEYRING_ID, KEY_SPEC_THREAD_KEYRING, 0));
  SAY(ctl(KEYCTL_GET_KEYRING_ID, KEY_SPEC_THREAD_KEYRING, 1) > 0);
  describe(KEY_SPEC_THREAD_KEYRING);
  describe(KEY_SPEC_PROCESS_KEYRING);
  SAY(ctl(KEYCTL_GET_KEYRING_ID, KEY_SPEC_USER_KEYRING, 0) > 0);
  long other = add("user", "revoked", "x", 1, KEY_SPEC_PROCESS_KEYRING);
  SAY(ctl(KEYCTL_REVOKE, other));
  SAY(ctl(KEYCTL_READ, other, buf, sizeof buf));
  SAY(ctl(KEYCTL_MOVE, inner, ring, KEY_SPEC_SESSION_KEYRING, 0));
  SAY(ctl(KEYCTL_READ, ring, buf, sizeof buf));
  SAY(ctl(KEYCTL_INVALIDATE, inner));
  SAY(ctl(KEYCTL_CLEAR, ring));
  SAY(ctl(KEYCTL_ASSUME_AUTHORITY, 0));
  SAY(ctl(999, 0));
  fflush(stdout);
  pid_t pid = fork();
  int status;
  if (pid == 0) {
    SAY(ctl(KEYCTL_GET_KEYRING_ID, KEY_SPEC_SESSION_KEYRING, 0) == session);
    SAY(ctl(KEYCTL_GET_KEYRING_ID, KEY_SPEC_PROCESS_KEYRING, 0));
    SAY(ctl(KEYCTL_JOIN_SESSION_KEYRING, "mine") > 0);
    describe(KEY_SPEC_SESSION_KEYRING);
    SAY(ctl(KEYCTL_SEARCH, KEY_SPEC_SESSION_KEYRING, "user", "name", 0));
    _exit(0);
  }
  waitpid(pid, &status, 0);
  SAY(ctl(KEYCTL_GET_KEYRING_ID, KEY_SPEC_SESSION_KEYRING, 0) == session);
  return 0;
}
