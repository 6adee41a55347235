/** cpuinfo: the model of the host's processor, which the application can ask itself by CPUID. */

import * as libc from "../../../../ffi/libc.ts";
import { O_CLOEXEC, O_RDONLY } from "../../../abi/fcntl.ts";
import { bytesToString } from "../../kernel/bytes.ts";

/** The first processor's block is shorter than this. */
const BLOCK_SIZE = 8192;

/** What is shown when the host's file can't be read. */
const FALLBACK = [
  "vendor_id\t: unknown",
  "cpu family\t: 6",
  "model\t\t: 0",
  "model name\t: x86-64",
  "stepping\t: 0",
  "cpu MHz\t\t: 2000.000",
  "cache size\t: 1024 KB",
  "fpu\t\t: yes",
  "fpu_exception\t: yes",
  "cpuid level\t: 13",
  "wp\t\t: yes",
  "flags\t\t: fpu tsc msr cx8 cmov mmx fxsr sse sse2 ht syscall nx lm",
  "bugs\t\t:",
  "bogomips\t: 4000.00",
  "clflush size\t: 64",
  "cache_alignment\t: 64",
  "address sizes\t: 48 bits physical, 48 bits virtual",
  "power management:",
];

let hostFd = -1;
let cached: string[] | null = null;

/** Opens the host's file, to be read when first asked for. */
export function openHostCpuInfo(): void {
  if (hostFd < 0) {
    hostFd = libc.open(libc.cstr("/proc/cpuinfo"), O_RDONLY | O_CLOEXEC, 0);
  }
}

/** Lines of one processor, but for those that number it. */
function processorLines(): string[] {
  if (cached !== null) return cached;
  cached = FALLBACK;
  if (hostFd >= 0) {
    const bytes = new Uint8Array(BLOCK_SIZE);
    const n = libc.pread(hostFd, bytes, bytes.length, 0);
    libc.close(hostFd);
    hostFd = -1;
    const text = n > 0 ? bytesToString(bytes, 0, n) : "";
    const end = text.indexOf("\n\n");
    const lines = end > 0 ? text.slice(0, end).split("\n") : [];
    const kept = lines.filter((line) => !NUMBERING.test(line));
    if (kept.length > 5) cached = kept;
  }
  return cached;
}

const NUMBERING =
  /^(processor|physical id|siblings|core id|cpu cores|apicid|initial apicid|microcode)\s*:/;

/** /proc/cpuinfo for `count` processors. */
export function cpuInfoText(count: number): string {
  const lines = processorLines();
  const at = Math.max(lines.findIndex((line) => line.startsWith("fpu\t")), 0);
  let text = "";
  for (let i = 0; i < count; i++) {
    const own = [
      `physical id\t: 0`,
      `siblings\t: ${count}`,
      `core id\t\t: ${i}`,
      `cpu cores\t: ${count}`,
      `apicid\t\t: ${i}`,
      `initial apicid\t: ${i}`,
    ];
    text += [`processor\t: ${i}`, ...lines.slice(0, at), ...own, ...lines.slice(at)].join("\n");
    text += "\n\n";
  }
  return text;
}
