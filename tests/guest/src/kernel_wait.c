// Children: exit codes, signals, stops, groups, orphans, limits of waiting (wait(2), waitid(2)).
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static void report(const char *what, long result) {
  printf("%s: %ld %s\n", what, result, result < 0 ? strerror(errno) : "ok");
}

static void show(const char *what, int status) {
  printf("%s:", what);
  if (WIFEXITED(status)) printf(" exited %d", WEXITSTATUS(status));
  if (WIFSIGNALED(status)) printf(" killed by %d", WTERMSIG(status));
  if (WIFSTOPPED(status)) printf(" stopped by %d", WSTOPSIG(status));
  if (WIFCONTINUED(status)) printf(" continued");
  printf("\n");
}

static pid_t sleeper(void) {
  pid_t child = fork();
  if (child == 0) {
    for (;;) pause();
  }
  return child;
}

static volatile int chld_count, chld_code;

static void on_child(int sig, siginfo_t *info, void *context) {
  (void)sig;
  (void)context;
  chld_count++;
  chld_code = info->si_code;
}

int main(void) {
  setvbuf(stdout, NULL, _IONBF, 0);
  int status;
  pid_t child = fork();
  if (child == 0) _exit(7);
  printf("waitpid: %d\n", waitpid(child, &status, 0) == child);
  show("exit", status);
  report("again", waitpid(child, &status, 0));

  child = sleeper();
  printf("nohang: %d\n", waitpid(child, &status, WNOHANG));
  kill(child, SIGTERM);
  waitpid(child, &status, 0);
  show("term", status);

  child = sleeper();
  kill(child, SIGSTOP);
  waitpid(child, &status, WUNTRACED);
  show("stop", status);
  kill(child, SIGCONT);
  waitpid(child, &status, WCONTINUED);
  show("continue", status);
  kill(child, SIGSTOP);
  siginfo_t info;
  memset(&info, 0, sizeof info);
  waitid(P_PID, child, &info, WSTOPPED | WNOWAIT);
  printf("waitid: code=%d status=%d same=%d\n", info.si_code, info.si_status, info.si_pid == child);
  waitid(P_PID, child, &info, WSTOPPED);
  printf("waitid again: %d\n", waitid(P_PID, child, &info, WSTOPPED | WNOHANG));
  kill(child, SIGKILL);
  waitid(P_ALL, 0, &info, WEXITED);
  printf("killed while stopped: code=%d status=%d\n", info.si_code, info.si_status);

  struct sigaction action = {0};
  action.sa_sigaction = on_child;
  action.sa_flags = SA_SIGINFO | SA_RESTART;
  sigaction(SIGCHLD, &action, NULL);
  child = fork();
  if (child == 0) _exit(3);
  while (chld_count == 0) usleep(1000);
  printf("sigchld: code=%d\n", chld_code);
  waitpid(child, &status, 0);
  show("reaped", status);

  signal(SIGCHLD, SIG_IGN);
  child = fork();
  if (child == 0) _exit(0);
  report("ignored", waitpid(child, &status, 0));
  signal(SIGCHLD, SIG_DFL);

  // Orphans go to the subreaper.
  prctl(PR_SET_CHILD_SUBREAPER, 1);
  int pipes[2];
  if (pipe(pipes)) return 1;
  child = fork();
  if (child == 0) {
    pid_t grandchild = fork();
    if (grandchild == 0) {
      close(pipes[1]);
      char byte;
      if (read(pipes[0], &byte, 1) != 1) _exit(1);
      _exit(21);
    }
    _exit(20);
  }
  waitpid(child, &status, 0);
  show("middle", status);
  if (write(pipes[1], "x", 1) != 1) return 1;
  wait(&status);
  show("orphan", status);

  // Process groups.
  pid_t a = fork();
  if (a == 0) {
    setpgid(0, 0);
    pause();
  }
  setpgid(a, a);
  pid_t b = fork();
  if (b == 0) {
    setpgid(0, a);
    pause();
  }
  setpgid(b, a);
  printf("group: %d %d\n", getpgid(a) == a, getpgid(b) == a);
  kill(-a, SIGUSR1);
  int first = waitpid(-a, &status, 0);
  show("group member", status);
  int second = waitpid(-a, &status, 0);
  show("group member", status);
  printf("both: %d\n", first + second == a + b);
  report("empty group", waitpid(-a, &status, 0));
  report("no group", kill(-a, 0));

  // A new session.
  child = fork();
  if (child == 0) {
    pid_t sid = setsid();
    int ok = sid == getpid() && getsid(0) == sid && getpgrp() == sid;
    int twice = setsid() == -1 && errno == EPERM;
    _exit(ok * 2 + twice);
  }
  waitpid(child, &status, 0);
  show("session", status);

  // Parent death signal.
  child = fork();
  if (child == 0) {
    pid_t inner = fork();
    if (inner == 0) {
      prctl(PR_SET_PDEATHSIG, SIGUSR2);
      if (write(pipes[1], "r", 1) != 1) _exit(1);
      for (;;) pause();
    }
    char byte;
    if (read(pipes[0], &byte, 1) != 1) _exit(1);
    _exit(0);
  }
  waitpid(child, &status, 0);
  wait(&status);
  show("after parent's death", status);

  struct rusage usage;
  child = fork();
  if (child == 0) _exit(0);
  printf("wait4: %d\n", wait4(child, &status, 0, &usage) == child);
  report("no children", wait(&status));
  report("bad options", waitpid(-1, &status, 0x100));

  // pidfd.
  child = sleeper();
  int fd = syscall(SYS_pidfd_open, child, 0);
  printf("pidfd: %d\n", fd >= 0);
  printf("pidfd signal: %ld\n", syscall(SYS_pidfd_send_signal, fd, SIGTERM, NULL, 0));
  memset(&info, 0, sizeof info);
  waitid(P_PIDFD, fd, &info, WEXITED);
  printf("pidfd wait: code=%d status=%d\n", info.si_code, info.si_status);
  report("pidfd gone", syscall(SYS_pidfd_send_signal, fd, 0, NULL, 0));
  return 0;
}
