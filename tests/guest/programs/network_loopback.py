# stderr: any
# TCP, UDP and HTTP between threads by way of the loopback interface.
import asyncio, http.server, os, select, socket, struct, threading, urllib.request

os.chdir("/")
listener = socket.socket()
listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
print("unbound", listener.getsockname())
listener.bind(("127.0.0.1", 0))
listener.listen(5)
address = listener.getsockname()

accepted = []


def serve():
    connection, peer = listener.accept()
    accepted.append(peer[0])
    total = 0
    while data := connection.recv(65536):
        total += len(data)
    connection.sendall(b"total %d" % total)
    connection.close()


thread = threading.Thread(target=serve)
thread.start()
client = socket.create_connection(address)
client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
print("nodelay", client.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) != 0)
print("peer", client.getpeername() == address)
client.sendall(b"x" * 3_000_000)
client.shutdown(socket.SHUT_WR)
print(client.recv(100), client.recv(100))
thread.join()
print("accepted from", accepted)
try:
    socket.create_connection(("127.0.0.1", 1))
except OSError as error:
    print("refused", error.errno)
try:
    listener.bind(address)
except OSError as error:
    print("bound twice", error.errno)
other = socket.socket()
try:
    other.bind(address)
except OSError as error:
    print("in use", error.errno)

receiver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
receiver.bind(("127.0.0.1", 0))
sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sender.sendto(b"question", receiver.getsockname())
data, source = receiver.recvfrom(100)
print(data, source[0])
receiver.sendto(b"answer", source)
print(sender.recv(4), select.select([sender], [], [], 0)[0])
sender.connect(("127.0.0.1", 9))
sender.send(b"nobody")
try:
    sender.recv(10)
except OSError as error:
    print("unreachable port", error.errno)

six = socket.socket(socket.AF_INET6)
six.bind(("::1", 0))
six.listen()
client = socket.create_connection(six.getsockname()[:2])
end, peer = six.accept()
client.send(b"over IPv6")
print(end.recv(100), peer[0])
both = socket.create_server(("", 0), family=socket.AF_INET6, dualstack_ipv6=True)
client = socket.create_connection(("127.0.0.1", both.getsockname()[1]))
print("mapped", both.accept()[1][0])

handler = http.server.SimpleHTTPRequestHandler
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
threading.Thread(target=server.serve_forever, daemon=True).start()
port = server.server_address[1]
print("http", urllib.request.urlopen(f"http://127.0.0.1:{port}/etc/passwd").status)
server.shutdown()


async def echo():
    async def handle(reader, writer):
        writer.write(await reader.readline())
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    writer.write(b"line\n")
    print(await reader.readline(), await reader.read())
    server.close()


asyncio.run(echo())

busy = socket.socket()
busy.setblocking(False)
print("in progress", busy.connect_ex(listener.getsockname()))
select.select([], [busy], [], 5)
print("error", busy.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR))
slow = socket.socket()
slow.settimeout(0.05)
slow.bind(("127.0.0.1", 0))
slow.listen()
try:
    slow.accept()
except TimeoutError as error:
    print(repr(error))
reset = socket.create_connection(slow.getsockname())
end, _ = slow.accept()
end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
end.close()
try:
    reset.recv(1)
except OSError as error:
    print("reset", error.errno)
print(socket.gethostbyname("localhost"))
