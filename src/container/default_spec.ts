import { SPEC_VERSION } from "./spec_version.ts";
import type { OciMount, OciSpec } from "./oci_spec.ts";

const CAPABILITIES = ["CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE"];

const tmpfs = ["nosuid", "noexec", "nodev"];

/** The mounts that every container is expected to have. */
export const DEFAULT_MOUNTS: readonly OciMount[] = [
  { destination: "/proc", type: "proc", source: "proc" },
  {
    destination: "/dev",
    type: "tmpfs",
    source: "tmpfs",
    options: ["nosuid", "strictatime", "mode=755", "size=65536k"],
  },
  {
    destination: "/dev/pts",
    type: "devpts",
    source: "devpts",
    options: ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"],
  },
  {
    destination: "/dev/shm",
    type: "tmpfs",
    source: "shm",
    options: [...tmpfs, "mode=1777", "size=65536k"],
  },
  { destination: "/dev/mqueue", type: "mqueue", source: "mqueue", options: tmpfs },
  { destination: "/sys", type: "sysfs", source: "sysfs", options: [...tmpfs, "ro"] },
  {
    destination: "/sys/fs/cgroup",
    type: "cgroup",
    source: "cgroup",
    options: [...tmpfs, "relatime", "ro"],
  },
];

/**
 * What `runsc spec` writes: runc's own starting point under this program's name, so that files made for the one fit
 * the other. Members stand in runc's order.
 */
export function defaultSpec({ rootless }: { rootless: boolean }): OciSpec {
  const spec = commonSpec();
  return rootless ? withoutRoot(spec) : spec;
}

function commonSpec() {
  return {
    ociVersion: SPEC_VERSION,
    process: {
      terminal: true,
      user: { uid: 0, gid: 0 },
      args: ["sh"],
      env: ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "TERM=xterm"],
      cwd: "/",
      capabilities: {
        bounding: CAPABILITIES,
        effective: CAPABILITIES,
        permitted: CAPABILITIES,
        ambient: CAPABILITIES,
      },
      rlimits: [{ type: "RLIMIT_NOFILE" as const, hard: 1024, soft: 1024 }],
      noNewPrivileges: true,
    },
    root: { path: "rootfs", readonly: true },
    hostname: "runsc",
    mounts: [...DEFAULT_MOUNTS],
    linux: {
      resources: { devices: [{ allow: false, access: "rwm" }] },
      namespaces: [
        { type: "pid" as const },
        { type: "network" as const },
        { type: "ipc" as const },
        { type: "uts" as const },
        { type: "mount" as const },
      ],
      maskedPaths: [
        "/proc/acpi",
        "/proc/asound",
        "/proc/kcore",
        "/proc/keys",
        "/proc/latency_stats",
        "/proc/timer_list",
        "/proc/timer_stats",
        "/proc/sched_debug",
        "/sys/firmware",
        "/proc/scsi",
      ],
      readonlyPaths: [
        "/proc/bus",
        "/proc/fs",
        "/proc/irq",
        "/proc/sys",
        "/proc/sysrq-trigger",
      ],
    },
  };
}

/** A user namespace of the caller alone, and nothing that only root may set up. */
function withoutRoot(spec: ReturnType<typeof commonSpec>): OciSpec {
  const { resources: _, ...linux } = spec.linux;
  const bound = ["rbind", ...tmpfs, "ro"];
  return {
    ...spec,
    mounts: spec.mounts.map((mount) => {
      if (mount.destination === "/sys") {
        return { destination: "/sys", type: "none", source: "/sys", options: bound };
      }
      if (mount.options === undefined) return mount;
      return { ...mount, options: mount.options.filter((option) => !/^[ug]id=/.test(option)) };
    }),
    linux: {
      ...linux,
      namespaces: [
        ...linux.namespaces.filter(({ type }) => type !== "network"),
        { type: "user" },
      ],
      uidMappings: [{ containerID: 0, hostID: Deno.uid() ?? 0, size: 1 }],
      gidMappings: [{ containerID: 0, hostID: Deno.gid() ?? 0, size: 1 }],
    },
  };
}
