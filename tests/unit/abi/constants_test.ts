import assert from "node:assert/strict";

import * as auxv from "../../../src/abi/auxv.ts";
import * as bpf from "../../../src/abi/bpf.ts";
import * as capability from "../../../src/abi/capability.ts";
import * as elf from "../../../src/abi/elf.ts";
import * as errno from "../../../src/abi/errno.ts";
import * as eventfd from "../../../src/abi/eventfd.ts";
import * as fcntl from "../../../src/abi/fcntl.ts";
import * as futex from "../../../src/abi/futex.ts";
import * as ioctl from "../../../src/abi/ioctl.ts";
import * as ipc from "../../../src/abi/ipc.ts";
import * as mman from "../../../src/abi/mman.ts";
import * as mount from "../../../src/abi/mount.ts";
import * as netlink from "../../../src/abi/netlink.ts";
import * as poll from "../../../src/abi/poll.ts";
import * as prctl from "../../../src/abi/prctl.ts";
import * as ptrace from "../../../src/abi/ptrace.ts";
import * as resource from "../../../src/abi/resource.ts";
import * as sched from "../../../src/abi/sched.ts";
import * as signals from "../../../src/abi/signals.ts";
import * as socket from "../../../src/abi/socket.ts";
import * as stat from "../../../src/abi/stat.ts";
import { SYS } from "../../../src/abi/syscall_numbers.ts";
import * as termios from "../../../src/abi/termios.ts";
import * as time from "../../../src/abi/time.ts";
import { haveCompiler, runC } from "./c_compiler.ts";

const skip = !await haveCompiler();

/** Each module, the headers that have its constants, and how it names them where it differs from C. */
const modules: readonly [
  name: string,
  module: object,
  headers: string,
  prefix?: [string, string],
][] = [
  ["auxv", auxv, "linux/auxvec.h", ["AUX_", "AT_"]],
  ["bpf", bpf, "linux/filter.h linux/bpf_common.h"],
  ["capability", capability, "linux/capability.h"],
  ["elf", elf, "elf.h"],
  ["errno", errno, "asm/errno.h"],
  ["eventfd", eventfd, "sys/eventfd.h sys/signalfd.h sys/inotify.h linux/fanotify.h"],
  [
    "fcntl",
    fcntl,
    "linux/fcntl.h linux/openat2.h linux/fs.h linux/falloc.h linux/fadvise.h linux/close_range.h linux/limits.h linux/uio.h",
  ],
  ["futex", futex, "linux/futex.h"],
  [
    "ioctl",
    ioctl,
    "sys/ioctl.h sys/socket.h asm/termbits.h linux/time_types.h linux/sockios.h linux/fs.h linux/fiemap.h linux/if.h linux/filter.h linux/if_tun.h linux/nsfs.h linux/random.h linux/rtc.h",
  ],
  ["ipc", ipc, "linux/ipc.h linux/shm.h linux/sem.h linux/msg.h"],
  ["mman", mman, "linux/mman.h linux/memfd.h linux/mempolicy.h"],
  ["mount", mount, "fcntl.h linux/mount.h linux/magic.h linux/xattr.h"],
  [
    "netlink",
    netlink,
    "net/if.h linux/netlink.h linux/rtnetlink.h linux/if_addr.h linux/neighbour.h",
  ],
  ["poll", poll, "asm/poll.h linux/types.h linux/eventpoll.h"],
  ["prctl", prctl, "linux/prctl.h asm/prctl.h linux/reboot.h linux/seccomp.h linux/random.h"],
  ["ptrace", ptrace, "linux/ptrace.h asm/ptrace-abi.h"],
  ["resource", resource, "linux/time.h linux/resource.h asm/resource.h"],
  ["sched", sched, "linux/sched.h linux/wait.h linux/resource.h linux/ioprio.h"],
  ["signals", signals, "asm/signal.h asm/siginfo.h"],
  [
    "socket",
    socket,
    "sys/socket.h netinet/in.h linux/tcp.h linux/udp.h linux/if_packet.h linux/if_ether.h linux/if_arp.h",
  ],
  ["stat", stat, "linux/stat.h linux/fs.h"],
  ["termios", termios, "asm/termbits.h"],
  ["time", time, "linux/time.h linux/timerfd.h linux/timex.h"],
  [
    "syscall_numbers",
    Object.fromEntries(Object.entries(SYS).map(([name, nr]) => [`__NR_${name}`, nr])),
    "asm/unistd.h",
  ],
];

