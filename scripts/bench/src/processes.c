/* Processes: made, replaced, ended, and a shell that does all of it. `true` lies in the directory of the program. */
#define _GNU_SOURCE
#include <sys/wait.h>
#include <unistd.h>

#include "measure.h"

static char path[4096];

static void await_child(pid_t child) {
  int status;
  if (child < 0) die("fork");
  if (waitpid(child, &status, 0) != child || status != 0) die("child");
}

static void op_fork(long n) {
  while (n--) {
    pid_t child = fork();
    if (child == 0) _exit(0);
    await_child(child);
  }
}

static void op_exec(long n) {
  while (n--) {
    pid_t child = fork();
    if (child == 0) {
      execl(path, "true", (char *)0);
      _exit(127);
    }
    await_child(child);
  }
}

static const char *const LOOP = "i=0; while [ $i -lt 1000 ]; do /bin/true; i=$((i+1)); done";

static int run_shell(void) {
  double t = now_ns();
  pid_t child = fork();
  if (child == 0) {
    execl("/bin/busybox", "sh", "-c", LOOP, (char *)0);
    _exit(127);
  }
  await_child(child);
  t = now_ns() - t;
  report("shell_loop", &t, 1, "ns");
  return 0;
}

int main(int argc, char **argv) {
  const char *name = argc > 1 ? argv[1] : "";
  char *slash = strrchr(argv[0], '/');
  snprintf(path, sizeof path, "%.*s/true", slash ? (int)(slash - argv[0]) : 1, slash ? argv[0] : ".");
  if (!strcmp(name, "fork_exit_wait")) measure(name, op_fork, 10, 400);
  else if (!strcmp(name, "fork_exec")) measure(name, op_exec, 10, 400);
  else if (!strcmp(name, "shell_loop")) return run_shell();
  else return 2;
  return 0;
}
