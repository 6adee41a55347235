/** /proc/sys (proc_sys(5)). */

import { EINVAL, EPERM } from "../../../abi/errno.ts";
import { CAP_LAST_CAP, CAP_SYS_ADMIN } from "../../../abi/capability.ts";
import { AIO_MAX, aioUse } from "../../kernel/aio_use.ts";
import { Task } from "../../kernel/task.ts";
import { IpcLimits } from "../../kernel/ipc/limits.ts";
import type { IpcNamespace, UtsNamespace } from "../../kernel/namespaces.ts";
import type { Kernel } from "../../kernel/kernel.ts";
import { PID_MAX } from "../../kernel/pid.ts";
import { OVERFLOW_ID } from "../../kernel/user_namespace.ts";
import { KERNEL_RELEASE, KERNEL_VERSION } from "../../kernel/version.ts";
import type { VfsContext } from "../../vfs/context.ts";
import { NR_OPEN } from "../../vfs/fd_table.ts";
import { MAX_PTYS } from "../devpts/dev_pts.ts";
import { MAX_QUEUED_EVENTS, MAX_USER_WATCHES } from "../inotify/inotify.ts";
import { MAX_PIPE_SIZE } from "../pipe/pipe.ts";
import type { ProcFileSystem } from "./proc_file_system.ts";
import { type Content, type StaticDir, textDir, type WriteContent } from "./proc_inode.ts";

/** Values that were written, by kernel; they are shown again and change nothing else. */
const stored: WeakMap<Kernel, Map<string, string>> = new WeakMap();

type Setting = readonly [Content, WriteContent];

/** A number, or several, that root may change within limits, and that nothing here depends on. */
function setting(name: string, initial: string, least = -Infinity, most = Infinity): Setting {
  return [
    (ctx) => (stored.get(ctx.kernel)?.get(name) ?? initial) + "\n",
    (t, text) => {
      const words = text.trim().split(/\s+/);
      if (words.length !== initial.split("\t").length) return -EINVAL;
      for (const word of words) {
        if (!/^-?[0-9]{1,19}$/.test(word)) return -EINVAL;
        if (Number(word) < least || Number(word) > most) return -EINVAL;
      }
      let values = stored.get(t.kernel);
      if (values === undefined) {
        values = new Map();
        stored.set(t.kernel, values);
      }
      values.set(name, words.join("\t"));
      return 0;
    },
  ];
}

const INT_MAX = 0x7fffffff;
/** ULONG_MAX minus 16 MiB, what no number here can tell exactly. */
const UNLIMITED = "18446744073692774399";

function ipcOf(ctx: VfsContext): IpcNamespace | null {
  return ctx instanceof Task ? ctx.nsproxy.ipc : null;
}

function limitText(value: number): string {
  return value >= 2 ** 63 ? UNLIMITED : String(value);
}

/** A limit of the IPC namespace of whoever looks. */
function ipcLimit(field: keyof IpcLimits, least: number, most: number): Setting {
  return [
    (ctx) => limitText((ipcOf(ctx)?.limits ?? new IpcLimits())[field]) + "\n",
    (t, text) => {
      const word = text.trim();
      if (!/^[0-9]{1,20}$/.test(word)) return -EINVAL;
      if (Number(word) < least || Number(word) > most) return -EINVAL;
      t.nsproxy.ipc.limits[field] = Number(word);
      return 0;
    },
  ];
}

/** kernel.sem: four limits in a line. */
const SEM_LIMITS: Setting = [
  (ctx) => {
    const { semmsl, semmns, semopm, semmni } = ipcOf(ctx)?.limits ?? new IpcLimits();
    return `${semmsl}\t${semmns}\t${semopm}\t${semmni}\n`;
  },
  (t, text) => {
    const words = text.trim().split(/\s+/);
    if (words.length > 4 || !words.every((word) => /^[0-9]{1,10}$/.test(word))) return -EINVAL;
    const { limits } = t.nsproxy.ipc;
    const [semmsl, semmns = limits.semmns, semopm = limits.semopm, semmni = limits.semmni] = words
      .map(Number);
    if (semmsl > 65536 || semmns > INT_MAX || semopm > 1024 || semmni > 32768) return -EINVAL;
    Object.assign(limits, { semmsl, semmns, semopm, semmni });
    return 0;
  },
];

