/** The functions of the vDSO. They find the page of parameters right below the image. */

import {
  type Assembler,
  dword,
  eax,
  ecx,
  edi,
  edx,
  imm,
  mem,
  qword,
  r10d,
  r11,
  r8,
  r9,
  rax,
  rdi,
  rdx,
  rip,
  rsi,
} from "../../../ffi/asm/mod.ts";
import {
  CLOCK_BOOTTIME,
  CLOCK_MONOTONIC,
  CLOCK_MONOTONIC_COARSE,
  CLOCK_REALTIME,
  CLOCK_REALTIME_COARSE,
} from "../../abi/time.ts";
import { PARAM } from "./vdso_params.ts";

/** Label of the parameters. */
export const PARAMETERS = "parameters";

const SYS_GETTIMEOFDAY = 96;
const SYS_TIME = 201;
const SYS_CLOCK_GETTIME = 228;
const SYS_CLOCK_GETRES = 229;
const SYS_GETCPU = 309;
/** Selector of the segment whose limit is the processor's number and node (Linux, __CPUNODE_SEG). */
const CPU_SELECTOR = 0x7b;

/** Emits all functions, each with its name as its label. */
export function emitVdso(a: Assembler): void {
  readTime(a);
  clockGettime(a);
  gettimeofday(a);
  time(a);
  clockGetres(a);
  getcpu(a);
}

function systemCall(a: Assembler, nr: number): void {
  a.mov(eax, imm(nr)).syscall().ret();
}

/**
 * In: r8 the parameters, r9 one of the bases. Out: r11 seconds and rax nanoseconds of the time now, edx 0; or edx 1 if
 * the time must be asked for. Uses r10.
 */
function readTime(a: Assembler): void {
  a.align(16).label("read_time");
  a.mov(r10d, mem(r8, PARAM.SEQ)).test(r10d, imm(1)).jne("busy");
  a.cmp(dword(mem(r8, PARAM.USABLE)), imm(0)).je("unusable");
  a.lfence().rdtsc().shl(rdx, imm(32)).or(rax, rdx);
  // Another processor's counter may lag behind the one that the base was read from.
  a.sub(rax, mem(r8, PARAM.TSC)).jb("early");
  a.cmp(rax, mem(r8, PARAM.MAX_TICKS)).ja("unusable");
  a.label("scale");
  a.mul(qword(mem(r8, PARAM.MULT))).shrd(rax, rdx, imm(32));
  a.add(rax, mem(r9, 8)).mov(r11, mem(r9, 0));
  a.cmp(r10d, mem(r8, PARAM.SEQ)).jne("read_time");
  a.label("carry").cmp(rax, imm(1_000_000_000)).jb("done");
  a.sub(rax, imm(1_000_000_000)).inc(r11).jmp("carry");
  a.label("done").xor(edx, edx).ret();
  a.label("early").xor(eax, eax).jmp("scale");
  a.label("busy").pause().jmp("read_time");
  a.label("unusable").mov(edx, imm(1)).ret();
}

function clockGettime(a: Assembler): void {
  a.align(16).label("clock_gettime");
  a.lea(r8, rip(PARAMETERS));
  a.lea(r9, mem(r8, PARAM.MONOTONIC));
  a.cmp(edi, imm(CLOCK_MONOTONIC)).je("gettime_read");
  a.cmp(edi, imm(CLOCK_MONOTONIC_COARSE)).je("gettime_read");
  a.cmp(edi, imm(CLOCK_BOOTTIME)).je("gettime_read");
  a.lea(r9, mem(r8, PARAM.REALTIME));
  a.cmp(edi, imm(CLOCK_REALTIME)).je("gettime_read");
  a.cmp(edi, imm(CLOCK_REALTIME_COARSE)).jne("gettime_ask");
  a.label("gettime_read").call("read_time");
  a.test(edx, edx).jne("gettime_ask");
  a.mov(mem(rsi, 0), r11).mov(mem(rsi, 8), rax).xor(eax, eax).ret();
  a.label("gettime_ask");
  systemCall(a, SYS_CLOCK_GETTIME);
}

function gettimeofday(a: Assembler): void {
  a.align(16).label("gettimeofday");
  a.test(rdi, rdi).je("timeofday_zone");
  a.lea(r8, rip(PARAMETERS)).lea(r9, mem(r8, PARAM.REALTIME)).call("read_time");
  a.test(edx, edx).jne("timeofday_ask");
  // Nanoseconds / 1000, by multiplication with 2^38 / 1000.
  a.imul(rax, rax, imm(274_877_907)).shr(rax, imm(38));
  a.mov(mem(rdi, 0), r11).mov(mem(rdi, 8), rax);
  a.label("timeofday_zone").test(rsi, rsi).je("timeofday_end");
  a.xor(eax, eax).mov(mem(rsi, 0), rax);
  a.label("timeofday_end").xor(eax, eax).ret();
  a.label("timeofday_ask");
  systemCall(a, SYS_GETTIMEOFDAY);
}

function time(a: Assembler): void {
  a.align(16).label("time");
  a.lea(r8, rip(PARAMETERS)).lea(r9, mem(r8, PARAM.REALTIME)).call("read_time");
  a.test(edx, edx).jne("time_ask");
  a.test(rdi, rdi).je("time_end").mov(mem(rdi, 0), r11);
  a.label("time_end").mov(rax, r11).ret();
  a.label("time_ask");
  systemCall(a, SYS_TIME);
}

function clockGetres(a: Assembler): void {
  a.align(16).label("clock_getres");
  a.mov(eax, imm(1));
  a.cmp(edi, imm(CLOCK_REALTIME)).je("getres_put");
  a.cmp(edi, imm(CLOCK_MONOTONIC)).je("getres_put");
  a.cmp(edi, imm(CLOCK_BOOTTIME)).je("getres_put");
  a.mov(eax, imm(4_000_000));
  a.cmp(edi, imm(CLOCK_REALTIME_COARSE)).je("getres_put");
  a.cmp(edi, imm(CLOCK_MONOTONIC_COARSE)).je("getres_put");
  systemCall(a, SYS_CLOCK_GETRES);
  a.label("getres_put").test(rsi, rsi).je("getres_end");
  a.xor(edx, edx).mov(mem(rsi, 0), rdx).mov(mem(rsi, 8), rax);
  a.label("getres_end").xor(eax, eax).ret();
}

function getcpu(a: Assembler): void {
  a.align(16).label("getcpu");
  a.lea(r8, rip(PARAMETERS));
  a.cmp(dword(mem(r8, PARAM.CPU)), imm(0)).je("getcpu_ask");
  a.mov(ecx, imm(CPU_SELECTOR));
  a.db(0x0f, 0x03, 0xc1); // lsl %ecx, %eax
  a.jne("getcpu_ask");
  a.test(rdi, rdi).je("getcpu_node").mov(edx, eax).and(edx, imm(0xfff)).mov(mem(rdi, 0), edx);
  a.label("getcpu_node").test(rsi, rsi).je("getcpu_end");
  a.shr(eax, imm(12)).mov(mem(rsi, 0), eax);
  a.label("getcpu_end").xor(eax, eax).ret();
  a.label("getcpu_ask");
  systemCall(a, SYS_GETCPU);
}
