/** What a container's process is given by its configuration, compared with what runc gives it. */
import assert from "node:assert/strict";
import type { OciSpec } from "../../src/container/oci_spec.ts";
import {
  busyboxRoot,
  hasReference,
  runBundle,
  runReference,
  withBundle,
} from "../support/bundle.ts";
import { onPlatforms } from "../support/guest.ts";
import type { Outcome } from "../support/runsc.ts";

const root = await busyboxRoot();
const compared = root !== null && await hasReference();

type Process = NonNullable<OciSpec["process"]>;

/** Registers a test that a script does the same under runc, with the process changed so. */
function same(
  name: string,
  script: string,
  change: (process: Process, spec: OciSpec) => void = () => {},
) {
  if (root === null || !compared) return Deno.test({ name, ignore: true, fn: () => {} });
  let expected: Outcome | null = null;
  onPlatforms(name, async (platform) => {
    const apply = (spec: OciSpec) => change(spec.process as Process, spec);
    await withBundle(root, ["sh", "-c", script], apply, async (bundle) => {
      expected ??= await runReference(bundle);
      const actual = await runBundle(platform, bundle);
      assert.deepEqual(actual, expected);
    });
  });
}

same("a status passes through", "echo out; echo err >&2; exit 42");
same("a signal becomes 128+N", "kill -TERM $$; kill -9 $$");
same("the environment is exactly that of the configuration", "env | sort", (p) => {
  p.env = ["PATH=/bin", "A=1", "EMPTY=", "UTF=ü ✓", "TWICE=1", "TWICE=2"];
});
same("the working directory is entered", "pwd; ls /proc/self/cwd/passwd", (p) => p.cwd = "/etc");
same(
  "the user has its ids and groups",
  "id; umask; grep -E '^(Uid|Gid|Groups)' /proc/self/status",
  (p) => {
    p.user = { uid: 1000, gid: 1000, additionalGids: [5, 2000], umask: 0o27 };
  },
);
same(
  "the user cannot do what root can",
  "touch /etc/x 2>&1; cat /proc/1/environ > /dev/null; chown 0 /tmp 2>&1; hostname x 2>&1; echo $?",
  (p, s) => {
    p.user = { uid: 1000, gid: 1000 };
    p.capabilities = {};
    s.root = { path: s.root?.path ?? "", readonly: true };
  },
);
same(
  "the host name is the container's own",
  "hostname; cat /proc/sys/kernel/hostname; uname -n",
  (_, s) => s.hostname = "box-1",
);
same(
  "capabilities are what the configuration lists",
  "grep ^Cap /proc/self/status; grep NoNewPrivs /proc/self/status",
  (p) => {
    p.noNewPrivileges = false;
    p.capabilities = {
      bounding: ["CAP_CHOWN", "CAP_KILL", "CAP_SETUID", "CAP_SYS_ADMIN"],
      permitted: ["CAP_CHOWN", "CAP_KILL"],
      effective: ["CAP_CHOWN"],
      inheritable: ["CAP_KILL"],
      ambient: ["CAP_KILL"],
    };
  },
);
same("ambient capabilities are bounded by inheritable ones", "grep ^Cap /proc/self/status");
same("ambient capabilities reach an ordinary user", "grep ^Cap /proc/self/status", (p) => {
  p.user = { uid: 1000, gid: 1000 };
  const list = ["CAP_NET_BIND_SERVICE"];
  p.capabilities = {
    bounding: list,
    permitted: list,
    effective: list,
    inheritable: list,
    ambient: list,
  };
});
same(
  "limits are what the configuration says",
  "ulimit -n; ulimit -Hn; ulimit -c; ulimit -f; ulimit -s; cat /proc/self/limits | grep -E 'open files|core|stack'",
  (p) => {
    p.rlimits = [
      { type: "RLIMIT_NOFILE", soft: 77, hard: 99 },
      { type: "RLIMIT_CORE", soft: 0, hard: 0 },
      { type: "RLIMIT_FSIZE", soft: 1 << 20, hard: 1 << 21 },
      { type: "RLIMIT_STACK", soft: 4 << 20, hard: 8 << 20 },
    ];
  },
);
same("no new privileges are given", "grep NoNewPrivs /proc/self/status");
same(
  "the process is the first of its own",
  "echo $$; set -- /proc/[0-9]*; echo $#; cat /proc/1/comm; cat /proc/1/cmdline | tr '\\0' ' '",
);
same(
  "orphans become children of the first process",
  "(sh -c 'sleep 0.2; cut -d\" \" -f4 /proc/self/stat' &) ; sleep 0.6; echo end",
);
same(
  "the end of the first process ends all others",
  "sleep 100 & sh -c 'trap \"\" TERM; sleep 100' & exit 5",
);
same(
  "a program found by PATH",
  "x; echo $?; busybox echo here",
  (p) => p.env = ["PATH=/nowhere:/bin"],
);
same("standard input comes through", "cat; echo end");
same(
  "devices of a container",
  "for d in null zero full random urandom tty; do stat -c '%n %F %t,%T %a' /dev/$d; done; readlink /dev/fd /dev/stdin /dev/stdout /dev/stderr /dev/ptmx; head -c 3 /dev/zero | od -c; echo x > /dev/full; echo $?",
);
same(
  "the first process ignores signals it has no handler for",
  "kill -TERM 1; kill -INT 1; echo alive; trap 'echo caught' USR1; kill -USR1 1; exit 3",
);
