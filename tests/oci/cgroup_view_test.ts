/** What a container sees of its control group, and limits that the sentry keeps by itself. */
import assert from "node:assert/strict";
import { busyboxRoot, runBundle, withBundle } from "../support/bundle.ts";
import { onPlatforms } from "../support/guest.ts";

const root = await busyboxRoot();

const SCRIPT = `cd /sys/fs/cgroup
grep cgroup /proc/mounts | cut -d' ' -f1-3
cat cgroup.controllers memory.max pids.max cpu.max
head -n 1 cgroup.procs
[ $(cat memory.current) -gt 4096 ] && echo counted
[ $(cat memory.current) -le $(cat memory.peak) ] && echo peak
grep -c usage_usec cpu.stat
mkdir sub 2>/dev/null || echo refused
cat /proc/self/cgroup
(i=0; while [ $i -lt 40 ]; do i=$((i+1)); sleep 5 & done) 2>/dev/null || echo full
`;

onPlatforms("the control group of a container", async (platform) => {
  const change = (spec: { linux?: { resources?: unknown } }) => {
    spec.linux!.resources = {
      memory: { limit: 256 << 20 },
      pids: { limit: 20 },
      cpu: { quota: 50000, period: 100000 },
    };
  };
  await withBundle(root!, ["sh", "-c", SCRIPT], change, async (bundle) => {
    const { stdout } = await runBundle(platform, bundle, {}, ["--ignore-cgroups"]);
    assert.equal(
      stdout,
      "cgroup /sys/fs/cgroup cgroup2\ncpuset cpu memory pids\n268435456\n20\n50000 100000\n1\n" +
        "counted\npeak\n1\nrefused\n0::/\nfull\n",
    );
  });
}, { needs: root === null ? ["busybox"] : [] });

const HUNGRY = `a=x; while :; do a=$a$a; done`;

onPlatforms("a limit of memory that bites", async (platform) => {
  const change = (spec: { linux?: { resources?: unknown } }) => {
    spec.linux!.resources = { memory: { limit: 64 << 20 } };
  };
  await withBundle(root!, ["sh", "-c", `(${HUNGRY}); echo still here`], change, async (bundle) => {
    const { stdout } = await runBundle(platform, bundle, {}, ["--ignore-cgroups"]);
    assert.equal(stdout, "still here\n");
  });
}, { needs: root === null ? ["busybox"] : [] });
