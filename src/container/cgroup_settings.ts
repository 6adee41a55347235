/** What the limits of `linux.resources` are called, and how they are written, in the files of cgroup v1 and v2. */

import type { OciLinux } from "./oci_spec.ts";

type Resources = NonNullable<OciLinux["resources"]>;
type BlockIo = NonNullable<Resources["blockIO"]>;

/** One file to write. */
export interface Setting {
  /** The v1 controller that it belongs to. */
  controller: string;
  file: string;
  value: string;
  /** What hosts have that do not have this file. */
  otherwise: { file: string; value: string } | null;
}

type Add = (
  controller: string,
  file: string,
  value: number | string,
  otherwise?: { file: string; value: string },
) => void;

/** The files that the limits are, in an order in which the kernel takes them. */
export function settingsOf(resources: Resources, v2: boolean): Setting[] {
  const settings: Setting[] = [];
  const add: Add = (controller, file, value, otherwise) =>
    settings.push({ controller, file, value: String(value), otherwise: otherwise ?? null });
  addMemory(resources.memory ?? {}, v2, add);
  addCpu(resources.cpu ?? {}, v2, add);
  const { pids } = resources;
  if (pids !== undefined && pids.limit !== 0) {
    add("pids", "pids.max", pids.limit < 0 ? "max" : pids.limit);
  }
  if (resources.blockIO !== undefined) {
    if (v2) addIo(resources.blockIO, add);
    else addBlkio(resources.blockIO, add);
  }
  for (const { pageSize, limit } of resources.hugepageLimits ?? []) {
    add("hugetlb", `hugetlb.${pageSize}.${v2 ? "max" : "limit_in_bytes"}`, limit);
  }
  if (!v2) {
    const { classID, priorities = [] } = resources.network ?? {};
    if (classID !== undefined) add("net_cls", "net_cls.classid", classID);
    for (const { name, priority } of priorities) {
      add("net_prio", "net_prio.ifpriomap", `${name} ${priority}`);
    }
  }
  for (const [device, { hcaHandles, hcaObjects }] of Object.entries(resources.rdma ?? {})) {
    const parts = [device];
    if (hcaHandles !== undefined) parts.push(`hca_handle=${hcaHandles}`);
    if (hcaObjects !== undefined) parts.push(`hca_object=${hcaObjects}`);
    add("rdma", "rdma.max", parts.join(" "));
  }
  return settings;
}

function addMemory(memory: NonNullable<Resources["memory"]>, v2: boolean, add: Add): void {
  const { limit = 0, reservation = 0, swap = 0, kernelTCP = 0, swappiness } = memory;
  const bytes = (n: number) => n < 0 ? (v2 ? "max" : "-1") : String(n);
  if (limit !== 0) add("memory", v2 ? "memory.max" : "memory.limit_in_bytes", bytes(limit));
  if (reservation !== 0) {
    add("memory", v2 ? "memory.low" : "memory.soft_limit_in_bytes", bytes(reservation));
  }
  if (swap !== 0) {
    // v1 counts memory and swap together, v2 swap alone.
    if (v2) add("memory", "memory.swap.max", bytes(swap < 0 ? -1 : swap - Math.max(limit, 0)));
    else add("memory", "memory.memsw.limit_in_bytes", bytes(swap));
  }
  if (v2) return;
  if (kernelTCP !== 0) add("memory", "memory.kmem.tcp.limit_in_bytes", bytes(kernelTCP));
  if (swappiness !== undefined) add("memory", "memory.swappiness", swappiness);
  if (memory.disableOOMKiller === true) add("memory", "memory.oom_control", 1);
}

