/** Mounts and the root file system of a container. */
import assert from "node:assert/strict";
import type { OciMount, OciSpec } from "../../src/container/oci_spec.ts";
import {
  busyboxRoot,
  hasReference,
  runBundle,
  runReference,
  withBundle,
} from "../support/bundle.ts";
import { onPlatforms } from "../support/guest.ts";
import { type Outcome, runProgram } from "../support/runsc.ts";

const root = await busyboxRoot();
const compared = root !== null && await hasReference();

interface Case {
  mounts?: (host: string) => OciMount[];
  readonly?: boolean;
  change?: (spec: OciSpec) => void;
}

/** The script does the same under runc and runsc, and leaves the same in the host's directory. */
function same(
  name: string,
  script: string,
  { mounts = () => [], readonly = false, change = () => {} }: Case,
) {
  if (root === null || !compared) return Deno.test({ name, ignore: true, fn: () => {} });
  let expected: { outcome: Outcome; left: string } | null = null;
  onPlatforms(name, async (platform) => {
    const run = async (runner: (bundle: string) => Promise<Outcome>) => {
      const host = await Deno.makeTempDir({ prefix: "runsc-host-" });
      let outcome: Outcome | null = null;
      try {
        await Deno.writeTextFile(`${host}/file`, "from the host\n");
        await Deno.mkdir(`${host}/sub`);
        await Deno.chmod(host, 0o755);
        // A root that may be written is a copy.
        await runProgram(["cp", "-a", root, `${host}/root`]);
        const apply = (spec: OciSpec) => {
          spec.root = { path: `${host}/root`, readonly };
          spec.mounts = [...spec.mounts ?? [], ...mounts(host)];
          change(spec);
        };
        await withBundle(root, ["sh", "-c", script], apply, async (bundle) => {
          outcome = await runner(bundle);
        });
        const { stdout } = await runProgram([
          "sh",
          "-c",
          "ls -lnR --time-style=+ file sub root/etc root/tmp; cat file sub/* root/etc/* 2>/dev/null",
        ], { cwd: host });
        return { outcome: outcome as unknown as Outcome, left: stdout };
      } finally {
        await runProgram(["rm", "-rf", host]);
      }
    };
    expected ??= await run((bundle) => runReference(bundle));
    const actual = await run((bundle) => runBundle(platform, bundle));
    assert.deepEqual(actual, expected);
  });
}

const LOOK = "grep -o ' /data [^ ]* ..' /proc/mounts | cut -c1-60; ";

