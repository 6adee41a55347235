/* POSIX message queues: order, limits, time limits, notification by signal and by thread, the file system. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <mqueue.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static void say(const char *what, long r) {
  if (r < 0) printf("%s: %s\n", what, strerrorname_np(errno));
  else printf("%s: %ld\n", what, r);
  fflush(stdout);
}
#define SAY(x) say(#x, (long)(x))

static volatile sig_atomic_t got, code, value, own;
static void on_signal(int signo, siginfo_t *info, void *context) {
  (void)context;
  got = signo; code = info->si_code; value = info->si_value.sival_int; own = info->si_pid == getpid();
}

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t told = PTHREAD_COND_INITIALIZER;
static int thread_value;
static void on_thread(union sigval v) {
  pthread_mutex_lock(&lock);
  thread_value = v.sival_int;
  pthread_cond_signal(&told);
  pthread_mutex_unlock(&lock);
}

int main(void) {
  char name[40], buf[9000];
  unsigned prio;
  sprintf(name, "/guest-%d", getpid());
  SAY(mq_open(name, O_RDWR));
  struct mq_attr attr = {.mq_maxmsg = 3, .mq_msgsize = 32};
  mqd_t q = mq_open(name, O_RDWR | O_CREAT | O_EXCL, 0640, &attr);
  printf("opened %d\n", q >= 0);
  SAY(mq_open(name, O_RDWR | O_CREAT | O_EXCL, 0640, NULL));
  struct mq_attr none = {0};
  SAY(mq_open("/other", O_RDWR | O_CREAT, 0600, &none));
  SAY(mq_open("/a/b", O_RDWR | O_CREAT, 0600, NULL));
  SAY(mq_open("/..", O_RDWR | O_CREAT, 0600, NULL));
  struct stat st;
  SAY(fstat(q, &st));
  printf("mode %o size %ld fd flags %d\n", st.st_mode, (long)st.st_size, fcntl(q, F_GETFD));
  SAY(mq_send(q, "low", 4, 1));
  SAY(mq_send(q, "high", 5, 9));
  SAY(mq_send(q, "low too", 8, 1));
  struct pollfd p = {q, POLLIN | POLLOUT, 0};
  SAY(poll(&p, 1, 0));
  printf("revents %x\n", p.revents);
  struct timespec now, past = {1, 0}, bad = {1, 2000000000};
  SAY(mq_timedsend(q, "more", 5, 0, &past));
  SAY(mq_timedsend(q, "more", 5, 0, &bad));
  clock_gettime(CLOCK_REALTIME, &now);
  now.tv_nsec += 20000000;
  if (now.tv_nsec >= 1000000000) { now.tv_nsec -= 1000000000; now.tv_sec++; }
  SAY(mq_timedsend(q, "more", 5, 0, &now));
  SAY(mq_send(q, buf, 33, 0));
  SAY(mq_send(q, "x", 1, 32768));
  SAY(mq_receive(q, buf, 31, &prio));
  SAY(mq_receive(q, buf, sizeof buf, &prio));
  printf("%s %u\n", buf, prio);
  SAY(mq_receive(q, buf, sizeof buf, &prio));
  printf("%s %u\n", buf, prio);
  SAY(mq_receive(q, buf, sizeof buf, NULL));
  printf("%s\n", buf);
  struct mq_attr old;
  attr.mq_flags = O_NONBLOCK;
  SAY(mq_setattr(q, &attr, &old));
  printf("flags %ld max %ld size %ld now %ld\n", old.mq_flags, old.mq_maxmsg, old.mq_msgsize, old.mq_curmsgs);
  SAY(mq_receive(q, buf, sizeof buf, NULL));
  attr.mq_flags = 1;
  SAY(mq_setattr(q, &attr, NULL));
  attr.mq_flags = 0;
  SAY(mq_setattr(q, &attr, NULL));
  SAY(mq_getattr(0, &attr));
  mqd_t reader = mq_open(name, O_RDONLY);
  SAY(mq_send(reader, "x", 1, 0));
  mqd_t writer = mq_open(name, O_WRONLY | O_NONBLOCK);
  SAY(mq_receive(writer, buf, sizeof buf, NULL));
  /* A child that waits gets it. */
  pid_t child = fork();
  if (child == 0) _exit(mq_receive(q, buf, sizeof buf, &prio) == 6 && prio == 3 ? 7 : 1);
  SAY(mq_send(q, "child", 6, 3));
  int status;
  waitpid(child, &status, 0);
  printf("child %x\n", status);
  /* Notification. */
  struct sigaction action = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO};
  sigaction(SIGUSR1, &action, NULL);
  struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1, .sigev_value.sival_int = 77};
  SAY(mq_notify(q, &event));
  SAY(mq_notify(q, &event));
  SAY(read(q, buf, sizeof buf));
  char *at = strstr(buf, "NOTIFY_PID:");
  printf("pid %d ", atoi(at + 11) == getpid());
  *at = 0;
  printf("%s\n", buf);
  SAY(mq_send(q, "event", 6, 0));
  printf("signal %d code %d value %d own %d\n", got == SIGUSR1, code == SI_MESGQ, value, own);
  SAY(mq_notify(q, &event));
  got = 0;
  SAY(mq_send(q, "not empty", 10, 0));
  printf("signal %d\n", got);
  SAY(mq_notify(q, NULL));
  event.sigev_signo = 99;
  SAY(mq_notify(q, &event));
  event.sigev_notify = 9;
  SAY(mq_notify(q, &event));
  mq_receive(q, buf, sizeof buf, NULL);
  mq_receive(q, buf, sizeof buf, NULL);
  event.sigev_notify = SIGEV_NONE;
  SAY(mq_notify(q, &event));
  SAY(mq_notify(writer, NULL));
  struct sigevent thread = {.sigev_notify = SIGEV_THREAD, .sigev_notify_function = on_thread, .sigev_value.sival_int = 55};
  SAY(mq_notify(q, &thread));
  SAY(mq_send(q, "thread", 7, 0));
  pthread_mutex_lock(&lock);
  while (thread_value == 0) pthread_cond_wait(&told, &lock);
  pthread_mutex_unlock(&lock);
  printf("thread %d\n", thread_value);
  /* Limits, names, permissions. */
  struct rlimit limit = {1000, 1000}, saved;
  getrlimit(RLIMIT_MSGQUEUE, &saved);
  limit.rlim_max = saved.rlim_max;
  setrlimit(RLIMIT_MSGQUEUE, &limit);
  SAY(mq_open("/guest-too-much", O_RDWR | O_CREAT, 0600, NULL));
  setrlimit(RLIMIT_MSGQUEUE, &saved);
  if (geteuid() == 0) {
    child = fork();
    if (child == 0) {
      setgid(4321);
      setuid(4321);
      SAY(mq_open(name, O_RDONLY));
      SAY(mq_unlink(name));
      struct mq_attr big = {.mq_maxmsg = 100, .mq_msgsize = 32};
      SAY(mq_open("/guest-big", O_RDWR | O_CREAT, 0600, &big));
      _exit(0);
    }
    waitpid(child, &status, 0);
    child = fork();
    if (child == 0) {
      if (unshare(CLONE_NEWIPC | CLONE_NEWNS) != 0) _exit(1);
      SAY(mq_open(name, O_RDONLY));
      mkdir("mq", 0755);
      SAY(mount("none", "mq", "mqueue", 0, NULL));
      mqd_t own_queue = mq_open("/inside", O_RDWR | O_CREAT, 0600, NULL);
      SAY(mq_send(own_queue, "hello", 6, 0));
      SAY(stat("mq/inside", &st));
      printf("mode %o\n", st.st_mode);
      int f = open("mq/inside", O_RDONLY);
      memset(buf, 0, sizeof buf);
      SAY(read(f, buf, sizeof buf));
      printf("%.16s\n", buf);
      SAY(open("mq/made", O_RDWR | O_CREAT, 0600) >= 0);
      SAY(mq_unlink("/made"));
      SAY(unlink("mq/inside"));
      SAY(mq_open("/inside", O_RDWR));
      SAY(mkdir("mq/dir", 0755));
      SAY(umount("mq"));
      rmdir("mq");
      _exit(0);
    }
    waitpid(child, &status, 0);
    printf("child %x\n", status);
  }
  SAY(mq_unlink(name));
  SAY(mq_unlink(name));
  SAY(mq_receive(q, buf, sizeof buf, NULL));
  SAY(mq_close(q));
  return 0;
}
