/** Counters of one stack, named as in /proc/net/snmp, /proc/net/snmp6 and /proc/net/netstat. */

/** The counters. */
export class Counters {
  ipInReceives = 0;
  ipInHeaderErrors = 0;
  ipInAddressErrors = 0;
  ipForwarded = 0;
  ipInUnknownProtocols = 0;
  ipInDiscards = 0;
  ipInDelivers = 0;
  ipOutRequests = 0;
  ipOutDiscards = 0;
  ipOutNoRoutes = 0;
  ipReassemblyTimeouts = 0;
  ipReassemblyRequests = 0;
  ipReassemblyOk = 0;
  ipReassemblyFails = 0;
  ipFragmentsOk = 0;
  ipFragmentsFail = 0;
  ipFragmentsCreated = 0;

  ip6InReceives = 0;
  ip6InHeaderErrors = 0;
  ip6InAddressErrors = 0;
  ip6Forwarded = 0;
  ip6InUnknownProtocols = 0;
  ip6InDiscards = 0;
  ip6InDelivers = 0;
  ip6OutRequests = 0;
  ip6OutDiscards = 0;
  ip6OutNoRoutes = 0;

  icmpInMessages = 0;
  icmpInErrors = 0;
  icmpInChecksumErrors = 0;
  icmpOutMessages = 0;
  icmpOutErrors = 0;
  icmpOutRateLimited = 0;
  icmp6InMessages = 0;
  icmp6InErrors = 0;
  icmp6OutMessages = 0;

  udpInDatagrams = 0;
  udpNoPorts = 0;
  udpInErrors = 0;
  udpOutDatagrams = 0;
  udpReceiveBufferErrors = 0;
  udpSendBufferErrors = 0;
  udpChecksumErrors = 0;

  tcpActiveOpens = 0;
  tcpPassiveOpens = 0;
  tcpAttemptFails = 0;
  tcpEstablishedResets = 0;
  tcpCurrentEstablished = 0;
  tcpInSegments = 0;
  tcpOutSegments = 0;
  tcpRetransmitted = 0;
  tcpInErrors = 0;
  tcpOutResets = 0;
  tcpChecksumErrors = 0;
  tcpSynCookiesSent = 0;
  tcpSynCookiesReceived = 0;
  tcpSynCookiesFailed = 0;
  tcpListenOverflows = 0;
  tcpListenDrops = 0;
  tcpTimeWaits = 0;
  tcpTimeWaitRecycled = 0;
  tcpPawsRejected = 0;
  tcpDelayedAcks = 0;
  tcpTimeouts = 0;
  tcpLossProbes = 0;
  tcpFastRetransmits = 0;
  tcpSackRecoveries = 0;
  tcpRenoRecoveries = 0;
  tcpUndos = 0;
  tcpChallengeAcks = 0;
  tcpKeepAlives = 0;
  tcpAbortOnData = 0;
  tcpAbortOnClose = 0;
  tcpAbortOnTimeout = 0;
  tcpAbortOnMemory = 0;
  tcpOutOfOrderQueued = 0;
  tcpReceiveQueueDrops = 0;
  tcpFastOpenActive = 0;
  tcpFastOpenPassive = 0;
}
