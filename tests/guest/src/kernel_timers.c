// Clocks and timers: order and completeness, never exact durations (timer_create(2), setitimer(2)).
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/times.h>
#include <time.h>
#include <unistd.h>

static void report(const char *what, long result) {
  printf("%s: %ld %s\n", what, result, result < 0 ? strerror(errno) : "ok");
}

static volatile int ticks, overruns, value;
static timer_t timer;

static void on_tick(int sig, siginfo_t *info, void *context) {
  (void)sig;
  (void)context;
  ticks++;
  value = info->si_value.sival_int;
  overruns += timer_getoverrun(timer);
}

static long long now(clockid_t id) {
  struct timespec t;
  clock_gettime(id, &t);
  return t.tv_sec * 1000000000LL + t.tv_nsec;
}

int main(void) {
  setvbuf(stdout, NULL, _IONBF, 0);
  long long a = now(CLOCK_MONOTONIC), b = now(CLOCK_MONOTONIC);
  printf("monotonic: %d\n", b >= a);
  struct timeval tv;
  gettimeofday(&tv, NULL);
  long long wall = now(CLOCK_REALTIME);
  printf("wall clocks agree: %d\n", wall / 1000000000 - tv.tv_sec <= 1);
  printf("time: %d\n", time(NULL) - tv.tv_sec <= 1);
  report("bad clock", clock_gettime(99, &(struct timespec){0}));

  struct timespec step = {0, 30000000};
  a = now(CLOCK_MONOTONIC);
  printf("nanosleep: %d\n", nanosleep(&step, NULL));
  printf("long enough: %d\n", now(CLOCK_MONOTONIC) - a >= 30000000);
  struct timespec absolute;
  clock_gettime(CLOCK_REALTIME, &absolute);
  absolute.tv_nsec += 20000000;
  if (absolute.tv_nsec >= 1000000000) {
    absolute.tv_nsec -= 1000000000;
    absolute.tv_sec++;
  }
  printf("absolute: %d\n", clock_nanosleep(CLOCK_REALTIME, TIMER_ABSTIME, &absolute, NULL));
  printf("reached: %d\n", now(CLOCK_REALTIME) >= absolute.tv_sec * 1000000000LL + absolute.tv_nsec);
  struct timespec bad = {0, 1000000000};
  report("bad time", nanosleep(&bad, NULL));

  struct sigaction action = {0};
  action.sa_sigaction = on_tick;
  action.sa_flags = SA_SIGINFO;
  sigaction(SIGRTMIN, &action, NULL);
  sigaction(SIGALRM, &action, NULL);
  struct sigevent event = {0};
  event.sigev_notify = SIGEV_SIGNAL;
  event.sigev_signo = SIGRTMIN;
  event.sigev_value.sival_int = 77;
  printf("timer_create: %d\n", timer_create(CLOCK_MONOTONIC, &event, &timer));
  struct itimerspec setting = {{0, 5000000}, {0, 5000000}};
  printf("timer_settime: %d\n", timer_settime(timer, 0, &setting, NULL));
  while (ticks < 5) pause();
  printf("ticks with value %d\n", value);
  sigset_t block, old;
  sigemptyset(&block);
  sigaddset(&block, SIGRTMIN);
  sigprocmask(SIG_BLOCK, &block, &old);
  struct timespec longer = {0, 60000000};
  nanosleep(&longer, NULL);
  overruns = 0;
  int before = ticks;
  sigprocmask(SIG_SETMASK, &old, NULL);
  printf("one signal for many expirations: %d overruns %d\n", ticks - before >= 1 && ticks - before <= 2, overruns >= 5);
  struct itimerspec current;
  timer_gettime(timer, &current);
  printf("interval: %ld\n", current.it_interval.tv_nsec);
  setting.it_value.tv_nsec = 0;
  timer_settime(timer, 0, &setting, NULL);
  timer_gettime(timer, &current);
  printf("disarmed: %ld %ld\n", (long)current.it_value.tv_sec, current.it_value.tv_nsec);
  printf("timer_delete: %d\n", timer_delete(timer));
  report("gone", timer_gettime(timer, &current));

  ticks = 0;
  struct itimerval repeat = {{0, 4000}, {0, 4000}}, old_timer;
  setitimer(ITIMER_REAL, &repeat, NULL);
  while (ticks < 3) pause();
  memset(&repeat, 0, sizeof repeat);
  setitimer(ITIMER_REAL, &repeat, &old_timer);
  printf("itimer interval: %ld\n", (long)old_timer.it_interval.tv_usec);
  alarm(100);
  unsigned left = alarm(0);
  printf("alarm left: %d\n", left == 100 || left == 99);

  ticks = 0;
  sigaction(SIGVTALRM, &action, NULL);
  repeat.it_value.tv_usec = 20000;
  setitimer(ITIMER_VIRTUAL, &repeat, NULL);
  volatile unsigned long work = 0;
  while (ticks == 0) work++;
  printf("virtual timer fired\n");
  printf("cpu clocks run: %d %d\n", now(CLOCK_PROCESS_CPUTIME_ID) > 0, now(CLOCK_THREAD_CPUTIME_ID) > 0);
  struct rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  printf("rusage: %d\n", usage.ru_utime.tv_sec * 1000000 + usage.ru_utime.tv_usec +
                             usage.ru_stime.tv_sec * 1000000 + usage.ru_stime.tv_usec > 10000);
  struct tms buffer;
  printf("times: %d\n", times(&buffer) > 0);
  return 0;
}
