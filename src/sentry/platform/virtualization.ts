/** What can be told of virtual machines without loading the platform that uses them. */

import { platformNative } from "./stub_host.ts";

const VMX = 1 << 5;
const SVM = 1 << 2;

/** Whether the processor says that it can run virtual machines (CPUID leaves 1 and 0x80000001, ECX). */
export function hasVirtualization(): boolean {
  const { cpuid } = platformNative();
  const out = new Uint32Array(4);
  const bytes = new Uint8Array(out.buffer);
  cpuid(1, 0, bytes);
  if ((out[2] & VMX) !== 0) return true;
  cpuid(0x80000001, 0, bytes);
  return (out[2] & SVM) !== 0;
}
