/* Mounts that share what is mounted beneath them, as /proc/self/mountinfo tells. */
#include "fs_check.h"
#include <sched.h>
#include <sys/mount.h>

static char base[200];
static int groups[100], group_count;

static int group(int id) {
  for (int i = 0; i < group_count; i++) if (groups[i] == id) return i + 1;
  groups[group_count++] = id;
  return group_count;
}

/* The mounts beneath the directory of the test: root, place, what they share. */
static void mounts(const char *what) {
  char line[1000], *lines[100];
  int n = 0;
  FILE *f = fopen("/proc/self/mountinfo", "r");
  printf("-- %s\n", what);
  while (f && fgets(line, sizeof line, f)) {
    char root[300], place[300], out[700];
    int used = 0;
    if (sscanf(line, "%*d %*d %*s %299s %299s %*s %n", root, place, &used) != 2) continue;
    if (strncmp(place, base, strlen(base))) continue;
    sprintf(out, "%s %s", place + strlen(base), root);
    for (char *p = strtok(line + used, " \n"); p && strcmp(p, "-"); p = strtok(NULL, " \n")) {
      char kind[40];
      int id;
      if (sscanf(p, "%39[a-z_]:%d", kind, &id) == 2) sprintf(out + strlen(out), " %s:%d", kind, group(id));
      else sprintf(out + strlen(out), " %s", p);
    }
    lines[n++] = strdup(out);
  }
  if (f) fclose(f);
  for (int i = 0; i < n; i++) puts(lines[i]);
  fflush(stdout);
}

static void in_child(const char *what, void (*run)(void)) {
  int up[2], down[2];
  char c;
  if (pipe(up) || pipe(down)) exit(1);
  pid_t pid = fork();
  if (pid == 0) {
    SHOW(unshare(CLONE_NEWNS));
    if (write(up[1], "x", 1) != 1 || read(down[0], &c, 1) != 1) _exit(1);
    mounts(what);
    run();
    fflush(stdout);
    if (write(up[1], "x", 1) != 1) _exit(1);
    if (read(down[0], &c, 1) != 1) _exit(1);
    _exit(0);
  }
  if (read(up[0], &c, 1) != 1) exit(1);
  SHOW(mount("n", "shared/x", "tmpfs", 0, ""));
  mounts("in the first name space");
  fflush(stdout);
  if (write(down[1], "x", 1) != 1 || read(up[0], &c, 1) != 1) exit(1);
  mounts("in the first name space, after");
  SHOW(umount2("shared/x", MNT_DETACH));
  if (write(down[1], "x", 1) != 1) exit(1);
  waitpid(pid, NULL, 0);
}

static void mount_more(void) {
  SHOW(mkdir("shared/x/deep", 0755));
  SHOW(mount("n", "shared/x/deep", "tmpfs", 0, ""));
}

static void become_slave(void) {
  SHOW(mount(NULL, "shared", NULL, MS_SLAVE | MS_REC, NULL));
  SHOW(umount("shared/x"));
  mounts("a slave without the mount");
}

int main(void) {
  fs_enter();
  if (!getcwd(base, sizeof base)) return 1;
  if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL)) return 1;
  SHOW(mount("t", base, "tmpfs", 0, ""));
  if (chdir(base)) return 1;
  mkdir("shared", 0755); mkdir("peer", 0755); mkdir("slave", 0755); mkdir("other", 0755); mkdir("moved", 0755);
  SHOW(mount("s", "shared", "tmpfs", 0, ""));
  mkdir("shared/x", 0755); mkdir("shared/y", 0755); mkdir("shared/y/z", 0755);
  mounts("private");
  SHOW(mount(NULL, "shared", NULL, MS_SHARED, NULL));
  SHOW(mount("shared", "peer", NULL, MS_BIND, NULL));
  SHOW(mount("shared", "slave", NULL, MS_BIND, NULL));
  SHOW(mount(NULL, "slave", NULL, MS_SLAVE, NULL));
  mounts("a peer and a slave");
  SHOW(mount("a", "shared/x", "tmpfs", 0, ""));
  mounts("mounted on the shared one");
  SHOW(mount("b", "slave/y", "tmpfs", 0, ""));
  mounts("mounted on the slave");
  SHOW(umount("peer/x"));
  mounts("unmounted from the peer");
  SHOW(mount(NULL, "slave", NULL, MS_SHARED, NULL));
  SHOW(mount("slave", "other", NULL, MS_BIND, NULL));
  mounts("a shared slave with a peer");
  SHOW(mount("c", "peer/x", "tmpfs", 0, ""));
  mounts("all get it");
  SHOW(mount("peer/x", "moved", NULL, MS_MOVE, NULL));
  SHOW(mount(NULL, "peer", NULL, MS_PRIVATE, NULL));
  SHOW(umount("shared/x"));
  mounts("the peer is private");
  SHOW(mount(NULL, "moved", NULL, MS_UNBINDABLE, NULL));
  SHOW(mount("peer", "moved", NULL, MS_BIND, NULL));
  SHOW(mount(NULL, "moved", NULL, MS_UNBINDABLE, NULL));
  SHOW(mount("moved", "other", NULL, MS_BIND, NULL));
  SHOW(mount("moved", "shared/x", NULL, MS_MOVE, NULL));
  mounts("unbindable");
  SHOW(mount(NULL, "moved", NULL, MS_PRIVATE | MS_SHARED, NULL));
  SHOW(mount(NULL, "shared/y", NULL, MS_SHARED, NULL));
  SHOW(mount("shared/y", "moved", NULL, MS_BIND, NULL));
  SHOW(mount("d", "moved/z", "tmpfs", 0, ""));
  mounts("a part of the shared one");
  SHOW(umount2("moved/z", MNT_DETACH));
  SHOW(umount("moved"));
  in_child("in a copy of the name space", mount_more);
  in_child("in another copy", become_slave);
  mounts("in the end");
  if (chdir("/") || umount2(base, MNT_DETACH) || chdir(base)) return 1;
  fs_leave();
  return 0;
}
