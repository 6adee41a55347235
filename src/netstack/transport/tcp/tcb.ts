/** The state of a connection (transmission control block); what happens to it is in the other files. */

import { Fifo } from "../../core/fifo.ts";
import { ByteRing } from "../../core/ring.ts";
import type { Timer } from "../../core/timer.ts";
import type { Route } from "../../network/route.ts";
import { Endpoint } from "../endpoint.ts";
import {
  CaState,
  DEFAULT_MSS,
  DUP_THRESHOLD,
  INFINITE_SSTHRESH,
  RetransmitTimer,
  RTO_INITIAL,
  TcpState,
} from "./constants.ts";
import { type CongestionControl, type CongestionState, Reno } from "./congestion.ts";
import { createCongestionControl } from "./congestion_registry.ts";
import { RttEstimator } from "./rtt.ts";
import { Scoreboard } from "./sent.ts";
import type { TcpShared } from "./shared.ts";

/** Pieces of the stream that came early, for reassembly and SACK. */
export const MAX_EARLY_RANGES = 256;

/** The accept queue of all that do not listen, always empty. */
const NO_QUEUE = new Fifo<Tcb>();

/** A connection or listener. All sequence numbers are signed 32-bit. */
export abstract class Tcb extends Endpoint implements CongestionState {
  readonly shared: TcpShared;
  state: TcpState = TcpState.Close;
  /** The one timer, armed for the earliest of the deadlines below. */
  abstract readonly timer: Timer;
  /** The listener whose accept queue waits for this, if any. */
  parent: Tcb | null = null;
  /** Whether the user is gone and only the protocol goes on. */
  orphan = false;
  isConnecting = false;
  /** Whether connect(2) has told of its success or failure. */
  connectReported = true;

  // What is sent.
  iss = 0;
  sndUna = 0;
  sndNxt = 0;
  sndWnd = 0;
  sndWl1 = 0;
  sndWl2 = 0;
  maxWindow = 0;
  sndWscale = 0;
  /** Bytes queued, the first at {@link sendBase}. */
  readonly sendRing = new ByteRing();
  readonly sent = new Scoreboard();
  writeClosed = false;
  finSent = false;
  /** Whether our SYN is acknowledged. */
  synAcked = false;
  synSentAt = 0;
  /** Fast Open option of our SYN, null for none, and bytes of data that go with it. */
  synCookie: Uint8Array | null = null;
  synData = 0;
  /** Whether a listener took it with the data of its SYN, before the handshake was over. */
  fastOpened = false;
  /** End of the urgent data to send; valid if `urgentOut`. */
  sndUp = 0;
  urgentOut = false;
  /** Sequence number up to which data is to be pushed out though small. */
  pushedSeq = 0;
  /** End of the last small segment sent (Minshall's rule). */
  smallSeq = 0;

  // What is received.
  irs = 0;
  rcvNxt = 0;
  /** `rcvNxt` when the window was last told. */
  rcvWup = 0;
  rcvWnd = 0;
  rcvWscale = 0;
  /** First byte the user has not read. */
  copiedSeq = 0;
  readonly receiveRing = new ByteRing();
  /** Early ranges: start and end, sorted by start. */
  readonly early: number[] = [];
  /** Most recent first: what the next SACK option tells. */
  readonly sackRanges: number[] = [];
  dsackStart = 0;
  dsackEnd = 0;
  hasDsack = false;
  /** Sequence number of the peer's FIN; valid if `finSeen`. */
  finSeq = 0;
  finSeen = false;
  readClosed = false;
  /** Sequence number of the urgent byte; valid if `urgentState` is not 0. */
  urgentSeq = 0;
  /** 0 none, 1 announced, 2 there, 3 read. */
  urgentState = 0;
  urgentByte = 0;
  onUrgent: (() => void) | null = null;

  // Options both sides agreed on.
  mss: number = DEFAULT_MSS;
  /** What the peer said it takes. */
  peerMss: number = DEFAULT_MSS;
  advertisedMss: number = DEFAULT_MSS;
  windowScaling = false;
  tsEnabled = false;
  tsOffset = 0;
  tsRecent = 0;
  tsRecentAt = 0;
  lastAckSent = 0;
  sackOk = false;
  ecnOk = false;
  /** Tell of congestion until the peer confirms. */
  ecnDemand = false;
  /** Confirm the peer's congestion notice with the next data. */
  ecnReduced = false;
  route: Route | null = null;

  // Retransmission.
  readonly rtt = new RttEstimator();
  rto: number = RTO_INITIAL;
  backoff = 0;
  retransmits = 0;
  probes = 0;
  timerKind: RetransmitTimer = RetransmitTimer.None;
  /** Deadlines; Infinity if there is none. */
  retransmitAt = Infinity;
  ackAt = Infinity;
  keepAliveAt = Infinity;
  waitAt = Infinity;
  /** Time of the first retransmission of the oldest segment, 0 if none. */
  retransmitStamp = 0;
  /** Time since which the peer takes nothing, 0 if it does. */
  probeStamp = 0;
  softError = 0;

