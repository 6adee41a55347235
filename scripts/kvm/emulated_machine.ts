/**
 * A machine that QEMU emulates in software, with AMD's virtualisation, a stock Debian kernel and its kvm_amd: the place
 * to try the KVM platform on hosts that have no such thing themselves.
 */
import { cpio, type CpioEntry } from "./cpio.ts";
import { exists, install, run } from "./host.ts";

const KERNEL_PACKAGE = "linux-image-cloud-amd64";
/** In the order that they have to be loaded in. */
const MODULES = [
  "virtio_ring",
  "virtio",
  "virtio_pci_modern_dev",
  "virtio_pci_legacy_dev",
  "virtio_pci",
  "virtio_blk",
  "irqbypass",
  "kvm",
  "kvm-amd",
];
const BUSYBOX = "/bin/busybox";

/** The first program: loads modules, mounts the two disks and runs what the second one says. */
const INIT = `#!/bin/busybox sh
/bin/busybox mkdir -p /proc /sys /dev /bin
/bin/busybox mount -t proc proc /proc
/bin/busybox mount -t devtmpfs dev /dev
for m in ${MODULES.join(" ")}; do /bin/busybox insmod /modules/$m.ko; done
/bin/busybox mount -t ext4 -o ro /dev/vda /root
/bin/busybox mount -t ext4 -o ro /dev/vdb /root/trial
/bin/busybox mount -t proc proc /root/proc
/bin/busybox mount -t sysfs sys /root/sys
/bin/busybox mount -t devtmpfs dev /root/dev
/bin/busybox mkdir -p /root/dev/shm /root/dev/pts
/bin/busybox mount -t devpts pts /root/dev/pts
/bin/busybox mount -t tmpfs tmp /root/tmp
/bin/busybox mount -t tmpfs run /root/run
/bin/busybox mount -t cgroup2 cgroup /root/sys/fs/cgroup
/bin/busybox chroot /root /bin/bash /trial/run.sh
echo MACHINE-ENDS
/bin/busybox poweroff -f
`;

/** Packages of Debian whose files the machine's root file system has, with what they depend on. */
const ROOT_PACKAGES = ["bash", "coreutils", "busybox-static", "grep", "sed", "procps"];
/** And those of the programs that are tried in it. */
const PROGRAM_PACKAGES = ["python3", "git", "sqlite3", "gcc", "libc6-dev"];
/** What of packages is left out. */
const LEFT_OUT = /^\/usr\/share\/(doc|man|info|locale|lintian|bug)\/|^\/usr\/share\/perl|\/test\//;

export interface MachineRun {
  /** All that the console showed. */
  output: string;
  /** The machine came to its end by itself. */
  finished: boolean;
}

/** Gets kernel, root file system and QEMU into a directory that is kept. */
export class EmulatedMachine {
  readonly directory: string;

  constructor(directory: string) {
    this.directory = directory;
  }

  /** Does all that is needed once. */
  async prepare(): Promise<void> {
    await Deno.mkdir(this.directory, { recursive: true });
    await install([
      ["/usr/bin/qemu-system-x86_64", "qemu-system-x86"],
      [BUSYBOX, "busybox-static"],
      ["/usr/sbin/mke2fs", "e2fsprogs"],
      ["/usr/bin/git", "git"],
      ["/usr/bin/sqlite3", "sqlite3"],
      ["/usr/bin/python3", "python3"],
      ["/usr/bin/gcc", "gcc"],
      ["/usr/bin/ps", "procps"],
      ["/usr/include/stdio.h", "libc6-dev"],
    ]);
    if (!exists(`${this.directory}/kernel/boot`)) await this.#getKernel();
    await this.#makeInitramfs();
    if (!exists(`${this.directory}/system.img`)) await this.#makeRoot();
  }

