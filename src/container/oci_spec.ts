import { linux } from "./oci_linux.ts";
import {
  boolean,
  type Infer,
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
 * The `config.json` of the OCI runtime specification 1.2, declared once: types and validator come from it.
 * https://github.com/opencontainers/runtime-spec/blob/main/config.md
 *
 * @module
 */

const absolutePath = text({ max: 4095, pattern: /^\//, form: "an absolute path" });
const path = text({ max: 4095, empty: false });

const RLIMITS = [
  "RLIMIT_AS",
  "RLIMIT_CORE",
  "RLIMIT_CPU",
  "RLIMIT_DATA",
  "RLIMIT_FSIZE",
  "RLIMIT_LOCKS",
  "RLIMIT_MEMLOCK",
  "RLIMIT_MSGQUEUE",
  "RLIMIT_NICE",
  "RLIMIT_NOFILE",
  "RLIMIT_NPROC",
  "RLIMIT_RSS",
  "RLIMIT_RTPRIO",
  "RLIMIT_RTTIME",
  "RLIMIT_SIGPENDING",
  "RLIMIT_STACK",
] as const;

const rlimit = object(
  { type: oneOf(RLIMITS), soft: uint64, hard: uint64 },
  (value, at, fail) => {
    if (value.soft > value.hard) fail(`${at}.soft`, "must not be above the hard limit");
  },
);

const capabilityList = optional(
  list(text({ max: 64, pattern: /^CAP_[A-Z0-9_]+$/, form: "the name of a capability" }), 256),
);

const capabilities = object({
  bounding: capabilityList,
  effective: capabilityList,
  inheritable: capabilityList,
  permitted: capabilityList,
  ambient: capabilityList,
});

const user = object({
  uid: uint32,
  gid: uint32,
  umask: optional(integer(0, 0o777)),
  additionalGids: optional(list(uint32)),
  username: optional(text()),
});

const environmentEntry = text({ pattern: /^[^=]+=/s, form: "of the form NAME=VALUE" });

/** The `process` object, which `exec` takes by itself, too. */
export const process = object(
  {
    terminal: optional(boolean),
    consoleSize: optional(object({ height: uint16, width: uint16 })),
    cwd: absolutePath,
    env: optional(list(environmentEntry)),
    args: list(text(), 65536, 1),
    commandLine: optional(text()),
    rlimits: optional(list(rlimit, 64)),
    apparmorProfile: optional(text()),
    capabilities: optional(capabilities),
    noNewPrivileges: optional(boolean),
    oomScoreAdj: optional(integer(-1000, 1000)),
    scheduler: optional(object({
      policy: oneOf([
        "SCHED_OTHER",
        "SCHED_FIFO",
        "SCHED_RR",
        "SCHED_BATCH",
        "SCHED_ISO",
        "SCHED_IDLE",
        "SCHED_DEADLINE",
      ]),
      nice: optional(integer(-20, 19)),
      priority: optional(integer(-(2 ** 31), 2 ** 31 - 1)),
      flags: optional(list(text(), 64)),
      runtime: optional(uint64),
      deadline: optional(uint64),
      period: optional(uint64),
    })),
    selinuxLabel: optional(text()),
    ioPriority: optional(object({
      class: oneOf(["IOPRIO_CLASS_RT", "IOPRIO_CLASS_BE", "IOPRIO_CLASS_IDLE"]),
      priority: optional(integer(0, 7)),
    })),
    user,
  },
  (value, at, fail) => {
    const types = (value.rlimits ?? []).map((limit) => limit.type);
    const twice = types.findIndex((type, index) => types.indexOf(type) !== index);
    if (twice >= 0) fail(`${at}.rlimits[${twice}]`, `names ${types[twice]} a second time`);
    if (value.args[0] === "") fail(`${at}.args[0]`, "must not be empty");
  },
);

const mount = object({
  destination: path,
  source: optional(text({ max: 4095 })),
  type: optional(text({ max: 255 })),
  options: optional(list(text({ max: 4095 }), 1024)),
  uidMappings: optional(list(object({ containerID: uint32, hostID: uint32, size: uint32 }), 340)),
  gidMappings: optional(list(object({ containerID: uint32, hostID: uint32, size: uint32 }), 340)),
});

const hook = object({
  path: absolutePath,
  args: optional(list(text())),
  env: optional(list(environmentEntry)),
  timeout: optional(integer(1, 2 ** 31)),
});
const hookList = optional(list(hook, 1024));

const hooks = object({
  prestart: hookList,
  createRuntime: hookList,
  createContainer: hookList,
  startContainer: hookList,
  poststart: hookList,
  poststop: hookList,
});

/** The whole file. */
export const ociSpec = object(
  {
    ociVersion: text({ max: 64, pattern: /^\d+\.\d+\.\d+/, form: "a version such as 1.2.0" }),
    process: optional(process),
    root: optional(object({ path, readonly: optional(boolean) })),
    hostname: optional(text({ max: 64 })),
    domainname: optional(text({ max: 64 })),
    mounts: optional(list(mount)),
    hooks: optional(hooks),
    annotations: optional(mapOf(text())),
    linux: optional(linux),
  },
  (value, _at, fail) => {
    const major = Number(value.ociVersion.split(".")[0]);
    if (major > 1) fail("ociVersion", `version ${value.ociVersion} is not supported, only 1.x is`);
  },
);

export type OciSpec = Infer<typeof ociSpec>;
export type OciProcess = Infer<typeof process>;
export type OciUser = Infer<typeof user>;
export type OciCapabilities = Infer<typeof capabilities>;
export type OciRlimit = Infer<typeof rlimit>;
export type OciMount = Infer<typeof mount>;
export type OciHook = Infer<typeof hook>;
export type OciHooks = Infer<typeof hooks>;
export type OciLinux = Infer<typeof linux>;

/** A specification that a container can be started from: process and root are there. */
export type ContainerSpec = OciSpec & Required<Pick<OciSpec, "process" | "root">>;

/** Values of `process.rlimits` that mean "no limit" arrive rounded to this. */
export const RLIMIT_INFINITY = 2 ** 64;
