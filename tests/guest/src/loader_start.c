/* What a program finds when it starts, and what execve says of files that are no programs. */
#define _GNU_SOURCE
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

static char dir[] = "/tmp/loaderXXXXXX";

static void put(const char *name, const void *bytes, size_t size, int mode) {
  char path[100];
  snprintf(path, sizeof path, "%s/%s", dir, name);
  int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0700);
  if (write(fd, bytes, size) != (ssize_t)size) perror("write");
  fchmod(fd, mode);
  close(fd);
}

static void run(const char *name, char *argument) {
  char path[100];
  snprintf(path, sizeof path, "%s/%s", dir, name);
  fflush(stdout);
  pid_t pid = fork();
  if (pid == 0) {
    char *argv[] = {"zero", argument, NULL};
    char *env[] = {"A=1", NULL};
    execve(path, argv, env);
    printf("%s: %s\n", name, strerrorname_np(errno));
    fflush(stdout);
    _exit(99);
  }
  int status;
  waitpid(pid, &status, 0);
  if (WIFSIGNALED(status)) printf("%s: signal %d\n", name, WTERMSIG(status));
  else if (WEXITSTATUS(status) != 99) printf("%s: exit %d\n", name, WEXITSTATUS(status));
}

static int exists(unsigned long type) {
  errno = 0;
  getauxval(type);
  return errno == 0;
}

static void start(char **argv) {
  printf("%s %s\n", argv[0], (char *)getauxval(AT_EXECFN) == NULL ? "no name" : "named");
  printf("page %lu tick %lu flags %lu secure %lu\n", getauxval(AT_PAGESZ), getauxval(AT_CLKTCK),
         getauxval(AT_FLAGS), getauxval(AT_SECURE));
  printf("uid %d gid %d\n", getauxval(AT_UID) == getuid(), getauxval(AT_EGID) == getegid());
  printf("platform %s\n", (char *)getauxval(AT_PLATFORM));
  printf("vdso %d random %d base %d\n", exists(AT_SYSINFO_EHDR), getauxval(AT_RANDOM) != 0,
         getauxval(AT_BASE) != 0);
  Elf64_Phdr *headers = (Elf64_Phdr *)getauxval(AT_PHDR);
  int found = 0;
  for (unsigned long i = 0; i < getauxval(AT_PHNUM); i++) {
    if (headers[i].p_type == PT_PHDR) found = 1;
  }
  printf("headers %d of %lu\n", found, getauxval(AT_PHENT));
  int local;
  printf("stack aligned %d\n", ((unsigned long)environ & 7) == 0 && (char *)&local < (char *)argv);
}

static Elf64_Ehdr header(void) {
  Elf64_Ehdr h = {0};
  memcpy(h.e_ident, ELFMAG, SELFMAG);
  h.e_ident[EI_CLASS] = ELFCLASS64;
  h.e_ident[EI_DATA] = ELFDATA2LSB;
  h.e_ident[EI_VERSION] = EV_CURRENT;
  h.e_type = ET_EXEC;
  h.e_machine = EM_X86_64;
  h.e_version = EV_CURRENT;
  h.e_entry = 0x400000 + 0x200;
  h.e_phoff = sizeof h;
  h.e_ehsize = sizeof h;
  h.e_phentsize = sizeof(Elf64_Phdr);
  h.e_phnum = 1;
  return h;
}

/* A program that exits with 7, changed by `change` first. */
static void hostile(const char *name, void (*change)(Elf64_Ehdr *, Elf64_Phdr *)) {
  unsigned char file[0x300] = {0};
  Elf64_Ehdr h = header();
  Elf64_Phdr p[2] = {{.p_type = PT_LOAD, .p_flags = PF_R | PF_X, .p_vaddr = 0x400000,
                      .p_filesz = 0x300, .p_memsz = 0x300, .p_align = 0x1000}};
  if (change) change(&h, p);
  memcpy(file, &h, sizeof h);
  memcpy(file + sizeof h, p, sizeof p);
  memcpy(file + 0x200, "\xbf\x07\0\0\0\xb8\x3c\0\0\0\x0f\x05", 12);
  put(name, file, sizeof file, 0700);
  run(name, NULL);
}