  // Loss recovery.
  ca: CaState = CaState.Open;
  cwnd = 10;
  cwndCount = 0;
  ssthresh: number = INFINITE_SSTHRESH;
  highSeq = 0;
  priorCwnd = 0;
  priorSsthresh = 0;
  prrDelivered = 0;
  prrOut = 0;
  undoMarker = 0;
  canUndo = false;
  /** Retransmissions not yet known to be needless; -1 if there were none. */
  undoRetransmits = -1;
  /** SACK blocks of the last segment, start and end, which need no second look. */
  readonly sackCache: number[] = [];
  duplicateAcks = 0;
  cwndLimited = false;
  /** Packets in flight when the window was last full. */
  maxPacketsOut = 0;
  control: CongestionControl;
  rackSentAt = 0;
  rackEnd = 0;
  rackRtt = 0;
  rackSteps = 1;
  rackDsackRound = 0;
  reorderingSeen = false;
  reordering: number = DUP_THRESHOLD;
  highestSack = 0;
  tlpHighSeq = 0;
  tlpActive = false;
  tlpRetransmitted = false;

  // Acknowledging.
  ackPending = false;
  quickAcks = 0;
  ato = 0;
  pingPong = false;
  lastReceivedAt = 0;
  /** Last time any segment came. */
  lastHeardAt = 0;
  lastAckAt = 0;
  lastSentAt = 0;
  /** Estimate of the peer's segment size. */
  rcvMss: number = DEFAULT_MSS;
  lastInvalidAckAt = -Infinity;

  // Receive buffer moderation.
  windowClamp = 0;
  rcvSpace = 0;
  rcvSpaceSeq = 0;
  rcvSpaceAt = 0;
  receiveLocked = false;
  sendLocked = false;
  /** Memory of the rings, as counted in the stack's total. */
  accounted = 0;

  // Socket options.
  noDelay = false;
  cork = false;
  keepAlive = false;
  keepIdle = 0;
  keepInterval = 0;
  keepCount = 0;
  userTimeout = 0;
  lingerSeconds = -1;
  /** TCP_LINGER2 in ns: 0 the default, negative: no waiting in FIN_WAIT2. */
  linger2 = 0;
  synCount = 0;
  deferAccept = 0;
  maxSegment = 0;
  oobInline = false;
  receiveLowWater = 1;
  notSentLowWater = 0;
  fastOpenQueue = 0;
  fastOpenConnect = false;
  quickAckOption = true;

  // Listening.
  backlog = 0;
  /** Connections that wait for accept(2); a listener has one of its own. */
  acceptQueue: Fifo<Tcb> = NO_QUEUE;
  synRequests = 0;
  lastSynOverflow = -Infinity;

  // Counts for TCP_INFO.
  bytesAcked = 0;
  bytesReceived = 0;
  bytesSent = 0;
  bytesRetransmitted = 0;
  segmentsIn = 0;
  segmentsOut = 0;
  dataSegmentsIn = 0;
  dataSegmentsOut = 0;
  totalRetransmits = 0;
  deliveredPackets = 0;
  deliveredTime = 0;
  firstSentAt = 0;
  appLimited = 0;
  pacingRate = 0;
  /** When the next data may leave at the pacing rate. */
  paceAt = 0;
  /** Deadline of the pacing timer, Infinity if nothing waits for it. */
  paceTimerAt = Infinity;
  sendQuantum = 1;
  dsackDuplicates = 0;

  constructor(shared: TcpShared, isV6: boolean) {
    super(shared.ctx, shared.output, isV6);
    this.shared = shared;
    const s = shared.ctx.settings;
    this.sendBufferSize = s.tcpSendDefault;
    this.receiveBufferSize = s.tcpReceiveDefault;
    this.control = createCongestionControl(s.tcpCongestionControl, () => this.ctx.random.unit()) ??
      new Reno();
    this.cwnd = s.tcpInitialWindow;
  }

  get inFlight(): number {
    return this.sent.inFlight;
  }

  get initialCwnd(): number {
    return this.ctx.settings.tcpInitialWindow;
  }

  get srtt(): number {
    return this.rtt.srtt;
  }

  /** Sequence number of the first byte in `sendRing`. */
  get sendBase(): number {
    return this.synAcked ? this.sndUna : (this.iss + 1) | 0;
  }

  /** Sequence number behind the last byte queued. */
  get writeSeq(): number {
    return (this.sendBase + this.sendRing.length) | 0;
  }

  /** Whether data may still come from the peer. */
  get mayReceive(): boolean {
    return this.state === TcpState.Established || this.state === TcpState.FinWait1 ||
      this.state === TcpState.FinWait2;
  }

  /** Whether the handshake is over and the connection not gone. */
  get isSynchronized(): boolean {
    return this.state !== TcpState.Close && this.state !== TcpState.Listen &&
      this.state !== TcpState.SynSent;
  }

  /** The state changes so that the table entry, ports and timers must go. */
  abstract destroy(): void;

  /** Brings the total of socket memory up to date with the rings. */
  account(): void {
    const now = this.sendRing.capacity + this.receiveRing.capacity;
    if (now !== this.accounted) {
      this.ctx.socketMemory += now - this.accounted;
      this.accounted = now;
    }
  }

  /** Arms the timer for the earliest deadline. */
  rearm(): void {
    const next = Math.min(
      this.retransmitAt,
      this.ackAt,
      this.keepAliveAt,
      this.waitAt,
      this.paceTimerAt,
    );
    if (next !== this.timer.deadline) this.ctx.timers.arm(this.timer, next);
  }
}
