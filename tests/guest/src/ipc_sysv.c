/* System V IPC: shared memory, semaphores with undo, messages; and what they refuse. */
#define _GNU_SOURCE
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

union semun { int val; struct semid_ds *buf; unsigned short *array; struct seminfo *info; };

static void say(const char *what, long r) {
  if (r < 0) printf("%s: %s\n", what, strerrorname_np(errno));
  else printf("%s: %ld\n", what, r);
}
#define SAY(x) say(#x, (long)(x))
static void ok(const char *what, int yes) { printf("%s: %s\n", what, yes ? "yes" : "no"); }

static void wait_for(pid_t pid) {
  int status;
  waitpid(pid, &status, 0);
  printf("child: %x\n", status);
}

static void shared_memory(void) {
  key_t key = 0x5a000000 | (getpid() & 0xffffff);
  SAY(shmget(key, 4096, 0600));
  SAY(shmget(IPC_PRIVATE, 0, 0600));
  int id = shmget(key, 10000, IPC_CREAT | 0640);
  ok("made", id >= 0);
  SAY(shmget(key, 10000, IPC_CREAT | IPC_EXCL | 0600));
  SAY(shmget(key, 20000, 0));
  ok("same", shmget(key, 5000, 0) == id);
  char *a = shmat(id, NULL, 0);
  char *b = shmat(id, NULL, SHM_RDONLY);
  ok("attached", a != (void *)-1 && b != (void *)-1 && a != b);
  strcpy(a + 9000, "hello");
  printf("%s\n", b + 9000);
  SAY(mprotect(b, 4096, PROT_READ | PROT_WRITE));
  SAY((long)shmat(id, a + 1, 0));
  SAY((long)shmat(id, a, 0));
  SAY((long)shmat(id, NULL, SHM_REMAP));
  SAY((long)shmat(-1, NULL, 0));
  struct shmid_ds ds;
  SAY(shmctl(id, IPC_STAT, &ds));
  printf("size %lu mode %o nattch %lu cpid %d lpid %d key %d\n", ds.shm_segsz, ds.shm_perm.mode, (long)ds.shm_nattch,
         ds.shm_cpid == getpid(), ds.shm_lpid == getpid(), ds.shm_perm.__key == key);
  printf("times %d %d %d\n", ds.shm_atime != 0, ds.shm_dtime != 0, ds.shm_ctime != 0);
  fflush(stdout);
  pid_t pid = fork();
  if (pid == 0) {
    shmctl(id, IPC_STAT, &ds);
    printf("in child nattch %lu\n", (long)ds.shm_nattch);
    strcpy(a, "from the child");
    fflush(stdout);
    _exit(0);
  }
  wait_for(pid);
  printf("%s\n", b);
  char line[200];
  FILE *maps = fopen("/proc/self/maps", "r");
  int lines = 0;
  while (fgets(line, sizeof line, maps)) {
    char *name = strstr(line, "/SYSV");
    if (name && ++lines == 1) printf("maps %s %s", strstr(line, " rw-s ") || strstr(line, " r--s ") ? "shared" : line, name + 13);
  }
  fclose(maps);
  printf("%d lines\n", lines);
  SAY(shmctl(id, IPC_RMID, NULL));
  SAY(shmget(key, 10000, 0));
  SAY(shmctl(id, IPC_STAT, &ds));
  printf("mode %o key %d\n", ds.shm_perm.mode, ds.shm_perm.__key);
  char *c = shmat(id, NULL, 0);
  ok("attached again", c != (void *)-1);
  printf("%s\n", c);
  SAY(shmdt(c));
  SAY(shmdt(c));
  SAY(shmdt(a + 1));
  SAY(shmdt(a));
  SAY(shmdt(b));
  SAY(shmctl(id, IPC_STAT, &ds));
  SAY(shmctl(id, 99, &ds));
  int again = shmget(IPC_PRIVATE, 8192, 0600);
  ok("another id", again != id);
  ds.shm_perm.uid = geteuid();
  ds.shm_perm.gid = getegid();
  ds.shm_perm.mode = 0604;
  SAY(shmctl(again, IPC_SET, &ds));
  SAY(shmctl(again, IPC_STAT, &ds));
  printf("mode %o\n", ds.shm_perm.mode);
  SAY(shmctl(again, SHM_LOCK, NULL));
  SAY(shmctl(again, IPC_STAT, &ds));
  printf("mode %o\n", ds.shm_perm.mode);
  SAY(shmctl(again, SHM_UNLOCK, NULL));
  SAY(shmctl(again, IPC_STAT, (void *)8));
  SAY(shmctl(again, IPC_SET, (void *)8));
  /* Attached in place of something else, and a part taken away. */
  char *room = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  ok("remapped", shmat(again, room + 4096 + 5, SHM_RND | SHM_REMAP) == room + 4096);
  strcpy(room + 8192, "kept");
  munmap(room + 4096, 4096);
  SAY(shmctl(again, IPC_STAT, &ds));
  printf("nattch %lu\n", (long)ds.shm_nattch);
  printf("%s\n", room + 8192);
  SAY(shmdt(room + 4096));
  SAY(shmctl(again, IPC_STAT, &ds));
  printf("nattch %lu\n", (long)ds.shm_nattch);
  if (geteuid() == 0) {
    fflush(stdout);
    pid = fork();
    if (pid == 0) {
      setgid(12345);
      setuid(12345);
      SAY((long)shmat(again, NULL, 0));
      ok("may read", shmat(again, NULL, SHM_RDONLY) != (void *)-1);
      SAY(shmctl(again, IPC_RMID, NULL));
      SAY(shmctl(again, IPC_SET, &ds));
      fflush(stdout);
      _exit(0);
    }
    wait_for(pid);
  }
  SAY(shmctl(again, IPC_RMID, NULL));
  SAY(shmctl(again, IPC_RMID, NULL));
  struct shminfo info;
  ok("info", shmctl(0, IPC_INFO, (struct shmid_ds *)&info) >= 0);
  printf("%lu %lu %lu\n", info.shmmin, info.shmmni, info.shmmax);
}

