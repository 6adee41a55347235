import { Assembler, byte, imm, mem, qword, rip } from "../../ffi/asm/mod.ts";
import {
  al,
  dl,
  eax,
  ecx,
  edx,
  esi,
  r10,
  r10d,
  r11,
  r12,
  r13,
  r14,
  r15,
  r8,
  r8d,
  r9,
  rax,
  rbp,
  rbx,
  rcx,
  rdi,
  rdx,
  rsi,
  rsp,
} from "../../ffi/asm/mod.ts";

/** Bytes that the entry stub may take; the data it reads follows at this offset. */
export const STUB_SIZE = 4096;

/** Modules get descriptors from this one on: low ones belong to the caller. */
const FIRST_FD = 100;
const F_DUPFD_CLOEXEC = 1030;

const O_DIRECTORY_CLOEXEC = 0x90000;
/** O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC */
const O_CREATE_CLOEXEC = 0x800c1;

/** Where the string `DENO_DIR=path` lies on the stack, counted from rbp. */
const DENO_DIR = 512;

/** Names start directories so that the program can recognise and remove its own. */
const START_DIR_PREFIX = "runsc-start-";

const SYS = {
  write: 1,
  open: 2,
  close: 3,
  fcntl: 72,
  mkdir: 83,
  exit: 231,
  openat: 257,
  memfd: 319,
};

/** Bytes of the executable, counted from the stub's first. */
export interface Range {
  offset: number;
  size: number;
}

export interface StubOptions {
  /** Address of the stub's first byte, of the original entry point and of the GOT slot of `environ`. */
  address: number;
  entry: number;
  environSlot: number;
  /** Arguments before the path of the program. */
  arguments: string[];
  /** Strings put before the environment's own. */
  environment: string[];
  /** The module that Deno is told to run. */
  program: Range;
  /** What the start directory holds. */
  startFiles: (Range & { name: string })[];
  /** Whether the start directory is Deno's `DENO_DIR`. */
  setDenoDir: boolean;
}

/**
 * Machine code that runs between the dynamic linker and Deno's own `_start`.
 *
 * It puts the program into a memfd and the start files into a new directory of memory, and hands `_start` a stack block
 * whose argv reads `deno run … /proc/self/fd/N` before the user's own arguments. The kernel's view of the command line
 * and of the environment (`/proc/self/cmdline`, `/proc/self/environ`) stays the user's.
 *
 * Where no directory can be made Deno has none: that costs time, for it finds nothing prepared.
 */
export function assembleEntryStub(options: StubOptions): Uint8Array {
  const a = new Assembler();
  const at = (address: number) => rip("stub", address - options.address);
  const data = (offset: number) => rip("stub", offset);
  const call = (nr: number) => a.mov(eax, imm(nr)).syscall();
  const strings: [label: string, text: string][] = [];
  const text = (value: string) => {
    const label = `text${strings.length}`;
    strings.push([label, value]);
    return rip(label);
  };

  // rdx holds the function that the dynamic linker wants run at exit, rsp the kernel's block; both outlive the stub.
  a.label("stub").mov(r15, rdx).mov(r14, rsp);
  a.lea(rbp, mem(rsp, -1024)).and(rbp, imm(-16)).mov(rsp, rbp).cld();

  // rbp: path of the program. r13: the string that names the start directory.
  a.lea(rsi, data(options.program.offset)).mov(edx, imm(options.program.size)).call("place");
  a.test(rax, rax).js("fail").mov(r12, rax).mov(rdi, rbp).call("path");
  if (options.setDenoDir) emitStartDirectory(a, options, { text, data, call });

  // r8 argc, r9 envp, r10 auxv, r11 its end.
  a.mov(r8, mem(r14)).lea(r9, mem({ base: r14, index: r8, scale: 8, disp: 16 })).mov(r10, r9);
  a.label("env").mov(rax, mem(r10)).add(r10, imm(8)).test(rax, rax).jnz("env").mov(r11, r10);
  a.label("aux").mov(rax, mem(r11)).add(r11, imm(16)).test(rax, rax).jnz("aux");
  const added = options.arguments.length + options.environment.length + 3;
  a.mov(rdi, rbp).sub(rdi, r11).add(rdi, r14).sub(rdi, imm(added * 8)).and(rdi, imm(-16));
  a.mov(rsp, rdi);

  // argc may be 0 on kernels before 5.18: then a name is made up.
  a.mov(rdx, r8).cmp(rdx, imm(1)).adc(rdx, imm(0));
  a.lea(rax, mem(rdx, options.arguments.length + 1)).mov(mem(rdi), rax);
  a.mov(rax, mem(r14, 8)).test(rax, rax).jnz("named").lea(rax, text("runsc"));
  a.label("named").mov(mem(rdi, 8), rax).add(rdi, imm(16));
  for (const argument of options.arguments) {
    a.lea(rax, text(argument)).mov(mem(rdi), rax).add(rdi, imm(8));
  }
  a.mov(mem(rdi), rbp).add(rdi, imm(8));
  a.lea(rsi, mem(r14, 16)).lea(rcx, mem(rdx, -1)).repMovsq();
  a.mov(qword(mem(rdi)), imm(0)).add(rdi, imm(8)).mov(r12, rdi);
  for (const variable of options.environment) {
    a.lea(rax, text(variable)).mov(mem(rdi), rax).add(rdi, imm(8));
  }
  if (options.setDenoDir) a.mov(mem(rdi), r13).add(rdi, imm(8));
  a.mov(rsi, r9).mov(rcx, r11).sub(rcx, r9).shr(rcx, imm(3)).repMovsq();

  // The dynamic linker gave libc the old environment before it came here.
  a.lea(rax, at(options.environSlot)).mov(rax, mem(rax)).mov(mem(rax), r12);
  a.mov(rdx, r15).lea(rax, at(options.entry)).jmp(rax);

  // Puts rdx bytes at rsi into a memory file; rax is its descriptor, or negative.
  // Kernels with vm.memfd_noexec=2 want the seal named; older ones do not know the flag.
  a.label("place").mov(r8, rsi).mov(r9, rdx).lea(rdi, text("runsc")).mov(esi, imm(1));
  call(SYS.memfd).test(rax, rax).jns("made").lea(rdi, text("runsc")).mov(esi, imm(9));
  call(SYS.memfd).test(rax, rax).js("placed").label("made").mov(r12, rax);
  a.call("raise");
  a.mov(rdi, r12).mov(rsi, r8).mov(rdx, r9).call("write").test(rax, rax).js("placed");
  a.mov(rax, r12).label("placed").ret();
  // Moves descriptor r12 above those of the caller. A low RLIMIT_NOFILE leaves it where it is.
  a.label("raise").mov(rdi, r12).mov(esi, imm(F_DUPFD_CLOEXEC)).mov(edx, imm(FIRST_FD));
  call(SYS.fcntl).test(rax, rax).js("raised").xchg(r12, rax).mov(rdi, rax);
  call(SYS.close);
  a.label("raised").ret();
  // Writes the path of descriptor r12 to rdi; the digits grow downwards from rbp + 960.
  a.label("path").lea(rsi, text("/proc/self/fd/")).call("copy");
  a.mov(rax, r12).lea(rsi, mem(rbp, 960)).mov(ecx, imm(10));
  a.label("digit").xor(edx, edx).div(rcx).add(dl, imm(0x30)).dec(rsi).mov(mem(rsi), dl);
  a.test(rax, rax).jnz("digit").lea(rcx, mem(rbp, 960)).sub(rcx, rsi).repMovsb();
  a.mov(byte(mem(rdi)), imm(0)).ret();
  // Copies the string at rsi to rdi without its NUL; leaves rsi behind the NUL.
  a.label("copy").mov(al, mem(rsi)).inc(rsi).test(al, al).jz("copied");
  a.mov(mem(rdi), al).inc(rdi).jmp("copy").label("copied").ret();
  // Writes rdx bytes at rsi to descriptor rdi; rax is negative when that fails.
  a.label("write").xor(eax, eax).test(rdx, rdx).jz("written");
  call(SYS.write).test(rax, rax).jle("short").add(rsi, rax).sub(rdx, rax).jmp("write");
  a.label("short").mov(rax, imm(-1)).label("written").ret();
  const message =
    "runsc: cannot make a memory file for the program: memfd_create or write failed\n";
  a.label("fail").lea(rsi, text(message)).mov(edx, imm(message.length)).mov(rdi, imm(2));
  call(SYS.write);
  a.mov(rdi, imm(127));
  call(SYS.exit);

  for (const [label, value] of strings) a.label(label).ascii(value).db(0);
  const { code } = a.assemble({ origin: options.address });
  if (code.length > STUB_SIZE) throw new Error(`the entry stub takes ${code.length} bytes`);
  return code;
}

