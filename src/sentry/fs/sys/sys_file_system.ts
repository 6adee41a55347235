import { SYSFS_MAGIC } from "../../../abi/mount.ts";
import type { Kernel } from "../../kernel/kernel.ts";
import { FileSystem } from "../../vfs/file_system.ts";
import type { Inode } from "../../vfs/inode.ts";
import type { Vfs } from "../../vfs/vfs.ts";
import { cpuMask, kilobytes } from "../proc/format.ts";
import { ProcLink, ProcText, StaticDir, textDir, type TextTree } from "../proc/proc_inode.ts";

/** The range of all processors, as `0-3`. */
function allCpus(count: number): string {
  return count === 1 ? "0" : `0-${count - 1}`;
}

function cpuTree(count: number): TextTree {
  const tree: Record<string, TextTree | string> = {
    isolated: "\n",
    kernel_max: "8191\n",
    offline: "\n",
    online: `${allCpus(count)}\n`,
    possible: `${allCpus(count)}\n`,
    present: `${allCpus(count)}\n`,
    smt: { active: "0\n", control: "notsupported\n" },
    vulnerabilities: {},
  };
  for (let i = 0; i < count; i++) {
    tree[`cpu${i}`] = {
      online: "1\n",
      topology: {
        core_cpus_list: `${i}\n`,
        core_id: `${i}\n`,
        core_siblings_list: `${allCpus(count)}\n`,
        package_cpus_list: `${allCpus(count)}\n`,
        physical_package_id: "0\n",
        thread_siblings: `${(2 ** (i % 32)).toString(16)}\n`,
        thread_siblings_list: `${i}\n`,
      },
    };
  }
  return tree;
}

function nodeMemory(kernel: Kernel): string {
  const row = (name: string, bytes: number) =>
    `Node 0 ${`${name}:`.padEnd(16)}${kilobytes(bytes)}\n`;
  const total = kernel.frames.limit * 4096;
  const used = kernel.frames.usedFrames * 4096;
  return row("MemTotal", total) + row("MemFree", total - used) + row("MemUsed", used);
}

const LOOPBACK: TextTree = {
  addr_len: "6\n",
  address: "00:00:00:00:00:00\n",
  broadcast: "00:00:00:00:00:00\n",
  carrier: "1\n",
  dev_id: "0x0\n",
  dormant: "0\n",
  flags: "0x9\n",
  ifindex: "1\n",
  iflink: "1\n",
  mtu: "65536\n",
  operstate: "unknown\n",
  speed: () => -22,
  statistics: {
    rx_bytes: "0\n",
    rx_dropped: "0\n",
    rx_errors: "0\n",
    rx_packets: "0\n",
    tx_bytes: "0\n",
    tx_dropped: "0\n",
    tx_errors: "0\n",
    tx_packets: "0\n",
  },
  tx_queue_len: "1000\n",
  type: "772\n",
};

/** sysfs, with what programs look for to learn of processors, memory and devices (sysfs(5)). */
export class SysFileSystem extends FileSystem {
  readonly root: Inode;

  constructor(vfs: Vfs) {
    super(vfs, "sysfs", SYSFS_MAGIC);
    const cpus = vfs.kernel.cpus;
    this.root = new StaticDir(this, [
      ["block", () => textDir(this, {})],
      ["bus", () => textDir(this, { cpu: {}, pci: { devices: {} } })],
      ["class", () =>
        new StaticDir(this, [
          ["net", () =>
            new StaticDir(this, [
              ["lo", () => new ProcLink(this, () => "../../devices/virtual/net/lo")],
            ])],
          ["block", () => textDir(this, {})],
          ["tty", () => textDir(this, {})],
        ])],
      ["dev", () => textDir(this, { block: {}, char: {} })],
      ["devices", () =>
        textDir(this, {
          system: {
            cpu: cpuTree(cpus),
            node: {
              has_cpu: "0\n",
              has_memory: "0\n",
              node0: {
                cpulist: `${allCpus(cpus)}\n`,
                cpumap: `${cpuMask(new Uint8Array(Math.ceil(cpus / 8)).fill(0xff), cpus)}\n`,
                distance: "10\n",
                meminfo: () => nodeMemory(vfs.kernel),
                numastat: "numa_hit 0\nnuma_miss 0\nnuma_foreign 0\ninterleave_hit 0\n" +
                  "local_node 0\nother_node 0\n",
              },
              online: "0\n",
              possible: "0\n",
            },
          },
          virtual: { net: { lo: LOOPBACK } },
        })],
      ["firmware", () => textDir(this, {})],
      ["fs", () => textDir(this, { cgroup: {} })],
      ["hypervisor", () => textDir(this, {})],
      ["kernel", () =>
        textDir(this, {
          mm: {
            hugepages: {},
            transparent_hugepage: {
              defrag: "always defer defer+madvise [madvise] never\n",
              enabled: "always [madvise] never\n",
              hpage_pmd_size: "2097152\n",
              shmem_enabled: "always within_size advise [never] deny force\n",
              use_zero_page: "1\n",
            },
          },
          security: {},
        })],
      ["module", () => textDir(this, {})],
      ["power", () => new StaticDir(this, [["state", () => new ProcText(this, 0o644, () => "")]])],
    ]);
  }
}

/** Makes sysfs known to mount(2). */
export function registerSys(kernel: Kernel): void {
  kernel.vfs.registerFileSystem("sysfs", () => new SysFileSystem(kernel.vfs));
}