/** Names that the headers use for something else, or where the C library hides what the kernel sees. */
const exceptions: ReadonlySet<string> = new Set([
  "NSIG",
  "SIGRTMIN",
  "SIGRTMAX",
  "NCCS",
  "RLIM_INFINITY",
]);

for (const [name, module, headers, prefix] of modules) {
  Deno.test({
    name: `${name}.ts gives constants the values of the C headers${
      skip ? " (skipped: no gcc)" : ""
    }`,
    ignore: skip,
    async fn() {
      const checks: string[] = [];
      for (const [constant, value] of Object.entries(module)) {
        if (typeof value !== "number" || exceptions.has(constant)) continue;
        const cName = prefix === undefined ? constant : constant.replace(prefix[0], prefix[1]);
        // 32-bit values are compared as unsigned ones: C gives some of them the type int.
        checks.push(
          `#ifdef ${cName}`,
          `n++; if ((unsigned)(${cName}) != ${value >>> 0}U) ` +
            `printf("${constant} is %lld\\n", (long long)(${cName}));`,
          "#endif",
        );
      }
      const source = [
        "#define _GNU_SOURCE",
        ...headers.split(" ").map((header) => `#include <${header}>`),
        "int printf(const char *, ...);",
        "int main(void) { int n = 0;",
        ...checks,
        'if (n == 0) printf("no constant is known to C\\n");',
        "return 0; }",
      ].join("\n");
      assert.equal(await runC(source), "");
    },
  });
}

Deno.test("error numbers of either sign have names and texts", () => {
  assert.equal(errno.errnoName(-errno.ENOENT), "ENOENT");
  assert.equal(errno.errnoName(errno.EAGAIN), "EAGAIN");
  assert.equal(errno.errnoText(-errno.ENOENT), "No such file or directory");
  assert.equal(errno.errnoName(4000), "E4000");
  assert.equal(errno.errnoText(4000), "Unknown error 4000");
});

Deno.test("signals are found by name, short name, number and real-time offset", () => {
  assert.equal(signals.signalByName("SIGTERM"), 15);
  assert.equal(signals.signalByName("kill"), 9);
  assert.equal(signals.signalByName("0"), 0);
  assert.equal(signals.signalByName("64"), 64);
  assert.equal(signals.signalByName("65"), 0);
  assert.equal(signals.signalByName("SIGRTMIN+1"), 35);
  assert.equal(signals.signalByName("RTMAX-1"), 63);
  assert.equal(signals.signalByName("SIGNONE"), 0);
  assert.equal(signals.signalName(11), "SIGSEGV");
  assert.equal(signals.signalName(34), "SIGRT_2");
});

Deno.test("capabilities and limits are found by the names that bundles use", () => {
  assert.equal(capability.capabilityByName("CAP_SYS_ADMIN"), 21);
  assert.equal(capability.capabilityName(40), "CAP_CHECKPOINT_RESTORE");
  assert.equal(capability.capabilityByName("CAP_NONE"), -1);
  assert.equal(resource.rlimitByName("RLIMIT_NOFILE"), resource.RLIMIT_NOFILE);
  assert.equal(resource.rlimitName(16), undefined);
});

Deno.test("an ioctl request number is put together as in C", () => {
  assert.equal(ioctl.ioc(ioctl.IOC_READ, 0x54, 0x30, 4), ioctl.TIOCGPTN);
  assert.equal(ioctl.iocSize(ioctl.TIOCGPTN), 4);
  assert.equal(ioctl.iocDirection(ioctl.TIOCGPTN), ioctl.IOC_READ);
});
