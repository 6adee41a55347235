# Files, sqlite3, json, hashing, compression, asyncio, unix sockets and exceptions of python.
import array, asyncio, bz2, collections, csv, datetime, decimal, fractions, glob, gzip, hashlib, io, itertools, json, lzma, math, os, pathlib, pickle, random, re, shutil, socket, sqlite3, stat, sys, tarfile, tempfile, threading, time, traceback, uuid, xml.etree.ElementTree as ET, zipfile, zlib

d = pathlib.Path(tempfile.mkdtemp())
db = sqlite3.connect(d / "x.db"); db.execute("create table t(a integer primary key, b text)"); db.executemany("insert into t(b) values(?)", [(f"row{i}",) for i in range(1000)]); db.commit(); print(db.execute("select count(*), max(b) from t").fetchone())
db.execute("pragma journal_mode=wal"); db.execute("begin"); db.execute("delete from t where a > 10"); db.rollback(); print(db.execute("select count(*) from t").fetchone(), sorted(os.listdir(d)))
def second(): c = sqlite3.connect(d / "x.db"); c.execute("insert into t(b) values('thread')"); c.commit(); c.close()
th = threading.Thread(target=second); th.start(); th.join(); print(db.execute("select b from t order by a desc limit 1").fetchone()); db.close()
(d / "sub" / "deep").mkdir(parents=True); (d / "sub" / "a.txt").write_text("text\n"); os.symlink("a.txt", d / "sub" / "l"); print(sorted(str(p.relative_to(d)) for p in d.rglob("*") if "x.db" not in p.name)); print([sorted(f) for _, _, f in os.walk(d / "sub")], glob.glob(str(d / "*" / "a*"))[0].endswith("a.txt"))
shutil.copytree(d / "sub", d / "copy", symlinks=True); print(os.readlink(d / "copy" / "l"), stat.filemode(os.lstat(d / "copy" / "l").st_mode)); os.chmod(d / "copy", 0o700); os.rename(d / "copy", d / "moved"); shutil.rmtree(d / "moved"); os.utime(d / "sub" / "a.txt", (1, 2)); print(os.stat(d / "sub" / "a.txt").st_mtime)
for bad in [lambda: open(d / "no"), lambda: os.mkdir(d / "sub"), lambda: os.rmdir(d / "sub"), lambda: open(d), lambda: os.listdir(d / "sub" / "a.txt"), lambda: os.open(d / "sub" / "l", os.O_NOFOLLOW), lambda: os.kill(999999, 0), lambda: os.read(999, 1)]:
    try: bad()
    except OSError as e: print(type(e).__name__, e.errno)
data = b"The quick brown fox " * 5000
print(hashlib.sha256(data).hexdigest()[:16], zlib.crc32(data), len(zlib.compress(data)), gzip.decompress(gzip.compress(data)) == data, len(bz2.compress(data)), lzma.decompress(lzma.compress(data)) == data)
with tarfile.open(d / "t.tgz", "w:gz") as t: t.add(d / "sub", "sub")
with tarfile.open(d / "t.tgz") as t: print(sorted(t.getnames()))
with zipfile.ZipFile(d / "z.zip", "w", zipfile.ZIP_DEFLATED) as z: z.writestr("x", data); print(z.infolist()[0].file_size)
print(json.dumps({"a": [1, 2.5, None, True], "b": {"c": "ü"}}), pickle.loads(pickle.dumps({1: (2, 3)})), math.pi, decimal.Decimal(1) / 7, fractions.Fraction(3, 6), random.Random(42).randint(0, 10 ** 9), 2 ** 200, list(itertools.permutations("abc"))[3], collections.Counter("banana").most_common(1), re.findall(r"\b\w{5}\b", "hello big world"), datetime.datetime.fromtimestamp(0, datetime.timezone.utc), ET.fromstring("<a><b x='1'/></a>")[0].attrib, array.array("d", [1.5]).tobytes().hex(), uuid.uuid5(uuid.NAMESPACE_DNS, "x"), time.strftime("%F", time.gmtime(0)))
async def ticker(name, n): [await asyncio.sleep(0.005) for _ in range(n)]; return name
async def run(cmd): p = await asyncio.create_subprocess_shell(cmd, stdout=asyncio.subprocess.PIPE); out, _ = await p.communicate(); return out, p.returncode
async def serve():
    async def echo(r, w): w.write((await r.readline()).upper()); await w.drain(); w.close()
    s = await asyncio.start_unix_server(echo, d / "sock"); r, w = await asyncio.open_unix_connection(d / "sock"); w.write(b"over a unix socket\n"); print(await r.read()); w.close(); s.close()
async def amain():
    print(await asyncio.gather(ticker("a", 3), ticker("b", 1), run("echo sub; exit 2"), asyncio.to_thread(lambda: "thread")))
    try: await asyncio.wait_for(asyncio.sleep(10), 0.02)
    except asyncio.TimeoutError: print("timeout")
    await serve()
asyncio.run(amain())
u = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM); u.bind("\0abstract-test"); v = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM); v.sendto(b"dgram", "\0abstract-test"); print(u.recvfrom(10)); print(len(os.urandom(16)), os.getcwd() == os.path.realpath("."), open("/proc/self/comm").read().strip(), os.readlink("/proc/self/exe").startswith("/usr"), len(open("/proc/self/maps").readlines()) > 10, open("/proc/self/cmdline", "rb").read().count(b"\0"))
def deep(n): return n and deep(n - 1)
try: deep(100000)
except RecursionError: print("RecursionError")
shutil.rmtree(d); print(os.path.exists(d)); sys.stderr.write("to stderr\n"); raise SystemExit("message and status 1")
