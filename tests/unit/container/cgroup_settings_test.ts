import assert from "node:assert/strict";
import { notOnHost, settingsOf } from "../../../src/container/cgroup_settings.ts";
import { applyResources } from "../../../src/container/cgroups.ts";
import { resources as schema } from "../../../src/container/oci_linux.ts";

type Tree = Record<string, string>;

/** All that can be limited. */
const EVERYTHING = {
  memory: {
    limit: 67108864,
    reservation: 33554432,
    swap: 134217728,
    kernelTCP: 1048576,
    swappiness: 10,
    disableOOMKiller: true,
  },
  cpu: {
    shares: 512,
    quota: 50000,
    period: 100000,
    burst: 1000,
    idle: 0,
    realtimeRuntime: 900,
    realtimePeriod: 1000,
    cpus: "0-1",
    mems: "0",
  },
  pids: { limit: 100 },
  blockIO: {
    weight: 500,
    leafWeight: 400,
    weightDevice: [{ major: 8, minor: 0, weight: 300, leafWeight: 200 }],
    throttleReadBpsDevice: [{ major: 8, minor: 0, rate: 1000 }],
    throttleWriteBpsDevice: [{ major: 8, minor: 0, rate: 2000 }],
    throttleReadIOPSDevice: [{ major: 8, minor: 0, rate: 30 }],
    throttleWriteIOPSDevice: [{ major: 8, minor: 0, rate: 40 }],
  },
  hugepageLimits: [{ pageSize: "2MB", limit: 4194304 }],
  network: { classID: 1048577, priorities: [{ name: "eth0", priority: 5 }] },
  rdma: { mlx5_1: { hcaHandles: 3, hcaObjects: 10000 } },
};

function written(resources: unknown, v2: boolean): string[] {
  return settingsOf(schema.check(resources, ""), v2).map(({ file, value }) => `${file}=${value}`);
}

Deno.test("every limit has its file on cgroup v1", () => {
  assert.deepEqual(written(EVERYTHING, false), [
    "memory.limit_in_bytes=67108864",
    "memory.soft_limit_in_bytes=33554432",
    "memory.memsw.limit_in_bytes=134217728",
    "memory.kmem.tcp.limit_in_bytes=1048576",
    "memory.swappiness=10",
    "memory.oom_control=1",
    "cpu.shares=512",
    "cpu.cfs_period_us=100000",
    "cpu.cfs_quota_us=50000",
    "cpu.rt_period_us=1000",
    "cpu.rt_runtime_us=900",
    "cpu.cfs_burst_us=1000",
    "cpu.idle=0",
    "cpuset.cpus=0-1",
    "cpuset.mems=0",
    "pids.max=100",
    "blkio.weight=500",
    "blkio.leaf_weight=400",
    "blkio.weight_device=8:0 300",
    "blkio.leaf_weight_device=8:0 200",
    "blkio.throttle.read_bps_device=8:0 1000",
    "blkio.throttle.write_bps_device=8:0 2000",
    "blkio.throttle.read_iops_device=8:0 30",
    "blkio.throttle.write_iops_device=8:0 40",
    "hugetlb.2MB.limit_in_bytes=4194304",
    "net_cls.classid=1048577",
    "net_prio.ifpriomap=eth0 5",
    "rdma.max=mlx5_1 hca_handle=3 hca_object=10000",
  ]);
  assert.deepEqual(notOnHost(schema.check(EVERYTHING, ""), false), []);
});

Deno.test("on cgroup v2 they have others, and what has none is told", () => {
  assert.deepEqual(written(EVERYTHING, true), [
    "memory.max=67108864",
    "memory.low=33554432",
    "memory.swap.max=67108864",
    "cpu.weight=20",
    "cpu.max=50000 100000",
    "cpu.max.burst=1000",
    "cpu.idle=0",
    "cpuset.cpus=0-1",
    "cpuset.mems=0",
    "pids.max=100",
    "io.bfq.weight=500",
    "io.bfq.weight=8:0 300",
    "io.max=8:0 rbps=1000",
    "io.max=8:0 wbps=2000",
    "io.max=8:0 riops=30",
    "io.max=8:0 wiops=40",
    "hugetlb.2MB.max=4194304",
    "rdma.max=mlx5_1 hca_handle=3 hca_object=10000",
  ]);
  assert.deepEqual(notOnHost(schema.check(EVERYTHING, ""), true), [
    "memory.kernelTCP",
    "memory.swappiness",
    "memory.disableOOMKiller",
    "cpu.realtimeRuntime",
    "cpu.realtimePeriod",
    "network.classID",
    "network.priorities",
    "blockIO.leafWeight",
  ]);
});

