import assert from "node:assert/strict";
import { defaultSpec } from "../../src/container/default_spec.ts";
import { runsc } from "../support/runsc.ts";

type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

/** The default configuration with the member at `path` replaced, or removed where there is no value. */
function changed(path: string, value?: Json): string {
  const spec = JSON.parse(JSON.stringify(defaultSpec({ rootless: false })));
  const keys = path.split(".").map((key) => /^\d+$/.test(key) ? Number(key) : key);
  const last = keys.pop() as string | number;
  let at = spec;
  for (const key of keys) at = at[key] ??= {};
  if (value === undefined) delete at[last];
  else at[last] = value;
  return JSON.stringify(spec);
}

const LONG = "x".repeat(200_000);

const MALFORMED: [name: string, json: string, message: RegExp][] = [
  ["an empty file", "", /the file is empty$/],
  ["white space", " \n\t", /the file is empty$/],
  ["no JSON", "{", /not JSON: /],
  ["a cut string", '{"ociVersion": "1.0', /not JSON: /],
  ["a trailing comma", '{"ociVersion":"1.0.2",}', /not JSON: /],
  ["two values", "{}{}", /not JSON: /],
  ["an array", "[]", /the file must hold an object$/],
  ["null", "null", /the file must hold an object$/],
  ["a string", '"x"', /the file must hold an object$/],
  ["deep nesting", "[".repeat(100_000), /it nests deeper than 64 levels$/],
  ["an empty object", "{}", /ociVersion: is missing$/],
  ["a version that is none", changed("ociVersion", "x"), /ociVersion: must be a version/],
  ["a version number", changed("ociVersion", 1), /ociVersion: must be a string$/],
  ["a version to come", changed("ociVersion", "2.0.0"), /ociVersion: version 2\.0\.0 is not supp/],
  ["no process", changed("process"), /process: is missing$/],
  ["null for the process", changed("process", null), /process: is missing$/],
  ["a process that is a list", changed("process", []), /process: must be an object$/],
  ["no arguments", changed("process.args"), /process\.args: is missing$/],
  ["an empty list of arguments", changed("process.args", []), /process\.args: must not be empty$/],
  ["arguments as a string", changed("process.args", "sh"), /process\.args: must be an array$/],
  ["a number as argument", changed("process.args", ["sh", 1]), /process\.args\[1\]: must be a str/],
  ["an empty program", changed("process.args", [""]), /process\.args\[0\]: must not be empty$/],
  ["NUL in an argument", changed("process.args", ["sh\0"]), /process\.args\[0\]: .*a NUL byte$/],
  ["a huge argument", changed("process.args", [LONG]), /process\.args\[0\]: .*longer than 131072/],
  ["too many arguments", changed("process.args", Array(70000).fill("")), /more than 65536 items$/],
  ["no cwd", changed("process.cwd"), /process\.cwd: is missing$/],
  ["a relative cwd", changed("process.cwd", "tmp"), /process\.cwd: must be an absolute path/],
  ["an empty cwd", changed("process.cwd", ""), /process\.cwd: must be an absolute path/],
  [
    "an env without =",
    changed("process.env", ["A"]),
    /process\.env\[0\]: must be of the form NAME/,
  ],
  ["an env without name", changed("process.env", ["=A"]), /process\.env\[0\]: must be of the form/],
  ["env as an object", changed("process.env", { A: "b" }), /process\.env: must be an array$/],
  ["no user", changed("process.user"), /process\.user: is missing$/],
  ["no uid", changed("process.user", { gid: 0 }), /process\.user\.uid: is missing$/],
  ["a negative uid", changed("process.user.uid", -1), /process\.user\.uid: must be from 0 to/],
  ["a huge uid", changed("process.user.uid", 2 ** 32), /process\.user\.uid: must be from 0 to/],
  ["half a uid", changed("process.user.uid", 0.5), /process\.user\.uid: must be an integer$/],
  ["a uid by name", changed("process.user.uid", "root"), /process\.user\.uid: must be an integer$/],
  [
    "a bad umask",
    changed("process.user.umask", 4096),
    /process\.user\.umask: must be from 0 to 511/,
  ],
  [
    "groups that are none",
    changed("process.user.additionalGids", [-1]),
    /additionalGids\[0\]: must/,
  ],
  [
    "terminal as text",
    changed("process.terminal", "yes"),
    /process\.terminal: must be true or fal/,
  ],
  [
    "a capability that is none",
    changed("process.capabilities.bounding", ["x"]),
    /bounding\[0\]: must be the/,
  ],
  [
    "a rlimit that is none",
    changed("process.rlimits.0.type", "NOFILE"),
    /rlimits\[0\]\.type: must/,
  ],
  [
    "a soft limit above",
    changed("process.rlimits.0.soft", 4096),
    /rlimits\[0\]\.soft: must not be/,
  ],
  [
    "a rlimit twice",
    changed("process.rlimits", [0, 1].map(() => ({ type: "RLIMIT_CPU", soft: 1, hard: 1 }))),
    /process\.rlimits\[1\]: names RLIMIT_CPU a second time$/,
  ],
  [
    "a bad oom score",
    changed("process.oomScoreAdj", 1001),
    /oomScoreAdj: must be from -1000 to 1000/,
  ],
  ["no root", changed("root"), /root: is missing$/],
  ["no root path", changed("root", {}), /root\.path: is missing$/],
  ["an empty root path", changed("root.path", ""), /root\.path: must not be empty$/],
  [
    "NUL in the root path",
    changed("root.path", "a\0b"),
    /root\.path: must not contain a NUL byte$/,
  ],
  ["readonly as a number", changed("root.readonly", 1), /root\.readonly: must be true or false$/],
  ["a long host name", changed("hostname", "h".repeat(65)), /hostname: must not be longer than 64/],
  ["mounts as an object", changed("mounts", {}), /mounts: must be an array$/],
  ["a mount of nowhere", changed("mounts.0.destination"), /mounts\[0\]\.destination: is missing$/],
  [
    "an empty destination",
    changed("mounts.0.destination", ""),
    /mounts\[0\]\.destination: must not/,
  ],
  ["options as text", changed("mounts.1.options", "ro"), /mounts\[1\]\.options: must be an array$/],
  ["a null mount", changed("mounts.0", null), /mounts\[0\]: must be an object$/],
  [
    "a relative hook",
    changed("hooks", { poststop: [{ path: "x" }] }),
    /hooks\.poststop\[0\]\.path: mu/,
  ],
  [
    "a hook without time",
    changed("hooks", { prestart: [{ path: "/x", timeout: 0 }] }),
    /hooks\.prestart\[0\]\.timeout: must be from 1/,
  ],
  ["annotations as a list", changed("annotations", []), /annotations: must be an object$/],
  [
    "a number as annotation",
    changed("annotations", { a: 1 }),
    /annotations\["a"\]: must be a string/,
  ],
  [
    "a namespace that is none",
    changed("linux.namespaces.0.type", "x"),
    /namespaces\[0\]\.type: must/,
  ],
  [
    "a namespace twice",
    changed("linux.namespaces.0.type", "uts"),
    /namespaces\[3\]: names uts a sec/,
  ],
  [
    "a relative masked path",
    changed("linux.maskedPaths", ["x"]),
    /maskedPaths\[0\]: must be an abs/,
  ],
  [
    "a device without numbers",
    changed("linux.devices", [{ path: "/d", type: "c" }]),
    /major: is miss/,
  ],
  [
    "a device that is none",
    changed("linux.devices", [{ path: "/d", type: "x" }]),
    /\.type: must be on/,
  ],
  [
    "odd device access",
    changed("linux.resources.devices.0.access", "x"),
    /access: must be made of r/,
  ],
  [
    "a limit as text",
    changed("linux.resources.memory", { limit: "1G" }),
    /memory\.limit: must be an/,
  ],
  ["no pids limit", changed("linux.resources.pids", {}), /pids\.limit: is missing$/],
  [
    "a seccomp action",
    changed("linux.seccomp", { defaultAction: "deny" }),
    /defaultAction: must be t/,
  ],
  [
    "an odd propagation",
    changed("linux.rootfsPropagation", "x"),
    /rootfsPropagation: must be one of/,
  ],
];