static void machine(Elf64_Ehdr *h, Elf64_Phdr *p) { (void)p; h->e_machine = EM_386; }
static void class(Elf64_Ehdr *h, Elf64_Phdr *p) { (void)p; h->e_ident[EI_CLASS] = 1; }
static void type(Elf64_Ehdr *h, Elf64_Phdr *p) { (void)p; h->e_type = ET_REL; }
static void no_headers(Elf64_Ehdr *h, Elf64_Phdr *p) { (void)p; h->e_phnum = 0; }
static void many_headers(Elf64_Ehdr *h, Elf64_Phdr *p) { (void)p; h->e_phnum = 65000; }
static void far_headers(Elf64_Ehdr *h, Elf64_Phdr *p) { (void)p; h->e_phoff = 1ul << 62; }
static void header_size(Elf64_Ehdr *h, Elf64_Phdr *p) { (void)p; h->e_phentsize = 32; }
static void no_interpreter(Elf64_Ehdr *h, Elf64_Phdr *p) {
  h->e_phnum = 2;
  p[1] = (Elf64_Phdr){.p_type = PT_INTERP, .p_offset = 0x10, .p_filesz = 8};
}
static void long_interpreter(Elf64_Ehdr *h, Elf64_Phdr *p) {
  h->e_phnum = 2;
  p[1] = (Elf64_Phdr){.p_type = PT_INTERP, .p_offset = 0, .p_filesz = 1ul << 40};
}
static void zeros(Elf64_Ehdr *h, Elf64_Phdr *p) { (void)h; p->p_memsz = 0x100000; }

int main(int argc, char **argv) {
  (void)argc;
  if (strcmp(argv[0], "zero") == 0) {
    start(argv);
    return 0;
  }
  mkdtemp(dir);
  char self[200] = {0};
  if (readlink("/proc/self/exe", self, sizeof self - 1) < 0) perror("readlink");
  char link[100];
  snprintf(link, sizeof link, "%s/self", dir);
  symlink(self, link);
  run("self", NULL);

  hostile("plain", NULL);
  hostile("machine", machine);
  hostile("class", class);
  hostile("type", type);
  hostile("no_headers", no_headers);
  hostile("many_headers", many_headers);
  hostile("far_headers", far_headers);
  hostile("header_size", header_size);
  hostile("no_interpreter", no_interpreter);
  hostile("long_interpreter", long_interpreter);
  hostile("zeros", zeros);

  put("text", "hello\n", 6, 0700);
  run("text", NULL);
  put("empty", "", 0, 0700);
  run("empty", NULL);
  put("short", "\x7f" "ELF", 4, 0700);
  run("short", NULL);
  put("forbidden", "#!/bin/sh\n", 10, 0600);
  run("missing", NULL);
  run(".", NULL);
  const char *script = "#!/bin/sh  -e\t \necho \"$0\" \"$@\" | sed 's/loader....../loader/g'\nexit 5\n";
  put("script", script, strlen(script), 0700);
  run("script", "arg");
  put("nowhere", "#!/no/such/file\n", 16, 0700);
  run("nowhere", NULL);
  put("nothing", "#!   \n", 6, 0700);
  run("nothing", NULL);
  put("itself", "", 0, 0700);
  char loop[120];
  int n = snprintf(loop, sizeof loop, "#!%s/itself\n", dir);
  put("itself", loop, n, 0700);
  run("itself", NULL);
  char chain[120];
  n = snprintf(chain, sizeof chain, "#!%s/script one two\n", dir);
  put("chain", chain, n, 0700);
  run("chain", "three");
  put("bare", "#!/bin/sh", 9, 0700);
  run("bare", NULL);

  size_t size = 200 * 1024;
  char *huge = malloc(size);
  memset(huge, 'x', size);
  huge[size - 1] = 0;
  run("script", huge);

  char command[100];
  snprintf(command, sizeof command, "rm -rf %s", dir);
  return system(command);
}
