import assert from "node:assert/strict";

import type { Fields, StructType } from "../../../src/abi/struct.ts";
import * as elf from "../../../src/abi/structs/elf.ts";
import * as file from "../../../src/abi/structs/file.ts";
import * as ipc from "../../../src/abi/structs/ipc.ts";
import * as netlink from "../../../src/abi/structs/netlink.ts";
import * as process from "../../../src/abi/structs/process.ts";
import * as signal from "../../../src/abi/structs/signal.ts";
import * as socket from "../../../src/abi/structs/socket.ts";
import * as terminal from "../../../src/abi/structs/terminal.ts";
import * as time from "../../../src/abi/structs/time.ts";
import { haveCompiler, runC } from "./c_compiler.ts";

/** A structure, what C calls it, and the C names of fields that have another one there. */
type Row = [type: StructType<Fields>, cType: string, names?: Readonly<Record<string, string>>];

/** Structures whose headers go together. */
interface Group {
  readonly includes: readonly string[];
  readonly rows: readonly Row[];
}

const siginfoNames = {
  si_pid: "_sifields._kill._pid",
  si_uid: "_sifields._kill._uid",
};

const groups: readonly Group[] = [
  {
    includes: ["stddef.h", "asm/stat.h", "linux/stat.h", "asm/statfs.h", "linux/fcntl.h"],
    rows: [
      [file.Stat, "struct stat"],
      [file.StatxTimestamp, "struct statx_timestamp"],
      [file.Statx, "struct statx"],
      [file.Statfs, "struct statfs"],
      [file.Flock, "struct flock"],
      [file.FOwnerEx, "struct f_owner_ex"],
    ],
  },
  {
    includes: [
      "stddef.h",
      "linux/uio.h",
      "linux/openat2.h",
      "linux/inotify.h",
      "linux/fs.h",
      "asm/poll.h",
    ],
    rows: [
      [file.Iovec, "struct iovec"],
      [file.OpenHow, "struct open_how"],
      [file.InotifyEvent, "struct inotify_event"],
      [file.MountAttr, "struct mount_attr"],
      [file.Fsxattr, "struct fsxattr"],
      [file.FileCloneRange, "struct file_clone_range"],
      [file.Pollfd, "struct pollfd"],
    ],
  },
  {
    includes: ["stddef.h", "dirent.h", "fcntl.h", "sys/epoll.h", "sys/user.h", "sys/socket.h"],
    rows: [
      [file.FileHandle, "struct file_handle"],
      [file.EpollEvent, "struct epoll_event"],
      [process.UserRegs, "struct user_regs_struct"],
      [socket.Ucred, "struct ucred"],
    ],
  },
  {
    includes: ["stddef.h", "linux/time.h", "linux/times.h", "linux/utime.h", "linux/resource.h"],
    rows: [
      [time.Timespec, "struct timespec"],
      [time.Timeval, "struct timeval"],
      [time.Timezone, "struct timezone"],
      [time.Itimerspec, "struct itimerspec"],
      [time.Itimerval, "struct itimerval"],
      [time.Tms, "struct tms"],
      [time.Utimbuf, "struct utimbuf"],
      [process.Rusage, "struct rusage"],
      [process.Rlimit, "struct rlimit"],
    ],
  },
  {
    includes: ["stddef.h", "linux/timex.h", "linux/futex.h", "linux/mqueue.h"],
    rows: [
      [time.Timex, "struct timex"],
      [time.RobustListHead, "struct robust_list_head"],
      [time.FutexWaitv, "struct futex_waitv"],
      [ipc.MqAttr, "struct mq_attr"],
    ],
  },
  {
    includes: [
      "stddef.h",
      "linux/utsname.h",
      "linux/sysinfo.h",
      "linux/sched.h",
      "linux/types.h",
      "linux/sched/types.h",
      "linux/capability.h",
      "linux/rseq.h",
      "linux/prctl.h",
      "linux/seccomp.h",
      "linux/filter.h",
    ],
    rows: [
      [process.Utsname, "struct new_utsname"],
      [process.Sysinfo, "struct sysinfo"],
      [process.CloneArgs, "struct clone_args"],
      [process.SchedAttr, "struct sched_attr"],
      [process.SchedParam, "struct sched_param"],
      [process.CapHeader, "struct __user_cap_header_struct"],
      [process.CapData, "struct __user_cap_data_struct"],
      [process.Rseq, "struct rseq"],
      [process.PrctlMmMap, "struct prctl_mm_map"],
      [process.SeccompData, "struct seccomp_data"],
      [process.SockFilter, "struct sock_filter"],
      [process.SockFprog, "struct sock_fprog"],
    ],
  },
  {
    includes: ["stddef.h", "asm/signal.h", "asm/siginfo.h", "linux/signalfd.h"],
    rows: [
      [signal.Sigset, "sigset_t", { lo: "", hi: "" }],
      [signal.Sigaction, "struct sigaction"],
      [signal.StackT, "stack_t"],
      [signal.SiginfoKill, "siginfo_t", siginfoNames],
      [signal.SiginfoQueue, "siginfo_t", {
        si_pid: "_sifields._rt._pid",
        si_uid: "_sifields._rt._uid",
        si_value: "_sifields._rt._sigval",
      }],
      [signal.SiginfoTimer, "siginfo_t", {
        si_timerid: "_sifields._timer._tid",
        si_overrun: "_sifields._timer._overrun",
        si_value: "_sifields._timer._sigval",
      }],
      [signal.SiginfoChild, "siginfo_t", {
        si_pid: "_sifields._sigchld._pid",
        si_uid: "_sifields._sigchld._uid",
        si_status: "_sifields._sigchld._status",
        si_utime: "_sifields._sigchld._utime",
        si_stime: "_sifields._sigchld._stime",
      }],
      [signal.SiginfoFault, "siginfo_t", {
        si_addr: "_sifields._sigfault._addr",
        si_addr_lsb: "_sifields._sigfault._addr_lsb",
        si_lower: "_sifields._sigfault._addr_bnd._lower",
        si_upper: "_sifields._sigfault._addr_bnd._upper",
      }],
      [signal.SiginfoPoll, "siginfo_t", {
        si_band: "_sifields._sigpoll._band",
        si_fd: "_sifields._sigpoll._fd",
      }],
      [signal.SiginfoSys, "siginfo_t", {
        si_call_addr: "_sifields._sigsys._call_addr",
        si_syscall: "_sifields._sigsys._syscall",
        si_arch: "_sifields._sigsys._arch",
      }],
      [time.Sigevent, "struct sigevent", { sigev_notify_thread_id: "_sigev_un._tid" }],
      [signal.SignalfdSiginfo, "struct signalfd_siginfo"],
    ],
  },
  {
    includes: ["stddef.h", "asm/signal.h", "asm/sigcontext.h", "asm/ucontext.h"],
    rows: [
      [signal.Ucontext, "struct ucontext"],
      [signal.FpxSwBytes, "struct _fpx_sw_bytes"],
      [signal.Sigcontext, "struct sigcontext"],
    ],
  },
  {
    includes: [
      "stddef.h",
      "sys/socket.h",
      "sys/un.h",
      "netinet/in.h",
      "net/if.h",
      "linux/netlink.h",
      "linux/if_packet.h",
      "linux/errqueue.h",
      "linux/tcp.h",
    ],
    rows: [
      [socket.SockaddrUn, "struct sockaddr_un"],
      [socket.SockaddrIn, "struct sockaddr_in"],
      [socket.SockaddrIn6, "struct sockaddr_in6"],
      [socket.SockaddrNl, "struct sockaddr_nl"],
      [socket.SockaddrLl, "struct sockaddr_ll"],
      [socket.Msghdr, "struct msghdr"],
      [socket.Mmsghdr, "struct mmsghdr"],
      [socket.Cmsghdr, "struct cmsghdr"],
      [socket.Linger, "struct linger"],
      [socket.IpMreqn, "struct ip_mreqn"],
      [socket.Ipv6Mreq, "struct ipv6_mreq"],
      [socket.InPktinfo, "struct in_pktinfo"],
      [socket.In6Pktinfo, "struct in6_pktinfo"],
      [socket.SockExtendedErr, "struct sock_extended_err"],
      [socket.Ifreq, "struct ifreq", { ifr_value: "ifr_ifru" }],
      [socket.Ifconf, "struct ifconf"],
      [socket.TcpInfo, "struct tcp_info"],
    ],
  },
  {
    includes: ["stddef.h", "linux/netlink.h", "linux/rtnetlink.h"],
    rows: [
      [netlink.Nlmsghdr, "struct nlmsghdr"],
      [netlink.Nlmsgerr, "struct nlmsgerr"],
      [netlink.Rtattr, "struct rtattr"],
      [netlink.Rtgenmsg, "struct rtgenmsg"],
      [netlink.Ifinfomsg, "struct ifinfomsg"],
      [netlink.Ifaddrmsg, "struct ifaddrmsg"],
      [netlink.IfaCacheinfo, "struct ifa_cacheinfo"],
      [netlink.Rtmsg, "struct rtmsg"],
      [netlink.Ndmsg, "struct ndmsg"],
    ],
  },
  {
    includes: ["stddef.h", "asm/termbits.h", "asm/termios.h"],
    rows: [
      [terminal.Termios, "struct termios"],
      [terminal.Termios2, "struct termios2"],
      [terminal.Winsize, "struct winsize"],
    ],
  },
  {
    includes: ["stddef.h", "elf.h"],
    rows: [
      [elf.Elf64Ehdr, "Elf64_Ehdr"],
      [elf.Elf64Phdr, "Elf64_Phdr"],
      [elf.Elf64Shdr, "Elf64_Shdr"],
      [elf.Elf64Dyn, "Elf64_Dyn", { d_val: "d_un" }],
      [elf.Elf64Sym, "Elf64_Sym"],
      [elf.Elf64Rela, "Elf64_Rela"],
      [elf.Elf64Nhdr, "Elf64_Nhdr"],
      [elf.Elf64Verdef, "Elf64_Verdef"],
      [elf.Elf64Verdaux, "Elf64_Verdaux"],
    ],
  },
  {
    includes: ["stddef.h", "linux/ipc.h", "linux/shm.h", "linux/sem.h", "linux/msg.h"],
    rows: [
      [ipc.IpcPerm, "struct ipc64_perm"],
      [ipc.ShmidDs, "struct shmid64_ds"],
      [ipc.SemidDs, "struct semid64_ds"],
      [ipc.MsqidDs, "struct msqid64_ds"],
      [ipc.Sembuf, "struct sembuf"],
      [ipc.Shminfo, "struct shminfo64"],
      [ipc.ShmInfo, "struct shm_info"],
      [ipc.Seminfo, "struct seminfo"],
      [ipc.Msginfo, "struct msginfo"],
    ],
  },
];