async function withBundle(test: (bundle: string) => Promise<void>): Promise<void> {
  const bundle = await Deno.makeTempDir();
  try {
    await Deno.mkdir(`${bundle}/rootfs`);
    await test(bundle);
  } finally {
    await Deno.remove(bundle, { recursive: true });
  }
}

/** Runs the bundle, which has to fail in one line; resolves to that line without the program's name. */
async function failure(bundle: string, args: string[] = []): Promise<string> {
  const { code, stdout, stderr } = await runsc(["run", "--bundle", bundle, ...args, "test"]);
  assert.equal(code, 1);
  assert.equal(stdout, "");
  assert.match(stderr, /^runsc: [^\n]{1,400}\n$/);
  return stderr.slice("runsc: ".length, -1);
}

for (const [name, json, message] of MALFORMED) {
  Deno.test(`a config.json with ${name} gives one clear line`, async () => {
    await withBundle(async (bundle) => {
      await Deno.writeTextFile(`${bundle}/config.json`, json);
      const line = await failure(bundle);
      assert.ok(line.startsWith(`invalid configuration ${bundle}/config.json: `), line);
      assert.match(line, message);
    });
  });
}

Deno.test("a bundle that is no directory gives one clear line", async () => {
  assert.equal(
    await failure("/nowhere/bundle"),
    "cannot open bundle /nowhere/bundle: no such file or directory",
  );
  assert.equal(await failure("/etc/passwd"), "cannot open bundle /etc/passwd: not a directory");
});

