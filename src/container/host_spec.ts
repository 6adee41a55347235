import { CAP_LAST_CAP, capabilityName } from "../abi/capability.ts";
import { DEFAULT_MOUNTS } from "./default_spec.ts";
import { type ContainerSpec, type OciRlimit, RLIMIT_INFINITY } from "./oci_spec.ts";
import { SPEC_VERSION } from "./spec_version.ts";

/** What of a sandbox on the host's own root file system is to be chosen. */
export interface HostSpecOptions {
  args: string[];
  env: string[];
  cwd: string;
  hostname: string;
  terminal: boolean;
}

/** The specification of a container that looks like this process: its user, limits, directory and root file system. */
export function hostSpec(options: HostSpecOptions): ContainerSpec {
  const uid = Deno.uid() ?? 0;
  const all = Array.from({ length: CAP_LAST_CAP + 1 }, (_, number) => capabilityName(number) ?? "");
  const capabilities = uid === 0 ? all : [];
  return {
    ociVersion: SPEC_VERSION,
    process: {
      terminal: options.terminal,
      user: { uid, gid: Deno.gid() ?? 0, additionalGids: groups(), umask: Deno.umask() },
      args: options.args,
      env: options.env,
      cwd: options.cwd,
      capabilities: {
        bounding: all,
        effective: capabilities,
        permitted: capabilities,
        inheritable: [],
        ambient: [],
      },
      rlimits: limits(),
    },
    root: { path: "/", readonly: false },
    hostname: options.hostname,
    mounts: DEFAULT_MOUNTS.filter((mount) => mount.type !== "cgroup"),
    linux: {
      namespaces: [
        { type: "pid" },
        { type: "network" },
        { type: "ipc" },
        { type: "uts" },
        { type: "mount" },
      ],
    },
  };
}

function groups(): number[] {
  const line = /^Groups:(.*)$/m.exec(Deno.readTextFileSync("/proc/self/status"));
  return (line?.[1] ?? "").split(/\s+/).filter((word) => word !== "").map(Number);
}

/** Names of /proc/self/limits, and what they are called elsewhere. */
const LIMITS: [OciRlimit["type"], string][] = [
  ["RLIMIT_CPU", "Max cpu time"],
  ["RLIMIT_FSIZE", "Max file size"],
  ["RLIMIT_DATA", "Max data size"],
  ["RLIMIT_STACK", "Max stack size"],
  ["RLIMIT_CORE", "Max core file size"],
  ["RLIMIT_RSS", "Max resident set"],
  ["RLIMIT_NPROC", "Max processes"],
  ["RLIMIT_NOFILE", "Max open files"],
  ["RLIMIT_MEMLOCK", "Max locked memory"],
  ["RLIMIT_AS", "Max address space"],
  ["RLIMIT_LOCKS", "Max file locks"],
  ["RLIMIT_SIGPENDING", "Max pending signals"],
  ["RLIMIT_MSGQUEUE", "Max msgqueue size"],
  ["RLIMIT_NICE", "Max nice priority"],
  ["RLIMIT_RTPRIO", "Max realtime priority"],
  ["RLIMIT_RTTIME", "Max realtime timeout"],
];

function limits(): OciRlimit[] {
  const table = Deno.readTextFileSync("/proc/self/limits");
  const result: OciRlimit[] = [];
  for (const [type, name] of LIMITS) {
    const row = new RegExp(`^${name} +(\\S+) +(\\S+)`, "m").exec(table);
    if (row === null) continue;
    const [soft, hard] = [row[1], row[2]].map((v) =>
      v === "unlimited" ? RLIMIT_INFINITY : Number(v)
    );
    // Deno raised the soft limit of open files for itself; 1024 is what programs are given everywhere.
    result.push({ type, soft: type === "RLIMIT_NOFILE" ? Math.min(soft, 1024) : soft, hard });
  }
  return result;
}