function addCpu(cpu: NonNullable<Resources["cpu"]>, v2: boolean, add: Add): void {
  const { shares = 0, quota = 0, period = 0, burst } = cpu;
  if (shares !== 0) {
    const weight = Math.floor(1 + ((shares - 2) * 9999) / 262142);
    if (v2) add("cpu", "cpu.weight", Math.min(10000, Math.max(1, weight)));
    else add("cpu", "cpu.shares", shares);
  }
  if (v2) {
    if (quota !== 0 || period !== 0) {
      const most = quota > 0 ? String(quota) : "max";
      add("cpu", "cpu.max", `${most} ${period === 0 ? 100000 : period}`);
    }
  } else {
    if (period !== 0) add("cpu", "cpu.cfs_period_us", period);
    if (quota !== 0) add("cpu", "cpu.cfs_quota_us", quota);
    if (cpu.realtimePeriod) add("cpu", "cpu.rt_period_us", cpu.realtimePeriod);
    if (cpu.realtimeRuntime) add("cpu", "cpu.rt_runtime_us", cpu.realtimeRuntime);
  }
  if (burst !== undefined) add("cpu", v2 ? "cpu.max.burst" : "cpu.cfs_burst_us", burst);
  if (cpu.idle !== undefined) add("cpu", "cpu.idle", cpu.idle);
  if (cpu.cpus) add("cpuset", "cpuset.cpus", cpu.cpus);
  if (cpu.mems) add("cpuset", "cpuset.mems", cpu.mems);
}

const THROTTLES = [
  ["throttleReadBpsDevice", "read_bps_device", "rbps"],
  ["throttleWriteBpsDevice", "write_bps_device", "wbps"],
  ["throttleReadIOPSDevice", "read_iops_device", "riops"],
  ["throttleWriteIOPSDevice", "write_iops_device", "wiops"],
] as const;

function addBlkio(io: BlockIo, add: Add): void {
  const blkio = (name: string, value: number | string) =>
    add("blkio", `blkio.${name}`, value, { file: `blkio.bfq.${name}`, value: String(value) });
  if (io.weight) blkio("weight", io.weight);
  if (io.leafWeight) blkio("leaf_weight", io.leafWeight);
  for (const { major, minor, weight, leafWeight } of io.weightDevice ?? []) {
    if (weight) blkio("weight_device", `${major}:${minor} ${weight}`);
    if (leafWeight) blkio("leaf_weight_device", `${major}:${minor} ${leafWeight}`);
  }
  for (const [name, file] of THROTTLES) {
    for (const { major, minor, rate } of io[name] ?? []) {
      add("blkio", `blkio.throttle.${file}`, `${major}:${minor} ${rate}`);
    }
  }
}

function addIo(io: BlockIo, add: Add): void {
  if (io.weight) {
    // The scheduler BFQ has kept the scale of v1, 1 to 1000; else 10 to 1000 become 1 to 10000.
    const scaled = Math.floor(1 + ((io.weight - 10) * 9999) / 990);
    const otherwise = { file: "io.weight", value: `default ${Math.max(1, scaled)}` };
    add("blkio", "io.bfq.weight", io.weight, otherwise);
  }
  for (const { major, minor, weight } of io.weightDevice ?? []) {
    if (weight) add("blkio", "io.bfq.weight", `${major}:${minor} ${weight}`);
  }
  for (const [name, , key] of THROTTLES) {
    for (const { major, minor, rate } of io[name] ?? []) {
      add("blkio", "io.max", `${major}:${minor} ${key}=${rate === 0 ? "max" : rate}`);
    }
  }
}

/** What of the limits the version of cgroups on the host has no file for. */
export function notOnHost(resources: Resources, v2: boolean): string[] {
  const { memory, cpu, network, blockIO } = resources;
  const missing: string[] = [];
  const note = (name: string, value: unknown) => {
    if (value !== undefined && value !== false && value !== 0) missing.push(name);
  };
  // The kernel's own memory has been part of all memory since Linux 5.16.
  note("memory.kernel", memory?.kernel);
  if (!v2) return missing;
  note("memory.kernelTCP", memory?.kernelTCP);
  note("memory.swappiness", memory?.swappiness);
  note("memory.disableOOMKiller", memory?.disableOOMKiller);
  note("cpu.realtimeRuntime", cpu?.realtimeRuntime);
  note("cpu.realtimePeriod", cpu?.realtimePeriod);
  note("network.classID", network?.classID);
  note("network.priorities", network?.priorities?.length);
  note("blockIO.leafWeight", blockIO?.leafWeight);
  return missing;
}
