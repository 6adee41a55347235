import { MOUNT_OPTIONS } from "../../container/mount_options.ts";
import { NAMESPACES } from "../../container/oci_linux.ts";
import * as CAP from "../../abi/capability.ts";
import { writeAll } from "../../container/log.ts";
import { SPEC_VERSION } from "../../container/spec_version.ts";
import type { Invocation } from "../command.ts";
import { VERSION } from "../version.ts";

const SECCOMP_ACTIONS = [
  "KILL",
  "KILL_PROCESS",
  "KILL_THREAD",
  "TRAP",
  "ERRNO",
  "TRACE",
  "ALLOW",
  "LOG",
]
  .map((name) => `SCMP_ACT_${name}`);
const SECCOMP_OPERATORS = ["NE", "LT", "LE", "EQ", "GE", "GT", "MASKED_EQ"]
  .map((name) => `SCMP_CMP_${name}`);
const SECCOMP_FLAGS = ["TSYNC", "LOG", "SPEC_ALLOW"].map((name) => `SECCOMP_FILTER_FLAG_${name}`);

/**
 * The command `features`: prints what this runtime supports.
 * https://github.com/opencontainers/runtime-spec/blob/main/features.md
 */
export function runFeatures(_: Invocation<Record<string, never>>): Promise<number> {
  const capabilities = Object.entries(CAP as unknown as Record<string, unknown>)
    .filter(([name, value]) =>
      /^CAP_[A-Z_]+$/.test(name) && name !== "CAP_LAST_CAP" && typeof value === "number"
    )
    .map(([name]) => name);
  const features = {
    ociVersionMin: "1.0.0",
    ociVersionMax: SPEC_VERSION,
    hooks: [
      "prestart",
      "createRuntime",
      "createContainer",
      "poststart",
      "poststop",
    ],
    mountOptions: MOUNT_OPTIONS,
    linux: {
      namespaces: [...NAMESPACES],
      capabilities,
      cgroup: { v1: true, v2: true, systemd: false, systemdUser: false, rdma: false },
      seccomp: {
        enabled: true,
        actions: SECCOMP_ACTIONS,
        operators: SECCOMP_OPERATORS,
        archs: ["SCMP_ARCH_X86_64"],
        knownFlags: SECCOMP_FLAGS,
        supportedFlags: SECCOMP_FLAGS,
      },
      apparmor: { enabled: false },
      selinux: { enabled: false },
      intelRdt: { enabled: false },
    },
    annotations: { "org.runsc.version": VERSION },
  };
  writeAll(Deno.stdout, JSON.stringify(features, null, 2) + "\n");
  return Promise.resolve(0);
}
