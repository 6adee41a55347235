// Pseudoterminals: line editing, echo, signals, job control, sizes, packet mode, hang-up (tty_ioctl(4), pty(7)).
#include "fs_check.h"
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <termios.h>

static int master, slave;

static void show_bytes(const char *what, const char *buf, long n) {
  printf("%s:", what);
  if (n < 0) printf(" %s", fs_error());
  for (long i = 0; i < n; i++) {
    unsigned char c = buf[i];
    if (c < 32 || c > 126) printf("\\x%02x", c);
    else putchar(c);
  }
  printf("\n");
  fflush(stdout);
}

/* What the master has to read, up to `end`: echo may come in pieces. */
static void upto(const char *what, const char *end) {
  char buf[512];
  long n = 0, len = strlen(end);
  while (n < (long)sizeof buf && (n < len || memcmp(buf + n - len, end, len) != 0)) {
    struct pollfd p = {master, POLLIN, 0};
    if (poll(&p, 1, 2000) <= 0) break;
    long r = read(master, buf + n, 1);
    if (r <= 0) break;
    n += r;
  }
  show_bytes(what, buf, n);
}

/* As upto the end of a line. */
static void echo(const char *what) {
  upto(what, "\r\n");
}

/* One read of the master, for packet mode. */
static void packet_read(const char *what) {
  char buf[512];
  struct pollfd p = {master, POLLIN, 0};
  poll(&p, 1, 2000);
  show_bytes(what, buf, read(master, buf, sizeof buf));
}

static void type(const char *text) {
  if (write(master, text, strlen(text)) < 0) printf("type: %s\n", fs_error());
}

/* What a program reads; the slave must be non-blocking. */
static void line(const char *what) {
  char buf[512];
  for (int tries = 0; tries < 50; tries++) {
    struct pollfd p = {slave, POLLIN, 0};
    if (poll(&p, 1, 20) > 0) break;
  }
  show_bytes(what, buf, read(slave, buf, sizeof buf));
}

/* A read that is expected to find nothing. */
static void nothing(const char *what) {
  char buf[512];
  show_bytes(what, buf, read(slave, buf, sizeof buf));
}

static struct termios saved;

static void modes(tcflag_t on, tcflag_t off) {
  struct termios t = saved;
  t.c_lflag = (t.c_lflag | on) & ~off;
  tcsetattr(slave, TCSANOW, &t);
}

static void editing(void) {
  int n;
  type("hello\n");
  echo("echo");
  line("line");
  type("abc\x7f\x7fXY\n");
  echo("erase echo");
  line("erase");
  type("one two\x17three\n");
  echo("word echo");
  line("word");
  type("kill me\x15kept\n");
  echo("kill echo");
  line("kill");
  type("a\x16\x03z\n");
  echo("literal echo");
  line("literal");
  type("part");
  upto("part echo", "part");
  nothing("part");
  type("\x04");
  line("eof after part");
  type("\x04");
  line("eof");
  type("ab\ncd\n");
  echo("first echo");
  echo("second echo");
  line("first of two");
  line("second of two");
  type("re\x12\n");
  echo("reprint echo");
  echo("reprinted");
  line("reprint");
  type("tab\tx\x7f\x7f\n");
  echo("tab echo");
  line("tab");
  type("ctl\x01\x7f\n");
  echo("ctl echo");
  line("ctl");
  ioctl(slave, FIONREAD, &n);
  printf("unread %d\n", n);
  type("12345\n");
  echo("count echo");
  ioctl(slave, FIONREAD, &n);
  printf("unread %d\n", n);
  char two[2];
  show_bytes("piece", two, read(slave, two, 2));
  line("rest");
  modes(0, ECHO);
  type("silent\n");
  line("silent");
  modes(ECHONL, ECHO);
  type("nl\n");
  echo("echonl");
  line("nl");
  modes(0, ECHOCTL | ECHOKE);
  type("x\x15y\n");
  echo("old kill");
  echo("old kill, next line");
  line("old kill line");
  modes(ECHOPRT, 0);
  type("abc\x7f\x7fz\n");
  echo("printing erase");
  line("printing erase line");
  modes(0, 0);
}

