import {
  anything,
  boolean,
  int64,
  integer,
  list,
  mapOf,
  object,
  oneOf,
  optional,
  text,
  uint16,
  uint32,
  uint64,
} from "./schema.ts";

/**
 * The `linux` part of `config.json`.
 * https://github.com/opencontainers/runtime-spec/blob/main/config-linux.md
 *
 * @module
 */

const absolutePath = text({ max: 4095, pattern: /^\//, form: "an absolute path" });
const idMapping = object({ containerID: uint32, hostID: uint32, size: uint32 });
const idMappings = optional(list(idMapping, 340));

/** Kinds of namespaces. */
export const NAMESPACES = [
  "pid",
  "network",
  "mount",
  "ipc",
  "uts",
  "user",
  "cgroup",
  "time",
] as const;

const device = object(
  {
    path: absolutePath,
    type: oneOf(["c", "b", "u", "p"]),
    major: optional(int64),
    minor: optional(int64),
    fileMode: optional(uint32),
    uid: optional(uint32),
    gid: optional(uint32),
  },
  (value, path, fail) => {
    if (value.type === "p") return;
    if (value.major === undefined) fail(`${path}.major`, "is missing");
    if (value.minor === undefined) fail(`${path}.minor`, "is missing");
  },
);

const deviceRule = object({
  allow: boolean,
  type: optional(oneOf(["a", "c", "b", ""])),
  major: optional(int64),
  minor: optional(int64),
  access: optional(text({ max: 3, pattern: /^[rwm]*$/, form: "made of r, w and m" })),
});

const blockLimits = optional(list(object({ major: int64, minor: int64, rate: uint64 })));

/** The `resources` object, which `update` takes by itself, too. */
export const resources = object({
  devices: optional(list(deviceRule)),
  memory: optional(object({
    limit: optional(int64),
    reservation: optional(int64),
    swap: optional(int64),
    kernel: optional(int64),
    kernelTCP: optional(int64),
    swappiness: optional(uint64),
    disableOOMKiller: optional(boolean),
    useHierarchy: optional(boolean),
    checkBeforeUpdate: optional(boolean),
  })),
  cpu: optional(object({
    shares: optional(uint64),
    quota: optional(int64),
    burst: optional(uint64),
    period: optional(uint64),
    realtimeRuntime: optional(int64),
    realtimePeriod: optional(uint64),
    cpus: optional(text()),
    mems: optional(text()),
    idle: optional(int64),
  })),
  pids: optional(object({ limit: int64 })),
  blockIO: optional(object({
    weight: optional(uint16),
    leafWeight: optional(uint16),
    weightDevice: optional(list(object({
      major: int64,
      minor: int64,
      weight: optional(uint16),
      leafWeight: optional(uint16),
    }))),
    throttleReadBpsDevice: blockLimits,
    throttleWriteBpsDevice: blockLimits,
    throttleReadIOPSDevice: blockLimits,
    throttleWriteIOPSDevice: blockLimits,
  })),
  hugepageLimits: optional(list(object({ pageSize: text(), limit: uint64 }))),
  network: optional(object({
    classID: optional(uint32),
    priorities: optional(list(object({ name: text(), priority: uint32 }))),
  })),
  rdma: optional(mapOf(object({
    hcaHandles: optional(uint32),
    hcaObjects: optional(uint32),
  }))),
  unified: optional(mapOf(text())),
});

const action = text({
  max: 64,
  pattern: /^SCMP_ACT_[A-Z_]+$/,
  form: "the name of a seccomp action",
});

const seccomp = object({
  defaultAction: action,
  defaultErrnoRet: optional(uint32),
  architectures: optional(list(text({ max: 64 }), 64)),
  flags: optional(list(text({ max: 64 }), 64)),
  listenerPath: optional(text({ max: 107 })),
  listenerMetadata: optional(text()),
  syscalls: optional(list(object({
    names: list(text({ max: 64 }), 4096, 1),
    action,
    errnoRet: optional(uint32),
    args: optional(list(
      object({
        index: integer(0, 5),
        value: uint64,
        valueTwo: optional(uint64),
        op: text({ max: 64, pattern: /^SCMP_CMP_[A-Z_]+$/, form: "the name of a comparison" }),
      }),
      64,
    )),
  }))),
});

/** The `linux` object. */
export const linux = object(
  {
    uidMappings: idMappings,
    gidMappings: idMappings,
    sysctl: optional(mapOf(text())),
    resources: optional(resources),
    cgroupsPath: optional(text({ max: 4095 })),
    namespaces: optional(
      list(object({ type: oneOf(NAMESPACES), path: optional(text({ max: 4095 })) }), 64),
    ),
    devices: optional(list(device)),
    netDevices: optional(anything),
    seccomp: optional(seccomp),
    rootfsPropagation: optional(
      oneOf([
        "",
        "shared",
        "slave",
        "private",
        "unbindable",
        "rshared",
        "rslave",
        "rprivate",
        "runbindable",
      ]),
    ),
    maskedPaths: optional(list(absolutePath)),
    readonlyPaths: optional(list(absolutePath)),
    mountLabel: optional(text()),
    intelRdt: optional(anything),
    memoryPolicy: optional(anything),
    personality: optional(object({
      domain: oneOf(["LINUX", "LINUX32"]),
      flags: optional(list(text(), 64)),
    })),
    timeOffsets: optional(mapOf(object({
      secs: optional(int64),
      nanosecs: optional(uint32),
    }))),
  },
  (value, path, fail) => {
    const types = (value.namespaces ?? []).map((namespace) => namespace.type);
    const twice = types.findIndex((type, index) => types.indexOf(type) !== index);
    if (twice >= 0) fail(`${path}.namespaces[${twice}]`, `names ${types[twice]} a second time`);
    for (const clock of Object.keys(value.timeOffsets ?? {})) {
      if (clock === "monotonic" || clock === "boottime") continue;
      fail(`${path}.timeOffsets`, "must have no members but monotonic and boottime");
    }
    if (Object.keys(value.timeOffsets ?? {}).length > 0 && !types.includes("time")) {
      fail(`${path}.timeOffsets`, "needs a time namespace in linux.namespaces");
    }
    const mapped = (value.uidMappings ?? []).length + (value.gidMappings ?? []).length > 0;
    if (mapped && !types.includes("user")) {
      fail(`${path}.uidMappings`, "needs a user namespace in linux.namespaces");
    }
    if ((value.personality?.flags ?? []).length > 0) {
      fail(`${path}.personality.flags`, "must be empty: there are no flags yet");
    }
  },
);
