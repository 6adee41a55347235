/* Processes of other users that a procfs hides, by its options. */
#include "fs_check.h"
#include <grp.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>

static int own, listed;

static void look(const char *dir, pid_t pid, int uid, int gid) {
  fflush(stdout);
  pid_t child = fork();
  if (child == 0) {
    char path[300];
    struct stat st;
    gid_t groups[] = {gid};
    if (setgroups(1, groups) || setgid(100) || setuid(uid)) _exit(1);
    sprintf(path, "%s/%d", dir, pid);
    printf("  uid %d group %d: stat %s", uid, gid, stat(path, &st) ? fs_error() : "ok");
    DIR *d = opendir(path);
    if (d) errno = 0;
    printf(", list %s", d && readdir(d) ? "ok" : fs_error());
    sprintf(path, "%s/%d/status", dir, pid);
    int fd = open(path, O_RDONLY);
    printf(", status %s", fd < 0 ? fs_error() : "ok");
    int found = 0, self = 0, fixed = 0;
    d = opendir(dir);
    for (struct dirent *e; d && (e = readdir(d));) {
      if (atoi(e->d_name) == pid) found = 1;
      if (atoi(e->d_name) == getpid()) self = 1;
      if (!strcmp(e->d_name, "meminfo")) fixed = 1;
    }
    sprintf(path, "%s/meminfo", dir);
    printf(", in the list %d, self %d, others %d %s\n", found, self, fixed, access(path, R_OK) ? fs_error() : "ok");
    fflush(stdout);
    _exit(0);
  }
  waitpid(child, NULL, 0);
}

static void options(const char *dir) {
  char line[1000], place[300], base[200];
  FILE *f = fopen("/proc/self/mountinfo", "r");
  if (!getcwd(base, sizeof base)) return;
  while (fgets(line, sizeof line, f)) {
    if (sscanf(line, "%*d %*d %*s %*s %299s", place) != 1 || strcmp(place + strlen(place) - 2, dir)) continue;
    printf("  %s", strrchr(line, ' ') + 1);
  }
  fclose(f);
}

int main(void) {
  static const char *tries[] = {"", "hidepid=0", "hidepid=1", "hidepid=2", "hidepid=2,gid=500",
                                "hidepid=noaccess", "subset=pid", "hidepid=3", "hidepid=x", "what=1"};
  fs_enter();
  chmod(".", 0755);
  if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL)) return 1;
  pid_t pid = fork();
  if (pid == 0) {
    for (;;) pause();
  }
  mkdir("p", 0755);
  for (int i = 0; i < (int)(sizeof tries / sizeof *tries); i++) {
    int r = mount("proc", "p", "proc", 0, tries[i]);
    printf("%s: %s\n", tries[i], r ? fs_error() : "ok");
    if (r) continue;
    options("/p");
    look("p", pid, 0, 0);
    look("p", pid, 1000, 1000);
    look("p", pid, 1000, 500);
    umount("p");
  }
  kill(pid, SIGKILL);
  waitpid(pid, NULL, 0);
  fs_leave();
  return 0;
}
