/** A sandbox on a veth of the host, with Linux's own stack at the other end. */
import assert from "node:assert/strict";
import { onPlatforms } from "../support/guest.ts";
import { isMissing } from "../support/tools.ts";
import { canMakeNamespaces, GUEST, GUEST6, Pair, PEER, PEER6 } from "./support/pair.ts";

const possible = await canMakeNamespaces();

function onPair(
  name: string,
  needs: string[],
  test: (pair: Pair, platform: string) => Promise<void>,
  platforms?: string[],
): void {
  if (!possible || isMissing(name, needs)) return Deno.test({ name, ignore: true, fn: () => {} });
  onPlatforms(name, async (platform) => {
    await using pair = await Pair.create();
    await test(pair, platform);
  }, { platforms });
}

onPair(
  "addresses and routes of the namespace are the sandbox's",
  ["ip"],
  async (pair, platform) => {
    const script = "ip -o addr show eth0; ip route; ip -6 route";
    const { stdout } = await pair.sandbox(platform, ["sh", "-c", script]);
    assert.match(stdout, /inet 10\.77\.0\.2\/24 /);
    assert.match(stdout, /inet6 fd77::2\/64 /);
    assert.match(stdout, /default via 10\.77\.0\.1 dev eth0/);
    assert.match(stdout, /default via fd77::1 dev eth0/);
  },
);

onPair("a sandbox answers to ping", ["ping"], async (pair, platform) => {
  const running = await pair.start(platform, ["sh", "-c", "echo up; sleep 60"]);
  await running.printed("up");
  for (const address of [GUEST, GUEST6]) {
    const { code, stdout } = await pair.onPeer(["ping", "-c1", "-W5", address]);
    assert.equal(code, 0, stdout);
  }
});

onPair("ping and ping6 get answers", ["ping"], async (pair, platform) => {
  const script = `ping -c1 -W5 ${PEER} && ping -c1 -W5 ${PEER6}`;
  const { code, stdout, stderr } = await pair.sandbox(platform, ["sh", "-c", script]);
  assert.equal(code, 0, stdout + stderr);
});

const SERVER = `
import http.server, socket, sys
class H(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = b"x" * int(self.path[1:])
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *args): pass
class S(http.server.ThreadingHTTPServer):
    address_family = socket.AF_INET6
s = S(("::", 8080), H)
print("ready", flush=True)
s.serve_forever()
`;

const HASH = "| sha256sum | cut -c1-8";

onPair(
  "curl and wget fetch from a server of the host",
  ["curl", "wget", "busybox", "python3"],
  async (pair, platform) => {
    await pair.serve(["python3", "-c", SERVER], "ready");
    const script = [
      `curl -s http://${PEER}:8080/20000000 ${HASH}`,
      `curl -s -g 'http://[${PEER6}]:8080/3000' ${HASH}`,
      `wget -qO- http://${PEER}:8080/3000000 ${HASH}`,
      `busybox wget -qO- http://${PEER}:8080/3000 ${HASH}`,
    ].join("; ");
    const inside = await pair.sandbox(platform, ["sh", "-c", script]);
    const outside = await pair.onPeer(["sh", "-c", script]);
    assert.equal(inside.stdout, outside.stdout);
    assert.equal(inside.stdout.split("\n").length, 5);
  },
);

onPair(
  "the host fetches from a server in the sandbox",
  ["curl", "python3"],
  async (pair, platform) => {
    const running = await pair.start(platform, ["python3", "-c", SERVER]);
    await running.printed("ready");
    const script = (address: string) => `curl -s -g http://${address}:8080/20000000 ${HASH}`;
    const at4 = await pair.onPeer(["sh", "-c", script(GUEST)]);
    const at6 = await pair.onPeer(["sh", "-c", script(`[${GUEST6}]`)]);
    const expected = "head -c 20000000 /dev/zero | tr '\\0' x " + HASH;
    const whole = (await pair.onPeer(["sh", "-c", expected])).stdout;
    assert.equal(at4.stdout, whole);
    assert.equal(at6.stdout, whole);
  },
);

onPair("packets are logged, and written for tcpdump", ["ping"], async (pair, platform) => {
  const file = await Deno.makeTempFile({ suffix: ".pcap" });
  const flags = ["--log-packets", "--pcap", file];
  const { stderr } = await pair.sandbox(platform, ["ping", "-c1", PEER], { flags });
  assert.match(stderr, /eth0 Out .*ICMP echo request/);
  assert.match(stderr, /eth0 In .*ICMP echo reply/);
  const bytes = await Deno.readFile(file);
  await Deno.remove(file);
  assert.equal(new DataView(bytes.buffer).getUint32(0, true), 0xa1b23c4d);
  assert.ok(bytes.length > 24 + 2 * 100);
}, ["systrap"]);
