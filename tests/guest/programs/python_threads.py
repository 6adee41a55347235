# Threads, locks, queues, conditions, barriers, timers and executors of python.
import concurrent.futures, queue, sys, threading, time

counter, lock = 0, threading.Lock()

def add():
    global counter
    for _ in range(2000):
        with lock:
            counter += 1

threads = [threading.Thread(target=add) for _ in range(8)]
for t in threads: t.start()
for t in threads: t.join()
print("counter", counter)

q, results = queue.Queue(4), []
def worker():
    while (item := q.get()) is not None:
        results.append(item * item)
        q.task_done()
workers = [threading.Thread(target=worker) for _ in range(3)]
for w in workers: w.start()
for i in range(50): q.put(i)
q.join()
for _ in workers: q.put(None)
for w in workers: w.join()
print("queue", sum(results))

ready, cond = [], threading.Condition()
def consumer():
    with cond:
        cond.wait_for(lambda: len(ready) == 3)
        print("condition", sorted(ready))
c = threading.Thread(target=consumer); c.start()
for i in range(3):
    with cond:
        ready.append(i); cond.notify_all()
c.join()

barrier, order = threading.Barrier(4), []
def phase(n):
    for p in range(3):
        order.append(p); barrier.wait()
ts = [threading.Thread(target=phase, args=(n,)) for n in range(4)]
for t in ts: t.start()
for t in ts: t.join()
print("barrier", order == sorted(order), len(order))

event = threading.Event()
threading.Timer(0.02, event.set).start()
print("event", event.wait(10), "timeout", threading.Event().wait(0.01))
sem = threading.Semaphore(2); print("semaphore", sem.acquire(), sem.acquire(), sem.acquire(blocking=False))
local = threading.local(); local.x = 1
def other(): print("local", hasattr(local, "x"))
t = threading.Thread(target=other); t.start(); t.join()
with concurrent.futures.ThreadPoolExecutor(4) as pool: print("pool", list(pool.map(lambda x: x ** 3, range(6))))
def crash(): raise ValueError("in a thread")
threading.excepthook = lambda a: print("hook", a.exc_type.__name__, a.exc_value)
t = threading.Thread(target=crash); t.start(); t.join()
start = time.monotonic(); time.sleep(0.03); print("slept", time.monotonic() - start >= 0.03)
print("daemon", threading.active_count()); threading.Thread(target=time.sleep, args=(100,), daemon=True).start()
sys.exit(4)
