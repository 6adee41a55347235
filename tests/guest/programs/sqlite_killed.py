# needs: python3
"""Processes that write to one data base with a write-ahead log are killed at random: what they were told is written is
there, and nothing is damaged."""
import os
import random
import signal
import sqlite3
import sys
import tempfile

random.seed(5)
path = os.path.join(tempfile.mkdtemp(), "base")


def connect():
    base = sqlite3.connect(path, timeout=60, isolation_level=None)
    base.execute("pragma journal_mode=wal")
    base.execute("pragma synchronous=normal")
    base.execute("pragma wal_autocheckpoint=20")
    return base


def write(who, out):
    base = connect()
    n = 0
    while True:
        base.execute("begin immediate")
        for i in range(5):
            base.execute("insert into t values (?, ?, ?)", (who, n, "x" * random.randrange(900)))
        base.execute("commit")
        os.write(out, b"%d %d\n" % (who, n))
        n += 1


base = connect()
base.execute("create table t (who, n, text)")
base.close()
told = {}
who = 0
for _ in range(5):
    inp, out = os.pipe()
    pids = []
    for _ in range(3):
        pid = os.fork()
        if pid == 0:
            os.close(inp)
            try:
                write(who, out)
            finally:
                os._exit(1)
        pids.append(pid)
        who += 1
    os.close(out)
    lines = os.fdopen(inp)
    wanted = random.randrange(20, 60)
    for count, line in enumerate(lines):
        writer, n = map(int, line.split())
        told[writer] = n
        if count == wanted:
            for pid in pids:
                os.kill(pid, signal.SIGKILL)
    for pid in pids:
        os.waitpid(pid, 0)

base = connect()
print(base.execute("pragma integrity_check").fetchone()[0])
for writer, n in sorted(told.items()):
    rows = base.execute("select n, count(*) from t where who = ? group by n", (writer,)).fetchall()
    if [r[0] for r in rows] != list(range(len(rows))) or any(r[1] != 5 for r in rows):
        print("torn", writer, rows)
    if len(rows) not in (n + 1, n + 2):
        print("lost", writer, n, len(rows))
print("checked")