function utsOf(ctx: VfsContext): UtsNamespace {
  return ctx instanceof Task ? ctx.nsproxy.uts : ctx.kernel.uts;
}

function name(field: "hostname" | "domainname"): Setting {
  return [
    (ctx) => utsOf(ctx)[field] + "\n",
    (t, text) => {
      const uts = t.nsproxy.uts;
      if (!t.creds.capable(CAP_SYS_ADMIN, uts.userNs)) return -EPERM;
      uts[field] = text.replace(/[\n\0][^]*$/, "").slice(0, 64);
      return 0;
    },
  ];
}

/** A random identifier as RFC 9562 writes it. */
function uuid(kernel: Kernel): string {
  const b = new Uint8Array(16);
  kernel.random(b);
  b[6] = (b[6] & 0x0f) | 0x40;
  b[8] = (b[8] & 0x3f) | 0x80;
  const hex = [...b].map((n) => n.toString(16).padStart(2, "0")).join("");
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${
    hex.slice(20)
  }`;
}

const bootIds: WeakMap<Kernel, string> = new WeakMap();

function bootId(kernel: Kernel): string {
  let id = bootIds.get(kernel);
  if (id === undefined) {
    id = uuid(kernel);
    bootIds.set(kernel, id);
  }
  return id;
}

/** Options of one IPv4 or IPv6 interface. */
const IPV4_CONF = {
  accept_redirects: setting("ipv4.accept_redirects", "0"),
  forwarding: setting("ipv4.forwarding", "0", 0, 1),
  rp_filter: setting("ipv4.rp_filter", "0", 0, 2),
};
const IPV6_CONF = {
  accept_ra: setting("ipv6.accept_ra", "0"),
  disable_ipv6: setting("ipv6.disable_ipv6", "0", 0, 1),
  forwarding: setting("ipv6.forwarding", "0", 0, 1),
};

/** The tree. */
export function sysctlTree(fs: ProcFileSystem): StaticDir {
  const kernel = fs.vfs.kernel;
  return textDir(fs, {
    abi: {},
    debug: {},
    dev: {},
    fs: {
      "aio-max-nr": `${AIO_MAX}\n`,
      "aio-nr": () => `${aioUse.requests}\n`,
      "file-max": setting("file-max", "9223372036854775807", 0),
      "file-nr": () => `${openFiles(kernel)}\t0\t9223372036854775807\n`,
      inotify: {
        max_queued_events: setting("max_queued_events", String(MAX_QUEUED_EVENTS), 0),
        max_user_instances: setting("max_user_instances", "128", 0),
        max_user_watches: setting("max_user_watches", String(MAX_USER_WATCHES), 0),
      },
      "inode-nr": "0\t0\n",
      "lease-break-time": setting("lease-break-time", "45", 0),
      mqueue: {
        msg_default: ipcLimit("msgDefault", 1, 65536),
        msg_max: ipcLimit("msgMax", 1, 65536),
        msgsize_default: ipcLimit("msgsizeDefault", 128, 16 << 20),
        msgsize_max: ipcLimit("msgsizeMax", 128, 16 << 20),
        queues_max: ipcLimit("queuesMax", 0, INT_MAX),
      },
      nr_open: setting("nr_open", String(NR_OPEN), 64),
      overflowgid: `${OVERFLOW_ID}\n`,
      overflowuid: `${OVERFLOW_ID}\n`,
      "pipe-max-size": setting("pipe-max-size", String(MAX_PIPE_SIZE), 4096),
      "pipe-user-pages-hard": setting("pipe-user-pages-hard", "0", 0),
      "pipe-user-pages-soft": setting("pipe-user-pages-soft", "16384", 0),
      protected_fifos: setting("protected_fifos", "0", 0, 2),
      protected_hardlinks: setting("protected_hardlinks", "1", 0, 1),
      protected_regular: setting("protected_regular", "0", 0, 2),
      protected_symlinks: setting("protected_symlinks", "1", 0, 1),
      suid_dumpable: setting("suid_dumpable", "0", 0, 2),
    },
    kernel: {
      cap_last_cap: `${CAP_LAST_CAP}\n`,
      core_pattern: [() => "core\n", () => -EPERM],
      core_uses_pid: setting("core_uses_pid", "0", 0, 1),
      dmesg_restrict: setting("dmesg_restrict", "1", 0, 1),
      domainname: name("domainname"),
      hostname: name("hostname"),
      io_uring_disabled: setting("io_uring_disabled", "0", 0, 2),
      kptr_restrict: setting("kptr_restrict", "1", 0, 2),
      msgmax: ipcLimit("msgmax", 0, INT_MAX),
      msgmnb: ipcLimit("msgmnb", 0, INT_MAX),
      msgmni: ipcLimit("msgmni", 0, 32768),
      ngroups_max: "65536\n",
      osrelease: `${KERNEL_RELEASE}\n`,
      ostype: "Linux\n",
      overflowgid: `${OVERFLOW_ID}\n`,
      overflowuid: `${OVERFLOW_ID}\n`,
      panic: setting("panic", "0"),
      perf_event_paranoid: setting("perf_event_paranoid", "3", -1, 4),
      pid_max: setting("pid_max", String(PID_MAX), 301, 4194304),
      printk: setting("printk", "4\t4\t1\t7"),
      pty: { max: `${MAX_PTYS}\n`, nr: "0\n", reserve: "0\n" },
      random: {
        boot_id: () => `${bootId(kernel)}\n`,
        entropy_avail: "256\n",
        poolsize: "256\n",
        urandom_min_reseed_secs: "60\n",
        uuid: () => `${uuid(kernel)}\n`,
        write_wakeup_threshold: "256\n",
      },
      randomize_va_space: setting("randomize_va_space", "2", 0, 2),
      sched_autogroup_enabled: setting("sched_autogroup_enabled", "0", 0, 1),
      sem: SEM_LIMITS,
      seccomp: {
        actions_avail: "kill_process kill_thread trap errno user_notif trace log allow\n",
        actions_logged: "kill_process kill_thread trap errno user_notif trace log\n",
      },
      shmall: ipcLimit("shmall", 0, Infinity),
      shmmax: ipcLimit("shmmax", 0, Infinity),
      shmmni: ipcLimit("shmmni", 0, 32768),
      tainted: "0\n",
      "threads-max": `${kernel.maxTasks}\n`,
      unprivileged_bpf_disabled: "2\n",
      unprivileged_userns_clone: setting("unprivileged_userns_clone", "1", 0, 1),
      version: `${KERNEL_VERSION}\n`,
      yama: { ptrace_scope: setting("ptrace_scope", "1", 0, 3) },
    },
    net: {
      core: {
        default_qdisc: "noqueue\n",
        netdev_max_backlog: setting("netdev_max_backlog", "1000", 0),
        optmem_max: setting("optmem_max", "131072", 0),
        rmem_default: setting("rmem_default", "212992", 2304),
        rmem_max: setting("rmem_max", "212992", 2304),
        somaxconn: setting("somaxconn", "4096", 0),
        wmem_default: setting("wmem_default", "212992", 4608),
        wmem_max: setting("wmem_max", "212992", 4608),
      },
      ipv4: {
        conf: { all: IPV4_CONF, default: IPV4_CONF, lo: IPV4_CONF },
        icmp_echo_ignore_all: setting("icmp_echo_ignore_all", "0", 0, 1),
        ip_default_ttl: setting("ip_default_ttl", "64", 1, 255),
        ip_forward: setting("ip_forward", "0", 0, 1),
        ip_local_port_range: setting("ip_local_port_range", "32768\t60999", 0, 65535),
        ip_nonlocal_bind: setting("ip_nonlocal_bind", "0", 0, 1),
        ip_unprivileged_port_start: setting("ip_unprivileged_port_start", "1024", 0, 65535),
        ping_group_range: setting("ping_group_range", "1\t0", 0),
        tcp_allowed_congestion_control: "reno cubic\n",
        tcp_available_congestion_control: "reno cubic\n",
        tcp_congestion_control: "cubic\n",
        tcp_ecn: setting("tcp_ecn", "2", 0, 5),
        tcp_fastopen: setting("tcp_fastopen", "1", 0),
        tcp_fin_timeout: setting("tcp_fin_timeout", "60", 0),
        tcp_keepalive_intvl: setting("tcp_keepalive_intvl", "75", 1, 32767),
        tcp_keepalive_probes: setting("tcp_keepalive_probes", "9", 1, 127),
        tcp_keepalive_time: setting("tcp_keepalive_time", "7200", 1, 32767),
        tcp_max_syn_backlog: setting("tcp_max_syn_backlog", "1024", 0),
        tcp_moderate_rcvbuf: setting("tcp_moderate_rcvbuf", "1", 0, 1),
        tcp_mtu_probing: setting("tcp_mtu_probing", "0", 0, 2),
        tcp_rmem: setting("tcp_rmem", "4096\t131072\t6291456", 1),
        tcp_sack: setting("tcp_sack", "1", 0, 1),
        tcp_slow_start_after_idle: setting("tcp_slow_start_after_idle", "1", 0, 1),
        tcp_syncookies: setting("tcp_syncookies", "1", 0, 2),
        tcp_timestamps: setting("tcp_timestamps", "1", 0, 2),
        tcp_tw_reuse: setting("tcp_tw_reuse", "2", 0, 2),
        tcp_window_scaling: setting("tcp_window_scaling", "1", 0, 1),
        tcp_wmem: setting("tcp_wmem", "4096\t16384\t4194304", 1),
      },
      ipv6: {
        conf: { all: IPV6_CONF, default: IPV6_CONF, lo: IPV6_CONF },
        ip_nonlocal_bind: setting("ipv6.ip_nonlocal_bind", "0", 0, 1),
      },
      unix: { max_dgram_qlen: setting("max_dgram_qlen", "10", 0) },
    },
    user: {
      max_cgroup_namespaces: setting("max_cgroup_namespaces", "16384", 0),
      max_ipc_namespaces: setting("max_ipc_namespaces", "16384", 0),
      max_mnt_namespaces: setting("max_mnt_namespaces", "16384", 0),
      max_net_namespaces: setting("max_net_namespaces", "16384", 0),
      max_pid_namespaces: setting("max_pid_namespaces", "16384", 0),
      max_time_namespaces: setting("max_time_namespaces", "16384", 0),
      max_user_namespaces: setting("max_user_namespaces", "16384", 0),
      max_uts_namespaces: setting("max_uts_namespaces", "16384", 0),
    },
    vm: {
      dirty_background_ratio: setting("dirty_background_ratio", "10", 0, 100),
      dirty_expire_centisecs: setting("dirty_expire_centisecs", "3000", 0),
      dirty_ratio: setting("dirty_ratio", "20", 0, 100),
      dirty_writeback_centisecs: setting("dirty_writeback_centisecs", "500", 0),
      drop_caches: [() => "0\n", () => 0],
      max_map_count: setting("max_map_count", "65530", 0),
      min_free_kbytes: setting("min_free_kbytes", "67584", 0),
      mmap_min_addr: setting("mmap_min_addr", "65536", 0),
      mmap_rnd_bits: "28\n",
      nr_hugepages: setting("nr_hugepages", "0", 0),
      nr_overcommit_hugepages: setting("nr_overcommit_hugepages", "0", 0),
      oom_kill_allocating_task: setting("oom_kill_allocating_task", "0"),
      overcommit_kbytes: setting("overcommit_kbytes", "0", 0),
      overcommit_memory: setting("overcommit_memory", "0", 0, 2),
      overcommit_ratio: setting("overcommit_ratio", "50", 0),
      panic_on_oom: setting("panic_on_oom", "0", 0, 2),
      swappiness: setting("swappiness", "60", 0, 200),
      vfs_cache_pressure: setting("vfs_cache_pressure", "100", 0),
    },
  });
}

function openFiles(kernel: Kernel): number {
  let count = 0;
  for (const pid of kernel.tasks.pids()) {
    const task = pid.task;
    if (task !== null && task.group.leader === task) count += task.files.count;
  }
  return count;
}
