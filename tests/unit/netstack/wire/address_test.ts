import assert from "node:assert/strict";
import {
  commonPrefix,
  formatMac,
  ip,
  multicastMac,
  parseIp,
  parseMac,
  solicitedNode,
} from "../../../../src/netstack/wire/address.ts";

Deno.test("addresses print as RFC 5952 says and parse back", () => {
  for (
    const [text, canonical] of [
      ["10.0.0.1", "10.0.0.1"],
      ["::", "::"],
      ["::1", "::1"],
      ["2001:db8:0:0:0:0:0:1", "2001:db8::1"],
      ["2001:0:0:1:0:0:0:1", "2001:0:0:1::1"],
      ["fe80::0:1", "fe80::1"],
      ["1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8"],
      ["::ffff:1.2.3.4", "1.2.3.4"],
      ["2001:db8::1.2.3.4", "2001:db8::102:304"],
    ]
  ) assert.equal(String(ip(text)), canonical);
});

Deno.test("what is no address does not parse", () => {
  for (
    const text of [
      "",
      "1.2.3",
      "1.2.3.256",
      "1.2.3.4.5",
      ":::",
      "1::2::3",
      "1:2:3:4:5:6:7:8:9",
      "g::",
      "12345::",
      "1:2",
    ]
  ) assert.equal(parseIp(text), null, text);
});

Deno.test("addresses know their kind", () => {
  assert(ip("127.9.9.9").isLoopback && ip("::1").isLoopback);
  assert(ip("224.0.0.1").isMulticast && ip("ff02::1").isMulticast);
  assert(ip("169.254.1.1").isLinkLocal && ip("fe80::1").isLinkLocal);
  assert(ip("0.0.0.0").isAny && ip("::").isAny && !ip("::1").isAny);
  assert(ip("10.1.2.3").inPrefix(ip("10.0.0.0"), 8));
  assert(!ip("11.1.2.3").inPrefix(ip("10.0.0.0"), 8));
  assert(ip("8.8.8.8").inPrefix(ip("0.0.0.0"), 0));
  assert(!ip("8.8.8.8").inPrefix(ip("::"), 0));
  assert(ip("2001:db8:1::5").inPrefix(ip("2001:db8::"), 32));
  assert.equal(String(ip("2001:db8:ffff::1").masked(36)), "2001:db8:f000::");
  assert.equal(String(ip("10.1.2.3").masked(20)), "10.1.0.0");
  assert.equal(commonPrefix(ip("2001:db8::"), ip("2001:db9::")), 31);
});

Deno.test("hardware addresses follow from groups and print", () => {
  assert.equal(formatMac(multicastMac(ip("239.129.2.3"))), "01:00:5e:01:02:03");
  assert.equal(formatMac(multicastMac(ip("ff02::1:ff00:1"))), "33:33:ff:00:00:01");
  assert.equal(String(solicitedNode(ip("fe80::aabb:ccdd"))), "ff02::1:ffbb:ccdd");
  assert.equal(parseMac("02:00:00:00:00:01"), 0x020000000001);
  assert.equal(parseMac("02:00:00:00:00"), -1);
});
