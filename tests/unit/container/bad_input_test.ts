/** Malformed input that no process is needed for: each gives one line that names the place. */
import assert from "node:assert/strict";
import { parseSpec } from "../../../src/container/bundle.ts";
import { checkContainerId } from "../../../src/container/container_id.ts";
import { defaultSpec } from "../../../src/container/default_spec.ts";
import { isRunscError } from "../../../src/container/error.ts";
import { readState } from "../../../src/container/state.ts";

type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

/** The default configuration with the member at `path` replaced. */
function changed(path: string, value: Json): string {
  const spec = JSON.parse(JSON.stringify(defaultSpec({ rootless: false })));
  const keys = path.split(".").map((key) => /^\d+$/.test(key) ? Number(key) : key);
  const last = keys.pop() as string | number;
  let at = spec;
  for (const key of keys) at = at[key] ??= {};
  at[last] = value;
  return JSON.stringify(spec);
}

function fails(action: () => unknown, message: RegExp): void {
  assert.throws(action, (error: unknown) => {
    assert.ok(isRunscError(error), String(error));
    assert.match(error.message, message);
    // deno-lint-ignore no-control-regex
    assert.doesNotMatch(error.message, /[\x00-\x1f\x7f]/);
    assert.ok(error.message.length < 600);
    return true;
  });
}

const MAPPING = { containerID: 0, hostID: 100000, size: 65536 };