interface Emitters {
  text: (value: string) => ReturnType<typeof mem>;
  data: (offset: number) => ReturnType<typeof mem>;
  call: (nr: number) => Assembler;
}

/** Makes the start directory, fills it and has r13 point to the `DENO_DIR=…` string. */
function emitStartDirectory(a: Assembler, options: StubOptions, emit: Emitters): void {
  const { text, data, call } = emit;
  const prefix = "DENO_DIR=";
  const path = mem(rbp, DENO_DIR + prefix.length);
  // Only a directory that this mkdir made is used, so nobody else can have put code into it.
  a.lea(rbx, text("/dev/shm\0/run\0/tmp\0"));
  a.label("base").cmp(byte(mem(rbx)), imm(0)).je("nowhere");
  a.lea(rdi, mem(rbp, DENO_DIR)).lea(rsi, text(prefix)).call("copy");
  a.mov(rsi, rbx).call("copy").mov(rbx, rsi).lea(rsi, text(`/${START_DIR_PREFIX}`)).call("copy");
  a.rdtsc().shl(rdx, imm(32)).or(rax, rdx).mov(r8, rax).mov(ecx, imm(16));
  a.label("hex").rol(r8, imm(4)).mov(eax, r8d).and(eax, imm(15)).lea(rdx, text("0123456789abcdef"));
  a.mov(al, mem({ base: rdx, index: rax })).mov(mem(rdi), al).inc(rdi).dec(ecx).jnz("hex");
  a.mov(byte(mem(rdi)), imm(0)).lea(rdi, path).mov(esi, imm(0o700));
  call(SYS.mkdir).test(rax, rax).js("base");
  a.lea(rdi, path).mov(esi, imm(O_DIRECTORY_CLOEXEC));
  call(SYS.open).test(rax, rax).js("base");
  a.mov(r12, rax).call("raise").mov(r13, r12);
  options.startFiles.forEach((file, index) => {
    a.mov(rdi, r13).lea(rsi, text(file.name)).mov(edx, imm(O_CREATE_CLOEXEC)).mov(r10d, imm(0o600));
    call(SYS.openat).test(rax, rax).js(`skip${index}`).mov(r12, rax).mov(rdi, rax);
    a.lea(rsi, data(file.offset)).mov(edx, imm(file.size)).call("write").mov(rdi, r12);
    call(SYS.close);
    a.label(`skip${index}`);
  });
  a.mov(rdi, r13);
  call(SYS.close);
  a.lea(r13, mem(rbp, DENO_DIR)).jmp("chosen");

  a.label("nowhere").lea(r13, text("DENO_DIR=/dev/null/d"));
  a.label("chosen");
}