Deno.test("a bundle without a readable config.json gives one clear line", async () => {
  await withBundle(async (bundle) => {
    const config = `${bundle}/config.json`;
    assert.match(
      await failure(bundle),
      /^cannot read .*: no such file or directory \('runsc spec' /,
    );
    await Deno.mkdir(config);
    assert.match(await failure(bundle), /^cannot read .*: it is no regular file$/);
    await Deno.remove(config);
    await new Deno.Command("mkfifo", { args: [config] }).output();
    assert.match(await failure(bundle), /^cannot read .*: it is no regular file$/);
    await Deno.remove(config);
    await Deno.writeFile(config, new Uint8Array([0x7b, 0xff, 0x7d]));
    assert.match(await failure(bundle), /^cannot read .*: it is not UTF-8$/);
    await Deno.truncate(config, 17 * 2 ** 20);
    assert.match(await failure(bundle), /^cannot read .*: it has \d+ bytes, more than/);
  });
});

Deno.test("a root file system that is no directory gives one clear line", async () => {
  await withBundle(async (bundle) => {
    const write = (path: string) =>
      Deno.writeTextFile(`${bundle}/config.json`, changed("root.path", path));
    await write("missing");
    assert.match(await failure(bundle), /^cannot open root file system .*\/missing: no such file/);
    await write("config.json");
    assert.match(await failure(bundle), /^cannot open root file system .*\/config.json: not a dir/);
    await Deno.symlink("loop", `${bundle}/loop`);
    await write("loop");
    assert.match(await failure(bundle), /^cannot open root file system .*\/loop: too many levels/);
  });
});

Deno.test("descriptors to preserve have to be a number", async () => {
  await withBundle(async (bundle) => {
    await Deno.writeTextFile(`${bundle}/config.json`, changed("hostname", "x"));
    for (const text of ["x", "1e3", "-0", "99999999"]) {
      const line = await failure(bundle, [`--preserve-fds=${text}`]);
      assert.match(line, /^flag --preserve-fds must be a number, not /);
    }
  });
});