static volatile sig_atomic_t alarms;
static void on_alarm(int signo) { alarms += signo == SIGALRM; }

static void semaphores(void) {
  union semun u;
  int id = semget(IPC_PRIVATE, 3, 0600);
  ok("set", id >= 0);
  SAY(semget(IPC_PRIVATE, 0, 0600));
  SAY(semget(IPC_PRIVATE, -1, 0600));
  unsigned short values[3] = {1, 2, 3};
  u.array = values;
  SAY(semctl(id, 0, SETALL, u));
  memset(values, 0, sizeof values);
  SAY(semctl(id, 0, GETALL, u));
  printf("%d %d %d\n", values[0], values[1], values[2]);
  SAY(semctl(id, 2, GETVAL));
  SAY(semctl(id, 3, GETVAL));
  SAY(semctl(id, -1, GETVAL));
  u.val = 40000;
  SAY(semctl(id, 0, SETVAL, u));
  u.val = -1;
  SAY(semctl(id, 0, SETVAL, u));
  struct sembuf take[2] = {{0, -1, 0}, {1, -3, IPC_NOWAIT}};
  SAY(semop(id, take, 2));
  SAY(semctl(id, 0, GETVAL));
  take[1].sem_op = -2;
  SAY(semop(id, take, 2));
  SAY(semctl(id, 0, GETVAL));
  SAY(semctl(id, 1, GETVAL));
  ok("pid", semctl(id, 1, GETPID) == getpid());
  take[0].sem_num = 3;
  SAY(semop(id, take, 1));
  take[0].sem_num = 2;
  take[0].sem_op = 32767;
  SAY(semop(id, take, 1));
  SAY(semop(id, take, 0));
  SAY(semop(id, take, 501));
  SAY(semop(id, (void *)8, 1));
  SAY(semop(-1, take, 1));
  struct timespec past = {0, 1000000}, bad = {0, 1000000000};
  struct sembuf wait0 = {0, -1, 0};
  SAY(semtimedop(id, &wait0, 1, &past));
  SAY(semtimedop(id, &wait0, 1, &bad));
  SAY(semtimedop(id, &wait0, 1, (void *)8));
  struct sigaction action = {.sa_handler = on_alarm, .sa_flags = SA_RESTART};
  sigaction(SIGALRM, &action, NULL);
  timer_t timer;
  struct itimerspec soon = {{0, 0}, {0, 20000000}};
  timer_create(CLOCK_MONOTONIC, &(struct sigevent){.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGALRM}, &timer);
  timer_settime(timer, 0, &soon, NULL);
  SAY(semop(id, &wait0, 1));
  SAY(alarms);
  /* Two children wait; what is given wakes them in turn. */
  fflush(stdout);
  pid_t first = fork();
  if (first == 0) _exit(semop(id, &(struct sembuf){0, -2, 0}, 1) == 0 ? 11 : errno);
  while (semctl(id, 0, GETNCNT) != 1) usleep(1000);
  pid_t second = fork();
  if (second == 0) _exit(semop(id, (struct sembuf[]){{0, -1, 0}, {1, 1, 0}}, 2) == 0 ? 12 : errno);
  while (semctl(id, 0, GETNCNT) != 2) usleep(1000);
  SAY(semctl(id, 0, GETZCNT));
  SAY(semop(id, &(struct sembuf){0, 1, 0}, 1));
  wait_for(second);
  SAY(semctl(id, 1, GETVAL));
  SAY(semop(id, &(struct sembuf){0, 2, 0}, 1));
  wait_for(first);
  SAY(semctl(id, 0, GETVAL));
  /* What a process did is undone at its end. */
  pid_t undoer = fork();
  if (undoer == 0) {
    semop(id, (struct sembuf[]){{0, 5, SEM_UNDO}, {2, -1, SEM_UNDO}}, 2);
    _exit(semctl(id, 0, GETVAL));
  }
  wait_for(undoer);
  SAY(semctl(id, 0, GETVAL));
  SAY(semctl(id, 2, GETVAL));
  pid_t zero = fork();
  if (zero == 0) _exit(semop(id, &(struct sembuf){2, 0, 0}, 1) == 0 ? 13 : errno);
  while (semctl(id, 2, GETZCNT) != 1) usleep(1000);
  u.val = 0;
  SAY(semctl(id, 2, SETVAL, u));
  wait_for(zero);
  struct semid_ds ds;
  u.buf = &ds;
  SAY(semctl(id, 0, IPC_STAT, u));
  printf("nsems %lu mode %o times %d %d\n", ds.sem_nsems, ds.sem_perm.mode, ds.sem_otime != 0, ds.sem_ctime != 0);
  fflush(stdout);
  pid_t orphan = fork();
  if (orphan == 0) _exit(semop(id, &wait0, 1) == 0 ? 0 : errno);
  while (semctl(id, 0, GETNCNT) != 1) usleep(1000);
  SAY(semctl(id, 0, IPC_RMID));
  wait_for(orphan);
  printf("EIDRM is %x\n", EIDRM);
  SAY(semctl(id, 0, GETVAL));
  SAY(semop(id, &wait0, 1));
  struct seminfo info;
  u.info = &info;
  ok("info", semctl(0, 0, IPC_INFO, u) >= 0);
  printf("%d %d %d %d\n", info.semmsl, info.semopm, info.semvmx, info.semaem);
}

