// Who a process is, its limits and settings (credentials(7), capabilities(7), prctl(2), getrlimit(2), sched(7)).
#define _GNU_SOURCE
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

static void report(const char *what, long result) {
  printf("%s: %ld %s\n", what, result, result < 0 ? strerror(errno) : "ok");
}

static void in_child(const char *name, void (*test)(void)) {
  printf("%s:\n", name);
  pid_t child = fork();
  if (child == 0) {
    test();
    _exit(0);
  }
  int status;
  waitpid(child, &status, 0);
  if (status != 0) printf("  status %d\n", status);
}

static void ids(void) {
  uid_t r, e, s;
  getresuid(&r, &e, &s);
  printf("  %d %d %d\n", r, e, s);
}

static void leave_root(void) {
  if (getuid() != 0) return;
  printf("  setresuid %d\n", setresuid(1000, 1001, 1002));
  ids();
  printf("  seteuid %d\n", seteuid(1000));
  ids();
  report("  setuid root", setuid(0));
  printf("  setreuid %d\n", setreuid(1002, 1002));
  ids();
  report("  setgroups", syscall(SYS_setgroups, 0, NULL) == 0);
}

static void temporary(void) {
  if (getuid() != 0) return;
  printf("  seteuid %d\n", seteuid(500));
  report("  setgid", setgid(7));
  printf("  back %d\n", seteuid(0));
  printf("  setgid %d\n", setgid(7));
  printf("  setfsuid %d %d\n", setfsuid(33), setfsuid(0));
  ids();
}

static void settings(void) {
  char name[17] = "";
  prctl(PR_SET_NAME, "a long name of a thread");
  prctl(PR_GET_NAME, name);
  printf("  name %s\n", name);
  report("  dumpable", prctl(PR_SET_DUMPABLE, 0));
  report("  dumpable", prctl(PR_GET_DUMPABLE));
  report("  keepcaps", prctl(PR_SET_KEEPCAPS, 1));
  report("  keepcaps", prctl(PR_GET_KEEPCAPS));
  report("  no_new_privs", prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
  report("  no_new_privs", prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0));
  int signal;
  prctl(PR_SET_PDEATHSIG, 9);
  prctl(PR_GET_PDEATHSIG, &signal);
  printf("  pdeathsig %d\n", signal);
  report("  unknown", prctl(12345));
  printf("  slack %d\n", prctl(PR_SET_TIMERSLACK, 1000) + prctl(PR_GET_TIMERSLACK));
}

static void limits(void) {
  struct rlimit limit = {100, 200}, old;
  printf("  set %d\n", setrlimit(RLIMIT_NOFILE, &limit));
  getrlimit(RLIMIT_NOFILE, &old);
  printf("  get %ld %ld\n", (long)old.rlim_cur, (long)old.rlim_max);
  limit.rlim_cur = 300;
  report("  soft above hard", setrlimit(RLIMIT_NOFILE, &limit));
  limit.rlim_cur = RLIM_INFINITY;
  limit.rlim_max = RLIM_INFINITY;
  report("  bad resource", getrlimit(99, &old));
  limit.rlim_cur = limit.rlim_max = RLIM_INFINITY;
  setrlimit(RLIMIT_CORE, &limit);
  prlimit(0, RLIMIT_CORE, NULL, &old);
  printf("  infinite %d\n", old.rlim_cur == RLIM_INFINITY || old.rlim_cur == 0);
}

static void scheduling(void) {
  printf("  policy %d\n", sched_getscheduler(0));
  printf("  nice %d\n", nice(5));
  printf("  priority %d\n", getpriority(PRIO_PROCESS, 0));
  struct sched_param param = {0};
  printf("  batch %d %d\n", sched_setscheduler(0, SCHED_BATCH, &param), sched_getscheduler(0));
  printf("  range %d %d\n", sched_get_priority_min(SCHED_FIFO), sched_get_priority_max(SCHED_FIFO));
  cpu_set_t set;
  printf("  affinity %d %d\n", sched_getaffinity(0, sizeof set, &set), CPU_COUNT(&set) > 0);
  CPU_ZERO(&set);
  CPU_SET(0, &set);
  printf("  pin %d\n", sched_setaffinity(0, sizeof set, &set));
  sched_getaffinity(0, sizeof set, &set);
  printf("  cpus %d\n", CPU_COUNT(&set));
  printf("  yield %d\n", sched_yield());
}

int main(void) {
  setvbuf(stdout, NULL, _IONBF, 0);
  in_child("leave root", leave_root);
  in_child("temporary", temporary);
  in_child("settings", settings);
  in_child("limits", limits);
  in_child("scheduling", scheduling);
  struct utsname names;
  uname(&names);
  printf("uname: %s %s\n", names.sysname, names.machine);
  unsigned char random[32] = {0}, zero[32] = {0};
  printf("getrandom: %ld %d\n", syscall(SYS_getrandom, random, 32, 0), memcmp(random, zero, 32) != 0);
  return 0;
}