static void raw(void) {
  struct termios t = saved;
  cfmakeraw(&t);
  tcsetattr(slave, TCSANOW, &t);
  type("a\x03\r\n");
  line("raw");
  if (write(slave, "o\n", 2) != 2) return;
  upto("raw out", "\n");
  t.c_cc[VMIN] = 3;
  t.c_cc[VTIME] = 0;
  tcsetattr(slave, TCSANOW, &t);
  struct pollfd p = {slave, POLLIN, 0};
  type("xy");
  SHOW(poll(&p, 1, 20));
  type("z");
  SHOW(poll(&p, 1, 1000));
  fcntl(slave, F_SETFL, 0);
  char buf[16];
  show_bytes("min", buf, read(slave, buf, 16));
  t.c_cc[VMIN] = 0;
  t.c_cc[VTIME] = 1;
  tcsetattr(slave, TCSANOW, &t);
  SHOW(read(slave, buf, 16));
  t.c_cc[VTIME] = 0;
  tcsetattr(slave, TCSANOW, &t);
  SHOW(read(slave, buf, 16));
  t.c_cc[VMIN] = 5;
  t.c_cc[VTIME] = 1;
  tcsetattr(slave, TCSANOW, &t);
  type("in");
  show_bytes("timed", buf, read(slave, buf, 16));
  fcntl(slave, F_SETFL, O_NONBLOCK);
  SHOW(read(slave, buf, 16));
  tcsetattr(slave, TCSANOW, &saved);
  t = saved;
  t.c_iflag = INLCR | ISTRIP;
  t.c_oflag = OPOST | OCRNL;
  tcsetattr(slave, TCSANOW, &t);
  if (write(slave, "a\rb\n", 4) != 4) return;
  upto("ocrnl", "b\n");
  type("\xe1z\x04");
  line("istrip line");
  tcsetattr(slave, TCSANOW, &saved);
  t = saved;
  t.c_oflag = OPOST | XTABS | ONLCR;
  tcsetattr(slave, TCSANOW, &t);
  if (write(slave, "\tx\ty\n", 5) != 5) return;
  echo("tabs");
  tcsetattr(slave, TCSANOW, &saved);
}

static int can_write(void) {
  struct pollfd p = {slave, POLLOUT, 0};
  return poll(&p, 1, 1) > 0;
}

static void flow(void) {
  type("\x13");
  while (can_write()) {}
  SHOW(write(slave, "stopped", 7));
  type("\x11");
  while (!can_write()) {}
  SHOW(write(slave, "on", 2));
  upto("started", "on");
  SHOW(tcflow(slave, TCOOFF));
  SHOW(write(slave, "off", 3));
  SHOW(tcflow(slave, TCOON));
  type("gone\n");
  echo("typed");
  SHOW(tcflush(slave, TCIFLUSH));
  nothing("flushed");
  SHOW(tcdrain(slave));
  SHOW(tcsendbreak(slave, 0));
}

static volatile int got;

static void on_signal(int sig) {
  got = sig;
}

static void sizes(void) {
  struct winsize w = {24, 80, 0, 0};
  SHOW(ioctl(master, TIOCSWINSZ, &w));
  memset(&w, 0, sizeof w);
  SHOW(ioctl(slave, TIOCGWINSZ, &w));
  printf("%dx%d\n", w.ws_row, w.ws_col);
  int n;
  SHOW(ioctl(master, TIOCGPTLCK, &n));
  printf("locked %d\n", n);
  SHOW(isatty(slave));
  SHOW(isatty(master));
  int p = 0;
  SHOW(ioctl(slave, TIOCGPGRP, &p));
  SHOW(tcgetsid(slave));
  SHOW(open("/dev/tty", O_RDWR));
}

static void packet(void) {
  int on = 1;
  SHOW(ioctl(master, TIOCPKT, &on));
  if (write(slave, "data", 4) != 4) return;
  packet_read("packet");
  SHOW(tcflush(slave, TCOFLUSH));
  packet_read("flush packet");
  SHOW(tcflow(slave, TCOOFF));
  packet_read("stop packet");
  SHOW(tcflow(slave, TCOON));
  packet_read("start packet");
  on = 0;
  SHOW(ioctl(master, TIOCPKT, &on));
}

