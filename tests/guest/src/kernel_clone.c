// clone(2) and clone3(2) with raw flags, vfork, execve edge cases.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static void report(const char *what, long result) {
  printf("%s: %ld %s\n", what, result, result < 0 ? strerror(errno) : "ok");
}

static int shared_value;
static char stack[65536];

static int child_function(void *arg) {
  shared_value += (int)(long)arg;
  return 5;
}

static void on_signal(int sig) {
  (void)sig;
}

int main(int argc, char **argv) {
  setvbuf(stdout, NULL, _IONBF, 0);
  int status;
  if (argc > 1 && strcmp(argv[1], "env") == 0) {
    extern char **environ;
    printf("argv0=%s args=%d env=%s second=%s\n", argv[0], argc, environ[0] ? environ[0] : "none",
           environ[0] && environ[1] ? environ[1] : "none");
    report("cloexec descriptor", fcntl(20, F_GETFD));
    sigset_t set;
    sigprocmask(SIG_BLOCK, NULL, &set);
    struct sigaction action;
    sigaction(SIGUSR1, NULL, &action);
    struct sigaction ignored;
    sigaction(SIGUSR2, NULL, &ignored);
    printf("mask kept=%d handler reset=%d ignore kept=%d\n", sigismember(&set, SIGHUP), action.sa_handler == SIG_DFL,
           ignored.sa_handler == SIG_IGN);
    return 3;
  }

  pid_t child = clone(child_function, stack + sizeof stack, CLONE_VM | SIGCHLD, (void *)10L);
  waitpid(child, &status, 0);
  printf("CLONE_VM: %d value=%d\n", WEXITSTATUS(status), shared_value);
  child = clone(child_function, stack + sizeof stack, SIGCHLD, (void *)10L);
  waitpid(child, &status, 0);
  printf("no CLONE_VM: %d value=%d\n", WEXITSTATUS(status), shared_value);
  child = clone(child_function, stack + sizeof stack, 0, (void *)10L);
  report("no exit signal", waitpid(child, &status, 0));
  printf("with __WALL: %d\n", waitpid(child, &status, __WALL) == child);

  report("bad flags", syscall(SYS_clone, CLONE_THREAD | SIGCHLD, 0, 0, 0, 0));
  report("bad flags", syscall(SYS_clone, CLONE_SIGHAND | SIGCHLD, 0, 0, 0, 0));

  int tid_word = 0, parent_word = 0;
  child = syscall(SYS_clone, CLONE_PARENT_SETTID | CLONE_CHILD_SETTID | SIGCHLD, 0, &parent_word, &tid_word, 0);
  if (child == 0) _exit(tid_word == getpid());
  waitpid(child, &status, 0);
  printf("settid: child=%d parent=%d\n", WEXITSTATUS(status), parent_word == child);

  struct clone_args args = {0};
  int pidfd = -1;
  args.flags = CLONE_PIDFD;
  args.pidfd = (uintptr_t)&pidfd;
  args.exit_signal = SIGCHLD;
  child = syscall(SYS_clone3, &args, sizeof args);
  if (child == 0) _exit(11);
  siginfo_t info;
  waitid(P_PIDFD, pidfd, &info, WEXITED);
  printf("clone3 with pidfd: %d cloexec=%d\n", info.si_status, fcntl(pidfd, F_GETFD));
  close(pidfd);
  args.flags = 0xff;
  report("clone3 bad", syscall(SYS_clone3, &args, sizeof args));
  report("clone3 small", syscall(SYS_clone3, &args, 8));

  signal(SIGUSR1, SIG_IGN);
  signal(SIGUSR2, SIG_IGN);
  child = vfork();
  if (child == 0) {
    shared_value = 99;
    _exit(1);
  }
  printf("vfork: value=%d\n", shared_value);
  waitpid(child, &status, 0);

  // execve: descriptors, signals, environment.
  int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
  dup3(fd, 20, O_CLOEXEC);
  struct sigaction action = {0};
  action.sa_handler = on_signal;
  sigaction(SIGUSR1, &action, NULL);
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGHUP);
  sigprocmask(SIG_BLOCK, &set, NULL);
  child = fork();
  if (child == 0) {
    char *child_argv[] = {"renamed", "env", NULL};
    char *child_env[] = {"A=1", "B=two", NULL};
    execve("/proc/self/exe", child_argv, child_env);
    printf("execve: %s\n", strerror(errno));
    _exit(1);
  }
  waitpid(child, &status, 0);
  printf("exec: %d\n", WEXITSTATUS(status));

  char *none[] = {NULL};
  report("missing", execve("/no/such/file", none, none));
  report("directory", execve("/", none, none));
  report("not executable", execve("/etc/passwd", none, none));
  char path[] = "/tmp/kernel_clone_XXXXXX";
  fd = mkstemp(path);
  if (write(fd, "\x7f" "ELF garbage", 12) != 12) return 1;
  fchmod(fd, 0755);
  close(fd);
  report("garbage", execve(path, none, none));
  fd = open(path, O_WRONLY | O_TRUNC);
  const char *script = "#!/bin/sh -e\necho script \"$0\" \"$@\" | sed s,/tmp/kernel_clone_......,PATH,\n";
  if (write(fd, script, strlen(script)) < 0) return 1;
  close(fd);
  child = fork();
  if (child == 0) {
    char *script_argv[] = {"ignored", "one", "two", NULL};
    execve(path, script_argv, none);
    _exit(1);
  }
  waitpid(child, &status, 0);
  printf("script: %d\n", WEXITSTATUS(status));
  fd = open("/bin/sh", O_PATH);
  child = fork();
  if (child == 0) {
    char *shell_argv[] = {"sh", "-c", "echo by descriptor", NULL};
    syscall(SYS_execveat, fd, "", shell_argv, none, AT_EMPTY_PATH);
    _exit(1);
  }
  waitpid(child, &status, 0);
  printf("execveat: %d\n", WEXITSTATUS(status));
  unlink(path);
  return 0;
}
