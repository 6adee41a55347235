import assert from "node:assert/strict";
import { groupPath } from "../../../src/container/cgroups.ts";

Deno.test("a scope lies beneath the slices that its slice is named after, as with systemd", () => {
  const cases: [given: string, path: string][] = [
    ["", "/system.slice/runsc-c.scope"],
    ["::c", "/system.slice/c.scope"],
    [":p:c", "/system.slice/p-c.scope"],
    ["user.slice:libpod:abc", "/user.slice/libpod-abc.scope"],
    ["a-b-c.slice:p:c", "/a.slice/a-b.slice/a-b-c.slice/p-c.scope"],
    ["-.slice:p:c", "/p-c.scope"],
  ];
  for (const [given, path] of cases) {
    assert.equal(groupPath({ cgroupsPath: given }, "c", true), path);
  }
  for (
    const bad of ["a", "a:b", "a.slice:b:", "a:b:c", "a/b.slice:p:c", "a--b.slice:p:c", "x:y:z:w"]
  ) {
    assert.throws(
      () => groupPath({ cgroupsPath: bad }, "c", true),
      /^RunscError: invalid cgroupsPath/,
    );
  }
});

Deno.test("paths of groups stay below the mount points", () => {
  assert.equal(groupPath({ cgroupsPath: "/a//./b/" }, "c", false), "/a/b");
  assert.equal(groupPath({ cgroupsPath: "a" }, "c", false), "/a");
  assert.equal(groupPath({}, "c", false), null);
  assert.equal(groupPath({ resources: {} }, "c", false), "/c");
  for (const bad of ["/..", "../x", "/a/../../b"]) {
    assert.throws(() => groupPath({ cgroupsPath: bad }, "c", false), /contains '\.\.'/);
  }
});