  async #getKernel(): Promise<void> {
    const about = await run(["apt-cache", "depends", KERNEL_PACKAGE]);
    const name = /linux-image-[0-9]\S*/.exec(about)?.[0];
    if (name === undefined) throw new Error(`no kernel in: ${about}`);
    await run(["apt-get", "-qq", "download", name], this.directory);
    const file = [...Deno.readDirSync(this.directory)]
      .find((e) => e.name.startsWith(`${name}_`) && e.name.endsWith(".deb"))!;
    const scratch = `${this.directory}/kernel.${Deno.pid}`;
    await run(["dpkg", "-x", `${this.directory}/${file.name}`, scratch]);
    await Deno.rename(scratch, `${this.directory}/kernel`);
    await Deno.remove(`${this.directory}/${file.name}`);
  }

  get #kernel(): string {
    const boot = `${this.directory}/kernel/boot`;
    const file = [...Deno.readDirSync(boot)].find((e) => e.name.startsWith("vmlinuz"))!;
    return `${boot}/${file.name}`;
  }

  async #makeInitramfs(): Promise<void> {
    const found = await run(["find", `${this.directory}/kernel`, "-name", "*.ko"]);
    const paths = found.trim().split("\n");
    const entries: CpioEntry[] = [
      ...["bin", "modules", "root", "proc", "sys", "dev"].map((path) => ({ path, mode: 0o755 })),
      { path: "init", mode: 0o755, content: new TextEncoder().encode(INIT) },
      { path: "bin/busybox", mode: 0o755, content: await Deno.readFile(BUSYBOX) },
    ];
    for (const name of MODULES) {
      const path = paths.find((p) => p.endsWith(`/${name}.ko`));
      if (path === undefined) throw new Error(`the kernel has no module ${name}`);
      const content = await Deno.readFile(path);
      entries.push({ path: `modules/${name}.ko`, mode: 0o644, content });
    }
    await Deno.writeFile(`${this.directory}/initramfs`, cpio(entries));
  }

  async #makeRoot(): Promise<void> {
    const wanted = [...ROOT_PACKAGES, ...PROGRAM_PACKAGES];
    const without = ["recommends", "suggests", "conflicts", "breaks", "replaces", "enhances"];
    const flags = without.map((kind) => `--no-${kind}`);
    const closure = await run([
      "apt-cache",
      "depends",
      "--recurse",
      "--installed",
      ...flags,
      ...wanted,
    ]);
    const packages = [...new Set(closure.split("\n").filter((l) => /^[a-z0-9]/.test(l)))]
      .map((p) => p.replace(/:amd64$/, "")).filter((p) => !p.startsWith("perl-modules"));
    // What is only an alternative for a dependency may not be installed.
    const listing = `for p in ${packages.join(" ")}; do dpkg -L $p 2>/dev/null || true; done`;
    const files = (await run(["sh", "-c", listing])).split("\n")
      .filter((f) => f.startsWith("/") && f !== "/." && !LEFT_OUT.test(f));
    const scratch = `${this.directory}/root.${Deno.pid}`;
    await Deno.mkdir(scratch);
    const list = `${scratch}.list`;
    // Where the host's /bin is a link to /usr/bin, names below both are one file.
    const resolved = new Set<string>();
    for (const file of files) {
      if (!exists(file) || Deno.lstatSync(file).isDirectory) continue;
      const slash = file.lastIndexOf("/");
      const real = `${Deno.realPathSync(file.slice(0, slash) || "/")}${file.slice(slash)}`;
      resolved.add(real.slice(1));
    }
    for (const extra of ["etc/alternatives", "etc/ld.so.cache", "etc/passwd", "etc/group"]) {
      resolved.add(extra);
    }
    await Deno.writeTextFile(list, [...resolved].join("\n"));
    await run(["sh", "-c", `tar -C / -cf - -T '${list}' | tar -C '${scratch}' -xf -`]);
    for (const name of ["bin", "sbin", "lib", "lib64"]) {
      if (!exists(`${scratch}/${name}`)) await Deno.symlink(`usr/${name}`, `${scratch}/${name}`);
    }
    for (const d of ["proc", "sys", "dev", "tmp", "run", "trial", "root", "home", "var/tmp"]) {
      await Deno.mkdir(`${scratch}/${d}`, { recursive: true });
    }
    const image = `${scratch}.img`;
    await run(["mke2fs", "-q", "-t", "ext4", "-O", "^has_journal", "-d", scratch, image, "1g"]);
    await Deno.remove(scratch, { recursive: true });
    await Deno.remove(list);
    await Deno.rename(image, `${this.directory}/system.img`);
  }

  /**
   * Boots the machine with a directory as its second disk, whose `run.sh` it executes, and waits for its end. `line` sees
   * each line of the console as it comes.
   */
  async run(work: string, seconds: number, line: (text: string) => void): Promise<MachineRun> {
    const image = `${this.directory}/work.${Deno.pid}.img`;
    await run(["mke2fs", "-q", "-t", "ext4", "-O", "^has_journal", "-d", work, image, "512m"]);
    const child = new Deno.Command("timeout", {
      args: [
        ...["-k", "5", String(seconds), "qemu-system-x86_64", "-accel", "tcg,thread=multi"],
        ...["-cpu", "max", "-smp", "2", "-m", "3G", "-nographic", "-no-reboot", "-net", "none"],
        ...["-kernel", this.#kernel, "-initrd", `${this.directory}/initramfs`],
        ...["-append", "console=ttyS0 quiet panic=-1 mitigations=off"],
        ...["-drive", `file=${this.directory}/system.img,format=raw,if=virtio,readonly=on`],
        ...["-drive", `file=${image},format=raw,if=virtio,readonly=on`],
      ],
      stdin: "null",
      stdout: "piped",
      stderr: "inherit",
    }).spawn();
    let output = "";
    let rest = "";
    const decoder = new TextDecoder();
    try {
      for await (const chunk of child.stdout) {
        const text = decoder.decode(chunk, { stream: true });
        output += text;
        const lines = (rest + text).split(/\r?\n/);
        rest = lines.pop()!;
        lines.forEach(line);
      }
      await child.status;
    } finally {
      await Deno.remove(image);
    }
    return { output, finished: output.includes("MACHINE-ENDS") };
  }
}