/* A session of its own on the terminal: who is in front, and what signals come. */
static void session(void) {
  int report[2];
  if (pipe(report)) return;
  fflush(stdout);
  pid_t child = fork();
  if (child == 0) {
    close(report[0]);
    close(master);
    dup2(report[1], 1);
    setsid();
    SHOW(ioctl(slave, TIOCSCTTY, 0));
    SHOW(tcgetsid(slave) == getpid());
    SHOW(tcgetpgrp(slave) == getpgrp());
    SHOWOK(open("/dev/tty", O_RDWR));
    signal(SIGINT, on_signal);
    signal(SIGWINCH, on_signal);
    signal(SIGHUP, on_signal);
    printf("ready\n");
    fflush(stdout);
    while (got != SIGINT) pause();
    printf("SIGINT\n");
    fflush(stdout);
    while (got != SIGWINCH) pause();
    printf("SIGWINCH\n");
    fflush(stdout);
    // A background child that reads is stopped, one that ignores SIGTTIN gets an error.
    pid_t back = fork();
    if (back == 0) {
      setpgid(0, 0);
      fcntl(slave, F_SETFL, 0);
      char c;
      if (read(slave, &c, 1) < 0) {}
      _exit(0);
    }
    setpgid(back, back);
    int status;
    waitpid(back, &status, WUNTRACED);
    printf("stopped by %d\n", WIFSTOPPED(status) ? WSTOPSIG(status) : 0);
    kill(back, SIGKILL);
    waitpid(back, &status, 0);
    back = fork();
    if (back == 0) {
      setpgid(0, 0);
      signal(SIGTTIN, SIG_IGN);
      char c;
      SHOW(read(slave, &c, 1));
      _exit(0);
    }
    waitpid(back, &status, 0);
    back = fork();
    if (back == 0) {
      setpgid(0, 0);
      signal(SIGTTOU, SIG_IGN);
      SHOW(tcsetpgrp(slave, getpgrp()));
      _exit(0);
    }
    waitpid(back, &status, 0);
    SHOW(tcsetpgrp(slave, 99999));
    SHOW(tcsetpgrp(slave, getpgrp()));
    printf("wait for hang-up\n");
    fflush(stdout);
    while (got != SIGHUP) pause();
    char c;
    SHOW(read(slave, &c, 1));
    SHOW(write(slave, "x", 1));
    SHOW(isatty(slave));
    struct pollfd p = {slave, POLLIN, 0};
    SHOW(poll(&p, 1, 0));
    printf("revents %x\n", p.revents);
    fflush(stdout);
    _exit(0);
  }
  close(report[1]);
  FILE *f = fdopen(report[0], "r");
  char text[200];
  while (fgets(text, sizeof text, f)) {
    printf("session: %s", text);
    fflush(stdout);
    if (strcmp(text, "ready\n") == 0) {
      type("junk\x03");
      upto("interrupt echo", "^C");
    }
    if (strcmp(text, "SIGINT\n") == 0) {
      struct winsize w = {30, 90, 0, 0};
      ioctl(master, TIOCSWINSZ, &w);
    }
    if (strcmp(text, "wait for hang-up\n") == 0) close(master);
  }
  waitpid(child, NULL, 0);
  fclose(f);
}

int main(void) {
  setvbuf(stdout, NULL, _IOFBF, 65536);
  char name[64], again[64];
  SHOWOK(master = posix_openpt(O_RDWR | O_NOCTTY));
  SHOW(ptsname_r(master, name, sizeof name));
  SHOW(open(name, O_RDWR | O_NOCTTY));
  SHOW(grantpt(master));
  SHOW(unlockpt(master));
  SHOWOK(slave = open(name, O_RDWR | O_NOCTTY | O_NONBLOCK));
  SHOW(ttyname_r(slave, again, sizeof again));
  printf("same name %d\n", strcmp(name, again) == 0);
  tcgetattr(slave, &saved);
  printf("modes %x %x %x %x\n", saved.c_iflag, saved.c_oflag, saved.c_cflag, saved.c_lflag);
  show_bytes("control", (char *)saved.c_cc, 17);
  fcntl(master, F_SETFL, O_NONBLOCK);
  editing();
  raw();
  flow();
  sizes();
  packet();
  session();
  // The other end of a closed one.
  SHOWOK(master = posix_openpt(O_RDWR | O_NOCTTY));
  unlockpt(master);
  int peer;
  SHOWOK(peer = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY));
  if (write(peer, "last words", 10) != 10) return 1;
  close(peer);
  char buf[32];
  show_bytes("last", buf, read(master, buf, sizeof buf));
  SHOW(read(master, buf, sizeof buf));
  SHOW(write(master, "x", 1));
}
