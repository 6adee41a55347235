import type { Log } from "./log.ts";

/** How application code runs. */
export const PLATFORMS = ["auto", "systrap", "ptrace", "kvm"] as const;
/** What the container sees as its network. */
export const NETWORKS = ["sandbox", "none", "host"] as const;
/** Where writes to the root file system go. */
export const OVERLAYS = ["auto", "none", "memory"] as const;
/** Values of flags that are on unless they are turned off. */
export const SWITCHED = ["true", "false"] as const;
/** Whether others than the sandbox may change files of the host meanwhile. */
export const FILE_ACCESS = ["exclusive", "shared"] as const;
export const LOG_FORMATS = ["text", "json"] as const;
export const ROOTLESS = ["auto", "true", "false"] as const;

/** What the global flags say, the same for every container of one command. */
export interface SandboxConfig {
  /** Directory of the state of containers. */
  root: string;
  platform: typeof PLATFORMS[number];
  network: typeof NETWORKS[number];
  /** Whether the container keeps the right to raw sockets, if its specification gives it. */
  netRaw: boolean;
  /** Whether TCP packets that are larger than the MTU are handed to the host. */
  gso: boolean;
  /** Print every packet from and to the host. */
  logPackets: boolean;
  /** File that every packet from and to the host is written to, or null. */
  pcap: string | null;
  overlay: typeof OVERLAYS[number];
  /** Who else may change the root file system, and what is bound into it. */
  fileAccess: typeof FILE_ACCESS[number];
  fileAccessMounts: typeof FILE_ACCESS[number];
  /** The most bytes of host files that are kept in memory; null is a quarter of the host's memory. */
  cacheMemory: number | null;
  /** Print every system call of the container. */
  strace: boolean;
  debug: boolean;
  /** File to log to; null is standard error. */
  log: string | null;
  logFormat: typeof LOG_FORMATS[number];
  rootless: typeof ROOTLESS[number];
  systemdCgroup: boolean;
  /** Leave the sandbox process without its seccomp filter. */
  disableSeccomp: boolean;
  /** Make and enter no control group; limits of resources are then not applied. */
  ignoreCgroups: boolean;
}

/** What one start of a container needs beside its specification. */
export interface BootOptions {
  id: string;
  /** Absolute path of the directory that relative paths of the specification start at. */
  bundle: string;
  /** Absolute path of the root file system on the host, symbolic links followed. */
  rootfs: string;
  /** Where writes to the root file system go, unless the specification makes it read-only. */
  overlay: "none" | "memory";
  /** Whether the container gets a terminal of its own, joined to standard input and output. */
  terminal: boolean;
  /** Descriptor of the host's terminal that the container's is joined to; null is standard input and output. */
  console: number | null;
  /** Descriptor of the socket on which commands are taken, or null. */
  control: number | null;
  /** Whether the first process starts only when a command says so. */
  waitForStart: boolean;
  /** Whether the process moves into a mount namespace whose root is the container's; it can open no host path then. */
  ownRoot: boolean;
  /** Called when everything up to the first process is there; what it throws ends the sandbox. */
  onReady: (() => void) | null;
  /** Called when the first process has started. */
  onStarted: (() => void) | null;
  /** Whether signals without a handler do nothing to the first process, as in a pid namespace of its own. */
  protectInit: boolean;
  /** How many descriptors from 3 on the container inherits. */
  preserveFds: number;
  /** Where the sandbox reports. */
  log: Log;
}
