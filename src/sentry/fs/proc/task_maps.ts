/** maps, smaps and smaps_rollup of a task (proc_pid_maps(5)). */

import type { MemoryManager } from "../../mm/memory_manager.ts";
import {
  VM_DONTDUMP,
  VM_DONTFORK,
  VM_GROWSDOWN,
  VM_HEAP,
  VM_LOCKED,
  VM_NORESERVE,
  VM_SHARED,
  VM_SPECIAL,
  VM_WIPEONFORK,
  type Vma,
} from "../../mm/vma.ts";
import type { VfsContext } from "../../vfs/context.ts";
import { devMajor, devMinor } from "../../vfs/device_number.ts";
import { pathName } from "../../vfs/path.ts";
import { hex } from "./format.ts";

/** Column at which names start. */
const NAME_COLUMN = 73;

function vmaName(vma: Vma, ctx: VfsContext): string {
  if (vma.file !== null) {
    return pathName(vma.file.path, ctx.fs.root).replace(/\n/g, "\\012");
  }
  if (vma.name !== "") return vma.name;
  return (vma.flags & VM_HEAP) !== 0 ? "[heap]" : "";
}

function header(vma: Vma, ctx: VfsContext): string {
  const inode = vma.file === null ? null : vma.file.inode;
  const dev = inode === null ? 0 : inode.dev;
  const protection = (vma.prot & 1 ? "r" : "-") + (vma.prot & 2 ? "w" : "-") +
    (vma.prot & 4 ? "x" : "-") + ((vma.flags & VM_SHARED) !== 0 ? "s" : "p");
  const offset = vma.file === null ? 0 : vma.offset;
  const line = `${hex(vma.start, 8)}-${hex(vma.end, 8)} ${protection} ${hex(offset, 8)} ${
    hex(devMajor(dev), 2)
  }:${hex(devMinor(dev), 2)} ${inode === null ? 0 : inode.ino} `;
  const name = vmaName(vma, ctx);
  return name === "" ? line + "\n" : line.padEnd(NAME_COLUMN) + name + "\n";
}

/** /proc/PID/maps. */
export function mapsText(mm: MemoryManager, ctx: VfsContext): string {
  let text = "";
  for (const vma of mm.vmas.list) text += header(vma, ctx);
  return text;
}

/** Bytes of an area by what backs them. */
class Counts {
  rss = 0;
  sharedClean = 0;
  privateClean = 0;
  privateDirty = 0;
  anonymous = 0;
  locked = 0;

  add(mm: MemoryManager, vma: Vma): void {
    for (let page = vma.start / 4096; page < vma.end / 4096; page++) {
      const entry = mm.table.get(page);
      if (entry === 0) continue;
      this.rss += 4096;
      // The bit of private frames, see PTE_PRIVATE.
      if ((entry & 0x10000000) !== 0) {
        this.privateDirty += 4096;
        this.anonymous += 4096;
      } else if (vma.shared || vma.source === null) {
        this.privateClean += 4096;
      } else {
        this.sharedClean += 4096;
      }
      if ((vma.flags & VM_LOCKED) !== 0) this.locked += 4096;
    }
  }

  lines(size: number | null): string {
    const pss = this.rss - this.sharedClean + Math.floor(this.sharedClean / 2);
    const fields: [string, number][] = [
      ["Rss", this.rss],
      ["Pss", pss],
      ["Pss_Dirty", this.privateDirty],
      ...(size === null ? splitPss(this.anonymous, pss) : []),
      ["Shared_Clean", this.sharedClean],
      ["Shared_Dirty", 0],
      ["Private_Clean", this.privateClean],
      ["Private_Dirty", this.privateDirty],
      ["Referenced", this.rss],
      ["Anonymous", this.anonymous],
      ["KSM", 0],
      ["LazyFree", 0],
      ["AnonHugePages", 0],
      ["ShmemPmdMapped", 0],
      ["FilePmdMapped", 0],
      ["Shared_Hugetlb", 0],
      ["Private_Hugetlb", 0],
      ["Swap", 0],
      ["SwapPss", 0],
      ["Locked", this.locked],
    ];
    let text = "";
    for (const [name, value] of fields) text += field(name, value);
    return text;
  }
}

function splitPss(anonymous: number, pss: number): [string, number][] {
  return [["Pss_Anon", anonymous], ["Pss_File", Math.max(pss - anonymous, 0)], ["Pss_Shmem", 0]];
}

function field(name: string, bytes: number): string {
  return `${name}:`.padEnd(16) + String(Math.floor(bytes / 1024)).padStart(8) + " kB\n";
}

function vmFlags(vma: Vma): string {
  let text = "VmFlags:";
  if (vma.prot & 1) text += " rd";
  if (vma.prot & 2) text += " wr";
  if (vma.prot & 4) text += " ex";
  if (vma.flags & VM_SHARED) text += " sh";
  if (vma.maxProt & 1) text += " mr";
  if (vma.maxProt & 2) text += " mw";
  if (vma.maxProt & 4) text += " me";
  if (vma.flags & VM_SHARED) text += " ms";
  if (vma.flags & VM_GROWSDOWN) text += " gd";
  if (vma.flags & VM_LOCKED) text += " lo";
  if (vma.flags & VM_DONTFORK) text += " dc";
  if (vma.flags & VM_SPECIAL) text += " de";
  if (vma.flags & VM_NORESERVE) text += " nr";
  if (vma.flags & VM_DONTDUMP) text += " dd";
  if (vma.flags & VM_WIPEONFORK) text += " wf";
  return text + " \n";
}

/** /proc/PID/smaps. */
export function smapsText(mm: MemoryManager, ctx: VfsContext): string {
  let text = "";
  for (const vma of mm.vmas.list) {
    const counts = new Counts();
    counts.add(mm, vma);
    const size = vma.end - vma.start;
    text += header(vma, ctx) + field("Size", size) + field("KernelPageSize", 4096) +
      field("MMUPageSize", 4096) + counts.lines(size) + "THPeligible:           0\n" + vmFlags(vma);
  }
  return text;
}

/** /proc/PID/smaps_rollup. */
export function smapsRollupText(mm: MemoryManager): string {
  const list = mm.vmas.list;
  if (list.length === 0) return "";
  const counts = new Counts();
  for (const vma of list) counts.add(mm, vma);
  const range = `${hex(list[0].start, 8)}-${
    hex(list[list.length - 1].end, 8)
  } ---p 00000000 00:00 0 `;
  return range.padEnd(NAME_COLUMN) + "[rollup]\n" + counts.lines(null);
}
