# subprocess, os.fork, pipes, signals, multiprocessing, mmap and shared memory of python.
import ctypes, mmap, multiprocessing as mp, os, select, signal, socket, struct, subprocess, sys, tempfile, time

def square(x): return x * x
def producer(q): [q.put(i) for i in range(5)]; q.put(None)
def bump(v, n):
    for _ in range(n):
        with v.get_lock(): v.value += 1

def main():
    print(subprocess.run(["sh", "-c", "echo out; echo err >&2; exit 3"], capture_output=True, text=True))
    print(subprocess.check_output(["tr", "a-z", "A-Z"], input=b"shout"))
    p = subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE); print(p.communicate(b"x" * 200000)[0] == b"x" * 200000)
    try: subprocess.run(["sleep", "10"], timeout=0.05)
    except subprocess.TimeoutExpired: print("timeout")
    print(subprocess.run(["sh", "-c", "kill -9 $$"]).returncode, subprocess.call("exit 5", shell=True))
    try: subprocess.run(["/nonexistent"])
    except FileNotFoundError as e: print(e)
    try: subprocess.run(["true"], cwd="/nonexistent")
    except FileNotFoundError as e: print(e)
    print(subprocess.run(["sh", "-c", "echo $V; pwd"], env={"V": "value"}, cwd="/", capture_output=True).stdout)
    print(subprocess.run("ulimit -n", shell=True, preexec_fn=lambda: __import__("resource").setrlimit(7, (33, 33)), capture_output=True).stdout)
    r, w = os.pipe(); pid = os.fork()
    if pid == 0: os.write(w, b"from child"); os._exit(6)
    _, status = os.waitpid(pid, 0); print(os.read(r, 100), os.waitstatus_to_exitcode(status))
    got = []; signal.signal(signal.SIGUSR1, lambda s, f: got.append(s)); os.kill(os.getpid(), signal.SIGUSR1); print("signals", got)
    signal.signal(signal.SIGALRM, lambda s, f: (_ for _ in ()).throw(TimeoutError("alarm"))); signal.setitimer(signal.ITIMER_REAL, 0.03)
    try: time.sleep(10)
    except TimeoutError as e: print(e)
    print(signal.sigtimedwait([signal.SIGUSR2], 0.01)); signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR2]); os.kill(os.getpid(), signal.SIGUSR2); print(signal.sigpending(), signal.sigwait([signal.SIGUSR2]))
    for method in ["fork", "spawn", "forkserver"]:
        ctx = mp.get_context(method)
        with ctx.Pool(2) as pool: print(method, pool.map(square, range(8)))
    q = mp.Queue(); pr = mp.Process(target=producer, args=(q,)); pr.start(); print(list(iter(q.get, None))); pr.join(); print(pr.exitcode)
    v = mp.Value("i", 0); ps = [mp.Process(target=bump, args=(v, 200)) for _ in range(4)]; [x.start() for x in ps]; [x.join() for x in ps]; print("value", v.value)
    from multiprocessing import shared_memory
    s = shared_memory.SharedMemory(create=True, size=4096); s.buf[:5] = b"hello"; t = shared_memory.SharedMemory(s.name); print(bytes(t.buf[:5])); t.close(); s.close(); s.unlink()
    with tempfile.TemporaryDirectory() as d, open(d + "/f", "w+b") as f:
        f.write(b"0123456789" * 1000); f.flush(); m = mmap.mmap(f.fileno(), 0); m[0:4] = b"MMAP"; m.flush(); f.seek(0); print(f.read(8), m.find(b"9"), len(m)); m.close()
    with tempfile.NamedTemporaryFile() as f: print(os.path.exists(f.name), oct(os.fstat(f.fileno()).st_mode))
    with tempfile.TemporaryFile() as f: f.write(b"abc"); f.seek(0); print(f.read())
    a, b = socket.socketpair(); a.sendall(b"ping"); print(b.recv(10)); socket.send_fds(a, [b"fd"], [1]); m, fds, *_ = socket.recv_fds(b, 10, 1); print(m, len(fds), os.fstat(fds[0]).st_ino == os.fstat(1).st_ino)
    ep = select.epoll(); ep.register(b, select.EPOLLIN); print(ep.poll(0)); a.send(b"x"); print([e for _, e in ep.poll(1)]); print(select.select([b], [a], [], 0) == ([b], [a], []))
    libc = ctypes.CDLL(None, use_errno=True); print(libc.strlen(b"four"), libc.abs(-5)); libc.open(b"/nonexistent", 0); print(os.strerror(ctypes.get_errno()))
    CMP = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_int), ctypes.POINTER(ctypes.c_int)); arr = (ctypes.c_int * 5)(5, 2, 4, 1, 3); libc.qsort(arr, 5, 4, CMP(lambda x, y: x[0] - y[0])); print(list(arr))
    print(os.cpu_count() > 0, os.getloadavg() is not None, sys.platform, os.sysconf("SC_PAGE_SIZE"), os.get_terminal_size.__name__, struct.pack("<I", 1))
    fd = os.memfd_create("m"); os.write(fd, b"memfd"); print(os.pread(fd, 5, 0)); e = os.eventfd(3); print(os.eventfd_read(e)); print(os.sched_getaffinity(0) != set(), os.getpriority(os.PRIO_PROCESS, 0))
    sys.stdout.flush(); os.execv("/bin/sh", ["sh", "-c", "echo replaced; exit 8"])

if __name__ == "__main__": main()