Deno.test("numbers that mean no limit are written as each version has it", () => {
  const unlimited = {
    memory: { limit: -1, swap: -1 },
    cpu: { quota: -1 },
    pids: { limit: -1 },
  };
  assert.deepEqual(written(unlimited, false), [
    "memory.limit_in_bytes=-1",
    "memory.memsw.limit_in_bytes=-1",
    "cpu.cfs_quota_us=-1",
    "pids.max=max",
  ]);
  assert.deepEqual(written(unlimited, true), [
    "memory.max=max",
    "memory.swap.max=max",
    "cpu.max=max 100000",
    "pids.max=max",
  ]);
  assert.deepEqual(
    written({ memory: { limit: 0 }, pids: { limit: 0 }, cpu: { shares: 0 } }, true),
    [],
  );
});

/** Applies limits to a made-up tree; the files after that, and what was warned of. */
function applied(
  tree: Tree,
  directories: Record<string, string>,
  resources: unknown,
): { tree: Tree; warnings: string[] } {
  const root = Deno.makeTempDirSync({ prefix: "runsc-cgroup-" });
  try {
    for (const [path, text] of Object.entries(tree)) {
      Deno.mkdirSync(`${root}/${path.slice(0, path.lastIndexOf("/"))}`, { recursive: true });
      Deno.writeTextFileSync(`${root}/${path}`, text);
    }
    const warnings: string[] = [];
    const absolute = Object.entries(directories).map(([name, path]) => [name, `${root}/${path}`]);
    applyResources(
      Object.fromEntries(absolute),
      schema.check(resources, ""),
      (message) => warnings.push(message),
    );
    const paths = Object.keys(tree);
    const after = paths.map((path) => [path, Deno.readTextFileSync(`${root}/${path}`)]);
    return { tree: Object.fromEntries(after), warnings };
  } finally {
    Deno.removeSync(root, { recursive: true });
  }
}

Deno.test("limits go to the hierarchies of v1 that there are", () => {
  const { tree, warnings } = applied(
    { "memory/c/memory.limit_in_bytes": "", "pids/c/pids.max": "" },
    { memory: "memory/c", pids: "pids/c" },
    { memory: { limit: 4096 }, pids: { limit: 7 }, cpu: { shares: 2 } },
  );
  assert.deepEqual(tree, { "memory/c/memory.limit_in_bytes": "4096", "pids/c/pids.max": "7" });
  assert.deepEqual(warnings, ["the host has no cpu controller: cpu.shares is not set"]);
});

Deno.test("weights of block devices go to the file that the host has", () => {
  const limits = { blockIO: { weight: 1000 } };
  const bfq = applied({ "blkio/c/blkio.bfq.weight": "" }, { blkio: "blkio/c" }, limits);
  assert.deepEqual(bfq.tree, { "blkio/c/blkio.bfq.weight": "1000" });
  const scaled = applied({ "c/io.weight": "" }, { unified: "c" }, limits);
  assert.deepEqual(scaled.tree, { "c/io.weight": "default 10000" });
  const own = applied({ "c/io.bfq.weight": "" }, { unified: "c" }, limits);
  assert.deepEqual(own.tree, { "c/io.bfq.weight": "1000" });
});

Deno.test("files of the unified hierarchy are written as they are named, and nowhere else", () => {
  const { tree } = applied({ "c/memory.high": "" }, { unified: "c" }, {
    unified: { "memory.high": "5" },
  });
  assert.deepEqual(tree, { "c/memory.high": "5" });
  for (
    const [directories, file, message] of [
      [{ memory: "m" }, "memory.high", /the host has no cgroup v2/],
      [{ unified: "c" }, "../escape", /invalid cgroup file/],
      [{ unified: "c" }, "none", /cannot write 5 to/],
    ] as const
  ) {
    assert.throws(() => applied({}, { ...directories }, { unified: { [file]: "5" } }), message);
  }
});