/** Structures that Linux makes longer from time to time: newer headers may have more than what is declared. */
const growing: ReadonlySet<string> = new Set(["struct tcp_info", "struct mount_attr"]);

/** Packed headers that end in a flexible part, so that only the offsets can be compared. */
const headers: readonly [StructType<Fields>, number][] = [
  [file.Dirent64, 19],
  [file.Dirent, 18],
];

const skip = !await haveCompiler();

for (const { includes, rows } of groups) {
  const name = rows.map(([type]) => type.name).join(", ");
  Deno.test({
    name: `the C compiler lays out ${name} as declared${skip ? " (skipped: no gcc)" : ""}`,
    ignore: skip,
    async fn() {
      const lines: string[] = [];
      const expected: string[] = [];
      for (const [type, cType, names = {}] of rows) {
        if (!growing.has(cType)) {
          lines.push(`printf("${cType} %zu\\n", sizeof(${cType}));`);
          expected.push(`${cType} ${type.size}`);
        }
        for (const field of Object.keys(type.fields)) {
          const cField = names[field] ?? field;
          if (field.startsWith("_") || cField === "") continue;
          lines.push(`printf("${cType}.${cField} %zu\\n", offsetof(${cType}, ${cField}));`);
          expected.push(`${cType}.${cField} ${type.offsets[field]}`);
        }
      }
      const source = [
        "#define _GNU_SOURCE",
        ...includes.map((header) => `#include <${header}>`),
        "int printf(const char *, ...);",
        "int main(void) {",
        ...lines,
        "return 0; }",
      ].join("\n");
      assert.deepEqual((await runC(source)).trim().split("\n"), expected);
    },
  });
}

Deno.test("the fixed part of a directory entry ends where its name begins", () => {
  for (const [type, size] of headers) assert.equal(type.size, size);
});
