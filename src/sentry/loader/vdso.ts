/** The image of functions that programs call instead of system calls (vdso(7)), and its mapping. */

import { keptCode } from "../../../ffi/kept_code.ts";
import { MAP_PRIVATE, PROT_EXEC, PROT_READ } from "../../abi/mman.ts";
import type { FrameAllocator } from "../mm/frames.ts";
import type { MemoryManager } from "../mm/memory_manager.ts";
import { FixedPages } from "../mm/page_cache.ts";
import { VM_SPECIAL } from "../mm/vma.ts";
import { buildVdsoImage } from "./vdso_image.ts";
import { VdsoParams } from "./vdso_params.ts";

const PAGE = 4096;

const CLOCK_SOURCE = "/sys/devices/system/clocksource/clocksource0/current_clocksource";

const vdsoImage = keptCode("vdso", () => ({ code: buildVdsoImage(), labels: new Map() }));

/** Whether the host keeps its time by the processor's counter, which all processors then count alike. */
export function hostTrustsCounter(): boolean {
  try {
    return Deno.readTextFileSync(CLOCK_SOURCE).trim() === "tsc";
  } catch {
    return false;
  }
}

/** The vDSO of a sandbox: one page of parameters and the image right after it, in frames that all processes map. */
export class Vdso {
  readonly frames: FrameAllocator;
  readonly params: VdsoParams;
  readonly #pages: FixedPages;
  readonly #imagePages: number;

  /** `trusted`: the host keeps its own time by the processor's counter, so that applications may. */
  constructor(frames: FrameAllocator, trusted: boolean) {
    this.frames = frames;
    const image = vdsoImage().code;
    this.#imagePages = Math.ceil(image.length / PAGE);
    const first = frames.alloc(1 + this.#imagePages);
    if (first < 0) throw new Error("vdso: no memory for its image");
    this.params = new VdsoParams(frames, first, trusted);
    this.#pages = new FixedPages(first, 1 + this.#imagePages);
    frames.memory.set(image, (first + 1) * PAGE);
  }

  /** Maps it and tells the address space where; 0 or a negative errno. */
  map(mm: MemoryManager): number {
    const size = this.#imagePages * PAGE;
    // Both in one hole, so that the image finds its parameters right below.
    const at = mm.mmap({
      addr: 0,
      length: size + PAGE,
      prot: PROT_READ,
      flags: MAP_PRIVATE,
      file: null,
      offset: 0,
      source: this.#pages,
      name: "[vvar]",
      vmFlags: VM_SPECIAL,
      maxProt: PROT_READ | PROT_EXEC,
    });
    if (at < 0) return at;
    const r = mm.mprotect(at + PAGE, size, PROT_READ | PROT_EXEC);
    if (r < 0) return r;
    const vma = mm.findVma(at + PAGE);
    if (vma !== null) vma.name = "[vdso]";
    mm.vdso = at + PAGE;
    return 0;
  }
}
