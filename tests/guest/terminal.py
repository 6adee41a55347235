"""Drives a program on a terminal: argv[1] is a list of [what to wait for, what to type] in JSON, the rest the program.

Prints all that the terminal showed, and the program's status.
"""
import fcntl, json, os, pty, select, struct, sys, termios, time

steps = json.loads(sys.argv[1])
pid, master = pty.fork()
if pid == 0:
    os.execvp(sys.argv[2], sys.argv[2:])
fcntl.ioctl(master, termios.TIOCSWINSZ, struct.pack("HHHH", 33, 101, 0, 0))
shown, at = b"", 0
deadline = time.monotonic() + 30


def read():
    global shown
    if not select.select([master], [], [], max(0, deadline - time.monotonic()))[0]:
        sys.stdout.write(f"late, shown so far: {shown!r}\n")
        os.kill(pid, 9)
        sys.exit(1)
    try:
        data = os.read(master, 65536)
    except OSError:
        data = b""
    shown += data.replace(b"\r", b"")
    return data != b""


for wanted, typed in steps:
    while wanted.encode() not in shown[at:]:
        if not read():
            break
    at = shown.find(wanted.encode(), at) + len(wanted)
    if typed.startswith("resize "):
        rows, columns = map(int, typed.split()[1:])
        fcntl.ioctl(master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
    else:
        os.write(master, typed.encode())
while read():
    pass
_, status = os.waitpid(pid, 0)
sys.stdout.write(shown.decode(errors="replace"))
sys.stdout.write(f"status {os.waitstatus_to_exitcode(status)}\n")
