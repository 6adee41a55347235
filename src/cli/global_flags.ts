import {
  FILE_ACCESS,
  LOG_FORMATS,
  NETWORKS,
  OVERLAYS,
  PLATFORMS,
  ROOTLESS,
  SWITCHED,
} from "../container/config.ts";
import { RunscError } from "../container/error.ts";
import type { SandboxConfig } from "../container/config.ts";
import type { FlagDeclarations, FlagValues } from "./flags.ts";

/** Flags before the command. */
export const GLOBAL_FLAGS = {
  root: {
    kind: "value",
    metavar: "DIR",
    description:
      "directory of the state of containers [/run/runsc, or $XDG_RUNTIME_DIR/runsc without root]",
  },
  platform: {
    kind: "value",
    choices: PLATFORMS,
    default: "auto",
    description: "how application code runs",
  },
  network: {
    kind: "value",
    choices: NETWORKS,
    default: "sandbox",
    description: "what the container sees as its network",
  },
  "net-raw": {
    kind: "value",
    choices: SWITCHED,
    default: "true",
    description: "whether the container may have raw sockets, if its capabilities say so",
  },
  gso: {
    kind: "value",
    choices: SWITCHED,
    default: "true",
    description: "whether TCP packets larger than the MTU go to the host's interface",
  },
  "log-packets": { kind: "switch", description: "print every packet from and to the host" },
  pcap: {
    kind: "value",
    metavar: "FILE",
    description: "file to write every packet from and to the host to, as tcpdump reads it",
  },
  overlay: {
    kind: "value",
    choices: OVERLAYS,
    default: "auto",
    description:
      "where writes to the root file system go; auto is memory for 'do', none for others",
  },
  "file-access": {
    kind: "value",
    choices: FILE_ACCESS,
    default: "exclusive",
    description: "whether others may change the root file system while the container runs",
  },
  "file-access-mounts": {
    kind: "value",
    choices: FILE_ACCESS,
    default: "shared",
    description: "the same for directories of the host that are bound into it",
  },
  "cache-memory": {
    kind: "value",
    metavar: "SIZE",
    description:
      "how much of files of the host is kept in memory, with k, m or g [a quarter of the host's]",
  },
  strace: { kind: "switch", description: "print every system call of the container" },
  debug: { kind: "switch", description: "log more, and errors with their stack" },
  log: { kind: "value", metavar: "FILE", description: "file to log to [standard error]" },
  "log-format": {
    kind: "value",
    choices: LOG_FORMATS,
    default: "text",
    description: "format of the log",
  },
  rootless: {
    kind: "value",
    choices: ROOTLESS,
    default: "auto",
    bare: "true",
    description: "whether to do without the rights of root",
  },
  "ignore-cgroups": {
    kind: "switch",
    description: "make no control group, and apply no limits of resources",
  },
  "systemd-cgroup": { kind: "switch", description: "let systemd make the control groups" },
  "disable-seccomp": {
    kind: "switch",
    description:
      "leave the sandbox process without its seccomp filter, which gives up half of what confines it",
  },
  help: { kind: "switch", alias: "h", description: "print help" },
  version: { kind: "switch", alias: "v", description: "print the version" },
} as const satisfies FlagDeclarations;

/** The configuration that the global flags and the environment make. */
export function configOf(flags: FlagValues<typeof GLOBAL_FLAGS>): SandboxConfig {
  return {
    root: flags.root ?? defaultRoot(),
    platform: flags.platform,
    network: flags.network,
    netRaw: flags["net-raw"] === "true",
    gso: flags.gso === "true",
    logPackets: flags["log-packets"],
    pcap: flags.pcap,
    overlay: flags.overlay,
    fileAccess: flags["file-access"],
    fileAccessMounts: flags["file-access-mounts"],
    cacheMemory: flags["cache-memory"] === null ? null : bytesOf(flags["cache-memory"]),
    strace: flags.strace,
    debug: flags.debug,
    log: flags.log,
    logFormat: flags["log-format"],
    rootless: flags.rootless,
    systemdCgroup: flags["systemd-cgroup"],
    disableSeccomp: flags["disable-seccomp"],
    ignoreCgroups: flags["ignore-cgroups"],
  };
}

/** A number of bytes as flags give it. */
function bytesOf(text: string): number {
  const match = /^(\d{1,12})([kmg]?)$/i.exec(text);
  if (match === null) {
    throw new RunscError({
      what: "flag --cache-memory must be a size such as 512m, not",
      on: text,
    });
  }
  return Number(match[1]) * 1024 ** " kmg".indexOf(match[2].toLowerCase() || " ");
}

function defaultRoot(): string {
  if (Deno.uid() === 0) return "/run/runsc";
  return `${Deno.env.get("XDG_RUNTIME_DIR") ?? `/tmp/runsc-${Deno.uid()}`}/runsc`;
}