const CONFIGS: [path: string, value: Json, message: RegExp][] = [
  ["linux.timeOffsets", { monotonic: { secs: 1 } }, /linux\.timeOffsets: needs a time namespace/],
  ["linux.timeOffsets", { realtime: { secs: 1 } }, /no members but monotonic and boottime/],
  ["linux.timeOffsets", [], /linux\.timeOffsets: must be an object/],
  ["linux.timeOffsets", { boottime: { secs: 0.5 } }, /secs: must be an integer/],
  ["linux.timeOffsets", { boottime: { nanosecs: -1 } }, /nanosecs: must be from 0/],
  ["linux.uidMappings", [MAPPING], /linux\.uidMappings: needs a user namespace/],
  ["linux.gidMappings", [MAPPING], /needs a user namespace/],
  ["linux.uidMappings", [{ containerID: 0, hostID: 0 }], /uidMappings\[0\]\.size: is missing/],
  ["linux.uidMappings", [{ ...MAPPING, hostID: -1 }], /uidMappings\[0\]\.hostID: must be from 0/],
  ["linux.uidMappings", Array(341).fill(MAPPING), /more than 340 items/],
  ["linux.personality", {}, /personality\.domain: is missing/],
  ["linux.personality", { domain: "BSD" }, /domain: must be one of LINUX, LINUX32/],
  ["linux.personality", { domain: "LINUX", flags: ["X"] }, /personality\.flags: must be empty/],
  ["linux.rootfsPropagation", "everywhere", /rootfsPropagation: must be one of/],
  ["linux.rootfsPropagation", 1, /rootfsPropagation: must be a string/],
  ["linux.cgroupsPath", 7, /cgroupsPath: must be a string/],
  ["linux.cgroupsPath", "x".repeat(5000), /cgroupsPath: must not be longer than 4095/],
  ["linux.resources.memory", { limit: "1G" }, /memory\.limit: must be an integer/],
  ["linux.resources.memory", { swappiness: -1 }, /memory\.swappiness: must be from 0/],
  ["linux.resources.cpu", { shares: -1 }, /cpu\.shares: must be from 0/],
  ["linux.resources.cpu", { cpus: 1 }, /cpu\.cpus: must be a string/],
  ["linux.resources.pids", {}, /pids\.limit: is missing/],
  ["linux.resources.blockIO", { weight: 70000 }, /blockIO\.weight: must be from 0 to 65535/],
  [
    "linux.resources.blockIO",
    { throttleReadBpsDevice: [{ major: 8 }] },
    /\[0\]\.minor: is missing/,
  ],
  ["linux.resources.hugepageLimits", [{ limit: 1 }], /hugepageLimits\[0\]\.pageSize: is missing/],
  ["linux.resources.rdma", { a: { hcaHandles: -1 } }, /rdma\["a"\]\.hcaHandles: must be from 0/],
  ["linux.resources.network", { classID: 2 ** 32 }, /network\.classID: must be from 0/],
  ["linux.resources.unified", { "memory.high": 5 }, /unified\["memory\.high"\]: must be a string/],
  ["linux.resources.devices", [{}], /devices\[0\]\.allow: is missing/],
  ["linux.resources.devices", [{ allow: true, access: "x" }], /access: must be made of r, w and m/],
  ["linux.devices", [{ path: "dev/x", type: "c" }], /devices\[0\]\.path: must be an absolute path/],
  ["linux.devices", [{ path: "/dev/x", type: "c" }], /devices\[0\]\.major: is missing/],
  ["linux.namespaces", [{ type: "pid" }, { type: "pid" }], /names pid a second time/],
  ["linux.namespaces", [{ type: "disk" }], /namespaces\[0\]\.type: must be one of/],
  ["linux.maskedPaths", ["proc"], /maskedPaths\[0\]: must be an absolute path/],
  ["linux.readonlyPaths", "/proc", /readonlyPaths: must be an array/],
  ["linux.sysctl", { "net.x": 1 }, /sysctl\["net\.x"\]: must be a string/],
  ["linux.seccomp", {}, /seccomp\.defaultAction: is missing/],
  ["linux.seccomp", { defaultAction: "KILL" }, /defaultAction: must be the name of a seccomp/],
  ["process.scheduler", {}, /scheduler\.policy: is missing/],
  ["process.scheduler", { policy: "FAST" }, /scheduler\.policy: must be one of SCHED_OTHER/],
  ["process.scheduler", { policy: "SCHED_OTHER", nice: 20 }, /scheduler\.nice: must be from -20/],
  ["process.ioPriority", { class: "BEST" }, /ioPriority\.class: must be one of IOPRIO_CLASS_RT/],
  [
    "process.ioPriority",
    { class: "IOPRIO_CLASS_BE", priority: 8 },
    /priority: must be from 0 to 7/,
  ],
  ["process.consoleSize", { height: 1 }, /consoleSize\.width: is missing/],
  ["process.consoleSize", { height: 65536, width: 1 }, /consoleSize\.height: must be from 0/],
  ["process.user.umask", -1, /user\.umask: must be from 0 to 511/],
  ["process.oomScoreAdj", -1001, /oomScoreAdj: must be from -1000/],
  ["domainname", "x".repeat(65), /domainname: must not be longer than 64/],
  ["domainname", 1, /domainname: must be a string/],
  ["hostname", "a\0b", /hostname: must not contain a NUL byte/],
  ["annotations", [], /annotations: must be an object/],
  ["annotations", { "io.kubernetes.cri.container-type": 1 }, /container-type"\]: must be a string/],
  ["annotations", { a: "x".repeat(200_000) }, /annotations\["a"\]: must not be longer than/],
  ["annotations", { ["k".repeat(5000)]: 1 }, /annotations\["k{40}…"\]: must be a string/],
  ["annotations", { "a\nb": null }, /annotations\["a\\nb"\]: must be a string/],
  ["hooks.startContainer", [{}], /startContainer\[0\]\.path: is missing/],
  ["hooks.poststop", [{ path: "x" }], /poststop\[0\]\.path: must be an absolute path/],
  ["hooks.prestart", [{ path: "/x", timeout: 0 }], /timeout: must be from 1/],
  ["mounts", [{}], /mounts\[0\]\.destination: is missing/],
  ["mounts", [{ destination: "" }], /mounts\[0\]\.destination: must not be empty/],
  ["mounts", [{ destination: "/a", options: "ro" }], /mounts\[0\]\.options: must be an array/],
  ["mounts", [{ destination: "/a", uidMappings: [{}] }], /uidMappings\[0\]\.containerID: is mis/],
  ["root", {}, /root\.path: is missing/],
  ["root", { path: "" }, /root\.path: must not be empty/],
];

Deno.test("members of config.json that can not be are named", () => {
  for (const [path, value, message] of CONFIGS) {
    fails(() => parseSpec(changed(path, value), "/b/config.json"), message);
  }
});

const IDS = ["", ".", "..", "../x", "a/b", "/", "a b", "a\n", "a\0", "ä", "*", "$(x)", "%", "a:b"];

Deno.test("names that can be no container's are refused", () => {
  for (const id of [...IDS, "x".repeat(1025), "x".repeat(5000), "../".repeat(2000)]) {
    fails(() => checkContainerId(id), /^invalid container id /);
  }
  for (const id of ["a", "A.b_c-d+e,f", "0", "...", "x".repeat(1024), "-"]) checkContainerId(id);
});

const STATE = {
  version: 1,
  id: "c",
  pid: 10,
  pidStart: "5",
  status: "running",
  bundle: "/b",
  rootfs: "/r",
  created: "2026-01-01T00:00:00Z",
  uid: 0,
  cgroups: {},
};

const STATES: [change: Record<string, Json>, message: RegExp][] = [
  [{ version: 2 }, /version: must be from 1 to 1/],
  [{ id: "" }, /id: must not be empty/],
  [{ id: null }, /id: is missing/],
  [{ pid: 0 }, /pid: must be from 1/],
  [{ pid: -1 }, /pid: must be from 1/],
  [{ pid: "10" }, /pid: must be an integer/],
  [{ pid: 2 ** 40 }, /pid: must be from 1/],
  [{ pidStart: 5 }, /pidStart: must be a string/],
  [{ status: "gone" }, /status: must be one of/],
  [{ bundle: "x".repeat(5000) }, /bundle: must not be longer/],
  [{ cgroups: { memory: "relative" } }, /cgroups\["memory"\]: must be an absolute path/],
  [{ cgroups: { memory: 1 } }, /cgroups\["memory"\]: must be a string/],
  [{ annotations: "x" }, /annotations: must be an object/],
  [{ uid: -1 }, /uid: must be from 0/],
];

Deno.test("state files that can not be are told", () => {
  const root = Deno.makeTempDirSync({ prefix: "runsc-state-" });
  try {
    Deno.mkdirSync(`${root}/c`);
    const path = `${root}/c/state.json`;
    for (const [change, message] of STATES) {
      Deno.writeTextFileSync(path, JSON.stringify({ ...STATE, ...change }));
      fails(() => readState(root, "c"), message);
    }
    Deno.removeSync(path);
    fails(() => readState(root, "c"), /^container does not exist c/);
    Deno.mkdirSync(path);
    fails(() => readState(root, "c"), /it is no state/);
  } finally {
    Deno.removeSync(root, { recursive: true });
  }
});
