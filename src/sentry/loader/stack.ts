/** The stack of a program at its start: arguments, environment and auxiliary vector (System V ABI 3.4.1). */

import { E2BIG, EFAULT } from "../../abi/errno.ts";
import { write64 } from "../../abi/int64.ts";
import {
  MAP_ANONYMOUS,
  MAP_FIXED,
  MAP_PRIVATE,
  PROT_EXEC,
  PROT_READ,
  PROT_WRITE,
} from "../../abi/mman.ts";
import { RLIMIT_STACK } from "../../abi/resource.ts";
import type { MemoryManager } from "../mm/memory_manager.ts";
import { VM_GROWSDOWN } from "../mm/vma.ts";

const PAGE = 4096;
/** Room below what the kernel puts there that is mapped at once. */
const HEADROOM = 128 * 1024;
/** Arguments may take a quarter of the stack's limit, at least 128 KiB and at most 6 MiB (bprm_stack_limits of Linux). */
const ARGUMENTS_MIN = 128 * 1024;
const ARGUMENTS_MAX = 6 * 1024 * 1024;

/** What goes onto the stack. */
export interface StackContent {
  argv: string[];
  env: string[];
  /** AT_EXECFN. */
  filename: string;
  /** AT_RANDOM, 16 bytes. */
  random: Uint8Array;
  /** Pairs of AT_* numbers and values, without the three that point to the stack and without AT_NULL. */
  auxv: number[];
  executable: boolean;
}

/** Types of entries that are added here. */
export interface StackAux {
  random: number;
  filename: number;
  platform: number;
}

/** Bytes that arguments and environment take as execve(2) counts them. */
export function argumentBytes(argv: string[], env: string[], filename: string): number {
  let n = filename.length + 1 + 8 * (argv.length + env.length);
  for (const s of argv) n += s.length + 1;
  for (const s of env) n += s.length + 1;
  return n;
}

/** Maps the stack so that it ends at `top`, and fills it; the stack pointer or a negative errno. */
export function buildStack(
  mm: MemoryManager,
  top: number,
  slide: number,
  content: StackContent,
  aux: StackAux,
): number {
  const { argv, env, filename } = content;
  const limit = mm.limits[RLIMIT_STACK];
  const bytes = argumentBytes(argv, env, filename);
  const most = Math.min(ARGUMENTS_MAX, Math.max(ARGUMENTS_MIN, limit / 4));
  if (bytes > most) return -E2BIG;

  const platform = "x86_64";
  const strings = bytes - 8 * (argv.length + env.length);
  const stringsAt = top - 8 - strings;
  const platformAt = stringsAt - slide - platform.length - 1;
  const randomAt = Math.floor((platformAt - 16) / 16) * 16;
  const auxv = [
    ...content.auxv,
    aux.random,
    randomAt,
    aux.filename,
    top - 8 - filename.length - 1,
    aux.platform,
    platformAt,
    0,
    0,
  ];
  const words = 1 + argv.length + 1 + env.length + 1 + auxv.length;
  const sp = Math.floor((randomAt - words * 8) / 16) * 16;
  const used = top - Math.floor(sp / PAGE) * PAGE;
  if (used + PAGE > limit) return -E2BIG;
  const length = Math.min(used + HEADROOM, Math.floor(limit / PAGE) * PAGE);
  const prot = PROT_READ | PROT_WRITE | (content.executable ? PROT_EXEC : 0);
  const r = mm.mmap({
    addr: top - length,
    length,
    prot,
    flags: MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED,
    file: null,
    offset: 0,
    vmFlags: VM_GROWSDOWN,
    name: "[stack]",
  });
  if (r < 0) return r;

  const image = new Uint8Array(top - sp);
  const view = new DataView(image.buffer);
  let word = 0;
  const put = (v: number) => {
    write64(view, word, v);
    word += 8;
  };
  let at = stringsAt;
  const putText = (s: string) => {
    put(at);
    let i = at - sp;
    for (let k = 0; k < s.length; k++) image[i++] = s.charCodeAt(k);
    at += s.length + 1;
  };
  put(argv.length);
  mm.argStart = at;
  for (const s of argv) putText(s);
  put(0);
  mm.argEnd = at;
  mm.envStart = at;
  for (const s of env) putText(s);
  put(0);
  mm.envEnd = at;
  const auxAt = word;
  for (const v of auxv) put(v);
  for (let i = 0; i < filename.length; i++) image[at - sp + i] = filename.charCodeAt(i);
  for (let i = 0; i < platform.length; i++) image[platformAt - sp + i] = platform.charCodeAt(i);
  image.set(content.random.subarray(0, 16), randomAt - sp);
  mm.auxv = image.slice(auxAt, auxAt + auxv.length * 8);
  mm.startStack = sp;
  return mm.copyOut(sp, image, 0, image.length) === 0 ? sp : -EFAULT;
}