struct message { long type; char text[64]; };

static void messages(void) {
  int id = msgget(IPC_PRIVATE, 0600);
  ok("queue", id >= 0);
  struct message m = {3, "three"}, got;
  SAY(msgsnd(id, &m, 6, 0));
  m.type = 1; strcpy(m.text, "one");
  SAY(msgsnd(id, &m, 4, 0));
  m.type = 2; strcpy(m.text, "two");
  SAY(msgsnd(id, &m, 4, 0));
  m.type = 3; strcpy(m.text, "again three");
  SAY(msgsnd(id, &m, 12, 0));
  m.type = 0;
  SAY(msgsnd(id, &m, 4, 0));
  m.type = -5;
  SAY(msgsnd(id, &m, 4, 0));
  SAY(msgsnd(id, &m, 100000, 0));
  SAY(msgsnd(id, (void *)8, 4, 0));
  SAY(msgsnd(-1, &m, 4, 0));
  struct msqid_ds ds;
  SAY(msgctl(id, IPC_STAT, &ds));
  printf("qnum %lu cbytes %lu qbytes %lu lspid %d\n", (long)ds.msg_qnum, (long)ds.__msg_cbytes, (long)ds.msg_qbytes,
         ds.msg_lspid == getpid());
  SAY(msgrcv(id, &got, 2, 2, 0));
  SAY(msgrcv(id, &got, 2, 2, MSG_NOERROR));
  printf("%ld %.2s\n", got.type, got.text);
  SAY(msgrcv(id, &got, sizeof got.text, -3, 0));
  printf("%ld %s\n", got.type, got.text);
  SAY(msgrcv(id, &got, sizeof got.text, 3, MSG_EXCEPT | IPC_NOWAIT));
  SAY(msgrcv(id, &got, sizeof got.text, 9, IPC_NOWAIT));
  SAY(msgrcv(id, &got, sizeof got.text, 1, MSG_COPY | IPC_NOWAIT));
  printf("%ld %s\n", got.type, got.text);
  SAY(msgrcv(id, &got, sizeof got.text, 0, MSG_COPY));
  SAY(msgrcv(id, &got, sizeof got.text, 7, MSG_COPY | IPC_NOWAIT));
  SAY(msgrcv(id, &got, sizeof got.text, 0, 0));
  printf("%ld %s\n", got.type, got.text);
  SAY(msgrcv(id, &got, sizeof got.text, 0, 0));
  printf("%ld %s\n", got.type, got.text);
  SAY(msgrcv(id, &got, sizeof got.text, 0, IPC_NOWAIT));
  SAY(msgrcv(id, &got, -1, 0, IPC_NOWAIT));
  /* A full queue, and one who waits for room. */
  ds.msg_qbytes = 100;
  SAY(msgctl(id, IPC_SET, &ds));
  m.type = 1;
  SAY(msgsnd(id, &m, 60, 0));
  SAY(msgsnd(id, &m, 60, IPC_NOWAIT));
  fflush(stdout);
  pid_t sender = fork();
  if (sender == 0) _exit(msgsnd(id, &m, 60, 0) == 0 ? 21 : errno);
  usleep(20000);
  SAY(msgrcv(id, &got, sizeof got.text, 0, 0));
  wait_for(sender);
  SAY(msgrcv(id, &got, sizeof got.text, 0, 0));
  pid_t receiver = fork();
  if (receiver == 0) {
    struct message r;
    _exit(msgrcv(id, &r, sizeof r.text, 5, 0) == 3 && r.type == 5 ? 22 : errno);
  }
  m.type = 4;
  SAY(msgsnd(id, &m, 3, 0));
  m.type = 5;
  SAY(msgsnd(id, &m, 3, 0));
  wait_for(receiver);
  pid_t orphan = fork();
  if (orphan == 0) {
    struct message r;
    _exit(msgrcv(id, &r, sizeof r.text, 8, 0) < 0 ? errno : 0);
  }
  usleep(20000);
  SAY(msgctl(id, IPC_RMID, NULL));
  wait_for(orphan);
  SAY(msgctl(id, IPC_RMID, NULL));
  SAY(msgrcv(id, &got, sizeof got.text, 0, 0));
}

static void namespaces(void) {
  if (geteuid() != 0) return;
  key_t key = 0x5b000000 | (getpid() & 0xffffff);
  int id = shmget(key, 4096, IPC_CREAT | 0600);
  fflush(stdout);
  pid_t pid = fork();
  if (pid == 0) {
    if (unshare(CLONE_NEWIPC) != 0) _exit(1);
    SAY(shmget(key, 4096, 0600));
    SAY(shmget(key, 4096, IPC_CREAT | 0600));
    FILE *f = fopen("/proc/sysvipc/shm", "r");
    char line[300];
    while (fgets(line, sizeof line, f)) {
      if (strlen(line) > 60) line[60] = 0;
      if (!strstr(line, "key")) sprintf(line, "%11d%s", 0, strdup(line + 10));
      printf("%.50s\n", line);
    }
    fclose(f);
    fflush(stdout);
    _exit(0);
  }
  wait_for(pid);
  SAY(shmctl(id, IPC_RMID, NULL));
}

int main(void) {
  shared_memory();
  semaphores();
  messages();
  namespaces();
  return 0;
}
