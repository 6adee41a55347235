/** What the kernel calls itself (uname(2), /proc/version). */

export const KERNEL_NAME = "Linux";
/** The Linux whose interface it has. */
export const KERNEL_RELEASE = "6.12.0";
export const KERNEL_VERSION = "#1 SMP PREEMPT_DYNAMIC runsc";
export const MACHINE = "x86_64";
