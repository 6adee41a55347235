import { SECOND } from "../core/timer.ts";

/** Settings of one stack, what /proc/sys/net holds, with Linux's defaults. */
export class NetworkSettings {
  forwarding4 = false;
  forwarding6 = false;
  defaultTtl = 64;
  localPortLow = 32768;
  localPortHigh = 60999;
  /** Ports below this need a privilege; the socket layer checks it. */
  unprivilegedPortStart = 1024;
  pingGroupLow = 1;
  pingGroupHigh = 0;
  echoIgnoreAll = false;
  echoIgnoreBroadcasts = true;
  icmpRatePerSecond = 1000;
  icmpBurst = 50;
  fragmentTimeout: number = 30 * SECOND;
  fragmentMemory: number = 4 * 1024 * 1024;
  pathMtuExpires: number = 600 * SECOND;
  minPathMtu = 552;
  /** Bytes of memory that all endpoints' queues may hold together. */
  socketMemory: number = 256 * 1024 * 1024;

  receiveBufferDefault = 212992;
  receiveBufferMax = 212992;
  sendBufferDefault = 212992;
  sendBufferMax = 212992;
  listenBacklogMax = 4096;

  tcpReceiveMin = 4096;
  tcpReceiveDefault = 131072;
  tcpReceiveMax = 6291456;
  tcpSendMin = 4096;
  tcpSendDefault = 16384;
  tcpSendMax = 4194304;
  tcpWindowScaling = true;
  tcpTimestamps = true;
  tcpSack = true;
  tcpDsack = true;
  /** 0 never, 1 ask for it, 2 only when asked. */
  tcpEcn = 2;
  tcpSynCookies = 1;
  tcpSynBacklog = 1024;
  tcpSynRetries = 6;
  tcpSynAckRetries = 5;
  tcpRetries1 = 3;
  tcpRetries2 = 15;
  tcpOrphanRetries = 8;
  tcpFinTimeout: number = 60 * SECOND;
  tcpTimeWait: number = 60 * SECOND;
  tcpMaxTimeWait = 65536;
  tcpTimeWaitReuse = 2;
  tcpKeepAliveTime: number = 7200 * SECOND;
  tcpKeepAliveInterval: number = 75 * SECOND;
  tcpKeepAliveProbes = 9;
  tcpCongestionControl = "cubic";
  /** Bit 0: client; bit 1: server. */
  tcpFastOpen = 1;
  tcpAbortOnOverflow = false;
  tcpRfc1337 = false;
  tcpSlowStartAfterIdle = true;
  tcpModerateReceiveBuffer = true;
  tcpNotSentLowWater = 4294967295;
  tcpChallengeAckLimit = 1000;
  tcpMinMss = 48;
  tcpInitialWindow = 10;
  tcpMaxOrphans = 16384;
  tcpMtuProbing = 0;
}