same(
  "a root file system that may be written keeps what is written",
  "echo new > /etc/new; mkdir /etc/d; ln -s x /etc/l; ln /etc/new /etc/hard; rm /etc/group; echo more >> /etc/passwd; chmod 600 /etc/new; chown 7:8 /etc/new; mv /etc/d /etc/e; cat /etc/new; truncate -s 3 /etc/hard; sync",
  {},
);
same(
  "a root file system that is read-only stays as it was",
  "echo new > /etc/new; mkdir /d; rm /etc/passwd; echo $?; touch /etc/passwd; chmod 600 /etc/passwd; mv /etc /e; ln -s a /b; echo x > /tmp/x; ls /etc",
  { readonly: true },
);
same(
  "tmpfs has its mode and size",
  "stat -c '%a %F' /data; echo hi > /data/f; cat /data/f; dd if=/dev/zero of=/data/big bs=1k count=200 2>/dev/null; echo $?; stat -c %s /data/big; df -k /data | tail -1 | awk '{print $2}'",
  {
    mounts: () => [{
      destination: "/data",
      type: "tmpfs",
      source: "tmpfs",
      options: ["nosuid", "nodev", "mode=711", "size=100k"],
    }],
  },
);
same(
  "a directory of the host is bound",
  "cat /data/file; echo changed > /data/file; mkdir /data/sub/new; echo x > /data/sub/new/f; rm -r /data/sub/new; echo kept > /data/sub/kept; ls /data",
  {
    mounts: (
      host,
    ) => [{ destination: "/data", type: "bind", source: host, options: ["rbind", "rw"] }],
  },
);
same(
  "a directory of the host is bound read-only",
  "cat /data/file; echo changed > /data/file; touch /data/new; rm /data/file; mkdir /data/d; chmod 600 /data/file; echo $?; ls /data | grep -v root",
  {
    mounts: (
      host,
    ) => [{ destination: "/data", type: "bind", source: host, options: ["bind", "ro"] }],
  },
);
same(
  "a file of the host is bound",
  "cat /etc/hosts; echo more >> /etc/hosts; cat /etc/hosts; rm /etc/hosts; echo $?",
  {
    mounts: (
      host,
    ) => [{ destination: "/etc/hosts", type: "bind", source: `${host}/file`, options: ["bind"] }],
  },
);
same(
  "mounts lie over one another in their order",
  "ls /data; ls /data/inner; cat /data/inner/file",
  {
    mounts: (host) => [
      { destination: "/data", type: "tmpfs", source: "tmpfs" },
      { destination: "/data/inner", type: "bind", source: host, options: ["bind", "ro"] },
      { destination: "/data/inner/sub", type: "tmpfs", source: "tmpfs", options: ["ro"] },
    ],
  },
);
same(
  "noexec and nosuid hold",
  LOOK + "cp /bin/busybox /data/busybox; /data/busybox true; echo $?",
  {
    mounts: () => [{ destination: "/data", type: "tmpfs", source: "tmpfs", options: ["noexec"] }],
  },
);
same(
  "links of the root file system stay inside",
  "ln -s /etc/passwd /tmp/l; ln -s ../../../../etc /tmp/up; head -1 /tmp/l; ls /tmp/up; cat /tmp/up/../../etc/group; cd /; pwd; ls ../../.. | head -3",
  {},
);
same(
  "masked and read-only paths",
  "cat /proc/kcore | wc -c; echo x > /proc/sys/kernel/hostname; echo $?; ls /sys/firmware | wc -l",
  {},
);

onPlatforms(
  "a root file system whose links point outside leads to nothing of the host",
  async (platform) => {
    assert.ok(root !== null);
    const host = await Deno.makeTempDir({ prefix: "runsc-host-" });
    try {
      await Deno.writeTextFile(`${host}/secret`, "secret\n");
      await runProgram(["cp", "-a", root, `${host}/root`]);
      for (
        const [link, target] of [
          ["abs", `${host}/secret`],
          ["rel", "../../secret"],
          ["dir", ".."],
          ["deep", "../../../../../../../../etc/shadow"],
        ]
      ) {
        await Deno.symlink(target, `${host}/root/tmp/${link}`);
      }
      await Deno.remove(`${host}/root/root`);
      await Deno.symlink(host, `${host}/root/root`);
      const script =
        "cat /tmp/abs; cat /tmp/rel; cat /root/secret; cat /tmp/deep; cd /tmp/dir; ls; echo x > /tmp/abs; echo $?";
      await withBundle(`${host}/root`, ["sh", "-c", script], () => {}, async (bundle) => {
        const { stdout } = await runBundle(platform, bundle);
        assert.doesNotMatch(stdout, /secret\n|root:/);
      });
      assert.equal(await Deno.readTextFile(`${host}/secret`), "secret\n");
      // A mount point that is such a link, too.
      const mounts = (spec: OciSpec) => {
        spec.mounts = [...spec.mounts ?? [], {
          destination: "/root/new",
          type: "tmpfs",
          source: "tmpfs",
        }, { destination: "/tmp/dir/x", type: "tmpfs", source: "t" }];
      };
      await withBundle(`${host}/root`, ["true"], mounts, async (bundle) => {
        await runBundle(platform, bundle);
      });
      assert.deepEqual([...Deno.readDirSync(host)].map((e) => e.name).sort(), ["root", "secret"]);
    } finally {
      await runProgram(["rm", "-rf", host]);
    }
  },
  { needs: ["busybox"] },
);
